# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The progress callback on a terminal and in a log, with the real playbooks."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.simulated_fleet import SimulatedFleet
from tests.terminal import Terminal

pytestmark = pytest.mark.integration

CALLBACK = {"ANSIBLE_STDOUT_CALLBACK": "skorionos.bootc.progress"}
COLUMNS, LINES = 80, 30
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_WITH_KEYBOARD = (
    "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execv(sys.argv[1], sys.argv[1:])"
)
"""Runs a program so that what is typed on its terminal interrupts it."""


@dataclass
class Session:
    """A program on a terminal of its own. ``text`` is all that it printed so far."""

    process: subprocess.Popen[bytes]
    descriptor: int
    text: str = ""
    reader: threading.Thread = field(init=False)

    def __post_init__(self) -> None:
        self.reader = threading.Thread(target=self._read)
        self.reader.start()

    def _read(self) -> None:
        with contextlib.suppress(OSError):  # what a terminal says when its last program has ended
            while data := os.read(self.descriptor, 65536):
                self.text += data.decode()

    def wait_for(self, seen: Callable[[str], object]) -> None:
        deadline = time.monotonic() + 120
        while not seen(self.text):
            assert time.monotonic() < deadline, self.text
            assert self.process.poll() is None, self.text
            time.sleep(0.05)

    def end(self) -> tuple[int, str]:
        """Its exit code, and what is on the terminal in the end; fails if anything else was done to that."""
        code = self.process.wait(timeout=240)
        self.reader.join(timeout=60)
        terminal = Terminal(COLUMNS)
        terminal.feed(self.text.replace("^C", ""))
        assert terminal.column == 0, "the next prompt would begin in the middle of a line"
        return code, terminal.screen


