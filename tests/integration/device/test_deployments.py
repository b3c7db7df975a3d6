# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""bootc_deployments as a task on simulated devices of both backends, over releases that come one after the other."""

from __future__ import annotations

import fcntl
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.simulated_fleet import SimulatedFleet, registry

pytestmark = pytest.mark.integration

RELEASES = ("v1", "v2", "v3", "v4", "v5")
OWN_BYTES = 250_000_000
"""Size of the layer that only one release has."""


def catalogue(path: Path) -> Path:
    labels = {"containers.bootc": "1", "ostree.bootable": "1"}
    data = {
        "schema": 1,
        "labels": labels,
        "layers": {"base": 1_000_000_000, **{f"layer {name}": OWN_BYTES for name in RELEASES}},
        "images": [
            {
                "repository": "os/deck",
                "tags": [name],
                "created": f"2026-08-0{number}T04:10:00Z",
                "labels": {"org.opencontainers.image.version": name},
                "annotations": {"org.opencontainers.image.version": name},
                "layers": ["base", f"layer {name}"],
            }
            for number, name in enumerate(RELEASES, 1)
        ],
    }
    path.write_text(json.dumps(data), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("registry")
    with registry(folder, catalogue(folder / "catalogue.json")) as listening:
        yield listening


class Deck:
    """One device, and the module as a task on it."""

    def __init__(self, fleet: SimulatedFleet, *create: str, name: str = "deck") -> None:
        self.name = name
        self.fleet = fleet
        self.directory = fleet.root / "devices" / self.name
        self.simulate("create", "--image", self.image("v1"), "--boot-seconds", "0.1", *create)
        fleet.hosts[self.name] = "deck"

    def image(self, release: str) -> str:
        return f"{self.fleet.registry}/os/deck:{release}"

    def simulate(self, *arguments: str) -> str:
        return self.fleet.simulate(self.name, *arguments)

    def stage(self, release: str) -> None:
        self.simulate("bootc", "switch", "--quiet", self.image(release))

    def update(self, release: str) -> None:
        self.stage(release)
        self.reboot()

    def reboot(self) -> None:
        self.simulate("reboot")
        self.fleet.wait_for_boot(self.name)

    def retain(self, *arguments: str, **options: Any) -> dict[str, Any]:
        """Run the module as a task; returns its result."""
        kept = self.fleet.root / "result.json"
        tasks = [
            {
                "name": "Retain",
                "skorionos.bootc.bootc_deployments": options,
                "register": "result",
                "ignore_errors": True,
            },
            {
                "name": "Keep the result",
                "ansible.builtin.copy": {"content": "{{ result | to_json }}", "dest": str(kept)},
                "check_mode": False,
                "delegate_to": "localhost",
                "vars": {"ansible_connection": "local"},
            },
        ]
        play = self.fleet.root / "play.yml"
        play.write_text(yaml.safe_dump([{"hosts": "all", "gather_facts": False, "tasks": tasks}]), encoding="utf-8")
        kept.unlink(missing_ok=True)
        run = self.fleet.run(str(play.with_suffix("")), *arguments)
        assert kept.exists(), run.output
        return dict(json.loads(kept.read_text(encoding="utf-8")))

    def versions(self) -> list[str]:
        """Versions of all deployments as the device itself tells them, in the order of the boot menu."""
        state = self.fleet.device(self.name)
        staged = [] if state["staged"] is None else [state["staged"]]
        return [_version(entry) for entry in [*staged, *state["deployments"]]]

    def pinned(self) -> list[str]:
        deployments = self.fleet.device(self.name)["deployments"]
        return [_version(entry) for entry in deployments if entry["pinned"]]


def _version(entry: dict[str, Any]) -> str:
    return str(entry["image"]["labels"]["org.opencontainers.image.version"])


@pytest.fixture
def fleet(tmp_path: Path, address: str, collections_path: Path) -> SimulatedFleet:
    return SimulatedFleet(tmp_path, address, collections_path)


@pytest.fixture
def deck(fleet: SimulatedFleet) -> Deck:
    return Deck(fleet)


@pytest.fixture
def composefs(fleet: SimulatedFleet) -> Deck:
    return Deck(fleet, "--backend", "composefs")


def by_version(result: dict[str, Any], key: str = "deployments") -> dict[str, tuple[str, str | None]]:
    """Slot and who pinned, by version."""
    return {entry["version"]: (entry["slot"], entry["pinned_by"]) for entry in result[key]}


@pytest.mark.exhaustive
def test_three_stay_bootable_over_four_releases(deck: Deck) -> None:
    for release in ("v2", "v3"):
        deck.update(release)
        assert deck.retain(keep=3)["changed"] is True
    deck.update("v4")
    predicted = deck.retain("--check", "--diff", keep=3)
    done = deck.retain(keep=3)
    assert "reason" not in done, done
    assert (predicted["changed"], done["changed"]) == (True, True)
    assert predicted["commands"] == done["commands"]
    assert predicted["deployments"] == done["deployments"]
    assert predicted["bootc"] == done["bootc"]
    assert deck.retain(keep=3)["changed"] is False
    assert deck.versions() == ["v4", "v3", "v2"]
    assert by_version(done) == {"v4": ("booted", "keep"), "v3": ("rollback", "keep"), "v2": ("other", "keep")}
    assert done["commands"] == [
        ["ostree", "admin", "pin", "0"],
        ["ostree", "admin", "undeploy", "3"],
        ["bootc", "internals", "cleanup"],
    ]
    assert done["freed_bytes"] == OWN_BYTES
    before, after = predicted["diff"]["before"], predicted["diff"]["after"]
    assert (len(before), len(after)) == (4, 3)


@pytest.mark.exhaustive
def test_a_pin_that_a_person_set_survives_and_takes_no_place(deck: Deck) -> None:
    deck.simulate("ostree", "admin", "pin", "booted")
    for release in ("v2", "v3", "v4", "v5"):
        deck.update(release)
        result = deck.retain(keep=3)
    assert by_version(result) == {
        "v5": ("booted", "keep"),
        "v4": ("rollback", "keep"),
        "v3": ("other", "keep"),
        "v1": ("other", "hand"),
    }
    back_to_two = deck.retain(keep=2)
    assert (back_to_two["changed"], deck.versions(), deck.pinned()) == (True, ["v5", "v4", "v1"], ["v1"])
    told = deck.retain(unpin=["v1"], keep=2)
    assert (told["changed"], deck.versions()) == (True, ["v5", "v4"])
    assert deck.retain(unpin=["v1"], keep=2)["changed"] is False


@pytest.mark.exhaustive
def test_numbers_shift_with_a_staged_deployment_and_the_right_one_goes(deck: Deck) -> None:
    for release in ("v2", "v3"):
        deck.update(release)
        deck.retain(keep=3)
    deck.stage("v4")
    result = deck.retain(delete=["v1"])
    assert result["commands"][0] == ["ostree", "admin", "undeploy", "3"]
    assert deck.versions() == ["v4", "v3", "v2"]
    assert deck.retain(delete=["v1"])["changed"] is False
    strict = deck.retain(delete=["v1"], strict=True)
    assert (strict["failed"], strict["reason"]) == (True, "not_found")
    assert deck.retain(keep=3)["changed"] is False
    deck.reboot()
    assert deck.retain(keep=3)["changed"] is True
    assert deck.versions() == ["v4", "v3", "v2"]


@pytest.mark.exhaustive
def test_what_a_request_pinned_stays_until_it_is_named(deck: Deck) -> None:
    assert deck.retain(pin=["v1"])["changed"] is True
    assert deck.retain(pin=["v1"])["changed"] is False
    for release in ("v2", "v3", "v4"):
        deck.update(release)
        result = deck.retain(keep=2)
    assert by_version(result)["v1"] == ("other", "request")
    both = deck.retain(pin=["v1"], delete=["v1"])
    assert (both["failed"], both["reason"]) == (True, "invalid")
    assert deck.retain(delete=["v1"], keep=2)["changed"] is True
    assert deck.versions() == ["v4", "v3"]


def test_what_is_needed_is_not_deleted(deck: Deck) -> None:
    deck.update("v2")
    deck.stage("v3")
    for name, reason in (("v2", "invalid"), ("v3", "invalid"), ("v1", "no_rollback")):
        result = deck.retain(delete=[name])
        assert (result["failed"], result["reason"]) == (True, reason), result
    assert deck.retain(pin=["v9"])["reason"] == "not_found"
    assert deck.retain(keep=1)["reason"] == "invalid"
    assert deck.versions() == ["v3", "v2", "v1"]
    assert deck.retain(keep=1, allow_no_rollback=True)["changed"] is True
    assert deck.versions() == ["v3", "v2"]


def test_garbage_is_a_change_only_where_there_is_some(deck: Deck) -> None:
    for release in ("v2", "v3"):
        deck.update(release)
    freed = deck.retain(collect_garbage=True)
    assert (freed["changed"], freed["freed_bytes"]) == (True, OWN_BYTES)
    again = deck.retain(collect_garbage=True)
    assert (again["changed"], again["freed_bytes"]) == (False, 0)


def test_somebody_else_at_work_is_busy(deck: Deck) -> None:
    lock = deck.directory / "root/run/skorionos.bootc.lock"
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("w", encoding="utf-8") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        result = deck.retain(keep=3, timeout=1)
        assert (result["failed"], result["reason"]) == (True, "busy")
    assert deck.pinned() == []


def test_composefs_keeps_two(composefs: Deck) -> None:
    for release in ("v2", "v3"):
        composefs.update(release)
    refused = composefs.retain(keep=3)
    assert (refused["failed"], refused["reason"]) == (True, "incompatible")
    assert "keep=2" in refused["msg"]
    assert composefs.retain(pin=["v3"])["reason"] == "incompatible"
    kept = composefs.retain(keep=2)
    assert (kept["changed"], kept["commands"], composefs.versions()) == (False, [], ["v3", "v2"])


def test_composefs_frees_what_fell_off_and_predicts_it(composefs: Deck) -> None:
    for release in ("v2", "v3"):
        composefs.update(release)
    predicted = composefs.retain("--check", keep=2, collect_garbage=True)
    done = composefs.retain(keep=2, collect_garbage=True)
    assert (predicted["changed"], done["changed"]) == (True, True)
    assert predicted["commands"] == done["commands"] == [["bootc", "internals", "composefs-gc", "--prune-repo"]]
    assert done["freed_bytes"] == OWN_BYTES
    again = composefs.retain(keep=2, collect_garbage=True)
    assert (again["changed"], again["commands"]) == (False, [])


def test_composefs_deletes_the_rollback_only_when_that_is_allowed(composefs: Deck) -> None:
    composefs.update("v2")
    for options in ({"keep": 1}, {"delete": ["v1"]}):
        assert composefs.retain(**options)["reason"] in ("invalid", "no_rollback")
    done = composefs.retain(keep=1, allow_no_rollback=True)
    assert (done["changed"], composefs.versions(), done["freed_bytes"]) == (True, ["v2"], OWN_BYTES)
    assert composefs.retain(keep=1, allow_no_rollback=True)["changed"] is False


def test_an_old_bootc_is_told_apart(fleet: SimulatedFleet) -> None:
    deck = Deck(fleet, "--backend", "composefs", "--bootc-version", "1.10.0")
    deck.update("v2")
    for options in ({"collect_garbage": True}, {"keep": 1, "allow_no_rollback": True}):
        result = deck.retain(**options)
        assert (result["failed"], result["reason"]) == (True, "unsupported_version"), result
    assert deck.versions() == ["v2", "v1"]


def test_a_host_without_bootc(fleet: SimulatedFleet) -> None:
    deck = Deck(fleet, "--no-bootc")
    result = deck.retain(keep=3)
    assert (result["failed"], result["reason"]) == (True, "not_bootc")
