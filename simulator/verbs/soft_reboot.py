# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Preparing soft reboots: what ``--soft-reboot`` does on either backend, and ``internals prep-soft-reboot``."""

from __future__ import annotations

from dataclasses import replace

from simulator.state import Deployment
from simulator.status import soft_reboot_capable
from simulator.verbs.common import BootcError, Outcome

REQUIRED = "required"


def prepare_staged(outcome: Outcome, mode: str | None, *context: str) -> None:
    """ostree, after staging: mount what is staged for the next reboot. ``required`` fails too late: it stays staged."""
    if mode is None:
        return
    _prepare(outcome, mode, outcome.state.staged, "staged", *context, "Handling staged soft reboot")


def prepare_rollback(outcome: Outcome, mode: str | None, *context: str) -> None:
    """ostree, after the rollback was queued or reverted: looks at the rollback, and mounts what boots by default."""
    if mode is None:
        return
    _prepare(outcome, mode, outcome.state.rollback, "rollback", *context)


def _prepare(outcome: Outcome, mode: str, entry: Deployment | None, kind: str, *context: str) -> None:
    state = outcome.state
    if entry is not None and soft_reboot_capable(state, entry):
        outcome.out.append(f"{kind.capitalize()} deployment is soft-reboot capable, preparing for soft-reboot...")
        target = entry if kind == "staged" else state.deployments[0]
        outcome.state = replace(state, soft_reboot_target=target.id)
    elif mode == REQUIRED:
        cause = f"Soft reboot was required but {kind} deployment is not soft-reboot capable"
        raise BootcError(*context, "Handling soft reboot", cause)


def prepare_composefs(outcome: Outcome, mode: str, deployment: str, *context: str, apply: bool) -> None:
    """composefs: ``auto`` does nothing at all where another kernel is needed, not even what ``apply`` asks for."""
    context = (*context, "Soft rebooting")
    state = outcome.state
    if deployment == state.booted_id:
        raise BootcError(*context, "Cannot soft-reboot to currently booted deployment")
    entry = next((one for one in state.everything if one.checksum == deployment), None)
    if entry is None:
        raise BootcError(*context, f"Deployment '{deployment}' not found")
    if not soft_reboot_capable(state, entry):
        if mode == REQUIRED:
            raise BootcError(*context, "Cannot soft-reboot to deployment with a different kernel state")
        return
    outcome.state = replace(state, soft_reboot_target=entry.id)
    outcome.out.append("Soft reboot setup complete")
    outcome.soft = apply


def reset_composefs(outcome: Outcome) -> None:
    """``internals prep-soft-reboot --reset``."""
    if outcome.state.soft_reboot_target is None:
        outcome.out.append("No deployment staged for soft rebooting")
        return
    outcome.state = replace(outcome.state, soft_reboot_target=None)
    outcome.out.append("Cleared soft reboot queued state")
