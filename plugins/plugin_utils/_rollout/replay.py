# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a ledger's events make of a rollout. Unknown kinds are ignored, as notes of later versions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

from .errors import RolloutError
from .events import Event
from .plan import load_plan
from .spec import Pace
from .states import (
    CLASS_OF,
    QUIET,
    SILENT,
    Device,
    DeviceClass,
    DeviceState,
    Finding,
    Hold,
    Order,
    Ramp,
    Rollout,
    RolloutPhase,
    WavePhase,
    WaveState,
    count,
    needed_of,
)

UNTELLABLE = (KeyError, ValueError, TypeError, IndexError, AttributeError, RolloutError)
"""What comes of events whose chain is whole and whose contents are not those of a rollout."""


def derive(events: Iterable[Event]) -> Rollout | None:
    """Replay a ledger; None when it holds no plan yet."""
    replaying: _Replay | None = None
    for event in events:
        if event.kind == "planned":
            replaying = _Replay(_begin(event))
        elif replaying is not None:
            replaying.apply(event)
    return None if replaying is None else replaying.rollout


def replay(events: Iterable[Event]) -> Rollout:
    """``derive`` for events that are known to hold a plan; raises ValueError when they do not."""
    rollout = derive(events)
    if rollout is None:
        raise ValueError("these events hold no plan")
    return rollout


def apply_events(rollout: Rollout, events: Iterable[Event]) -> Rollout:
    """The state after more events."""
    replaying = _Replay(replace(rollout, devices=dict(rollout.devices)))
    for event in events:
        replaying.apply(event)
    return replaying.rollout


def apply_event(rollout: Rollout, event: Event) -> Rollout:
    """The state after one more event."""
    return apply_events(rollout, [event])


