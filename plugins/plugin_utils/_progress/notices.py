# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What of a rollout's events deserves a line, and when it is time for one. Pure; every line is ``plain``."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from .._report import plain, standing
from .._report.words import HOLD_RULES, ORDERS, STATES, explain, spoken
from .._rollout.errors import some
from .._rollout.events import Event
from .._rollout.replay import STATE_AFTER
from .._rollout.states import Rollout
from .view import View

_NAMED = 5
_PATIENT = 6
"""How many times rarer than news it is told that devices got further on their way."""
_OF_DEVICES = frozenset({"failed", "rolled_back", "lost", "inconsistent", "incompatible", "silent"})
"""Kinds of events somebody wants to hear of although they are about one device."""
_BY_ORDER = {
    "paused": "pause",
    "resumed": "resume",
    "accepted": "accept",
    "approved": "approve",
    "canceled": "cancel",
    "aborted": "abort",
    "reverting": "revert",
}
_OF_WAVES = {"wave_opened": "opens", "wave_passed": "passed"}
_OTHERS = {
    "completed": "completed: all waves passed",
    "superseded": "superseded by {by}",
    "analysed": "analysis {name} of wave {wave}: {outcome}",
}


@dataclass(frozen=True)
class Notice:
    """``words``, of this device if it is about one: those of the same words become one line."""

    words: str
    host: str | None = None


def notices(events: Iterable[Event], rollout: Rollout) -> list[Notice]:
    """What is to be told of these events, which led to ``rollout``."""
    found = (_notice(event, rollout) for event in events)
    return [notice for notice in found if notice is not None]


def lines(told: Iterable[Notice]) -> list[str]:
    """One line for each, in order; devices of which the same is said share the place of the first."""
    together: dict[Notice, list[str]] = {}
    for notice in told:
        hosts = together.setdefault(Notice(notice.words), [])
        if notice.host is not None:
            hosts.append(notice.host)
    return [
        plain(f"{some(hosts, _NAMED)}: {notice.words}" if hosts else notice.words) for notice, hosts in together.items()
    ]


class Teller:
    """Decides when lines are printed. What happens to the rollout is told at once.

    What happens to devices is gathered for ``interval`` seconds. With ``tallies`` how far the rollout is gets a line as
    often when that is news, and now and then when devices have only got further on their way.
    """

    def __init__(self, interval: float, *, tallies: bool) -> None:
        self._interval = interval
        self._tallies = tallies
        self._untold: list[Notice] = []
        self._told_at = self._tallied_at = float("-inf")
        self._news: tuple[object, ...] = ()
        self._tally = ""

    def was_told(self, view: View, now: float) -> None:
        """Somebody else has just said how far the rollout is."""
        self._news, self._tally, self._tallied_at = view.news, view.tally, now

    def hear(self, told: Iterable[Notice], view: View, now: float) -> list[str]:
        """The lines that are due at ``now`` (seconds)."""
        self._untold += told
        if all(notice.host is not None for notice in self._untold) and now - self._told_at < self._interval:
            return []
        due = self.rest()
        if self._is_due(view, now):
            due.append(view.tally)
            self.was_told(view, now)
        if due:
            self._told_at = now
        return due

    def rest(self) -> list[str]:
        """What was not told yet, whether it is time or not."""
        due, self._untold = lines(self._untold), []
        return due

    def _is_due(self, view: View, now: float) -> bool:
        if not self._tallies or view.tally == self._tally:
            return False
        return now - self._tallied_at >= self._interval * (1 if view.news != self._news else _PATIENT)


def _notice(event: Event, rollout: Rollout) -> Notice | None:
    if event.host is not None:
        return _of_device(event, event.host) if event.kind in _OF_DEVICES else None
    wave = "" if event.wave is None else rollout.plan.waves[event.wave].name
    if event.kind in _OF_WAVES and event.wave is not None:
        return Notice(f"wave {wave} {_OF_WAVES[event.kind]}: {standing(rollout.in_wave(event.wave))}")
    if "rule" in event.data:
        rule = str(event.data["rule"])
        where = f" in wave {wave}" if wave else ""
        return Notice(f"{event.kind}{where}: {HOLD_RULES.get(rule, spoken(rule))} ({event.data['numbers']})")
    if event.kind in _BY_ORDER:
        what = f"wave {wave} " if wave else ""
        by, why = event.data.get("by", ""), event.data.get("why", "")
        return Notice(f"{what}{ORDERS[_BY_ORDER[event.kind]]} by {by}: {why}")
    words = _OTHERS.get(event.kind)
    return None if words is None else Notice(words.format(wave=wave, **event.data))


def _of_device(event: Event, host: str) -> Notice:
    state, why = STATES[STATE_AFTER[event.kind].value], explain(event.data)
    return Notice(why if why.startswith(f"{state}:") else ": ".join(filter(None, (state, why))), host)
