# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A fleet as one HTML file that needs nothing else: who runs what, where rollouts are, what became of each device."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from markupsafe import Markup

from .._fleet.answers import SLOTS, deployments, room
from .._fleet.history import Chapter, History
from .._plain import plain
from .._rollout.events import format_time, parse_time
from .charts import distribution
from .pages import Pages
from .rollout_view import BOOTS, rollout_view
from .timeline import of_device
from .words import PHASES, STATES, clean, many, moment, number, short, size, span, spoken, tally

_VERSIONS_SHOWN = 8
_ROLLOUTS_SHOWN = 25
_UNKNOWN = "unknown"
_DOWNLOAD = "Download of the last update"
_STANDINGS = {
    "failed": ("could not tell", "see their messages"),
    "rolled_back": ("drifted", "not what their last rollout left"),
    "in_flight": ("waiting for a reboot", "something else boots next"),
    "asleep": ("silent", "as they were seen last"),
    "left_out": ("no bootc", "not booted by it"),
    "updated": ("answered", "and run bootc"),
}
"""Where devices stand, the worst first: the group that picks a colour, its word and a note."""
_COLUMNS = (
    *("host", "variant", "group", "standing", "version", "next", "stood", "rollout", "kept", "pinned"),
    *("free", "boot", "seen", "slots", "client", "download", "staging", "bugs", "message", "steps"),
)
_IN_SCRIPTS = str.maketrans({"<": "\\u003c", ">": "\\u003e", "&": "\\u0026"})


def fleet_html(
    rows: Sequence[Mapping[str, Any]], history: History | None, now: float, links: Mapping[str, str] | None = None
) -> str:
    """The page for rows of fleet_status and for what ledgers tell, if there are any.

    ``now`` in seconds since the epoch; ``links`` are relative addresses of the pages of rollouts, by id. Everything
    that devices or registries said is cleaned here, and escaped by the template or shown as text by its script.
    """
    # What ledgers have of a host is under the name it has there, which is the one before it was cleaned.
    fleet = sorted(
        ({**clean(row), "key": row["host"]} for row in rows), key=lambda row: (row["variant"] or "", row["host"])
    )
    past = History() if history is None else history
    pages = Pages()
    return pages.render(
        "fleet.html.j2",
        fleet=fleet,
        tiles=_tiles(fleet),
        variants=_variants(fleet),
        current=[_told(chapter, now) for chapter in past.current],
        rollouts=[_line(chapter, now) for chapter in past.chapters[:_ROLLOUTS_SHOWN]],
        earlier=max(0, len(past.chapters) - _ROLLOUTS_SHOWN),
        links=links or {},
        kept=_kept(fleet),
        distributions=_distributions(fleet, past),
        has_ledgers=history is not None,
        data=_embedded(_data(fleet, past)),
        script=pages.script("table.js", "fleet.js"),
        generated_at=moment(format_time(now)),
    )


def _told(chapter: Chapter, now: float) -> dict[str, Any]:
    return {"over": chapter.is_over, **rollout_view(clean(chapter.summary(now)), clean(list(chapter.events)))}


_COUNTED = ("updated", "rolled_back", "failed", "asleep")
"""The groups of devices that have a column of their own in the list of rollouts."""


def _line(chapter: Chapter, now: float) -> dict[str, Any]:
    """One rollout in the list of all."""
    summary = chapter.summary(now)
    told = {key: clean(summary[key]) for key in ("id", "phase", "started_at", "ended_at")}
    counts = tally(summary["totals"])
    return {
        **told,
        "words": PHASES.get(told["phase"], told["phase"]),
        **counts,
        "devices": summary["totals"]["devices"],
        "others": sum(counts[group] for group in counts if group not in _COUNTED),
    }


# -- what is counted ---------------------------------------------------------------------------------------------------


