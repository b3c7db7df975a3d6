# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The state of a rollout, always derived by replaying its events.

Every device is in one of five classes: U(ntouched), in F(light), S(ucceeded), charged (X) or N(eutral). Neutral ones
count in no denominator; a charge stays with the wave whatever becomes of the device.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any

from .events import Event
from .plan import Plan, load_plan


class DeviceClass(str, Enum):
    UNTOUCHED = "U"
    FLIGHT = "F"
    SUCCEEDED = "S"
    CHARGED = "X"
    NEUTRAL = "N"


class DeviceState(str, Enum):
    PENDING = "pending"
    UNREACHABLE = "unreachable"
    DEFERRED = "deferred"
    STAGING = "staging"
    STAGED = "staged"
    APPLYING = "applying"
    VERIFYING = "verifying"
    ROLLING_BACK = "rolling_back"
    SILENT = "silent"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    ROLLED_BACK = "rolled_back"
    LOST = "lost"
    INCONSISTENT = "inconsistent"
    CURRENT = "already_current"
    INCOMPATIBLE = "incompatible"
    REMOVED = "removed"
    SUPERSEDED = "superseded"


_CLASSES = {
    DeviceClass.UNTOUCHED: (DeviceState.PENDING, DeviceState.UNREACHABLE, DeviceState.DEFERRED),
    DeviceClass.FLIGHT: (
        DeviceState.STAGING,
        DeviceState.STAGED,
        DeviceState.APPLYING,
        DeviceState.VERIFYING,
        DeviceState.ROLLING_BACK,
        DeviceState.SILENT,
    ),
    DeviceClass.SUCCEEDED: (DeviceState.SUCCEEDED,),
    DeviceClass.CHARGED: (DeviceState.FAILED, DeviceState.ROLLED_BACK, DeviceState.LOST, DeviceState.INCONSISTENT),
    DeviceClass.NEUTRAL: (
        DeviceState.CURRENT,
        DeviceState.INCOMPATIBLE,
        DeviceState.REMOVED,
        DeviceState.SUPERSEDED,
    ),
}
_CLASS_OF = {state: device_class for device_class, states in _CLASSES.items() for state in states}
DISRUPTED = frozenset(
    {DeviceState.APPLYING, DeviceState.VERIFYING, DeviceState.ROLLING_BACK, DeviceState.SILENT, DeviceState.LOST}
)
"""States in which the device may be down, or up on something not yet proven."""


class WavePhase(str, Enum):
    PLANNED = "planned"
    OPEN = "open"
    PASSED = "passed"


class RolloutPhase(str, Enum):
    RUNNING = "running"
    HELD = "held"
    COMPLETED = "completed"
    SUPERSEDED = "superseded"


@dataclass(frozen=True)
class Device:
    """One device in one rollout. ``since`` is when its state began (seconds since the epoch).

    ``armed`` says of a device that was given up that it may still boot the target, because that could not be changed.
    ``going_back`` is why it goes back to its previous image, reason and message.
    ``vanished`` counts how often it fell silent since its checks, or its way back, began.
    ``proven`` says of a device that ran the target before anything was done to it that its checks are green.
    ``phase`` is the last state that was an intent (staging, applying, rolling_back) or its outcome, kept while the
    device is silent or lost; ``boot_id`` is the one read before the last reboot that was asked for.
    ``reboots_asked`` counts the reboots meant for the update, or for the way back once that began. ``taken_over`` says
    of a lost device that it belongs to another rollout now, so that nobody waits for it here.
    ``deferred_since`` is when it was first put off for a window or an inhibitor, ``spared_since`` for a soft inhibitor;
    both are over when it reboots. ``until`` is when it may be its turn, ``inhibitors`` what it is spared for now.
    ``timezone`` is what it said itself.
    """

    host: str
    variant: str
    wave: int
    state: DeviceState = DeviceState.PENDING
    since: float = 0.0
    phase: DeviceState = DeviceState.PENDING
    boot_id: str | None = None
    previous_digest: str | None = None
    previous_version: str | None = None
    previous_deployment: str | None = None
    previous_rollback: str | None = None
    booted_digest: str | None = None
    boot_seconds: float | None = None
    stage_attempts: int = 0
    reboots_asked: int = 0
    taken_over: bool = False
    proven: bool = False
    armed: bool = False
    vanished: int = 0
    going_back: tuple[str, str] | None = None
    failed_units: tuple[str, ...] = ()
    reason: str | None = None
    message: str | None = None
    deferred_since: float | None = None
    spared_since: float | None = None
    until: float | None = None
    inhibitors: tuple[str, ...] = ()
    timezone: str | None = None

    @property
    def device_class(self) -> DeviceClass:
        return _CLASS_OF[self.state]

    @property
    def proves_its_variant(self) -> bool:
        """Whether its variant is known to work by it."""
        return self.state is DeviceState.SUCCEEDED or (self.state is DeviceState.CURRENT and self.proven)

    @property
    def is_undecided(self) -> bool:
        """Whether it has no verdict yet; one that left the inventory may come back for it."""
        undecided = (DeviceClass.UNTOUCHED, DeviceClass.FLIGHT)
        return self.device_class in undecided or self.state is DeviceState.REMOVED

    @property
    def may_heal(self) -> bool:
        """Whether it is charged only until it answers again."""
        return self.state is DeviceState.LOST and not self.taken_over


