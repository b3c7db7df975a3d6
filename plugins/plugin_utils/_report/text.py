# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reports for the terminal: aligned, calm, and safe to print whatever devices and registries said."""

from __future__ import annotations

import textwrap
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .._rollout.errors import some
from .charts import median
from .words import (
    CATCHING_UP,
    GROUPS,
    HOLD_RULES,
    PHASES,
    STATES,
    WAIT_RULES,
    approve_with,
    charged,
    clean,
    explain,
    look_at,
    many,
    measured,
    moment,
    order_before,
    short,
    shown_groups,
    span,
    spoken,
    stopped_how,
    taken_over,
    tally,
    took,
    versions,
    voices,
)

_AT_MOST = 10
_STYLES = {"bold": "1", "dim": "2", "good": "32", "bad": "31", "busy": "36"}
_PHASE_STYLES = {"held": "bad", "aborted": "bad", "completed": "good", "running": "busy"}

Paint = Callable[[str, str], str]
"""Gives a text one of the styles, or leaves it alone."""


@dataclass(frozen=True)
class _Column:
    """``limit`` is the width at which its cells are clipped."""

    title: str
    right: bool = False
    limit: int = 40


def rollout_text(summary: Mapping[str, Any], color: bool = False, width: int = 100) -> str:
    """A short report on what ``summarize()`` returned, without a newline at its end."""
    told = clean(summary)
    paint = _painter(color)
    blocks = [
        _headline(told, paint, width),
        _waves(told, paint, width),
        [*_story(told, paint, width), *_last_order(told, width), *_put_off(told, width)],
        _concerns(told, paint, width),
        _listed("Warnings", told["warnings"], paint, width),
    ]
    return "\n\n".join("\n".join(block) for block in blocks if block)


def fleet_text(rows: Iterable[Mapping[str, Any]], color: bool = False, width: int = 100) -> str:
    """Who runs what, without a newline at its end.

    A row has host, variant, reachable, is_bootc, backend, bootc_version, booted, staged and rollback (each None or a
    mapping with version, digest and image), reboot_required, drifted, seen_at and unreachable_since (RFC 3339 or None),
    known_bugs and message. Of a device that is not reachable it tells what was seen last.
    """
    fleet = sorted((clean(row) for row in rows), key=lambda row: (row.get("variant") or "", row["host"]))
    paint = _painter(color)
    if not fleet:
        return "No devices."
    silent = [row["host"] for row in fleet if not row["reachable"]]
    mute = [row["host"] for row in fleet if row["reachable"] and not row["is_bootc"] and row["message"]]
    foreign = [row["host"] for row in fleet if row["reachable"] and not row["is_bootc"] and not row["message"]]
    known = [row for row in fleet if row["reachable"] and row["is_bootc"]]
    rebooting = [row["host"] for row in known if row["reboot_required"]]
    drifted = [row["host"] for row in fleet if row["drifted"]]
    clients = Counter(row["bootc_version"] or "unknown" for row in known)
    bugs = sorted({(row["bootc_version"], bug) for row in known for bug in row["known_bugs"]})
    blocks = [
        [paint("bold", f"{many(len(fleet), 'device')}, {len(known)} of them answered and run bootc")],
        _fleet_versions([row for row in fleet if row["is_bootc"]], paint, width),
        _fleet_devices(fleet, paint, width),
        [
            *_named("Did not answer", silent, width),
            *_named("Could not tell", mute, width),
            *_named("Do not run bootc", foreign, width),
            *_named("Wait for a reboot", rebooting, width),
            *_named("Run something else than their last rollout left them with", drifted, width),
            *_named("bootc versions", [f"{name} on {count}" for name, count in sorted(clients.items())], width),
        ],
        _listed("Known troubles of these", [f"bootc {version}: {bug}." for version, bug in bugs], paint, width),
    ]
    return "\n\n".join("\n".join(block) for block in blocks if block)


