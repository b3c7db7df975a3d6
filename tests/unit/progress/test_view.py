# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a rollout is, in words and numbers."""

from __future__ import annotations

from typing import Any

from ansible_collections.skorionos.bootc.plugins.plugin_utils._progress.estimate import Durations
from ansible_collections.skorionos.bootc.plugins.plugin_utils._progress.view import View, view_of
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.events import Event
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.plan import Plan

from tests.unit.rollout.builders import BEGIN, one_wave, opened, replay, several_waves, told

HOUR = BEGIN + 3600


def view(plan: Plan, *events: Event, now: float = BEGIN + 60, deadline: float = HOUR) -> View:
    durations = Durations()
    durations.hear(events)
    return view_of(replay(plan, *events), durations, deadline, now)


def steps(*, failed: int = 0) -> list[Event]:
    """Of eight devices two have downloaded, one has been rebooted, two are through, one of them failed if wanted."""
    events = [opened(), *told("staging", *(f"d00{n}" for n in range(6)))]
    events += told("staged", "d001", "d002", "d003", "d004")
    events += told("applying", "d002", "d003", "d004") + told("booted", "d003", "d004")
    return events + told("succeeded", "d004", at=BEGIN + 30) + told("failed", *["d005"][:failed], reason="unhealthy")


def test_a_wave_counts_who_has_come_how_far() -> None:
    (wave,) = view(one_wave(8), *steps(failed=1)).waves
    assert (wave.total, wave.downloaded, wave.applied, wave.verified, wave.failed) == (8, 4, 2, 1, 1)
    assert wave.standing == "1 of 8 updated, 1 failed, 4 in flight"


def test_a_silent_device_is_as_far_as_it_was_and_neutral_ones_are_not_counted() -> None:
    events = [*steps(), *told("silent", "d003"), *told("incompatible", "d006"), *told("already_current", "d007")]
    (wave,) = view(one_wave(8), *events).waves
    assert (wave.total, wave.applied, wave.verified) == (6, 2, 1)


def test_it_says_what_devices_are_at_and_about_how_long_it_takes() -> None:
    shown = view(one_wave(8, pace={"parallel": 8}), *steps())
    assert shown.busy == "2 downloading (d000, d005), 1 staged (d001), 1 rebooting (d002), 1 being checked (d003)"
    assert shown.waiting == ""
    assert shown.headline == f"Rollout {one_wave(1).spec.id}: running for 1 min, {shown.left}"
    assert shown.left.startswith("about ")
    assert shown.left.endswith(" left")


def soaking(soak: str = "10m") -> tuple[Plan, list[Event]]:
    events = [opened(), *told("staging", "d000", "d001"), *told("succeeded", "d000", "d001", at=BEGIN + 30)]
    return one_wave(2, {"soak": soak}), events


def test_it_says_what_it_waits_for_and_until_when() -> None:
    plan, events = soaking()
    shown = view(plan, *events)
    assert shown.waiting == "waits for the soak time to end until 08:10:30 UTC, 9 min 30 s left"
    late = view(plan, *events, deadline=BEGIN + 120)
    assert late.waiting == "waits for the soak time to end until 08:10:30 UTC, after the end of this run"
    plan, events = soaking("3d")
    assert view(plan, *events).waiting.startswith("waits for the soak time to end until 2027-01-18 08:00 UTC, after")


def test_it_says_who_is_put_off_and_until_when() -> None:
    put_off: dict[str, Any] = {"reason": "window", "message": "outside its windows"}
    events = [opened(), *told("deferred", "d000", until=BEGIN + 600, **put_off), *told("deferred", "d001", **put_off)]
    assert view(one_wave(2), *events).waiting.endswith("2 devices put off, the first until 08:10:00 UTC, 9 min left")


def test_approvals_say_of_which_wave() -> None:
    plan = one_wave(2, {"approve": "before"})
    assert view(plan).waiting == "waits for somebody's approval (wave only has to be approved to begin)"


def test_a_hold_says_why() -> None:
    data = {"rule": "failure_budget", "numbers": "2 charged, 1 allowed", "hosts": ["d000"], "remedy": "Mend it."}
    shown = view(one_wave(4), opened(), *told("failed", "d000", "d001"), Event("held", BEGIN, wave=0, data=data))
    assert shown.hold == "held in wave only: more devices failed than the wave may lose (2 charged, 1 allowed)"
    assert shown.headline.endswith(": held")


def test_time_and_steps_are_no_news_but_verdicts_and_waits_are() -> None:
    plan, events = soaking()
    assert view(plan, *events).news == view(plan, *events, now=BEGIN + 90).news
    assert view(plan, *events).news != view(plan, *events[:-1]).news
    assert view(plan, *events[:2]).news == view(plan, *events[:2], *told("staged", "d000")).news


def test_nothing_a_device_or_a_spec_is_called_reaches_a_terminal_as_it_is() -> None:
    plan = several_waves([1], 3, variants=["kde"])
    evil = "\x1b]0;owned\x07\u202ex"
    shown = view(plan, Event("held", BEGIN, wave=0, data={"rule": evil, "numbers": evil, "hosts": [], "remedy": evil}))
    assert "\x1b" not in shown.hold
    assert "\u202e" not in shown.hold
