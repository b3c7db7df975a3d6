# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module disk_image with programs on PATH that only write down what they were asked for."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.skorionos.bootc.plugins.module_utils._engine import disk
from ansible_collections.skorionos.bootc.plugins.modules import disk_image

PROGRAMS = {
    "podman": """
if [ "$1" = rm ]; then exit; fi
if [ "$1" = image ]; then echo '[{"Id": "abc", "Size": 1000}]'; exit; fi
if [ -e "$0.fails" ]; then echo 'error: Installing to disk: no space' >&2; exit 1; fi
printf boot | dd of="$(cat "$0.disk")" conv=notrunc status=none
""",
    "losetup": """
if [ "$1" = --detach ]; then exit; fi
if [ "$1" = --noheadings ]; then echo /dev/loop7; exit; fi
for last; do :; done
echo "$last" >"${0%/*}/podman.disk"
echo /dev/loop7
""",
}


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    # The checksum of a disk of some gigabytes would take its time.
    monkeypatch.setattr(disk, "_BOOT_BYTES", 500_000)
    folder = tmp_path / "bin"
    folder.mkdir()
    for name, script in PROGRAMS.items():
        program = folder / name
        program.write_text(f'#!/bin/sh\nset -e\necho "{name} $*" >>"${{0%/*}}/log"\n{script}')
        program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    return folder


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], tmp_path: Path, programs: Path) -> Callable[..., dict[str, Any]]:
    def run_module(*, check: bool = False, **arguments: Any) -> dict[str, Any]:
        wanted = {
            "path": str(tmp_path / "kde.img"),
            "image": "localhost/kde:1",
            "target_image": "registry.example.com/os/kde:stable",
            "size": "1M",
            **arguments,
            "_ansible_check_mode": check,
        }
        with patch_module_args(wanted), pytest.raises(SystemExit):
            disk_image.main()
        result: dict[str, Any] = json.loads(capsys.readouterr().out)
        return result

    return run_module


def test_a_disk_is_predicted_made_and_then_left_alone(run: Any, programs: Path, tmp_path: Path) -> None:
    predicted = run(check=True)
    assert (predicted["changed"], predicted["sha256"], (tmp_path / "kde.img").exists()) == (True, None, False)
    made = run()
    assert (made["changed"], made["disk_size"]) == (True, 1_003_520)
    assert (tmp_path / "kde.img").open("rb").read(5) == b"boot\0"
    assert (tmp_path / "kde.img.sha256").read_text() == f"{made['sha256']}  kde.img\n"
    log = (programs / "log").read_text()
    assert "--user=0:0" in log
    assert "losetup --detach /dev/loop7" in log
    for check in (True, False):
        again = run(check=check)
        assert (again["changed"], again["sha256"], again["commands"]) == (False, made["sha256"], [])


def test_another_disk_is_overwritten_only_by_force(run: Any, tmp_path: Path) -> None:
    (tmp_path / "kde.img").write_text("precious")
    refused = run()
    assert (refused["reason"], "nothing tells what it is" in refused["msg"]) == ("exists", True)
    assert (tmp_path / "kde.img").read_text() == "precious"
    assert run(force=True)["changed"] is True
    other = run(backend="composefs")
    assert (other["reason"], "a disk of localhost/kde:1, or made with other options" in other["msg"]) == (
        "exists",
        True,
    )
    assert run(backend="composefs", force=True)["changed"] is True


def test_a_disk_that_was_changed_since_is_another_one(
    run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = run()
    output = tmp_path / "kde.img"
    with monkeypatch.context() as patch:
        # A disk of gigabytes is not read again for nothing.
        patch.setattr(disk, "_sha256", lambda _path: pytest.fail("it was read"))
        assert run()["changed"] is False
    # Other times alone are no change.
    os.utime(output, (1, 1))
    assert (run()["changed"], run(check=True)["sha256"]) == (False, made["sha256"])
    with output.open("r+b") as file:
        file.write(b"used")
    for check in (True, False):
        refused = run(check=check)
        assert (refused["reason"], "which was changed since" in refused["msg"]) == ("exists", True)
    assert run(force=True)["changed"] is True


def test_what_bootc_says_is_told_and_the_device_is_given_back(run: Any, programs: Path, tmp_path: Path) -> None:
    (programs / "podman.fails").touch()
    failed = run()
    assert (failed["reason"], "Installing to disk: no space" in failed["msg"]) == ("install_failed", True)
    assert failed["commands"][-1] == ["losetup", "--detach", "/dev/loop7"]
    assert not list(tmp_path.glob("kde*"))
    (programs / "podman.fails").unlink()
    run()
    (programs / "podman.fails").touch()
    assert run(force=True)["reason"] == "install_failed"
    assert run()["changed"] is False


def test_options_that_make_no_sense_are_refused(run: Any, tmp_path: Path) -> None:
    assert run(target_image="kde")["reason"] == "invalid"
    assert run(size="100K")["reason"] == "invalid"
    assert run(path=str(tmp_path / "absent" / "kde.img"))["reason"] == "invalid"
    assert run(path=str(tmp_path))["reason"] == "invalid"
    assert run(authorized_keys=str(tmp_path / "absent"))["reason"] == "invalid"
    assert run(image="--privileged")["reason"] == "invalid"
    by_tag = run(source_image="registry.example.com/os/kde:stable")
    assert (by_tag["reason"], "has no digest" in by_tag["msg"]) == ("invalid", True)
    assert run(source_image=f"registry.example.com/os/kde@sha256:{'1' * 64}")["changed"] is True


def test_keys_are_mounted_by_their_whole_path(
    run: Any, programs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("fleet.pub", "fleet:1.pub"):
        Path(name).write_text("ssh-ed25519 AAAA")
    assert run(authorized_keys="fleet.pub")["changed"] is True
    assert f"--volume {tmp_path}/fleet.pub:/run/" in (programs / "log").read_text()
    assert run(authorized_keys="fleet:1.pub")["reason"] == "invalid"


def test_a_task_whose_terminal_goes_gives_the_device_back(run: Any, programs: Path) -> None:
    before = {each: signal.signal(each, signal.SIG_DFL) for each in (signal.SIGTERM, signal.SIGHUP)}
    (programs / "podman").write_text(f"""#!/bin/sh
echo "podman $*" >>{programs}/log
if [ "$1" = image ]; then echo '[{{"Id": "abc", "Size": 1000}}]'; exit; fi
if [ "$1" = run ]; then kill -HUP {os.getpid()}; exec sleep 60; fi
""")
    try:
        with pytest.raises(json.JSONDecodeError):
            run()
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
    last = (programs / "log").read_text().splitlines()[-3:]
    assert [line.split()[:2] for line in last] == [
        ["podman", "rm"],
        ["losetup", "--noheadings"],
        ["losetup", "--detach"],
    ]


def test_a_program_that_is_missing_is_named(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    missing = run()
    assert (missing["reason"], missing["msg"]) == (
        "engine_missing",
        "There is no podman in PATH. Install it on this host.",
    )
