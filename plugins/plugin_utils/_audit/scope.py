# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What part of the past an audit is about."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone

from .._rollout.errors import RolloutError
from .._rollout.quantities import parse_duration

_AGE = re.compile(r"[0-9]+[smhd]")
_START, _END = "start of the audit", "end of the audit"
_MINUTE = 60
"""What ages are rounded down to, so that a scope does not tell another moment whenever it is asked for."""


@dataclass(frozen=True)
class Scope:
    """From ``since`` to ``until``, both included (seconds since the epoch); of ``hosts`` only, if there are any."""

    since: float | None = None
    until: float | None = None
    hosts: frozenset[str] = frozenset()

    def covers(self, at: float) -> bool:
        """Whether a moment lies in it."""
        return (self.since is None or self.since <= at) and (self.until is None or at <= self.until)


def make_scope(since: str | None, until: str | None, hosts: Collection[str], now: float) -> Scope:
    """The scope of what a person wrote: a day, a moment, or how long ago it was. Raises RolloutError."""
    scope = Scope(_moment(since, _START, now), _moment(until, _END, now), frozenset(hosts))
    if scope.since is not None and scope.until is not None and scope.since > scope.until:
        raise RolloutError(f"The {_START} ({since}) is after the {_END} ({until}).", "Exchange them.", "invalid_time")
    return scope


def _moment(given: str | None, where: str, now: float) -> float | None:
    text = (given or "").strip()
    if not text:
        return None
    if _AGE.fullmatch(text):
        return (now - parse_duration(text, where)) // _MINUTE * _MINUTE
    try:
        at = datetime.fromisoformat(text)
    except ValueError as error:
        raise RolloutError(
            f"{where}: {text!r} is not a time.",
            "Write a day (2026-08-01), a moment (2026-08-01T04:10Z), or how long ago it was (12h, 30d).",
            "invalid_time",
        ) from error
    at = at if at.tzinfo is not None else at.replace(tzinfo=timezone.utc)
    if where == _END and _is_day(text):
        at += timedelta(days=1, milliseconds=-1)
    return at.timestamp()


def _is_day(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True
