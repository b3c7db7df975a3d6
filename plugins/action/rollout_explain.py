# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Say why devices are where they are in a rollout."""

from __future__ import annotations

from typing import Any, ClassVar

from ansible_collections.skorionos.bootc.plugins.plugin_utils._controller import CLOCK
from ansible_collections.skorionos.bootc.plugins.plugin_utils._operator import WHICH, find_rollout
from ansible_collections.skorionos.bootc.plugins.plugin_utils._report import explanation_text
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.errors import RolloutError, some
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.events import format_time
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.explain import explain
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.states import DeviceClass, Rollout
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout_action import RolloutAction


class ActionModule(RolloutAction):
    _supports_check_mode = True
    OPTIONS: ClassVar[dict[str, Any]] = {**WHICH, "hosts": {"type": "list", "elements": "str", "default": []}}

    def answer(self, options: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        _ledger, rollout = find_rollout(options)
        hosts = _chosen(rollout, options["hosts"])
        told = [
            {
                "host": told.host,
                "state": told.state,
                "since": format_time(told.since),
                "why": told.why,
                "next": told.next,
                "until": None if told.until is None else format_time(told.until),
            }
            for told in explain(rollout, hosts, CLOCK.now())
        ]
        self._display.display(f"\n{explanation_text(told)}\n")
        return {"changed": False, "id": rollout.plan.spec.id, "devices": told}


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