class _Replay:
    """A rollout while it is replayed.

    The devices are written in place; the classes of every wave, and those that catch up, are counted along: copies and
    recounts per event would make a long ledger of a large fleet quadratic.
    """

    def __init__(self, rollout: Rollout) -> None:
        self._take(rollout)

    @property
    def rollout(self) -> Rollout:
        return replace(self._rollout, devices=self._devices, waves=tuple(self._waves))

    def apply(self, event: Event) -> None:
        """Take one event in."""
        if event.host is None:
            change = _ROLLOUT_EVENTS.get(event.kind)
            if change is not None and not self._comes_too_late(event):
                self._take(change(self.rollout, event))
        elif event.host in self._devices:
            self._tell(self._devices[event.host], event)
        elif event.kind == "joined":
            self._join(event.host, event)

    def _comes_too_late(self, event: Event) -> bool:
        """Whether it was decided by somebody who did not know yet that the rollout was ended."""
        return event.kind in _DECIDED and self._rollout.phase in _ENDED

    def _take(self, rollout: Rollout) -> None:
        self._rollout = rollout
        self._devices = dict(rollout.devices)
        self._waves = list(rollout.waves)
        self._counts = [_tally(rollout.in_wave(index)) for index in range(len(self._waves))]
        self._catching_up = 0
        self._more_catch_up(sum(map(_catches_up, self._devices.values())))
        for index in range(len(self._waves)):
            self._cover(index, rollout.changed_at)

    def _join(self, host: str, event: Event) -> None:
        """A host that the plan does not know. Whoever approved the wave it is in did not see it there."""
        data, index = event.data, _wave_index(event)
        late = bool(data["catching_up"])
        self._devices[host] = Device(
            host, data["variant"], index, since=event.at, catching_up=late, group=data.get("group")
        )
        self._rollout = replace(self._rollout, joined=(*self._rollout.joined, host))
        if late:
            self._more_catch_up(1)
        else:
            self._counts[index][DeviceClass.UNTOUCHED] += 1
            self._waves[index] = replace(self._waves[index], approved_at=None)

    def _tell(self, before: Device, event: Event) -> None:
        after = _device_after(before, event)
        if "bytes" in event.data:
            until = downloads_until(self._rollout.downloads_until, event, self._rollout.plan.spec.pace.download_rate)
            self._rollout = replace(self._rollout, downloads_until=until)
        was = before.device_class
        if after.device_class is DeviceClass.UNTOUCHED:
            after = self._left_out(after)
            is_back = was is not DeviceClass.UNTOUCHED and was is not DeviceClass.FLIGHT
            if is_back and not after.catching_up and self._waves[after.wave].phase is WavePhase.PASSED:
                after = self._left_behind(before, after)
        self._devices[after.host] = after
        self._more_catch_up(_catches_up(after) - _catches_up(before))
        if after.device_class is was and after.acknowledged is before.acknowledged:
            return
        if after.catching_up:
            self._ramp_up(before, after)
            return
        counts = self._counts[after.wave]
        counts[before.device_class] -= not before.acknowledged
        counts[after.device_class] += not after.acknowledged
        if after.device_class in _VERDICTS and after.device_class is not before.device_class:
            wave = self._waves[after.wave]
            succeeded = after.device_class is DeviceClass.SUCCEEDED
            self._waves[after.wave] = replace(wave, ramp=wave.ramp.after(succeeded, self._rollout.plan.spec.pace))
        if was not in _UNDECIDED or after.device_class not in _UNDECIDED:
            self._cover(after.wave, event.at)

    def _more_catch_up(self, more: int) -> None:
        self._catching_up += more
        if self._catching_up > self._rollout.catching_up_size:
            self._rollout = replace(self._rollout, catching_up_size=self._catching_up)

    def _left_behind(self, before: Device, after: Device) -> Device:
        """It starts anew, and its wave passed meanwhile."""
        self._counts[before.wave][before.device_class] -= not before.acknowledged
        return _changed(after, {"catching_up": True})

    def _ramp_up(self, before: Device, after: Device) -> None:
        if after.device_class in _VERDICTS and after.device_class is not before.device_class:
            succeeded = after.device_class is DeviceClass.SUCCEEDED
            ramp = self._rollout.catch_up_ramp.after(succeeded, self._rollout.plan.spec.pace)
            self._rollout = replace(self._rollout, catch_up_ramp=ramp)

    def _left_out(self, device: Device) -> Device:
        """What was in flight when somebody wanted it left out is so as soon as nothing is done to it any more."""
        if device.excluded:
            return _changed(device, {"state": DeviceState.EXCLUDED, "excluded": False})
        if self._rollout.phase in (RolloutPhase.CANCELED, RolloutPhase.ABORTED):
            return _changed(device, {"state": DeviceState.CANCELED})
        return device

    def _cover(self, index: int, at: float) -> None:
        """Note since when an open wave has enough verdicts: its soak counts from there.

        A verdict that was taken back, or is given anew, may leave it with too few; then the soak begins anew as well,
        and what was looked at, analysed and approved after the former one is forgotten.
        """
        wave = self._waves[index]
        if wave.phase is not WavePhase.OPEN:
            return
        counts = self._counts[index]
        verdicts = counts[DeviceClass.SUCCEEDED] + counts[DeviceClass.CHARGED]
        total = verdicts + counts[DeviceClass.UNTOUCHED] + counts[DeviceClass.FLIGHT]
        if verdicts < needed_of(self._rollout.plan.waves[index].rules, total):
            if wave.covered_at is not None:
                self._soak_anew(index, None)
        elif wave.covered_at is None:
            self._soak_anew(index, at)

    def _soak_anew(self, index: int, covered_at: float | None) -> None:
        wave = replace(self._waves[index], covered_at=covered_at, findings={})
        if self._rollout.plan.waves[index].rules.approve == "after":
            wave = replace(wave, approved_at=None)
        self._waves[index] = wave
        for device in self.rollout.in_wave(index):
            if device.looked_at is not None:
                self._devices[device.host] = _changed(device, _NOT_LOOKED_AT)


_ENDED = (RolloutPhase.CANCELED, RolloutPhase.ABORTED, RolloutPhase.SUPERSEDED)
_DECIDED = frozenset({"wave_opened", "wave_passed", "held", "completed"})
"""What a rollout decides by itself as long as nobody ended it."""
_VERDICTS = (DeviceClass.SUCCEEDED, DeviceClass.CHARGED)
_UNDECIDED = (DeviceClass.UNTOUCHED, DeviceClass.FLIGHT)


