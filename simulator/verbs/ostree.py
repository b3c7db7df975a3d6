# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""upgrade, switch and rollback as the ostree backend does them."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

from simulator import storage
from simulator.reference import ImageRef
from simulator.state import Deployment, Image, State
from simulator.verbs.common import (
    BootcError,
    Outcome,
    SwitchOptions,
    UpgradeOptions,
    World,
    check_space,
    default_policy,
    diff_lines,
    fetch,
    missing_layers,
    resolve,
    size_text,
    spinner,
    swap_default,
    unpack,
    version_of,
)
from simulator.versions import has

SWITCHING = ("Switching", "Switching (ostree)")


def upgrade(outcome: Outcome, options: UpgradeOptions, world: World) -> None:
    """``bootc upgrade``."""
    state = outcome.state
    if options.from_downloaded:
        _unlock_downloaded(outcome, options)
        return
    booted, spec = state.booted, state.spec
    assert booted is not None
    assert spec is not None
    ref = spec if options.tag is None else spec.with_tag(options.tag)
    if options.check:
        _check(outcome, booted, ref, world)
        return
    image = _prepare(outcome, ref, world, "Upgrading")
    staged = state.staged
    if staged is not None and staged.image.digest == image.digest:
        outcome.reboot = options.apply
        outcome.out.append(_relock(outcome, options))
    elif booted.image.digest == image.digest:
        outcome.out.append("No update available.")
    else:
        _stage(outcome, image, world, "Upgrading", locked=options.download_only)
        outcome.out += diff_lines(booted.image, image)
        outcome.reboot = options.apply


def _unlock_downloaded(outcome: Outcome, options: UpgradeOptions) -> None:
    state = outcome.state
    if state.staged is None:
        raise BootcError("Upgrading", "No staged deployment found")
    if state.staged_locked:
        outcome.out.append("Staged deployment will now be applied on reboot")
        outcome.state = replace(state, staged_locked=False)
    else:
        outcome.out.append("Staged deployment is already set to apply on reboot")
    outcome.reboot = options.apply


def _check(outcome: Outcome, booted: Deployment, ref: ImageRef, world: World) -> None:
    # The registry is compared with the image stored under this reference, not with what is booted.
    state = outcome.state
    found = _find(state, ref, world, "Upgrading")
    if found.stored:
        outcome.out.append(f"No changes in: {ref.pull_spec}")
        return
    outcome.out.append(f"Update available for: {ref.pull_spec}")
    outcome.out += _version_lines(found.image)
    outcome.out += diff_lines(booted.image, found.image)
    outcome.state = _remember_update(state, ref, found.image)


def _remember_update(state: State, ref: ImageRef, image: Image) -> State:
    stored = state.stored.get(ref.image)
    if stored is None:
        return state
    return replace(state, cached_updates={**state.cached_updates, stored.digest: image})


def _version_lines(image: Image) -> list[str]:
    version = version_of(image, composefs=False)
    return ([] if version is None else [f"  Version: {version}"]) + [f"  Digest: {image.digest}"]


def _relock(outcome: Outcome, options: UpgradeOptions) -> str:
    """The staged deployment is what the registry has: set its lock as asked, and say what became of it."""
    locked = outcome.state.staged_locked
    outcome.state = replace(outcome.state, staged_locked=options.download_only)
    if locked == options.download_only:
        return "Staged update present, not changed"
    if options.download_only:
        return "Image downloaded, but will not be applied on reboot"
    return "Staged deployment will now be applied on reboot"


class _Found(NamedTuple):
    """What a reference is, and whether that is stored under it: then with the manifest it was stored with."""

    image: Image
    stored: bool


