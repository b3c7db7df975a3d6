# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts that came into the inventory after the plan was made. Pure.

The plan stays as it is, hash and all; whoever joins stands beside it, and moves nobody to another wave.
"""

from __future__ import annotations

from collections.abc import Iterable

from .decide import is_too_late
from .errors import RolloutError
from .events import Event
from .plan import Candidate, budget_group, natural_wave
from .states import Rollout, RolloutPhase, WavePhase

_WELCOMING = (RolloutPhase.RUNNING, RolloutPhase.PAUSED, RolloutPhase.HELD, RolloutPhase.COMPLETED)


def newcomers(rollout: Rollout, candidates: Iterable[Candidate], now: float) -> tuple[Candidate, ...]:
    """Those of ``candidates`` that the rollout may take in.

    None when it takes another rollout back, which is about the devices of that one, and none once a third took over any
    of its devices: then that one is what newcomers shall run.
    """
    spec = rollout.plan.spec
    if spec.reverts or spec.late_joiners == "ignore" or rollout.phase not in _WELCOMING or is_too_late(rollout, now):
        return ()
    strangers = [c for c in candidates if c.host not in rollout.devices and c.variant in rollout.plan.targets]
    if not strangers or any(device.taken_over for device in rollout.devices.values()):
        return ()
    return tuple(sorted(strangers, key=lambda candidate: candidate.host))


def joined(rollout: Rollout, newcomer: Candidate, now: float) -> Event:
    """The event by which a host joins: the wave it falls into while that is not open yet, else to catch up."""
    wave, late = len(rollout.plan.waves) - 1, True
    if rollout.plan.spec.late_joiners == "own_wave":
        own = _own_wave(rollout, newcomer)
        if own is not None and rollout.waves[own].phase is WavePhase.PLANNED:
            wave, late = own, False
    data: dict[str, object] = {"variant": newcomer.variant, "catching_up": late}
    group = budget_group(rollout.plan.spec, newcomer)
    if group is not None:
        data["group"] = group
    return Event("joined", now, newcomer.host, wave, data)


def _own_wave(rollout: Rollout, newcomer: Candidate) -> int | None:
    """None when its tier is none: a host that is wrong in the inventory must not stop the others."""
    try:
        return natural_wave(rollout.plan, newcomer)
    except RolloutError:
        return None
