# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The journal of channels: JSON lines in one file, only ever added to, each on disk before the next step is taken."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from .model import ChannelError, Entry, entry_of


def read_journal(path: Path) -> list[Entry]:
    """Every entry, oldest first; none when the file does not exist.

    A line that is not whole at the end of the file is what a killed process left, which had not acted on it yet.
    """
    try:
        lines = path.read_bytes().split(b"\n")
    except FileNotFoundError:
        return []
    except OSError as error:
        raise _trouble("read", path, error) from error
    entries = []
    for number, line in enumerate(lines[:-1], 1):
        try:
            entries.append(entry_of(json.loads(line)))
        except (KeyError, TypeError, ValueError) as error:
            raise ChannelError(
                f"Line {number} of the journal {path} is not one that this collection wrote.",
                "Mend the file, or name another with bootc_channel_journal.",
                "journal",
            ) from error
    return entries


@contextmanager
def open_journal(path: Path) -> Iterator[Journal]:
    """The journal, kept from other processes on this machine until the end of the block; made when it is not there."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("a+b")
    except OSError as error:
        raise _trouble("write", path, error) from error
    with file:
        fcntl.flock(file.fileno(), fcntl.LOCK_EX)
        yield Journal(path, file)


class Journal:
    """A journal that is open for writing."""

    def __init__(self, path: Path, file: BinaryIO) -> None:
        self.path = path
        self._file = file

    def read(self) -> list[Entry]:
        """Every entry, oldest first."""
        return read_journal(self.path)

    def append(self, entries: Sequence[Entry]) -> None:
        """Add entries and have them on disk; raises ChannelError when that cannot be."""
        content = b"".join(json.dumps(e.as_dict(), ensure_ascii=False).encode() + b"\n" for e in entries)
        try:
            self._drop_torn_line()
            self._file.write(content)
            self._file.flush()
            os.fsync(self._file.fileno())
            folder = os.open(self.path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
        except OSError as error:
            raise _trouble("write", self.path, error) from error

    def _drop_torn_line(self) -> None:
        content = self.path.read_bytes()
        whole = content.rfind(b"\n") + 1
        if whole < len(content):
            os.ftruncate(self._file.fileno(), whole)


def _trouble(verb: str, path: Path, error: OSError) -> ChannelError:
    return ChannelError(
        f"Cannot {verb} the journal {path}: {error.strerror}.",
        "Without a journal nothing is moved. Name a file that can be written with bootc_channel_journal.",
        "journal",
    )
