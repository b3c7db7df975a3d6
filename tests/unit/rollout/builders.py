# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rollouts in chosen states, made by replaying events."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.events import Event
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.explain import Explanation, explain
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.plan import Plan
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.replay import derive
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.states import Rollout

from tests.fleet_model import digest, plan_for, small_spec

BEGIN = 1_800_000_000.0


def names(count: int, prefix: str = "d") -> list[str]:
    return [f"{prefix}{number:03}" for number in range(count)]


def one_wave(size: int, rules: Mapping[str, Any] | None = None, **changes: Any) -> Plan:
    """A plan whose only wave, of the given rules, takes ``size`` devices of variant kde."""
    wave = {"name": "only", "percent": 100, "soak": "0s", **(rules or {})}
    return plan_for(small_spec(waves=[wave], **changes), [(host, "kde") for host in names(size)])


def several_waves(counts: Iterable[int], size: int, variants: Iterable[str] = ("kde",), **changes: Any) -> Plan:
    """A plan of counted waves and the rest; ``size`` devices of every variant."""
    waves = [{"name": f"w{number}", "count": count} for number, count in enumerate(counts)]
    entries = [{"name": name, "image": "registry.example/os", "digest": digest("a")} for name in variants]
    hosts = [(host, name) for name in variants for host in names(size, f"{name}-")]
    return plan_for(small_spec(waves=waves, variants=entries, **changes), hosts)


def replay(plan: Plan, *events: Event) -> Rollout:
    rollout = derive([Event("planned", BEGIN, data={"plan": plan.as_dict()}), *events])
    assert rollout is not None
    return rollout


def opened(index: int = 0, at: float = BEGIN) -> Event:
    return Event("wave_opened", at, wave=index)


def passed(index: int, at: float = BEGIN) -> Event:
    return Event("wave_passed", at, wave=index)


def told(kind: str, *hosts: str, at: float = BEGIN, **data: Any) -> list[Event]:
    """The same event about each of these hosts."""
    return [Event(kind, at, host, data=data) for host in hosts]


def explain_one(rollout: Rollout, host: str, now: float) -> Explanation:
    """What is told of one device."""
    (told,) = explain(rollout, [host], now)
    return told
