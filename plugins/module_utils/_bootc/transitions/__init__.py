# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What to run to get from one state of a host to a wanted one, and what the host will look like then. Pure."""

from __future__ import annotations

from .drop import undeploy_staged
from .model import ROLLBACK, UNDEPLOY_STAGED, Command, Desired, History, Rollback, Switch, Transition, Update
from .outcome import after_reboot, fetches, found_in, found_nothing_new, how_to_boot, mismatch, same_content_note
from .plan import plan
from .rollback import queued_here
from .shared import not_bootc

__all__ = [
    "ROLLBACK",
    "UNDEPLOY_STAGED",
    "Command",
    "Desired",
    "History",
    "Rollback",
    "Switch",
    "Transition",
    "Update",
    "after_reboot",
    "fetches",
    "found_in",
    "found_nothing_new",
    "how_to_boot",
    "mismatch",
    "not_bootc",
    "plan",
    "queued_here",
    "same_content_note",
    "undeploy_staged",
]
