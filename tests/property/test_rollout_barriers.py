# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Devices of all versions on their way through barriers, with the controller killed anywhere."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.states import DeviceState, RolloutPhase
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fleet_model import OLD, FakeDevice, Fleet, Killed, digest, plan_for, small_spec

NEW = digest("a")
BARRIERS = [digest(character) for character in "bcdef"]
HABITS = ("good",) * 6 + ("unfinalised", "falls_back_in_check", "never_reboots")


@st.composite
def ways(draw: Any) -> list[dict[str, Any]]:
    """Barriers at growing versions, each at or above what it asks for."""
    belows = sorted(draw(st.sets(st.integers(2, 40), max_size=5)))
    entries = []
    for index, below in enumerate(belows):
        most = belows[index + 1] if index + 1 < len(belows) else 45
        version = draw(st.integers(below, most))
        entries.append({"digest": BARRIERS[index], "version": f"{version}.0", "below": f"{below}.0"})
    return entries


@st.composite
def devices(draw: Any) -> dict[str, Any]:
    return {
        "version": draw(st.integers(1, 49)),
        "habit": draw(st.sampled_from(HABITS)),
        "sick_on": draw(st.sets(st.sampled_from([NEW, *BARRIERS]), max_size=1)),
    }


def expected_way(version: int, barriers: list[dict[str, Any]]) -> list[str]:
    """Said once more, in other words than the engine's: each barrier whose bound is above what runs then."""
    way = []
    for barrier in barriers:
        if version < int(barrier["below"].removesuffix(".0")):
            way.append(barrier["digest"])
            version = int(barrier["version"].removesuffix(".0"))
    return [*way, NEW]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(ways(), st.lists(devices(), min_size=1, max_size=4), st.integers(1, 60), st.booleans())
def test_no_device_boots_what_it_may_not_and_every_hop_goes_up(
    barriers: list[dict[str, Any]], fates: list[dict[str, Any]], kill_at: int, before: bool
) -> None:
    spec = small_spec(
        waves=[],
        variants=[
            {"name": "kde", "image": "registry.example/os", "digest": NEW, "version": "50.0", "barriers": barriers}
        ],
        wave_defaults={"soak": "0s", "max_failures": 9, "success_threshold": 1, "min_coverage": 0},
        pace={"parallel": 3, "start": 3},
        abort={"percent": 0},
    )
    versions = {barrier["digest"]: barrier["version"] for barrier in barriers}
    plan = plan_for(spec, [(f"d{number}", "kde") for number in range(len(fates))])
    shm = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=shm if shm.is_dir() else None) as root:
        fleet = Fleet.create(Path(root), plan, {}, kill_at=kill_at, kill_before=before)
        for number, fate in enumerate(fates):
            fleet.devices[f"d{number}"] = FakeDevice(
                fate["habit"],
                versions={**versions, OLD: f"{fate['version']}.0", NEW: "50.0"},
                sick_on=fate["sick_on"],
            )
        for _unused in range(8):
            try:
                rollout = fleet.run()
            except Killed:
                continue
        for number, fate in enumerate(fates):
            device, state = fleet.devices[f"d{number}"], rollout.devices[f"d{number}"]
            way = expected_way(fate["version"], barriers)
            places = [OLD, *way]
            assert set(device.history) <= set(places), "it booted what is not on its way"
            steps = [places.index(after) - places.index(earlier) for earlier, after in _steps(device.history)]
            assert set(steps) <= {-1, 0, 1}, "it left a barrier out"
            assert set(device.asked_for) <= {*way, *places}
            assert (state.state is DeviceState.SUCCEEDED) is (state.hops == len(way) - 1 and device.booted == NEW)
            if state.state is DeviceState.SUCCEEDED:
                assert device.history == places, "a hop was made twice"
                assert state.previous_digest == OLD
            if fate["habit"] == "good" and not set(way).intersection(fate["sick_on"]):
                assert state.state is DeviceState.SUCCEEDED
            elif fate["habit"] == "good":
                (sick,) = fate["sick_on"]
                assert state.state is DeviceState.ROLLED_BACK
                assert device.booted == places[places.index(sick) - 1]
                assert state.hops == places.index(sick) - 1
                assert device.next_boot == "booted"
        assert rollout.phase in (RolloutPhase.COMPLETED, RolloutPhase.HELD, RolloutPhase.RUNNING)


def _steps(history: list[str]) -> list[tuple[str, str]]:
    return list(zip(history, history[1:], strict=False))
