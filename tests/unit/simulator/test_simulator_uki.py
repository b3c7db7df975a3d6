# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Unified kernel images under systemd-boot: for a long time bootc took the default entry for the other one."""

from __future__ import annotations

from dataclasses import replace

import pytest

from simulator import status
from simulator.verbs.common import BootcError
from tests.simulated_world import FakeWorld, bootc, device, names, reboot

INVERTED = "1.16.9"
RIGHT = "1.16.10"


def uki(version=INVERTED, rollback="a"):
    return device("b", backend="uki", rollback=rollback, version=version)


def told(state):
    host = status.document(state)
    return host["status"]["rollbackQueued"], host["spec"]["bootOrder"]


@pytest.mark.parametrize("rollback", ["a", None])
def test_the_flag_is_inverted_up_to_1_16_9(rollback):
    assert told(uki(rollback=rollback)) == (True, "rollback")
    assert told(uki(RIGHT, rollback=rollback)) == (False, "default")


@pytest.mark.parametrize(
    ("version", "first", "second"),
    [
        (INVERTED, ["notice: Reverting queued rollback state", "Next boot: current deployment"], ["rollback"]),
        (RIGHT, ["Next boot: rollback deployment"], ["current"]),
    ],
)
def test_rollback_swaps_the_entries_and_says_the_opposite(version, first, second):
    once = bootc(uki(version), FakeWorld(), "rollback")
    assert once.out == first
    assert once.state.rollback_queued
    assert told(once.state)[0] is (version == RIGHT)
    assert names(reboot(once.state)) == {"booted": "a", "staged": None, "rollback": "b"}
    twice = bootc(once.state, FakeWorld(), "rollback")
    assert twice.out[-1] == f"Next boot: {second[0]} deployment"
    assert replace(twice.state, journal=()) == uki(version)


def test_rollback_without_one_still_says_that_it_reverts():
    with pytest.raises(BootcError, match=r"^Rollback: Rolling back composefs: No rollback available$") as failed:
        bootc(uki(rollback=None), FakeWorld(), "rollback")
    assert failed.value.so_far is not None
    assert failed.value.so_far.out == ["notice: Reverting queued rollback state"]


def test_deleting_the_rollback_rolls_back_first_for_no_reason():
    state = bootc(uki(), FakeWorld(stable="n"), "upgrade").state
    assert state.rollback is not None
    deleted = bootc(state, FakeWorld(), "delete-deployment", state.rollback.id)
    assert deleted.out == ["notice: Reverting queued rollback state", "Next boot: current deployment"]
    assert names(deleted.state) == {"booted": "b", "staged": None, "rollback": None}, "and so loses what is staged"
    assert not deleted.state.rollback_queued


@pytest.mark.parametrize(("version", "known"), [("1.11.0", False), ("1.12.0", True)])
def test_status_tells_the_boot_type_and_since_1_12_the_boot_digest(version, known):
    shown = status.document(uki(version))["status"]["booted"]["composefs"]
    assert shown["bootType"] == "Uki"
    assert shown["bootloader"] == "Systemd"
    assert (shown["bootDigest"] is not None) is known


def test_updates_are_those_of_composefs():
    state = bootc(uki(), FakeWorld(stable="n"), "upgrade").state
    assert names(state) == {"booted": "b", "staged": "n", "rollback": "a"}
    after = reboot(state)
    assert names(after) == {"booted": "n", "staged": None, "rollback": "b"}
    assert told(after) == (True, "rollback")
