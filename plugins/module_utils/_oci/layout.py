# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An OCI image layout: a directory with every blob once, and an index of what is in it. PRIVATE to the collection."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import stat
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Callable, Iterator

from .errors import BUSY, UNEXPECTED, RegistryError
from .graph import subject_of_tag
from .manifest import OCI_INDEX, Manifest, parse_manifest
from .reference import is_digest, is_repository, is_tag

REF_NAME = "org.opencontainers.image.ref.name"
REPOSITORY = "io.github.skorionos.bootc.repository"
TAG = "io.github.skorionos.bootc.tag"

_PIECE = 1024 * 1024
_LARGEST_INDEX = 16 * 1024 * 1024
_LARGEST_MANIFEST = 4 * 1024 * 1024
_HEX_DIGITS = {"sha256": 64, "sha512": 128}
_VERSION = {"imageLayoutVersion": "1.0.0"}
_AGAIN = "Export or copy the archive again."


class CorruptArchive(RegistryError):
    """An archive with a file that is missing or not what it should be."""

    def __init__(self, cause: str) -> None:
        """Give it the remedy it always has."""
        super().__init__(UNEXPECTED, cause, _AGAIN)


@dataclass(frozen=True, order=True)
class Entry:
    """A manifest that the index of a layout names: of which repository it is, and its tag there, if any."""

    repository: str
    tag: str
    digest: str

    @property
    def is_image(self) -> bool:
        """Whether it has a name to be found by, or is of a program that gives none, rather than being about another."""
        return subject_of_tag(self.tag) is None if self.tag else not self.repository


