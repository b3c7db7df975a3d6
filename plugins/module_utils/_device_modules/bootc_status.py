# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What bootc_status takes and does."""

from __future__ import annotations

from typing import Any

from .._bootc.client import Client
from .._bootc.device_module import Call, timeout_option
from .._device.boot import failed_units, soft_reboots
from .._device.facts.storage import read_storage
from .._device.inhibitors import INHIBITORS_OPTION, Inspector, obstacles, parse_inhibitors
from .._device.timezone import read_timezone

OPTIONS: dict[str, Any] = {
    "timeout": timeout_option(30),
    "space": {"type": "bool", "default": False},
    "inhibitors": INHIBITORS_OPTION,
}


def work(call: Call) -> dict[str, Any]:
    """The state of the device."""
    client = Client()
    inhibitors = parse_inhibitors(call.params["inhibitors"])
    status = client.status(call.params["timeout"])
    units = failed_units(client.run)
    state = status.as_dict()
    storage = read_storage(client.run, kernels_on_esp=status.kernels_on_esp) if call.params["space"] else None
    return {
        "is_bootc": status.is_bootc,
        "bootc": state,
        "ansible_facts": {"bootc": state},
        "soft_reboots": soft_reboots(client.run),
        "failed_units": None if units is None else list(units),
        "timezone": read_timezone(),
        "space": storage.of_deployments() if storage is not None else None,
        "inhibited_by": [obstacle.as_dict() for obstacle in obstacles(inhibitors, Inspector(client.run))],
    }
