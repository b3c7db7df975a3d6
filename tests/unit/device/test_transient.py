# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Commands that outlive the connection: a stand-in for systemd-run starts real processes that nobody waits for."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from ansible_collections.skorionos.bootc.plugins.module_utils._device import transient
from ansible_collections.skorionos.bootc.plugins.module_utils._device.command import (
    CommandTimeout,
    Completed,
    Watch,
    run_command,
)
from ansible_collections.skorionos.bootc.plugins.module_utils._device.transient import FOLDER, TransientRun, unit_name

SYSTEMD_RUN = f"""#!{sys.executable}
import os, subprocess, sys
words = sys.argv[1:]
while words[0].startswith("--"):
    words.pop(0)
with open(os.environ["BOOTC_DEVICE_ROOT"] + "/started", "a") as file:
    file.write("started\\n")
subprocess.Popen(words, start_new_session=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                 stderr=subprocess.DEVNULL)
"""


@pytest.fixture
def device(tmp_path, monkeypatch):
    root = tmp_path / "device root"
    (root / "run/systemd/system").mkdir(parents=True)
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "systemd-run").write_text(SYSTEMD_RUN)
    (programs / "systemctl").write_text("#!/bin/sh\n")
    for program in programs.iterdir():
        program.chmod(0o755)
    monkeypatch.setenv("BOOTC_DEVICE_ROOT", str(root))
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}/usr/bin{os.pathsep}/bin")
    return root


def started(device):
    log = device / "started"
    return len(log.read_text().splitlines()) if log.exists() else 0


def wait_until(condition):
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_the_result_is_that_of_the_command(device):
    done = TransientRun()(("sh", "-c", "echo out; echo err >&2; exit 3"), 60)
    assert (done.rc, done.out, done.err) == (3, "out\n", "err\n")
    assert started(device) == 1
    assert list((device / FOLDER.lstrip("/")).iterdir()) == []


def test_words_and_environment_are_no_shell_text(device, monkeypatch):
    monkeypatch.setenv("SECRET", "$(touch pwned) 'x'")
    done = TransientRun()(
        (sys.executable, "-c", "import os,sys; print(os.environ['SECRET'], sys.argv[1])", "$HOME ;"), 60
    )
    assert done.out == "$(touch pwned) 'x' $HOME ;\n"


def test_the_order_is_for_nobody_else_to_read(device):
    seen = []

    def run(argv, timeout):
        folder = Path(argv[-1])
        seen.append((stat.S_IMODE(folder.stat().st_mode), stat.S_IMODE((folder / "order.json").stat().st_mode)))
        return run_command(argv, timeout)

    TransientRun(run)(("true",), 60)
    assert seen == [(0o700, 0o600)]


def test_the_same_command_asked_for_again_is_followed_and_not_started_again(device):
    go = device / "go"
    argv = ("sh", "-c", f"while [ ! -e '{go}' ]; do sleep 0.05; done; echo done")
    results = []
    first = threading.Thread(target=lambda: results.append(TransientRun()(argv, 60)))
    first.start()
    wait_until(lambda: TransientRun().at_work() == (unit_name(argv),))
    second = threading.Thread(target=lambda: results.append(TransientRun()(argv, 60)))
    second.start()
    time.sleep(0.5)
    go.touch()
    first.join()
    second.join()
    assert started(device) == 1
    assert any(done.out == "done\n" for done in results)


def test_an_execution_after_one_that_was_cut_off_waits_for_what_that_began(device):
    go = device / "go"
    argv = ("sh", "-c", f"while [ ! -e '{go}' ]; do sleep 0.05; done; touch '{device}/finished'")
    begin = (
        "import sys; sys.path.insert(0, sys.argv[1]);"
        "from ansible_collections.skorionos.bootc.plugins.module_utils._device.transient import TransientRun;"
        "TransientRun()(sys.argv[2:], 60)"
    )
    collections = str(Path(transient.__file__).parents[6])
    cut_off = subprocess.Popen([sys.executable, "-c", begin, collections, *argv])
    wait_until(lambda: TransientRun().at_work())
    cut_off.kill()
    cut_off.wait()
    later = TransientRun()
    assert later.join(0.3) == (unit_name(argv),)
    go.touch()
    assert later.join(60) == ()
    assert (device / "finished").exists()
    assert list((device / FOLDER.lstrip("/")).iterdir()) == []


def test_a_command_that_takes_too_long_is_stopped_as_a_unit(device):
    asked = []

    def run(argv, timeout):
        if argv[0] == "systemctl":
            asked.append(argv)
            return Completed(0)
        return run_command(argv, timeout)

    argv = ("sh", "-c", "echo why >&2; sleep 20")
    with pytest.raises(CommandTimeout) as caught:
        TransientRun(run)(argv, 5)
    assert caught.value.stderr == b"why\n"
    assert asked == [("systemctl", "stop", unit_name(argv))]


def test_a_command_that_is_watched_ends_when_there_is_enough(device):
    with pytest.raises(CommandTimeout):
        TransientRun(run_command)(("sleep", "5"), 60, watch=Watch(0.3, lambda: True))


def test_without_systemd_a_command_runs_as_a_child(device):
    (device / "run/systemd/system").rmdir()
    assert TransientRun()(("sh", "-c", "echo here"), 60).out == "here\n"
    assert started(device) == 0


def test_the_systemd_of_the_machine_that_simulates_a_device_is_not_the_devices(device, monkeypatch):
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    assert transient.own_program("sh") is None
    assert TransientRun()(("sh", "-c", "echo here"), 60).out == "here\n"


def test_a_record_that_was_left_behind_by_a_crash_is_not_at_work(device):
    folder = device / FOLDER.lstrip("/") / "skorionos-bootc-bootc-upgrade-0"
    folder.mkdir(parents=True)
    (folder / "lock").touch()
    assert TransientRun().at_work() == ()
    assert TransientRun().join(5) == ()
    assert not folder.exists()
