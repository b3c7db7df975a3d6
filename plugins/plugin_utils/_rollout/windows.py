# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Maintenance windows: local wall clock times, turned into spans of seconds since the epoch. Pure.

A window opens at a local time on its days and stays open for its length, which is time that passes: over midnight, and
over a change of the clocks. A start that the clocks leave out is the moment they jump; of one that comes twice the
first counts.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta, timezone, tzinfo
from typing import Any

from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from .errors import RolloutError
from .quantities import parse_duration

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
DEVICE_ZONE = "device"
LONGEST_WINDOW = 7 * 86400
_AHEAD = timedelta(days=9)
"""Every window opens once a week at least, so that this is as far as anybody has to look."""


@dataclass(frozen=True)
class Window:
    """``start`` in minutes after local midnight, ``length`` in seconds. Without ``zone`` it follows the device's."""

    days: frozenset[int]
    start: int
    length: int
    zone: str | None


@dataclass(frozen=True)
class Windows:
    """When downloads and reboots may begin; without any, at any time."""

    download: tuple[Window, ...] = ()
    apply: tuple[Window, ...] = ()

    def of(self, *, staging: bool, applying: bool) -> tuple[Window, ...]:
        """Those that have to be open for that."""
        return (*(self.download if staging else ()), *(self.apply if applying else ()))


NO_WINDOWS = Windows()


@dataclass(frozen=True)
class Span:
    """From ``start`` up to, but not including, ``end``, in seconds since the epoch."""

    start: float
    end: float


ALWAYS = (Span(float("-inf"), float("inf")),)


@dataclass(frozen=True)
class Hours:
    """``until`` is when it closes, where it is open; ``opens`` is when it opens next, None if not in the next days."""

    is_open: bool
    until: float | None = None
    opens: float | None = None


class UnknownZone(Exception):
    """The text is the zone: it is in none of the time zone data of this machine."""


def find_zone(name: str) -> tzinfo:
    """The zone of that name; raises UnknownZone."""
    if name == "UTC":
        return timezone.utc
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:  # OSError: the name is that of a directory
        raise UnknownZone(name) from error


def check_zone(name: str, where: str, others: str = "`UTC`") -> None:
    """Raises RolloutError for a zone that is not known; ``others`` is what may be written there besides names."""
    try:
        find_zone(name)
    except UnknownZone as error:
        raise RolloutError(
            f"{where}: {name!r} is not a time zone that this machine knows.",
            f"Write {others} or a name such as Europe/Berlin. The system package tzdata brings the names.",
            "invalid_spec",
        ) from error


def parse_windows(section: Mapping[str, Any], where: str) -> Windows:
    """The windows of a section that fits the schema; ``where`` stands before the path in errors."""
    kinds = {
        kind: tuple(parse_window(entry, f"{where}{kind}[{number}]") for number, entry in enumerate(section[kind]))
        for kind in ("download", "apply")
        if kind in section
    }
    return Windows(**kinds)


def parse_window(entry: Mapping[str, Any], where: str) -> Window:
    """A window that fits the schema; ``where`` names it in errors. Raises RolloutError."""
    length = parse_duration(entry["length"], f"{where}.length")
    if not 0 < length <= LONGEST_WINDOW:
        raise RolloutError(
            f"{where}.length: {entry['length']!r} is not a length that a window can have.",
            "Write one from 1s to 7d. For any time, write no window.",
            "invalid_spec",
        )
    zone = entry.get("tz", DEVICE_ZONE)
    if zone != DEVICE_ZONE:
        check_zone(zone, f"{where}.tz", "`device`, `UTC`")
    hours, minutes = map(int, entry["start"].split(":"))
    days = frozenset(DAYS.index(day) for day in entry.get("days", DAYS))
    return Window(days, 60 * hours + minutes, length, None if zone == DEVICE_ZONE else zone)


def need_zone(windows: Iterable[Window]) -> bool:
    """Whether it takes the device's zone to say when they are open."""
    return any(window.zone is None for window in windows)


