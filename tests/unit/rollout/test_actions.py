# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the action plugins of a rollout see to themselves: whether they may go on, and that what they say is kept."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.skorionos.bootc.plugins.action import rollout_device, rollout_notify, rollout_open
from ansible_collections.skorionos.bootc.plugins.plugin_utils import _operator
from ansible_collections.skorionos.bootc.plugins.plugin_utils._controller import as_document
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.errors import RolloutError
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.events import Event
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.lease import Holder
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.ledger import Ledger
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.outcome import notified
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.pace import occupancy
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.passes import Clock

from tests.unit.rollout.builders import BEGIN, one_wave, opened, replay
from tests.unit.rollout.memory_store import MemoryStore

PLAN = one_wave(1)
ME = Holder("desk", "boot-1", 100, "5000", "ann", 1)


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    made = Ledger(tmp_path, PLAN.spec.id)
    made.create()
    made.append([Event("planned", BEGIN, data={"plan": PLAN.as_dict()}), opened()], 1)
    made.take_lease(ME, lambda _holder: True)
    return made


@pytest.fixture
def give_notice(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """What the update of a device waits with between the notice to its user and its reboot."""
    given: list[Any] = []

    class Seen:
        def __init__(self, *arguments: Any) -> None:
            given.extend(argument for argument in arguments if getattr(argument, "__name__", "") == "grace")

        def go(self, *_unused: Any) -> None:
            pass

    monkeypatch.setattr(rollout_device, "Update", Seen)
    monkeypatch.setattr(rollout_device, "CLOCK", Clock(lambda: BEGIN, lambda _seconds: None))
    rollout = replay(PLAN, opened())
    (device,) = rollout.devices.values()
    options = {
        "id": PLAN.spec.id,
        "ledger": str(ledger.root),
        "epoch": 1,
        "deadline": BEGIN,
        "confirm": False,
        "draining": False,
        "patient": False,
        "position": ledger.position(),
        "room": occupancy(rollout, [device.host]).as_dict(),
        "peers": [],
        "device": as_document(device),
        "target": as_document(PLAN.targets[device.variant]),
        "timezone": None,
        "windows": None,
    }
    action = object.__new__(rollout_device.ActionModule)
    action._connection = SimpleNamespace(transport="ssh")
    action._update(options, SimpleNamespace(), PLAN.spec, [])
    (grace,) = given
    wait: Callable[[float], None] = grace
    return wait


def test_a_run_that_lost_its_rollout_during_the_notice_does_not_reboot(
    ledger: Ledger, give_notice: Callable[[float], None]
) -> None:
    give_notice(300)
    ledger.take_lease(replace(ME, epoch=2), lambda _holder: True)
    with pytest.raises(RolloutError) as caught:
        give_notice(300)
    assert caught.value.reason == "superseded_controller"


def test_a_worker_whose_playbook_was_killed_during_the_notice_does_not_reboot(
    give_notice: Callable[[float], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "getppid", lambda: 1)
    with pytest.raises(RolloutError) as caught:
        give_notice(300)
    assert caught.value.reason == "orphaned"


@pytest.mark.parametrize("name", ["deck-1", "10.0.0.1", "2001:db8::1", "fe80::1"])
def test_a_name_that_means_one_host_is_taken(name: str) -> None:
    assert not rollout_open._is_unclear(name, ["all"])


@pytest.mark.parametrize("name", ["all", "deck:1", "deck*", "fe80::1%eth0"])
def test_a_name_that_a_play_reads_otherwise_is_refused(name: str) -> None:
    assert rollout_open._is_unclear(name, ["all"])


class Contested(MemoryStore):
    """Another run opens the rollout right before the first entry."""

    def append(self, events: Any, epoch: int, expected: int | None = None) -> bool:
        if self.epoch == 1:
            super().append([Event("opened", BEGIN)], 2)
        return super().append(events, epoch, expected)


def test_what_is_noted_while_a_run_opens_is_kept() -> None:
    store = Contested("memory", [], 1)
    assert _operator.note(store, [Event("noted", BEGIN)])
    assert [event.kind for event in store.read()] == ["opened", "noted"]


def test_an_order_given_while_a_run_opens_is_decided_anew() -> None:
    store = Contested("memory", [], 1)
    assert not _operator.note(store, [Event("paused", BEGIN)], store.position())
    assert [event.kind for event in store.read()] == ["opened"]


def test_what_another_run_told_the_program_meanwhile_is_not_told_again(ledger: Ledger) -> None:
    since = "2027-01-15T08:00:01.000Z"
    ledger.append([notified("held", since, "program", BEGIN)], 1)
    action = object.__new__(rollout_notify.ActionModule)
    options = {"id": PLAN.spec.id, "ledger": str(ledger.root), "turned": "held", "to": "program", "summary": {}}
    program = {"program": ["/no/such/program"]}
    assert action.answer({**options, **program, "since": since}, {}) == {"changed": False}
    with pytest.raises(RolloutError, match="could not be told"):
        action.answer({**options, **program, "since": "2027-01-15T09:00:01.000Z"}, {})


@pytest.mark.parametrize(
    ("program", "remedy"),
    [
        (["/bin/false x"], "Give the program and its arguments as a list"),
        (["/bin/false", "x"], "The next run tries again."),
        (["/no/such/program"], "The next run tries again."),
    ],
)
def test_a_command_line_in_place_of_a_program_is_called_so(ledger: Ledger, program: list[str], remedy: str) -> None:
    action = object.__new__(rollout_notify.ActionModule)
    told = {"turned": "held", "since": "2027-01-15T08:00:01.000Z", "to": "program", "summary": {}}
    with pytest.raises(RolloutError) as caught:
        action.answer({"id": PLAN.spec.id, "ledger": str(ledger.root), **told, "program": program}, {})
    assert caught.value.remedy.startswith(remedy)
    assert caught.value.reason == "program_failed"
