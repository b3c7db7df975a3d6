# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The boot cycle: what an orderly shutdown finalises, and what the next boot finds. Pure."""

from __future__ import annotations

from dataclasses import replace

from simulator.faults import Moment, active, value
from simulator.state import Boot, Deployment, State
from simulator.versions import has

# Fails once, in the boot after a failed finalisation, for the stamp ostree left in /boot. composefs has no counterpart.
STAMP_UNIT = "ostree-boot-complete.service"


def finalise(state: State) -> State:
    """What happens at an orderly shutdown: an unlocked staged deployment becomes the default boot entry."""
    staged, booted = state.staged, state.booted
    if staged is None or booted is None:
        return state
    if state.staged_locked:
        return state.noted("Not finalizing; deployment is locked for finalization")
    broken = active(state, Moment.FINALIZE)
    if broken is None and not has(state.bootc_version, "composefs etc conflict check"):
        broken = active(state, Moment.MERGE)
    if broken is not None:
        left = {name: setting for name, setting in state.faults.items() if not (broken.once and name == broken.name)}
        failed = replace(state, faults=left, staged=None, finalize_stamp=not state.composefs)
        return failed.noted(f"finalize-staged failed: {broken.text}")
    kept: tuple[Deployment, ...] = tuple(
        entry for entry in state.deployments if entry.pinned and entry.id != booted.id and not state.composefs
    )
    return replace(state, deployments=(staged, booted, *kept), staged=None, staged_locked=False)


def start(state: State, now: float, boot_id: str, kernel_id: str | None = None) -> State:
    """A new boot: the default entry runs; what lived in /run is gone."""
    duration = value(state, Moment.BOOT_TIME)
    default = state.deployments[0].id if state.deployments else None
    boot = Boot(
        id=boot_id,
        started=now,
        up_at=now + (float(duration) if duration else state.boot_seconds),
        count=state.boot.count + 1,
        silent=active(state, Moment.NEXT_BOOT) is not None,
        failed_units=(STAMP_UNIT,) if state.finalize_stamp else (),
        kernel_id=kernel_id,
    )
    return replace(
        state,
        boot=boot,
        booted_id=default,
        staged=None,
        staged_locked=False,
        usr_overlay=None,
        reboot_required=None,
        finalize_stamp=False,
    ).noted(f"boot {boot.count}: {default or 'no deployment'}")


def reboot(state: State, now: float, boot_id: str, *, orderly: bool) -> State:
    """Shut down (finalising only when ``orderly``) and boot again."""
    return start(finalise(state) if orderly else state, now, boot_id)
