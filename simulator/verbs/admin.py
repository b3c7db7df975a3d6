# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``ostree admin``: deployments by index. A staged one is always index 0, so that every change shifts the others."""

from __future__ import annotations

from dataclasses import replace

from simulator import storage
from simulator.state import Deployment, Overlay, State
from simulator.status import soft_reboot_capable
from simulator.verbs.common import BootcError, Outcome, in_place

TYPES = ("booted", "pending", "rollback")
PREPARING = "Preparing /run/nextroot for a soft-reboot"


def listed(state: State) -> tuple[Deployment, ...]:
    """Deployments by ostree's index."""
    return state.everything


def around_booted(state: State) -> tuple[Deployment | None, Deployment | None]:
    """What ostree calls pending and rollback: the first before and the first after the booted one."""
    own = [entry for entry in listed(state) if entry.stateroot == state.stateroot]
    booted = next((i for i, e in enumerate(own) if e.id == state.booted_id and e is not state.staged), None)
    if booted is None:
        return None, None
    before, after = own[:booted], own[booted + 1 :]
    return (before[0] if before else None), (after[0] if after else None)


def _number(index: str) -> int:
    if not (index.isascii() and index.isdigit()):
        raise BootcError(f"Invalid index: {index}")
    return int(index)


def _at(state: State, number: int) -> Deployment:
    entries = listed(state)
    if number >= len(entries):
        raise BootcError(f"Out of range deployment index {number}, expected < {len(entries)}")
    return entries[number]


def _is_booted(state: State, entry: Deployment) -> bool:
    return entry.id == state.booted_id and entry is not state.staged


def pruned(state: State) -> State:
    """``ostree admin cleanup``: what nothing refers to goes; images bootc has stored under a name stay."""
    return storage.collect_boot_files(replace(state, leftovers={}))[0]


def undeploy(outcome: Outcome, index: str) -> None:
    """``ostree admin undeploy INDEX``: any but the booted one, pinned or not."""
    state, number = outcome.state, _number(index)
    entry = _at(state, number)
    if _is_booted(state, entry):
        raise BootcError(f"Cannot undeploy currently booted deployment {number}")
    outcome.state = pruned(storage.without(state, entry))
    outcome.out.append(f"Deleted deployment {entry.id}")


def set_default(outcome: Outcome, index: str) -> None:
    """``ostree admin set-default INDEX``: it boots next, as long as nothing is staged."""
    state = outcome.state
    entry = _at(state, _number(index))
    if entry is not state.staged:
        rest = tuple(other for other in state.deployments if other is not entry)
        state = replace(state, deployments=(entry, *rest))
    outcome.state = pruned(state)


def pin(outcome: Outcome, indexes: list[str], *, unpin: bool) -> None:
    """``ostree admin pin [-u] INDEX|booted|pending|rollback...``."""
    word = "unpinned" if unpin else "pinned"
    for index in indexes:
        number = _of_type(outcome.state, index) if index in TYPES else _number(index)
        entry = _at(outcome.state, number)
        if entry.pinned is not unpin:
            outcome.out.append(f"Deployment {number} is already {word}")
            continue
        if entry is outcome.state.staged:
            raise BootcError("Cannot pin staged deployment")
        deployments = in_place(outcome.state.deployments, replace(entry, pinned=not unpin))
        outcome.state = replace(outcome.state, deployments=deployments)
        outcome.out.append(f"Deployment {number} is now {word}")


def _of_type(state: State, name: str) -> int:
    pending, rollback = around_booted(state)
    wanted = {"booted": state.booted, "pending": pending, "rollback": rollback}[name]
    if wanted is None:
        raise BootcError(f"Deployment type not found: {name}")
    return next(
        number
        for number, entry in enumerate(listed(state))
        if entry is wanted or (entry == wanted and entry is not state.staged)
    )


def lock_finalization(outcome: Outcome, *, unlock: bool) -> None:
    """``ostree admin lock-finalization [--unlock]``: whether the shutdown makes the staged one the default."""
    state = outcome.state
    if state.staged is None:
        raise BootcError("No staged deployment")
    if unlock and not state.staged_locked:
        outcome.out.append("Staged deployment is already prepared for finalization")
    elif not unlock and state.staged_locked:
        outcome.out.append("Staged deployment is already finalization locked")
    else:
        outcome.state = replace(state, staged_locked=not unlock)
        told = "queued to apply on shutdown" if unlock else "finalization locked"
        outcome.out.append(f"Staged deployment is now {told}")


def prepare_soft_reboot(outcome: Outcome, index: str | None, *, reboot: bool) -> None:
    """``ostree admin prepare-soft-reboot INDEX``; without an index what was prepared is taken back.

    Another one than the staged one unstages that.
    """
    state = outcome.state
    if index is None:
        outcome.state = replace(state, soft_reboot_target=None)
        return
    number = _number(index)
    entry = _at(state, number)
    if _is_booted(state, entry):
        raise BootcError(f"Cannot prepare for soft-reboot currently booted deployment {number}")
    if not soft_reboot_capable(state, entry):
        raise BootcError(PREPARING, "Cannot soft-reboot to deployment with different kernel state")
    if state.staged is not None and entry is not state.staged:
        state = storage.without(state, state.staged)
    outcome.state = replace(state, soft_reboot_target=entry.id)
    outcome.soft = reboot


def unlock(outcome: Outcome, *, hotfix: bool, transient: bool) -> None:
    """``ostree admin unlock [--hotfix | --transient]``: a writable /usr, for this boot or to last."""
    state = outcome.state
    booted = state.booted
    if booted is None:
        raise BootcError("Not currently booted into an OSTree system")
    if hotfix and transient:
        raise BootcError("Cannot specify both --hotfix and --transient")
    if state.usr_overlay is not None:
        raise BootcError(f"Deployment is already in unlocked state: {unlocked_state(state.usr_overlay)}")
    if hotfix:
        serials = [entry.serial or 0 for entry in state.everything if entry.checksum == booted.checksum]
        clone = replace(booted, serial=max(serials) + 1, pinned=False)
        place = state.deployments.index(booted) + 1
        deployments = (*state.deployments[:place], clone, *state.deployments[place:])
        outcome.state = replace(state, deployments=deployments, usr_overlay=Overlay("readWrite", "persistent"))
        outcome.out += [
            "Hotfix mode enabled.  A writable overlayfs is now mounted on /usr",
            "for this booted deployment.  A non-hotfixed clone has been created",
            "as the non-default rollback target.",
        ]
        return
    outcome.state = replace(state, usr_overlay=Overlay("readOnly" if transient else "readWrite"))
    outcome.out += [
        "A writable overlayfs is prepared for /usr, but is mounted read-only by default."
        if transient
        else "Development mode enabled.  A writable overlayfs is now mounted on /usr.",
        "All changes there will be discarded on reboot.",
    ]


def unlocked_state(overlay: Overlay | None) -> str:
    """What ostree calls a deployment with this overlay on /usr."""
    if overlay is None:
        return "none"
    if overlay.persistence == "persistent":
        return "hotfix"
    return "development" if overlay.access_mode == "readWrite" else "transient"
