# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every device is meant to run, by the rollouts on record."""

from __future__ import annotations

from collections.abc import Iterable

from .._rollout.states import Device, DeviceClass, DeviceState, Rollout

_AT_WORK = (DeviceClass.FLIGHT, DeviceClass.CHARGED)
_DRIFTED = "drifted"
"""Why a device is incompatible that had succeeded, and ran something else at the end of the soak."""


def wanted(rollouts: Iterable[Rollout]) -> dict[str, tuple[str, ...]]:
    """Per device the digests that its last rollout left it with; without those that one is at work on or gave up."""
    found: dict[str, tuple[str, ...]] = {}
    for rollout in sorted(rollouts, key=lambda rollout: rollout.started_at):
        for host, device in rollout.devices.items():
            if device.state in (DeviceState.SUCCEEDED, DeviceState.CURRENT) or _has_drifted(device):
                found[host] = rollout.plan.targets[device.variant].accept
            elif device.state is DeviceState.ROLLED_BACK and _back_on(device) is not None:
                found[host] = (str(_back_on(device)),)
            elif device.device_class in _AT_WORK or device.hops or device.phase is not DeviceState.PENDING:
                found.pop(host, None)
    return found


def _has_drifted(device: Device) -> bool:
    return device.state is DeviceState.INCOMPATIBLE and device.reason == _DRIFTED


def _back_on(device: Device) -> str | None:
    """What one that went back runs: the last barrier it passed, else what it ran before the rollout."""
    return device.leg_digest if device.hops else device.previous_digest
