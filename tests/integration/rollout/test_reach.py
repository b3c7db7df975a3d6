# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who is asleep is known before Ansible touches anyone."""

from __future__ import annotations

import socket

import pytest

from tests.simulated_fleet import SimulatedFleet

pytestmark = pytest.mark.integration
ONE_WAVE = {"waves": [], "wave_defaults": {"soak": "0s", "min_coverage": 1}}


def test_devices_that_sleep_are_recorded_and_not_touched_until_they_wake(fleet: SimulatedFleet) -> None:
    fleet.add("kde-1")
    fleet.add("kde-2", "kde", faults=["asleep"])
    fleet.add("kde-3", "kde", faults=["asleep"])
    spec = fleet.spec("v1.1.0", **ONE_WAVE)

    run = fleet.roll_out(spec)

    assert run.rc == 0, run.output
    assert set(run.recap()) == {"localhost", "kde-1"}
    assert fleet.states("to-v1.1.0") == {"kde-1": "succeeded", "kde-2": "unreachable", "kde-3": "unreachable"}
    told = [event for event in fleet.events("to-v1.1.0") if event["kind"] == "unreachable"]
    assert {event["host"]: event["data"]["message"] for event in told} == {
        "kde-2": "the device is asleep",
        "kde-3": "the device is asleep",
    }
    events = fleet.events("to-v1.1.0")

    still = fleet.roll_out(spec)

    assert still.rc == 0, still.output
    assert set(still.recap()) == {"localhost"}
    assert still.recap()["localhost"]["changed"] == 0
    assert [event["kind"] for event in fleet.events("to-v1.1.0")[len(events) :]] == ["opened"]

    fleet.simulate("kde-2", "fault", "--clear", "asleep")
    assert set(fleet.roll_out(spec).recap()) == {"localhost", "kde-2"}
    assert fleet.states("to-v1.1.0") == {"kde-1": "succeeded", "kde-2": "succeeded", "kde-3": "unreachable"}


@pytest.mark.exhaustive
def test_a_device_that_sleeps_in_a_later_wave_does_not_keep_that_from_passing(fleet: SimulatedFleet) -> None:
    for number in range(1, 4):
        fleet.add(f"kde-{number}")
    spec = fleet.spec(
        "v1.1.0",
        waves=[{"name": "canary", "select": {"ring": "canary"}, "count": 1}],
        wave_defaults={"soak": "0s", "min_coverage": 1},
    )
    fleet.variables["kde-2"] = {"ring": "canary"}
    fleet.simulate("kde-1", "fault", "asleep")
    run = fleet.roll_out(spec)
    assert run.rc == 0, run.output
    assert set(run.recap()) == {"localhost", "kde-2", "kde-3"}
    assert fleet.summary("to-v1.1.0")["phase"] == "completed"
    assert fleet.states("to-v1.1.0")["kde-1"] == "unreachable"


def test_with_everybody_asleep_the_run_is_over_soon_and_says_so(fleet: SimulatedFleet) -> None:
    for number in range(1, 4):
        fleet.add(f"kde-{number}")
    spec = fleet.spec("v1.1.0")
    for host in fleet.hosts:
        fleet.simulate(host, "fault", "asleep")
    run = fleet.roll_out(spec)
    assert run.rc == 0, run.output
    assert set(run.recap()) == {"localhost"}
    assert "None of the 3 devices answered." in run.sentence()
    assert "the connection said: the device is asleep" in run.sentence()


def test_without_the_probe_everybody_is_tried(fleet: SimulatedFleet) -> None:
    fleet.add("kde-1")
    fleet.add("kde-2", "kde", faults=["asleep"])
    run = fleet.roll_out(fleet.spec("v1.1.0", **ONE_WAVE), bootc_rollout_probe=False)
    assert run.rc == 0, run.output
    assert set(run.recap()) == {"localhost", "kde-1", "kde-2"}
    assert fleet.states("to-v1.1.0") == {"kde-1": "succeeded", "kde-2": "unreachable"}


def test_a_device_in_the_middle_of_its_update_is_tried_whether_it_answers_or_not(fleet: SimulatedFleet) -> None:
    """Only Ansible's own attempt, and the time that passes, can tell that it is lost."""
    fleet.add("kde-1", "kde", faults=["silent-after-reboot"])
    fleet.add("kde-2", "kde", faults=["asleep"])
    spec = fleet.spec(
        "v1.1.0",
        waves=[],
        wave_defaults={"soak": "0s", "max_failures": 2, "success_threshold": 1},
        apply={"reboot_timeout": "3s", "contact_grace": "30m"},
    )
    assert fleet.roll_out(spec, bootc_rollout_patience="1s").rc == 0
    assert fleet.states("to-v1.1.0") == {"kde-1": "silent", "kde-2": "unreachable"}
    again = fleet.roll_out(spec, bootc_rollout_patience="1s")
    assert set(again.recap()) == {"localhost", "kde-1"}


