# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an operator may tell a rollout, and what it does then."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.decide import advance, decide
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.errors import RolloutError
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.events import Event
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.operate import VERBS, Command, operate
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.plan import Plan
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.replay import apply_events
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.states import (
    DeviceState,
    Rollout,
    RolloutPhase,
    WavePhase,
)

from tests.unit.rollout.builders import BEGIN, explain_one, one_wave, opened, passed, replay, several_waves, told

NOW = BEGIN + 1000
RULES: dict[str, Any] = {"soak": "0s", "max_failures": 0, "coverage_timeout": "1d", "min_coverage": 100}


def plan(**rules: Any) -> Plan:
    """A canary of two and five more."""
    return several_waves([2], 7, wave_defaults={**RULES, **rules})


def ordered(rollout: Rollout, verb: str, *hosts: str, **options: Any) -> Rollout:
    """The rollout after an order, and after what follows from it."""
    events = operate(rollout, Command(verb, "anna@admin", "because", hosts, **options), NOW)
    return advance(apply_events(rollout, events), NOW)[0]


def refused(rollout: Rollout, verb: str, *hosts: str, why: str = "because", **options: Any) -> str:
    with pytest.raises(RolloutError) as caught:
        operate(rollout, Command(verb, "anna@admin", why, hosts, **options), NOW)
    assert caught.value.reason == "not_applicable"
    return str(caught.value)


def held(devices: Plan) -> Rollout:
    """One of the two canaries failed."""
    rollout, _unused, _unused2 = advance(replay(devices, opened(), *told("failed", devices.hosts[0][0])), NOW)
    assert rollout.phase is RolloutPhase.HELD
    return rollout


@pytest.mark.parametrize("verb", sorted(VERBS))
def test_every_order_needs_a_reason(verb: str) -> None:
    assert "No reason is given" in refused(replay(plan(), opened()), verb, why=" ")


def test_a_paused_rollout_starts_nothing_until_it_is_resumed() -> None:
    devices = plan()
    flying, waiting = devices.hosts[0]
    paused = ordered(replay(devices, opened(), *told("staging", flying)), "pause")
    assert paused.phase is RolloutPhase.PAUSED
    assert decide(paused, NOW).touch == (flying,)
    assert paused.order is not None
    assert (paused.order.verb, paused.order.by, paused.order.why) == ("pause", "anna@admin", "because")
    resumed = ordered(paused, "resume")
    assert resumed.phase is RolloutPhase.RUNNING
    assert set(decide(resumed, NOW).touch) == {flying, waiting}


def test_what_is_paused_after_its_end_is_completed_again_when_it_is_resumed() -> None:
    devices = several_waves([], 1, wave_defaults=RULES)
    completed, _unused, _unused2 = advance(replay(devices, opened(), *told("succeeded", *devices.members)), NOW)
    assert completed.phase is RolloutPhase.COMPLETED
    assert ordered(ordered(completed, "pause"), "resume").phase is RolloutPhase.COMPLETED


def test_saying_it_twice_records_nothing() -> None:
    running = replay(plan(), opened())
    command = Command("pause", "anna@admin", "because")
    assert operate(ordered(running, "pause"), command, NOW) == ()
    assert operate(running, Command("resume", "anna@admin", "because"), NOW) == ()
    assert operate(ordered(running, "cancel"), Command("cancel", "anna@admin", "because"), NOW) == ()


def test_resuming_a_held_rollout_forgives_what_failed_so_far_and_nothing_more() -> None:
    devices = plan()
    bad, other = devices.hosts[0]
    resumed = ordered(held(devices), "resume")
    assert (resumed.phase, resumed.hold) == (RolloutPhase.RUNNING, None)
    assert resumed.devices[bad].state is DeviceState.FAILED
    assert resumed.devices[bad].acknowledged
    again, _unused, _unused2 = advance(apply_events(resumed, told("failed", other, at=NOW)), NOW)
    assert again.phase is RolloutPhase.HELD
    fine, _unused, _unused2 = advance(apply_events(resumed, told("succeeded", other, at=NOW)), NOW)
    assert fine.waves[0].phase is WavePhase.PASSED


