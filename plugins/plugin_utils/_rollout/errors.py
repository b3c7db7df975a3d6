# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one error this package raises for input it cannot accept, and how messages name many devices."""

from __future__ import annotations

from collections.abc import Sequence


class RolloutError(Exception):
    """Something a person has to mend before the rollout can go on.

    ``cause`` says what is wrong and where, ``remedy`` what to do about it; ``reason`` is a stable word for scripts.
    """

    def __init__(self, cause: str, remedy: str, reason: str = "invalid") -> None:
        super().__init__(f"{cause} {remedy}")
        self.cause = cause
        self.remedy = remedy
        self.reason = reason


CONTROLLER_REASONS = frozenset(
    {
        "ledger_unwritable",
        "ledger_full",
        "ledger_read_only",
        "ledger_unreadable",
        "ledger_damaged",
        "ledger_conflict",
        "superseded_controller",
        "fenced",
        "orphaned",
    }
)
"""Reasons for which a run cannot go on at all, whatever its devices do."""


def some(names: Sequence[str], most: int = 5) -> str:
    """``a, b and 3 more``."""
    shown = ", ".join(names[:most])
    return f"{shown} and {len(names) - most} more" if len(names) > most else shown
