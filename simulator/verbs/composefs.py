# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""upgrade, switch, rollback and delete-deployment as the composefs backend does them."""

from __future__ import annotations

from dataclasses import replace

from simulator.faults import Moment, active
from simulator.reference import ImageRef
from simulator.state import Deployment, Image, State
from simulator.verbs.common import (
    BootcError,
    Outcome,
    SwitchOptions,
    UpgradeOptions,
    World,
    check_space,
    diff_lines,
    fetch,
    resolve,
    swap_default,
    unpack,
)
from simulator.versions import has


def upgrade(state: State, options: UpgradeOptions, world: World) -> Outcome:
    """``bootc upgrade``."""
    outcome = Outcome(state)
    for wanted, flag in ((options.download_only, "--download-only"), (options.from_downloaded, "--from-downloaded")):
        if wanted and not has(state.bootc_version, "composefs download-only"):
            raise BootcError("Upgrading", f"{flag} is not yet supported for composefs backend")
    if options.from_downloaded:
        return _unlock_downloaded(outcome, options)
    booted, spec = state.booted, state.spec
    assert booted is not None
    assert spec is not None
    ref = spec if options.tag is None else spec.with_tag(options.tag)
    image = resolve(state, world, ref, "Upgrading", "Getting image manifest")
    if any(entry.checksum == image.verity for entry in state.everything):
        return _nothing_new(outcome, ref, image, options)
    if options.check and image.verity not in state.contents:
        outcome.out += diff_lines(booted.image, image)
        return outcome
    # Content that is in the repository but not deployed is staged even by --check: the flag is looked at too late.
    _stage(outcome, state, image, world, locked=options.download_only, context="Upgrading")
    outcome.reboot = options.apply
    return outcome


def _unlock_downloaded(outcome: Outcome, options: UpgradeOptions) -> Outcome:
    state = outcome.state
    if state.staged is None:
        raise BootcError("Upgrading", "No staged deployment found")
    if state.staged_locked:
        outcome.state = replace(state, staged_locked=False)
        outcome.reboot = options.apply
    else:
        outcome.out += [
            "Staged deployment is present and not in download only mode.",
            "Use `bootc update --apply` to apply the update.",
        ]
    return outcome


def _nothing_new(outcome: Outcome, ref: ImageRef, image: Image, options: UpgradeOptions) -> Outcome:
    staged = outcome.state.staged
    if staged is None:
        outcome.out.append(f"No changes in: {ref}")
    elif staged.checksum == image.verity and not has(outcome.state.bootc_version, "composefs manifest digest"):
        outcome.out.append("Update already staged. To apply update run `bootc update --apply`")
        outcome.reboot = options.apply
    else:
        outcome.out.append(f"No changes in staged image: {ref}")
    return outcome


def _stage(outcome: Outcome, state: State, image: Image, world: World, *, locked: bool, context: str) -> None:
    if image.verity not in state.contents:
        check_space(state, image, image.size, context)
    state, _unused = fetch(state, world, image, context, "Pulling composefs repository")
    conflict = active(state, Moment.MERGE)
    if conflict is not None and has(state.bootc_version, "composefs etc conflict check"):
        raise BootcError(context, conflict.text, notes=("etc/skorionos: file in the image, directory here",))
    # bootc writes the origin always as unverified: a signature asked for is forgotten.
    unsigned = replace(image, ref=replace(image.ref, signature=None))
    entry = Deployment(unsigned, image.verity)
    unpack(world, entry, context, "Staging")
    outcome.state = _collect(replace(state, staged=entry, staged_locked=locked))


def _collect(state: State) -> State:
    """Free what no deployment uses."""
    keep = {layer.digest for entry in state.everything for layer in entry.image.layers}
    return replace(
        state,
        contents=tuple(entry.checksum for entry in state.everything),
        layers={digest: size for digest, size in state.layers.items() if digest in keep},
    )


def switch(state: State, options: SwitchOptions, world: World) -> Outcome:
    """``bootc switch``."""
    outcome = Outcome(state)
    if state.spec == options.ref:
        outcome.out.append("Image specification is unchanged.")
        outcome.reboot = (
            options.apply and state.staged is not None and has(state.bootc_version, "switch --apply when staged")
        )
        return outcome
    image = resolve(state, world, options.ref, "Switching", "Getting image manifest")
    slot = _slot_with(state, image)
    if slot is None:
        _stage(outcome, state, image, world, locked=False, context="Switching")
        outcome.reboot = options.apply
    elif has(state.bootc_version, "composefs same-digest error"):
        raise BootcError("Switching", f"Target image has the same fs-verity digest as the existing {slot} deployment.")
    return outcome


def _slot_with(state: State, image: Image) -> str | None:
    for entry, slot in (
        (state.booted, "Some(Booted)"),
        (state.staged, "Some(Staged)"),
        (state.rollback, "Some(Rollback)"),
    ):
        if entry is not None and entry.checksum == image.verity:
            return slot
    return "None" if any(entry.checksum == image.verity for entry in state.others) else None


def rollback(state: State, *, apply: bool) -> Outcome:
    """``bootc rollback``: swaps the two boot entries; since 1.16 what is staged goes."""
    if state.rollback is None:
        raise BootcError("Rollback", "No rollback available")
    after, lines = swap_default(state)
    if has(state.bootc_version, "composefs rollback drops staged"):
        after = replace(after, staged=None, staged_locked=False)
    return Outcome(after, out=lines, reboot=apply)


def delete_deployment(state: State, deployment: str) -> Outcome:
    """``bootc delete-deployment``: any but the booted one, with everything only it used."""
    if deployment == state.booted_id:
        raise BootcError("Cannot delete currently booted deployment")
    if all(entry.checksum != deployment for entry in state.everything):
        raise BootcError(f"Deployment {deployment} not found")
    outcome = Outcome(state)
    if state.staged is not None and state.staged.checksum == deployment:
        after = replace(state, staged=None, staged_locked=False)
    else:
        after, lines = swap_default(state) if state.rollback_queued else (state, [])
        outcome.out += lines
        after = replace(after, deployments=tuple(entry for entry in after.deployments if entry.checksum != deployment))
    outcome.state = _collect(after)
    return outcome
