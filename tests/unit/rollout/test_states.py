# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The state of a rollout as its events tell it."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout import states
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.events import Event
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.replay import STATE_AFTER, apply_event, derive
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.states import (
    Counts,
    Device,
    DeviceClass,
    DeviceState,
    RolloutPhase,
    WavePhase,
    count,
    coverage_needed,
)

from tests.fleet_model import OLD, digest
from tests.unit.rollout.builders import BEGIN, one_wave, opened, passed, replay, several_waves, told

PLAN = one_wave(4, {"min_coverage": 50})
FIRST, SECOND, THIRD, FOURTH = PLAN.members


def device_after(*events: Event) -> Device:
    return replay(PLAN, opened(), *events).devices[FIRST]


def test_a_ledger_without_a_plan_is_no_rollout() -> None:
    assert derive([]) is None
    assert derive([Event("opened", BEGIN), *told("staged", FIRST)]) is None


def test_a_planned_rollout_has_every_member_pending() -> None:
    rollout = replay(PLAN)
    assert (rollout.phase, rollout.started_at, rollout.hold) == (RolloutPhase.RUNNING, BEGIN, None)
    assert list(rollout.devices) == list(PLAN.members)
    assert {device.state for device in rollout.devices.values()} == {DeviceState.PENDING}
    assert [wave.phase for wave in rollout.waves] == [WavePhase.PLANNED]


KINDS = [
    ("unreachable", DeviceState.UNREACHABLE, DeviceClass.UNTOUCHED),
    ("deferred", DeviceState.DEFERRED, DeviceClass.UNTOUCHED),
    ("released", DeviceState.PENDING, DeviceClass.UNTOUCHED),
    ("staging", DeviceState.STAGING, DeviceClass.FLIGHT),
    ("staged", DeviceState.STAGED, DeviceClass.FLIGHT),
    ("applying", DeviceState.APPLYING, DeviceClass.FLIGHT),
    ("booted", DeviceState.VERIFYING, DeviceClass.FLIGHT),
    ("silent", DeviceState.SILENT, DeviceClass.FLIGHT),
    ("rolling_back", DeviceState.ROLLING_BACK, DeviceClass.FLIGHT),
    ("hop_passed", DeviceState.PENDING, DeviceClass.UNTOUCHED),
    ("succeeded", DeviceState.SUCCEEDED, DeviceClass.SUCCEEDED),
    ("failed", DeviceState.FAILED, DeviceClass.CHARGED),
    ("rolled_back", DeviceState.ROLLED_BACK, DeviceClass.CHARGED),
    ("lost", DeviceState.LOST, DeviceClass.CHARGED),
    ("inconsistent", DeviceState.INCONSISTENT, DeviceClass.CHARGED),
    ("already_current", DeviceState.CURRENT, DeviceClass.NEUTRAL),
    ("incompatible", DeviceState.INCOMPATIBLE, DeviceClass.NEUTRAL),
    ("removed", DeviceState.REMOVED, DeviceClass.NEUTRAL),
]


@pytest.mark.parametrize(("kind", "state", "device_class"), KINDS)
def test_every_kind_of_news_about_a_device(kind: str, state: DeviceState, device_class: DeviceClass) -> None:
    device = device_after(*told(kind, FIRST, at=BEGIN + 7, reason="r", message="m"))
    assert (device.state, device.device_class, device.since) == (state, device_class, BEGIN + 7)
    assert (device.reason, device.message) == ("r", "m")


BY_ORDER = {DeviceState.SUPERSEDED, DeviceState.EXCLUDED, DeviceState.CANCELED}


def test_these_are_all_kinds_and_all_states() -> None:
    assert {kind for kind, _unused, _unused in KINDS} == set(STATE_AFTER)
    assert {state for _unused, state, _unused in KINDS} | BY_ORDER == set(DeviceState)
    assert set(states.CLASS_OF) == set(DeviceState)


def test_a_reason_lasts_as_long_as_its_state() -> None:
    assert device_after(*told("deferred", FIRST, reason="busy", message="m"), *told("staging", FIRST)).reason is None


