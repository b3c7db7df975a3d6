# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Events of a rollout as a story: what happened when, to whom, in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .words import GROUP_OF, HOLD_RULES, explain, many, spoken

_DEVICE_EVENTS = {
    "unreachable": "did not answer",
    "deferred": "could not start, to be retried",
    "released": "back in the queue",
    "staging": "began to download the new image",
    "staged": "staged the new image",
    "applying": "told to reboot",
    "booted": "came up on the new image",
    "noted": "had failed units already before the update",
    "silent": "fell silent",
    "rolling_back": "going back to the previous image",
    "hop_passed": "proven healthy on the image of a barrier",
    "succeeded": "proven healthy on the new image",
    "failed": "failed",
    "rolled_back": "back on the previous image",
    "lost": "lost",
    "inconsistent": "found on an image nobody asked for",
    "already_current": "already on the new image",
    "incompatible": "cannot be updated, left out",
    "removed": "removed from the rollout",
    "excluded": "left out by hand",
    "joined": "joined after the plan was made",
    "retried": "to be tried again",
    "confirmed": "still healthy at the end of the soak",
    "unconfirmed": "could not be looked at again at the end of the soak",
}
_GROUPS = {
    **GROUP_OF,
    "booted": "in_flight",
    "noted": "in_flight",
    "released": "waiting",
    "confirmed": "updated",
    "unconfirmed": "updated",
}
_ORDERS = {
    "paused": "Paused",
    "resumed": "Resumed",
    "accepted": "Accepted as it is",
    "approved": "Approved",
    "canceled": "Canceled",
    "aborted": "Aborted",
    "reverting": "To be taken back, ordered",
}


@dataclass(frozen=True)
class Entry:
    """One line of the story; ``group`` picks its colour. ``hosts`` is empty when it is about the whole rollout."""

    at: str
    what: str
    hosts: tuple[str, ...]
    detail: str
    group: str


def tell(summary: Mapping[str, Any], events: Sequence[Mapping[str, Any]]) -> list[Entry]:
    """The story of ``events`` in their order. What happens to several devices in the same minute is one entry, unless
    something else was told of one of them since that entry began."""
    entries = [Entry(summary["started_at"], "Rollout started", (), "", "rollout")]
    together: dict[tuple[str, str, str], int] = {}
    latest: dict[str, int] = {}
    for event in events:
        if event.get("host") is None:
            # What comes after a wave opened must not be told together with what came before.
            together.clear()
            entries.append(_rollout_entry(summary, event))
            continue
        host, kind = event["host"], str(event["kind"])
        what, detail, group = of_device(event)
        key = (event["at"][:16], kind, detail)
        index, last = together.get(key, -1), latest.get(host, -1)
        if index < 0 or last > index:
            together[key] = latest[host] = len(entries)
            entries.append(Entry(event["at"], what, (host,), detail, group))
        elif last < index:
            known = entries[index]
            entries[index] = Entry(known.at, known.what, (*known.hosts, host), known.detail, known.group)
            latest[host] = index
    return entries


def of_device(event: Mapping[str, Any]) -> tuple[str, str, str]:
    """What happened to a device, what was said about it, and the group that picks its colour."""
    kind = str(event["kind"])
    return _DEVICE_EVENTS.get(kind, spoken(kind)), _detail(event), _GROUPS.get(kind, "waiting")


def _detail(event: Mapping[str, Any]) -> str:
    data = event.get("data", {})
    if event["kind"] == "noted":
        return ", ".join(map(str, data.get("failed_units", [])))
    if event["kind"] in ("excluded", "retried"):
        return ": ".join(str(data[key]) for key in ("by", "why") if data.get(key))
    return explain(data)


def _rollout_entry(summary: Mapping[str, Any], event: Mapping[str, Any]) -> Entry:
    kind, data = event["kind"], event.get("data", {})
    wave = summary["waves"][event["wave"]]["name"] if event.get("wave") is not None else ""
    what, detail, group = f"{spoken(kind)} {wave}".strip().capitalize(), "", "rollout"
    if kind == "wave_opened":
        what = f"Wave {wave} opened"
    elif kind == "wave_passed":
        what = f"Wave {wave} passed"
    elif kind == "opened":
        what, detail = _opened(data), data.get("why", "")
    elif kind == "held":
        what, group = f"Held in wave {wave}" if wave else "Held", "failed"
        detail = f"{HOLD_RULES.get(data['rule'], spoken(data['rule']))} ({data['numbers']})"
    elif kind in _ORDERS:
        by, of = f" by {data['by']}" if data.get("by") else "", f": wave {wave}" if wave else ""
        what, detail = f"{_ORDERS[kind]}{by}{of}", str(data.get("why", ""))
        group = "failed" if kind == "aborted" else "rollout"
    elif kind == "completed":
        what, group = "Rollout completed", "updated"
    elif kind == "analysed":
        what, detail = f"Analysis {data['name']} of wave {wave}: {data['outcome']}", data.get("output", "")
        group = "rollout" if data["outcome"] == "successful" else "failed"
    elif kind == "superseded":
        what, detail = f"Superseded by {data['by']}", ": ".join(filter(None, [data.get("who"), data.get("why")]))
    elif kind == "hosts_superseded":
        what = f"{many(len(data['hosts']), 'device')} taken over by {data['by']}"
        detail = ": ".join(filter(None, [data.get("who"), data.get("why")]))
    return Entry(event["at"], what, (), detail, group)


def _opened(data: Mapping[str, Any]) -> str:
    run = f"Run by {data['by']} on {data['machine']}" if "by" in data and "machine" in data else "Run"
    taken = data.get("took_over", [])
    return f"{run}, takes devices over from {', '.join(taken)}" if taken else run
