# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The way to an image that is named. Pure."""

from __future__ import annotations

from dataclasses import replace

from ..status import COMPOSEFS, OSTREE, ImageSpec, Slot, Status
from .drop import drop_staged, dropped_note
from .model import CONTAINER_POLICY, LOCK, PARK, ROLLBACK, UPGRADE, Command, Switch, Transition
from .shared import (
    PARKED_IN_THE_WAY,
    arm,
    may_be_parked,
    refuse_redeployment,
    require_compatible,
    require_two_entries,
    with_staged,
)
from .supported import require_parking

# Older releases on composefs leave a stale boot entry behind when they roll back with something staged.
_ROLLBACK_DROPS_STAGED_SINCE = (1, 16, 0)


def plan_switch(status: Status, desired: Switch) -> Transition:
    if desired.park:
        require_parking(status)
    wanted = _wanted_spec(status, desired)
    tag_only = "@" not in desired.image and (desired.by_name or not desired.accept)
    if tag_only and _current_spec(status) == wanted:
        return _keep_tracking(status, wanted)
    if status.staged is not None and _has_content(status, status.staged, desired, wanted):
        note = _name_note(status.staged, wanted)
        if desired.park:
            return _park_wanted(status, status.staged, note)
        return _arm_wanted(status, status.staged, desired.accept, note)
    if status.booted is not None and _has_content(status, status.booted, desired, wanted):
        return _stay_on_booted(status, _name_note(status.booted, wanted))
    if status.next_boot == "rollback" and status.rollback is not None and status.rollback.digest in desired.accept:
        return Transition((), status, note="The rollback deployment has this content and is queued")
    if status.backend == COMPOSEFS:
        refuse_redeployment(status, desired.accept)
    return _stage(status, desired, wanted)


def _wanted_spec(status: Status, desired: Switch) -> ImageSpec:
    wanted = ImageSpec(desired.image, desired.transport)
    if status.backend == COMPOSEFS:  # such hosts do not keep the demand for a signature
        return wanted
    if desired.enforce_signature:
        return replace(wanted, signature=CONTAINER_POLICY)
    spec = status.spec_image
    tracked = spec is not None and (spec.image, spec.transport) == (wanted.image, wanted.transport)
    return spec if spec is not None and tracked else wanted


def _current_spec(status: Status) -> ImageSpec | None:
    spec = status.spec_image
    return replace(spec, signature=None) if spec is not None and status.backend == COMPOSEFS else spec


def _keep_tracking(status: Status, wanted: ImageSpec) -> Transition:
    """The host tracks this name already; moving on to newer content of it is an update, not a switch."""
    rollback = status.rollback
    if status.next_boot == "rollback" and rollback is not None and rollback.spec == status.spec_image:
        return Transition((), status, note="The rollback that is queued tracks the same image")
    if status.staged is None:
        return _stay_on_booted(status, "")
    if status.download_only:
        return Transition((), status, note=f"What is staged for {wanted.image} stays parked")
    return Transition((), status)


def _has_content(status: Status, slot: Slot, desired: Switch, wanted: ImageSpec) -> bool:
    if status.backend == OSTREE and desired.enforce_signature and slot.signature != wanted.signature:
        return False
    if "@" in wanted.image and (slot.image, slot.transport) == (wanted.image, wanted.transport):
        return True
    if slot.digest is None or slot.digest not in desired.accept:
        return False
    if status.backend == OSTREE and desired.by_name:
        return (slot.image, slot.transport) == (wanted.image, wanted.transport)
    return True


def _name_note(slot: Slot, wanted: ImageSpec) -> str:
    if slot.image == wanted.image:
        return ""
    return f"This content is already there under the name {slot.image}, which stays the tracked one"


def _arm_wanted(status: Status, staged: Slot, accept: frozenset[str], note: str) -> Transition:
    if not staged.download_only:
        return Transition((), status, note=note)
    return arm(status, staged, accept, note)


def _park_wanted(status: Status, staged: Slot, note: str) -> Transition:
    if staged.download_only:
        return Transition((), status, note=note)
    # What is parked is never told to be capable of a soft reboot.
    parked = replace(staged, download_only=True, soft_reboot_capable=None)
    return Transition((LOCK,), replace(status, staged=parked), note=note)


def _stay_on_booted(status: Status, note: str) -> Transition:
    """Make the booted deployment the one that boots next."""
    commands: tuple[Command, ...] = ()
    notes = [note] if note else []
    predicted = status
    if status.staged is not None and not status.download_only:
        commands += (drop_staged(status),)
        predicted = status.without_staged()
        notes.append(dropped_note(status, status.staged))
    if predicted.next_boot == "rollback":
        require_two_entries(status)
        notes.append("The queued rollback is taken back")
        if predicted.staged is not None:
            if status.backend == COMPOSEFS and not status.at_least(*_ROLLBACK_DROPS_STAGED_SINCE):
                commands += (drop_staged(status),)
            notes.append(dropped_note(status, predicted.staged))
            predicted = predicted.without_staged()
        # A second rollback reverts a queued one; nothing else does on both backends.
        commands += (ROLLBACK,)
        predicted = replace(predicted, rollback_queued=False)
    elif predicted.staged is not None:
        notes.append("What is parked stays parked: it does not boot unless somebody arms it")
    discards = ("staged",) if predicted.staged is None and status.staged is not None else ()
    return Transition(commands, predicted, note="; ".join(notes), discards=discards)


def _stage(status: Status, desired: Switch, wanted: ImageSpec) -> Transition:
    notes = []
    # bootc answers "unchanged" to a switch to the tracked name without looking at the registry.
    if _current_spec(status) == wanted:
        require_compatible(status)
        command = UPGRADE
    else:
        command = ("bootc", "switch", "--quiet")
        if desired.transport != "registry":
            command += ("--transport", desired.transport)
        if desired.enforce_signature:
            command += ("--enforce-container-sigpolicy",)
        if desired.retain:
            command += ("--retain",)
        command += (desired.image,)
    booted = status.booted
    if booted is not None and booted.incompatible:
        notes.append("The local rpm-ostree modifications of the booted deployment are not carried over")
    if desired.digest is None:
        notes.append(
            "Which of the accepted digests the device will report is known once it is staged"
            if desired.accept
            else "The digest is not known before it is staged"
        )
    commands: tuple[Command, ...] = (command,)
    if desired.park:
        commands = (PARK,) if command == UPGRADE else (command, LOCK)
    elif command == UPGRADE and may_be_parked(status, desired.digest):
        commands = (drop_staged(status), command)
        notes.append(PARKED_IN_THE_WAY)
    return Transition(
        commands,
        with_staged(status, wanted, desired.digest, download_only=desired.park),
        note="; ".join(notes),
        discards=("staged",) if status.staged is not None else (),
        accept=desired.accept,
    )
