# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Devices that no wave counts: left behind by their wave, or new in the inventory."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.skorionos.bootc.plugins.plugin_utils._report import progress, rollout_html, rollout_text
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.decide import advance, batches, decide
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.events import Event
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.joining import joined, newcomers
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.pace import occupancy
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.passes import Clock, clear_batch
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.plan import (
    Candidate,
    Plan,
    load_plan,
    make_plan,
    natural_wave,
)
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.replay import apply_events
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.states import (
    DeviceState,
    Rollout,
    RolloutPhase,
    catch_up_budget,
    count,
)
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.summary import summarize

from tests.fleet_model import digest, plan_for, small_spec
from tests.unit.rollout.builders import BEGIN, explain_one, names, opened, passed, replay, several_waves, told
from tests.unit.rollout.memory_store import MemoryStore

DAY = 86400
RULES: dict[str, Any] = {"soak": "0s", "max_failures": 0, "min_coverage": 0, "coverage_timeout": "1d"}
KDE = {"name": "kde", "image": "registry.example/os", "digest": digest("a")}


def one(size: int = 4, **changes: Any) -> Plan:
    """A plan of one wave."""
    return several_waves([], size, wave_defaults=RULES, **changes)


def ended(devices: Plan, *asleep: str, joining: tuple[str, ...] = ()) -> Rollout:
    """A rollout that completed without these; others joined after that."""
    awake = [host for host in devices.members if host not in asleep]
    events = [*told("succeeded", *awake), *told("unreachable", *asleep), passed(0), Event("completed", BEGIN)]
    rollout = replay(devices, opened(), *events)
    return apply_events(rollout, [joined(rollout, Candidate(host, "kde"), BEGIN) for host in joining])


# -- left behind by a wave ---------------------------------------------------------------------------------------------


def test_who_was_not_touched_leaves_the_counts_of_a_wave_that_passes() -> None:
    devices = one(4)
    first, asleep, flying, gone = devices.members
    rollout = replay(
        devices,
        opened(),
        *told("succeeded", first),
        *told("unreachable", asleep),
        *told("staged", flying),
        *told("removed", gone),
        passed(0),
    )
    assert {device.host for device in rollout.catching_up} == {asleep, gone}
    assert count(rollout.in_wave(0)).total == 2
    late = apply_events(rollout, told("failed", flying))
    assert [event.data["rule"] for event in decide(late, BEGIN).record] == ["late_failures"]


def test_who_returns_to_a_wave_that_passed_catches_up() -> None:
    devices = one(3)
    left_out, unfit, good = devices.members
    rollout = replay(
        devices,
        opened(),
        *told("excluded", left_out, by="a", why="b"),
        *told("incompatible", unfit),
        *told("succeeded", good),
        passed(0),
        *told("retried", left_out, by="a", why="b"),
    )
    assert [device.host for device in rollout.catching_up] == [left_out]
    assert count(rollout.in_wave(0)).total == 1


def test_those_catching_up_have_a_failure_budget_of_their_own() -> None:
    devices = one(24, catch_up={"max_failures": "5%"})
    late = devices.members[:20]
    rollout = ended(devices, *late)
    allowed = apply_events(rollout, told("failed", late[0], reason="unhealthy"))
    assert decide(allowed, BEGIN).record == ()
    held, news, _unused = advance(apply_events(allowed, told("rolled_back", late[1])), BEGIN)
    assert [event.kind for event in news] == ["held"]
    assert held.hold is not None
    assert (held.hold.rule, held.hold.wave, held.hold.hosts) == ("catch_up_budget", None, late[:2])
    assert "2 of those catching up charged, 1 allowed" in held.hold.numbers
    assert "rollout_control" in held.hold.remedy
    assert decide(held, BEGIN).touch == ()
    goes_on = apply_events(held, [Event("resumed", BEGIN, data={"by": "anna", "why": "mended"})])
    assert goes_on.phase is RolloutPhase.COMPLETED
    assert decide(goes_on, BEGIN).record == ()


