# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The retention playbook, and with it the role device_retention, over devices of every kind."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from tests.integration.device.test_deployments import Deck, address, catalogue
from tests.simulated_fleet import SimulatedFleet

__all__ = ["address", "catalogue"]

pytestmark = pytest.mark.integration


@pytest.fixture
def fleet(tmp_path: Path, address: str, collections_path: Path) -> SimulatedFleet:
    """A device of each backend after two updates, one that sleeps, and a host without bootc."""
    fleet = SimulatedFleet(tmp_path, address, collections_path)
    for name, create in (("ostree", ()), ("composefs", ("--backend", "composefs")), ("sleeper", ())):
        deck = Deck(fleet, *create, name=name)
        for release in ("v2", "v3") if name != "sleeper" else ():
            deck.update(release)
    Deck(fleet, "--no-bootc", name="plain")
    fleet.simulate("sleeper", "fault", "asleep")
    return fleet


def versions(fleet: SimulatedFleet, host: str) -> list[tuple[str, bool]]:
    deployments = fleet.device(host)["deployments"]
    return [(entry["image"]["labels"]["org.opencontainers.image.version"], entry["pinned"]) for entry in deployments]


@pytest.mark.exhaustive
def test_a_fleet_keeps_what_its_policy_says(fleet: SimulatedFleet) -> None:
    predicted = fleet.run("retention", "--check")
    assert "ostree: would keep v3 (booted, pinned), v2 (rollback, pinned)" in predicted.sentence(), predicted.output
    assert versions(fleet, "ostree") == [("v3", False), ("v2", False)]

    first = fleet.run("retention", bootc_retention_collect="always")
    said = first.sentence()
    assert first.rc == 2, first.output
    assert "ostree: keeps v3 (booted, pinned), v2 (rollback, pinned); 250 MB freed" in said
    assert "composefs: keeps v3 (booted), v2 (rollback); 250 MB freed" in said
    assert "2 devices looked after, 2 changed, 0 deployments removed, 0.5 GB freed." in said
    assert "Left alone, as they do not run bootc: plain." in said
    assert "1 in trouble" in said
    assert "sleeper: no answer" in said
    assert versions(fleet, "ostree") == [("v3", True), ("v2", True)]

    fleet.simulate("sleeper", "fault", "--clear", "asleep")
    everyone = "localhost,ostree,composefs,plain"
    second = fleet.run(
        "retention", "--limit", everyone, bootc_retention_collect="always", bootc_retention_delete=["v0"]
    )
    assert second.rc == 0, second.output
    assert {host: counts["changed"] for host, counts in second.recap().items()} == dict.fromkeys(
        ("localhost", "ostree", "composefs", "plain"), 0
    )


def test_a_policy_that_a_device_cannot_follow_is_named(fleet: SimulatedFleet) -> None:
    limit = "localhost,ostree,composefs"
    run = fleet.run("retention", "--limit", limit, bootc_retention_keep=3, bootc_retention_pin=["v3"])
    said = run.sentence()
    assert run.rc == 2, run.output
    assert "composefs: A host with the composefs backend keeps the booted and the rollback deployment, not 3." in said
    assert versions(fleet, "ostree") == [("v3", True), ("v2", True)]


def test_the_report_changes_nothing(fleet: SimulatedFleet) -> None:
    task = {
        "name": "Tell",
        "ansible.builtin.include_role": {"name": "skorionos.bootc.device_retention", "tasks_from": "report"},
    }
    told = {
        "name": "Check what it leaves",
        "ansible.builtin.assert": {
            "that": [
                "device_retention_result.changed",
                "device_retention_result.removed | map(attribute='version') == ['v2']",
                "device_retention_result.freed_bytes is none",
            ]
        },
    }
    play = {"name": "Report", "hosts": "ostree", "gather_facts": False, "tasks": [task, told]}
    (fleet.root / "report.yml").write_text(yaml.safe_dump([play]), encoding="utf-8")
    run = fleet.run(str(fleet.root / "report"), device_retention_delete=["v2"], device_retention_allow_no_rollback=True)
    assert run.rc == 0, run.output
    assert "ostree: would keep v3 (booted, pinned); without v2" in run.sentence()
    assert (run.recap()["ostree"]["changed"], versions(fleet, "ostree")) == (0, [("v3", False), ("v2", False)])
