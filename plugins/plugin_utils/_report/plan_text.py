# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan of a rollout for people who review it: who, in which order, at what cost, and what stands against it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from .._rollout.errors import some
from .text import _Column, _painter, _table, _wrap
from .words import PHASES, approve_with, clean, short, size, span, spoken

_AT_MOST = 20
_WIDE = 120


def plan_text(document: Mapping[str, Any], width: int = 100) -> str:
    """A short text on what ``plan_document()`` returned, without a newline at its end; of many hosts it names some."""
    return _blocks(_overview(clean(document), width, _AT_MOST))


def full_plan_text(document: Mapping[str, Any]) -> str:
    """The same with every host, and a line per device: what is kept and sent to those who approve."""
    told = clean(document)
    everyone = max(_AT_MOST, told["totals"]["counts"]["total"], len(told["joining"]))
    return _blocks([*_overview(told, _WIDE, everyone), _devices(told)])


def _blocks(blocks: Iterable[Sequence[str]]) -> str:
    return "\n\n".join("\n".join(block) for block in blocks if block)


def _overview(told: Mapping[str, Any], width: int, most: int) -> list[list[str]]:
    devices = [*(device for wave in told["waves"] for device in wave["devices"]), *told["joining"]]
    return [
        _headline(told, width),
        _waves(told, width),
        _members(told, width, most),
        _told("Came after the plan was made", _late(told, most), width, most),
        _told("Already done", _grouped(devices, _done, most), width, most),
        _told("Would not be updated", _grouped(devices, _refusal, most), width, most),
        _told("Sizes that are upper bounds", _grouped(devices, _doubt, most), width, most),
        _told("To be known", _grouped(devices, _note, most), width, most),
        _told("Warnings", told["warnings"], width, most),
        _wrap(_assumptions(told), width),
        [*_approvals(told), f"Plan hash: {told['plan_hash']}"],
    ]


def _headline(told: Mapping[str, Any], width: int) -> list[str]:
    phase = told["phase"]
    lines = [f"Plan of the rollout {told['id']}" + (f" ({PHASES.get(phase, phase)})" if phase else "")]
    for variant in told["variants"]:
        version = f"{variant['version']}, " if variant["version"] else ""
        lines += _wrap(f"{variant['name']}: {version}{variant['image']}@{short(variant['digest'])}", width, "", "  ")
    return lines


def _waves(told: Mapping[str, Any], width: int) -> list[str]:
    sites = any(device["site"] is not None for wave in told["waves"] for device in wave["devices"])
    titles = ["devices", "to update", "download", *(["with site caches"] if sites else []), "takes", "soak"]
    columns = [_Column("wave"), *(_Column(title, right=True) for title in titles)]

    def row(name: str, wave: Mapping[str, Any]) -> list[str]:
        doubt = "≤ " if wave["counts"]["uncertain"] else ""
        return [
            name,
            str(wave["counts"]["total"]),
            str(wave["counts"]["update"]),
            doubt + size(wave["bytes"]),
            *([doubt + size(wave["site_bytes"])] if sites else []),
            _minutes(wave["seconds"] - wave["soak_seconds"]),
            _minutes(wave["soak_seconds"]),
        ]

    rows = [row(wave["name"], wave) for wave in told["waves"]]
    return _table(columns, rows, _painter(False), width, row("total", told["totals"]))


def _members(told: Mapping[str, Any], width: int, most: int) -> list[str]:
    lines = ["Who is in which wave"]
    for wave in told["waves"]:
        hosts = [device["host"] for device in wave["devices"]]
        lines += _wrap(f"{wave['name']}: {some(hosts, most) or 'nobody'}", width, "  ", "    ")
    return lines


def _late(told: Mapping[str, Any], most: int) -> list[str]:
    joining = told["joining"]
    if not joining:
        return []
    doubt = "" if all(device["exact"] for device in joining) else "≤ "
    sums = f"{doubt}{size(sum(device['bytes'] for device in joining))} to download, which no figure above counts"
    return [*_grouped(joining, _entry, most), sums]


def _entry(device: Mapping[str, Any]) -> Iterable[str]:
    """The rollout has it, or takes it in when it is run next."""
    into = "to catch up when all waves passed" if device["wave"] is None else f"wave {device['wave']}"
    yield f"joined {into}" if device["on_record"] else f"would join {into}"


