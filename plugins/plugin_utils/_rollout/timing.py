# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether now is the time to disturb a device, why not, and who has waited for that for too long. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from typing import Any

from .events import Event
from .port import Observation
from .spec import Spec
from .states import Device, DeviceClass, DeviceState, Rollout
from .windows import ALWAYS, NO_WINDOWS, Span, UnknownZone, Windows, both, hours, need_zone, spans, stagger

WINDOW = "window"
INHIBITED = "inhibited"

OWN_WINDOWS = "bootc_windows"
"""The inventory variable that holds windows of one device, with the keys of `windows` in a spec."""

_SET_ZONE = "set the inventory variable bootc_timezone"


_SKEW = 5 * 60
"""Seconds that two controllers may be apart, or a clock may be put right by, without a word about it."""


def clock_warnings(events: Iterable[Event], now: float) -> list[str]:
    """What the times of a ledger say against the clock of this machine."""
    latest = max((event.at for event in events), default=now)
    if latest - now <= _SKEW:
        return []
    return [
        f"The clock went back: here it is {_minute(now)}, and the ledger has an event of {_minute(latest)}. One of the "
        "two is wrong, and soaks and windows with it. If it is this clock, end this run and set it. If it was the one "
        "of then, waits may last until that time: look at the wave, and take it as it is with the order `accept`."
    ]


def _minute(moment: float) -> str:
    return format(datetime.fromtimestamp(moment, timezone.utc), "%Y-%m-%d %H:%M UTC")


@dataclass(frozen=True)
class NotNow:
    """Why a device is left alone. ``until`` (seconds since the epoch) is when that may change by itself, if known.

    ``soft`` says that it is spared for something that expires.
    """

    reason: str
    message: str
    until: float | None = None
    inhibitors: tuple[str, ...] = ()
    soft: bool = False

    def as_data(self) -> dict[str, Any]:
        """As its event has it."""
        data: dict[str, Any] = {"reason": self.reason, "message": self.message, "attempt": False}
        if self.until is not None:
            data["until"] = self.until
        if self.inhibitors:
            data.update(inhibitors=list(self.inhibitors), soft=self.soft)
        return data

    def is_known(self, device: Device) -> bool:
        """Whether the journal says so already; how full a battery is makes no difference."""
        if self.reason != device.reason or self.inhibitors != device.inhibitors:
            return False
        return bool(self.inhibitors) or self.message == device.message


def as_parked(device: Device, seen: Observation, refusal: NotNow, now: float) -> Device:
    """The device as its journal has it once it was parked at ``now``, with what was seen of it before."""
    parked = replace(
        as_put_off(device, refusal, now, seen.timezone),
        state=DeviceState.STAGED,
        phase=DeviceState.STAGED,
        parked=True,
        boot_id=seen.boot_id,
        failed_units=seen.failed_units,
    )
    if device.hops:
        return replace(
            parked, leg_digest=seen.booted, leg_deployment=seen.booted_deployment, leg_rollback=seen.rollback
        )
    return replace(
        parked,
        previous_digest=seen.booted,
        previous_version=seen.booted_version,
        previous_deployment=seen.booted_deployment,
        previous_rollback=seen.rollback,
    )


def as_put_off(device: Device, refusal: NotNow, now: float, zone: str | None) -> Device:
    """The device as its journal has it once it was put off at ``now``, in the zone that it told."""
    return replace(
        device,
        state=DeviceState.DEFERRED,
        phase=DeviceState.PENDING,
        since=now,
        reason=refusal.reason,
        message=refusal.message,
        until=refusal.until,
        inhibitors=refusal.inhibitors,
        deferred_since=now if device.deferred_since is None else device.deferred_since,
        timezone=zone or device.timezone,
        armed=False,
    )


def outside_windows(
    spec: Spec, own: Windows, host: str, zone: str | None, now: float, *, staging: bool, applying: bool = True
) -> NotNow | None:
    """Why a device in this zone may not be rebooted now or, with ``staging``, may not begin to; None when it may.

    Both the spec's windows and those of its ``own`` have to be open. Without ``applying`` it is to download only.
    """
    asked = [each for windows in (spec.windows, own) for each in windows.of(staging=staging, applying=applying)]
    if need_zone(asked) and not zone:
        return NotNow(WINDOW, f"its windows are in its own time, and it does not say in which zone it is; {_SET_ZONE}")

    def delay(length: int) -> int:
        return stagger(spec.id, host, length, spec.apply_estimate)

    times: tuple[Span, ...] = ALWAYS
    try:
        if applying:
            apply = (spec.windows.apply, own.apply)
            times = spans(apply, zone, now, delay if spec.apply.stagger else None)
        if staging:
            times = both(times, spans((spec.windows.download, own.download), zone, now))
    except UnknownZone as error:
        return NotNow(WINDOW, f"its time zone {str(error)!r} is not known here; {_SET_ZONE}, or update tzdata")
    found = hours(times, now)
    if found.is_open:
        return None
    if found.opens is None:
        return NotNow(WINDOW, _never(own, applying=applying))
    moment = datetime.fromtimestamp(found.opens, timezone.utc)
    return NotNow(WINDOW, f"outside its windows; its turn is at {moment:%Y-%m-%d %H:%M:%S} UTC", found.opens)


def _never(own: Windows, *, applying: bool) -> str:
    if own != NO_WINDOWS:
        which = f"windows, those of the spec and those in {OWN_WINDOWS}, are not open together"
    elif applying:
        which = "download and its apply windows are not open together"
    else:
        which = "download windows do not open"
    return f"its {which} in the days to come"


def inhibited(spec: Spec, found: Sequence[tuple[str, str]]) -> NotNow:
    """What a device is spared for: names and what was seen."""
    names = tuple(sorted({name for name, _unused in found}))
    told = "; ".join(f"{name}: {detail}" for name, detail in found)
    return NotNow(INHIBITED, told, None, names, any(name in spec.inhibit.soft for name in names))


def is_overdue(spec: Spec, device: Device, now: float) -> bool:
    """Whether it was spared for soft inhibitors for so long that they count no more."""
    return device.spared_since is not None and now >= device.spared_since + spec.inhibit.defer_deadline


def starving(rollout: Rollout, now: float) -> tuple[Device, ...]:
    """Devices that have been put off for windows or inhibitors for longer than ``inhibit.starve_alert``."""
    limit = rollout.plan.spec.inhibit.starve_alert
    waiting = (DeviceClass.UNTOUCHED, DeviceClass.FLIGHT)
    return tuple(
        device
        for device in rollout.devices.values()
        if device.deferred_since is not None and device.device_class in waiting and now >= device.deferred_since + limit
    )
