# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Commands that outlive the connection that asked for them: transient units of systemd.

What a unit does is on record below ``/run``, where it ends with the boot as the unit does. Each has a folder with its
order (argv and environment, for root's eyes only), what it printed, and in the end its exit code. A lock that the unit
holds for as long as it lives says that it is at work, whatever else is lost.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import shutil
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Mapping, Sequence

from .command import CommandTimeout, CommandUnusable, Completed, Run, Watch, run_command
from .root import device_path, is_simulated

FOLDER = "/run/skorionos.bootc/units"
PREFIX = "skorionos-bootc-"
SYSTEMD_SECONDS = 30.0
POLL_SECONDS = 0.2
LONGEST_POLL_SECONDS = 1.0
# From being asked for until its lock is taken.
STARTING_SECONDS = 20.0
# systemd ends what nobody is left to end. It comes after whoever waits has given up.
BEYOND_SECONDS = 60
ENDED_BY_OTHERS = -15

_SYSTEM_DIRECTORIES = ("/usr/", "/bin/", "/sbin/")

# Runs as the unit. The order is data all the way: no shell reads it, and systemd does not keep the environment.
STARTER = """\
import fcntl, json, os, sys
folder = sys.argv[1] + os.sep
lock = open(folder + "lock", "w")
fcntl.flock(lock, fcntl.LOCK_EX)
with open(folder + "order.json", encoding="utf-8") as file:
    order = json.load(file)
for number, name in ((1, "stdout"), (2, "stderr")):
    os.dup2(os.open(folder + name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), number)
code = os.spawnvpe(os.P_WAIT, order["argv"][0], order["argv"], order["environment"])
with open(folder + "code.new", "w", encoding="ascii") as file:
    file.write(str(code))
os.replace(folder + "code.new", folder + "code")
"""


def own_program(name: str) -> str | None:
    """Where a program of the device is, or None. Those of the machine that simulates a device are not the device's."""
    found = shutil.which(name)
    if found is None or (is_simulated() and found.startswith(_SYSTEM_DIRECTORIES)):
        return None
    return found


def start_unit(run: Run, name: str, argv: Sequence[str], options: Sequence[str] = ()) -> bool:
    """Have systemd run ``argv`` as the transient unit ``name``; False where it does not."""
    if own_program("systemd-run") is None or not device_path("/run/systemd/system").is_dir():
        return False
    try:
        return run(("systemd-run", "--quiet", "--collect", f"--unit={name}", *options, *argv), SYSTEMD_SECONDS).rc == 0
    except (CommandUnusable, CommandTimeout):
        return False


def unit_name(argv: Sequence[str]) -> str:
    """The name of the unit for this command: the same for the same words."""
    words = "-".join(re.sub(r"[^a-z]", "", word) for word in argv[:2])
    return f"{PREFIX}{words}-{hashlib.sha256(json.dumps(list(argv)).encode()).hexdigest()[:12]}"


@dataclass(frozen=True)
class _Unit:
    """The record of one unit."""

    folder: Path

    @property
    def name(self) -> str:
        return self.folder.name

    def order(self, argv: Sequence[str], environment: Mapping[str, str]) -> None:
        """Put the order down, in place of what an earlier unit of this name left."""
        self.forget()
        self.folder.mkdir(parents=True, mode=0o700)
        text = json.dumps({"argv": list(argv), "environment": dict(environment)})
        descriptor = os.open(str(self.folder / "order.json"), os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)

    def is_at_work(self) -> bool:
        if self.code() is not None:
            return False
        try:
            descriptor = os.open(str(self.folder / "lock"), os.O_RDWR)
        except OSError:
            return self._is_starting()
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(descriptor)
        # The file is there a moment before it is locked.
        return self._is_starting()

    def _is_starting(self) -> bool:
        try:
            ordered = (self.folder / "order.json").stat().st_mtime
        except OSError:
            return False
        return 0 <= time.time() - ordered < STARTING_SECONDS

    def code(self) -> int | None:
        """Its exit code, negative for a signal, or None as long as there is none."""
        try:
            return int((self.folder / "code").read_text(encoding="ascii"))
        except (OSError, ValueError):
            return None

    def completed(self, code: int) -> Completed:
        return Completed(code, self.printed("stdout"), self.printed("stderr"))

    def printed(self, stream: str) -> bytes:
        try:
            return (self.folder / stream).read_bytes()
        except OSError:
            return b""

    def forget(self) -> None:
        shutil.rmtree(str(self.folder), ignore_errors=True)


class TransientRun:
    """Runs commands so that they go on when whoever waits for them is gone.

    The same command asked for again while its unit is at work is followed, not started a second time. Without systemd
    it is run as a child, which a lost connection may end.
    """

    def __init__(
        self,
        run: Run = run_command,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.run = run
        self.clock = clock
        self.sleep = sleep

    def __call__(self, argv: Sequence[str], timeout: float, *, watch: Watch | None = None) -> Completed:
        unit = _Unit(device_path(FOLDER) / unit_name(argv))
        if not unit.is_at_work() and not self._start(unit, argv, timeout):
            return self.run(argv, timeout) if watch is None else self.run(argv, timeout, watch=watch)
        try:
            return self._follow(unit, argv, timeout, watch)
        finally:
            unit.forget()

    def at_work(self) -> tuple[str, ...]:
        """Names of the units that earlier executions started and that have not ended."""
        return tuple(unit.name for unit in self._units() if unit.is_at_work())

    def join(self, timeout: float) -> tuple[str, ...]:
        """Wait for those units; returns the names of those that are still at work then.

        What they have done is for the state of the device to tell: their results are dropped.
        """
        deadline = self.clock() + timeout
        while self.at_work() and self.clock() < deadline:
            self.sleep(LONGEST_POLL_SECONDS)
        for unit in self._units():
            if not unit.is_at_work():
                unit.forget()
        return self.at_work()

    def _units(self) -> tuple[_Unit, ...]:
        try:
            return tuple(_Unit(entry) for entry in sorted(device_path(FOLDER).iterdir()))
        except OSError:
            return ()

    def _start(self, unit: _Unit, argv: Sequence[str], timeout: float) -> bool:
        if own_program("systemd-run") is None:
            return False
        try:
            unit.order(argv, {**os.environ, "LC_ALL": "C.UTF-8"})
        except OSError:
            return False
        options = (
            f"--description={' '.join(argv[:2])} for skorionos.bootc",
            f"--property=RuntimeMaxSec={int(timeout) + BEYOND_SECONDS}",
        )
        command = (sys.executable, "-I", "-S", "-c", STARTER, str(unit.folder))
        if start_unit(self.run, unit.name, command, options):
            return True
        unit.forget()
        return False

    def _follow(self, unit: _Unit, argv: Sequence[str], timeout: float, watch: Watch | None) -> Completed:
        begin = looked = self.clock()
        interval = POLL_SECONDS
        while unit.is_at_work():
            now = self.clock()
            if now - begin >= timeout:
                raise self._stopped(unit, argv, timeout)
            if watch is not None and now - looked >= watch.seconds:
                if watch.enough():
                    raise self._stopped(unit, argv, self.clock() - begin)
                looked = self.clock()
            self.sleep(interval)
            interval = min(interval * 1.5, LONGEST_POLL_SECONDS)
        code = unit.code()
        return unit.completed(ENDED_BY_OTHERS if code is None else code)

    def _stopped(self, unit: _Unit, argv: Sequence[str], seconds: float) -> CommandTimeout:
        with suppress(CommandUnusable, CommandTimeout):
            self.run(("systemctl", "stop", unit.name), SYSTEMD_SECONDS)
        return CommandTimeout(argv, seconds, unit.printed("stderr"))
