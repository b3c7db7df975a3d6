# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a rollout does next: bookkeeping to record, devices to touch, or something to wait for. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from .events import Event
from .gate import (
    Pass,
    Stop,
    Wait,
    awaits_approval,
    catching_up_fails,
    evaluate,
    failing_altogether,
    late_failure,
)
from .replay import apply_events
from .states import (
    STOPPED,
    Device,
    DeviceClass,
    DeviceState,
    Rollout,
    RolloutPhase,
    WavePhase,
    catch_up_ends,
)

_CONTROL = "`ansible-playbook skorionos.bootc.rollout_control -e bootc_rollout_verb={verb}`"
_NEW_RELEASE = (
    "Read why they failed. If the release is at fault, mend it and roll out under a new id with `supersedes: [{id}]`; "
    f"if the devices are, mend them, have them tried again ({_CONTROL.format(verb='retry')}) and go on "
    f"({_CONTROL.format(verb='resume')})."
)
_REMEDIES = {
    "untrusted_content": "Look at these devices by hand (bootc status) before anything else is rolled out to them.",
    "coverage_timeout": "Wake the devices and go on with "
    + _CONTROL.format(verb="resume")
    + ", or take the wave as it is with "
    + _CONTROL.format(verb="accept")
    + ". Or roll out under a new id with `supersedes: [{id}]`.",
    "confirmation": "They may only sleep, or the release broke them after they had succeeded: wake or switch on one of "
    "each variant to find out. "
    + _CONTROL.format(verb="resume")
    + " has them looked at again; if you know that they only sleep, or they left the inventory, "
    + _CONTROL.format(verb="accept")
    + " takes the wave as it is. If the release broke them, mend it and roll it out under a new id with "
    "`supersedes: [{id}]`.",
    "catch_up_budget": "Those of the waves are not affected. Read why these, which were late, failed. Mend them, have "
    f"them tried again ({_CONTROL.format(verb='retry')}) and go on, or leave them and go on "
    f"({_CONTROL.format(verb='resume')}). If the release is at fault, roll out a mended one under a new id.",
    "analysis": "Find out what it found. "
    + _CONTROL.format(verb="resume")
    + " has the commands run again, "
    + _CONTROL.format(verb="accept")
    + " takes the wave as it is. Or mend the release and roll it out under a new id with `supersedes: [{id}]`.",
    "abort": "Nothing more is done by this rollout. Mend the release and roll out under a new id.",
}


@dataclass(frozen=True)
class Decisions:
    """``record`` first; then ``touch`` these hosts; when there is neither, ``wait``.

    ``confirm`` names devices to look at again before their wave may pass.
    """

    record: tuple[Event, ...] = ()
    touch: tuple[str, ...] = ()
    wait: Wait | None = None

    @property
    def confirm(self) -> tuple[str, ...]:
        return () if self.wait is None else self.wait.ask

    @property
    def needs_the_gate(self) -> bool:
        """Whether whoever asks the gate gets further at once, although no device is due."""
        return self.wait is not None and (bool(self.wait.ask) or self.wait.run is not None)


def decide(rollout: Rollout, now: float) -> Decisions:
    """The next step of a rollout at ``now`` (seconds since the epoch)."""
    if rollout.phase is RolloutPhase.SUPERSEDED:
        return Decisions()
    if rollout.phase in STOPPED:
        return Decisions(touch=_in_flight(rollout))
    record = _aborts(rollout, now) or _late_failures(rollout, now) or _catch_up_failures(rollout, now)
    if record:
        return Decisions(record)
    unfinished = next((index for index, wave in enumerate(rollout.waves) if wave.phase is not WavePhase.PASSED), None)
    if unfinished is not None:
        return _decide_wave(rollout, unfinished, now)
    if rollout.phase is RolloutPhase.RUNNING:
        return Decisions(record=(Event("completed", now),))
    late = is_too_late(rollout, now)
    return Decisions(touch=_in_flight(rollout) if late else _touchable(rollout, range(len(rollout.waves))))


