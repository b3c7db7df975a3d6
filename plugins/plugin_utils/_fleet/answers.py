# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a device answered, in the one shape that the rest of this package relies on.

A device is not trusted to keep to what bootc_status documents: one that answers nonsense must cost nobody the table.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

SLOTS = ("booted", "staged", "rollback")
KEPT = ("is_bootc", "backend", "bootc_version", *SLOTS, "next_boot", "reboot_required")
_OF_A_SLOT = ("image", "digest", "version", "timestamp")
_LONGEST = 500


def tidy(status: object) -> dict[str, Any]:
    """The keys in ``KEPT`` of a status: booleans, texts of bounded length or None, and slots of such texts or None."""
    said: Mapping[str, Any] = status if isinstance(status, Mapping) else {}
    return {
        "is_bootc": said.get("is_bootc") is True,
        **{key: _text(said.get(key)) for key in ("backend", "bootc_version")},
        **{slot: _slot(said.get(slot)) for slot in SLOTS},
        "next_boot": _text(said.get("next_boot")),
        "reboot_required": said.get("reboot_required") is True,
    }


def _slot(value: object) -> dict[str, str | None] | None:
    return {key: _text(value.get(key)) for key in _OF_A_SLOT} if isinstance(value, Mapping) else None


def _text(value: object) -> str | None:
    return value[:_LONGEST] if isinstance(value, str) else None