def _catches_up(device: Device) -> bool:
    return device.catching_up and device.device_class is not DeviceClass.NEUTRAL


def _tally(devices: Iterable[Device]) -> dict[DeviceClass, int]:
    counts = dict.fromkeys(DeviceClass, 0)
    for device in devices:
        if not device.acknowledged:
            counts[device.device_class] += 1
    return counts


def _begin(event: Event) -> Rollout:
    plan = load_plan(event.data["plan"])
    devices = {
        host: Device(host, plan.variant_of[host], index, since=event.at)
        for index, wave in enumerate(plan.hosts)
        for host in wave
    }
    waves = tuple(WaveState() for _unused in plan.waves)
    ramp = _first_ramp(plan.spec.pace)
    return Rollout(plan, RolloutPhase.RUNNING, event.at, devices, waves, changed_at=event.at, catch_up_ramp=ramp)


def _first_ramp(pace: Pace) -> Ramp:
    return Ramp(min(pace.start, pace.parallel))


def _hosts_superseded(rollout: Rollout, event: Event) -> Rollout:
    devices = dict(rollout.devices)
    for host in event.data["hosts"]:
        if host in devices:
            devices[host] = _taken_over(devices[host], event.at, str(event.data["by"]))
    return replace(rollout, devices=devices, reverted_by=_reverted_by(rollout, event))


def _reverted_by(rollout: Rollout, event: Event) -> str | None:
    return str(event.data["by"]) if event.data.get("reverts") else rollout.reverted_by


def _taken_over(device: Device, at: float, by: str) -> Device:
    """A device another rollout took over: what is not decided here never will be; verdicts and charges stay."""
    if device.is_undecided:
        return replace(device, state=DeviceState.SUPERSEDED, since=at, taken_by=by)
    return replace(device, taken_by=by)


def _wave_opened(rollout: Rollout, event: Event) -> Rollout:
    index = _wave_index(event)
    size = count(rollout.in_wave(index)).total
    opened = replace(
        rollout.waves[index],
        phase=WavePhase.OPEN,
        opened_at=event.at,
        patient_from=event.at,
        size=size,
        ramp=_first_ramp(rollout.plan.spec.pace),
    )
    return _with_wave(rollout, index, opened, event.at)


def _wave_passed(rollout: Rollout, event: Event) -> Rollout:
    """Who was not touched yet is not counted by the wave any more; who is in flight goes on in its name."""
    index = _wave_index(event)
    devices = dict(rollout.devices)
    for device in rollout.in_wave(index):
        if device.device_class is DeviceClass.UNTOUCHED or device.state is DeviceState.REMOVED:
            devices[device.host] = replace(device, catching_up=True)
    rollout = replace(rollout, devices=devices)
    passed = replace(rollout.waves[index], phase=WavePhase.PASSED, passed_at=event.at)
    return _with_wave(rollout, index, passed, event.at)


def _held(rollout: Rollout, event: Event) -> Rollout:
    return replace(rollout, phase=RolloutPhase.HELD, hold=_hold(event), changed_at=event.at)


def _hold(event: Event) -> Hold:
    data = event.data
    return Hold(data["rule"], event.wave, data["numbers"], tuple(data["hosts"]), data["remedy"], event.at)


def _completed(rollout: Rollout, event: Event) -> Rollout:
    return replace(rollout, phase=RolloutPhase.COMPLETED, ended_at=event.at)


def _superseded(rollout: Rollout, event: Event) -> Rollout:
    return replace(
        rollout,
        phase=RolloutPhase.SUPERSEDED,
        superseded_by=event.data["by"],
        superseded_who=str(event.data.get("who", "")),
        superseded_why=str(event.data.get("why", "")),
        reverted_by=_reverted_by(rollout, event),
        ended_at=event.at,
        hold=None,
    )


def _ordered(rollout: Rollout, event: Event, verb: str, **changes: Any) -> Rollout:
    order = Order(verb, str(event.data.get("by", "")), event.at, str(event.data.get("why", "")))
    return replace(rollout, order=order, changed_at=event.at, **changes)


def _paused(rollout: Rollout, event: Event) -> Rollout:
    return _ordered(rollout, event, "pause", phase=RolloutPhase.PAUSED, resumes_as=rollout.phase)


