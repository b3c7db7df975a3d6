# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""upgrade, switch, edit and rollback as the ostree backend does them."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

from simulator import storage
from simulator.reference import ImageRef
from simulator.state import Deployment, Image, State
from simulator.verbs import progress
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
    in_place,
    missing_layers,
    resolve,
    size_text,
    spinner,
    swap_default,
    unpack,
    version_of,
)
from simulator.verbs.soft_reboot import prepare_rollback, prepare_staged
from simulator.versions import has

UPGRADING = ("Upgrading",)
SWITCHING = ("Switching", "Switching (ostree)")
ROLLING_BACK = ("Rollback", "Rollback (ostree)")
LAYERED = (
    "Deployment contains local rpm-ostree modifications; cannot upgrade via bootc. "
    "You can run `rpm-ostree reset` to undo the modifications."
)


def upgrade(outcome: Outcome, options: UpgradeOptions, world: World) -> None:
    """``bootc upgrade``."""
    state = outcome.state
    ref = _to_follow(state, options.tag)
    if options.from_downloaded:
        _unlock_downloaded(outcome, options)
        return
    booted = _container(state)
    if options.check:
        _check(outcome, booted, ref, world)
        return
    image = prepare(outcome, ref, world, *UPGRADING)
    staged = state.staged
    if staged is not None and staged.tracked is not None and staged.image.digest == image.digest:
        outcome.out.append(_relock(outcome, options))
        prepare_staged(outcome, options.soft_reboot, *UPGRADING)
    elif booted is not None and booted.digest == image.digest:
        outcome.out.append("No update available.")
        return
    else:
        stage(outcome, image, world, *UPGRADING, locked=options.download_only)
        outcome.out += [] if booted is None else diff_lines(booted, image)
        prepare_staged(outcome, options.soft_reboot, *UPGRADING)
    outcome.reboot = options.apply


def _to_follow(state: State, tag: str | None) -> ImageRef:
    """The reference to upgrade from; raises BootcError on a host that follows no image."""
    spec = state.spec
    if spec is None:
        if tag is not None:
            raise BootcError(*UPGRADING, "--tag requires a booted image with a specified source")
        if any(entry is not None and entry.layered for entry in (state.booted, state.staged)):
            raise BootcError(*UPGRADING, LAYERED)
        raise BootcError(*UPGRADING, "No image source specified")
    return spec if tag is None else spec.with_tag(tag)


def _container(state: State) -> Image | None:
    """The booted image; None when what is booted is no container image, or no longer only that."""
    booted = state.booted
    return None if booted is None or booted.tracked is None else booted.image


def _unlock_downloaded(outcome: Outcome, options: UpgradeOptions) -> None:
    state = outcome.state
    if state.staged is None:
        raise BootcError(*UPGRADING, "No staged deployment found")
    if state.staged_locked:
        outcome.out.append("Staged deployment will now be applied on reboot")
        outcome.state = replace(state, staged_locked=False)
    else:
        outcome.out.append("Staged deployment is already set to apply on reboot")
    prepare_staged(outcome, options.soft_reboot, *UPGRADING)
    outcome.reboot = options.apply


def _check(outcome: Outcome, booted: Image | None, ref: ImageRef, world: World) -> None:
    # The registry is compared with the image stored under this very reference, not with what is booted.
    state = outcome.state
    found = _find(state, ref, world, *UPGRADING)
    if found.stored:
        outcome.out.append(f"No changes in: {ref.checked}")
        return
    outcome.out.append(f"Update available for: {ref.checked}")
    outcome.out += _version_lines(found.image)
    outcome.out += [] if booted is None else diff_lines(booted, found.image)
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


