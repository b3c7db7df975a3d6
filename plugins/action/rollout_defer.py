# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Record that a device could not be asked, so that it holds nobody else up."""

from __future__ import annotations

from typing import Any, ClassVar

from ansible_collections.skorionos.bootc.plugins.plugin_utils._controller import CLOCK
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.errors import CONTROLLER_REASONS
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.passes import could_not_ask
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.store import open_stores
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout_action import STEP, RolloutAction


class ActionModule(RolloutAction):
    OPTIONS: ClassVar[dict[str, Any]] = {
        **STEP,
        "epoch": {"type": "int", "required": True},
        "host": {"type": "str", "required": True},
        "failure": {"type": "dict", "required": True},
    }

    def answer(self, options: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        failure = options["failure"]
        message = str(failure.get("msg") or "its task failed")[:400]
        if failure.get("reason") in CONTROLLER_REASONS:
            return {"failed": True, "msg": message, "reason": failure["reason"]}
        ledger = open_stores(options["ledger"]).rollout(str(options["id"]))
        news = could_not_ask(ledger, options["epoch"], str(options["host"]), message, CLOCK.now())
        return {"changed": news, "msg": message}
