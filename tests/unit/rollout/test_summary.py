# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A rollout as data for people and scripts."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.events import Event
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.gate import Wait
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.states import DeviceState
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.summary import COLUMNS, summarize

from tests.fleet_model import OLD, digest
from tests.unit.rollout.builders import BEGIN, opened, passed, replay, several_waves, told

PLAN = several_waves([2], 7, wave_defaults={"soak": "0s"})
CANARY = PLAN.hosts[0]
REST = PLAN.hosts[1]


def test_every_state_is_counted_in_exactly_one_column() -> None:
    counted = [state for members in COLUMNS.values() for state in members]
    assert sorted(counted) == sorted(DeviceState)


def test_waves_and_totals() -> None:
    events = [
        opened(0, BEGIN + 1),
        *told("succeeded", *CANARY),
        passed(0, BEGIN + 2),
        opened(1, BEGIN + 3),
        *told("rolled_back", REST[0]),
        *told("unreachable", REST[1]),
        *told("applying", REST[2]),
        *told("incompatible", REST[3]),
    ]
    summary = summarize(replay(PLAN, *events))
    canary, rest = summary["waves"]
    assert (canary["name"], canary["phase"], canary["devices"], canary["updated"]) == ("w0", "passed", 2, 2)
    assert (canary["opened_at"], canary["passed_at"]) == ("2027-01-15T08:00:01.000Z", "2027-01-15T08:00:02.000Z")
    assert (rest["phase"], rest["devices"], rest["passed_at"]) == ("open", 5, None)
    expected = {"rolled_back": 1, "asleep": 1, "in_flight": 1, "left_out": 1, "waiting": 1, "updated": 0, "lost": 0}
    assert {column: rest[column] for column in expected} == expected
    assert summary["totals"]["devices"] == 7
    for column in COLUMNS:
        assert summary["totals"][column] == canary[column] + rest[column]
    assert sum(summary["totals"][column] for column in COLUMNS) == 7


def test_what_is_said_of_a_device() -> None:
    events = [
        *told("staging", REST[0], previous_digest=OLD, previous_version="1.0"),
        *told("staged", REST[0]),
        *told("booted", REST[0], booted_digest=digest("a"), boot_seconds=2.5),
        *told("rolled_back", REST[0], at=BEGIN + 9, reason="unhealthy", message="session: no", booted_digest=OLD),
    ]
    (device,) = [d for d in summarize(replay(PLAN, *events))["devices"] if d["host"] == REST[0]]
    assert device == {
        "host": REST[0],
        "variant": "kde",
        "wave": "rest",
        "catching_up": False,
        "state": "rolled_back",
        "proven": False,
        "since": "2027-01-15T08:00:09.000Z",
        "reason": "unhealthy",
        "message": "session: no",
        "previous_version": "1.0",
        "previous_digest": OLD,
        "booted_digest": OLD,
        "boot_seconds": 2.5,
        "hops": 0,
        "acknowledged": False,
        "until": None,
        "inhibitors": [],
        "parked": False,
        "excluded": False,
    }


def test_only_who_is_in_flight_is_still_to_be_left_out() -> None:
    host = REST[0]
    events = [opened(1), *told("applying", host), *told("excluded", host, by="a", why="w")]
    flying, done = replay(PLAN, *events), replay(PLAN, *events, *told("failed", host))
    for rollout, excluded in ((flying, True), (done, False)):
        (device,) = [d for d in summarize(rollout)["devices"] if d["host"] == host]
        assert device["excluded"] is excluded


def test_who_proves_its_variant_and_whether_that_was_taken_back() -> None:
    fine, was_fine, unknown = CANARY[0], CANARY[1], REST[0]
    rollout = replay(
        PLAN,
        opened(),
        *told("succeeded", fine),
        *told("already_current", was_fine, proven=True),
        *told("already_current", unknown, proven=False),
    )
    assert {d["host"] for d in summarize(rollout)["devices"] if d["proven"]} == {fine, was_fine}
    for kind in ("hosts_superseded", "superseded"):
        back = Event(kind, BEGIN + 1, data={"by": "r1-revert", "hosts": [fine], "reverts": True})
        assert summarize(replay(PLAN, opened(), back))["reverted_by"] == "r1-revert"


