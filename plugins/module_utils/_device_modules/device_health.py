# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What device_health takes and does."""

from __future__ import annotations

import re
from typing import Any, Mapping

from .._bootc.client import device_lock
from .._bootc.device_module import Call, check_commands, status_or_none, timeout_option
from .._device.boot import boot_id
from .._device.checks import Asked
from .._device.fence import FENCE_OPTION, parse_fence, try_to_end_claim
from .._device.health import BootLimits, Checks, HealthRunner
from .._errors import BootcError

UNIT_NAME = re.compile(r"[A-Za-z0-9:_.\\@][A-Za-z0-9:_.\\@-]{0,254}\Z")

OPTIONS: dict[str, Any] = {
    "required_dirs": {
        "type": "list",
        "elements": "str",
        "default": ["/etc/greenboot/check/required.d", "/usr/lib/greenboot/check/required.d"],
    },
    "wanted_dirs": {
        "type": "list",
        "elements": "str",
        "default": ["/etc/greenboot/check/wanted.d", "/usr/lib/greenboot/check/wanted.d"],
    },
    "systemd": {"type": "bool", "default": True},
    "known_failed_units": {"type": "list", "elements": "str", "default": []},
    "commands": {"type": "list", "elements": "list", "default": []},
    "checks": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {
            "name": {"type": "str"},
            "command": {"type": "list", "elements": "str"},
            "unit": {"type": "str"},
            "required": {"type": "bool", "default": True},
            "timeout": {"type": "int"},
        },
        "mutually_exclusive": [("command", "unit")],
        "required_one_of": [("command", "unit")],
    },
    "greenboot": {"type": "bool", "default": True},
    "boot_seconds_limit": {"type": "float", "default": 0},
    "boot_slowdown_percent": {"type": "int", "default": 0},
    "boot_required": {"type": "bool", "default": True},
    "fence": FENCE_OPTION,
    "timeout": timeout_option(300),
    "settle": {"type": "int", "default": 0},
}


def asked_for(checks: list[dict[str, Any]]) -> tuple[Asked, ...]:
    """The option ``checks``; raises BootcError for what would check nothing."""
    commands = check_commands([check["command"] for check in checks if not check["unit"]])
    remaining = iter(commands)
    found = []
    for check in checks:
        unit, seconds = check["unit"] or None, check["timeout"]
        if unit is not None and not UNIT_NAME.match(unit):
            raise BootcError("invalid", f"{unit!r} is no name of a unit", "Give one such as display-manager.service")
        if seconds is not None and seconds <= 0:
            raise BootcError("invalid", f"The timeout {seconds} of a check is not positive", "Give it in seconds")
        command = () if unit is not None else next(remaining)
        found.append(Asked(check["name"] or unit or " ".join(command), command, unit, check["required"], seconds))
    return tuple(found)


def boot_limits(options: Mapping[str, Any], *, remember: bool) -> BootLimits:
    """The options on boots; raises BootcError."""
    limit, slowdown = options["boot_seconds_limit"], options["boot_slowdown_percent"]
    if not 0 <= limit < float("inf") or slowdown < 0:
        raise BootcError("invalid", "A limit on boots is negative or no number", "Give 0 for no limit")
    return BootLimits(limit, slowdown, options["boot_required"], remember)


def work(call: Call) -> dict[str, Any]:
    """Run the checks."""
    options = call.params
    checks = Checks(
        required_dirs=tuple(options["required_dirs"]),
        systemd=options["systemd"],
        known_failed_units=tuple(options["known_failed_units"]),
        commands=check_commands(options["commands"]),
        wanted_dirs=tuple(options["wanted_dirs"]),
        greenboot=options["greenboot"],
        asked=asked_for(options["checks"]),
        boot=boot_limits(options, remember=not call.check_mode),
    )
    report = HealthRunner().report(checks, options["timeout"], options["settle"], boot_id())
    fence = parse_fence(options["fence"])
    if fence is not None and report.healthy and not call.check_mode:
        try_to_end_claim(fence, device_lock())
    asked_boot = checks.boot.seconds > 0 or checks.boot.slowdown_percent > 0
    return {
        "healthy": report.healthy,
        "checks": [check.as_dict() for check in report.checks],
        "advisories": list(report.advisories),
        "boot_time": report.boot_time.as_dict() if asked_boot else None,
        "failed_units": list(report.failed_units),
        "bootc": status_or_none(),
    }
