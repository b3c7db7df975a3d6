# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What may keep a device from being rebooted now, given as data and looked at right before. What is not known inhibits.

``parse_inhibitors`` and the ``judge_`` functions are pure; ``Inspector`` looks at the device.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from typing import Any, Callable, Mapping, Sequence

from .._errors import BootcError
from .command import CommandTimeout, CommandUnusable, Run, shorten
from .facts.network import Network, read_network
from .facts.power import Power, read_power
from .facts.probe import ask, device_run
from .facts.sessions import GAME_PROCESSES, Play, Process, Session, find_play, read_processes, read_sessions
from .root import device_path

COMMAND_SECONDS = 30.0
LIST_INHIBITORS = (
    "busctl",
    "--json=short",
    "call",
    "org.freedesktop.login1",
    "/org/freedesktop/login1",
    "org.freedesktop.login1.Manager",
    "ListInhibitors",
)
# For a device without busctl. Its table is for people, so that it has to know JSON.
LIST_INHIBITORS_ELSE = ("systemd-inhibit", "--list", "--no-pager", "--json=short")
# What each kind must be given, and what it may be given. All may have ``why`` and ``unknown``.
_LIMITS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "session": ((), ()),
    "game": ((), ("processes",)),
    "battery": (("percent",), ()),
    "metered": ((), ()),
    "disk": (("path", "free_bytes"), ()),
    "systemd": ((), ()),
    "file": (("path",), ()),
    "command": (("command",), ()),
}
INHIBITORS_OPTION: dict[str, Any] = {
    "type": "list",
    "elements": "dict",
    "default": [],
    "options": {
        "kind": {"type": "str", "choices": list(_LIMITS), "required": True},
        "why": {"type": "str"},
        "unknown": {"type": "str", "choices": ["inhibit", "allow"], "default": "inhibit"},
        "processes": {"type": "list", "elements": "str"},
        "percent": {"type": "int"},
        "path": {"type": "str"},
        "free_bytes": {"type": "int"},
        "command": {"type": "list", "elements": "str"},
    },
}
_ALL_LIMITS = ("processes", "percent", "path", "free_bytes", "command")


@dataclass(frozen=True)
class Inhibitor:
    """One entry of the option. The limits are those its kind needs, the others empty."""

    kind: str
    why: str = ""
    allow_unknown: bool = False
    processes: tuple[str, ...] = ()
    percent: int = 0
    path: str = ""
    free_bytes: int = 0
    command: tuple[str, ...] = ()


@dataclass(frozen=True)
class Finding:
    """What was seen. ``inhibits`` is None where it is not known; ``detail`` is data from the device."""

    inhibits: bool | None
    detail: str


@dataclass(frozen=True)
class Obstacle:
    """An entry that keeps the device from being rebooted."""

    inhibitor: Inhibitor
    finding: Finding

    def as_dict(self) -> dict[str, Any]:
        return {
            "kind": self.inhibitor.kind,
            "why": self.inhibitor.why,
            "detail": self.finding.detail,
            "unknown": self.finding.inhibits is None,
        }

    def __str__(self) -> str:
        why = f" ({self.inhibitor.why})" if self.inhibitor.why else ""
        return f"{self.inhibitor.kind}{why}: {self.finding.detail}"


def parse_inhibitors(entries: Sequence[Mapping[str, Any]]) -> tuple[Inhibitor, ...]:
    """The entries of the option; BootcError for one that cannot be meant."""
    return tuple(_parse(number, entry) for number, entry in enumerate(entries, start=1))


def _parse(number: int, entry: Mapping[str, Any]) -> Inhibitor:
    kind = entry["kind"]
    needed, possible = _LIMITS[kind]
    given = [name for name in _ALL_LIMITS if entry.get(name) is not None]
    for name in needed:
        if name not in given:
            raise _invalid(number, kind, f"needs {name}")
    for name in given:
        if name not in (*needed, *possible):
            raise _invalid(number, kind, f"has no {name}")
    inhibitor = Inhibitor(
        kind=kind,
        why=str(entry.get("why") or ""),
        allow_unknown=entry.get("unknown") == "allow",
        processes=tuple(str(name) for name in entry.get("processes") or ()),
        percent=int(entry.get("percent") or 0),
        path=str(entry.get("path") or ""),
        free_bytes=int(entry.get("free_bytes") or 0),
        command=tuple(str(word) for word in entry.get("command") or ()),
    )
    wrong = _wrong(inhibitor, given)
    if wrong:
        raise _invalid(number, kind, wrong)
    return inhibitor