@contextlib.contextmanager
def on_a_terminal(fleet: SimulatedFleet, spec: Path) -> Iterator[Session]:
    """Run the rollout with the callback."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))
    settings = termios.tcgetattr(slave)
    process = subprocess.Popen(
        [sys.executable, "-c", _WITH_KEYBOARD, *fleet.command("rollout", bootc_rollout_spec=str(spec))],
        env={**fleet.environment(), **CALLBACK, "TERM": "xterm-256color"},
        cwd=fleet.root,
        stdin=slave,
        stdout=slave,
        stderr=slave,
        start_new_session=True,
    )
    session = Session(process, master)
    try:
        yield session
        assert termios.tcgetattr(slave) == settings
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        os.close(slave)
        session.reader.join(timeout=60)
        os.close(master)


def with_callback(fleet: SimulatedFleet, command: list[str], **environment: str) -> str:
    run = subprocess.run(
        command,
        env={**fleet.environment(), **environment},
        cwd=fleet.root,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=240,
        check=False,
    )
    return run.stdout


def failure(text: str) -> str:
    """The failed task and all it said."""
    found = re.search(
        r"TASK \[Fail when the rollout is held\].*?(?=\n\nPLAY RECAP)", text.replace("\r\n", "\n"), re.DOTALL
    )
    assert found is not None, text
    return found[0]


@pytest.mark.exhaustive
def test_a_held_rollout_on_a_terminal(fleet: SimulatedFleet) -> None:
    fleet.add("kde-1")
    spec = fleet.spec("v1.2.0")
    with on_a_terminal(fleet, spec) as session:
        code, screen = session.end()
    assert code == 2, screen
    # Lines that were below all others for a while.
    assert re.search(r"Rollout to-v1\.2\.0: running for .* s", session.text)
    assert re.search(r"canary\S* .*download", session.text)
    assert "1 being checked (kde-1)" in session.text
    # What stays.
    assert re.search(r"^\[..:..:.. UTC\] kde-1: rolled back: unhealthy: ", screen, re.MULTILINE)
    assert "held in wave canary: more devices failed than the wave may lose" in " ".join(screen.split())
    assert "Held in wave canary" in screen
    assert re.findall(r"^TASK \[(.*)\]", screen, re.MULTILINE) == ["Fail when the rollout is held"]
    assert re.findall(r"^PLAY .*\[(.*)\]", screen, re.MULTILINE) == ["Say where the rollout stands"]
    assert not re.search(r"^(ok|changed|skipping): ", screen, re.MULTILINE)
    assert "All waves:" not in screen, "the report has told that better"
    assert re.search(r"^localhost +: ok=", screen, re.MULTILINE)

    # What fails says what it does with the default callback. A held rollout stays so.
    default = with_callback(fleet, fleet.command("rollout", bootc_rollout_spec=str(spec)))
    assert failure(_COLOUR.sub("", session.text)) == failure(default)


@pytest.mark.exhaustive
def test_in_a_log_there_are_lines_now_and_then_and_with_v_everything(fleet: SimulatedFleet) -> None:
    fleet.add("kde-1")
    fleet.add("kde-2", faults=["unhealthy"])
    spec = fleet.spec("v1.1.0", waves=[], wave_defaults={"soak": "2s", "max_failures": 1, "success_threshold": 50})
    command = fleet.command("rollout", bootc_rollout_spec=str(spec))
    log = with_callback(fleet, command, **CALLBACK, BOOTC_PROGRESS_INTERVAL="0.1")
    assert "\x1b" not in log
    assert not re.search(r"^(ok|changed|skipping|TASK|PLAY \[)", log, re.MULTILINE), log
    said = re.findall(r"^\[..:..:.. UTC\] (.*)$", log, re.MULTILINE)
    assert said[0] == "rollout to-v1.1.0: 2 devices in 1 wave: rest 2"
    assert sum(line.startswith("kde-2: ") for line in said) == 1
    assert any("1 of 2 updated" in line for line in said)
    everything = with_callback(fleet, [*command, "-v"], **CALLBACK), with_callback(fleet, [*command, "-v"])
    ours, default = (re.findall(r"^(?:PLAY|TASK|ok:|changed:|skipping:) .*", text, re.MULTILINE) for text in everything)
    assert [line.partition(" => ")[0] for line in ours] == [line.partition(" => ")[0] for line in default]


@pytest.mark.parametrize(
    "end", [pytest.param(signal.SIGINT), pytest.param(signal.SIGTERM, marks=pytest.mark.exhaustive)]
)
def test_a_run_that_is_interrupted_leaves_the_terminal_as_it_was(fleet: SimulatedFleet, end: signal.Signals) -> None:
    fleet.add("kde-1", "kde", "--boot-seconds", "60")
    with on_a_terminal(fleet, fleet.spec("v1.1.0")) as session:
        session.wait_for(lambda text: "1 rebooting (kde-1)" in text)
        if end is signal.SIGINT:
            os.write(session.descriptor, b"\x03")
        else:
            session.process.send_signal(end)
        code, screen = session.end()
    assert code == (99 if end is signal.SIGINT else -end), screen
    assert "1 rebooting (kde-1)" in screen
    assert screen.splitlines()[-1].startswith("All waves: 0 of 1 updated") or end is signal.SIGINT, screen


PLAYBOOK = """
- hosts: localhost
  gather_facts: false
  tasks:
    - ansible.builtin.debug:
        msg: "[bold]no markup[/bold] {{ item }}"
      loop: [1, 2]
    - ansible.builtin.command: "false"
      ignore_errors: true
    - ansible.builtin.command: sh -c "echo a $((6 * 7)) secret; exit 1"
      no_log: true
      ignore_errors: true
    - ansible.builtin.copy:
        content: new
        dest: "{{ playbook_dir }}/copied"
        mode: "0600"
      diff: true
    - ansible.builtin.debug:
        msg: never
      when: false
    - ansible.builtin.fail:
        msg: the end
- hosts: nobody
  tasks: []
"""


def test_any_other_playbook_looks_as_it_does_without(fleet: SimulatedFleet) -> None:
    playbook = fleet.root / "other.yml"
    playbook.write_text(PLAYBOOK, encoding="utf-8")
    command = [
        str(Path(sys.executable).with_name("ansible-playbook")),
        "-i",
        "localhost,",
        "-c",
        "local",
        str(playbook),
    ]
    command += ["-e", f"ansible_python_interpreter={sys.executable}"]
    outputs = []
    for environment in ({}, CALLBACK):
        (fleet.root / "copied").unlink(missing_ok=True)
        outputs.append(with_callback(fleet, command, **environment))
    default, ours = (re.sub(r"\d\d:\d\d:\d\d\.\d+|0:00:\S+|\d{4}-\d\d-\d\d|ansible-local\S+", "", t) for t in outputs)
    assert "the end" in default
    assert "42 secret" not in ours
    assert ours == default
