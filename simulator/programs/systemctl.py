# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``systemctl`` on a simulated device: what a health check and a reboot need of it."""

from __future__ import annotations

import sys
import time

from simulator.files import STARTING_SECONDS, failed_units
from simulator.state import State
from simulator.store import Device


def answer(state: State, arguments: list[str], now: float) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of anything but a reboot. Pure."""
    words = [word for word in arguments if word not in ("--no-pager", "--quiet", "-q", "--system")]
    if not words:
        return _refused(arguments)
    verb, rest = words[0], words[1:]
    if verb == "is-system-running":
        text = _running(state, now)
        return (0 if text == "running" else 1), f"{text}\n", ""
    if verb == "list-units" and {"--state=failed", "--plain", "--no-legend"} <= set(rest):
        lines = [f"{unit} loaded failed failed {text}\n" for unit, text in sorted(failed_units(state).items())]
        return 0, "".join(lines), ""
    if verb == "show" and rest in (["-P", "SoftRebootsCount"], ["--property=SoftRebootsCount", "--value"]):
        return 0, "0\n", ""
    if verb == "soft-reboot":
        return 1, "", "Failed to soft-reboot: soft reboots are not supported on this device\n"
    return _refused(arguments)


def _running(state: State, now: float) -> str:
    booted = state.booted
    starting = float(booted.image.labels.get(STARTING_SECONDS, "0")) if booted is not None else 0.0
    if now < state.boot.up_at + starting:
        return "starting"
    return "degraded" if failed_units(state) else "running"


def _refused(arguments: list[str]) -> tuple[int, str, str]:
    return 1, "", f"systemctl: not simulated: {' '.join(arguments) or '(no command)'}\n"


def run(device: Device, arguments: list[str]) -> int:
    """The program ``systemctl``. Raises Unreachable and Rebooted."""
    state = device.visited()
    words = [word for word in arguments if word not in ("--no-block", "--no-wall", "-i", "--message=")]
    if words == ["reboot"]:
        device.reboot(orderly=True)
        return 0
    if words and words[0] == "reboot" and set(words[1:]) <= {"--force", "-f", "-ff"} and len(words) > 1:
        # Once --force skips the units' stop jobs only when given twice.
        hard = words.count("--force") + words.count("-f") + 2 * words.count("-ff") > 1
        device.reboot(orderly=not hard)
        return 0
    code, out, err = answer(state, arguments, time.time())
    sys.stdout.write(out)
    sys.stderr.write(err)
    return code
