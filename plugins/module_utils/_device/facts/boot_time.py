# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How long the boot took, from the properties that ``systemd-analyze time`` adds up.

Firmware and loader times count backwards from the start of the kernel, all others forwards from it. In a container and
after a soft reboot there is no start of a kernel: then user space counts from where it began.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Mapping

from ..command import Run
from .probe import PROBE_SECONDS, ask, read_line, whole_number

MANAGER = (
    "FirmwareTimestampMonotonic",
    "LoaderTimestampMonotonic",
    "KernelTimestampMonotonic",
    "InitRDTimestampMonotonic",
    "UserspaceTimestampMonotonic",
    "FinishTimestampMonotonic",
    "ShutdownStartTimestampMonotonic",
    "SoftRebootsCount",
)
UNIT = ("ActiveState", "ActiveEnterTimestampMonotonic")
LOGIN_TARGET = "graphical.target"
CONTAINER = "/run/systemd/container"
_MICROSECONDS = 1_000_000
# 2**64-1 is systemd's "never".
_LATEST = 2**63


@dataclass(frozen=True)
class BootTime:
    """Seconds of each part of a boot; None for a part that this boot did not have or that nobody measured.

    ``total`` is their sum, None while the system is still starting. ``graphical`` is when graphical.target was reached,
    counted like ``total``. ``to_login`` is the part of it an image can do something about: all but the firmware, until
    graphical.target or, without one, until the end of the boot. ``pending`` says that it will be known later.
    """

    firmware: float | None = None
    loader: float | None = None
    kernel: float | None = None
    initrd: float | None = None
    userspace: float | None = None
    total: float | None = None
    graphical: float | None = None
    to_login: float | None = None
    pending: bool = False

    def as_dict(self) -> dict[str, Any]:
        return {
            "firmware_seconds": self.firmware,
            "loader_seconds": self.loader,
            "kernel_seconds": self.kernel,
            "initrd_seconds": self.initrd,
            "userspace_seconds": self.userspace,
            "total_seconds": self.total,
            "graphical_seconds": self.graphical,
            "to_login_seconds": self.to_login,
        }


UNKNOWN = BootTime()


def parse_properties(text: str) -> dict[str, str]:
    """``Name=value`` lines of ``systemctl show``."""
    return dict(line.partition("=")[::2] for line in text.splitlines() if "=" in line)


def judge(manager: Mapping[str, str], target: Mapping[str, str], *, container: bool = False) -> BootTime:
    """Add up what systemd measured. ``target`` are the properties of graphical.target, empty where there is none."""
    stamps = {name: _stamp(manager.get(name)) for name in MANAGER}
    userspace, finish = stamps["UserspaceTimestampMonotonic"], stamps["FinishTimestampMonotonic"]
    if userspace is None:
        return UNKNOWN
    soft = stamps["SoftRebootsCount"] is not None
    bare = container or soft
    begin = (stamps["ShutdownStartTimestampMonotonic"] or userspace) if soft else userspace
    firmware = None if bare else stamps["FirmwareTimestampMonotonic"]
    loader = None if bare else stamps["LoaderTimestampMonotonic"]
    initrd = None if bare else stamps["InitRDTimestampMonotonic"]
    origin = begin if bare else 0
    reached = _reached(target, begin)
    before_kernel = firmware if firmware is not None else loader or 0
    login = finish if reached is None else reached
    return BootTime(
        pending=login is None,
        firmware=_span(firmware, loader or 0),
        loader=_span(loader, 0),
        kernel=None if bare else _span(initrd or userspace, 0),
        initrd=None if initrd is None else _span(userspace, initrd),
        userspace=_span(finish, begin),
        total=_span(finish, origin, before_kernel),
        graphical=_span(reached, origin, before_kernel),
        to_login=_span(login, origin, loader or 0),
    )


def _stamp(text: str | None) -> int | None:
    """Microseconds; 0 stands for a stamp that was not taken."""
    number = whole_number(text)
    return number if number is not None and 0 < number < _LATEST else None


def _reached(target: Mapping[str, str], begin: int) -> int | None:
    reached = _stamp(target.get("ActiveEnterTimestampMonotonic"))
    if target.get("ActiveState") != "active" or reached is None or reached < begin:
        return None
    return reached


def _span(end: int | None, begin: int, more: int = 0) -> float | None:
    """Seconds between two stamps, None where they cannot be right."""
    return None if end is None or end < begin else (end - begin + more) / _MICROSECONDS


def read_boot_time(run: Run, timeout: float = PROBE_SECONDS) -> BootTime:
    """The time of this boot; ``UNKNOWN`` where systemd does not answer."""
    manager = ask(run, ("systemctl", "show", *(f"--property={name}" for name in MANAGER)), timeout)
    if manager is None:
        return UNKNOWN
    unit = ask(run, ("systemctl", "show", *(f"--property={name}" for name in UNIT), LOGIN_TARGET), timeout)
    container = read_line(CONTAINER) is not None
    return judge(parse_properties(manager), parse_properties(unit or ""), container=container)
