# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host is to remember of its rollbacks, so that nobody takes it again to where it was taken back from."""

from __future__ import annotations

from typing import Callable

from .._device.content import Content
from .._device.markers import RollbackMark, forget_rollbacks, read_rollbacks, remember_rollback
from .status import Status
from .transitions import ROLLBACK, Desired, Rollback, Transition, came_back, queued_here

Warn = Callable[[str], None]


def remember(change: Callable[[], None], warn: Warn) -> None:
    try:
        change()
    except OSError as exc:
        # A full disk must not keep a device on a bad image.
        warn(
            f"The decision could not be remembered on the device ({exc}). A later rollback may take it to an image "
            "that was left on purpose."
        )


def remember_plan(before: Status, transition: Transition, desired: Desired) -> None:
    """What is about to be done: afterwards may be too late."""
    booted, rollback = before.booted, before.rollback
    if ROLLBACK not in transition.commands or booted is None or rollback is None:
        return
    here, there = booted.content, rollback.content
    if not (here.is_known and there.is_known):
        return
    if isinstance(desired, Rollback) and desired.forward:
        forget_rollbacks(here, there)
    elif transition.predicted.next_boot == "rollback":
        remember_rollback(RollbackMark.now(here, there))
    elif queued_here(before, read_rollbacks()):
        # Somebody changed their mind: that rollback never happened.
        forget_rollbacks(here, there, only_last=True)
    else:
        # To stay is to have come back from where the boot loader fell back from.
        remember_rollback(RollbackMark.now(there, here))


def remember_what_was_found(status: Status, desired: Desired, came_back_from: str | None) -> None:
    """Ways back that are queued, or behind the host, without this collection having asked for them."""
    booted, rollback = status.booted, status.rollback
    if booted is None or not booted.content.is_known:
        return
    if came_back_from is not None and status.next_boot == "booted":
        _mark_once(_content_of(status, came_back_from), booted.content)
    meant = isinstance(desired, Rollback) and desired.repeat and not desired.forward
    if meant and status.next_boot == "rollback" and rollback is not None and rollback.content.is_known:
        _mark_once(booted.content, rollback.content)


def _content_of(status: Status, digest: str) -> Content:
    """All that is known of the content with this digest."""
    return next((slot.content for slot in status.slots() if slot.digest == digest), Content(digest))


def _mark_once(left: Content, returned_to: Content) -> None:
    if not came_back(left, returned_to, read_rollbacks()):
        remember_rollback(RollbackMark.now(left, returned_to))


def forget_what_is_left_behind(after: Status) -> None:
    """A device that is taken forward on purpose is no longer one that came back from there."""
    booted, staged = after.booted, after.staged
    if after.next_boot == "staged" and booted is not None and staged is not None:
        forget_rollbacks(booted.content, staged.content)
