# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run cost, and how runs compare. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

_PYTHON = re.compile(r"\bpython[\d.]*( |'|$)")
"""A module is run by a Python that is named, with Ansible's part of it or without; plain commands name none."""


@dataclass(frozen=True)
class OnDevices:
    """What the devices of a run did: commands over the connection, the modules among them, CPU in seconds.

    ``below`` is the part of the CPU time that processes below the controller's spent.
    """

    commands: int
    modules: int
    cpu: float
    below: float


@dataclass(frozen=True)
class Cost:
    """What one run over ``devices`` devices cost.

    ``wall`` and ``cpu`` in seconds, ``memory`` in bytes; the last two of the controller's processes alone.
    """

    devices: int
    wall: float
    cpu: float
    memory: int
    on_devices: OnDevices


@dataclass(frozen=True)
class Measure:
    """One of the things that are compared."""

    name: str
    unit: str
    of: str

    def value(self, cost: Cost) -> float:
        per_device = {
            "wall": cost.wall,
            "cpu": 1000 * cost.cpu / cost.devices,
            "modules": cost.on_devices.modules / cost.devices,
            "memory": cost.memory / 1e6,
            "device_cpu": 1000 * cost.on_devices.cpu / cost.devices,
            "commands": cost.on_devices.commands / cost.devices,
        }
        return per_device[self.of]


MEASURES = (
    Measure("wall time", "s", "wall"),
    Measure("controller CPU per device", "ms", "cpu"),
    Measure("module executions per device", "", "modules"),
    Measure("peak memory", "MB", "memory"),
)
FURTHER = (
    Measure("commands over the connection per device", "", "commands"),
    Measure("CPU of the device itself per device", "ms", "device_cpu"),
)
"""Shown without a ratio: beside the point, but needed to judge the others."""


def on_devices(log: Iterable[str]) -> OnDevices:
    """Add up the lines that the host of the devices wrote, also of the programs that commands start on a device."""
    commands = modules = 0
    cpu = below = 0.0
    for line in log:
        entry = json.loads(line)
        commands += " exec -- " in entry["command"]
        modules += is_module(entry["command"])
        cpu += entry["cpu"]
        below += entry["below"]
    return OnDevices(commands, modules, cpu, below)


def is_module(command: str) -> bool:
    """Whether a command on a device (``device DIR exec -- /bin/sh -c ...``) is an execution of an Ansible module."""
    _unused, _separator, shell = command.partition(" exec -- /bin/sh -c ")
    return _PYTHON.search(shell) is not None


def ratio(ours: Sequence[Cost], theirs: Sequence[Cost], measure: Measure) -> float | None:
    """Median of the ratios of runs that were made one after the other; None where the others have none of it."""
    pairs = [(measure.value(mine), measure.value(other)) for mine, other in zip(ours, theirs, strict=True)]
    if any(other == 0 for _unused, other in pairs):
        return None
    return median(mine / other for mine, other in pairs)


def comparison(size: int, runs: Mapping[str, Sequence[Cost]]) -> list[str]:
    """Lines ``name: ratio (raw figures)`` for one size of fleet: of ``rollout`` among the ``runs`` to the others."""
    lines = []
    others = [name for name in runs if name != "rollout"] if "rollout" in runs else []
    for measure in MEASURES:
        raw = figures(measure, runs)
        ratios = {other: ratio(runs["rollout"], runs[other], measure) for other in others}
        found = [
            f"{measure.name}, {size} devices, rollout / {other}: {value:.2f}  ({raw})"
            for other, value in ratios.items()
            if value is not None
        ]
        lines += found or [f"{measure.name}, {size} devices: {raw}"]
    return lines + [f"{measure.name}, {size} devices: {figures(measure, runs)}" for measure in FURTHER]


def figures(measure: Measure, runs: Mapping[str, Sequence[Cost]]) -> str:
    """The medians of every contender."""
    unit = f" {measure.unit}" if measure.unit else ""
    return ", ".join(f"{name} {_number(median(map(measure.value, costs)))}{unit}" for name, costs in runs.items())


def growth(small: Mapping[str, Sequence[Cost]], large: Mapping[str, Sequence[Cost]]) -> list[str]:
    """How what one device costs changes from the smaller fleet to the larger: 1 is linear growth, less is better."""
    lines = []
    for name in small:
        few, many = (median(cost.devices for cost in runs[name]) for runs in (small, large))
        for measure, share in ((MEASURES[0], True), (MEASURES[1], False)):
            before, after = (median(map(measure.value, runs[name])) for runs in (small, large))
            found = (after / many) / (before / few) if share else after / before
            title = "wall time per device" if share else measure.name
            lines.append(f"{title}, {name}, {many:.0f} devices / {few:.0f} devices: {found:.2f}")
    return lines


def _number(value: float) -> str:
    return f"{value:.0f}" if value >= 100 or value == int(value) else f"{value:.1f}"
