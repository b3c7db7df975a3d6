# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How measured values are distributed, computed for a small drawing."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

_BINS = 10
_WORTH_DRAWING = 5
_ALIKE = 1e-3


@dataclass(frozen=True)
class Bar:
    """One bar of a histogram, in the drawing's own units; ``label`` says its range, ``count`` its devices."""

    x: float
    y: float
    width: float
    height: float
    count: int
    label: str


@dataclass(frozen=True)
class Chart:
    """A histogram in a ``width`` x ``height`` drawing; ``low`` and ``high`` label its axis."""

    width: int
    height: int
    bars: tuple[Bar, ...]
    low: str
    high: str


def median(values: Sequence[float]) -> float:
    """Of sorted values."""
    middle = len(values) // 2
    return values[middle] if len(values) % 2 else (values[middle - 1] + values[middle]) / 2


def distribution(title: str, values: Sequence[float], write: Callable[[float], str]) -> dict[str, Any] | None:
    """What the templates show of sorted ``values``: in words, and drawn where that shows more; None without any."""
    if not values:
        return None
    words = f"from {write(values[0])} to {write(values[-1])}, median {write(median(values))}"
    return {"title": title, "words": words, "count": len(values), "chart": histogram(values, write)}


def histogram(values: Sequence[float], write: Callable[[float], str]) -> Chart | None:
    """A histogram of sorted ``values``; None when they are too few, or too alike, to show a shape."""
    if len(values) < _WORTH_DRAWING or values[-1] - values[0] < max(_ALIKE, values[-1] * _ALIKE):
        return None
    step = _round_step((values[-1] - values[0]) / _BINS)
    first = math.floor(values[0] / step)
    if write(first * step) == write((first + 1) * step):
        return None  # its bins would all be called the same
    counts = [0] * (math.floor(values[-1] / step) - first + 1)
    for value in values:
        counts[math.floor(value / step) - first] += 1
    width, height, top = 360, 96, 18
    slot = width / len(counts)
    bars = []
    for index, count in enumerate(counts):
        tall = round((height - top) * count / max(counts), 2)
        label = f"{write((first + index) * step)} to {write((first + index + 1) * step)}"
        bars.append(Bar(round(index * slot + 1, 2), height - tall, round(slot - 2, 2), tall, count, label))
    return Chart(width, height, tuple(bars), write(first * step), write((first + len(counts)) * step))


def _round_step(rough: float) -> float:
    """The next larger of 1, 2, 5 times a power of ten, so that bins begin at round values."""
    power: float = 10.0 ** math.floor(math.log10(rough))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough)
