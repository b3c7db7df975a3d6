# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A device's directory: one JSON file for its state, two locks, and the files its processes see."""

from __future__ import annotations

import fcntl
import json
import os
import sys
import time
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import IO, Any, Callable, Iterator

from simulator import boot, faults, journal
from simulator.session import SESSION_BOOT, refusal
from simulator.state import Deployment, State
from simulator.statefile import deployment_from_json, deployment_to_json, from_json, to_json

WHILE_BOOTING = "the device is rebooting"
FILE_TICK_SECONDS = 0.1


class Unreachable(Exception):
    """Nothing can be done on the device now; the text says why."""


class Rebooted(Exception):
    """The boot a process belongs to has ended: whatever it was doing did not happen."""


class NoDevice(Exception):
    """There is no device in the directory."""


class Device:
    """Access to the device kept in ``directory``."""

    def __init__(self, directory: str) -> None:
        self.directory = Path(directory).absolute()
        self.state_file = self.directory / "state.json"
        self.blobs = self.directory / "store" / "blobs" / "sha256"
        self.trees = self.directory / "deployments"
        self.programs = self.directory / "bin"
        self._repository: IO[str]
        self._checked: tuple[tuple[int, int] | None, str] | None = None
        # What lives in /run: in place it must be lost with the container, so it is really kept there.
        self.run_file = Path("/run/bootc-simulator/staged.json")

    def root(self, state: State) -> Path:
        """Where the files of the running system are."""
        return Path("/") if state.in_place else self.directory / "root"

    def load(self) -> State:
        """The device as it was last written; raises NoDevice."""
        try:
            data = json.loads(self.state_file.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise NoDevice(f"there is no device in {self.directory}; make one with 'device DIR create'") from None
        state = from_json(data)
        return self._with_run(state) if state.in_place else state

    def _with_run(self, state: State) -> State:
        try:
            data = json.loads(self.run_file.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return replace(state, staged=None, staged_locked=False)
        staged: Deployment = deployment_from_json(data["staged"])
        return replace(state, staged=staged, staged_locked=data["locked"])

    def _save_run(self, state: State) -> State:
        if state.staged is None:
            self.run_file.unlink(missing_ok=True)
        else:
            self.run_file.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(
                self.run_file,
                json.dumps({"staged": deployment_to_json(state.staged), "locked": state.staged_locked}),
            )
        return replace(state, staged=None, staged_locked=False)

    def write(self, state: State) -> None:
        """Write the state and the summary ``exec`` reads; the caller holds the state lock."""
        state = journal.stamped(state, time.time())
        kept = self._save_run(state) if state.in_place else state
        data = to_json(kept)
        data["reach"] = reach(state)
        write_atomically(self.state_file, json.dumps(data, indent=1))

    @contextmanager
    def state_lock(self) -> Iterator[None]:
        """The short lock around reading and writing the state."""
        with (self.directory / "state.lock").open("a", encoding="utf-8") as stream:
            fcntl.flock(stream, fcntl.LOCK_EX)
            yield

    def update(self, change: Callable[[State], State]) -> State:
        """Read, change and write the state as one step, and bring the device's files in line."""
        with self.state_lock():
            state = change(self.load())
            self.write(state)
            self.sync(state)
        return state

    def commit(self, before: State, after: State) -> State:
        """Write what a program made of ``before``, unless the device was rebooted under it (Rebooted)."""
        if after == before:
            return before

        def merge(fresh: State) -> State:
            if fresh.boot.session != before.boot.session:
                raise Rebooted
            return replace(after, faults=fresh.faults, boot=fresh.boot)

        return self.update(merge)

    def settled(self) -> State:
        """The device as a visitor finds it: booted if it is time. Raises Unreachable."""
        state = self.load()
        why = refusal(reach(state), time.time())
        if why is not None:
            raise Unreachable(why)
        if state.boot.settled:
            return state
        with self.state_lock():
            state = self.load()
            if not state.boot.settled:
                state = boot.settle(state)
                from simulator.files import arrange_boot

                arrange_boot(self, state)
                self.write(state)
                self.sync(state)
        return state

    def visited(self) -> State:
        """As settled, for a process that may have outlived the boot it was started in (Rebooted)."""
        session, _unused, directory = os.environ.get(SESSION_BOOT, "").partition(" ")
        if directory == str(self.directory) and self.load().boot.session != session:
            raise Rebooted
        return self.settled()

    def sync(self, state: State) -> None:
        """Bring programs and files of the device in line with its state."""
        from simulator.files import arrange, arrange_programs, arrange_stamp

        if not state.in_place:
            arrange_programs(self, state)
        if state.boot.settled:
            arrange(self, state)
        arrange_stamp(self, state)

    def pause(self, state: State, seconds: float) -> None:
        """Let time pass on the device; raises Rebooted as soon as the boot ``state`` is in has ended."""
        end = time.monotonic() + seconds
        while True:
            left = end - time.monotonic()
            if left <= 0:
                return
            time.sleep(min(left, 0.1 if seconds < 10 else 0.5))
            self.check_boot(state)

    def check_boot(self, state: State) -> None:
        """Raise Rebooted when the boot ``state`` is in has ended: processes of it are dead, whatever they do here."""
        # Whoever waits asks twenty times a second: the file is read again when it was written again.
        seen = (self._written(), state.boot.session)
        if seen[0] is not None and seen == self._checked:
            return
        if self.load().boot.session != state.boot.session:
            raise Rebooted
        self._checked = seen

    def _written(self) -> tuple[int, int] | None:
        """What tells the state file from any written before or after; None where nothing does, for the first moments.

        Each write makes a new file, but its number may be that of one before, and the clock of files has ticks.
        """
        try:
            found = self.state_file.stat()
        except OSError:
            return None
        return (found.st_ino, found.st_mtime_ns) if time.time() - found.st_mtime > FILE_TICK_SECONDS else None

    @contextmanager
    def sysroot_lock(self, state: State) -> Iterator[State]:
        """The exclusive lock every ostree command takes for as long as it runs; yields the state under it."""
        with (self.directory / "sysroot.lock").open("a", encoding="utf-8") as stream:
            fcntl.flock(stream, fcntl.LOCK_EX)
            while True:
                fresh = self.load()
                if fresh.boot.session != state.boot.session:
                    raise Rebooted
                held = faults.lock_free_at(fresh) - time.time()
                if held <= 0:
                    break
                time.sleep(min(held, 0.1))
            yield fresh

    @contextmanager
    def repository_lock(self, state: State) -> Iterator[State]:
        """The shared lock every composefs command holds on the repository: it keeps out nothing but collections."""
        with (self.directory / "repository.lock").open("a", encoding="utf-8") as stream:
            fcntl.flock(stream, fcntl.LOCK_SH)
            self._repository = stream
            yield state

    def wait_for_repository(self, state: State) -> None:
        """Have the exclusive lock for as long as a collection takes; raises Rebooted when the boot ends first."""
        while True:
            try:
                fcntl.flock(self._repository, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                time.sleep(0.05)
                self.check_boot(state)
            else:
                fcntl.flock(self._repository, fcntl.LOCK_SH)
                return

    def reboot(self, *, orderly: bool) -> State:
        """Reboot the simulated device; it is unreachable from now on until it is up."""
        return self.update(lambda state: boot.reboot(state, time.time(), new_boot_id(), orderly=orderly))

    def soft_reboot(self) -> State:
        """Restart the user space of the simulated device; it is unreachable from now on until it is up."""
        return self.update(lambda state: boot.soft_reboot(state, time.time()))

    def restart(self, *, soft_allowed: bool = True) -> State:
        """As ``systemctl reboot``: softly when a soft reboot was prepared, and it was not told to leave that."""
        if soft_allowed and self.load().soft_reboot_target is not None:
            return self.soft_reboot()
        return self.reboot(orderly=True)

    def choose_in_boot_menu(self, entry: int = 1) -> State:
        """Reboot the simulated device into an entry of its boot menu; raises ValueError when it is not there."""
        return self.update(lambda state: boot.choose(state, time.time(), new_boot_id(), entry))


def reach(state: State) -> dict[str, Any]:
    """What ``exec`` needs: why the device does not answer, until when, whether files are due, and which life it is."""
    why: str | None = faults.unreachable(state)
    return {
        "why": why,
        "up_at": state.boot.up_at,
        "while_booting": WHILE_BOOTING,
        "settled": state.boot.settled,
        "session": state.boot.session,
    }


def write_atomically(path: Path, text: str) -> None:
    """Replace the file at ``path`` in one step."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.write_text(text, encoding="utf-8")
    draft.replace(path)


def new_boot_id() -> str:
    """A random boot id in the kernel's format."""
    import uuid

    return str(uuid.uuid4())


def python() -> str:
    """The interpreter running this, without a virtual environment in between."""
    return os.path.realpath(sys.executable)
