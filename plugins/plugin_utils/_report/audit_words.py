# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The words that the text and the page of an audit have in common."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

from .._rollout.errors import some
from .words import PHASES, many, moment, parse_moment, spoken

OUTCOMES = {
    **PHASES,
    "planned": "not opened",
    "accepted": "accepted as it was",
    "held": "held",
    "": "",
}
"""What came of a wave."""

DECISIONS = {
    "paused": "paused",
    "resumed": "resumed",
    "approved": "approved",
    "accepted": "accepted",
    "canceled": "canceled",
    "aborted": "aborted",
    "reverting": "to be taken back",
    "excluded": "left out",
    "retried": "to be tried again",
    "superseded": "superseded",
    "hosts_superseded": "taken over",
}


def headline(told: Mapping[str, Any]) -> str:
    """``2 rollouts, 1 of 3 ledgers is broken``."""
    broken = sum(not ledger["intact"] for ledger in told["ledgers"])
    ledgers = many(len(told["ledgers"]), "ledger")
    chains = f"{ledgers}, all intact" if not broken else f"{broken} of {ledgers} broken"
    return f"{many(len(told['rollouts']), 'rollout')}; {chains}"


def about(told: Mapping[str, Any]) -> str:
    """What part of the past is told; empty for all of it."""
    scope = told["scope"]
    parts = [
        f"from {moment(scope['since'])}" if scope["since"] else "",
        f"as it stood on {moment(scope['until'])}" if scope["until"] else "",
        f"of {some(scope['devices'], 10)}" if scope["devices"] else "",
    ]
    return ", ".join(filter(None, parts))


def troubles(told: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """What is broken: its name, why, and what is told of it nevertheless, with what to do."""
    found = [
        (
            ledger["id"],
            ledger["fault"],
            f"{_what_is_left(ledger)} {ledger['remedy']}",
        )
        for ledger in told["ledgers"]
        if not ledger["intact"]
    ]
    if told["journal"] and told["journal"]["fault"]:
        found.append(("channels", told["journal"]["fault"], "No move of a channel is told."))
    return found


def _what_is_left(ledger: Mapping[str, Any]) -> str:
    if not ledger["lines"]:
        return "Nothing of it is told."
    if ledger["lines"] == 1:
        return "Line 1 is vouched for by the one after it; nothing else is told."
    return f"Lines 1 to {ledger['lines']} are vouched for by those after them; nothing else is told."


def decision(order: Mapping[str, Any]) -> str:
    """``approved wave early``, ``left out deck-1, deck-2``, ``superseded by skorion-1.2.0``."""
    word = DECISIONS.get(order["order"], spoken(order["order"]))
    parts = [
        word,
        f"wave {order['wave']}" if order["wave"] else "",
        some(order["hosts"], 5),
        f"by {order['successor']}" if order["order"] in ("superseded", "hosts_superseded") else "",
        f"(plan {order['plan_hash'][:12]})" if order["plan_hash"] else "",
    ]
    return " ".join(filter(None, parts))


def releases(rollout: Mapping[str, Any]) -> str:
    """The versions of its variants, each once."""
    return ", ".join(dict.fromkeys(str(v["version"] or v["digest"][7:19]) for v in rollout["variants"]))


def days(story: Sequence[Mapping[str, Any]]) -> list[tuple[str, list[Mapping[str, Any]]]]:
    """The time line by day."""
    return [(day, list(entries)) for day, entries in groupby(story, key=lambda entry: str(entry["at"])[:10])]


def clock(at: str) -> str:
    """``04:10:00`` of an RFC 3339 time; anything else as it came."""
    when = parse_moment(at)
    return at if when is None else f"{when:%H:%M:%S}"
