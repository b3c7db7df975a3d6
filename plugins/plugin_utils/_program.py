# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""People's own programs, run on the controller without a shell."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass

LONGEST_OUTPUT = 500


@dataclass(frozen=True)
class Ended:
    """``code`` is its exit code, None when it has none: then ``output`` begins with why. That is one text with what it
    wrote to both of its outputs, of ``LONGEST_OUTPUT`` characters at most."""

    code: int | None
    output: str
    started: bool = True


def run_program(command: Sequence[str], given: str, seconds: float) -> Ended:
    """Run a program with ``given`` as its input, which it need not read, for that many seconds at most."""
    # Files and no pipes, which a process that it leaves behind would keep open, and which break when it does not read.
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as document:
        document.write(given.encode("utf-8", "backslashreplace"))
        document.seek(0)
        try:
            process = subprocess.Popen(
                command, stdin=document, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
            )
        except (OSError, ValueError) as error:  # ValueError: a NUL in an argument
            return Ended(None, f"it could not be started: {error}"[:LONGEST_OUTPUT], started=False)
        try:
            code = process.wait(seconds)
        except subprocess.TimeoutExpired:
            code = None
        finally:
            if process.poll() is None:
                _end(process)
        output.seek(0)
        told = output.read(4 * LONGEST_OUTPUT).decode("utf-8", "replace")[:LONGEST_OUTPUT]
    if code is None:
        return Ended(None, f"no answer within {seconds} seconds. {told}"[:LONGEST_OUTPUT])
    return Ended(code, told)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End it, with everything it began."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
