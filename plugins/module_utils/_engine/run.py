# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs commands within a time limit. PRIVATE to the collection."""

from __future__ import annotations

import signal
import subprocess
import threading
import time
from dataclasses import dataclass
from typing import Callable, Mapping, Sequence

from .._process import OwnSession
from .errors import TIMEOUT, UNEXPECTED, EngineError


@dataclass(frozen=True)
class Finished:
    """A command that ended by itself."""

    rc: int
    stdout: str
    stderr: str


_UNMOUNT_SECONDS = 10.0
"""How long an engine that is told to stop gets for unmounting what it mounted."""

_LOOK_SECONDS = 0.5
"""How often a command that may be stopped looks whether it is."""

Run = Callable[[Sequence[str], float], Finished]


def end_when_told() -> None:
    """Have SIGTERM and SIGHUP raise SystemExit in the main thread, so that what was begun is ended and put away.

    Commands are in sessions of their own, so nobody else ends them. A second signal does not disturb that.
    """
    numbers = [each for each in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(each) != signal.SIG_IGN]

    def end(number: int, _frame: object) -> None:
        for each in numbers:
            # Not SIG_IGN, which the commands that put things away would inherit.
            signal.signal(each, lambda *_unused: None)
        raise SystemExit(128 + number)

    for each in numbers:
        signal.signal(each, end)


def run_command(
    argv: Sequence[str],
    timeout: float,
    environment: Mapping[str, str] | None = None,
    stop: threading.Event | None = None,
) -> Finished:
    """Run ``argv`` without a shell and without input; after ``timeout`` seconds end it with all its children.

    ``environment`` adds variables, which nobody else on the machine can see, as they can see ``argv``. Once ``stop`` is
    set, by another thread, it is ended, too, and nothing is started any more.
    """
    if stop is not None and stop.is_set():
        raise _stopped(argv)
    try:
        process = OwnSession(argv, environment=environment)
    except OSError as error:
        raise EngineError(UNEXPECTED, f"{argv[0]} could not be started: {error.strerror}.") from error
    try:
        stdout, stderr = _output(process, timeout, stop)
    except subprocess.TimeoutExpired as error:
        if stop is not None and stop.is_set():
            raise _stopped(argv) from error
        raise EngineError(
            TIMEOUT,
            f"{argv[0]} did not finish within {timeout:g} s and was ended.",
            "Give it more time with the option timeout, or find out what it waits for.",
            " ".join(argv[:3]),
        ) from error
    finally:
        if process.poll() is None:
            process.end(_UNMOUNT_SECONDS)
    return Finished(process.returncode, stdout.decode("utf-8", "replace"), stderr.decode("utf-8", "replace"))


def _output(process: OwnSession, timeout: float, stop: threading.Event | None) -> tuple[bytes, bytes]:
    """Wait for a process; raise TimeoutExpired when its time is over, and when it has to stop."""
    if stop is None:
        return process.communicate(timeout=timeout)
    deadline = time.monotonic() + timeout
    while True:
        left = deadline - time.monotonic()
        try:
            return process.communicate(timeout=max(min(left, _LOOK_SECONDS), 0))
        except subprocess.TimeoutExpired:
            # What it has said so far is not lost.
            if left <= _LOOK_SECONDS or stop.is_set():
                raise


def _stopped(argv: Sequence[str]) -> EngineError:
    return EngineError(UNEXPECTED, f"{argv[0]} was ended together with this task.", command=" ".join(argv[:3]))
