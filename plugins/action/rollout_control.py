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
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout_reports import refresh_reports


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
            tuple(host.strip() for host in options["hosts"]),
            options["plan_hash"] or None,
            options["wave"] or None,
        )
        ledger, rollout = find_rollout(options)
        way_back = _way_back(options, rollout.plan.spec.id) if given.verb == "revert" else None
        events = command(ledger, given, dry_run=self._task.check_mode)
        if events and not self._task.check_mode:
            trouble = refresh_reports(ledger_directory(options), ledger)
            if trouble:
                self._display.warning(trouble)
        written = None if way_back is None else self._write_spec(way_back, options, rollout)
        after = apply_events(rollout, events)
        return {
            "changed": bool(events),
            "id": rollout.plan.spec.id,
            "phase": after.phase.value,
            "hosts": [event.host for event in events if event.host is not None],
            "by": given.by,
            "spec": written,
        }

    def _write_spec(self, path: Path, options: dict[str, Any], rollout: Rollout) -> str:
        """Where the spec of the way back is; one that is there already stays as somebody may have changed it."""
        if path.exists() or self._task.check_mode:
            return str(path)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(revert_spec(rollout, _home(options).absolute()), encoding="utf-8")
        except OSError as error:
            raise RolloutError(
                f"The order is on record, but its spec could not be written to {path}: {error.strerror}.",
                "Give the order again with a directory that can be written to: `-e bootc_rollout_dest=DIRECTORY`.",
                "spec_unwritable",
            ) from error
        return str(path)


def _home(options: dict[str, Any]) -> Path:
    """The directory of the rollout's spec, or where it would be."""
    return (Path(str(options["spec"])) if options["spec"] else ledger_directory(options)).parent


def _way_back(options: dict[str, Any], rollout_id: str) -> Path:
    """Where the spec of the way back belongs; raises RolloutError when something else is there, before any order."""
    directory = Path(str(options["dest"])) if options["dest"] else _home(options)
    path = directory / f"{successor_of(rollout_id)}.yml"
    if not path.exists():
        return path
    try:
        is_it = read_spec(path).reverts == rollout_id
    except RolloutError:
        is_it = False
    if not is_it:
        raise RolloutError(
            f"{path} is there already, and is no spec that takes {rollout_id} back. Nothing was ordered.",
            "Give another directory with `-e bootc_rollout_dest=DIRECTORY`.",
            "spec_unwritable",
        )
    return path