def test_devices_behind_ssh_are_asked_and_what_cannot_be_asked_is_tried(fleet: SimulatedFleet) -> None:
    for host in ("simulated", "closed", "local", "unreadable"):
        fleet.add(host)
    with socket.socket() as nobody_listens:
        nobody_listens.bind(("127.19.0.1", 0))
        port = nobody_listens.getsockname()[1]
        ssh = {"ansible_connection": "ssh", "ansible_host": "127.19.0.1", "ansible_port": port}
        fleet.variables = {
            "closed": ssh,
            "local": {"ansible_connection": "local"},
            "unreadable": {"ansible_host": "{{ nobody_knows }}", "ansible_connection": "ssh"},
        }
        run = fleet.roll_out(fleet.spec("v1.1.0", **ONE_WAVE))
    assert run.rc == 0, run.output
    assert set(run.recap()) == {"localhost", "simulated", "local", "unreadable"}
    devices = {device["host"]: device for device in fleet.summary("to-v1.1.0")["devices"]}
    assert (devices["closed"]["state"], devices["closed"]["reason"]) == ("unreachable", "asleep")
    assert devices["closed"]["message"] == (
        f"127.19.0.1 port {port} refuses connections, so its ssh server is not running"
    )
    assert devices["local"]["state"] == "incompatible"
    assert devices["simulated"]["state"] == "succeeded"


def test_status_names_those_asleep_without_waiting_for_ssh(fleet: SimulatedFleet) -> None:
    fleet.add("awake")
    fleet.add("asleep", "gnome", faults=["asleep"])
    run = fleet.run("status")
    assert run.rc == 0, run.output
    assert "Did not answer: asleep" in run.output
    assert run.recap()["asleep"]["unreachable"] == 0
    assert run.recap()["asleep"]["skipped"] == 1
    tried = fleet.run("status", bootc_status_probe=False)
    assert "Did not answer: asleep" in tried.output
    assert tried.recap()["asleep"]["skipped"] == 0
    nobody = fleet.run("status", "--limit", "asleep")
    assert nobody.rc == 0, nobody.output
    assert "1 device, 0 of them answered" in nobody.output


@pytest.mark.exhaustive
def test_a_rollback_leaves_those_asleep_and_names_them(fleet: SimulatedFleet) -> None:
    for number in (1, 2):
        fleet.add(f"kde-{number}")
    old = fleet.booted("kde-1")
    assert fleet.roll_out(fleet.spec("v1.1.0", **ONE_WAVE)).rc == 0
    fleet.simulate("kde-2", "fault", "asleep")
    run = fleet.run("rollback", bootc_rollback_batch=1)
    assert run.rc == 2
    assert "1 of 2 devices did not go back. kde-2: no answer." in run.sentence()
    assert run.recap()["kde-2"]["ignored"] == 0
    assert fleet.booted("kde-1") == old
    tried = fleet.run("rollback", "--limit", "kde-2", bootc_rollback_probe=False)
    assert tried.rc == 2
    assert "1 of 1 devices did not go back. kde-2: no answer." in tried.sentence()


def test_the_probe_says_what_it_saw(fleet: SimulatedFleet) -> None:
    fleet.add("awake")
    fleet.add("asleep", "gnome", faults=["asleep"])
    fleet.add("here")
    fleet.variables["here"] = {"ansible_connection": "local"}
    playbook = fleet.root / "probe.yml"
    playbook.write_text(PROBE, encoding="utf-8")
    run = fleet.run(str(playbook.with_suffix("")), "--check")
    assert run.rc == 0, run.output
    assert "['awake'] {'asleep': 'the device is asleep'} {'here': 'its connection is local'}" in run.sentence()
    assert "The inventory has no host 'nobody'." in run.sentence()


PROBE = """
- hosts: localhost
  gather_facts: false
  tasks:
    - skorionos.bootc.fleet_probe:
        hosts: [awake, asleep, here]
      register: reach
    - ansible.builtin.debug:
        msg: "{{ reach.awake }} {{ reach.asleep }} {{ reach.unknown }}"
    - skorionos.bootc.fleet_probe:
        hosts: [nobody]
      register: refused
      failed_when: refused.reason != 'invalid_host'
    - ansible.builtin.debug:
        msg: "{{ refused.msg }}"
"""
