# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs commands within a time limit. PRIVATE to the collection."""

from __future__ import annotations

import subprocess
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

Run = Callable[[Sequence[str], float], Finished]


def run_command(argv: Sequence[str], timeout: float, environment: Mapping[str, str] | None = None) -> Finished:
    """Run ``argv`` without a shell and without input; after ``timeout`` seconds end it with all its children.

    ``environment`` adds variables, which nobody else on the machine can see, as they can see ``argv``.
    """
    try:
        process = OwnSession(argv, environment=environment)
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
            process.end(_UNMOUNT_SECONDS)
    return Finished(process.returncode, stdout.decode("utf-8", "replace"), stderr.decode("utf-8", "replace"))
