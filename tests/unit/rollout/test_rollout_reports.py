# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files that show where a rollout stands: never older than its ledger, and beside it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest
from ansible_collections.skorionos.bootc.plugins.plugin_utils import _operator, _rollout_reports
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.errors import RolloutError
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.events import Event
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.ledger import Ledger
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout_reports import refresh_reports, write_reports

from tests.unit.rollout.builders import BEGIN, digest, one_wave, opened

PLAN = one_wave(2)
ORDER = {"by": "anna@admin", "why": "w"}


def ledger_in(root: Path, name: str = PLAN.spec.id) -> Ledger:
    made = Ledger(root, name)
    made.create()
    made.append([Event("planned", BEGIN, data={"plan": PLAN.as_dict()}), opened()], 1)
    return made


def phase(directory: Path) -> str:
    return str(json.loads((directory / "summary.json").read_text(encoding="utf-8"))["phase"])


def test_they_are_beside_the_ledger_whatever_its_folder_is_called(tmp_path: Path) -> None:
    ledger = ledger_in(tmp_path, "moved")
    ledger.append([Event("paused", BEGIN + 1, data=ORDER)], 1)
    assert refresh_reports(tmp_path, ledger) == ""
    assert sorted(path.name for path in tmp_path.iterdir()) == ["moved"]
    assert phase(tmp_path / "moved") == "paused"
    assert "paused" in (tmp_path / "moved" / "summary.txt").read_text(encoding="utf-8")


def test_what_somebody_records_meanwhile_is_in_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ledger = ledger_in(tmp_path)
    write = _rollout_reports._write

    def interrupted(files: Mapping[Path, str]) -> str:
        monkeypatch.setattr(_rollout_reports, "_write", write)
        ledger.append([Event("aborted", BEGIN + 2, data=ORDER)], 1)
        assert refresh_reports(tmp_path, ledger) == ""
        return write(files)

    monkeypatch.setattr(_rollout_reports, "_write", interrupted)
    assert write_reports(tmp_path, ledger).summary["phase"] == "aborted"
    assert phase(tmp_path / PLAN.spec.id) == "aborted"


def test_one_that_cannot_be_written_keeps_none_of_the_others_from_it(tmp_path: Path) -> None:
    ledger = ledger_in(tmp_path)
    (tmp_path / PLAN.spec.id / "report.html").mkdir()
    reports = write_reports(tmp_path, ledger)
    assert f"could not be written to {reports.page}" in reports.trouble
    assert phase(tmp_path / PLAN.spec.id) == "running"


def test_a_ledger_that_cannot_be_read_undoes_nothing(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path, PLAN.spec.id)
    assert "holds no plan" in refresh_reports(tmp_path, ledger)


def test_a_rollout_is_not_named_twice(tmp_path: Path) -> None:
    spec = tmp_path / "release.yml"
    variants = [{"name": "kde", "image": "r.io/os", "digest": digest("a")}]
    spec.write_text(json.dumps({"schema": 1, "id": "r1", "variants": variants}), encoding="utf-8")
    with pytest.raises(RolloutError, match="Two rollouts are named: r2, and r1 by the spec"):
        _operator.find_rollout({"spec": str(spec), "id": "r2", "ledger": None})
