# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One document out of ledgers and a journal of channels: integrity, rollouts, orders, devices, and the time line."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .._channels.journal import read_journal
from .._channels.model import ChannelError
from .._channels.model import Entry as ChannelEntry
from .._report.timeline import tell
from .._report.words import CATCHING_UP, short
from .._rollout.events import Event, format_time
from .._rollout.examine import Examined, Fault
from .._rollout.replay import UNTELLABLE, derive
from .._rollout.states import Rollout
from .._rollout.summary import COLUMNS, summarize
from .scope import Scope

TOUCHING = frozenset({"staging", "staged", "applying", "rolling_back"})
"""Kinds of events that say that something was done to a device."""
VERDICTS = frozenset({"succeeded", "failed", "rolled_back", "lost", "inconsistent", "already_current", "incompatible"})
ORDERS = frozenset(
    {
        "paused",
        "resumed",
        "approved",
        "accepted",
        "canceled",
        "aborted",
        "reverting",
        "excluded",
        "retried",
        "superseded",
        "hosts_superseded",
    }
)
"""Kinds of events that are somebody's decision."""
COUNTED = ("devices", "touched", *COLUMNS)
"""What is counted of every wave and every rollout."""
_STORYLESS = frozenset({"planned", "notified"})
_ENDED_EARLY = ("canceled", "aborted", "superseded")


@dataclass(frozen=True)
class Journal:
    """What a journal of channels says; ``fault`` is why it could not be read."""

    place: str
    entries: tuple[ChannelEntry, ...] = ()
    fault: str | None = None


def read_channels(path: Path) -> Journal:
    """The journal at ``path``; that it is missing or damaged is part of the answer."""
    if not path.exists():
        return Journal(str(path), fault=f"There is no journal {path}.")
    try:
        return Journal(str(path), tuple(read_journal(path)))
    except ChannelError as error:
        return Journal(str(path), fault=str(error))


def audit(examined: Sequence[Examined], journal: Journal | None, scope: Scope) -> dict[str, Any]:
    """A JSON document: scope, intact, ledgers, rollouts, strangers, journal, channels, story.

    Rollouts are told as they stood at the end of the scope. ``strangers`` are hosts that were asked for and that no
    rollout knows. Times are RFC 3339 in UTC.
    """
    accounts = [_account(one, scope) for one in examined]
    moves = [] if journal is None or scope.hosts else _moves(journal.entries, scope)
    told = [account["rollout"] for account in accounts if account["rollout"] is not None]
    known = {host for account in accounts for host in account["known"]}
    story = [entry for account in accounts for entry in account["story"]]
    story += [_told_move(move) for move in moves]
    return {
        "scope": {
            "since": None if scope.since is None else format_time(scope.since),
            "until": None if scope.until is None else format_time(scope.until),
            "devices": sorted(scope.hosts),
        },
        "intact": all(account["ledger"]["intact"] for account in accounts) and (journal is None or not journal.fault),
        "ledgers": [account["ledger"] for account in accounts],
        "rollouts": sorted(told, key=lambda rollout: str(rollout["started_at"])),
        "strangers": sorted(scope.hosts - known),
        "journal": None if journal is None else {"path": journal.place, "fault": journal.fault},
        "channels": moves,
        "story": sorted(story, key=lambda entry: str(entry["at"])),
    }


def _account(examined: Examined, scope: Scope) -> dict[str, Any]:
    fault = examined.fault
    rollout, known, story = None, frozenset[str](), list[dict[str, Any]]()
    try:
        rollout, known, story = _told(examined, scope)
    except UNTELLABLE as error:
        what = f"The events of {examined.place} are not those of a rollout ({type(error).__name__}: {error})."
        fault = fault or Fault(what, "Read them with the version of the collection that wrote them.")
    ledger = {
        "id": examined.id,
        "path": examined.place,
        "intact": fault is None,
        "fault": None if fault is None else fault.cause,
        "remedy": None if fault is None else fault.remedy,
        "lines": examined.to_hold_against.sequence,
        "sha256": examined.to_hold_against.hash,
        "last_at": format_time(examined.events[-1].at) if examined.events else None,
    }
    return {"ledger": ledger, "rollout": rollout, "known": known, "story": story}


