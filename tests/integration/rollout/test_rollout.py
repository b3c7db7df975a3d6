# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The real playbooks over simulated devices."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from tests.simulated_fleet import SimulatedFleet

pytestmark = pytest.mark.integration


def test_a_good_release_reaches_everyone_and_a_second_run_changes_nothing(fleet: SimulatedFleet) -> None:
    fleet.add("kde-1", "kde", "--backend", "composefs")
    fleet.add("kde-2", "kde", "--backend", "ostree")
    fleet.add("gnome-1", "gnome", "--backend", "ostree", "--bootc-version", "1.12.1")
    fleet.add("gnome-2", "gnome", "--backend", "composefs", "--boot-type", "uki")
    spec = fleet.spec("v1.1.0")

    first = fleet.roll_out(spec)

    assert first.rc == 0, first.output
    assert fleet.summary("to-v1.1.0")["phase"] == "completed"
    for host, variant in fleet.hosts.items():
        assert fleet.booted(host) == fleet.digest(variant, "v1.1.0")
        assert fleet.boots(host) == 2
    events = fleet.events("to-v1.1.0")

    second = fleet.roll_out(spec)

    assert second.rc == 0, second.output
    assert {counters["changed"] for counters in second.recap().values()} == {0}
    assert second.seconds < first.seconds
    assert fleet.events("to-v1.1.0") == events
    assert [fleet.boots(host) for host in fleet.hosts] == [2, 2, 2, 2]


def test_with_nobody_due_no_device_is_touched_not_even_one_outside_the_rollout(fleet: SimulatedFleet) -> None:
    """An empty `hosts` would mean every host, and an empty `serial` everybody at once."""
    fleet.add("kde-1")
    fleet.add("outsider", "gnome")
    spec = fleet.spec("v1.1.0", selection={"hosts": "kde-1"})
    assert fleet.roll_out(spec).rc == 0
    again = fleet.roll_out(spec)
    assert again.rc == 0
    assert set(again.recap()) == {"localhost"}
    assert "Could not match supplied host pattern" not in again.output
    assert fleet.boots("outsider") == 1


def test_a_bad_release_is_held_at_the_canary_and_taken_back(fleet: SimulatedFleet) -> None:
    for number in range(1, 4):
        fleet.add(f"kde-{number}", "kde", "--backend", "composefs" if number % 2 else "ostree")
    before = {host: fleet.booted(host) for host in fleet.hosts}
    spec = fleet.spec("v1.2.0")

    run = fleet.roll_out(spec)

    assert run.rc == 2
    assert "is held in wave canary" in run.sentence()
    summary = fleet.summary("to-v1.2.0")
    assert summary["phase"] == "held"
    assert summary["hold"]["rule"] == "failure_budget"
    assert "desktop session did not start" in str(summary["devices"])
    states = fleet.states("to-v1.2.0")
    assert sorted(states.values()) == ["pending", "pending", "rolled_back"]
    for host, state in states.items():
        assert fleet.booted(host) == before[host]
        assert fleet.boots(host) == (3 if state == "rolled_back" else 1)

    again = fleet.roll_out(spec)  # a hold is latched

    assert again.rc == 2
    assert fleet.states("to-v1.2.0") == states


@pytest.mark.exhaustive
def test_killed_in_the_middle_of_a_wave_it_goes_on_without_a_second_reboot(fleet: SimulatedFleet) -> None:
    for number in range(1, 5):
        fleet.add(f"kde-{number}", "kde", "--backend", "ostree" if number % 2 else "composefs")
    spec = fleet.spec("v1.1.0", pace={"parallel": 2})
    process = fleet.start_roll_out(spec)
    try:
        _wait_for_event(fleet, process, lambda events: _applied(events) >= 2)
    finally:
        os.kill(process.pid, signal.SIGKILL)
        process.wait(timeout=60)
    proven = {event["host"] for event in fleet.events("to-v1.1.0") if event["kind"] == "succeeded"}
    assert 1 <= len(proven) < 4, "it was to be killed in the middle"

    run = fleet.roll_out(spec)

    assert run.rc == 0, run.output
    assert fleet.summary("to-v1.1.0")["phase"] == "completed"
    assert set(fleet.states("to-v1.1.0").values()) == {"succeeded"}
    assert {host: fleet.boots(host) for host in fleet.hosts} == dict.fromkeys(fleet.hosts, 2)


def _applied(events: list[dict[str, object]]) -> int:
    return sum(event["kind"] == "applying" for event in events)


