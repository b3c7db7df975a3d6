# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``systemctl`` on a simulated device: reboots, the state of the system, and the units device code deals with."""

from __future__ import annotations

import os
import sys
import time
from typing import Sequence

from simulator.programs import unit_answers
from simulator.programs.transient import stop
from simulator.programs.unit_answers import Answer
from simulator.programs.units import Units, full_name
from simulator.programs.words import BadOption, Words, parse
from simulator.session import rights
from simulator.state import State
from simulator.store import Device

FLAGS = (
    "no-pager", "quiet", "system", "no-legend", "plain", "full", "all", "failed", "value", "now", "runtime", "force",
    "no-block", "no-wall", "no-ask-password", "no-warn", "wait",
)  # fmt: skip
VALUES = ("state", "type", "property", "property-value", "output", "json", "job-mode", "when")
OPTIONAL = ("message",)
SHORT = {
    "q": "quiet", "l": "full", "a": "all", "p": "property", "P": "property-value", "t": "type", "o": "output",
    "f": "force", "i": "no-block",
}  # fmt: skip
SKIP_SOFT_REBOOT = "SYSTEMCTL_SKIP_AUTO_SOFT_REBOOT"
NOT_FOUND = 5
TOO_FEW: Answer = (1, "", "Too few arguments.\n")
CHANGES = ("enable", "disable", "mask", "unmask", "start", "stop", "reset-failed", "daemon-reload")


def answer(state: State, units: Units, words: Words, now: float) -> Answer | None:
    """Answer a question; None when it is none. Changes nothing."""
    verb, rest = words.words[0], words.words[1:]
    listing = {
        "list-units": unit_answers.list_units,
        "list-unit-files": unit_answers.list_unit_files,
        "list-timers": unit_answers.list_timers,
    }.get(verb)
    if listing is not None:
        return listing(units, rest, words)
    if verb == "is-system-running":
        text = unit_answers.running_state(state, now)
        return (0 if text == "running" else 1), "" if words.on("quiet") else f"{text}\n", ""
    if verb == "show":
        return unit_answers.show(state, units, rest, words, now)
    if verb not in ("is-active", "is-failed", "is-enabled", "status"):
        return None
    return _about(units, verb, rest, words) if rest else TOO_FEW


def _about(units: Units, verb: str, names: Sequence[str], words: Words) -> Answer:
    if verb == "status":
        return unit_answers.status(units, names)
    if verb == "is-enabled":
        return unit_answers.is_enabled(units, names, quiet=words.on("quiet"))
    wanted = "active" if verb == "is-active" else "failed"
    return unit_answers.is_active(units, names, quiet=words.on("quiet"), wanted=wanted)


def change(units: Units, words: Words) -> Answer:
    """Carry out one of CHANGES."""
    verb, rest = words.words[0], [full_name(name) for name in words.words[1:]]
    if verb == "daemon-reload":
        return 0, "", ""
    if verb == "reset-failed":
        return _reset_failed(units, rest)
    if not rest:
        return TOO_FEW
    missing = [name for name in rest if not units.get(name).known]
    if missing and verb in ("start", "stop"):
        why = f"Unit {missing[0]} not {'loaded' if verb == 'stop' else 'found'}."
        return NOT_FOUND, "", f"Failed to {verb} {missing[0]}: {why}\n"
    if missing and verb in ("enable", "disable"):
        return 1, "", f"Failed to {verb} unit: Unit file {missing[0]} does not exist.\n"
    todo = {"start": _start, "stop": _stop}.get(verb)
    return _change_files(units, verb, rest, words) if todo is None else todo(units, rest)


