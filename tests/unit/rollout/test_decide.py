# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a rollout does next, and in which batches."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.decide import (
    Decisions,
    advance,
    batches,
    decide,
    later_batches,
)
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.events import Event
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.gate import Wait
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.plan import Plan
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.replay import apply_events
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.states import (
    Device,
    DeviceState,
    Rollout,
    RolloutPhase,
    WavePhase,
)

from tests.unit.rollout.builders import BEGIN, one_wave, opened, passed, replay, several_waves, told

RELAXED: dict[str, Any] = {"soak": "0s", "max_failures": 0, "coverage_timeout": "1d", "min_coverage": 0}
HELD = Event("held", BEGIN, wave=0, data={"rule": "failure_budget", "numbers": "1", "hosts": [], "remedy": "r"})


def plan(size: int = 7, counts: Iterable[int] = (1, 3), variants: Iterable[str] = ("kde",), **changes: Any) -> Plan:
    return several_waves(counts, size, variants, wave_defaults=RELAXED, **changes)


def recorded(decisions: Decisions) -> list[tuple[str, int | None]]:
    return [(event.kind, event.wave) for event in decisions.record]


def test_the_first_thing_is_to_open_the_first_wave() -> None:
    decisions = decide(replay(plan()), BEGIN)
    assert recorded(decisions) == [("wave_opened", 0)]
    assert (decisions.touch, decisions.wait) == ((), None)


def test_only_the_open_wave_is_touched() -> None:
    devices = plan()
    decisions = decide(replay(devices, opened()), BEGIN)
    assert decisions.touch == devices.hosts[0]
    assert isinstance(decisions.wait, Wait)


def test_a_wave_opens_only_when_the_one_before_passed() -> None:
    devices = plan()
    proven = told("succeeded", *devices.hosts[0])
    assert recorded(decide(replay(devices, opened(), *proven), BEGIN)) == [("wave_passed", 0)]
    assert recorded(decide(replay(devices, opened(), *proven, passed(0)), BEGIN)) == [("wave_opened", 1)]


def test_a_wave_without_devices_passes() -> None:
    rollout, events, decisions = advance(replay(plan(size=1)), BEGIN)
    (host,) = rollout.devices
    assert decisions.touch == (host,)
    rollout, events, _unused = advance(replay(plan(size=1), opened(), *told("succeeded", host)), BEGIN)
    assert [event.kind for event in events] == [
        "wave_passed",
        "wave_opened",
        "wave_passed",
        "wave_opened",
        "wave_passed",
        "completed",
    ]
    assert rollout.phase is RolloutPhase.COMPLETED


def test_leftovers_of_passed_waves_are_touched_with_the_open_wave() -> None:
    devices = plan(counts=[2, 2])
    proven, asleep = devices.hosts[0]
    rollout = replay(devices, opened(), *told("succeeded", proven), *told("unreachable", asleep), passed(0), opened(1))
    assert decide(rollout, BEGIN).touch == (asleep, *devices.hosts[1])


def test_a_failure_over_budget_holds_and_the_hold_is_latched() -> None:
    devices = plan(counts=[2, 2])
    bad, other = devices.hosts[0]
    rollout, events, decisions = advance(replay(devices, opened(), *told("failed", bad)), BEGIN)
    assert [event.kind for event in events] == ["held"]
    assert (rollout.phase, decisions.touch) == (RolloutPhase.HELD, ())
    assert rollout.hold is not None
    assert (rollout.hold.rule, rollout.hold.wave, rollout.hold.hosts) == ("failure_budget", 0, (bad,))
    assert "supersedes: [r1]" in rollout.hold.remedy
    healed = replay(devices, opened(), *told("failed", bad), *events, *told("succeeded", bad, other))
    assert decide(healed, BEGIN + 1e9) == Decisions()
    assert batches(healed, skip=()) == ()


@pytest.mark.parametrize(
    ("kind", "drained"),
    [
        ("staging", True),
        ("staged", True),
        ("applying", True),
        ("booted", True),
        ("rolling_back", True),
        ("silent", True),
        ("lost", True),
        ("unreachable", False),
        ("deferred", False),
        ("released", False),
        ("succeeded", False),
        ("failed", False),
        ("rolled_back", False),
        ("inconsistent", False),
        ("already_current", False),
        ("removed", False),
    ],
)
def test_a_held_rollout_ends_what_was_begun_and_begins_nothing(kind: str, drained: bool) -> None:
    devices = plan(counts=[2, 2])
    host = devices.hosts[0][0]
    rollout = replay(devices, opened(), *told(kind, host), HELD)
    expected = (host,) if drained else ()
    assert decide(rollout, BEGIN).touch == expected
    assert batches(rollout, skip=()) == ((expected,) if drained else ())
    assert batches(rollout, skip=[host]) == ()


