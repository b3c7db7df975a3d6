# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files beside a ledger that show what it says: to people in a browser and a pager, and to programs."""

from __future__ import annotations

import json
from collections.abc import Sequence
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
from ._rollout.store import open_stores
from ._rollout.summary import summarize

_UNTOLD = ("planned", "notified")
"""Kinds of events that are no part of the story of a rollout as people read it."""


@dataclass(frozen=True)
class Reports:
    """What the files show. ``trouble`` is why they could not be written, else empty: then those of before are there."""

    rollout: Rollout
    events: Sequence[Event]
    summary: dict[str, Any]
    text: str
    page: Path
    trouble: str = ""


def write_reports(root: Path, rollout_id: str) -> Reports:
    """Write ``report.html``, ``summary.json`` and ``summary.txt`` of a rollout as it stands now.

    Each as a whole, as others read them meanwhile. Raises RolloutError when the ledger below ``root`` holds no plan.
    """
    ledger = open_stores(root).rollout(rollout_id)
    events = ledger.read()
    rollout = derive(events)
    if rollout is None:
        raise RolloutError(f"{ledger.place} holds no plan.", "Run the rollout first.", "not_planned")
    now = CLOCK.now()
    summary = summarize(rollout, decide(rollout, now).wait, now)
    directory = root / rollout_id
    page = directory / "report.html"
    text = f"{rollout_text(summary)}\n\nReport: {page}\n"
    story = [event.as_dict() for event in events if event.kind not in _UNTOLD]
    trouble = ""
    try:
        replace_file(page, rollout_html(summary, story, format_time(now)))
        replace_file(directory / "summary.json", json.dumps(summary, indent=2) + "\n")
        replace_file(directory / "summary.txt", text)
    except OSError as error:
        trouble = f"The report could not be written to {directory}: {error.strerror}."
    return Reports(rollout, events, summary, text, page, trouble)