def _change_files(units: Units, verb: str, names: Sequence[str], words: Words) -> Answer:
    told: list[str] = []
    runtime = words.on("runtime")
    for name in names:
        unit = units.get(name)
        if verb == "enable":
            if unit.load == "masked":
                return 1, "", f"Failed to enable unit: Unit file /etc/systemd/system/{name} is masked.\n"
            link = units.enable(name, runtime=runtime)
            if link is not None:
                told.append(f"Created symlink '{_path(units, link)}' → '{os.readlink(link)}'.")
        elif verb == "disable":
            told += [f"Removed '{_path(units, link)}'." for link in units.disable(name)]
        elif verb == "unmask":
            told += [f"Removed '{_path(units, link)}'." for link in units.unmask(name)]
        else:
            if not unit.known:
                told.append(f"Unit {name} does not exist, proceeding anyway.")
            try:
                link = units.mask(name, runtime=runtime)
            except FileExistsError as there:
                return 1, "", f"Failed to mask unit: File '{there}' already exists.\n"
            if link is not None:
                told.append(f"Created symlink '{_path(units, link)}' → '/dev/null'.")
    err = "" if words.on("quiet") else "".join(f"{line}\n" for line in told)
    if words.on("now"):
        code, out, more = _start(units, names) if verb == "enable" else _stop(units, names)
        return code, out, err + more
    return 0, "", err


def _path(units: Units, link: os.PathLike[str]) -> str:
    return f"/{os.path.relpath(link, units.root)}"


def _start(units: Units, names: Sequence[str]) -> Answer:
    for name in names:
        if units.get(name).load == "masked":
            return 1, "", f"Failed to start {name}: Unit {name} is masked.\n"
        if units.get(name).active != "active":
            units.started(name)
    return 0, "", ""


def _stop(units: Units, names: Sequence[str]) -> Answer:
    for name in names:
        unit = units.get(name)
        if unit.record is not None and unit.record.get("transient"):
            stop(units, name, unit.record)
        elif unit.active == "active":
            units.stopped(name)
    return 0, "", ""


def _reset_failed(units: Units, names: Sequence[str]) -> Answer:
    for name in names or units.names():
        unit = units.get(name)
        if not unit.known:
            return 1, "", f"Failed to reset failed state of unit {name}: Unit {name} not loaded.\n"
        if unit.active == "failed":
            if unit.record is not None:
                units.forget(name)
            else:
                units.stopped(name)
    return 0, "", ""


def run(device: Device, arguments: list[str]) -> int:
    """The program ``systemctl``. Raises Unreachable and Rebooted."""
    state = device.visited()
    code, out, err = _run(device, state, arguments)
    # Explicit bytes: the locale of a remote session is often C.
    sys.stdout.buffer.write(out.encode())
    sys.stderr.buffer.write(err.encode())
    return code


def _run(device: Device, state: State, arguments: list[str]) -> Answer:
    try:
        words = parse(arguments, flags=FLAGS, values=VALUES, optional=OPTIONAL, short=SHORT)
    except BadOption as wrong:
        return 1, "", f"systemctl: {wrong}\n"
    verb = words.words[0] if words.words else "list-units"
    words.words = words.words or [verb]
    units = Units(state, device.root(state))
    answered = answer(state, units, words, time.time())
    if answered is not None:
        return answered
    reboots = verb in ("reboot", "soft-reboot") and len(words.words) == 1
    if not reboots and verb not in CHANGES:
        return 1, "", f"systemctl: not simulated: {' '.join(arguments)}\n"
    if rights() == "user":
        return 1, "", f"Failed to {verb}: Interactive authentication required.\n"
    return _reboot(device, verb, arguments) if reboots else change(units, words)


def _reboot(device: Device, verb: str, arguments: list[str]) -> Answer:
    # Once --force skips the units' stop jobs only when given twice.
    forced = sum(word in ("--force", "-f") or 2 * (word == "-ff") for word in arguments)
    if verb == "soft-reboot":
        device.soft_reboot()
    elif forced:
        device.reboot(orderly=forced < 2)
    else:
        # Where another root is mounted at /run/nextroot, only user space is restarted unless that is told not to be.
        device.restart(soft_allowed=os.environ.get(SKIP_SOFT_REBOOT) not in ("1", "true", "yes", "on"))
    return 0, "", ""