def test_late_failures_of_a_passed_wave_hold_the_rollout() -> None:
    devices = plan(counts=[2, 2])
    proven, slow = devices.hosts[0]
    events = [opened(), *told("succeeded", proven), *told("staged", slow), passed(0), opened(1)]
    rollout, news, _unused = advance(replay(devices, *events, *told("rolled_back", slow)), BEGIN)
    assert rollout.hold is not None
    assert (rollout.hold.rule, rollout.hold.wave, rollout.hold.hosts) == ("late_failures", 0, (slow,))
    assert [event.kind for event in news] == ["held"]


def test_late_failures_after_the_end_hold_it_too() -> None:
    devices = plan(size=2, counts=[])
    events = [opened(), *told("succeeded", *devices.members), passed(0), Event("completed", BEGIN)]
    rollout, _unused, _unused = advance(replay(devices, *events, *told("failed", devices.members[0])), BEGIN)
    assert rollout.phase is RolloutPhase.HELD


@pytest.mark.parametrize(("kind", "reason"), [("inconsistent", "rollback_failed"), ("failed", "digest_mismatch")])
def test_untrusted_content_on_a_straggler_of_a_passed_wave_holds_the_rollout(kind: str, reason: str) -> None:
    devices = several_waves([2, 2], 7, wave_defaults={**RELAXED, "max_failures": 5})
    proven, slow = devices.hosts[0]
    events = [opened(), *told("succeeded", proven), *told("staged", slow), passed(0), opened(1)]
    rollout, _unused, _unused = advance(replay(devices, *events, *told(kind, slow, reason=reason)), BEGIN)
    assert rollout.hold is not None
    assert (rollout.hold.rule, rollout.hold.wave, rollout.hold.hosts) == ("untrusted_content", 0, (slow,))


def test_time_alone_makes_nobody_lost() -> None:
    """A controller that was off for days first has to look for those who were silent when it went."""
    devices = plan()
    (host,) = devices.hosts[0]
    rollout = replay(devices, opened(), *told("applying", host), *told("silent", host))
    decisions = decide(rollout, BEGIN + 1e4)
    assert (recorded(decisions), decisions.touch) == ([], (host,))


def test_a_completed_rollout_serves_those_who_return() -> None:
    devices = plan(size=3, counts=[])
    first, asleep, lost = devices.members
    events = [opened(), *told("succeeded", first), *told("unreachable", asleep), passed(0), Event("completed", BEGIN)]
    rollout = replay(devices, *events, *told("removed", lost))
    assert decide(rollout, BEGIN) == Decisions(touch=(asleep,))
    assert batches(rollout, skip=()) == ((asleep,),)


def test_a_superseded_rollout_does_nothing_any_more() -> None:
    devices = plan()
    events = [opened(), *told("applying", *devices.hosts[0]), Event("superseded", BEGIN, data={"by": "r2"})]
    rollout = replay(devices, *events)
    assert decide(rollout, BEGIN + 1e9) == Decisions()
    assert batches(rollout, skip=()) == ()


# -- the first success of a variant ------------------------------------------------------------------------------------

TWO = ("kde", "gnome")


def of(devices: Plan, index: int, variant: str) -> list[str]:
    return [host for host in devices.hosts[index] if devices.variant_of[host] == variant]


def second_wave(kind: str, *more: Event, counts: Iterable[int] = (1, 3)) -> tuple[Plan, Rollout]:
    """kde succeeded in the first wave; gnome's devices there were last told of ``kind``."""
    devices = plan(size=5, counts=counts, variants=TWO)
    events = [*told("succeeded", *of(devices, 0, "kde")), *told(kind, *of(devices, 0, "gnome"))]
    return devices, replay(devices, opened(0), *events, passed(0), opened(1), *more)


@pytest.mark.parametrize(
    ("kind", "gnome_starts"),
    [
        ("succeeded", "all"),
        ("already_current", "one"),
        ("unreachable", "none"),
        ("deferred", "none"),
        ("staged", "none"),
        ("silent", "none"),
        ("incompatible", "one"),
        ("removed", "one"),
    ],
)
def test_a_variant_waits_for_its_first_success(kind: str, gnome_starts: str) -> None:
    devices, rollout = second_wave(kind)
    touched = decide(rollout, BEGIN).touch
    assert set(of(devices, 1, "kde")) <= set(touched)
    starting = [host for host in of(devices, 1, "gnome") if host in touched]
    assert len(starting) == {"all": 3, "none": 0, "one": 1}[gnome_starts]


