# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What images and kernels take of a device's two file systems, what is free, and what a collection frees. Pure.

Sizes are those of layers as the manifest says, and of kernels as the image's label says; all in bytes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Dict, Mapping

from simulator.faults import Moment, active
from simulator.state import Deployment, Image, State

# What ostree never gives away: the smaller of both.
MIN_FREE_PERCENT = 3
MIN_FREE_BYTES = 500_000_000
FULL = "No space left on device (os error 28)"
Sizes = Dict[str, int]


@dataclass(frozen=True)
class Freed:
    """What a collection removed. ``images`` and ``layers`` are names, ``objects`` is what took room on the disk."""

    images: int = 0
    layers: int = 0
    objects: int = 0
    object_bytes: int = 0
    boot_files: int = 0
    boot_bytes: int = 0


def disk(state: State) -> Sizes:
    """Content by layer: what pulls find, what deployments are made of, and what waits for a collection."""
    return {**_deployed(state), **state.layers, **state.leftovers}


def _deployed(state: State) -> Sizes:
    return {layer.digest: layer.size for entry in state.everything for layer in entry.image.layers}


def boot_files(state: State) -> Sizes:
    """Kernels by name. ostree writes those of a staged deployment when it finalises, composefs when it stages."""
    entries = state.everything if state.composefs else state.deployments
    return {**{boot_name(state, entry.image): entry.image.boot_bytes for entry in entries}, **state.boot_leftovers}


def boot_name(state: State, image: Image) -> str:
    """What tells the boot files of ``image`` from others: equal kernels share theirs, unified kernel images do not."""
    return image.verity if state.uki else image.boot_digest


def disk_free(state: State) -> int | None:
    """Bytes free where images are kept; None without a limit."""
    if active(state, Moment.PREFLIGHT) is not None:
        return 0
    return None if state.disk_bytes is None else max(0, state.disk_bytes - sum(disk(state).values()))


def available(state: State) -> int | None:
    """Bytes an image may take: ostree keeps some free."""
    free = disk_free(state)
    if free is None or state.composefs or state.disk_bytes is None:
        return free
    return max(0, free - min(state.disk_bytes * MIN_FREE_PERCENT // 100, MIN_FREE_BYTES))


def esp_free(state: State) -> int | None:
    """Bytes free where kernels are kept; None without a limit."""
    if active(state, Moment.BOOT_FILES) is not None:
        return 0
    return None if state.esp_bytes is None else max(0, state.esp_bytes - sum(boot_files(state).values()))


def boot_room(state: State, image: Image) -> str | None:
    """Why the kernel of ``image`` cannot be written where the boot loader finds it; None when it can, or is there."""
    free = esp_free(state)
    if free is None or boot_name(state, image) in boot_files(state) or image.boot_bytes <= free:
        return None
    return FULL


def without(state: State, entry: Deployment) -> State:
    """The device without ``entry``, staged or not; what only that used stays until a collection."""
    if entry is state.staged:
        after = replace(state, staged=None, staged_locked=False, soft_reboot_target=None)
    else:
        after = replace(state, deployments=tuple(other for other in state.deployments if other.id != entry.id))
    return left(state, after)


def left(before: State, after: State) -> State:
    """``after``, with what took room in ``before`` and is used no more as leftovers."""
    kept, kernels = disk(after), boot_files(after)
    return replace(
        after,
        leftovers={
            **after.leftovers,
            **{name: size for name, size in disk(before).items() if name not in kept},
        },
        boot_leftovers={
            **after.boot_leftovers,
            **{name: size for name, size in boot_files(before).items() if name not in kernels},
        },
    )


def collect(state: State) -> tuple[State, Freed]:
    """Drop names nothing refers to, then content without a name or a deployment, then kernels without an entry.

    ostree keeps the last image of each reference a deployment has, and the updates seen for what is kept; composefs
    what deployments are made of.
    """
    if state.composefs:
        contents = tuple(entry.image.config_digest for entry in state.everything)
        after = replace(state, contents=contents, layers=_only(state.layers, _deployed(state)))
        names = len(set(state.contents) - set(contents))
    else:
        used = {entry.image.ref.image for entry in state.everything if not entry.plain} | set(state.retained)
        stored = {spec: image for spec, image in state.stored.items() if spec in used}
        named = {layer.digest: layer.size for image in stored.values() for layer in image.layers}
        digests = {entry.image.digest for entry in state.everything} | {image.digest for image in stored.values()}
        after = replace(
            state,
            stored=stored,
            layers=_only(state.layers, named),
            cached_updates={digest: image for digest, image in state.cached_updates.items() if digest in digests},
        )
        names = len(state.stored) - len(stored)
    after, freed = collect_boot_files(replace(after, leftovers={}))
    kept = disk(after)
    gone = {name: size for name, size in disk(state).items() if name not in kept}
    return after, replace(
        freed,
        images=names,
        layers=len(state.layers) - len(after.layers),
        objects=len(gone),
        object_bytes=sum(gone.values()),
    )


def _only(sizes: Mapping[str, int], wanted: Sizes) -> Sizes:
    return {name: size for name, size in sizes.items() if name in wanted}


def collect_boot_files(state: State) -> tuple[State, Freed]:
    """Drop kernels no boot entry names."""
    after = replace(state, boot_leftovers={})
    kept = boot_files(after)
    gone = {name: size for name, size in boot_files(state).items() if name not in kept}
    return after, Freed(boot_files=len(gone), boot_bytes=sum(gone.values()))
