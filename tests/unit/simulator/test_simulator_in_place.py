# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A device that is the machine itself, as far as that can be tried without being one."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from simulator import cli, inplace
from simulator.boot import finalise
from simulator.store import Device, new_boot_id
from tests.simulated_world import FakeWorld, bootc, device, names


class Machine:
    """The paths a device in place uses, below a directory."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        self.directory = tmp_path / "device"
        self.root = tmp_path / "root"
        self.kernel = tmp_path / "boot_id"
        self.run = tmp_path / "run"
        self.commands: list[list[str]] = []
        self.kernel.write_text(f"{new_boot_id()}\n")
        self.directory.mkdir()
        self.root.mkdir()
        monkeypatch.setattr(inplace, "BOOT_ID", self.kernel)
        monkeypatch.setattr(inplace, "RUN", self.run)
        monkeypatch.setattr(inplace.subprocess, "run", self._command)
        monkeypatch.setattr(Device, "root", lambda *_unused: self.root)
        self.mount_fails = False

    def _command(self, command, **_unused):
        self.commands.append(command)
        if command[0] == "mount" and not self.mount_fails:
            Path(command[-1]).write_text(Path(command[-2]).read_text())
        failed = self.mount_fails and command[0] == "mount"
        return inplace.subprocess.CompletedProcess(command, 32 if failed else 0, stderr="permission denied")

    def device(self) -> Device:
        made = Device(str(self.directory))
        made.run_file = self.run / "staged.json"
        return made


@pytest.fixture
def machine(monkeypatch, tmp_path):
    return Machine(monkeypatch, tmp_path)


def prepared(machine: Machine) -> Device:
    """A device with an update staged, in the boot its kernel's id names."""
    made = machine.device()
    state = replace(device(rollback="a"), in_place=True)
    boot_id = inplace.current_boot_id()
    state = replace(state, boot=replace(state.boot, id=boot_id, kernel_id=boot_id))
    state = bootc(state, FakeWorld(stable="n"), "upgrade").state
    with made.state_lock():
        made.write(state)
        made.sync(state)
    return made


def test_what_is_staged_lives_in_run_only(machine):
    made = prepared(machine)
    assert json.loads(made.state_file.read_text())["staged"] is None
    assert names(made.load())["staged"] == "n"
    made.run_file.unlink()
    assert names(made.load())["staged"] is None


def test_finalised_at_shutdown_and_booted_by_the_next_boot(machine):
    made = prepared(machine)
    made.update(finalise)
    assert names(made.load()) == {"booted": "b", "staged": None, "rollback": "n"}
    assert inplace.start_boot(made) == 0
    assert names(made.load()) == {"booted": "n", "staged": None, "rollback": "b"}
    assert "run/reboot-required" not in [str(path.relative_to(machine.root)) for path in machine.root.rglob("*")]


def test_killed_without_shutdown_the_old_one_boots(machine):
    made = prepared(machine)
    assert inplace.start_boot(made) == 0
    assert names(made.load()) == {"booted": "b", "staged": None, "rollback": "a"}


def test_each_boot_has_its_own_boot_id_though_the_kernel_stays(machine):
    made = prepared(machine)
    kernel = inplace.current_boot_id()
    seen = {kernel}
    for _unused in range(3):
        machine.kernel.write_text(f"{kernel}\n")
        inplace.start_boot(made)
        assert inplace.current_boot_id() == made.load().boot.id
        seen.add(made.load().boot.id)
    assert len(seen) == 4


def test_without_the_right_to_mount_it_says_so_and_goes_on(machine, capsys):
    made = prepared(machine)
    machine.mount_fails = True
    assert inplace.start_boot(made) == 0
    assert made.load().boot.id == inplace.current_boot_id()
    assert "--cap-add SYS_ADMIN" in capsys.readouterr().err


def test_install_lays_down_programs_and_units(tmp_path):
    (tmp_path / "usr/bin").mkdir(parents=True)
    skopeo = tmp_path / "usr/bin/skopeo"
    skopeo.write_text("#!/bin/sh\n# the real one\n")
    skopeo.chmod(0o755)
    assert cli.main(["install", "--root", str(tmp_path), "--device-dir", "/var/lib/d"]) == 0
    assert (tmp_path / "usr/bin/bootc").read_text().endswith('__main__.py device /var/lib/d bootc "$@"\n')
    assert "the real one" in skopeo.read_text()
    assert (tmp_path / "usr/bin/ostree").exists()
    assert (tmp_path / "usr/lib/bootc-simulator/simulator/__main__.py").exists()
    units = tmp_path / "usr/lib/systemd/system"
    assert "ExecStop=" in (units / "bootc-finalize-staged.service").read_text()
    assert (units / "sysinit.target.wants/bootc-simulator-boot.service").resolve().exists()
    assert (units / "multi-user.target.wants/bootc-finalize-staged.service").resolve().exists()