def _standing(row: Mapping[str, Any]) -> str:
    """The first of ``_STANDINGS`` that is true of a device. Of one that is silent nothing else is certain."""
    if not row["reachable"]:
        return "asleep"
    if not row["is_bootc"]:
        return "failed" if row["message"] else "left_out"
    if row["drifted"]:
        return "rolled_back"
    return "in_flight" if row["reboot_required"] else "updated"


def _tiles(fleet: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    counts = Counter(map(_standing, fleet))
    always = ("updated", "in_flight", "rolled_back", "asleep")
    order = (*always, "failed", "left_out")
    return [
        {"group": group, "label": _STANDINGS[group][0], "note": _STANDINGS[group][1], "count": counts[group]}
        for group in order
        if group in always or counts[group]
    ]


def _version(slot: Mapping[str, Any] | None) -> str:
    """What people call it: its version, else the beginning of its digest."""
    return _UNKNOWN if slot is None else slot["version"] or short(slot["digest"]) or _UNKNOWN


def _variants(fleet: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Per variant how many run which version, the most common first."""
    grouped: dict[str, list[Mapping[str, Any]]] = {}
    for row in fleet:
        grouped.setdefault(row["variant"] or "", []).append(row)
    return [
        {"name": name, "count": len(devices), "shares": _shares(devices, lambda row: _version(row["booted"]))}
        for name, devices in grouped.items()
    ]


def _kept(fleet: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """How many deployments devices keep, as far as they ever told."""
    known = [row for row in fleet if deployments(row)]
    return _shares(known, lambda row: many(deployments(row), "deployment"))


def _shares(devices: Sequence[Mapping[str, Any]], key: Callable[[Mapping[str, Any]], str]) -> list[dict[str, Any]]:
    """How many devices have what, with those of them that are silent; the least common are put together."""
    counts = Counter(map(key, devices))
    silent = Counter(key(row) for row in devices if not row["reachable"])
    ordered = sorted(counts, key=lambda name: (-counts[name], name))
    shown = ordered if len(ordered) <= _VERSIONS_SHOWN else ordered[: _VERSIONS_SHOWN - 1]
    shares = [_share(name, counts[name], silent[name], len(devices), alone=True) for name in shown]
    rest = ordered[len(shown) :]
    if rest:
        several = sum(counts[name] for name in rest), sum(silent[name] for name in rest)
        shares.append(_share(f"{len(rest)} others", *several, len(devices), alone=False))
    return shares


def _share(name: str, count: int, silent: int, of: int, *, alone: bool) -> dict[str, Any]:
    percent = 100 * count / of
    words = "under 1 %" if percent < 1 else "over 99 %" if 99 < percent < 100 else f"{percent:.0f} %"
    return {"name": name, "count": count, "silent": silent, "rest": of - count, "percent": words, "alone": alone}


def _distributions(fleet: Sequence[Mapping[str, Any]], past: History) -> list[dict[str, Any]]:
    downloads = [download for download in (past.download(row["key"]) for row in fleet) if download is not None]
    vague = sum(not download.exact for download in downloads)
    told = [
        distribution("Free space for images", _known(room(row, "system", "free_bytes") for row in fleet), size),
        distribution("Free space for kernels", _known(room(row, "boot", "free_bytes") for row in fleet), size),
        distribution(_DOWNLOAD, _known(each.bytes for each in downloads), size),
        distribution(
            "Download and staging, time", _known(past.seconds(row["key"], "staging_seconds") for row in fleet), span
        ),
        distribution(BOOTS, _known(past.seconds(row["key"], "boot_seconds") for row in fleet), span),
    ]
    for fact in filter(None, told):
        if vague and fact["title"] == _DOWNLOAD:
            fact["words"] += f"; {vague} counted with the whole image"
    return [fact for fact in told if fact is not None]


def _known(values: Iterable[object]) -> list[float]:
    return sorted(value for value in map(number, values) if value is not None)


# -- what the script of the page has -----------------------------------------------------------------------------------


class _Table:
    """Things that many devices have, each written once: ``index`` is where."""

    def __init__(self) -> None:
        self._places: dict[Any, int] = {}

    def index(self, entry: Any) -> int:
        return self._places.setdefault(entry, len(self._places))

    @property
    def entries(self) -> list[Any]:
        return list(self._places)


def _data(fleet: Sequence[Mapping[str, Any]], past: History) -> dict[str, Any]:
    """One list per device with ``_COLUMNS``; times in seconds since the epoch, sizes in bytes with their words."""
    slots, rollouts, phrases = _Table(), _Table(), _Table()

    def steps(host: str) -> list[int]:
        flat: list[int] = []
        for step in past.steps(host):
            phrase = tuple(map(plain, of_device({"kind": step.kind, "data": step.data})))
            flat += (int(step.at), rollouts.index(plain(step.rollout)), phrases.index(phrase))
        return flat

    def slot(found: Mapping[str, Any] | None) -> int | None:
        return None if found is None else slots.index((_version(found), found["image"] or "", found["digest"] or ""))

    devices = []
    for row in fleet:
        host = row["key"]
        stood = past.stood(host)
        free = room(row, "system", "free_bytes")
        boot, staging = number(past.seconds(host, "boot_seconds")), number(past.seconds(host, "staging_seconds"))
        download = past.download(host)
        values = {
            "host": row["host"],
            "variant": row["variant"] or "",
            "group": _standing(row),
            "standing": _words(row),
            "version": _version(row["booted"]),
            "next": _next(row),
            "stood": "" if stood is None else STATES.get(stood[1], spoken(stood[1])),
            "rollout": None if stood is None else rollouts.index(plain(stood[0])),
            "kept": deployments(row) or None,
            "pinned": len(row["pinned"]),
            "free": None if free is None else [free, _room_words(row, "system")],
            "boot": None if boot is None else [round(boot, 1), span(boot)],
            "seen": None if row["seen_at"] is None else int(parse_time(row["seen_at"])),
            "slots": [*(slot(row[name]) for name in SLOTS), *(slot(other) for other in row["others"])],
            "client": " ".join(filter(None, [row["bootc_version"], row["backend"]])),
            "download": "" if download is None else f"{'' if download.exact else 'at most '}{size(download.bytes)}",
            "staging": "" if staging is None else span(staging),
            "bugs": row["known_bugs"],
            "message": row["message"],
            "steps": steps(host),
        }
        devices.append([values[column] for column in _COLUMNS])
    return {
        "columns": _COLUMNS,
        "devices": devices,
        "groups": {group: _STANDINGS[group][0] for group in _STANDINGS},
        "slots": slots.entries,
        "rollouts": rollouts.entries,
        "phrases": phrases.entries,
    }


def _words(row: Mapping[str, Any]) -> str:
    if row["reachable"]:
        return _STANDINGS[_standing(row)][0]
    return f"silent since {moment(row['unreachable_since'])[:10]}" if row["unreachable_since"] else "silent"


def _next(row: Mapping[str, Any]) -> str:
    """What boots next, if that is another image than what runs, or is staged without."""
    if row["next_boot"] == "rollback" and row["rollback"] is not None:
        return f"back to {_version(row['rollback'])}"
    if row["staged"] is None:
        return ""
    return _version(row["staged"]) + ("" if row["next_boot"] == "staged" else ", parked")


def _room_words(row: Mapping[str, Any], part: str) -> str:
    free, total = (room(row, part, key) for key in ("free_bytes", "total_bytes"))
    return "" if free is None else size(free) if not total else f"{size(free)} of {size(total)}"


def _embedded(document: object) -> Markup:
    """JSON that cannot end the element it is in, whatever texts are in it."""
    return Markup(json.dumps(document, separators=(",", ":"), ensure_ascii=True).translate(_IN_SCRIPTS))