def _wrong(inhibitor: Inhibitor, given: Sequence[str]) -> str:
    if "percent" in given and not 1 <= inhibitor.percent <= 100:
        return f"has the percent {inhibitor.percent}, which is not one from 1 to 100"
    if "path" in given and not inhibitor.path.startswith("/"):
        return f"has the path {inhibitor.path!r}, which is not absolute"
    if "free_bytes" in given and inhibitor.free_bytes <= 0:
        return f"has {inhibitor.free_bytes} free_bytes, which is not a positive number"
    if "processes" in given and not all(inhibitor.processes):
        return "names a process without a name"
    if "command" in given and not (inhibitor.command and inhibitor.command[0]):
        return "has a command that names no program"
    return ""


def _invalid(number: int, kind: str, problem: str) -> BootcError:
    return BootcError(
        "invalid", f"Inhibitor {number} of kind {kind} {problem}", "See the options of skorionos.bootc.bootc_apply"
    )


# -- judging: pure -----------------------------------------------------------------------------------------------------


def judge_sessions(sessions: Sequence[Session] | None) -> Finding:
    """Sessions that are in use, other than that of the connection this comes by."""
    if sessions is None:
        return Finding(None, "logind does not say who is logged in")
    found = [each for each in sessions if each.of_a_person and not each.own and each.state == "active"]
    names = sorted({f"{each.user or 'somebody'}{f' at {each.seat}' if each.seat else ''}" for each in found})
    return Finding(bool(found), f"{', '.join(names)} logged in" if found else "nobody is logged in")


def judge_play(processes: Sequence[Process] | None, names: Sequence[str]) -> Finding:
    """Whether one of these processes runs, or what Steam started."""
    if processes is None:
        return Finding(None, "the processes of the device cannot be seen")
    play: Play = find_play(processes, names)
    told = ", ".join(f"{game.name} {game.app_id}" if game.app_id else game.name for game in play.games)
    return Finding(bool(play.games), f"{told} running" if told else "no game runs")


def judge_power(power: Power, percent: int) -> Finding:
    """Whether the device runs from a battery with less than ``percent`` left."""
    if power.has_battery is False:
        return Finding(False, "the device has no battery")
    if power.source == "mains":
        return Finding(False, "the device is plugged in")
    level = power.battery_percent
    if level is None:
        return Finding(None, "the charge of the battery cannot be read")
    if level >= percent:
        return Finding(False, f"the battery has {level} %")
    if power.source is None:
        return Finding(None, f"the battery has {level} %, and whether it is being charged is not known")
    return Finding(True, f"the battery has {level} %, and {percent} % are wanted")


def judge_network(network: Network) -> Finding:
    """Whether traffic costs money; a guess counts as knowing."""
    if network.metered is None:
        return Finding(None, "whether the network is metered is not known")
    return Finding(network.metered, "the network is metered" if network.metered else "the network is not metered")


def judge_space(path: str, free: int | None, wanted: int) -> Finding:
    """Whether there are fewer than ``wanted`` bytes free."""
    if free is None:
        return Finding(None, f"the free space of {path} cannot be read")
    return Finding(free < wanted, f"{free} of {wanted} wanted bytes are free at {path}")


def judge_locks(answer: str | None) -> Finding:
    """What logind answers to ListInhibitors, or systemd-inhibit in its place."""
    locks = _locks(answer)
    if locks is None:
        return Finding(None, "logind does not say what blocks a shutdown")
    blocking = [lock for lock in locks if "shutdown" in lock[0].split(":") and lock[3].startswith("block")]
    told = shorten("; ".join(f"{lock[1]} ({lock[2]})" for lock in blocking))
    return Finding(bool(blocking), f"{told} blocking a shutdown" if blocking else "nothing blocks a shutdown")


