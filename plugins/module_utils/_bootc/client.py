# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The bootc command line of one host: status, commands, what a tag holds, and one lock around changes."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import time
from typing import Any, Callable, ContextManager, Iterator, Sequence

from .._device.command import CommandMissing, CommandTimeout, CommandUnusable, Completed, Run, Watch, run_command
from .._device.root import device_path
from .._device.transient import TransientRun
from .._errors import BootcError
from .lookup import RESOLVE_SECONDS, Resolution, resolve
from .reference import Reference
from .status import Status, parse_status, parse_version, version_tuple
from .symptoms import ROOT_REMEDY, failure

LOCK_PATH = "/run/skorionos.bootc.lock"
LOCK_POLL_SECONDS = 0.2
LOCK_WAIT_SECONDS = 60.0
VERSION_SECONDS = 20.0
STATUS_SECONDS = 60.0

# Commands that may take as long as a download does.
_LONG = (("bootc", "upgrade"), ("bootc", "switch"))

# The first release whose status can be asked for in the format that is read here.
READABLE_SINCE = (0, 1, 14)

Lock = Callable[[float], ContextManager[None]]


def device_lock(clock: Callable[[], float] = time.monotonic, sleep: Callable[[float], None] = time.sleep) -> Lock:
    """The lock around every change of this host: neither backend serialises its own clients well enough."""

    @contextlib.contextmanager
    def hold(wait: float) -> Iterator[None]:
        path = device_path(LOCK_PATH)
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as exc:
            raise BootcError("unexpected", f"The lock {path} cannot be opened: {exc.strerror}", ROOT_REMEDY) from exc
        try:
            _flock(descriptor, str(path), wait, clock, sleep)
            yield
        finally:
            os.close(descriptor)

    return hold


def _flock(descriptor: int, path: str, wait: float, clock: Callable[[], float], sleep: Callable[[float], None]) -> None:
    deadline = clock() + wait
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as exc:
            if clock() >= deadline:
                raise BootcError(
                    "busy",
                    f"Another task has been changing this device for more than {wait:g} s (it holds {path})",
                    "Wait for it to end and run again",
                ) from exc
            sleep(LOCK_POLL_SECONDS)
        else:
            return


