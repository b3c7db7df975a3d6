# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What images and kernels take of two file systems, when it is freed, and what happens when one is full."""

from __future__ import annotations

from dataclasses import replace

import pytest

from simulator import boot, journal, status, storage
from simulator.state import Overlay
from simulator.verbs.common import BootcError
from tests.simulated_world import FakeWorld, bootc, device, image, names, reboot, with_fault

BACKENDS = pytest.mark.parametrize("backend", ["ostree", "composefs"])
BASE, OWN, KERNEL = 1_000_000_000, 250_000_000, 150_000_000


def used(state):
    return sum(storage.disk(state).values())


@BACKENDS
def test_what_fell_off_is_freed_by_the_next_staging(backend):
    state = bootc(device("b", backend=backend, rollback="a"), FakeWorld(stable="n"), "upgrade").state
    assert used(state) == BASE + 3 * OWN
    after = reboot(state)
    assert names(after) == {"booted": "n", "staged": None, "rollback": "b"}
    assert used(after) == BASE + 3 * OWN, "a boot collects nothing"
    assert used(bootc(after, FakeWorld(stable="n2"), "upgrade").state) == BASE + 3 * OWN, "a goes as n2 comes"
    assert storage.collect(after)[1].object_bytes == OWN


def test_ostree_keeps_what_a_deployment_is_made_of_without_its_name():
    state = bootc(device("b", rollback="a"), FakeWorld(stable="n"), "upgrade").state
    assert set(state.layers) == {layer.digest for layer in image("n").layers}
    assert {layer.digest for layer in image("a").layers} <= set(storage.disk(state))


@pytest.mark.parametrize(("version", "left"), [("1.15.2", 3), ("1.16.0", 2)])
def test_composefs_drops_kernels_when_it_finalises_since_1_16(version, left):
    state = device("b", backend="composefs", rollback="a", version=version)
    after = reboot(bootc(state, FakeWorld(stable="n"), "upgrade").state)
    assert len(storage.boot_files(after)) == left


@pytest.mark.parametrize(
    ("backend", "version", "free", "told"),
    [
        ("ostree", "1.16.9", OWN - 1, "Insufficient free space"),
        ("ostree", "1.1.6", OWN - 1, "No space left on device"),
        ("composefs", "1.16.9", BASE, "Insufficient free space"),
        ("composefs", "1.15.2", OWN - 1, "No space left on device"),
    ],
)
def test_a_full_disk(backend, version, free, told):
    state = device("b", backend=backend, version=version)
    reserve = 0 if backend == "composefs" else storage.MIN_FREE_BYTES
    state = replace(state, disk_bytes=20_000_000_000)
    filler = state.disk_bytes - used(state) - free - reserve
    state = replace(state, leftovers={"filler": filler})
    with pytest.raises(BootcError, match=told) as failed:
        bootc(state, FakeWorld(stable="n"), "upgrade")
    assert failed.value.so_far.state.staged is None
    needed = BASE + OWN if (backend, version) == ("composefs", "1.16.9") else OWN
    roomy = replace(state, leftovers={"filler": filler + free - needed})
    assert names(bootc(roomy, FakeWorld(stable="n"), "upgrade").state)["staged"] == "n"


def test_a_full_esp_fails_staging_and_leaves_what_was_pulled():
    state = replace(device("b", backend="composefs", rollback="a"), esp_bytes=3 * KERNEL - 1)
    with pytest.raises(BootcError, match="No space left on device") as failed:
        bootc(state, FakeWorld(stable="n"), "upgrade")
    after = failed.value.so_far.state
    assert after.staged is None
    assert image("n").config_digest in after.contents
    roomy = replace(after, esp_bytes=3 * KERNEL)
    assert names(bootc(roomy, FakeWorld(stable="n"), "upgrade").state)["staged"] == "n"


def test_a_full_boot_fails_when_ostree_finalises_unless_the_rollback_makes_room():
    state = bootc(device("b", rollback="a"), FakeWorld(stable="n"), "upgrade").state
    assert names(reboot(replace(state, esp_bytes=2 * KERNEL)))["booted"] == "n"
    failed = reboot(replace(state, esp_bytes=2 * KERNEL - 1))
    assert names(failed) == {"booted": "b", "staged": None, "rollback": "a"}
    assert failed.boot.failed_units == (boot.STAMP_UNIT,)
    assert names(reboot(with_fault(state, "esp-full")))["booted"] == "b"