def _locks(answer: str | None) -> list[tuple[str, ...]] | None:
    """(what, who, why, mode, ...) of each lock. D-Bus gives a list of these in ``data``, systemd-inhibit objects."""
    try:
        document = json.loads(answer or "")
    except (ValueError, RecursionError):
        return None
    if isinstance(document, list):
        known = [entry for entry in document if isinstance(entry, dict)]
        return [tuple(str(entry.get(name)) for name in ("what", "who", "why", "mode")) for entry in known]
    data = document.get("data") if isinstance(document, dict) else None
    if not isinstance(data, list) or not data or not isinstance(data[0], list):
        return None
    return [tuple(map(str, lock)) for lock in data[0] if isinstance(lock, list) and len(lock) >= 4]


def obstacles(inhibitors: Sequence[Inhibitor], look: Callable[[Inhibitor], Finding]) -> tuple[Obstacle, ...]:
    """Those of the entries that inhibit, all of them, so that nobody has to come back for each."""
    found = ((inhibitor, look(inhibitor)) for inhibitor in inhibitors)
    return tuple(
        Obstacle(inhibitor, finding)
        for inhibitor, finding in found
        if finding.inhibits or (finding.inhibits is None and not inhibitor.allow_unknown)
    )


# -- looking -----------------------------------------------------------------------------------------------------------


class Inspector:
    """Looks at the device for one entry after the other."""

    def __init__(self, run: Run, questions: Run = device_run) -> None:
        """``run`` is for commands that were given, ``questions`` for those asked here."""
        self._run = run
        self._questions = questions
        self._looks: dict[str, Callable[[Inhibitor], Finding]] = {
            "session": self._session,
            "game": self._game,
            "battery": self._battery,
            "metered": self._metered,
            "disk": self._disk,
            "systemd": self._systemd,
            "file": self._file,
            "command": self._command,
        }

    def __call__(self, inhibitor: Inhibitor) -> Finding:
        return self._looks[inhibitor.kind](inhibitor)

    def _session(self, _inhibitor: Inhibitor) -> Finding:
        return judge_sessions(read_sessions(self._questions))

    def _game(self, inhibitor: Inhibitor) -> Finding:
        return judge_play(read_processes(), inhibitor.processes or GAME_PROCESSES)

    def _battery(self, inhibitor: Inhibitor) -> Finding:
        return judge_power(read_power(), inhibitor.percent)

    def _metered(self, _inhibitor: Inhibitor) -> Finding:
        return judge_network(read_network(self._questions))

    def _disk(self, inhibitor: Inhibitor) -> Finding:
        try:
            free = shutil.disk_usage(str(device_path(inhibitor.path))).free
        except OSError:
            free = None
        return judge_space(inhibitor.path, free, inhibitor.free_bytes)

    def _systemd(self, _inhibitor: Inhibitor) -> Finding:
        told = ask(self._questions, LIST_INHIBITORS)
        return judge_locks(ask(self._questions, LIST_INHIBITORS_ELSE) if told is None else told)

    def _file(self, inhibitor: Inhibitor) -> Finding:
        try:
            device_path(inhibitor.path).lstat()
        except (FileNotFoundError, NotADirectoryError):
            return Finding(False, f"{inhibitor.path} is not there")
        except OSError as exc:
            return Finding(None, f"{inhibitor.path} cannot be looked for: {exc.strerror}")
        return Finding(True, f"{inhibitor.path} is there")

    def _command(self, inhibitor: Inhibitor) -> Finding:
        try:
            done = self._run(inhibitor.command, COMMAND_SECONDS)
        except (CommandUnusable, CommandTimeout) as exc:
            return Finding(None, shorten(str(exc)))
        said = shorten(f"{done.out}\n{done.err}".strip())
        told = f"{inhibitor.command[0]} ended with exit code {done.rc}" + (f": {said}" if said else "")
        if done.rc < 0:
            return Finding(None, told)
        return Finding(done.rc == 0, told)