@pytest.mark.parametrize(("proven", "starting"), [(True, 3), (False, 1)])
def test_a_canary_that_ran_the_target_already_counts_when_it_is_healthy(proven: bool, starting: int) -> None:
    devices = plan(size=5, counts=(1, 3), variants=TWO)
    events = [
        *told("succeeded", *of(devices, 0, "kde")),
        *told("already_current", *of(devices, 0, "gnome"), proven=proven),
    ]
    touched = decide(replay(devices, opened(0), *events, passed(0), opened(1)), BEGIN).touch
    assert len([host for host in of(devices, 1, "gnome") if host in touched]) == starting


@pytest.mark.parametrize("begun", ["staging", "applying", "silent"])
def test_a_stand_in_for_the_canary_goes_alone(begun: str) -> None:
    devices, _unused = second_wave("incompatible")
    first, *_unused = of(devices, 1, "gnome")
    _unused, rollout = second_wave("incompatible", *told(begun, first))
    touched = [host for host in of(devices, 1, "gnome") if host in decide(rollout, BEGIN).touch]
    assert touched == [first]


def test_after_the_stand_in_succeeded_the_others_start() -> None:
    devices, _unused = second_wave("incompatible")
    first, *others = of(devices, 1, "gnome")
    _unused, rollout = second_wave("incompatible", *told("succeeded", first))
    assert set(others) <= set(decide(rollout, BEGIN).touch)


def test_a_stand_in_that_is_asleep_does_not_block_its_variant() -> None:
    devices, _unused = second_wave("incompatible")
    first, second, third = of(devices, 1, "gnome")
    _unused, rollout = second_wave("incompatible", *told("unreachable", first))
    assert [host for host in decide(rollout, BEGIN).touch if host in (first, second, third)] == [second]
    _unused, rollout = second_wave("incompatible", *told("unreachable", first, second, third))
    assert [host for host in decide(rollout, BEGIN).touch if host in (first, second, third)] == [first]


# -- batches -----------------------------------------------------------------------------------------------------------


def test_batches_keep_the_order_of_the_plan_and_never_span_waves() -> None:
    devices = plan(size=10, counts=[1, 4], pace={"parallel": 3})
    chosen = batches(replay(devices), skip=())
    assert [len(batch) for batch in chosen] == [1, 3, 1, 3, 2]
    assert [host for batch in chosen for host in batch] == list(devices.members)
    for batch in chosen:
        assert any(set(batch) <= set(hosts) for hosts in devices.hosts)


def test_leftovers_of_passed_waves_come_first_together() -> None:
    devices = plan(size=8, counts=[2, 2], pace={"parallel": 3})
    left = [devices.hosts[0][1], *devices.hosts[1]]
    rollout = replay(
        devices,
        opened(0),
        *told("succeeded", devices.hosts[0][0]),
        *told("unreachable", *left),
        passed(0),
        opened(1),
        passed(1),
        opened(2),
    )
    assert batches(rollout, skip=())[0] == tuple(left)


def test_hosts_out_of_reach_are_left_out_and_the_sizes_still_add_up() -> None:
    devices = plan(size=10, counts=[1, 4], pace={"parallel": 3})
    away = {devices.hosts[0][0], devices.hosts[1][1]}
    chosen = batches(replay(devices), skip=away)
    assert [len(batch) for batch in chosen] == [3, 3, 2]
    assert away.isdisjoint(host for batch in chosen for host in batch)


@pytest.mark.parametrize(
    "kind", ["succeeded", "failed", "rolled_back", "inconsistent", "already_current", "incompatible", "removed"]
)
def test_nobody_due_means_no_batch_at_all(kind: str) -> None:
    devices = plan()
    assert batches(replay(devices, opened(), *told(kind, *devices.members)), skip=()) == ()


def test_everybody_out_of_reach_means_no_batch_at_all() -> None:
    devices = plan()
    assert batches(replay(devices), skip=devices.members) == ()


def test_every_batch_is_of_devices_that_may_still_be_touched() -> None:
    devices = plan(size=9, counts=[3, 3])
    kinds = ["succeeded", "lost", "staged"]
    events = [event for kind, host in zip(kinds, devices.hosts[0], strict=True) for event in told(kind, host)]
    rollout = replay(devices, opened(), *events)
    due = [rollout.devices[host] for batch in batches(rollout, skip=()) for host in batch]
    assert {device.state for device in due} == {DeviceState.LOST, DeviceState.STAGED, DeviceState.PENDING}


def test_deciding_again_without_news_decides_the_same() -> None:
    devices = plan()
    rollout, _unused, first = advance(replay(devices), BEGIN)
    again, events, second = advance(rollout, BEGIN + 1)
    assert (events, second.touch) == ((), first.touch)
    assert again == rollout


