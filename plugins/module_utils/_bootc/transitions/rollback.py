# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The way back to the previous deployment, which is no toggle. Pure."""

from __future__ import annotations

from dataclasses import replace

from ..._errors import BootcError
from ..status import COMPOSEFS, Slot, Status
from .drop import drop_staged, dropped_note
from .history import came_back, queued_here
from .model import ROLLBACK, Command, Rollback, Transition
from .shared import describe, pinned_name, require_two_entries

_STALE = (
    "This release of bootc leaves such an entry behind when it rolls back, so it may not be there at all: set "
    "discard_staged=true to be rid of it"
)


def plan_rollback(status: Status, desired: Rollback) -> Transition:
    staged, rollback, booted = status.staged, status.rollback, status.booted
    if rollback is None or rollback.image is None or booted is None:
        raise BootcError(
            "no_rollback",
            "There is no deployment to roll back to" if rollback is None else "The rollback deployment is no image",
            "Name the image to go to with skorionos.bootc.bootc_switch",
        )
    elsewhere = status.rollback_queued and not queued_here(status, desired.history)
    queued_note = _queued_elsewhere_note(booted) if elsewhere else "The rollback is already queued"
    if status.next_boot == "rollback":
        return Transition((), status, note=queued_note, queued_elsewhere=elsewhere)
    if staged is not None and not desired.discard_staged:
        raise BootcError(
            "would_discard",
            f"Rolling back would throw away the staged {describe(staged)}",
            _STALE
            if status.staged_may_be_stale
            else "Set discard_staged=true if that is meant, or reboot into it first",
        )
    returned = not (desired.repeat or desired.forward) and came_back(rollback.content, booted.content, desired.history)
    if returned or status.rollback_queued:
        # The boot order is already right. Another rollback would turn it round.
        commands: tuple[Command, ...] = (drop_staged(status),) if staged is not None else ()
        returned = returned and not status.rollback_queued
        note = f"This host already came back from {describe(rollback)}" if returned else queued_note
        return Transition(
            commands,
            status.without_staged() if staged is not None else status,
            note=note if staged is None else f"{note}; {dropped_note(status, staged)}",
            discards=("staged",) if staged is not None else (),
            already_rolled_back=returned,
            queued_elsewhere=elsewhere,
        )
    require_two_entries(status)
    commands = (ROLLBACK,)
    if staged is not None and status.backend == COMPOSEFS:
        # Releases before 1.16 leave a stale staged entry behind when they roll back.
        commands = (drop_staged(status), ROLLBACK)
    return Transition(
        commands,
        replace(status.without_staged() if staged is not None else status, rollback_queued=True),
        note=f"From {describe(booted)} to {describe(rollback)}",
        discards=("staged",) if staged is not None else (),
    )


def _queued_elsewhere_note(booted: Slot) -> str:
    return (
        "The rollback deployment boots next, but nobody asked for that here: either somebody queued it by hand, or the "
        "boot loader fell back from it and the next boot goes forward again. To stay on what runs, use "
        f"skorionos.bootc.bootc_switch with image={pinned_name(booted)}"
    )