def test_the_budget_holds_a_rollout_that_still_runs() -> None:
    devices = several_waves([2, 2], 7, wave_defaults=RULES)
    proven, asleep = devices.hosts[0]
    rollout = replay(devices, opened(), *told("succeeded", proven), *told("unreachable", asleep), passed(0), opened(1))
    held, _unused, _unused = advance(apply_events(rollout, told("rolled_back", asleep)), BEGIN)
    assert held.hold is not None
    assert (held.hold.rule, held.hold.wave) == ("catch_up_budget", None)


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        ("removed", {}),
        ("excluded", {"by": "a", "why": "b"}),
        ("already_current", {}),
        ("hosts_superseded", {"by": "r2"}),
    ],
)
def test_what_failed_within_the_budget_stays_within_it_when_others_leave(kind: str, data: dict[str, Any]) -> None:
    devices = one(44, catch_up={"max_failures": "5%"})
    late = devices.members[:40]
    rollout = apply_events(ended(devices, *late), told("failed", *late[:2], reason="unhealthy"))
    assert decide(rollout, BEGIN).record == ()
    if kind == "hosts_superseded":
        left = apply_events(rollout, [Event(kind, BEGIN, data={**data, "hosts": list(late)})])
    else:
        left = apply_events(rollout, told(kind, late[-1], **data))
    assert decide(left, BEGIN).record == ()
    assert left.catching_up_size == 40


def test_whoever_joins_makes_the_budget_larger() -> None:
    devices = one(23, catch_up={"max_failures": "5%"})
    rollout = ended(devices, *devices.members[:19])
    assert (rollout.catching_up_size, catch_up_budget(rollout)) == (19, 0)
    rollout = apply_events(rollout, [joined(rollout, Candidate("late", "kde"), BEGIN)])
    assert (rollout.catching_up_size, catch_up_budget(rollout)) == (20, 1)


def test_untrusted_content_holds_it_whatever_the_budget() -> None:
    devices = one(4, catch_up={"max_failures": 4})
    rollout = ended(devices, devices.members[0])
    (event,) = decide(apply_events(rollout, told("failed", devices.members[0], reason="signature")), BEGIN).record
    assert (event.data["rule"], event.wave) == ("untrusted_content", None)


def test_no_more_of_them_are_at_risk_than_their_budget_allows() -> None:
    devices = one(12, catch_up={"max_failures": 1}, pace={"parallel": 5, "start": 5})
    late = devices.members[:10]
    rollout = ended(devices, *late)
    assert occupancy(rollout, late).admits(late[0])
    rollout = apply_events(rollout, told("staging", *late[:2]))
    assert not occupancy(rollout, late).admits(late[2])
    assert "devices that catch up are at risk" in occupancy(rollout, late).obstacle(late[2])
    rollout = apply_events(rollout, [*told("failed", late[0]), *told("succeeded", late[1])])
    assert occupancy(rollout, late).admits(late[2])


def test_they_have_a_pace_of_their_own() -> None:
    devices = one(12, catch_up={"max_failures": 12}, pace={"parallel": 4, "start": 1})
    late = devices.members[:10]
    rollout = apply_events(ended(devices, *late), told("staging", late[0]))
    assert "worked on as their pace allows" in occupancy(rollout, late).obstacle(late[1])
    rollout = apply_events(rollout, told("succeeded", late[0]))
    assert rollout.catch_up_ramp.limit == 2


# -- new in the inventory ----------------------------------------------------------------------------------------------


def test_a_host_that_joins_is_updated_when_all_waves_passed() -> None:
    devices = several_waves([1], 3, wave_defaults=RULES)
    rollout = replay(devices, opened())
    event = joined(rollout, Candidate("late", "kde"), BEGIN)
    rollout = apply_events(rollout, [event])
    assert rollout.plan.hash == devices.hash
    assert (rollout.devices["late"].wave, rollout.devices["late"].catching_up) == (1, True)
    assert "late" not in decide(rollout, BEGIN).touch
    assert batches(rollout, skip=())[-1] == ("late",)
    told_so = explain_one(rollout, "late", BEGIN)
    assert (told_so.why, told_so.next) == (
        "it joined after the plan was made",
        "its turn comes when all waves passed",
    )
    everyone = told("succeeded", *devices.members)
    rollout, _unused, decisions = advance(apply_events(rollout, everyone), BEGIN)
    assert rollout.phase is RolloutPhase.COMPLETED
    assert decisions.touch == ("late",)


def test_whoever_joins_the_last_wave_to_catch_up_is_not_its_canary() -> None:
    """All devices of a variant dropped out of the earlier wave: one of the next stands in for them."""
    devices = several_waves([1], 2, wave_defaults=RULES)
    (first,), (second,) = devices.hosts
    rollout = replay(devices, opened(), *told("incompatible", first), passed(0), opened(1))
    rollout = apply_events(rollout, [joined(rollout, Candidate("late", "kde"), BEGIN - 5)])
    assert decide(rollout, BEGIN).touch == (second,)


