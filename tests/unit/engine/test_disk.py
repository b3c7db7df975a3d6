# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Disks up to the call into bootc: its command line, and what happens around it."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from ansible_collections.skorionos.bootc.plugins.module_utils._engine.disk import (
    Disk,
    DiskMaker,
    install_command,
    needed_bytes,
    parse_size,
    recipe,
)
from ansible_collections.skorionos.bootc.plugins.module_utils._engine.errors import EngineError
from ansible_collections.skorionos.bootc.plugins.module_utils._engine.run import Finished

IMAGE = "registry.example.com/os/skorionos:kde-v1"
TARGET = "registry.example.com/os/skorionos:kde-stable"
GIGABYTE = 1000**3
AROUND = [
    "podman run --rm --privileged --pid=host --user=0:0 --network=none --pull=never",
    "--security-opt=label=type:unconfined_t --volume /dev:/dev --volume /var/lib/containers:/var/lib/containers",
]


def disk(**wanted: object) -> Disk:
    return Disk(IMAGE, TARGET, 20 * GIGABYTE, **wanted)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("wanted", "keys", "expected"),
    [
        (
            {},
            None,
            [
                *AROUND,
                f"--entrypoint=bootc {IMAGE} install to-disk --wipe --block-setup=direct --skip-fetch-check",
                f"--generic-image --target-imgref={TARGET} /dev/loop3",
            ],
        ),
        (
            {"composefs": True, "allow_missing_verity": True, "filesystem": "btrfs", "kargs": ("quiet", "a=b c")},
            "/srv/fleet.pub",
            [
                *AROUND,
                "--volume /srv/fleet.pub:/run/bootc-authorized-keys:ro",
                f"--entrypoint=bootc {IMAGE} install to-disk --wipe --block-setup=direct --skip-fetch-check",
                "--composefs-backend --allow-missing-verity --generic-image --filesystem=btrfs",
                f"--target-imgref={TARGET} --root-ssh-authorized-keys=/run/bootc-authorized-keys",
                "--karg=quiet --karg=a=b c /dev/loop3",
            ],
        ),
        (
            {
                "generic": False,
                "block_setup": "tpm2-luks",
                "root_size": "10G",
                "bootloader": "systemd",
                "stateroot": "skorion",
                "enforce_signatures": True,
                "disable_selinux": True,
                "source_image": "registry.example.com/os/skorionos@sha256:1",
            },
            None,
            [
                AROUND[0].replace("--network=none", "--network=host"),
                AROUND[1],
                f"--entrypoint=bootc {IMAGE} install to-disk --wipe --block-setup=tpm2-luks --skip-fetch-check",
                "--enforce-container-sigpolicy --disable-selinux --root-size=10G --bootloader=systemd",
                "--stateroot=skorion --source-imgref=docker://registry.example.com/os/skorionos@sha256:1",
                f"--target-imgref={TARGET} /dev/loop3",
            ],
        ),
    ],
)
def test_the_command_line(wanted: dict[str, object], keys: str | None, expected: list[str]) -> None:
    command = install_command(disk(**wanted), "/dev/loop3", Path(keys) if keys else None)
    assert " ".join(command) == " ".join(expected)


def test_an_argument_with_a_space_stays_one() -> None:
    assert "--karg=a=b c" in install_command(disk(kargs=("a=b c",)), "/dev/loop3", None)


@pytest.mark.parametrize(
    ("text", "size"), [("20G", 20_000_002_048), ("4096", 4096), ("1T", 10**12), ("3000MB", 3_000_000_512)]
)
def test_sizes_are_whole_sectors_in_powers_of_1000(text: str, size: int) -> None:
    assert (parse_size(text), size % 4096) == (size, 0)


@pytest.mark.parametrize("text", ["", "20 GiB", "-1G", "1.5G", "G"])
def test_other_sizes_are_refused(text: str) -> None:
    with pytest.raises(EngineError, match="is no size"):
        parse_size(text)


@pytest.mark.parametrize("wanted", [{"allow_missing_verity": True}])
def test_wishes_that_contradict_each_other_are_refused(wanted: dict[str, object]) -> None:
    with pytest.raises(EngineError, match="backend: composefs only"):
        disk(**wanted).check()


def test_room_is_reckoned_for_what_is_written_and_not_for_holes() -> None:
    assert needed_bytes(disk(), 4 * GIGABYTE) == 7 * GIGABYTE
    assert needed_bytes(disk(compression="zstd"), 4 * GIGABYTE) == 11 * GIGABYTE
    assert needed_bytes(disk(), 19 * GIGABYTE) == 20 * GIGABYTE


class Programs:
    """Answers in place of programs; the installation writes into the file behind the loop device."""

    def __init__(self, output: Path, **failing: str) -> None:
        self.output = output
        self.failing = failing
        self.raw: Path | None = None
        self.calls: list[str] = []

    def __call__(self, argv: list[str], timeout: float) -> Finished:
        verb = "install" if "to-disk" in argv else "detach" if "--detach" in argv else argv[0]
        self.calls.append(verb)
        if verb in self.failing:
            return Finished(1, "", self.failing[verb])
        if verb == "losetup":
            self.raw = Path(argv[-1])
            return Finished(0, "/dev/loop7\n", "")
        if verb == "install":
            assert not self.output.exists()
            assert self.raw is not None
            with self.raw.open("r+b") as file:
                file.write(b"boot")
        if verb == "zstd":
            Path(argv[-1]).write_bytes(b"packed " + Path(argv[-3]).read_bytes()[:4])
        return Finished(0, "", "")


