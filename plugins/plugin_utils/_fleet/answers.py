# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a device answered, in the one shape that the rest of this package relies on.

A device is not trusted to keep to what bootc_status documents: one that answers nonsense must cost nobody the table.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .._plain import plain

SLOTS = ("booted", "staged", "rollback")
KEPT = (
    *("is_bootc", "backend", "bootc_version", *SLOTS, "others", "pinned"),
    *("next_boot", "reboot_required", "space"),
)
_OF_A_SLOT = ("image", "digest", "version", "timestamp")
_FILE_SYSTEMS = ("system", "boot")
_OF_A_FILE_SYSTEM = ("total_bytes", "free_bytes")
_LONGEST = 500
_LONGEST_MESSAGE = 2000
_MOST = 50
_LARGEST = 10**18


def tidy(status: object) -> dict[str, Any]:
    """The keys in ``KEPT`` of a status: booleans, texts of bounded length or None, and slots of such texts or None.

    ``space`` is beside the status in what bootc_status returns: bytes of ``system`` and ``boot``, each None where they
    are not known.
    """
    said: Mapping[str, Any] = status if isinstance(status, Mapping) else {}
    return {
        "is_bootc": said.get("is_bootc") is True,
        **{key: _text(said.get(key)) for key in ("backend", "bootc_version")},
        **{slot: _slot(said.get(slot)) for slot in SLOTS},
        "others": [slot for slot in map(_slot, _listed(said.get("others"))) if slot is not None],
        "pinned": [text for text in map(_text, _listed(said.get("pinned"))) if text is not None],
        "next_boot": _text(said.get("next_boot")),
        "reboot_required": said.get("reboot_required") is True,
        "space": _space(said.get("space")),
    }


def complaint(answer: Mapping[str, Any]) -> str:
    """Why a device did not answer or could not tell, as far as the registered result of the task that asked says so."""
    if not (answer.get("failed") or answer.get("unreachable")):
        return ""
    # What ansible-core puts in front says nothing here.
    return plain(str(answer.get("msg") or "")[:_LONGEST_MESSAGE]).removeprefix("Task failed: ")


def deployments(row: Mapping[str, Any]) -> int:
    """How many images a device keeps, by its tidy status."""
    return sum(row[slot] is not None for slot in SLOTS) + len(row["others"])


def room(row: Mapping[str, Any], part: str, size: str) -> int | None:
    """``total_bytes`` or ``free_bytes`` of ``system`` or ``boot``, by a tidy status."""
    bytes_: int | None = ((row["space"] or {}).get(part) or {}).get(size)
    return bytes_


def _slot(value: object) -> dict[str, str | None] | None:
    return {key: _text(value.get(key)) for key in _OF_A_SLOT} if isinstance(value, Mapping) else None


def _space(value: object) -> dict[str, dict[str, int | None] | None] | None:
    if not isinstance(value, Mapping):
        return None
    return {part: _file_system(value.get(part)) for part in _FILE_SYSTEMS}


def _file_system(value: object) -> dict[str, int | None] | None:
    return {key: _size(value.get(key)) for key in _OF_A_FILE_SYSTEM} if isinstance(value, Mapping) else None


def _size(value: object) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value if 0 <= value < _LARGEST else None


def _listed(value: object) -> list[object]:
    return value[:_MOST] if isinstance(value, list) else []


def _text(value: object) -> str | None:
    """Harmless already here: inventories hand it on to whoever prints it."""
    return plain(value[:_LONGEST]) if isinstance(value, str) else None
