# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What reports say of orders, and how far a rollout is."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.skorionos.bootc.plugins.plugin_utils._report import progress, rollout_html, rollout_text
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.decide import advance
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.events import Event, format_time
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.states import Rollout
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.summary import summarize

from tests.unit.rollout.builders import BEGIN, opened, replay, several_waves, told

EVIL = "<script>alert(1)</script>\x1b[31m"
PLAN = several_waves([2], 5, wave_defaults={"soak": "0s", "max_failures": 0, "min_coverage": 100})


def seen(*events: Event) -> tuple[str, str]:
    """The report for the terminal, in one line, and the page."""
    rollout = replay(PLAN, opened(), *events)
    summary = summarize(rollout, None, BEGIN)
    story = [event.as_dict() for event in [opened(), *events]]
    return " ".join(rollout_text(summary).split()), rollout_html(summary, story, format_time(BEGIN))


def said(kind: str, **data: Any) -> Event:
    return Event(kind, BEGIN, data={"by": "anna@admin", "why": f"so it is {EVIL}", **data})


@pytest.mark.parametrize(
    ("kind", "what", "then"),
    [
        ("paused", "Paused", "until somebody resumes it"),
        ("canceled", "Canceled", "Nothing new starts any more"),
        ("aborted", "Aborted", "Nothing new starts any more"),
    ],
)
def test_who_stopped_it_and_why_is_told(kind: str, what: str, then: str) -> None:
    text, page = seen(said(kind))
    assert f"{what} by anna@admin on 2027-01-15 08:00 UTC: so it is <script>" in text
    assert then in text
    assert "\x1b" not in text
    assert f"{what} by anna@admin" in page
    assert "<script>alert" not in page


def test_who_takes_an_aborted_rollout_back_did_not_abort_it() -> None:
    back = Event("reverting", BEGIN, data={"by": "bob@desk", "why": "games stutter", "successor": "r1-revert"})
    for told_so in seen(said("aborted"), back):
        assert "Taken back by bob@desk" in told_so
        assert "Aborted by bob@desk" not in told_so


def test_a_rollout_that_gave_itself_up_says_why() -> None:
    text, page = seen(
        said("aborted", rule="abort", numbers="3 of 9 devices failed", hosts=["kde-001"], remedy="Mend it.")
    )
    assert "Aborted: too many devices of all waves failed (3 of 9 devices failed)" in text
    assert "What to do: Mend it." in text
    assert "Aborted: too many devices of all waves failed" in page


def test_the_story_has_every_order() -> None:
    orders = [said("paused"), said("resumed"), Event("accepted", BEGIN, wave=0, data=said("accepted").data)]
    left_out = [*told("excluded", PLAN.hosts[1][0], by="anna@admin", why="broken screen")]
    _text, page = seen(*orders, *left_out)
    for words in (
        "Resumed by anna@admin",
        "Accepted as it is by anna@admin: wave w0",
        "left out by hand",
        "broken screen",
    ):
        assert words in page


def test_why_it_goes_on_is_told_when_it_does() -> None:
    failed = told("failed", PLAN.hosts[0][0])
    held = Event("held", BEGIN, wave=0, data={"rule": "failure_budget", "numbers": "1", "hosts": [], "remedy": "Mend."})
    text, page = seen(*failed, held, said("resumed"))
    assert "Last order: resumed by anna@admin on 2027-01-15 08:00 UTC: so it is <script>" in text
    assert "Last order: resumed by anna@admin on" in page
    assert "<script>alert" not in page
    assert "\x1b" not in text
    assert "Last order" not in seen()[0]
    assert "Last order" not in seen(said("paused"))[0], "that is told of the pause itself"


def test_the_story_says_who_ran_it_and_why_devices_were_taken_over() -> None:
    run = {"by": "anna", "machine": "admin-pc", "pid": 1}
    _text, page = seen(
        Event("opened", BEGIN, data={**run, "took_over": ["r0"], "why": EVIL}), Event("opened", BEGIN, data=run)
    )
    assert "Run by anna on admin-pc, takes devices over from r0" in page
    assert "&lt;script&gt;alert(1)" in page
    assert "<script>alert" not in page


def line(rollout: Rollout, *go: str) -> str:
    rollout, _unused, decisions = advance(rollout, BEGIN)
    return progress(rollout, go, decisions.wait)


def test_progress_is_one_calm_line() -> None:
    first, second = PLAN.hosts[0]
    begun = replay(PLAN, opened(), *told("succeeded", first), *told("staging", second))
    assert line(begun, second) == (
        f"w0: 1 of 2 updated, 1 in flight; now {second}; all waves: 1 of 5 updated, 1 in flight"
    )
    many = [f"d{number}" for number in range(40)]
    assert "d0, d1, d2, d3 and 36 more" in line(begun, *many)
    held = replay(PLAN, opened(), *told("failed", first))
    assert line(held).startswith("w0: 0 of 2 updated, 1 failed; held; all waves")
    asleep = replay(PLAN, opened(), *told("unreachable", first, second))
    assert "waits for more devices to be updated, until 2027-01-" in line(asleep)
