# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's half of bootc_apply: ask for the reboot, wait for the device to come back, judge."""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase
from ansible_collections.skorionos.bootc.plugins.module_utils._bootc.apply_options import APPLY_OPTIONS
from ansible_collections.skorionos.bootc.plugins.module_utils._device.root import ROOT_VARIABLE, is_simulated
from ansible_collections.skorionos.bootc.plugins.plugin_utils._apply import run_apply
from ansible_collections.skorionos.bootc.plugins.plugin_utils._device_calls import DeviceCalls


class ActionModule(ActionBase):  # type: ignore[misc]
    TRANSFERS_FILES = False
    _supports_check_mode = True
    _supports_async = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        _spec, options = self.validate_argument_spec(argument_spec=APPLY_OPTIONS)
        calls = DeviceCalls(self, task_vars or {}, options["connect_timeout"])
        local = self._connection.transport == "local" and not self._is_rehearsal()
        result.update(run_apply(calls, options, check_mode=self._task.check_mode, on_controller=local))
        if self._task.diff and "before" in result:
            result["diff"] = {"before": result["before"], "after": result["bootc"]}
        return result

    def _is_rehearsal(self) -> bool:
        """Whether a directory stands in for the device, by the environment of this process or of the task."""
        environment: dict[str, Any] = {}
        self._compute_environment_string(environment)
        return is_simulated() or bool(environment.get(ROOT_VARIABLE))
