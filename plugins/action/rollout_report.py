# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""End a pass: wait for what time alone brings about, then say and show where the rollout stands."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, ClassVar

from ansible_collections.skorionos.bootc.plugins.plugin_utils._controller import CLOCK
from ansible_collections.skorionos.bootc.plugins.plugin_utils._files import replace_file
from ansible_collections.skorionos.bootc.plugins.plugin_utils._report import (
    plain,
    rollout_html,
    rollout_metrics,
    rollout_text,
)
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.decide import decide
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.errors import RolloutError
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.events import format_time
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.outcome import outcome_of
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.passes import clear_batch, note_unasked
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.replay import derive
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.store import open_stores
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.summary import summarize
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout_action import STEP, RolloutAction


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
        events = ledger.read()
        rollout = derive(events)
        if rollout is None:
            raise RolloutError(f"{ledger.place} holds no plan.", "Run the rollout first.", "not_planned")
        summary = summarize(rollout, decide(rollout, CLOCK.now()).wait, CLOCK.now())
        directory = Path(str(options["ledger"])) / str(options["id"])
        page = directory / "report.html"
        text = f"{rollout_text(summary)}\n\nReport: {page}\n"
        story = [event.as_dict() for event in events if event.kind not in ("planned", "notified")]
        try:
            _write(page, rollout_html(summary, story, format_time(CLOCK.now())))
            _write(directory / "summary.json", json.dumps(summary, indent=2) + "\n")
            _write(directory / "summary.txt", text)
        except OSError as error:
            self._display.warning(f"The report could not be written to {directory}: {error.strerror}.")
        if options["metrics"]:
            try:
                replace_file(Path(str(options["metrics"])), rollout_metrics(summary))
            except OSError as error:
                self._display.warning(f"The metrics could not be written to {options['metrics']}: {error.strerror}.")
        silent = [device for device in summary["devices"] if device["state"] == "unreachable"]
        if silent and len(silent) == len(summary["devices"]):
            self._display.warning(
                f"None of the {len(silent)} devices answered. Of {silent[0]['host']} the connection said: "
                f"{plain(silent[0]['message'] or 'nothing')}"
            )
        self._display.display(f"\n{text}")
        outcome = outcome_of(rollout, events)
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
            "report": str(page),
        }


def _write(path: Path, content: str) -> None:
    """All of it or nothing: a report of an earlier pass is better than half of one."""
    unfinished = path.with_name(f".{path.name}.new")
    unfinished.write_text(content, encoding="utf-8")
    unfinished.replace(path)
