# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Taking a rollout back, and taking devices over, with the real playbooks."""

from __future__ import annotations

from typing import Any

from tests.simulated_fleet import SimulatedFleet

ID = "to-v1.1.0"


def test_a_rollout_is_taken_back_to_what_every_device_ran_before(fleet: SimulatedFleet) -> None:
    fleet.add("kde-1")
    fleet.add("kde-2", "kde", "--backend", "composefs")
    fleet.add("kde-3")
    before = {host: fleet.booted(host) for host in fleet.hosts}
    quick: dict[str, Any] = {"verify": {"settle": "0s", "timeout": "20s"}, "pace": {"overshoot": 5, "start": 5}}
    spec = fleet.spec("v1.1.0", waves=[], selection={"hosts": "kde-1:kde-2"}, **quick)
    assert fleet.roll_out(spec).rc == 0
    assert fleet.states(ID) == {"kde-1": "succeeded", "kde-2": "succeeded"}

    order = {"bootc_rollout_spec": str(spec), "bootc_rollout_verb": "revert", "bootc_rollout_why": "games stutter"}
    assert fleet.run("rollout_control", "--check", **order).rc == 0
    way_back = fleet.root / f"{ID}-revert.yml"
    assert not way_back.exists()
    told = fleet.run("rollout_control", **order)
    assert told.rc == 0
    assert str(way_back) in told.sentence()
    text = way_back.read_text(encoding="utf-8").replace("soak: 10m", "soak: 0s")
    way_back.write_text(text, encoding="utf-8")

    assert fleet.roll_out(way_back).rc == 0
    summary = fleet.summary(f"{ID}-revert")
    assert summary["wait"]["rule"] == "approval"
    assert [fleet.boots(host) for host in fleet.hosts] == [2, 2, 1]
    approval = {"bootc_rollout_verb": "approve", "bootc_rollout_plan_hash": summary["plan_hash"]}
    approved = {"bootc_rollout_spec": str(way_back), "bootc_rollout_why": "seen", **approval}
    assert fleet.run("rollout_control", **approved).rc == 0
    assert fleet.roll_out(way_back).rc == 0
    assert fleet.summary(f"{ID}-revert")["phase"] == "completed"
    assert {host: fleet.booted(host) for host in fleet.hosts} == before
    assert [fleet.boots(host) for host in fleet.hosts] == [3, 3, 1]
    orders = [event for event in fleet.events(ID) if event["kind"] == "reverting"]
    assert [(event["data"]["why"], event["data"]["successor"]) for event in orders] == [
        ("games stutter", f"{ID}-revert")
    ]
    over = [event["data"]["by"] for event in fleet.events(ID) if event["kind"] == "hosts_superseded"]
    assert over == [f"{ID}-revert"]


def test_devices_are_taken_over_from_an_unfinished_rollout_when_somebody_says_so_and_why(fleet: SimulatedFleet) -> None:
    fleet.add("kde-1")
    waiting = fleet.spec("v1.1.0", wave_defaults={"soak": "0s", "approve": "before"})
    assert fleet.roll_out(waiting).rc == 0
    other = fleet.spec("v1.1.0", id="other", selection={"labels": {"bootc_variant": "kde"}})
    refused = fleet.roll_out(other)
    assert refused.rc == 2
    assert "bootc_rollout_supersedes=to-v1.1.0" in refused.sentence()
    speechless = fleet.roll_out(other, bootc_rollout_supersedes=ID)
    assert speechless.rc == 2
    assert "No reason is given" in speechless.sentence()
    assert fleet.events("other") == []
    assert fleet.roll_out(other, bootc_rollout_supersedes=ID, bootc_rollout_why="the other way").rc == 0
    assert fleet.boots("kde-1") == 2
    last = fleet.events(ID)[-1]
    assert (last["kind"], last["data"]["by"], last["data"]["why"]) == ("superseded", "other", "the other way")
    assert (fleet.summary(ID)["phase"], fleet.summary(ID)["superseded_by"]) == ("superseded", "other")
    opened = next(event for event in fleet.events("other") if event["kind"] == "opened")
    assert opened["data"]["took_over"] == [ID]