def test_what_was_learnt_outlasts_the_state_it_was_learnt_in() -> None:
    device = device_after(
        *told("staging", FIRST, boot_id="b0", previous_digest=OLD, previous_version="1"),
        *told("staged", FIRST),
        *told("applying", FIRST, boot_id="b0"),
        *told("noted", FIRST, failed_units=["a.service"]),
        *told("booted", FIRST, booted_digest=digest("a"), boot_seconds=2.5),
        *told("succeeded", FIRST, boot_id=None),
    )
    assert (device.boot_id, device.previous_digest, device.previous_version) == ("b0", OLD, "1")
    assert (device.boot_seconds, device.booted_digest) == (2.5, digest("a"))
    assert device.failed_units == ("a.service",)


@pytest.mark.parametrize("kind", ["silent", "lost", "unreachable", "deferred"])
@pytest.mark.parametrize("phase", ["staging", "staged", "applying", "booted", "rolling_back"])
def test_how_far_a_device_was_is_known_after_it_went_silent(phase: str, kind: str) -> None:
    before = device_after(*told(phase, FIRST))
    assert before.phase is before.state
    assert device_after(*told(phase, FIRST), *told(kind, FIRST)).phase is before.phase


def test_a_released_device_starts_from_nothing() -> None:
    assert device_after(*told("applying", FIRST), *told("released", FIRST)).phase is DeviceState.PENDING


@pytest.mark.parametrize(("attempt", "attempts"), [(True, 2), (False, 0), (None, 0)])
def test_only_attempts_that_count_are_counted(attempt: bool | None, attempts: int) -> None:
    data: dict[str, Any] = {} if attempt is None else {"attempt": attempt}
    assert device_after(*told("deferred", FIRST, **data), *told("deferred", FIRST, **data)).stage_attempts == attempts


@pytest.mark.parametrize(
    ("kinds", "asked"),
    [
        (["applying"], 1),
        (["applying", "silent", "applying"], 2),
        (["applying", "released", "staging", "staged", "applying"], 2),
        (["applying", "booted"], 1),
        (["applying", "booted", "rolling_back"], 0),
        (["applying", "booted", "rolling_back", "rolling_back+"], 1),
        (["applying", "booted", "rolling_back", "rolling_back+", "silent", "rolling_back+"], 2),
    ],
)
def test_reboots_are_counted_for_the_way_there_and_for_the_way_back(kinds: list[str], asked: int) -> None:
    data: dict[str, Any] = {"boot_id": "b"}
    events = [e for kind in kinds for e in told(kind.rstrip("+"), FIRST, **(data if kind != "rolling_back" else {}))]
    assert device_after(*events).reboots_asked == asked


@pytest.mark.parametrize(
    "event", [Event("opened", BEGIN), Event("weather", BEGIN, data={"x": 1}), Event("weather", BEGIN, wave=0)]
)
def test_kinds_of_later_versions_change_nothing(event: Event) -> None:
    assert replay(PLAN, opened(), event) == replay(PLAN, opened())


@pytest.mark.parametrize("event", [*told("weather", FIRST, x=1), *told("failed", "stranger"), *told("succeeded", "")])
def test_notes_and_strangers_change_no_device(event: Event) -> None:
    assert replay(PLAN, opened(), event) == replay(PLAN, opened())


def test_one_event_more_is_the_same_as_replaying_all() -> None:
    events = [opened(), *told("staged", FIRST), *told("succeeded", FIRST, SECOND), passed(0), Event("completed", BEGIN)]
    rollout = replay(PLAN)
    for number, event in enumerate(events):
        before = rollout
        rollout = apply_event(rollout, event)
        assert rollout == replay(PLAN, *events[: number + 1])
        assert before == replay(PLAN, *events[:number]), "the state before was changed in place"


