# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a ledger holds: one event per thing decided, intended or seen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from functools import lru_cache
from typing import Any


@dataclass(frozen=True, slots=True)
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
        """The event of its JSON form; raises KeyError, ValueError or TypeError for what is none."""
        # A long ledger has hundreds of thousands: filling the slots takes a third of what a frozen __init__ does.
        event = object.__new__(cls)
        _set_kind(event, document["kind"])
        _set_at(event, parse_time(document["at"]))
        _set_host(event, document.get("host"))
        _set_wave(event, document.get("wave"))
        _set_data(event, document.get("data") or {})
        return event


_set_kind, _set_at, _set_host, _set_wave, _set_data = (
    getattr(Event, name).__set__ for name in ("kind", "at", "host", "wave", "data")
)


def format_time(seconds: float) -> str:
    """``2026-08-01T04:10:00.000Z``: RFC 3339 in UTC with milliseconds."""
    moment = datetime.fromtimestamp(seconds, timezone.utc)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def parse_time(text: str) -> float:
    """Seconds since the epoch of what ``format_time`` wrote; raises ValueError for anything else."""
    if len(text) != 24:
        raise ValueError(f"not a time of the form 2026-08-01T04:10:00.000Z: {text!r}")
    # A ledger has many events of one minute: only what follows it differs.
    return (_minute(text[:16]) + int(text[17:19] + text[20:23])) / 1000


@lru_cache(maxsize=4096)
def _minute(text: str) -> int:
    """Milliseconds since the epoch."""
    moment = datetime.fromisoformat(text).replace(tzinfo=timezone.utc)
    return int(moment.timestamp()) * 1000
