# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Transient units: processes that really run, each under a supervisor that outlives whoever asked for it.

The supervisor ends its process when the unit is stopped and when the boot it belongs to ends. What it knows is in the
unit's record: ``pid`` (the supervisor's), ``main_pid``, ``result``, ``code``, ``status``, ``output`` (a file).
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Callable, Mapping, NoReturn

from simulator.programs.units import Units
from simulator.state import State
from simulator.store import Device, NoDevice, Rebooted

OUTPUT = "run/simulator/output"
STOP_SECONDS = 10.0
INHERITED = frozenset(("PATH", "LANG", "LC_ALL", "TMPDIR"))
_LOOK_SECONDS = 0.05


@dataclass(frozen=True)
class Job:
    """A command to run as the service ``unit``: ``delay`` seconds from now, killed after ``limit`` seconds."""

    unit: str
    description: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    directory: str = "/"
    delay: float | None = None
    limit: float | None = None
    output: str | None = None
    collect: bool = False
    remain: bool = False

    @property
    def timer(self) -> str | None:
        """The unit that waits for the delay to pass."""
        return None if self.delay is None else f"{self.unit[: -len('.service')]}.timer"


class Stopped(Exception):
    """Somebody stops the unit."""


def _stop(*_unused: object) -> NoReturn:
    raise Stopped


def environment(device: Device, state: State, extra: Mapping[str, str]) -> dict[str, str]:
    """What a service of the device sees: not the environment of whoever asked for it."""
    from simulator import session

    full = session.environment(str(device.directory), str(device.root(state)), state.boot.session)
    kept = {name: text for name, text in full.items() if name in INHERITED or name.startswith("BOOTC_")}
    return {**kept, **extra}


def output_file(device: Device, state: State, unit: str) -> Path:
    """Where the output of ``unit`` goes when it goes to the journal."""
    path = device.root(state) / OUTPUT / f"{unit}.log"
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def launch(device: Device, state: State, job: Job) -> None:
    """Start ``job`` detached, and return once its process runs or its timer waits."""
    ready, told = os.pipe()
    if os.fork() == 0:
        os.close(ready)
        _become_supervisor(device, state, job, told)
    os.close(told)
    os.wait()
    os.read(ready, 1)
    os.close(ready)


def _become_supervisor(device: Device, state: State, job: Job, told: int) -> NoReturn:
    os.setsid()
    if os.fork() != 0:
        os._exit(0)
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(null, descriptor)
    try:
        _supervise(device, state, job, told)
    finally:
        os._exit(0)


def _supervise(device: Device, state: State, job: Job, told: int) -> None:
    signal.signal(signal.SIGTERM, _stop)
    service = Service(device, state, job)
    try:
        if job.delay is None:
            service.run(lambda: os.write(told, b"1"))
        else:
            service.wait(job.delay, lambda: os.write(told, b"1"))
            service.run(lambda: 0)
    except (Stopped, Rebooted, NoDevice):
        return