def _wait_for_event(fleet: SimulatedFleet, process: object, seen: object) -> None:
    deadline = time.monotonic() + 120
    while not seen(fleet.events("to-v1.1.0")):  # type: ignore[operator]
        assert time.monotonic() < deadline, "the rollout never got that far"
        assert process.poll() is None, process.stdout.read()  # type: ignore[attr-defined]
        time.sleep(0.02)


@pytest.mark.exhaustive
def test_asleep_devices_are_not_charged_and_are_caught_up_when_they_wake(fleet: SimulatedFleet) -> None:
    for number in range(1, 4):
        fleet.add(f"kde-{number}")
    spec = fleet.spec("v1.1.0", waves=[], wave_defaults={"soak": "0s", "min_coverage": 1, "max_failures": 0})
    look = fleet.roll_out(spec, "--check")
    assert look.rc == 0, look.output
    assert not (fleet.root / "rollouts").exists()
    fleet.simulate("kde-3", "fault", "asleep")
    fleet.simulate("kde-2", "fault", "asleep")

    run = fleet.roll_out(spec)

    states = fleet.states("to-v1.1.0")
    assert run.rc == 0, run.output
    assert states["kde-2"] == states["kde-3"] == "unreachable"
    for host in ("kde-2", "kde-3"):
        fleet.simulate(host, "fault", "--clear", "asleep")
    assert fleet.roll_out(spec).rc == 0
    assert set(fleet.states("to-v1.1.0").values()) == {"succeeded"}


def test_devices_without_bootc_or_with_a_hanging_one_are_named_and_left_alone(fleet: SimulatedFleet) -> None:
    fleet.add("kde-good")
    fleet.add("kde-hangs", "kde", "--backend", "composefs", faults=["hang 300"])
    fleet.add("kde-plain", "kde", "--no-bootc")
    spec = fleet.spec("v1.1.0", waves=[], wave_defaults={"soak": "0s", "min_coverage": 50})
    run = fleet.roll_out(spec)
    assert run.rc == 0, run.output
    devices = {device["host"]: device for device in fleet.summary("to-v1.1.0")["devices"]}
    assert devices["kde-good"]["state"] == "succeeded"
    assert (devices["kde-plain"]["state"], devices["kde-plain"]["reason"]) == ("incompatible", "not_bootc")
    assert (devices["kde-hangs"]["state"], devices["kde-hangs"]["reason"]) == ("deferred", "timeout")
    assert "kde-hangs" in run.output
    assert fleet.boots("kde-plain") == fleet.boots("kde-hangs") == 1


def test_a_silent_device_is_charged_and_heals_when_it_is_heard_of_again(fleet: SimulatedFleet) -> None:
    fleet.add("kde-1")
    fleet.add("kde-2", "kde", faults=["silent-after-reboot"])
    spec = fleet.spec(
        "v1.1.0",
        waves=[],
        wave_defaults={"soak": "0s", "max_failures": 1, "success_threshold": 50},
        apply={"reboot_timeout": "4s", "contact_grace": "1s"},
    )
    assert fleet.roll_out(spec).rc == 0
    assert fleet.states("to-v1.1.0") == {"kde-1": "succeeded", "kde-2": "lost"}
    fleet.simulate("kde-2", "fault", "--clear", "silent-after-reboot")
    assert fleet.roll_out(spec).rc == 0
    assert fleet.states("to-v1.1.0") == {"kde-1": "succeeded", "kde-2": "succeeded"}
    assert fleet.boots("kde-2") == 2


@pytest.mark.exhaustive
def test_an_update_that_was_not_finalised_is_tried_again_by_the_next_run(fleet: SimulatedFleet) -> None:
    """A power cut at the reboot looks the same."""
    fleet.add("kde-1", "kde", faults=["finalize-failure"])
    before = fleet.booted("kde-1")
    spec = fleet.spec("v1.1.0")
    run = fleet.roll_out(spec)
    assert run.rc == 0, run.output
    assert fleet.states("to-v1.1.0") == {"kde-1": "deferred"}
    assert fleet.booted("kde-1") == before
    fleet.roll_out(spec)
    assert fleet.states("to-v1.1.0") == {"kde-1": "succeeded"}


@pytest.mark.parametrize(
    "backend",
    [["ostree"], ["composefs"], ["composefs", "--boot-type", "uki"]],
    ids=["ostree", "composefs", "unified kernel image"],
)
def test_a_device_whose_boot_loader_fell_back_stays_there(fleet: SimulatedFleet, backend: list[str]) -> None:
    """The failed image stays the default entry, which the next boot, or a rollback, would go forward to."""
    fleet.add("kde-1", "kde", "--backend", *backend, faults=["falls-back"])
    before = fleet.booted("kde-1")
    run = fleet.roll_out(fleet.spec("v1.1.0"))
    assert run.rc == 2
    assert fleet.states("to-v1.1.0") == {"kde-1": "rolled_back"}
    assert fleet.booted("kde-1") == before
    fleet.simulate("kde-1", "reboot")
    fleet.wait_for_boot("kde-1")
    assert fleet.booted("kde-1") == before
    back = fleet.run("rollback")
    assert back.rc == 0, back.output
    assert fleet.booted("kde-1") == before