def opening(day: date, minutes: int, zone: tzinfo) -> float:
    """When a local wall clock time of a day comes, in seconds since the epoch."""
    local = datetime.combine(day, time(minutes // 60, minutes % 60))
    first = local.replace(tzinfo=zone, fold=0).timestamp()
    if datetime.fromtimestamp(first, zone).replace(tzinfo=None) == local:
        return first
    # Clocks leave it out. Read with the offset from after the jump it lies before that, with the one before, after it.
    low, high = int(local.replace(tzinfo=zone, fold=1).timestamp()), int(first)
    before = datetime.fromtimestamp(low, zone).utcoffset()
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if datetime.fromtimestamp(middle, zone).utcoffset() == before else (low, middle)
    return float(high)


def spans(
    lists: Iterable[Sequence[Window]], zone: str | None, now: float, delay: Callable[[int], int] | None = None
) -> tuple[Span, ...]:
    """When a window of each list is open, from before ``now`` until some days later; disjoint and in order.

    ``zone`` is the device's; raises UnknownZone when it is needed and not known. A list without windows means any time.
    ``delay`` says by how many seconds to come later into what windows of the lists have in common, by how many seconds
    that is; it has no say in any time.
    """
    common: Sequence[Span] = ALWAYS
    for windows in lists:
        if windows:
            common = _overlaps(common, _openings(windows, zone, now))
    if delay is not None and common != ALWAYS:
        common = [replace(span, start=span.start + delay(round(span.end - span.start))) for span in common]
    return _merged(common)


def _openings(windows: Sequence[Window], zone: str | None, now: float) -> Sequence[Span]:
    """Each time that each of them opens."""
    if not windows:
        return ALWAYS
    found = []
    for window in windows:
        place = find_zone(window.zone or zone or "")
        today = datetime.fromtimestamp(now, place).date()
        day = today - timedelta(seconds=window.length) - timedelta(days=2)
        while day <= today + _AHEAD:
            if day.weekday() in window.days:
                start = opening(day, window.start, place)
                found.append(Span(start, start + window.length))
            day += timedelta(days=1)
    return found


def _overlaps(one: Iterable[Span], other: Sequence[Span]) -> list[Span]:
    common = (Span(max(a.start, b.start), min(a.end, b.end)) for a in one for b in other)
    return [span for span in common if span.start < span.end]


def _merged(found: Iterable[Span]) -> tuple[Span, ...]:
    merged: list[Span] = []
    for span in sorted(found, key=lambda span: span.start):
        if merged and span.start <= merged[-1].end:
            merged[-1] = Span(merged[-1].start, max(merged[-1].end, span.end))
        else:
            merged.append(span)
    return tuple(merged)


def both(one: Iterable[Span], other: Sequence[Span]) -> tuple[Span, ...]:
    """When both are open."""
    return _merged(_overlaps(one, other))


def hours(open_times: Iterable[Span], now: float) -> Hours:
    """Whether it is open now, until when, or when next."""
    for span in open_times:
        if span.start <= now < span.end:
            return Hours(True, until=span.end)
        if span.start > now:
            return Hours(False, opens=span.start)
    return Hours(False)


def stagger(rollout: str, host: str, length: int, estimate: int) -> int:
    """How many seconds a device comes later into a window: another for every device, and the same every time.

    The last comes so early that ``estimate`` seconds are left.
    """
    digest = hashlib.sha256(f"{rollout}\0{host}".encode()).digest()
    return int.from_bytes(digest[:8], "big") % max(1, length - estimate)


def longest_wait(windows: Sequence[Window]) -> int:
    """From one start to the next, at most, in seconds, changes of the clocks aside; 0 for any time."""
    starts = sorted({86400 * day + 60 * window.start for window in windows for day in window.days})
    if not starts:
        return 0
    week = 7 * 86400
    return max((after - start) % week or week for start, after in zip(starts, [*starts[1:], starts[0]], strict=True))
