# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""image_retention against docker-registry: what it deletes is gone, and what stays can be pulled whole."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.skorionos.bootc.plugins.module_utils._oci.client import RegistryClient
from ansible_collections.skorionos.bootc.plugins.module_utils._oci.reference import Reference
from ansible_collections.skorionos.bootc.plugins.modules import image_retention

from tests.real_registry import RealRegistry, real_registry
from tests.simulated_fleet import SimulatedFleet
from tests.simulated_fleet import registry as simulated_registry

pytestmark = pytest.mark.integration

NO_DEVICES: dict[str, Any] = {"fleet": [], "no_devices": True}


@dataclass
class Published:
    """Digests of a repository with four releases, of which one has two architectures and signatures of both kinds."""

    releases: list[str]
    arm: str
    signatures: list[str]
    """Of the releases 1 (for the architecture arm64, by subject), 2 and 4 (both at tags)."""


def publish(registry: RealRegistry) -> Published:
    base = b"base" * 1000
    amd = registry.image([base, b"amd 1"])
    arm = registry.image([base, b"arm 1"], architecture="arm64")
    first = registry.index([amd, arm], "kde-v1.0.0")
    others = [str(registry.image([base, b"%d" % number], f"kde-v{number}.0.0")["digest"]) for number in (2, 3, 10)]
    registry.image([base, b"10"], "kde-stable")  # the same bytes, so the same digest
    signatures = [
        registry.signature(arm["digest"], by_subject=True),
        registry.signature(others[0]),
        registry.signature(others[2]),
    ]
    return Published([first, *others], arm["digest"], signatures)


def device(host: str, booted: str | None) -> dict[str, Any]:
    return {"host": host, "bootc": {"is_bootc": True, "booted": {"digest": booted}} if booted else None}


def test_only_what_nobody_needs_goes(run: Any, registry: RealRegistry) -> None:
    published = publish(registry)
    wanted = {
        "repository": registry.name,
        "keep_last": 1,
        "keep_tags": ["*-stable"],
        "fleet": [device("deck-01", published.arm), device("deck-02", None)],
    }
    seen = run(image_retention, **wanted)
    assert (seen["changed"], seen["deleted"], seen["unknown_devices"]) == (False, [], ["deck-02"])
    assert set(seen["removable"]) == {*published.releases[1:3], published.signatures[1]}
    refused = run(image_retention, **wanted, apply=True)
    assert (refused["failed"], refused["reason"], refused["unknown_devices"]) == (True, "unknown_devices", ["deck-02"])
    predicted = run(image_retention, **wanted, apply=True, unknown_devices="accept", check=True)
    assert (predicted["changed"], predicted["deleted"]) == (True, seen["removable"])
    assert registry.has("kde-v2.0.0")

    done = run(image_retention, **wanted, apply=True, unknown_devices="accept")
    assert (done["changed"], done["deleted"], done["diff"]) == (True, seen["removable"], predicted["diff"])
    assert not any(registry.has(digest) for digest in seen["removable"])
    assert all(registry.has(x) for x in (published.releases[0], published.releases[3], published.arm))
    assert all(registry.has(x) for x in (published.signatures[0], published.signatures[2]))
    kept_tags = {"kde-stable", "kde-v1.0.0", "kde-v10.0.0"}
    assert {tag for tag in registry.tags() if not tag.startswith("sha256-") and registry.has(tag)} == kept_tags
    again = run(image_retention, **wanted, apply=True, unknown_devices="accept")
    assert (again["changed"], again["removable"]) == (False, [])


def test_a_device_that_answered_once_may_sleep(run: Any, registry: RealRegistry, tmp_path: Path) -> None:
    published = publish(registry)
    wanted = {"repository": registry.name, "keep_last": 1, "memory": str(tmp_path / "fleet.json")}
    awake = device("deck-01", published.releases[1])
    run(image_retention, **wanted, fleet=[awake], check=True)
    assert not (tmp_path / "fleet.json").exists()
    run(image_retention, **wanted, fleet=[awake])
    asleep = {**wanted, "fleet": [device("deck-01", None)], "apply": True}
    done = run(image_retention, **asleep)
    assert (done["unknown_devices"], done["remembered_devices"]) == ([], ["deck-01"])
    assert registry.has(published.releases[1])
    assert not registry.has(published.releases[2])
    (tmp_path / "fleet.json").write_text("not JSON")
    assert run(image_retention, **asleep)["reason"] == "invalid"