@dataclass(frozen=True)
class WaveState:
    """``size`` is the number of devices that were not neutral when the wave opened: the base of percent budgets."""

    phase: WavePhase = WavePhase.PLANNED
    opened_at: float | None = None
    passed_at: float | None = None
    covered_at: float | None = None
    size: int = 0


@dataclass(frozen=True)
class Hold:
    """Why a rollout stopped: the rule, its numbers in words, the devices behind it, and what to do."""

    rule: str
    wave: int
    numbers: str
    hosts: tuple[str, ...]
    remedy: str
    at: float


@dataclass(frozen=True)
class Rollout:
    """The whole state. Invariant: every member of the plan has a device here."""

    plan: Plan
    phase: RolloutPhase
    started_at: float
    devices: Mapping[str, Device]
    waves: tuple[WaveState, ...]
    hold: Hold | None = None
    ended_at: float | None = None
    superseded_by: str | None = None

    def in_wave(self, index: int) -> tuple[Device, ...]:
        """The devices of a wave, in plan order."""
        return tuple(self.devices[host] for host in self.plan.hosts[index])


@dataclass(frozen=True)
class Counts:
    """Devices of a wave by class; ``disrupted`` of those in flight are down or not yet proven."""

    succeeded: int
    charged: int
    flight: int
    untouched: int
    disrupted: int

    @property
    def total(self) -> int:
        return self.succeeded + self.charged + self.flight + self.untouched


def count(devices: Iterable[Device]) -> Counts:
    """Sizes of the classes; neutral devices are left out."""
    tally = dict.fromkeys(DeviceClass, 0)
    disrupted = 0
    for device in devices:
        tally[device.device_class] += 1
        disrupted += device.device_class is DeviceClass.FLIGHT and device.state in DISRUPTED
    return Counts(
        tally[DeviceClass.SUCCEEDED],
        tally[DeviceClass.CHARGED],
        tally[DeviceClass.FLIGHT],
        tally[DeviceClass.UNTOUCHED],
        disrupted,
    )


def answers_by(rollout: Rollout, device: Device) -> float:
    """When a device that was touched has to have answered (seconds since the epoch); later it is lost."""
    spec = rollout.plan.spec
    if device.state is DeviceState.SILENT:
        return device.since + spec.apply.contact_grace
    # A controller that works on it says so in this time, or is gone.
    busy = spec.apply.reboot_timeout + 2 * spec.verify.timeout + spec.verify.settle
    return device.since + busy + spec.apply.contact_grace


