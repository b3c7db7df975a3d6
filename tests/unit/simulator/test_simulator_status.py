# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The status document, its renderings, and what each version of bootc leaves out."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import yaml

from simulator import status
from simulator.programs.bootc import check_format_version, show_status
from simulator.programs.usage import parse
from simulator.state import Boot, State
from simulator.statefile import from_json, to_json
from simulator.verbs.common import BootcError, size_text
from tests.simulated_world import STABLE, FakeWorld, bootc, device, image, reboot

NOT_BOOTC = (
    '{"apiVersion":"org.containers.bootc/v1","kind":"BootcHost","metadata":{"name":"host"},'
    '"spec":{"bootOrder":"default","image":null},"status":{"booted":null,"readOnly":false,"rollback":null,'
    '"rollbackQueued":false,"staged":null,"type":null,"usrOverlay":null}}'
)


def staged_device(**options):
    return bootc(device(rollback="a", **options), FakeWorld(stable="n"), "upgrade").state


def shown(state, *flags, tty=False):
    return show_status(state, parse(["status", *flags], state.bootc_version), tty=tty).document


def test_the_null_host_is_the_exact_bytes():
    nothing = State(backend="ostree", bootc_version="1.16.9", boot=Boot("x", 0.0, 0.0))
    assert shown(nothing, "--json") == NOT_BOOTC
    assert shown(nothing, tty=True) == "System is not deployed via bootc.\n"


def test_json_is_canonical_and_has_the_slots():
    text = shown(staged_device(), "--format=json", "--format-version=1")
    assert "\n" not in text
    assert text == json.dumps(json.loads(text), separators=(",", ":"), sort_keys=True)
    host = json.loads(text)
    assert host["status"]["type"] == "bootcHost"
    assert host["status"]["staged"]["image"]["imageDigest"] == image("n").digest
    assert host["status"]["booted"]["cachedUpdate"]["imageDigest"] == image("n").digest
    assert host["status"]["staged"]["cachedUpdate"] is None
    assert "otherDeployments" not in host["status"]
    assert "signature" not in host["spec"]["image"]


def test_before_1_5_keys_are_in_declaration_order():
    assert list(json.loads(shown(staged_device(version="1.4.0"), "--json"))) == [
        "apiVersion",
        "kind",
        "metadata",
        "spec",
        "status",
    ]


def test_without_a_format_it_is_yaml_in_a_pipe_and_text_on_a_terminal():
    state = staged_device()
    assert yaml.safe_load(shown(state).replace("2026-08-01T04:10:00Z", "'2026-08-01T04:10:00Z'")) == json.loads(
        shown(state, "--json")
    )
    assert "● Booted image: " + STABLE in shown(state, tty=True)


def test_format_beats_json():
    assert shown(staged_device(), "--json", "--format", "yaml").startswith("apiVersion:")


@pytest.mark.parametrize("text", ["1.16", "true", "1e5", "", "null", "a: b", "it's", "# no", "0x1f", "- a"])
def test_yaml_keeps_strings_that_look_like_something_else(text):
    assert yaml.safe_load(status.as_yaml({"key": text})) == {"key": text}


def test_booted_hides_only_staged_and_rollback():
    host = json.loads(shown(staged_device(), "--json", "--booted"))
    assert host["status"]["staged"] is None
    assert host["status"]["rollback"] is None
    assert host["status"]["booted"] is not None


def test_bad_format_version():
    with pytest.raises(BootcError, match=r"^Status: Unsupported format version: 2$"):
        check_format_version(parse(["status", "--format-version", "2"], "1.16.9"))
    for fine in ((), ("--format-version=0",), ("--format-version", "1")):
        check_format_version(parse(["status", *fine], "1.16.9"))


def test_a_third_deployment_is_in_others():
    state = staged_device()
    state = replace(state, deployments=(state.deployments[0], replace(state.deployments[1], pinned=True)))
    host = json.loads(shown(reboot(state), "--json"))
    assert [entry["pinned"] for entry in host["status"]["otherDeployments"]] == [True]


def test_queued_rollback_shows_in_spec_and_status():
    host = json.loads(shown(bootc(device(rollback="a"), FakeWorld(), "rollback").state, "--json"))
    assert host["status"]["rollbackQueued"] is True
    assert host["spec"]["bootOrder"] == "rollback"


