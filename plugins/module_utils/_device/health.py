# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Is this device well? Checks that run on it, and what they say. Their output is data and nothing more."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Sequence

from .boot import failed_units
from .command import CommandTimeout, CommandUnusable, Completed, Run, run_command
from .root import device_path

DETAIL_LIMIT = 400
POLL_SECONDS = 1.0
SYSTEMCTL_SECONDS = 30.0

STARTING = ("initializing", "starting")
# A degraded system is judged by the units that failed.
UP = ("running", "degraded")


@dataclass(frozen=True)
class Check:
    """What one check said."""

    name: str
    passed: bool
    detail: str
    seconds: float

    def as_dict(self) -> dict[str, Any]:
        return {"name": self.name, "passed": self.passed, "detail": self.detail, "seconds": round(self.seconds, 3)}


@dataclass(frozen=True)
class Report:
    """What all checks said."""

    checks: tuple[Check, ...]
    failed_units: tuple[str, ...] = ()

    @property
    def healthy(self) -> bool:
        return all(check.passed for check in self.checks)


@dataclass(frozen=True)
class Checks:
    """What to check."""

    required_dirs: tuple[str, ...] = ()
    systemd: bool = True
    known_failed_units: tuple[str, ...] = ()
    commands: tuple[tuple[str, ...], ...] = ()


def judge_systemd(state: str, failed: Sequence[str], known: Sequence[str]) -> tuple[bool, str]:
    """Whether systemd is content, and why not."""
    unexpected = [unit for unit in failed if unit not in known]
    if state not in UP:
        return False, f"the system is {state or 'in an unknown state'}"
    if unexpected:
        return False, f"failed units: {', '.join(unexpected)}"
    return True, state


def required_scripts(directories: Sequence[str]) -> list[tuple[str, Path]]:
    """The executable files of these directories: what the device calls them, and where they are.

    In name order within each directory; equal names do not hide each other.
    """
    scripts = []
    for directory in directories:
        try:
            entries = sorted(device_path(directory).iterdir(), key=lambda path: path.name)
        except OSError:
            continue
        executable = [path for path in entries if path.is_file() and os.access(str(path), os.X_OK)]
        scripts += [(f"{directory.rstrip('/')}/{_printable(path.name)}", path) for path in executable]
    return scripts


def _printable(name: str) -> str:
    """A file name may be any bytes; a result must be UTF-8."""
    return os.fsencode(name).decode("utf-8", "replace")


def shorten(text: str) -> str:
    """The end of an output, which is where the reason usually is."""
    return text.strip()[-DETAIL_LIMIT:].strip()


class HealthRunner:
    """Runs checks within one time limit."""

    def __init__(
        self,
        run: Run = run_command,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.run = run
        self.clock = clock
        self.sleep = sleep

    def report(self, checks: Checks, timeout: float, settle: float = 0) -> Report:
        """Run everything once, and if all is well once more after the settle time."""
        report = self._round(checks, timeout)
        if report.healthy and settle > 0:
            self.sleep(settle)
            report = self._round(checks, timeout)
        return report

    def _round(self, checks: Checks, timeout: float) -> Report:
        deadline = self.clock() + timeout
        results = []
        units: tuple[str, ...] = ()
        if checks.systemd:
            systemd, units = self._systemd(checks.known_failed_units, deadline)
            results.append(systemd)
        for name, script in required_scripts(checks.required_dirs):
            results.append(self._command(name, (str(script),), deadline))
        for command in checks.commands:
            results.append(self._command(" ".join(command), command, deadline))
        return Report(tuple(results), units)

    def _systemd(self, known: Sequence[str], deadline: float) -> tuple[Check, tuple[str, ...]]:
        begin = self.clock()
        try:
            state = self._system_state(deadline)
            units = failed_units(self.run, SYSTEMCTL_SECONDS)
        except (CommandUnusable, CommandTimeout) as exc:
            return Check("systemd", False, shorten(str(exc)), self.clock() - begin), ()
        if units is None:
            return Check("systemd", False, "the failed units cannot be listed", self.clock() - begin), ()
        passed, detail = judge_systemd(state, units, known)
        return Check("systemd", passed, shorten(detail), self.clock() - begin), units

    def _system_state(self, deadline: float) -> str:
        while True:
            state = self.run(("systemctl", "is-system-running"), SYSTEMCTL_SECONDS).out.strip()
            if state not in STARTING or self.clock() >= deadline:
                return state
            self.sleep(POLL_SECONDS)

    def _command(self, name: str, argv: Sequence[str], deadline: float) -> Check:
        begin = self.clock()
        remaining = deadline - begin
        if remaining <= 0:
            return Check(name, False, "no time was left for this check", 0.0)
        try:
            done = self.run(argv, remaining)
        except CommandTimeout as exc:
            said = exc.stderr.decode("utf-8", "replace")
            return Check(name, False, shorten(f"{said}\ndid not end within {remaining:.0f} s"), self.clock() - begin)
        except CommandUnusable as exc:
            return Check(name, False, shorten(str(exc)), self.clock() - begin)
        return Check(name, done.rc == 0, shorten(_said(done)), self.clock() - begin)


def _said(done: Completed) -> str:
    output = f"{done.out.strip()}\n{done.err.strip()}".strip()
    return output if done.rc == 0 else f"{output} (exit code {done.rc})".strip()