def test_the_life_of_a_rollout() -> None:
    hold = {"rule": "failure_budget", "numbers": "n", "hosts": [FIRST], "remedy": "r"}
    held = replay(PLAN, opened(), Event("held", BEGIN + 1, wave=0, data=hold))
    assert held.phase is RolloutPhase.HELD
    assert held.hold is not None
    assert (held.hold.rule, held.hold.hosts, held.hold.at) == ("failure_budget", (FIRST,), BEGIN + 1)
    completed = replay(PLAN, opened(), passed(0, BEGIN + 2), Event("completed", BEGIN + 3))
    assert (completed.phase, completed.ended_at) == (RolloutPhase.COMPLETED, BEGIN + 3)
    assert (completed.waves[0].phase, completed.waves[0].passed_at) == (WavePhase.PASSED, BEGIN + 2)
    superseded = replay(PLAN, Event("superseded", BEGIN + 4, data={"by": "r2"}))
    assert (superseded.phase, superseded.superseded_by) == (RolloutPhase.SUPERSEDED, "r2")
    assert superseded.ended_at == BEGIN + 4


@pytest.mark.parametrize("kind", ["wave_opened", "wave_passed"])
def test_news_of_a_wave_must_name_it(kind: str) -> None:
    with pytest.raises(ValueError, match=kind):
        replay(PLAN, Event(kind, BEGIN))


def test_the_size_of_a_wave_is_that_at_its_opening() -> None:
    rollout = replay(PLAN, *told("removed", FIRST), opened(), *told("removed", SECOND))
    assert rollout.waves[0].size == 3
    assert coverage_needed(rollout, 0) == 1


@pytest.mark.parametrize(
    ("kind", "after"),
    [
        ("released", DeviceState.SUPERSEDED),
        ("unreachable", DeviceState.SUPERSEDED),
        ("deferred", DeviceState.SUPERSEDED),
        ("staged", DeviceState.SUPERSEDED),
        ("removed", DeviceState.SUPERSEDED),
        ("succeeded", DeviceState.SUCCEEDED),
        ("failed", DeviceState.FAILED),
        ("lost", DeviceState.LOST),
        ("already_current", DeviceState.CURRENT),
    ],
)
def test_devices_another_rollout_took_over(kind: str, after: DeviceState) -> None:
    taken = Event("hosts_superseded", BEGIN + 5, data={"by": "r2", "hosts": [FIRST, "stranger"]})
    device = device_after(*told(kind, FIRST), taken)
    assert device.state is after
    assert not device.may_heal
    assert replay(PLAN, opened(), *told(kind, FIRST, SECOND), taken).devices[SECOND] == device_after_second(kind)


def device_after_second(kind: str) -> Device:
    return replay(PLAN, opened(), *told(kind, FIRST, SECOND)).devices[SECOND]


def test_a_lost_device_may_heal_and_its_charge_goes() -> None:
    rollout = replay(PLAN, opened(), *told("applying", FIRST), *told("silent", FIRST), *told("lost", FIRST))
    assert count(rollout.in_wave(0)).charged == 1
    assert rollout.devices[FIRST].may_heal
    healed = replay(PLAN, opened(), *told("applying", FIRST), *told("lost", FIRST), *told("booted", FIRST))
    assert count(healed.in_wave(0)) == Counts(succeeded=0, charged=0, flight=1, untouched=3, disrupted=1)


@pytest.mark.parametrize(("kind", "charged"), [("failed", 1), ("rolled_back", 1), ("inconsistent", 1), ("removed", 0)])
def test_classes_are_counted(kind: str, charged: int) -> None:
    rollout = replay(PLAN, opened(), *told(kind, FIRST), *told("succeeded", SECOND), *told("staged", THIRD))
    counts = count(rollout.in_wave(0))
    assert (counts.charged, counts.succeeded, counts.flight, counts.untouched) == (charged, 1, 1, 1)
    assert counts.total == 3 + charged


@pytest.mark.parametrize(
    ("kind", "disrupted"),
    [(kind, kind in ("applying", "booted", "rolling_back", "silent")) for kind, _unused, _unused in KINDS],
)
def test_disrupted_are_those_in_flight_that_are_down_or_unproven(kind: str, disrupted: bool) -> None:
    assert count(replay(PLAN, opened(), *told(kind, FIRST)).in_wave(0)).disrupted == int(disrupted)


# -- coverage ----------------------------------------------------------------------------------------------------------


def covered_at(*events: Event) -> float | None:
    return replay(PLAN, *events).waves[0].covered_at


