# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files beside a ledger that show what it says: to people in a browser and a pager, and to programs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ._controller import CLOCK
from ._files import replace_file
from ._report import rollout_html, rollout_text
from ._rollout.decide import decide
from ._rollout.errors import RolloutError
from ._rollout.events import Event, format_time
from ._rollout.replay import derive
from ._rollout.states import Rollout
from ._rollout.store import Store
from ._rollout.summary import summarize

_UNTOLD = ("planned", "notified")
"""Kinds of events that are no part of the story of a rollout as people read it."""
_TRIES = 5
"""How often reports are written at most while a run keeps adding to the ledger. It writes them itself at its end."""


@dataclass(frozen=True)
class Reports:
    """What the files show. ``trouble`` is why they could not be written, else empty: then those of before are there."""

    rollout: Rollout
    events: Sequence[Event]
    summary: dict[str, Any]
    text: str
    page: Path
    trouble: str = ""


def write_reports(root: Path, ledger: Store) -> Reports:
    """Write ``summary.json``, ``summary.txt`` and ``report.html`` of a rollout as it stands now, below ``root``.

    Each as a whole, as others read them meanwhile. Somebody may add to the ledger and write them at the same time: then
    they are written again, so that what stays is never older than the ledger. Raises RolloutError without a plan.
    """
    for _unused in range(_TRIES):
        position = ledger.position()
        reports = _written(root, ledger)
        if ledger.position() == position:
            break
    return reports


def refresh_reports(root: Path, ledger: Store) -> str:
    """Write the reports of a rollout that no run is reporting on; returns what went wrong, which undoes nothing."""
    try:
        return write_reports(root, ledger).trouble
    except RolloutError as error:
        return f"The report could not be made: {error}"


def _written(root: Path, ledger: Store) -> Reports:
    events = ledger.read()
    rollout = derive(events)
    if rollout is None:
        raise RolloutError(f"{ledger.place} holds no plan.", "Run the rollout first.", "not_planned")
    now = CLOCK.now()
    summary = summarize(rollout, decide(rollout, now).wait, now)
    directory = root / ledger.name
    page = directory / "report.html"
    text = f"{rollout_text(summary)}\n\nReport: {page}\n"
    story = [event.as_dict() for event in events if event.kind not in _UNTOLD]
    files = {
        directory / "summary.json": json.dumps(summary, indent=2) + "\n",
        directory / "summary.txt": text,
        page: rollout_html(summary, story, format_time(now)),
    }
    return Reports(rollout, events, summary, text, page, _write(files))


def _write(files: Mapping[Path, str]) -> str:
    """What went wrong first; the others are written all the same."""
    troubles = []
    for path, content in files.items():
        try:
            replace_file(path, content)
        except OSError as error:
            troubles.append(f"The report could not be written to {path}: {error.strerror}.")
    return troubles[0] if troubles else ""
