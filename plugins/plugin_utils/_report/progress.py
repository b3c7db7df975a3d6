# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One line on how far a rollout is, for those who watch it run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from .._plain import plain
from .._rollout.decide import is_due_by
from .._rollout.errors import some
from .._rollout.events import format_time
from .._rollout.gate import Wait
from .._rollout.states import STOPPED, Device, DeviceClass, DeviceState, Rollout, WavePhase
from .words import CATCHING_UP, GROUP_OF, GROUPS, PHASES, WAIT_RULES, moment, spoken

_NAMED = 4
_TOLD = ("rolled_back", "failed", "in_flight", "asleep")
"""Groups of the reports that are told beside those updated."""


def progress(rollout: Rollout, go: Sequence[str], wait: Wait | None) -> str:
    """``half: 3 of 12 updated, 1 failed; now d-04 and d-05; all waves: 5 of 26 updated``."""
    index = next((i for i, wave in enumerate(rollout.waves) if wave.phase is WavePhase.OPEN), None)
    parts = []
    if index is not None:
        parts.append(f"{rollout.plan.waves[index].name}: {standing(rollout.in_wave(index))}")
    late = rollout.catching_up
    if late and (index is None or any(device.host in go for device in late)):
        parts.append(f"{CATCHING_UP}: {standing(late)}")
    if rollout.phase in STOPPED:
        parts.append(PHASES[rollout.phase.value])
    if go:
        parts.append(f"now {some(go, _NAMED)}")
    elif wait is not None:
        until = "" if wait.until is None else f", until {moment(format_time(wait.until))} at the latest"
        parts.append(f"waits for {WAIT_RULES.get(wait.rule, spoken(wait.rule))}{until}")
    parts.append(f"all waves: {standing(rollout.devices.values())}")
    return plain("; ".join(parts))


def patience(rollout: Rollout, deadline: float) -> str:
    """``2 devices outside their windows; this run waits for the next, at ..., and ends after ...``."""
    due = [device.until for device in rollout.devices.values() if is_due_by(device, deadline)]
    count = "1 device" if len(due) == 1 else f"{len(due)} devices"
    first = min(moment(format_time(until)) for until in due if until is not None)
    last = moment(format_time(deadline))
    return plain(f"{count} outside their windows; this run waits for the next, at {first}, and ends after {last}")


def standing(devices: Iterable[Device]) -> str:
    """``3 of 12 updated, 1 failed, 2 asleep``; neutral ones are not counted."""
    return ", ".join(standing_parts(devices))


def standing_parts(devices: Iterable[Device]) -> list[str]:
    """The parts of ``standing``, of which the first is always there."""
    counted = [device for device in devices if device.device_class is not DeviceClass.NEUTRAL]
    updated = sum(device.state is DeviceState.SUCCEEDED for device in counted)
    groups = Counter(GROUP_OF[device.state.value] for device in counted)
    others = (
        *((GROUPS[group], groups[group]) for group in _TOLD),
        ("put off", sum(device.state is DeviceState.DEFERRED for device in counted)),
    )
    return [f"{updated} of {len(counted)} updated", *(f"{count} {word}" for word, count in others if count)]
