# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""People's own commands that judge a wave, run on the controller."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import tempfile
import time

from ._rollout.events import Event
from ._rollout.spec import Analysis
from ._rollout.states import FAILED, INCONCLUSIVE, SUCCESSFUL, Finding, Rollout
from ._rollout.summary import summarize

LONGEST_OUTPUT = 500
_OUTCOMES = {0: SUCCESSFUL, 1: FAILED}


def analyse(rollout: Rollout, index: int, analysis: Analysis) -> Event:
    """Run one analysis of a wave, which gets the summary as JSON on its input; returns what to record."""
    document = {**summarize(rollout, now=time.time()), "wave": rollout.plan.waves[index].name}
    finding = run(analysis, json.dumps(document))
    data = {"name": analysis.name, "outcome": finding.outcome, "output": finding.output}
    return Event("analysed", time.time(), wave=index, data=data)


def run(analysis: Analysis, given: str) -> Finding:
    """What the command says of ``given``: exit code 0 is success, 1 failure; anything else tells nothing."""
    # A file and no pipe, which a process that it leaves behind would keep open.
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as document:
        document.write(given.encode("utf-8", "backslashreplace"))
        document.seek(0)
        try:
            process = subprocess.Popen(
                analysis.command, stdin=document, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
            )
        except (OSError, ValueError) as error:  # ValueError: a NUL in an argument
            return Finding(INCONCLUSIVE, f"it could not be started: {error}"[:LONGEST_OUTPUT])
        try:
            code = process.wait(analysis.timeout)
        except subprocess.TimeoutExpired:
            code = None
        finally:
            if process.poll() is None:
                _end(process)
        output.seek(0)
        told = output.read(4 * LONGEST_OUTPUT).decode("utf-8", "replace")[:LONGEST_OUTPUT]
    if code is None:
        return Finding(INCONCLUSIVE, f"no answer within {analysis.timeout} seconds. {told}"[:LONGEST_OUTPUT])
    if code not in _OUTCOMES:
        return Finding(INCONCLUSIVE, f"exit code {code}. {told}"[:LONGEST_OUTPUT])
    return Finding(_OUTCOMES[code], told)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End it, with everything it began."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
