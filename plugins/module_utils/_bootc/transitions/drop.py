# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How to get rid of what is staged. Pure."""

from __future__ import annotations

from typing import Any, Mapping, Sequence

from ..._errors import BootcError
from ..status import COMPOSEFS, Slot, Status
from .model import UNDEPLOY_STAGED, Command, Transition
from .shared import describe


def plan_nothing_staged(status: Status) -> Transition:
    staged = status.staged
    if staged is None:
        return Transition((), status, note="Nothing is staged")
    predicted = status.without_staged()
    note = dropped_note(status, staged)
    if predicted.next_boot == "rollback":
        note += "; the queued rollback boots next now"
    return Transition((drop_staged(status),), predicted, note=note, discards=("staged",))


def drop_staged(status: Status) -> Command:
    staged = status.staged
    if status.backend != COMPOSEFS:
        return UNDEPLOY_STAGED
    if staged is None or staged.deployment is None:
        raise BootcError(
            "unexpected",
            "The staged deployment has no identity in the status of bootc",
            "Look at 'bootc status' on the device; a reboot drops or applies what is staged",
        )
    return ("bootc", "delete-deployment", staged.deployment)


def undeploy_staged(deployments: Sequence[Mapping[str, Any]], staged: Slot | None) -> Command | None:
    """How to drop what is staged by what ostree lists now, or None when that is not staged any more."""
    for position, entry in enumerate(deployments):
        identity = f"{entry.get('checksum')}.{entry.get('serial')}"
        if entry.get("staged") is True and staged is not None and staged.deployment in (identity, None):
            index = entry.get("index")
            return (*UNDEPLOY_STAGED[:-1], str(index if _is_index(index) else position))
    return None


def _is_index(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def dropped_note(status: Status, staged: Slot) -> str:
    """What goes, and what the host tracks from then on: the name of a staged deployment goes with it."""
    note = f"The {'parked' if staged.download_only else 'staged'} {describe(staged)} is dropped"
    booted = status.booted
    if booted is None or booted.image is None or booted.spec == status.spec_image:
        return note
    return f"{note}, and {booted.image} is tracked again"
