# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A release that breaks its canaries only after they succeeded, and canaries that only sleep: whole runs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.events import Event
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.operate import Command, operate
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.passes import Clock, clear_batch, note_unasked
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.port import DeviceError
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.states import (
    DeviceState,
    Rollout,
    RolloutPhase,
    WavePhase,
)

from tests.fleet_model import OLD, Fleet, plan_for, small_spec
from tests.unit.rollout.builders import BEGIN, explain_one, one_wave, opened, replay, told

CANARIES = 3
REST = 2
GRACE = 600


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Fleet]:
    """Three canaries that succeeded, and two more devices; the soak is over."""
    spec = small_spec(waves=[{"name": "canary", "count": CANARIES, "soak": "2h"}])
    fleet = Fleet.create(tmp_path, plan_for(spec, [(f"d{number}", "kde") for number in range(CANARIES + REST)]), {})
    fleet.run(patience=60)
    assert [fleet.state().devices[host].state for host in canaries(fleet)] == [DeviceState.SUCCEEDED] * CANARIES
    fleet.time.sleep(7200)
    yield fleet
    if fleet.state().waves[0].phase is WavePhase.OPEN:
        assert [fleet.devices[host].history for host in fleet.state().plan.hosts[1]] == [[OLD]] * REST


def canaries(fleet: Fleet) -> tuple[str, ...]:
    return fleet.state().plan.hosts[0]


def silence(fleet: Fleet, *hosts: str) -> None:
    for host in hosts:
        fleet.devices[host].silent = True


def order(fleet: Fleet, verb: str) -> None:
    events = operate(fleet.state(), Command(verb, "anna@admin", "looked at them"), fleet.time.now())
    fleet.ledger.append(events, 1)


def held(fleet: Fleet) -> Rollout:
    silence(fleet, *canaries(fleet))
    fleet.run(patience=60)
    fleet.time.sleep(GRACE)
    return fleet.run(patience=60)


def test_a_release_that_kills_its_canaries_while_they_soak_goes_no_further(fleet: Fleet) -> None:
    silence(fleet, *canaries(fleet))
    waiting = fleet.run(patience=60)
    assert (waiting.phase, waiting.waves[0].phase) == (RolloutPhase.RUNNING, WavePhase.OPEN)
    fleet.time.sleep(GRACE)
    rollout = fleet.run(patience=60)
    assert rollout.phase is RolloutPhase.HELD
    assert rollout.hold is not None
    assert (rollout.hold.rule, rollout.hold.wave) == ("confirmation", 0)
    assert set(rollout.hold.hosts) == set(canaries(fleet))
    assert rollout.hold.numbers == (
        "no updated device of kde (0 of 3) could be looked at again after the soak: 3 silent"
    )
    for way in (
        "wake or switch on",
        "or they left the inventory",
        "bootc_rollout_verb=resume",
        "bootc_rollout_verb=accept",
        "supersedes: [r1]",
    ):
        assert way in rollout.hold.remedy
    fleet.time.sleep(86400)
    assert fleet.run().phase is RolloutPhase.HELD, "a hold is latched"


def test_a_run_that_lasts_as_long_asks_twice_and_sleeps_for_no_look_that_nobody_takes(fleet: Fleet) -> None:
    silence(fleet, *canaries(fleet))
    fleet.run(patience=GRACE + 60)
    looks = [event.at for event in fleet.ledger.read() if event.kind == "unconfirmed"]
    assert len(looks) == 2 * CANARIES
    assert fleet.time.now() - looks[-1] < 10
    fleet.time.sleep(GRACE)
    assert fleet.run(patience=1).phase is RolloutPhase.HELD


def test_after_a_look_the_gate_neither_sleeps_until_the_next_nor_gives_up_those_who_take_it(fleet: Fleet) -> None:
    silence(fleet, *canaries(fleet))
    fleet.run(patience=60)
    now = fleet.time.now()
    clock = Clock(fleet.time.now, fleet.time.sleep)
    for batch in (fleet.state().plan.hosts[1], ()):
        for patience, hopeless in ((GRACE, False), (1, bool(batch))):
            cleared = clear_batch(fleet.ledger, 1, batch, clock, now + patience, confirmed=True)
            assert (cleared.go, cleared.stop, fleet.time.now()) == ((), hopeless, now)


def test_a_canary_that_wakes_in_time_lets_the_rollout_go_on(fleet: Fleet) -> None:
    one, *others = canaries(fleet)
    silence(fleet, *others)
    assert fleet.run(patience=60).waves[0].phase is WavePhase.OPEN
    fleet.devices[others[0]].silent = False
    fleet.time.sleep(GRACE)
    assert fleet.run(patience=60).phase is RolloutPhase.COMPLETED
    assert fleet.state().devices[one].unconfirmed is None


def test_after_the_hold_somebody_wakes_one_and_resumes(fleet: Fleet) -> None:
    assert held(fleet).phase is RolloutPhase.HELD
    fleet.devices[canaries(fleet)[0]].silent = False
    order(fleet, "resume")
    assert fleet.run(patience=60).waves[0].phase is WavePhase.OPEN, "the others have time to answer once more"
    fleet.time.sleep(GRACE)
    assert fleet.run(patience=60).phase is RolloutPhase.COMPLETED


