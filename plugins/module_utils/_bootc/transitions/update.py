# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The way to the newest content of the image that is tracked. Pure."""

from __future__ import annotations

from ..._errors import BootcError
from ..status import COMPOSEFS, ImageSpec, Slot, Status
from .drop import drop_staged, dropped_note
from .model import PARK, UPGRADE, Command, Transition, Update
from .rollback import came_back
from .shared import (
    PARKED_IN_THE_WAY,
    arm,
    describe,
    may_be_parked,
    refuse_redeployment,
    require_compatible,
    require_version,
    with_staged,
)


def plan_update(status: Status, desired: Update) -> Transition:
    require_compatible(status)
    spec = status.spec_image
    if spec is None:
        raise BootcError(
            "incompatible",
            "This host tracks no image, so there is nothing to update from",
            "Name one with skorionos.bootc.bootc_switch first",
        )
    staged = status.staged
    if "@" in spec.image:
        return _update_of_a_digest(status, spec, desired)
    if _taken_back(status, desired):
        return Transition((), status, note=_taken_back_note(status, spec, desired))
    if staged is not None and staged.digest is not None and staged.digest in desired.accept:
        return _update_staged(status, staged, desired)
    if status.booted is not None and status.booted.digest is not None and status.booted.digest in desired.accept:
        return _update_is_booted(status, desired)
    if status.next_boot == "rollback" and status.rollback is not None and status.rollback.digest in desired.accept:
        return Transition((), status, note="The rollback deployment has the newest content and is queued")
    if status.backend == COMPOSEFS:
        refuse_redeployment(status, desired.accept)
    return _fetch_update(status, spec, desired)


def _update_of_a_digest(status: Status, spec: ImageSpec, desired: Update) -> Transition:
    note = f"The host tracks {spec.image}, a digest, which has no newer content"
    if status.staged is not None and status.download_only and not desired.park:
        return arm(status, status.staged, frozenset(), note)
    return Transition((), status, note=note)


def _taken_back(status: Status, desired: Update) -> bool:
    """Whether the newest content is, or may be, what the host was taken back from. ostree would stage it again."""
    here = status.booted.digest if status.booted else None
    if desired.repeat or here is None or here in desired.accept:
        return False
    candidates = desired.accept or {left for left, _returned_to in desired.history}
    return any(came_back(digest, here, desired.history) for digest in candidates)


def _taken_back_note(status: Status, spec: ImageSpec, desired: Update) -> str:
    if not desired.accept:
        return (
            f"This host was taken back from other content, which {spec.image} may still hold, as it could not be "
            "looked up: nothing is fetched without repeat=true"
        )
    note = f"This host was taken back from the newest content of {spec.image}"
    if status.next_boot == "staged" and status.staged is not None and status.staged.digest in desired.accept:
        return f"{note}, but somebody has staged that again"
    return f"{note}, which is not staged again without repeat=true"


def _update_staged(status: Status, staged: Slot, desired: Update) -> Transition:
    if staged.download_only and not desired.park:
        return arm(status, staged, desired.accept, "")
    # Arming was somebody's consent to the next reboot. "At least downloaded" is no reason to take it back.
    note = (
        "The newest content is already armed, not only downloaded" if desired.park and not staged.download_only else ""
    )
    return Transition((), status, note=note)


def _update_is_booted(status: Status, desired: Update) -> Transition:
    note = "The booted deployment has the newest content"
    staged = status.staged
    if staged is None:
        return Transition((), status, note=note)
    if desired.park or staged.download_only:
        return Transition((), status, note=f"{note}; the staged {describe(staged)} is left as it is")
    return Transition(
        (drop_staged(status),),
        status.without_staged(),
        note=f"{note}; {dropped_note(status, staged)}",
        discards=("staged",),
    )


def _fetch_update(status: Status, spec: ImageSpec, desired: Update) -> Transition:
    notes = []
    staged, uncertain = status.staged, not desired.accept
    if desired.park:
        if uncertain and staged is not None and not staged.download_only:
            note = f"What {spec.image} holds now is not known: the armed {describe(staged)} is left as it is"
            return Transition((), status, note=note)
        require_version(status, "downloading without arming", ostree=(1, 12, 0), composefs=(1, 13, 0))
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
