# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A rollout as metrics."""

from __future__ import annotations

import re
from pathlib import Path

from ansible_collections.skorionos.bootc.plugins.plugin_utils._report import rollout_metrics
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.events import Event
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.states import DeviceState, RolloutPhase
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.summary import summarize

from tests.unit.rollout.builders import BEGIN, one_wave, opened, replay, told

LINE = re.compile(r'[a-z_]+\{(?:[a-z]+="(?:[^"\\\n]|\\.)*",?)*\} [0-9]+(?:\.[0-9]+)?')


def metrics(*events: object) -> list[str]:
    plan = one_wave(3)
    return rollout_metrics(summarize(replay(plan, opened(), *told("succeeded", plan.members[0])))).splitlines()


def test_every_state_and_phase_has_its_value() -> None:
    lines = metrics()
    assert 'bootc_rollout_devices{rollout="r1",wave="only",state="succeeded"} 1' in lines
    assert 'bootc_rollout_devices{rollout="r1",wave="only",state="pending"} 2' in lines
    assert 'bootc_rollout_phase{rollout="r1",phase="running"} 1' in lines
    assert 'bootc_rollout_phase{rollout="r1",phase="held"} 0' in lines
    assert f'bootc_rollout_started_timestamp_seconds{{rollout="r1"}} {BEGIN:.3f}' in lines
    assert len([line for line in lines if line.startswith("bootc_rollout_devices{")]) == 2 * len(DeviceState)
    assert 'bootc_rollout_devices{rollout="r1",wave="catching up",state="pending"} 0' in lines
    assert len([line for line in lines if line.startswith("bootc_rollout_phase{")]) == len(RolloutPhase)


def test_the_guide_lists_every_metric_with_its_type_and_labels() -> None:
    guide = Path(__file__).resolve().parents[3] / "docs" / "operating.md"
    row = re.compile(r"^\| `(bootc_rollout_[a-z_]+)` \| (\w+) \| ([^|]+) \| ([^|]+) \|", re.MULTILINE)
    told_of = {
        name: (kind, re.findall(r"`(\w+)`", labels), unit)
        for name, kind, labels, unit in row.findall(guide.read_text(encoding="utf-8"))
    }
    summary = summarize(replay(one_wave(1), opened(), Event("completed", BEGIN + 9)))
    lines = rollout_metrics(summary).splitlines()
    kinds = dict(line.split()[2:4] for line in lines if line.startswith("# TYPE "))
    labels = {line.partition("{")[0]: re.findall(r'(\w+)="', line) for line in lines if not line.startswith("#")}
    assert {name: (kind, names) for name, (kind, names, _unit) in told_of.items()} == {
        name: (kinds[name], labels[name]) for name in kinds
    }
    assert {name for name, (_kind, _labels, unit) in told_of.items() if unit.startswith("seconds")} == {
        name for name in kinds if name.endswith("_seconds")
    }


def test_the_format_is_that_of_prometheus() -> None:
    for line in metrics():
        assert line.startswith(("# HELP ", "# TYPE ")) or LINE.fullmatch(line), line


def test_what_a_spec_names_cannot_break_the_format() -> None:
    summary = summarize(replay(one_wave(1), opened()))
    summary["id"] = 'a"} 1\n\\evil'
    for line in rollout_metrics(summary).splitlines():
        assert line.startswith(("# HELP ", "# TYPE ")) or LINE.fullmatch(line), line
