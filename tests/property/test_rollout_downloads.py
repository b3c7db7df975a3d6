# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Downloads of a fleet begin no faster than the spec allows, however many devices ask for how much and when."""

from __future__ import annotations

from collections.abc import Sequence

from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.events import Event
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.pace import load_occupancy, occupancy
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.replay import derive
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fleet_model import digest, plan_for, small_spec

RATE = 100
BEGIN = 1_800_000_000.0
SLACK = 1e-3  # seconds since the epoch are floating point numbers
ASKS = st.lists(st.tuples(st.integers(0, 30), st.integers(1, 5000)), min_size=1, max_size=25)
"""Seconds since the one before, and bytes."""


@settings(max_examples=200, deadline=None)
@given(ASKS)
def test_within_any_time_no_more_begins_than_the_rate_and_one_image(asks: Sequence[tuple[int, int]]) -> None:
    variants = [{"name": "kde", "image": "registry.example/os", "digest": digest("a"), "size": 1}]
    spec = small_spec(pace={"download_rate": str(RATE)}, variants=variants, waves=[])
    hosts = [f"d{number:03}" for number in range(len(asks))]
    plan = plan_for(spec, [(host, "kde") for host in hosts])
    events = [Event("planned", BEGIN, data={"plan": plan.as_dict()})]
    rollout = derive(events)
    assert rollout is not None
    room = occupancy(rollout, hosts)
    now = BEGIN
    begun: list[tuple[float, int]] = []
    for host, (pause, size) in zip(hosts, asks, strict=True):
        now += pause
        if now < room.downloads_until:
            continue
        event = Event("staging", now, host, data={"bytes": size})
        begun.append((now, size))
        events.append(event)
        room = load_occupancy(room.after([event]).as_dict())
    for first, (start, _unused) in enumerate(begun):
        for last in range(first, len(begun)):
            within = sum(size for _at, size in begun[first : last + 1])
            largest = max(size for _at, size in begun[first : last + 1])
            assert within <= RATE * (begun[last][0] - start + SLACK) + largest
    # A controller that starts anew reckons the same.
    again = derive(events)
    assert again is not None
    assert occupancy(again, hosts).downloads_until == room.downloads_until
