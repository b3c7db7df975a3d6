# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an audit says of ledgers: who, what, when, why, what came of it, and whether the ledgers are whole."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ansible.playbook.task import Task
from ansible_collections.skorionos.bootc.plugins.action.rollout_audit import ActionModule
from ansible_collections.skorionos.bootc.plugins.plugin_utils._audit.account import audit, read_channels
from ansible_collections.skorionos.bootc.plugins.plugin_utils._audit.lines import audit_lines, witnesses
from ansible_collections.skorionos.bootc.plugins.plugin_utils._audit.scope import Scope, make_scope
from ansible_collections.skorionos.bootc.plugins.plugin_utils._channels.journal import open_journal
from ansible_collections.skorionos.bootc.plugins.plugin_utils._channels.model import Channel
from ansible_collections.skorionos.bootc.plugins.plugin_utils._channels.model import Entry as Move
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.errors import RolloutError
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.events import Event, format_time
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.examine import examine
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.ledger import Ledger

from tests.fleet_model import digest
from tests.unit.audit.ledgers import HOSTS, HOUR, audited, canary_of, write
from tests.unit.rollout.builders import BEGIN

DAY = 24 * HOUR


def rollout(told: dict[str, Any], name: str) -> dict[str, Any]:
    (found,) = [rollout for rollout in told["rollouts"] if rollout["id"] == name]
    return dict(found)


def ledger_of(told: dict[str, Any], name: str) -> dict[str, Any]:
    (found,) = [ledger for ledger in told["ledgers"] if ledger["id"] == name]
    return dict(found)


def words(told: dict[str, Any]) -> list[tuple[str, str]]:
    return [(entry["about"], entry["what"]) for entry in told["story"]]


def test_who_rolled_out_what_and_what_came_of_it(root: Path) -> None:
    told = audited(root)
    assert told["intact"]
    assert [r["id"] for r in told["rollouts"]] == ["r1", "r2"]
    first = rollout(told, "r1")
    assert (first["by"], first["runs"], first["phase"]) == (["anna"], 1, "running")
    counts = {key: first["totals"][key] for key in ("devices", "touched", "updated", "rolled_back", "lost", "left_out")}
    assert counts == {"devices": 4, "touched": 3, "updated": 1, "rolled_back": 1, "lost": 1, "left_out": 1}
    outcomes = [(wave["name"], wave["outcome"], wave["touched"]) for wave in first["waves"]]
    assert outcomes == [("canary", "passed", 1), ("rest", "accepted", 2)]
    assert rollout(told, "r2")["totals"]["touched"] == 0


def test_approvals_and_orders_are_told_with_who_and_why(root: Path) -> None:
    orders = rollout(audited(root), "r1")["orders"]
    assert [(o["order"], o["by"], o["wave"]) for o in orders] == [
        ("approved", "boss@desk", "canary"),
        ("excluded", "otto@pc", None),
        ("accepted", "boss@desk", "rest"),
    ]
    assert orders[0]["plan_hash"] == "a" * 64
    assert orders[1]["why"] == "in repair"
    assert len(orders[1]["hosts"]) == 1


def test_one_order_for_several_devices_is_told_once(tmp_path: Path) -> None:
    given = {"by": "otto@pc", "why": "gone"}
    write(tmp_path, "r1", BEGIN, [Event("excluded", BEGIN + 5, host, data=given) for host in HOSTS])
    (order,) = rollout(audited(tmp_path), "r1")["orders"]
    assert order["hosts"] == list(HOSTS)


def test_the_time_line_goes_over_all_rollouts_in_order(root: Path) -> None:
    told = audited(root)
    at = [entry["at"] for entry in told["story"]]
    assert at == sorted(at)
    said = words(told)
    assert ("r1", "Approved by boss@desk: wave canary") in said
    assert ("r1", "Held in wave rest") in said
    assert said[-1] == ("r2", "Canceled by otto@pc")