def _find(state: State, ref: ImageRef, world: World, *context: str) -> _Found:
    """Look ``ref`` up, at the registry unless it cannot have moved."""
    context = (*context, "Preparing import", "Fetching manifest")
    if ref.signature is not None and default_policy(world, *context) == "insecureAcceptAnything":
        raise BootcError(
            *context, "containers-policy.json specifies a default of `insecureAcceptAnything`; refusing usage"
        )
    stored = state.stored.get(ref.image)
    if stored is not None and stored.digest == ref.pinned_digest:
        return _Found(replace(stored, ref=ref), stored=True)
    image = resolve(state, world, ref, *context)
    # A manifest pushed again around the same configuration is the image that is here: its old digest stays.
    if stored is not None and stored.config_digest == image.config_digest:
        return _Found(replace(stored, ref=ref), stored=True)
    _check_bootable(state, image, *context)
    return _Found(image, stored=False)


def _prepare(outcome: Outcome, ref: ImageRef, world: World, *context: str) -> Image:
    """Make sure that what ``ref`` is now is stored here, pulling if need be."""
    state = outcome.state
    found = _find(state, ref, world, *context)
    image = found.image
    if found.stored:
        outcome.out.append(f"No changes in {ref} => {image.digest}")
        return image
    outcome.state = state = _remember_update(state, ref, image)
    needed = missing_layers(image, state.layers)
    size = sum(layer.size for layer in needed)
    check_space(state, image, size, *context)
    present = len({layer.digest for layer in image.layers}) - len(needed)
    if needed:
        outcome.out.append(f"layers already present: {present}; layers needed: {len(needed)} ({size_text(size)})")
    state, _unused = fetch(state, world, image, *context, "Importing")
    outcome.state = replace(state, stored={**state.stored, ref.image: image})
    return image


def _check_bootable(state: State, image: Image, *context: str) -> None:
    if not ({"ostree.bootable", "containers.bootc"} & set(image.labels)):
        raise BootcError(*context, "Target image does not have ostree.bootable label")
    if image.architecture != state.architecture:
        raise BootcError(*context, f"Image has architecture {image.architecture}; expected {state.architecture}")


def _stage(outcome: Outcome, image: Image, world: World, *context: str, locked: bool) -> None:
    state = outcome.state
    serials = [entry.serial or 0 for entry in state.everything if entry.checksum == image.commit]
    entry = Deployment(image, image.commit, serial=max(serials) + 1 if serials else 0)
    unpack(world, entry, *context, "Staging")
    spinner(state, outcome, "Deploying")
    state = replace(state, staged=entry, staged_locked=locked)
    if has(state.bootc_version, "reboot-required"):
        state = replace(state, reboot_required=image.digest)
    state, pruned = cleanup(state)
    outcome.out += pruned
    outcome.out.append(f"Queued for next boot: {image.ref}")
    outcome.out += _version_lines(image)
    outcome.state = state


def cleanup(state: State) -> tuple[State, list[str]]:
    """Collect what nothing uses, and what bootc says of it: nothing when there was nothing."""
    after, freed = storage.collect(state)
    if freed == storage.Freed():
        return after, []
    size = size_text(freed.object_bytes)
    return after, [f"Pruned images: {freed.images} (layers: {freed.layers}, objsize: {size})"]


def switch(outcome: Outcome, options: SwitchOptions, world: World) -> None:
    """``bootc switch``."""
    state = outcome.state
    ref, before = options.ref, state.spec
    if before == ref:
        outcome.out.append("Image specification is unchanged.")
        outcome.reboot = (
            options.apply and state.staged is not None and has(state.bootc_version, "switch --apply when staged")
        )
        return
    image = _prepare(outcome, ref, world, *SWITCHING)
    if options.retain and before is not None:
        outcome.state = replace(outcome.state, retained=(*state.retained, before.image))
    _stage(outcome, image, world, *SWITCHING, locked=False)
    outcome.reboot = options.apply


def rollback(outcome: Outcome, *, apply: bool) -> None:
    """``bootc rollback``: a toggle, which discards what is staged."""
    target = outcome.state.rollback
    swap_default(outcome, "Rollback", "Rollback (ostree)")
    assert target is not None
    outcome.state = replace(outcome.state, staged=None, staged_locked=False)
    if has(outcome.state.bootc_version, "reboot-required"):
        outcome.state = replace(outcome.state, reboot_required=target.image.digest)
    outcome.reboot = apply
