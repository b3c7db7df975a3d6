# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``device DIR exec``: run a command on a device as a connection would. Runs often, so it imports next to nothing."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from typing import Any

UNREACHABLE = 255
SESSION_BOOT = "BOOTC_SIMULATED_BOOT"
# Whose rights a session has: root's, when the variable is not there, or one of RIGHTS.
SESSION_RIGHTS = "BOOTC_SIMULATED_RIGHTS"
RIGHTS = {"--as-user": "user", "--without-sys-admin": "no-sys-admin", "--in-container": "container"}


def refusal(summary: dict[str, Any], now: float) -> str | None:
    """Why a device with this ``reach`` summary does not answer at ``now``; None when it does."""
    why = summary["why"]
    if why is None and now < summary["up_at"]:
        return str(summary["while_booting"])
    return None if why is None else str(why)


def rights() -> str:
    """What this process may do: ``root`` or one of the values of RIGHTS."""
    return os.environ.get(SESSION_RIGHTS, "root")


def session_mark(directory: str, session: str) -> str:
    """Which life of which device a process belongs to."""
    return f"{session} {directory}"


def environment(directory: str, root: str, session: str) -> dict[str, str]:
    """What a process on the device sees: the device's programs first, its root, and which life it belongs to."""
    programs = os.path.join(directory, "bin")  # noqa: PTH118
    return dict(
        os.environ,
        PATH=programs + os.pathsep + os.environ.get("PATH", os.defpath),
        BOOTC_DEVICE_ROOT=root,
        **{SESSION_BOOT: session_mark(directory, session)},
    )


def execute(directory: str, command: list[str]) -> int:
    """Replace this process by ``command`` on the device, or say that the device cannot be reached.

    Before the command, one of RIGHTS takes rights away from its session.
    """
    rights: dict[str, str] = {}
    if command and command[0] in RIGHTS:
        rights = {SESSION_RIGHTS: RIGHTS[command[0]]}
        command = command[1:]
    if command and command[0] == "--":
        command = command[1:]
    if not command:
        sys.stderr.write("error: exec needs a command after --\n")
        return 2
    directory = os.path.abspath(directory)  # noqa: PTH100
    try:
        with open(os.path.join(directory, "state.json"), encoding="utf-8") as stream:  # noqa: PTH118, PTH123
            state = json.load(stream)
    except FileNotFoundError:
        sys.stderr.write(f"unreachable: there is no device in {directory}; make one with 'device DIR create'\n")
        return UNREACHABLE
    now = time.time()
    why = refusal(state["reach"], now)
    if why is not None:
        sys.stderr.write(f"unreachable: {why}\n")
        return UNREACHABLE
    if not state["reach"]["settled"]:
        from simulator.store import Device

        Device(directory).settled()
    root = "/" if state["in_place"] else os.path.join(directory, "root")  # noqa: PTH118
    # Python ignores SIGPIPE, which a pipeline on the device must not inherit.
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    try:
        os.execvpe(command[0], command, {**environment(directory, root, state["reach"]["session"]), **rights})
    except FileNotFoundError:
        sys.stderr.write(f"{command[0]}: command not found\n")
        return 127
    except PermissionError:
        sys.stderr.write(f"{command[0]}: permission denied\n")
        return 126