@pytest.mark.parametrize(
    ("backend", "version", "field", "present"),
    [
        ("ostree", "1.16.6", "status.readOnly", False),
        ("ostree", "1.16.7", "status.readOnly", True),
        ("ostree", "1.13.0", "status.usrOverlay", False),
        ("ostree", "1.14.0", "status.usrOverlay", True),
        ("ostree", "1.11.0", "status.booted.downloadOnly", False),
        ("ostree", "1.12.0", "status.booted.downloadOnly", True),
        ("ostree", "1.6.0", "status.booted.softRebootCapable", False),
        ("ostree", "1.7.0", "status.booted.softRebootCapable", True),
        ("ostree", "1.8.0", "status.booted.composefs", False),
        ("ostree", "1.9.0", "status.booted.composefs", True),
        ("ostree", "1.2.0", "status.booted.ostree.stateroot", False),
        ("ostree", "1.3.0", "status.booted.ostree.stateroot", True),
        ("ostree", "1.1.6", "status.booted.image.architecture", False),
        ("ostree", "1.1.7", "status.booted.image.architecture", True),
        ("ostree", "0.1.9", "spec.bootOrder", False),
        ("ostree", "0.1.10", "spec.bootOrder", True),
        ("ostree", "0.1.9", "status.rollbackQueued", False),
        ("ostree", "0.1.5", "status.booted.cachedUpdate", False),
        ("ostree", "0.1.6", "status.booted.cachedUpdate", True),
        ("ostree", "0.1.5", "status.type", False),
        ("ostree", "0.1.13", "status.booted.store", False),
        ("ostree", "0.1.14", "status.booted.store", True),
        ("composefs", "1.10.0", "status.booted.composefs.bootDigest", False),
        ("composefs", "1.11.0", "status.booted.composefs.bootDigest", True),
        ("composefs", "1.15.1", "status.booted.composefs.missingVerityAllowed", False),
        ("composefs", "1.15.2", "status.booted.composefs.missingVerityAllowed", True),
    ],
)
def test_fields_by_version(backend, version, field, present):
    node = status.document(device(backend=backend, version=version))
    *path, last = field.split(".")
    for key in path:
        node = node[key]
    assert (last in node) is present


def test_bootloader_case_changed_with_1_13():
    for version, name in (("1.12.1", "Systemd"), ("1.13.0", "systemd")):
        host = status.document(device(backend="composefs", version=version))
        assert host["status"]["booted"]["composefs"]["bootloader"] == name


def test_api_version_became_stable_with_0_1_15():
    for version, name in (("0.1.14", "v1alpha1"), ("0.1.15", "v1")):
        assert status.document(device(version=version))["apiVersion"] == f"org.containers.bootc/{name}"


def test_before_1_5_every_key_is_in_declaration_order():
    host = json.loads(shown(staged_device(version="1.4.0"), "--json"))
    assert list(host["status"]) == ["staged", "booted", "rollback", "rollbackQueued", "type"]
    assert list(host["status"]["booted"]) == [
        "image",
        "cachedUpdate",
        "incompatible",
        "pinned",
        "store",
        "ostree",
    ]
    assert list(host["status"]["booted"]["image"]) == ["image", "version", "timestamp", "imageDigest", "architecture"]


def test_text_for_people_is_laid_out_as_bootc_does():
    staged = image("n").digest
    text = shown(staged_device(), "--format", "humanreadable", "-v")
    assert text.splitlines()[:10] == [
        f"  Staged image: {STABLE}",
        f"        Digest: {staged} (amd64)",
        "       Version: n (2026-08-01T04:10:00Z)",
        "     StateRoot: default",
        " Deploy serial: 0",
        "        Staged: yes",
        f"        Commit: {image('n').commit}",
        "   Soft-reboot: no",
        " Download-only: no",
        "",
    ]
    booted = text.split("\n\n")[1].splitlines()
    assert booted[0] == f"● Booted image: {STABLE}"
    assert booted[3] == " UpdateVersion: n (2026-08-01T04:10:00Z)"
    assert booted[4] == f"  UpdateDigest: {staged}"


def test_text_names_a_signature_only_where_one_is_asked_for():
    world = FakeWorld(stable="n")
    world.policy = "reject"
    state = bootc(device(), world, "switch", "--enforce-container-sigpolicy", STABLE).state
    lines = [line.strip() for line in shown(state, "-v", tty=True).splitlines()]
    assert lines.count("Signature: container-policy") == 1


def test_text_of_composefs_tells_fs_verity():
    assert "FsVerity: Enforced" in shown(device(backend="composefs"), "-v", tty=True)
    assert "StateRoot" not in shown(device(backend="composefs"), "-v", tty=True)


@pytest.mark.parametrize(
    ("created", "told"),
    [
        ("2026-08-01T04:10:00Z", "2026-08-01T04:10:00Z"),
        ("2026-08-01T04:10:00+00:00", "2026-08-01T04:10:00Z"),
        ("2026-08-01T01:10:00.5+02:00", "2026-07-31T23:10:00.500Z"),
        ("2026-08-01T04:10:00.123456789Z", "2026-08-01T04:10:00.123456789Z"),
        ("2026-08-01T04:10:00.000Z", "2026-08-01T04:10:00Z"),
        ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z"),
        ("2026-13-01T04:10:00Z", None),
        ("yesterday", None),
    ],
)
def test_times_are_told_in_utc(created, told):
    state = device()
    old = replace(state.deployments[0], image=replace(state.deployments[0].image, created=created))
    state = replace(state, deployments=(old,))
    assert status.document(state)["status"]["booted"]["image"]["timestamp"] == told
    if told is not None:
        assert f"({told[:19]}Z)" in shown(state, tty=True)


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 bytes"),
        (1, "1 byte"),
        (999, "999 bytes"),
        (1000, "1.0 kB"),
        (999_999, "1.0 MB"),
        (6_620_000_000, "6.6 GB"),
    ],
)
def test_sizes_as_glib_writes_them(size, text):
    assert size_text(size) == text.replace(" ", "\u00a0")


@pytest.mark.parametrize("backend", ["ostree", "composefs"])
def test_state_survives_json(backend):
    state = staged_device(backend=backend)
    assert from_json(json.loads(json.dumps(to_json(state)))) == state


def test_state_of_another_schema_is_refused():
    with pytest.raises(ValueError, match="another version of the simulator"):
        from_json({"schema": 0})
