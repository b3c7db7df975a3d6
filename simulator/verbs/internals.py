# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The hidden verbs a fleet client may want: cleaning up, checking, listing."""

from __future__ import annotations

import json
from typing import Sequence

from simulator import storage
from simulator.state import State
from simulator.verbs.common import BootcError, Outcome
from simulator.verbs.ostree import cleanup

NO_OSTREE = "OSTree storage not initialized"
_GREEN, _CYAN, _RED, _PLAIN = ("\x1b[32m", "\x1b[36m", "\x1b[31m", "\x1b[39m")


def clean_up(outcome: Outcome) -> None:
    """``bootc internals cleanup``: what every staging ends with."""
    if outcome.state.composefs:
        raise BootcError(NO_OSTREE)
    outcome.state, told = cleanup(outcome.state)
    outcome.out += told


def collect_garbage(outcome: Outcome, *, dry_run: bool, assert_no_op: bool, prune_repo: bool) -> None:
    """``bootc internals composefs-gc``: boot binaries without an entry, with ``prune_repo`` content as well."""
    state = outcome.state
    if not state.composefs:
        raise BootcError("composefs-gc only works for composefs backend")
    after, freed = (storage.collect if prune_repo else storage.collect_boot_files)(state)
    dry_run = dry_run or assert_no_op
    if dry_run:
        outcome.out.append("Dry run (no files deleted)")
    outcome.out.append(f"Objects: {freed.objects} removed ({freed.object_bytes} bytes)")
    # A stream each for the manifest and the configuration of an image, and for each of its layers.
    streams = 2 * freed.images + freed.layers
    if freed.images or streams:
        outcome.out.append(f"Pruned symlinks: {freed.images} images, {streams} streams")
    if assert_no_op and (freed.objects or freed.images or streams):
        raise BootcError(
            f"--assert-no-op: GC would remove {freed.objects} object(s), {freed.images} image symlink(s), "
            f"{streams} stream symlink(s) (issue #1808)"
        )
    if not dry_run:
        outcome.state = after


def check_consistency(outcome: Outcome) -> None:
    """``bootc internals fsck``: nothing is ever wrong with a simulated device in this respect."""
    outcome.out += ["ok: etc-resolvconf", "ok: fsverity"]


def list_images(outcome: Outcome, kind: str, form: str) -> None:
    """``bootc image list``: host images are those ostree stores; there are no bound ones here."""
    state = outcome.state
    names: list[str] = []
    if kind != "logical" and not state.composefs:
        names = [image.ref.pull_spec for image in state.stored.values()]
    if form == "json":
        rows = [{"image_type": "host", "image": name} for name in names]
        outcome.document = json.dumps(rows, indent=2)
        return
    width = max((len(name) for name in names), default=len("REPOSITORY"))
    outcome.out += [f" {'REPOSITORY':<{width}}  TYPE ", *(f" {name:<{width}}  host " for name in names)]


def differences(outcome: Outcome, changed: Sequence[tuple[str, str]]) -> None:
    """``bootc config-diff``: ``changed`` are pairs of ``added``, ``modified`` or ``removed`` and a path in /etc.

    The lines are coloured wherever they go.
    """
    if not outcome.state.composefs:
        raise BootcError("ConfigDiff is only supported for composefs backend")
    for kind, colour in (("Added", _GREEN), ("Modified", _CYAN), ("Removed", _RED)):
        paths = [path for how, path in changed if how == kind.lower()]
        outcome.out += [f"{colour}{kind}{_PLAIN} {json.dumps(path, ensure_ascii=False)}" for path in paths]


def finalize_staged(state: State) -> None:
    """``bootc composefs-finalize-staged``: what a unit runs at shutdown, where it is simulated."""
    if not state.composefs:
        raise BootcError("ComposefsFinalizeStaged is only supported for composefs backend")
    if state.staged is not None:
        raise BootcError("not simulated: composefs-finalize-staged outside of a shutdown")
