# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who may advance a rollout."""

from __future__ import annotations

import errno
import json
import os
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.errors import RolloutError
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.lease import Holder, read, release, take

ME = Holder("desk", "boot-1", 100, "5000", "ann", 2)
OTHER = Holder("desk", "boot-1", 99, "4000", "bob", 1)


def alive(_holder: Holder) -> bool:
    return True


def dead(_holder: Holder) -> bool:
    return False


def test_a_free_lease_is_taken(tmp_path: Path) -> None:
    assert read(tmp_path) is None
    take(tmp_path, ME, alive)
    assert read(tmp_path) == ME
    assert [path.name for path in tmp_path.iterdir()] == ["lease.json"]


def test_the_lease_of_a_live_process_is_refused(tmp_path: Path) -> None:
    take(tmp_path, OTHER, dead)
    with pytest.raises(RolloutError) as caught:
        take(tmp_path, ME, alive)
    assert caught.value.reason == "lease_held"
    assert "by bob (process 99 on desk)" in caught.value.cause
    assert "stop it" in caught.value.remedy
    assert read(tmp_path) == OTHER


def test_the_lease_of_a_dead_process_is_taken(tmp_path: Path) -> None:
    take(tmp_path, OTHER, dead)
    take(tmp_path, ME, dead)
    assert read(tmp_path) == ME


def test_the_lease_of_another_machine_is_refused_because_nobody_can_look_there(tmp_path: Path) -> None:
    take(tmp_path, replace(OTHER, machine="server"), dead)
    with pytest.raises(RolloutError) as caught:
        take(tmp_path, ME, dead)
    assert str(tmp_path / "lease.json") in caught.value.remedy


HERE, THERE = replace(ME, machine_id="1a", pid_namespace="pid:[1]"), {"machine_id": "1a", "pid_namespace": "pid:[1]"}


@pytest.mark.parametrize(
    "change",
    [
        {**THERE, "machine_id": "2b", "boot_id": "boot-2"},
        {**THERE, "pid_namespace": "pid:[2]"},
        {**THERE, "machine_id": ""},
    ],
    ids=["another machine", "another container", "unknown machine"],
)
def test_the_lease_of_a_namesake_is_refused(tmp_path: Path, change: dict[str, str]) -> None:
    take(tmp_path, replace(OTHER, **change), dead)  # type: ignore[arg-type]
    with pytest.raises(RolloutError) as caught:
        take(tmp_path, HERE, dead)
    assert "on desk, another machine or container of this name" in caught.value.cause
    assert str(tmp_path / "lease.json") in caught.value.remedy


def test_without_an_identity_another_boot_may_be_one_of_another_machine(tmp_path: Path) -> None:
    nameless = {"machine_id": "", "pid_namespace": "pid:[1]"}
    take(tmp_path, replace(OTHER, **nameless), dead)  # type: ignore[arg-type]
    take(tmp_path, replace(ME, **nameless), dead)  # type: ignore[arg-type]
    with pytest.raises(RolloutError, match="another machine or container"):
        take(tmp_path, replace(HERE, **nameless, boot_id="boot-2"), dead)  # type: ignore[arg-type]


def test_a_machine_that_was_rebooted_takes_its_lease(tmp_path: Path) -> None:
    take(tmp_path, replace(OTHER, **THERE), dead)  # type: ignore[arg-type]
    take(tmp_path, replace(HERE, boot_id="boot-2"), dead)


def test_a_lease_of_before_machines_had_an_identity_is_read(tmp_path: Path) -> None:
    known = {key: value for key, value in asdict(OTHER).items() if key not in ("machine_id", "pid_namespace")}
    (tmp_path / "lease.json").write_text(json.dumps(known))
    with pytest.raises(RolloutError, match="by bob"):
        take(tmp_path, HERE, alive)
    take(tmp_path, HERE, dead)


def test_a_process_takes_its_own_lease_again(tmp_path: Path) -> None:
    take(tmp_path, ME, alive)
    take(tmp_path, replace(ME, epoch=3), alive)
    assert read(tmp_path) == replace(ME, epoch=3)


@pytest.mark.parametrize("change", [{"pid": 101}, {"started": "5001"}, {"boot_id": "boot-2"}])
def test_a_process_that_only_looks_like_ours_is_another(tmp_path: Path, change: dict[str, object]) -> None:
    take(tmp_path, replace(ME, **change), alive)  # type: ignore[arg-type]
    with pytest.raises(RolloutError):
        take(tmp_path, ME, alive)


def test_a_lease_is_given_up_by_its_holder_alone(tmp_path: Path) -> None:
    take(tmp_path, ME, alive)
    release(tmp_path, ME.epoch - 1)
    assert read(tmp_path) == ME
    release(tmp_path, ME.epoch)
    assert read(tmp_path) is None
    release(tmp_path, ME.epoch)


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '"x"', json.dumps({**asdict(ME), "more": 1}), "\udcff"])
def test_a_damaged_lease_is_named_and_not_taken(tmp_path: Path, content: str) -> None:
    (tmp_path / "lease.json").write_bytes(content.encode("utf-8", "surrogateescape"))
    with pytest.raises(RolloutError) as caught:
        take(tmp_path, ME, dead)
    assert caught.value.reason == "lease_damaged"
    assert str(tmp_path / "lease.json") in caught.value.cause
    assert "remove that file" in caught.value.remedy


def test_a_lease_that_cannot_be_written_is_no_lease(tmp_path: Path) -> None:
    with pytest.raises(RolloutError, match=r"Cannot write the lease at .*gone/lease.json: No such file"):
        take(tmp_path / "gone", ME, alive)


def test_a_full_disk_leaves_the_lease_of_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    take(tmp_path, OTHER, dead)

    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(RolloutError) as caught:
        take(tmp_path, ME, dead)
    assert caught.value.reason == "ledger_full"
    assert read(tmp_path) == OTHER
    assert [path.name for path in tmp_path.iterdir()] == ["lease.json"]


def test_a_lease_that_cannot_be_given_up_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    take(tmp_path, ME, dead)

    def forbidden(_path: Path, missing_ok: bool) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(Path, "unlink", forbidden)
    with pytest.raises(RolloutError) as caught:
        release(tmp_path, ME.epoch)
    assert caught.value.reason == "ledger_read_only"
