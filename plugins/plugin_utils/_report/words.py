# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The words and units reports use, and the one door through which untrusted text enters them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from .._plain import plain
from .._rollout.summary import COLUMNS

GROUPS = {
    "updated": "updated",
    "already_current": "already current",
    "rolled_back": "rolled back",
    "asleep": "asleep",
    "failed": "failed",
    "in_flight": "in flight",
    "waiting": "waiting",
    "left_out": "left out",
}
"""What reports count, in the order they show it. Lost devices count as failed."""

USUAL = ("updated", "rolled_back", "asleep", "failed")
"""The groups that are shown even when they are empty."""

GROUP_OF = {
    state.value: "failed" if column == "lost" else column for column, states in COLUMNS.items() for state in states
}

STATES = {
    "pending": "waiting",
    "unreachable": "asleep",
    "deferred": "to be retried",
    "staging": "downloading",
    "staged": "staged",
    "applying": "rebooting",
    "verifying": "being checked",
    "rolling_back": "going back",
    "silent": "silent",
    "succeeded": "updated",
    "failed": "failed",
    "rolled_back": "rolled back",
    "lost": "lost",
    "inconsistent": "unexpected image",
    "already_current": "already current",
    "incompatible": "cannot be updated",
    "removed": "removed",
    "excluded": "left out by hand",
    "canceled": "not updated any more",
    "superseded": "left to a newer rollout",
}

NEEDS_A_LOOK = ("inconsistent", "lost", "failed", "rolled_back", "silent", "incompatible", "deferred")
"""Device states somebody should know about, the worst first."""

BETTER_TIMES = ("window", "inhibited")
"""Reasons of devices that wait for a better time, which is as it should be."""

PHASES = {
    "running": "running",
    "paused": "paused",
    "held": "held",
    "completed": "completed",
    "canceled": "canceled",
    "aborted": "aborted",
    "superseded": "superseded",
    "planned": "not yet open",
    "open": "open",
    "passed": "passed",
}

ORDERS = {
    "pause": "paused",
    "resume": "resumed",
    "approve": "approved",
    "accept": "accepted as it is",
    "cancel": "canceled",
    "abort": "aborted",
    "revert": "to be taken back",
}

_STOPPED_BY_ORDER = ("paused", "canceled", "aborted")
"""Phases that say of themselves who wanted them, and why."""

HOLD_RULES = {
    "failure_budget": "more devices failed than the wave may lose",
    "success_threshold": "too few of the updates succeeded",
    "threshold_unreachable": "the wave can no longer reach its success threshold",
    "untrusted_content": "a device runs, or refused, content that it should not have been given",
    "no_canary_success": "a variant has not succeeded on any device of the earlier waves",
    "coverage_timeout": "too few devices could be updated in time",
    "confirmation": "no updated device of a variant could be looked at again at the end of the soak",
    "analysis": "an analysis of the wave did not succeed",
    "late_failures": "devices of a wave that had already passed failed later",
    "catch_up_budget": "more of the devices that catch up failed than may",
    "abort": "too many devices of all waves failed",
}

WAIT_RULES = {
    "coverage": "more devices to be updated",
    "draining": "devices in the middle of their update",
    "soak": "the soak time to end",
    "turn": "devices whose turn has not come",
    "confirmation": "updated devices to be looked at again",
    "approval": "somebody's approval",
    "analysis": "the analyses of the wave",
}

_NEVER_MORE = 1e15


def clean(document: Any) -> Any:
    """A copy of a JSON-like document in which every string is ``plain``."""
    if isinstance(document, str):
        return plain(document)
    if isinstance(document, Mapping):
        return {plain(key): clean(value) for key, value in document.items()}
    if isinstance(document, (list, tuple)):
        return [clean(value) for value in document]
    return document


