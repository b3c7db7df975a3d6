# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Devices that came after the plan was made, with the real playbooks over simulated devices."""

from __future__ import annotations

import json

import jsonschema
import pytest

from tests.simulated_fleet import REPOSITORY, SimulatedFleet

pytestmark = pytest.mark.integration
SCHEMA = json.loads((REPOSITORY / "docs" / "rollout-plan.schema.json").read_text(encoding="utf-8"))
ID = "to-v1.1.0"


def test_a_device_that_joins_after_the_end_goes_straight_to_the_release(fleet: SimulatedFleet) -> None:
    fleet.add("kde-1")
    spec = fleet.spec("v1.1.0", waves=[])
    assert fleet.roll_out(spec).rc == 0
    plan_hash = fleet.summary(ID)["plan_hash"]
    fleet.add("kde-2", "kde", "--backend", "ostree")

    review = fleet.run("rollout_plan", bootc_rollout_spec=str(spec))
    assert review.rc == 0, review.output
    assert "kde-2: would join to catch up when all waves passed" in review.sentence()
    told = json.loads((fleet.root / "rollouts" / f"{ID}.plan.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator(SCHEMA).validate(told)
    assert told["plan_hash"] == plan_hash
    (late,) = told["joining"]
    assert (late["host"], late["action"], late["exact"], late["on_record"]) == ("kde-2", "update", True, False)

    run = fleet.roll_out(spec)

    assert run.rc == 0, run.output
    assert "catching up: 0 of 1 updated" in run.sentence()
    assert fleet.booted("kde-2") == fleet.digest("kde", "v1.1.0")
    assert (fleet.boots("kde-1"), fleet.boots("kde-2")) == (2, 2)
    summary = fleet.summary(ID)
    assert (summary["phase"], summary["plan_hash"]) == ("completed", plan_hash)
    assert (summary["catching_up"]["devices"], summary["catching_up"]["updated"]) == (1, 1)
    assert [event["host"] for event in fleet.events(ID) if event["kind"] == "joined"] == ["kde-2"]


@pytest.mark.exhaustive
def test_those_that_catch_up_hold_the_rollout_by_a_budget_of_their_own(fleet: SimulatedFleet) -> None:
    fleet.add("kde-1")
    spec = fleet.spec("v1.1.0", waves=[])
    assert fleet.roll_out(spec).rc == 0
    fleet.add("kde-2", faults=["unhealthy broken"])

    held = fleet.roll_out(spec)

    assert held.rc == 2
    assert "The rollout to-v1.1.0 is held: 1 of those catching up charged, 0 allowed" in held.sentence()
    hold = fleet.summary(ID)["hold"]
    assert (hold["rule"], hold["wave"], hold["devices"]) == ("catch_up_budget", None, ["kde-2"])
    fleet.add("kde-3")
    assert fleet.roll_out(spec).rc == 2
    assert (fleet.states(ID)["kde-3"], fleet.boots("kde-3")) == ("pending", 1)
    told = {
        "bootc_rollout_spec": str(spec),
        "bootc_rollout_verb": "resume",
        "bootc_rollout_why": "it is to be replaced",
    }
    assert fleet.run("rollout_control", **told).rc == 0
    assert fleet.roll_out(spec).rc == 0
    assert fleet.states(ID) == {"kde-1": "succeeded", "kde-2": "rolled_back", "kde-3": "succeeded"}
