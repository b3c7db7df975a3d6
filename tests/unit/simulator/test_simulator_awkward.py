# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts that are not as most are, made with the options of ``create``, and registries that misbehave."""

from __future__ import annotations

import json

import pytest

from simulator.create import AWKWARD
from tests.unit.simulator.conftest import SIMULATOR, simulator


def ref(registry, tag="v1.0.0"):
    return f"{registry.host}/skorionos/kde:{tag}"


def test_every_awkward_host_is_listed_and_documented():
    listed, documented = simulator("faults").stdout, (SIMULATOR.parent / "docs/simulator.md").read_text()
    for option in AWKWARD:
        assert f"--{option.name}" in listed
        assert f"`--{option.name}" in documented


def test_a_layered_host(make_device, registry):
    made = make_device(ref(registry), "--layered")
    host = json.loads(made.run("bootc", "status", "--json").stdout)
    assert host["spec"] == {"bootOrder": "default", "image": None}
    booted = host["status"]["booted"]
    assert (booted["incompatible"], booted["image"], host["status"]["type"]) == (True, None, None)
    assert booted["store"] == "ostreeContainer"
    failed = made.run("bootc", "upgrade")
    assert failed.returncode == 1
    assert "local rpm-ostree modifications" in failed.stderr
    assert made.run("bootc", "switch", ref(registry, "v1.1.0")).returncode == 0, "which drops the layers"
    assert made.status()["staged"]["incompatible"] is False


def test_a_plain_ostree_host(make_device, registry):
    made = make_device(ref(registry), "--plain")
    booted = made.status()["booted"]
    assert (booted["incompatible"], booted["image"], made.status()["type"]) == (False, None, None)
    assert made.run("bootc", "upgrade").stderr.endswith("No image source specified\n")
    text = made.run("bootc", "status", "--format", "humanreadable").stdout
    assert text.startswith("● Booted ostree\n")
    assert f"Commit: {booted['ostree']['checksum']}\n" in text
    assert made.run("bootc", "switch", ref(registry, "v1.1.0")).returncode == 0


@pytest.mark.parametrize(
    ("version", "told"), [("1.16.9", "read-only block device"), ("1.16.6", "Read-only file system")]
)
@pytest.mark.parametrize("backend", ["ostree", "composefs"])
def test_a_medium_that_cannot_be_written(make_device, registry, backend, version, told):
    made = make_device(ref(registry), "--read-only", "--backend", backend, "--bootc-version", version)
    assert made.status().get("readOnly") is (True if version == "1.16.9" else None)
    for verb in ("upgrade", "rollback"):
        failed = made.run("bootc", verb)
        assert failed.returncode == 1
        assert told in failed.stderr


def test_deployments_besides_the_booted_one(make_device, registry):
    made = make_device(
        ref(registry, "v1.1.0"),
        "--rollback",
        ref(registry),
        "--pinned",
        ref(registry),
        "--other-stateroot",
        ref(registry),
    )
    status = made.status()
    assert status["rollback"]["ostree"]["deploySerial"] == 0
    assert [(entry["pinned"], entry["ostree"]["stateroot"]) for entry in status["otherDeployments"]] == [
        (True, "default"),
        (False, "other"),
    ]
    assert made.run("bootc", "rollback").returncode == 0
    made.run("reboot")
    made.wait_until_up()
    assert made.status()["booted"]["image"]["version"] == "1.0.0"
    assert len(made.status()["otherDeployments"]) == 2


def test_digests_without_their_algorithm(make_device, registry):
    made = make_device(ref(registry), "--backend", "composefs", "--imginfo")
    digest = made.show()["deployments"][0]["image"]["digest"]
    assert made.status()["booted"]["image"]["imageDigest"] == digest.partition(":")[2]
    made.run("bootc", "switch", ref(registry, "v1.1.0"))
    assert made.status()["staged"]["image"]["imageDigest"].startswith("sha256:"), "new deployments have it"


@pytest.mark.parametrize(
    "option", [option for option in AWKWARD if option.backends == ("ostree",)], ids=lambda o: o.name
)
def test_what_composefs_cannot_be_is_refused(tmp_path, option):
    given = [f"--{option.name}", *(["x/y:z"] if option.takes else [])]
    done = simulator("device", tmp_path / "d", "create", "--image", "x/y:z", "--backend", "composefs", *given)
    assert done.returncode == 1
    assert f"--{option.name} is of the ostree backend" in done.stderr


@pytest.mark.parametrize("backend", ["ostree", "composefs"])
def test_a_disk_too_small_for_what_it_has_is_refused(tmp_path, registry, backend):
    for size in ("--disk-bytes", "--esp-bytes"):
        done = simulator(
            "device", tmp_path / "d", "create", "--image", ref(registry), "--backend", backend, size, "1000"
        )
        assert "give it more" in done.stderr


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        ("registry-outage", "503 Service Unavailable"),
        ("rate-limited", "toomanyrequests"),
        ("policy-reject", "is rejected by policy"),
    ],
)
def test_registries_that_misbehave(make_device, registry, fault, told):
    made = make_device(ref(registry))
    made.fault(fault)
    failed = made.run("bootc", "switch", ref(registry, "v1.1.0"))
    assert failed.returncode == 1
    assert told in failed.stderr
    assert made.status()["staged"] is None
    made.fault("--clear", fault)
    assert made.run("bootc", "switch", ref(registry, "v1.1.0")).returncode == 0


def test_a_tag_moves(make_device, registry):
    made = make_device(ref(registry))
    assert "No changes in" in made.run("bootc", "upgrade", "--check").stdout
    before = registry.request("HEAD", "/v2/skorionos/kde/manifests/v1.1.0")[1]["Docker-Content-Digest"]
    moved = simulator("retag", registry.host, "skorionos/kde", "v1.0.0", "v1.1.0")
    assert moved.stdout == f"{before}\n"
    assert "Update available" in made.run("bootc", "upgrade", "--check").stdout
    assert simulator("retag", registry.host, "skorionos/kde", "v1.0.0", "nope").returncode == 1
    assert simulator("retag", "127.0.0.1:1", "a/b", "c", "d").returncode == 1


def test_what_a_finalisation_came_to_is_in_the_journal_of_the_boot_before(make_device, registry):
    made = make_device(ref(registry))
    made.run("bootc", "switch", ref(registry, "v1.1.0"))
    made.fault("finalize-failure")
    made.run("reboot")
    stamp = made.file("boot/ostree/finalize-failure.stamp")
    assert stamp.read_text() == "No space left on device\n"
    made.wait_until_up()
    assert not stamp.exists(), "the unit that fails for it takes it away"
    unit = made.run("journalctl", "-u", "ostree-finalize-staged.service", "-b", "-1", "-o", "cat", "--no-pager").stdout
    assert unit.startswith("error: No space left on device\n")
    told = made.run("journalctl", "-u", "ostree-boot-complete", "-b", "-o", "json").stdout.splitlines()[0]
    assert json.loads(told)["MESSAGE"].endswith("failed on previous boot: No space left on device")
    staged = made.run("journalctl", "F_MESSAGE_ID=8f7a2b1c3d4e5f6a7b8c9d0e1f2a3b4c", "-o", "cat").stdout
    assert staged.startswith("Staged deployment ")
    assert made.run("journalctl", "-b", "-9").returncode == 1