@pytest.mark.exhaustive
def test_a_rollback_that_somebody_else_queued_is_named_and_not_taken(fleet: SimulatedFleet) -> None:
    fleet.add("kde-1")
    assert fleet.roll_out(fleet.spec("v1.1.0", waves=[])).rc == 0
    fleet.simulate("kde-1", "bootc", "rollback")
    boots = fleet.boots("kde-1")
    run = fleet.run("rollback")
    assert run.rc == 2
    assert (
        "1 of 1 devices did not go back. kde-1: its previous deployment was queued by somebody else" in run.sentence()
    )
    assert fleet.boots("kde-1") == boots


def test_an_image_that_does_not_fit_is_charged_and_does_not_pass_its_canary(fleet: SimulatedFleet) -> None:
    fleet.add("kde-1", "kde", "--backend", "composefs", faults=["etc-conflict"])
    fleet.add("kde-2", "kde", "--backend", "composefs", faults=["etc-conflict"])
    run = fleet.roll_out(fleet.spec("v1.1.0"))
    assert run.rc == 2
    assert sorted(fleet.states("to-v1.1.0").values()) == ["failed", "pending"]
    assert fleet.summary("to-v1.1.0")["hold"]["wave"] == "canary"


def test_rollback_goes_back_once_and_never_forward(fleet: SimulatedFleet) -> None:
    for number in range(1, 3):
        fleet.add(f"kde-{number}", "kde", "--backend", "composefs" if number % 2 else "ostree")
    old = {host: fleet.booted(host) for host in fleet.hosts}
    assert fleet.roll_out(fleet.spec("v1.1.0")).rc == 0
    look = fleet.run("rollback", "--check", "--limit", "kde-1")
    assert look.rc == 0, look.output
    assert fleet.booted("kde-1") == fleet.digest("kde", "v1.1.0")
    first = fleet.run("rollback", "--limit", "kde-1")
    assert first.rc == 0, first.output
    assert fleet.booted("kde-1") == old["kde-1"]
    assert fleet.booted("kde-2") == fleet.digest("kde", "v1.1.0")
    everyone = fleet.run("rollback")
    assert everyone.rc == 0, everyone.output
    assert {host: fleet.booted(host) for host in fleet.hosts} == old
    again = fleet.run("rollback")
    assert {counters["changed"] for counters in again.recap().values()} == {0}, again.output
    assert {host: fleet.booted(host) for host in fleet.hosts} == old


@pytest.mark.exhaustive
def test_a_rollback_is_of_the_hosts_that_the_inventory_names_for_it(fleet: SimulatedFleet) -> None:
    """A play's header does not see variables of groups by itself, and took everybody back."""
    for number in (1, 2):
        fleet.add(f"kde-{number}")
    assert fleet.roll_out(fleet.spec("v1.1.0", waves=[])).rc == 0
    named = fleet.root / "named.yml"
    for wrong in (
        {"bootc_rollback_hosts": "nobody"},
        {"bootc_rollback_batch": 0},
        {"bootc_rollback_reboot_timeout": "x"},
    ):
        refused = fleet.run("rollback", **wrong)
        assert refused.rc == 2, refused.output
        assert "Nothing was touched." in refused.sentence()
    named.write_text("all: {vars: {bootc_rollback_hosts: kde-1, bootc_rollback_batch: 1}}\n")
    run = fleet.run("rollback", "-i", str(named))
    assert run.rc == 0, run.output
    assert [fleet.boots(host) for host in ("kde-1", "kde-2")] == [3, 2]
    named.write_text("all: {hosts: {kde-2: {bootc_rollback_hosts: kde-1}}}\n")
    unclear = fleet.run("rollback", "-i", str(named))
    assert unclear.rc == 2
    assert "The inventory has bootc_rollback_hosts for some hosts only" in unclear.sentence()


