# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The journal of a device: what units and bootc itself leave there, and how it is read. Pure."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, replace

from simulator.state import BOOTC, Record, State
from simulator.versions import has

# How bootc names its operations. Some have 33 digits, which is why they are no message ids of systemd's.
STAGED = "8f7a2b1c3d4e5f6a7b8c9d0e1f2a3b4c"
SWITCHED = "7a6b5c4d3e2f1a0b9c8d7e6f5a4b3c2d1"
PULLING = "6d5e4f3a2b1c0d9e8f7a6b5c4d3e2f1a0"
IMPORTED = "4d3e2f1a0b9c8d7e6f5a4b3c2d1e0f9a8"
CLEANED = "2f1a0b9c8d7e6f5a4b3c2d1e0f9a8b7c6"
ROLLED_BACK = "26f3b1eb24464d12aa5e7b544a6b5468"
COMPOSEFS_UPGRADED = "9c8d7f6e5a4b3c2d1e0f9a8b7c6d5e4f3"
COMPOSEFS_PULLED = "4c3b2a1f0e9d8c7b6a5f4e3d2c1b0a9f8"
COMPOSEFS_COLLECTED = "3b2a1f0e9d8c7b6a5f4e3d2c1b0a9f8e7"
COMPOSEFS_ROLLED_BACK = "6f5e4d3c2b1a0f9e8d7c6b5a4e3d2c1b0"
COMPOSEFS_DELETED = "2a1f0e9d8c7b6a5f4e3d2c1b0a9f8e7d6"
FINALISED = "0e9d8c7b6a5f4e3d2c1b0a9f8e7d6c5b4"
HOST = "device"
_PROCESS = 1000


def finalize_unit(state: State) -> str:
    """The unit whose stop job finalises."""
    return "bootc-finalize-staged.service" if state.composefs else "ostree-finalize-staged.service"


def operations(before: State, after: State, verb: str) -> State:
    """``after`` with the records bootc leaves of what it did to ``before``."""
    composefs = after.composefs
    if after.last_pull is not before.last_pull:
        after = after.noted("Pulling new image", message_id=COMPOSEFS_PULLED if composefs else PULLING)
        if not composefs:
            after = after.noted("Import of the image complete", message_id=IMPORTED)
    if after.staged is not None and after.staged != before.staged:
        staged = after.staged
        if verb == "switch":
            after = after.noted(f"Switching to image {staged.image.ref}", message_id=SWITCHED)
        elif composefs:
            after = after.noted(f"Upgrading to image {staged.image.ref}", message_id=COMPOSEFS_UPGRADED)
        if composefs:
            after = after.noted("Collecting what is not used", message_id=COMPOSEFS_COLLECTED)
        else:
            after = after.noted(f"Staged deployment {staged.id}", message_id=STAGED)
            after = after.noted("Cleaned up", message_id=CLEANED)
    if verb == "rollback" and after.deployments != before.deployments:
        if not composefs or (before.staged is not None and after.staged is None):
            after = after.noted("Rolling back", message_id=ROLLED_BACK)
        if composefs:
            after = after.noted("Rolling back the boot entries", message_id=COMPOSEFS_ROLLED_BACK)
    if verb == "delete-deployment" and after.everything != before.everything:
        after = after.noted("Deleted a deployment", message_id=COMPOSEFS_DELETED)
    return after


def stamped(state: State, now: float) -> State:
    """The device with the time in the records that are new."""
    if all(record.at for record in state.journal):
        return state
    return replace(state, journal=tuple(record if record.at else replace(record, at=now) for record in state.journal))


@dataclass(frozen=True)
class Query:
    """What is asked of the journal: ``boot`` as ``-b`` counts, 0 the running one, -1 the one before; None for all.

    ``fields`` are matches such as ``F_MESSAGE_ID`` to its value. ``priority`` is the least urgent level shown.
    """

    units: tuple[str, ...] = ()
    boot: int | None = None
    fields: tuple[tuple[str, str], ...] = ()
    priority: int = 7
    lines: int | None = None
    output: str = "short"


class NoSuchBoot(Exception):
    """The journal has nothing of the boot asked for."""


def boots(state: State) -> list[str]:
    """Boot ids, the running boot last."""
    ids = list(dict.fromkeys(record.boot for record in state.journal))
    return [*(boot for boot in ids if boot != state.boot.id), state.boot.id]


def read(state: State, query: Query) -> str:
    """What ``journalctl`` prints; raises NoSuchBoot."""
    chosen = None
    if query.boot is not None:
        known = boots(state)
        position = len(known) - 1 + query.boot if query.boot <= 0 else query.boot - 1
        if not 0 <= position < len(known):
            raise NoSuchBoot(
                f"Specifying boot ID or boot offset has no effect, no persistent journal was found for {query.boot:+d}."
            )
        chosen = known[position]
    units = {unit if "." in unit else f"{unit}.service" for unit in query.units}
    found = []
    for record in state.journal:
        entry = fields(state, record)
        if (
            (chosen is None or record.boot == chosen)
            and (not units or record.unit in units)
            and record.priority <= query.priority
            and all(entry.get(name) == wanted for name, wanted in query.fields)
        ):
            found.append((record, entry))
    if query.lines is not None:
        found = found[len(found) - query.lines :] if query.lines < len(found) else found
    if query.output == "json":
        return "".join(json.dumps(entry) + "\n" for _unused, entry in found)
    if query.output == "cat":
        return "".join(f"{record.text}\n" for record, _unused in found)
    return "".join(_short(record, entry) for record, entry in found) or "-- No entries --\n"


def fields(state: State, record: Record) -> dict[str, str]:
    """A record as the journal keeps it."""
    entry = {
        "__REALTIME_TIMESTAMP": str(int(record.at * 1_000_000)),
        "_BOOT_ID": record.boot.replace("-", ""),
        "_HOSTNAME": HOST,
        "_PID": str(_PROCESS),
        "PRIORITY": str(record.priority),
        "MESSAGE": record.text,
    }
    if record.unit == BOOTC:
        entry["SYSLOG_IDENTIFIER"] = BOOTC
    else:
        entry["_SYSTEMD_UNIT"] = record.unit
        entry["SYSLOG_IDENTIFIER"] = _identifier(record)
    if record.message_id is not None:
        # From 1.8.0 on these go through a library that puts F_ before every field it does not know.
        prefixed = has(state.bootc_version, "prefixed journal fields")
        entry["F_MESSAGE_ID" if prefixed else "MESSAGE_ID"] = record.message_id
    return entry


def _identifier(record: Record) -> str:
    if record.unit == "init.scope" or record.text.startswith(f"{record.unit}: "):
        return "systemd"
    return record.unit.partition("-")[0]


def _short(record: Record, entry: dict[str, str]) -> str:
    moment = time.strftime("%b %d %H:%M:%S", time.gmtime(record.at))
    return f"{moment} {HOST} {entry['SYSLOG_IDENTIFIER']}[{entry['_PID']}]: {record.text}\n"
