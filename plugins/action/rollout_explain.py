# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Say why devices are where they are in a rollout."""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase
from ansible_collections.skorionos.bootc.plugins.plugin_utils._controller import CLOCK
from ansible_collections.skorionos.bootc.plugins.plugin_utils._operator import WHICH, find_rollout
from ansible_collections.skorionos.bootc.plugins.plugin_utils._report import explanation_text
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.errors import RolloutError, some
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.events import format_time
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.explain import explain
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.states import DeviceClass, Rollout


class ActionModule(ActionBase):  # type: ignore[misc]
    TRANSFERS_FILES = False
    _supports_check_mode = True
    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        _unused, options = self.validate_argument_spec(
            argument_spec={**WHICH, "hosts": {"type": "list", "elements": "str", "default": []}}
        )
        try:
            _ledger, rollout = find_rollout(options)
            hosts = _chosen(rollout, options["hosts"])
        except RolloutError as error:
            return {**result, "failed": True, "msg": str(error), "reason": error.reason}
        now = CLOCK.now()
        told = [
            {
                "host": told.host,
                "state": told.state,
                "since": format_time(told.since),
                "why": told.why,
                "next": told.next,
                "until": None if told.until is None else format_time(told.until),
            }
            for told in (explain(rollout, host, now) for host in hosts)
        ]
        self._display.display(f"\n{explanation_text(told)}\n")
        return {**result, "changed": False, "id": rollout.plan.spec.id, "devices": told}


def _chosen(rollout: Rollout, hosts: list[str]) -> list[str]:
    """The named devices; without names those that somebody may wonder about."""
    strangers = [host for host in hosts if host not in rollout.devices]
    if strangers:
        raise RolloutError(
            f"The rollout {rollout.plan.spec.id} has no device {some(strangers)}.",
            "Use the names of its plan.",
            "no_hosts",
        )
    clear = (DeviceClass.SUCCEEDED, DeviceClass.NEUTRAL)
    return hosts or [d.host for d in rollout.devices.values() if d.device_class not in clear]