class Client:
    """Runs bootc and its neighbours and turns their failures into kinds."""

    def __init__(
        self,
        run: Run = run_command,
        lock: Lock | None = None,
        clock: Callable[[], float] = time.monotonic,
        runner: TransientRun | None = None,
    ) -> None:
        """``runner`` runs what may take long, so that it outlives the connection; without one ``run`` does."""
        self.run = run
        self.runner = runner
        self.lock = lock or device_lock(clock)
        self.clock = clock
        self.lookup_seconds = RESOLVE_SECONDS
        self._version: str | None = None

    def version(self) -> str | None:
        """The version of bootc, or None where there is none; asked once, as it cannot change before the next boot."""
        if self._version is None:
            try:
                self._version = parse_version(self._look(("bootc", "--version"), VERSION_SECONDS).out)
            except CommandMissing:
                return None
        return self._version

    def status(self, timeout: float) -> Status:
        """The normalised state of the host; the null state where bootc is not installed."""
        version = self.version()
        _require_readable(version)
        try:
            done = self._look(("bootc", "status", "--format=json", "--format-version=1"), timeout)
        except CommandMissing:
            return Status(installed=False)
        return parse_status(done.out, version)

    def _look(self, argv: Sequence[str], timeout: float) -> Completed:
        try:
            done = self.run(argv, timeout)
        except CommandMissing:
            raise
        except CommandUnusable as exc:
            raise BootcError("unexpected", str(exc), "Repair bootc on the device", command=argv) from exc
        except CommandTimeout as exc:
            raise _no_answer(argv, exc) from exc
        if done.rc != 0:
            raise failure(argv, done)
        return done

    @contextlib.contextmanager
    def hold(self, timeout: float) -> Iterator[None]:
        """The lock of this host, once everything is over that an execution before, cut off from its controller, began.

        Within ``timeout`` seconds; for other tasks the wait is a minute at most. What was begun is waited for because
        its result then only has to be looked at, where a second attempt would fetch everything again.
        """
        deadline = self.clock() + timeout
        cut_off = self.runner is not None and bool(self.runner.at_work())
        with self.lock(timeout if cut_off else min(LOCK_WAIT_SECONDS, timeout)):
            left = self.runner.join(deadline - self.clock()) if self.runner is not None else ()
            if left:
                raise BootcError(
                    "busy",
                    f"What an earlier task began is still running on the device, as {', '.join(left)}",
                    "Wait for it to end and run again, or look at it with 'systemctl status'",
                )
            yield

    def execute(self, argv: Sequence[str], timeout: float, watch: Watch | None = None) -> None:
        """Run a command that changes the host."""
        run = self.runner if self.runner is not None and tuple(argv[:2]) in _LONG else self.run
        try:
            done = run(argv, timeout) if watch is None else run(argv, timeout, watch=watch)
        except CommandUnusable as exc:
            raise BootcError(
                "unexpected", str(exc), f"Install {argv[0]} on the device or fix its PATH", command=argv
            ) from exc
        except CommandTimeout as exc:
            raise BootcError(
                "timeout",
                f"The command did not end within {exc.seconds:.0f} s and was stopped",
                "Raise the timeout, or look for what holds it up with 'journalctl -b' on the device",
                command=argv,
                detail=exc.stderr.decode("utf-8", "replace"),
            ) from exc
        if done.rc != 0:
            raise failure(argv, done)

    def ostree_deployments(self, timeout: float) -> list[dict[str, Any]] | None:
        """What ostree itself lists, or None where it does not say which one is staged."""
        try:
            done = self.run(("ostree", "admin", "status", "--json"), timeout)
            document = json.loads(done.stdout)
        except (CommandUnusable, CommandTimeout, ValueError):
            return None
        entries = document.get("deployments") if isinstance(document, dict) else None
        if done.rc != 0 or not isinstance(entries, list):
            return None
        known = [entry for entry in entries if isinstance(entry, dict)]
        return known if any("staged" in entry for entry in known) else None

    def resolve(self, reference: Reference, architecture: str | None, config: bool = False) -> Resolution:
        """What the reference holds now; see ``lookup.resolve``."""
        return resolve(self.run, reference, architecture, config=config, seconds=self.lookup_seconds)


def host_client() -> Client:
    """The client of a module that changes the host it runs on."""
    return Client(runner=TransientRun())


def _require_readable(version: str | None) -> None:
    numbers = version_tuple(version)
    if numbers is not None and numbers < READABLE_SINCE:
        raise BootcError(
            "unsupported_version",
            f"bootc {version} cannot tell its status in a form that is read here, "
            f"{'.'.join(map(str, READABLE_SINCE))} or newer can",
            "Update the device by hand first, with an image that contains a newer bootc",
        )


def _no_answer(argv: Sequence[str], exc: CommandTimeout) -> BootcError:
    if _is_composefs_boot():
        return BootcError(
            "timeout",
            f"bootc did not answer within {exc.seconds:g} s",
            "Look for a bootc process that hangs on the device, end it, and run again",
            command=argv,
        )
    # ostree hosts make every command wait for the one that is running, without saying so.
    return BootcError(
        "busy",
        f"bootc did not answer within {exc.seconds:g} s; another bootc, ostree or rpm-ostree command may be running",
        "Wait for it to end and run again, or raise the timeout",
        command=argv,
    )


def _is_composefs_boot() -> bool:
    try:
        words = device_path("/proc/cmdline").read_text(encoding="utf-8", errors="replace").split()
    except OSError:
        return False
    return any(word.startswith("composefs=") for word in words)
