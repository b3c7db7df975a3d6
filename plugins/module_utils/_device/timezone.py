# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The time zone of the device, as systemd keeps it: /etc/localtime is a link to it, and UTC where there is none."""

from __future__ import annotations

import os

from .root import device_path

LOCALTIME = "/etc/localtime"
_DIRECTORY = "/zoneinfo/"


def read_timezone() -> str | None:
    """A name such as ``Europe/Berlin``; None where it cannot be told, such as for a copy of the zone's data."""
    try:
        target = os.readlink(str(device_path(LOCALTIME)))
    except FileNotFoundError:
        return "UTC"
    except OSError:
        return None
    return zone_of(target)


def zone_of(target: str) -> str | None:
    """The zone whose data a link leads to."""
    _before, found, name = target.partition(_DIRECTORY)
    return name or None if found else None