def maker(programs: Programs, free: int = 100 * GIGABYTE) -> DiskMaker:
    return DiskMaker(programs, lambda _folder: free, 60)


SMALL = Disk(IMAGE, TARGET, 1024 * 1024)


def test_a_disk_appears_whole_and_sparse_with_its_checksum(tmp_path: Path) -> None:
    output = tmp_path / "kde.img"
    programs = Programs(output)
    digest = maker(programs).make(SMALL, None, output)
    assert programs.calls == ["losetup", "install", "detach"]
    assert digest == hashlib.sha256(output.read_bytes()).hexdigest()
    assert (tmp_path / "kde.img.sha256").read_text() == f"{digest}  kde.img\n"
    assert output.stat().st_size == 1024 * 1024
    assert output.stat().st_blocks * 512 < 100_000
    assert sorted(path.name for path in tmp_path.iterdir()) == ["kde.img", "kde.img.sha256"]


def test_a_packed_disk_leaves_no_raw_one(tmp_path: Path) -> None:
    output = tmp_path / "kde.img.zst"
    programs = Programs(output)
    maker(programs).make(Disk(IMAGE, TARGET, 1024 * 1024, compression="zstd"), None, output)
    assert programs.calls == ["losetup", "install", "detach", "zstd"]
    assert output.read_bytes() == b"packed boot"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["kde.img.zst", "kde.img.zst.sha256"]


@pytest.mark.parametrize(
    ("failing", "calls", "kind"),
    [
        ("losetup", ["losetup"], "unexpected"),
        ("install", ["losetup", "install", "detach"], "install_failed"),
        ("detach", ["losetup", "install", "detach"], "unexpected"),
        ("zstd", ["losetup", "install", "detach", "zstd"], "unexpected"),
    ],
)
def test_whatever_fails_the_device_is_given_back_and_no_file_stays(
    tmp_path: Path, failing: str, calls: list[str], kind: str
) -> None:
    output = tmp_path / "kde.img"
    output.write_text("the one before")
    programs = Programs(tmp_path / "elsewhere", **{failing: "error: no such thing"})
    with pytest.raises(EngineError, match="no such thing") as caught:
        maker(programs).make(Disk(IMAGE, TARGET, 1024 * 1024, compression="zstd"), None, output)
    assert (programs.calls, caught.value.kind) == (calls, kind)
    assert [path.name for path in tmp_path.iterdir()] == ["kde.img"]
    assert output.read_text() == "the one before"


def test_the_device_is_given_back_when_somebody_ends_the_task(tmp_path: Path) -> None:
    programs = Programs(tmp_path / "kde.img")

    def ended(argv: list[str], timeout: float) -> Finished:
        if "to-disk" in argv:
            raise SystemExit(143)
        return programs(argv, timeout)

    with pytest.raises(SystemExit):
        DiskMaker(ended, lambda _folder: 0, 60).make(SMALL, None, tmp_path / "kde.img")
    assert programs.calls == ["losetup", "detach"]
    assert list(tmp_path.iterdir()) == []


def test_a_device_that_is_none_is_not_installed_on(tmp_path: Path) -> None:
    calls = []

    def odd(argv: list[str], timeout: float) -> Finished:
        calls.append(argv[0])
        return Finished(0, "/dev/sda\n", "")

    with pytest.raises(EngineError, match="'/dev/sda' in place of a device"):
        DiskMaker(odd, lambda _folder: 0, 60).make(SMALL, None, tmp_path / "kde.img")
    assert calls == ["losetup"]


def test_room_is_looked_at_before_anything_is_made(tmp_path: Path) -> None:
    programs = Programs(tmp_path)
    with pytest.raises(EngineError, match=r"1\.0 GB free, and this may take 7\.0 GB") as caught:
        maker(programs, GIGABYTE).check_room(disk(), 4 * GIGABYTE, tmp_path)
    assert caught.value.kind == "no_space"
    with pytest.raises(EngineError, match=r"have 19\.0 GB, too much for a disk of 20\.0 GB\. Give it at least 22G"):
        maker(programs).check_room(disk(), 19 * GIGABYTE, tmp_path)
    maker(programs).check_room(disk(), 4 * GIGABYTE, tmp_path)


def test_a_recipe_tells_every_difference(tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    keys.write_text("ssh-ed25519 AAAA one")
    first = recipe(disk(), "id", keys)
    keys.write_text("ssh-ed25519 AAAA two")
    different = {
        first,
        recipe(disk(), "id", keys),
        recipe(disk(), "other", keys),
        recipe(disk(generic=False), "id", keys),
    }
    assert len(different) == 4
    assert recipe(disk(), "id", keys) in different


def test_an_image_that_podman_does_not_have_is_named() -> None:
    for code, kind, said in ((1, "not_found", "has no image"), (125, "unexpected", "disk full")):
        answer = Finished(code, "", "disk full")
        failing = DiskMaker(lambda _argv, _timeout, answer=answer: answer, lambda _folder: 0, 60)
        with pytest.raises(EngineError, match=said) as caught:
            failing.image(IMAGE)
        assert caught.value.kind == kind
    there = Finished(0, json.dumps([{"Id": "abc", "Size": 5}]), "")
    assert DiskMaker(lambda _argv, _timeout: there, lambda _folder: 0, 60).image(IMAGE) == ("abc", 5)
