# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What to pin, unpin and remove so that a host keeps what it should, and what it has then. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Iterable

from ..._errors import BootcError
from ..status import OSTREE
from .model import BOOTED, HAND, KEEP, OTHER, REQUEST, ROLLBACK, STAGED, Deployment, Host
from .names import check_names, find_all

# The steps. Claiming is remembering that somebody wants a pin that is there already.
PIN = "pin"
CLAIM = "claim"
UNPIN = "unpin"
REMOVE = "remove"
COLLECT = "collect"

# composefs hosts have room in their boot menu for the booted and the rollback deployment.
COMPOSEFS_KEEPS = 2


@dataclass(frozen=True)
class Wish:
    """What a host should keep.

    ``keep`` is how many versions stay bootable, None to leave that as it is. ``pin``, ``unpin`` and ``delete`` hold
    names.
    """

    keep: int | None = None
    pin: tuple[str, ...] = ()
    unpin: tuple[str, ...] = ()
    delete: tuple[str, ...] = ()
    strict: bool = False
    collect_garbage: bool = False
    allow_no_rollback: bool = False


@dataclass(frozen=True)
class Step:
    """One thing to do. ``by`` is who pins, for a pin or a claim; ``deployment`` is None for collecting."""

    action: str
    deployment: Deployment | None = None
    by: str | None = None


@dataclass(frozen=True)
class Plan:
    """The steps in their order, what the host has afterwards, and what is worth knowing about it."""

    steps: tuple[Step, ...]
    predicted: Host
    notes: tuple[str, ...] = ()

    @property
    def removes(self) -> bool:
        return any(step.action == REMOVE for step in self.steps)

    @property
    def collects(self) -> bool:
        return any(step.action == COLLECT for step in self.steps)


def check_wish(wish: Wish) -> Wish:
    """Refuse what no host can be asked for."""
    if wish.keep is not None and wish.keep < 1:
        raise BootcError(
            "invalid", f"keep is {wish.keep}, and the booted deployment always stays", "Keep 2 or more, or 1 at least"
        )
    if wish.keep == 1 and not wish.allow_no_rollback:
        raise BootcError(
            "invalid",
            "With keep=1 the device has nothing to go back to when the running system breaks",
            "Keep 2, or set allow_no_rollback=true if that is meant",
        )
    for option in ("pin", "unpin", "delete"):
        check_names(getattr(wish, option), option)
    return wish


def apply_step(host: Host, step: Step) -> Host:
    """The host after a step."""
    entry = step.deployment
    if entry is None:
        return host
    if step.action == REMOVE:
        return host.without(entry)
    if step.action == UNPIN:
        return host.changed(entry, pinned=False, pinned_by=None)
    return host.changed(entry, pinned=True, pinned_by=step.by)


def plan(host: Host, wish: Wish, *, came_back: bool = False) -> Plan:
    """How the host gets to keep what is wished; BootcError before anything is touched when it cannot.

    ``came_back`` says that the host runs what it runs because the rollback deployment was no good: that is not worth a
    pin.
    """
    check_wish(wish)
    _refuse_what_composefs_lacks(host, wish)
    named = _Named(
        pin=find_all(host, wish.pin, option="pin", must_exist=True),
        unpin=find_all(host, wish.unpin, option="unpin", must_exist=wish.strict),
        delete=find_all(host, wish.delete, option="delete", must_exist=wish.strict),
    )
    _refuse_contradictions(host, named)
    _refuse_to_delete_what_is_needed(host, named.delete)
    # Removing changes which deployment is the rollback, so what to keep is a matter of what is left.
    steps = _requested_pins(named)
    marked = _after(host, [*steps, *(Step(UNPIN, entry) for entry in named.unpin)])
    left = _after(marked, [Step(REMOVE, entry) for entry in named.delete])
    surplus, notes = _surplus(left, wish.keep)
    left = _after(left, [Step(REMOVE, entry) for entry in surplus])
    _refuse_to_leave_no_rollback(host, left, wish)

    removed = {entry.id for entry in (*named.delete, *surplus)}
    steps += _kept_pins(left, wish.keep, {entry.id for entry in named.unpin}, came_back)
    steps += [Step(UNPIN, entry) for entry in named.unpin if entry.pinned and entry.id not in removed]
    # The last in the boot menu is the oldest: should a removal fail, the newer ones are still there.
    gone = [entry for entry in reversed(host.own) if entry.id in removed]
    steps += [Step(REMOVE, entry) for entry in gone]
    # ostree leaves the images of what it removes to bootc; composefs removes all that belongs to it.
    if (wish.collect_garbage or gone) if host.backend == OSTREE else (wish.collect_garbage and not gone):
        steps.append(Step(COLLECT))
    return Plan(tuple(steps), _after(host, steps), notes)


