# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""May a wave pass? Every rule, their order, and the edges of the integers in them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.events import Event
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.gate import (
    Pass,
    Stop,
    Verdict,
    Wait,
    evaluate,
    exceeds_budget,
    failure_budget,
)
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.plan import Plan
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.states import Rollout

from tests.fleet_model import plan_for, small_spec
from tests.unit.rollout.builders import BEGIN, names, one_wave, opened, passed, replay, several_waves, told

DAY = 86400
RELAXED = {"min_coverage": 0, "max_failures": 1000, "success_threshold": 1, "coverage_timeout": "1d", "soak": "0s"}


def wave(size: int, rules: dict[str, Any], **counts: int) -> Rollout:
    """An open wave; ``counts`` says how many of its devices were last told of which event."""
    plan = one_wave(size, {**RELAXED, **rules})
    waiting = list(plan.members)
    events = []
    for kind, many in counts.items():
        events += told(kind, *[waiting.pop(0) for _unused in range(many)])
    return replay(plan, opened(), *events)


def judged(rollout: Rollout, now: float = BEGIN, index: int = 0) -> str:
    """``pass``, or the rule that waits or stops."""
    verdict: Verdict = evaluate(rollout, index, now)
    if isinstance(verdict, Pass):
        return "pass"
    return f"{'wait' if isinstance(verdict, Wait) else 'stop'} {verdict.rule}"


RULES: list[tuple[int, dict[str, Any], dict[str, int], str]] = [
    # size, rules, devices, verdict
    (3, {}, {"succeeded": 3}, "pass"),
    (3, {"max_failures": 0}, {"failed": 1}, "stop failure_budget"),
    (3, {"max_failures": 1}, {"failed": 1, "succeeded": 2}, "pass"),
    (3, {"max_failures": 1}, {"failed": 2}, "stop failure_budget"),
    (3, {"max_failures": 0}, {"rolled_back": 1}, "stop failure_budget"),
    (3, {"max_failures": 0}, {"lost": 1}, "stop failure_budget"),
    (3, {"max_failures": 0}, {"inconsistent": 1}, "stop failure_budget"),
    (19, {"max_failures": "5%"}, {"failed": 1}, "stop failure_budget"),
    (20, {"max_failures": "5%"}, {"failed": 1, "succeeded": 19}, "pass"),
    (39, {"max_failures": "5%"}, {"failed": 2}, "stop failure_budget"),
    (40, {"max_failures": "5%"}, {"failed": 2, "succeeded": 38}, "pass"),
    (3, {"max_failures": "100%"}, {"failed": 2, "succeeded": 1}, "pass"),
    # can the threshold still be met?
    (10, {"success_threshold": 90, "min_coverage": 20}, {"failed": 1, "staging": 9}, "wait coverage"),
    (10, {"success_threshold": 90}, {"failed": 2}, "stop threshold_unreachable"),
    (10, {"success_threshold": 91}, {"failed": 1}, "stop threshold_unreachable"),
    (10, {"success_threshold": 100}, {"succeeded": 9, "unreachable": 1}, "pass"),
    (10, {"success_threshold": 100}, {"failed": 1, "succeeded": 9}, "stop threshold_unreachable"),
    (1, {}, {"failed": 1}, "stop threshold_unreachable"),
    # what is never excused
    (9, {}, {"inconsistent": 1, "succeeded": 8}, "stop untrusted_content"),
    # nobody to wait for
    (2, {}, {"incompatible": 2}, "pass"),
    (2, {}, {"already_current": 1, "removed": 1}, "pass"),
    # everybody gets a turn
    (3, {}, {"succeeded": 2}, "wait turn"),
    (3, {}, {"succeeded": 2, "deferred": 1}, "pass"),
    (3, {}, {"succeeded": 2, "unreachable": 1}, "pass"),
    # coverage
    (5, {"min_coverage": 60}, {"succeeded": 2, "unreachable": 3}, "wait coverage"),
    (5, {"min_coverage": 60}, {"succeeded": 3, "unreachable": 2}, "pass"),
    (6, {"min_coverage": 60}, {"succeeded": 3, "unreachable": 3}, "wait coverage"),
    (6, {"min_coverage": 60}, {"succeeded": 3, "failed": 1, "unreachable": 2}, "pass"),
    (5, {"min_coverage": 60}, {"succeeded": 1, "already_current": 3, "unreachable": 1}, "wait coverage"),
    (5, {"min_coverage": 50}, {"succeeded": 1, "already_current": 3, "unreachable": 1}, "pass"),
    (5, {"min_sample": 3}, {"succeeded": 2, "unreachable": 3}, "wait coverage"),
    (5, {"min_sample": 3}, {"succeeded": 3, "unreachable": 2}, "pass"),
    (2, {"min_sample": 3}, {"succeeded": 2}, "pass"),
    (3, {}, {"unreachable": 3}, "wait coverage"),
    # who is in the middle of it blocks, who is only staged does not
    (3, {}, {"succeeded": 2, "applying": 1}, "wait draining"),
    (3, {}, {"succeeded": 2, "booted": 1}, "wait draining"),
    (3, {}, {"succeeded": 2, "rolling_back": 1}, "wait draining"),
    (3, {}, {"succeeded": 2, "silent": 1}, "wait draining"),
    (3, {}, {"succeeded": 2, "staging": 1}, "pass"),
    (3, {}, {"succeeded": 2, "staged": 1}, "pass"),
    (3, {}, {"succeeded": 2, "lost": 1}, "pass"),
    # time
    (3, {"soak": "1h"}, {"succeeded": 3}, "wait soak"),
    # the threshold among verdicts
    (10, {"success_threshold": 90}, {"succeeded": 4, "failed": 1, "unreachable": 5}, "stop success_threshold"),
    (10, {"success_threshold": 80}, {"succeeded": 4, "failed": 1, "unreachable": 5}, "pass"),
]


