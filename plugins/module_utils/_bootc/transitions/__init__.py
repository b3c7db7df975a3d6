# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What to run to get from one state of a host to a wanted one, and what the host will look like then. Pure."""

from __future__ import annotations

from .drop import undeploy_staged
from .history import came_back, queued_here, taken_back, taken_back_note
from .model import (
    ROLLBACK,
    UNDEPLOY_STAGED,
    Command,
    Desired,
    History,
    NothingStaged,
    Rollback,
    Switch,
    Transition,
    Update,
)
from .outcome import after_reboot, fetches, found_in, found_nothing_new, how_to_boot, mismatch, same_content_note
from .plan import plan
from .shared import not_bootc, tracked_image, with_tag
from .supported import require_supported

__all__ = [
    "ROLLBACK",
    "UNDEPLOY_STAGED",
    "Command",
    "Desired",
    "History",
    "NothingStaged",
    "Rollback",
    "Switch",
    "Transition",
    "Update",
    "after_reboot",
    "came_back",
    "fetches",
    "found_in",
    "found_nothing_new",
    "how_to_boot",
    "mismatch",
    "not_bootc",
    "plan",
    "queued_here",
    "require_supported",
    "same_content_note",
    "taken_back",
    "taken_back_note",
    "tracked_image",
    "undeploy_staged",
    "with_tag",
]