def prepare(outcome: Outcome, ref: ImageRef, world: World, *context: str) -> Image:
    """Make sure that what ``ref`` is now is stored here, pulling if need be."""
    state = outcome.state
    # Stored it is without a tag beside a digest, though deployments keep the reference as given. What collects unused
    # images compares the two, so that an image of such a reference is never found stored again.
    stored_as = ref.canonical
    found = _find(state, stored_as, world, *context)
    image = replace(found.image, ref=ref)
    if found.stored:
        outcome.out.append(f"No changes in {ref} => {image.digest}")
        return image
    outcome.state = state = _remember_update(state, stored_as, image)
    needed = missing_layers(image, state.layers)
    size = sum(layer.size for layer in needed)
    check_space(state, image, size, *context)
    present = len({layer.digest for layer in image.layers}) - len(needed)
    if needed:
        outcome.out.append(f"layers already present: {present}; layers needed: {len(needed)} ({size_text(size)})")
    events = progress.pulling(image, needed, composefs=False)
    outcome.tell(next(events))
    state, _unused = fetch(state, world, replace(image, ref=stored_as), *context, "Importing")
    for event in (*events, *progress.importing(image)):
        outcome.tell(event)
    outcome.state = replace(state, stored={**state.stored, stored_as.image: image})
    return image


def _check_bootable(state: State, image: Image, *context: str) -> None:
    if not ({"ostree.bootable", "containers.bootc"} & set(image.labels)):
        raise BootcError(*context, "Target image does not have ostree.bootable label")
    if image.architecture != state.architecture:
        raise BootcError(*context, f"Image has architecture {image.architecture}; expected {state.architecture}")


def stage(outcome: Outcome, image: Image, world: World, *context: str, locked: bool) -> None:
    """Deploy ``image`` for the next boot, in the place of what may be staged, and collect what nobody uses any more."""
    state = outcome.state
    serials = [entry.serial or 0 for entry in state.everything if entry.checksum == image.commit]
    entry = Deployment(image, image.commit, max(serials) + 1 if serials else 0, stateroot=state.stateroot)
    events = [*progress.staging(image)]
    for event in events[:2]:
        outcome.tell(event)
    unpack(world, entry, *context, "Staging")
    spinner(state, outcome, "Deploying")
    staged = replace(state, staged=entry, staged_locked=locked, soft_reboot_target=None)
    state = storage.left(state, staged)
    if has(state.bootc_version, "reboot-required"):
        state = replace(state, reboot_required=image.digest)
    state, pruned = cleanup(state)
    for event in events[2:]:
        outcome.tell(event)
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
    image = prepare(outcome, ref, world, *SWITCHING)
    if options.retain and before is not None:
        outcome.state = replace(outcome.state, retained=(*state.retained, before.image))
    stage(outcome, image, world, *SWITCHING, locked=False)
    prepare_staged(outcome, options.soft_reboot, *SWITCHING)
    outcome.reboot = options.apply


def switch_in_place(outcome: Outcome, options: SwitchOptions) -> None:
    """``bootc switch --mutate-in-place``: only what the newest deployment says it comes from changes."""
    state = outcome.state
    if state.composefs or not state.everything:
        raise BootcError("Switching", "No such file or directory (os error 2)")
    newest = state.everything[0]
    told = replace(newest, image=replace(newest.image, ref=options.ref), layered=False, plain=False)
    if newest is state.staged:
        outcome.state = replace(state, staged=told)
    else:
        outcome.state = replace(state, deployments=in_place(state.deployments, told))
    outcome.out.append(f"Updated {newest.id} to pull from {options.ref.full}")


def rollback(outcome: Outcome, *, apply: bool, soft_reboot: str | None = None) -> None:
    """``bootc rollback``: a toggle, which discards what is staged."""
    swap_back(outcome, *ROLLING_BACK)
    prepare_rollback(outcome, soft_reboot, *ROLLING_BACK)
    outcome.reboot = apply


def swap_back(outcome: Outcome, *context: str) -> None:
    """Toggle the boot order, without what is staged."""
    target = outcome.state.rollback
    swap_default(outcome, *context)
    assert target is not None
    state = outcome.state
    state = replace(state if state.staged is None else storage.without(state, state.staged), soft_reboot_target=None)
    if has(state.bootc_version, "reboot-required"):
        state = replace(state, reboot_required=target.image.digest)
    outcome.state = state