@pytest.mark.parametrize(("size", "rules", "counts", "verdict"), RULES)
def test_every_rule(size: int, rules: dict[str, Any], counts: dict[str, int], verdict: str) -> None:
    assert judged(wave(size, rules, **counts)) == verdict


ORDER: list[tuple[dict[str, Any], dict[str, int], str]] = [
    # each line breaks the rule it is named after and all that come later
    (
        {"max_failures": 0, "success_threshold": 100, "min_coverage": 100, "soak": "1h"},
        {"inconsistent": 1, "applying": 1},
        "stop failure_budget",
    ),
    (
        {"success_threshold": 100, "min_coverage": 100, "soak": "1h"},
        {"inconsistent": 1, "applying": 1},
        "stop threshold_unreachable",
    ),
    (
        {"success_threshold": 75, "min_coverage": 100, "soak": "1h"},
        {"inconsistent": 1, "applying": 1},
        "stop untrusted_content",
    ),
    ({"success_threshold": 75, "min_coverage": 100, "soak": "1h"}, {"failed": 1, "applying": 1}, "wait turn"),
    (
        {"success_threshold": 75, "min_coverage": 100, "soak": "1h"},
        {"failed": 1, "applying": 1, "unreachable": 2},
        "wait coverage",
    ),
    (
        {"success_threshold": 75, "soak": "1h"},
        {"failed": 1, "applying": 1, "unreachable": 2},
        "wait draining",
    ),
    ({"success_threshold": 75, "soak": "1h"}, {"failed": 1, "unreachable": 3}, "wait soak"),
    ({"success_threshold": 75}, {"failed": 1, "unreachable": 3}, "stop success_threshold"),
]


@pytest.mark.parametrize(("rules", "counts", "verdict"), ORDER, ids=[line[2] for line in ORDER])
def test_the_first_rule_that_applies_decides(rules: dict[str, Any], counts: dict[str, int], verdict: str) -> None:
    assert judged(wave(4, rules, **counts)) == verdict


@pytest.mark.parametrize("reason", ["signature", "digest_mismatch"])
def test_untrusted_content_stops_within_any_budget(reason: str) -> None:
    plan = one_wave(5, RELAXED)
    rollout = replay(
        plan, opened(), *told("succeeded", *plan.members[1:]), *told("failed", plan.members[0], reason=reason)
    )
    verdict = evaluate(rollout, 0, BEGIN)
    assert isinstance(verdict, Stop)
    assert (verdict.rule, verdict.hosts) == ("untrusted_content", (plan.members[0],))