def test_an_acknowledged_device_that_fails_in_another_way_counts_again() -> None:
    devices = plan()
    lost = devices.hosts[0][0]
    rollout, _unused, _unused2 = advance(replay(devices, opened(), *told("lost", lost)), NOW)
    resumed = ordered(rollout, "resume")
    again, _unused, _unused2 = advance(apply_events(resumed, told("rolled_back", lost, at=NOW)), NOW)
    assert again.phase is RolloutPhase.HELD


def test_accepting_a_wave_takes_it_as_it_is() -> None:
    devices = plan()
    accepted = ordered(held(devices), "accept")
    assert accepted.phase is RolloutPhase.RUNNING
    assert [wave.phase for wave in accepted.waves] == [WavePhase.PASSED, WavePhase.OPEN]
    busy = replay(devices, opened(), *told("applying", devices.hosts[0][0]))
    assert "in the middle of their update" in refused(busy, "accept")
    assert "No wave is open" in refused(replay(devices), "accept")


@pytest.mark.parametrize("verb", ["pause", "resume", "approve", "accept", "cancel", "abort", "revert"])
def test_an_order_about_the_whole_rollout_names_no_devices(verb: str) -> None:
    devices = plan()
    said = refused(replay(devices, opened()), verb, devices.members[0])
    assert f"`{verb}` is about the whole rollout" in said
    assert "`exclude`" in said


def test_a_wave_that_was_accepted_is_not_taken_for_the_next_one() -> None:
    devices = plan()
    names = [wave.name for wave in devices.waves]
    accepted = ordered(held(devices), "accept", wave=names[0])
    assert f"{names[0]} is not open; {names[1]} is" in refused(accepted, "accept", wave=names[0])
    assert "bootc_rollout_plan_hash" in refused(accepted, "accept", plan_hash=devices.hash)
    assert "bootc_rollout_wave" in refused(accepted, "pause", wave=names[1])


@pytest.mark.parametrize("verb", ["accept", "approve"])
def test_a_paused_rollout_is_resumed_before_a_wave_of_it_is_taken(verb: str) -> None:
    devices = plan()
    paused = ordered(replay(devices, opened()), "pause")
    given = {"plan_hash": devices.hash} if verb == "approve" else {}
    assert "The rollout is paused. `resume` it first" in refused(paused, verb, **given)


@pytest.mark.parametrize("verb", ["cancel", "abort"])
def test_a_held_rollout_that_somebody_ends_is_held_by_nothing(verb: str) -> None:
    devices = plan()
    ended = ordered(held(devices), verb)
    assert ended.hold is None
    assert ended.order is not None
    assert ended.order.by == "anna@admin"
    assert explain_one(ended, devices.hosts[0][0], NOW).next == f"nothing: the rollout is {ended.phase.value}"


def test_whoever_is_in_flight_and_to_be_left_out_may_go_on_after_all() -> None:
    devices = plan()
    flying = devices.hosts[0][0]
    staged = replay(devices, opened(), *told("staged", flying))
    rollout = apply_events(staged, operate(staged, Command("exclude", "anna@admin", "broken", (flying,)), NOW))
    assert rollout.devices[flying].excluded
    assert "somebody wants it left out" in explain_one(rollout, flying, NOW).next
    (again,) = operate(rollout, Command("retry", "anna@admin", "mended", (flying,)), NOW)
    goes_on = apply_events(rollout, [again])
    assert (goes_on.devices[flying].state, goes_on.devices[flying].excluded) == (DeviceState.STAGED, False)
    assert "nothing to try again" in refused(goes_on, "retry", flying)


@pytest.mark.parametrize(("verb", "phase"), [("cancel", RolloutPhase.CANCELED), ("abort", RolloutPhase.ABORTED)])
def test_an_end_for_good(verb: str, phase: RolloutPhase) -> None:
    devices = plan()
    done, flying = devices.hosts[0]
    rollout = replay(devices, opened(), *told("succeeded", done), *told("staged", flying))
    ended = ordered(rollout, verb)
    assert ended.phase is phase
    assert ended.devices[done].state is DeviceState.SUCCEEDED
    assert {ended.devices[host].state for host in devices.hosts[1]} == {DeviceState.CANCELED}
    assert decide(ended, NOW).touch == (flying,)
    drained = apply_events(ended, told("released", flying, at=NOW))
    assert drained.devices[flying].state is DeviceState.CANCELED
    assert decide(drained, NOW).touch == ()
    assert "final" in refused(ended, "retry", devices.hosts[1][0])
    for other in ("resume", "cancel" if verb == "abort" else "abort"):
        assert "final" in refused(ended, other)