def test_a_resume_alone_lets_nothing_pass(fleet: Fleet) -> None:
    held(fleet)
    order(fleet, "resume")
    assert fleet.run(patience=60).phase is RolloutPhase.RUNNING
    fleet.time.sleep(GRACE)
    assert fleet.run(patience=60).phase is RolloutPhase.HELD


def test_after_the_hold_somebody_who_knows_that_they_sleep_accepts_the_wave(fleet: Fleet) -> None:
    held(fleet)
    order(fleet, "accept")
    assert fleet.run(patience=60).phase is RolloutPhase.COMPLETED


def test_canaries_that_answer_but_cannot_be_checked_go_back_and_hold_the_rollout(fleet: Fleet) -> None:
    for host in canaries(fleet):
        fleet.devices[host].faults["health"] = [DeviceError("unexpected", "MODULE FAILURE")] * 2
    assert fleet.run(patience=5).phase is RolloutPhase.RUNNING, "once may have many causes"
    fleet.time.sleep(30)
    rollout = fleet.run(patience=60)
    assert rollout.phase is RolloutPhase.HELD
    assert rollout.hold is not None
    assert rollout.hold.rule == "failure_budget"
    assert {fleet.devices[host].booted for host in canaries(fleet)} == {OLD}


def test_a_run_without_its_become_password_takes_no_canary_back_and_holds_when_their_time_is_over(fleet: Fleet) -> None:
    for host in canaries(fleet):
        refused = [DeviceError("not_asked", "Missing sudo password")]
        fleet.devices[host].faults = {"health": refused * 9, "observe": refused * 9}
    assert fleet.run(patience=60).phase is RolloutPhase.RUNNING
    fleet.time.sleep(GRACE)
    rollout = fleet.run(patience=60)
    assert rollout.phase is RolloutPhase.HELD
    assert rollout.hold is not None
    assert (rollout.hold.rule, rollout.hold.numbers.rpartition(": ")[2]) == ("confirmation", "3 not_asked")
    assert {rollout.devices[host].state for host in canaries(fleet)} == {DeviceState.SUCCEEDED}


def test_who_could_not_even_be_asked_does_not_block_its_wave_for_ever(fleet: Fleet) -> None:
    gone, *others = canaries(fleet)
    now = fleet.time.now()
    clock = Clock(fleet.time.now, fleet.time.sleep)
    cleared = clear_batch(fleet.ledger, 1, (), clock, now)
    assert set(cleared.confirm) == set(canaries(fleet))
    fleet.ledger.append(told("confirmed", *others, at=now), 1)
    assert note_unasked(fleet.ledger, 1, cleared.confirm, cleared.position, now)
    device = fleet.state().devices[gone]
    assert (device.unconfirmed, device.looked_at) == ("not_asked", now)
    assert all(fleet.state().devices[host].is_confirmed for host in others)
    after = clear_batch(fleet.ledger, 1, (), clock, now, confirmed=True)
    assert (after.confirm, after.wait and after.wait.until) == ((), now + GRACE)
    assert not note_unasked(fleet.ledger, 1, (), 0, now)
    assert not note_unasked(fleet.ledger, 1, cleared.confirm, cleared.position, now), "it is news only once"


def test_a_wave_that_waits_for_silent_devices_says_so_and_until_when(fleet: Fleet) -> None:
    silence(fleet, *canaries(fleet))
    fleet.run(patience=60)
    told = explain_one(fleet.state(), canaries(fleet)[0], fleet.time.now())
    first = min(event.at for event in fleet.ledger.read() if event.kind == "unconfirmed")
    assert "could not be looked at again at the end of the soak (silent)" in told.why
    assert told.next == "it is asked again until then"
    assert told.until is not None
    assert told.until - GRACE - first < CANARIES + 1
    later = explain_one(fleet.state(), fleet.state().plan.hosts[1][0], fleet.time.now())
    assert "3 of 3 updated devices could not be looked at again" in later.next
    assert later.until == told.until
    order(fleet, "pause")
    assert "resumes" in explain_one(fleet.state(), canaries(fleet)[0], fleet.time.now()).next


def test_one_that_nobody_waits_for_any_more_is_told_so() -> None:
    plan = one_wave(2, {"soak": "1h", "approve": "after"})
    silent, awake = plan.members
    events = [opened(), *told("succeeded", silent, awake), *told("confirmed", awake, at=BEGIN + 3600)]
    events += [*told("unconfirmed", silent, at=BEGIN + 3600), *told("unconfirmed", silent, at=BEGIN + 3600 + GRACE)]
    rollout = replay(plan, *events)
    assert explain_one(rollout, silent, BEGIN + 9000).next == "nothing, unless the soak of its wave begins anew"
    passed = explain_one(replay(plan, *events, Event("wave_passed", BEGIN + 9000, wave=0)), silent, BEGIN + 9000)
    assert ("could not be looked at again" in passed.why, passed.next) == (True, "nothing")
    assert explain_one(rollout, awake, BEGIN + 9000).why == "it runs the new image and its checks are green"


def test_the_gate_does_not_sleep_while_somebody_can_be_asked(fleet: Fleet) -> None:
    silence(fleet, *canaries(fleet))
    fleet.run(patience=60)
    fleet.time.sleep(300)
    now = fleet.time.now()
    clearance = clear_batch(fleet.ledger, 1, (), Clock(fleet.time.now, fleet.time.sleep), now + 86400)
    assert set(clearance.confirm) == set(canaries(fleet))
    assert fleet.time.now() == now
    assert clearance.wait is not None
    assert clearance.wait.until is not None
