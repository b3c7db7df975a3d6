# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``systemd-analyze time`` on a device: how long its boot took, and in which phases."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass

from simulator.boot import SOFT_SHARE
from simulator.files import STARTING_SECONDS
from simulator.state import State
from simulator.store import Device

# Shares of the time a device is away that firmware, boot loader, kernel and initrd take; user space has the rest.
_SHARES = (("firmware", 0.3), ("loader", 0.05), ("kernel", 0.1), ("initrd", 0.15))


@dataclass(frozen=True)
class Phases:
    """Seconds of each phase of a boot, in order, and the whole."""

    phases: tuple[tuple[str, float], ...]

    @property
    def total(self) -> float:
        """Seconds from power on until everything has started."""
        return sum(seconds for _unused, seconds in self.phases)


def starting_seconds(state: State) -> float:
    """How long units still start after the device answers."""
    booted = state.booted
    return float(booted.image.labels.get(STARTING_SECONDS, "0")) if booted is not None else 0.0


def finished_at(state: State) -> float:
    """When the boot is over: everything has started."""
    return state.boot.up_at + starting_seconds(state)


def phases(state: State) -> Phases:
    """How the time of this boot was spent. A soft reboot only has user space."""
    if state.boot.soft:
        return Phases((("userspace", state.boot_seconds * SOFT_SHARE + starting_seconds(state)),))
    away = max(state.boot.up_at - state.boot.started, 0.0)
    shares = tuple((name, away * share) for name, share in _SHARES)
    userspace = away - sum(seconds for _unused, seconds in shares) + starting_seconds(state)
    return Phases((*shares, ("userspace", userspace)))


def span(seconds: float) -> str:
    """Seconds as systemd writes time spans here, to the millisecond."""
    if seconds < 1:
        return f"{round(seconds * 1000)}ms"
    minutes, rest = divmod(round(seconds, 3), 60)
    hours, minutes = divmod(int(minutes), 60)
    parts = ([f"{hours}h"] if hours else []) + ([f"{minutes}min"] if minutes else [])
    return " ".join((*parts, f"{rest:.3f}s"))


def answer(state: State, arguments: list[str], now: float) -> tuple[int, str, str]:
    """Exit code, stdout and stderr. Pure."""
    if [word for word in arguments if word not in ("--no-pager", "--system")] not in ([], ["time"]):
        return 1, "", f"systemd-analyze: not simulated: {' '.join(arguments)}\n"
    if now < finished_at(state):
        return (
            1,
            "",
            "Bootup is not yet finished (org.freedesktop.systemd1.Manager.FinishTimestampMonotonic=0).\n"
            "Please try again later.\nHint: Use 'systemctl list-jobs' to see active jobs\n",
        )
    spent = phases(state)
    parts = " + ".join(f"{span(seconds)} ({name})" for name, seconds in spent.phases)
    userspace = dict(spent.phases)["userspace"]
    return (
        0,
        f"Startup finished in {parts} = {span(spent.total)} \n"
        f"graphical.target reached after {span(userspace)} in userspace.\n",
        "",
    )


def run(device: Device, arguments: list[str]) -> int:
    """The program ``systemd-analyze``. Raises Unreachable and Rebooted."""
    code, out, err = answer(device.visited(), arguments, time.time())
    sys.stdout.write(out)
    sys.stderr.write(err)
    return code