def test_an_excluded_device_is_left_out_as_soon_as_that_is_possible() -> None:
    devices = plan()
    flying, waiting = devices.hosts[0]
    rollout = replay(devices, opened(), *told("staged", flying))
    without = ordered(rollout, "exclude", flying, waiting)
    assert without.devices[waiting].state is DeviceState.EXCLUDED
    assert (without.devices[flying].state, without.devices[flying].excluded) == (DeviceState.STAGED, True)
    dropped = apply_events(without, told("released", flying, at=NOW))
    assert (dropped.devices[flying].state, dropped.devices[flying].excluded) == (DeviceState.EXCLUDED, False)
    back = ordered(dropped, "retry", flying)
    assert back.devices[flying].state is DeviceState.PENDING


def test_a_charge_is_not_excluded_away() -> None:
    devices = plan()
    assert "have their verdict" in refused(held(devices), "exclude", devices.hosts[0][0])


def test_retrying_takes_the_charge_away_and_starts_anew() -> None:
    devices = plan()
    bad = devices.hosts[0][0]
    tried = [*told("staging", bad, previous_digest="p"), *told("deferred", bad, attempt=True), *told("failed", bad)]
    rollout, _unused, _unused2 = advance(replay(devices, opened(), *tried), NOW)
    retried = ordered(rollout, "retry", bad)
    device = retried.devices[bad]
    assert (device.state, device.stage_attempts, device.previous_digest) == (DeviceState.PENDING, 0, "p")
    assert retried.phase is RolloutPhase.HELD
    assert bad in decide(ordered(retried, "resume"), NOW).touch


@pytest.mark.parametrize("kind", ["lost", "inconsistent"])
def test_what_may_be_on_the_image_is_in_flight_when_it_is_retried(kind: str) -> None:
    devices = plan()
    bad = devices.hosts[0][0]
    rollout, _unused, _unused2 = advance(replay(devices, opened(), *told("applying", bad), *told(kind, bad)), NOW)
    retried = ordered(rollout, "retry", bad)
    assert (retried.devices[bad].state, retried.devices[bad].since) == (DeviceState.SILENT, NOW)
    assert retried.phase is RolloutPhase.HELD
    assert decide(retried, NOW).touch == (bad,)
    assert "what it runs" in explain_one(retried, bad, NOW).why


def test_a_device_that_sleeps_while_it_stages_is_waited_for_until_its_time_is_over() -> None:
    devices = plan()
    host = devices.hosts[0][0]
    staging = replay(devices, opened(), *told("staging", host))
    told_so = explain_one(staging, host, NOW)
    assert "others wait for it until then" in told_so.next
    assert told_so.until == BEGIN + 2 * 3600 + 600
    late = explain_one(staging, host, BEGIN + 2 * 3600 + 600)
    assert late.until == BEGIN + 2 * 3600 + 600
    assert "until then" not in late.next
    given_up = apply_events(staging, told("unreachable", host, armed=True))
    assert "boots what was staged" in explain_one(given_up, host, NOW).why
    assert ordered(given_up, "exclude", host).devices[host].state is DeviceState.EXCLUDED
    assert ordered(given_up, "accept").waves[0].phase is WavePhase.PASSED
    assert "in the middle of their update" in refused(staging, "accept")


def test_only_what_came_to_nothing_is_retried() -> None:
    devices = plan()
    done = devices.hosts[0][0]
    rollout = replay(devices, opened(), *told("succeeded", done))
    assert "nothing to try again" in refused(rollout, "retry", done)
    assert "has no device x" in refused(rollout, "retry", "x")
    assert "No device is named" in refused(rollout, "retry")
    assert operate(rollout, Command("retry", "a", "b", (devices.hosts[0][1],)), NOW) == ()


def test_a_wave_waits_for_its_approval_before_it_begins() -> None:
    devices = plan(approve="before")
    waiting = replay(devices)
    decisions = decide(waiting, NOW)
    assert (decisions.record, decisions.touch) == ((), ())
    assert decisions.wait is not None
    assert (decisions.wait.rule, decisions.wait.until) == ("approval", None)
    approved = ordered(waiting, "approve", plan_hash=devices.hash[:12], wave="w0")
    assert approved.waves[0].phase is WavePhase.OPEN
    assert "Nothing waits for an approval" in refused(approved, "approve", plan_hash=devices.hash)


