# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Windows compared with somebody who looks at the clock on the wall every minute."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone, tzinfo
from functools import lru_cache

from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.windows import (
    Window,
    both,
    find_zone,
    hours,
    spans,
    stagger,
)
from hypothesis import given, settings
from hypothesis import strategies as st

ZONES = ("Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "Pacific/Apia", "UTC")
# Around each change of the clocks of 2026 in these zones, and a quiet week.
MOMENTS = [
    datetime(2026, month, day, tzinfo=timezone.utc).timestamp()
    for month, day in [(3, 8), (3, 29), (4, 5), (10, 4), (10, 25), (11, 1), (7, 15)]
]
MINUTE = 60

clocks = st.one_of(st.integers(0, 24 * 60 - 1), st.integers(60, 4 * 60))
windows = st.builds(
    Window,
    days=st.frozensets(st.integers(0, 6), min_size=1),
    start=clocks,
    length=st.sampled_from([1, 15, 30, 60, 120, 240, 24 * 60, 50 * 60, 7 * 24 * 60]).map(
        lambda minutes: minutes * MINUTE
    ),
    zone=st.one_of(st.none(), st.sampled_from(ZONES)),
)
some = st.lists(windows, min_size=1, max_size=3)
moments = st.builds(
    lambda base, minutes: base + minutes * MINUTE, st.sampled_from(MOMENTS), st.integers(-2 * 24 * 60, 2 * 24 * 60)
)


@lru_cache(maxsize=4096)
def _walls(zone: tzinfo, day: int) -> tuple[datetime, ...]:
    """What the clock shows at every minute of a day in UTC."""
    begin = day * 24 * 60
    return tuple(
        datetime.fromtimestamp((begin + minute) * MINUTE, zone).replace(tzinfo=None) for minute in range(24 * 60)
    )


def _wall(zone: tzinfo, minute: int) -> datetime:
    day, within = divmod(minute, 24 * 60)
    return _walls(zone, day)[within]


def _openings(window: Window, zone: tzinfo, first: int, last: int) -> list[int]:
    """Minutes since the epoch at which somebody would open the window.

    That is when the clock shows its time for the first time, or, if it jumps over that time, shows a later one.
    """
    found = []
    seen: set[datetime] = set()
    furthest = _wall(zone, first)
    for minute in range(first + 1, last + 1):
        wall = _wall(zone, minute)
        step = furthest
        while step < wall:
            step += timedelta(minutes=1)
            due = step.hour * 60 + step.minute == window.start and step.weekday() in window.days
            if due and step not in seen:
                seen.add(step)
                found.append(minute)
        furthest = max(furthest, wall)
    return found


@settings(max_examples=60, deadline=None)
@given(window=windows, own=st.sampled_from(ZONES), now=moments)
def test_every_minute_is_open_or_closed_as_the_clock_on_the_wall_says(window: Window, own: str, now: float) -> None:
    middle = int(now) // MINUTE
    length = window.length // MINUTE
    last = middle + 9 * 24 * 60
    starts = _openings(window, find_zone(window.zone or own), middle - length - 24 * 60, last)
    open_times = spans([[window]], own, now)
    for minute in range(middle, middle + 2 * 24 * 60, 7):
        expected = any(start <= minute < start + length for start in starts)
        assert hours(open_times, minute * MINUTE).is_open == expected, datetime.fromtimestamp(
            minute * MINUTE, timezone.utc
        )
    found = hours(open_times, now)
    if not found.is_open:
        later = [start for start in starts if start >= middle]
        assert found.opens == later[0] * MINUTE


@settings(max_examples=200, deadline=None)
@given(first=some, second=some, own=st.sampled_from(ZONES), now=moments)
def test_what_it_says_of_the_future_comes_true(first: list[Window], second: list[Window], own: str, now: float) -> None:
    def look(moment: float) -> bool:
        return hours(spans([first, second], own, moment), moment).is_open

    assert spans([first, second], own, now) == both(spans([first], own, now), spans([second], own, now))
    found = hours(spans([first, second], own, now), now)
    assert found.is_open == look(now)
    if found.is_open:
        assert found.until is not None
        assert found.until > now
        if found.until < now + 8 * 24 * 3600:
            assert look(found.until - 1)
            assert not look(found.until)
    elif found.opens is not None:
        assert not look(found.opens - 1)
        assert look(found.opens)


@settings(max_examples=100, deadline=None)
@given(first=some, second=some, own=st.sampled_from(ZONES), now=moments, number=st.integers(0, 10**9))
def test_a_staggered_device_has_its_moment_in_everything_that_two_lists_have_in_common(
    first: list[Window], second: list[Window], own: str, now: float, number: int
) -> None:
    """The windows of a device and those of the spec may share little: whoever comes late must still come."""

    def delay(length: int) -> int:
        return stagger("r", str(number), length, 32 * MINUTE)

    plain = spans([first, second], own, now)
    for late in spans([first, second], own, now, delay):
        assert any(span.start <= late.start < late.end <= span.end for span in plain)
    for span in plain:
        assert any(span.start <= late.start < span.end for late in spans([first, second], own, now, delay))
