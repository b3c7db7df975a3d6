# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How many devices may be in the middle of their update at a time. Integer arithmetic, pure.

Three limits, and a device starts only when all of them leave room for it:

- the ramp of its wave: how many are worked on at a time, growing with success and halved by failure;
- the exposure of its wave: ``max(0, B + 1 + overshoot - x - exposed)``, B being the failure budget, x the charged and
  ``exposed`` those in flight, so that no image, however bad, costs a wave more than ``B + 1 + overshoot`` devices;
- the disruption budget of its group.

One that has to download starts only when what others began to download would be done at ``pace.download_rate``. So the
downloads that begin within any T seconds come to ``rate * T`` bytes and one image at most.

Devices that catch up are in no wave: they have a ramp, an exposure and a failure budget of their own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from .events import Event
from .quantities import share
from .replay import STATE_AFTER, downloads_until, is_parking
from .spec import Budget
from .states import CLASS_OF, Device, DeviceClass, DeviceState, Rollout, catch_up_budget, failure_budget

CATCHING_UP = -1
"""What stands for the wave of devices that catch up."""


@dataclass(frozen=True)
class Room:
    """Devices of one wave or group. ``limit`` of them may be ``inside`` at a time, and each of ``spent`` takes a place
    for good."""

    limit: int
    inside: frozenset[str] = frozenset()
    spent: frozenset[str] = frozenset()

    def admits(self, host: str) -> bool:
        """Whether it may be inside. A place that it takes itself, because it was down before, is left to it."""
        return host in self.inside or len((self.inside | self.spent) - {host}) < self.limit

    def as_dict(self) -> dict[str, Any]:
        return {"limit": self.limit, "inside": sorted(self.inside), "spent": sorted(self.spent)}


@dataclass(frozen=True)
class Occupancy:
    """Who takes up room in the waves and the groups of some devices, which ``wave_of`` names.

    ``after`` keeps it up to date with what happens to those. At ``rate`` (bytes per second) all downloads that were
    begun would be done at ``downloads_until`` (seconds since the epoch).
    """

    exposure: Mapping[int, Room]
    ramp: Mapping[int, Room]
    groups: Mapping[str, Room]
    wave_of: Mapping[str, int]
    group_of: Mapping[str, str] = field(default_factory=dict)
    rate: int | None = None
    downloads_until: float = 0.0

    def admits(self, host: str) -> bool:
        """Whether the device may start now."""
        wave = self.wave_of[host]
        rooms = [self.exposure[wave], self.ramp[wave]]
        if host in self.group_of:
            rooms.append(self.groups[self.group_of[host]])
        return all(room.admits(host) for room in rooms)

    def obstacle(self, host: str) -> str:
        """Which limit leaves no room for the device, in words; empty when all do."""
        wave = self.wave_of[host]
        whose = "devices that catch up" if wave == CATCHING_UP else "devices of its wave"
        if not self.exposure[wave].admits(host):
            return f"as many {whose} are at risk as their failure budget allows"
        if not self.ramp[wave].admits(host):
            return f"as many {whose} are worked on as their pace allows for now"
        group = self.group_of.get(host)
        if group is not None and not self.groups[group].admits(host):
            return f"as many devices of {group} are down as its disruption budget allows"
        return ""

    def counts_as_down(self, host: str) -> bool:
        """Whether it takes a place in its group because it did not answer, and not for having been lost."""
        group = self.group_of.get(host)
        return group is not None and host in self.groups[group].spent - self.exposure[self.wave_of[host]].spent

    def occupants(self, host: str) -> frozenset[str]:
        """Who is in the middle of an update in the wave and in the group of the device."""
        group = self.group_of.get(host)
        inside = self.exposure[self.wave_of[host]].inside
        return inside if group is None else inside | self.groups[group].inside

    def as_dict(self) -> dict[str, Any]:
        """A JSON document that ``load_occupancy`` reads back."""
        return {
            "exposure": {str(wave): room.as_dict() for wave, room in self.exposure.items()},
            "ramp": {str(wave): room.as_dict() for wave, room in self.ramp.items()},
            "groups": {group: room.as_dict() for group, room in self.groups.items()},
            "wave_of": dict(self.wave_of),
            "group_of": dict(self.group_of),
            "rate": self.rate,
            "downloads_until": self.downloads_until,
        }

    def after(self, events: Iterable[Event]) -> Occupancy:
        """With what was recorded since."""
        exposure, ramp, groups = dict(self.exposure), dict(self.ramp), dict(self.groups)
        until = self.downloads_until
        for event in events:
            state = STATE_AFTER.get(event.kind)
            until = downloads_until(until, event, self.rate)
            if event.host is None or state is None:
                continue
            wave, group = self.wave_of.get(event.host), self.group_of.get(event.host)
            becomes = CLASS_OF[state]
            if is_parking(event):
                becomes = DeviceClass.UNTOUCHED  # it is at no risk, as if it had not begun
            elif event.data.get("armed") and state is DeviceState.DEFERRED:
                becomes = DeviceClass.FLIGHT  # it was put off, and may boot what it was given
            if wave is not None:
                exposure[wave] = _moved(exposure[wave], event.host, becomes)
                ramp[wave] = _moved(ramp[wave], event.host, becomes, spends=False)
            if group is not None:
                groups[group] = _moved(groups[group], event.host, becomes, spends=state is DeviceState.LOST)
        return replace(self, exposure=exposure, ramp=ramp, groups=groups, downloads_until=until)


