# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a rollout is, as numbers and short texts to be laid out. Pure; every text is ``plain``."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone

from .._report import plain, standing, standing_parts
from .._report.words import CATCHING_UP, HOLD_RULES, PHASES, STATES, WAIT_RULES, many, span, spoken
from .._rollout.decide import decide
from .._rollout.gate import Wait
from .._rollout.states import Device, DeviceClass, DeviceState, Rollout, RolloutPhase, WavePhase
from .estimate import Durations, Estimate, estimate

_NAMED = 3
_DOWNLOADED = frozenset({DeviceState.STAGED, DeviceState.APPLYING, DeviceState.VERIFYING})
_STEPS = (
    DeviceState.STAGING,
    DeviceState.STAGED,
    DeviceState.APPLYING,
    DeviceState.VERIFYING,
    DeviceState.ROLLING_BACK,
    DeviceState.SILENT,
)
"""What a device may be in the middle of, in the order in which it goes through that."""
_TELLING = frozenset({"coverage", "approval", "analysis"})
"""Rules whose reason says more than their name."""
_WITHIN_A_DAY = 20 * 3600


@dataclass(frozen=True)
class WaveView:
    """One wave, or those that catch up: how many of ``total`` have got how far. Failed ones have not.

    ``besides`` is what ``standing`` says besides how many are updated.
    """

    name: str
    phase: WavePhase
    total: int
    downloaded: int
    applied: int
    verified: int
    failed: int
    standing: str
    besides: str


@dataclass(frozen=True)
class View:
    """A rollout at one moment. ``busy``, ``waiting``, ``hold`` and ``left`` are lines that may be empty.

    ``news`` is what has to change to be worth a line: neither steps of devices nor mere time.
    """

    headline: str
    left: str
    phase: RolloutPhase
    waves: tuple[WaveView, ...]
    busy: str
    waiting: str
    hold: str
    total: str
    news: tuple[object, ...]

    @property
    def tally(self) -> str:
        """One line for where there is no room for more."""
        current = next((wave for wave in self.waves if wave.phase is WavePhase.OPEN), None)
        parts = [] if current is None else [f"{current.name}: {current.standing}"]
        parts += [self.busy, self.waiting, f"all waves: {self.total}", self.left]
        return "; ".join(part for part in parts if part)


def view_of(rollout: Rollout, durations: Durations, deadline: float, now: float) -> View:
    """What to show of a rollout at ``now``, whose run waits until ``deadline`` (both seconds since the epoch)."""
    busy = [d for d in rollout.devices.values() if d.device_class is DeviceClass.FLIGHT and not d.parked]
    waves = [
        _wave(wave.name, state.phase, rollout.in_wave(index))
        for index, (wave, state) in enumerate(zip(rollout.plan.waves, rollout.waves, strict=True))
    ]
    if rollout.catching_up:
        waves.append(
            _wave(
                CATCHING_UP, WavePhase.OPEN if _works(rollout.catching_up) else WavePhase.PLANNED, rollout.catching_up
            )
        )
    wait = None if busy else _wait(rollout, now)
    left = _left(estimate(rollout, durations.typical, now))
    return View(
        _headline(rollout, left, now),
        left,
        rollout.phase,
        tuple(waves),
        _busy(busy),
        "" if busy else _waiting(rollout, wait, deadline, now),
        _hold(rollout),
        plain(standing(rollout.devices.values())),
        (
            rollout.phase,
            None if wait is None else (wait.rule, wait.until),
            *((wave.phase, wave.verified, wave.failed) for wave in waves),
        ),
    )


def clock_time(at: float, now: float) -> str:
    """``14:05:10 UTC``, with its date when that is not soon."""
    moment = datetime.fromtimestamp(at, timezone.utc)
    return f"{moment:%H:%M:%S} UTC" if abs(at - now) < _WITHIN_A_DAY else f"{moment:%Y-%m-%d %H:%M} UTC"


def size_of(rollout: Rollout) -> str:
    """``26 devices in 3 waves: canary 3, half 12, rest 11``."""
    names = [f"{wave.name} {len(hosts)}" for wave, hosts in zip(rollout.plan.waves, rollout.plan.hosts, strict=True)]
    waves = many(len(names), "wave")
    return plain(f"{many(len(rollout.devices), 'device')} in {waves}: {', '.join(names)}")