TIMEOUT: list[tuple[dict[str, Any], dict[str, int], str]] = [
    ({"on_coverage_timeout": "hold"}, {"succeeded": 5, "unreachable": 5}, "stop coverage_timeout"),
    ({"on_coverage_timeout": "accept"}, {"succeeded": 5, "unreachable": 5}, "pass"),
    ({"on_coverage_timeout": "accept", "accept_floor": 50}, {"succeeded": 5, "unreachable": 5}, "pass"),
    (
        {"on_coverage_timeout": "accept", "accept_floor": 51},
        {"succeeded": 5, "unreachable": 5},
        "stop coverage_timeout",
    ),
    ({"on_coverage_timeout": "accept", "accept_floor": 0, "min_sample": 6}, {"succeeded": 5}, "stop coverage_timeout"),
    ({"on_coverage_timeout": "accept", "accept_floor": 0, "min_sample": 5}, {"succeeded": 5}, "pass"),
    ({"on_coverage_timeout": "accept", "accept_floor": 0}, {"unreachable": 10}, "stop coverage_timeout"),
    ({"on_coverage_timeout": "accept"}, {"succeeded": 5, "applying": 1}, "wait draining"),
    (
        {"on_coverage_timeout": "accept", "success_threshold": 90},
        {"succeeded": 4, "failed": 1, "unreachable": 5},
        "stop success_threshold",
    ),
]


@pytest.mark.parametrize(("rules", "counts", "verdict"), TIMEOUT)
def test_when_coverage_does_not_come_in_time(rules: dict[str, Any], counts: dict[str, int], verdict: str) -> None:
    rollout = wave(10, {"min_coverage": 90, **rules}, **counts)
    assert judged(rollout, BEGIN + DAY - 1).startswith("wait")
    assert judged(rollout, BEGIN + DAY) == verdict


def test_the_numbers_name_what_is_missing() -> None:
    verdict = evaluate(
        wave(10, {"min_coverage": 90, "on_coverage_timeout": "hold"}, succeeded=5, unreachable=4, staging=1),
        0,
        BEGIN + DAY,
    )
    assert isinstance(verdict, Stop)
    assert verdict.numbers == "5 of 10 have a verdict, 9 must"
    assert len(verdict.hosts) == 5


def test_a_soak_counts_from_the_moment_of_coverage() -> None:
    plan = one_wave(4, {**RELAXED, "min_coverage": 50, "soak": "1h"})
    first, second, third, fourth = plan.members
    rollout = replay(
        plan,
        opened(),
        *told("unreachable", third, fourth),
        *told("succeeded", first, at=BEGIN + 10),
        *told("succeeded", second, at=BEGIN + 100),
        *told("succeeded", third, at=BEGIN + 200),
    )
    verdict = evaluate(rollout, 0, BEGIN + 300)
    assert verdict == Wait("soak", "time for trouble to show", BEGIN + 100 + 3600)
    assert judged(rollout, BEGIN + 3699) == "wait soak"
    assert judged(rollout, BEGIN + 3700) == "wait confirmation"


def test_after_a_soak_whoever_succeeded_before_its_end_is_looked_at_again() -> None:
    plan = one_wave(3, {**RELAXED, "min_coverage": 60, "soak": "1h"})
    first, second, third = plan.members
    early = told("succeeded", first, second, at=BEGIN)
    late = told("succeeded", third, at=BEGIN + 3700)
    verdict = evaluate(replay(plan, opened(), *early, *late), 0, BEGIN + 3700)
    assert isinstance(verdict, Wait)
    assert (verdict.rule, verdict.until, verdict.ask) == ("confirmation", None, (first, second))
    both = told("confirmed", first, second, at=BEGIN + 3600)
    assert judged(replay(plan, opened(), *early, *late, *both), BEGIN + 3700) == "pass"
    too_early = told("confirmed", first, second, at=BEGIN + 3599)
    assert judged(replay(plan, opened(), *early, *late, *too_early), BEGIN + 3700) == "wait confirmation"


LATER = BEGIN + DAY


@pytest.mark.parametrize(
    "way",
    [
        ("rolled_back", "retried", "booted"),
        ("rolled_back", "retried", "staging", "booted"),
        ("lost", "booted"),
        ("removed", "released", "booted"),
    ],
)
def test_a_soak_begins_anew_with_a_verdict_that_is_given_anew(way: tuple[str, ...]) -> None:
    plan = one_wave(1, {**RELAXED, "min_coverage": 100, "soak": "2h"})
    (canary,) = plan.members
    first, *rest = way
    events = [opened(), *told(first, canary, at=BEGIN + 4)]
    events += [event for kind in (*rest, "succeeded") for event in told(kind, canary, at=LATER)]
    verdict = evaluate(replay(plan, *events), 0, LATER)
    assert verdict == Wait("soak", "time for trouble to show", LATER + 7200)
    assert judged(replay(plan, *events), LATER + 7200) == "wait confirmation"


