# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images that were read, and the document on what they share and what updates cost. PRIVATE to the collection."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any, Iterable, Mapping, Sequence

from .errors import NOT_FOUND, UNSUPPORTED, RegistryError
from .layout_reader import parse_image
from .manifest import Manifest, Platform
from .reading import ImageReader, Resolved, version_of
from .reference import Reference
from .sharing import Image, Sharing, Update, image_of, permille, sharing, traffic, update
from .toc import Ranges, Toc, file_update, has_toc, read_toc
from .zstd import MISSING, Unpack


@dataclass(frozen=True)
class Wanted:
    """An image to be read. Images of one variant are its releases, in the order given, the oldest first."""

    reference: Reference
    variant: str
    name: str


@dataclass(frozen=True)
class Found:
    """An image that was read."""

    wanted: Wanted
    digest: str
    """What the reference names: an index or an image manifest."""
    platform: str
    manifest: Manifest
    image: Image
    version: str
    created: str | None

    @property
    def variant(self) -> str:
        """The variant whose release it is."""
        return self.wanted.variant

    @property
    def pinned(self) -> Reference:
        """The image manifest by its digest."""
        return self.wanted.reference.with_digest(self.manifest.digest)


@dataclass(frozen=True)
class Scale:
    """For whom updates are multiplied: bytes per second of one device, devices, and sites with a cache if there are."""

    rate: int
    devices: int = 1
    sites: int | None = None

    def __post_init__(self) -> None:
        """Raise ValueError for what nothing can be divided by or multiplied with."""
        if self.rate <= 0:
            raise ValueError(f"The rate is {self.rate} bytes per second. Give one above 0.")
        if self.devices < 0 or (self.sites is not None and self.sites < 0):
            raise ValueError("There cannot be fewer than 0 devices or sites. Give how many there are.")


@dataclass(frozen=True)
class Absent:
    """An older image that is not there, any more or for the platform that is meant, and what said so."""

    image: str
    cause: str


@dataclass(frozen=True)
class Gathered:
    """Images that were read, and older ones that are not there."""

    found: Sequence[Found]
    absent: Sequence[Absent]


def wanted_images(entries: Iterable[Mapping[str, Any]]) -> list[Wanted]:
    """Read the module's list of images; raises ``ValueError`` for what is no reference or has another's name.

    One that is listed again, by its version and by its channel, counts once. One by digest that has the name of
    another, such as a version that was built anew, has the beginning of its digest added to that.
    """
    listed: dict[Wanted, None] = {}
    for entry in entries:
        reference = parse_image(entry["image"])
        name = entry.get("name") or str(reference)
        listed[Wanted(reference, entry.get("variant") or name, name)] = None
    wanted: list[Wanted] = []
    for one in listed:
        if one.reference.digest and any(one.name == other.name for other in wanted):
            wanted.append(replace(one, name=f"{one.name} {one.reference.digest.partition(':')[2][:12]}"))
        else:
            wanted.append(one)
    names = Counter(one.name for one in wanted)
    twice = [name for name, count in names.items() if count > 1]
    if twice:
        raise ValueError(
            f"More than one image is called {', '.join(twice)}. Give each image once, with a name of its own."
        )
    if not wanted:
        raise ValueError("No images are given. List at least one.")
    return wanted


def gather(reader: ImageReader, wanted: Sequence[Wanted], platform: Platform | None) -> Gathered:
    """Read every image. Of a variant, all but its newest release may be gone; raises ``RegistryError`` otherwise."""
    newest = {one.variant: one for one in wanted}
    found = []
    absent = []
    for one in wanted:
        try:
            found.append(_read(reader.resolve(one.reference, platform), one))
        except RegistryError as error:
            if error.kind != NOT_FOUND or newest[one.variant] is one:
                raise
            absent.append(Absent(str(one.reference), error.cause))
    return Gathered(tuple(found), tuple(absent))


def _read(resolved: Resolved, wanted: Wanted) -> Found:
    manifest, config = resolved.manifest, resolved.config
    if manifest is None or config is None:
        raise RegistryError(
            UNSUPPORTED,
            f"{wanted.reference} is an index of several platforms: {', '.join(resolved.platform_digests)}.",
            "Say with `platform` which of them is meant.",
        )
    of_digest = [platform for platform, digest in resolved.platform_digests.items() if digest == manifest.digest]
    created = config.get("created")
    return Found(
        wanted=wanted,
        digest=resolved.digest,
        platform=of_digest[0] if of_digest else "",
        manifest=manifest,
        image=image_of(wanted.name, [(layer.digest, layer.size) for layer in manifest.layers], config),
        version=version_of(config, {}) or "",
        created=created if isinstance(created, str) else None,
    )


def releases(found: Iterable[Found]) -> dict[str, list[Found]]:
    """Return the releases of each variant, the oldest first."""
    grouped: dict[str, list[Found]] = {}
    for one in found:
        grouped.setdefault(one.variant, []).append(one)
    return grouped


def document(gathered: Gathered, scale: Scale, tables: Tables | None = None) -> dict[str, Any]:
    """Return what the module returns: sizes in bytes, shares in per mille, times in seconds.

    With ``tables``, updates have an estimate at file level, or the reason why they have none.
    """
    found = gathered.found
    by_variant = releases(found)
    newest = _distinct([group[-1] for group in by_variant.values()])
    current, stored = sharing(one.image for one in newest), sharing(one.image for one in _distinct(found))
    parts = {part.name: part for part in current.parts}
    first = {one.manifest.digest: one for one in reversed(found)}
    return {
        "rate": scale.rate,
        "devices": scale.devices,
        "sites": scale.sites,
        "images": [_described(one, parts, first[one.manifest.digest]) for one in found],
        "sharing": {"images": [part.name for part in current.parts], **_sharing(current)},
        "storage": {"images": [part.name for part in stored.parts], **_sharing(stored)},
        "updates": [
            updated(before, after, scale, tables)
            for group in by_variant.values()
            for before, after in combinations(group, 2)
            if before.manifest.digest != after.manifest.digest
        ],
        "absent": [{"image": one.image, "cause": one.cause} for one in gathered.absent],
    }