def test_what_a_rollout_needs_stays(run: Any, registry: RealRegistry, tmp_path: Path) -> None:
    published = publish(registry)
    ledger = tmp_path / "events.jsonl"
    ledger.write_text(f'{{"plan": {{"targets": [{{"accept": ["{published.releases[1]}"]}}]}}}}\n{{"to')
    seen = run(image_retention, repository=registry.name, keep_files=[str(ledger)])
    assert {x["digest"] for x in seen["manifests"] if x["kept"]} == {published.releases[1], published.signatures[1]}
    empty = run(image_retention, repository=registry.name, keep_files=["/dev/null"])
    assert (empty["reason"], "names no digest" in empty["msg"]) == ("invalid", True)


def test_without_a_word_on_the_fleet_or_without_rules_nothing_is_deleted(run: Any, registry: RealRegistry) -> None:
    registry.image([b"x"], "kde-v1")
    arguments = {"repository": registry.name, "apply": True}
    assert run(image_retention, **arguments, keep_tags=["*"])["reason"] == "no_fleet"
    nobody = [{"host": "server", "bootc": {"is_bootc": False}}]
    for fleet in ([], nobody):
        assert run(image_retention, **arguments, fleet=fleet, keep_tags=["*"])["reason"] == "no_fleet"
    rules = {"fleet": [], "no_devices": True, "keep_tags": ["stabel"]}
    assert run(image_retention, **arguments, **rules)["reason"] == "no_rules"
    assert registry.has("kde-v1")


def test_a_registry_that_does_not_delete_says_what_to_do(run: Any, tmp_path: Path) -> None:
    with real_registry(tmp_path / "read-only", delete=False) as registry:
        registry.image([b"1"], "kde-v1")
        registry.image([b"2"], "kde-v2")
        refused = run(image_retention, repository=registry.name, keep_last=1, **NO_DEVICES, apply=True)
        assert (refused["reason"], refused["deleted"], refused["changed"]) == ("unsupported", [], False)
        assert "REGISTRY_STORAGE_DELETE_ENABLED" in refused["msg"]
        assert "0 of 1 manifests were deleted" in refused["msg"]


def test_tags_that_move_meanwhile_stop_it(run: Any, registry: RealRegistry, monkeypatch: pytest.MonkeyPatch) -> None:
    registry.image([b"1"], "kde-v1")
    registry.image([b"2"], "kde-v2")
    judge = image_retention.refusal

    def and_somebody_promotes_the_old_one(*arguments: Any, **known: Any) -> Any:
        registry.image([b"1"], "kde-stable")
        return judge(*arguments, **known)

    monkeypatch.setattr(image_retention, "refusal", and_somebody_promotes_the_old_one)
    stopped = run(image_retention, repository=registry.name, keep_last=1, **NO_DEVICES, apply=True)
    assert stopped["reason"] == "changed_meanwhile"
    assert registry.has("kde-v1")


