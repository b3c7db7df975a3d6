# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tell a rollout what to do, and have it on record who did and why."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

from ansible_collections.skorionos.bootc.plugins.plugin_utils._controller import read_spec
from ansible_collections.skorionos.bootc.plugins.plugin_utils._operator import (
    WHICH,
    command,
    find_rollout,
    ledger_directory,
    speaker,
)
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.errors import RolloutError
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.operate import VERBS, Command
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.replay import apply_events
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.revert import revert_spec, successor_of
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.states import Rollout
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout_action import RolloutAction
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout_reports import write_reports


class ActionModule(RolloutAction):
    _supports_check_mode = True
    OPTIONS: ClassVar[dict[str, Any]] = {
        **WHICH,
        "verb": {"type": "str", "required": True, "choices": sorted(VERBS)},
        "why": {"type": "str", "default": ""},
        "hosts": {"type": "list", "elements": "str", "default": []},
        "plan_hash": {"type": "str"},
        "wave": {"type": "str"},
        "dest": {"type": "path"},
    }

    def answer(self, options: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        given = Command(
            options["verb"],
            speaker(),
            options["why"],
            tuple(options["hosts"]),
            options["plan_hash"] or None,
            options["wave"] or None,
        )
        ledger, rollout = find_rollout(options)
        events = command(ledger, given, dry_run=self._task.check_mode)
        if events and not self._task.check_mode:
            trouble = write_reports(ledger_directory(options), rollout.plan.spec.id).trouble
            if trouble:
                self._display.warning(trouble)
        written = self._write_spec(options, rollout) if given.verb == "revert" else None
        after = apply_events(rollout, events)
        return {
            "changed": bool(events),
            "id": rollout.plan.spec.id,
            "phase": after.phase.value,
            "hosts": [event.host for event in events if event.host is not None],
            "by": given.by,
            "spec": written,
        }

    def _write_spec(self, options: dict[str, Any], rollout: Rollout) -> str:
        """Where the spec of the way back is; one that is there already stays as somebody may have changed it."""
        beside = Path(str(options["spec"])) if options["spec"] else ledger_directory(options)
        directory = Path(str(options["dest"])) if options["dest"] else beside.parent
        path = directory / f"{successor_of(rollout.plan.spec.id)}.yml"
        if path.exists():
            _insist_on(path, rollout.plan.spec.id)
        if path.exists() or self._task.check_mode:
            return str(path)
        try:
            directory.mkdir(parents=True, exist_ok=True)
            path.write_text(revert_spec(rollout, beside.parent.absolute()), encoding="utf-8")
        except OSError as error:
            raise RolloutError(
                f"The order is on record, but its spec could not be written to {path}: {error.strerror}.",
                "Give the order again with a directory that can be written to: `-e bootc_rollout_dest=DIRECTORY`.",
                "spec_unwritable",
            ) from error
        return str(path)


def _insist_on(path: Path, rollout_id: str) -> None:
    """Raise RolloutError when that file is the spec of something else."""
    if read_spec(path).reverts != rollout_id:
        raise RolloutError(
            f"{path} is there already, and does not take {rollout_id} back.",
            "Give another directory with `-e bootc_rollout_dest=DIRECTORY`.",
            "spec_unwritable",
        )