def test_who_was_looked_at_before_it_failed_is_looked_at_again_after_its_next_success() -> None:
    plan = one_wave(1, {**RELAXED, "min_coverage": 100, "soak": "2h"})
    (canary,) = plan.members
    events = [opened()]
    for number, kind in enumerate(("succeeded", "unconfirmed", "rolled_back", "retried", "succeeded")):
        events += told(kind, canary, at=BEGIN + DAY * number)
    soaked_at = BEGIN + 4 * DAY + 7200
    assert judged(replay(plan, *events), soaked_at - 1) == "wait soak"
    verdict = evaluate(replay(plan, *events), 0, soaked_at)
    assert isinstance(verdict, Wait)
    assert verdict.ask == (canary,)
    (device,) = replay(plan, *events, *told("unconfirmed", canary, at=soaked_at)).devices.values()
    assert device.unconfirmed_since == soaked_at


# -- the closing look --------------------------------------------------------------------------------------------------

SOAKED = BEGIN + 3600
GRACE = 600
"""``contact_grace`` of the plans made here."""


def soaking(size: int, rules: Mapping[str, Any] | None = None, **changes: Any) -> Plan:
    """A plan with a wave of so many devices, and one more device in a later wave."""
    wave = {"name": "only", "count": size, **RELAXED, "soak": "1h", **(rules or {})}
    return plan_for(small_spec(waves=[wave], **changes), [(host, "kde") for host in names(size + 1)])


def soaked(size: int, *looks: Event, **rules: Any) -> Rollout:
    """A wave of devices that succeeded when it opened, and what came of looking at them again."""
    plan = soaking(size, {"min_coverage": 100, **rules})
    return replay(plan, opened(), *told("succeeded", *plan.hosts[0]), *looks)


def members(size: int) -> tuple[str, ...]:
    return soaking(size).hosts[0]


def asleep(*hosts: str, at: float = SOAKED) -> list[Event]:
    return told("unconfirmed", *hosts, at=at, reason="silent")


def test_who_is_silent_at_the_end_of_the_soak_has_time_to_answer() -> None:
    silent, *awake = members(3)
    rollout = soaked(3, *told("confirmed", *awake, at=SOAKED), *asleep(silent))
    verdict = evaluate(rollout, 0, SOAKED + 1)
    told_of = f"1 of 3 updated devices could not be looked at again: {silent}"
    assert verdict == Wait("confirmation", told_of, SOAKED + GRACE)
    answers = told("confirmed", silent, at=SOAKED + 2)
    assert judged(soaked(3, *told("confirmed", *awake, at=SOAKED), *asleep(silent), *answers), SOAKED + 3) == "pass"
    breaks = told("rolled_back", silent, at=SOAKED + 2)
    assert judged(soaked(3, *asleep(silent), *breaks, max_failures=0), SOAKED + 3) == "stop failure_budget"


def test_one_that_sleeps_among_others_is_not_broken() -> None:
    silent, *awake = members(3)
    known = [*told("confirmed", *awake, at=SOAKED), *asleep(silent)]
    over = evaluate(soaked(3, *known), 0, SOAKED + GRACE)
    assert isinstance(over, Wait)
    assert (over.until, over.ask) == (None, (silent,)), "it is asked once more when its time is over"
    assert judged(soaked(3, *known, *asleep(silent, at=SOAKED + GRACE)), SOAKED + GRACE) == "pass"


def test_a_wave_of_which_nobody_answers_is_held() -> None:
    hosts = members(3)
    known = [*asleep(*hosts), *asleep(*hosts, at=SOAKED + GRACE)]
    verdict = evaluate(soaked(3, *known), 0, SOAKED + GRACE)
    numbers = "no updated device of kde (0 of 3) could be looked at again after the soak: 3 silent"
    assert verdict == Stop("confirmation", numbers, hosts)
    assert judged(soaked(3, *known, *told("confirmed", hosts[1], at=SOAKED + GRACE + 9)), SOAKED + GRACE + 9) == "pass"


