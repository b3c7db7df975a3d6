# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``bootc edit``: another image, or another boot order, never both."""

from __future__ import annotations

from simulator.verbs.common import BootcError, Outcome, World, told_queued
from simulator.verbs.hostfile import BadDocument, Spec, read
from simulator.verbs.ostree import prepare, stage, swap_back

EDITING = ("Editing spec", "Editing spec (ostree)")


def edit(outcome: Outcome, text: str, world: World) -> None:
    """Take over the spec of the Host document ``text``."""
    state = outcome.state
    if state.composefs:
        raise BootcError(EDITING[0], "Edit is not yet supported for composefs backend")
    try:
        new = read(text)
    except BadDocument as wrong:
        raise BootcError(*EDITING, str(wrong)) from wrong
    queued = told_queued(state) and state.spec is not None
    old = Spec(state.spec, "rollback" if queued else "default")
    if new == old:
        outcome.out.append("Edit cancelled, no changes made.")
        return
    if new.image != old.image and new.boot_order != old.boot_order:
        raise BootcError(*EDITING, "Invalid state transition: rollback and image change")
    if new.image is None:
        raise BootcError(*EDITING, "Missing image in specification")
    if new.boot_order != old.boot_order:
        swap_back(outcome, *EDITING)
        return
    image = prepare(outcome, new.image, world, *EDITING)
    stage(outcome, image, world, *EDITING, locked=False)
