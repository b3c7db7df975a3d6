# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether what runs is what the image brings: read-only root, composefs, fs-verity, an overlay on /usr, /etc."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Sequence

from ..command import Run
from ..root import device_path
from .etc_drift import UNKNOWN as UNKNOWN_DRIFT
from .etc_drift import Drift, read_drift
from .mounts import Mount, mounted_at, read_mounts
from .probe import PROBE_SECONDS, read_text

OSTREE_BOOTED = "/run/ostree-booted"
_HEX = re.compile(r"\??[0-9a-f]{32,128}\Z")


@dataclass(frozen=True)
class CommandLine:
    """What the kernel was told: ``composefs`` is the digest of the root, ``verity_optional`` its ``?`` in front."""

    ostree: bool = False
    composefs: str | None = None
    verity_optional: bool = False


@dataclass(frozen=True)
class Integrity:
    """``backend`` is ``ostree``, ``composefs`` or None for a host that is neither.

    ``composefs`` says whether the root is mounted with it, which ostree can do too. ``fs_verity`` is ``required`` (a
    file that was changed on disk cannot be read), ``optional`` or ``off``. None is unknown.
    """

    backend: str | None = None
    root_read_only: bool | None = None
    usr_read_only: bool | None = None
    composefs: bool | None = None
    fs_verity: str | None = None
    usr_overlay: bool | None = None
    etc: Drift = UNKNOWN_DRIFT

    def as_dict(self) -> dict[str, Any]:
        return {
            "backend": self.backend,
            "root_read_only": self.root_read_only,
            "usr_read_only": self.usr_read_only,
            "composefs": self.composefs,
            "fs_verity": self.fs_verity,
            "usr_overlay": self.usr_overlay,
            "etc": self.etc.as_dict(),
        }


def parse_command_line(text: str) -> CommandLine:
    """The kernel's command line. Of several ``composefs=`` the last one counts."""
    ostree, composefs = False, None
    for word in text.split():
        name, _equals, value = word.partition("=")
        if name == "ostree" and value:
            ostree = True
        elif name == "composefs" and _HEX.match(value):
            composefs = value
    return CommandLine(ostree, None if composefs is None else composefs.lstrip("?"), (composefs or "").startswith("?"))


def judge(line: CommandLine | None, mounts: Sequence[Mount] | None, ostree_booted: bool) -> Integrity:
    """All but /etc. ``line`` and ``mounts`` are None where they could not be read."""
    backend = None
    if line is not None and line.composefs is not None:
        backend = "composefs"
    elif ostree_booted or (line is not None and line.ostree):
        backend = "ostree"
    root = None if mounts is None else mounted_at(mounts, "/")
    if mounts is None or root is None:
        return Integrity(backend, composefs=True if backend == "composefs" else None, fs_verity=_by_line(line))
    usr = mounted_at(mounts, "/usr")
    composefs = backend == "composefs" or _is_composefs(root)
    return Integrity(
        backend=backend,
        root_read_only=root.read_only,
        usr_read_only=(usr or root).read_only,
        composefs=composefs,
        fs_verity=_verity(line, root) if composefs else None if backend is None else "off",
        usr_overlay=usr is not None and usr.kind == "overlay",
    )


def _is_composefs(root: Mount) -> bool:
    source = root.source.rpartition("transient:")[2]
    return root.kind in ("overlay", "erofs", "composefs") and source.startswith("composefs")


def _by_line(line: CommandLine | None) -> str | None:
    if line is None or line.composefs is None:
        return None
    return "optional" if line.verity_optional else "required"


def _verity(line: CommandLine | None, root: Mount) -> str:
    return _by_line(line) or ("required" if "verity=require" in root.options else "off")


def read_integrity(run: Run, timeout: float = PROBE_SECONDS) -> Integrity:
    """The integrity of the running system."""
    text = read_text("/proc/cmdline")
    line = None if text is None else parse_command_line(text)
    seen = judge(line, read_mounts(), device_path(OSTREE_BOOTED).exists())
    etc = read_drift(run, seen.backend, timeout)
    return Integrity(
        seen.backend,
        seen.root_read_only,
        seen.usr_read_only,
        seen.composefs,
        seen.fs_verity,
        seen.usr_overlay,
        etc,
    )