class Layout:
    """A layout in a directory. Files are written beside their place first, so what is in place is whole."""

    def __init__(self, root: Path, warn: Callable[[str], None] = lambda _warning: None) -> None:
        """Use ``root``, which need not be there yet. ``warn`` is told when it cannot be locked."""
        self.root = root
        self._warn = warn

    def exists(self) -> bool:
        """Tell whether there is a layout."""
        return (self.root / "oci-layout").is_file()

    @contextmanager
    def lock(self, *, shared: bool) -> Iterator[None]:
        """Keep others from changing the layout, and unless ``shared`` from reading it; raise ``busy`` where one does.

        It is the directory itself that is locked, so nothing is written for it, and it ends with the process at the
        latest. File systems without such locks are warned of. Without a directory there is nothing to lock.
        """
        if not self.root.is_dir():
            yield
            return
        descriptor = os.open(self.root, os.O_RDONLY)
        try:
            try:
                fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
            except BlockingIOError:
                raise RegistryError(
                    BUSY,
                    f"Another export or import is at work on {self.root}.",
                    "Wait until it has ended, and run again.",
                ) from None
            except OSError as error:
                self._warn(
                    f"{self.root} cannot be locked: {error.strerror}. See to it that no other export or import works "
                    "on it at the same time."
                )
            yield
        finally:
            os.close(descriptor)

    def create(self) -> None:
        """Make an empty layout where there is none."""
        (self.root / "blobs" / "sha256").mkdir(parents=True, exist_ok=True)
        _write(self.root / "oci-layout", json.dumps(_VERSION).encode())

    def blob(self, digest: str) -> Path:
        """Return where a blob is, or would be."""
        algorithm, _colon, value = digest.partition(":")
        return self.root / "blobs" / algorithm / value

    def part(self, digest: str) -> Path:
        """Return where a blob is until it is whole."""
        path = self.blob(digest)
        return path.with_name(path.name + ".part")

    def is_whole(self, digest: str, size: int) -> bool:
        """Tell whether a blob is there, with the right bytes, and not as a link to a file elsewhere."""
        path = self.blob(digest)
        return (
            path.is_file() and not path.is_symlink() and path.stat().st_size == size and hash_of(path, digest) == digest
        )

    def verify(self, digest: str, size: int) -> None:
        """Raise CorruptArchive, naming the file, unless a blob is there and whole."""
        path = self.blob(digest)
        if not path.is_file():
            raise CorruptArchive(f"The archive lacks the file {path}.")
        if path.stat().st_size != size:
            raise CorruptArchive(f"{path} has {path.stat().st_size} bytes, and should have {size}.")
        if hash_of(path, digest) != digest:
            raise CorruptArchive(f"{path} is corrupt: its content has another digest than its name.")

    def manifest(self, digest: str) -> Manifest:
        """Return a manifest of the layout, verified."""
        path = self.blob(digest)
        if not digest.startswith("sha256:"):
            raise CorruptArchive(f"{path} is no manifest that can be used: its digest is no sha256.")
        if path.is_file() and path.stat().st_size > _LARGEST_MANIFEST:
            raise CorruptArchive(f"{path} is too large to be a manifest.")
        self.verify(digest, path.stat().st_size if path.is_file() else 0)
        return parse_manifest(path.read_bytes(), source=str(path))

    def read(self, digest: str, limit: int, what: str) -> bytes:
        """Return a blob, verified; raise CorruptArchive when it is missing, spoilt, or has over ``limit`` bytes."""
        path = self.blob(digest)
        try:
            with path.open("rb") as file:
                raw = file.read(limit + 1)
        except OSError as error:
            raise CorruptArchive(f"{what} cannot be read from {path}: {error.strerror}.") from error
        if len(raw) > limit:
            raise CorruptArchive(f"{what} is in {path}, which has more than {limit} bytes.")
        algorithm, _colon, value = digest.partition(":")
        if hashlib.new(algorithm, raw).hexdigest() != value:
            raise CorruptArchive(f"{path} is corrupt: its content has another digest than its name.")
        return raw

    def write_manifest(self, manifest: Manifest) -> bool:
        """Put a manifest into the layout; return whether it was not there."""
        if self.is_whole(manifest.digest, len(manifest.raw)):
            return False
        _write(self.blob(manifest.digest), manifest.raw)
        return True

    def entries(self) -> list[Entry]:
        """Return what the index names, sorted; raise CorruptArchive for an index that cannot be used."""
        path = self._index
        try:
            return sorted({_entry(item, path) for item in self._listed()})
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise CorruptArchive(f"{path} is no index of an OCI layout.") from error

    def _listed(self) -> list[Any]:
        path = self._index
        try:
            if path.stat().st_size > _LARGEST_INDEX:
                raise CorruptArchive(f"{path} is too large to be an index.")
            return list(json.loads(path.read_bytes())["manifests"])
        except OSError as error:
            raise CorruptArchive(f"{path} cannot be read: {error.strerror}.") from error
        except (KeyError, RecursionError, TypeError, ValueError) as error:
            raise CorruptArchive(f"{path} is no index of an OCI layout.") from error

    def write_index(self, entries: list[Entry], manifests: dict[str, Manifest]) -> bool:
        """Write the index; return whether that changed it."""
        if self.has_index(entries, manifests):
            return False
        _write(self._index, _index_of(entries, manifests))
        return True

    def has_index(self, entries: list[Entry], manifests: dict[str, Manifest]) -> bool:
        """Tell whether the index is there as it would be written."""
        return self._index.is_file() and self._index.read_bytes() == _index_of(entries, manifests)

    @property
    def _index(self) -> Path:
        return self.root / "index.json"

    def insist_on_own_images(self) -> None:
        """Raise ValueError where something is that no export put there, or may be: an export would remove it.

        Every image of an export says of which repository it is. An index that is missing is that of an export which
        was interrupted. A directory that was elsewhere may have links in place of folders, and files would be removed
        and written where they lead to.
        """
        blobs = self.root / "blobs"
        for folder in (self.root, blobs, *(blobs / algorithm for algorithm in _HEX_DIGITS)):
            if folder.is_symlink():
                raise ValueError(
                    f"{folder} is a symbolic link, which no export makes. Name the directory itself; or empty this "
                    "one, and find out who had it in between."
                )
        if self.root.exists() and not self.exists() and any(self.root.iterdir()):
            raise ValueError(f"{self.root} is not empty, and no OCI layout. Name a new directory, or empty this one.")
        if not os.path.lexists(self._index):
            return
        try:
            ours = [bool(item["annotations"][REPOSITORY]) for item in self._listed()]
        except (CorruptArchive, KeyError, TypeError):
            ours = [False]
        if not all(ours):
            raise ValueError(
                f"{self._index} names images of another program, or cannot be read, and an export would remove what it "
                "does not know. Name another folder; or remove that file, if an export wrote it and it is damaged."
            )

    def others(self, wanted: set[str]) -> Iterator[Path]:
        """Return the files of blobs that are not in ``wanted``, and of transfers that nobody will go on with.

        What has another name is of somebody else.
        """
        for algorithm, digits in _HEX_DIGITS.items():
            folder = self.root / "blobs" / algorithm
            names = {digest.partition(":")[2] for digest in wanted if digest.startswith(f"{algorithm}:")}
            ours = re.compile(rf"[0-9a-f]{{{digits}}}(?:\.part|\.new)?")
            for path in sorted(folder.iterdir()) if folder.is_dir() and not folder.is_symlink() else ():
                if path.name not in names and ours.fullmatch(path.name) and (path.is_symlink() or not path.is_dir()):
                    yield path


