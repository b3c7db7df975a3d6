# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images in OCI layouts on disk, read the way those in registries are. PRIVATE to the collection."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from .errors import NOT_FOUND, UNSUPPORTED, InvalidReference, RegistryError
from .layout import CorruptArchive, Layout
from .manifest import Manifest
from .reading import ImageReader
from .reference import Reference, is_digest, is_repository, is_tag, parse_reference

_SCHEME = "oci:"
_HOST_CALLED_OCI = re.compile(r"oci:[0-9]{1,5}/")


@dataclass(frozen=True)
class LayoutReference(Reference):
    """An image in a layout: the directory, the repository that it came from if that is said, and which one there."""

    root: Path = Path()

    @property
    def name(self) -> str:
        """The directory, with the repository if that is said."""
        return f"{_SCHEME}{self.root}{f':{self.repository}' if self.repository else ''}"

    def __str__(self) -> str:
        """Write the reference the way :func:`parse_image` reads it."""
        tag = f":{self.tag}" if self.tag else ""
        digest = f"@{self.digest}" if self.digest else ""
        return f"{self.name}{tag}{digest}"


def layout_reference(root: Path, repository: str = "") -> LayoutReference:
    """Return a reference into a layout, without tag and digest."""
    return LayoutReference(registry=_SCHEME, repository=repository, root=root)


def parse_image(text: str) -> Reference:
    """Read a reference to a registry, or ``oci:PATH[:[repository:]tag][@digest]``; raise :exc:`InvalidReference`.

    A path may start with ``~``, and has neither ``:`` nor ``@`` in it.
    """
    if not text.startswith(_SCHEME) or _HOST_CALLED_OCI.match(text):
        return parse_reference(text)
    rest, at, digest = text[len(_SCHEME) :].partition("@")
    path, _colon, named = rest.partition(":")
    repository, _colon, tag = named.rpartition(":")
    wrong = (
        "it names no directory"
        if not path
        else f"'{digest}' is not a digest"
        if at and not is_digest(digest)
        else f"'{tag}' is not a tag"
        if named and not is_tag(tag)
        else f"'{repository}' is not a repository path"
        if repository and not is_repository(repository)
        else ""
    )
    if wrong:
        raise InvalidReference(f"'{text}' is not an image in a directory: {wrong}. Write it as oci:PATH:tag.")
    try:
        root = Path(path).expanduser()
    except RuntimeError as error:
        raise InvalidReference(f"'{text}' is not an image in a directory: {error}") from error
    return LayoutReference(_SCHEME, repository, tag or None, digest or None, root)


class LayoutReader(ImageReader):
    """Reads images of :class:`LayoutReference`. What it gives is verified by its digest, all but parts of blobs."""

    def get_manifest(self, reference: Reference) -> Manifest:
        """Return a manifest or index; raise ``not_found`` for one that the layout does not have.

        Raises ``unsupported`` for a directory that is no layout.
        """
        layout = _layout_of(reference)
        if not layout.exists():
            # Not "not found": an image may be gone from a directory, but this is another directory than was meant.
            raise RegistryError(
                UNSUPPORTED, f"{layout.root} is no OCI layout.", "Name a directory that an export made."
            )
        digest = reference.digest or _named(layout, reference)
        if not layout.blob(digest).is_file():
            raise RegistryError(NOT_FOUND, f"{layout.root} has no {digest}.", "Name an image that is in it.")
        return layout.manifest(digest)

    def get_blob_range(self, reference: Reference, digest: str, offset: int, length: int) -> bytes:
        """Return a part of a blob; raise ``unsupported`` when the layout was made without it."""
        path = _layout_of(reference).blob(digest)
        try:
            with path.open("rb") as file:
                file.seek(offset)
                part = file.read(length)
        except FileNotFoundError:
            raise RegistryError(
                UNSUPPORTED, f"There is no {path}.", "Give an archive that was exported with all of its layers."
            ) from None
        except OSError as error:
            raise CorruptArchive(f"{path} cannot be read: {error.strerror}.") from error
        if len(part) != length:
            raise CorruptArchive(f"{path} is cut off.")
        return part

    def has_blob(self, reference: Reference, digest: str) -> bool:
        """Tell whether a layout has a blob, whole or not."""
        return _layout_of(reference).blob(digest).is_file()

    def _read_blob(self, reference: Reference, digest: str, limit: int, what: str) -> bytes:
        return _layout_of(reference).read(digest, limit, what)


class AnyReader(ImageReader):
    """Reads images wherever their references say that they are."""

    def __init__(self, registries: ImageReader) -> None:
        """Use a client for those in registries."""
        self._registries = registries
        self._layouts = LayoutReader()

    def get_manifest(self, reference: Reference) -> Manifest:
        """Return the manifest or index."""
        return self._of(reference).get_manifest(reference)

    def get_blob_range(self, reference: Reference, digest: str, offset: int, length: int) -> bytes:
        """Return a part of a blob."""
        return self._of(reference).get_blob_range(reference, digest, offset, length)

    def _read_blob(self, reference: Reference, digest: str, limit: int, what: str) -> bytes:
        return self._of(reference)._read_blob(reference, digest, limit, what)

    def _of(self, reference: Reference) -> ImageReader:
        return self._layouts if isinstance(reference, LayoutReference) else self._registries


def _layout_of(reference: Reference) -> Layout:
    if not isinstance(reference, LayoutReference):
        raise TypeError(f"{reference} is not in a layout")
    return Layout(reference.root)


def _named(layout: Layout, reference: Reference) -> str:
    """Return the digest of what the index of a layout calls so; without a tag, of its only image."""
    entries = [
        entry
        for entry in layout.entries()
        if (entry.tag == reference.tag if reference.tag else entry.is_image)
        and reference.repository in ("", entry.repository)
    ]
    digests = {entry.digest for entry in entries}
    if not digests:
        raise RegistryError(NOT_FOUND, f"There is no {reference}.", "Name an image that is in that directory.")
    if len(digests) > 1:
        known = ", ".join(sorted(f"{entry.repository}:{entry.tag}" for entry in entries)[:20])
        raise RegistryError(NOT_FOUND, f"{reference} may be more than one image: {known}.", "Say which one is meant.")
    return digests.pop()
