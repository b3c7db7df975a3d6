# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bad input: one clear error with cause and remedy, nothing touched, nothing lost."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.simulated_fleet import SimulatedFleet

pytestmark = pytest.mark.integration

VARIANT = {"name": "kde", "image": "registry.example/os", "digest": "sha256:" + "0" * 64}


@pytest.fixture
def small_fleet(fleet: SimulatedFleet) -> Iterator[SimulatedFleet]:
    """Two devices of which none may have changed in the end."""
    fleet.add("kde-1")
    fleet.add("kde-2")
    before = {host: fleet.device(host)["deployments"] for host in fleet.hosts}
    yield fleet
    assert {host: fleet.device(host)["deployments"] for host in fleet.hosts} == before
    assert [fleet.boots(host) for host in fleet.hosts] == [1, 1]


@pytest.mark.parametrize(
    ("changes", "cause", "remedy"),
    [
        ({"wave": []}, "unknown key 'wave'. Did you mean 'waves'?", "Known keys there:"),
        ({"waves": [{"name": "a", "percnt": 5}]}, "waves[0]: unknown key 'percnt'. Did you mean 'percent'?", "Known"),
        ({"variants": [{"name": "kde", "image": "r/os"}]}, "variants[0]: the key 'digest' is missing", "release file"),
        ({"waves": [{"name": "a", "percent": 101}]}, "waves[0].percent: 101 is more than 100", "from 1 to 100"),
        ({"selection": {"hosts": "nobody"}}, "No host of the inventory matches selection.hosts 'nobody'", "-i"),
        (
            {"variants": [{**VARIANT, "name": "xfce"}]},
            "None of the 2 matching hosts runs a variant of this rollout (they run kde)",
            "correct bootc_variant",
        ),
        (
            {"variants": [{**VARIANT, "image": "127.0.0.1:9/os"}]},
            "Variant kde: ",
            "nothing was sent to any device",
        ),
    ],
)
def test_a_wrong_spec_is_refused(small_fleet: SimulatedFleet, changes: dict[str, Any], cause: str, remedy: str) -> None:
    run = small_fleet.roll_out(small_fleet.spec("v1.1.0", **changes))
    assert run.rc == 2, run.output
    assert cause in run.sentence()
    assert remedy in run.sentence()
    assert "Traceback" not in run.output
    assert small_fleet.events("to-v1.1.0") == []


def test_an_image_that_does_not_exist_is_refused(small_fleet: SimulatedFleet) -> None:
    variant = {**VARIANT, "image": f"{small_fleet.registry}/skorionos/kde"}
    run = small_fleet.roll_out(small_fleet.spec("v1.1.0", variants=[variant]))
    assert run.rc == 2
    assert "nothing was sent to any device" in run.sentence()
    assert small_fleet.events("to-v1.1.0") == []


def test_a_missing_spec_is_refused(small_fleet: SimulatedFleet) -> None:
    assert "No rollout spec is given" in small_fleet.run("rollout").sentence()
    assert "Cannot read the rollout spec" in small_fleet.run("rollout", bootc_rollout_spec="absent.yml").sentence()


def test_a_host_without_a_variant_is_refused(small_fleet: SimulatedFleet) -> None:
    spec = small_fleet.spec("v1.1.0")
    inventory = small_fleet.root / "extra.yml"
    inventory.write_text("all: {hosts: {mystery: {ansible_connection: local}}}\n", encoding="utf-8")
    run = small_fleet.roll_out(spec, "-i", str(inventory))
    assert run.rc == 2
    assert "mystery has no variable bootc_variant" in run.sentence()


@pytest.mark.parametrize(
    ("inventory", "cause"),
    [
        ("all: {hosts: {'kde:a1': {bootc_variant: kde}}}", "The host name 'kde:a1' reads as a pattern"),
        ("all: {children: {kde-1: {hosts: {kde-2: }}}}", "'kde-1' reads as a pattern or is the name of a group"),
        ("all: {hosts: {kde-1: {bootc_variant: '{{ nobody }}'}}}", "A variable of the host kde-1 cannot be read"),
    ],
    ids=["colon", "group", "variable"],
)
def test_a_host_that_cannot_be_told_apart_is_refused(small_fleet: SimulatedFleet, inventory: str, cause: str) -> None:
    odd = small_fleet.root / "odd.yml"
    odd.write_text(inventory + "\n")
    run = small_fleet.roll_out(small_fleet.spec("v1.1.0"), "-i", str(odd))
    assert run.rc == 2
    assert cause in run.sentence()
    assert small_fleet.events("to-v1.1.0") == []