@dataclass(frozen=True)
class _Named:
    pin: tuple[Deployment, ...]
    unpin: tuple[Deployment, ...]
    delete: tuple[Deployment, ...]


def _after(host: Host, steps: Iterable[Step]) -> Host:
    for step in steps:
        host = apply_step(host, step)
    return host


def _requested_pins(named: _Named) -> list[Step]:
    steps = []
    for entry in named.pin:
        if not entry.pinned:
            steps.append(Step(PIN, entry, REQUEST))
        elif entry.pinned_by == KEEP:
            steps.append(Step(CLAIM, entry, REQUEST))
    return steps


def _surplus(host: Host, keep: int | None) -> tuple[list[Deployment], tuple[str, ...]]:
    """What is beyond the newest ``keep`` deployments. What a person or a request pinned is not counted and stays."""
    if keep is None:
        return [], ()
    rollback = host.in_slot(ROLLBACK)
    rest = [entry for entry in host.own if entry.slot == OTHER and entry.pinned_by not in (HAND, REQUEST)]
    surplus = rest[max(keep - (1 if rollback is None else 2), 0) :]
    if keep > 1 or rollback is None:
        return surplus, ()
    if host.rollback_queued:
        return surplus, ("The rollback deployment stays: it boots next",)
    if rollback.pinned_by in (HAND, REQUEST):
        return surplus, (f"The rollback deployment stays: it is pinned ({rollback.pinned_by})",)
    return [*surplus, rollback], ()


def _kept_pins(host: Host, keep: int | None, unwanted: set[str], came_back: bool) -> list[Step]:
    """Pins without which the next updates would drop what is to be kept; two are kept without any."""
    if keep is None:
        return []
    steps = []
    for entry in host.bootable:
        if entry.id in unwanted or (host.rollback_queued and entry.slot in (BOOTED, ROLLBACK)):
            # What boots next is being decided: the pins of these two say nothing until it has.
            continue
        wanted = keep > COMPOSEFS_KEEPS and not (entry.slot == ROLLBACK and came_back)
        if wanted and not entry.pinned:
            steps.append(Step(PIN, entry, KEEP))
        elif not wanted and entry.pinned_by == KEEP:
            steps.append(Step(UNPIN, entry))
    return steps


def _refuse_what_composefs_lacks(host: Host, wish: Wish) -> None:
    if host.backend == OSTREE:
        return
    if wish.keep is not None and wish.keep > COMPOSEFS_KEEPS:
        raise BootcError(
            "incompatible",
            f"A host with the {host.backend} backend keeps the booted and the rollback deployment, not {wish.keep}",
            "Set keep=2 for it, by group or by host; older images can be had again from the registry",
        )
    if wish.pin:
        raise BootcError(
            "incompatible",
            f"A host with the {host.backend} backend has no pins",
            "Pin on hosts with the ostree backend only; here the booted and the rollback deployment are kept",
        )


def _refuse_contradictions(host: Host, named: _Named) -> None:
    for option, entries in (("unpin", named.unpin), ("delete", named.delete)):
        both = {entry.id for entry in entries} & {entry.id for entry in named.pin}
        if both:
            raise BootcError(
                "invalid",
                f"pin and {option} both name {', '.join(sorted(both))}",
                "Name it in one of them",
                data={"deployments": host.as_list()},
            )
    staged = next((entry for entry in named.pin if entry.slot == STAGED), None)
    if staged is not None:
        raise BootcError(
            "invalid",
            f"{staged.id} is staged, and ostree pins only what has been deployed",
            "Pin it after the device has booted it",
            data={"deployments": host.as_list()},
        )


def _refuse_to_delete_what_is_needed(host: Host, delete: Iterable[Deployment]) -> None:
    remedies = {
        BOOTED: ("it is what runs", "Boot another deployment first"),
        STAGED: ("it is staged", "Use skorionos.bootc.bootc_update with state=absent to drop what is staged"),
    }
    if host.rollback_queued:
        remedies[ROLLBACK] = ("it boots next", "Reboot into it, or take the rollback back, first")
    for entry in delete:
        if entry.slot in remedies:
            cause, remedy = remedies[entry.slot]
            raise BootcError(
                "invalid", f"{entry.id} cannot be deleted: {cause}", remedy, data={"deployments": host.as_list()}
            )


def _refuse_to_leave_no_rollback(before: Host, after: Host, wish: Wish) -> None:
    if wish.allow_no_rollback or len(after.bootable) >= min(len(before.bootable), 2):
        return
    raise BootcError(
        "no_rollback",
        "Nothing would be left to go back to when the running system breaks",
        "Leave the rollback deployment out of delete, or set allow_no_rollback=true if that is meant",
        data={"deployments": before.as_list()},
    )
