# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``ostree admin`` on a device with the ostree backend. ``admin status`` takes no lock and needs no root."""

from __future__ import annotations

import json
import sys
from typing import Any, NoReturn

from simulator.programs.words import BadOption, Words, parse
from simulator.session import rights
from simulator.state import Deployment, State
from simulator.store import Device
from simulator.verbs import admin
from simulator.verbs.common import BootcError, Outcome, version_of

FLAGS = ("json", "unpin", "unlock", "reboot", "reset", "hotfix", "transient", "is-default", "skip-signatures")
SHORT = {"J": "json", "u": "unpin", "D": "is-default", "S": "skip-signatures"}
# The options of each verb; only ``u`` means two things.
VERBS: dict[str, tuple[str, ...]] = {
    "status": ("json", "is-default", "skip-signatures"),
    "pin": ("unpin",),
    "undeploy": (),
    "set-default": (),
    "lock-finalization": ("unlock",),
    "prepare-soft-reboot": ("reboot", "reset"),
    "unlock": ("hotfix", "transient"),
    "cleanup": (),
}


def status(state: State) -> dict[str, Any]:
    """``ostree admin status --json``. There is a version only where the image has one."""
    pending, rollback = admin.around_booted(state)
    deployments = []
    for index, entry in enumerate(admin.listed(state)):
        shown = {
            "checksum": entry.checksum,
            "stateroot": entry.stateroot,
            "refspec": None,
            "serial": entry.serial,
            "index": index,
            "booted": _booted(state, entry),
            "pending": entry is pending,
            "rollback": entry is rollback,
            "finalization-locked": entry is state.staged and state.staged_locked,
            "soft-reboot-target": entry.id == state.soft_reboot_target,
            "staged": entry is state.staged,
            "pinned": entry.pinned,
            "unlocked": admin.unlocked_state(state.usr_overlay if _booted(state, entry) else None),
        }
        version = version_of(entry.image, composefs=False)
        deployments.append(shown if version is None else {**shown, "version": version})
    return {"deployments": deployments}


def _booted(state: State, entry: Deployment) -> bool:
    return entry.id == state.booted_id and entry is not state.staged


def status_text(state: State) -> str:
    """``ostree admin status`` for people."""
    pending, rollback = admin.around_booted(state)
    lines = []
    for entry in admin.listed(state):
        if entry is state.staged:
            note = " (finalization locked)" if state.staged_locked else " (staged)"
        else:
            note = " (pending)" if entry is pending else " (rollback)" if entry is rollback else ""
        note += " (soft-reboot)" if entry.id == state.soft_reboot_target else ""
        mark = "*" if _booted(state, entry) else " "
        lines.append(f"{mark} {entry.stateroot} {entry.id}{note}\n")
        version = version_of(entry.image, composefs=False)
        lines += [] if version is None else [f"    Version: {version}\n"]
        if _booted(state, entry) and state.usr_overlay is not None:
            lines.append(f"    Unlocked: {admin.unlocked_state(state.usr_overlay)}\n")
        lines += ["    Pinned: yes\n"] if entry.pinned else []
        lines.append("    origin: <unknown origin type>\n")
    return "".join(lines) or "No deployments.\n"


def perform(state: State, arguments: list[str]) -> Outcome:
    """Run ``ostree`` with these arguments; raises BootcError."""
    if arguments[:1] == ["--version"]:
        return Outcome(state, out=["libostree:", " Version: '2026.4'"])
    verb = arguments[1] if len(arguments) > 1 and arguments[0] == "admin" else ""
    if verb not in VERBS:
        _refuse(arguments)
    short = {**SHORT, "u": "unlock"} if verb == "lock-finalization" else SHORT
    try:
        words = parse(arguments[2:], flags=FLAGS, short=short)
    except BadOption:
        _refuse(arguments)
    unknown = [name for name in words.options if name not in VERBS[verb]]
    if unknown:
        raise BootcError(f"Unknown option --{unknown[0]}")
    if verb == "status":
        return _status(state, words)
    outcome = Outcome(state)
    _change(outcome, verb, words)
    return outcome


def _refuse(arguments: list[str]) -> NoReturn:
    raise BootcError(f"not simulated: ostree {' '.join(arguments)}")


def _status(state: State, words: Words) -> Outcome:
    if words.on("json"):
        return Outcome(state, document=json.dumps(status(state), indent=2) + "\n")
    if words.on("is-default"):
        listed = admin.listed(state)
        default = bool(listed) and _booted(state, listed[0])
        return Outcome(state, out=["default" if default else "not-default"])
    return Outcome(state, document=status_text(state))


def _change(outcome: Outcome, verb: str, words: Words) -> None:
    indexes = words.words
    needs_index = verb in ("pin", "undeploy", "set-default") or (
        verb == "prepare-soft-reboot" and not words.on("reset")
    )
    if needs_index and not indexes:
        raise BootcError("INDEX must be specified")
    if verb == "pin":
        admin.pin(outcome, indexes, unpin=words.on("unpin"))
    elif verb == "undeploy":
        admin.undeploy(outcome, indexes[0])
    elif verb == "set-default":
        admin.set_default(outcome, indexes[0])
    elif verb == "lock-finalization":
        admin.lock_finalization(outcome, unlock=words.on("unlock"))
    elif verb == "prepare-soft-reboot":
        admin.prepare_soft_reboot(outcome, None if words.on("reset") else indexes[0], reboot=words.on("reboot"))
    elif verb == "unlock":
        if indexes:
            raise BootcError("This command takes no extra arguments")
        admin.unlock(outcome, hotfix=words.on("hotfix"), transient=words.on("transient"))
    else:
        outcome.state = admin.pruned(outcome.state)


def run(device: Device, arguments: list[str]) -> int:
    """The program ``ostree``. Raises Unreachable and Rebooted."""
    state = device.visited()
    if state.composefs or not state.has_bootc:
        sys.stderr.write("ostree: command not found\n")
        return 127
    try:
        if arguments[:1] == ["--version"] or arguments[:2] == ["admin", "status"]:
            outcome = perform(state, arguments)
        else:
            with device.sysroot_lock(state) as fresh:
                if rights() == "user":
                    raise BootcError("You must be root to perform this command")
                outcome = perform(fresh, arguments)
                device.commit(fresh, outcome.state)
    except BootcError as failed:
        sys.stderr.write(f"error: {failed}\n")
        return 1
    sys.stdout.write(outcome.document if outcome.document is not None else "".join(f"{line}\n" for line in outcome.out))
    sys.stdout.flush()
    if outcome.soft:
        device.soft_reboot()
    return 0
