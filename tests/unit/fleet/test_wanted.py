# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ansible_collections.skorionos.bootc.plugins.plugin_utils._fleet.wanted import wanted
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.events import Event
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.replay import replay
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.states import Rollout

from tests.fleet_model import digest, plan_for, small_spec

BEGIN = 1_800_000_000.0
BEFORE = {"boot_id": "b0", "previous_digest": digest("0"), "previous_version": "1.0.0"}


def rollout(*told: tuple[str, dict[str, Any]], at: float = BEGIN) -> Rollout:
    """One device of a rollout after these events."""
    plan = plan_for(small_spec(waves=[{"name": "all", "percent": 100}]), [("deck", "kde")])
    events = [Event("planned", at, data={"plan": plan.as_dict()}), Event("wave_opened", at, wave=0)]
    events += [Event(kind, at + number, "deck", data=data) for number, (kind, data) in enumerate(told, 1)]
    return replay(events)


def meant(*rollouts: Rollout) -> Sequence[str] | None:
    return wanted(rollouts).get("deck")


def test_a_device_is_meant_to_run_what_its_last_rollout_left_it_with() -> None:
    done = rollout(("staging", BEFORE), ("staged", {}), ("applying", {}), ("booted", {}), ("succeeded", {}))
    target = done.plan.targets["kde"].accept
    assert meant(done) == target
    asleep = rollout(("unreachable", {}), at=BEGIN + 100)
    assert meant(asleep, done) == target, "a later one that did nothing to it changes nothing, in whatever order"
    back = rollout(
        ("staging", BEFORE),
        ("applying", {}),
        ("rolling_back", {"reason": "unhealthy"}),
        ("rolled_back", {}),
        at=BEGIN + 200,
    )
    assert meant(done, back) == (digest("0"),)


def test_what_a_device_is_meant_to_run_is_not_known_while_something_is_done_to_it() -> None:
    done = rollout(("staging", BEFORE), ("applying", {}), ("booted", {}), ("succeeded", {}))
    for later in (
        [("staging", BEFORE)],
        [("staging", BEFORE), ("applying", {}), ("lost", {})],
        [("staging", {**BEFORE, "hop": digest("1")}), ("applying", {}), ("hop_passed", {}), ("unreachable", {})],
    ):
        assert meant(done, rollout(*later, at=BEGIN + 100)) is None


def test_one_that_went_back_to_a_barrier_is_meant_to_run_that() -> None:
    hop = digest("1")
    went = rollout(
        ("staging", {**BEFORE, "hop": hop}),
        ("applying", {}),
        ("hop_passed", {}),
        ("staging", {"boot_id": "b1", "previous_digest": hop}),
        ("applying", {}),
        ("rolling_back", {"reason": "unhealthy"}),
        ("rolled_back", {}),
    )
    assert meant(went) == (hop,)


def test_one_that_its_own_rollout_found_drifted_is_meant_to_run_what_it_was_left_with() -> None:
    done = [("staging", BEFORE), ("applying", {}), ("booted", {}), ("succeeded", {})]
    drifted = rollout(*done, ("incompatible", {"reason": "drifted", "message": "it runs something else"}))
    assert meant(drifted) == drifted.plan.targets["kde"].accept
    other = rollout(*done, ("incompatible", {"reason": "not_bootc", "message": "it was installed anew"}))
    assert meant(other) is None
