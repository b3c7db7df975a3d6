# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Situations that rollouts get into, each with the real playbook.

Here are those that no other file is about. Those of one device at every point of its update are in test_killed.py,
sleep in test_reach.py, windows and people in test_timing.py, orders in test_orders.py, controllers and rollouts that
know nothing of each other in test_two_controllers.py and test_refusals.py, bad releases in test_rollout.py.
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.events import Event
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.ledger import Ledger

from tests.killed_controller import leave
from tests.simulated_fleet import SIMULATOR, SimulatedFleet

pytestmark = pytest.mark.integration

ID = "to-v1.1.0"
TOGETHER = {"pace": {"parallel": 10, "start": 10, "overshoot": 10}}


def order(fleet: SimulatedFleet, spec: Path, verb: str, **variables: Any) -> None:
    given = {"bootc_rollout_why": "a test wants it", **variables}
    done = fleet.run("rollout_control", bootc_rollout_spec=str(spec), bootc_rollout_verb=verb, **given)
    assert done.rc == 0, done.output


def kinds(fleet: SimulatedFleet, host: str) -> list[str]:
    return [event["kind"] for event in fleet.events(ID) if event.get("host") == host]


def device(fleet: SimulatedFleet, host: str) -> dict[str, Any]:
    (found,) = [each for each in fleet.summary(ID)["devices"] if each["host"] == host]
    return found


def test_what_a_killed_controller_left_is_judged_by_what_each_device_runs(fleet: SimulatedFleet) -> None:
    """All had their reboot on record as intended, and none was asked for it. Then life went on."""
    for host in ("waits", "rebooted", "power-cut", "fell-back", "asleep", "drifted"):
        fleet.add(host)
    old = fleet.booted("waits")
    spec = fleet.spec(
        "v1.1.0",
        waves=[],
        wave_defaults={"soak": "0s", "max_failures": 4, "success_threshold": 1},
        apply={"reboot_timeout": "20s", "contact_grace": "1s"},
        **TOGETHER,
    )
    leave(fleet, spec, "applying", devices=6)
    assert [fleet.boots(host) for host in fleet.hosts] == [1] * 6
    fleet.simulate("rebooted", "reboot")
    fleet.simulate("power-cut", "reboot", "--power-loss")
    fleet.simulate("fell-back", "fault", "falls-back")
    fleet.simulate("fell-back", "reboot")
    fleet.simulate("drifted", "bootc", "switch", f"{fleet.registry}/skorionos/kde:v1.2.0")
    fleet.simulate("drifted", "reboot")
    for host in ("rebooted", "power-cut", "fell-back", "drifted"):
        fleet.wait_for_boot(host)
    for host in ("asleep", "drifted"):
        fleet.simulate(host, "fault", "asleep")

    run = fleet.roll_out(spec)

    assert run.rc == 0, run.output
    assert fleet.states(ID) == {
        "waits": "succeeded",
        "rebooted": "succeeded",
        "power-cut": "succeeded",
        "fell-back": "rolled_back",
        "asleep": "lost",
        "drifted": "lost",
    }
    assert [fleet.boots(host) for host in ("waits", "rebooted", "power-cut", "fell-back")] == [2, 2, 3, 2]
    assert "released" in kinds(fleet, "power-cut")  # bootc drops what is staged when the power is cut
    assert fleet.booted("fell-back") == old

    fleet.simulate("asleep", "fault", "--clear", "asleep")
    awake = fleet.roll_out(spec)

    assert awake.rc == 0, awake.output
    assert fleet.states(ID)["asleep"] == "succeeded"
    assert fleet.boots("asleep") == 2

    fleet.simulate("drifted", "fault", "--clear", "asleep")
    last = fleet.roll_out(spec)

    assert last.rc == 2, last.output
    assert fleet.states(ID)["drifted"] == "inconsistent"
    assert fleet.summary(ID)["hold"]["devices"] == ["drifted"]
    assert fleet.booted("drifted") == fleet.digest("kde", "v1.2.0")  # whoever did that is not overruled
    assert fleet.boots("drifted") == 2


def test_a_pause_disarms_who_can_be_reached_and_names_who_cannot(fleet: SimulatedFleet) -> None:
    fleet.add("here")
    fleet.add("away")
    spec = fleet.spec("v1.1.0", waves=[], **TOGETHER)
    leave(fleet, spec, "staged", devices=2)
    fleet.simulate("away", "fault", "asleep")
    order(fleet, spec, "pause")

    run = fleet.roll_out(spec)

    assert run.rc == 0, run.output
    assert fleet.states(ID) == {"here": "pending", "away": "staged"}
    fleet.simulate("here", "reboot")  # which is not the update any more
    fleet.wait_for_boot("here")
    assert fleet.booted("here") != fleet.digest("kde", "v1.1.0")
    told = fleet.run("rollout_explain", bootc_rollout_spec=str(spec))
    assert "its image is staged; it boots it next" in told.sentence()

    fleet.simulate("away", "fault", "--clear", "asleep")
    order(fleet, spec, "resume")
    last = fleet.roll_out(spec)

    assert last.rc == 0, last.output
    assert fleet.states(ID) == {"here": "succeeded", "away": "succeeded"}
    assert (fleet.boots("here"), fleet.boots("away")) == (3, 2)


def test_a_canceled_rollout_finishes_what_rebooted_and_leaves_the_rest(fleet: SimulatedFleet) -> None:
    fleet.add("kde-1")
    fleet.add("kde-2")
    spec = fleet.spec("v1.1.0")
    leave(fleet, spec, "booted", devices=1)
    order(fleet, spec, "cancel")

    run = fleet.roll_out(spec)

    assert run.rc == 0, run.output
    assert fleet.summary(ID)["phase"] == "canceled"
    assert sorted(fleet.states(ID).values()) == ["canceled", "succeeded"]
    assert sorted(fleet.boots(host) for host in fleet.hosts) == [1, 2]


