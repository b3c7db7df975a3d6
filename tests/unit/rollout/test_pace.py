# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How many devices are in the middle of their update at a time."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.events import Event
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.ledger import Ledger
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.pace import (
    load_occupancy,
    most_unavailable,
    occupancy,
)
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.passes import Clock, Ticket, Turn
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.plan import Candidate, Plan, make_plan
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.replay import apply_events
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.spec import Budget, Pace
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.states import Ramp

from tests.fleet_model import FakeTime, digest, plan_for, small_spec
from tests.unit.rollout.builders import BEGIN, explain_one, one_wave, opened, replay, told

WIDE: dict[str, Any] = {"parallel": 50, "start": 50}


def ramp_after(pace: dict[str, Any], verdicts: str) -> list[int]:
    """The limit before every verdict and after the last; ``+`` is a success."""
    settings = Pace(**{"parallel": 8, "start": 1, "factor": 2, "on_failure": "halve", "overshoot": 0, **pace})
    ramp = Ramp(settings.start)
    limits = [ramp.limit]
    for verdict in verdicts:
        ramp = ramp.after(verdict == "+", settings)
        limits.append(ramp.limit)
    return limits


@pytest.mark.parametrize(
    ("pace", "verdicts", "limits"),
    [
        ({}, "++++++++", [1, 2, 2, 4, 4, 4, 4, 8, 8]),
        ({}, "+" * 15, [1, 2, 2, 4, 4, 4, 4, 8, 8, 8, 8, 8, 8, 8, 8, 8]),
        ({}, "+++-+", [1, 2, 2, 4, 2, 2]),
        ({}, "--", [1, 1, 1]),
        ({"on_failure": "keep"}, "+++-", [1, 2, 2, 4, 4]),
        ({"start": 3, "factor": 3}, "+++", [3, 3, 3, 8]),
        ({"factor": 1}, "+++", [1, 1, 1, 1]),
    ],
)
def test_a_ramp_grows_with_success_and_is_halved_by_failure(
    pace: dict[str, Any], verdicts: str, limits: list[int]
) -> None:
    assert ramp_after(pace, verdicts) == limits


def admitted(plan: Plan, events: Sequence[Event], hosts: Sequence[str]) -> list[str]:
    """Who may start, one after the other."""
    room = occupancy(replay(plan, opened(), *events), hosts)
    started = []
    for host in hosts:
        if room.admits(host):
            started.append(host)
            room = room.after(told("staging", host))
    return started


@pytest.mark.parametrize(
    ("budget", "overshoot", "failed", "flying", "more"),
    [
        (0, 0, 0, 0, 1),
        (0, 0, 0, 1, 0),
        (2, 0, 0, 0, 3),
        (2, 0, 1, 1, 1),
        (2, 0, 3, 0, 0),
        (2, 2, 3, 0, 2),
        (0, "50%", 0, 0, 6),
        ("20%", 0, 0, 0, 3),
    ],
)
def test_no_more_devices_are_at_risk_than_the_budget_and_one(
    budget: Any, overshoot: Any, failed: int, flying: int, more: int
) -> None:
    plan = one_wave(10, {"max_failures": budget}, pace={**WIDE, "overshoot": overshoot})
    members = plan.members
    events = [*told("failed", *members[:failed]), *told("staged", *members[failed : failed + flying])]
    assert len(admitted(plan, events, members[failed + flying :])) == more


def test_who_is_in_flight_may_go_on_however_little_room_there_is() -> None:
    plan = one_wave(3, {"max_failures": 0}, pace=WIDE)
    first, second, third = plan.members
    room = occupancy(replay(plan, opened(), *told("staged", first, second)), [first, third])
    assert (room.admits(first), room.admits(third)) == (True, False)
    assert "failure budget" in room.obstacle(third)


