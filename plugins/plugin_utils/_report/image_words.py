# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sizes and shares of images in the words in which their reports give them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def amount(bytes_: float) -> str:
    """``684.5 MB``: a power of 1000 and one decimal, as bootc itself writes sizes."""
    value = float(bytes_)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 999.95:
            return f"{value:.0f} B" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} TB"


def speed(rate: int) -> str:
    """``200 Mbit/s`` of bytes per second."""
    return f"{rate * 8 / 1e6:.10g} Mbit/s"


def percent(permille: int) -> str:
    """``54.2 %`` of a share in per mille."""
    return f"{permille // 10}.{permille % 10} %"


def headline(sharing: Mapping[str, Any]) -> str:
    """What the images share, in a sentence."""
    count = len(sharing["images"])
    if count == 1:
        return f"One image of {amount(sharing['unique'])}"
    return (
        f"{count} images are kept in {amount(sharing['unique'])} instead of {amount(sharing['naive'])}: "
        f"{percent(sharing['saved_permille'])} saved"
    )


def newest_updates(report: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The updates to the newest release of each variant, from every earlier one."""
    newest = {image["variant"]: image["name"] for image in report["images"]}
    return [update for update in report["updates"] if update["to"] == newest[update["variant"]]]


def in_report(report: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The images whose sharing is told, the newest release of each variant."""
    told = set(report["sharing"]["images"])
    return [image for image in report["images"] if image["name"] in told]


def package_counts(found: Mapping[str, Any]) -> str:
    """How many packages an update changes, in a few words."""
    counts = ((len(found[key]), key) for key in ("changed", "added", "removed"))
    said = ", ".join(f"{count} {key}" for count, key in counts if count)
    return f"{said} ({found['manager']})" if said else f"no package changed ({found['manager']})"


def package_changes(found: Mapping[str, Any]) -> list[str]:
    """Each package that an update changes: ``mesa 25.1 -> 25.2``, ``+ vim 9``, ``- nano 8``."""
    return [
        *(f"{one['name']} {one['from']} -> {one['to']}" for one in found["changed"]),
        *(f"+ {one['name']} {one['version']}" for one in found["added"]),
        *(f"- {one['name']} {one['version']}" for one in found["removed"]),
    ]
