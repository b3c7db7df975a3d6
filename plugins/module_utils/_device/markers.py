# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the device remembers about its rollbacks, so that going back twice does not go forward again.

Of two contents the last rollback between them counts. Going forward on purpose makes the device forget.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timezone

from .kept import write_kept
from .root import device_path

ROLLBACKS = "/var/lib/skorionos.bootc/rollbacks.json"
KEEP = 50


@dataclass(frozen=True)
class RollbackMark:
    """The device went from one digest back to another."""

    left: str
    returned_to: str
    at: str

    @classmethod
    def now(cls, left: str, returned_to: str) -> RollbackMark:
        return cls(left, returned_to, datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"))


def read_rollbacks() -> tuple[RollbackMark, ...]:
    """All rollbacks the device remembers, newest last. A file that makes no sense is no memory."""
    try:
        entries = json.loads(device_path(ROLLBACKS).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return ()
    parsed = map(_mark, entries) if isinstance(entries, list) else ()
    return tuple(mark for mark in parsed if mark is not None)


def _mark(entry: object) -> RollbackMark | None:
    if not isinstance(entry, dict):
        return None
    left, returned_to, at = entry.get("from"), entry.get("to"), entry.get("at")
    if isinstance(left, str) and isinstance(returned_to, str) and isinstance(at, str):
        return RollbackMark(left, returned_to, at)
    return None


def remember_rollback(mark: RollbackMark) -> None:
    """Add one rollback; it is on the disk, or there was an OSError, when this returns."""
    _keep((*read_rollbacks(), mark))


def forget_rollbacks(one: str, other: str, *, only_last: bool = False) -> None:
    """Drop what is remembered about these two digests, or only the last of it; the same holds when this returns."""
    marks = read_rollbacks()
    between = [mark for mark in marks if {mark.left, mark.returned_to} == {one, other}]
    dropped = between[-1:] if only_last else between
    if dropped:
        _keep(tuple(mark for mark in marks if mark not in dropped))


def _keep(marks: tuple[RollbackMark, ...]) -> None:
    entries = [{"from": each.left, "to": each.returned_to, "at": each.at} for each in marks[-KEEP:]]
    write_kept(device_path(ROLLBACKS), json.dumps(entries, indent=1) + "\n")
