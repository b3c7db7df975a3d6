# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The boot cycle: what an orderly shutdown finalises, and what the next boot finds. Pure."""

from __future__ import annotations

from dataclasses import replace

from simulator import storage
from simulator.faults import Moment, active, over, value
from simulator.journal import FINALISED, finalize_unit
from simulator.state import Boot, Deployment, Overlay, State
from simulator.versions import has

# Fails once, in the boot after a failed finalisation, for the stamp ostree left in /boot. composefs has no counterpart.
STAMP_UNIT = "ostree-boot-complete.service"
SYSTEMD = "init.scope"
# Firmware, boot loader and kernel are left out.
SOFT_SHARE = 0.5


def finalise(state: State) -> State:
    """What happens at an orderly shutdown: an unlocked staged deployment becomes the default boot entry.

    Whatever comes of it, nothing is staged afterwards that a boot could still find: it lives in /run.
    """
    staged, booted = state.staged, state.booted
    if staged is None or booted is None:
        return state
    unit = finalize_unit(state)
    if state.staged_locked:
        return state.noted("Not finalizing; deployment is locked for finalization", unit)
    kept: tuple[Deployment, ...] = tuple(
        entry
        for entry in state.deployments
        if entry.id != booted.id and not state.composefs and (entry.pinned or entry.stateroot != booted.stateroot)
    )
    failed, trouble = _trouble(state, staged, (booted, *kept))
    if trouble is not None:
        failed = storage.left(failed, replace(failed, staged=None, soft_reboot_target=None))
        failed = failed.noted(f"error: {trouble}", unit, priority=3)
        failed = failed.noted(f"{unit}: Control process exited, code=exited, status=1/FAILURE", unit, priority=5)
        failed = failed.noted(f"{unit}: Failed with result 'exit-code'.", unit, priority=4)
        return replace(failed, finalize_stamp=None if state.composefs else trouble)
    after = replace(state, deployments=(staged, booted, *kept), staged=None, staged_locked=False)
    after = storage.left(state, after)
    if not state.composefs or has(state.bootc_version, "composefs gc at finalise"):
        after, _unused = storage.collect_boot_files(after)
    if state.composefs:
        return after.noted(f"Finalized staged deployment {staged.id}", unit, message_id=FINALISED)
    return after.noted("Bootloader updated", unit)


def _trouble(state: State, staged: Deployment, kept: tuple[Deployment, ...]) -> tuple[State, str | None]:
    """Why the boot entry of ``staged`` cannot be written beside those of ``kept``, and the device after that fault."""
    for moment in (Moment.FINALIZE, Moment.MERGE):
        broken = active(state, moment)
        if broken is None or (
            # From that version on what is staged has no conflict.
            moment is Moment.MERGE and state.composefs and has(state.bootc_version, "composefs etc conflict check")
        ):
            continue
        return over(state, broken), broken.text if state.composefs else broken.ostree_text or broken.text
    if state.composefs:
        return state, None
    # With too little room ostree drops what is about to fall off before it writes, not after.
    return state, storage.boot_room(replace(state, deployments=kept), staged.image)


def start(state: State, now: float, boot_id: str, kernel_id: str | None = None, *, entry: int = 0) -> State:
    """A new boot: entry number ``entry`` of the boot menu runs; what lived in /run is gone."""
    chosen = state.deployments[entry].id if state.deployments else None
    broken = active(state, Moment.ENTRY)
    if broken is not None and state.booted is not None and chosen != state.booted_id:
        # One that falls back boots twice.
        state = over(state, broken).noted(f"{chosen} does not boot: falling back to {state.booted_id}", SYSTEMD)
        chosen, boots = state.booted_id, 2
    else:
        boots = 1
    boot = Boot(
        id=boot_id,
        started=now,
        up_at=now + _duration(state) * boots,
        count=state.boot.count + 1,
        silent=active(state, Moment.NEXT_BOOT) is not None,
        failed_units=(STAMP_UNIT,) if state.finalize_stamp else (),
        kernel_id=kernel_id,
        entry=chosen,
    )
    after = replace(state, boot=boot, booted_id=chosen, usr_overlay=_lasting(state, chosen), reboot_required=None)
    return _begun(state, after)


def soft_reboot(state: State, now: float) -> State:
    """An orderly restart of user space under the running kernel: into what was prepared for it, else what runs.

    /run and with it the note that a reboot is required stay, so does the identity of the boot. What is not finalised
    is not staged any more, as after every boot.
    """
    state = finalise(came_up(state))
    prepared = state.soft_reboot_target
    chosen = prepared if prepared in [entry.id for entry in state.deployments] else state.booted_id
    boot = replace(
        state.boot,
        up_at=now + _duration(state) * SOFT_SHARE,
        silent=active(state, Moment.NEXT_BOOT) is not None,
        settled=False,
        failed_units=(STAMP_UNIT,) if state.finalize_stamp else (),
        soft=state.boot.soft + 1,
    )
    overlay = state.usr_overlay if chosen == state.booted_id else None
    return _begun(state, replace(state, boot=boot, booted_id=chosen, usr_overlay=overlay))


def _duration(state: State) -> float:
    told = value(state, Moment.BOOT_TIME)
    return float(told) if told else state.boot_seconds


def _lasting(state: State, chosen: str | None) -> Overlay | None:
    """The overlay on /usr a boot finds: only one that was meant to last, under the deployment it was put on."""
    overlay = state.usr_overlay
    return (
        overlay if overlay is not None and overlay.persistence == "persistent" and chosen == state.booted_id else None
    )


def _begun(before: State, after: State) -> State:
    dropped = replace(after, staged=None, staged_locked=False, soft_reboot_target=None)
    begun = storage.left(before, dropped)
    kind = f"soft reboot {begun.boot.soft} of boot" if begun.boot.soft else "boot"
    begun = begun.noted(f"{kind} {begun.boot.count}: {begun.booted_id or 'no deployment'}", SYSTEMD)
    if begun.finalize_stamp is None:
        return begun
    unit = finalize_unit(begun)
    begun = begun.noted(f"error: {unit} failed on previous boot: {begun.finalize_stamp}", STAMP_UNIT, priority=3)
    return begun.noted(f"{STAMP_UNIT}: Failed with result 'exit-code'.", STAMP_UNIT, priority=4)


def came_up(state: State) -> State:
    """The boot is through: its one unit that looks at the stamp of a failed finalisation has taken it away."""
    return replace(state, finalize_stamp=None)


def settle(state: State) -> State:
    """As the first visitor finds the device."""
    return replace(came_up(state), boot=replace(state.boot, settled=True, silent=False))


def reboot(state: State, now: float, boot_id: str, *, orderly: bool) -> State:
    """Shut down (finalising only when ``orderly``) and boot again."""
    state = came_up(state)
    return start(_shut_down(state) if orderly else state, now, boot_id)


def _shut_down(state: State) -> State:
    """An orderly shutdown, by whose last words the journal tells it from a power loss."""
    return finalise(state).noted("Reached target System Reboot.", SYSTEMD)


def choose(state: State, now: float, boot_id: str, entry: int = 1) -> State:
    """An orderly reboot in which somebody picks an entry of the boot menu; raises ValueError when it is not there."""
    finalised = _shut_down(came_up(state))
    if not 0 <= entry < len(finalised.deployments):
        raise ValueError(
            "the boot menu has one entry only; update the device and reboot it, then there are two"
            if len(finalised.deployments) < 2
            else f"the boot menu has the entries 0 to {len(finalised.deployments) - 1}, and no {entry}"
        )
    return start(finalised, now, boot_id, entry=entry)
