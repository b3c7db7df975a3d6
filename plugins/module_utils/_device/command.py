# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run one command with a time limit that holds for everything it started."""

from __future__ import annotations

import subprocess
import time
from dataclasses import dataclass
from typing import Callable, Protocol, Sequence

from .._process import OwnSession

DETAIL_LIMIT = 400
TERMINATION_SECONDS = 5.0


@dataclass(frozen=True)
class Completed:
    """How a command ended."""

    rc: int
    stdout: bytes = b""
    stderr: bytes = b""

    @property
    def out(self) -> str:
        return self.stdout.decode("utf-8", "replace")

    @property
    def err(self) -> str:
        return self.stderr.decode("utf-8", "replace")


class CommandUnusable(Exception):
    """The program cannot be started."""


class CommandMissing(CommandUnusable):
    """There is no such program on this device."""


class CommandTimeout(Exception):
    """The command did not end in time and was killed with all its children."""

    def __init__(self, argv: Sequence[str], seconds: float, stderr: bytes = b"") -> None:
        super().__init__(f"{' '.join(argv)} did not end within {seconds:g} s")
        self.seconds = seconds
        self.stderr = stderr


@dataclass(frozen=True)
class Watch:
    """Asked every ``seconds`` while a command runs; when it answers yes, the command is ended as if its time was up."""

    seconds: float
    enough: Callable[[], bool]


class Run(Protocol):
    """How a command of the device is run."""

    def __call__(self, argv: Sequence[str], timeout: float, *, watch: Watch | None = None) -> Completed: ...


class Feed(Protocol):
    """How a command of the device is run that reads a text."""

    def __call__(self, argv: Sequence[str], timeout: float, text: str) -> Completed: ...


def run_command(argv: Sequence[str], timeout: float, *, watch: Watch | None = None) -> Completed:
    """Run a command of the device."""
    process = _started(argv)
    begin = time.monotonic()
    while True:
        remaining = max(begin + timeout - time.monotonic(), 0.0)
        patience = remaining if watch is None else min(watch.seconds, remaining)
        try:
            out, err = process.communicate(timeout=patience)
        except subprocess.TimeoutExpired:
            if watch is not None and patience < remaining:
                if not watch.enough():
                    continue
                timeout = time.monotonic() - begin
            raise CommandTimeout(argv, timeout, process.end(TERMINATION_SECONDS)) from None
        return Completed(process.returncode, out, err)


def feed_command(argv: Sequence[str], timeout: float, text: str) -> Completed:
    """Run a command of the device with ``text`` as its standard input."""
    process = _started(argv, reads=True)
    try:
        out, err = process.communicate(text.encode(), timeout=timeout)
    except subprocess.TimeoutExpired:
        raise CommandTimeout(argv, timeout, process.end(TERMINATION_SECONDS)) from None
    return Completed(process.returncode, out, err)


def shorten(text: str) -> str:
    """The end of an output, which is where the reason usually is."""
    return text.strip()[-DETAIL_LIMIT:].strip()


def _started(argv: Sequence[str], *, reads: bool = False) -> OwnSession:
    try:
        return OwnSession(argv, reads=reads)
    except FileNotFoundError as exc:
        raise CommandMissing(f"{argv[0]} is not there") from exc
    except OSError as exc:
        raise CommandUnusable(f"{argv[0]} cannot be run: {exc.strerror}") from exc
