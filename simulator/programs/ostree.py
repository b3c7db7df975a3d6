# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``ostree admin status | undeploy | pin`` on a device with the ostree backend."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from typing import Any

from simulator import storage
from simulator.state import Deployment, State
from simulator.store import Device
from simulator.verbs.common import BootcError, Outcome, version_of
from simulator.verbs.ostree import cleanup


def listed(state: State) -> tuple[Deployment, ...]:
    """Deployments by ostree's index: a staged one is always index 0."""
    return state.everything


def status(state: State) -> dict[str, Any]:
    """``ostree admin status --json``."""
    rollback = state.rollback
    pending = state.staged or (rollback if state.rollback_queued else None)
    return {
        "deployments": [
            {
                "checksum": entry.checksum,
                "stateroot": entry.stateroot,
                "serial": entry.serial,
                "index": index,
                "booted": entry.id == state.booted_id and entry is not state.staged,
                "pending": entry is pending,
                "rollback": entry is rollback and not state.rollback_queued,
                "finalization-locked": entry is state.staged and state.staged_locked,
                "soft-reboot-target": False,
                "staged": entry is state.staged,
                "pinned": entry.pinned,
                "unlocked": _unlocked(state, entry),
                "version": version_of(entry.image, composefs=False) or "",
            }
            for index, entry in enumerate(listed(state))
        ]
    }


def _unlocked(state: State, entry: Deployment) -> str:
    if entry.id != state.booted_id or state.usr_overlay is None:
        return "none"
    return "development" if state.usr_overlay.access_mode == "readWrite" else "transient"


def status_text(state: State) -> str:
    """``ostree admin status`` for people."""
    lines = []
    for entry in listed(state):
        mark = "*" if entry.id == state.booted_id and entry is not state.staged else " "
        notes = " (staged)" if entry is state.staged else " (rollback)" if entry is state.rollback else ""
        lines.append(f"{mark} {entry.stateroot} {entry.id}{notes}\n")
        lines += ["    Pinned: yes\n"] if entry.pinned else []
        lines.append(f"    origin: <unknown origin type>\n    container: {entry.image.ref}\n")
    return "".join(lines)


def _at(state: State, index: str) -> Deployment:
    entries = listed(state)
    names = {"booted": state.booted, "rollback": state.rollback, "pending": state.staged}
    chosen = names.get(index)
    if chosen is not None:
        return chosen
    if index in names:
        raise BootcError(f"No {index} deployment")
    if not index.isdigit():
        raise BootcError(f"Invalid index: {index}")
    if int(index) >= len(entries):
        raise BootcError(f"Out of range index {index}, expected < {len(entries)}")
    return entries[int(index)]


def undeploy(state: State, index: str) -> Outcome:
    """``ostree admin undeploy INDEX``: any but the booted one, pinned or not."""
    if not index.isdigit():
        raise BootcError(f"Invalid index: {index}")
    entry = _at(state, index)
    if entry is state.staged:
        after = storage.without(state, entry)
    elif entry.id == state.booted_id:
        raise BootcError(f"Cannot undeploy currently booted deployment {index}")
    else:
        after = storage.without(state, entry)
    after, _unused = cleanup(after)
    return Outcome(after, out=[f"Deleted deployment {entry.id}"])


def pin(state: State, indexes: list[str], *, unpin: bool) -> Outcome:
    """``ostree admin pin [-u] INDEX...``."""
    outcome = Outcome(state)
    word = "unpinned" if unpin else "pinned"
    for index in indexes:
        entry = _at(outcome.state, index)
        if entry is outcome.state.staged:
            raise BootcError("Cannot pin staged deployment")
        if entry.pinned is not unpin:
            outcome.out.append(f"Deployment {index} is already {word}")
            continue
        deployments = tuple(
            replace(other, pinned=not unpin) if other.id == entry.id else other for other in outcome.state.deployments
        )
        outcome.state = replace(outcome.state, deployments=deployments)
        outcome.out.append(f"Deployment {index} is now {word}")
    return outcome


def perform(state: State, arguments: list[str]) -> Outcome:
    """Run ``ostree`` with these arguments; raises BootcError."""
    if arguments[:1] == ["--version"]:
        return Outcome(state, out=["libostree:", " Version: '2026.4'"])
    if arguments[:2] == ["admin", "status"] and set(arguments[2:]) <= {"--json"}:
        text = json.dumps(status(state), indent=2) + "\n" if "--json" in arguments else status_text(state)
        return Outcome(state, document=text)
    if arguments[:2] == ["admin", "undeploy"] and len(arguments) == 3:
        return undeploy(state, arguments[2])
    if arguments[:2] == ["admin", "pin"]:
        unpin = bool({"-u", "--unpin"} & set(arguments[2:]))
        indexes = [word for word in arguments[2:] if not word.startswith("-")]
        if indexes:
            return pin(state, indexes, unpin=unpin)
    raise BootcError(f"not simulated: ostree {' '.join(arguments)}")


def run(device: Device, arguments: list[str]) -> int:
    """The program ``ostree``. Raises Unreachable and Rebooted."""
    state = device.visited()
    if state.composefs or not state.has_bootc:
        sys.stderr.write("ostree: command not found\n")
        return 127
    with device.sysroot_lock(state) as fresh:
        try:
            outcome = perform(fresh, arguments)
        except BootcError as failed:
            sys.stderr.write(f"error: {failed}\n")
            return 1
        device.commit(fresh, outcome.state)
    sys.stdout.write(outcome.document if outcome.document is not None else "".join(f"{line}\n" for line in outcome.out))
    return 0