class Service:
    """A job that runs, or waits to run, as a unit of the device in the boot ``state`` is in."""

    def __init__(self, device: Device, state: State, job: Job) -> None:
        self.device = device
        self.state = state
        self.job = job
        self.units = Units(state, device.root(state))
        self.base: dict[str, Any] = {"transient": True, "description": job.description, "pid": os.getpid()}

    def wait(self, seconds: float, begun: Callable[[], object]) -> None:
        """Be the timer of the job until it elapses; calls ``begun`` once ``systemctl`` sees it."""
        timer = self.job.timer
        assert timer is not None
        elapses = time.time() + seconds
        self.units.note(timer, {**self.base, "active": "active", "sub": "waiting", "elapses": elapses})
        begun()
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            time.sleep(max(0.0, min(end - time.monotonic(), 0.1)))
            self.device.check_boot(self.state)
        self.units.forget(timer)

    def run(self, begun: Callable[[], object]) -> dict[str, Any]:
        """Run the command until it ends, is stopped or the boot ends; returns the unit's last record.

        Calls ``begun`` once the process is there. Without an output the process shares the streams of this one.
        """
        signal.signal(signal.SIGTERM, _stop)
        job, started = self.job, time.time()
        with ExitStack() as stack:
            output: int | IO[bytes] | None = None
            if job.output == os.devnull:
                output = subprocess.DEVNULL
            elif job.output is not None:
                output = stack.enter_context(Path(job.output).open("ab", buffering=0))
            child = subprocess.Popen(
                job.command,
                env=dict(job.environment),
                cwd=job.directory,
                stdin=None if output is None else subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=output is not None,
            )
            record = {
                **self.base,
                "output": job.output,
                "main_pid": child.pid,
                "started": started,
                "command": list(job.command),
            }
            self.units.note(job.unit, {**record, "active": "active", "sub": "running", "result": "success"})
            begun()
            stopped = None
            try:
                stopped = _until_end(self.device, self.state, child, job.limit)
            except Stopped:
                stopped = "success"
            finally:
                if child.poll() is None:
                    _end(child, group=output is not None)
        return self._ended(record, child.returncode, stopped)

    def _ended(self, record: dict[str, Any], code: int, stopped: str | None) -> dict[str, Any]:
        job = self.job
        result = stopped or ("success" if code == 0 else "exit-code" if code > 0 else "signal")
        failed = result != "success"
        remains = not failed and job.remain and stopped is None
        record = {
            **record,
            "ended": time.time(),
            "result": result,
            "code": "exited" if code >= 0 else "killed",
            "status": abs(code),
            "active": "failed" if failed else "active" if remains else "inactive",
            "sub": "failed" if failed else "exited" if remains else "dead",
        }
        # systemd forgets a unit that ended well; with --collect also one that failed.
        if record["active"] == "inactive" or (failed and job.collect):
            self.units.forget(job.unit)
        else:
            self.units.note(job.unit, record)
        return record


def _until_end(device: Device, state: State, child: subprocess.Popen[bytes], limit: float | None) -> str | None:
    end = None if limit is None else time.monotonic() + limit
    with ExitStack() as stack:
        rest = _rest(child, stack)
        while True:
            rest(_LOOK_SECONDS)
            if child.poll() is not None:
                return None
            device.check_boot(state)
            if end is not None and time.monotonic() > end:
                return "timeout"


def _rest(child: subprocess.Popen[bytes], stack: ExitStack) -> Callable[[float], object]:
    """Waits for a process for so many seconds at most, without waking up in between where the kernel can do that."""
    try:
        descriptor = os.pidfd_open(child.pid)
    except (AttributeError, OSError):  # before Python 3.9, or Linux 5.3
        return time.sleep
    stack.callback(os.close, descriptor)
    return lambda seconds: select.select([descriptor], [], [], seconds)


def _end(child: subprocess.Popen[bytes], *, group: bool) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            if group:
                os.killpg(child.pid, number)
            else:
                child.send_signal(number)
            child.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            continue
        except ProcessLookupError:
            pass
        break
    child.wait()


def supervised(record: Mapping[str, Any]) -> int | None:
    """The supervisor of a unit, when it still lives."""
    pid = record.get("pid")
    if not isinstance(pid, int):
        return None
    try:
        line = Path(f"/proc/{pid}/cmdline").read_bytes()
        status = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    # The number may be somebody else's by now.
    return pid if b"systemd-run" in line and status.rpartition(")")[2].split()[0] != "Z" else None


def stop(units: Units, name: str, record: Mapping[str, Any]) -> None:
    """Stop a transient unit, and wait for its end."""
    pid = supervised(record)
    if pid is not None:
        os.kill(pid, signal.SIGTERM)
        while supervised(record) is not None:
            time.sleep(0.02)
    units.forget(name)


def say(text: str) -> None:
    """A line for whoever runs the program."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()