def test_coverage_is_reached_with_the_verdict_that_completes_it() -> None:
    first, second = told("succeeded", FIRST, at=BEGIN + 1), told("rolled_back", SECOND, at=BEGIN + 2)
    assert covered_at(opened(), *first) is None
    assert covered_at(opened(), *first, *second) == BEGIN + 2
    assert covered_at(opened(), *first, *second, *told("succeeded", THIRD, at=BEGIN + 3)) == BEGIN + 2


def test_coverage_is_reached_when_a_device_drops_out() -> None:
    gone = [*told("removed", SECOND, THIRD, at=BEGIN + 2)]
    assert covered_at(opened(), *told("succeeded", FIRST, at=BEGIN + 1), *gone) == BEGIN + 2


@pytest.mark.parametrize(("verdict", "undone"), [("rolled_back", "retried"), ("lost", "booted")])
def test_coverage_is_gone_with_the_verdict_that_made_it(verdict: str, undone: str) -> None:
    events = [opened(), *told("succeeded", SECOND, at=BEGIN + 1), *told(verdict, FIRST, at=BEGIN + 2)]
    assert covered_at(*events) == BEGIN + 2
    events += told(undone, FIRST, at=BEGIN + 90)
    assert covered_at(*events) is None
    assert covered_at(*events, *told("succeeded", FIRST, at=BEGIN + 99)) == BEGIN + 99


def test_a_verdict_that_coverage_can_do_without_leaves_it_as_it_is() -> None:
    events = [opened(), *told("succeeded", SECOND, THIRD, at=BEGIN + 1), *told("failed", FIRST, at=BEGIN + 2)]
    assert covered_at(*events, *told("retried", FIRST, at=BEGIN + 90)) == BEGIN + 1


def test_coverage_is_gone_when_a_device_comes_back() -> None:
    events = [opened(), *told("succeeded", FIRST, at=BEGIN + 1), *told("removed", SECOND, THIRD, at=BEGIN + 2)]
    assert covered_at(*events, *told("released", SECOND, at=BEGIN + 3)) is None


def test_coverage_is_gone_when_the_failures_that_made_it_are_forgiven() -> None:
    events = [opened(), *told("succeeded", FIRST, at=BEGIN + 1), *told("failed", SECOND, at=BEGIN + 2)]
    held = Event("held", BEGIN + 3, wave=0, data={"rule": "r", "numbers": "n", "hosts": [], "remedy": "r"})
    assert covered_at(*events, held) == BEGIN + 2
    assert covered_at(*events, held, Event("resumed", BEGIN + 4)) is None


def test_coverage_may_be_there_when_the_wave_opens() -> None:
    assert covered_at(*told("already_current", *PLAN.members), opened(at=BEGIN + 9)) == BEGIN + 9


def test_a_device_without_verdict_covers_nothing() -> None:
    kinds = ("unreachable", "deferred", "staged", "silent")
    events = [event for kind, host in zip(kinds, PLAN.members, strict=True) for event in told(kind, host)]
    assert covered_at(opened(), *events) is None


def test_only_the_wave_of_the_device_is_covered() -> None:
    plan = several_waves([2], 4, wave_defaults={"min_coverage": 50, "soak": "0s"})
    rollout = replay(plan, opened(0), passed(0), opened(1), *told("succeeded", *plan.hosts[0], at=BEGIN + 3))
    assert [wave.covered_at for wave in rollout.waves] == [None, None]


@pytest.mark.parametrize("end", ["canceled", "aborted", "superseded"])
def test_what_was_decided_without_knowing_of_an_end_undoes_none(end: str) -> None:
    told_by = {"by": "anna", "why": "seen"}
    late = [
        passed(0, at=BEGIN + 9),
        Event("held", BEGIN + 9, wave=0, data={"rule": "r", "numbers": "n", "hosts": [], "remedy": "r"}),
        opened(0, at=BEGIN + 9),
        Event("completed", BEGIN + 9),
    ]
    events = [opened(), *told("succeeded", FIRST), Event(end, BEGIN + 5, data=told_by)]
    assert replay(PLAN, *events, *late) == replay(PLAN, *events)
