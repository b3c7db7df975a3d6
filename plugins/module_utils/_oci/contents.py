# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is in a layer: from its table of contents, or by reading it through. PRIVATE to the collection.

A layer is read in parts and never held as a whole. Of the files only the databases of packages are kept.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
import zlib
from typing import IO, Any, Callable, Iterator, Mapping, NamedTuple, Sequence, cast

from .errors import UNEXPECTED, UNSUPPORTED, RegistryError
from .manifest import Descriptor, verify_digest
from .packages import is_database
from .reference import Reference, is_digest
from .stack import parts_of
from .toc import HARD_LINK, Member, Ranges, check_path, has_toc, read_toc
from .zstd import MISSING, Unpack, open_stream

_PART = 8 * 1024 * 1024
_LARGEST_DATABASE = 256 * 1024 * 1024
_SMALLEST_CHARGE = 1024 * 1024
_MOST_UNPACKED = 100 * 10**9
_MOST_MEMBERS = 5_000_000
_MOST_TEXT = 512 * 1024 * 1024
_LARGEST_HEADER = 1024 * 1024
_HEADERS = (
    *(tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE),
    *(tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK),
)
_SPARSE = "it has a sparse file"
_REMEDY = "Push the image again with podman, buildah or skopeo."
_GZIP, _ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"


class Contents(NamedTuple):
    """The members of a layer, and the content of the databases of packages among them by path."""

    members: Sequence[Member]
    databases: Mapping[str, bytes]


def is_read_through(layer: Descriptor, unpack: Unpack | None) -> bool:
    """Tell whether all of the layer has to be fetched."""
    return unpack is None or not has_toc(layer)


def read_contents(client: Ranges, reference: Reference, layer: Descriptor, unpack: Unpack | None) -> Contents:
    """Return what is in a layer; raises ``RegistryError``."""
    if unpack is not None and has_toc(layer):
        return _by_table(client, reference, layer, unpack)
    return _read_through(client, reference, layer)


def _by_table(client: Ranges, reference: Reference, layer: Descriptor, unpack: Unpack) -> Contents:
    members = read_toc(client, reference, layer, unpack).members
    links = _linked_databases(members)
    wanted = frozenset(links.values())
    databases: dict[str, bytes] = {}
    room = _LARGEST_DATABASE
    for member in members:
        path = _plain(member.path)
        if member.kind == "reg" and member.packed and (is_database(path) or path in wanted):
            what = f"{path} in layer {layer.digest} of {reference.name}"
            room = _room_after(room, max(member.size, member.packed), what)
            packed = client.get_blob_range(reference, layer.digest, member.start, member.packed)
            try:
                content = unpack(packed, member.size)
            except ValueError as error:
                raise RegistryError(UNEXPECTED, f"{what} cannot be read: {error}.", _REMEDY) from error
            if not is_digest(member.digest):
                raise RegistryError(UNEXPECTED, f"{what} has no digest.", _REMEDY)
            verify_digest(content, member.digest, what)
            databases[path] = content
    return Contents(members, _with_links(databases, links, layer, reference))


def _plain(path: str) -> str:
    return "/".join(parts_of(path))


def _linked_databases(members: Sequence[Member]) -> dict[str, str]:
    """Return the databases that are hard links, as all files of images in the format of OSTree: target by path."""
    paths = ((_plain(member.path), member.link) for member in members if member.kind == HARD_LINK)
    return {path: _plain(target) for path, target in paths if is_database(path)}


def _with_links(
    files: Mapping[str, bytes], links: Mapping[str, str], layer: Descriptor, reference: Reference
) -> dict[str, bytes]:
    """Return the databases by every name they have, from the content of files and the hard links to them."""
    databases = {path: content for path, content in files.items() if is_database(path)}
    for path, target in links.items():
        if target not in files:
            cause = f"{path} in layer {layer.digest} of {reference.name} is a hard link to no file of that layer."
            raise RegistryError(UNSUPPORTED, cause, _REMEDY)
        databases[path] = files[target]
    return databases


def _room_after(room: int, size: int, what: str) -> int:
    """Return what is left of the bytes that the databases of a layer may have together."""
    # Of small ones there could be any number otherwise.
    room -= max(size, _SMALLEST_CHARGE)
    if room < 0:
        cause = f"{what} has {size} bytes; at most {_LARGEST_DATABASE} are read of a layer's databases of packages."
        raise RegistryError(UNSUPPORTED, cause)
    return room


