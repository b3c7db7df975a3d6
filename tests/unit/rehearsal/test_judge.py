# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The judge of the rehearsal sees what is wrong."""

from __future__ import annotations

from typing import Any

import pytest

from tests.rehearsal.judge import FLAWS, SOUND, Releases, Truth, miscounted, reboots_asked, untrue, wrong_end

RELEASES = Releases("sha256:old", "sha256:new")


def told(state: str, **others: Any) -> dict[str, Any]:
    entry = {"host": "deck", "state": state, "message": None, "booted_digest": None, "previous_digest": None}
    return {**entry, **others}


@pytest.mark.parametrize(
    ("state", "truth", "asked"),
    [
        ("succeeded", Truth("sha256:new", 2), 1),
        ("rolled_back", Truth("sha256:old", 3), 2),
        ("unreachable", Truth("sha256:old", 1), 0),
        ("silent", Truth("sha256:new", 2), 1),
    ],
)
def test_what_is_true_is_not_objected_to(state: str, truth: Truth, asked: int) -> None:
    assert untrue(told(state, booted_digest=truth.booted, previous_digest="sha256:old"), truth, RELEASES, asked) == []


@pytest.mark.parametrize(
    ("entry", "truth", "asked", "objection"),
    [
        (told("succeeded"), Truth("sha256:old", 2), 1, "not the new image"),
        (told("rolled_back"), Truth("sha256:new", 3), 2, "not its old image"),
        (told("pending"), Truth("sha256:new", 2), 1, "not its old image"),
        (told("lost", booted_digest="sha256:new"), Truth("sha256:old", 2), 1, "recorded to run sha256:new"),
        (told("succeeded", previous_digest="sha256:x"), Truth("sha256:new", 2), 1, "have run sha256:x"),
        (told("succeeded"), Truth("sha256:new", 3), 1, "rebooted 2 times for 1 intents"),
    ],
)
def test_what_is_not_true_is_named(entry: dict[str, Any], truth: Truth, asked: int, objection: str) -> None:
    (found,) = untrue(entry, truth, RELEASES, asked)
    assert objection in found


def test_an_end_that_the_flaw_does_not_lead_to_is_named() -> None:
    assert wrong_end(told("succeeded"), Truth("sha256:new", 2), SOUND) == []
    assert len(wrong_end(told("pending"), Truth("sha256:old", 1), SOUND)) == 2
    unhealthy = FLAWS[0]
    assert wrong_end(told("rolled_back"), Truth("sha256:old", 3), unhealthy) == []
    assert "booted 4 times and not 3" in wrong_end(told("rolled_back"), Truth("sha256:old", 4), unhealthy)[0]


def test_only_intents_count_as_asked_for() -> None:
    events = [
        {"kind": "planned"},
        {"kind": "applying", "host": "a", "data": {"boot_id": "1"}},
        {"kind": "rolling_back", "host": "a", "data": {"reason": "unhealthy"}},
        {"kind": "rolling_back", "host": "a", "data": {"reason": "unhealthy", "boot_id": "2"}},
        {"kind": "booted", "host": "b"},
    ]
    assert reboots_asked(events) == {"a": 2}


def test_a_summary_that_says_something_else_than_the_ledger_is_found_out() -> None:
    summary = {"devices": [told("succeeded")], "totals": {"updated": 1, "lost": 0}}
    columns = {"updated": ["succeeded"], "lost": ["lost"]}
    assert miscounted(summary, {"deck": "succeeded"}, columns) == []
    assert miscounted(summary, {"deck": "lost"}, columns) == ["deck is succeeded in the summary and lost in the ledger"]
    assert len(miscounted({**summary, "totals": {"updated": 0, "lost": 1}}, {"deck": "succeeded"}, columns)) == 2
