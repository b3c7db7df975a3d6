# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What bootc_update takes and does."""

from __future__ import annotations

from typing import Any

from .._bootc.available import look_for_update
from .._bootc.client import host_client
from .._bootc.device_module import Call, change_result, timeout_option
from .._bootc.flow import carry_out
from .._bootc.wishes import wish_for_update_state
from .._device.fence import FENCE_OPTION, parse_fence

OPTIONS: dict[str, Any] = {
    "state": {
        "type": "str",
        "default": "staged",
        "choices": ["staged", "downloaded", "available", "absent"],
    },
    "tag": {"type": "str"},
    "from_downloaded": {"type": "bool", "default": False},
    "repeat": {"type": "bool", "default": False},
    "fence": FENCE_OPTION,
    "timeout": timeout_option(1800),
}


def work(call: Call) -> dict[str, Any]:
    """Have what the device tracks in the state that is wanted, or look for what is new."""
    options = call.params
    client = host_client()
    wish = wish_for_update_state(
        client,
        options["state"],
        repeat=options["repeat"],
        tag=options["tag"],
        from_downloaded=options["from_downloaded"],
        check_mode=call.check_mode,
    )
    if wish is None:
        return look_for_update(client, options["timeout"], options["tag"])
    return change_result(
        carry_out(
            client,
            wish,
            options["timeout"],
            check_mode=call.check_mode,
            warn=call.warn,
            fence=parse_fence(options["fence"]),
        )
    )
