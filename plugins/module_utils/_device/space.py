# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How much room is left where a device keeps its deployments and its kernels, as ``findmnt`` tells it.

bootc needs findmnt as well. What is not mounted, or not told, is None.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from .command import CommandTimeout, CommandUnusable, Run

SECONDS = 10.0
SYSROOT = "/sysroot"
# Where kernels are, on a partition of their own: the boot loader's (ESP) or one for all.
BOOT_PLACES = ("/boot", "/efi", "/boot/efi")
_NOT_A_DISK = ("autofs", "overlay", "tmpfs", "erofs", "squashfs")


@dataclass(frozen=True)
class FileSystem:
    """One file system; sizes in bytes."""

    mount: str
    source: str
    size: int
    free: int

    def as_dict(self) -> dict[str, Any]:
        return {"mount": self.mount, "size_bytes": self.size, "free_bytes": self.free}


@dataclass(frozen=True)
class Space:
    """``system`` holds deployments and images, ``boot`` the kernels where they are not on the same file system."""

    system: FileSystem | None = None
    boot: FileSystem | None = None

    def as_dict(self) -> dict[str, Any]:
        return {
            "system": None if self.system is None else self.system.as_dict(),
            "boot": None if self.boot is None else self.boot.as_dict(),
        }


def read_space(run: Run) -> Space:
    """Ask for each place by itself: a listing of all would wait for network file systems that do not answer."""
    system = _find(run, "--target", SYSROOT)
    for place in BOOT_PLACES:
        boot = _find(run, "--mountpoint", place)
        if boot is not None and (system is None or boot.source != system.source):
            return Space(system, boot)
    return Space(system)


def freed(before: FileSystem | None, after: FileSystem | None) -> int | None:
    """Bytes that are free now and were not; negative when there is less. None where that is not known."""
    return None if before is None or after is None else after.free - before.free


def _find(run: Run, *place: str) -> FileSystem | None:
    argv = ("findmnt", "--json", "--bytes", "--output", "TARGET,SOURCE,FSTYPE,SIZE,AVAIL", *place)
    try:
        done = run(argv, SECONDS)
    except (CommandUnusable, CommandTimeout):
        return None
    return parse_file_system(done.out) if done.rc == 0 else None


def parse_file_system(text: str) -> FileSystem | None:
    """Output of ``findmnt --json --bytes``. Of several mounts on one place the last one covers the others."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return None
    entries = document.get("filesystems") if isinstance(document, dict) else None
    entry = entries[-1] if isinstance(entries, list) and entries else None
    if not isinstance(entry, dict) or entry.get("fstype") in _NOT_A_DISK:
        return None
    size, free = _bytes(entry.get("size")), _bytes(entry.get("avail"))
    if size is None or free is None:
        return None
    return FileSystem(str(entry.get("target")), str(entry.get("source")), size, free)


def _bytes(value: object) -> int | None:
    """A number, or a text of digits as old versions of findmnt write it."""
    if isinstance(value, str) and value.isdigit():
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None