def _wave(name: str, phase: WavePhase, devices: Sequence[Device]) -> WaveView:
    counted = [device for device in devices if device.device_class is not DeviceClass.NEUTRAL]
    reached = [_reached(device) for device in counted]
    verified = sum(state is DeviceState.SUCCEEDED for state in reached)
    parts = [plain(part) for part in standing_parts(devices)]
    applied = verified + sum(state is DeviceState.VERIFYING for state in reached)
    return WaveView(
        plain(name),
        phase,
        len(counted),
        verified + sum(state in _DOWNLOADED for state in reached),
        applied,
        verified,
        sum(device.device_class is DeviceClass.CHARGED for device in counted),
        ", ".join(parts),
        ", ".join(parts[1:]),
    )


def _reached(device: Device) -> DeviceState:
    """The last step on record of a device that has fallen silent, else its state."""
    return device.phase if device.state is DeviceState.SILENT else device.state


def _works(devices: Iterable[Device]) -> bool:
    return any(device.device_class is DeviceClass.FLIGHT and not device.parked for device in devices)


def _headline(rollout: Rollout, left: str, now: float) -> str:
    told = [PHASES[rollout.phase.value], left]
    if rollout.phase is RolloutPhase.RUNNING:
        told[0] += f" for {span(round(max(now - rollout.started_at, 0)))}"
    return plain(f"Rollout {rollout.plan.spec.id}: {', '.join(part for part in told if part)}")


def _left(guess: Estimate | None) -> str:
    if guess is None:
        return ""
    end = "left" if guess.wave is None else f"until the approval of {guess.wave}"
    return plain(f"about {span(_rounded(guess.seconds))} {end}")


def _rounded(seconds: float) -> int:
    """A guess does not have seconds."""
    step = 5 if seconds < 60 else 60
    return max(round(seconds / step), 1) * step


def _busy(devices: Sequence[Device]) -> str:
    parts = []
    for step in _STEPS:
        names = [device.host for device in devices if device.state is step]
        if names:
            named = ", ".join(names[:_NAMED]) + (", ..." if len(names) > _NAMED else "")
            parts.append(f"{len(names)} {STATES[step.value]} ({named})")
    return plain(", ".join(parts))


def _wait(rollout: Rollout, now: float) -> Wait | None:
    """What it waits for, unless that is only for this run to get to the next devices, or for those put off."""
    wait = decide(rollout, now).wait
    return None if wait is None or wait.rule == "turn" else wait


def _waiting(rollout: Rollout, wait: Wait | None, deadline: float, now: float) -> str:
    """What keeps it from going on, and until when; also who waits for a better time."""
    parts = []
    if wait is not None:
        told = f"waits for {WAIT_RULES.get(wait.rule, spoken(wait.rule))}"
        told += f" ({wait.why})" if wait.rule in _TELLING else ""
        parts.append(told + _until(wait.until, deadline, now))
    put_off = [device for device in rollout.devices.values() if _is_put_off(device)]
    if put_off:
        dated = [device.until for device in put_off if device.until is not None]
        first = f", the first{_until(min(dated), deadline, now)}" if dated else ""
        parts.append(f"{many(len(put_off), 'device')} put off{first}")
    return plain("; ".join(parts))


def _is_put_off(device: Device) -> bool:
    return device.state is DeviceState.DEFERRED or (device.parked and device.state is DeviceState.STAGED)


def _until(until: float | None, deadline: float, now: float) -> str:
    if until is None:
        return ""
    told = f" until {clock_time(until, now)}"
    if until > deadline:
        return f"{told}, after the end of this run"
    return f"{told}, {span(round(until - now))} left" if until > now else told


def _hold(rollout: Rollout) -> str:
    hold = rollout.hold
    if hold is None:
        return ""
    where = "" if hold.wave is None else f" in wave {rollout.plan.waves[hold.wave].name}"
    rule = HOLD_RULES.get(hold.rule, spoken(hold.rule))
    return plain(f"{PHASES[rollout.phase.value]}{where}: {rule} ({hold.numbers})")
