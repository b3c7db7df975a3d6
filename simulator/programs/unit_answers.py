# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What ``systemctl`` tells about units and about the manager, as exit code, stdout and stderr. Changes nothing."""

from __future__ import annotations

import time
from datetime import datetime, timezone
from fnmatch import fnmatchcase
from typing import Any, Sequence, Tuple

from simulator.files import failed_units
from simulator.programs.systemd_analyze import finished_at, phases
from simulator.programs.tables import JSON_FORMS, as_json, table
from simulator.programs.units import Unit, Units, full_name
from simulator.programs.words import Words
from simulator.state import State

Answer = Tuple[int, str, str]
NO_SUCH_UNIT = 4
NOT_ACTIVE = 3


def running_state(state: State, now: float) -> str:
    """``starting``, ``degraded`` or ``running``."""
    if now < finished_at(state):
        return "starting"
    return "degraded" if failed_units(state) else "running"


def is_active(units: Units, names: Sequence[str], *, quiet: bool, wanted: str = "active") -> Answer:
    """``is-active`` and, with another ``wanted``, ``is-failed``: 0 when one unit is."""
    found = [units.get(full_name(name)) for name in names]
    out = "" if quiet else "".join(f"{unit.active}\n" for unit in found)
    if any(unit.active == wanted for unit in found):
        return 0, out, ""
    if wanted == "failed":
        return 1, out, ""
    return (NOT_ACTIVE if any(unit.known for unit in found) else NO_SUCH_UNIT), out, ""


def is_enabled(units: Units, names: Sequence[str], *, quiet: bool) -> Answer:
    """``is-enabled``: 0 when one unit is enabled or cannot be."""
    states = [units.get(full_name(name)).file_state or "not-found" for name in names]
    out = "" if quiet else "".join(f"{state}\n" for state in states)
    if any(state in ("enabled", "enabled-runtime", "static", "transient") for state in states):
        return 0, out, ""
    return (NO_SUCH_UNIT if all(state == "not-found" for state in states) else 1), out, ""


def _matching(units: Units, patterns: Sequence[str]) -> list[Unit]:
    wanted = [full_name(pattern) if "*" not in pattern else pattern for pattern in patterns]
    found = [units.get(name) for name in units.names()]
    return [unit for unit in found if not wanted or any(fnmatchcase(unit.name, pattern) for pattern in wanted)]


def _form(words: Words) -> str:
    return words.last("output") or words.last("json") or "off"


def _kinds(words: Words) -> tuple[list[str], list[str]]:
    """Unit types and states asked for; ``--type`` takes load states as well."""
    given = words.listed("type")
    states = [*words.listed("state"), *(["failed"] if words.on("failed") else [])]
    return given, states


def list_units(units: Units, patterns: Sequence[str], words: Words) -> Answer:
    """``list-units``: what is active or failed, everything with ``--all`` or a state asked for."""
    kinds, states = _kinds(words)
    found = [
        unit
        for unit in _matching(units, patterns)
        if (not kinds or unit.name.rpartition(".")[2] in kinds)
        and (not states or {unit.active, unit.sub, unit.load} & set(states))
        and (states or patterns or words.on("all") or unit.active != "inactive")
    ]
    rows = [
        {"unit": u.name, "load": u.load, "active": u.active, "sub": u.sub, "description": u.description} for u in found
    ]
    if _form(words) in JSON_FORMS:
        return 0, as_json(rows, _form(words)), ""
    if words.on("no-legend") or words.on("plain"):
        lines = [f"{u.name} {u.load} {u.active} {u.sub} {u.description}\n" for u in found]
        if words.on("no-legend"):
            return 0, "".join(lines), ""
    columns = ("unit", "load", "active", "sub", "description")
    return 0, table(columns, rows, legend=f"{len(rows)} loaded units listed."), ""


def list_unit_files(units: Units, patterns: Sequence[str], words: Words) -> Answer:
    """``list-unit-files``: with a pattern that matches nothing, exit code 1."""
    kinds, states = _kinds(words)
    found = [
        unit
        for unit in _matching(units, patterns)
        if unit.file_state not in ("", "transient")
        and (not kinds or unit.name.rpartition(".")[2] in kinds)
        and (not states or unit.file_state in states)
    ]
    rows = [{"unit_file": unit.name, "state": unit.file_state, "preset": unit.preset} for unit in found]
    code = 1 if patterns and not rows else 0
    if _form(words) in JSON_FORMS:
        return code, as_json(rows, _form(words)), ""
    columns = ("unit_file", "state", "preset")
    legend = None if words.on("no-legend") else f"{len(rows)} unit files listed."
    return code, table(columns, rows, legend=legend).replace("UNIT_FILE", "UNIT FILE", 1), ""


def list_timers(units: Units, patterns: Sequence[str], words: Words) -> Answer:
    """``list-timers``: next and last in microseconds since the epoch; none has run yet on a simulated device."""
    rows: list[dict[str, Any]] = []
    for unit in _matching(units, patterns):
        if unit.name.endswith(".timer") and (unit.active == "active" or words.on("all")):
            elapses = (unit.record or {}).get("elapses")
            moment = None if elapses is None else int(elapses * 1e6)
            rows.append({"next": moment, "left": moment, "last": None, "passed": None, "unit": unit.name,
                         "activates": unit.triggers})  # fmt: skip
    if _form(words) in JSON_FORMS:
        return 0, as_json(rows, _form(words)), ""
    now = time.time()
    shown = [
        {
            **row,
            "next": None if row["next"] is None else _clock(row["next"] / 1e6),
            "left": None if row["next"] is None else f"{max(row['next'] / 1e6 - now, 0):.0f}s",
        }
        for row in rows
    ]
    legend = None if words.on("no-legend") else f"{len(rows)} timers listed."
    return 0, table(("next", "left", "last", "passed", "unit", "activates"), shown, legend=legend), ""


