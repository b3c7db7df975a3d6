# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run shows to a device so that the device can tell it from others: its turn, and the turns before it.

A turn is one opening of the ledger. Two copies of a ledger may have the same epochs, and never the same turns.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import Any

from .events import Event, format_time
from .spec import Spec

_MOST_TURNS = 200
"""How many turns are sent with every change. A device that was claimed by an older one says so, and is asked again."""


def fence_of(events: Iterable[Event], spec: Spec, epoch: int) -> dict[str, Any]:
    """The fence of the run that recorded the last of ``events`` that opened the rollout, as the device modules take it.

    ``supersedes`` names the rollouts whose devices this one took over, asked for or because they were completed.
    """
    openings = [event for event in events if event.kind == "opened"]
    if not openings:
        raise ValueError("these events open no rollout")
    turns = [turn_of(event) for event in openings]
    taken = [str(other) for event in openings for other in event.data.get("took_over", ())]
    last = openings[-1].data
    return {
        "rollout": spec.id,
        "epoch": epoch,
        "turn": turns[-1],
        "turns": turns[-_MOST_TURNS:-1],
        "supersedes": sorted({*spec.supersedes, *taken}),
        "by": f"{last.get('by')} on {last.get('machine')}",
    }


def is_turn_before(events: Iterable[Event], turn: str, ours: str) -> bool:
    """Whether ``turn`` is one of the openings among ``events`` before that of ``ours``."""
    known = [turn_of(event) for event in events if event.kind == "opened"]
    return ours in known and turn in known[: known.index(ours)]


def turn_of(opened: Event) -> str:
    """Name of the turn that an event ``opened`` began."""
    who: Sequence[object] = (format_time(opened.at), opened.data.get("machine"), opened.data.get("pid"))
    return hashlib.sha256(repr(who).encode("utf-8", "replace")).hexdigest()[:16]
