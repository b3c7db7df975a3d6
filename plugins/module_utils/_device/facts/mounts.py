# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is mounted where, from /proc/self/mountinfo (its format: proc_pid_mountinfo(5))."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Sequence

from .probe import read_text

PATH = "/proc/self/mountinfo"
LIMIT = 4 * 1024 * 1024
_ESCAPE = re.compile(r"\\([0-7]{3})")


@dataclass(frozen=True)
class Mount:
    """One mount: ``options`` are those of the mount and of the file system together."""

    target: str
    kind: str
    source: str
    options: tuple[str, ...]

    @property
    def read_only(self) -> bool:
        return "ro" in self.options


def parse(text: str) -> tuple[Mount, ...]:
    """All mounts in the order of the kernel. Lines that are none are left out."""
    mounts = []
    for line in text.splitlines():
        left, separator, right = line.partition(" - ")
        before, after = left.split(" "), right.split(" ")
        if separator and len(before) >= 6 and len(after) >= 3:
            options = [*before[5].split(","), *after[2].split(",")]
            mounts.append(Mount(_plain(before[4]), after[0], _plain(after[1]), tuple(options)))
    return tuple(mounts)


def _plain(text: str) -> str:
    return _ESCAPE.sub(lambda found: chr(int(found.group(1), 8)), text)


def mounted_at(mounts: Sequence[Mount], target: str) -> Mount | None:
    """What is seen at ``target``: of several mounts on one place the last one covers the others."""
    return next((mount for mount in reversed(mounts) if mount.target == target), None)


def read_mounts() -> tuple[Mount, ...] | None:
    """The mounts this process sees, or None where they cannot be read."""
    text = read_text(PATH, LIMIT)
    return parse(text) if text else None
