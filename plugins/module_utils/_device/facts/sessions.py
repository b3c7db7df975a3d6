# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who is logged in, and whether somebody plays.

Sessions come from ``loginctl``, whose properties are the same in every version; its tables and JSON are not. Games come
from the list of processes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Iterable, Sequence

from ..command import Run
from ..root import device_path
from .probe import PROBE_SECONDS, ask, names_in, read_text, whole_number

PROPERTIES = ("Id", "Name", "User", "Type", "Class", "State", "Remote", "Seat", "IdleHint", "LockedHint")
MOST_SESSIONS = 100
MOST_PROCESSES = 20_000
MOST_GAMES = 20
COMMAND_LINE_LIMIT = 4096

# Sessions of people; greeters, background jobs and the per-user managers are none.
_PEOPLE = ("user", "user-early", "user-light", "user-early-light", "user-incomplete")
# Steam starts each game below one of these: `reaper SteamLaunch AppId=620 -- ...`, with `Install=1` for set-up steps.
_STEAM_LAUNCH = "SteamLaunch"
_APP_ID = re.compile(r"AppId=([0-9]{1,20})\Z")
# Names of processes that only run while a game does, as /proc shows them (15 characters at most).
GAME_PROCESSES = (
    "lutris-wrapper",
    "wineserver",
    "wineserver64",
    "retroarch",
    "dolphin-emu",
    "pcsx2-qt",
    "rpcs3",
    "PPSSPPSDL",
    "PPSSPPQt",
    "duckstation-qt",
    "cemu",
    "Cemu",
    "xemu",
    "Ryujinx",
    "eden",
    "citron",
    "azahar",
    "melonDS",
    "flycast",
    "scummvm",
)
_COMPOSITORS = ("gamescope", "gamescope-wl")
_SESSION_SCOPE = re.compile(r"/session-([A-Za-z0-9]{1,32})\.scope(?:/|\s|\Z)")


@dataclass(frozen=True)
class Session:
    """One login. ``state`` is ``online``, ``active`` or ``closing``; ``own`` is the one this process belongs to."""

    id: str
    user: str | None
    uid: int | None
    kind: str | None
    session_class: str | None
    state: str | None
    remote: bool | None
    seat: str | None
    idle: bool | None
    locked: bool | None
    own: bool = False

    @property
    def of_a_person(self) -> bool:
        return self.session_class in _PEOPLE and self.state != "closing"

    @property
    def graphical(self) -> bool:
        return self.kind in ("x11", "wayland", "mir")

    def as_dict(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "user": self.user,
            "uid": self.uid,
            "type": self.kind,
            "class": self.session_class,
            "state": self.state,
            "remote": self.remote,
            "seat": self.seat,
            "idle": self.idle,
            "locked": self.locked,
            "own": self.own,
        }


@dataclass(frozen=True)
class Process:
    """A process: its short name, and its command line as far as that is needed."""

    pid: int
    name: str
    arguments: tuple[str, ...] = ()


@dataclass(frozen=True)
class Game:
    """A running game: ``app_id`` is Steam's number of it, None for games that Steam did not start."""

    name: str
    pid: int
    app_id: int | None = None

    def as_dict(self) -> dict[str, Any]:
        return {"name": self.name, "pid": self.pid, "app_id": self.app_id}


@dataclass(frozen=True)
class Play:
    """Games that run, and whether gamescope draws the session, which it does in game mode without a game, too."""

    games: tuple[Game, ...]
    gamescope: bool

    def as_dict(self) -> dict[str, Any]:
        return {"games": [game.as_dict() for game in self.games], "gamescope": self.gamescope}


def parse_session_ids(text: str) -> tuple[str, ...]:
    """First words of ``loginctl list-sessions --no-legend``."""
    words = (line.split() for line in text.splitlines())
    return tuple(each[0] for each in words if each and re.match(r"[A-Za-z0-9]{1,32}\Z", each[0]))[:MOST_SESSIONS]


