# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role device_timers over the simulated connection, against a systemctl that keeps its links as systemd does."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.role_bench import Played, RoleBench
from tests.simulated_fleet import registry

pytestmark = pytest.mark.integration

OWN = "[Timer]\nOnBootSec=1h\n[Install]\nWantedBy=timers.target\n"
TOLD = (
    "show", "--property=Id", "--property=LoadState", "--property=ActiveState", "--property=UnitFileState",
    "bootc-fetch-apply-updates.timer", "bootc-fetch-apply-updates.service", "own.timer", "uupd.timer",
)  # fmt: skip
MEMORY = "var/lib/skorionos.bootc/updaters.json"


@pytest.fixture
def bench(tmp_path: Path, collections_path: Path) -> Iterator[RoleBench]:
    with registry(tmp_path) as address:
        made = RoleBench(tmp_path, address, collections_path)
        for backend in ("ostree", "composefs"):
            made.add(backend, "--backend", backend)
            path = tmp_path / backend / "root/etc/systemd/system/own.timer"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(OWN)
            made.systemctl(backend, "enable", "--now", "bootc-fetch-apply-updates.timer", "own.timer")
        yield made


def take(bench: RoleBench, state: str, *arguments: str, **variables: object) -> Played:
    tasks = [
        {
            "name": "Run the role",
            "ansible.builtin.include_role": {"name": "skorionos.bootc.device_timers"},
            "vars": {"device_timers_state": state, "device_timers_units": ["own.timer"]},
        }
    ]
    return bench.play(tasks, "device_timers_result", *arguments, **variables)


def test_what_was_there_comes_back_exactly(bench: RoleBench) -> None:
    before = {name: bench.systemctl(name, *TOLD) for name in bench.hosts}
    predicted = take(bench, "controlled", "--check")
    assert predicted.rc == 0, predicted.output
    assert predicted.changed
    assert {name: bench.systemctl(name, *TOLD) for name in bench.hosts} == before, "check mode touched the device"
    taken = take(bench, "controlled")
    assert taken.facts == predicted.facts
    for name in bench.hosts:
        assert bench.systemctl(name, "show", "--property=LoadState", "bootc-fetch-apply-updates.timer").split() == [
            "LoadState=masked"
        ]
        assert "UnitFileState=disabled" in bench.systemctl(name, "show", "own.timer").splitlines()
        assert bench.systemctl(name, "list-units", "--state=failed", "--plain", "--no-legend") == ""
        assert set(taken.facts[name]["controlled"]) == {
            "bootc-fetch-apply-updates.timer",
            "bootc-fetch-apply-updates.service",
            "own.timer",
        }
    assert not take(bench, "controlled").changed
    released = take(bench, "released")
    assert released.rc == 0, released.output
    assert released.changed
    assert {name: bench.systemctl(name, *TOLD) for name in bench.hosts} == before
    assert not (bench.root / "ostree" / "root" / MEMORY).exists()
    assert not take(bench, "released").changed


def test_what_was_masked_before_stays_masked(bench: RoleBench) -> None:
    bench.systemctl("ostree", "stop", "bootc-fetch-apply-updates.timer")
    bench.systemctl("ostree", "mask", "bootc-fetch-apply-updates.timer")
    for state in ("controlled", "released"):
        assert take(bench, state, "--limit", "ostree").rc == 0
    told = bench.systemctl("ostree", *TOLD).split("\n\n")
    assert "UnitFileState=masked" in told[0]
    assert "UnitFileState=static" in told[1]


def test_a_service_at_work_is_left_alone_unless_told(bench: RoleBench) -> None:
    bench.systemctl("ostree", "start", "bootc-fetch-apply-updates.service")
    taken = take(bench, "controlled", "--limit", "ostree")
    assert taken.facts["ostree"]["running"] == ["bootc-fetch-apply-updates.service"]
    assert "is at work" in taken.facts["ostree"]["notes"][0]
    assert bench.systemctl("ostree", "show", "--property=ActiveState", "bootc-fetch-apply-updates.service") == (
        "ActiveState=active\n"
    )
    stopped = take(bench, "controlled", "--limit", "ostree", device_timers_stop_running=True)
    assert stopped.facts["ostree"]["running"] == []
    take(bench, "released", "--limit", "ostree")
    state = bench.systemctl("ostree", "show", "--property=ActiveState", "bootc-fetch-apply-updates.service")
    assert state == "ActiveState=inactive\n", "giving it back must not start an update"


def test_an_image_without_the_unit_is_no_reason_to_fail(bench: RoleBench) -> None:
    memory = bench.root / "ostree" / "root" / MEMORY
    take(bench, "controlled", "--limit", "ostree")
    document = json.loads(memory.read_text())
    document["units"]["gone.timer"] = {"file_state": "enabled", "active": True, "method": "mask", "boot_id": None}
    memory.write_text(json.dumps(document))
    bench.systemctl("ostree", "mask", "gone.timer")
    released = take(bench, "released", "--limit", "ostree")
    assert released.rc == 0, released.output
    assert not memory.exists()


def test_a_memory_that_makes_no_sense_is_not_guessed_at(bench: RoleBench) -> None:
    memory = bench.root / "ostree" / "root" / MEMORY
    memory.parent.mkdir(parents=True, exist_ok=True)
    memory.write_text("{}")
    before = bench.systemctl("ostree", *TOLD)
    for state in ("controlled", "released"):
        failed = take(bench, state, "--limit", "ostree")
        assert failed.rc == 2
        assert "cannot be read" in failed.output
    assert bench.systemctl("ostree", *TOLD) == before
