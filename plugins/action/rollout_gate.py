# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask whether a batch of devices may be touched now."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from ansible_collections.skorionos.bootc.plugins.plugin_utils._analysis import analyse
from ansible_collections.skorionos.bootc.plugins.plugin_utils._controller import CLOCK, as_document, insist_on_lease
from ansible_collections.skorionos.bootc.plugins.plugin_utils._report import patience, progress
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.decide import later_batches
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.pace import occupancy
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.passes import clear_batch, note_unasked
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.replay import replay
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.store import Store, open_stores
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout_action import STEP, RolloutAction


class ActionModule(RolloutAction):
    OPTIONS: ClassVar[dict[str, Any]] = {
        **STEP,
        "epoch": {"type": "int", "required": True},
        "deadline": {"type": "float", "required": True},
        "batch": {"type": "list", "elements": "str", "required": True},
        "confirmed": {"type": "bool", "default": False},
        "asked": {"type": "list", "elements": "str", "default": []},
        "position": {"type": "int", "default": 0},
        "round": {"type": "list", "elements": "str"},
    }

    def answer(self, options: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        ledger = open_stores(options["ledger"]).rollout(str(options["id"]))
        insist_on_lease(ledger, options["epoch"])
        if options["round"] is not None:
            return self._another_round(ledger, options["round"], options["deadline"])
        noted = note_unasked(ledger, options["epoch"], options["asked"], options["position"], CLOCK.now())
        cleared = clear_batch(
            ledger,
            options["epoch"],
            options["batch"],
            CLOCK,
            options["deadline"],
            confirmed=options["confirmed"],
            analyse=analyse,
        )
        rollout = cleared.rollout
        self._display.display(progress(rollout, cleared.go, cleared.wait))
        targets = rollout.plan.targets
        return {
            "changed": noted or cleared.recorded,
            "stop": cleared.stop,
            "draining": cleared.draining,
            "go": list(cleared.go),
            "confirm": list(cleared.confirm),
            "shares": _shares(cleared.confirm, options["batch"]),
            "position": cleared.position,
            "room": occupancy(rollout, cleared.go).as_dict(),
            "spec": as_document(rollout.plan.spec.document),
            "devices": {
                host: {
                    "device": as_document(rollout.devices[host]),
                    "target": as_document(targets[rollout.devices[host].variant]),
                }
                for host in (*cleared.go, *cleared.confirm)
            },
        }

    def _another_round(self, ledger: Store, hosts: Sequence[str], deadline: float) -> dict[str, Any]:
        rollout = replay(ledger.read())
        again = later_batches(rollout, hosts, CLOCK.now(), deadline)
        if again:
            self._display.display(patience(rollout, deadline))
        return {
            "changed": False,
            "hosts": [host for batch in again for host in batch],
            "batches": [len(batch) for batch in again],
        }


def _shares(hosts: Sequence[str], among: Sequence[str]) -> dict[str, list[str]]:
    """Hosts to look at again, dealt out to those of the batch, which do so at the same time."""
    return {worker: list(hosts[index :: len(among)]) for index, worker in enumerate(among)}