def parse_sessions(text: str, own: str | None = None) -> tuple[Session, ...]:
    """Output of ``loginctl show-session ID...``: blocks of ``Name=value`` lines with an empty line between them."""
    sessions = []
    for block in text.replace("\r\n", "\n").split("\n\n"):
        values = dict(line.partition("=")[::2] for line in block.split("\n") if "=" in line)
        identity = values.get("Id")
        if identity:
            sessions.append(_session(identity, values, own))
    return tuple(sessions)


def _session(identity: str, values: dict[str, str], own: str | None) -> Session:
    def told(name: str) -> str | None:
        return values.get(name) or None

    return Session(
        id=identity,
        user=told("Name"),
        uid=whole_number(values.get("User")),
        kind=told("Type"),
        session_class=told("Class"),
        state=told("State"),
        remote=_yes(values.get("Remote")),
        seat=told("Seat"),
        idle=_yes(values.get("IdleHint")),
        locked=_yes(values.get("LockedHint")),
        own=identity == own,
    )


def _yes(text: str | None) -> bool | None:
    return {"yes": True, "no": False}.get(text or "")


def parse_own_session(cgroup: str) -> str | None:
    """The session a process belongs to, from its /proc/PID/cgroup."""
    found = _SESSION_SCOPE.search(cgroup)
    return found.group(1) if found else None


def find_play(processes: Iterable[Process], names: Sequence[str] = GAME_PROCESSES) -> Play:
    """Games among processes. Each number of Steam and each name counts once: a game is a tree of processes."""
    games: dict[object, Game] = {}
    gamescope = False
    wanted = {name[:15] for name in names}
    for process in processes:
        app_id = _steam_app(process.arguments)
        if app_id is not None:
            games.setdefault(app_id, Game("steam", process.pid, app_id))
        elif process.name in wanted:
            games.setdefault(process.name, Game(process.name, process.pid))
        gamescope = gamescope or process.name in _COMPOSITORS
    found = list(games.values())
    if any(game.app_id is not None for game in found):
        # Wine's server belongs to the game that Steam started.
        found = [game for game in found if not game.name.startswith("wineserver")]
    return Play(tuple(found[:MOST_GAMES]), gamescope)


def _steam_app(arguments: Sequence[str]) -> int | None:
    if _STEAM_LAUNCH not in arguments[:3]:
        return None
    options = arguments[: arguments.index("--")] if "--" in arguments else arguments
    if "Install=1" in options:
        return None
    return next((int(found.group(1)) for found in map(_APP_ID.match, options) if found), None)


def read_sessions(run: Run, timeout: float = PROBE_SECONDS) -> tuple[Session, ...] | None:
    """All sessions, those of this very connection included, or None where logind does not answer."""
    listed = ask(run, ("loginctl", "list-sessions", "--no-legend", "--no-pager"), timeout)
    if listed is None:
        return None
    ids = parse_session_ids(listed)
    if not ids:
        return ()
    show = ("loginctl", "show-session", "--no-pager", *(f"--property={name}" for name in PROPERTIES))
    shown = ask(run, (*show, *ids), timeout)
    if shown is None:
        # One of them ended meanwhile, which fails the whole answer: ask for each alone.
        each = (ask(run, (*show, one), timeout) for one in ids)
        shown = "\n\n".join(text for text in each if text is not None)
    return parse_sessions(shown, parse_own_session(read_text("/proc/self/cgroup") or ""))


def read_processes() -> tuple[Process, ...] | None:
    """The processes of the device, or None where /proc does not show any."""
    names = names_in("/proc")
    pids = [int(name) for name in names or () if name.isascii() and name.isdigit()]
    found = [process for process in map(_process, pids[:MOST_PROCESSES]) if process is not None]
    return tuple(found) if found else None


def _process(pid: int) -> Process | None:
    directory = device_path(f"/proc/{pid}")
    try:
        name = (directory / "comm").read_bytes().decode("utf-8", "replace").rstrip("\n")
        with (directory / "cmdline").open("rb") as file:
            line = file.read(COMMAND_LINE_LIMIT)
    except OSError:
        return None  # it ended meanwhile
    return Process(pid, name, tuple(line.decode("utf-8", "replace").rstrip("\x00").split("\x00")))


def read_play() -> Play | None:
    """Games that run now, or None where processes cannot be seen."""
    processes = read_processes()
    return None if processes is None else find_play(processes)
