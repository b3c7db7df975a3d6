# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which combinations are tried."""

from __future__ import annotations

from .model import Case
from .operations import OPERATIONS, expect
from .starts import HOSTS, STARTS

# These are tried in every state with every operation. The others are tried where releases of bootc are known to differ:
# in these states, with one operation of each kind that changes a device.
WHOLE = ("ostree 1.16.9", "composefs 1.16.9")
TELLING = ("settled", "staged", "parked")
CHANGING = ("update staged", "update downloaded", "update absent", "switch to N", "rollback over staged", "apply")


def all_cases() -> list[Case]:
    """Every combination that can be."""
    return [
        Case(host, start, operation, expect(host, start, operation, rule))
        for host in HOSTS
        for start in STARTS
        if start.fits(host)
        for operation, rule in OPERATIONS
    ]


def selected_cases() -> list[Case]:
    """The combinations that are tried by default."""
    return [
        case
        for case in all_cases()
        if case.host.name in WHOLE or (case.start.name in TELLING and case.operation.name in CHANGING)
    ]
