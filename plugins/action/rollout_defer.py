# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Record that a device could not be asked, so that it holds nobody else up."""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase
from ansible_collections.skorionos.bootc.plugins.plugin_utils._controller import CLOCK
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.errors import CONTROLLER_REASONS, RolloutError
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.passes import could_not_ask
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.store import open_stores


class ActionModule(ActionBase):  # type: ignore[misc]
    TRANSFERS_FILES = False
    _supports_check_mode = False
    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        _unused, options = self.validate_argument_spec(
            argument_spec={
                "id": {"type": "str", "required": True},
                "ledger": {"type": "path", "required": True},
                "epoch": {"type": "int", "required": True},
                "host": {"type": "str", "required": True},
                "failure": {"type": "dict", "required": True},
            }
        )
        failure = options["failure"]
        message = str(failure.get("msg") or "its task failed")[:400]
        if failure.get("reason") in CONTROLLER_REASONS:
            return {**result, "failed": True, "msg": message, "reason": failure["reason"]}
        ledger = open_stores(options["ledger"]).rollout(str(options["id"]))
        try:
            news = could_not_ask(ledger, options["epoch"], str(options["host"]), message, CLOCK.now())
        except RolloutError as error:
            return {**result, "failed": True, "msg": str(error), "reason": error.reason}
        return {**result, "changed": news, "msg": message}
