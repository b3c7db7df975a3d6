# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Status documents of all kinds of hosts, and what they are understood as."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from ansible_collections.skorionos.bootc.plugins.module_utils._bootc.status import Slot, parse_status, parse_version
from ansible_collections.skorionos.bootc.plugins.module_utils._errors import BootcError

DATA = Path(__file__).parent / "data"

SLOT_KEYS = {
    "image",
    "transport",
    "signature",
    "digest",
    "version",
    "timestamp",
    "architecture",
    "pinned",
    "incompatible",
    "soft_reboot_capable",
    "download_only",
    "deployment",
}


def read(name, version="1.16.9"):
    return parse_status((DATA / f"{name}.json").read_text(), version)


@pytest.mark.parametrize(
    ("name", "backend", "next_boot", "slots"),
    [
        ("ostree-booted-only", "ostree", "booted", "booted"),
        ("ostree-staged", "ostree", "staged", "booted staged"),
        ("ostree-staged-download-only", "ostree", "booted", "booted staged"),
        ("ostree-rollback", "ostree", "booted", "booted rollback"),
        ("ostree-rollback-queued", "ostree", "rollback", "booted rollback"),
        ("ostree-pinned-others", "ostree", "booted", "booted rollback"),
        ("composefs-sdboot-staged", "composefs", "staged", "booted staged rollback"),
        ("readonly-live", "ostree", "booted", "booted"),
        ("rpm-ostree-layered", "ostree", "booted", "booted"),
        ("non-bootc", None, None, ""),
        ("ostree-1.1.0", "ostree", "booted", "booted rollback"),
        ("composefs-uki", "composefs", "booted", "booted rollback"),
        ("composefs-legacy-digest", "composefs", "booted", "booted"),
    ],
)
def test_slots_and_next_boot(name, backend, next_boot, slots):
    state = read(name).as_dict()
    assert (state["backend"], state["next_boot"]) == (backend, next_boot)
    assert [slot for slot in ("booted", "staged", "rollback") if state[slot]] == slots.split()
    assert state["is_bootc"] is bool(slots)
    assert state["reboot_required"] is (next_boot in ("staged", "rollback"))
    for slot in slots.split():
        assert set(state[slot]) == SLOT_KEYS
    json.dumps(state)


def test_a_slot_in_full():
    assert read("composefs-sdboot-staged").as_dict()["rollback"] == {
        "image": "ghcr.io/acme/deck:stable",
        "transport": "registry",
        "signature": None,
        "digest": "sha256:90a0a1823cc085889807847c91ea462d61f8c1fbd42b909a10ab00fb6d26203a",
        "version": None,
        "timestamp": "2026-08-02T10:00:00Z",
        "architecture": "amd64",
        "pinned": False,
        "incompatible": False,
        "soft_reboot_capable": False,
        "download_only": False,
        "deployment": "d7f9aa6007b5f938760dd29917e18b4b9fb0f186fb00ae706270e085720e6ce2"
        "d7c3efc6150be47adccb9ae300f48db23390bf0ef32eaca64b586550b9ca2507",
    }


def test_pins_and_overlay():
    state = read("ostree-pinned-others").as_dict()
    assert state["pinned"] == ["sha256:d76d1ef17ab0827bcaa14d963f928d11124ab98a7248cf7b96584266374fe95b"]
    assert state["usr_overlay"] == {"access_mode": "readWrite", "persistence": "transient"}
    assert len(state["others"]) == 1


def test_parked():
    assert read("ostree-staged-download-only").download_only is True
    assert read("ostree-staged").download_only is False


def test_read_only_and_layered():
    assert read("readonly-live").read_only is True
    layered = read("rpm-ostree-layered")
    assert layered.booted is not None
    assert (layered.booted.incompatible, layered.booted.digest, layered.spec_image) == (True, None, None)


def test_a_host_of_1_1_lacks_most_fields():
    state = read("ostree-1.1.0", "1.1.0").as_dict()
    assert state["booted"]["architecture"] is None
    assert state["booted"]["deployment"].endswith(".0")
    assert (state["download_only"], state["read_only"], state["others"]) == (False, False, [])


def test_digests_of_early_composefs_deployments_lack_their_algorithm():
    booted = read("composefs-legacy-digest").booted
    assert booted is not None
    assert booted.digest == "sha256:0a228cdf0b44df30a3540af86ef2573eb34f10829cb20ca4ad059ef4c629f0c0"