def number(value: object) -> float | None:
    """``value`` if it is a number of bytes or seconds that can be true; devices may report anything."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return value if 0 <= value <= _NEVER_MORE else None


def size(bytes_: float) -> str:
    """``1.4 GB``: two or three digits and a power of 1000."""
    value = float(bytes_)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 999.5:
            return f"{value:.1f} {unit}" if unit != "B" and value < 9.95 else f"{value:.0f} {unit}"
        value /= 1000
    return f"{value:.1f} TB"


def span(seconds: float) -> str:
    """``4.2 s``, ``42 s``, ``3 min 20 s``, ``2 h 5 min``, ``3 d 4 h``."""
    if seconds < 9.95:
        return f"{seconds:.1f}".removesuffix(".0") + " s"
    whole = round(seconds)
    for large, small, unit, rest in ((86400, 3600, "d", "h"), (3600, 60, "h", "min"), (60, 1, "min", "s")):
        if whole >= large:
            remainder = whole % large // small
            return f"{whole // large} {unit} {remainder} {rest}" if remainder else f"{whole // large} {unit}"
    return f"{whole} s"


def parse_moment(text: str | None) -> datetime | None:
    """The UTC time an RFC 3339 string names; None for anything else."""
    if not text:
        return None
    try:
        return datetime.fromisoformat(text.replace("Z", "+00:00")).astimezone(timezone.utc)
    except ValueError:
        return None


def moment(text: str | None) -> str:
    """``2026-08-01 04:10 UTC`` for an RFC 3339 time; anything else as it came."""
    at = parse_moment(text)
    return text or "" if at is None else f"{at:%Y-%m-%d %H:%M} UTC"


def took(start: str | None, end: str | None) -> str | None:
    """How long it was from ``start`` to ``end``, both RFC 3339."""
    begun, ended = parse_moment(start), parse_moment(end)
    return None if begun is None or ended is None else span((ended - begun).total_seconds())


def short(digest: str | None) -> str:
    """The first twelve hexadecimal digits of a digest, which is what people compare."""
    return (digest or "").rpartition(":")[2][:12]


def approve_with(plan_hash: str, wave: str) -> str:
    """The command that approves this wave of that plan, in one line: nobody wants to find the end of a wrapped one."""
    return (
        "ansible-playbook skorionos.bootc.rollout_control -e bootc_rollout_verb=approve "
        f"-e bootc_rollout_spec=FILE -e bootc_rollout_plan_hash={plan_hash[:12]} -e bootc_rollout_wave={wave} "
        "-e \"bootc_rollout_why='...'\""
    )


def many(count: int, one: str, several: str | None = None) -> str:
    """``1 device``, ``2 devices``."""
    return f"{count} {one if count == 1 else several or one + 's'}"


def spoken(word: str) -> str:
    """An identifier as words."""
    return word.replace("_", " ")


def explain(device: Mapping[str, Any]) -> str:
    """What a device or its last event says about its state: the kind of failure, then its own words."""
    reason, message = str(device.get("reason") or ""), str(device.get("message") or "")
    told = f"{spoken(reason)}: {message}" if reason and message else message or spoken(reason)
    if not device.get("excluded"):
        return told
    return "; ".join(filter(None, (told, "to be left out as soon as possible")))


@dataclass(frozen=True)
class Voice:
    """Devices in the same state that say the same."""

    hosts: tuple[str, ...]
    group: str
    state: str
    words: str


def voices(devices: Iterable[Mapping[str, Any]]) -> list[Voice]:
    """``devices`` put together by what they say, in the order of the first of each."""
    together: dict[tuple[str, str], list[str]] = {}
    for device in devices:
        together.setdefault((device["state"], explain(device)), []).append(device["host"])
    return [
        Voice(tuple(hosts), GROUP_OF.get(state, "waiting"), STATES.get(state, spoken(state)), words)
        for (state, words), hosts in together.items()
    ]


def charged(summary: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The devices behind a hold."""
    by_host = {device["host"]: device for device in summary["devices"]}
    return [by_host[host] for host in summary["hold"]["devices"] if host in by_host] if summary["hold"] else []


def tally(counts: Mapping[str, Any]) -> dict[str, int]:
    """Devices per group of a wave or of the totals."""
    return {group: int(counts[group]) + (int(counts["lost"]) if group == "failed" else 0) for group in GROUPS}


def shown_groups(totals: Mapping[str, int]) -> list[str]:
    """The usual groups and every other that has a device."""
    return [group for group in GROUPS if group in USUAL or totals[group]]


def versions(summary: Mapping[str, Any]) -> list[tuple[list[str], str, str]]:
    """Variants that go to the same version: their names, what their devices came from, where they go."""
    going: dict[str, list[str]] = {}
    for variant in summary["variants"]:
        going.setdefault(variant["version"] or short(variant["digest"]), []).append(variant["name"])
    found = []
    for to, names in going.items():
        before = {d["previous_version"] for d in summary["devices"] if d["variant"] in names and d["previous_version"]}
        origin = ", ".join(sorted(before)) if len(before) <= 3 else f"{len(before)} versions"
        found.append((names, origin, to))
    return found


def look_at(summary: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Devices that need a look, the worst first, without those behind a hold."""
    told = {device["host"] for device in charged(summary)}
    concerned = [
        d
        for d in summary["devices"]
        if d["state"] in NEEDS_A_LOOK and d["host"] not in told and d["reason"] not in BETTER_TIMES
    ]
    return sorted(concerned, key=lambda device: (NEEDS_A_LOOK.index(device["state"]), device["host"]))


def measured(summary: Mapping[str, Any], key: str) -> list[float]:
    """What devices reported under ``key``, sorted."""
    values = (number(device[key]) for device in summary["devices"])
    return sorted(value for value in values if value is not None)


CATCHING_UP = "catching up"
"""What stands for the wave of devices that catch up. With its space it is the name of none."""


def stopped_how(summary: Mapping[str, Any]) -> str:
    """What the last order did to a rollout that starts nothing because of one; it may be taken back after its end."""
    return "Taken back" if summary["order"]["verb"] == "revert" else PHASES[summary["phase"]].capitalize()


def taken_over(summary: Mapping[str, Any]) -> str:
    """By which rollout, who ran that, and why, as far as that is on record."""
    who = f" by {summary['superseded_who']}" if summary["superseded_who"] else ""
    why = f": {summary['superseded_why']}" if summary["superseded_why"] else ""
    return f"Superseded by the rollout {summary['superseded_by']}, run{who} on {moment(summary['ended_at'])}{why}."


def order_before(summary: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The last order of somebody, where the phase it led to is not what is told anyway: ``done``, by, at and why."""
    order = summary["order"]
    if order is None or summary["phase"] in _STOPPED_BY_ORDER:
        return None
    return {**order, "done": ORDERS.get(order["verb"], spoken(order["verb"]))}
