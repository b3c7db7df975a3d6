# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Durations and shares as people write them in a spec."""

from __future__ import annotations

import re

from .errors import RolloutError

_UNIT_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_DURATION = re.compile(r"([0-9]+)([smhd])")
_LONGEST_DAYS = 3650
_RATE = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,9})?)([kMG]?)")
_FACTORS = {"": 1, "k": 1000, "M": 1000**2, "G": 1000**3}


def parse_duration(text: str, where: str) -> int:
    """Seconds of a duration such as ``90s``, ``30m``, ``2h`` or ``14d``; ``where`` names the key in errors."""
    match = _DURATION.fullmatch(text)
    remedy = "Write a whole number and a unit: 90s, 30m, 2h or 14d."
    if match is None:
        raise RolloutError(f"{where}: {text!r} is not a duration.", remedy, "invalid_spec")
    seconds = int(match.group(1)) * _UNIT_SECONDS[match.group(2)]
    if seconds > _LONGEST_DAYS * _UNIT_SECONDS["d"]:
        # Points in time beyond the year 9999 cannot be written down.
        raise RolloutError(f"{where}: {text!r} is longer than {_LONGEST_DAYS} days.", remedy, "invalid_spec")
    return seconds


def parse_rate(text: str, where: str = "", reason: str = "invalid_rate") -> int:
    """Bytes per second of ``6250000``, ``6.25M`` or ``800k``; ``where`` is the key in errors, ``reason`` their kind."""
    match = _RATE.fullmatch(text)
    rate = int(float(match.group(1)) * _FACTORS[match.group(2)]) if match else 0
    if rate < 1:
        raise RolloutError(
            f"{where}: {text!r} is no number of bytes per second."
            if where
            else f"The rate {text!r} is not a number of bytes per second.",
            "Write it like 6.25M, 800k or 6250000; 6.25M are 50 Mbit/s.",
            reason,
        )
    return rate


def share(limit: int | str, of: int) -> int:
    """A limit written as a count or as ``"p%"`` of ``of`` members, rounded down."""
    if isinstance(limit, int):
        return limit
    return int(limit[:-1]) * of // 100


def percent_of(percent: int, of: int) -> int:
    """``percent`` of ``of``, rounded up: what a coverage of that many percent needs."""
    return -(-percent * of // 100)
