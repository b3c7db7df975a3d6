# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the rollbacks that a host remembers say about where it is now. Pure."""

from __future__ import annotations

from ..._device.content import Content
from ..status import ImageSpec, Status
from .model import History, Update


def came_back(left: Content, here: Content, history: History) -> bool:
    """Whether the last rollback between these two went from the one to the other."""
    for mark in reversed(history):
        if mark.is_between(left, here):
            return mark.leads(left, here)
    return False


def queued_here(status: Status, history: History) -> bool:
    """Whether this host remembers that the queued rollback was asked for; without names of contents it cannot know."""
    booted, rollback = status.booted, status.rollback
    if booted is None or rollback is None or not (booted.content.is_known and rollback.content.is_known):
        return True
    return came_back(booted.content, rollback.content, history)


def taken_back(status: Status, desired: Update) -> bool:
    """Whether the newest content is, or may be, what the host was taken back from. ostree would stage it again."""
    booted = status.booted
    if desired.repeat or booted is None or booted.digest in desired.accept:
        return False
    if desired.accept:
        # A mark may name the content by what only the deployment tells.
        deployed = [slot.content for slot in status.slots() if slot.digest in desired.accept]
        candidates = [*map(Content, desired.accept), *deployed]
    else:
        candidates = [mark.left for mark in desired.history]
    return any(came_back(content, booted.content, desired.history) for content in candidates)


def taken_back_note(status: Status, spec: ImageSpec, desired: Update) -> str:
    """What to say when it is; ``spec`` is the name whose content that is."""
    if not desired.accept:
        return (
            f"This host was taken back from other content, which {spec.image} may still hold, as it could not be "
            "looked up: nothing is fetched without repeat=true"
        )
    note = f"This host was taken back from the newest content of {spec.image}"
    if status.next_boot == "staged" and status.staged is not None and status.staged.digest in desired.accept:
        return f"{note}, but somebody has staged that again"
    return f"{note}, which is not staged again without repeat=true"