def test_a_hold_names_its_wave_and_its_devices() -> None:
    data = {"rule": "failure_budget", "numbers": "1 failed, 0 may", "hosts": [CANARY[0]], "remedy": "Mend it."}
    summary = summarize(replay(PLAN, opened(), Event("held", BEGIN, wave=0, data=data)))
    assert summary["phase"] == "held"
    assert summary["hold"] == {
        "rule": "failure_budget",
        "wave": "w0",
        "numbers": "1 failed, 0 may",
        "devices": [CANARY[0]],
        "remedy": "Mend it.",
        "at": "2027-01-15T08:00:00.000Z",
    }


@pytest.mark.parametrize(
    ("wait", "said"),
    [
        (None, None),
        (Wait("turn", "w"), {"rule": "turn", "why": "w", "until": None}),
        (Wait("soak", "w", BEGIN), {"rule": "soak", "why": "w", "until": "2027-01-15T08:00:00.000Z"}),
    ],
)
def test_what_it_waits_for(wait: Wait | None, said: dict[str, Any] | None) -> None:
    assert summarize(replay(PLAN), wait)["wait"] == said


def test_the_rest_of_it() -> None:
    hold = {"rule": "failure_budget", "numbers": "n", "hosts": [REST[0]], "remedy": "r"}
    taken = {"by": "r2", "who": "anna@admin", "why": "a hole in the browser"}
    rollout = replay(
        PLAN, opened(), Event("held", BEGIN, wave=0, data=hold), Event("superseded", BEGIN + 1, data=taken)
    )
    summary = summarize(rollout)
    assert (summary["superseded_who"], summary["superseded_why"]) == ("anna@admin", "a hole in the browser")
    assert summary["id"] == "r1"
    assert (summary["phase"], summary["superseded_by"], summary["reverted_by"]) == ("superseded", "r2", None)
    assert (summary["started_at"], summary["ended_at"]) == ("2027-01-15T08:00:00.000Z", "2027-01-15T08:00:01.000Z")
    assert (summary["hold"], summary["plan_hash"], summary["warnings"]) == (None, PLAN.hash, [])
    assert summary["variants"] == [
        {"name": "kde", "image": "registry.example/os", "digest": digest("a"), "version": None, "size": None}
    ]
    assert json.loads(json.dumps(summary)) == summary


def test_who_is_put_off_says_until_when_or_for_what_and_since_when_if_for_long() -> None:
    why = {"reason": "window", "message": "outside its windows", "until": BEGIN + 3600}
    spared = {"reason": "inhibited", "message": "battery_low: 12 %", "inhibitors": ["battery_low"]}
    rollout = replay(PLAN, opened(), *told("deferred", CANARY[0], **why), *told("deferred", CANARY[1], **spared))
    early = summarize(rollout, now=BEGIN + 5 * 86400 - 1)
    first, second = (d for host in CANARY for d in early["devices"] if d["host"] == host)
    assert (first["reason"], first["until"]) == ("window", "2027-01-15T09:00:00.000Z")
    assert (second["until"], second["inhibitors"]) == (None, ["battery_low"])
    assert (early["starving"], early["warnings"]) == ([], [])
    assert summarize(rollout)["starving"] == []
    late = summarize(rollout, now=BEGIN + 5 * 86400)
    expected = {
        "host": CANARY[1],
        "since": "2027-01-15T08:00:00.000Z",
        "reason": "inhibited",
        "why": "battery_low: 12 %",
    }
    assert expected in late["starving"]
    assert len(late["starving"]) == 2
    assert f"{CANARY[1]} has been put off since 2027-01-15T08:00:00.000Z: battery_low: 12 %" in late["warnings"]
    json.dumps(late)
