# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""upgrade, switch, rollback and delete-deployment as the composefs backend does them."""

from __future__ import annotations

from dataclasses import replace

from simulator import storage
from simulator.faults import Moment, active
from simulator.reference import ImageRef
from simulator.state import Deployment, Image, State
from simulator.verbs import progress
from simulator.verbs.common import (
    Aborted,
    BootcError,
    Outcome,
    SwitchOptions,
    UpgradeOptions,
    World,
    check_space,
    diff_lines,
    fetch,
    missing_layers,
    resolve,
    swap_default,
    told_queued,
    unpack,
)
from simulator.verbs.soft_reboot import prepare_composefs
from simulator.versions import has

UPGRADING = ("Upgrading composefs",)
SWITCHING = ("Switching", "Composefs Switching")
ROLLING_BACK = ("Rollback", "Rolling back composefs")
ASSERTION = (
    "thread 'main' panicked at crates/lib/src/bootc_composefs/rollback.rs:\n"
    "assertion failed: all_configs.len() == 2\n"
    "note: run with `RUST_BACKTRACE=1` environment variable to display a backtrace"
)
BOOTED = "Some(Booted)"
STAGING = "Performing Upgrade Operation"


def upgrade(outcome: Outcome, options: UpgradeOptions, world: World) -> None:
    """``bootc upgrade``."""
    state = outcome.state
    for wanted, flag in ((options.download_only, "--download-only"), (options.from_downloaded, "--from-downloaded")):
        if wanted and not has(state.bootc_version, "composefs download-only"):
            raise BootcError(*UPGRADING, f"{flag} is not yet supported for composefs backend")
    if options.from_downloaded:
        _unlock_downloaded(outcome, options)
        return
    booted, spec = state.booted, state.spec
    assert booted is not None
    assert spec is not None
    asked = _look_up(state, world, spec if options.tag is None else spec.with_tag(options.tag), *UPGRADING)
    image = asked
    if state.staged is not None:
        if _staged_before(outcome, state.staged, asked, options):
            return
        # What is staged comes first, also before a tag that was asked for.
        image = _look_up(state, world, state.staged.image.ref, *UPGRADING)
        if _pulled(state, image):
            _upgrade_pulled(outcome, image, f"No changes in staged image: {image.ref}", options, world)
            return
    if _pulled(state, asked):
        if _slot_with(state, asked) is not None:
            outcome.out.append(f"No changes in: {image.ref}")
            return
    elif options.check:
        outcome.out += diff_lines(booted.image, image)
        return
    # Content that is in the repository but not deployed is staged even by --check: the flag is looked at too late.
    _stage(outcome, image, world, *UPGRADING, options=options, locked=options.download_only)


def _look_up(state: State, world: World, ref: ImageRef, *context: str) -> Image:
    checking = f"Checking if image {ref.image} is pulled"
    return resolve(state, world, ref, *context, checking, "Getting container info", f"Opening image {ref.pull_spec}")


def _pulled(state: State, image: Image) -> bool:
    """Whether the repository has it: it is asked for by configuration, as content is known only when it is there."""
    return image.config_digest in state.contents


def _upgrade_pulled(outcome: Outcome, image: Image, unchanged: str, options: UpgradeOptions, world: World) -> None:
    if _slot_with(outcome.state, image) is not None:
        outcome.out.append(unchanged)
    else:
        _stage(outcome, image, world, *UPGRADING, options=options, locked=options.download_only)


def _unlock_downloaded(outcome: Outcome, options: UpgradeOptions) -> None:
    state = outcome.state
    if state.staged is None:
        raise BootcError(*UPGRADING, "No staged deployment found")
    if state.staged_locked:
        outcome.state = replace(state, staged_locked=False)
        _apply(outcome, state.staged, options, *UPGRADING)
    else:
        outcome.out += [
            "Staged deployment is present and not in download only mode.",
            "Use `bootc update --apply` to apply the update.",
        ]


def _staged_before(outcome: Outcome, staged: Deployment, asked: Image, options: UpgradeOptions) -> bool:
    """Whether an old bootc finds what was asked for staged; later ones compare digests of two kinds and never do."""
    if staged.image.config_digest != asked.config_digest or has(
        outcome.state.bootc_version, "composefs manifest digest"
    ):
        return False
    if options.apply:
        outcome.reboot = True
    else:
        outcome.out.append("Update already staged. To apply update run `bootc update --apply`")
    return True