def test_acknowledged_failures_leave_room() -> None:
    plan = one_wave(3, {"max_failures": 0}, pace=WIDE)
    first, second, _third = plan.members
    held = Event("held", BEGIN, wave=0, data={"rule": "failure_budget", "numbers": "", "hosts": [], "remedy": ""})
    events = [*told("failed", first), held, Event("resumed", BEGIN, data={"by": "a", "why": "b"})]
    assert admitted(plan, events, [second]) == [second]


def test_a_device_that_was_put_off_and_may_boot_what_it_was_given_takes_room() -> None:
    plan = one_wave(3, {"max_failures": 0}, pace=WIDE)
    given, second, _third = plan.members
    put_off = [*told("staging", given), *told("deferred", given, armed=True, reason="timeout")]
    assert admitted(plan, put_off, [second]) == []
    assert admitted(plan, put_off, [given]) == [given]
    before = occupancy(replay(plan, opened()), plan.members)
    assert before.after(put_off) == occupancy(replay(plan, opened(), *put_off), plan.members)
    out_of_reach = [*put_off, *told("unreachable", given)]
    assert admitted(plan, out_of_reach, [second]) == [second]
    assert admitted(plan, [*put_off, *told("noted", given, armed=False)], [second]) == [second]


def test_the_ramp_of_a_wave_limits_it() -> None:
    plan = one_wave(10, {"max_failures": 10}, pace={"parallel": 4, "start": 1})
    members = plan.members
    assert len(admitted(plan, [], members)) == 1
    assert len(admitted(plan, told("succeeded", members[0]), members[1:])) == 2
    assert len(admitted(plan, told("succeeded", *members[:3]), members[3:])) == 4
    assert len(admitted(plan, [*told("succeeded", *members[:3]), *told("failed", members[3])], members[4:])) == 2


SITES = {"d1": "berlin", "d2": "berlin", "d3": "berlin", "d4": "berlin", "d5": "oslo", "d6": None}


def sites_plan(sites: Mapping[str, str | None] | None = None, **budget: Any) -> Plan:
    spec = small_spec(
        waves=[{"name": "only", "percent": 100, "max_failures": 6}],
        pace=WIDE,
        budget={"group_by": ["site"], **budget},
    )
    assert spec.labels == ("site",)
    targets = plan_for(spec, [("x", "kde")]).targets
    return make_plan(spec, [Candidate(host, "kde", {"site": site}) for host, site in (sites or SITES).items()], targets)


@pytest.mark.parametrize(
    ("budget", "events", "started"),
    [
        ({"max_unavailable": 1}, [], ["d1", "d5", "d6"]),
        ({"max_unavailable": "50%"}, [], ["d1", "d2", "d5", "d6"]),
        ({"max_unavailable": "1%"}, [], ["d1", "d5", "d6"]),
        ({"min_available": 3}, [], ["d1", "d5", "d6"]),
        ({"min_available": 4}, [], ["d1", "d5", "d6"]),
        ({"min_available": 1, "max_unavailable": 2}, [], ["d1", "d2", "d5", "d6"]),
        ({"max_unavailable": 1}, told("lost", "d4"), ["d5", "d6"]),
        ({"max_unavailable": 1}, told("rolled_back", "d4"), ["d1", "d5", "d6"]),
        ({"max_unavailable": 1}, told("unreachable", "d4"), ["d1", "d5", "d6"]),
        ({"max_unavailable": 1, "count_offline": True}, told("unreachable", "d4"), ["d5", "d6"]),
    ],
)
def test_a_disruption_budget_is_kept_per_group(budget: Any, events: list[Event], started: list[str]) -> None:
    assert admitted(sites_plan(**budget), events, [host for host in SITES if host != "d4"]) == started


OFFLINE = {"max_unavailable": 1, "count_offline": True}


def test_who_was_asleep_is_not_in_its_own_way() -> None:
    plan = sites_plan(**OFFLINE)
    rollout = replay(plan, opened(), *told("unreachable", "d4"))
    room = occupancy(rollout, ["d1", "d4"])
    assert (room.admits("d4"), room.obstacle("d4")) == (True, "")
    assert "berlin" in room.obstacle("d1")
    assert explain_one(rollout, "d4", BEGIN).next == "the next run of the rollout tries it"
    both = occupancy(apply_events(rollout, told("unreachable", "d3")), ["d3", "d4"])
    assert (both.admits("d3"), both.admits("d4")) == (False, False), "of two that do not answer one is down"


