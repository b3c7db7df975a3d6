# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tell somebody what a rollout came to, and have it on record, so that no later run tells them again."""

from __future__ import annotations

import json
from typing import Any

from ansible.plugins.action import ActionBase
from ansible_collections.skorionos.bootc.plugins.plugin_utils._controller import CLOCK
from ansible_collections.skorionos.bootc.plugins.plugin_utils._program import Ended, run_program
from ansible_collections.skorionos.bootc.plugins.plugin_utils._report import plain
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.errors import RolloutError
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.outcome import notified
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.store import open_stores

_SECONDS = 300
"""How long a program may take to be told."""


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
                "turned": {"type": "str", "required": True},
                "since": {"type": "str", "required": True},
                "to": {"type": "str", "required": True},
                "program": {"type": "list", "elements": "str"},
                "summary": {"type": "dict"},
            },
            required_by={"program": ["summary"]},
        )
        if options["program"] is not None:
            command = [*options["program"], options["turned"]]
            ended = run_program(command, json.dumps(options["summary"]), _SECONDS)
            if ended.code != 0:
                return {**result, "failed": True, "msg": _trouble(ended), "reason": "program_failed"}
        event = notified(options["turned"], options["since"], options["to"], CLOCK.now())
        ledger = open_stores(options["ledger"]).rollout(str(options["id"]))
        try:
            # The lease was given back, so that this is told in the turn of whoever has it now.
            ledger.append([event], ledger.last_epoch())
        except RolloutError as error:
            return {**result, "failed": True, "msg": str(error), "reason": error.reason}
        return {**result, "changed": True}


def _trouble(ended: Ended) -> str:
    code = "" if ended.code is None else f"exit code {ended.code}. "
    return f"The program could not be told: {code}{plain(ended.output)} The next run tries again."
