# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tell somebody what a rollout came to, and have it on record, so that no later run tells them again."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from ansible_collections.skorionos.bootc.plugins.plugin_utils._controller import CLOCK
from ansible_collections.skorionos.bootc.plugins.plugin_utils._operator import note
from ansible_collections.skorionos.bootc.plugins.plugin_utils._program import Ended, run_program
from ansible_collections.skorionos.bootc.plugins.plugin_utils._report import plain
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.errors import RolloutError
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.outcome import notified
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.store import Store, open_stores
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout_action import STEP, RolloutAction

_FAILED = "program_failed"
_SECONDS = 300
"""How long a program may take to be told."""


class ActionModule(RolloutAction):
    OPTIONS: ClassVar[dict[str, Any]] = {
        **STEP,
        "turned": {"type": "str", "required": True},
        "since": {"type": "str", "required": True},
        "to": {"type": "str", "required": True},
        "program": {"type": "list", "elements": "str"},
        "summary": {"type": "dict", "default": {}},
    }

    def answer(self, options: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        ledger = open_stores(options["ledger"]).rollout(str(options["id"]))
        if options["program"] is not None:
            if _is_told(ledger, options):  # by another run, since this one looked
                return {"changed": False}
            command = [*options["program"], options["turned"]]
            ended = run_program(command, json.dumps(options["summary"]), _SECONDS)
            if ended.code != 0:
                remedy = _remedy(options["program"], ended)
                raise RolloutError(f"The program could not be told: {_said(ended)}", remedy, _FAILED)
        event = notified(options["turned"], options["since"], options["to"], CLOCK.now())
        note(ledger, [event])  # the lease was given back
        return {"changed": True}


def _is_told(ledger: Store, options: Mapping[str, Any]) -> bool:
    wanted = {key: options[key] for key in ("turned", "since", "to")}
    return any(event.kind == "notified" and dict(event.data) == wanted for event in ledger.read())


def _remedy(program: Sequence[str], ended: Ended) -> str:
    """A command line as one text is no program, and the next run would not find it either."""
    if not ended.started and len(program) == 1 and len(program[0].split()) > 1:
        example = '{"bootc_rollout_notify": ["PROGRAM", "ARGUMENT"]}'
        return f"Give the program and its arguments as a list, such as with -e '{example}'. The next run tries again."
    return "The next run tries again."


def _said(ended: Ended) -> str:
    code = "" if ended.code is None else f"exit code {ended.code}. "
    return f"{code}{plain(ended.output)}".strip()
