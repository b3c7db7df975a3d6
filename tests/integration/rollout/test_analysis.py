# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A wave that people's own commands judge."""

from __future__ import annotations

import pytest

from tests.simulated_fleet import SimulatedFleet

pytestmark = pytest.mark.integration

CHECK = """#!/bin/sh
grep -q '"id": "to-v1.1.0"' || { echo 'this is no summary'; exit 3; }
test -e "$1" && exit 0
echo 'error rate 7% {{ lookup("pipe", "touch injected") }}'
exit 1
"""


def test_a_wave_that_its_analysis_rejects_is_held_and_analysed_again_after_a_resume(fleet: SimulatedFleet) -> None:
    fleet.add("kde-1", "kde")
    check, well = fleet.root / "check", fleet.root / "well"
    check.write_text(CHECK, encoding="utf-8")
    check.chmod(0o755)
    rules = {"soak": "0s", "analysis": [{"name": "errors", "command": [str(check), str(well)], "timeout": "30s"}]}
    spec = fleet.spec("v1.1.0", waves=[], wave_defaults=rules)

    held = fleet.roll_out(spec)

    assert held.rc == 2, held.output
    assert "errors was failed: error rate 7% {{ lookup" in held.sentence()
    assert fleet.summary("to-v1.1.0")["hold"]["rule"] == "analysis"
    assert not (fleet.root / "injected").exists()
    well.touch()
    order = {"bootc_rollout_verb": "resume", "bootc_rollout_why": "the network was at fault"}
    assert fleet.run("rollout_control", bootc_rollout_spec=str(spec), **order).rc == 0
    last = fleet.roll_out(spec)
    assert last.rc == 0, last.output
    assert fleet.summary("to-v1.1.0")["phase"] == "completed"
    outcomes = [e["data"]["outcome"] for e in fleet.events("to-v1.1.0") if e["kind"] == "analysed"]
    assert outcomes == ["failed", "successful"]
    assert fleet.boots("kde-1") == 2
