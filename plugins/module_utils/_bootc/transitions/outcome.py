# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host looks like afterwards, and what it means when that is not what was predicted. Pure."""

from __future__ import annotations

from dataclasses import replace

from ..status import OSTREE, Slot, Status
from .model import ARM, Command, Transition
from .shared import pinned_name


def mismatch(transition: Transition, before: Status, after: Status) -> str | None:
    """Why what is there now is not what was predicted, or None when it is."""
    predicted = transition.predicted
    if _rollback_is_gone(predicted, after):
        return "the rollback deployment is gone"
    if transition.uncertain and found_nothing_new(transition, before, after):
        return None
    if after.next_boot != predicted.next_boot:
        return f"{after.next_boot} boots next instead of {predicted.next_boot}"
    if after.staged is None or predicted.staged is None:
        if after.staged is predicted.staged:
            return None
        return "nothing is staged" if after.staged is None else "something is staged that should not be"
    return _staged_mismatch(transition, after.staged, predicted.staged)


def _rollback_is_gone(expected: Status, after: Status) -> bool:
    rollback = expected.rollback
    if rollback is None:
        return False
    if rollback.deployment is None:
        return after.rollback is None
    return all(slot.deployment != rollback.deployment for slot in after.slots())


def _staged_mismatch(transition: Transition, staged: Slot, predicted: Slot) -> str | None:
    if staged.download_only != predicted.download_only:
        return "what is staged is parked" if staged.download_only else "what is staged is not parked"
    if transition.accept and staged.digest not in transition.accept and not _pins(staged, predicted):
        return f"{staged.digest} is staged, which is not the wanted content"
    if (transition.by_name or not transition.accept) and staged.image != predicted.image:
        return f"{staged.image} is staged instead of {predicted.image}"
    return None


def _pins(slot: Slot, predicted: Slot) -> bool:
    """Whether the slot holds exactly the digest its own name asks for, which may be that of an index."""
    return slot.image is not None and "@" in slot.image and slot.image == predicted.image


def fetches(command: Command) -> bool:
    """Whether the command gets what the registry has."""
    return _upgrades(command) or command[:2] == ("bootc", "switch")


def _upgrades(command: Command) -> bool:
    return command[:2] == ("bootc", "upgrade") and command != ARM


def found_nothing_new(transition: Transition, before: Status, after: Status) -> bool:
    """Whether an upgrade left the host as it found it: bootc takes content under another digest for what it has."""
    if not _upgrades(transition.commands[-1]):
        return False
    idle = _before_upgrade(transition, before)
    return (after.staged, after.next_boot) == (idle.staged, idle.next_boot) and not _rollback_is_gone(idle, after)


def _before_upgrade(transition: Transition, before: Status) -> Status:
    """The state in which the upgrade, which is the last command, finds the host."""
    return before if len(transition.commands) == 1 else before.without_staged()


def found_in(status: Status) -> str | None:
    """The slot that must have the content of which an upgrade found nothing new, where only one comes into question."""
    only_booted = status.backend == OSTREE or (status.rollback is None and not status.others)
    return "booted" if status.staged is None and only_booted else None


def same_content_note(slot: str) -> str:
    """What to say when the host has the wanted content under another digest, and boots it next."""
    return f"bootc finds this content the same as that of the {slot} deployment, which keeps its name and digest"


def how_to_boot(slot: str | None, status: Status) -> str:
    """How to have content boot next that bootc will not deploy because this slot has it."""
    holder = {"booted": status.booted, "staged": status.staged, "rollback": status.rollback}.get(slot or "")
    if holder is None:
        return "Look at 'bootc status' on the device, and name the deployment that has it by its own digest"
    if slot == status.next_boot:
        return "It boots next already: reboot with skorionos.bootc.bootc_apply"
    if slot == "rollback":
        return "Use skorionos.bootc.bootc_rollback to go there"
    verb = "stay on it" if slot == "booted" else "arm it"
    return f"Use skorionos.bootc.bootc_switch with image={pinned_name(holder)} to {verb}"


def after_reboot(status: Status) -> Status:
    """The state after an orderly reboot."""
    slot = status.next_slot
    booted = status.booted
    if slot is None or booted is None or status.next_boot == "booted":
        return replace(status, staged=None, spec_image=booted.spec if booted else None, usr_overlay=None)
    others = status.others
    if status.next_boot == "staged" and status.rollback is not None and status.rollback.pinned:
        others = (status.rollback, *others)
    # Whether a soft reboot can get there is told relative to what runs.
    return replace(
        status,
        booted=replace(slot, soft_reboot_capable=None),
        rollback=replace(booted, soft_reboot_capable=None, download_only=False),
        staged=None,
        others=others,
        spec_image=slot.spec,
        rollback_queued=False,
        usr_overlay=None,
    )