def test_those_who_were_asleep_together_do_not_wait_for_each_other_for_ever(tmp_path: Path) -> None:
    plan = sites_plan(dict.fromkeys(("d1", "d2", "d3"), "oslo"), **OFFLINE)
    asleep = told("unreachable", *plan.members)
    mine, ledger = turn(tmp_path, plan, asleep)
    *peers, host = plan.members
    assert not mine.begin("staging", {})
    news = ledger.read()[2 + len(asleep) :]
    assert [(event.kind, event.host) for event in news] == [("released", host)]
    assert not mine.begin("staging", {}), "the others may still be down"
    ledger.append(told("deferred", *peers), 1)
    assert mine.begin("staging", {})


def test_its_intent_is_recorded_as_it_is_after_it_was_released(tmp_path: Path) -> None:
    plan = sites_plan(dict.fromkeys(("d1", "d2", "d3"), "oslo"), **OFFLINE)
    asleep = told("unreachable", *plan.members)
    *peers, host = plan.members
    mine, ledger = turn(tmp_path, plan, asleep)

    def append(event: Event, expected: int) -> bool:
        recorded = ledger.append([event], 1, expected)
        if event.kind == "released":  # at this very moment the others answer as well
            ledger.append(told("deferred", *peers), 1)
        return recorded

    mine._append = append
    assert mine.begin("staging", {"boot_id": "b"})
    last = ledger.read()[-1]
    assert (last.kind, last.host, last.data) == ("staging", host, {"boot_id": "b"})


def test_one_that_was_lost_is_not_released_for_want_of_room(tmp_path: Path) -> None:
    plan = sites_plan(dict.fromkeys(("d1", "d2", "d3"), "oslo"), **OFFLINE)
    *others, host = plan.members
    mine, ledger = turn(tmp_path, plan, [*told("staged", *others), *told("lost", host)])
    before = ledger.position()
    assert not mine.begin("applying", {})
    assert ledger.position() == before


def test_who_is_lost_keeps_its_group_closed_until_somebody_acknowledged_that() -> None:
    plan = sites_plan(max_unavailable=1)
    held = Event("held", BEGIN, wave=0, data={"rule": "failure_budget", "numbers": "", "hosts": [], "remedy": ""})
    rollout = replay(plan, opened(), *told("lost", "d4"), held)
    assert not occupancy(rollout, ["d1"]).admits("d1")
    rollout = apply_events(rollout, [Event("resumed", BEGIN, data={"by": "a", "why": "b"})])
    assert occupancy(rollout, ["d1"]).admits("d1")


def test_a_group_is_never_closed_for_good() -> None:
    assert most_unavailable(Budget((), None, "100%", False), 5) == 1
    assert most_unavailable(Budget((), "1%", None, False), 5) == 1
    assert most_unavailable(Budget((), None, None, False), 5) == 5


def test_groups_are_part_of_the_plan_and_of_its_hash() -> None:
    plan = sites_plan(max_unavailable=1)
    assert plan.group_of["d6"] == "site=(none)"
    spec = plan.spec
    moved = make_plan(spec, [Candidate(host, "kde", {"site": "oslo"}) for host in SITES], plan.targets)
    assert moved.hash != plan.hash
    assert "groups" not in one_wave(3).as_dict()


def test_room_survives_being_handed_from_task_to_task() -> None:
    plan = sites_plan(max_unavailable=1)
    room = occupancy(replay(plan, opened(), *told("staging", "d1"), *told("lost", "d4")), ["d1", "d5"])
    assert load_occupancy(json.loads(json.dumps(room.as_dict()))) == room