def test_only_hosts_of_its_variants_that_it_does_not_know_join() -> None:
    rollout = ended(one(3))
    candidates = [
        Candidate(host, variant) for host, variant in (("b", "kde"), ("a", "kde"), ("c", "gnome"), ("d", None))
    ]
    known = [Candidate(host, "kde") for host in rollout.devices]
    assert [c.host for c in newcomers(rollout, [*candidates, *known], BEGIN)] == ["a", "b"]
    assert newcomers(rollout, candidates, BEGIN + 90 * DAY) == ()
    ignoring = ended(one(3, selection={"late_joiners": "ignore"}))
    assert newcomers(ignoring, candidates, BEGIN) == ()


@pytest.mark.parametrize("kind", ["canceled", "aborted", "superseded", "hosts_superseded"])
def test_nobody_joins_a_rollout_that_was_ended_or_has_a_successor(kind: str) -> None:
    rollout = ended(one(3))
    data = {"by": "r2", "why": "x", "hosts": [rollout.plan.members[0]]}
    assert newcomers(apply_events(rollout, [Event(kind, BEGIN, data=data)]), [Candidate("late", "kde")], BEGIN) == ()


def test_after_their_time_nobody_is_offered_anything() -> None:
    devices = one(3, catch_up={"for": "30d"})
    asleep = devices.members[0]
    rollout = ended(devices, asleep, joining=("late",))
    assert set(decide(rollout, BEGIN + 30 * DAY - 1).touch) == {asleep, "late"}
    assert decide(rollout, BEGIN + 30 * DAY).touch == ()
    told_so = explain_one(rollout, asleep, BEGIN + 30 * DAY)
    assert "the time to catch up is over (catch_up.for)" in told_so.why
    flying = apply_events(rollout, told("applying", asleep))
    assert decide(flying, BEGIN + 30 * DAY).touch == (asleep,)


def test_a_host_that_joined_falls_under_the_disruption_budget_of_its_group() -> None:
    spec = small_spec(
        waves=[], wave_defaults=RULES, budget={"group_by": ["site"], "max_unavailable": 1}, pace={"start": 5}
    )
    members = [Candidate(host, "kde", {"site": "oslo"}) for host in names(3)]
    devices = make_plan(spec, members, plan_for(spec, [("x", "kde")]).targets)
    rollout = ended(devices, "d000")
    rollout = apply_events(rollout, [joined(rollout, Candidate("late", "kde", {"site": "oslo"}), BEGIN)])
    assert rollout.group_of("late") == "site=oslo"
    rollout = apply_events(rollout, told("staging", "d000"))
    assert not occupancy(rollout, ["late"]).admits("late")
    assert occupancy(rollout, ["late"]).groups["site=oslo"].limit == 1


# -- a wave of one's own -----------------------------------------------------------------------------------------------


def own_wave(**changes: Any) -> dict[str, Any]:
    return {"selection": {"late_joiners": "own_wave"}, "wave_defaults": RULES, **changes}


def test_a_host_falls_into_the_wave_it_would_have_been_in() -> None:
    spec = small_spec(waves=[{"name": "a", "percent": 20}, {"name": "b", "percent": 60}], **own_wave())
    everyone = [(host, "kde") for host in names(40)]
    whole = plan_for(spec, everyone)
    without = {host: plan_for(spec, [each for each in everyone if each[0] != host]) for host, _unused in everyone}
    moved = 0
    for index, hosts in enumerate(whole.hosts):
        for host in hosts:
            own = natural_wave(without[host], Candidate(host, "kde"))
            assert abs(own - index) <= 1  # one device more or less moves a cut by one place at most
            moved += own != index
    assert moved <= len(whole.waves)


def test_devices_that_a_wave_prefers_do_not_define_where_it_ends() -> None:
    waves = [{"name": "ring", "count": 3, "select": {"ring": "canary"}}, {"name": "half", "percent": 50}]
    spec = small_spec(waves=waves, **own_wave())
    ringed = make_plan(
        spec,
        [Candidate(host, "kde", {"ring": "canary"} if number < 3 else {}) for number, host in enumerate(names(20))],
        plan_for(spec, [("x", "kde")]).targets,
    )
    assert ringed.hosts[0] == tuple(sorted(names(3), key=ringed.hosts[0].index))
    assert ringed.cuts["kde"][0] is None
    assert load_plan(ringed.as_dict()) == ringed
    assert {natural_wave(ringed, Candidate(f"new{n}", "kde")) for n in range(40)} == {1, 2}


def test_a_plan_keeps_its_cuts_only_where_somebody_needs_them() -> None:
    assert "cuts" not in one(4).as_dict()


