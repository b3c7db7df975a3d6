# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the device's power comes from, from /sys/class/power_supply.

Attributes: the kernel's Documentation/ABI/testing/sysfs-class-power.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Mapping, Sequence

from .probe import names_in, read_line, whole_number

DIRECTORY = "/sys/class/power_supply"
ATTRIBUTES = (
    "type",
    "scope",
    "present",
    "online",
    "status",
    "capacity",
    "energy_now",
    "energy_full",
    "charge_now",
    "charge_full",
)
_FULL_PERCENT = 100


@dataclass(frozen=True)
class Supply:
    """One supply of the device itself. ``kind`` is ``battery``, ``mains`` or ``usb``; levels in the kernel's units."""

    name: str
    kind: str
    online: bool | None = None
    status: str | None = None
    percent: int | None = None
    now: int | None = None
    full: int | None = None


@dataclass(frozen=True)
class Power:
    """What powers the device.

    ``source`` is ``mains``, ``battery`` or None for unknown; ``battery_status`` is ``charging``, ``discharging``,
    ``not_charging``, ``full`` or None. Without a battery both battery values are None and ``has_battery`` is False.
    """

    source: str | None
    has_battery: bool | None
    battery_percent: int | None = None
    battery_status: str | None = None

    def as_dict(self) -> dict[str, Any]:
        return {
            "source": self.source,
            "has_battery": self.has_battery,
            "battery_percent": self.battery_percent,
            "battery_status": self.battery_status,
        }


UNKNOWN = Power(None, None)
_STATUSES = ("charging", "discharging", "not_charging", "full")
_KINDS = {"Battery": "battery", "Mains": "mains", "USB": "usb", "Wireless": "usb"}


def parse_supply(name: str, attributes: Mapping[str, str]) -> Supply | None:
    """One directory below power_supply; None for what does not power the device, such as the battery of a gamepad."""
    kind = _KINDS.get(attributes.get("type", ""))
    if kind is None or attributes.get("scope") == "Device" or attributes.get("present") == "0":
        return None
    online = whole_number(attributes.get("online"))
    status = attributes.get("status", "").lower().replace(" ", "_")
    percent = whole_number(attributes.get("capacity"))
    now, full = _levels(attributes)
    return Supply(
        name=name,
        kind=kind,
        # 2 is an adapter with a programmable voltage.
        online=None if online is None else online > 0,
        status=status if status in _STATUSES else None,
        percent=percent if percent is not None and 0 <= percent <= _FULL_PERCENT else None,
        now=now,
        full=full,
    )


def _levels(attributes: Mapping[str, str]) -> tuple[int | None, int | None]:
    for unit in ("energy", "charge"):
        now, full = whole_number(attributes.get(f"{unit}_now")), whole_number(attributes.get(f"{unit}_full"))
        if now is not None and full is not None and now >= 0 and full > 0:
            return now, full
    return None, None


def judge(supplies: Sequence[Supply]) -> Power:
    """What the supplies say together.

    A battery that discharges counts more than a USB port that calls itself online: the port may be giving power, or too
    little of it. A machine without any battery runs from the mains, whether or not it shows an adapter.
    """
    batteries = [each for each in supplies if each.kind == "battery"]
    if not batteries:
        return Power("mains", has_battery=False)
    status = _status(batteries)
    return Power(_source(supplies, status), True, _percent(batteries), status)


def _source(supplies: Sequence[Supply], status: str | None) -> str | None:
    online = {each.kind for each in supplies if each.kind != "battery" and each.online}
    offline = any(each.online is False for each in supplies if each.kind != "battery")
    if "mains" in online:
        return "mains"
    if status == "discharging":
        return "battery"
    if "usb" in online or status == "charging":
        return "mains"
    if offline:
        return "battery"
    return "mains" if status in ("full", "not_charging") else None


def _status(batteries: Sequence[Supply]) -> str | None:
    statuses = {each.status for each in batteries}
    for status in ("charging", "discharging", "not_charging", "full"):
        if status in statuses:
            return status
    return None


def _percent(batteries: Sequence[Supply]) -> int | None:
    """Of several batteries: their common level where they tell their size, else the lowest."""
    if len(batteries) > 1 and all(each.full for each in batteries):
        level = sum(each.now or 0 for each in batteries) * _FULL_PERCENT // sum(each.full or 0 for each in batteries)
        return min(level, _FULL_PERCENT)
    levels = [each.percent if each.percent is not None else _from_levels(each) for each in batteries]
    known = [level for level in levels if level is not None]
    return min(known) if known else None


def _from_levels(battery: Supply) -> int | None:
    if battery.now is None or not battery.full:
        return None
    return min(battery.now * _FULL_PERCENT // battery.full, _FULL_PERCENT)


def read_power() -> Power:
    """The device's power; ``UNKNOWN`` where the kernel shows no power supplies at all."""
    names = names_in(DIRECTORY)
    if names is None:
        return UNKNOWN
    found = []
    for name in names:
        values = {attribute: read_line(f"{DIRECTORY}/{name}/{attribute}") for attribute in ATTRIBUTES}
        found.append(parse_supply(name, {key: value for key, value in values.items() if value is not None}))
    return judge([supply for supply in found if supply is not None])
