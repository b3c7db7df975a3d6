# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``python -m tests.benchmarks.engine [DEVICES [EVENTS]]``: what one pass of the pure engine costs.

Derives the state of a rollout from its events and decides once. Prints seconds of this process and its largest size.
"""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Iterator

from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.decide import decide
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.events import Event
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.plan import Plan
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.replay import replay

from tests.fleet_model import digest, plan_for, small_spec

BEGIN = 1_800_000_000.0
STEPS = ("staging", "staged", "applying", "booted", "succeeded")


def story(plan: Plan, events: int) -> Iterator[Event]:
    """That many events of a fleet that is put off again and again, then updated."""
    yield Event("planned", BEGIN, data={"plan": plan.as_dict()})
    yield Event("wave_opened", BEGIN, wave=0)
    members = plan.members
    before = {"boot_id": "b0", "previous_digest": digest("0"), "previous_version": "1.0.0"}
    putting_off = events // len(members) - len(STEPS)
    for number in range(putting_off):
        at = BEGIN + number * 1000
        kind = "deferred" if number % 2 else "unreachable"
        for host in members:
            yield Event(kind, at, host, data={"reason": "network", "message": "the registry does not answer"})
    at = BEGIN + putting_off * 1000
    for kind in STEPS:
        for host in members:
            at += 0.01
            yield Event(kind, at, host, data=before if kind == "staging" else {})


def main(devices: int = 10_000, events: int = 200_000) -> None:
    spec = small_spec(waves=[{"name": "all", "percent": 100}])
    plan = plan_for(spec, [(f"device-{number:05}", "kde") for number in range(devices)])
    told = list(story(plan, events))
    size_before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    begun = time.process_time()
    rollout = replay(told)
    derived = time.process_time()
    decide(rollout, told[-1].at)
    decided = time.process_time()
    largest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(f"devices: {devices}, events: {len(told)}")
    print(f"derive: {derived - begun:.2f} s, decide: {decided - derived:.2f} s")
    print(f"largest size: {largest / 1000:.0f} MB, {(largest - size_before) / 1000:.0f} MB of it for the state")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