def test_a_clock_that_went_backwards_passes_nothing_early() -> None:
    devices = several_waves([1], 3, wave_defaults={**RELAXED, "soak": "1h"})
    rollout = replay(devices, opened(), *told("succeeded", *devices.hosts[0]))
    rollout, events, decisions = advance(rollout, BEGIN - 1e6)
    assert events == ()
    assert rollout.waves[0].phase is WavePhase.OPEN
    assert decisions.wait == Wait("soak", "time for trouble to show", BEGIN + 3600)


def test_deciding_for_a_large_wave_does_not_look_at_everybody_for_everybody(monkeypatch: pytest.MonkeyPatch) -> None:
    devices = plan(size=400, counts=[1])
    rollout = replay(devices, opened(0), *told("unreachable", *devices.hosts[0]), passed(0), opened(1))
    looks = 0

    def counted(device: Device, name: str) -> Any:
        nonlocal looks
        looks += name == "variant"
        return object.__getattribute__(device, name)

    monkeypatch.setattr(Device, "__getattribute__", counted)
    decide(rollout, BEGIN)
    assert looks < 20 * 400


# -- another round -----------------------------------------------------------------------------------------------------


def put_off(host: str, until: float | None) -> Event:
    data: dict[str, Any] = {"reason": "window", "message": "outside its windows", "attempt": False}
    return Event("deferred", BEGIN, host, data={**data, **({} if until is None else {"until": until})})


def test_another_round_begins_with_those_whose_window_opens_first() -> None:
    plan = one_wave(3, pace={"parallel": 2})
    first, second, third = plan.members
    events = [put_off(first, BEGIN + 300), put_off(second, BEGIN + 100), *told("unreachable", third)]
    rollout = replay(plan, opened(), *events)
    assert later_batches(rollout, plan.members, BEGIN, BEGIN + 100) == ((second, first),)
    assert later_batches(rollout, [first], BEGIN, BEGIN + 100) == ((first,),)
    assert later_batches(rollout, plan.members, BEGIN, BEGIN + 99) == ()


def test_whoever_is_left_of_a_wave_that_passes_has_another_round() -> None:
    plan = one_wave(2, {"min_coverage": 50})
    done, left = plan.members
    rollout = replay(plan, opened(), *told("succeeded", done), put_off(left, BEGIN + 100))
    assert decide(rollout, BEGIN).record  # nobody recorded yet that the wave passes
    assert later_batches(rollout, plan.members, BEGIN, BEGIN + 100) == ((left,),)


@pytest.mark.parametrize("kind", ["paused", "canceled", "superseded"])
def test_a_rollout_that_stopped_has_no_other_round(kind: str) -> None:
    plan = one_wave(1)
    events = [put_off(plan.members[0], BEGIN), Event(kind, BEGIN, data={"by": "anna", "why": "x"})]
    assert later_batches(replay(plan, opened(), *events), plan.members, BEGIN, BEGIN + 9) == ()


def test_devices_put_off_without_a_moment_make_no_other_round() -> None:
    plan = one_wave(1)
    rollout = replay(plan, opened(), put_off(plan.members[0], None))
    assert later_batches(rollout, plan.members, BEGIN, BEGIN + 9) == ()


def test_devices_that_may_boot_what_they_were_given_are_touched_until_they_may_not() -> None:
    devices = one_wave(3)
    left, failed, done = devices.members
    rollout = replay(
        devices,
        opened(),
        *told("staging", left, failed),
        *told("deferred", left, armed=True),
        *told("excluded", left, by="anna", why="its disk"),
        *told("failed", failed, armed=True),
        *told("deferred", done, armed=True),
        *told("staging", done),
        *told("booted", done),
        *told("succeeded", done),
    )
    assert rollout.devices[left].state is DeviceState.EXCLUDED
    assert not rollout.devices[done].armed
    assert set(decide(rollout, BEGIN).touch) <= {left, failed}
    assert {host for batch in batches(rollout, skip=()) for host in batch} == {left, failed}
    taken_over = Event("hosts_superseded", BEGIN, data={"by": "r2", "hosts": [left, failed]})
    assert batches(apply_events(rollout, [taken_over]), skip=()) == ()


@pytest.mark.parametrize("kind", ["failed", "deferred", "unreachable", "incompatible", "excluded"])
def test_a_rollout_that_stopped_still_touches_who_may_boot_what_they_were_given(kind: str) -> None:
    devices = one_wave(2)
    given, clean = devices.members
    last = told(kind, clean) + (told(kind, given) if kind == "excluded" else told(kind, given, armed=True))
    events = [*told("staging", given), *told("deferred", given, armed=True), *last]
    for stop in (HELD, Event("paused", BEGIN), Event("canceled", BEGIN)):
        rollout = replay(devices, opened(), *events, stop)
        assert decide(rollout, BEGIN).touch == (given,)
        assert batches(rollout, skip=()) == ((given,),)
