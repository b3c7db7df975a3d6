# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which pins of a device are this collection's own. All others were set by a person, and stay."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Iterable

from .kept import write_kept
from .root import device_path

PINS = "/var/lib/skorionos.bootc/pins.json"


@dataclass(frozen=True)
class Pin:
    """A deployment, what it holds, why it was pinned (``keep`` or ``request``), and when, RFC 3339."""

    deployment: str
    digest: str | None
    by: str
    at: str

    @classmethod
    def now(cls, deployment: str, digest: str | None, by: str) -> Pin:
        return cls(deployment, digest, by, datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"))


def read_pins() -> tuple[Pin, ...]:
    """All own pins. A file that makes no sense is no memory: every pin counts as a person's then."""
    try:
        entries = json.loads(device_path(PINS).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return ()
    parsed = map(_pin, entries) if isinstance(entries, list) else ()
    return tuple(pin for pin in parsed if pin is not None)


def _pin(entry: object) -> Pin | None:
    if not isinstance(entry, dict):
        return None
    deployment, digest, by, at = (entry.get(key) for key in ("deployment", "digest", "by", "at"))
    if not (isinstance(deployment, str) and isinstance(by, str) and isinstance(at, str)):
        return None
    return Pin(deployment, digest if isinstance(digest, str) else None, by, at)


def write_pins(pins: Iterable[Pin]) -> None:
    """Replace what is remembered; raises OSError."""
    entries = [{"deployment": pin.deployment, "digest": pin.digest, "by": pin.by, "at": pin.at} for pin in pins]
    write_kept(device_path(PINS), json.dumps(entries, indent=1) + "\n")
