# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An audit as one HTML file that needs nothing else, to be kept, printed and handed on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .audit_words import OUTCOMES, about, clock, days, decision, headline, releases, troubles
from .pages import Pages
from .words import GROUP_OF, PHASES, STATES, clean, moment, short, spoken

_TILES = {
    "touched": ("rollout", "something was done to them"),
    "updated": ("updated", "proven healthy"),
    "rolled_back": ("rolled_back", "on their old image"),
    "failed": ("failed", "see the time line"),
    "lost": ("failed", "never answered again"),
}


def audit_html(audit: Mapping[str, Any]) -> str:
    """The page for what ``audit()`` returned. The same ledgers give the same page, so it carries no date of its own.

    Everything that devices, ledgers or journals say is cleaned here and escaped by the template.
    """
    told = clean(audit)
    return Pages(spoken=spoken, clock=clock, decision=decision, releases=releases).render(
        "audit.html.j2",
        told=told,
        headline=headline(told),
        about=about(told),
        troubles=troubles(told),
        tiles=[
            {"group": group, "label": spoken(count), "count": _total(told, count), "note": note}
            for count, (group, note) in _TILES.items()
        ],
        outcomes=OUTCOMES,
        phases=PHASES,
        orders=sorted(
            ((rollout["id"], order) for rollout in told["rollouts"] for order in rollout["orders"]),
            key=lambda pair: str(pair[1]["at"]),
        ),
        devices=[_device(rollout["id"], device) for rollout in told["rollouts"] for device in rollout["devices"]],
        days=days(told["story"]),
    )


def _total(told: Mapping[str, Any], count: str) -> int:
    return sum(int(rollout["totals"][count]) for rollout in told["rollouts"])


def _device(rollout: str, device: Mapping[str, Any]) -> dict[str, Any]:
    state = device["state"]
    verdicts = ", ".join(f"{spoken(one['verdict'])} {moment(one['at'])}" for one in device["verdicts"])
    return {
        **device,
        "rollout": rollout,
        "group": GROUP_OF.get(state, "waiting"),
        "words": STATES.get(state, spoken(state)),
        "before": device["previous_version"] or short(device["previous_digest"]),
        "verdicts": verdicts,
    }