def _told(examined: Examined, scope: Scope) -> tuple[dict[str, Any] | None, frozenset[str], list[dict[str, Any]]]:
    """The rollout if it has a part in the scope, the hosts it knows, and its part of the time line."""
    numbered = [
        (number, event)
        for number, event in enumerate(examined.events, start=1)
        if scope.until is None or event.at <= scope.until
    ]
    everything = [event for _unused, event in numbered]
    rollout = derive(everything)
    if rollout is None:
        return None, frozenset(), []
    known = frozenset(rollout.devices)
    if scope.hosts and not scope.hosts & known:
        return None, known, []
    chosen = [(n, event) for n, event in numbered if scope.covers(event.at) and _concerns(rollout, event, scope.hosts)]
    if not chosen:
        return None, known, []
    summary = summarize(rollout)
    events = [event for _unused, event in chosen]
    return _rollout(summary, everything, chosen, scope), known, _story(summary, events, scope)


def _concerns(rollout: Rollout, event: Event, hosts: frozenset[str]) -> bool:
    """Whether an event has to do with one of ``hosts``; without any, every one has."""
    if not hosts:
        return True
    if event.host is not None:
        return event.host in hosts
    if event.kind in ("opened", "notified"):
        return False
    if event.kind == "hosts_superseded":
        return not hosts.isdisjoint(event.data["hosts"])
    return event.wave is None or any(rollout.devices[host].wave == event.wave for host in hosts & set(rollout.devices))


def _rollout(
    summary: Mapping[str, Any],
    everything: Sequence[Event],
    chosen: Sequence[tuple[int, Event]],
    scope: Scope,
) -> dict[str, Any]:
    touched = {event.host for event in everything if event.kind in TOUCHING and event.host is not None}
    orders = _orders(everything, summary)
    openings = [event for event in everything if event.kind == "opened"]
    verdicts = _verdicts(everything)
    devices = [
        _device(device, device["host"] in touched, verdicts.get(device["host"], []))
        for device in summary["devices"]
        if device["host"] in scope.hosts or (not scope.hosts and device["host"] in touched)
    ]
    return {
        "id": summary["id"],
        "phase": summary["phase"],
        "started_at": summary["started_at"],
        "ended_at": summary["ended_at"],
        "by": sorted({str(event.data["by"]) for event in openings if "by" in event.data}),
        "runs": len(openings),
        "plan_hash": summary["plan_hash"],
        "superseded_by": summary["superseded_by"],
        "hold": summary["hold"],
        "variants": summary["variants"],
        "totals": _counts(summary["devices"], touched),
        "waves": _waves(summary, touched, orders),
        "orders": [order for order in orders if _is_asked_for(order, scope)],
        "devices": devices,
        "events": [_event(number, event, summary) for number, event in chosen],
    }


def _is_asked_for(order: Mapping[str, Any], scope: Scope) -> bool:
    late = scope.since is None or str(order["at"]) >= format_time(scope.since)
    return late and (not scope.hosts or not order["hosts"] or not scope.hosts.isdisjoint(order["hosts"]))


def _counts(devices: Iterable[Mapping[str, Any]], touched: set[str]) -> dict[str, int]:
    listed = list(devices)
    states = Counter(device["state"] for device in listed)
    columns = {column: sum(states[state.value] for state in members) for column, members in COLUMNS.items()}
    return {"devices": len(listed), "touched": sum(device["host"] in touched for device in listed), **columns}


