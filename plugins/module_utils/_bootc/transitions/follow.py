# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The way to another tag of the repository that is tracked. Pure.

A tag is recorded only together with a deployment: an upgrade that finds nothing new leaves the old one in place.
"""

from __future__ import annotations

from dataclasses import replace

from ..status import COMPOSEFS, ImageSpec, Status
from .drop import drop_staged
from .history import taken_back, taken_back_note
from .model import CONTAINER_POLICY, PARK, UPGRADE, Command, Switch, Transition, Update
from .shared import describe, refuse_redeployment, with_staged
from .supported import supports
from .switch import plan_switch


def plan_follow(status: Status, target: ImageSpec, desired: Update) -> Transition:
    """``target`` is the tracked image with the wanted tag, which is not the tracked one."""
    if taken_back(status, desired):
        return Transition((), status, note=taken_back_note(status, target, desired))
    return _park(status, target, desired) if desired.park else _stage(status, target, desired)


def _stage(status: Status, target: ImageSpec, desired: Update) -> Transition:
    enforce = target.signature == CONTAINER_POLICY
    wish = Switch(
        target.image,
        target.transport,
        enforce_signature=enforce,
        accept=desired.accept,
        digest=desired.digest,
        by_name=True,
    )
    transition = plan_switch(status, wish)
    if not transition.commands or transition.commands[-1][:2] != ("bootc", "switch"):
        return transition
    command: Command = (*UPGRADE, "--tag", _tag(target))
    if supports(status, command) and _brings_something_new(status, desired):
        transition = replace(transition, commands=(*transition.commands[:-1], command))
    return replace(transition, by_name=True)


def _brings_something_new(status: Status, desired: Update) -> bool:
    """Whether an upgrade is sure to stage something. On composefs it looks at what is staged before any tag."""
    if not desired.accept or (status.backend == COMPOSEFS and status.staged is not None):
        return False
    return all(slot.digest is not None and slot.digest not in desired.accept for slot in status.slots())


def _park(status: Status, target: ImageSpec, desired: Update) -> Transition:
    staged, uncertain = status.staged, not desired.accept
    for name, slot in (("booted", status.booted), ("staged", staged)):
        if slot is not None and slot.digest is not None and slot.digest in desired.accept:
            note = f"The {name} deployment has the content of {target.image}, and goes on tracking {slot.image}"
            return Transition((), status, note=note)
    if status.backend == COMPOSEFS:
        refuse_redeployment(status, desired.accept)
    if uncertain and staged is not None and not staged.download_only:
        note = f"What {target.image} holds now is not known: the armed {describe(staged)} is left as it is"
        return Transition((), status, note=note)
    notes = []
    if uncertain:
        notes.append(f"What {target.image} holds could not be determined; if it is nothing new, it is not followed")
    commands: tuple[Command, ...] = ((*PARK, "--tag", _tag(target)),)
    if staged is not None:
        notes.append(f"The staged {describe(staged)} is replaced")
        if status.backend == COMPOSEFS:
            commands = (drop_staged(status), *commands)
    return Transition(
        commands,
        with_staged(status, target, desired.digest, download_only=True),
        note="; ".join(notes),
        discards=("staged",) if staged is not None else (),
        accept=desired.accept,
        uncertain=uncertain,
        by_name=True,
    )


def _tag(target: ImageSpec) -> str:
    return target.image.rpartition(":")[2]