def _stage(
    outcome: Outcome,
    image: Image,
    world: World,
    *context: str,
    options: UpgradeOptions | SwitchOptions,
    locked: bool = False,
) -> None:
    context = (*context, STAGING)
    state = outcome.state
    preflight = has(state.bootc_version, "composefs disk preflight")
    needed = missing_layers(image, state.layers)
    missing = sum(layer.size for layer in needed)
    check_space(state, image, image.size if preflight else missing, *context)
    events = progress.pulling(image, needed, composefs=True)
    tell = outcome.tell if has(state.bootc_version, "composefs progress") else lambda _unused: None
    tell(next(events))
    state, _unused = fetch(state, world, image, *context, "Pulling composefs repository")
    for event in events:
        tell(event)
    # From here on the repository has it, whatever becomes of the deployment.
    outcome.state = state = replace(state, contents=tuple(dict.fromkeys((*state.contents, image.config_digest))))
    slot = _slot_with(state, image)
    if slot is not None and not has(state.bootc_version, "composefs same-digest error"):
        raise BootcError("not simulated: before 1.16.0 bootc stages what is deployed once more, over its own files")
    if slot is not None:
        raise BootcError(*context, f"Target image has the same fs-verity digest as the existing {slot} deployment.")
    conflict = active(state, Moment.MERGE)
    if conflict is not None and has(state.bootc_version, "composefs etc conflict check"):
        raise BootcError(*context, conflict.text, notes=("etc/skorionos: file in the image, directory here",))
    full = storage.boot_room(state, image)
    if full is not None:
        raise BootcError(*context, "Staging", "Writing boot files to the ESP", full)
    # bootc writes the origin always as unverified: a signature asked for is forgotten.
    unsigned = replace(image, ref=replace(image.ref, signature=None))
    entry = Deployment(unsigned, image.verity)
    unpack(world, entry, *context, "Staging")
    outcome.state = storage.left(state, replace(state, staged=entry, staged_locked=locked, soft_reboot_target=None))
    if active(state, Moment.STAGED) is not None:
        # It waits for a lock on the repository that it holds itself.
        outcome.stuck = True
        return
    outcome.state = collect(outcome.state)
    _apply(outcome, entry, options, *context)


def _apply(outcome: Outcome, entry: Deployment, options: UpgradeOptions | SwitchOptions, *context: str) -> None:
    """What follows when ``entry`` is staged: a soft reboot is prepared instead of a reboot, not before one."""
    if options.soft_reboot is not None:
        prepare_composefs(outcome, options.soft_reboot, entry.id, *context, apply=options.apply)
    else:
        outcome.reboot = options.apply


def collect(state: State) -> State:
    """Free what no deployment uses."""
    return storage.collect(state)[0]


def switch(outcome: Outcome, options: SwitchOptions, world: World) -> None:
    """``bootc switch``."""
    state = outcome.state
    if state.spec == options.ref:
        outcome.out.append("Image specification is unchanged.")
        outcome.reboot = (
            options.apply and state.staged is not None and has(state.bootc_version, "switch --apply when staged")
        )
        return
    image = _look_up(state, world, options.ref, *SWITCHING)
    slot = _slot_with(state, image)
    if slot is None:
        _stage(outcome, image, world, *SWITCHING, options=options)
    elif not has(state.bootc_version, "composefs same-digest error"):
        _switch_to_deployed(outcome, image, slot)
    elif _pulled(state, image):
        raise BootcError(*SWITCHING, f"Target image has the same fs-verity digest as the existing {slot} deployment.")
    else:
        _stage(outcome, image, world, *SWITCHING, options=options)


def _switch_to_deployed(outcome: Outcome, image: Image, slot: str) -> None:
    """Before 1.16 a switch to what is booted only renamed it, and one to another deployment did nothing."""
    if slot != BOOTED:
        outcome.out.append(f"No changes in image: {image.ref}")
        return
    outcome.out += ["Image already in composefs repository", "Updating target image reference"]
    ref = replace(image.ref, signature=None)
    outcome.state = replace(
        outcome.state,
        deployments=tuple(
            replace(entry, image=replace(entry.image, ref=ref)) if entry.checksum == image.verity else entry
            for entry in outcome.state.deployments
        ),
    )


def _slot_with(state: State, image: Image) -> str | None:
    for entry, slot in (
        (state.booted, BOOTED),
        (state.staged, "Some(Staged)"),
        (state.rollback, "Some(Rollback)"),
    ):
        if entry is not None and entry.checksum == image.verity:
            return slot
    return "None" if any(entry.checksum == image.verity for entry in state.others) else None


def rollback(outcome: Outcome, *, apply: bool) -> None:
    """``bootc rollback``: swaps the two boot entries; since 1.16 what is staged goes."""
    state = outcome.state
    if state.rollback is not None and len(state.deployments) != 2:
        outcome.out += ["notice: Reverting queued rollback state"] if told_queued(state) else []
        raise Aborted(ASSERTION)
    swap_default(outcome, *ROLLING_BACK)
    state = outcome.state
    if state.staged is not None and has(state.bootc_version, "composefs rollback drops staged"):
        outcome.state = storage.without(state, state.staged)
    outcome.reboot = apply


def delete_deployment(outcome: Outcome, deployment: str) -> None:
    """``bootc delete-deployment``: any but the booted one, with everything only it used."""
    state = outcome.state
    context = f"Deleting composefs deployment {deployment}"
    if deployment == state.booted_id:
        raise BootcError(context, "Cannot delete currently booted deployment")
    if all(entry.checksum != deployment for entry in state.everything):
        raise BootcError(context, f"Deployment {deployment} not found")
    if state.staged is not None and state.staged.checksum == deployment:
        outcome.state = collect(storage.without(state, state.staged))
        return
    if told_queued(state):
        # A queued rollback is taken back first, with all that a rollback does.
        rollback(outcome, apply=False)
    gone = next(entry for entry in outcome.state.deployments if entry.checksum == deployment)
    outcome.state = collect(storage.without(outcome.state, gone))
