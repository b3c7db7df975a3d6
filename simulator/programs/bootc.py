# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``bootc`` on a device: parses, locks, runs the verb, prints, and reboots when asked to."""

from __future__ import annotations

import json
import os
import stat
import sys
import time
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Callable, ContextManager

from simulator import faults
from simulator.faults import Moment
from simulator.files import etc_changes
from simulator.programs import TERMINATED
from simulator.programs.perform import Given, check_rights, perform, perform_into
from simulator.programs.usage import HelpAsked, Parsed, UsageError, parse
from simulator.session import rights
from simulator.state import State
from simulator.store import Device
from simulator.verbs.common import Aborted, BootcError, Event, Outcome, PullError, reachable
from simulator.verbs.progress import START
from simulator.versions import has

__all__ = ["perform", "run"]

if TYPE_CHECKING:
    from simulator.world import DeviceWorld

KILLED = 137
ABORTED = 134
NOT_FOUND = 127
_LONGEST_PARK_SECONDS = 300.0


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
        check_rights(state, parsed, _rights(state))
        sink = progress_sink(parsed)
        given = _given(device, state, parsed)
    except BootcError as failed:
        return _failed(failed, state)
    with _guard(device, state, parsed) as fresh:
        try:
            outcome = _perform(device, fresh, parsed, given, sink)
        except BootcError as failed:
            device.check_boot(fresh)
            if failed.so_far is not None:
                _keep(device, fresh, failed.so_far)
            return _failed(failed, fresh)
        except Aborted as aborted:
            if aborted.so_far is not None:
                _keep(device, fresh, aborted.so_far)
            return _abort(str(aborted))
        return _end(device, fresh, _keep(device, fresh, outcome), outcome)


def _end(device: Device, before: State, after: State, outcome: Outcome) -> int:
    """End as the command does: at once, never, or with the device."""
    if after.composefs and after.staged != before.staged and not outcome.stuck:
        device.wait_for_repository(after)
    if outcome.stuck:
        device.pause(after, float("inf"))
    if outcome.soft and not after.in_place:
        # The program becomes systemctl, which asks for it and ends.
        device.soft_reboot()
        return 0
    return _reboot_and_park(device, after) if outcome.reboot or outcome.soft else 0


def _abort(message: str) -> int:
    import resource
    import signal

    sys.stderr.write(f"{message}\n")
    sys.stderr.flush()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.kill(os.getpid(), signal.SIGABRT)
    return ABORTED


def _rights(state: State) -> str:
    # A device that is a directory belongs to whoever made it; one that is this machine has real users.
    return "user" if state.in_place and os.geteuid() != 0 else rights()


def _given(device: Device, state: State, parsed: Parsed) -> Given:
    """What the command takes from the device's file system; raises BootcError."""
    if parsed.verb == "config-diff" and state.composefs:
        return Given(etc_changes=tuple(etc_changes(device, state)))
    if parsed.verb != "edit" or state.composefs:
        return Given()
    name = parsed.flags.get("filename")
    if name is None:
        raise BootcError("not simulated: an editor; give bootc edit a file by --filename")
    try:
        return Given(document=Path(name).read_text(encoding="utf-8"))
    except OSError as failed:
        raise BootcError("Editing spec", "Editing spec (ostree)", _os_error(failed)) from failed


def _os_error(failed: OSError) -> str:
    return f"{failed.strerror} (os error {failed.errno})"


def progress_sink(parsed: Parsed) -> Callable[[Event], None] | None:
    """Where ``--progress-fd`` wants its events; None when it was not given. Raises BootcError for what is no pipe."""
    number = parsed.flags.get("progress-fd")
    if number is None:
        return None
    context = "Upgrading" if parsed.verb == "upgrade" else "Switching"
    try:
        if not stat.S_ISFIFO(os.fstat(int(number)).st_mode):
            raise BootcError(context, "not a pipe")
    except OSError as failed:
        raise BootcError(context, _os_error(failed)) from failed
    return _Sink(int(number))


class _Sink:
    """Writes events as lines until the reader goes away, which is told once and no reason to stop."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor: int | None = descriptor
        self.started = False

    def __call__(self, event: Event) -> None:
        if not self.started:
            self.started = True
            self._write(START)
        self._write(event)

    def _write(self, event: Event) -> None:
        if self.descriptor is None:
            return
        line = json.dumps(event, separators=(",", ":"), sort_keys=True, ensure_ascii=False) + "\n"
        try:
            os.write(self.descriptor, line.encode())
        except OSError as failed:
            self.descriptor = None
            sys.stderr.write(f"Failed to write to jsonl: {_os_error(failed)}\n")


def _guard(device: Device, state: State, parsed: Parsed) -> ContextManager[State]:
    """What a command holds as long as it runs, a pull included: only ostree's keeps others out.

    On a medium that cannot be written ostree takes no lock.
    """
    if parsed.verb in ("internals print-json-schema", "internals reboot"):
        return nullcontext(state)
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


def _perform(
    device: Device, state: State, parsed: Parsed, given: Given, sink: Callable[[Event], None] | None
) -> Outcome:
    if parsed.verb == "status":
        shown = _as_seen(state)
        told = show_status(shown, parsed, tty=sys.stdout.isatty(), offline=_offline(device, shown))
        return replace(told, state=state)
    outcome = Outcome(state) if sink is None else Outcome(state, tell=sink)
    return perform_into(outcome, parsed, _world(device, state), given)


def _as_seen(state: State) -> State:
    """What status sees: from within a container, nothing is booted."""
    if rights() != "container":
        return state
    return replace(state, deployments=(), booted_id=None, staged=None, usr_overlay=None)


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