def explanation_text(told: Sequence[Mapping[str, Any]], width: int = 100) -> str:
    """Why devices are where they are; ``told`` has host, state, since, why, next and until (RFC 3339) of each."""
    if not told:
        return "Every device of the rollout has its verdict."
    lines: list[str] = []
    for device in map(clean, told):
        state = STATES.get(device["state"], spoken(device["state"]))
        lines += _wrap(f"{device['host']}: {state} since {moment(device['since'])}", width)
        lines += _wrap(device["why"], width, "  ", "  ")
        until = f" ({moment(device['until'])})" if device["until"] else ""
        lines += _wrap(f"Next: {device['next']}{until}", width, "  ", "  ")
    return "\n".join(lines)


def _headline(summary: Mapping[str, Any], paint: Paint, width: int) -> list[str]:
    phase = summary["phase"]
    lines = [
        paint("bold", f"Rollout {_clip(summary['id'], width - 20)}")
        + f": {paint(_PHASE_STYLES.get(phase, 'dim'), PHASES.get(phase, phase))}"
    ]
    for names, before, after in versions(summary):
        lines += _wrap(f"{', '.join(names)}: {before + ' → ' if before else ''}{after}", width)
    return lines


def _waves(summary: Mapping[str, Any], paint: Paint, width: int) -> list[str]:
    everyone = tally(summary["totals"])
    groups = shown_groups(everyone)
    columns = [_Column("wave"), _Column(""), _Column("devices", right=True)]
    columns += [_Column(GROUPS[group], right=True) for group in groups]
    rows = []
    for wave in summary["waves"]:
        counts = tally(wave)
        numbers = [str(wave["devices"]), *(str(counts[group]) for group in groups)]
        rows.append([wave["name"], PHASES.get(wave["phase"], wave["phase"]), *numbers])
    late = summary["catching_up"]
    if late["devices"]:
        counts = tally(late)
        rows.append([CATCHING_UP, "", str(late["devices"]), *(str(counts[group]) for group in groups)])
    total = ["total", "", str(summary["totals"]["devices"]), *(str(everyone[group]) for group in groups)]
    return _table(columns, rows, paint, width, total)


def _story(summary: Mapping[str, Any], paint: Paint, width: int) -> list[str]:
    if summary["hold"] is not None:
        return _hold(summary, summary["hold"], paint, width)
    if summary["phase"] == "superseded":
        return _wrap(f"{taken_over(summary)} Nothing more happens here.", width)
    if summary["phase"] == "completed":
        return _done(summary, width)
    if summary["phase"] in ("paused", "canceled", "aborted"):
        return _ordered(summary, width)
    wait = summary["wait"]
    if wait is None:
        return []
    until = f", until {moment(wait['until'])}" if wait["until"] else ""
    lines = _wrap(f"Waits for {WAIT_RULES.get(wait['rule'], spoken(wait['rule']))}: {wait['why']}{until}.", width)
    if wait["rule"] == "approval":
        waiting = next(wave["name"] for wave in summary["waves"] if wave["phase"] != "passed")
        lines += ["Approve with:", f"  {approve_with(summary['plan_hash'], waiting)}"]
    return lines


def _ordered(summary: Mapping[str, Any], width: int) -> list[str]:
    order = summary["order"]
    who = f"{stopped_how(summary)} by {order['by']} on {moment(order['at'])}: {order['why']}."
    paused = summary["phase"] == "paused"
    then = "Nothing new starts until somebody resumes it." if paused else "Nothing new starts any more."
    return _wrap(f"{who} {then}", width)


def _last_order(summary: Mapping[str, Any], width: int) -> list[str]:
    order = order_before(summary)
    if order is None:
        return []
    return _wrap(f"Last order: {order['done']} by {order['by']} on {moment(order['at'])}: {order['why']}.", width)


