# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An audit as JSON lines for other programs, and what an earlier one witnesses."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from .._rollout.chain import Head
from .._rollout.errors import RolloutError

_OF_A_ROLLOUT = {"waves": "wave", "orders": "order", "devices": "device", "events": "event"}


def audit_lines(told: Mapping[str, Any]) -> str:
    """One JSON object a line, each with ``type``; what belongs to a rollout names it as ``rollout``.

    Only ASCII is written, so that nothing a device said can act on a terminal.
    """
    return "".join(json.dumps(document) + "\n" for document in _documents(told))


def _documents(told: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    yield {"type": "audit", "schema": 1, **{key: told[key] for key in ("scope", "intact", "strangers", "journal")}}
    yield from ({"type": "ledger", **ledger} for ledger in told["ledgers"])
    for rollout in told["rollouts"]:
        whole = {key: value for key, value in rollout.items() if key not in _OF_A_ROLLOUT}
        yield {"type": "rollout", **whole}
        for part, kind in _OF_A_ROLLOUT.items():
            yield from ({"type": kind, "rollout": rollout["id"], **document} for document in rollout[part])
    yield from ({"type": "channel", **move} for move in told["channels"])


def witnesses(text: str, place: str) -> dict[str, Head]:
    """The last line of each ledger as an earlier export tells it; raises RolloutError for what is none."""
    found: dict[str, Head] = {}
    try:
        for line in text.splitlines():
            document = json.loads(line)
            if document["type"] == "ledger" and document["lines"]:
                found[str(document["id"])] = Head(int(document["lines"]), str(document["sha256"]))
    except (ValueError, KeyError, TypeError) as error:
        raise RolloutError(
            f"{place} is not an export of an audit.", "Name an audit.jsonl that this playbook wrote.", "invalid_witness"
        ) from error
    return found
