# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How long the last boots took, kept on the device so that a slower one can be told from them."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass

from .root import device_path

BOOTS = "/var/lib/skorionos.bootc/boot_times.json"
KEEP = 10


@dataclass(frozen=True)
class Boot:
    """One boot by the kernel's identity of it, and the seconds it took."""

    boot_id: str
    seconds: float


def read_boots() -> tuple[Boot, ...]:
    """The boots the device remembers, newest last. A file that makes no sense is no memory."""
    try:
        entries = json.loads(device_path(BOOTS).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return ()
    parsed = map(_boot, entries) if isinstance(entries, list) else ()
    return tuple(boot for boot in parsed if boot is not None)


def _boot(entry: object) -> Boot | None:
    if not isinstance(entry, dict):
        return None
    boot_id, seconds = entry.get("boot_id"), entry.get("seconds")
    if isinstance(boot_id, str) and isinstance(seconds, (int, float)) and not isinstance(seconds, bool):
        return Boot(boot_id, float(seconds)) if 0 < seconds < float("inf") else None
    return None


def previous_boot(boot_id: str | None) -> Boot | None:
    """The last boot before this one that the device remembers."""
    others = [boot for boot in read_boots() if boot.boot_id != boot_id]
    return others[-1] if others else None


def remember_boot(boot: Boot) -> None:
    """Keep this boot as the newest one. Raises OSError.

    It is written only once for each boot, and need not survive a loss of power: what gets lost is one comparison.
    """
    known = read_boots()
    if known and known[-1].boot_id == boot.boot_id:
        return
    boots = [*(each for each in known if each.boot_id != boot.boot_id), boot][-KEEP:]
    path = device_path(BOOTS)
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    text = json.dumps([{"boot_id": each.boot_id, "seconds": each.seconds} for each in boots], indent=1)
    draft.write_text(text + "\n", encoding="utf-8")
    draft.replace(path)
