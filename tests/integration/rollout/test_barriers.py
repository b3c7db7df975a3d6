# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Devices that have to boot one release on their way to another, with the real playbooks over simulated devices."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.simulated_fleet import SIMULATOR, SimulatedFleet, registry

pytestmark = pytest.mark.integration
ID = "to-v1.2.0"


@pytest.fixture
def mended(tmp_path: Path, collections_path: Path) -> Iterator[SimulatedFleet]:
    """A fleet whose registry has a v1.2.0 that is good."""
    catalogue = json.loads((SIMULATOR / "catalogue" / "skorionos.json").read_text(encoding="utf-8"))
    for image in catalogue["images"]:
        image["labels"] = {key: value for key, value in image["labels"].items() if "simulator" not in key}
    path = tmp_path / "catalogue.json"
    path.write_text(json.dumps(catalogue), encoding="utf-8")
    with registry(tmp_path, path) as address:
        yield SimulatedFleet(tmp_path, address, collections_path)


def through_the_first_release(fleet: SimulatedFleet) -> Path:
    """A spec to v1.2.0 by which whoever is older than v1.1.0 has to boot that first."""
    barrier = {
        "digest": fleet.digest("kde", "v1.1.0"),
        "version": "1.1.0",
        "below": "1.1.0",
        "reason": "it converts the settings",
    }
    variant = {
        "name": "kde",
        "image": f"{fleet.registry}/skorionos/kde",
        "digest": fleet.digest("kde", "v1.2.0"),
        "version": "1.2.0",
        "barriers": [barrier],
    }
    return fleet.spec("v1.2.0", variants=[variant], waves=[])


@pytest.mark.exhaustive
def test_devices_go_through_a_barrier_also_when_the_run_is_killed_on_the_way(mended: SimulatedFleet) -> None:
    mended.add("kde-1", "kde", "--backend", "composefs")
    mended.add("kde-2", "kde", "--backend", "ostree")
    spec = through_the_first_release(mended)
    assert mended.run("rollout_plan", bootc_rollout_spec=str(spec)).rc == 0
    planned = json.loads((mended.root / "rollouts" / f"{ID}.plan.json").read_text(encoding="utf-8"))
    for device in planned["waves"][0]["devices"]:
        assert "It is older than 1.1.0 and has to boot 1.1.0 first (it converts the settings)." in device["notes"]

    process = mended.start_roll_out(spec)
    try:
        deadline = time.monotonic() + 240
        while not any(event["kind"] == "hop_passed" for event in mended.events(ID)):
            assert process.poll() is None, process.stdout.read() if process.stdout else ""
            assert time.monotonic() < deadline, "no device passed the barrier"
            time.sleep(0.02)
    finally:
        os.kill(process.pid, signal.SIGKILL)
        process.wait(timeout=60)
    run = mended.roll_out(spec)

    assert run.rc == 0, run.output
    assert mended.states(ID) == {"kde-1": "succeeded", "kde-2": "succeeded"}
    passed = [event["host"] for event in mended.events(ID) if event["kind"] == "hop_passed"]
    assert sorted(passed) == ["kde-1", "kde-2"]
    for host in mended.hosts:
        assert (mended.booted(host), mended.boots(host)) == (mended.digest("kde", "v1.2.0"), 3)
    summary = mended.summary(ID)
    assert {(device["hops"], device["previous_version"]) for device in summary["devices"]} == {(1, "1.0.0")}


@pytest.mark.exhaustive
def test_a_device_that_fails_after_its_barrier_goes_back_to_that(fleet: SimulatedFleet) -> None:
    fleet.add("kde-1")
    run = fleet.roll_out(through_the_first_release(fleet))
    assert run.rc == 2
    assert fleet.states(ID) == {"kde-1": "rolled_back"}
    assert (fleet.booted("kde-1"), fleet.boots("kde-1")) == (fleet.digest("kde", "v1.1.0"), 4)
