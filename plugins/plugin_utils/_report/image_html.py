# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What images share and what their updates cost, as one HTML file that needs nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .image_words import amount, headline, in_report, newest_updates, package_changes, package_counts, percent, speed
from .pages import Pages
from .words import clean, span


def images_html(report: Mapping[str, Any]) -> str:
    """The page for what ``image_layers`` returned. The same report gives the same page, so it carries no date.

    Names and labels come from registries: they are cleaned here and escaped by the template.
    """
    told = clean(report)
    return Pages(amount=amount, percent=percent, span=span, speed=speed).render(
        "images.html.j2",
        report=told,
        headline=headline(told["sharing"]),
        packages=[
            {"from": update["from"], "to": update["to"], **_packages(update["packages"])}
            for update in newest_updates(told)
            if update["packages"]
        ],
        wasteful=[image for image in in_report(told) if image["wasted"] and image["wasted"]["bytes"]],
        images=[_image(image, told) for image in in_report(told)],
        variants=_variants(told),
        estimated=any(update["file_level"] for update in told["updates"]),
        missing=list(dict.fromkeys(filter(None, (update["file_level_missing"] for update in told["updates"])))),
    )


def _image(image: Mapping[str, Any], told: Mapping[str, Any]) -> dict[str, Any]:
    """An image with its layers as parts of a bar, as wide as it is large beside the largest."""
    others = [other for other in in_report(told) if other["name"] != image["name"]]
    elsewhere = {layer["digest"] for other in others for layer in other["layers"]}
    largest = max((other["size"] for other in in_report(told)), default=0)
    layers = {layer["digest"]: layer for layer in image["layers"]}
    return {
        **image,
        "width": _share(image["size"], largest),
        "bars": [
            {"size": layer["size"], "digest": digest, "shared": digest in elsewhere}
            for digest, layer in layers.items()
            if layer["size"]
        ],
    }


def _variants(told: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The updates of each variant, the newest target first."""
    grouped: dict[str, list[Mapping[str, Any]]] = {}
    for update in told["updates"]:
        grouped.setdefault(update["variant"], []).append(update)
    order = [image["name"] for image in told["images"]]
    return [
        {
            "name": name,
            "updates": [_update(one) for one in sorted(updates, key=lambda u: -order.index(u["to"]))],
            "estimated": any(update["file_level"] for update in updates),
        }
        for name, updates in grouped.items()
    ]


def _update(update: Mapping[str, Any]) -> dict[str, Any]:
    level = update["layer_level"]
    return {**update, "width": _share(level["download"], level["total"])}


def _packages(found: Mapping[str, Any]) -> dict[str, Any]:
    return {"counts": package_counts(found), "changes": package_changes(found)}


def _share(part: int, whole: int) -> float:
    """Per cent with one decimal, for a width."""
    return round(100 * part / whole, 1) if whole else 0