def _decide_wave(rollout: Rollout, index: int, now: float) -> Decisions:
    if rollout.waves[index].phase is WavePhase.PLANNED:
        unapproved = awaits_approval(rollout, index, "before", now)
        if unapproved is not None:
            return Decisions(touch=_touchable(rollout, range(index)), wait=unapproved)
        return Decisions(record=(Event("wave_opened", now, wave=index),))
    verdict = evaluate(rollout, index, now)
    if isinstance(verdict, Pass):
        return Decisions(record=(Event("wave_passed", now, wave=index),))
    if isinstance(verdict, Stop):
        return Decisions(record=(_hold(rollout, index, verdict, now),))
    return Decisions(touch=_touchable(rollout, range(index + 1)), wait=verdict)


def is_too_late(rollout: Rollout, now: float) -> bool:
    """Whether the time in which devices may catch up is over."""
    ends = catch_up_ends(rollout)
    return ends is not None and now >= ends


def is_to_come(rollout: Rollout, device: Device) -> bool:
    """Whether a device that joined has to wait until all waves passed."""
    return device.catching_up and rollout.waves[device.wave].phase is not WavePhase.PASSED


def advance(rollout: Rollout, now: float) -> tuple[Rollout, tuple[Event, ...], Decisions]:
    """Follow decisions that need no device until there are none left.

    Returns the state after them, the events to record, and the decisions that remain.
    """
    recorded: list[Event] = []
    decisions = decide(rollout, now)
    while decisions.record:
        rollout = apply_events(rollout, decisions.record)
        recorded.extend(decisions.record)
        decisions = decide(rollout, now)
    return rollout, tuple(recorded), decisions


def batches(rollout: Rollout, skip: Iterable[str]) -> tuple[tuple[str, ...], ...]:
    """Hosts a run may touch, in order, in batches of one wave and at most ``pace.parallel``.

    Devices left over from passed waves come first, those that joined and have to wait for all waves last. Each batch
    still has to pass the gate when its turn comes.
    ``skip`` names hosts known to be out of reach. An empty result means that nobody is to be touched.
    """
    if rollout.phase is RolloutPhase.SUPERSEDED:
        return ()
    out_of_reach = frozenset(skip)
    size = rollout.plan.spec.pace.parallel
    if rollout.phase in STOPPED:
        draining = [host for host in _in_flight(rollout) if host not in out_of_reach]
        return tuple(tuple(draining[at : at + size]) for at in range(0, len(draining), size))
    passed = [i for i, wave in enumerate(rollout.waves) if wave.phase is WavePhase.PASSED]
    groups = [[d.host for i in passed for d in rollout.of_wave(i)]]
    groups += [[d.host for d in rollout.in_wave(i)] for i in range(len(rollout.waves)) if i not in passed]
    groups += [[d.host for d in rollout.catching_up if is_to_come(rollout, d)]]
    chosen = [
        sorted(
            (host for host in group if host not in out_of_reach and _is_open(rollout.devices[host])),
            key=lambda host: _haste(rollout.devices[host]),
        )
        for group in groups
    ]
    return tuple(tuple(group[at : at + size]) for group in chosen for at in range(0, len(group), size))


def _haste(device: Device) -> tuple[bool, float]:
    """Finish what was begun first; who was put off until later comes later, so that nobody open waits for him."""
    return not device.at_risk, device.until or 0.0


def later_batches(rollout: Rollout, among: Iterable[str], now: float, deadline: float) -> tuple[tuple[str, ...], ...]:
    """Another round of a run over ``among``, if that can get further: somebody's window opens by ``deadline``.

    Everybody who answers and is not through takes part, because the waves behind such a device waited for it.
    """
    rollout, _unused, decisions = advance(rollout, now)
    if rollout.phase is RolloutPhase.SUPERSEDED or rollout.phase in STOPPED:
        return ()
    devices = [rollout.devices[host] for host in decisions.touch]
    if not any(is_due_by(device, deadline) for device in devices):
        return ()
    awake = {host for host in among if rollout.devices[host].state is not DeviceState.UNREACHABLE}
    return batches(rollout, skip=set(rollout.devices) - awake)