def test_offline_hosts_of_1_11_tell_no_digest_and_no_architecture():
    document = json.loads((DATA / "composefs-rollback.json").read_text())
    document["status"]["booted"]["image"].update(imageDigest="", architecture="")
    booted = parse_status(json.dumps(document), "1.11.0").booted
    assert booted is not None
    assert (booted.digest, booted.architecture, booted.content.digest) == (None, None, None)
    assert booted.content.is_known


def test_a_content_is_not_its_deployment():
    ostree, composefs = read("ostree-staged").booted, read("composefs-rollback").booted
    assert ostree is not None and composefs is not None
    assert ostree.deployment == f"{ostree.content.identity}.0"
    assert composefs.deployment == composefs.content.identity
    assert Slot().content.is_known is False


@pytest.mark.parametrize(
    ("version", "staged", "queued", "stale"),
    [
        ("1.11.9", True, True, False),
        ("1.12.0", True, True, True),
        ("1.15.2", True, True, True),
        ("1.15.2", True, False, False),
        ("1.15.2", False, True, False),
        ("1.16.0", True, True, False),
    ],
)
def test_a_staged_entry_may_be_stale_after_a_rollback_of_some_releases(*, version, staged, queued, stale):
    document = json.loads((DATA / "composefs-sdboot-staged.json").read_text())
    document["status"]["rollbackQueued"] = queued
    if not staged:
        document["status"]["staged"] = None
    assert parse_status(json.dumps(document), version).staged_may_be_stale is stale


@pytest.mark.parametrize(
    ("version", "bootloader", "flag", "queued"),
    [
        ("1.16.9", "systemd", True, False),
        ("1.16.9", "systemd", False, True),
        ("1.16.9", "grub-cc", True, False),
        ("1.12.0", "Systemd", True, False),
        (None, "systemd", True, True),
        ("1.16.9", "grub", True, True),
        ("1.16.10", "systemd", True, True),
        ("1.17.0", "systemd", False, False),
    ],
)
def test_uki_hosts_inverted_the_queued_flag(version, bootloader, flag, queued):
    document = json.loads((DATA / "composefs-uki.json").read_text())
    document["status"]["rollbackQueued"] = flag
    document["status"]["booted"]["composefs"]["bootloader"] = bootloader
    assert parse_status(json.dumps(document), version).rollback_queued is queued


@pytest.mark.parametrize(
    ("bootloader", "on_esp"), [("systemd", True), ("grub-cc", True), ("grub", False), (None, False)]
)
def test_where_kernels_are_is_known_of_boot_loaders_that_read_the_esp_only(bootloader, on_esp):
    document = json.loads((DATA / "composefs-uki.json").read_text())
    document["status"]["booted"]["composefs"]["bootloader"] = bootloader
    assert parse_status(json.dumps(document), "1.16.9").kernels_on_esp is on_esp


def test_uki_host_without_rollback_has_none_queued():
    document = json.loads((DATA / "composefs-uki.json").read_text())
    document["status"].update(rollbackQueued=False, rollback=None)
    assert parse_status(json.dumps(document), "1.16.9").next_boot == "booted"


@pytest.mark.parametrize(("version", "config"), [("1.16.3", True), ("1.16.4", False)])
def test_composefs_hosts_reported_config_digests(version, config):
    assert read("composefs-sdboot-staged", version).reports_config_digests is config
    assert read("ostree-staged", version).reports_config_digests is False


def test_signatures():
    document = json.loads((DATA / "ostree-booted-only.json").read_text())
    image = document["status"]["booted"]["image"]["image"]
    for value, text in (
        ("containerPolicy", "containerPolicy"),
        ({"ostreeRemote": "x"}, "ostreeRemote:x"),
        (None, None),
    ):
        image["signature"] = value
        booted = parse_status(json.dumps(document), "1.16.9").booted
        assert booted is not None
        assert booted.signature == text


def test_unknown_fields_are_ignored():
    document = json.loads((DATA / "ostree-staged.json").read_text())
    known = parse_status(json.dumps(document), "1.16.9")
    document["status"]["staged"]["sparkle"] = document["news"] = {"a": [1]}
    assert parse_status(json.dumps(document), "1.16.9") == known


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"kind": "Pod"}', "kind: BootcHost"])
def test_what_is_no_status_document(text):
    with pytest.raises(BootcError) as caught:
        parse_status(text, "1.16.9")
    assert caught.value.kind == "unexpected"


@pytest.mark.parametrize(("text", "version"), [("bootc 1.16.9\n", "1.16.9"), ("bootc 1.2.3-dev", "1.2.3"), ("?", None)])
def test_version(text, version):
    assert parse_version(text) == version
