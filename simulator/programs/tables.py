# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tables as systemd's programs print them, for people and as JSON. Pure."""

from __future__ import annotations

import json
from typing import Any, Dict, Sequence

Row = Dict[str, Any]
JSON_FORMS = ("json", "json-pretty", "short", "pretty")


def table(columns: Sequence[str], rows: Sequence[Row], *, legend: str | None) -> str:
    """Columns aligned. Unless ``legend`` is None, their names stand above and it stands below."""
    body = [[_shown(row.get(column)) for column in columns] for row in rows]
    head: list[list[str]] = [[column.upper() for column in columns]] if legend is not None else []
    lines = head + body
    widths = [max((len(line[index]) for line in lines), default=0) for index in range(len(columns))]
    text = "".join(" ".join(f"{cell:<{width}}" for cell, width in zip(line, widths)).rstrip() + "\n" for line in lines)
    return text if legend is None else f"{text}\n{legend}\n"


def _shown(value: Any) -> str:
    if value is None or value == "":
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)


def as_json(rows: Any, form: str) -> str:
    """Rows as JSON: ``short`` and ``json`` on one line, ``pretty`` and ``json-pretty`` indented by tabs."""
    if form in ("pretty", "json-pretty"):
        return json.dumps(rows, indent="\t", ensure_ascii=False) + "\n"
    return json.dumps(rows, separators=(",", ":"), ensure_ascii=False) + "\n"
