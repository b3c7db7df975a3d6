# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Zstandard, from whichever library this Python has. PRIVATE to the collection."""

from __future__ import annotations

import importlib
import io
from types import ModuleType
from typing import IO, Any, Callable, cast

Unpack = Callable[[bytes, int], bytes]
"""Unpacks frame after frame to no more than so many bytes; raises ``ValueError`` for more, and for what is no frame."""

MISSING = (
    "Zstandard cannot be unpacked here. Install the package zstandard for the Python that runs the module, or let "
    "Python 3.14 or newer run it."
)


def unpacker() -> Unpack | None:
    """Return what unpacks, or none when neither Python 3.14 nor the package zstandard is there."""
    built_in, package = _module("compression.zstd"), _module("zstandard")
    if built_in is not None:
        return lambda packed, limit: _built_in(built_in, packed, limit)
    if package is not None:
        return lambda packed, limit: _package(package, packed, limit)
    return None


def open_stream(packed: IO[bytes]) -> IO[bytes] | None:
    """Return what ``packed`` unpacks to, frame after frame, as a file; none when there is no library for it.

    Reading what is no Zstandard raises ``ValueError`` or ``EOFError``.
    """
    built_in, package = _module("compression.zstd"), _module("zstandard")
    if built_in is not None:
        return cast(IO[bytes], _Stream(built_in.ZstdFile(packed), built_in.ZstdError))
    if package is not None:
        reader = package.ZstdDecompressor().stream_reader(packed, read_across_frames=True)
        return cast(IO[bytes], _Stream(reader, package.ZstdError))
    return None


class _Stream(io.RawIOBase):
    """A library's stream, with errors that callers know."""

    def __init__(self, stream: Any, error: type[Exception]) -> None:
        super().__init__()
        self._stream = stream
        self._error = error

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        try:
            return int(self._stream.readinto(buffer))
        except self._error as error:
            raise ValueError(f"it is not Zstandard: {error}") from error


def _module(name: str) -> ModuleType | None:
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


def _built_in(zstd: ModuleType, packed: bytes, limit: int) -> bytes:
    try:
        # A decompressor ends with its first frame. Files in zstd:chunked layers have a frame for each of their chunks.
        with zstd.ZstdFile(io.BytesIO(packed)) as reader:
            unpacked: bytes = reader.read(limit + 1)
    except (EOFError, zstd.ZstdError) as error:
        raise ValueError(f"it is not Zstandard: {error}") from error
    return _within(unpacked, limit)


def _package(zstandard: ModuleType, packed: bytes, limit: int) -> bytes:
    try:
        with zstandard.ZstdDecompressor().stream_reader(io.BytesIO(packed), read_across_frames=True) as reader:
            unpacked: bytes = reader.read(limit + 1)
    except zstandard.ZstdError as error:
        raise ValueError(f"it is not Zstandard: {error}") from error
    return _within(unpacked, limit)


def _within(unpacked: bytes, limit: int) -> bytes:
    if len(unpacked) > limit:
        raise ValueError(f"it unpacks to more than {limit} bytes")
    return unpacked
