# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How long a rollout will still take, from how long its devices took so far. Pure.

Counted are the devices that are at work or wait for their turn; nobody knows when those wake that are asleep.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median

from .._rollout.events import Event
from .._rollout.forecast import Tempo
from .._rollout.replay import is_parking
from .._rollout.states import Device, DeviceClass, DeviceState, Ramp, Rollout, RolloutPhase, WavePhase

_LAST = 50
"""Of how many updates the typical one is taken: a fleet gets faster, or slower, as it goes on."""
_ENDS = frozenset({"failed", "rolled_back", "lost", "inconsistent", "deferred", "released", "unreachable", "silent"})
"""Kinds of events after which an update tells nothing about how long others take."""


class Durations:
    """Seconds from a device's first step to its proof."""

    def __init__(self) -> None:
        self._begun: dict[str, float] = {}
        self._seconds: list[float] = []

    def hear(self, events: Iterable[Event]) -> None:
        """Take in what was recorded."""
        for event in events:
            if event.host is None:
                continue
            if event.kind == "staging" and not event.data.get("parked"):
                self._begun.setdefault(event.host, event.at)
            elif event.kind == "succeeded" and event.host in self._begun:
                self._seconds.append(event.at - self._begun.pop(event.host))
                del self._seconds[:-_LAST]
            elif event.kind in _ENDS or is_parking(event):
                self._begun.pop(event.host, None)

    @property
    def typical(self) -> float | None:
        """What half of the last updates took at most (seconds); None before the first."""
        return median(self._seconds) if self._seconds else None


@dataclass(frozen=True)
class Estimate:
    """``seconds`` from now to the end, or to the moment when somebody has to approve ``wave``."""

    seconds: float
    wave: str | None = None


def estimate(rollout: Rollout, typical: float | None, now: float) -> Estimate | None:
    """What is left when all goes well; None when that cannot be told, or nothing is left that time brings about."""
    if typical is None or rollout.phase is not RolloutPhase.RUNNING:
        return None
    total = 0.0
    for index, (wave, state) in enumerate(zip(rollout.plan.waves, rollout.waves, strict=True)):
        if state.phase is WavePhase.PASSED:
            continue
        if wave.rules.approve == "before" and state.phase is WavePhase.PLANNED and state.approved_at is None:
            return _ahead(total, wave.name)
        devices = rollout.in_wave(index)
        left = _to_be_done(devices)
        if not left and state.covered_at is None and any(d.is_undecided for d in devices):
            return None  # it waits for devices that are out of reach
        ramp = state.ramp if state.phase is WavePhase.OPEN else Ramp(min(rollout.plan.spec.pace.start, len(left) or 1))
        busy = max(_busy(rollout, left, ramp, typical, now), _spread(rollout, left))
        covered_at = now + total + busy if state.covered_at is None else state.covered_at
        total = max(total + busy, covered_at + wave.rules.soak - now)
        if wave.rules.approve == "after" and state.approved_at is None:
            return _ahead(total, wave.name)
    return _ahead(total)


def _ahead(seconds: float, wave: str | None = None) -> Estimate | None:
    """What has come is not about to come: then it is waited for somebody, or nothing is left."""
    return Estimate(seconds, wave) if seconds > 0 else None


def _to_be_done(devices: Sequence[Device]) -> list[Device]:
    at_work = (device for device in devices if device.device_class is DeviceClass.FLIGHT and not device.parked)
    return [*at_work, *(device for device in devices if device.state is DeviceState.PENDING)]


def _busy(rollout: Rollout, left: Sequence[Device], ramp: Ramp, typical: float, now: float) -> float:
    """Until the devices that are left are through, in batches that grow with success."""
    flight = [device for device in left if device.device_class is DeviceClass.FLIGHT]
    pace = rollout.plan.spec.pace
    rounds = Tempo(ramp.limit, pace.factor, pace.parallel).batches([0] * (len(left) - len(flight)))
    # Of one in the middle of it only the last step's beginning is known; half an update is a fair guess.
    rest = max((max(typical - (now - device.since), typical / 2) for device in flight), default=0.0)
    return rest + len(rounds) * typical


def _spread(rollout: Rollout, left: Sequence[Device]) -> float:
    rate = rollout.plan.spec.pace.download_rate
    if rate is None:
        return 0.0
    waiting = [device for device in left if device.device_class is DeviceClass.UNTOUCHED]
    return sum(rollout.plan.targets[device.variant].size or 0 for device in waiting) / rate
