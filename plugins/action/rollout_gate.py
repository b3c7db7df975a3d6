# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask whether a batch of devices may be touched now."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ansible.plugins.action import ActionBase
from ansible_collections.skorionos.bootc.plugins.plugin_utils._analysis import analyse
from ansible_collections.skorionos.bootc.plugins.plugin_utils._controller import CLOCK, as_document, insist_on_lease
from ansible_collections.skorionos.bootc.plugins.plugin_utils._report import patience, progress
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.decide import later_batches
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.errors import RolloutError
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.pace import occupancy
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.passes import clear_batch
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.replay import replay
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.store import Store, open_stores


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
                "deadline": {"type": "float", "required": True},
                "batch": {"type": "list", "elements": "str", "required": True},
                "known": {"type": "dict", "default": {}},
                "round": {"type": "list", "elements": "str"},
            }
        )
        known = options["known"]
        if known and not known.get("confirm"):
            return {**result, **known, "changed": False}
        ledger = open_stores(options["ledger"]).rollout(str(options["id"]))
        try:
            insist_on_lease(ledger, options["epoch"])
            if options["round"] is not None:
                return {**result, **self._another_round(ledger, options["round"], options["deadline"])}
            cleared = clear_batch(
                ledger, options["epoch"], options["batch"], CLOCK, options["deadline"], analyse=analyse
            )
        except RolloutError as error:
            return {**result, "failed": True, "msg": str(error), "reason": error.reason}
        rollout = cleared.rollout
        self._display.display(progress(rollout, cleared.go, cleared.wait))
        targets = rollout.plan.targets
        return {
            **result,
            "changed": cleared.recorded,
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
