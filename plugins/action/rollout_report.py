# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""End a pass: wait for what time alone brings about, then say and show where the rollout stands."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

from ansible_collections.skorionos.bootc.plugins.plugin_utils._controller import CLOCK
from ansible_collections.skorionos.bootc.plugins.plugin_utils._files import replace_file
from ansible_collections.skorionos.bootc.plugins.plugin_utils._report import plain, rollout_metrics
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.outcome import outcome_of
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.passes import clear_batch, note_unasked
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.store import open_stores
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout_action import STEP, RolloutAction
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout_reports import write_reports


class ActionModule(RolloutAction):
    OPTIONS: ClassVar[dict[str, Any]] = {
        **STEP,
        "epoch": {"type": "int"},
        "deadline": {"type": "float", "required": True},
        "asked": {"type": "list", "elements": "str", "default": []},
        "position": {"type": "int", "default": 0},
        "metrics": {"type": "path"},
    }

    def answer(self, options: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        ledger = open_stores(options["ledger"]).rollout(str(options["id"]))
        recorded = False
        if options["epoch"] is not None:
            recorded = note_unasked(ledger, options["epoch"], options["asked"], options["position"], CLOCK.now())
            # Nobody looks again at any device after this.
            recorded |= clear_batch(ledger, options["epoch"], (), CLOCK, options["deadline"], confirmed=True).recorded
            ledger.release_lease(options["epoch"])
        reports = write_reports(Path(str(options["ledger"])), ledger)
        summary = reports.summary
        if reports.trouble:
            self._display.warning(reports.trouble)
        if options["metrics"]:
            try:
                replace_file(Path(str(options["metrics"])), rollout_metrics(summary))
            except OSError as error:
                self._display.warning(
                    f"The metrics could not be written to {options['metrics']}: {error.strerror}. "
                    "Name another file, or a named pipe, with -e bootc_rollout_metrics=FILE."
                )
        silent = [device for device in summary["devices"] if device["state"] == "unreachable"]
        if silent and len(silent) == len(summary["devices"]):
            self._display.warning(
                f"None of the {len(silent)} devices answered. Of {silent[0]['host']} the connection said: "
                f"{plain(silent[0]['message'] or 'nothing')}"
            )
        self._display.display(f"\n{reports.text}")
        outcome = outcome_of(reports.rollout, reports.events)
        return {
            "changed": recorded,
            "phase": summary["phase"],
            "held": summary["phase"] == "held",
            "turned": None if outcome is None else outcome.turned,
            "since": None if outcome is None else outcome.at,
            "by": "" if outcome is None else outcome.by,
            "why": "" if outcome is None else outcome.why,
            "told": [] if outcome is None else sorted(outcome.told),
            "hold": summary["hold"],
            "summary": summary,
            "report": str(reports.page),
        }
