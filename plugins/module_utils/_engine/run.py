# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs commands within a time limit. PRIVATE to the collection."""

from __future__ import annotations

import os
import signal
import subprocess
from dataclasses import dataclass
from typing import Callable, Sequence

from .errors import TIMEOUT, UNEXPECTED, EngineError


@dataclass(frozen=True)
class Finished:
    """A command that ended by itself."""

    rc: int
    stdout: str
    stderr: str


Run = Callable[[Sequence[str], float], Finished]


def run_command(argv: Sequence[str], timeout: float) -> Finished:
    """Run ``argv`` without a shell and without input; after ``timeout`` seconds end it with all its children."""
    environment = {**os.environ, "LC_ALL": "C.UTF-8"}
    try:
        process = subprocess.Popen(
            list(argv),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment,
            encoding="utf-8",
            errors="replace",
            start_new_session=True,
        )
    except OSError as error:
        raise EngineError(UNEXPECTED, f"{argv[0]} could not be started: {error.strerror}.") from error
    try:
        stdout, stderr = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired as error:
        raise EngineError(
            TIMEOUT,
            f"{argv[0]} did not finish within {timeout:g} s and was ended.",
            "Give it more time with the option timeout, or find out what it waits for.",
            " ".join(argv[:3]),
        ) from error
    finally:
        if process.poll() is None:
            _end_group(process)
    return Finished(process.returncode, stdout, stderr)


def _end_group(process: subprocess.Popen[str]) -> None:
    """Ask first, so that the engine can unmount what it mounted."""
    for number, patience in ((signal.SIGTERM, 10.0), (signal.SIGKILL, 5.0)):
        try:
            os.killpg(process.pid, number)
        except ProcessLookupError:
            return
        try:
            process.communicate(timeout=patience)
        except subprocess.TimeoutExpired:
            continue
        return
