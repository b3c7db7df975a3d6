# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reboot a moment later, so that whoever asked still gets the answer."""

from __future__ import annotations

import os
import shutil

from .._process import OwnSession
from .command import Run
from .root import device_path, is_simulated
from .transient import PREFIX, own_program, start_unit

UNIT = f"{PREFIX}reboot"
NEXT_ROOT = "/run/nextroot"
# Where another root is mounted at /run/nextroot, systemctl would restart the user space only. That keeps the kernel and
# the boot id, and looks like a device that has not rebooted.
KERNEL_TOO = {"SYSTEMCTL_SKIP_AUTO_SOFT_REBOOT": "1"}
A_MOMENT_LATER = ("--on-active=1s", "--timer-property=AccuracySec=100ms")


class RebootRefused(Exception):
    """Asking for a reboot is not possible or not safe here."""


def schedule_reboot(run: Run, *, soft: bool = False) -> None:
    """Have the device reboot about a second from now, in an orderly way; ``soft`` restarts the user space only.

    A timer of systemd outlives the session that asks for it, which a child process may not.
    """
    systemctl = shutil.which("systemctl")
    if systemctl is None:
        raise RebootRefused("systemctl is not there")
    if own_program("systemctl") is None:
        raise RebootRefused(f"{systemctl} would reboot the machine that simulates the device")
    verb, environment = ("soft-reboot", {}) if soft else ("reboot", KERNEL_TOO)
    settings = (f"--setenv={name}={value}" for name, value in environment.items())
    if start_unit(run, UNIT, ("systemctl", verb), (*settings, *A_MOMENT_LATER)):
        return
    script = 'sleep 1; exec "$0" "$1"'
    OwnSession(["/bin/sh", "-c", script, systemctl, verb], capture=False, environment=environment)


def soft_reboot_prepared() -> bool:
    """Whether a plain ``systemctl reboot`` would restart the user space only."""
    path = device_path(NEXT_ROOT)
    if not is_simulated():
        return os.path.ismount(str(path))
    try:
        # Nothing can be mounted on a device that is a directory.
        return any(path.iterdir())
    except OSError:
        return False
