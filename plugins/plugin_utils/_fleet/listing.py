# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The fleet for other programs: comma-separated values and JSON."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from .._plain import plain
from .answers import deployments, room

COLUMNS = (
    "host",
    "variant",
    "reachable",
    "seen_at",
    "unreachable_since",
    "is_bootc",
    "backend",
    "bootc_version",
    "booted_version",
    "booted_digest",
    "staged_version",
    "staged_digest",
    "rollback_version",
    "rollback_digest",
    "reboot_required",
    "drifted",
    "deployments",
    "space_total_bytes",
    "space_free_bytes",
    "known_bugs",
    "message",
)
_FORMULA = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""What spreadsheets take for the beginning of a formula, in East Asian locales also in full width."""


def fleet_csv(rows: Iterable[Mapping[str, Any]]) -> str:
    """One line per device below a line of ``COLUMNS``, as RFC 4180 has it.

    Devices choose some of the texts. They can do nothing to a terminal and are UTF-8 whatever they were, and what a
    spreadsheet would take for a formula gets an apostrophe in front.
    """
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    writer.writerows([_harmless(value) for value in _values(row)] for row in rows)
    return text.getvalue()


def fleet_json(rows: Sequence[Mapping[str, Any]]) -> str:
    """The rows as they are."""
    return json.dumps({"fleet": list(rows)}, indent=2) + "\n"


def _values(row: Mapping[str, Any]) -> list[Any]:
    slots = {
        f"{slot}_{key}": (row[slot] or {}).get(key)
        for slot in ("booted", "staged", "rollback")
        for key in ("version", "digest")
    }
    flat = {
        **row,
        **slots,
        "deployments": deployments(row) or None,
        **{f"space_{size}": room(row, "system", size) for size in ("total_bytes", "free_bytes")},
        "known_bugs": "; ".join(row["known_bugs"]),
    }
    return [flat[column] for column in COLUMNS]


def _harmless(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    text = plain(value)
    return f"'{text}" if text.startswith(_FORMULA) else text
