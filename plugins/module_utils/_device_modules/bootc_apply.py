# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What bootc_apply takes, and the device's half of what it does; its action plugin asks for that and waits."""

from __future__ import annotations

from typing import Any

from .._bootc.apply import apply_on_device, look_back_on_device
from .._bootc.apply_options import APPLY_OPTIONS, parse_apply
from .._bootc.client import host_client
from .._bootc.device_module import Call

OPTIONS = APPLY_OPTIONS


def work(call: Call) -> dict[str, Any]:
    """Ask for the reboot, or look back at the one that is over."""
    options, timeout = parse_apply(call.params), call.params["timeout"]
    if options.missed is not None:
        return look_back_on_device(host_client(), options.missed, timeout, call.check_mode)
    return apply_on_device(host_client(), options, timeout, call.check_mode)
