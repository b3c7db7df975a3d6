# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What bootc_rollback takes and does."""

from __future__ import annotations

from typing import Any

from .._bootc.client import host_client
from .._bootc.device_module import Call, change_result, timeout_option
from .._bootc.flow import carry_out
from .._bootc.wishes import wish_to_roll_back
from .._device.fence import FENCE_OPTION, parse_fence

OPTIONS: dict[str, Any] = {
    "state": {"type": "str", "default": "queued", "choices": ["queued"]},
    "discard_staged": {"type": "bool", "default": False},
    "repeat": {"type": "bool", "default": False},
    "forward": {"type": "bool", "default": False},
    "fence": FENCE_OPTION,
    "timeout": timeout_option(120),
}


def work(call: Call) -> dict[str, Any]:
    """Have the rollback deployment boot next."""
    options = call.params
    outcome = carry_out(
        host_client(),
        wish_to_roll_back(options["discard_staged"], options["repeat"], options["forward"]),
        options["timeout"],
        check_mode=call.check_mode,
        warn=call.warn,
        fence=parse_fence(options["fence"]),
    )
    return dict(
        change_result(outcome),
        already_rolled_back=outcome.transition.already_rolled_back,
        queued_elsewhere=outcome.transition.queued_elsewhere,
    )
