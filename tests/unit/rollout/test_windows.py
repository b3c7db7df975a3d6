# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Windows in wall clock time: over midnight, over changes of the clocks, several at once, and staggered."""

from __future__ import annotations

from datetime import date, datetime, timezone
from typing import Any

import pytest
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.errors import RolloutError
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.windows import (
    ALWAYS,
    Span,
    UnknownZone,
    both,
    find_zone,
    hours,
    longest_wait,
    opening,
    parse_windows,
    spans,
    stagger,
)
from zoneinfo import ZoneInfo

HOUR = 3600


def at(text: str) -> float:
    """Seconds since the epoch of a moment in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=timezone.utc).timestamp()


def windows(*entries: dict[str, Any]) -> Any:
    return parse_windows({"apply": entries}, "windows.").apply


NIGHT = {"start": "03:00", "length": "2h", "tz": "Europe/Berlin"}


@pytest.mark.parametrize(
    ("zone", "day", "start", "moment"),
    [
        ("Europe/Berlin", date(2026, 1, 15), "03:00", "2026-01-15T02:00"),
        ("Europe/Berlin", date(2026, 7, 15), "03:00", "2026-07-15T01:00"),
        ("Asia/Kathmandu", date(2026, 7, 15), "03:00", "2026-07-14T21:15"),
        # Clocks leave out 02:00 to 03:00 (Lord Howe: 02:00 to 02:30).
        ("Europe/Berlin", date(2026, 3, 29), "02:00", "2026-03-29T01:00"),
        ("Europe/Berlin", date(2026, 3, 29), "02:59", "2026-03-29T01:00"),
        ("Europe/Berlin", date(2026, 3, 29), "03:00", "2026-03-29T01:00"),
        ("America/New_York", date(2026, 3, 8), "02:30", "2026-03-08T07:00"),
        ("Australia/Lord_Howe", date(2026, 10, 4), "02:15", "2026-10-03T15:30"),
        # 02:00 to 03:00 comes twice (Lord Howe: 01:30 to 02:00).
        ("Europe/Berlin", date(2026, 10, 25), "02:30", "2026-10-25T00:30"),
        ("America/New_York", date(2026, 11, 1), "01:30", "2026-11-01T05:30"),
        ("Australia/Lord_Howe", date(2026, 4, 5), "01:45", "2026-04-04T14:45"),
        # A whole day that never was.
        ("Pacific/Apia", date(2011, 12, 30), "03:00", "2011-12-30T10:00"),
        ("UTC", date(2026, 3, 29), "02:30", "2026-03-29T02:30"),
    ],
)
def test_a_wall_clock_time_becomes_a_moment(zone: str, day: date, start: str, moment: str) -> None:
    hour, minute = map(int, start.split(":"))
    assert opening(day, 60 * hour + minute, find_zone(zone)) == at(moment)


def test_its_length_is_time_that_passes() -> None:
    (window,) = windows({"start": "01:30", "length": "2h", "tz": "Europe/Berlin"})
    open_times = spans([[window]], None, at("2026-03-29T00:00"))
    assert Span(at("2026-03-29T00:30"), at("2026-03-29T02:30")) in open_times  # 04:30 by the clock on the wall
    assert Span(at("2026-03-30T00:30") - HOUR, at("2026-03-30T02:30") - HOUR) in open_times


def test_a_window_opened_on_its_day_runs_over_midnight() -> None:
    friday = windows({"days": ["fri"], "start": "23:00", "length": "3h", "tz": "UTC"})
    saturday = at("2026-11-28T01:59:59")
    assert hours(spans([friday], None, saturday), saturday).until == at("2026-11-28T02:00")
    closed = hours(spans([friday], None, saturday + 1), saturday + 1)
    assert (closed.is_open, closed.opens) == (False, at("2026-12-04T23:00"))


def test_no_windows_mean_any_time() -> None:
    assert spans([[]], None, 0.0) == ALWAYS
    assert hours(ALWAYS, 0.0).is_open
    assert both(ALWAYS, [Span(1.0, 2.0)]) == (Span(1.0, 2.0),)


def test_windows_that_touch_are_one() -> None:
    two = windows({"start": "01:00", "length": "1h", "tz": "UTC"}, {"start": "02:00", "length": "1h", "tz": "UTC"})
    now = at("2026-11-28T01:30")
    assert hours(spans([two], None, now), now).until == at("2026-11-28T03:00")


def test_a_window_follows_the_device_unless_it_has_a_zone() -> None:
    own = windows({"start": "03:00", "length": "1h"})
    now = at("2026-01-15T02:30")
    assert hours(spans([own], "Europe/Berlin", now), now).is_open
    assert not hours(spans([own], "America/New_York", now), now).is_open
    assert hours(spans([windows(NIGHT)], "America/New_York", now), now).is_open


@pytest.mark.parametrize(
    "zone", [None, "", "Mars/Olympus", "Europe", "../etc/passwd", "/etc/localtime", "a\0b", "x" * 300]
)
def test_a_zone_that_is_not_known_is_never_any_time(zone: str | None) -> None:
    with pytest.raises(UnknownZone):
        spans([windows({"start": "03:00", "length": "1h"})], zone, 0.0)


@pytest.mark.parametrize(
    ("entry", "named"),
    [
        ({"start": "03:00", "length": "1h", "tz": "Europe/Berlim"}, "Europe/Berlim"),
        ({"start": "03:00", "length": "0s"}, "0s"),
        ({"start": "03:00", "length": "8d"}, "8d"),
    ],
)
def test_windows_that_cannot_be_meant(entry: dict[str, Any], named: str) -> None:
    with pytest.raises(RolloutError, match=named) as caught:
        windows(entry)
    assert caught.value.reason == "invalid_spec"
    assert "windows.apply[0]" in str(caught.value)


def test_devices_come_one_after_the_other_and_always_at_the_same_time() -> None:
    late = [stagger("r1", f"d{number}", 2 * HOUR, HOUR) for number in range(200)]
    assert late == [stagger("r1", f"d{number}", 2 * HOUR, HOUR) for number in range(200)]
    assert min(late) >= 0
    assert max(late) < HOUR
    assert len(set(late)) > 150
    assert max(late) - min(late) > HOUR * 9 / 10
    assert late != [stagger("r2", f"d{number}", 2 * HOUR, HOUR) for number in range(200)]
    assert stagger("r1", "d1", HOUR, 2 * HOUR) == 0
    # uint64(sha256("r1" NUL "d1")[:8]) is 10165542308842745344.
    assert stagger("r1", "d1", 2 * HOUR, HOUR) == 10165542308842745344 % HOUR


def test_a_staggered_device_comes_later_and_is_gone_as_early() -> None:
    (night,) = windows({**NIGHT, "tz": "UTC"})
    open_times = spans([[night]], None, at("2026-11-28T03:00"), lambda length: length // 12)
    assert Span(at("2026-11-28T03:10"), at("2026-11-28T05:00")) in open_times


def test_windows_of_two_lists_have_to_be_open_both_and_a_delay_counts_from_what_they_have_in_common() -> None:
    evening = {"start": "18:00", "length": "6h", "tz": "UTC"}
    late = {"start": "22:00", "length": "4h", "tz": "UTC"}
    now = at("2026-11-28T12:00")
    lists = [windows(evening, {"start": "13:00", "length": "1h", "tz": "UTC"}), windows(late)]
    assert hours(spans(lists, None, now), now).opens == at("2026-11-28T22:00")
    later = spans(lists, None, now, lambda length: length - 60)  # the last minute of two hours
    assert Span(at("2026-11-28T23:59"), at("2026-11-29T00:00")) in later
    assert spans([(), ()], None, now, lambda length: 60) == ALWAYS


def test_windows_of_two_lists_that_never_meet_never_open() -> None:
    never = spans([windows(NIGHT), windows({**NIGHT, "start": "12:00"})], None, 0.0)
    assert hours(never, 0.0) == hours((), 0.0)


def test_the_longest_wait_from_window_to_window() -> None:
    assert longest_wait(()) == 0
    assert longest_wait(windows(NIGHT)) == 24 * HOUR
    assert longest_wait(windows({**NIGHT, "days": ["sun"]})) == 7 * 24 * HOUR
    assert longest_wait(windows({**NIGHT, "days": ["sat", "sun"]})) == 6 * 24 * HOUR


def test_a_zone_of_python_is_what_is_expected_here() -> None:
    assert find_zone("UTC") is timezone.utc
    assert find_zone("Europe/Berlin") == ZoneInfo("Europe/Berlin")
