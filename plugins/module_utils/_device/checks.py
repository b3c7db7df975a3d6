# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What makes a check pass: rules on what the device says, without asking it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Mapping, Sequence

from .root import device_path

# A degraded system is judged by the units that failed.
UP = ("running", "degraded")
GREENBOOT = "greenboot-healthcheck.service"
UNIT_PROPERTIES = ("LoadState", "ActiveState", "SubState", "Result", "Type", "ExecMainExitTimestampMonotonic")
WAITING = ("activating", "reloading", "refreshing")


@dataclass(frozen=True)
class Asked:
    """A check somebody asked for: a command that has to end with 0, or a unit that has to be up."""

    name: str
    command: tuple[str, ...] = ()
    unit: str | None = None
    required: bool = True
    timeout: float | None = None


def judge_systemd(state: str, failed: Sequence[str], known: Sequence[str]) -> tuple[bool, str]:
    """Whether systemd is content, and why not."""
    unexpected = [unit for unit in failed if unit not in known]
    if state not in UP:
        return False, f"the system is {state or 'in an unknown state'}"
    if unexpected:
        return False, f"failed units: {', '.join(unexpected)}"
    return True, state


def judge_unit(properties: Mapping[str, str]) -> tuple[bool, str]:
    """Whether a unit is up, or did once what it does once."""
    load, active = properties.get("LoadState", ""), properties.get("ActiveState", "")
    if load != "loaded":
        return False, f"the unit is {load or 'unknown'}"
    if active == "active":
        return True, f"active ({properties.get('SubState', '')})"
    ran = properties.get("ExecMainExitTimestampMonotonic", "0") not in ("", "0")
    if active == "inactive" and properties.get("Type") == "oneshot" and ran and properties.get("Result") == "success":
        return True, "ran and ended well"
    return False, f"{active or 'unknown'} (result {properties.get('Result') or 'unknown'})"


def judge_boot(
    took: float | None, before: float | None, limit: float, slowdown_percent: int
) -> list[tuple[str, bool, str]]:
    """Verdicts on the seconds until the login, each with its name: against a limit, and against the boot before.

    A time nobody measured keeps no limit; without a boot before there is nothing to be slower than.
    """
    verdicts = []
    if limit > 0:
        if took is None:
            verdicts.append(("boot_time", False, "how long the boot took is not known"))
        else:
            verdicts.append(("boot_time", took <= limit, f"{took:.1f} s until the login, at most {limit:g} s"))
    if slowdown_percent > 0:
        if took is None:
            verdicts.append(("boot_slowdown", False, "how long the boot took is not known"))
        elif before is None:
            verdicts.append(("boot_slowdown", True, f"{took:.1f} s until the login, no boot before is known"))
        else:
            allowed = before * (100 + slowdown_percent) / 100
            detail = f"{took:.1f} s until the login, {before:.1f} s at the boot before, at most {allowed:.1f} s"
            verdicts.append(("boot_slowdown", took <= allowed, detail))
    return verdicts


def required_scripts(directories: Sequence[str]) -> list[tuple[str, Path]]:
    """The executable files of these directories: what the device calls them, and where they are.

    In name order within each directory; equal names do not hide each other.
    """
    scripts = []
    for directory in directories:
        try:
            entries = sorted(device_path(directory).iterdir(), key=lambda path: path.name)
        except OSError:
            continue
        executable = [path for path in entries if path.is_file() and os.access(str(path), os.X_OK)]
        scripts += [(f"{directory.rstrip('/')}/{_printable(path.name)}", path) for path in executable]
    return scripts


def _printable(name: str) -> str:
    """A file name may be any bytes; a result must be UTF-8."""
    return os.fsencode(name).decode("utf-8", "replace")
