# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What ``make bench`` makes of what it measured."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pytest

from tests.benchmarks.figures import MEASURES, Cost, OnDevices, comparison, growth, is_module, on_devices, ratio


def cost(wall: float, cpu: float = 4.0, devices: int = 4, modules: int = 16) -> Cost:
    return Cost(devices, wall, cpu, 100_000_000, OnDevices(20, modules, 8.0, 0.1))


def line(command: str, cpu: float = 0.5) -> str:
    return json.dumps({"command": command, "cpu": cpu, "below": 0.125})


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("device DIR exec -- /bin/sh -c /bin/sh -c /usr/bin/python3.13", True),
        ("device DIR exec -- /bin/sh -c /bin/sh -c '/opt/x/bin/python && sleep 0'", True),
        ("device DIR exec -- /bin/sh -c /bin/sh -c '/usr/bin/python3 /tmp/x/AnsiballZ_find.py'", True),
        ("device DIR exec -- /bin/sh -c /bin/sh -c '/usr/bin/python3 -I -S -B -X utf8 -c import sys'", True),
        ("device DIR exec -- /bin/sh -c /bin/sh -c whoami", False),
        ("device DIR exec -- /bin/sh -c /bin/sh -c 'cat /proc/sys/kernel/random/boot_id'", False),
        ("device /tmp/python exec -- bootc status --format=json", False),
    ],
)
def test_modules_are_told_from_plain_commands(command: str, expected: bool) -> None:
    assert is_module(command) is expected


def test_what_the_recorder_wrote_is_added_up() -> None:
    log = [line("device D exec -- /bin/sh -c python"), line("device D exec -- /bin/sh -c whoami", 0.25)]
    log.append(line("device D systemctl show", 0.5))
    assert on_devices(log) == OnDevices(commands=2, modules=1, cpu=1.25, below=0.375)


def test_the_ratio_is_the_median_of_the_pairs_and_not_of_the_sums() -> None:
    # The machine was busy in the second round, for both.
    ours: Sequence[Cost] = [cost(10.0), cost(90.0), cost(12.0)]
    theirs: Sequence[Cost] = [cost(20.0), cost(200.0), cost(20.0)]
    assert ratio(ours, theirs, MEASURES[0]) == pytest.approx(0.5)


def test_there_is_no_ratio_to_nothing() -> None:
    assert ratio([cost(10.0)], [cost(5.0, modules=0)], MEASURES[2]) is None


def test_a_line_is_a_name_a_ratio_and_the_figures_behind_it() -> None:
    lines = comparison(4, {"rollout": [cost(10.0, cpu=1.0)], "floor": [cost(4.0, cpu=0.5, modules=0)]})
    assert lines[0] == "wall time, 4 devices, rollout / floor: 2.50  (rollout 10 s, floor 4 s)"
    assert lines[1] == "controller CPU per device, 4 devices, rollout / floor: 2.00  (rollout 250 ms, floor 125 ms)"
    assert lines[2] == "module executions per device, 4 devices: rollout 4, floor 0"


def test_figures_of_one_contender_are_shown_without_ratios() -> None:
    assert not any(" / " in text for text in comparison(4, {"peer": [cost(10.0)]}))


def test_growth_in_proportion_is_one() -> None:
    lines = growth({"rollout": [cost(10.0, 4.0, 4)]}, {"rollout": [cost(100.0, 60.0, 40)]})
    assert lines == [
        "wall time per device, rollout, 40 devices / 4 devices: 1.00",
        "controller CPU per device, rollout, 40 devices / 4 devices: 1.50",
    ]