def test_one_that_succeeded_after_the_soak_does_not_speak_for_those_that_went_through_it() -> None:
    plan = soaking(3, {"min_coverage": 60})
    *early, late = plan.hosts[0]
    events = [opened(), *told("succeeded", *early), *told("succeeded", late, at=SOAKED + 9)]
    events += [*asleep(*early), *asleep(*early, at=SOAKED + GRACE)]
    assert judged(replay(plan, *events), SOAKED + GRACE) == "stop confirmation"


def test_one_device_of_each_variant_has_to_answer() -> None:
    plan = several_waves([1], 2, ["gnome", "kde"], wave_defaults={**RELAXED, "soak": "1h"})
    gnome, kde = sorted(plan.hosts[0])
    events = [opened(), *told("succeeded", gnome, kde), *told("confirmed", kde, at=SOAKED)]
    events += [*asleep(gnome), *asleep(gnome, at=SOAKED + GRACE)]
    verdict = evaluate(replay(plan, *events), 0, SOAKED + GRACE)
    assert isinstance(verdict, Stop)
    assert (verdict.rule, verdict.hosts) == ("confirmation", (gnome,))


def test_the_last_wave_is_not_held_for_one_that_sleeps() -> None:
    plan = one_wave(1, {**RELAXED, "soak": "1h"})
    events = [opened(), *told("succeeded", *plan.members), *asleep(*plan.members)]
    assert judged(replay(plan, *events), SOAKED) == "wait confirmation"
    rollout = replay(plan, *events, *asleep(*plan.members, at=SOAKED + GRACE))
    assert judged(rollout, SOAKED + GRACE) == "pass"


def test_one_that_sleeps_holds_nobody_when_those_of_its_variant_in_later_waves_are_decided() -> None:
    (canary,) = members(1)
    (later,) = soaking(1).hosts[1]
    looks = [*asleep(canary), *asleep(canary, at=SOAKED + GRACE)]
    assert judged(soaked(1, *looks), SOAKED + GRACE) == "stop confirmation"
    for decided in ("succeeded", "already_current", "incompatible"):
        assert judged(soaked(1, *looks, *told(decided, later)), SOAKED + GRACE) == "pass"


@pytest.mark.parametrize(
    ("first", "verdict"), [("confirmed", "pass"), ("unconfirmed", "stop confirmation"), (None, "stop confirmation")]
)
def test_a_variant_that_went_well_through_an_earlier_soak_is_not_held_for_one_that_sleeps(
    first: str | None, verdict: str
) -> None:
    plan = several_waves([1, 1], 3, wave_defaults={**RELAXED, "soak": "1h"})
    (canary,), (second,), _unused = plan.hosts
    events = [opened(), *told("succeeded", canary), *(told(first, canary, at=SOAKED) if first else ())]
    events += [passed(0, at=SOAKED), opened(1, at=SOAKED), *told("succeeded", second, at=SOAKED)]
    over = SOAKED + 3600 + GRACE
    events += [*asleep(second, at=SOAKED + 3600), *asleep(second, at=over)]
    assert judged(replay(plan, *events), over, index=1) == verdict


def test_nobody_is_waited_for_when_as_many_answered_as_coverage_asks_for() -> None:
    *awake, fourth, fifth = members(5)
    answered = [*told("confirmed", *awake, at=SOAKED), *asleep(fourth, fifth)]
    assert judged(soaked(5, *answered, min_coverage=60), SOAKED) == "pass"
    assert judged(soaked(5, *answered, min_coverage=61), SOAKED) == "wait confirmation"


def test_whoever_answers_and_could_not_be_checked_is_waited_for_in_any_case() -> None:
    *awake, busy = members(5)
    answered = told("confirmed", *awake, at=SOAKED)
    held_up = dict.fromkeys(("busy", "timeout", "unexpected"), "wait confirmation")
    for reason, verdict in {"silent": "pass", "not_asked": "pass", **held_up}.items():
        looks = [*answered, *told("unconfirmed", busy, at=SOAKED, reason=reason)]
        assert judged(soaked(5, *looks, min_coverage=60), SOAKED) == verdict


def test_who_left_is_not_waited_for_and_does_not_speak_for_the_wave() -> None:
    gone, other = members(2)
    left = told("unconfirmed", gone, at=SOAKED, reason="removed")
    assert judged(soaked(2, *left, *told("confirmed", other, at=SOAKED)), SOAKED) == "pass"
    assert judged(soaked(2, *left, *asleep(other)), SOAKED) == "wait confirmation"
    both = told("unconfirmed", gone, other, at=SOAKED, reason="removed")
    assert judged(soaked(2, *both), SOAKED) == "stop confirmation"