def test_a_wave_waits_for_its_approval_after_its_soak() -> None:
    devices = plan(approve="after")
    proven = replay(devices, opened(), *told("succeeded", *devices.hosts[0]))
    assert decide(proven, NOW).wait is not None
    approved = ordered(proven, "approve", plan_hash=devices.hash, wave="w0")
    assert [wave.phase for wave in approved.waves] == [WavePhase.PASSED, WavePhase.OPEN]


def test_an_approval_is_for_one_plan_and_for_a_week() -> None:
    devices = plan(approve="before")
    waiting = replay(devices)
    assert "not for this plan" in refused(waiting, "approve", plan_hash="0" * 12)
    assert "not for this plan" in refused(waiting, "approve")
    assert "first 8 characters or more" in refused(waiting, "approve", plan_hash=devices.hash[:7])
    event = Event("approved", NOW, wave=0, data={"by": "a", "why": "b", "plan_hash": devices.hash})
    assert decide(apply_events(waiting, [event]), NOW + 7 * 86400 - 1).wait is None
    assert decide(apply_events(waiting, [event]), NOW + 7 * 86400).wait is not None


def test_an_approval_is_for_one_wave() -> None:
    devices = plan(approve="before")
    waiting = replay(devices)
    canary, rest = (wave.name for wave in devices.waves)
    seen = devices.hash[:8]
    assert f"bootc_rollout_wave={canary}" in refused(waiting, "approve", plan_hash=seen)
    assert ordered(waiting, "approve", plan_hash=seen, wave=canary).waves[0].phase is WavePhase.OPEN
    later = replay(devices, passed(0))
    assert f"{canary} does not wait for an approval; {rest} does" in refused(
        later, "approve", plan_hash=seen, wave=canary
    )
    assert ordered(later, "approve", plan_hash=seen, wave=rest).waves[1].phase is WavePhase.OPEN


def test_where_only_one_wave_wants_an_approval_its_name_may_be_left_out() -> None:
    devices = one_wave(3, {"approve": "before"})
    waiting = replay(devices)
    assert ordered(waiting, "approve", plan_hash=devices.hash).waves[0].phase is WavePhase.OPEN
    assert "The wave rest does not wait" in refused(waiting, "approve", plan_hash=devices.hash, wave="rest")


def test_a_rollout_that_fails_altogether_is_given_up() -> None:
    rules = {**RULES, "max_failures": "100%", "success_threshold": 1}
    devices = several_waves([10], 30, wave_defaults=rules, abort={"percent": 20, "min_executed": 10})
    bad, good = devices.hosts[0][:2], devices.hosts[0][2:]
    rollout = replay(devices, opened(), *told("succeeded", *good[:-1]), *told("failed", *bad))
    assert advance(rollout, NOW)[0].phase is RolloutPhase.RUNNING
    aborted = advance(apply_events(rollout, told("succeeded", good[-1], at=NOW)), NOW)[0]
    assert aborted.phase is RolloutPhase.ABORTED
    assert aborted.hold is not None
    assert (aborted.hold.rule, aborted.hold.wave, aborted.hold.hosts) == ("abort", None, tuple(bad))
    assert {aborted.devices[host].state for host in devices.hosts[1]} == {DeviceState.CANCELED}


def test_a_superseded_rollout_takes_no_orders() -> None:
    rollout = replay(plan(), opened(), Event("superseded", NOW, data={"by": "r2"}))
    assert "superseded by r2" in refused(rollout, "pause")


STORIES: list[tuple[list[str], DeviceState]] = [
    ([], DeviceState.PENDING),
    (["unreachable"], DeviceState.UNREACHABLE),
    (["deferred"], DeviceState.DEFERRED),
    (["staging"], DeviceState.STAGING),
    (["staging", "staged"], DeviceState.STAGED),
    (["staging", "applying"], DeviceState.APPLYING),
    (["staging", "applying", "booted"], DeviceState.VERIFYING),
    (["staging", "applying", "rolling_back"], DeviceState.ROLLING_BACK),
    (["staging", "applying", "silent"], DeviceState.SILENT),
    (["succeeded"], DeviceState.SUCCEEDED),
    (["failed"], DeviceState.FAILED),
    (["rolled_back"], DeviceState.ROLLED_BACK),
    (["lost"], DeviceState.LOST),
    (["inconsistent"], DeviceState.INCONSISTENT),
    (["already_current"], DeviceState.CURRENT),
    (["incompatible"], DeviceState.INCOMPATIBLE),
    (["removed"], DeviceState.REMOVED),
    (["excluded"], DeviceState.EXCLUDED),
]