class _Blob(io.RawIOBase):
    """A blob as a file, fetched in parts from its beginning to its end and verified there."""

    def __init__(self, client: Ranges, reference: Reference, layer: Descriptor) -> None:
        super().__init__()
        self._client = client
        self._reference = reference
        self._layer = layer
        self._part = b""
        self._at = 0
        self._hash = hashlib.new(layer.digest.partition(":")[0])

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if not self._part and self._at < self._layer.size:
            length = min(_PART, self._layer.size - self._at)
            self._part = self._client.get_blob_range(self._reference, self._layer.digest, self._at, length)
            self._at += length
            self._hash.update(self._part)
        taken = self._part[: len(buffer)]
        self._part = self._part[len(taken) :]
        buffer[: len(taken)] = taken
        return len(taken)

    def verify(self) -> None:
        """Read what is left and compare the digest of all of it."""
        buffer = bytearray(_PART)
        while self.readinto(buffer):
            pass
        found = f"{self._layer.digest.partition(':')[0]}:{self._hash.hexdigest()}"
        if found != self._layer.digest:
            cause = f"The layer {self._layer.digest} of {self._reference.name} arrived as {found}."
            raise RegistryError(UNEXPECTED, cause, "Something between here and the registry changes content.")


def _read_through(client: Ranges, reference: Reference, layer: Descriptor) -> Contents:
    found = _read_once(client, reference, layer, is_database)
    links = _linked_databases(found.members)
    files = dict(found.databases)
    targets = frozenset(links.values()) - files.keys()
    if targets:
        # A file comes before the links to it: that it is a database is known only when it has gone by.
        files.update(_read_once(client, reference, layer, targets.__contains__).databases)
    return Contents(found.members, _with_links(files, links, layer, reference))


def _read_once(client: Ranges, reference: Reference, layer: Descriptor, is_wanted: Callable[[str], bool]) -> Contents:
    """Return the members of a layer, and the content of the files that are wanted by path."""
    what = f"The layer {layer.digest} of {reference.name}"
    blob = _Blob(client, reference, layer)
    members: list[Member] = []
    databases = {}
    unpacked = text = 0
    room = _LARGEST_DATABASE
    try:
        with _unpacked(io.BufferedReader(blob, _PART)) as stream, _open(stream) as archive:
            for member, path in _members(archive):
                unpacked += tarfile.BLOCKSIZE + member.size
                if unpacked > _MOST_UNPACKED:
                    raise RegistryError(UNSUPPORTED, f"{what} unpacks to more than {_MOST_UNPACKED} bytes.")
                if len(members) == _MOST_MEMBERS:
                    raise RegistryError(UNSUPPORTED, f"{what} has more than {_MOST_MEMBERS} members.")
                link = member.linkname if member.islnk() else ""
                text += len(path) + len(link)
                if text > _MOST_TEXT:
                    raise RegistryError(UNSUPPORTED, f"{what} has paths of more than {_MOST_TEXT} characters together.")
                members.append(Member(path, _kind(member), member.size if member.isreg() else 0, link=link))
                if member.isreg() and is_wanted(path):
                    room = _room_after(room, member.size, f"{path} in layer {layer.digest} of {reference.name}")
                    content = archive.extractfile(member)
                    databases[path] = content.read() if content is not None else b""
    except (tarfile.TarError, EOFError, OSError, RecursionError, ValueError, zlib.error) as error:
        raise RegistryError(UNEXPECTED, f"{what} cannot be read: {error}.", _REMEDY) from error
    blob.verify()
    return Contents(tuple(members), databases)


class _Bounded(tarfile.TarInfo):
    """A member whose extended header is not larger than any that is meant: it is held in memory as a whole.

    Maps of sparse files have no end but the one they tell, and programs that make images write none.
    """

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> _Bounded:
        found = super().frombuf(buf, encoding, errors)
        if found.type in _HEADERS and found.size > _LARGEST_HEADER:
            raise ValueError(f"it has a header of {found.size} bytes")
        if found.type == tarfile.GNUTYPE_SPARSE:
            raise ValueError(_SPARSE)
        return found

    def _proc_gnusparse_10(self, *_arguments: object) -> None:
        raise ValueError(_SPARSE)


def _members(archive: tarfile.TarFile) -> Iterator[tuple[tarfile.TarInfo, str]]:
    for member in archive:
        check_path(member.name)
        check_path(member.linkname)
        yield member, _plain(member.name)
        # A stream is not read twice: what was seen need not be remembered, nor what is said of all members, one by one.
        archive.members = []  # type: ignore[attr-defined]
        archive.pax_headers = {}


def _open(stream: IO[bytes]) -> tarfile.TarFile:
    return tarfile.open(fileobj=stream, mode="r|", tarinfo=_Bounded)


def _kind(member: tarfile.TarInfo) -> str:
    if member.isdir():
        return "dir"
    if member.isreg():
        return "reg"
    return HARD_LINK if member.islnk() else "symlink" if member.issym() else "other"


def _unpacked(packed: io.BufferedReader) -> IO[bytes]:
    """Return the archive that is packed here; what it begins with tells how, whatever the media type says."""
    start = packed.peek(4)[:4]
    if start.startswith(_GZIP):
        return cast(IO[bytes], gzip.GzipFile(fileobj=packed))
    if start.startswith(_ZSTD):
        stream = open_stream(packed)
        if stream is None:
            raise RegistryError(UNSUPPORTED, MISSING)
        return stream
    return packed
