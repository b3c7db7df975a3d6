# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What others are owed to be told of a rollout, and by whom it was told already."""

from __future__ import annotations

from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.events import Event
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.outcome import Outcome, notified, outcome_of

from tests.unit.rollout.builders import BEGIN, one_wave, opened, passed, replay

PLAN = one_wave(2)
FIRST, SECOND = "2027-01-15T08:00:01.000Z", "2027-01-15T08:00:03.000Z"


def outcome(*events: Event) -> Outcome | None:
    return outcome_of(replay(PLAN, *events), events)


def held(at: float) -> Event:
    data = {"rule": "failure_budget", "numbers": "1 of 2", "hosts": ["d000"], "remedy": "mend it"}
    return Event("held", at, wave=0, data=data)


def order(kind: str, at: float) -> Event:
    return Event(kind, at, data={"by": "anna", "why": "because"})


def test_while_it_runs_or_is_paused_there_is_nothing_to_tell() -> None:
    assert outcome(opened()) is None
    assert outcome(opened(), order("paused", BEGIN + 1)) is None


def test_a_hold_is_owed_until_somebody_was_told() -> None:
    assert outcome(opened(), held(BEGIN + 1)) == Outcome("held", FIRST)
    told = outcome(opened(), held(BEGIN + 1), notified("held", FIRST, "program", BEGIN + 2))
    assert told == Outcome("held", FIRST, frozenset({"program"}))


def test_each_is_told_for_itself() -> None:
    notices = (notified("held", FIRST, "b", BEGIN + 2), notified("held", FIRST, "a", BEGIN + 9))
    assert outcome(opened(), held(BEGIN + 1), *notices) == Outcome("held", FIRST, frozenset({"a", "b"}))


def test_a_second_hold_is_told_as_the_first_was() -> None:
    before = (opened(), held(BEGIN + 1), notified("held", FIRST, "program", BEGIN + 2))
    assert outcome(*before, order("resumed", BEGIN + 2)) is None
    assert outcome(*before, order("resumed", BEGIN + 2), held(BEGIN + 3)) == Outcome("held", SECOND)


def test_a_word_that_comes_late_is_about_the_hold_that_it_names() -> None:
    """Another run may have been quicker to hold it again than this one to write down whom it told."""
    late = notified("held", FIRST, "program", BEGIN + 4)
    again = (opened(), held(BEGIN + 1), order("resumed", BEGIN + 2), held(BEGIN + 3), late)
    assert outcome(*again) == Outcome("held", SECOND)


def test_what_somebody_aborted_is_told() -> None:
    expected = Outcome("aborted", FIRST, by="anna", why="because")
    assert outcome(opened(), order("aborted", BEGIN + 1)) == expected


def test_whoever_takes_back_what_another_aborted_did_not_abort_it() -> None:
    back = Event("reverting", BEGIN + 2, data={"by": "bob", "why": "games stutter", "successor": "r1-revert"})
    found = outcome(opened(), order("aborted", BEGIN + 1), back)
    assert found is not None
    assert (found.turned, found.by, found.why) == ("aborted", "anna", "because")


def test_a_completed_rollout_that_was_held_in_between_is_not_completed_anew() -> None:
    done = (opened(), passed(0), Event("completed", BEGIN + 1), notified("completed", FIRST, "program", BEGIN + 2))
    assert outcome(*done, held(BEGIN + 3)) == Outcome("held", SECOND)
    assert outcome(*done, held(BEGIN + 3), order("resumed", BEGIN + 4)) == Outcome(
        "completed", FIRST, frozenset({"program"})
    )