def _waves(summary: Mapping[str, Any], touched: set[str], orders: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """What came of each wave; devices that catch up are a wave of their own, if there are any."""
    waves = []
    for wave in summary["waves"]:
        inside = [d for d in summary["devices"] if d["wave"] == wave["name"] and not d["catching_up"]]
        waves.append(
            {
                "name": wave["name"],
                "outcome": _outcome(summary, wave, orders),
                "opened_at": wave["opened_at"],
                "passed_at": wave["passed_at"],
                **_counts(inside, touched),
            }
        )
    late = [d for d in summary["devices"] if d["catching_up"]]
    if late:
        nothing = {"outcome": "", "opened_at": None, "passed_at": None}
        waves.append({"name": CATCHING_UP, **nothing, **_counts(late, touched)})
    return waves


def _outcome(summary: Mapping[str, Any], wave: Mapping[str, Any], orders: Sequence[Mapping[str, Any]]) -> str:
    """``passed``, ``accepted``, ``planned``, ``open``, or what ended or holds the rollout while the wave was open."""
    if wave["phase"] == "passed":
        accepted = any(order["order"] == "accepted" and order["wave"] == wave["name"] for order in orders)
        return "accepted" if accepted else "passed"
    if wave["phase"] == "open":
        phase, hold = summary["phase"], summary["hold"]
        if phase in _ENDED_EARLY or (phase == "held" and hold["wave"] == wave["name"]):
            return str(phase)
    return str(wave["phase"])


def _orders(events: Iterable[Event], summary: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Somebody's decisions; one that was given for several devices at once is one."""
    orders: dict[tuple[Any, ...], dict[str, Any]] = {}
    for event in events:
        if event.kind not in ORDERS:
            continue
        taken = event.kind in ("superseded", "hosts_superseded")
        by, why = str(event.data.get("who" if taken else "by", "")), str(event.data.get("why", ""))
        order = orders.setdefault(
            (event.kind, format_time(event.at)[:19], by, why, event.wave),
            {
                "at": format_time(event.at),
                "order": event.kind,
                "by": by,
                "why": why,
                "wave": _wave_name(event, summary),
                "plan_hash": event.data.get("plan_hash"),
                "successor": event.data.get("by") if taken else event.data.get("successor"),
                "hosts": [],
            },
        )
        if event.host is not None:
            order["hosts"].append(event.host)
        elif event.kind == "hosts_superseded":
            order["hosts"] += event.data["hosts"]
    return list(orders.values())


def _device(device: Mapping[str, Any], touched: bool, verdicts: Sequence[Mapping[str, str]]) -> dict[str, Any]:
    """A device as it ended, and every verdict that it had: a retry hides none."""
    keys = ("host", "variant", "wave", "catching_up", "state", "since", "reason", "message")
    ran = ("previous_version", "previous_digest", "booted_digest")
    return {**{key: device[key] for key in (*keys, *ran)}, "touched": touched, "verdicts": list(verdicts)}


def _verdicts(events: Iterable[Event]) -> dict[str, list[dict[str, str]]]:
    found: dict[str, list[dict[str, str]]] = {}
    for event in events:
        if event.kind in VERDICTS and event.host is not None:
            found.setdefault(event.host, []).append({"at": format_time(event.at), "verdict": event.kind})
    return found


def _event(number: int, event: Event, summary: Mapping[str, Any]) -> dict[str, Any]:
    """An event for other programs; the plan, which would be the whole fleet, is told by its hash."""
    data = {"hash": summary["plan_hash"]} if event.kind == "planned" else dict(event.data)
    return {
        "line": number,
        "at": format_time(event.at),
        "kind": event.kind,
        "host": event.host,
        "wave": _wave_name(event, summary),
        "data": data,
    }


def _wave_name(event: Event, summary: Mapping[str, Any]) -> str | None:
    return None if event.wave is None else str(summary["waves"][event.wave]["name"])


def _story(summary: Mapping[str, Any], events: Sequence[Event], scope: Scope) -> list[dict[str, Any]]:
    entries = tell(summary, [event.as_dict() for event in events if event.kind not in _STORYLESS])
    begins_before = scope.since is not None and str(summary["started_at"]) < format_time(scope.since)
    return [
        {
            "at": entry.at,
            "about": summary["id"],
            "what": entry.what,
            "hosts": list(entry.hosts),
            "detail": entry.detail,
            "group": entry.group,
        }
        for entry in entries[begins_before:]
    ]


def _moves(entries: Sequence[ChannelEntry], scope: Scope) -> list[dict[str, Any]]:
    """What became of every move of a channel; the last that is on record of it."""
    last: dict[tuple[str, str], ChannelEntry] = {}
    for entry in entries:
        key = (entry.operation, str(entry.channel))
        last.pop(key, None)
        last[key] = entry
    return [entry.as_dict() for entry in last.values() if _covers_text(scope, entry.at)]


def _covers_text(scope: Scope, at: str) -> bool:
    after = scope.since is None or at >= format_time(scope.since)
    return after and (scope.until is None or at <= format_time(scope.until))


_MOVED = {"done": "now has", "failed": "could not be given", "begun": "was to be given, and nobody knows the end:"}


def _told_move(move: Mapping[str, Any]) -> dict[str, Any]:
    what = f"{move['version']} ({short(move['to'])})" if move["version"] else short(move["to"])
    before = f", had {short(move['from'])}" if move["from"] else ""
    said = [f"{move['verb']} by {move['by']}", move["why"], *(f"overruled: {told}" for told in move["overruled"])]
    return {
        "at": move["at"],
        "about": f"channel {move['channel']}",
        "what": f"{move['variant']} {_MOVED.get(move['state'], move['state'])} {what}{before}",
        "hosts": [],
        "detail": ": ".join(filter(None, said)),
        "group": "rollout" if move["state"] == "done" else "failed",
    }