def show(state: State, units: Units, names: Sequence[str], words: Words, now: float) -> Answer:
    """``show``: properties of units, or of the manager when no unit is named. An unknown unit is no error."""
    wanted = [*words.listed("property"), *words.listed("property-value")]
    only_value = words.on("value", "property-value")
    owners = [unit_properties(units, units.get(full_name(name))) for name in names] or [manager_properties(state, now)]
    blocks = []
    for owner in owners:
        keys = [key for key in owner if not wanted or key in wanted]
        # In the order asked for only the manager's own order is kept: systemd does so, too.
        blocks.append("".join(f"{owner[key]}\n" if only_value else f"{key}={owner[key]}\n" for key in keys))
    return 0, "\n".join(blocks), ""


def manager_properties(state: State, now: float) -> dict[str, str]:
    """Properties of the service manager."""
    boot = state.boot
    spent = {**dict.fromkeys(("firmware", "loader", "kernel", "initrd"), 0.0), **dict(phases(state).phases)}
    over = now >= finished_at(state)
    userspace = boot.up_at - spent["userspace"]
    return {
        "Version": "257.5-1",
        "Architecture": {"amd64": "x86-64", "arm64": "arm64"}.get(state.architecture, state.architecture),
        "FirmwareTimestampMonotonic": _micro(spent["firmware"] + spent["loader"]),
        "LoaderTimestampMonotonic": _micro(spent["loader"]),
        "KernelTimestamp": _clock(boot.started),
        "KernelTimestampMonotonic": "0",
        "InitRDTimestampMonotonic": _micro(spent["kernel"]),
        "UserspaceTimestamp": _clock(userspace),
        "UserspaceTimestampMonotonic": _micro(spent["kernel"] + spent["initrd"]),
        "FinishTimestamp": _clock(finished_at(state)) if over else "",
        "FinishTimestampMonotonic": (_micro(spent["kernel"] + spent["initrd"] + spent["userspace"]) if over else "0"),
        "NFailedUnits": str(len(failed_units(state))),
        "SystemState": running_state(state, now),
        "SoftRebootsCount": str(boot.soft),
    }


def unit_properties(units: Units, unit: Unit) -> dict[str, str]:
    """Properties of a unit."""
    record = unit.record or {}
    started, ended = record.get("started"), record.get("ended")
    properties = {
        "Id": unit.name,
        "Names": unit.name,
        "Description": unit.description,
        "LoadState": unit.load,
        "ActiveState": unit.active,
        "SubState": unit.sub,
        "FragmentPath": unit.fragment,
        "UnitFileState": unit.file_state,
        "UnitFilePreset": unit.preset or "",
        "Transient": "yes" if record.get("transient") else "no",
        "Result": str(record.get("result", "success" if unit.active != "failed" else "exit-code")),
        "ActiveEnterTimestamp": "" if started is None else _clock(started),
        "InactiveEnterTimestamp": "" if ended is None else _clock(ended),
        "ConditionResult": "yes",
        "CanStart": "yes",
        "CanStop": "yes",
    }
    if unit.name.endswith(".service"):
        running = unit.active == "active"
        properties.update(
            Type="simple",
            MainPID=str(record.get("main_pid", 0) if running else 0),
            ExecMainPID=str(record.get("main_pid", 0)),
            ExecMainStartTimestamp="" if started is None else _clock(started),
            ExecMainExitTimestamp="" if ended is None else _clock(ended),
            ExecMainCode={"exited": "1", "killed": "2"}.get(str(record.get("code")), "0"),
            ExecMainStatus=str(record.get("status", 1 if unit.active == "failed" else 0)),
            NRestarts="0",
            StandardOutput=f"file:{record['output']}" if record.get("output") else "journal",
        )
    if unit.name.endswith(".timer"):
        elapses = record.get("elapses")
        properties["Unit"] = unit.triggers or ""
        properties["Triggers"] = unit.triggers or ""
        properties["NextElapseUSecRealtime"] = "" if elapses is None else _clock(elapses)
        properties["LastTriggerUSec"] = "n/a"
    return properties


def status(units: Units, names: Sequence[str]) -> Answer:
    """``status UNIT...``: for people; the exit code tells the state."""
    lines: list[str] = []
    code = 0
    for name in names:
        unit = units.get(full_name(name))
        if not unit.known:
            return NO_SUCH_UNIT, "".join(lines), f"Unit {unit.name} could not be found.\n"
        mark = {"active": "●", "failed": "\u00d7"}.get(unit.active, "○")
        lines.append(
            f"{mark} {unit.name} - {unit.description}\n"
            f"     Loaded: {unit.load} ({unit.fragment}; {unit.file_state})\n"
            f"     Active: {unit.active} ({unit.sub})\n"
        )
        code = code if unit.active == "active" else NOT_ACTIVE
    return code, "\n".join(lines), ""


def _micro(seconds: float) -> str:
    return str(round(seconds * 1e6))


def _clock(moment: float) -> str:
    return datetime.fromtimestamp(moment, timezone.utc).strftime("%a %Y-%m-%d %H:%M:%S UTC")