def _put_off(summary: Mapping[str, Any], width: int) -> list[str]:
    """Who waits for a better time: until when, or for what to be over."""
    deferred = [device for device in summary["devices"] if device["state"] == "deferred"]
    closed = [device for device in deferred if device["reason"] == "window"]
    spared = [device for device in deferred if device["reason"] == "inhibited"]
    parked = [device for device in summary["devices"] if device["parked"] and device["state"] == "staged"]
    lines = []
    if parked:
        lines += _wrap(f"{many(len(parked), 'device')} with their image downloaded and parked for later.", width)
    if closed:
        turns = sorted(device["until"] for device in closed if device["until"])
        when = f"; the next may go at {moment(turns[0])}" if turns else ""
        lines += _wrap(f"{many(len(closed), 'device')} outside their windows{when}.", width)
    if spared:
        kinds = Counter(name for device in spared for name in device["inhibitors"])
        told = ", ".join(f"{spoken(name)} on {count}" for name, count in sorted(kinds.items()))
        lines += _wrap(f"{many(len(spared), 'device')} in use: {told}.", width)
    return lines


def _hold(summary: Mapping[str, Any], hold: Mapping[str, Any], paint: Paint, width: int) -> list[str]:
    rule = HOLD_RULES.get(hold["rule"], spoken(hold["rule"]))
    what = "Aborted" if summary["phase"] == "aborted" else "Held"
    where = "" if hold["wave"] is None else f" in wave {hold['wave']}"
    lines = _wrap(f"{what}{where}: {rule} ({hold['numbers']}). Since {moment(hold['at'])}.", width)
    lines[0] = paint("bad", what) + lines[0].removeprefix(what)
    told = voices(charged(summary))
    for voice in told[:_AT_MOST]:
        lines += _wrap(some(voice.hosts, _AT_MOST), width, "  ", "  ")
        lines += _wrap(": ".join(filter(None, [voice.state, voice.words])), width, "    ", "    ", most=3)
    if len(told) > _AT_MOST:
        lines.append(f"  ... and {sum(len(voice.hosts) for voice in told[_AT_MOST:])} more")
    return [*lines, *_wrap(f"What to do: {hold['remedy']}", width)]


def _done(summary: Mapping[str, Any], width: int) -> list[str]:
    duration = took(summary["started_at"], summary["ended_at"])
    sentence = f"Done on {moment(summary['ended_at'])}" + (f", after {duration}." if duration else ".")
    boots = measured(summary, "boot_seconds")
    if boots:
        sentence += f" A reboot took {span(median(boots))} (median), {span(boots[-1])} at most."
    lines = _wrap(sentence, width)
    asleep = [device["host"] for device in summary["devices"] if device["state"] == "unreachable"]
    if asleep:
        lines += _wrap(f"Asleep: {some(asleep, _AT_MOST)}. Run it again when they are awake.", width)
    return lines


def _concerns(summary: Mapping[str, Any], paint: Paint, width: int) -> list[str]:
    devices = look_at(summary)
    if not devices:
        return []
    lines = []
    for device in devices[:_AT_MOST]:
        state = STATES.get(device["state"], device["state"])
        lines += _wrap(f"{device['host']}  {state}", width, "  ", "  ")
        lines += _wrap(explain(device), width, "    ", "    ", most=3)
    more = [f"  ... and {len(devices) - _AT_MOST} more"] if len(devices) > _AT_MOST else []
    return [paint("bold", "Devices that need a look"), *lines, *more]


def _fleet_versions(known: Sequence[Mapping[str, Any]], paint: Paint, width: int) -> list[str]:
    """How many run what; those that did not answer run what they ran when they last did, and are counted besides."""

    def what(row: Mapping[str, Any]) -> tuple[str, str, str]:
        return row.get("variant") or "-", _version(row["booted"]), _digest(row["booted"])

    counts = Counter(map(what, known))
    silent = Counter(what(row) for row in known if not row["reachable"])
    ordered = sorted(counts.items(), key=lambda item: (item[0][0], -item[1], item[0]))
    rows = [[*key, str(count), *([str(silent[key] or "")] if silent else [])] for key, count in ordered]
    columns = [_Column("variant"), _Column("runs"), _Column("digest"), _Column("devices", right=True)]
    columns += [_Column("silent", right=True)] if silent else []
    return _table(columns, rows, paint, width) if rows else []