def test_it_joins_its_wave_while_that_is_not_open_and_voids_its_approval() -> None:
    changes = own_wave(wave_defaults={**RULES, "approve": "before"})
    spec = small_spec(waves=[{"name": "a", "count": 1}], **changes)
    devices = plan_for(spec, [(host, "kde") for host in names(4)])
    rollout = replay(
        devices, Event("approved", BEGIN, wave=0, data={}), opened(), *told("succeeded", *devices.hosts[0])
    )
    rollout = apply_events(rollout, [passed(0), Event("approved", BEGIN, wave=1, data={})])
    own = next(f"n{n}" for n in range(99) if natural_wave(devices, Candidate(f"n{n}", "kde")) == 1)
    early = next(f"n{n}" for n in range(999) if natural_wave(devices, Candidate(f"n{n}", "kde")) == 0)
    late = apply_events(rollout, [joined(rollout, Candidate(early, "kde"), BEGIN)])
    assert late.devices[early].catching_up
    assert late.waves[1].approved_at == BEGIN
    rollout = apply_events(rollout, [joined(rollout, Candidate(own, "kde"), BEGIN)])
    assert not rollout.devices[own].catching_up
    assert own in {device.host for device in rollout.in_wave(1)}
    wait = decide(rollout, BEGIN).wait
    assert wait is not None
    assert wait.rule == "approval"
    rollout = apply_events(rollout, [Event("approved", BEGIN, wave=1, data={}), opened(1)])
    assert rollout.waves[1].size == 4
    assert own in decide(rollout, BEGIN).touch


# -- how it is told ----------------------------------------------------------------------------------------------------


def test_reports_tell_of_them_where_they_list_the_waves() -> None:
    devices = one(5)
    rollout = apply_events(
        ended(devices, *devices.members[:2], joining=("late",)), told("succeeded", devices.members[0])
    )
    summary = summarize(rollout, None, BEGIN)
    assert (summary["waves"][0]["devices"], summary["catching_up"]["devices"]) == (3, 3)
    assert summary["catching_up"]["updated"] == 1
    assert summary["totals"]["devices"] == 6
    assert [device["catching_up"] for device in summary["devices"]].count(True) == 3
    row = next(line for line in rollout_text(summary).splitlines() if "catching up" in line)
    assert row.split() == ["catching", "up", "3", "1", "0", "1", "0", "1"]
    assert "catching up: 1 of 3 updated, 1 asleep" in progress(rollout, ["late"], None)
    assert "catching up" in rollout_html(summary, [], "2026-08-01T04:10:00.000Z")


def test_a_hold_over_them_is_not_called_an_abort() -> None:
    devices = one(4)
    rollout, _unused, _unused = advance(
        apply_events(ended(devices, devices.members[0]), told("failed", devices.members[0])), BEGIN
    )
    summary = summarize(rollout, None, BEGIN)
    assert "Held: more of the devices that catch up failed than may" in " ".join(rollout_text(summary).split())
    assert ">Held: more of the devices" in rollout_html(summary, [], "2026-08-01T04:10:00.000Z")
    assert rollout.devices[devices.members[0]].state is DeviceState.FAILED


def test_a_newcomer_without_a_proper_tier_catches_up_and_stops_nobody() -> None:
    selection = {"late_joiners": "own_wave", "order": {"tier_var": "wariness"}}
    spec = small_spec(waves=[{"name": "a", "percent": 20}], wave_defaults=RULES, selection=selection)
    rollout = replay(plan_for(spec, [(host, "kde") for host in names(5)]))
    odd = joined(rollout, Candidate("late", "kde", {"wariness": "high"}), BEGIN)
    assert odd.data["catching_up"] is True
    fine = joined(rollout, Candidate("late", "kde", {"wariness": 1000}), BEGIN)
    assert fine.data["catching_up"] is False


@pytest.mark.parametrize(("days", "draining"), [(1, False), (100, True)])
def test_what_is_parked_is_not_applied_when_the_time_to_catch_up_is_over(days: int, draining: bool) -> None:
    devices = several_waves([], 2, wave_defaults={**RULES, "min_coverage": 50})
    done, parked = devices.members
    events = [*told("succeeded", done), *told("staging", parked), *told("staged", parked, parked=True)]
    planned = Event("planned", BEGIN, data={"plan": devices.as_dict()})
    ledger = MemoryStore("here", [planned, opened(), *events, passed(0), Event("completed", BEGIN)])
    now = BEGIN + days * DAY
    cleared = clear_batch(ledger, 1, [parked], Clock(lambda: now, lambda _seconds: None), now)
    assert (cleared.go, cleared.draining) == ((parked,), draining)