@pytest.mark.exhaustive
def test_a_rollback_passes_over_whoever_does_not_answer(fleet: SimulatedFleet) -> None:
    for number in range(1, 5):
        fleet.add(f"kde-{number}")
    old = fleet.booted("kde-1")
    spec = fleet.spec("v1.1.0", waves=[])
    assert fleet.roll_out(spec).rc == 0
    fleet.simulate("kde-1", "fault", "asleep")
    fleet.simulate("kde-2", "fault", "bootc-missing")
    fleet.variables["kde-4"] = {"bootc_rollback_reboot_timeout": "soon"}
    run = fleet.run("rollback", bootc_rollback_batch=1)
    assert run.rc == 2
    assert "2 of 3 devices did not go back. kde-1: no answer." in run.sentence()
    assert (
        "kde-4: its bootc_rollback_reboot_timeout must be a number of seconds above 0, and is 'soon'" in run.sentence()
    )
    assert fleet.boots("kde-4") == 2
    assert "Left alone, as they do not run bootc: kde-2." in run.sentence()
    assert fleet.booted("kde-3") == old


def test_a_fleet_that_nobody_can_reach_is_not_called_asleep_without_a_word(fleet: SimulatedFleet) -> None:
    fleet.add("kde-1")
    spec = fleet.spec("v1.1.0")
    fleet.simulate("kde-1", "fault", "asleep")
    run = fleet.roll_out(spec)
    assert "None of the 1 devices answered. Of kde-1 the connection said: the device is asleep" in run.sentence()


def test_become_does_not_leave_the_simulated_device(fleet: SimulatedFleet, tmp_path: Path) -> None:
    """sudo resets the environment, and with it what makes a command one of the simulated device."""
    fleet.add("kde-1")
    run = fleet.run("status", "--become")
    assert run.rc == 0, run.output
    assert "1 device, 1 of them answered and run bootc" in run.output


@pytest.mark.exhaustive
def test_one_host_that_cannot_be_addressed_does_not_stop_the_others(fleet: SimulatedFleet) -> None:
    fleet.add("kde-1")
    fleet.add("kde-2")
    rules = {"soak": "0s", "min_coverage": 50}
    spec = fleet.spec("v1.1.0", waves=[], wave_defaults=rules, pace={"parallel": 1})
    inventory = fleet.root / "broken.yml"
    inventory.write_text("all: {hosts: {kde-0: {ansible_connection: no.such.one, bootc_variant: kde}}}\n")
    for _unused in range(2):  # alone in its batch, it would end the whole run, and every later one
        run = fleet.roll_out(spec, "-i", str(inventory))
        assert run.rc == 0, run.output
    assert {fleet.booted("kde-1"), fleet.booted("kde-2")} == {fleet.digest("kde", "v1.1.0")}
    summary = fleet.summary("to-v1.1.0")
    assert fleet.states("to-v1.1.0") == {"kde-0": "deferred", "kde-1": "succeeded", "kde-2": "succeeded"}
    assert "no.such.one" in str([device["message"] for device in summary["devices"]])
    assert summary["phase"] == "completed"


def test_a_device_does_not_start_after_another_of_its_batch_spent_the_budget(fleet: SimulatedFleet) -> None:
    for number in (1, 2, 3):
        fleet.add(f"kde-{number}")
    spec = fleet.spec("v1.2.0", waves=[{"name": "canary", "count": 2}])
    run = fleet.roll_out(spec, "--forks", "1")
    assert run.rc == 2
    assert sorted(fleet.states("to-v1.2.0").values()) == ["pending", "pending", "rolled_back"]
    assert sorted(fleet.boots(host) for host in fleet.hosts) == [1, 1, 3]


def test_the_machine_that_runs_the_playbook_is_not_rebooted(fleet: SimulatedFleet) -> None:
    fleet.add("kde-1")
    spec = fleet.spec("v1.1.0", waves=[])
    here = fleet.root / "here.yml"
    here.write_text("all: {hosts: {desk: {ansible_connection: local, bootc_variant: kde}}}\n")
    run = fleet.roll_out(spec, "-i", str(here))
    assert run.rc == 0, run.output
    assert fleet.states("to-v1.1.0") == {"desk": "incompatible", "kde-1": "succeeded"}
    assert "its connection is local" in str(fleet.summary("to-v1.1.0")["devices"])


def test_one_broken_variable_does_not_cost_the_table_of_all(fleet: SimulatedFleet) -> None:
    fleet.add("kde-1")
    fleet.add("kde-2")
    fleet.hosts.update({"kde-1": 42, "kde-2": "{{ nobody_knows }}"})  # type: ignore[dict-item]
    run = fleet.run("status")
    assert run.rc == 0, run.output
    assert "2 devices, 2 of them answered" in run.output


def test_status_shows_who_runs_what_and_changes_nothing(fleet: SimulatedFleet) -> None:
    fleet.add("kde-1")
    fleet.add("asleep", "gnome", faults=["asleep"])
    run = fleet.run("status")
    assert run.rc == 0, run.output
    assert "1.0.0" in run.output
    assert "Did not answer: asleep" in run.output
    assert {counters["changed"] for counters in run.recap().values()} == {0}
