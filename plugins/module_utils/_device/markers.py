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

from .content import Content
from .kept import write_kept
from .root import device_path

ROLLBACKS = "/var/lib/skorionos.bootc/rollbacks.json"
KEEP = 50
# Why a device left a digest, where nobody had asked for it.
FELL_BACK = "fell_back"


@dataclass(frozen=True)
class RollbackMark:
    """The device went from one content back to another; ``why`` is set when it did so by itself."""

    left: Content
    returned_to: Content
    at: str
    why: str | None = None

    @classmethod
    def now(cls, left: Content, returned_to: Content, why: str | None = None) -> RollbackMark:
        return cls(left, returned_to, datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"), why)

    def as_entry(self) -> dict[str, str | None]:
        entry = {
            "from": self.left.digest,
            "from_deployment": self.left.identity,
            "to": self.returned_to.digest,
            "to_deployment": self.returned_to.identity,
            "at": self.at,
        }
        return entry if self.why is None else {**entry, "why": self.why}

    def leads(self, left: Content, returned_to: Content) -> bool:
        """Whether this is a way from the one content to the other."""
        return self.left.is_same(left) and self.returned_to.is_same(returned_to)

    def is_between(self, one: Content, other: Content) -> bool:
        """Whether it leads from one of the two to the other."""
        return self.leads(one, other) or self.leads(other, one)


def read_rollbacks() -> tuple[RollbackMark, ...]:
    """All rollbacks the device remembers, newest last. A file that makes no sense is no memory."""
    try:
        entries = json.loads(device_path(ROLLBACKS).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return ()
    parsed = map(_mark, entries) if isinstance(entries, list) else ()
    return tuple(mark for mark in parsed if mark is not None)


def _mark(entry: object) -> RollbackMark | None:
    """Files of the first release name contents by their digest only."""
    if not isinstance(entry, dict) or not isinstance(entry.get("at"), str):
        return None
    left, returned_to = (
        Content(_string(entry.get(name)), _string(entry.get(f"{name}_deployment"))) for name in ("from", "to")
    )
    if not (left.is_known and returned_to.is_known):
        return None
    return RollbackMark(left, returned_to, entry["at"], _string(entry.get("why")))


def _string(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def last_between(one: Content, other: Content) -> RollbackMark | None:
    """The last rollback between these two contents, in whichever direction."""
    between = [mark for mark in read_rollbacks() if mark.is_between(one, other)]
    return between[-1] if between else None


def remember_rollback(mark: RollbackMark) -> None:
    """Add one rollback; it is on the disk, or there was an OSError, when this returns."""
    _keep((*read_rollbacks(), mark))


def forget_rollbacks(one: Content, other: Content, *, only_last: bool = False) -> None:
    """Drop what is remembered about these two contents, or only the last of it; the same holds when this returns."""
    marks = read_rollbacks()
    between = [mark for mark in marks if mark.is_between(one, other)]
    dropped = between[-1:] if only_last else between
    if dropped:
        _keep(tuple(mark for mark in marks if mark not in dropped))


def _keep(marks: tuple[RollbackMark, ...]) -> None:
    entries = [each.as_entry() for each in marks[-KEEP:]]
    write_kept(device_path(ROLLBACKS), json.dumps(entries, indent=1) + "\n")
