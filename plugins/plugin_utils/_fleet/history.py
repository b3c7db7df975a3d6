# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the ledgers of rollouts know of a fleet: each rollout; of each device what happened, and how long it took.

Ledgers are taken in one by one, in any order, so that no more than one of them is in memory with all its events.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .._rollout.decide import decide
from .._rollout.events import Event
from .._rollout.states import OVER, Rollout
from .._rollout.summary import summarize

STEPS = 40
"""How much is kept of what happened to a device."""
_OF_NOBODY = frozenset({"planned", "notified"})


@dataclass(frozen=True)
class Step:
    """Something that happened to a device. ``at`` in seconds since the epoch; ``data`` as in the event."""

    at: float
    rollout: str
    kind: str
    data: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Download:
    """Bytes that an update was to fetch; without ``exact`` they are the most it can have been."""

    bytes: int
    exact: bool


@dataclass(frozen=True)
class Chapter:
    """One rollout, the events that are about all of it, and where its own page is."""

    rollout: Rollout
    events: Sequence[Mapping[str, Any]]
    page: str | None = None

    @property
    def is_over(self) -> bool:
        return self.rollout.phase in OVER

    def summary(self, now: float) -> dict[str, Any]:
        """As ``summarize`` has it."""
        return summarize(self.rollout, decide(self.rollout, now).wait, now)


@dataclass
class _Past:
    """What is known of one device. ``update`` has when the newest rollout that updated it began, and its figures."""

    steps: list[Step] = field(default_factory=list)
    stood: tuple[float, str, str] | None = None
    update: tuple[float, Mapping[str, Any]] | None = None

    def figure(self, what: str) -> Any:
        return None if self.update is None else self.update[1].get(what)


class History:
    """What is told of a fleet by the rollouts that were added."""

    def __init__(self) -> None:
        self._past: dict[str, _Past] = {}
        self._chapters: list[Chapter] = []

    def add(
        self,
        rollout: Rollout,
        events: Iterable[Event],
        planned: Mapping[str, Download] | None = None,
        page: str | None = None,
    ) -> None:
        """Take a rollout in. ``planned`` are the downloads by its plan, by host."""
        begun, name = rollout.started_at, rollout.plan.spec.id
        of_all, staging, figures = [], dict[str, float](), dict[str, dict[str, Any]]()
        for event in events:
            if event.host is None:
                of_all += [] if event.kind in _OF_NOBODY else [event.as_dict()]
                continue
            past = self._past.setdefault(event.host, _Past())
            _append(past.steps, Step(event.at, name, event.kind, event.data))
            if event.kind == "staging":
                staging[event.host] = event.at
                figures.setdefault(event.host, {})["download"] = _download(rollout, event.host, planned or {})
            elif event.kind == "staged" and event.host in staging:
                figures[event.host]["staging_seconds"] = event.at - staging.pop(event.host)
        for host, device in rollout.devices.items():
            past = self._past.setdefault(host, _Past())
            if device.boot_seconds is not None:
                figures.setdefault(host, {})["boot_seconds"] = device.boot_seconds
            if past.stood is None or past.stood[0] <= begun:
                past.stood = (begun, name, device.state.value)
        for host, measured in figures.items():
            past = self._past[host]
            if past.update is None or past.update[0] <= begun:  # a figure it lacks is not that of an update before it
                past.update = (begun, measured)
        self._chapters.append(Chapter(rollout, of_all, page))

    @property
    def chapters(self) -> list[Chapter]:
        """The newest first."""
        return sorted(self._chapters, key=lambda chapter: chapter.rollout.started_at, reverse=True)

    @property
    def current(self) -> list[Chapter]:
        """The rollouts that are not over; without any, the last one."""
        everything = self.chapters
        return [chapter for chapter in everything if not chapter.is_over] or everything[:1]

    def steps(self, host: str) -> list[Step]:
        """The last things that happened to a device, the newest first; what it is told again and again is one."""
        past = self._past.get(host, _Past())
        return sorted(past.steps, key=lambda step: step.at, reverse=True)[:STEPS]

    def stood(self, host: str) -> tuple[str, str] | None:
        """The last rollout that has a device, and the state it is in there."""
        stood = self._past.get(host, _Past()).stood
        return None if stood is None else stood[1:]

    def seconds(self, host: str, what: str) -> object:
        """``boot_seconds`` or ``staging_seconds`` of its last update, as it was reported; None if that told none."""
        return self._past.get(host, _Past()).figure(what)

    def download(self, host: str) -> Download | None:
        """What its last update was to fetch."""
        download: Download | None = self._past.get(host, _Past()).figure("download")
        return download


def planned_downloads(document: object) -> dict[str, Download]:
    """Downloads by host of a document that the rollout_plan playbook wrote; nothing of anything else."""
    waves = document.get("waves") if isinstance(document, Mapping) else None
    devices = [
        device
        for wave in (waves if isinstance(waves, list) else [])
        if isinstance(wave, Mapping) and isinstance(wave.get("devices"), list)
        for device in wave["devices"]
        if isinstance(device, Mapping)
    ]
    return {
        str(device.get("host")): Download(device["bytes"], device.get("exact") is True)
        for device in devices
        if device.get("action") == "update" and _is_number(device.get("bytes"))
    }


def _is_number(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _append(steps: list[Step], step: Step) -> None:
    """Asked every night, a device that is asleep says the same every night. Another reason is something else."""
    if not (steps and _said(steps[-1]) == _said(step)):
        steps.append(step)


def _said(step: Step) -> tuple[object, ...]:
    return step.rollout, step.kind, step.data.get("reason"), step.data.get("message")


def _download(rollout: Rollout, host: str, planned: Mapping[str, Download]) -> Download | None:
    """By the plan, else the whole image; one that goes through barriers fetches several, whose sizes nobody noted."""
    device = rollout.devices.get(host)
    if host in planned or device is None or device.hops:
        return planned.get(host)
    whole = rollout.plan.targets[device.variant].size
    return None if whole is None else Download(whole, exact=False)
