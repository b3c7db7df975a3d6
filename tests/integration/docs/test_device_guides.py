# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The commands of the guides about devices, over simulated ones: each after what the page says happened before it.

What is changed is where things are: simulated devices, a registry on loopback, and what a reader has to fill in.
"""

from __future__ import annotations

import csv
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.desk import DOCS, Desk
from tests.guides import REPOSITORY, blocks, step
from tests.simulated_fleet import SimulatedFleet

pytestmark = [pytest.mark.integration, pytest.mark.exhaustive]

IMAGE = "registry.example.com/os/skorionos"
OLD, NEW = "1.0.0", "1.1.0"


class Fleet(Desk):
    """A desk with a registry and three simulated devices: deck-01, deck-02, and deck-03, which is a kiosk."""

    hosts = ("deck-01", "deck-02", "deck-03")

    def __init__(self, folder: Path, collections: Path) -> None:
        super().__init__(folder, collections)
        self.simulated_fleet = SimulatedFleet(folder, self.registry, collections)

    def prepare(self) -> None:
        self.type("python3 simulator registry --listen 127.0.0.1:5000 &")
        for host in self.hosts:
            self.simulated_fleet.add(host)
        # Of --become on a command line such variables are the stronger ones.
        hosts = {host: {**self.simulated(host), "bootc_variant": "kde", "bootc_ring": host} for host in self.hosts}
        self.write("fleet/hosts.yml", json.dumps({"fleet": {"hosts": hosts}, "kiosks": {"hosts": {"deck-03": {}}}}))

    def digest(self, version: str) -> str:
        return self.simulated_fleet.digest("kde", f"v{version}")

    def spec(self, name: str, rollout: str, canary: str = "deck-01", **more: Any) -> None:
        variant = {"name": "kde", "image": f"{self.registry}/skorionos/kde", "digest": self.digest(NEW), "version": NEW}
        document: dict[str, Any] = {
            "schema": 1,
            "id": rollout,
            "variants": [variant],
            "waves": [{"name": "canary", "count": 1, "select": {"bootc_ring": canary}, **more}],
            "wave_defaults": {"soak": "1s"},
            "verify": {"settle": "0s"},
            "registry": {"insecure": True},
        }
        self.write(name, json.dumps(document))

    def step(self, page: str, words: str, code: int = 0, *, after: str = "") -> None:
        """Type the command of a page that has these words, in a shell that had the command ``after`` typed before."""
        self.type(" && ".join(filter(None, [after, step(page, words)])), code)
        # The plan and the run say with which hash to approve.
        if approve := re.search(r"bootc_rollout_plan_hash=([0-9a-f]+)", self.said):
            self.words["3f2a9c51d0e4"] = approve[1]

    def booted(self, *hosts: str) -> list[str]:
        """Versions that these devices run, or all."""
        versions = {self.digest(version): version for version in (OLD, NEW)}
        return [versions[self.simulated_fleet.booted(host)] for host in hosts or self.hosts]

    def recorded(self, rollout: str) -> str:
        """Kind of the last event in a ledger."""
        return str(self.simulated_fleet.events(rollout)[-1]["kind"])

    def phase(self, rollout: str) -> str:
        return str(self.summary(rollout)["phase"])


@pytest.fixture
def fleet(tmp_path: Path, collections_path: Path) -> Iterator[Fleet]:
    made = Fleet(tmp_path, collections_path)
    try:
        made.prepare()
        yield made
    finally:
        made.end()


def test_a_release_goes_out_and_is_taken_back(fleet: Fleet) -> None:
    page = "operating.md"
    fleet.spec("release.yml", "skorion-1.1.0", approve="before")
    fleet.step("README.md", "bootc_rollout_spec=release.yml")
    assert fleet.booted() == [OLD, OLD, OLD]
    fleet.step(page, "the registry is being moved")
    assert fleet.recorded("skorion-1.1.0") == "paused"
    fleet.step("held.md", "deck-03 is mended")
    fleet.step(page, "canaries fine since Monday")
    fleet.step(page, "bootc_rollout_patience=8h")
    assert (fleet.phase("skorion-1.1.0"), fleet.booted()) == ("completed", [NEW, NEW, NEW])
    fleet.step(page, "rollout_explain")
    assert "deck-03" in fleet.said

    fleet.step(page, "games stutter")
    fleet.type("sed -i 's/soak: 10m/soak: 1s/' skorion-1.1.0-revert.yml")
    fleet.step(page, "rollout_plan ")
    fleet.step(page, "rollout -e bootc_rollout_spec=skorion-1.1.0-revert.yml")
    assert fleet.booted() == [NEW, NEW, NEW]
    fleet.step(page, "seen, go")
    fleet.step(page, "rollout -e bootc_rollout_spec=skorion-1.1.0-revert.yml")
    assert (fleet.phase("skorion-1.1.0-revert"), fleet.booted()) == ("completed", [OLD, OLD, OLD])


def test_an_urgent_release_takes_devices_over_and_is_watched(fleet: Fleet) -> None:
    fleet.spec("release.yml", "skorion-1.1.0", approve="before")
    show = step("operating.md", "export ANSIBLE_STDOUT_CALLBACK")
    fleet.step("operating.md", "bootc_rollout_spec=release.yml$", after=show)
    assert "TASK [" not in fleet.said
    fleet.spec("urgent.yml", "skorion-1.1.1")
    fleet.step("operating.md", "bootc_rollout_supersedes=skorion-1.1.0")
    assert fleet.recorded("skorion-1.1.0") == "superseded"
    assert (fleet.phase("skorion-1.1.1"), fleet.booted()) == ("completed", [NEW, NEW, NEW])


def test_a_rollout_is_held_goes_on_and_is_given_up(fleet: Fleet) -> None:
    page = "held.md"
    fleet.simulated_fleet.simulate("deck-03", "fault", "unhealthy", "sddm.service")
    fleet.spec("release.yml", "skorion-1.1.0", canary="deck-03")
    fleet.step("README.md", "bootc_rollout_spec=release.yml", code=2)
    assert fleet.phase("skorion-1.1.0") == "held"
    fleet.step(page, "rollout_explain")
    assert "deck-03" in fleet.said
    fleet.step(page, "-m skorionos.bootc.bootc_status")
    assert fleet.digest(OLD) in fleet.said
    fleet.step(page, "-m skorionos.bootc.device_health")
    assert '"healthy": false' in fleet.said
    assert "sddm.service" in fleet.said
    fleet.simulated_fleet.simulate("deck-03", "fault", "--clear", "--all")
    fleet.step(page, "disk was full")
    fleet.step(page, "deck-03 is mended")
    fleet.simulated_fleet.simulate("deck-02", "fault", "asleep")
    fleet.step("README.md", "bootc_rollout_spec=release.yml")
    assert (fleet.phase("skorion-1.1.0"), fleet.booted("deck-01", "deck-03")) == ("running", [NEW, NEW])
    fleet.step(page, "on holiday")
    fleet.step("README.md", "bootc_rollout_spec=release.yml")
    assert fleet.phase("skorion-1.1.0") == "completed"
    fleet.step(page, "no desktop after the update")
    assert (fleet.folder / "skorion-1.1.0-revert.yml").exists()


def test_one_device_is_taken_back_by_hand(fleet: Fleet) -> None:
    page = "recovery.md"
    # The path is one of the device, and the connection of simulated devices puts none in its place.
    (path,) = re.findall(r"path=(\S+)", step(page, "state=absent"))
    claim = fleet.folder / "devices" / "deck-03" / "root" / path.lstrip("/")
    fleet.words[path] = str(claim)
    fleet.words[f"{IMAGE}@sha256:..."] = f"{fleet.registry}/skorionos/kde@{fleet.digest(NEW)}"
    fleet.spec("release.yml", "skorion-1.1.0")
    fleet.step("README.md", "bootc_rollout_spec=release.yml")
    assert claim.exists()
    fleet.step(page, "state=absent")
    assert not claim.exists()
    fleet.step(page, "bootc_rollback")
    fleet.step(page, "bootc_apply")
    assert fleet.booted("deck-03") == [OLD]
    fleet.step(page, "bootc_switch")
    fleet.step(page, "bootc_apply")
    assert fleet.booted("deck-03") == [NEW]


def test_versions_are_kept_and_dropped(fleet: Fleet) -> None:
    page = "retention.md"
    fleet.spec("release.yml", "skorion-1.1.0")
    fleet.step("README.md", "bootc_rollout_spec=release.yml")
    fleet.step(page, "bootc.retention --check")
    fleet.step(page, "bootc.retention$")
    assert "3 devices looked after" in fleet.said
    fleet.step(page, "bootc_retention_pin")
    assert "1.0.0 (rollback, pinned)" in fleet.said
    assert "1 device looked after" in fleet.said
    fleet.step(page, "bootc_retention_delete")
    fleet.step(page, "bootc_deployments")


def test_the_fleet_at_a_glance(fleet: Fleet) -> None:
    page = "fleet.md"
    fleet.words |= {
        "reach: {user: admin, become: true}": "reach: {connection: skorionos.bootc.simulated, become: false}",
        "deck-[02:40]": "deck-[02:03]",
        "kiosk-[1:12]": "kiosk-[1:2]",
        "192.0.2.[11:22]": "192.0.2.[11:12]",
    }
    (file,) = [block for block in blocks(DOCS / page) if block.file]
    fleet.write(str(file.file), file.text)
    anywhere = {
        "bootc_simulated_dir": f"{fleet.folder}/devices/{{{{ inventory_hostname }}}}",
        "ansible_python_interpreter": sys.executable,
    }
    fleet.write("fleet/group_vars/all.yml", json.dumps(anywhere))
    fleet.simulated_fleet.add("kiosk-1")
    fleet.simulated_fleet.add("kiosk-2", faults=["asleep"])
    fleet.spec("release.yml", "skorion-1.1.0")
    fleet.step("README.md", "bootc_rollout_spec=release.yml")

    fleet.step(page, "--graph")
    assert "@variant_gnome" in fleet.said
    fleet.step(page, "bootc_rollout_ledger=rollouts$")
    assert "kiosk-2" in fleet.said
    fleet.step(page, "bootc_status_format=csv")
    with (fleet.folder / "fleet.csv").open(encoding="utf-8", newline="") as file_of_all:
        assert {row["host"] for row in csv.DictReader(file_of_all)} == {*fleet.hosts, "kiosk-1", "kiosk-2"}
    fleet.step(page, "bootc_status_page=fleet.html")
    assert (fleet.folder / "fleet.html").read_text(encoding="utf-8").startswith("<!")
    fleet.step(page, "bootc_unreachable")
    assert "kiosk-2" in fleet.said
    assert "kiosk-1" not in fleet.said


def test_the_collection_is_upgraded_and_the_past_is_looked_at(fleet: Fleet) -> None:
    fleet.words["/safe"] = str(fleet.folder / "safe")
    fleet.spec("release.yml", "skorion-1.1.0", approve="before")
    fleet.step("README.md", "bootc_rollout_spec=release.yml")
    fleet.step("operating.md", "canaries fine since Monday")
    fleet.step("upgrading.md", "rollout_audit")
    fleet.step("upgrading.md", "collection list")
    fleet.step("upgrading.md", "bootc.status")
    assert "3 devices" in fleet.said
    fleet.step("upgrading.md", "--check")
    fleet.type("cp release.yml v1.2.0.yml")
    fleet.step("ci.md", "bootc_rollout_spec=v1.2.0.yml --check")
    assert fleet.booted() == [OLD, OLD, OLD]
    fleet.step("README.md", "bootc_rollout_spec=release.yml")

    fleet.step("audit.md", "bootc_rollout_ledger=rollouts$")
    assert "1 ledger, all intact" in fleet.said
    fleet.step("audit.md", "bootc_audit_devices=deck-03")
    assert "deck-03" in fleet.said
    fleet.step("audit.md", "bootc_rollout_ledger=rollouts$")
    fleet.type("mkdir safe && cp audit/audit.jsonl safe")
    fleet.step("audit.md", "bootc_audit_witness=")
    fleet.step("audit.md", "jq ")
    assert fleet.said.split("\t")[1:3] == ["skorion-1.1.0", "canary"]


def test_the_plan_of_a_rollout(fleet: Fleet) -> None:
    page = "rollout-plan.md"
    fleet.words |= {"INVENTORY": "fleet/hosts.yml", "FILE": "kde-1.1.0.yml"}
    fleet.spec("kde-1.1.0.yml", "kde-1.1.0")
    fleet.step(page, "rollout_plan ")
    assert fleet.booted() == [OLD, OLD, OLD]
    fleet.step(page, "jq ")
    assert [line.split("\t")[:3] for line in fleet.said.splitlines()] == [
        ["canary", "deck-01", "update"],
        ["rest", "deck-02", "update"],
        ["rest", "deck-03", "update"],
    ]


def test_the_example_is_rehearsed(tmp_path: Path, collections_path: Path) -> None:
    page = "rehearsal.md"
    desk = Fleet(tmp_path, collections_path)
    # Approvals are wanted as in the spec; that of the example wants none.
    example = tmp_path / "inventory"
    (example / "example-release").mkdir(parents=True)
    for name in ("example", "rehearsal.yml"):
        (example / name).symlink_to(REPOSITORY / "inventory" / name)
    spec = (REPOSITORY / "inventory" / "example-release" / "rollout.yml").read_text(encoding="utf-8")
    (example / "example-release" / "rollout.yml").write_text(
        spec.replace("{name: half, ", "{name: half, approve: before, "), encoding="utf-8"
    )
    desk.step(page, "inventory/example-release/rollout.yml")
    assert "approve" in desk.said
    desk.words |= {"HASH": desk.words["3f2a9c51d0e4"], "WAVE": "half"}
    desk.step(page, "looks well")
    desk.type(f"{step(page, 'inventory/example-release/rollout.yml')} -e bootc_rehearsal_go_on=true")
    summary = json.loads(
        next((tmp_path / ".rehearsal" / "rollouts").glob("*/summary.json")).read_text(encoding="utf-8")
    )
    assert summary["phase"] == "completed", desk.said
