# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The way to the newest content of the image that is tracked. Pure."""

from __future__ import annotations

from dataclasses import replace

from ..._errors import BootcError
from ..status import COMPOSEFS, ImageSpec, Slot, Status
from .drop import drop_staged, dropped_note
from .follow import plan_follow
from .history import came_back, taken_back, taken_back_note
from .model import PARK, UPGRADE, Command, Transition, Update
from .shared import (
    PARKED_IN_THE_WAY,
    arm,
    describe,
    may_be_parked,
    refuse_redeployment,
    require_compatible,
    tracked_image,
    with_staged,
    with_tag,
)


def plan_update(status: Status, desired: Update) -> Transition:
    require_compatible(status)
    transition = _arm_downloaded(status, desired) if desired.from_downloaded else _update_to_newest(status, desired)
    if not desired.repeat and status.next_boot == "rollback" and transition.predicted.next_boot != "rollback":
        note = "A rollback is queued, and no update takes its place without repeat=true"
        return Transition((), status, note=note)
    return transition


def _update_to_newest(status: Status, desired: Update) -> Transition:
    spec = tracked_image(status)
    target = spec if desired.tag is None else with_tag(spec, desired.tag)
    if target.image != spec.image:
        return plan_follow(status, target, desired)
    if "@" in spec.image:
        return _update_of_a_digest(status, spec, desired)
    if taken_back(status, desired):
        return Transition((), status, note=taken_back_note(status, spec, desired))
    return _update_to_content(status, spec, desired)


def _update_to_content(status: Status, spec: ImageSpec, desired: Update) -> Transition:
    staged = status.staged
    if staged is not None and staged.digest is not None and staged.digest in desired.accept:
        return _update_staged(status, staged, desired)
    if status.booted is not None and status.booted.digest is not None and status.booted.digest in desired.accept:
        return _update_is_booted(status, spec, desired)
    if status.next_boot == "rollback" and status.rollback is not None and status.rollback.digest in desired.accept:
        return Transition((), status, note="The rollback deployment has the newest content and is queued")
    if status.backend == COMPOSEFS:
        refuse_redeployment(status, desired.accept)
    return _fetch_update(status, spec, desired)


def _arm_downloaded(status: Status, desired: Update) -> Transition:
    """What is parked boots next, without a question to the registry."""
    booted, staged = status.booted, status.staged
    if staged is None:
        raise BootcError(
            "not_found",
            "Nothing is downloaded on this device that could be armed",
            "Download the update with state=downloaded first; a reboot drops what is parked",
        )
    if not staged.download_only:
        return Transition((), status, note=f"The staged {describe(staged)} is armed already")
    if not desired.repeat and booted is not None and came_back(staged.content, booted.content, desired.history):
        note = f"This host was taken back from the parked {describe(staged)}, which is not armed without repeat=true"
        return Transition((), status, note=note)
    return arm(status, staged, frozenset(), "")


def _update_of_a_digest(status: Status, spec: ImageSpec, desired: Update) -> Transition:
    note = f"The host tracks {spec.image}, a digest, which has no newer content"
    if status.staged is not None and status.download_only and not desired.park:
        return arm(status, status.staged, frozenset(), note)
    return Transition((), status, note=note)


def _update_staged(status: Status, staged: Slot, desired: Update) -> Transition:
    if staged.download_only and not desired.park:
        return arm(status, staged, desired.accept, "")
    # Arming was somebody's consent to the next reboot. "At least downloaded" is no reason to take it back.
    note = (
        "The newest content is already armed, not only downloaded" if desired.park and not staged.download_only else ""
    )
    return Transition((), status, note=note)


def _update_is_booted(status: Status, spec: ImageSpec, desired: Update) -> Transition:
    note = "The booted deployment has the newest content"
    staged = status.staged
    if staged is None:
        return Transition((), status, note=note)
    if desired.park or staged.download_only:
        return Transition((), status, note=f"{note}; the staged {describe(staged)} is left as it is")
    dropped = Transition(
        (drop_staged(status),),
        status.without_staged(),
        note=f"{note}; {dropped_note(status, staged)}",
        discards=("staged",),
    )
    if desired.tag is None or dropped.predicted.spec_image == spec:
        return dropped
    # The tag was tracked by what is dropped. It is to be followed, whatever the booted deployment tracks.
    follow = plan_follow(dropped.predicted, spec, desired)
    return replace(
        follow,
        commands=(*dropped.commands, *follow.commands),
        note="; ".join(filter(None, (dropped.note, follow.note))),
        discards=dropped.discards,
    )


def _fetch_update(status: Status, spec: ImageSpec, desired: Update) -> Transition:
    notes = []
    staged, uncertain = status.staged, not desired.accept
    if desired.park and uncertain and staged is not None and not staged.download_only:
        note = f"What {spec.image} holds now is not known: the armed {describe(staged)} is left as it is"
        return Transition((), status, note=note)
    if uncertain:
        notes.append("What the tracked image holds now could not be determined beforehand")
    commands: tuple[Command, ...] = (PARK if desired.park else UPGRADE,)
    if not desired.park and may_be_parked(status, desired.digest):
        commands = (drop_staged(status), *commands)
        notes.append(PARKED_IN_THE_WAY)
    elif staged is not None and not staged.download_only and desired.park:
        notes.append(f"The armed {describe(staged)} is replaced by newer content that is only parked")
    return Transition(
        commands,
        with_staged(status, spec, desired.digest, download_only=desired.park),
        note="; ".join(notes),
        discards=("staged",) if staged is not None else (),
        accept=desired.accept,
        uncertain=uncertain,
    )
