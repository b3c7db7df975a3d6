# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Say which hosts are awake, thousands at a time."""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase
from ansible_collections.skorionos.bootc.plugins.plugin_utils._fleet_reach import who_answers
from ansible_collections.skorionos.bootc.plugins.plugin_utils._reach.knock import Reach


class ActionModule(ActionBase):  # type: ignore[misc]
    TRANSFERS_FILES = False
    _supports_check_mode = True
    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        _unused, options = self.validate_argument_spec(
            argument_spec={"hosts": {"type": "list", "elements": "str", "required": True}}
        )
        hostvars = (task_vars or {})["hostvars"]
        strangers = [host for host in options["hosts"] if host not in hostvars]
        if strangers:
            msg = f"The inventory has no host {strangers[0]!r}. Name hosts of the inventory."
            return {**result, "failed": True, "msg": msg, "reason": "invalid_host"}
        answers = who_answers(hostvars, options["hosts"])
        return {
            **result,
            "changed": False,
            "awake": [host for host, answer in answers.items() if answer.reach is Reach.AWAKE],
            "asleep": {host: answer.why for host, answer in answers.items() if answer.reach is Reach.ASLEEP},
            "unknown": {host: answer.why for host, answer in answers.items() if answer.reach is Reach.UNKNOWN},
        }
