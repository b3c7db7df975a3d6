# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""All ledgers of a fleet read once: what devices are meant to run, and what happened to them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from .._report.rollout_view import rollout_view
from .._report.timeline import of_device
from .._rollout.errors import RolloutError
from .._rollout.events import Event
from .._rollout.replay import UNTELLABLE, derive
from .._rollout.states import Rollout
from .._rollout.store import open_stores
from .history import Download, History, planned_downloads
from .wanted import wanted

_AS_BEFORE = "Meanwhile who has drifted is told by what was known before."


@dataclass(frozen=True)
class OnRecord:
    """What ledgers tell. ``wanted`` (see there) is None when they cannot: then what was known before is to be kept.

    ``doubts`` are warnings for people, of ledgers that are not there or cannot be read.
    """

    wanted: Mapping[str, tuple[str, ...]] | None = None
    history: History | None = None
    doubts: tuple[str, ...] = ()


def read_ledgers(place: str, *, with_history: bool) -> OnRecord:
    """Every rollout on record in the directory ``place``; one that cannot be read costs nobody the others."""
    rollouts, history, doubts = list[Rollout](), History(), list[str]()
    for store in open_stores(place).rollouts():
        try:
            events = store.read()
            rollout = derive(events)
            if rollout is None:
                continue
            if with_history:
                _try_to_tell(rollout, events)
                history.add(rollout, events, _planned(Path(place) / f"{rollout.plan.spec.id}.plan.json"))
        except UNTELLABLE as error:
            doubts.append(f"{_why(store.place, error)} {_AS_BEFORE}")
        else:
            rollouts.append(rollout)
    if not rollouts and not doubts:
        doubts.append(f"There is no rollout in {place}. Say where with bootc_rollout_ledger. {_AS_BEFORE}")
    # A rollout that cannot be read may be the last one of any device, and the one before it says something else.
    return OnRecord(None if doubts else wanted(rollouts), history if with_history else None, tuple(doubts))


def _try_to_tell(rollout: Rollout, events: Sequence[Event]) -> None:
    """Raise one of UNTELLABLE for what a page cannot tell, while it is still known whose events these are."""
    alone = History()
    alone.add(rollout, [event for event in events if event.host is None])
    for chapter in alone.chapters:
        rollout_view(chapter.summary(rollout.changed_at), chapter.events)
    for event in events:
        if event.host is not None:
            of_device({"kind": event.kind, "data": event.data})


def _why(place: str, error: Exception) -> str:
    if isinstance(error, RolloutError):
        return str(error)
    return (
        f"The events of {place} are not those of a rollout ({type(error).__name__}: {error}). "
        "Read them with the version of the collection that wrote them."
    )


def _planned(path: Path) -> dict[str, Download]:
    """What the rollout_plan playbook reckoned, where it was asked and wrote to the place it writes to by default."""
    try:
        return planned_downloads(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return {}
