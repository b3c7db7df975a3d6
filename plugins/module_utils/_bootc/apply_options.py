# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of bootc_apply, checked on the controller before anything is asked, and again on the device."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Mapping

from .._device.fence import FENCE_OPTION, Fence, parse_fence
from .._device.inhibitors import INHIBITORS_OPTION, Inhibitor, parse_inhibitors
from .._device.notice import Notice, parse_notice
from .._errors import BootcError

NEVER = "never"
ALLOWED = "allowed"
REQUIRED = "required"

APPLY_OPTIONS: dict[str, dict[str, Any]] = {
    "expect_digests": {"type": "list", "elements": "str", "default": []},
    "soft_reboot": {"type": "str", "choices": [NEVER, ALLOWED, REQUIRED], "default": NEVER},
    "notify": {
        "type": "dict",
        "options": {
            "text": {"type": "str", "required": True},
            "grace_seconds": {"type": "int", "default": 0},
            "command": {"type": "list", "elements": "str", "default": []},
        },
    },
    "inhibitors": INHIBITORS_OPTION,
    "look_back": {
        "type": "dict",
        "options": {
            "boot_id": {"type": "str"},
            "deployment": {"type": "str"},
            "digest": {"type": "str"},
        },
    },
    "fence": FENCE_OPTION,
    "timeout": {"type": "int", "default": 120},
    "reboot_timeout": {"type": "int", "default": 1200},
    "connect_timeout": {"type": "int", "default": 5},
    "poll_interval": {"type": "float", "default": 2.0},
    "came_back_grace": {"type": "int", "default": 60},
    "fail_on": {"type": "bool", "default": True},
}


@dataclass(frozen=True)
class Missed:
    """What was to boot and did not, and the boot it was to boot from."""

    boot_id: str | None = None
    deployment: str | None = None
    digest: str | None = None


@dataclass(frozen=True)
class ApplyOptions:
    """What the device's half goes by."""

    expect_digests: tuple[str, ...] = ()
    soft_reboot: str = NEVER
    notice: Notice | None = None
    inhibitors: tuple[Inhibitor, ...] = ()
    missed: Missed | None = None
    fence: Fence | None = None


def parse_apply(options: Mapping[str, Any]) -> ApplyOptions:
    """The options as data; BootcError for what cannot be meant, which nobody is to learn in mid-reboot."""
    for name in ("timeout", "reboot_timeout", "connect_timeout", "poll_interval"):
        if not 0 < options[name] < math.inf:
            raise BootcError("invalid", f"The {name} is {options[name]:g}", "Give a positive number of seconds")
    grace = options["came_back_grace"]
    if grace < 0:
        raise BootcError("invalid", f"The came_back_grace is {grace:g}", "Give a number of seconds, or 0")
    look_back = options.get("look_back")
    return ApplyOptions(
        expect_digests=tuple(options["expect_digests"]),
        soft_reboot=options["soft_reboot"],
        notice=parse_notice(options.get("notify")),
        inhibitors=parse_inhibitors(options["inhibitors"]),
        missed=None if look_back is None else Missed(*map(look_back.get, ("boot_id", "deployment", "digest"))),
        fence=parse_fence(options.get("fence")),
    )
