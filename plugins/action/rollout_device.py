# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Take one device as far through its update as it goes: stage, reboot, prove, or go back."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ansible.plugins.action import ActionBase
from ansible_collections.skorionos.bootc.plugins.plugin_utils._controller import (
    CLOCK,
    insist_on_lease,
    load_device,
)
from ansible_collections.skorionos.bootc.plugins.plugin_utils._device_port import ModulePort
from ansible_collections.skorionos.bootc.plugins.plugin_utils._direct_calls import DirectCalls
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.device import Update
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.errors import RolloutError
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.events import Event
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.fencing import is_turn_before
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.own_windows import windows_of_device
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.pace import load_occupancy
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.passes import Ticket, Turn
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.plan import load_target
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.replay import replay
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.spec import Spec, load_spec
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.states import DeviceClass
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.store import open_stores

_CONNECT_SECONDS = 5
_NAP_SECONDS = 0.5
"""How long a device that waits for its turn sleeps between two looks at the ledger."""
_LOCAL = "its connection is local: it is the machine that runs the playbook, and its reboot would end that"


class ActionModule(ActionBase):  # type: ignore[misc]
    TRANSFERS_FILES = False
    _supports_check_mode = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        _unused, options = self.validate_argument_spec(
            argument_spec={
                "id": {"type": "str", "required": True},
                "ledger": {"type": "path", "required": True},
                "epoch": {"type": "int", "required": True},
                "deadline": {"type": "float", "required": True},
                "confirm": {"type": "bool", "default": False},
                "draining": {"type": "bool", "default": False},
                "patient": {"type": "bool", "default": False},
                "position": {"type": "int", "required": True},
                "room": {"type": "dict", "required": True},
                "peers": {"type": "list", "elements": "str", "default": []},
                "spec": {"type": "dict", "required": True},
                "device": {"type": "dict", "required": True},
                "target": {"type": "dict", "required": True},
                "timezone": {"type": "str"},
                "windows": {"type": "raw"},
                "fence": {"type": "dict", "required": True},
            }
        )
        told: list[tuple[str, Mapping[str, Any]]] = []
        spec = load_spec(options["spec"], "the recorded plan")
        calls = DirectCalls(self, task_vars or {}, _CONNECT_SECONDS)
        ours = options["fence"]["turn"]
        ledger = open_stores(options["ledger"]).rollout(spec.id)
        port = ModulePort(calls, spec, _fence(options), lambda turn: is_turn_before(ledger.read(), turn, ours))
        try:
            self._update(options, port, spec, told)
        except RolloutError as error:
            if error.reason == "fenced":  # the others of this run stop as well, before they change anything
                ledger.release_lease(options["epoch"])
            return {**result, "failed": True, "msg": str(error), "reason": error.reason, "changed": port.changed}
        kinds = [kind for kind, _unused in told]
        last = dict(told[-1][1]) if told else {}
        return {
            **result,
            "changed": port.changed,
            "verdict": kinds[-1] if kinds else "no_news",
            "reason": last.get("reason"),
            "msg": last.get("message") or "",
            "steps": kinds,
        }

    def _update(
        self, options: dict[str, Any], port: ModulePort, spec: Spec, told: list[tuple[str, Mapping[str, Any]]]
    ) -> None:
        device = load_device(options["device"])
        own = windows_of_device(options["windows"], device, spec, draining=options["draining"])
        ledger = open_stores(options["ledger"]).rollout(spec.id)
        insist_on_lease(ledger, options["epoch"])
        controller = os.getppid()

        def insist_on_controller() -> None:
            if os.getppid() != controller:
                raise RolloutError("The ansible-playbook process is gone.", "Run the playbook again.", "orphaned")

        def sleep(seconds: float) -> None:
            CLOCK.sleep(seconds)
            insist_on_controller()

        def grace(seconds: float) -> None:
            """People are told of the reboot and given time: minutes, after which it may not be this run's any more."""
            sleep(seconds)
            insist_on_lease(ledger, options["epoch"])

        def append(event: Event, expected: int | None = None) -> bool:
            insist_on_controller()
            recorded = ledger.append([event], options["epoch"], expected)
            if recorded:
                told.append((event.kind, event.data))
            return recorded

        def journal(kind: str, data: Mapping[str, Any]) -> None:
            append(Event(kind, CLOCK.now(), device.host, data=data))

        if self._connection.transport == "local" and device.device_class is DeviceClass.UNTOUCHED:
            journal("incompatible", {"reason": "local", "message": _LOCAL})
            return
        ticket = Ticket(
            device.host,
            load_occupancy(options["room"]),
            options["position"],
            frozenset(options["peers"]),
            options["draining"],
            options["patient"],
        )
        clock = replace(CLOCK, sleep=sleep, nap=_NAP_SECONDS)
        turn = Turn(ledger, append, ticket, clock, options["deadline"])
        target = load_target(options["target"])
        zone = options["timezone"] or None
        update = Update(port, journal, target, spec, CLOCK.now, options["deadline"], turn, zone, grace, own)
        if options["confirm"]:
            update.confirm(device)
        else:
            update.go(device, lambda: replay(ledger.read()).devices[device.host])


def _fence(options: Mapping[str, Any]) -> dict[str, Any]:
    """What the device is shown: the turn of this run, what it is for, and which attempt it is."""
    attempt = int(options["device"]["stage_attempts"]) + 1
    return {**options["fence"], "target": options["target"]["digest"], "attempt": attempt}
