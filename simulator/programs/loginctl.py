# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``loginctl list-sessions`` and ``show-session``: who is logged in is what run/simulator/sessions.json lists.

The file holds an array of objects; keys are logind's properties, of which ``Id`` must be given and the rest have
defaults: ``[{"Id": "2", "User": 1000, "Name": "deck", "Type": "wayland"}]``.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, Dict, Sequence

from simulator.programs.tables import JSON_FORMS, as_json, table
from simulator.programs.words import BadOption, Words, parse
from simulator.store import Device

FILE = "run/simulator/sessions.json"
Session = Dict[str, Any]
DEFAULTS: Session = {
    "User": 1000,
    "Name": "deck",
    "Timestamp": "Sat 2026-08-01 04:10:00 UTC",
    "TimestampMonotonic": 0,
    "VTNr": 2,
    "Seat": "seat0",
    "TTY": "tty2",
    "Remote": False,
    "Service": "sddm-autologin",
    "Leader": 812,
    "Type": "wayland",
    "Class": "user",
    "Active": True,
    "State": "active",
    "IdleHint": False,
    "IdleSinceHint": 0,
    "IdleSinceHintMonotonic": 0,
    "LockedHint": False,
}
FLAGS = ("no-legend", "no-pager", "no-ask-password", "all", "value", "full")
VALUES = ("property", "output", "json")
SHORT = {"p": "property", "P": "property-value", "a": "all", "l": "full", "o": "output", "j": "json-short"}


class BadFile(Exception):
    """The file with what is going on on the device is not as described."""


def read_list(path: Path) -> list[Session]:
    """An array of objects from a JSON file; none when there is no file. Raises BadFile."""
    try:
        listed = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return []
    except ValueError as wrong:
        raise BadFile(f"{path} is not JSON: {wrong}") from wrong
    if not isinstance(listed, list) or not all(isinstance(entry, dict) for entry in listed):
        raise BadFile(f"{path} must hold an array of objects")
    return listed


def sessions(path: Path) -> list[Session]:
    """The sessions in the file, with every property; raises BadFile."""
    listed = read_list(path)
    if not all(entry.get("Id") for entry in listed):
        raise BadFile(f"{path}: a session needs an Id")
    return [{"Id": str(entry["Id"]), **DEFAULTS, **{k: v for k, v in entry.items() if k != "Id"}} for entry in listed]


def _property(value: Any) -> str:
    return ("yes" if value else "no") if isinstance(value, bool) else str(value)


def listing(found: Sequence[Session], words: Words) -> str:
    """``loginctl list-sessions``. Pure."""
    rows = [
        {
            "session": entry["Id"],
            "uid": entry["User"],
            "user": entry["Name"],
            "seat": entry["Seat"] or None,
            "leader": entry["Leader"],
            "class": entry["Class"],
            "tty": entry["TTY"] or None,
            "idle": entry["IdleHint"],
            "since": None,
        }
        for entry in found
    ]
    form = words.last("json") or words.last("output") or ("short" if words.on("json-short") else "off")
    if form in JSON_FORMS:
        return as_json(rows, form)
    columns = ("session", "uid", "user", "seat", "leader", "class", "tty", "idle", "since")
    if not rows:
        return "" if words.on("no-legend") else "No sessions.\n"
    return table(columns, rows, legend=None if words.on("no-legend") else f"{len(rows)} sessions listed.")


def shown(found: Sequence[Session], wanted: Sequence[str], words: Words) -> tuple[int, str, str]:
    """``loginctl show-session ID...``: exit code, stdout and stderr. Pure."""
    names = [*words.listed("property"), *words.listed("property-value")]
    only_value = words.on("value", "property-value")
    by_id = {entry["Id"]: entry for entry in found}
    blocks: list[str] = []
    for name in wanted:
        if name not in by_id:
            return 1, "\n".join(blocks), f"Failed to get path for session '{name}': No session '{name}' known\n"
        lines = [
            _property(value) if only_value else f"{key}={_property(value)}"
            for key, value in by_id[name].items()
            if not names or key in names
        ]
        blocks.append("".join(f"{line}\n" for line in lines))
    return 0, "\n".join(blocks), ""


def answer(path: Path, arguments: list[str]) -> tuple[int, str, str]:
    """Exit code, stdout and stderr."""
    try:
        words = parse(arguments, flags=FLAGS, values=(*VALUES, "property-value"), short=SHORT)
        found = sessions(path)
    except BadOption as wrong:
        return 1, "", f"loginctl: {wrong}\n"
    except BadFile as wrong:
        return 1, "", f"loginctl: {wrong}\n"
    verb, rest = (words.words or ["list-sessions"])[0], words.words[1:]
    if verb == "list-sessions" and not rest:
        return 0, listing(found, words), ""
    if verb == "show-session" and rest:
        return shown(found, rest, words)
    return 1, "", f"loginctl: not simulated: {' '.join(arguments)}\n"


def run(device: Device, arguments: list[str]) -> int:
    """The program ``loginctl``. Raises Unreachable and Rebooted."""
    state = device.visited()
    code, out, err = answer(device.root(state) / FILE, arguments)
    sys.stdout.write(out)
    sys.stderr.write(err)
    return code
