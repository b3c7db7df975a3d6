# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``ostree admin``: deployments by an index that shifts."""

from __future__ import annotations

from dataclasses import replace

import pytest

from simulator.programs.ostree import perform, status
from simulator.verbs.common import BootcError
from tests.simulated_world import FakeWorld, bootc, device, names, reboot


def staged(*flags):
    return bootc(device(rollback="a"), FakeWorld(stable="n"), "upgrade", *flags).state


def admin(state, line):
    return perform(state, ["admin", *line.split()])


def flags(state, name):
    return [entry[name] for entry in status(state)["deployments"]]


def test_a_staged_deployment_is_index_0_and_pending():
    state = staged("--download-only")
    assert flags(state, "version") == ["n", "b", "a"]
    assert flags(state, "index") == [0, 1, 2]
    assert flags(state, "staged") == [True, False, False]
    assert flags(state, "finalization-locked") == [True, False, False]
    assert flags(state, "booted") == [False, True, False]
    assert flags(state, "pending") == [True, False, False]
    assert flags(state, "rollback") == [False, False, True]
    queued = bootc(state, FakeWorld(), "rollback").state
    assert flags(queued, "version") == ["a", "b"]
    assert flags(queued, "pending") == [True, False]
    assert flags(queued, "rollback") == [False, False]


@pytest.mark.parametrize(
    ("before", "line", "out", "locked"),
    [
        ((), "lock-finalization", "Staged deployment is now finalization locked", True),
        (("--download-only",), "lock-finalization", "Staged deployment is already finalization locked", True),
        (("--download-only",), "lock-finalization -u", "Staged deployment is now queued to apply on shutdown", False),
        ((), "lock-finalization --unlock", "Staged deployment is already prepared for finalization", False),
    ],
)
def test_locking(before, line, out, locked):
    outcome = admin(staged(*before), line)
    assert outcome.out == [out]
    assert outcome.state.staged_locked is locked


def test_undeploying_shifts_the_indexes_and_keeps_what_is_stored():
    state = staged()
    assert state.staged is not None
    one = admin(state, "undeploy 0")
    assert one.out == [f"Deleted deployment {state.staged.id}"]
    assert names(one.state) == {"booted": "b", "staged": None, "rollback": "a"}
    assert one.state.stored == state.stored, "the image is still there"
    two = admin(one.state, "undeploy 1").state
    assert names(two)["rollback"] is None
    assert flags(two, "index") == [0]


def test_a_pinned_deployment_can_be_undeployed():
    pinned = admin(device(rollback="a"), "pin rollback")
    assert pinned.out == ["Deployment 1 is now pinned"]
    assert names(admin(pinned.state, "undeploy 1").state)["rollback"] is None


def test_set_default_is_what_boots_next():
    state = admin(device(rollback="a"), "set-default 1").state
    assert state.rollback_queued
    assert names(reboot(state))["booted"] == "a"
    assert names(reboot(admin(staged(), "set-default 2").state))["booted"] == "n", "the staged one still wins"


@pytest.mark.parametrize(
    ("line", "cause"),
    [
        ("undeploy 1", "Cannot undeploy currently booted deployment 1"),
        ("undeploy 7", "Out of range deployment index 7, expected < 3"),
        ("undeploy x", "Invalid index: x"),
        ("undeploy", "INDEX must be specified"),
        ("pin 0", "Cannot pin staged deployment"),
        ("pin -u 9", "Out of range deployment index 9, expected < 3"),
        ("prepare-soft-reboot 1", "Cannot prepare for soft-reboot currently booted deployment 1"),
        (
            "prepare-soft-reboot 2",
            "Preparing /run/nextroot for a soft-reboot: Cannot soft-reboot to deployment with different kernel state",
        ),
        ("unlock --hotfix --transient", "Cannot specify both --hotfix and --transient"),
        ("unlock now", "This command takes no extra arguments"),
        ("undeploy --json 0", "Unknown option --json"),
        ("upgrade", "not simulated: ostree admin upgrade"),
    ],
)
def test_what_ostree_refuses(line, cause):
    with pytest.raises(BootcError) as failed:
        admin(staged(), line)
    assert str(failed.value) == cause


@pytest.mark.parametrize(
    ("line", "cause"),
    [("lock-finalization", "No staged deployment"), ("pin pending", "Deployment type not found: pending")],
)
def test_what_needs_something_staged(line, cause):
    with pytest.raises(BootcError, match=cause):
        admin(device(), line)


def test_another_soft_reboot_than_into_the_staged_one_unstages_it():
    state = staged()
    labelled = tuple(
        replace(entry, image=replace(entry.image, labels={**entry.image.labels, "ostree.linux": "6.10"}))
        for entry in state.deployments
    )
    state = replace(state, deployments=labelled)
    outcome = admin(state, "prepare-soft-reboot --reboot 2")
    assert (outcome.out, outcome.soft, outcome.state.staged) == ([], True, None)
    assert flags(outcome.state, "soft-reboot-target") == [False, True]
    assert admin(outcome.state, "prepare-soft-reboot --reset").state.soft_reboot_target is None


def test_unlocking():
    once = admin(device(), "unlock")
    assert once.out[0].startswith("Development mode enabled.")
    assert flags(once.state, "unlocked") == ["development"]
    with pytest.raises(BootcError, match="already in unlocked state: development"):
        admin(once.state, "unlock --transient")
    hotfix = admin(device(rollback="a"), "unlock --hotfix")
    assert hotfix.out[0].startswith("Hotfix mode enabled.")
    assert flags(hotfix.state, "unlocked") == ["hotfix", "none", "none"]
    assert flags(hotfix.state, "version") == ["b", "b", "a"]
    assert flags(hotfix.state, "serial") == [0, 1, 0]


def test_cleanup_says_nothing_and_drops_no_image():
    state = staged()
    outcome = admin(state, "cleanup")
    assert outcome.out == []
    assert outcome.state.stored == state.stored
    assert outcome.state.leftovers == {}


def test_for_people():
    lines = str(admin(staged("--download-only"), "status").document).splitlines()
    assert lines[0].endswith(" (finalization locked)")
    assert [line[0] for line in lines if line.startswith(("* ", "  default"))] == [" ", "*", " "]
    assert admin(staged(), "status -D").out == ["not-default"]
    assert admin(device(), "status --is-default").out == ["default"]


def test_status_needs_neither_lock_nor_root(registry, make_device):
    made = make_device(f"{registry.host}/skorionos/kde:v1.0.0")
    made.fault("lock-held", "300")
    shown = made.run("exec", "--as-user", "--", "ostree", "admin", "status", "--json")
    assert (shown.returncode, shown.stderr) == (0, "")
    made.fault("--clear", "lock-held")
    refused = made.run("exec", "--as-user", "--", "ostree", "admin", "pin", "0")
    assert (refused.returncode, refused.stderr) == (1, "error: You must be root to perform this command\n")