def test_a_device_is_followed_through_all_rollouts(root: Path) -> None:
    canary = canary_of(root)
    told = audited(root, Scope(hosts=frozenset({canary})))
    assert [[d["host"] for d in r["devices"]] for r in told["rollouts"]] == [[canary], [canary]]
    assert [one["verdict"] for one in rollout(told, "r1")["devices"][0]["verdicts"]] == ["succeeded"]
    assert {host for entry in told["story"] for host in entry["hosts"]} == {canary}
    said = words(told)
    assert ("r1", "Approved by boss@desk: wave canary") in said
    assert not [what for _about, what in said if "wave rest" in what or what.startswith("Run by")]
    assert [o["order"] for o in rollout(told, "r1")["orders"]] == ["approved", "accepted"]


def test_a_device_that_nobody_knows_is_said_to_be_unknown(root: Path) -> None:
    told = audited(root, Scope(hosts=frozenset({"deck-01", "deck-99"})))
    assert told["strangers"] == ["deck-99"]
    assert audited(root, Scope(hosts=frozenset({"deck-99"})))["rollouts"] == []


def test_a_retry_hides_no_verdict(tmp_path: Path) -> None:
    host = HOSTS[0]
    write(
        tmp_path,
        "r1",
        BEGIN,
        [
            Event("staging", BEGIN + 2, host),
            Event("rolled_back", BEGIN + 3, host, data={"reason": "unhealthy"}),
            Event("retried", BEGIN + 4, host, data={"by": "otto@pc", "why": "cable"}),
            Event("staging", BEGIN + 5, host),
            Event("succeeded", BEGIN + 6, host),
        ],
    )
    (device,) = rollout(audited(tmp_path), "r1")["devices"]
    assert device["state"] == "succeeded"
    assert [one["verdict"] for one in device["verdicts"]] == ["rolled_back", "succeeded"]


def test_rollouts_are_told_as_they_stood_at_the_end_of_the_scope(root: Path) -> None:
    told = audited(root, Scope(until=BEGIN + HOUR + 85))
    assert [r["id"] for r in told["rollouts"]] == ["r1"]
    first = rollout(told, "r1")
    assert first["phase"] == "held"
    assert [wave["outcome"] for wave in first["waves"]] == ["passed", "held"]
    assert [order["order"] for order in first["orders"]] == ["approved"]


def test_what_lies_before_the_scope_is_not_told_but_counted(root: Path) -> None:
    told = audited(root, Scope(since=BEGIN + HOUR + 85))
    assert [r["id"] for r in told["rollouts"]] == ["r1", "r2"]
    assert rollout(told, "r1")["totals"]["updated"] == 1
    assert [o["order"] for o in rollout(told, "r1")["orders"]] == ["excluded", "accepted"]
    assert ("r1", "Rollout started") not in words(told)
    assert ("r2", "Rollout started") in words(told)
    assert [r["id"] for r in audited(root, Scope(since=BEGIN + DAY))["rollouts"]] == ["r2"]


def lines(root: Path, name: str = "r1") -> list[str]:
    return (root / name / "events.jsonl").read_text().splitlines(keepends=True)


def put(root: Path, content: list[str], name: str = "r1") -> None:
    (root / name / "events.jsonl").write_text("".join(content))


def test_a_changed_line_is_named_and_what_was_before_it_is_told(root: Path) -> None:
    before = lines(root)
    put(root, [line.replace("looked at the plan", "did not look at it") for line in before])
    told = audited(root)
    assert not told["intact"]
    broken = ledger_of(told, "r1")
    assert "line 4 does not follow from the line before it" in broken["fault"]
    # Line 3 is the changed one, and follows from line 2 nevertheless.
    assert broken["lines"] == 2
    assert "did not look at it" not in json.dumps(told)
    assert ledger_of(told, "r2")["intact"]
    assert rollout(told, "r1")["totals"]["updated"] == 0
    assert rollout(told, "r2")["phase"] == "canceled"


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (lambda all_lines: all_lines[:-2], "the last ones are missing"),
        (lambda all_lines: [*all_lines[:3], *all_lines[4:]], "line 4 does not follow"),
        (lambda all_lines: [*all_lines[:5], "{]\n", *all_lines[6:]], "line 6 is not JSON"),
        (lambda all_lines: ["[]\n", *all_lines[1:]], "line 1 is not an event"),
    ],
)
def test_every_kind_of_damage_is_named(root: Path, harm: Any, said: str) -> None:
    put(root, harm(lines(root)))
    told = audited(root)
    assert said in ledger_of(told, "r1")["fault"]
    assert ledger_of(told, "r1")["remedy"]
    assert rollout(told, "r2")


