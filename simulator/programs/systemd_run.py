# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``systemd-run`` on a device: the command really runs, detached, as a unit ``systemctl`` knows."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import sys
import time
import uuid
from dataclasses import replace

from simulator.programs.transient import Job, Service, environment, launch, output_file, say
from simulator.programs.units import Units, full_name
from simulator.programs.words import BadOption, Words, parse
from simulator.session import rights
from simulator.state import State
from simulator.store import Device

FLAGS = (
    "collect", "no-block", "wait", "pipe", "quiet", "system", "remain-after-exit", "no-ask-password", "same-dir",
    "scope", "send-sighup",
)  # fmt: skip
VALUES = (
    "unit", "property", "description", "on-active", "on-boot", "timer-property", "setenv", "service-type",
    "working-directory", "uid", "gid", "nice", "slice",
)  # fmt: skip
SHORT = {
    "u": "unit",
    "p": "property",
    "G": "collect",
    "P": "pipe",
    "q": "quiet",
    "r": "remain-after-exit",
    "E": "setenv",
    "d": "same-dir",
}
_SPAN = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*([A-Za-z]*)\s*")
_UNITS = {
    "us": 1e-6, "usec": 1e-6, "ms": 1e-3, "msec": 1e-3, "": 1.0, "s": 1.0, "sec": 1.0, "second": 1.0, "seconds": 1.0,
    "m": 60.0, "min": 60.0, "minute": 60.0, "minutes": 60.0, "h": 3600.0, "hr": 3600.0, "hour": 3600.0,
    "hours": 3600.0, "d": 86400.0, "day": 86400.0, "days": 86400.0, "w": 604800.0, "week": 604800.0,
    "weeks": 604800.0,
}  # fmt: skip


class Refused(Exception):
    """systemd-run does not do it; the text says why."""


def time_span(text: str) -> float:
    """Seconds of a time span of systemd: ``90``, ``1min 30s``; raises ValueError."""
    total, position = 0.0, 0
    clean = text.strip()
    while position < len(clean):
        found = _SPAN.match(clean, position)
        if found is None or found.group(2) not in _UNITS:
            raise ValueError(text)
        total += float(found.group(1)) * _UNITS[found.group(2)]
        position = found.end()
    if not clean:
        raise ValueError(text)
    return total


def job(words: Words, number: int, search_path: str | None = None) -> Job:
    """What is asked for, without environment and output; raises Refused. Pure but for the search for the program."""
    if not words.words:
        raise Refused("Command line to execute required.")
    program = shutil.which(words.words[0], path=search_path)
    if program is None:
        raise Refused(f"Failed to find executable {words.words[0]}: No such file or directory")
    settings = dict(text.partition("=")[::2] for text in words.options.get("property", ()))
    try:
        delays = [time_span(text) for text in (*words.options.get("on-active", ()), *words.options.get("on-boot", ()))]
        limit = time_span(settings["RuntimeMaxSec"]) if settings.get("RuntimeMaxSec") else None
    except ValueError as wrong:
        raise Refused(f"Failed to parse timer value: {wrong}") from wrong
    name = words.last("unit") or f"run-p{number}-i{number}.service"
    if name.endswith(".timer"):
        name = name[: -len(".timer")]
    unit = full_name(name)
    if not unit.endswith(".service"):
        raise Refused(f"Failed to mangle unit name: {unit} is no service")
    command = (program, *words.words[1:])
    return Job(
        unit=unit,
        description=words.last("description") or shlex.join(command),
        command=command,
        environment=dict(text.partition("=")[::2] for text in words.options.get("setenv", ())),
        directory=words.last("working-directory") or (os.getcwd() if words.on("same-dir") else "/"),  # noqa: PTH109
        delay=min(delays) if delays else None,
        limit=limit,
        output=_output(settings),
        collect=words.on("collect"),
        remain=words.on("remain-after-exit"),
    )


def _output(settings: dict[str, str]) -> str | None:
    kind, _unused, path = settings.get("StandardOutput", "journal").partition(":")
    if kind in ("file", "append", "truncate"):
        return path
    return os.devnull if kind == "null" else None


def run(device: Device, arguments: list[str]) -> int:
    """The program ``systemd-run``. Raises Unreachable and Rebooted."""
    state = device.visited()
    try:
        words = parse(arguments, flags=FLAGS, values=VALUES, short=SHORT, command_follows=True)
        # What is not root's may not start anything as root.
        if rights() == "user":
            raise Refused("Failed to start transient service unit: Interactive authentication required.")
        return _start(device, state, words)
    except BadOption as wrong:
        say(f"systemd-run: {wrong}")
    except Refused as why:
        say(str(why))
    return 1


def _start(device: Device, state: State, words: Words) -> int:
    wanted = job(words, os.getpid(), environment(device, state, {})["PATH"])
    full = environment(device, state, wanted.environment)
    wanted = replace(wanted, environment={**full, "INVOCATION_ID": uuid.uuid4().hex})
    if words.on("scope"):
        say(f"Running scope as unit: {wanted.unit[: -len('.service')]}.scope")
        os.execve(wanted.command[0], wanted.command, {**os.environ, **dict(wanted.environment)})
    units = Units(state, device.root(state))
    for name in (wanted.unit, wanted.timer):
        if name is not None and units.get(name).known:
            raise Refused(
                f"Failed to start transient {'service' if name == wanted.unit else 'timer'} unit: "
                f"Unit {name} was already loaded or has a fragment file."
            )
    waits = words.on("wait", "pipe")
    if wanted.timer is not None and waits:
        raise Refused("--wait may not be combined with timer operations.")
    if not words.on("quiet"):
        _announce(wanted)
    if waits:
        return _run_and_wait(device, state, wanted, words)
    if wanted.output is None:
        wanted = replace(wanted, output=str(output_file(device, state, wanted.unit)))
    oneshot = words.last("service-type") == "oneshot" and not words.on("no-block") and wanted.timer is None
    launch(device, state, wanted)
    return _outcome_of_oneshot(device, state, units, wanted) if oneshot else 0


def _announce(wanted: Job) -> None:
    if wanted.timer is not None:
        say(f"Running timer as unit: {wanted.timer}\nWill run service as unit: {wanted.unit}")
    else:
        say(f"Running as unit: {wanted.unit}; invocation ID: {wanted.environment['INVOCATION_ID']}")


def _run_and_wait(device: Device, state: State, wanted: Job, words: Words) -> int:
    if not words.on("pipe") and wanted.output is None:
        wanted = replace(wanted, output=str(output_file(device, state, wanted.unit)))
    sys.stdout.flush()
    ended = Service(device, state, wanted).run(lambda: 0)
    if not words.on("quiet"):
        what = "EXIT_SUCCESS" if ended["status"] == 0 else "n/a"
        say(f"Finished with result: {ended['result']}")
        say(f"Main processes terminated with: code={ended['code']}, status={ended['status']}/{what}")
        say(f"Service runtime: {(ended['ended'] - ended['started']) * 1000:.0f}ms")
    if ended["result"] == "success":
        return 0
    return int(ended["status"]) if ended["result"] == "exit-code" else 1


def _outcome_of_oneshot(device: Device, state: State, units: Units, wanted: Job) -> int:
    while True:
        device.check_boot(state)
        unit = units.get(wanted.unit)
        if unit.active == "failed":
            say(f"Job for {wanted.unit} failed because the control process exited with error code.")
            return 1
        if unit.active != "active":
            return 0
        time.sleep(0.05)