def _devices(told: Mapping[str, Any]) -> list[str]:
    columns = [
        _Column("host"),
        _Column("wave"),
        _Column("variant"),
        _Column("site"),
        _Column("is to"),
        _Column("download", right=True),
        _Column("takes", right=True),
    ]
    words = {"update": "be updated", "current": "stay: runs it", "refused": "be left out", "decided": "stay: is done"}
    rows = [
        [
            device["host"],
            wave,
            device["variant"],
            device["site"] or "-",
            words[device["action"]],
            ("" if device["exact"] else "≤ ") + size(device["bytes"]),
            _minutes(device["seconds"]),
        ]
        for wave, device in [
            *((wave["name"], device) for wave in told["waves"] for device in wave["devices"]),
            *((device["wave"] or "catch-up", device) for device in told["joining"]),
        ]
    ]
    return ["Every device", *_table(columns, rows, _painter(False), _WIDE)]


def _told(title: str, items: Sequence[str], width: int, most: int) -> list[str]:
    lines = [line for item in items[:most] for line in _wrap(item, width, "  ", "    ")]
    more = [f"  ... and {len(items) - most} more"] if len(items) > most else []
    return [title, *lines, *more] if items else []


def _grouped(
    devices: Iterable[Mapping[str, Any]], words: Callable[[Mapping[str, Any]], Iterable[str]], most: int
) -> list[str]:
    """What devices have to say, once for all who say the same."""
    together: dict[str, list[str]] = {}
    for device in devices:
        for said in words(device):
            together.setdefault(said, []).append(device["host"])
    return [f"{some(hosts, most)}: {said}" for said, hosts in together.items()]


def _done(device: Mapping[str, Any]) -> Iterable[str]:
    if device["action"] == "current":
        yield "runs the image already; only its checks are looked at"
    elif device["action"] == "decided":
        yield f"has its verdict in this rollout: {spoken(device['reason'])}"


def _refusal(device: Mapping[str, Any]) -> Iterable[str]:
    if device["action"] == "refused":
        yield _said(device)


def _doubt(device: Mapping[str, Any]) -> Iterable[str]:
    if not device["exact"]:
        said = _said(device) if device["answered"] else f"did not answer ({device['message'] or 'it said nothing'})"
        yield f"{said}; the whole image is counted"


def _said(device: Mapping[str, Any]) -> str:
    message = device["message"]
    return f"{spoken(device['reason'])}: {message}" if message else spoken(device["reason"])


def _note(device: Mapping[str, Any]) -> Iterable[str]:
    return list(device["notes"])


def _approvals(told: Mapping[str, Any]) -> list[str]:
    """Which waves a person has to let go on, and how."""
    waits = [wave for wave in told["waves"] if wave["approve"] != "never"]
    if not waits:
        return []
    when = ", ".join(f"{wave['approve']} {wave['name']}" for wave in waits)
    commands = [f"  {approve_with(told['plan_hash'], wave['name'])}" for wave in waits]
    return [f"Waits for approval {when}. Approve{' each' if len(waits) > 1 else ''} with:", *commands]


def _assumptions(told: Mapping[str, Any]) -> str:
    taken = told["assumptions"]
    rate = f"{taken['rate_bytes_per_second'] * 8 / 1e6:.10g} Mbit/s"
    limit = taken["download_rate_bytes_per_second"]
    spread = "" if limit is None else f" Downloads are spread so that they come to {limit / 1e6:.10g} MB a second."
    return (
        f"About {_minutes(told['totals']['seconds'])} in all, if everybody is awake and well: estimated with "
        f"{rate} for each device, {span(taken['reboot_seconds'])} for its reboot and "
        f"{span(taken['settle_seconds'])} to settle. {_tempo(told)}{spread} Whole layers are counted, as bootc fetches "
        "them."
    )


def _tempo(told: Mapping[str, Any]) -> str:
    most = max(wave["parallel"] for wave in told["waves"])
    if most == 1:
        return "One device is updated at a time."
    return f"A wave begins with few devices and goes up to {most} at a time, as long as nothing fails."


def _minutes(seconds: float) -> str:
    """Whole minutes, rounded up: nobody can tell more."""
    return span(-(-seconds // 60) * 60) if seconds else "0 min"
