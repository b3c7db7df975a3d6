# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What images store for nothing, and which packages an update changes. PRIVATE to the collection."""

from __future__ import annotations

from dataclasses import dataclass
from heapq import nlargest
from typing import Any, Iterable, Mapping

from .contents import Contents, is_read_through, read_contents
from .errors import UNSUPPORTED, RegistryError
from .layer_report import Found
from .manifest import Descriptor
from .packages import Packages, changes, packages
from .sharing import permille
from .stack import Stack, stack
from .toc import Ranges
from .zstd import Unpack

_LARGEST_LOSSES = 20
_MOST_MEMBERS = 10_000_000
_LARGEST_DATABASES = 2 * 1024**3
_MOST_TEXT = 1024**3


@dataclass(frozen=True)
class Read:
    """The contents of layers by digest, or why they are missing."""

    by_layer: Mapping[str, Contents]
    missing: str = ""


def read_all(client: Ranges, found: Iterable[Found], unpack: Unpack | None, limit: int) -> Read:
    """Read every layer of the images once; raises ``RegistryError``.

    Nothing is read when layers without a table of contents come to more than ``limit`` bytes together, and nothing more
    when they hold more than fits into memory.
    """
    layers: dict[str, tuple[Found, Descriptor]] = {}
    for one in found:
        for layer in one.manifest.layers:
            layers.setdefault(layer.digest, (one, layer))
    whole = sum(layer.size for _one, layer in layers.values() if is_read_through(layer, unpack))
    if whole > limit:
        return Read({}, f"Layers of {whole} bytes would have to be read; contents_limit allows {limit}.")
    try:
        by_layer: dict[str, Contents] = {}
        members = databases = text = 0
        for digest, (one, layer) in layers.items():
            by_layer[digest] = contents = read_contents(client, one.pinned, layer, unpack)
            members += len(contents.members)
            databases += sum(map(len, contents.databases.values()))
            text += sum(len(member.path) + len(member.link) for member in contents.members)
            if members > _MOST_MEMBERS or databases > _LARGEST_DATABASES or text > _MOST_TEXT:
                raise RegistryError(UNSUPPORTED, "The layers hold more than can be compared.", "Look at fewer images.")
        return Read(by_layer)
    except RegistryError as error:
        if error.kind != UNSUPPORTED:
            raise
        return Read({}, str(error))


def with_contents(document: dict[str, Any], found: Iterable[Found], read: Read | None) -> dict[str, Any]:
    """Add to the document of the layers what the layers hold; ``read`` is none when nobody asked for that."""
    known: dict[str, tuple[dict[str, Any], Packages | None]] = {}
    missing = None if read is None else read.missing or None
    if read is not None and not missing:
        try:
            known = {one.image.name: _looked_into(one, read.by_layer) for one in found}
        except ValueError as error:
            missing = str(error)
    return {
        **document,
        "images": [{**image, **_of_image(known.get(image["name"]))} for image in document["images"]],
        "updates": [
            {**update, "packages": _changed(known.get(update["from"]), known.get(update["to"]))}
            for update in document["updates"]
        ],
        "contents_missing": missing,
    }


def _looked_into(one: Found, by_layer: Mapping[str, Contents]) -> tuple[dict[str, Any], Packages | None]:
    digests = [layer.digest for layer in one.manifest.layers]
    try:
        stacked = stack([by_layer[digest].members for digest in digests], digests)
    except ValueError as error:
        raise ValueError(f"The files of {one.image.name} cannot be compared: {error}.") from error
    shown = {
        path: by_layer[digests[seen.layer]].databases[path]
        for path, seen in stacked.seen.items()
        if path in by_layer[digests[seen.layer]].databases
    }
    try:
        installed = packages(stacked.seen, shown)
    except ValueError as error:
        raise ValueError(f"The packages of {one.image.name} are not known: {error}.") from error
    return _wasted(stacked, digests), installed


def _wasted(stacked: Stack, digests: list[str]) -> dict[str, Any]:
    lost = stacked.lost
    by_layer: dict[str, int] = {}
    for loss in lost:
        by_layer[digests[loss.layer]] = by_layer.get(digests[loss.layer], 0) + loss.size
    total = sum(by_layer.values())
    largest = nlargest(_LARGEST_LOSSES, lost, key=lambda loss: (loss.size, loss.path))
    return {
        "bytes": total,
        "stored": stacked.stored,
        "permille": permille(total, stacked.stored),
        "files": len(lost),
        "layers": [{"digest": digest, "bytes": count} for digest, count in by_layer.items()],
        "largest": [
            {
                "path": loss.path,
                "bytes": loss.size,
                "how": "deleted" if loss.deleted else "replaced",
                "layer": digests[loss.layer],
                "by": digests[loss.by],
            }
            for loss in largest
        ],
    }


def _of_image(known: tuple[dict[str, Any], Packages | None] | None) -> dict[str, Any]:
    if known is None:
        return {"wasted": None, "packages": None}
    wasted, installed = known
    told = None if installed is None else {"manager": installed.manager, "count": len(installed.versions)}
    return {"wasted": wasted, "packages": told}


def _changed(
    before: tuple[dict[str, Any], Packages | None] | None, after: tuple[dict[str, Any], Packages | None] | None
) -> dict[str, Any] | None:
    """Return the packages that an update changes; none when one of the images has none that are known."""
    if before is None or after is None or before[1] is None or after[1] is None:
        return None
    found = changes(before[1], after[1])
    return {
        "manager": after[1].manager,
        "added": [{"name": one.name, "version": one.after} for one in found if one.before is None],
        "removed": [{"name": one.name, "version": one.before} for one in found if one.after is None],
        "changed": [
            {"name": one.name, "from": one.before, "to": one.after}
            for one in found
            if one.before is not None and one.after is not None
        ],
    }
