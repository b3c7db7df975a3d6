# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The way from one state to a wanted one. Pure."""

from __future__ import annotations

from ..._errors import BootcError
from ..status import Status
from .drop import plan_nothing_staged
from .model import Desired, Rollback, Switch, Transition, Update
from .rollback import plan_rollback
from .shared import not_bootc
from .supported import require_supported
from .switch import plan_switch
from .update import plan_update


def plan(status: Status, desired: Desired) -> Transition:
    """The way from this state to the wanted one; BootcError when there is none."""
    if not status.is_bootc:
        raise not_bootc(status.installed)
    if isinstance(desired, Switch):
        transition = plan_switch(status, desired)
    elif isinstance(desired, Update):
        transition = plan_update(status, desired)
    elif isinstance(desired, Rollback):
        transition = plan_rollback(status, desired)
    else:
        transition = plan_nothing_staged(status)
    if transition.commands and status.read_only:
        raise BootcError(
            "read_only",
            "The system runs from a read-only medium, such as a live image, and cannot be changed",
            "Install it to a disk first",
        )
    require_supported(status, transition.commands)
    return transition