@pytest.mark.parametrize(("kinds", "state"), STORIES)
@pytest.mark.parametrize("order", [None, "paused", "canceled", "aborted", "superseded"])
def test_every_state_has_its_explanation(kinds: list[str], state: DeviceState, order: str | None) -> None:
    devices = plan(max_failures=2, success_threshold=1)
    host = devices.hosts[0][0]
    events = [event for kind in kinds for event in told(kind, host, by="a", why="b", message="said")]
    if order is not None:
        events.append(Event(order, NOW, data={"by": "anna", "why": "so"}))
    rollout = replay(devices, opened(), *events)
    explained = explain_one(rollout, host, NOW)
    assert explained.why
    assert explained.next
    assert explained.since >= BEGIN
    if order is None:
        assert explained.state == state.value


def test_what_the_next_run_records_first_is_told() -> None:
    devices = plan()
    canary, later = devices.hosts[0][0], devices.hosts[1][0]
    rollout = replay(devices, opened(), *told("unreachable", canary))
    late = BEGIN + 90 * 86400
    recorded = advance(rollout, late)[1]
    assert [event.data["rule"] for event in recorded] == ["coverage_timeout"]
    for host in (canary, later):
        explained = explain_one(rollout, host, late)
        assert "nothing, until somebody resumes it after that: the next run finds the rollout held (" in explained.next
        assert recorded[0].data["numbers"] in explained.next
    assert explain_one(apply_events(rollout, recorded), canary, late).next == "nothing until somebody resumes it"


def test_who_is_left_to_catch_up_by_the_next_run_is_told_so() -> None:
    rules = {"on_coverage_timeout": "accept", "accept_floor": 50, "min_coverage": 100, "min_sample": 1}
    devices = one_wave(2, rules)
    good, asleep = devices.members
    rollout = replay(devices, opened(), *told("succeeded", good), *told("unreachable", asleep))
    explained = explain_one(rollout, asleep, BEGIN + 90 * 86400)
    assert explained.why.startswith("it catches up; it did not answer")
    assert explained.next == "the next run of the rollout tries it"


def test_that_a_rollout_is_about_to_be_given_up_is_told() -> None:
    devices = one_wave(4, {"max_failures": 4}, abort={"percent": 50, "min_executed": 2})
    *failed, waiting = devices.members
    rollout = replay(devices, opened(), *told("failed", *failed))
    assert advance(rollout, NOW)[0].phase is RolloutPhase.ABORTED
    explained = explain_one(rollout, waiting, NOW)
    assert explained.state == "pending"
    assert explained.next.startswith("nothing: the next run finds the rollout aborted (3 of 3 devices failed")


@pytest.mark.parametrize(
    ("soak", "then"), [("0s", "nothing"), ("1h", "it is looked at again at the end of its wave's soak")]
)
def test_nobody_is_promised_a_look_after_no_soak(soak: str, then: str) -> None:
    devices = one_wave(2, {"soak": soak, "coverage_timeout": "2h"})
    rollout = replay(devices, opened(), *told("succeeded", devices.members[0]))
    assert explain_one(rollout, devices.members[0], NOW).next == then


def test_a_device_of_a_later_wave_is_told_what_it_waits_for() -> None:
    devices = plan()
    rollout = replay(devices, opened(), *told("succeeded", devices.hosts[0][0]))
    explained = explain_one(rollout, devices.hosts[1][0], NOW)
    assert explained.why == "its wave is not open"
    assert "1 of 2 not tried yet" in explained.next
    assert explained.until == BEGIN + 86400
    proven = replay(devices, opened(), *told("succeeded", *devices.hosts[0]), passed(0))
    assert explain_one(proven, devices.hosts[1][0], NOW).next == "its wave rest opens in the next run"