@pytest.mark.parametrize(
    ("reason", "again"),
    [
        ("silent", [300 * 2**doubled for doubled in range(9)]),
        ("not_asked", [300 * 2**doubled for doubled in range(9)]),
        ("busy", [30 * 2**doubled for doubled in range(12)]),
        ("unexpected", [30 * 2**doubled for doubled in range(12)]),
    ],
)
def test_what_could_not_be_looked_at_is_asked_less_and_less_often(reason: str, again: list[int]) -> None:
    (host,) = members(1)
    plan = soaking(1, apply={"reboot_timeout": "60s", "contact_grace": "1d"})
    events = [opened(), *told("succeeded", host)]
    asked, now = [], SOAKED
    while now <= SOAKED + DAY:
        verdict = evaluate(replay(plan, *events), 0, now)
        if isinstance(verdict, Wait) and verdict.ask:
            asked.append(now - SOAKED)
            events += told("unconfirmed", host, at=now, reason=reason)
        now += 30
    assert asked == [0, *again, DAY]
    assert judged(replay(plan, *events), now) == "stop confirmation"


@pytest.mark.parametrize(("first", "then"), [("silent", "busy"), ("busy", "silent"), ("not_asked", "unexpected")])
def test_silence_and_want_of_a_check_have_each_their_own_grace(first: str, then: str) -> None:
    (host,) = members(1)
    changed = SOAKED + GRACE
    looks = [*told("unconfirmed", host, at=SOAKED, reason=first), *told("unconfirmed", host, at=changed, reason=then)]
    verdict = evaluate(soaked(1, *looks), 0, changed)
    assert isinstance(verdict, Wait)
    assert (verdict.until, verdict.ask) == (changed + GRACE, ())


def test_a_soak_that_begins_anew_forgets_the_looks_after_the_former_one() -> None:
    plan = one_wave(2, {**RELAXED, "min_coverage": 100, "soak": "1h"})
    busy, retried = plan.members
    events = [opened(), *told("succeeded", busy, retried), *told("unconfirmed", busy, at=SOAKED, reason="busy")]
    events += [*told("rolled_back", retried, at=SOAKED + 1), *told("retried", retried, at=LATER)]
    events += told("succeeded", retried, at=LATER + 5)
    device = replay(plan, *events).devices[busy]
    assert (device.looked_at, device.asked_until(GRACE)) == (None, None)
    anew = LATER + 5 + 3600
    again = told("unconfirmed", busy, at=anew, reason="busy")
    assert replay(plan, *events, *again).devices[busy].asked_until(GRACE) == anew + GRACE


def test_a_run_that_comes_long_after_the_soak_gives_no_less_time() -> None:
    (host,) = members(1)
    late = asleep(host, at=SOAKED + 9 * DAY)
    verdict = evaluate(soaked(1, *late), 0, SOAKED + 9 * DAY)
    assert isinstance(verdict, Wait)
    assert (verdict.until, verdict.ask) == (SOAKED + 9 * DAY + GRACE, ())


def test_nobody_is_looked_at_again_without_a_soak() -> None:
    (host,) = members(1)
    assert judged(soaked(1, *asleep(host), soak="0s"), SOAKED) == "pass"


def test_after_a_resume_those_that_did_not_answer_are_asked_again_and_have_their_time_again() -> None:
    (host,) = members(1)
    held = Event("held", SOAKED + 2 * DAY, wave=0, data={"rule": "r", "numbers": "n", "hosts": [], "remedy": "r"})
    resumed = SOAKED + 3 * DAY
    known = [*asleep(host), *asleep(host, at=SOAKED + 2 * DAY), held, Event("resumed", resumed)]
    again = evaluate(soaked(1, *known), 0, resumed)
    assert isinstance(again, Wait)
    assert again.ask == (host,)
    silent = evaluate(soaked(1, *known, *asleep(host, at=resumed + 1)), 0, resumed + 2)
    assert isinstance(silent, Wait)
    assert silent.until == resumed + 1 + GRACE
    assert judged(soaked(1, *known, *told("confirmed", host, at=resumed + 1)), resumed + 1) == "pass"


def test_an_unconfirmed_device_of_an_older_ledger_is_a_silent_one() -> None:
    (host,) = members(1)
    assert judged(soaked(1, *told("unconfirmed", host, at=SOAKED)), SOAKED) == "wait confirmation"


