# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Timers and services that update the system by themselves, and so would fight whoever manages it from outside."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..command import Run
from .boot_time import parse_properties
from .probe import PROBE_SECONDS, ask

# Firmware updates (fwupd-refresh) and the like are no rivals: they do not touch the image.
UPDATERS = (
    "bootc-fetch-apply-updates.timer",
    "rpm-ostreed-automatic.timer",
    "uupd.timer",
    "ublue-update.timer",
    "zincati.service",
    "eos-autoupdater.timer",
    "atomupd-daemon.service",
    "sk-chos-tool-autoupdate.timer",
)
PROPERTIES = ("Id", "LoadState", "ActiveState", "UnitFileState")


@dataclass(frozen=True)
class Updater:
    """A unit that is there. ``active`` and ``enabled`` are as systemd says; ``rival`` means that it will act."""

    unit: str
    active: bool
    enabled: bool
    masked: bool

    @property
    def rival(self) -> bool:
        return not self.masked and (self.active or self.enabled)

    def as_dict(self) -> dict[str, Any]:
        return {
            "unit": self.unit,
            "active": self.active,
            "enabled": self.enabled,
            "masked": self.masked,
            "rival": self.rival,
        }


def parse(text: str) -> tuple[Updater, ...]:
    """Output of ``systemctl show UNIT...``: a block for each, an empty line between. Only units that exist count."""
    found = []
    for block in text.split("\n\n"):
        values = parse_properties(block)
        name, load = values.get("Id"), values.get("LoadState")
        if name and load in ("loaded", "masked", "bad-setting", "error"):
            state = values.get("UnitFileState", "")
            found.append(
                Updater(
                    name,
                    active=values.get("ActiveState") in ("active", "activating", "reloading"),
                    enabled=state in ("enabled", "enabled-runtime", "linked", "linked-runtime"),
                    masked=load == "masked" or state.startswith("masked"),
                )
            )
    return tuple(found)


def read_updaters(run: Run, timeout: float = PROBE_SECONDS) -> tuple[Updater, ...] | None:
    """Updaters that this device has, or None where systemd does not answer."""
    told = ask(run, ("systemctl", "show", *(f"--property={name}" for name in PROPERTIES), *UPDATERS), timeout)
    return None if told is None else parse(told)