class Peer:
    """Another device of the batch, which does something while this one naps."""

    def __init__(self, ledger: Ledger, time: FakeTime, *events: Event) -> None:
        self._ledger, self._time, self._events = ledger, time, list(events)

    def sleep(self, seconds: float) -> None:
        self._time.sleep(seconds)
        if self._events:
            self._ledger.append([self._events.pop(0)], 1)


def turn(root: Path, plan: Plan, before: Sequence[Event], *meanwhile: Event, **options: Any) -> tuple[Turn, Ledger]:
    """The turn of the last member, cleared together with all the others."""
    ledger = Ledger(root, plan.spec.id)
    ledger.create()
    planned = Event("planned", BEGIN, data={"plan": plan.as_dict()})
    ledger.append([planned, opened(), *before], 1)
    time = FakeTime(BEGIN)
    rollout = replay(plan, opened(), *before)
    host = plan.members[-1]
    ticket = Ticket(host, occupancy(rollout, plan.members), ledger.position(), frozenset(plan.members), **options)
    clock = Clock(time.now, Peer(ledger, time, *meanwhile).sleep)

    def append(event: Event, expected: int) -> bool:
        return ledger.append([event], 1, expected)

    return Turn(ledger, append, ticket, clock, BEGIN + 100), ledger


def test_a_device_waits_for_its_turn(tmp_path: Path) -> None:
    plan = one_wave(2, {"max_failures": 0})
    first, second = plan.members
    mine, ledger = turn(tmp_path, plan, told("staging", first), *told("staged", first), *told("succeeded", first))
    assert not mine.begin("staging", {"boot_id": "b"})
    assert mine.wait()
    assert mine.begin("staging", {"boot_id": "b"})
    last = ledger.read()[-1]
    assert (last.kind, last.host, last.data) == ("staging", second, {"boot_id": "b"})


def test_whoever_finishes_after_another_failed_makes_room(tmp_path: Path) -> None:
    plan = one_wave(3, {"max_failures": 2, "success_threshold": 1}, pace={"parallel": 2, "start": 2})
    bad, good, _last = plan.members
    flying = [event for host in (bad, good) for event in told("staging", host)]
    mine, _ledger = turn(tmp_path, plan, flying, *told("failed", bad), *told("succeeded", good))
    assert mine.wait()
    assert mine.begin("staging", {})


def test_a_device_does_not_wait_for_those_nobody_works_on(tmp_path: Path) -> None:
    plan = one_wave(2, {"max_failures": 0})
    ledger = Ledger(tmp_path, plan.spec.id)
    ledger.create()
    events = [*told("staging", plan.members[0]), *told("silent", plan.members[0])]
    ledger.append([Event("planned", BEGIN, data={"plan": plan.as_dict()}), opened(), *events], 1)
    time = FakeTime(BEGIN)
    room = occupancy(replay(plan, opened(), *events), [plan.members[1]])
    ticket = Ticket(plan.members[1], room, ledger.position(), frozenset([plan.members[1]]))
    alone = Turn(ledger, lambda event, expected: True, ticket, Clock(time.now, time.sleep), BEGIN + 100)
    assert not alone.wait()
    assert time.now() == BEGIN


def test_a_device_waits_no_longer_than_the_pass(tmp_path: Path) -> None:
    plan = one_wave(2, {"max_failures": 0})
    mine, _ledger = turn(tmp_path, plan, told("staging", plan.members[0]))
    assert not mine.wait()


@pytest.mark.parametrize(
    "news",
    [
        *told("failed", "d000"),
        Event("paused", BEGIN, data={"by": "a", "why": "b"}),
        Event("canceled", BEGIN, data={"by": "a", "why": "b"}),
        *told("excluded", "d001", by="a", why="b"),
        Event("superseded", BEGIN, data={"by": "r2"}),
    ],
    ids=lambda event: event.kind,
)
def test_nothing_begins_once_it_must_not(tmp_path: Path, news: Event) -> None:
    plan = plan_for(
        small_spec(waves=[{"name": "only", "percent": 100, "max_failures": 0}]), [("d000", "kde"), ("d001", "kde")]
    )
    if plan.members[-1] != "d001":
        plan = Plan(plan.spec, plan.targets, plan.variant_of, (("d000", "d001"),), ())
    mine, ledger = turn(tmp_path, plan, told("staging", "d000"), news)
    assert not mine.wait()
    assert not mine.is_open()
    assert not mine.begin("staging", {})
    assert ledger.read()[-1].kind == news.kind


