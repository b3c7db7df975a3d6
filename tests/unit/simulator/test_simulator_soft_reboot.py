# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``--soft-reboot`` on both backends, with images that share the running kernel and images that do not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from simulator.verbs.common import BootcError
from tests.simulated_world import REPOSITORY, STABLE, FakeWorld, bootc, device, names

KERNEL = {"ostree.linux": "6.10"}
OTHER = f"{REPOSITORY}:other"
STAGED = "Staged deployment is soft-reboot capable, preparing for soft-reboot..."


def same_kernel(backend):
    """A device whose booted and rollback images have the kernel that images of ``world`` have."""
    state = device(backend=backend, rollback="a")
    deployments = tuple(
        replace(entry, image=replace(entry.image, labels={**entry.image.labels, **KERNEL}))
        for entry in state.deployments
    )
    return replace(state, deployments=deployments)


def world(kernel="6.10"):
    made = FakeWorld()
    for name in (STABLE, OTHER):
        made.put(name, "n", labels={"ostree.linux": kernel})
    return made


@pytest.mark.parametrize("command", [("upgrade",), ("switch", OTHER)])
@pytest.mark.parametrize("mode", ["auto", "required"])
def test_ostree_prepares_what_it_staged(command, mode):
    outcome = bootc(same_kernel("ostree"), world(), *command, f"--soft-reboot={mode}", "--apply")
    assert outcome.out[-1] == STAGED
    assert outcome.state.staged is not None
    assert outcome.state.soft_reboot_target == outcome.state.staged.id
    assert outcome.reboot


@pytest.mark.parametrize(
    ("command", "context"), [(("upgrade",), "Upgrading"), (("switch", OTHER), "Switching: Switching (ostree)")]
)
def test_ostree_finds_out_too_late_that_what_is_required_cannot_be(command, context):
    with pytest.raises(BootcError) as failed:
        bootc(same_kernel("ostree"), world("6.11"), *command, "--soft-reboot=required", "--apply")
    assert str(failed.value) == (
        f"{context}: Handling staged soft reboot: Handling soft reboot: "
        "Soft reboot was required but staged deployment is not soft-reboot capable"
    )
    assert failed.value.so_far is not None
    assert names(failed.value.so_far.state)["staged"] == "n"
    assert not failed.value.so_far.reboot


def test_ostree_reboots_as_usual_where_auto_finds_another_kernel():
    outcome = bootc(same_kernel("ostree"), world("6.11"), "upgrade", "--soft-reboot=auto", "--apply")
    assert outcome.state.soft_reboot_target is None
    assert outcome.reboot


def test_ostree_prepares_what_was_staged_before():
    first = bootc(same_kernel("ostree"), world(), "upgrade").state
    for flags in ((), ("--from-downloaded",)):
        outcome = bootc(first, world(), "upgrade", "--soft-reboot=required", *flags)
        assert outcome.out[-1] == STAGED
        assert outcome.state.soft_reboot_target is not None


def test_staging_takes_back_what_was_prepared():
    state = bootc(same_kernel("ostree"), world(), "upgrade", "--soft-reboot=auto").state
    other = world()
    other.put(STABLE, "n2", labels=KERNEL)
    assert bootc(state, other, "upgrade").state.soft_reboot_target is None


def test_ostree_rolls_back_softly():
    outcome = bootc(same_kernel("ostree"), FakeWorld(), "rollback", "--soft-reboot=required", "--apply")
    assert outcome.out == [
        "Next boot: rollback deployment",
        "Rollback deployment is soft-reboot capable, preparing for soft-reboot...",
    ]
    assert outcome.state.rollback is not None
    assert outcome.state.soft_reboot_target == outcome.state.rollback.id
    assert outcome.reboot
    with pytest.raises(BootcError, match=r"but rollback deployment is not soft-reboot capable$") as failed:
        bootc(device(rollback="a"), FakeWorld(), "rollback", "--soft-reboot=required")
    assert failed.value.so_far is not None
    assert failed.value.so_far.state.rollback_queued, "it is queued all the same"