@pytest.mark.exhaustive
def test_a_lost_device_that_is_heard_of_again_does_not_free_a_held_rollout(fleet: SimulatedFleet) -> None:
    fleet.add("kde-1", "kde", faults=["silent-after-reboot"])
    fleet.add("kde-2")
    fleet.variables["kde-1"] = {"ring": "canary"}
    spec = fleet.spec(
        "v1.1.0",
        waves=[{"name": "canary", "select": {"ring": "canary"}, "count": 1}],
        apply={"reboot_timeout": "4s", "contact_grace": "1s"},
    )
    assert fleet.roll_out(spec).rc == 2
    assert fleet.states(ID) == {"kde-1": "lost", "kde-2": "pending"}
    fleet.simulate("kde-1", "fault", "--clear", "silent-after-reboot")

    run = fleet.roll_out(spec)

    assert run.rc == 2, run.output
    assert fleet.summary(ID)["phase"] == "held"
    assert fleet.states(ID) == {"kde-1": "succeeded", "kde-2": "pending"}
    assert (fleet.boots("kde-1"), fleet.boots("kde-2")) == (2, 1)
    assert "lost" in kinds(fleet, "kde-1")


def test_tags_that_move_and_hosts_that_leave_or_change_do_not_change_the_release(fleet: SimulatedFleet) -> None:
    for host in ("first", "later", "leaves", "rebased"):
        fleet.add(host)
    repository = "skorionos/kde"
    retag(fleet, repository, "tracked", "v1.0.0")
    for host in ("first", "later"):
        fleet.simulate(host, "create", "--force", "--image", f"{fleet.registry}/{repository}:tracked")
    old = fleet.booted("rebased")
    for host in ("later", "leaves", "rebased"):
        fleet.simulate(host, "fault", "asleep")
    spec = fleet.spec("v1.1.0", waves=[], wave_defaults={"soak": "0s"})
    assert fleet.roll_out(spec).rc == 0
    assert fleet.states(ID)["first"] == "succeeded"

    retag(fleet, repository, "tracked", "v1.2.0")
    for host in ("later", "leaves", "rebased"):
        fleet.simulate(host, "fault", "--clear", "asleep")
    fleet.hosts["rebased"] = "gnome"
    del fleet.hosts["leaves"]
    run = fleet.roll_out(spec)

    assert run.rc == 0, run.output
    assert fleet.states(ID) == {
        "first": "succeeded",
        "later": "succeeded",
        "leaves": "removed",
        "rebased": "incompatible",
    }
    assert device(fleet, "rebased")["reason"] == "variant_changed"
    assert fleet.booted("rebased") == old
    for host in ("first", "later"):
        assert fleet.booted(host) == fleet.digest("kde", "v1.1.0")

    fleet.hosts["leaves"] = "kde"  # and is back
    assert fleet.roll_out(spec).rc == 0
    assert fleet.states(ID)["leaves"] == "succeeded"


def retag(fleet: SimulatedFleet, repository: str, tag: str, target: str) -> None:
    argv = [sys.executable, str(SIMULATOR), "retag", fleet.registry, repository, tag, target]
    subprocess.run(argv, check=True, capture_output=True, timeout=60)


def test_everybody_who_waits_can_be_told_why_since_when_and_until_what(fleet: SimulatedFleet) -> None:
    for host in ("sleeps", "locked", "later"):
        fleet.add(host)
    spec = fleet.spec("v1.1.0", waves=[{"name": "canary", "select": {"ring": "canary"}, "count": 2}], **TOGETHER)
    for host, fault in (("sleeps", "asleep"), ("locked", "registry-outage")):
        fleet.variables[host] = {"ring": "canary"}
        fleet.simulate(host, "fault", fault)
    run = fleet.roll_out(spec)
    assert run.rc == 0, run.output

    told = fleet.run("rollout_explain", bootc_rollout_spec=str(spec)).sentence()

    assert fleet.states(ID) == {"sleeps": "unreachable", "locked": "deferred", "later": "pending"}
    assert "it did not answer, and nothing was done to it: the device is asleep" in told
    assert "it answered, but could not be updated then" in told
    assert "503 Service Unavailable" in told
    assert "the next run of the rollout tries it" in told
    assert "its wave is not open" in told
    assert "opens when those before it passed; now: " in told


@pytest.mark.exhaustive
def test_an_approval_is_good_for_a_week(fleet: SimulatedFleet) -> None:
    fleet.add("kde-1")
    spec = fleet.spec("v1.1.0", wave_defaults={"soak": "0s", "approve": "before"}, waves=[])
    assert fleet.roll_out(spec).rc == 0
    ledger = Ledger(fleet.root / "rollouts", ID)
    week = 7 * 86400
    data = {"by": "anna", "why": "seen", "plan_hash": fleet.summary(ID)["plan_hash"]}
    ledger.append([Event("approved", time.time() - week - 60, wave=0, data=data)], ledger.last_epoch())
    assert fleet.roll_out(spec).rc == 0
    assert fleet.summary(ID)["wait"]["rule"] == "approval"
    assert fleet.boots("kde-1") == 1
    ledger.append([Event("approved", time.time() - week + 600, wave=0, data=data)], ledger.last_epoch())
    assert fleet.roll_out(spec).rc == 0
    assert fleet.states(ID) == {"kde-1": "succeeded"}
