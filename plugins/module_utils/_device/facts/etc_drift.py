# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Entries of /etc that differ from what the image brings.

On ostree the image's are in /usr/etc, and the two are compared here: by kind, owner, mode and size, and the content
only where those agree. On composefs ``bootc config-diff`` says it (hidden, coloured even into a pipe).
"""

from __future__ import annotations

import os
import re
import stat
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Iterator

from ..command import Run
from ..root import device_path
from .probe import PROBE_SECONDS, ask

IMAGE_ETC = "/usr/etc"
ETC = "/etc"
MOST_LISTED = 100
MOST_COMPARED = 50_000
MOST_BYTES = 64 * 1024 * 1024
LONGEST_PATH = 400
CONFIG_DIFF = ("bootc", "config-diff")

_ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_LINE = re.compile(r'(Added|Modified|Removed):? +"((?:[^"\\]|\\.)*)"\s*\Z')
_QUOTED = re.compile(r"\\(?:u\{([0-9a-fA-F]{1,6})\}|(.))")
_LETTERS = {"n": "\n", "t": "\t", "r": "\r", "0": "\0"}
_CHUNK = 64 * 1024


@dataclass(frozen=True)
class Difference:
    """One entry: ``change`` is ``added``, ``modified`` or ``removed``, seen from the image."""

    path: str
    change: str

    def as_dict(self) -> dict[str, str]:
        return {"path": self.path[:LONGEST_PATH], "change": self.change}


@dataclass(frozen=True)
class Drift:
    """How /etc differs. ``count`` is None for unknown; with ``complete`` False there may be more than were counted.

    A directory that was added or removed counts once, with all that is in it.
    """

    count: int | None = None
    complete: bool = False
    differences: tuple[Difference, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        return {
            "count": self.count,
            "complete": self.complete,
            "entries": [each.as_dict() for each in self.differences],
        }


UNKNOWN = Drift()


class _Enough(Exception):
    """The bounds of the comparison are reached."""


class _Budget:
    """How much may still be looked at."""

    def __init__(self, entries: int, content: int, seconds: float, clock: Callable[[], float]) -> None:
        self.entries = entries
        self.content = content
        self.clock = clock
        self.end = clock() + seconds

    def entry(self) -> None:
        self.entries -= 1
        if self.entries < 0 or self.clock() >= self.end:
            raise _Enough

    def read(self, size: int) -> None:
        self.content -= size
        if self.content < 0 or self.clock() >= self.end:
            raise _Enough


def compare(
    image: Path,
    running: Path,
    seconds: float,
    *,
    entries: int = MOST_COMPARED,
    content: int = MOST_BYTES,
    clock: Callable[[], float] = time.monotonic,
) -> Drift:
    """Differences between two directories, at most so many entries, bytes of content and seconds of them."""
    found: list[Difference] = []
    budget = _Budget(entries, content, seconds, clock)
    complete = True
    try:
        for difference in _walk(image, running, "", budget):
            found.append(difference)
    except _Enough:
        complete = False
    return Drift(len(found), complete, tuple(found[:MOST_LISTED]))


def _walk(image: Path, running: Path, below: str, budget: _Budget) -> Iterator[Difference]:
    theirs, ours = _entries(image), _entries(running)
    for name in sorted(theirs.keys() | ours.keys()):
        budget.entry()
        path = f"{below}{_printable(name)}"
        before, after = theirs.get(name), ours.get(name)
        if before is None or after is None:
            yield Difference(path, "added" if before is None else "removed")
            continue
        if _differ(image / name, before, running / name, after, budget):
            yield Difference(path, "modified")
        if stat.S_ISDIR(before.st_mode) and stat.S_ISDIR(after.st_mode):
            yield from _walk(image / name, running / name, f"{path}/", budget)


def _entries(directory: Path) -> dict[str, os.stat_result]:
    entries = {}
    try:
        with os.scandir(str(directory)) as listing:
            for entry in listing:
                try:
                    entries[entry.name] = entry.stat(follow_symlinks=False)
                except OSError:
                    continue  # gone meanwhile
    except OSError:
        return {}
    return entries


def _differ(image: Path, before: os.stat_result, running: Path, after: os.stat_result, budget: _Budget) -> bool:
    if (before.st_mode, before.st_uid, before.st_gid) != (after.st_mode, after.st_uid, after.st_gid):
        return True
    try:
        if stat.S_ISLNK(before.st_mode):
            return os.readlink(str(image)) != os.readlink(str(running))
        if stat.S_ISREG(before.st_mode):
            return before.st_size != after.st_size or not _same_content(image, running, before.st_size, budget)
    except OSError:
        return False  # what cannot be read cannot be said to differ
    return False


def _same_content(one: Path, other: Path, size: int, budget: _Budget) -> bool:
    budget.read(size)
    with one.open("rb") as first, other.open("rb") as second:
        while True:
            chunk = first.read(_CHUNK)
            if chunk != second.read(_CHUNK):
                return False
            if not chunk:
                return True


def _printable(name: str) -> str:
    return os.fsencode(name).decode("utf-8", "replace")


def parse_config_diff(text: str) -> Drift:
    """Lines ``Added "path"`` of ``bootc config-diff``, quoted as Rust quotes texts."""
    found = []
    for line in text.splitlines():
        match = _LINE.match(_ANSI.sub("", line).strip())
        if match:
            found.append(Difference(_unquote(match.group(2)).lstrip("/"), match.group(1).lower()))
    return Drift(len(found), True, tuple(found[:MOST_LISTED]))


def _unquote(text: str) -> str:
    def plain(found: re.Match[str]) -> str:
        if found.group(1) is None:
            return _LETTERS.get(found.group(2), found.group(2))
        number = int(found.group(1), 16)
        return chr(number) if number < 0xD800 or 0xDFFF < number <= 0x10FFFF else "\ufffd"

    return _QUOTED.sub(plain, text)


def read_drift(run: Run, backend: str | None, timeout: float = PROBE_SECONDS) -> Drift:
    """The differences on a host of this backend, ``ostree`` or ``composefs``; ``UNKNOWN`` on others."""
    if backend == "composefs":
        told = ask(run, CONFIG_DIFF, timeout)
        return UNKNOWN if told is None else parse_config_diff(told)
    image, running = device_path(IMAGE_ETC), device_path(ETC)
    if backend != "ostree" or not image.is_dir() or not running.is_dir():
        return UNKNOWN
    return compare(image, running, timeout)
