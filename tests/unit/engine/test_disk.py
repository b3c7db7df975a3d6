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
    "podman run --rm --replace --name=bootc-disk-1 --privileged --pid=host --user=0:0 --network=none --pull=never",
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
    command = install_command(disk(**wanted), "/dev/loop3", Path(keys) if keys else None, "bootc-disk-1")
    assert " ".join(command) == " ".join(expected)


def test_an_argument_with_a_space_stays_one() -> None:
    assert "--karg=a=b c" in install_command(disk(kargs=("a=b c",)), "/dev/loop3", None, "one")


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
        self.attached = ""
        self.calls: list[str] = []

    def __call__(self, argv: list[str], timeout: float) -> Finished:
        words = {"to-disk": "install", "--detach": "detach", "--associated": "list", "rm": "end"}
        verb = next((verb for word, verb in words.items() if word in argv), argv[0])
        self.calls.append(verb)
        if verb in self.failing:
            return Finished(1, "", self.failing[verb])
        if verb == "losetup":
            self.raw = Path(argv[-1])
            self.attached = "/dev/loop7\n"
            return Finished(0, self.attached, "")
        if verb == "list":
            return Finished(0, self.attached, "")
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
        ("losetup", ["losetup", "end", "list"], "unexpected"),
        ("install", ["losetup", "install", "end", "list", "detach"], "install_failed"),
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
    assert programs.calls == ["losetup", "end", "list", "detach"]
    assert list(tmp_path.iterdir()) == []


def test_the_container_is_ended_by_its_name_before_the_device_goes(tmp_path: Path) -> None:
    programs = Programs(tmp_path / "kde.img")

    def slow(argv: list[str], timeout: float) -> Finished:
        if "to-disk" in argv:
            raise EngineError("timeout", "podman did not finish.")
        return programs(argv, timeout)

    making = DiskMaker(slow, lambda _folder: 0, 60)
    with pytest.raises(EngineError, match="did not finish"):
        making.make(SMALL, None, tmp_path / "kde.img")
    name = next(word for word in making.commands[1] if word.startswith("--name=")).partition("=")[2]
    assert making.commands[2] == ["podman", "rm", "--force", "--ignore", name]
    assert making.commands[-1] == ["losetup", "--detach", "/dev/loop7"]


def test_a_device_is_found_by_its_file_when_losetup_was_ended_before_it_said_the_name(tmp_path: Path) -> None:
    programs = Programs(tmp_path / "kde.img")

    def ended(argv: list[str], timeout: float) -> Finished:
        answer = programs(argv, timeout)
        if argv[:2] == ["losetup", "--find"]:
            raise SystemExit(143)
        return answer

    with pytest.raises(SystemExit):
        DiskMaker(ended, lambda _folder: 0, 60).make(SMALL, None, tmp_path / "kde.img")
    assert programs.calls[-1] == "detach"


def test_two_tasks_do_not_make_the_same_disk_at_once(tmp_path: Path) -> None:
    output = tmp_path / "kde.img"
    programs = Programs(output)
    refused = []

    def meanwhile(argv: list[str], timeout: float) -> Finished:
        if "to-disk" in argv:
            with pytest.raises(EngineError, match="Another task is making") as caught:
                maker(Programs(output)).make(SMALL, None, output)
            refused.append(caught.value.kind)
        return programs(argv, timeout)

    DiskMaker(meanwhile, lambda _folder: 100 * GIGABYTE, 60).make(SMALL, None, output)
    assert (refused, output.read_bytes()[:4]) == (["busy"], b"boot")


def test_what_a_killed_task_left_is_let_go_of_and_made_anew(tmp_path: Path) -> None:
    left = tmp_path / "kde.img.raw.part"
    left.write_bytes(b"half")
    programs = Programs(tmp_path / "kde.img")
    programs.attached = "/dev/loop3\n/dev/loop4\n"
    with left.open("rb") as held:
        maker(programs).make(SMALL, None, tmp_path / "kde.img")
        assert held.read() == b"half"
    assert programs.calls == ["end", "list", "detach", "detach", "losetup", "install", "detach"]


def test_the_container_of_a_killed_task_has_the_name_that_the_next_one_ends(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path)
    names = []
    for output in (tmp_path / "kde.img", tmp_path / "link" / "kde.img", tmp_path / "gnome.img"):
        output.with_name(output.name + ".raw.part").touch()
        making = maker(Programs(tmp_path / "elsewhere"))
        making.make(SMALL, None, output)
        ended = making.commands[0]
        run = next(command for command in making.commands if command[:2] == ["podman", "run"])
        assert ended == ["podman", "rm", "--force", "--ignore", ended[-1]]
        assert f"--name={ended[-1]}" in run
        names.append(ended[-1])
    assert names[0] == names[1] != names[2]


def test_links_are_not_followed(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_text("precious")
    output = tmp_path / "kde.img"
    (tmp_path / "kde.img.raw.part").symlink_to(precious)
    with pytest.raises(EngineError, match="is in the way"):
        maker(Programs(output)).make(SMALL, None, output)
    (tmp_path / "kde.img.raw.part").unlink()
    (tmp_path / "kde.img.sha256").symlink_to(precious)
    maker(Programs(output)).make(SMALL, None, output)
    assert precious.read_text() == "precious"
    assert "kde.img" in (tmp_path / "kde.img.sha256").read_text()


def test_a_device_that_is_none_is_not_installed_on(tmp_path: Path) -> None:
    calls = []

    def odd(argv: list[str], timeout: float) -> Finished:
        calls.extend(argv)
        return Finished(0, "/dev/sda\n", "")

    with pytest.raises(EngineError, match="'/dev/sda' in place of a device"):
        DiskMaker(odd, lambda _folder: 0, 60).make(SMALL, None, tmp_path / "kde.img")
    assert "install" not in calls


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
