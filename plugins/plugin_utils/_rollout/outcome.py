# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a rollout came to that others want to be told, and who was told. Pure.

It is told by whoever finds that nobody was, not by the run in which it happened: that one may be killed before it does.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from .events import Event, format_time
from .states import Rollout, RolloutPhase

_OUTCOMES = (RolloutPhase.HELD, RolloutPhase.COMPLETED, RolloutPhase.ABORTED)
_TOLD = "notified"


@dataclass(frozen=True)
class Outcome:
    """``turned`` is the phase the rollout came to, ``at`` when (RFC 3339 in UTC), ``told`` who knows of it already.

    ``by`` and ``why`` are whose order it was, if it was one: a later order, such as to take it back, may be another's.
    """

    turned: str
    at: str
    told: frozenset[str] = frozenset()
    by: str = ""
    why: str = ""


def outcome_of(rollout: Rollout, events: Iterable[Event]) -> Outcome | None:
    """What the rollout of these events came to and still is, if it came to anything.

    What it was and is not any more is owed to nobody: somebody had it go on since.
    """
    if rollout.phase not in _OUTCOMES:
        return None
    turned, at, by, why = rollout.phase.value, "", "", ""
    told: dict[str, set[str]] = {}
    for event in events:
        if event.kind == turned:
            at = format_time(event.at)
            by, why = str(event.data.get("by", "")), str(event.data.get("why", ""))
        elif event.kind == _TOLD and event.data["turned"] == turned:
            told.setdefault(str(event.data["since"]), set()).add(str(event.data["to"]))
    return Outcome(turned, at, frozenset(told.get(at, ())), by, why)


def notified(turned: str, since: str, to: str, now: float) -> Event:
    """That somebody was told of what the rollout came to at ``since``."""
    return Event(_TOLD, now, data={"turned": turned, "since": since, "to": to})
