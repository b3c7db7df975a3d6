# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What ledgers tell of the devices of a fleet."""

from __future__ import annotations

from dataclasses import replace

import pytest
from ansible_collections.skorionos.bootc.plugins.plugin_utils._fleet.history import (
    STEPS,
    Download,
    History,
    planned_downloads,
)
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.events import Event
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.replay import replay

from tests.unit.report.fleets import history
from tests.unit.report.rehearsals import START, Rehearsal, Report, fleet

DAY = 86400.0
FIRST = Rehearsal(fleet(6), boot_seconds=20)
SECOND = Rehearsal(fleet(3), version="v1.2.0", start=START + DAY, fates={"kde-01": "unhealthy"}, boot_seconds=40)


@pytest.mark.parametrize("order", [(FIRST, SECOND), (SECOND, FIRST)])
def test_the_newest_rollout_counts_in_whatever_order_ledgers_are_read(order: tuple[Rehearsal, Rehearsal]) -> None:
    told = history(*(rehearsal.run() for rehearsal in order))
    assert [chapter.rollout.plan.spec.id for chapter in told.chapters] == ["skorion-1.2.0", "skorion-1.1.0"]
    assert told.stood("kde-01") == ("skorion-1.2.0", "rolled_back")
    assert told.stood("kde-02") == ("skorion-1.1.0", "succeeded"), "which the second one does not have"
    assert [told.seconds(host, "boot_seconds") for host in ("kde-01", "kde-02", "stranger")] == [40, 20, None]
    kinds = [(step.rollout, step.kind) for step in told.steps("kde-01")]
    assert kinds[0] == ("skorion-1.2.0", "rolled_back")
    assert kinds[-1] == ("skorion-1.1.0", "staging")
    assert told.steps("stranger") == []


def test_what_is_not_over_is_current_and_else_the_last() -> None:
    first, second = FIRST.run(), SECOND.run()
    assert [chapter.rollout.plan.spec.id for chapter in history(first, second).current] == ["skorion-1.2.0"]
    assert second.summary["phase"] == "held"
    assert [chapter.is_over for chapter in history(first).current] == [True]
    assert history().current == []


def test_downloads_are_those_of_the_plan_and_else_the_whole_image() -> None:
    report = Rehearsal(fleet(6), fates={"kde-02": "current"}).run()
    told = History()
    told.add(
        replay(report.ledger), report.ledger, {"kde-01": Download(5, exact=True), "kde-02": Download(6, exact=True)}
    )
    assert told.download("kde-01") == Download(5, exact=True)
    assert told.download("gnome-01") == Download(6_600_000_000, exact=False)
    assert told.download("kde-02") is None, "it downloaded nothing"


@pytest.mark.parametrize("is_newest_first", [False, True])
def test_what_the_last_update_did_not_tell_is_not_that_of_the_one_before(is_newest_first: bool) -> None:
    first, second = FIRST.run(), Rehearsal(fleet(3), version="v1.2.0", start=START + DAY).run()
    began = next(at for at, event in enumerate(second.ledger) if event.kind == "staging")
    host = str(second.ledger[began].host)
    interrupted = second.ledger[: began + 1]
    planned = {name: Download(5, exact=True) for name in fleet(3)}
    told = History()
    plan = replay(interrupted).plan
    sizeless = replace(plan, targets={name: replace(target, size=None) for name, target in plan.targets.items()})
    added = [
        (replay(first.ledger), first.ledger, planned),
        (replace(replay(interrupted), plan=sizeless), interrupted, {}),
    ]
    for rollout, events, downloads in added[:: -1 if is_newest_first else 1]:
        told.add(rollout, events, downloads)
    assert told.download(host) is None
    assert [told.seconds(host, what) for what in ("staging_seconds", "boot_seconds")] == [None, None]
    other = min(fleet(3).keys() - {host})
    assert told.seconds(other, "boot_seconds") == 20, "whom the second one did not begin to update"


def test_staging_is_timed_from_its_beginning_to_its_end() -> None:
    report = FIRST.run()
    at = {(event.host, event.kind): event.at for event in report.ledger}
    expected = at[("kde-01", "staged")] - at[("kde-01", "staging")]
    assert history(report).seconds("kde-01", "staging_seconds") == expected > 0


def test_the_same_again_and_again_is_told_once_and_the_past_has_an_end() -> None:
    report = Rehearsal(fleet(3), fates={"kde-01": "asleep"}).run()
    asleep = [Event("unreachable", START + night * DAY, "kde-01") for night in range(30)]
    restless = [Event(("staging", "deferred")[at % 2], START + at * 60, "gnome-01") for at in range(3 * STEPS)]
    told = history(Report(report.summary, report.events, [*report.ledger, *asleep, *restless]))
    assert [step.kind for step in told.steps("kde-01")] == ["unreachable"]
    assert len(told.steps("gnome-01")) == STEPS


def test_the_same_for_another_reason_is_told_again() -> None:
    report = Rehearsal(fleet(3)).run()
    said = [("window", "opens at 22:00"), ("no_space", "1 GB is missing"), ("no_space", "2 GB are missing")]
    late = START + DAY
    deferred = [
        Event("deferred", late + 60 * at, "kde-01", data={"reason": reason, "message": message, "attempt": at})
        for at, (reason, message) in enumerate([*said, said[-1]])
    ]
    told = history(Report(report.summary, report.events, [*report.ledger, *deferred])).steps("kde-01")
    assert [(step.data["reason"], step.data["message"]) for step in told if step.at >= late] == said[::-1]


@pytest.mark.parametrize(
    "document", [None, [], {"waves": 5}, {"waves": [5, {"devices": 5}, {"devices": [5, {"action": "update"}]}]}]
)
def test_what_is_no_plan_plans_no_downloads(document: object) -> None:
    assert planned_downloads(document) == {}


def test_a_plan_has_the_downloads_of_those_it_updates() -> None:
    devices = [
        {"host": "a", "action": "update", "bytes": 7, "exact": True},
        {"host": "b", "action": "update", "bytes": 9, "exact": False},
        {"host": "c", "action": "current", "bytes": 0, "exact": True},
    ]
    found = planned_downloads({"waves": [{"devices": devices}]})
    assert found == {"a": Download(7, exact=True), "b": Download(9, exact=False)}
