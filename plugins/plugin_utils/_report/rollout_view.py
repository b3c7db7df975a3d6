# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the pages show of a rollout, out of its summary and its events: one mapping for the templates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

from .._rollout.errors import some
from .charts import distribution
from .timeline import Entry, tell
from .words import (
    CATCHING_UP,
    GROUP_OF,
    GROUPS,
    HOLD_RULES,
    PHASES,
    STATES,
    WAIT_RULES,
    charged,
    explain,
    look_at,
    measured,
    number,
    order_before,
    parse_moment,
    short,
    shown_groups,
    span,
    spoken,
    stopped_how,
    tally,
    took,
    versions,
    voices,
)

_TILE_NOTES = {
    "updated": "proven healthy",
    "already_current": "nothing to do",
    "rolled_back": "on their old image",
    "asleep": "did not answer yet",
    "in_flight": "being updated now",
    "waiting": "their turn comes",
    "left_out": "not part of this",
}
BOOTS = "Reboot, until it answered"
_SEVERITY = ("failed", "rolled_back", "in_flight", "asleep", "left_out", "waiting", "updated", "already_current")


def rollout_view(summary: Mapping[str, Any], events: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What the templates show of what ``summarize()`` returned and of events of a ledger, both cleaned."""
    everyone = tally(summary["totals"])
    return {
        "summary": summary,
        "phase": PHASES.get(summary["phase"], summary["phase"]),
        "duration": took(summary["started_at"], summary["ended_at"]),
        "versions": [
            {"names": ", ".join(names), "before": before, "after": after} for names, before, after in versions(summary)
        ],
        "tiles": _tiles(summary, everyone),
        "waves": [*(_wave(wave) for wave in summary["waves"]), *_late(summary["catching_up"])],
        "hold": _hold(summary),
        "order": _order(summary),
        "order_before": order_before(summary),
        "wait": _wait(summary),
        "asleep": some([d["host"] for d in summary["devices"] if d["state"] == "unreachable"], 10),
        "concerns": voices(look_at(summary)),
        "distributions": list(filter(None, [distribution(BOOTS, measured(summary, "boot_seconds"), span)])),
        "days": _days(tell(summary, events)),
    }


_STILL = ("held", "paused", "canceled", "aborted", "superseded")


def _tiles(summary: Mapping[str, Any], everyone: Mapping[str, int]) -> list[dict[str, Any]]:
    lost = summary["totals"]["lost"]
    waiting = "nothing new is started" if summary["phase"] in _STILL else _TILE_NOTES["waiting"]
    failed = f"{lost} of them lost" if lost else "see their messages"
    notes = {**_TILE_NOTES, "failed": failed, "waiting": waiting}
    return [
        {"group": group, "label": GROUPS[group], "count": everyone[group], "note": notes[group]}
        for group in shown_groups(everyone)
    ]


def _wave(wave: Mapping[str, Any]) -> dict[str, Any]:
    counts = tally(wave)
    return {
        "name": wave["name"],
        "phase": wave["phase"],
        "words": PHASES.get(wave["phase"], wave["phase"]),
        "devices": wave["devices"],
        "opened_at": wave["opened_at"],
        "duration": took(wave["opened_at"], wave["passed_at"]),
        "parts": [{"group": group, "label": GROUPS[group], "count": count} for group, count in counts.items() if count],
    }


def _late(late: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Devices that catch up, told like a wave, if there are any."""
    told = {"name": CATCHING_UP, "phase": "", "opened_at": None, "passed_at": None, **late}
    return [_wave(told)] if late["devices"] else []


def _hold(summary: Mapping[str, Any]) -> dict[str, Any] | None:
    hold = summary["hold"]
    if hold is None:
        return None
    return {
        "wave": hold["wave"],
        "rule": HOLD_RULES.get(hold["rule"], spoken(hold["rule"])),
        "numbers": hold["numbers"],
        "at": hold["at"],
        "voices": voices(charged(summary)),
        "remedy": _with_code(hold["remedy"]),
    }


def _order(summary: Mapping[str, Any]) -> dict[str, Any] | None:
    """What somebody told it to do, while that is why nothing is started."""
    if summary["hold"] is not None or summary["phase"] not in ("paused", "canceled", "aborted"):
        return None
    return {**summary["order"], "what": stopped_how(summary)}


def _with_code(text: str) -> list[tuple[bool, str]]:
    """Parts of ``text``, and whether each stood between back quotes."""
    return [(bool(index % 2), part) for index, part in enumerate(text.split("`")) if part]


def _wait(summary: Mapping[str, Any]) -> dict[str, Any] | None:
    wait = summary["wait"]
    if wait is None or summary["phase"] != "running":
        return None
    return {"rule": WAIT_RULES.get(wait["rule"], spoken(wait["rule"])), "why": wait["why"], "until": wait["until"]}


def device_view(device: Mapping[str, Any]) -> dict[str, Any]:
    """The row of one of its devices."""
    state, boot = device["state"], number(device["boot_seconds"])
    group = GROUP_OF.get(state, "waiting")
    return {
        "host": device["host"],
        "variant": device["variant"],
        "group": group,
        "state": "parked" if device["parked"] else STATES.get(state, spoken(state)),
        "severity": _SEVERITY.index(group),
        "wave": CATCHING_UP if device["catching_up"] else device["wave"],
        "before": device["previous_version"] or short(device["previous_digest"]),
        "digest": device["booted_digest"] or "",
        "boot": "" if boot is None else boot,
        "boot_words": "" if boot is None else span(boot),
        "words": explain(device),
    }


def _days(entries: Sequence[Entry]) -> list[dict[str, Any]]:
    return [
        {
            "day": day,
            "entries": [{"entry": entry, "clock": _clock(entry.at), "who": some(entry.hosts, 8)} for entry in told],
        }
        for day, told in groupby(entries, key=lambda entry: entry.at[:10])
    ]


def _clock(at: str) -> str:
    when = parse_moment(at)
    return at if when is None else f"{when:%H:%M:%S}"