def test_tags_that_move_while_it_deletes_stop_it(
    run: Any, registry: RealRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in (1, 2, 3):
        registry.image([b"%d" % number], f"kde-v{number}")
    deleting = RegistryClient.delete_manifest
    promoted: list[str] = []

    def and_somebody_promotes_the_other(client: RegistryClient, reference: Reference) -> None:
        deleting(client, reference)
        (left,) = [name for name in ("kde-v1", "kde-v2") if registry.has(name)]
        promoted.append(str(registry.image([left[-1].encode()], "kde-stable")["digest"]))

    monkeypatch.setattr(RegistryClient, "delete_manifest", and_somebody_promotes_the_other)
    stopped = run(image_retention, repository=registry.name, keep_last=1, **NO_DEVICES, apply=True)
    assert (stopped["reason"], len(stopped["deleted"])) == ("changed_meanwhile", 1)
    assert "1 of 2 manifests were deleted" in stopped["msg"]
    assert registry.has(promoted[0])


def test_what_channels_can_go_back_to_stays(run: Any, registry: RealRegistry, tmp_path: Path) -> None:
    published = publish(registry)
    move = {"image": registry.name, "tag": "kde-stable", "operation": "x", "verb": "promote", "state": "done"}
    journal = tmp_path / "channels.jsonl"
    journal.write_text(json.dumps({**move, "from": published.releases[1], "to": published.releases[3]}) + "\n")
    wanted = {"repository": registry.name, "keep_last": 1, **NO_DEVICES}
    seen = run(image_retention, **wanted, journal=str(journal))
    assert {published.releases[0], published.releases[2]} <= set(seen["removable"])
    assert published.releases[1] not in seen["removable"]
    assert run(image_retention, **wanted, journal=str(tmp_path / "absent"))["reason"] == "invalid"


def test_the_playbook_takes_an_inventory_without_devices_for_a_mistake(
    registry: RealRegistry, tmp_path: Path, collections_path: Path
) -> None:
    published = publish(registry)
    fleet = SimulatedFleet(tmp_path, registry.address, collections_path)
    variables = {
        "bootc_image_retention_repositories": [registry.name],
        "bootc_image_retention_keep_last": 1,
        "bootc_image_retention_apply": True,
        "bootc_tls_verify": False,
    }
    refused = fleet.run("image_retention", **variables)
    assert refused.rc == 2, refused.output
    assert "There is no device in the inventory that fits all:!localhost" in refused.sentence()
    assert registry.has(published.releases[1])
    journal = {"from": published.releases[1], "to": published.releases[3], "operation": "x", "verb": "promote"}
    (tmp_path / "channels.jsonl").write_text(
        json.dumps({**journal, "image": registry.name, "tag": "kde-stable", "state": "done"}) + "\n"
    )
    (tmp_path / "release.json").write_text(json.dumps({"digest": published.releases[2]}))
    (tmp_path / "auth.json").write_text("{}")
    done = fleet.run(
        "image_retention",
        **variables,
        bootc_image_retention_no_devices=True,
        bootc_image_retention_keep_files="release.json",
        bootc_auth_file="auth.json",
    )
    assert done.rc == 0, done.output
    assert [registry.has(digest) for digest in published.releases] == [False, True, True, True]


@pytest.mark.exhaustive
def test_the_playbook_asks_the_fleet_and_waits_for_those_who_sleep(
    registry: RealRegistry, tmp_path: Path, collections_path: Path
) -> None:
    published = publish(registry)
    with simulated_registry(tmp_path) as elsewhere:
        fleet = SimulatedFleet(tmp_path, elsewhere, collections_path)
        fleet.add("deck-01")
    fleet.hosts["asleep"] = "kde"
    fleet.variables["asleep"] = {"ansible_connection": "ssh", "ansible_host": "127.0.0.1", "ansible_port": 1}
    variables = {
        "bootc_image_retention_repositories": [registry.name],
        "bootc_image_retention_keep_last": 1,
        "bootc_image_retention_apply": True,
        "bootc_tls_verify": False,
    }
    limited = fleet.run("image_retention", "--limit", "deck-01,localhost", **variables)
    assert (limited.rc, "may run anything: asleep." in limited.sentence()) == (2, True), limited.output
    refused = fleet.run("image_retention", **variables)
    assert refused.rc == 2, refused.output
    assert "1 devices did not tell what they have and may run anything: asleep." in refused.sentence()
    assert registry.has(published.releases[1])
    done = fleet.run("image_retention", **variables, bootc_image_retention_unknown="accept")
    assert done.rc == 0, done.output
    assert f"deleted kde-v2.0.0 image {published.releases[1]}: No rule keeps it" in done.sentence()
    assert not registry.has(published.releases[1])
    assert registry.has("kde-v10.0.0")