def test_other_stateroots_and_pins_stay():
    state = device("b", rollback="a")
    other = replace(state.deployments[1], serial=7, stateroot="other")
    pinned = replace(state.deployments[1], serial=3, pinned=True)
    state = replace(state, deployments=(*state.deployments, pinned, other))
    after = reboot(bootc(state, FakeWorld(stable="n"), "upgrade").state)
    assert [entry.id for entry in after.deployments[2:]] == [pinned.id, other.id]
    assert after.others == (pinned, other)
    shown = status.document(reboot(bootc(after, FakeWorld(stable="n2"), "upgrade").state))["status"]
    assert [entry["ostree"]["stateroot"] for entry in shown["otherDeployments"]] == ["default", "other"]


@BACKENDS
def test_a_soft_reboot_finalises_and_goes_where_it_was_prepared_for(backend):
    state = bootc(device("b", backend=backend, rollback="a"), FakeWorld(stable="n"), "upgrade").state
    assert state.staged is not None
    plain = boot.soft_reboot(state, 1.0)
    assert names(plain) == {"booted": "b", "staged": None, "rollback": "n"}
    assert plain.rollback_queued, "the next boot of the kernel is into it"
    soft = boot.soft_reboot(replace(state, soft_reboot_target=state.staged.id), 1.0)
    assert names(soft) == {"booted": "n", "staged": None, "rollback": "b"}
    assert (soft.boot.id, soft.boot.soft, soft.boot.count) == (state.boot.id, 1, state.boot.count)
    assert soft.reboot_required == state.reboot_required
    assert soft.boot.session != state.boot.session


def test_an_overlay_that_is_to_last_stays_under_its_deployment_only():
    state = replace(device("b", rollback="a"), usr_overlay=Overlay("readWrite", "persistent"))
    assert reboot(state).usr_overlay == state.usr_overlay
    assert reboot(bootc(state, FakeWorld(), "rollback").state).usr_overlay is None


@pytest.mark.parametrize(("version", "when"), [("1.16.3", "finalised"), ("1.16.4", "staged")])
def test_conflicts_in_etc_show_earlier_since_1_16_4(version, when):
    state = with_fault(device("b", backend="composefs", rollback="a", version=version), "etc-conflict")
    if when == "staged":
        with pytest.raises(BootcError, match="Merge conflicts found in etc"):
            bootc(state, FakeWorld(stable="n"), "upgrade")
        return
    after = reboot(bootc(state, FakeWorld(stable="n"), "upgrade").state)
    assert names(after) == {"booted": "b", "staged": None, "rollback": "a"}
    told = journal.read(after, journal.Query(units=("bootc-finalize-staged",), boot=-1, output="cat"))
    assert told.startswith("error: Merge conflicts found in etc\n")


def test_a_conflict_in_etc_fails_when_ostree_finalises():
    state = with_fault(bootc(device("b"), FakeWorld(stable="n"), "upgrade").state, "etc-conflict")
    after = reboot(state)
    assert names(after)["booted"] == "b"
    told = journal.read(after, journal.Query(units=(boot.STAMP_UNIT,), boot=0, output="cat"))
    assert "cannot merge" in told


@pytest.mark.parametrize(("version", "asks"), [("1.10.0", False), ("1.11.0", True), ("1.12.0", False)])
def test_status_of_1_11_on_composefs_is_empty_without_a_registry(version, asks):
    state = device("b", backend="composefs", version=version)
    shown = status.document(state, offline=True)["status"]["booted"]["image"]
    assert (shown["imageDigest"] == "") is asks
    assert (shown["architecture"] == "") is asks
    assert status.asks_registry(state) is asks


def test_before_1_8_bootc_named_its_messages_without_a_prefix():
    for version, name in (("1.7.0", "MESSAGE_ID"), ("1.8.0", "F_MESSAGE_ID")):
        before = device("b", version=version)
        after = journal.operations(before, bootc(before, FakeWorld(stable="n"), "upgrade").state, "upgrade")
        assert journal.STAGED in [journal.fields(after, record).get(name) for record in after.journal]
