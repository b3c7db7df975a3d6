# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fleets to make pages of: rows as fleet_status has them, and what ledgers tell of their devices."""

from __future__ import annotations

import hashlib
from typing import Any

from ansible_collections.skorionos.bootc.plugins.plugin_utils._fleet.answers import tidy
from ansible_collections.skorionos.bootc.plugins.plugin_utils._fleet.history import History
from ansible_collections.skorionos.bootc.plugins.plugin_utils._fleet.memory import Seen
from ansible_collections.skorionos.bootc.plugins.plugin_utils._fleet.rows import recalled
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.replay import replay

from tests.unit.report.rehearsals import START, Report, digest

NOW = START + 3 * 86400.0
GIGABYTE = 10**9


def slot(variant: str, version: str) -> dict[str, Any]:
    name = f"registry.example/skorionos/{variant}"
    return {"image": name, "digest": digest(f"{variant}-{version}"), "version": version, "timestamp": None}


def row(host: str, variant: str = "kde", version: str = "v1.1.0", **other: Any) -> dict[str, Any]:
    """A device that answered; ``other`` replace what bootc_status says. ``silent`` days ago it did so last."""
    chance = hashlib.sha256(host.encode(errors="replace")).digest()
    before = slot(variant, "v1.0.0")
    status = {
        "is_bootc": True,
        "backend": ("ostree", "composefs")[chance[0] % 2],
        "bootc_version": "1.16.9",
        "booted": slot(variant, version),
        "staged": None,
        "rollback": before if version != "v1.0.0" else None,
        "others": [before] if chance[1] > 240 else [],
        "pinned": [],
        "next_boot": "booted",
        "reboot_required": False,
        "space": {
            "system": {"total_bytes": 64 * GIGABYTE, "free_bytes": (3 + chance[2] % 30) * GIGABYTE},
            "boot": None,
        },
    }
    silent = other.pop("silent", None)
    wanted = other.pop("wanted", ())
    answer = {"host": host, "variant": variant, "reachable": silent is None, "message": other.pop("message", "")}
    status.update(other)
    away = None if silent is None else NOW - silent * 86400
    seen = Seen(away or NOW, NOW, away, variant=variant, wanted=wanted, status=tidy(status))
    (told,) = recalled([{**answer, **tidy(status if silent is None else None)}], {host: seen})
    return told


def history(*reports: Report) -> History:
    """What the ledgers of rollouts tell."""
    told = History()
    for report in reports:
        told.add(replay(report.ledger), report.ledger)
    return told


def rows_after(report: Report) -> list[dict[str, Any]]:
    """The devices of a rollout as it left them."""
    rows = []
    for device in report.summary["devices"]:
        updated = device["state"] in ("succeeded", "already_current", "confirmed")
        other: dict[str, Any] = {"silent": 4} if device["state"] in ("unreachable", "lost") else {}
        version = report.summary["variants"][0]["version"] if updated else device["previous_version"] or "v1.0.0"
        rows.append(row(device["host"], device["variant"], version, **other))
    return rows