def _resumed(rollout: Rollout, event: Event) -> Rollout:
    """After a pause it goes on as it was; after a hold as if it had not failed so far, because somebody says so."""
    if rollout.phase is RolloutPhase.PAUSED:
        return _ordered(rollout, event, "resume", phase=rollout.resumes_as)
    return _ordered(_acknowledged(rollout, event.at), event, "resume", phase=_going_on(rollout), hold=None)


def _going_on(rollout: Rollout) -> RolloutPhase:
    return RolloutPhase.RUNNING if rollout.ended_at is None else RolloutPhase.COMPLETED


def _acknowledged(rollout: Rollout, at: float) -> Rollout:
    """Nobody counts what failed so far any more; an open wave's patience begins anew, and it is analysed again.

    Who could not be looked at again at the end of its soak is to be looked at once more.
    """
    devices = {host: _excused(device) for host, device in rollout.devices.items()}
    waves = tuple(
        replace(wave, patient_from=at, findings={}) if wave.phase is WavePhase.OPEN else wave for wave in rollout.waves
    )
    return replace(rollout, devices=devices, waves=waves)


def _excused(device: Device) -> Device:
    if device.device_class is DeviceClass.CHARGED:
        return replace(device, acknowledged=True)
    if device.unconfirmed is not None:
        return _changed(device, _NOT_LOOKED_AT)
    return device


def _accepted(rollout: Rollout, event: Event) -> Rollout:
    """Somebody takes an open wave as it is."""
    accepted = _wave_passed(_acknowledged(rollout, event.at), event)
    phase = _going_on(rollout) if rollout.phase is RolloutPhase.HELD else rollout.phase
    return _ordered(accepted, event, "accept", phase=phase, hold=None)


def _approved(rollout: Rollout, event: Event) -> Rollout:
    index = _wave_index(event)
    approved = _with_wave(rollout, index, replace(rollout.waves[index], approved_at=event.at), event.at)
    return _ordered(approved, event, "approve")


def _analysed(rollout: Rollout, event: Event) -> Rollout:
    index = _wave_index(event)
    wave = rollout.waves[index]
    finding = Finding(str(event.data["outcome"]), str(event.data.get("output", "")))
    findings = {**wave.findings, str(event.data["name"]): finding}
    return _with_wave(rollout, index, replace(wave, findings=findings), event.at)


def _canceled(rollout: Rollout, event: Event) -> Rollout:
    return _ended(rollout, event, "cancel", RolloutPhase.CANCELED)


def _aborted(rollout: Rollout, event: Event) -> Rollout:
    """By an operator, or by the rollout itself, which says by which rule."""
    aborted = _ended(rollout, event, "abort", RolloutPhase.ABORTED)
    return replace(aborted, hold=_hold(event)) if "rule" in event.data else aborted


def _reverting(rollout: Rollout, event: Event) -> Rollout:
    """Another rollout is going to take its devices back: it starts nothing new, not even on those it left behind."""
    if rollout.phase in (RolloutPhase.CANCELED, RolloutPhase.ABORTED):
        return _ordered(rollout, event, "revert")
    return _ended(rollout, event, "revert", RolloutPhase.CANCELED)


def _ended(rollout: Rollout, event: Event, verb: str, phase: RolloutPhase) -> Rollout:
    devices = {
        host: replace(device, state=DeviceState.CANCELED, since=event.at)
        if device.device_class is DeviceClass.UNTOUCHED
        else device
        for host, device in rollout.devices.items()
    }
    return _ordered(rollout, event, verb, phase=phase, devices=devices, ended_at=event.at, hold=None)