def _entry(item: dict[str, Any], path: Path) -> Entry:
    annotations = item.get("annotations") or {}
    repository, tag = annotations.get(REPOSITORY) or "", annotations.get(TAG) or ""
    name = annotations.get(REF_NAME) or ""
    if not repository and is_tag(name):
        # Of another tool, which names tags only.
        tag = name
    # Manifests are known here by their sha256, as registries have them.
    usable = is_digest(item["digest"]) and item["digest"].startswith("sha256:")
    sound = usable and (not repository or is_repository(repository)) and (not tag or is_tag(tag))
    if not sound:
        raise CorruptArchive(f"{path} has an entry that cannot be used: {json.dumps(item)[:200]}.")
    return Entry(repository, tag, item["digest"])


def _index_of(entries: list[Entry], manifests: dict[str, Manifest]) -> bytes:
    several = len({entry.repository for entry in entries}) > 1
    document = {
        "schemaVersion": 2,
        "mediaType": OCI_INDEX,
        "manifests": [_item(entry, manifests[entry.digest], several) for entry in sorted(entries)],
    }
    return json.dumps(document, indent=1, sort_keys=True).encode() + b"\n"


def _item(entry: Entry, manifest: Manifest, several: bool) -> dict[str, Any]:
    annotations = {REPOSITORY: entry.repository}
    if entry.tag:
        annotations[TAG] = entry.tag
        annotations[REF_NAME] = f"{entry.repository}:{entry.tag}" if several else entry.tag
    return {
        "mediaType": manifest.media_type,
        "digest": manifest.digest,
        "size": len(manifest.raw),
        "annotations": annotations,
    }


def hash_of(path: Path, like: str) -> str:
    """Return the digest of a file, of the same kind as ``like``."""
    algorithm = like.partition(":")[0]
    state = hashlib.new(algorithm)
    with path.open("rb") as file:
        while True:
            piece = file.read(_PIECE)
            if not piece:
                return f"{algorithm}:{state.hexdigest()}"
            state.update(piece)


def open_part(path: Path) -> BinaryIO:
    """Open what is there of a blob, to read it and append to it. What an export cannot have left is removed first."""
    if os.path.lexists(path):
        status = path.lstat()
        if not stat.S_ISREG(status.st_mode) or status.st_nlink > 1:
            path.unlink()
    return os.fdopen(os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW, 0o666), "a+b")


def _write(path: Path, raw: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(path.name + ".new")
    # It may be a link to something else.
    beside.unlink(missing_ok=True)
    with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o666), "wb") as file:
        file.write(raw)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)
