# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every device is meant to run, by the rollouts on record."""

from __future__ import annotations

from collections.abc import Iterable

from .._rollout.states import DeviceClass, DeviceState, Rollout


def wanted(rollouts: Iterable[Rollout]) -> dict[str, tuple[str, ...]]:
    """Per device the digests that its last rollout left it with; without those that one is at work on or gave up."""
    found: dict[str, tuple[str, ...]] = {}
    for rollout in sorted(rollouts, key=lambda rollout: rollout.started_at):
        for host, device in rollout.devices.items():
            if device.state in (DeviceState.SUCCEEDED, DeviceState.CURRENT):
                found[host] = rollout.plan.targets[device.variant].accept
            elif device.state is DeviceState.ROLLED_BACK and device.previous_digest is not None:
                found[host] = (device.previous_digest,)
            elif device.device_class in (DeviceClass.FLIGHT, DeviceClass.CHARGED):
                found.pop(host, None)
    return found