@pytest.mark.parametrize("command", [("upgrade",), ("switch", OTHER)])
def test_composefs_becomes_systemctl_when_it_may_apply(command):
    prepared = bootc(same_kernel("composefs"), world(), *command, "--soft-reboot=auto")
    assert prepared.out == ["Soft reboot setup complete"]
    assert prepared.state.staged is not None
    assert prepared.state.soft_reboot_target == prepared.state.staged.id
    assert (prepared.soft, prepared.reboot) == (False, False)
    applied = bootc(same_kernel("composefs"), world(), *command, "--soft-reboot=required", "--apply")
    assert (applied.soft, applied.reboot) == (True, False)


def test_composefs_auto_with_another_kernel_applies_nothing_at_all():
    outcome = bootc(same_kernel("composefs"), world("6.11"), "upgrade", "--soft-reboot=auto", "--apply")
    assert (outcome.out, outcome.soft, outcome.reboot) == ([], False, False)
    assert names(outcome.state)["staged"] == "n"


def test_composefs_required_with_another_kernel_fails_after_staging():
    with pytest.raises(BootcError) as failed:
        bootc(same_kernel("composefs"), world("6.11"), "upgrade", "--soft-reboot=required")
    assert str(failed.value) == (
        "Upgrading composefs: Performing Upgrade Operation: Soft rebooting: "
        "Cannot soft-reboot to deployment with a different kernel state"
    )
    assert failed.value.so_far is not None
    assert names(failed.value.so_far.state)["staged"] == "n"


def test_composefs_from_downloaded_prepares_and_rollback_does_not():
    state = bootc(same_kernel("composefs"), world(), "upgrade", "--download-only").state
    unlocked = bootc(state, world(), "upgrade", "--from-downloaded", "--soft-reboot=required", "--apply")
    assert unlocked.soft
    rolled = bootc(same_kernel("composefs"), FakeWorld(), "rollback", "--soft-reboot=required")
    assert rolled.out == ["Next boot: rollback deployment"]
    assert rolled.state.soft_reboot_target is None


def test_preparing_by_hand():
    state = same_kernel("composefs")
    assert state.rollback is not None
    rollback, booted = state.rollback.id, str(state.booted_id)
    prepared = bootc(state, FakeWorld(), "internals", "prep-soft-reboot", rollback, "--reboot")
    assert (prepared.out, prepared.soft) == (["Soft reboot setup complete"], True)
    reset = bootc(prepared.state, FakeWorld(), "internals", "prep-soft-reboot", "--reset")
    assert reset.out == ["Cleared soft reboot queued state"]
    assert bootc(reset.state, FakeWorld(), "internals", "prep-soft-reboot", "--reset").out == [
        "No deployment staged for soft rebooting"
    ]
    for deployment, cause in ((booted, "currently booted deployment"), ("feed", "Deployment 'feed' not found")):
        with pytest.raises(BootcError, match=cause):
            bootc(state, FakeWorld(), "internals", "prep-soft-reboot", deployment)
    with pytest.raises(BootcError, match=r"^soft-reboot only implemented for composefs$"):
        bootc(device(), FakeWorld(), "internals", "prep-soft-reboot", "--reset")


def test_a_prepared_soft_reboot_is_what_a_reboot_becomes(registry, make_device):
    made = make_device(f"{registry.host}/skorionos/kde:v1.0.0", "--backend", "composefs")
    before = made.show()["boot"]["id"]
    assert made.sh("systemctl soft-reboot").returncode == 0
    made.wait_until_up()
    assert made.sh("systemctl show -P SoftRebootsCount").stdout == "1\n"
    assert made.show()["boot"]["id"] == before
    assert made.sh("SYSTEMCTL_SKIP_AUTO_SOFT_REBOOT=1 systemctl reboot").returncode == 0
    made.wait_until_up()
    assert made.sh("systemctl show -P SoftRebootsCount").stdout == "0\n"
    assert made.show()["boot"]["id"] != before
