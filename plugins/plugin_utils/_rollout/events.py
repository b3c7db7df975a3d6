# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a ledger holds: one event per thing decided, intended or seen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any


@dataclass(frozen=True)
class Event:
    """One line of a ledger.

    ``kind`` is one of those that ``states`` replays; ``at`` is in seconds since the epoch, UTC; ``host`` and ``wave``
    say whom it is about; ``data`` holds what only this kind has.
    """

    kind: str
    at: float
    host: str | None = None
    wave: int | None = None
    data: Mapping[str, Any] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """JSON form, without keys that say nothing."""
        document: dict[str, Any] = {"kind": self.kind, "at": format_time(self.at)}
        if self.host is not None:
            document["host"] = self.host
        if self.wave is not None:
            document["wave"] = self.wave
        if self.data:
            document["data"] = dict(self.data)
        return document

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> Event:
        return cls(
            document["kind"],
            parse_time(document["at"]),
            document.get("host"),
            document.get("wave"),
            document.get("data", {}),
        )


def format_time(seconds: float) -> str:
    """``2026-08-01T04:10:00.000Z``: RFC 3339 in UTC with milliseconds."""
    moment = datetime.fromtimestamp(seconds, timezone.utc)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def parse_time(text: str) -> float:
    """Seconds since the epoch of what ``format_time`` wrote."""
    return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()