def load_occupancy(document: Mapping[str, Any]) -> Occupancy:
    """What ``Occupancy.as_dict`` wrote."""
    return Occupancy(
        {int(wave): _load_room(room) for wave, room in document["exposure"].items()},
        {int(wave): _load_room(room) for wave, room in document["ramp"].items()},
        {group: _load_room(room) for group, room in document["groups"].items()},
        document["wave_of"],
        document["group_of"],
        document["rate"],
        document["downloads_until"],
    )


def _load_room(document: Mapping[str, Any]) -> Room:
    return Room(document["limit"], frozenset(document["inside"]), frozenset(document["spent"]))


def _moved(room: Room, host: str, device_class: DeviceClass, *, spends: bool = True) -> Room:
    flying = device_class is DeviceClass.FLIGHT
    spent = spends and device_class is DeviceClass.CHARGED
    return replace(
        room,
        inside=room.inside | {host} if flying else room.inside - {host},
        spent=room.spent | {host} if spent else room.spent - {host},
    )


def occupancy(rollout: Rollout, hosts: Iterable[str]) -> Occupancy:
    """What the limits leave for ``hosts``, counting everybody in their waves and groups."""
    devices = [rollout.devices[host] for host in hosts]
    wave_of = {device.host: CATCHING_UP if device.catching_up else device.wave for device in devices}
    found = {host: rollout.group_of(host) for host in wave_of}
    group_of = {host: group for host, group in found.items() if group is not None}
    waves, groups = set(wave_of.values()), set(group_of.values())
    return Occupancy(
        {wave: _exposure(rollout, wave) for wave in waves},
        {wave: _ramp(rollout, wave) for wave in waves},
        {group: _group(rollout, group) for group in groups},
        wave_of,
        group_of,
        rollout.plan.spec.pace.download_rate,
        rollout.downloads_until,
    )


def _members(rollout: Rollout, wave: int) -> tuple[Device, ...]:
    return rollout.catching_up if wave == CATCHING_UP else rollout.in_wave(wave)


def exposure_limit(rollout: Rollout, wave: int) -> int:
    """How many devices of a wave, or of those that catch up, may be charged or at risk when another one starts."""
    overshoot = rollout.plan.spec.pace.overshoot
    if wave == CATCHING_UP:
        return catch_up_budget(rollout) + 1 + share(overshoot, rollout.catching_up_size)
    return failure_budget(rollout, wave) + 1 + share(overshoot, rollout.waves[wave].size)


def _exposure(rollout: Rollout, wave: int) -> Room:
    devices = _members(rollout, wave)
    return Room(
        exposure_limit(rollout, wave),
        frozenset(device.host for device in devices if device.at_risk),
        frozenset(
            device.host for device in devices if device.device_class is DeviceClass.CHARGED and not device.acknowledged
        ),
    )


def _ramp(rollout: Rollout, wave: int) -> Room:
    flying = frozenset(d.host for d in _members(rollout, wave) if d.at_risk)
    ramp = rollout.catch_up_ramp if wave == CATCHING_UP else rollout.waves[wave].ramp
    return Room(ramp.limit, flying)


def _group(rollout: Rollout, group: str) -> Room:
    members = [rollout.devices[host] for host, name in rollout.plan.group_of.items() if name == group]
    members += [rollout.devices[host] for host in rollout.joined if rollout.devices[host].group == group]
    budget = rollout.plan.spec.budget
    flying = frozenset(device.host for device in members if device.at_risk)
    down = {device.host for device in members if device.state is DeviceState.LOST and not device.acknowledged}
    if budget.count_offline:
        down |= {device.host for device in members if device.state is DeviceState.UNREACHABLE}
    return Room(most_unavailable(budget, len(members)), flying, frozenset(down))


def most_unavailable(budget: Budget, total: int) -> int:
    """How many of a group of ``total`` devices may be down at a time.

    A percentage of the group is rounded down, but is one device at least. ``min_available`` leaves one device too: a
    group that may lose none could never be updated.
    """
    limits = []
    if budget.max_unavailable is not None:
        limits.append(max(1, share(budget.max_unavailable, total)))
    if budget.min_available is not None:
        limits.append(total - min(share(budget.min_available, total), total - 1))
    return min(limits, default=total)
