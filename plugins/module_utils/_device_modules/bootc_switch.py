# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What bootc_switch takes and does."""

from __future__ import annotations

from typing import Any

from .._bootc.client import host_client
from .._bootc.device_module import Call, change_result, timeout_option
from .._bootc.flow import carry_out
from .._bootc.reference import check_digest
from .._bootc.wishes import wish_to_switch
from .._device.fence import FENCE_OPTION, parse_fence

OPTIONS: dict[str, Any] = {
    "image": {"type": "str", "required": True},
    "transport": {
        "type": "str",
        "default": "registry",
        "choices": [
            "registry",
            "oci",
            "oci-archive",
            "containers-storage",
            "docker-archive",
            "docker-daemon",
            "dir",
        ],
    },
    "enforce_signature": {"type": "bool", "default": False},
    "retain": {"type": "bool", "default": False},
    "accept_digests": {"type": "list", "elements": "str", "default": []},
    "came_back_from": {"type": "str"},
    "parked": {"type": "bool", "default": False},
    "fence": FENCE_OPTION,
    "timeout": timeout_option(1800),
}


def work(call: Call) -> dict[str, Any]:
    """Have the image boot next."""
    options = call.params
    client = host_client()
    wish = wish_to_switch(
        client,
        options["image"],
        transport=options["transport"],
        enforce_signature=options["enforce_signature"],
        retain=options["retain"],
        accept_digests=tuple(options["accept_digests"]),
        park=options["parked"],
        check_mode=call.check_mode,
    )
    left = options["came_back_from"]
    outcome = carry_out(
        client,
        wish,
        options["timeout"],
        check_mode=call.check_mode,
        warn=call.warn,
        came_back_from=None if left is None else check_digest(left),
        fence=parse_fence(options["fence"]),
    )
    return dict(change_result(outcome), same_content=outcome.same_content)
