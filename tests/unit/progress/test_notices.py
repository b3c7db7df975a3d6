# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What deserves a line, and when."""

from __future__ import annotations

from ansible_collections.skorionos.bootc.plugins.plugin_utils._progress.estimate import Durations
from ansible_collections.skorionos.bootc.plugins.plugin_utils._progress.notices import Notice, Teller, lines, notices
from ansible_collections.skorionos.bootc.plugins.plugin_utils._progress.view import View, view_of
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.events import Event

from tests.unit.rollout.builders import BEGIN, names, one_wave, opened, passed, replay, told


def said(*events: Event) -> list[str]:
    return lines(notices(events, replay(one_wave(12), *events)))


def test_devices_on_their_way_are_no_news() -> None:
    quiet = ["staging", "staged", "applying", "booted", "succeeded", "unreachable", "deferred", "already_current"]
    assert said(*(event for kind in quiet for event in told(kind, "d000"))) == []


def test_a_device_that_fails_says_why_and_those_that_say_the_same_share_a_line() -> None:
    hosts = names(7)
    found = said(
        *told("rolled_back", *hosts, reason="unhealthy", message="no desktop"),
        *told("failed", "d007", reason="unhealthy", message="no network"),
        *told("silent", "d008", reason="silent", message="no answer after its reboot"),
    )
    assert found == [
        "d000, d001, d002, d003, d004 and 2 more: rolled back: unhealthy: no desktop",
        "d007: failed: unhealthy: no network",
        "d008: silent: no answer after its reboot",
    ]


def test_waves_holds_and_orders_are_told() -> None:
    hold = {"rule": "failure_budget", "numbers": "1 charged, 0 allowed", "hosts": ["d000"], "remedy": "Mend it."}
    order = {"by": "anna@pc", "why": "seen, go"}
    found = said(
        opened(),
        Event("held", BEGIN, wave=0, data=hold),
        Event("resumed", BEGIN, data=order),
        Event("approved", BEGIN, wave=0, data=order),
        Event("analysed", BEGIN, wave=0, data={"name": "crashes", "outcome": "successful", "output": ""}),
    )
    assert found == [
        "wave only opens: 0 of 12 updated",
        "held in wave only: more devices failed than the wave may lose (1 charged, 0 allowed)",
        "resumed by anna@pc: seen, go",
        "wave only approved by anna@pc: seen, go",
        "analysis crashes of wave only: successful",
    ]
    ends = [*told("succeeded", *names(12)), passed(0), Event("completed", BEGIN)]
    assert said(opened(), *ends)[1:] == ["wave only passed: 12 of 12 updated", "completed: all waves passed"]


def test_what_a_device_says_does_nothing_to_a_terminal() -> None:
    (line,) = said(*told("failed", "d000", message="\x1b[2J\x1b]8;;http://x\x07boo\n[red]not markup[/red]"))
    assert line == "d000: failed: boo [red]not markup[/red]"


def at(*events: Event, now: float = BEGIN) -> View:
    return view_of(replay(one_wave(12), opened(), *events), Durations(), BEGIN + 900, now)


def test_lines_about_devices_are_gathered_and_those_about_the_rollout_are_not() -> None:
    teller = Teller(10, tallies=False)
    view = at()
    assert teller.hear([Notice("failed", "a")], view, 0) == ["a: failed"]
    assert teller.hear([Notice("failed", "b")], view, 1) == []
    assert teller.hear([Notice("failed", "c")], view, 5) == []
    assert teller.hear([], view, 10) == ["b, c: failed"]
    assert teller.hear([Notice("failed", "d"), Notice("held")], view, 11) == ["d: failed", "held"]
    assert teller.hear([Notice("failed", "e")], view, 12) == []
    assert teller.rest() == ["e: failed"]


def test_a_thousand_devices_that_go_well_have_no_line_each() -> None:
    """A device gets one step further every few seconds, for a quarter of an hour."""
    teller = Teller(10, tallies=True)
    told_of = [line for second in range(0, 900, 9) for line in teller.hear([], at(now=BEGIN + second), second)]
    assert len(told_of) == 1
    done: list[Event] = []
    for second in range(0, 300, 3):
        kind, host = ("staging", "succeeded")[second % 2], f"d{second // 6 % 12:03}"
        done += told(kind, host)
        told_of += teller.hear([], at(*done[-24:]), 1000 + second)
    assert len(told_of) <= 1 + 31


def test_what_somebody_else_has_just_said_is_not_said_again() -> None:
    teller = Teller(10, tallies=True)
    teller.was_told(at(), 0)
    assert teller.hear([], at(), 100) == []
    moved = at(*told("staging", "d000"))
    assert teller.hear([], moved, 20) == [], "that somebody has got further on its way can wait"
    assert teller.hear([], moved, 60) == [moved.tally]
    through = at(*told("staging", "d000"), *told("succeeded", "d000"))
    assert teller.hear([], through, 69) == []
    assert teller.hear([], through, 70) == [through.tally]
