# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A rollout as one HTML file that needs nothing else: it opens offline, prints, and reads well on a phone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .pages import Pages
from .rollout_view import device_view, rollout_view
from .words import clean, moment, size


def rollout_html(summary: Mapping[str, Any], events: Sequence[Mapping[str, Any]], generated_at: str) -> str:
    """The page for what ``summarize()`` returned.

    ``events`` are those of the ledger as dicts, without the plan; ``generated_at`` is an RFC 3339 time. Everything
    that devices or registries said is cleaned here and escaped by the template.
    """
    pages = Pages(size=size)
    told = clean(summary)
    return pages.render(
        "rollout.html.j2",
        summary=told,
        view=rollout_view(told, clean(list(events))),
        devices=[device_view(device) for device in told["devices"]],
        generated_at=clean(moment(generated_at)),
        script=pages.script("table.js", "devices.js"),
    )
