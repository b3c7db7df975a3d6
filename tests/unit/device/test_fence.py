# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who may change a device that a rollout holds."""

from __future__ import annotations

import json
import os
from datetime import datetime, timedelta, timezone

import pytest
from ansible_collections.skorionos.bootc.plugins.module_utils._bootc.client import device_lock
from ansible_collections.skorionos.bootc.plugins.module_utils._device.fence import (
    CLAIM,
    Claim,
    Fence,
    check_fence,
    end_claim,
    must_take_claim,
    read_claim,
    take_claim,
    try_to_end_claim,
    who_holds,
)
from ansible_collections.skorionos.bootc.plugins.module_utils._errors import BootcError

FIRST = Fence("r1", 1, "t1", by="ann on desk", target="sha256:new")
SECOND = Fence("r1", 2, "t2", ("t1",), by="bob on server")
COPY = Fence("r1", 2, "t2-of-another-copy", ("t1",))
OTHER = Fence("r2", 1, "x1")


@pytest.fixture(autouse=True)
def root(tmp_path, monkeypatch):
    (tmp_path / "run").mkdir()
    (tmp_path / "proc/sys/kernel/random").mkdir(parents=True)
    (tmp_path / "proc/sys/kernel/random/boot_id").write_text("boot-1\n")
    monkeypatch.setenv("BOOTC_DEVICE_ROOT", str(tmp_path))
    return tmp_path


@pytest.fixture
def marker(root):
    return root / CLAIM.lstrip("/")


def refused(fence: Fence, now: datetime | None = None) -> BootcError:
    before = read_claim()
    with pytest.raises(BootcError) as caught:
        check_fence(fence, now)
    assert caught.value.kind == "fenced"
    assert caught.value.remedy
    assert read_claim() == before
    return caught.value


def later(hours: float) -> datetime:
    return datetime.now(timezone.utc) + timedelta(hours=hours)


def test_a_device_nobody_claimed_is_free(marker):
    check_fence(FIRST)
    assert who_holds() is None
    assert not marker.exists()


def test_a_claim_says_who_for_what_and_since_when(marker):
    take_claim(FIRST)
    document = json.loads(marker.read_text())
    assert document.pop("since") == document.pop("renewed")
    assert document == {
        "schema": 1,
        "rollout": "r1",
        "epoch": 1,
        "turn": "t1",
        "by": "ann on desk",
        "target": "sha256:new",
        "attempt": 1,
        "boot_id": "boot-1",
        "ended": None,
    }
    assert "rollout r1 (epoch 1, ann on desk" in str(who_holds())


def test_the_same_controller_and_the_next_one_of_its_ledger_go_on():
    for fence in (FIRST, FIRST, SECOND, Fence("r1", 3, "t3", ("t1", "t2"))):
        check_fence(fence)
        take_claim(fence)
    claim = read_claim()
    assert claim is not None
    assert (claim.epoch, claim.turn) == (3, "t3")


def test_an_older_controller_is_refused_for_good():
    take_claim(SECOND)
    error = refused(FIRST)
    assert "Another controller took this device over: rollout r1 (epoch 2, bob on server" in error.message
    assert "newest ledger" in error.remedy
    assert error.data["claim"]["turn"] == "t2"
    assert refused(FIRST, later(1000)).data == error.data
    end_claim(SECOND)  # its verdict is on record in the other ledger, and may be that the image is bad
    refused(FIRST)


def test_a_controller_with_another_copy_of_the_ledger_is_refused_at_the_same_epoch_and_at_a_higher_one():
    take_claim(SECOND)
    assert "works on another copy of this ledger" in refused(COPY).message
    assert "supersedes: [r1]" in refused(Fence("r1", 9, "t9", ("t1", "t2-of-another-copy"))).remedy


def test_another_rollout_has_to_wait_until_the_claim_ends():
    take_claim(FIRST)
    error = refused(OTHER)
    assert "held by another controller: rollout r1" in error.message
    assert CLAIM in error.remedy
    assert "'supersedes'" in error.remedy
    end_claim(FIRST)
    check_fence(OTHER)
    take_claim(OTHER)
    refused(FIRST)


def test_another_rollout_that_was_told_to_takes_over_at_once():
    take_claim(FIRST)
    check_fence(Fence("r2", 1, "x1", supersedes=("r0", "r1")))


def test_a_lost_ledger_does_not_strand_the_device():
    take_claim(FIRST)
    refused(OTHER, later(23.9))
    check_fence(OTHER, later(24.1))


def test_a_clock_that_was_set_back_does_not_free_the_device():
    take_claim(FIRST)
    refused(OTHER, later(-10000))


def test_a_claim_that_is_renewed_holds_on(marker):
    take_claim(FIRST)
    old = json.loads(marker.read_text())
    marker.write_text(json.dumps({**old, "since": "2020-01-01T00:00:00Z", "renewed": "2020-01-01T00:00:00Z"}))
    check_fence(OTHER)
    take_claim(SECOND)
    refused(OTHER)
    claim = read_claim()
    assert claim is not None
    assert claim.since == "2020-01-01T00:00:00Z"


def test_only_ones_own_claim_is_ended():
    take_claim(SECOND)
    for fence in (FIRST, COPY, OTHER):
        end_claim(fence)
        claim = read_claim()
        assert claim is not None
        assert claim.ended is None
    end_claim(SECOND)
    claim = read_claim()
    assert claim is not None
    assert claim.ended is not None
    assert who_holds() is None


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "7", "{}", '{"rollout": "r1"}', '{"schema": "x"}', "[" * 5000],
)
def test_a_file_that_makes_no_sense_is_no_claim(marker, text):
    marker.parent.mkdir(parents=True)
    marker.write_text(text)
    check_fence(FIRST)
    take_claim(FIRST)
    assert isinstance(read_claim(), Claim)


@pytest.mark.parametrize(
    "change",
    [{"epoch": "1"}, {"turn": None}, {"renewed": "yesterday"}, {"ended": 1}, {"attempt": None}, {"rollout": ""}],
)
def test_a_claim_with_a_wrong_value_is_none(marker, change):
    take_claim(FIRST)
    marker.write_text(json.dumps({**json.loads(marker.read_text()), **change}))
    check_fence(OTHER)


def test_a_claim_of_a_later_version_is_not_guessed(marker):
    take_claim(FIRST)
    marker.write_text(json.dumps({"schema": 2}))
    with pytest.raises(BootcError, match="later version") as caught:
        check_fence(FIRST)
    assert caught.value.kind == "fenced"


def test_a_claim_that_cannot_be_read_or_written_stops_a_device_from_being_taken_forward(root, marker):
    marker.mkdir(parents=True)
    with pytest.raises(BootcError, match="cannot be read"):
        check_fence(FIRST)
    marker.rmdir()
    marker.parent.rmdir()
    marker.parent.write_text("no folder")
    with pytest.raises(BootcError, match="Nothing was changed") as caught:
        must_take_claim(FIRST)
    assert caught.value.kind == "unexpected"


def test_a_full_disk_is_named(monkeypatch):
    def full(_descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(BootcError) as caught:
        must_take_claim(FIRST)
    assert caught.value.kind == "no_space"
    assert read_claim() is None


def test_the_end_waits_for_nobody():
    take_claim(FIRST)
    with device_lock()(1):
        try_to_end_claim(FIRST, device_lock(clock=iter(range(0, 100, 5)).__next__, sleep=lambda _seconds: None))
    claim = read_claim()
    assert claim is not None
    assert claim.ended is None
    try_to_end_claim(FIRST, device_lock())
    claim = read_claim()
    assert claim is not None
    assert claim.ended is not None