def test_who_failed_after_it_succeeded_is_charged() -> None:
    plan = one_wave(2, {**RELAXED, "max_failures": 0, "soak": "1h"})
    back = told("rolled_back", plan.members[0], at=BEGIN + 3600, reason="unhealthy")
    rollout = replay(plan, opened(), *told("succeeded", *plan.members), *back)
    assert judged(rollout, BEGIN + 3700) == "stop failure_budget"


def test_a_soak_after_an_accepted_timeout_counts_from_the_timeout() -> None:
    rules = {"min_coverage": 90, "on_coverage_timeout": "accept", "soak": "1h"}
    rollout = wave(10, rules, succeeded=5, unreachable=5)
    assert judged(rollout, BEGIN + DAY + 3599) == "wait soak"
    assert judged(rollout, BEGIN + DAY + 3600) == "wait confirmation"


def test_a_clock_that_went_backwards_only_makes_a_wave_wait_longer() -> None:
    rollout = wave(3, {"soak": "1h"}, succeeded=3)
    assert evaluate(rollout, 0, BEGIN - 7 * DAY) == Wait("soak", "time for trouble to show", BEGIN + 3600)
    assert judged(wave(3, {"min_coverage": 100}, unreachable=3), BEGIN - 7 * DAY) == "wait coverage"


def test_draining_is_no_matter_of_time() -> None:
    plan = one_wave(3, RELAXED)
    first, second, third = plan.members
    rollout = replay(plan, opened(), *told("succeeded", third), *told("silent", first, second))
    assert evaluate(rollout, 0, BEGIN + 10) == Wait("draining", "2 in the middle of their update")


def test_a_budget_in_percent_is_of_the_size_at_opening() -> None:
    plan = one_wave(20, {**RELAXED, "max_failures": "10%"})
    gone = told("removed", *plan.members[:10])
    assert failure_budget(replay(plan, opened(), *gone), 0) == 2
    assert failure_budget(replay(plan, *gone, opened()), 0) == 1
    failed = told("failed", *plan.members[10:12])
    rest = told("succeeded", *plan.members[12:])
    assert judged(replay(plan, opened(), *gone, *failed, *rest)) == "pass"
    assert judged(replay(plan, *gone, opened(), *failed, *rest)) == "stop failure_budget"


def test_removing_devices_does_not_turn_a_stop_into_a_pass() -> None:
    plan = one_wave(4, {**RELAXED, "max_failures": 0})
    rollout = replay(plan, opened(), *told("failed", plan.members[0]), *told("removed", *plan.members[1:]))
    assert judged(rollout) == "stop failure_budget"


def test_a_passed_wave_is_watched_for_its_budget_alone() -> None:
    plan = one_wave(4, {**RELAXED, "max_failures": 1})
    events = [opened(), *told("succeeded", *plan.members), passed(0)]
    assert exceeds_budget(replay(plan, *events, *told("failed", plan.members[0])), 0) is None
    over = exceeds_budget(replay(plan, *events, *told("failed", *plan.members[:2])), 0)
    assert over is not None
    assert (over.rule, over.numbers, set(over.hosts)) == (
        "failure_budget",
        "2 charged, 1 allowed",
        set(plan.members[:2]),
    )


# -- a variant without one success -------------------------------------------------------------------------------------


def later_wave(*canary: Event) -> Rollout:
    plan = several_waves([1], 4, ["kde", "gnome"], wave_defaults={**RELAXED})
    return replay(plan, opened(0), *canary, passed(0), opened(1))


def canaries() -> dict[str, str]:
    plan = several_waves([1], 4, ["kde", "gnome"], wave_defaults={**RELAXED})
    return {plan.variant_of[host]: host for host in plan.hosts[0]}


@pytest.mark.parametrize(
    ("kind", "verdict"),
    [
        ("failed", "stop no_canary_success"),
        ("rolled_back", "stop no_canary_success"),
        ("lost", "stop no_canary_success"),
        ("succeeded", "wait turn"),
        ("already_current", "wait turn"),
        ("unreachable", "wait turn"),
        ("applying", "wait turn"),
        ("incompatible", "wait turn"),
    ],
)
def test_a_variant_whose_canary_failed_goes_no_further(kind: str, verdict: str) -> None:
    canary = canaries()
    rollout = later_wave(*told(kind, canary["gnome"]), *told("succeeded", canary["kde"]))
    assert judged(rollout, index=1) == verdict
    if verdict.startswith("stop"):
        stop = evaluate(rollout, 1, BEGIN)
        assert isinstance(stop, Stop)
        assert stop.hosts == (canary["gnome"],)
        assert "variant gnome" in stop.numbers