def is_due_by(device: Device, deadline: float) -> bool:
    """Whether it was put off until a moment that comes by ``deadline`` (seconds since the epoch)."""
    waits = device.state is DeviceState.DEFERRED or (device.parked and device.state is DeviceState.STAGED)
    return waits and device.until is not None and device.until <= deadline


def _in_flight(rollout: Rollout) -> tuple[str, ...]:
    """A held rollout starts nothing new, but what is in the middle of its update or was lost there comes to an end."""
    return tuple(
        d.host
        for d in rollout.devices.values()
        if d.device_class is DeviceClass.FLIGHT or d.may_heal or _is_to_disarm(d)
    )


def _is_open(device: Device) -> bool:
    begun = device.device_class in (DeviceClass.UNTOUCHED, DeviceClass.FLIGHT)
    return begun or device.may_heal or _is_to_disarm(device)


def _is_to_disarm(device: Device) -> bool:
    """Whether it was given up, put off or left out, and may still boot what it was given."""
    return device.armed and device.device_class is not DeviceClass.SUCCEEDED and not device.taken_over


def _touchable(rollout: Rollout, waves: Sequence[int]) -> tuple[str, ...]:
    hosts: list[str] = []
    for index in waves:
        may_start = {variant: _may_start(rollout, variant, index) for variant in rollout.plan.targets}
        devices = [d for d in rollout.of_wave(index) if _is_open(d) and not is_to_come(rollout, d)]
        hosts += [
            d.host
            for d in devices
            if d.device_class is not DeviceClass.UNTOUCHED or may_start[d.variant] in (True, d.host)
        ]
    return tuple(hosts)


def _may_start(rollout: Rollout, variant: str, wave: int) -> bool | str:
    """Whether untouched devices of a variant may start in a wave: all, none, or only the named one.

    A variant's first success comes before any of its devices in a later wave. Where the earlier waves can no longer
    give one because all their devices of the variant dropped out, one device of this wave takes the part of the
    canary, those not tried yet first. (Where they failed, the gate holds the rollout.)
    """
    kin = [device for device in rollout.devices.values() if device.variant == variant and device.wave <= wave]
    if any(device.proves_its_variant for device in kin):
        return True
    earlier = [device for device in kin if device.wave < wave]
    if not earlier:
        return True
    if any(device.device_class in (DeviceClass.UNTOUCHED, DeviceClass.FLIGHT) for device in earlier):
        return False
    alone = [device for device in kin if device.wave == wave]
    if any(device.device_class is DeviceClass.FLIGHT for device in alone):
        return False
    waiting = [d for d in alone if d.device_class is DeviceClass.UNTOUCHED and not is_to_come(rollout, d)]
    waiting.sort(key=lambda device: (device.state is not DeviceState.PENDING, device.since))
    return waiting[0].host if waiting else False


def _aborts(rollout: Rollout, now: float) -> tuple[Event, ...]:
    stop = failing_altogether(rollout) if rollout.phase is RolloutPhase.RUNNING else None
    if stop is None:
        return ()
    data = {"rule": stop.rule, "numbers": stop.numbers, "hosts": list(stop.hosts), "remedy": _REMEDIES["abort"]}
    return (Event("aborted", now, data={**data, "by": "the rollout", "why": stop.numbers}),)


def _late_failures(rollout: Rollout, now: float) -> tuple[Event, ...]:
    for index, wave in enumerate(rollout.waves):
        if wave.phase is WavePhase.PASSED:
            late = late_failure(rollout, index)
            if late is not None:
                rule = "late_failures" if late.rule == "failure_budget" else late.rule
                return (_hold(rollout, index, Stop(rule, late.numbers, late.hosts), now),)
    return ()


def _catch_up_failures(rollout: Rollout, now: float) -> tuple[Event, ...]:
    stop = catching_up_fails(rollout)
    return () if stop is None else (_hold(rollout, None, stop, now),)


def _hold(rollout: Rollout, index: int | None, stop: Stop, now: float) -> Event:
    remedy = _REMEDIES.get(stop.rule, _NEW_RELEASE).format(id=rollout.plan.spec.id)
    data = {"rule": stop.rule, "numbers": stop.numbers, "hosts": list(stop.hosts), "remedy": remedy}
    return Event("held", now, wave=index, data=data)
