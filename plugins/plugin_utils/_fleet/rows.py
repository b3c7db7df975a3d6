# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rows of a fleet's table: what a device answered now, or what it said when it last did."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from .._rollout.events import format_time
from .answers import KEPT
from .clients import flaws_of
from .memory import Memory, Seen


def recalled(answers: Iterable[Mapping[str, Any]], seen: Memory) -> list[dict[str, Any]]:
    """The answers of devices, those that gave none with their last status.

    Added to each: ``seen_at``, ``unreachable_since`` (RFC 3339 or None), ``drifted`` and ``known_bugs`` of its bootc.
    """
    return [_row(answer, seen[answer["host"]]) for answer in answers]


def _row(answer: Mapping[str, Any], seen: Seen) -> dict[str, Any]:
    row = {**answer}
    if not answer["reachable"]:
        row.update({key: seen.status[key] for key in KEPT if key in seen.status})
    return {
        **row,
        "seen_at": _text(seen.seen_at),
        "unreachable_since": _text(seen.unreachable_since),
        "drifted": seen.drifted,
        "known_bugs": flaws_of(row["bootc_version"], row["backend"]),
    }


def _text(seconds: float | None) -> str | None:
    return None if seconds is None else format_time(seconds)
