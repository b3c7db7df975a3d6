# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An audit for the terminal: safe to print whatever devices, ledgers and journals say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .._rollout.errors import some
from .audit_words import OUTCOMES, about, clock, days, decision, headline, releases, troubles
from .text import Paint, _Column, _listed, _painter, _table, _wrap
from .words import PHASES, STATES, clean, many, moment, short, spoken

_COUNTS = ("devices", "touched", "updated", "rolled_back", "failed", "lost")


def audit_text(audit: Mapping[str, Any], width: int = 110, newest: int | None = None) -> str:
    """What ``audit()`` returned, without a newline at its end; of the time line only the ``newest`` entries."""
    told = clean(audit)
    paint = _painter(False)
    blocks = [
        _headline(told, paint, width),
        _broken(told, width),
        _ledgers(told, paint, width),
        _rollouts(told, paint, width),
        _waves(told, paint, width),
        _orders(told, paint, width),
        _devices(told, paint, width),
        _story(told, width, newest),
    ]
    return "\n\n".join("\n".join(block) for block in blocks if block)


def _headline(told: Mapping[str, Any], paint: Paint, width: int) -> list[str]:
    scope = about(told)
    lines = [paint("bold", f"Audit: {headline(told)}"), *(_wrap(f"Told {scope}.", width) if scope else [])]
    if told["strangers"]:
        lines += _wrap(f"No rollout knows {some(told['strangers'], 10)}.", width)
    return lines


def _broken(told: Mapping[str, Any], width: int) -> list[str]:
    lines: list[str] = []
    for name, why, then in troubles(told):
        lines += _wrap(f"BROKEN {name}: {why}", width)
        lines += _wrap(then, width, "  ", "  ")
    return lines


def _ledgers(told: Mapping[str, Any], paint: Paint, width: int) -> list[str]:
    rows = [
        [
            ledger["id"],
            "intact" if ledger["intact"] else "BROKEN",
            str(ledger["lines"]),
            moment(ledger["last_at"]) or "-",
            ledger["sha256"][:16],
        ]
        for ledger in told["ledgers"]
    ]
    columns = [_Column("ledger"), _Column("chain"), _Column("lines", right=True), _Column("last line"), _Column("hash")]
    return _table(columns, rows, paint, width)


def _rollouts(told: Mapping[str, Any], paint: Paint, width: int) -> list[str]:
    if not told["rollouts"]:
        return ["No rollout has a part in this."]
    titles = ("rollout", "to", "outcome", "by", "started")
    columns = [_Column(title) for title in titles] + [_Column(spoken(count), right=True) for count in _COUNTS]
    rows = [
        [
            rollout["id"],
            releases(rollout),
            PHASES.get(rollout["phase"], rollout["phase"]),
            ", ".join(rollout["by"]) or "-",
            moment(rollout["started_at"]),
            *(str(rollout["totals"][count]) for count in _COUNTS),
        ]
        for rollout in told["rollouts"]
    ]
    return _table(columns, rows, paint, width)


def _waves(told: Mapping[str, Any], paint: Paint, width: int) -> list[str]:
    columns = [_Column(title) for title in ("rollout", "wave", "outcome", "opened")]
    columns += [_Column(spoken(count), right=True) for count in _COUNTS]
    rows = [
        [
            rollout["id"],
            wave["name"],
            OUTCOMES.get(wave["outcome"], wave["outcome"]),
            moment(wave["opened_at"]) or "-",
            *(str(wave[count]) for count in _COUNTS),
        ]
        for rollout in told["rollouts"]
        for wave in rollout["waves"]
    ]
    return _table(columns, rows, paint, width) if rows else []


def _orders(told: Mapping[str, Any], paint: Paint, width: int) -> list[str]:
    orders = [
        f"{moment(order['at'])}  {rollout['id']}: {decision(order)}, by {order['by'] or 'somebody'}"
        + (f": {order['why']}" if order["why"] else "")
        for rollout in told["rollouts"]
        for order in rollout["orders"]
    ]
    return _listed("Approvals and orders", orders, paint, width)


def _devices(told: Mapping[str, Any], paint: Paint, width: int) -> list[str]:
    """What became of the devices that were asked for; without any this would be the fleet."""
    if not told["scope"]["devices"]:
        return []
    titles = ("device", "rollout", "wave", "ended", "before", "runs", "every verdict")
    rows = [
        [
            device["host"],
            rollout["id"],
            device["wave"],
            STATES.get(device["state"], spoken(device["state"])),
            device["previous_version"] or short(device["previous_digest"]) or "-",
            short(device["booted_digest"]) or "-",
            ", ".join(f"{spoken(one['verdict'])} {moment(one['at'])}" for one in device["verdicts"]) or "-",
        ]
        for rollout in told["rollouts"]
        for device in rollout["devices"]
    ]
    columns = [*(_Column(title) for title in titles[:-1]), _Column(titles[-1], limit=400)]
    return _table(columns, rows, paint, width) if rows else []


def _story(told: Mapping[str, Any], width: int, newest: int | None) -> list[str]:
    story = told["story"]
    left_out = 0 if newest is None else max(0, len(story) - newest)
    lines = [f"{many(left_out, 'earlier entry', 'earlier entries')} not shown here."] if left_out else []
    for day, entries in days(story[left_out:]):
        lines.append(f"{day} (UTC)")
        for entry in entries:
            who = f"{some(entry['hosts'], 8)}: " if entry["hosts"] else ""
            start = f"  {clock(entry['at'])}  {entry['about']}  "
            lines += _wrap(f"{start}{who}{entry['what']}", width, "", " " * 12)
            if entry["detail"]:
                lines += _wrap(entry["detail"], width, " " * 12, " " * 12, most=3)
    return lines