def test_nothing_begins_in_a_rollout_that_drains(tmp_path: Path) -> None:
    plan = one_wave(1)
    mine, _ledger = turn(tmp_path, plan, [], draining=True)
    assert (mine.is_open(), mine.wait(), mine.begin("staging", {})) == (False, False, False)


def spread(tmp_path: Path, before: Sequence[Event], *meanwhile: Event) -> tuple[Turn, Ledger]:
    """The turn of the second of two devices that download 60 MB at 1 MB per second."""
    plan = one_wave(2, {"max_failures": 1}, pace={"start": 2, "download_rate": "1M"}, variants=SIZED)
    return turn(tmp_path, plan, before, *meanwhile)


SIZED = [{"name": "kde", "image": "registry.example/os", "digest": digest("a"), "size": 60_000_000}]
SIXTY = {"bytes": 60_000_000}


def test_a_download_waits_until_those_before_it_would_be_done(tmp_path: Path) -> None:
    mine, ledger = spread(tmp_path, told("staging", "d000", at=BEGIN - 20, **SIXTY))
    assert not mine.begin("staging", SIXTY)
    assert mine.wait(downloads=True)
    assert mine.begin("staging", SIXTY)
    assert ledger.read()[-1].at >= BEGIN + 40
    assert not mine.begin("staging", SIXTY)


def test_who_has_its_image_does_not_wait_for_the_downloads_of_others(tmp_path: Path) -> None:
    mine, _ledger = spread(tmp_path, told("staging", "d000", at=BEGIN, **SIXTY))
    assert mine.wait()
    assert mine.begin("staging", {})


def test_a_download_that_may_begin_only_after_this_run_is_left_to_the_next(tmp_path: Path) -> None:
    mine, _ledger = spread(tmp_path, told("staging", "d000", at=BEGIN + 41, **SIXTY))
    assert not mine.wait(downloads=True)


def test_two_downloads_do_not_both_take_the_place(tmp_path: Path) -> None:
    mine, ledger = spread(tmp_path, [])
    assert mine.is_open()
    ledger.append(told("staging", "d000", at=BEGIN, **SIXTY), 1)
    assert not mine.begin("staging", SIXTY)


@pytest.mark.parametrize(
    ("patient", "moment", "waits"), [(True, 60, True), (True, 101, False), (False, 60, False), (True, -1, True)]
)
def test_only_a_patient_device_waits_for_a_moment_of_this_run(
    tmp_path: Path, patient: bool, moment: float, waits: bool
) -> None:
    mine, ledger = turn(tmp_path, one_wave(1), [], patient=patient)
    before = ledger.position()
    assert mine.wait_until(BEGIN + moment) is waits
    assert ledger.position() == before


def test_nobody_waits_for_a_moment_in_a_rollout_that_was_paused_meanwhile(tmp_path: Path) -> None:
    mine, _ledger = turn(tmp_path, one_wave(1), [], Event("paused", BEGIN, data={"by": "a", "why": "b"}), patient=True)
    assert not mine.wait_until(BEGIN + 60)


def test_two_that_see_the_same_room_do_not_both_take_it(tmp_path: Path) -> None:
    plan = one_wave(2, {"max_failures": 0})
    first, second = plan.members
    mine, ledger = turn(tmp_path, plan, [])
    assert mine.is_open()
    taken = ledger.position()
    ledger.append(told("staging", first), 1)
    assert not ledger.append(told("staging", second), 1, expected=taken)
    assert not mine.begin("staging", {})
    assert [event.host for event in ledger.read() if event.kind == "staging"] == [first]
