# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What images share and what their updates cost, as tables for the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .image_words import amount, headline, in_report, newest_updates, percent
from .text import _Column, _painter, _table, _wrap
from .words import clean, many, span


def images_text(report: Mapping[str, Any], width: int = 110) -> str:
    """The report on what ``image_layers`` returned, without a newline at its end.

    Of updates only those to the newest release of each variant are told.
    """
    told = clean(report)
    blocks = [
        [headline(told["sharing"])],
        _images(told, width),
        _storage(told),
        _updates(told, width),
        _notes(told, width),
    ]
    return "\n\n".join("\n".join(block) for block in blocks if block)


def _images(told: Mapping[str, Any], width: int) -> list[str]:
    titles = ("size", "shared", "its own", "layers")
    columns = [_Column("image", limit=60), *(_Column(title, right=True) for title in titles)]
    rows = [
        [
            image["name"],
            amount(image["size"]),
            amount(image["shared"]),
            amount(image["exclusive"]),
            str(len(image["layers"])),
        ]
        for image in in_report(told)
    ]
    return _table(columns, rows, _painter(False), width)


def _storage(told: Mapping[str, Any]) -> list[str]:
    storage = told["storage"]
    if len(storage["images"]) == len(told["sharing"]["images"]):
        return []
    count = many(len(storage["images"]), "image")
    kept, naive = amount(storage["unique"]), amount(storage["naive"])
    return [
        f"With all releases, {count} are kept in {kept} instead of {naive}: {percent(storage['saved_permille'])} saved"
    ]


def _updates(told: Mapping[str, Any], width: int) -> list[str]:
    updates = newest_updates(told)
    if not updates:
        return []
    fleet, sites = told["devices"] > 1, told["sites"] is not None
    titles = ["download", "of image", "one device"]
    titles += [f"{told['devices']} devices"] if fleet else []
    titles += [f"with {many(told['sites'], 'cache')}"] if sites else []
    columns = [_Column("from"), _Column("to"), *(_Column(title, right=True) for title in titles)]
    rows = []
    for update in updates:
        level = update["layer_level"]
        row = [update["from"], update["to"], amount(level["download"]), percent(level["download_permille"])]
        row += [span(level["seconds"])]
        row += [amount(level["fleet_bytes"])] if fleet else []
        row += [amount(level["cached_bytes"])] if sites else []
        rows.append(row)
    rate = f"{told['rate'] * 8 / 1e6:.10g} Mbit/s"
    return [
        f"Updates at layer level (whole layers, as bootc fetches them), {rate}",
        *_table(columns, rows, _painter(False), width),
    ]


def _notes(told: Mapping[str, Any], width: int) -> list[str]:
    notes = [
        f"{update['from']} to {update['to']}: {note}" for update in newest_updates(told) for note in update["notes"]
    ]
    notes += [
        f"{image['name']} is the same image as {image['same_as']}." for image in told["images"] if image["same_as"]
    ]
    notes += [f"{reference} is not in its registry any more." for reference in told["absent"]]
    lines = [line for note in notes for line in _wrap(note, width, "  ", "    ")]
    return ["To be known", *lines] if lines else []