# -- analyses ----------------------------------------------------------------------------------------------------------

TWO = {"analysis": [{"name": "errors", "command": ["/bin/check"]}, {"name": "crashes", "command": ["/bin/check", "c"]}]}


def analysed(name: str, outcome: str, output: str = "") -> Event:
    return Event("analysed", BEGIN, wave=0, data={"name": name, "outcome": outcome, "output": output})


def verdict(*findings: Event, **rules: Any) -> Verdict:
    plan = one_wave(1, {**TWO, **rules})
    return evaluate(replay(plan, opened(), *told("succeeded", *plan.members), *findings), 0, BEGIN + 1)


def test_a_wave_is_analysed_by_every_command_before_it_passes() -> None:
    wait = verdict()
    assert isinstance(wait, Wait)
    assert wait.rule == "analysis"
    assert wait.run is not None
    assert [analysis.name for analysis in wait.run[1]] == ["errors", "crashes"]
    wait = verdict(analysed("errors", "successful"))
    assert isinstance(wait, Wait)
    assert wait.run is not None
    assert [analysis.command for analysis in wait.run[1]] == [("/bin/check", "c")]
    assert verdict(analysed("errors", "successful"), analysed("crashes", "successful")) == Pass()


@pytest.mark.parametrize("outcome", ["failed", "inconclusive"])
def test_what_is_not_successful_holds_and_says_what_it_wrote(outcome: str) -> None:
    stop = verdict(analysed("errors", outcome, "error rate\n7%"))
    assert stop == Stop("analysis", f"errors was {outcome}: error rate 7%", ())


def test_a_wave_is_analysed_after_its_soak_and_before_its_approval() -> None:
    wait = verdict(soak="1h", coverage_timeout="2h")
    assert isinstance(wait, Wait)
    assert wait.rule == "soak"
    wait = verdict(approve="after")
    assert isinstance(wait, Wait)
    assert wait.rule == "analysis"
    wait = verdict(analysed("errors", "successful"), analysed("crashes", "successful"), approve="after")
    assert isinstance(wait, Wait)
    assert wait.rule == "approval"


def test_after_a_resume_the_wave_is_analysed_again() -> None:
    plan = one_wave(1, TWO)
    held = Event("held", BEGIN, wave=0, data={"rule": "analysis", "numbers": "x", "hosts": [], "remedy": "y"})
    events = [opened(), *told("succeeded", *plan.members), analysed("errors", "failed"), held]
    rollout = replay(plan, *events, Event("resumed", BEGIN, data={"by": "anna", "why": "mended"}))
    wait = evaluate(rollout, 0, BEGIN + 1)
    assert isinstance(wait, Wait)
    assert wait.run is not None
    assert len(wait.run[1]) == 2


def test_a_soak_that_begins_anew_takes_neither_the_old_analysis_nor_the_old_approval() -> None:
    plan = one_wave(3, {**TWO, "approve": "after", "max_failures": 1, "success_threshold": 50})
    good, other, bad = plan.members
    findings = [analysed("errors", "successful"), analysed("crashes", "successful")]
    approved = Event("approved", BEGIN, wave=0, data={"by": "anna", "why": "fine"})
    events = [opened(), *told("succeeded", good, other), *told("failed", bad), *findings, approved]
    assert evaluate(replay(plan, *events), 0, BEGIN + 1) == Pass()
    again = [*events, *told("retried", bad, by="anna", why="mended"), *told("succeeded", bad)]
    wait = evaluate(replay(plan, *again), 0, BEGIN + 1)
    assert isinstance(wait, Wait)
    assert wait.rule == "analysis"
    wait = evaluate(replay(plan, *again, *findings), 0, BEGIN + 1)
    assert isinstance(wait, Wait)
    assert wait.rule == "approval"


def test_a_soak_that_begins_anew_asks_nobody_again_who_let_the_wave_begin() -> None:
    plan = one_wave(2, {"approve": "before"})
    approved = Event("approved", BEGIN, wave=0, data={"by": "anna", "why": "fine"})
    rollout = replay(plan, approved, opened(), *told("succeeded", *plan.members))
    assert rollout.waves[0].approved_at == BEGIN
