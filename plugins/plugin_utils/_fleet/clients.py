# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is known to be wrong with versions of bootc, as far as it matters to a fleet."""

from __future__ import annotations

import re
from dataclasses import dataclass

Version = tuple[int, int, int]


@dataclass(frozen=True)
class Flaw:
    """Something wrong from one version to before another, on one backend or both (None)."""

    since: Version
    mended: Version
    backend: str | None
    what: str


FLAWS = (
    Flaw((0, 0, 0), (1, 1, 0), None, "its status is not one that this collection reads"),
    Flaw((0, 0, 0), (1, 14, 0), "composefs", "devices with a unified kernel image may fail to update to a newer bootc"),
    Flaw((0, 0, 0), (1, 16, 0), "composefs", "its status fails when the boot partition holds more than two entries"),
    Flaw((1, 12, 0), (1, 16, 0), "composefs", "after a rollback an older staged image may be offered again"),
    Flaw((0, 0, 0), (1, 16, 4), "composefs", "it reports the digest of an image's configuration, not of its manifest"),
    Flaw((1, 16, 4), (1, 16, 7), "composefs", "unified kernel images may be refused for a digest that does not match"),
    Flaw((0, 0, 0), (1, 16, 8), "composefs", "it may hang after staging"),
)
"""Most of them from the issues of bootc itself: 2074, 2208 and 2334."""


def flaws_of(version: str | None, backend: str | None) -> list[str]:
    """What is known to be wrong with this bootc; nothing for a version that cannot be told."""
    number = re.match(r"([0-9]{1,6})\.([0-9]{1,6})(?:\.([0-9]{1,6}))?", version or "", re.ASCII)
    if number is None:
        return []
    major, minor, patch = (int(part or 0) for part in number.groups())
    own = (major, minor, patch)
    return [flaw.what for flaw in FLAWS if flaw.since <= own < flaw.mended and flaw.backend in (None, backend)]