def _fleet_devices(fleet: Sequence[Mapping[str, Any]], paint: Paint, width: int) -> list[str]:
    titles = ("host", "variant", "runs", "digest", "staged", "backend")
    rows = [
        [
            row["host"],
            row.get("variant") or "-",
            _version(row["booted"]),
            _digest(row["booted"]),
            _version(row["staged"]),
            row["backend"] or "-",
            _note(row),
        ]
        for row in fleet
    ]
    columns = [_Column(title, limit=32) for title in titles]
    return _table([*columns, _Column("note", limit=400)], rows, paint, width)


def _note(row: Mapping[str, Any]) -> str:
    if not row["reachable"]:
        seen = f", seen {moment(row['seen_at'])}" if row["seen_at"] else ""
        words = f"did not answer{seen}"
    elif not row["is_bootc"]:
        words = "could not tell" if row["message"] else "does not run bootc"
    elif row["reboot_required"]:
        turns = row.get("next_boot") == "rollback" and row["rollback"] is not None
        words = f"boots {_version(row['rollback'])} next" if turns else "waits for a reboot"
    else:
        words = "drifted" if row["drifted"] else ""
    return ": ".join(filter(None, [words, row["message"] or ""]))


def _version(slot: Mapping[str, Any] | None) -> str:
    return "-" if slot is None else slot["version"] or "no version"


def _digest(slot: Mapping[str, Any] | None) -> str:
    return "-" if slot is None else short(slot["digest"]) or "-"


def _named(title: str, names: Sequence[str], width: int) -> list[str]:
    return _wrap(f"{title}: {', '.join(names)}", width, "", "  ") if names else []


def _listed(title: str, items: Sequence[str], paint: Paint, width: int) -> list[str]:
    lines = [line for item in items for line in _wrap(item, width, "  ", "    ")]
    return [paint("bold", title), *lines] if lines else []


def _table(
    columns: Sequence[_Column],
    rows: Sequence[Sequence[str]],
    paint: Paint,
    width: int,
    total: Sequence[str] | None = None,
) -> list[str]:
    """Aligned lines, indented by two: titles, rows, and the total below a rule. The last column takes what is left."""
    every = [[column.title for column in columns], *rows, *([total] if total else [])]
    widths = [min(column.limit, max(_cells(row[at]) for row in every)) for at, column in enumerate(columns)]
    if not columns[-1].right:
        widths[-1] = min(widths[-1], max(20, width - sum(widths[:-1]) - 2 * len(columns)))

    def line(row: Sequence[str], quiet: bool = False) -> str:
        padded = [_pad(cell, wide, column.right) for cell, wide, column in zip(row, widths, columns, strict=True)]
        painted = [paint("dim", text) if quiet or text.strip() == "0" else text for text in padded]
        return ("  " + "  ".join(painted)).rstrip()

    lines = [line(every[0], quiet=True), *(line(row) for row in rows)]
    if total:
        lines += [paint("dim", "  " + "─" * (sum(widths) + 2 * (len(widths) - 1))), line(total)]
    return lines


def _pad(text: str, wide: int, right: bool) -> str:
    clipped = _clip(text, wide)
    space = " " * (wide - _cells(clipped))
    return space + clipped if right else clipped + space


def _clip(text: str, wide: int) -> str:
    if _cells(text) <= wide:
        return text
    used, kept = 1, ""
    for character in text:
        used += _cells(character)
        if used > wide:
            break
        kept += character
    return kept.rstrip() + "…"


def _cells(text: str) -> int:
    """Columns a terminal needs for ``text``."""
    return sum(
        0 if unicodedata.combining(character) else 2 if unicodedata.east_asian_width(character) in "WF" else 1
        for character in text
    )


def _wrap(text: str, width: int, first: str = "", rest: str = "", most: int | None = None) -> list[str]:
    return textwrap.wrap(
        text,
        max(width, 20),
        initial_indent=first,
        subsequent_indent=rest,
        max_lines=most,
        placeholder=" …",
        break_on_hyphens=False,
    )


def _painter(color: bool) -> Paint:
    if not color:
        return lambda style, text: text
    return lambda style, text: f"\x1b[{_STYLES[style]}m{text}\x1b[0m"
