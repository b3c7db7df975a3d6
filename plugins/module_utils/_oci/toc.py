# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tables of contents of zstd:chunked layers, fetched alone by range requests. PRIVATE to the collection.

Such a layer has, behind its files, a table that says where in the layer each file is. Annotations of the layer say
where the table is, and which digest its packed bytes have, so that it can be trusted as far as the manifest.
"""

from __future__ import annotations

import re
from typing import Any, Iterable, Mapping, NamedTuple, Protocol, Sequence

from .errors import UNEXPECTED, UNSUPPORTED, RegistryError
from .manifest import Descriptor, verify_digest
from .reference import Reference, is_digest
from .untrusted import read_json
from .zstd import Unpack

_PREFIX = "io.github.containers.zstd-chunked."
_POSITION = _PREFIX + "manifest-position"
_CHECKSUM = _PREFIX + "manifest-checksum"
_TAR_SPLIT = _PREFIX + "tarsplit-position"
_NUMBERS = re.compile(r"[0-9]{1,15}(?::[0-9]{1,15}){2,3}")
_CRFS = 1
HARD_LINK = "hardlink"
LONGEST_PATH = 4096
_LARGEST_PACKED = 64 * 1024 * 1024
_LARGEST_UNPACKED = 150 * 1024 * 1024
_MOST_MEMBERS = 1_000_000
_REMEDY = "Push the image again with podman, buildah or skopeo."


class Ranges(Protocol):
    """The part of a registry client that is needed here."""

    def get_blob_range(self, reference: Reference, digest: str, offset: int, length: int) -> bytes:
        """Return ``length`` bytes of a blob from ``offset`` on."""


class Member(NamedTuple):
    """A member of a layer. Sizes are bytes; ``start`` and ``end`` are where its packed content is in the layer."""

    path: str
    kind: str
    """``reg``, ``dir``, ``hardlink``, ``symlink`` and so on."""
    size: int
    digest: str = ""
    start: int = 0
    end: int = 0
    link: str = ""
    """Of a hard link, the path of the file in the same layer that it is another name of."""

    @property
    def packed(self) -> int:
        """Bytes that are fetched for it."""
        return self.end - self.start


class Toc(NamedTuple):
    """Members of a layer, and the bytes of the tables themselves, which are fetched in any case."""

    members: Sequence[Member]
    metadata: int


def has_toc(layer: Descriptor) -> bool:
    """Tell whether the manifest says where the table of contents of this layer is."""
    return _POSITION in layer.annotations and _CHECKSUM in layer.annotations


def read_toc(client: Ranges, reference: Reference, layer: Descriptor, unpack: Unpack) -> Toc:
    """Fetch and read the table of contents of a layer that has one; raises ``RegistryError``."""
    what = f"The table of contents of layer {layer.digest} of {reference.name}"
    numbers = _numbers(layer.annotations[_POSITION], 4, what)
    offset, length, unpacked, kind = numbers
    if kind != _CRFS:
        raise RegistryError(UNSUPPORTED, f"{what} is of the unknown type {kind}.", _REMEDY)
    if not 0 < length <= _LARGEST_PACKED or unpacked > _LARGEST_UNPACKED or offset + length > layer.size:
        raise RegistryError(UNEXPECTED, f"{what} is said to be where it cannot be: {numbers}.", _REMEDY)
    checksum = layer.annotations[_CHECKSUM]
    if not is_digest(checksum):
        raise RegistryError(UNEXPECTED, f"{what} has '{checksum[:80]}' as its digest, which is none.", _REMEDY)
    packed = client.get_blob_range(reference, layer.digest, offset, length)
    verify_digest(packed, checksum, what)
    metadata = length + _tar_split(layer, what)
    try:
        return Toc(tuple(_members(read_json(unpack(packed, unpacked), what, _REMEDY), layer.size)), metadata)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise RegistryError(UNEXPECTED, f"{what} cannot be read: {error}.", _REMEDY) from error


def _tar_split(layer: Descriptor, what: str) -> int:
    """Return the bytes of the second table, which says how to make the archive again; 0 when there is none."""
    said = layer.annotations.get(_TAR_SPLIT)
    if not said:
        return 0
    numbers = _numbers(said, 3, what)
    offset, length, _unpacked = numbers
    if offset + length > layer.size:
        raise RegistryError(UNEXPECTED, f"{what} has a second part where none can be: {numbers}.", _REMEDY)
    return length


def _numbers(text: str, count: int, what: str) -> list[int]:
    numbers = [int(part) for part in text.split(":")] if _NUMBERS.fullmatch(text) else []
    if len(numbers) != count:
        raise RegistryError(UNEXPECTED, f"{what} is said to be at '{text[:80]}'.", _REMEDY)
    return numbers


def _members(document: Mapping[str, Any], layer_size: int) -> Iterable[Member]:
    if document["version"] != 1:
        raise ValueError("it is of an unknown version")
    if len(document["entries"]) > _MOST_MEMBERS:
        raise ValueError(f"it has more than {_MOST_MEMBERS} entries")
    for entry in document["entries"]:
        kind = entry["type"]
        if kind == "chunk":  # A part of the file before it, whose entry spans all of its parts.
            continue
        start, end, size = (_count(entry.get(key)) for key in ("offset", "endOffset", "size"))
        if not start <= end <= layer_size:
            raise ValueError("a file is said to be outside the layer")
        digest, link = entry.get("digest") or "", entry.get("linkName") or ""
        if not all(isinstance(text, str) for text in (entry["name"], kind, digest, link)):
            raise TypeError("a name is no text")
        check_path(entry["name"])
        check_path(link)
        yield Member(entry["name"], kind, size, digest, start, end, link if kind == HARD_LINK else "")


def check_path(path: str) -> None:
    """Raise ``ValueError`` for a path that no Linux takes."""
    if len(path) > LONGEST_PATH:
        raise ValueError(f"it has a path of {len(path)} characters, where {LONGEST_PATH} are the most")


def _count(value: object) -> int:
    if value is None:
        return 0
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ValueError("a size is no number")
    return value


class FileUpdate(NamedTuple):
    """An estimate of what is fetched by a client that takes single files out of layers, in bytes."""

    files: int
    """Packed files whose content no file of the old image has."""
    metadata: int
    """Tables of the layers that the device does not have."""
    whole_layers: int
    """Layers without a table, which are fetched whole."""

    @property
    def download(self) -> int:
        """Everything together."""
        return self.files + self.metadata + self.whole_layers


def file_update(present: Mapping[str, Toc | None], wanted: Mapping[str, tuple[int, Toc | None]]) -> FileUpdate:
    """Work out an update from tables by layer digest; ``wanted`` has the size of each layer too.

    A file counts once however often it is in the new layers. What a layer without a table holds is not known, so the
    estimate is an upper bound then.
    """
    tables = [toc for toc in present.values() if toc is not None]
    had = {member.digest for toc in tables for member in toc.members if member.digest}
    files: dict[str, int] = {}
    metadata = whole = 0
    for digest, (size, toc) in wanted.items():
        if digest in present:
            continue
        if toc is None:
            whole += size
            continue
        metadata += toc.metadata
        for member in toc.members:
            if member.packed and member.digest not in had:
                key = member.digest or f"{digest}:{member.path}"
                files[key] = max(member.packed, files.get(key, 0))
    return FileUpdate(sum(files.values()), metadata, whole)
