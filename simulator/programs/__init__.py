# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command lines a device offers to its processes."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Callable, List

from simulator.session import UNREACHABLE
from simulator.store import Device, NoDevice, Rebooted, Unreachable

NAMES = (
    "bootc",
    "bootctl",
    "findmnt",
    "journalctl",
    "loginctl",
    "ostree",
    "skopeo",
    "systemctl",
    "systemd-analyze",
    "systemd-inhibit",
    "systemd-run",
    "wall",
)
TERMINATED = 143
Program = Callable[[Device, List[str]], int]


def run(device: Device, name: str, arguments: list[str]) -> int:
    """Run one of the programs of a device, each of which is the module of its name."""
    program: Program = import_module(f"simulator.programs.{name.replace('-', '_')}").run
    try:
        return program(device, arguments)
    except (NoDevice, Unreachable) as why:
        sys.stderr.write(f"unreachable: {why}\n")
        return UNREACHABLE
    except Rebooted:
        return TERMINATED
    except BrokenPipeError:
        return 1
