# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Is this device well? Checks that run on it, and what they say. Their output is data and nothing more."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any, Callable, Sequence

from .boot import failed_units
from .boot_memory import Boot, previous_boot, remember_boot
from .checks import (
    GREENBOOT,
    UNIT_PROPERTIES,
    WAITING,
    Asked,
    judge_boot,
    judge_systemd,
    judge_unit,
    required_scripts,
)
from .command import CommandTimeout, CommandUnusable, Completed, Run, run_command, shorten
from .facts.boot_time import UNKNOWN, BootTime, parse_properties, read_boot_time

POLL_SECONDS = 1.0
SYSTEMCTL_SECONDS = 30.0

STARTING = ("initializing", "starting")


@dataclass(frozen=True)
class Check:
    """What one check said. One that is not required is an advice: the device is well without it."""

    name: str
    passed: bool
    detail: str
    seconds: float
    required: bool = True

    def as_dict(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "required": self.required,
            "passed": self.passed,
            "detail": self.detail,
            "seconds": round(self.seconds, 3),
        }


@dataclass(frozen=True)
class Report:
    """What all checks said. ``boot_time`` is read only where it is checked."""

    checks: tuple[Check, ...]
    failed_units: tuple[str, ...] = ()
    boot_time: BootTime = UNKNOWN

    @property
    def healthy(self) -> bool:
        return all(check.passed for check in self.checks if check.required)

    @property
    def advisories(self) -> tuple[str, ...]:
        """Names of the checks that failed without being required."""
        return tuple(check.name for check in self.checks if not check.required and not check.passed)


@dataclass(frozen=True)
class BootLimits:
    """How long a boot may take until the login: in seconds, and in percent more than the one before. 0 is no limit."""

    seconds: float = 0
    slowdown_percent: int = 0
    required: bool = True
    remember: bool = True


@dataclass(frozen=True)
class Checks:
    """What to check."""

    required_dirs: tuple[str, ...] = ()
    systemd: bool = True
    known_failed_units: tuple[str, ...] = ()
    commands: tuple[tuple[str, ...], ...] = ()
    wanted_dirs: tuple[str, ...] = ()
    greenboot: bool = False
    asked: tuple[Asked, ...] = ()
    boot: BootLimits = BootLimits()


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

    def report(self, checks: Checks, timeout: float, settle: float = 0, boot_id: str | None = None) -> Report:
        """Run everything once, and if all is well once more after the settle time.

        ``boot_id`` is the kernel's identity of this boot, which the comparison with the boot before needs.
        """
        report = self._round(checks, timeout, boot_id)
        if report.healthy and settle > 0:
            self.sleep(settle)
            report = self._round(checks, timeout, boot_id)
        return report

    def _round(self, checks: Checks, timeout: float, boot_id: str | None) -> Report:
        deadline = self.clock() + timeout
        results = []
        units: tuple[str, ...] = ()
        boot_time = UNKNOWN
        if checks.systemd:
            systemd, units = self._systemd(checks.known_failed_units, deadline)
            results.append(systemd)
        if checks.greenboot:
            results += self._greenboot(deadline)
        for name, script in required_scripts(checks.required_dirs):
            results.append(self._command(name, (str(script),), deadline))
        for command in checks.commands:
            results.append(self._command(" ".join(command), command, deadline))
        # What is only an advice comes last, so that it takes no time from what is required.
        for asked in sorted(checks.asked, key=lambda each: not each.required):
            results.append(self._asked(asked, deadline))
        if checks.boot.seconds > 0 or checks.boot.slowdown_percent > 0:
            boot_results, boot_time = self._boot(checks.boot, boot_id, deadline)
            results += boot_results
        for name, script in required_scripts(checks.wanted_dirs):
            results.append(self._command(name, (str(script),), deadline, required=False))
        return Report(tuple(results), units, boot_time)

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

    def _greenboot(self, deadline: float) -> list[Check]:
        """The verdict at boot, where greenboot is there to give one."""
        begin = self.clock()
        properties = self._unit(GREENBOOT, deadline)
        if properties is None or properties.get("LoadState") != "loaded":
            return []
        passed, detail = judge_unit(properties)
        return [Check("greenboot", passed, detail, self.clock() - begin)]

    def _asked(self, asked: Asked, deadline: float) -> Check:
        if asked.timeout is not None:
            deadline = min(deadline, self.clock() + asked.timeout)
        if asked.unit is None:
            return self._command(asked.name, asked.command, deadline, required=asked.required)
        begin = self.clock()
        properties = self._unit(asked.unit, deadline)
        if properties is None:
            return Check(asked.name, False, "systemd does not answer", self.clock() - begin, asked.required)
        passed, detail = judge_unit(properties)
        return Check(asked.name, passed, detail, self.clock() - begin, asked.required)

    def _unit(self, unit: str, deadline: float) -> dict[str, str] | None:
        """Properties of a unit that is not about to change any more, None where systemd does not answer."""
        argv = ("systemctl", "show", *(f"--property={name}" for name in UNIT_PROPERTIES), "--", unit)
        while True:
            try:
                done = self.run(argv, SYSTEMCTL_SECONDS)
            except (CommandUnusable, CommandTimeout):
                return None
            properties = parse_properties(done.out)
            if done.rc != 0 or not properties:
                return None
            if properties.get("ActiveState") not in WAITING or self.clock() >= deadline:
                return properties
            self.sleep(POLL_SECONDS)

    def _boot(self, limits: BootLimits, boot_id: str | None, deadline: float) -> tuple[list[Check], BootTime]:
        begin = self.clock()
        boot_time = read_boot_time(self.run, SYSTEMCTL_SECONDS)
        while boot_time.pending and self.clock() < deadline:
            self.sleep(POLL_SECONDS)
            boot_time = read_boot_time(self.run, SYSTEMCTL_SECONDS)
        took = boot_time.to_login
        before = previous_boot(boot_id)
        verdicts = judge_boot(took, None if before is None else before.seconds, limits.seconds, limits.slowdown_percent)
        note = self._remembered(took, boot_id) if limits.remember else ""
        seconds = self.clock() - begin
        checks = [Check(name, passed, detail + note, seconds, limits.required) for name, passed, detail in verdicts]
        return checks, boot_time

    @staticmethod
    def _remembered(took: float | None, boot_id: str | None) -> str:
        """Keep what this boot took for the next one; the words to add where that is not possible."""
        if took is None or boot_id is None:
            return ""
        try:
            remember_boot(Boot(boot_id, took))
        except OSError as exc:
            return f" (not remembered: {exc.strerror})"
        return ""

    def _command(self, name: str, argv: Sequence[str], deadline: float, *, required: bool = True) -> Check:
        begin = self.clock()
        remaining = deadline - begin
        if remaining <= 0:
            return Check(name, False, "no time was left for this check", 0.0, required)
        try:
            done = self.run(argv, remaining)
        except CommandTimeout as exc:
            words = exc.stderr.decode("utf-8", "replace")
            detail = f"{words}\ndid not end within {remaining:.0f} s"
            return Check(name, False, shorten(detail), self.clock() - begin, required)
        except CommandUnusable as exc:
            return Check(name, False, shorten(str(exc)), self.clock() - begin, required)
        return Check(name, done.rc == 0, shorten(_said(done)), self.clock() - begin, required)


def _said(done: Completed) -> str:
    """What a command said on both streams, and how it ended if that was not well."""
    output = f"{done.out.strip()}\n{done.err.strip()}".strip()
    return output if done.rc == 0 else f"{output} (exit code {done.rc})".strip()
