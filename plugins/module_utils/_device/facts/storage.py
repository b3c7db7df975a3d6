# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Space on the file systems an update needs, as ``findmnt`` tells it.

Each place is asked for by itself: a listing of everything would wait for network file systems that do not answer.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from ..command import Run
from .probe import PROBE_SECONDS, ask, whole_number

COLUMNS = "TARGET,SOURCE,FSTYPE,SIZE,AVAIL"
# Where the boot loader's partition is mounted, when it is. On systemd-boot systems it may be /boot itself.
ESP_PLACES = ("/efi", "/boot/efi", "/boot")
_NOT_A_DISK = ("autofs", "overlay", "tmpfs", "erofs", "squashfs")


@dataclass(frozen=True)
class Space:
    """One file system: sizes in bytes, ``free`` being what may still be used without privileges."""

    target: str
    kind: str | None
    total: int | None
    free: int | None

    def as_dict(self) -> dict[str, Any]:
        return {"mount": self.target, "fstype": self.kind, "total_bytes": self.total, "free_bytes": self.free}


@dataclass(frozen=True)
class Storage:
    """``system`` holds the deployments, ``esp`` the boot loader, ``boot`` the kernels where they are not on ``esp``.

    ``kernels_on_esp``: they are known to be there, wherever it is mounted.
    """

    system: Space | None = None
    var: Space | None = None
    boot: Space | None = None
    esp: Space | None = None
    kernels_on_esp: bool = False

    @property
    def kernels(self) -> Space | None:
        """Where kernels are kept, if that is a file system of its own. The ESP may have the boot loader only."""
        if self.kernels_on_esp or (self.esp is not None and self.esp.target == "/boot"):
            return self.esp
        return self.boot

    def of_deployments(self) -> dict[str, Any]:
        """Space of what deployments take: their own file system, and that of their kernels."""
        parts = {"system": self.system, "boot": self.kernels}
        return {name: None if part is None else part.as_dict() for name, part in parts.items()}

    def as_dict(self) -> dict[str, Any]:
        parts = {"system": self.system, "var": self.var, "boot": self.boot, "esp": self.esp}
        return {name: None if space is None else space.as_dict() for name, space in parts.items()}


def parse(text: str) -> Space | None:
    """Output of ``findmnt --json --bytes``. Of several mounts on one place the last one covers the others."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return None
    entries = document.get("filesystems") if isinstance(document, dict) else None
    entry = entries[-1] if isinstance(entries, list) and entries else None
    if not isinstance(entry, dict) or not isinstance(entry.get("target"), str):
        return None
    kind = entry.get("fstype")
    return Space(
        entry["target"], kind if isinstance(kind, str) else None, _bytes(entry, "size"), _bytes(entry, "avail")
    )


def _bytes(entry: dict[str, Any], name: str) -> int | None:
    """A number, or a text of digits as old versions write it."""
    value = entry.get(name)
    number = whole_number(value) if isinstance(value, str) else value
    return number if isinstance(number, int) and not isinstance(number, bool) and number >= 0 else None


def _find(run: Run, timeout: float, *place: str) -> Space | None:
    told = ask(run, ("findmnt", "--json", "--bytes", "--output", COLUMNS, *place), timeout)
    return None if told is None else parse(told)


def read_storage(run: Run, timeout: float = PROBE_SECONDS, *, kernels_on_esp: bool = False) -> Storage:
    """Space of the device; each part None where it is not mounted or nobody tells. ``kernels_on_esp`` as in Storage.

    On a bootc host ``/`` is the image, which is always full; /sysroot is the disk.
    """
    system = _find(run, timeout, "--target", "/sysroot") or _find(run, timeout, "--target", "/")
    var = _find(run, timeout, "--target", "/var")
    places = [_find(run, timeout, "--mountpoint", place) for place in ESP_PLACES]
    mounted = [space for space in places if space is not None and space.kind not in _NOT_A_DISK]
    esp = next((space for space in mounted if space.kind in ("vfat", "msdos")), None)
    boot = next((space for space in mounted if space.target == "/boot" and space is not esp), None)
    return Storage(system, var, boot, esp, kernels_on_esp)
