# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``bootc`` on a device: parses, locks, runs the verb, prints, and reboots when asked to."""

from __future__ import annotations

import os
import sys
import time
from contextlib import nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING, ContextManager

from simulator import faults, journal
from simulator.faults import Moment
from simulator.programs import TERMINATED
from simulator.programs.usage import HelpAsked, Parsed, UsageError, parse
from simulator.state import Overlay, State
from simulator.store import Device
from simulator.verbs import composefs, ostree
from simulator.verbs.common import BootcError, Outcome, PullError, SwitchOptions, UpgradeOptions, World, reachable
from simulator.versions import has

if TYPE_CHECKING:
    from simulator.world import DeviceWorld

KILLED = 137
NOT_FOUND = 127
_LONGEST_PARK_SECONDS = 300.0


def perform(state: State, parsed: Parsed, world: World) -> Outcome:
    """Run a parsed command other than status on ``state``; raises BootcError. Pure as far as ``world`` is."""
    if state.booted is None:
        raise BootcError("Initializing storage", "System not booted via bootc")
    if state.read_only:
        raise BootcError(*_read_only(state))
    # bootc itself ignores it for a rollback on composefs.
    if parsed.on("soft-reboot") and not (state.composefs and parsed.verb == "rollback"):
        raise BootcError("soft reboots are not simulated; leave out --soft-reboot")
    outcome = Outcome(state)
    try:
        _verb(outcome, parsed, world)
    except BootcError as failed:
        failed.so_far = outcome
        raise
    finally:
        outcome.state = journal.operations(state, outcome.state, parsed.verb)
    return outcome


def _read_only(state: State) -> tuple[str, ...]:
    """What a device on a medium that cannot be written says to whatever would."""
    if has(state.bootc_version, "readOnly"):
        medium = "/sysroot is on a read-only block device (e.g. a live ISO)"
        return "Initializing storage", f"Cannot perform this operation: {medium}"
    return "Initializing storage", "Preparing for write", "Remounting /sysroot", "Read-only file system (os error 30)"


def _verb(outcome: Outcome, parsed: Parsed, world: World) -> None:
    backend = composefs if outcome.state.composefs else ostree
    if parsed.verb == "upgrade":
        backend.upgrade(outcome, _upgrade_options(parsed), world)
    elif parsed.verb == "switch":
        backend.switch(outcome, _switch_options(parsed), world)
    elif parsed.verb == "rollback":
        backend.rollback(outcome, apply=parsed.on("apply"))
    elif parsed.verb == "usr-overlay":
        _usr_overlay(outcome, read_only=parsed.on("read-only"))
    elif not outcome.state.composefs:
        raise BootcError("DeleteDeployment is only supported for composefs backend")
    else:
        assert parsed.positional is not None
        composefs.delete_deployment(outcome, parsed.positional)


def _upgrade_options(parsed: Parsed) -> UpgradeOptions:
    return UpgradeOptions(
        check=parsed.on("check"),
        apply=parsed.on("apply"),
        download_only=parsed.on("download-only"),
        from_downloaded=parsed.on("from-downloaded"),
        tag=parsed.flags.get("tag"),
    )


def _switch_options(parsed: Parsed) -> SwitchOptions:
    assert parsed.positional is not None
    transport = parsed.flags.get("transport", "registry")
    return SwitchOptions(
        target=parsed.positional,
        transport="registry" if transport == "docker://" else transport,
        enforce_sigpolicy=parsed.on("enforce-container-sigpolicy"),
        retain=parsed.on("retain"),
        apply=parsed.on("apply"),
    )


def check_format_version(parsed: Parsed) -> None:
    """Raise BootcError for a version of the status document there is not; bootc does so before anything else."""
    wanted = int(parsed.flags.get("format-version", "1"))
    if wanted not in (0, 1):
        raise BootcError("Status", f"Unsupported format version: {wanted}")


def show_status(state: State, parsed: Parsed, *, tty: bool, offline: bool = False) -> Outcome:
    """``bootc status``."""
    from simulator import status

    form = parsed.flags.get("format") or ("json" if parsed.on("json") else "humanreadable" if tty else "yaml")
    only_booted = parsed.on("booted")
    if form == "json":
        text = status.as_json(status.document(state, only_booted=only_booted, offline=offline), state.bootc_version)
    elif form == "yaml":
        text = status.as_yaml(status.document(state, only_booted=only_booted, offline=offline))
    else:
        text = status.as_text(state, only_booted=only_booted, verbose=parsed.on("verbose"))
    return Outcome(state, document=text)


def _usr_overlay(outcome: Outcome, *, read_only: bool) -> None:
    state = outcome.state
    discarded = "All changes there will be discarded on reboot."
    any_kind = has(state.bootc_version, "usr-overlay --read-only")
    if state.usr_overlay is not None:
        if not state.composefs:
            unlocked = "development" if state.usr_overlay.access_mode == "readWrite" else "transient"
            raise BootcError(f"Deployment is already in unlocked state: {unlocked}")
        outcome.out.append(f"{'An' if any_kind else 'A writeable'} overlayfs is already mounted on /usr")
        return
    outcome.state = replace(state, usr_overlay=Overlay("readOnly" if read_only else "readWrite"))
    if state.composefs:
        kind = "read-only" if read_only else "read/write" if any_kind else "writeable"
        outcome.out += [f"A {kind} overlayfs is now mounted on /usr", discarded]
    elif read_only:
        outcome.out += ["A writable overlayfs is prepared for /usr, but is mounted read-only by default.", discarded]
    else:
        outcome.out += ["Development mode enabled.  A writable overlayfs is now mounted on /usr.", discarded]


