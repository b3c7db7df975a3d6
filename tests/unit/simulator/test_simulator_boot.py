# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What runs after a boot is not always what boots by default: boot menus, and boot loaders that fall back."""

from __future__ import annotations

import pytest

from simulator import boot
from tests.simulated_world import FakeWorld, bootc, choose, device, names, reboot, with_fault

BACKENDS = pytest.mark.parametrize("backend", ["ostree", "composefs"])


def updated(backend="ostree"):
    """A device staged to ``n``, and its registry."""
    world = FakeWorld(stable="n")
    return bootc(device("b", backend=backend, rollback="a"), world, "upgrade").state, world


@BACKENDS
def test_a_choice_in_the_boot_menu_leaves_the_order_alone(backend):
    after = choose(device("b", backend=backend, rollback="a"))
    assert names(after) == {"booted": "a", "staged": None, "rollback": "b"}
    assert after.rollback_queued, "as the next boot is into the other one"
    assert names(reboot(after))["booted"] == "b"
    again = choose(after)
    assert names(again)["booted"] == "a", "the entry that is not the default, not the one that is not booted"


@BACKENDS
def test_the_reboot_into_the_boot_menu_finalises(backend):
    state, _unused = updated(backend)
    after = choose(state)
    assert names(after) == {"booted": "b", "staged": None, "rollback": "n"}
    assert after.rollback_queued


def test_a_boot_menu_of_one_entry_is_no_choice():
    with pytest.raises(ValueError, match="has one entry only"):
        boot.choose(device(), 1.0, "boot-2")


@BACKENDS
def test_a_boot_loader_that_falls_back_leaves_the_failed_image_first(backend):
    state, world = updated(backend)
    after = reboot(with_fault(state, "falls-back"))
    assert names(after) == {"booted": "b", "staged": None, "rollback": "n"}
    assert after.rollback_queued
    assert after.boot.failed_units == ()
    assert "falls-back" not in after.faults, "it happens once"
    assert names(reboot(after))["booted"] == "n", "which the next boot tries again"
    reverted = bootc(after, world, "rollback")
    assert reverted.out == ["notice: Reverting queued rollback state", "Next boot: current deployment"]
    assert names(reboot(reverted.state)) == {"booted": "b", "staged": None, "rollback": "n"}


def test_falling_back_takes_two_boots():
    state, _unused = updated()
    fine, bad = reboot(state).boot, reboot(with_fault(state, "falls-back")).boot
    assert bad.up_at - bad.started == 2 * (fine.up_at - fine.started)
    assert bad.count == fine.count


def test_a_boot_into_what_ran_before_does_not_fall_back():
    after = reboot(with_fault(device("b", rollback="a"), "falls-back"))
    assert names(after)["booted"] == "b"
    assert "falls-back" in after.faults
    lost = reboot(with_fault(updated()[0], "falls-back"), orderly=False)
    assert names(lost)["booted"] == "b"
    assert "falls-back" in lost.faults


@BACKENDS
def test_upgrade_after_falling_back(backend):
    state, world = updated(backend)
    outcome = bootc(reboot(with_fault(state, "falls-back")), world, "upgrade")
    if backend == "ostree":
        assert names(outcome.state)["staged"] == "n", "the bad image once more"
    else:
        assert outcome.out[0].startswith("No changes in: ")
        assert outcome.state.staged is None


@BACKENDS
def test_the_next_update_replaces_the_image_that_did_not_boot(backend):
    state, world = updated(backend)
    state = reboot(with_fault(state, "falls-back"))
    world.put("registry.example/os/kde:stable", "n2")
    after = reboot(bootc(state, world, "upgrade").state)
    assert names(after) == {"booted": "n2", "staged": None, "rollback": "b"}


@pytest.mark.parametrize("command", [("upgrade", "--apply"), ("switch", "registry.example/os/kde:other", "--apply")])
def test_a_deadlock_comes_after_staging_and_before_everything_else(command):
    state = with_fault(device("b", backend="composefs", version="1.16.7", rollback="a"), "deadlock-after-staging")
    outcome = bootc(state, FakeWorld(stable="n", other="n"), *command)
    assert names(outcome.state)["staged"] == "n"
    assert outcome.stuck
    assert not outcome.reboot
    assert names(reboot(outcome.state))["booted"] == "n"
    assert not bootc(state, FakeWorld(stable="b"), "upgrade").stuck
