# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ledgers that are not there or cannot be read cost nobody the table, nor what was known of drift."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from ansible_collections.skorionos.bootc.plugins.action.fleet_status import ActionModule
from ansible_collections.skorionos.bootc.plugins.plugin_utils._fleet.ledgers import read_ledgers
from ansible_collections.skorionos.bootc.plugins.plugin_utils._report import fleet_html
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.events import Event
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.ledger import Ledger

from tests.unit.report.fleets import rows_after
from tests.unit.report.rehearsals import START, Rehearsal, fleet


def write(root: Path, name: str) -> Ledger:
    ledger = Ledger(root, name)
    ledger.create()
    ledger.append(Rehearsal(fleet(3)).run().ledger, 1)
    return ledger


def cut(root: Path) -> None:
    path = Path(write(root, "cut").directory / "events.jsonl")
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:-3]))


def strange(root: Path) -> None:
    ledger = Ledger(root, "strange")
    ledger.create()
    ledger.append([Event("planned", START, data={"plan": {"schema": 99}})], 1)


def unreadable(root: Path) -> None:
    (write(root, "unreadable").directory / "events.jsonl").write_bytes(b"\xff\n")


def test_whole_ledgers_tell_what_devices_are_meant_to_run(tmp_path: Path) -> None:
    write(tmp_path, "whole")
    record = read_ledgers(str(tmp_path), with_history=True)
    assert record.wanted is not None
    assert set(record.wanted) == set(fleet(3))
    assert (record.doubts, record.history is None) == ((), False)


@pytest.mark.parametrize("damage", [cut, strange, unreadable])
def test_one_ledger_that_cannot_be_read_is_named_and_the_others_are_told(
    tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    write(tmp_path, "whole")
    damage(tmp_path)
    record = read_ledgers(str(tmp_path), with_history=True)
    assert record.wanted is None, "it may have been the last rollout of any device"
    (doubt,) = record.doubts
    assert damage.__name__ in doubt
    assert record.history is not None
    assert len(record.history.chapters) == 1


@pytest.mark.parametrize(
    "odd",
    [
        Event("hosts_superseded", START + 1, data={"by": "r2", "hosts": [], "who": 5, "why": "x"}),
        Event("opened", START + 1, data={"took_over": [5]}),
        Event("of_later", START + 1, wave=7),
    ],
)
def test_what_a_page_cannot_tell_of_one_ledger_is_named_and_the_others_are_told(tmp_path: Path, odd: Event) -> None:
    write(tmp_path, "whole")
    write(tmp_path, "odd").append([odd], 1)
    record = read_ledgers(str(tmp_path), with_history=True)
    (doubt,) = record.doubts
    assert "odd" in doubt
    assert record.history is not None
    assert len(record.history.chapters) == 1
    assert fleet_html(rows_after(Rehearsal(fleet(3)).run()), record.history, START)


def test_orders_of_nobody_for_no_reason_are_told(tmp_path: Path) -> None:
    orders = [Event(kind, START + 1) for kind in ("paused", "resumed", "aborted")]
    excluded = [Event(kind, START + 1, host) for host in fleet(3) for kind in ("excluded", "retried")]
    write(tmp_path, "odd").append([*orders, *excluded], 1)
    record = read_ledgers(str(tmp_path), with_history=True)
    assert record.doubts == ()
    page = fleet_html(rows_after(Rehearsal(fleet(3)).run()), record.history, START)
    assert "Paused" in page
    assert "left out by hand" in page


@pytest.mark.parametrize("make", [True, False])
def test_a_place_without_rollouts_takes_nothing_away(tmp_path: Path, make: bool) -> None:
    place = tmp_path / "rolouts"
    if make:
        (place / "notes").mkdir(parents=True)
    record = read_ledgers(str(place), with_history=False)
    assert record.wanted is None
    assert "There is no rollout in" in record.doubts[0]


class Said:
    """What Ansible's display has of warnings."""

    def __init__(self) -> None:
        self.warnings: list[str] = []

    def warning(self, text: str) -> None:
        self.warnings.append(text)


def test_people_are_warned_of_a_place_without_rollouts_and_of_none_that_was_not_named(tmp_path: Path) -> None:
    action, said = object.__new__(ActionModule), Said()
    action._display = said
    assert action._on_record({"ledger": None, "page": None}).wanted is None
    assert said.warnings == []
    assert action._on_record({"ledger": str(tmp_path), "page": None}).wanted is None
    assert said.warnings[0].startswith(f"There is no rollout in {tmp_path}.")