def test_a_ledger_without_its_events_or_with_a_broken_head_is_named(root: Path) -> None:
    (root / "r1" / "head.json").write_text("nothing")
    (root / "r2" / "events.jsonl").unlink()
    told = audited(root)
    assert [ledger["intact"] for ledger in told["ledgers"]] == [False, False]
    assert rollout(told, "r1")["totals"]["updated"] == 1


def test_a_whole_chain_of_what_is_no_rollout_is_named(root: Path) -> None:
    for name, event in (("r3", Event("held", BEGIN + 9, wave=0)), ("r4", Event("approved", BEGIN + 9, wave=77))):
        write(root, name, BEGIN, [event])
    odd = Ledger(root, "r5")
    odd.create()
    odd.append([Event("planned", BEGIN, data={"plan": {"spec": {}}})], 1)
    told = audited(root)
    assert [ledger["id"] for ledger in told["ledgers"] if not ledger["intact"]] == ["r3", "r4", "r5"]
    assert "not those of a rollout" in ledger_of(told, "r3")["fault"]
    assert [r["id"] for r in told["rollouts"]] == ["r1", "r2"]


def test_an_empty_ledger_is_whole_and_has_no_rollout(tmp_path: Path) -> None:
    Ledger(tmp_path, "r1").create()
    told = audited(tmp_path)
    assert told["intact"]
    assert (told["rollouts"], ledger_of(told, "r1")["last_at"]) == ([], None)


