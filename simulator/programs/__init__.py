# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command lines a device offers to its processes."""

from __future__ import annotations

import sys
from typing import Callable, List

from simulator.session import UNREACHABLE
from simulator.store import Device, NoDevice, Rebooted, Unreachable

NAMES = ("bootc", "systemctl", "ostree", "skopeo")
TERMINATED = 143
Program = Callable[[Device, List[str]], int]


def run(device: Device, name: str, arguments: list[str]) -> int:
    """Run one of the programs of a device."""
    try:
        return _program(name)(device, arguments)
    except (NoDevice, Unreachable) as why:
        sys.stderr.write(f"unreachable: {why}\n")
        return UNREACHABLE
    except Rebooted:
        return TERMINATED
    except BrokenPipeError:
        return 1


def _program(name: str) -> Program:
    if name == "bootc":
        from simulator.programs import bootc

        return bootc.run
    if name == "systemctl":
        from simulator.programs import systemctl

        return systemctl.run
    if name == "ostree":
        from simulator.programs import ostree

        return ostree.run
    from simulator.programs import skopeo

    return skopeo.run
