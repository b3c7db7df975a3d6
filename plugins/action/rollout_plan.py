# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plan a rollout exactly as it would be opened, and leave it at that."""

from __future__ import annotations

from typing import Any

from ansible_collections.skorionos.bootc.plugins.action import rollout_open
from ansible_collections.skorionos.bootc.plugins.plugin_utils._controller import (
    CLOCK,
    as_document,
)
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.states import Device, DeviceClass, Rollout
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout_action import PLANNING

_DECIDED = (DeviceClass.SUCCEEDED, DeviceClass.CHARGED, DeviceClass.NEUTRAL)


class ActionModule(rollout_open.ActionModule):
    OPTIONS = PLANNING

    def answer(self, options: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        root, candidates, opened, warnings = self._opened(options, task_vars, CLOCK.now(), dry_run=True)
        rollout = opened.rollout
        is_new = any(event.kind == "planned" for event in opened.recorded)
        present = {candidate.host for candidate in candidates}
        news = {event.host for event in opened.recorded if event.kind == "joined"}
        decided = {
            device.host: device.state.value
            for device in rollout.devices.values()
            if not is_new and device.device_class in _DECIDED
        }
        return {
            "changed": False,
            "warnings": warnings,
            "id": rollout.plan.spec.id,
            "ledger": str(root),
            "plan": as_document(rollout.plan.as_dict()),
            "plan_hash": rollout.plan.hash,
            "phase": None if is_new else rollout.phase.value,
            "decided": decided,
            "joining": [_joining(rollout, rollout.devices[host], host not in news) for host in rollout.joined],
            "hosts": [host for host in rollout.devices if host in present and host not in decided],
        }


def _joining(rollout: Rollout, device: Device, on_record: bool) -> dict[str, Any]:
    wave = None if device.catching_up else rollout.plan.waves[device.wave].name
    return {"host": device.host, "variant": device.variant, "wave": wave, "on_record": on_record}
