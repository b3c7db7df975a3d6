# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What images share and what their updates cost, as tables for the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .image_words import (
    amount,
    headline,
    in_report,
    newest_updates,
    package_changes,
    package_counts,
    percent,
    speed,
)
from .text import _Column, _painter, _table, _wrap
from .words import clean, many, span

_AT_MOST = 20
_LARGEST = 5


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
        _file_level(told, width),
        _packages(told, width),
        _wasted(told, width),
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
    told_of = "Updates at layer level (whole layers, as bootc fetches them)"
    return [f"{told_of}, {speed(told['rate'])}", *_costs(told, updates, "layer_level", width)]


def _file_level(told: Mapping[str, Any], width: int) -> list[str]:
    updates = newest_updates(told)
    estimated = [update for update in updates if update["file_level"] is not None]
    missing = dict.fromkeys(update["file_level_missing"] for update in updates if update["file_level_missing"])
    lines = [line for reason in missing for line in _wrap(f"No estimate at file level: {reason}", width, "", "  ")]
    if estimated:
        told_of = "Estimate at file level (for clients that fetch single files out of zstd:chunked layers)"
        return [f"{told_of}, {speed(told['rate'])}", *_costs(told, estimated, "file_level", width), *lines]
    return lines


def _packages(told: Mapping[str, Any], width: int) -> list[str]:
    known = [update for update in newest_updates(told) if update["packages"]]
    lines = []
    for update in known:
        found = update["packages"]
        lines += _wrap(f"{update['from']} to {update['to']}: {package_counts(found)}", width, "  ", "    ")
        words = package_changes(found)
        lines += [line for word in words[:_AT_MOST] for line in _wrap(word, width, "    ", "      ")]
        lines += [f"    ... and {len(words) - _AT_MOST} more"] if len(words) > _AT_MOST else []
    return ["Packages", *lines] if lines else []


def _wasted(told: Mapping[str, Any], width: int) -> list[str]:
    lines = []
    for image in in_report(told):
        wasted = image["wasted"]
        if wasted and wasted["bytes"]:
            share = f"{amount(wasted['bytes'])} of {amount(wasted['stored'])}, {percent(wasted['permille'])}"
            lines += _wrap(f"{image['name']}: {share}, in {many(wasted['files'], 'file')}", width, "  ", "    ")
            for loss in wasted["largest"][:_LARGEST]:
                said = f"{amount(loss['bytes'])} {loss['path']}, {loss['how']}"
                lines += _wrap(said, width, "    ", "      ")
    title = "Stored for nothing (unpacked files that a higher layer deletes or replaces)"
    return [title, *lines] if lines else []


def _costs(told: Mapping[str, Any], updates: Sequence[Mapping[str, Any]], level: str, width: int) -> list[str]:
    fleet, sites = told["devices"] > 1, told["sites"] is not None
    titles = ["download", "of image", "one device"]
    titles += [f"{told['devices']} devices"] if fleet else []
    titles += [f"with {many(told['sites'], 'cache')}"] if sites else []
    columns = [_Column("from"), _Column("to"), *(_Column(title, right=True) for title in titles)]
    rows = []
    for update in updates:
        cost = update[level]
        row = [update["from"], update["to"], amount(cost["download"]), percent(cost["download_permille"])]
        row += [span(cost["seconds"])]
        row += [amount(cost["fleet_bytes"])] if fleet else []
        row += [amount(cost["cached_bytes"])] if sites else []
        rows.append(row)
    return _table(columns, rows, _painter(False), width)


def _notes(told: Mapping[str, Any], width: int) -> list[str]:
    notes = [
        f"{update['from']} to {update['to']}: {note}" for update in newest_updates(told) for note in update["notes"]
    ]
    notes += [
        f"{image['name']} is the same image as {image['same_as']}." for image in told["images"] if image["same_as"]
    ]
    notes += [f"Nothing is said of contents: {told['contents_missing']}"] if told["contents_missing"] else []
    notes += [f"{one['image']} is left out: {one['cause']}" for one in told["absent"]]
    lines = [line for note in notes for line in _wrap(note, width, "  ", "    ")]
    return ["To be known", *lines] if lines else []