def test_an_unwritable_ledger_is_refused(small_fleet: SimulatedFleet) -> None:
    blocker = small_fleet.root / "file"
    blocker.write_text("", encoding="utf-8")
    run = small_fleet.roll_out(small_fleet.spec("v1.1.0"), bootc_rollout_ledger=str(blocker / "rollouts"))
    assert run.rc == 2
    assert "Cannot write the ledger" in run.sentence()
    assert "bootc_rollout_ledger" in run.sentence()


def test_a_limit_is_refused(small_fleet: SimulatedFleet) -> None:
    run = small_fleet.roll_out(small_fleet.spec("v1.1.0"), "--limit", "kde-1")
    assert run.rc == 2, run.output
    assert "Run it without --limit" in run.sentence()
    assert small_fleet.events("to-v1.1.0") == []


def test_a_demo_on_folders_that_are_not_its_own_is_refused(small_fleet: SimulatedFleet) -> None:
    inventory = small_fleet.root / "mine.yml"
    inventory.write_text(
        "plugin: skorionos.bootc.simulated_fleet\n"
        f"directory: {small_fleet.root}/devices\n"
        "devices: [{variant: kde, prefix: kde, count: 1}]\n",
        encoding="utf-8",
    )
    run = small_fleet.run("demo", "-i", str(inventory))
    assert run.rc == 2, run.output
    assert "are not kept below .demo/devices" in run.sentence()


def test_a_changed_spec_under_an_old_id_is_refused(fleet: SimulatedFleet) -> None:
    fleet.add("kde-1")
    assert fleet.roll_out(fleet.spec("v1.1.0")).rc == 0
    run = fleet.roll_out(fleet.spec("v1.2.0", id="to-v1.1.0"))
    assert run.rc == 2
    assert "was planned from another spec" in run.sentence()
    assert fleet.booted("kde-1") == fleet.digest("kde", "v1.1.0")


def test_two_rollouts_at_once_over_the_same_devices_are_refused(fleet: SimulatedFleet) -> None:
    fleet.add("kde-1", faults=["slow-pull 60"])
    first, other = fleet.spec("v1.1.0"), fleet.spec("v1.2.0")
    with _running(fleet, first):
        rival = fleet.roll_out(other)
        same = fleet.roll_out(first)
    assert rival.rc == same.rc == 2
    assert "The rollout to-v1.1.0 is being run right now" in rival.sentence()
    assert "Wait for that run to end" in rival.sentence()
    assert fleet.events("to-v1.2.0") == []
    assert "This rollout is already being run by" in same.sentence()


@pytest.mark.exhaustive
def test_an_unfinished_rollout_is_taken_over_only_when_asked(fleet: SimulatedFleet) -> None:
    fleet.add("kde-1")
    fleet.add("kde-2")
    assert fleet.roll_out(fleet.spec("v1.2.0")).rc == 2  # held at its canary
    refused = fleet.roll_out(fleet.spec("v1.1.0"))
    assert refused.rc == 2
    assert "`supersedes: [to-v1.2.0]`" in refused.sentence()
    asked = fleet.roll_out(fleet.spec("v1.1.0", supersedes=["to-v1.2.0"]))
    assert asked.rc == 0, asked.output
    assert {fleet.booted(host) for host in fleet.hosts} == {fleet.digest("kde", "v1.1.0")}
    late = fleet.roll_out(fleet.spec("v1.2.0"))
    assert "superseded" in late.output
    assert {fleet.booted(host) for host in fleet.hosts} == {fleet.digest("kde", "v1.1.0")}


@contextlib.contextmanager
def _running(fleet: SimulatedFleet, spec: Any) -> Iterator[None]:
    """A rollout that is staging its device meanwhile; killed in the end."""
    process: subprocess.Popen[str] = fleet.start_roll_out(spec)
    try:
        deadline = time.monotonic() + 60
        while not any(event["kind"] == "staging" for event in fleet.events("to-v1.1.0")):
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
        yield
    finally:
        os.kill(process.pid, signal.SIGKILL)
        process.wait(timeout=60)
