# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reboot a moment later, so that whoever asked still gets the answer."""

from __future__ import annotations

import shutil

from .._process import OwnSession
from .command import CommandTimeout, CommandUnusable, Run
from .root import device_path, is_simulated

# Where another root is mounted at /run/nextroot, systemctl would restart the user space only. That keeps the kernel and
# the boot id, and looks like a device that has not rebooted.
ENVIRONMENT = {"SYSTEMCTL_SKIP_AUTO_SOFT_REBOOT": "1"}
TIMER = (
    "systemd-run",
    "--quiet",
    *(f"--setenv={name}={value}" for name, value in ENVIRONMENT.items()),
    "--on-active=1s",
    "--timer-property=AccuracySec=100ms",
    "systemctl",
    "reboot",
)
_SYSTEM_DIRECTORIES = ("/usr/", "/bin/", "/sbin/")


class RebootRefused(Exception):
    """Asking for a reboot is not possible or not safe here."""


def schedule_reboot(run: Run) -> None:
    """Have the device reboot about a second from now, in an orderly way."""
    systemctl = shutil.which("systemctl")
    if systemctl is None:
        raise RebootRefused("systemctl is not there")
    if is_simulated():
        if systemctl.startswith(_SYSTEM_DIRECTORIES):
            raise RebootRefused(f"{systemctl} would reboot the machine that simulates the device")
    elif device_path("/run/systemd/system").is_dir() and _timer(run):
        return
    OwnSession(["/bin/sh", "-c", 'sleep 1; exec "$0" reboot', systemctl], capture=False, environment=ENVIRONMENT)


def _timer(run: Run) -> bool:
    """A timer of systemd outlives the session that asks for it, which a child process may not."""
    try:
        return run(TIMER, 20).rc == 0
    except (CommandUnusable, CommandTimeout):
        return False