def _distinct(found: Iterable[Found]) -> list[Found]:
    """Return each image once, though several references may name it."""
    known: dict[str, Found] = {}
    for one in found:
        known.setdefault(one.manifest.digest, one)
    return list(known.values())


def _sharing(found: Sharing) -> dict[str, int]:
    return {
        "naive": found.naive,
        "unique": found.unique,
        "saved": found.saved,
        "saved_permille": found.saved_permille,
    }


def _described(one: Found, parts: Mapping[str, Any], first: Found) -> dict[str, Any]:
    part = parts.get(one.image.name)
    layers = zip(one.manifest.layers, one.image.layers)
    return {
        "name": one.image.name,
        "variant": one.variant,
        "image": str(one.wanted.reference),
        "digest": one.digest,
        "platform": one.platform,
        "platform_digest": one.manifest.digest,
        "same_as": None if first is one else first.image.name,
        "version": one.version,
        "created": one.created,
        "size": one.image.size,
        "exclusive": None if part is None else part.exclusive,
        "shared": None if part is None else part.shared,
        "layers": [
            {"digest": layer.digest, "size": layer.size, "media_type": said.media_type, "diff_id": layer.diff_id}
            for said, layer in layers
        ],
    }


def updated(before: Found, after: Found, scale: Scale, tables: Tables | None) -> dict[str, Any]:
    """Return what a device on ``before`` fetches to get ``after``."""
    needed = update([before.image], after.image)
    return {
        "variant": after.variant,
        "from": before.image.name,
        "to": after.image.name,
        "layer_level": {
            "total": needed.total,
            "download": needed.download,
            "download_permille": needed.download_permille,
            "download_by_content": needed.download_by_content,
            "reused": needed.reused,
            "added_layers": needed.added,
            "removed_layers": needed.removed,
            "removed": needed.freed,
            **_times(needed.download, scale),
        },
        **_file_level(before, after, scale, tables),
        "notes": _notes(needed),
    }


def _file_level(before: Found, after: Found, scale: Scale, tables: Tables | None) -> dict[str, Any]:
    """Return the estimate at file level, and why there is none."""
    reason = "" if tables is None else tables.missing or _without_tables(before, after, tables.by_layer)
    if tables is None or reason:
        return {"file_level": None, "file_level_missing": reason or None}
    present = {digest: tables.by_layer[digest] for digest in before.image.sizes}
    wanted = {digest: (size, tables.by_layer[digest]) for digest, size in after.image.sizes.items()}
    needed = file_update(present, wanted)
    level = {
        "download": needed.download,
        "download_permille": permille(needed.download, after.image.size),
        "files": needed.files,
        "metadata": needed.metadata,
        "whole_layers": needed.whole_layers,
        **_times(needed.download, scale),
    }
    return {"file_level": level, "file_level_missing": None}


def _without_tables(before: Found, after: Found, by_layer: Mapping[str, Toc | None]) -> str:
    """Say which image of an update keeps it from being estimated: there is nothing to compare in it."""
    new = after.image.sizes.keys() - before.image.sizes.keys()
    if new and all(by_layer[digest] is None for digest in new):
        return f"No new layer of {after.image.name} has a table of contents. Push with zstd:chunked to get one."
    if new and all(by_layer[digest] is None for digest in before.image.sizes):
        return f"No layer of {before.image.name} has a table of contents. It was not pushed with zstd:chunked."
    return ""


def _times(size: int, scale: Scale) -> dict[str, int | None]:
    """Return seconds and the bytes of the whole fleet; those with caches are none where there are no sites."""
    found = traffic(size, scale.rate, scale.devices, scale.sites or 0)
    cached = scale.sites is not None
    return {
        "seconds": found.seconds,
        "fleet_bytes": found.fleet_bytes,
        "fleet_seconds": found.fleet_seconds,
        "cached_bytes": found.cached_bytes if cached else None,
        "cached_seconds": found.cached_seconds if cached else None,
    }


@dataclass(frozen=True)
class Tables:
    """Tables of contents by layer, none for a layer that has no such table; or why they could not be read."""

    by_layer: Mapping[str, Toc | None]
    missing: str = ""


def read_tables(client: Ranges, found: Iterable[Found], unpack: Unpack | None) -> Tables:
    """Fetch the table of contents of every layer that has one, each once; raises ``RegistryError``."""
    if unpack is None:
        return Tables({}, MISSING)
    by_layer: dict[str, Toc | None] = {}
    for one in found:
        for layer in one.manifest.layers:
            if layer.digest not in by_layer:
                try:
                    table = read_toc(client, one.pinned, layer, unpack) if has_toc(layer) else None
                except RegistryError as error:
                    if error.kind != UNSUPPORTED:
                        raise
                    return Tables({}, str(error))
                by_layer[layer.digest] = table
    return Tables(by_layer)


def _notes(needed: Update) -> list[str]:
    if needed.total and needed.download == needed.total:
        if needed.download_by_content < needed.download:
            return ["Everything is fetched, though content is the same: it was compressed in another way."]
        return ["Nothing is reused: every layer was made anew, or the image was divided into layers in another way."]
    if needed.download_by_content < needed.download:
        return ["Some layers have the same content as before and were compressed in another way."]
    return []
