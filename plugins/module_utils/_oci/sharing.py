# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What images share, and what an update between them costs. Pure arithmetic. PRIVATE to the collection.

Sizes are bytes as they are transferred, shares are whole per mille, rounded down. A layer is known by its digest; one
that an image lists twice is kept and transferred once.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Iterable, Mapping, Sequence


@dataclass(frozen=True)
class Layer:
    """A layer of an image. ``diff_id`` names its content whatever the compression; empty when it is not known."""

    digest: str
    size: int
    diff_id: str = ""


@dataclass(frozen=True)
class Image:
    """An image and its layers, lowest first; the name is how a person calls it."""

    name: str
    layers: Sequence[Layer]

    @property
    def sizes(self) -> dict[str, int]:
        """Bytes by digest."""
        return {layer.digest: layer.size for layer in self.layers}

    @property
    def size(self) -> int:
        """Bytes of the distinct layers."""
        return sum(self.sizes.values())


@dataclass(frozen=True)
class Part:
    """One image of a set: ``exclusive`` bytes are in no other image of it, ``shared`` ones in at least one."""

    name: str
    size: int
    exclusive: int
    shared: int


@dataclass(frozen=True)
class Sharing:
    """A set of images: ``naive`` bytes if each were kept for itself, ``unique`` with every layer once."""

    naive: int
    unique: int
    parts: Sequence[Part]

    @property
    def saved(self) -> int:
        """Bytes that sharing saves."""
        return self.naive - self.unique

    @property
    def saved_permille(self) -> int:
        """Per mille of ``naive`` that sharing saves."""
        return permille(self.saved, self.naive)


def permille(part: int, whole: int) -> int:
    """Return ``part`` of ``whole`` in per mille, rounded down; nothing of nothing is 0."""
    return 1000 * part // whole if whole else 0


def sharing(images: Iterable[Image]) -> Sharing:
    """Work out what ``images`` share. The same image twice would pretend to share everything: give each once."""
    every = list(images)
    holders = Counter(digest for image in every for digest in image.sizes)
    unique: dict[str, int] = {}
    parts = []
    for image in every:
        exclusive = sum(size for digest, size in image.sizes.items() if holders[digest] == 1)
        parts.append(Part(image.name, image.size, exclusive, image.size - exclusive))
        for digest, size in image.sizes.items():
            # Only a broken registry gives one digest two sizes; the larger one promises no saving that is not there.
            unique[digest] = max(size, unique.get(digest, 0))
    return Sharing(sum(part.size for part in parts), sum(unique.values()), tuple(parts))


@dataclass(frozen=True)
class Update:
    """What a device that has some images fetches to get another one, in whole layers."""

    total: int
    """Bytes of the wanted image."""
    download: int
    """Bytes of its layers whose digest the device does not have. Every bootc fetches these, or fewer."""
    download_by_content: int
    """Bytes of its layers whose content the device has under no digest: for a client that knows layers by diff_id."""
    added: int
    """Number of layers that are fetched."""
    removed: int
    """Number of layers that the device has and the wanted image does not."""
    freed: int
    """Bytes of these."""

    @property
    def download_permille(self) -> int:
        """Per mille of the image that is fetched."""
        return permille(self.download, self.total)

    @property
    def reused(self) -> int:
        """Bytes that are there already."""
        return self.total - self.download


def update(present: Iterable[Image], wanted: Image) -> Update:
    """Work out an update of a device that has all of ``present``: its booted, staged and rollback images."""
    had = {layer.digest: layer for image in present for layer in image.layers}
    contents = {layer.diff_id for layer in had.values() if layer.diff_id}
    target = {layer.digest: layer for layer in wanted.layers}
    new = [layer for digest, layer in target.items() if digest not in had]
    gone = [layer for digest, layer in had.items() if digest not in target]
    return Update(
        total=wanted.size,
        download=sum(layer.size for layer in new),
        download_by_content=sum(layer.size for layer in new if layer.diff_id not in contents),
        added=len(new),
        removed=len(gone),
        freed=sum(layer.size for layer in gone),
    )


@dataclass(frozen=True)
class Traffic:
    """What downloads of one size come to for many devices, all at the same rate."""

    seconds: int
    """For one device."""
    fleet_bytes: int
    """Sent by the registry when every device asks it."""
    fleet_seconds: int
    """For these through one line of that rate."""
    cached_bytes: int
    """Sent by the registry when each site has a cache, which asks once."""
    cached_seconds: int
    """For these through one line of that rate."""


def traffic(size: int, rate: int, devices: int, sites: int) -> Traffic:
    """Multiply one download of ``size`` bytes; ``rate`` is in bytes per second, seconds are rounded up."""
    if rate < 1:
        raise ValueError(f"A rate of {rate} bytes per second moves nothing; give at least 1.")
    if devices < 0 or sites < 0:
        raise ValueError("There cannot be fewer than 0 devices or sites.")
    asking = min(sites, devices)
    return Traffic(
        seconds=seconds_for(size, rate),
        fleet_bytes=size * devices,
        fleet_seconds=seconds_for(size * devices, rate),
        cached_bytes=size * asking,
        cached_seconds=seconds_for(size * asking, rate),
    )


def seconds_for(size: int, rate: int) -> int:
    """Return whole seconds, rounded up, for ``size`` bytes at ``rate`` bytes per second."""
    return -(-size // rate)


def image_of(name: str, layers: Iterable[tuple[str, int]], config: Mapping[str, object]) -> Image:
    """Return the image with the diff_ids of its configuration, where that has one for each layer."""
    listed = list(layers)
    rootfs = config.get("rootfs")
    found = rootfs.get("diff_ids") if isinstance(rootfs, Mapping) else None
    known = isinstance(found, list) and len(found) == len(listed) and all(isinstance(entry, str) for entry in found)
    diff_ids = found if known and isinstance(found, list) else [""] * len(listed)
    return Image(name, tuple(Layer(digest, size, diff_id) for (digest, size), diff_id in zip(listed, diff_ids)))
