# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How long it will still take."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.skorionos.bootc.plugins.plugin_utils._progress.estimate import Durations, Estimate, estimate
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.events import Event

from tests.fleet_model import plan_for, small_spec
from tests.unit.rollout.builders import BEGIN, names, one_wave, opened, passed, replay, told


def test_updates_are_measured_from_their_first_step_to_their_proof() -> None:
    durations = Durations()
    assert durations.typical is None
    durations.hear(told("staging", "a", "b", "c", "d"))
    durations.hear(told("staging", "a", at=BEGIN + 5))  # tried again
    durations.hear(told("deferred", "d", at=BEGIN + 6))
    durations.hear(told("succeeded", "a", at=BEGIN + 30))
    durations.hear(told("succeeded", "b", at=BEGIN + 60))
    durations.hear(told("failed", "c", at=BEGIN + 500))
    durations.hear(told("succeeded", "d", at=BEGIN + 900))
    assert durations.typical == 45


def test_time_in_which_an_image_was_parked_is_no_work() -> None:
    durations = Durations()
    durations.hear([Event("staging", BEGIN, "a", data={"parked": True}), *told("staged", "a", parked=True)])
    durations.hear(told("succeeded", "a", at=BEGIN + 86400))
    assert durations.typical is None


def waves(*rules: dict[str, Any], size: int = 8, **changes: Any) -> Any:
    """The first waves have two devices each, the last one the rest."""
    described = [
        {"name": f"w{n}", "soak": "0s", **({} if n == len(rules) - 1 else {"count": 2}), **rule}
        for n, rule in enumerate(rules)
    ]
    described[-1]["percent"] = 100
    return plan_for(small_spec(waves=described, **changes), [(host, "kde") for host in names(size)])


def test_it_is_the_batches_that_are_left() -> None:
    plan = one_wave(8, pace={"parallel": 2, "start": 2})
    assert estimate(replay(plan, opened()), 100, BEGIN) == Estimate(400)
    some_done = [opened(), *told("staging", "d000", "d001"), *told("succeeded", "d000", "d001")]
    assert estimate(replay(plan, *some_done), 100, BEGIN + 100) == Estimate(300)


def test_those_at_work_take_the_rest_of_their_time() -> None:
    plan = one_wave(2, pace={"parallel": 2, "start": 2})
    rollout = replay(plan, opened(), *told("staging", "d000", "d001"))
    assert estimate(rollout, 100, BEGIN + 20) == Estimate(80)
    assert estimate(rollout, 100, BEGIN + 500) == Estimate(50)


def test_soaks_of_this_wave_and_of_those_to_come_are_in_it() -> None:
    plan = waves({"soak": "10m"}, {"soak": "1h"}, size=4, pace={"parallel": 2, "start": 2})
    done = [opened(), *told("staging", *plan.hosts[0]), *told("succeeded", *plan.hosts[0])]
    assert estimate(replay(plan, *done), 100, BEGIN + 60) == Estimate(540 + 100 + 3600)
    assert estimate(replay(plan, *done, passed(0)), 100, BEGIN + 60) == Estimate(100 + 3600)


@pytest.mark.parametrize(("when", "seconds"), [("before", 100), ("after", 200)])
def test_nobody_knows_when_somebody_approves(when: str, seconds: int) -> None:
    plan = waves({}, {"approve": when}, size=4, pace={"parallel": 2, "start": 2})
    assert estimate(replay(plan, opened()), 100, BEGIN) == Estimate(seconds, "w1")


@pytest.mark.parametrize("when", ["before", "after"])
def test_nothing_is_foretold_while_it_waits_for_somebody_to_approve(when: str) -> None:
    plan = waves({}, {"approve": when}, size=4)
    done = [opened(), *told("staging", *plan.hosts[0]), *told("succeeded", *plan.hosts[0]), passed(0)]
    if when == "after":
        done += [opened(1), *told("succeeded", *plan.hosts[1])]
    assert estimate(replay(plan, *done), 100, BEGIN + 60) is None


def test_nobody_knows_when_those_who_are_asleep_wake() -> None:
    plan = one_wave(2)
    assert estimate(replay(plan, opened(), *told("unreachable", "d000", "d001")), 100, BEGIN) is None


def test_nothing_is_guessed_before_the_first_update_or_of_a_rollout_that_stands_still() -> None:
    plan = one_wave(2)
    assert estimate(replay(plan, opened()), None, BEGIN) is None
    assert estimate(replay(plan, opened(), Event("paused", BEGIN, data={"by": "anna", "why": "x"})), 100, BEGIN) is None
