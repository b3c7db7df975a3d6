# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plan a rollout exactly as it would be opened, and leave it at that."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible_collections.skorionos.bootc.plugins.action import rollout_open
from ansible_collections.skorionos.bootc.plugins.plugin_utils._controller import (
    CLOCK,
    Takeover,
    as_document,
    open_rollout,
    read_spec,
)
from ansible_collections.skorionos.bootc.plugins.plugin_utils._operator import PLANNING, ledger_directory
from ansible_collections.skorionos.bootc.plugins.plugin_utils._release import resolve_targets
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.errors import RolloutError
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.states import Device, DeviceClass, Rollout

_DECIDED = (DeviceClass.SUCCEEDED, DeviceClass.CHARGED, DeviceClass.NEUTRAL)


class ActionModule(rollout_open.ActionModule):
    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super(rollout_open.ActionModule, self).run(tmp, task_vars)
        _unused, options = self.validate_argument_spec(
            argument_spec={
                **PLANNING,
            }
        )
        try:
            return {**result, **self._plan(options, task_vars or {})}
        except RolloutError as error:
            return {**result, "failed": True, "msg": str(error), "reason": error.reason}

    def _plan(self, options: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        directory = Path(str(options["spec"])).parent
        spec = read_spec(Path(str(options["spec"])))
        candidates = self._candidates(spec, task_vars)
        root = ledger_directory(options)
        opened = open_rollout(
            root,
            spec,
            candidates,
            lambda asked: resolve_targets(rollout_open.anchored(asked, directory)),
            dry_run=True,
            deadline=CLOCK.now(),
            accept_removed=options["accept_removed"],
            takeover=Takeover(tuple(options["supersedes"]), str(options["why"])),
        )
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
            "id": spec.id,
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
