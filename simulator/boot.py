# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The boot cycle: what an orderly shutdown finalises, and what the next boot finds. Pure."""

from __future__ import annotations

from dataclasses import replace

from simulator.faults import Moment, active, over, value
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
        failed = replace(over(state, broken), staged=None, finalize_stamp=None if state.composefs else broken.text)
        return failed.noted(f"finalize-staged failed: {broken.text}")
    kept: tuple[Deployment, ...] = tuple(
        entry for entry in state.deployments if entry.pinned and entry.id != booted.id and not state.composefs
    )
    return replace(state, deployments=(staged, booted, *kept), staged=None, staged_locked=False)


def start(state: State, now: float, boot_id: str, kernel_id: str | None = None, *, entry: int = 0) -> State:
    """A new boot: entry number ``entry`` of the boot menu runs; what lived in /run is gone."""
    chosen = state.deployments[entry].id if state.deployments else None
    broken = active(state, Moment.ENTRY)
    falls_back = broken is not None and state.booted is not None and chosen != state.booted_id
    told = value(state, Moment.BOOT_TIME)
    duration = float(told) if told else state.boot_seconds
    boot = Boot(
        id=boot_id,
        started=now,
        # One that falls back boots twice.
        up_at=now + duration * (2 if falls_back else 1),
        count=state.boot.count + 1,
        silent=active(state, Moment.NEXT_BOOT) is not None,
        failed_units=(STAMP_UNIT,) if state.finalize_stamp else (),
        kernel_id=kernel_id,
    )
    if broken is not None and falls_back:
        state = over(state, broken).noted(f"{chosen} did not boot: the boot loader falls back to {state.booted_id}")
        chosen = state.booted_id
    return replace(
        state,
        boot=boot,
        booted_id=chosen,
        staged=None,
        staged_locked=False,
        usr_overlay=None,
        reboot_required=None,
        finalize_stamp=None,
    ).noted(f"boot {boot.count}: {chosen or 'no deployment'}")


def reboot(state: State, now: float, boot_id: str, *, orderly: bool) -> State:
    """Shut down (finalising only when ``orderly``) and boot again."""
    return start(finalise(state) if orderly else state, now, boot_id)


def choose(state: State, now: float, boot_id: str) -> State:
    """An orderly reboot in which somebody picks the second entry of the boot menu; raises ValueError without one."""
    finalised = finalise(state)
    if len(finalised.deployments) < 2:
        raise ValueError("the boot menu has one entry only; update the device and reboot it, then there are two")
    return start(finalised, now, boot_id, entry=1)
