# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which boot this is."""

from __future__ import annotations

from .command import CommandTimeout, CommandUnusable, Run
from .root import device_path


def boot_id() -> str | None:
    """The kernel's identity of this boot, or None where it cannot be read."""
    try:
        return device_path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip() or None
    except (OSError, UnicodeDecodeError):
        return None


def soft_reboots(run: Run) -> int | None:
    """How often the user space was restarted under this kernel: such a reboot keeps the boot id."""
    try:
        done = run(("systemctl", "show", "-P", "SoftRebootsCount"), 10)
    except (CommandUnusable, CommandTimeout):
        return None
    text = done.out.strip()
    return int(text) if done.rc == 0 and text.isdigit() else None


def failed_units(run: Run, timeout: float = 30) -> tuple[str, ...] | None:
    """Names of the systemd units that failed, or None where systemd does not answer."""
    argv = ("systemctl", "list-units", "--state=failed", "--plain", "--no-legend", "--full")
    try:
        done = run(argv, timeout)
    except (CommandUnusable, CommandTimeout):
        return None
    return parse_units(done.out) if done.rc == 0 else None


def parse_units(text: str) -> tuple[str, ...]:
    """Unit names from a listing without legend; old versions put a mark before failed units even when plain."""
    names = []
    for line in text.splitlines():
        words = line.split()
        if words and words[0] in ("\u25cf", "\u00d7", "*"):
            words = words[1:]
        if words:
            names.append(words[0])
    return tuple(names)