def coverage_needed(rollout: Rollout, index: int) -> int:
    """How many verdicts the wave needs: ``max(ceil(min_coverage% of n), min(min_sample, n))``."""
    rules = rollout.plan.waves[index].rules
    total = count(rollout.in_wave(index)).total
    return max(-(-rules.min_coverage * total // 100), min(rules.min_sample, total))


def derive(events: Iterable[Event]) -> Rollout | None:
    """Replay a ledger; None when it holds no plan yet. Unknown kinds are ignored, as notes of later versions."""
    rollout: Rollout | None = None
    for event in events:
        if event.kind == "planned":
            devices: dict[str, Device] = {}
            rollout = _begin(event, devices)
        elif rollout is not None:
            rollout = _replay(rollout, event, devices)
    return rollout


def replay(events: Iterable[Event]) -> Rollout:
    """``derive`` for events that are known to hold a plan; raises ValueError when they do not."""
    rollout = derive(events)
    if rollout is None:
        raise ValueError("these events hold no plan")
    return rollout


def apply_event(rollout: Rollout, event: Event) -> Rollout:
    """The state after one more event."""
    devices = dict(rollout.devices)
    return _replay(replace(rollout, devices=devices), event, devices)


def _replay(rollout: Rollout, event: Event, devices: dict[str, Device]) -> Rollout:
    """One event; ``devices`` is the dict that ``rollout`` holds, written in place: a copy per event is quadratic."""
    if event.kind == "hosts_superseded":
        for host in event.data["hosts"]:
            if host in devices:
                devices[host] = _taken_over(devices[host], event.at)
        return rollout
    if event.host is None:
        change = _ROLLOUT_EVENTS.get(event.kind)
        return rollout if change is None else change(rollout, event)
    if event.host not in devices:
        return rollout
    before = devices[event.host]
    after = _device_after(before, event)
    devices[event.host] = after
    if after.device_class in (DeviceClass.SUCCEEDED, DeviceClass.CHARGED, DeviceClass.NEUTRAL):
        return _covered(rollout, after.wave, event.at)
    return rollout


def _taken_over(device: Device, at: float) -> Device:
    """A device another rollout took over: what is not decided here never will be; verdicts and charges stay."""
    if device.is_undecided:
        return replace(device, state=DeviceState.SUPERSEDED, since=at)
    return replace(device, taken_over=True)


def _begin(event: Event, devices: dict[str, Device]) -> Rollout:
    plan = load_plan(event.data["plan"])
    for index, wave in enumerate(plan.hosts):
        devices.update({host: Device(host, plan.variant_of[host], index, since=event.at) for host in wave})
    return Rollout(plan, RolloutPhase.RUNNING, event.at, devices, tuple(WaveState() for _unused in plan.waves))


def _wave_opened(rollout: Rollout, event: Event) -> Rollout:
    index = _wave_index(event)
    size = count(rollout.in_wave(index)).total
    opened = WaveState(WavePhase.OPEN, event.at, None, None, size)
    return _covered(_with_wave(rollout, index, opened), index, event.at)


def _wave_passed(rollout: Rollout, event: Event) -> Rollout:
    index = _wave_index(event)
    return _with_wave(rollout, index, replace(rollout.waves[index], phase=WavePhase.PASSED, passed_at=event.at))


def _held(rollout: Rollout, event: Event) -> Rollout:
    data = event.data
    hold = Hold(data["rule"], _wave_index(event), data["numbers"], tuple(data["hosts"]), data["remedy"], event.at)
    return replace(rollout, phase=RolloutPhase.HELD, hold=hold)


def _completed(rollout: Rollout, event: Event) -> Rollout:
    return replace(rollout, phase=RolloutPhase.COMPLETED, ended_at=event.at)


def _superseded(rollout: Rollout, event: Event) -> Rollout:
    return replace(rollout, phase=RolloutPhase.SUPERSEDED, superseded_by=event.data["by"], ended_at=event.at)


_ROLLOUT_EVENTS: dict[str, Callable[[Rollout, Event], Rollout]] = {
    "wave_opened": _wave_opened,
    "wave_passed": _wave_passed,
    "held": _held,
    "completed": _completed,
    "superseded": _superseded,
}


def _wave_index(event: Event) -> int:
    if event.wave is None:
        raise ValueError(f"event {event.kind} names no wave")
    return event.wave


def _with_wave(rollout: Rollout, index: int, wave: WaveState) -> Rollout:
    return replace(rollout, waves=(*rollout.waves[:index], wave, *rollout.waves[index + 1 :]))


_STATE_AFTER = {
    "unreachable": DeviceState.UNREACHABLE,
    "deferred": DeviceState.DEFERRED,
    "released": DeviceState.PENDING,
    "staging": DeviceState.STAGING,
    "staged": DeviceState.STAGED,
    "applying": DeviceState.APPLYING,
    "booted": DeviceState.VERIFYING,
    "silent": DeviceState.SILENT,
    "rolling_back": DeviceState.ROLLING_BACK,
    "succeeded": DeviceState.SUCCEEDED,
    "failed": DeviceState.FAILED,
    "rolled_back": DeviceState.ROLLED_BACK,
    "lost": DeviceState.LOST,
    "inconsistent": DeviceState.INCONSISTENT,
    "already_current": DeviceState.CURRENT,
    "incompatible": DeviceState.INCOMPATIBLE,
    "removed": DeviceState.REMOVED,
}
_PHASES = frozenset(
    {DeviceState.STAGING, DeviceState.STAGED, DeviceState.APPLYING, DeviceState.VERIFYING, DeviceState.ROLLING_BACK}
)
_REMEMBERED = (
    "boot_id",
    "previous_digest",
    "previous_version",
    "previous_deployment",
    "previous_rollback",
    "booted_digest",
    "boot_seconds",
    "proven",
    "armed",
    "timezone",
)
_BAD_TIMES = ("window", "inhibited")
"""Reasons that lie neither in the device nor in the release."""


def _device_after(before: Device, event: Event) -> Device:
    state = _STATE_AFTER.get(event.kind, before.state)
    changes: dict[str, Any] = {key: event.data[key] for key in _REMEMBERED if event.data.get(key) is not None}
    if "failed_units" in event.data:
        changes["failed_units"] = tuple(event.data["failed_units"])
    if event.kind not in _STATE_AFTER:
        return replace(before, **changes)
    starts_anew = state is DeviceState.PENDING and not event.data.get("resumed")
    if state in _PHASES or starts_anew:
        changes["phase"] = state
    elif event.data.get("reason") == "stage_lost" or _is_put_off(event):
        changes["phase"] = DeviceState.PENDING
    if state is DeviceState.APPLYING:
        changes["reboots_asked"] = before.reboots_asked + 1
    elif state in (DeviceState.STAGED, DeviceState.DEFERRED) and event.data.get("refused"):
        changes["reboots_asked"] = max(before.reboots_asked - 1, 0)
    elif state is DeviceState.ROLLING_BACK:
        on_the_way = before.phase is DeviceState.ROLLING_BACK
        tried = "boot_id" in event.data or bool(event.data.get("refused"))
        changes["reboots_asked"] = before.reboots_asked * on_the_way + tried
        changes["going_back"] = (str(event.data.get("reason")), str(event.data.get("message")))
    changes["vanished"] = _vanished(before, state)
    if event.kind == "deferred" and event.data.get("attempt"):
        changes["stage_attempts"] = before.stage_attempts + 1
    changes.update(_waiting(before, state, event))
    return replace(
        before,
        state=state,
        since=event.at,
        reason=event.data.get("reason"),
        message=event.data.get("message"),
        **changes,
    )


def _is_put_off(event: Event) -> bool:
    return event.kind == "deferred" and event.data.get("reason") in _BAD_TIMES


def _waiting(before: Device, state: DeviceState, event: Event) -> dict[str, Any]:
    """Since when it waits for a better time, and for what."""
    changes: dict[str, Any] = {
        "until": event.data.get("until"),
        "inhibitors": tuple(event.data.get("inhibitors", ())),
        "deferred_since": before.deferred_since,
        "spared_since": before.spared_since,
    }
    if event.data.get("reason") in _BAD_TIMES and before.deferred_since is None:
        changes["deferred_since"] = event.at
    if event.data.get("soft") and before.spared_since is None:
        changes["spared_since"] = event.at
    if state is DeviceState.VERIFYING or _CLASS_OF[state] not in (DeviceClass.UNTOUCHED, DeviceClass.FLIGHT):
        changes.update(deferred_since=None, spared_since=None)
    return changes


def _vanished(before: Device, state: DeviceState) -> int:
    if state is DeviceState.SILENT:
        return before.vanished + (before.phase in (DeviceState.VERIFYING, DeviceState.ROLLING_BACK))
    goes_on = state in (before.phase, DeviceState.LOST)
    return before.vanished if goes_on else 0


def _covered(rollout: Rollout, index: int, at: float) -> Rollout:
    """Note when the wave first had enough verdicts: its soak counts from there."""
    wave = rollout.waves[index]
    if wave.phase is not WavePhase.OPEN or wave.covered_at is not None:
        return rollout
    counts = count(rollout.in_wave(index))
    if counts.succeeded + counts.charged < coverage_needed(rollout, index):
        return rollout
    return _with_wave(rollout, index, replace(wave, covered_at=at))
