# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""People's own commands that judge a wave, run on the controller."""

from __future__ import annotations

import json
import time

from ._program import LONGEST_OUTPUT, run_program
from ._rollout.events import Event
from ._rollout.spec import Analysis
from ._rollout.states import FAILED, INCONCLUSIVE, SUCCESSFUL, Finding, Rollout
from ._rollout.summary import summarize

_OUTCOMES: dict[int | None, str] = {0: SUCCESSFUL, 1: FAILED}


def analyse(rollout: Rollout, index: int, analysis: Analysis) -> Event:
    """Run one analysis of a wave, which gets the summary as JSON on its input; returns what to record."""
    document = {**summarize(rollout, now=time.time()), "wave": rollout.plan.waves[index].name}
    finding = run(analysis, json.dumps(document))
    data = {"name": analysis.name, "outcome": finding.outcome, "output": finding.output}
    return Event("analysed", time.time(), wave=index, data=data)


def run(analysis: Analysis, given: str) -> Finding:
    """What the command says of ``given``: exit code 0 is success, 1 failure; anything else tells nothing."""
    ended = run_program(analysis.command, given, analysis.timeout)
    if ended.code in _OUTCOMES:
        return Finding(_OUTCOMES[ended.code], ended.output)
    code = "" if ended.code is None else f"exit code {ended.code}. "
    return Finding(INCONCLUSIVE, f"{code}{ended.output}"[:LONGEST_OUTPUT])
