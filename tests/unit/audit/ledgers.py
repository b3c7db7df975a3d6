# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ledgers to audit, written by the real code."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ansible_collections.skorionos.bootc.plugins.plugin_utils._audit.account import Journal, audit
from ansible_collections.skorionos.bootc.plugins.plugin_utils._audit.scope import Scope
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.events import Event
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.examine import examine
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.ledger import Ledger, rollouts_in

from tests.fleet_model import plan_for, small_spec
from tests.unit.rollout.builders import BEGIN, told

HOUR = 3600.0
HOSTS = ("deck-01", "deck-02", "deck-03", "deck-04")


def write(root: Path, rollout_id: str, at: float, events: Sequence[Event], why: str = "") -> Ledger:
    """A ledger of one canary and the rest, begun by anna at ``at``."""
    spec = small_spec(id=rollout_id, waves=[{"name": "canary", "count": 1, "soak": "0s"}])
    plan = plan_for(spec, [(host, "kde") for host in HOSTS])
    opened = Event("opened", at + 1, data={"by": "anna", "machine": "admin-pc", **({"why": why} if why else {})})
    ledger = Ledger(root, rollout_id)
    ledger.create()
    ledger.append([Event("planned", at, data={"plan": plan.as_dict(), "hash": plan.hash}), opened, *events], 1)
    return ledger


def canary_of(root: Path) -> str:
    """Who is in the first wave, which the seed of the rollout decides."""
    (ledger,) = [ledger for ledger in rollouts_in(root) if ledger.directory.name == "r1"]
    return str(ledger.read()[0].data["plan"]["waves"][0]["hosts"][0]["host"])


def by(who: str, why: str, **more: Any) -> dict[str, Any]:
    return {"by": who, "why": why, **more}


def audited(root: Path, scope: Scope | None = None, journal: Journal | None = None) -> dict[str, Any]:
    return audit([examine(ledger) for ledger in rollouts_in(root)], journal, scope or Scope())


def two_rollouts(root: Path) -> Path:
    """Two rollouts: one that was approved, held and accepted, and a day later another that was canceled."""
    write(root, "r1", BEGIN, [])
    canary = canary_of(root)
    rest = [host for host in HOSTS if host != canary]
    at = BEGIN + HOUR
    Ledger(root, "r1").append(
        [
            Event("approved", BEGIN + 60, wave=0, data=by("boss@desk", "looked at the plan", plan_hash="a" * 64)),
            Event("wave_opened", BEGIN + 61, wave=0),
            *told("staging", canary, at=BEGIN + 70),
            *told("staged", canary, at=BEGIN + 80),
            *told("applying", canary, at=BEGIN + 90),
            *told("booted", canary, at=BEGIN + 120, booted_digest="sha256:" + "a" * 64),
            *told("succeeded", canary, at=BEGIN + 130),
            Event("wave_passed", BEGIN + 140, wave=0),
            Event("wave_opened", at, wave=1),
            *told("staging", *rest[:2], at=at + 1),
            *told("rolling_back", rest[0], at=at + 50, reason="unhealthy", message="no network"),
            *told("rolled_back", rest[0], at=at + 60, reason="unhealthy", message="no network"),
            *told("lost", rest[1], at=at + 70, reason="silent", message="no answer"),
            Event(
                "held",
                at + 80,
                wave=1,
                data={"rule": "failure_budget", "numbers": "2 failed, 0 may", "hosts": rest[:2], "remedy": "look"},
            ),
            *[Event("excluded", at + 90, host, data=by("otto@pc", "in repair")) for host in rest[2:]],
            Event("accepted", at + 100, wave=1, data=by("boss@desk", "known <b>trouble</b>")),
        ],
        1,
    )
    write(root, "r2", BEGIN + 24 * HOUR, [Event("canceled", BEGIN + 25 * HOUR, data=by("otto@pc", "wrong image"))])
    return root