def run(device: Device, arguments: list[str]) -> int:
    """The program ``bootc`` on ``device``; returns its exit code. Raises Unreachable and Rebooted."""
    state = device.visited()
    if not state.has_bootc or faults.active(state, Moment.FIND) is not None:
        sys.stderr.write("bootc: command not found\n")
        return NOT_FOUND
    try:
        parsed = parse(arguments, state.bootc_version)
    except HelpAsked as asked:
        sys.stdout.write(str(asked))
        return 0
    except UsageError as wrong:
        sys.stderr.write(str(wrong))
        return 2
    return _run_parsed(device, state, parsed)


def _run_parsed(device: Device, state: State, parsed: Parsed) -> int:
    if faults.active(state, Moment.START) is not None:
        device.pause(state, faults.seconds(state, Moment.START))
        return KILLED
    try:
        check_format_version(parsed)
        _require_root(state, parsed)
    except BootcError as failed:
        return _failed(failed, state)
    with _guard(device, state) as fresh:
        try:
            outcome = _perform(device, fresh, parsed)
        except BootcError as failed:
            device.check_boot(fresh)
            if failed.so_far is not None:
                _keep(device, fresh, failed.so_far)
            return _failed(failed, fresh)
        after = _keep(device, fresh, outcome)
        if after.composefs and after.staged != fresh.staged and not outcome.stuck:
            device.wait_for_repository(after)
        if outcome.stuck:
            device.pause(after, float("inf"))
        if outcome.reboot:
            return _reboot_and_park(device, after)
    return 0


def _guard(device: Device, state: State) -> ContextManager[State]:
    """What a command holds as long as it runs, a pull included: only ostree's keeps others out.

    On a medium that cannot be written ostree takes no lock.
    """
    if state.composefs:
        return device.repository_lock(state)
    return nullcontext(state) if state.read_only else device.sysroot_lock(state)


def _keep(device: Device, before: State, outcome: Outcome) -> State:
    """Write and print what a command did, be it all or what it did before it failed."""
    after = device.commit(before, outcome.state)
    if after.layers != before.layers:
        _world(device, after).drop_blobs(after)
    _print(outcome)
    return after


def _failed(failed: BootcError, state: State) -> int:
    # Before 1.4.0 errors were log messages, in colour wherever they went.
    head = "error:" if has(state.bootc_version, "plain errors") else "\x1b[31mERROR\x1b[0m"
    sys.stderr.buffer.write(("".join(f"{note}\n" for note in failed.notes) + f"{head} {failed}\n").encode())
    return 1


def _perform(device: Device, state: State, parsed: Parsed) -> Outcome:
    if parsed.verb == "status":
        return show_status(state, parsed, tty=sys.stdout.isatty(), offline=_offline(device, state))
    return perform(state, parsed, _world(device, state))


def _offline(device: Device, state: State) -> bool:
    """Whether ``status`` would have to ask a registry, and gets no answer."""
    from simulator.status import asks_registry

    if state.booted is None or not asks_registry(state):
        return False
    try:
        reachable(state, _world(device, state), state.booted.image.ref)
    except PullError:
        return True
    return False


def _world(device: Device, state: State) -> DeviceWorld:
    from simulator.world import DeviceWorld

    return DeviceWorld(device, state)


def _require_root(state: State, parsed: Parsed) -> None:
    # A device that is a directory belongs to whoever made it; one that is this machine has real users.
    if state.in_place and os.geteuid() != 0:
        context = "Status" if parsed.verb == "status" else "Initializing storage"
        raise BootcError(
            context,
            "Preparing for write",
            "Querying root privilege",
            "This command must be executed as the root user",
        )


def _print(outcome: Outcome) -> None:
    # Explicit bytes: the texts hold no-break spaces, and the locale of a remote session is often C.
    for line in outcome.err:
        sys.stderr.buffer.write(f"{line}\n".encode())
    text = outcome.document if outcome.document is not None else "".join(f"{line}\n" for line in outcome.out)
    sys.stdout.buffer.write(text.encode())
    sys.stdout.flush()
    sys.stderr.flush()


def _reboot_and_park(device: Device, state: State) -> int:
    """Ask for the reboot and wait to be killed by it, as ``--apply`` does: it never returns normally."""
    if state.in_place:
        import subprocess

        if subprocess.run(["systemctl", "reboot"], check=False).returncode != 0:
            return _failed(BootcError("Rebooting", "systemctl reboot failed"), state)
        time.sleep(_LONGEST_PARK_SECONDS)
        return 1
    device.restart()
    time.sleep(min(1.0, state.boot_seconds / 2))
    return TERMINATED