def test_a_ledger_written_anew_is_told_by_what_an_earlier_audit_saw(
    root: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    seen = witnesses(audit_lines(audited(root)), "audit.jsonl")
    assert set(seen) == {"r1", "r2"}
    assert examine(Ledger(root, "r1"), seen["r1"]).fault is None
    Ledger(root, "r1").append([Event("completed", BEGIN + DAY)], 1)
    assert examine(Ledger(root, "r1"), seen["r1"]).fault is None

    other = tmp_path_factory.mktemp("other")
    write(other, "r2", BEGIN + DAY, [Event("completed", BEGIN + DAY + HOUR)])
    fault = examine(Ledger(other, "r2"), seen["r2"]).fault
    assert fault is not None
    assert "line 3 is not the one that an earlier audit saw" in fault.cause
    gone = examine(Ledger(other, "r1"), seen["r1"])
    assert gone.fault is not None
    assert "it has 0 lines" in gone.fault.cause
    later = witnesses(audit_lines(audit([gone], None, Scope())), "audit.jsonl")
    assert later == {"r1": seen["r1"]}, "the audit after the next names it, too"


@pytest.mark.parametrize("text", ["{", "[]", '{"type": "ledger"}', '{"type": "ledger", "lines": 2}', "3"])
def test_what_is_no_earlier_audit_is_refused(text: str) -> None:
    with pytest.raises(RolloutError, match="not an export of an audit"):
        witnesses(text, "audit.jsonl")


def test_the_export_has_everything_once_and_one_object_a_line(root: Path) -> None:
    told = audited(root)
    exported = [json.loads(line) for line in audit_lines(told).splitlines()]
    kinds = [document["type"] for document in exported]
    assert (kinds[0], kinds.count("ledger"), kinds.count("rollout"), kinds.count("wave")) == ("audit", 2, 2, 4)
    of_first = [d for d in exported if d["type"] == "event" and d["rollout"] == "r1"]
    assert [d["line"] for d in of_first] == list(range(1, len(lines(root)) + 1))
    assert of_first[0]["data"] == {"hash": rollout(told, "r1")["plan_hash"]}
    assert {d["rollout"] for d in exported if d["type"] in ("wave", "order", "device", "event")} == {"r1", "r2"}


def move(state: str, at: float, operation: str = "op", why: str = "quiet days") -> Move:
    channel = Channel("kde", "stable", "registry.example/os", "kde-stable")
    texts = {"verb": "promote", "state": state, "by": "anna@admin-pc", "why": why}
    return Move(format_time(at), operation, **texts, channel=channel, before=None, after=digest("b"), version="1.1.0")


def test_moves_of_channels_are_told_with_their_end(root: Path) -> None:
    journal = root / "channels.jsonl"
    with open_journal(journal) as opened:
        opened.append([move("begun", BEGIN), move("done", BEGIN + 1), move("begun", BEGIN + DAY, "op2", "late")])
    told = audited(root, journal=read_channels(journal))
    assert [(m["operation"], m["state"]) for m in told["channels"]] == [("op", "done"), ("op2", "begun")]
    said = [entry for entry in told["story"] if entry["about"] == "channel stable"]
    assert said[0]["what"] == "kde now has 1.1.0 (bbbbbbbbbbbb)"
    assert said[0]["detail"] == "promote by anna@admin-pc: quiet days"
    assert "nobody knows the end" in said[1]["what"]
    assert audited(root, Scope(hosts=frozenset({"deck-01"})), read_channels(journal))["channels"] == []
    assert len(audited(root, Scope(since=BEGIN + HOUR), read_channels(journal))["channels"]) == 1


@pytest.mark.parametrize("content", [None, "{}\n"])
def test_a_journal_that_cannot_be_read_is_named(root: Path, content: str | None) -> None:
    journal = root / "channels.jsonl"
    if content is not None:
        journal.write_text(content)
    told = audit([examine(Ledger(root, "r1"))], read_channels(journal), Scope())
    assert not told["intact"]
    assert str(journal) in told["journal"]["fault"]
    assert rollout(told, "r1")


@pytest.mark.parametrize(
    ("since", "until", "expected"),
    [
        ("2027-01-15", "2027-01-15", (BEGIN - 8 * HOUR, BEGIN + 16 * HOUR - 0.001)),
        ("2027-01-15T08:00Z", None, (BEGIN, None)),
        ("2027-01-15 09:00+01:00", "2027-01-15 08:00:30", (BEGIN, BEGIN + 30)),
        ("12h", "30m", (BEGIN - 12 * HOUR, BEGIN - HOUR / 2)),
        ("", None, (None, None)),
        (None, " 20270115 ", (None, BEGIN + 16 * HOUR - 0.001)),
        (None, "2027-W02-5", (None, BEGIN + 16 * HOUR - 0.001)),
        (None, "20270115T0800", (None, BEGIN)),
        (" 12h", None, (BEGIN - 12 * HOUR, None)),
    ],
)
def test_times_as_people_write_them(
    since: str | None, until: str | None, expected: tuple[float | None, float | None]
) -> None:
    scope = make_scope(since, until, ["deck-01"], BEGIN)
    assert (scope.since, scope.until) == expected
    assert scope.hosts == {"deck-01"}


def test_an_age_is_the_same_moment_all_through_a_minute() -> None:
    assert make_scope("12h", None, (), BEGIN + 59.9) == make_scope("12h", None, (), BEGIN)


@pytest.mark.parametrize(("since", "until"), [("yesterday", None), (None, "2027-13-01"), ("2027-01-02", "2027-01-01")])
def test_times_that_are_none_are_refused(since: str | None, until: str | None) -> None:
    with pytest.raises(RolloutError) as refused:
        make_scope(since, until, (), BEGIN)
    assert refused.value.reason == "invalid_time"


def test_no_option_of_the_audit_is_what_ansible_has_for_every_task() -> None:
    """Tools that read tasks take an ``until`` among the options of a module for the condition of a retry."""
    assert not set(Task.fattributes) & set(ActionModule.OPTIONS)