_ROLLOUT_EVENTS: dict[str, Callable[[Rollout, Event], Rollout]] = {
    "paused": _paused,
    "resumed": _resumed,
    "accepted": _accepted,
    "approved": _approved,
    "analysed": _analysed,
    "canceled": _canceled,
    "aborted": _aborted,
    "reverting": _reverting,
    "hosts_superseded": _hosts_superseded,
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


def _with_wave(rollout: Rollout, index: int, wave: WaveState, at: float) -> Rollout:
    return replace(rollout, waves=(*rollout.waves[:index], wave, *rollout.waves[index + 1 :]), changed_at=at)


STATE_AFTER = {
    "unreachable": DeviceState.UNREACHABLE,
    "deferred": DeviceState.DEFERRED,
    "released": DeviceState.PENDING,
    "staging": DeviceState.STAGING,
    "staged": DeviceState.STAGED,
    "applying": DeviceState.APPLYING,
    "booted": DeviceState.VERIFYING,
    "silent": DeviceState.SILENT,
    "rolling_back": DeviceState.ROLLING_BACK,
    "hop_passed": DeviceState.PENDING,
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
_REMEMBERED = frozenset(
    {
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
    }
)
_OF_A_LEG = {f"previous_{what}": f"leg_{what}" for what in ("digest", "deployment", "rollback")}
_BAD_TIMES = ("window", "inhibited")
"""Reasons that lie neither in the device nor in the release."""


def _device_after(before: Device, event: Event) -> Device:
    data = event.data
    changes: dict[str, Any] = {key: value for key, value in data.items() if key in _REMEMBERED and value is not None}
    if before.hops:
        changes = {_OF_A_LEG.get(key, key): value for key, value in changes.items() if key != "previous_version"}
    if "failed_units" in data:
        changes["failed_units"] = tuple(data["failed_units"])
    state = STATE_AFTER.get(event.kind)
    if state is None:
        order = _DEVICE_ORDERS.get(event.kind)
        return _changed(before, changes if order is None else order(before, event))
    starts_anew = state is DeviceState.PENDING and not data.get("resumed")
    if state in _PHASES or starts_anew:
        changes["phase"] = state
    elif data.get("reason") == "stage_lost" or _is_put_off(event):
        changes["phase"] = DeviceState.PENDING
    if state is DeviceState.APPLYING:
        changes["reboots_asked"] = before.reboots_asked + 1
    elif state in (DeviceState.STAGED, DeviceState.DEFERRED) and data.get("refused"):
        changes["reboots_asked"] = max(before.reboots_asked - 1, 0)
    elif state is DeviceState.ROLLING_BACK:
        on_the_way = before.phase is DeviceState.ROLLING_BACK
        tried = "boot_id" in data or bool(data.get("refused"))
        changes["reboots_asked"] = before.reboots_asked * on_the_way + tried
        changes["going_back"] = (str(data.get("reason")), str(data.get("message")))
    changes["vanished"] = _vanished(before, state)
    changes["parked"] = is_parking(event)
    if state in _PHASES:
        changes["armed"] = False  # it is in flight again, and what it boots next is what is at stake there
    if state is DeviceState.STAGING or (is_parking(event) and "hop" in data):
        changes["hop"] = data.get("hop")
    elif event.kind == "hop_passed":
        changes.update(_next_leg(before))
    if event.kind == "deferred" and data.get("attempt"):
        changes["stage_attempts"] = before.stage_attempts + 1
    changes["state"] = state
    changes["since"] = event.at
    changes["reason"] = data.get("reason")
    changes["message"] = data.get("message")
    changes["acknowledged"] = before.acknowledged and state is before.state
    _note_waiting(changes, before, state, event)
    return _changed(before, changes)


def _changed(device: Device, changes: Mapping[str, Any]) -> Device:
    """``dataclasses.replace`` in a tenth of its time, which a long ledger is made of; nothing is checked."""
    attributes = device.__dict__.copy()
    attributes.update(changes)
    after = object.__new__(Device)
    object.__setattr__(after, "__dict__", attributes)
    return after


def _next_leg(before: Device) -> dict[str, Any]:
    """As if its update began here, but for what it ran before the rollout."""
    changes: dict[str, Any] = dict.fromkeys(("hop", "going_back", *_OF_A_LEG.values()))
    return {**changes, "hops": before.hops + 1, "stage_attempts": 0, "reboots_asked": 0, "armed": False}


def _excluded(device: Device, event: Event) -> dict[str, Any]:
    if device.device_class is DeviceClass.FLIGHT:
        return {"excluded": True}
    return {"state": DeviceState.EXCLUDED, "since": event.at, "reason": "excluded", "message": event.data.get("why")}


_PHASE_WHEN_LOST = {DeviceState.ROLLING_BACK: DeviceState.VERIFYING}
"""Whoever has it tried again wants it checked anew where it may have been mended, and not taken back unseen."""


def _retried(device: Device, event: Event) -> dict[str, Any]:
    """As if nothing had been done to it, but for what it ran before and what may be on it since.

    One that was lost, or found on what nobody expected, may run the new image without having been proven. So it is in
    flight until it says what it runs. One that was lost is judged by that as if it had answered in time. One that is in
    flight and was to be left out goes on.
    """
    if device.device_class is DeviceClass.FLIGHT:
        return {"excluded": False}
    unproven = device.state in (DeviceState.LOST, DeviceState.INCONSISTENT)
    return {
        "state": DeviceState.SILENT if unproven else DeviceState.PENDING,
        "phase": _PHASE_WHEN_LOST.get(device.phase, device.phase) if device.may_heal else DeviceState.PENDING,
        "since": event.at,
        "reason": None,
        "message": "tried again: what it runs when it answers says what becomes of it" if unproven else None,
        "stage_attempts": 0,
        "reboots_asked": 0,
        "vanished": 0,
        "going_back": None,
        "acknowledged": False,
        "excluded": False,
        "parked": False,
        "deferred_since": None,
        "spared_since": None,
        "until": None,
        "inhibitors": (),
    }


_NOT_LOOKED_AT: Mapping[str, None] = dict.fromkeys(
    ("looked_at", "unconfirmed", "unconfirmed_since", "unconfirmed_boot")
)


def _confirmed(_device: Device, event: Event) -> dict[str, Any]:
    return {**_NOT_LOOKED_AT, "looked_at": event.at}


def _unconfirmed(device: Device, event: Event) -> dict[str, Any]:
    """Silence is no time in which it could not be checked, nor the other way round: each has a grace of its own."""
    first, reason = device.unconfirmed_since, str(event.data.get("reason", SILENT))
    alike = device.unconfirmed is not None and (device.unconfirmed in QUIET) is (reason in QUIET)
    goes_on = alike and first is not None and first >= device.since  # and was not before its present success
    return {
        "looked_at": event.at,
        "unconfirmed": reason,
        "unconfirmed_since": first if goes_on else event.at,
        "unconfirmed_boot": event.data.get("boot_id"),
    }


_DEVICE_ORDERS: dict[str, Callable[[Device, Event], dict[str, Any]]] = {
    "excluded": _excluded,
    "retried": _retried,
    "confirmed": _confirmed,
    "unconfirmed": _unconfirmed,
}


def downloads_until(until: float, event: Event, rate: int | None) -> float:
    """When what was begun to download is done at ``rate`` (bytes per second), once ``event`` is counted in."""
    size = event.data.get("bytes")
    return until if rate is None or not isinstance(size, int) else max(until, event.at) + size / rate


def is_parking(event: Event) -> bool:
    """Whether the event says that what is staged is parked."""
    return event.kind == "staged" and event.data.get("parked") is True


def _is_put_off(event: Event) -> bool:
    return event.kind == "deferred" and event.data.get("reason") in _BAD_TIMES


def _note_waiting(changes: dict[str, Any], before: Device, state: DeviceState, event: Event) -> None:
    """Add since when it waits for a better time, and for what."""
    changes["until"] = event.data.get("until")
    changes["inhibitors"] = tuple(event.data.get("inhibitors", ()))
    if event.data.get("reason") in _BAD_TIMES and before.deferred_since is None:
        changes["deferred_since"] = event.at
    if event.data.get("soft") and before.spared_since is None:
        changes["spared_since"] = event.at
    if state is DeviceState.VERIFYING or CLASS_OF[state] not in (DeviceClass.UNTOUCHED, DeviceClass.FLIGHT):
        changes["deferred_since"] = changes["spared_since"] = None


def _vanished(before: Device, state: DeviceState) -> int:
    if state is DeviceState.SILENT:
        return before.vanished + (before.phase in (DeviceState.VERIFYING, DeviceState.ROLLING_BACK))
    goes_on = state in (before.phase, DeviceState.LOST)
    return before.vanished if goes_on else 0
