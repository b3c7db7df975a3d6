# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Why a device is where it is in a rollout, since when, and when that can change. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from .decide import Decisions, advance, is_to_come, is_too_late
from .pace import occupancy
from .states import (
    DISRUPTED,
    OVER,
    STOPPED,
    Device,
    DeviceClass,
    DeviceState,
    Rollout,
    RolloutPhase,
    WavePhase,
    answers_by,
)


@dataclass(frozen=True)
class Explanation:
    """Why ``host`` is in its ``state`` since then (seconds since the epoch), and what happens next in words.

    ``until`` is when that can be at the earliest or has to be at the latest, as ``next`` says; None when it depends on
    people or devices alone.
    """

    host: str
    state: str
    since: float
    why: str
    next: str
    until: float | None = None


@dataclass(frozen=True)
class _Outlook:
    """A rollout as it is on record, and as the next run finds it once it has recorded what needs no device."""

    recorded: Rollout
    rollout: Rollout
    decisions: Decisions
    now: float

    @property
    def is_stopped(self) -> bool:
        """Whether nothing new starts; perhaps nobody was told so yet."""
        return self.rollout.phase is RolloutPhase.SUPERSEDED or self.rollout.phase in STOPPED

    @property
    def will_stop(self) -> bool:
        """Whether it is only the next run that stops it."""
        return self.rollout.phase in STOPPED and self.recorded.phase is not self.rollout.phase


def explain(rollout: Rollout, hosts: Iterable[str], now: float) -> tuple[Explanation, ...]:
    """Explain members of the rollout, in the order of ``hosts``; raises KeyError for strangers."""
    after, _unused, decisions = advance(rollout, now)
    outlook = _Outlook(rollout, after, decisions, now)
    return tuple(_explained(outlook, rollout.devices[host]) for host in hosts)


def _explained(outlook: _Outlook, device: Device) -> Explanation:
    said = device.message or device.reason or ""
    tell = {
        DeviceClass.UNTOUCHED: _untouched,
        DeviceClass.FLIGHT: _in_flight,
        DeviceClass.SUCCEEDED: _succeeded,
        DeviceClass.CHARGED: _charged,
        DeviceClass.NEUTRAL: _neutral,
    }[device.device_class]
    why, then, until = tell(outlook, device)
    return Explanation(device.host, device.state.value, device.since, f"{why}: {said}" if said else why, then, until)


_Told = tuple[str, str, "float | None"]


def _untouched(outlook: _Outlook, device: Device) -> _Told:
    why = {
        DeviceState.PENDING: "its turn has not come",
        DeviceState.UNREACHABLE: "it does not answer, and boots what was staged on it if it reboots before it does"
        if device.armed
        else "it did not answer, and nothing was done to it",
        DeviceState.DEFERRED: "it answered, but could not be updated then",
    }[device.state]
    if device.hops:
        why += f" (it passed {device.hops} of the barriers on its way)"
    kept = _kept_waiting(outlook, device, why)
    if kept is not None:
        return kept
    if outlook.rollout.devices[device.host].catching_up:
        why = f"it catches up; {why}"
    obstacle = occupancy(outlook.rollout, [device.host]).obstacle(device.host)
    if obstacle:
        return why, f"its turn comes when there is room: {obstacle}", None
    return (why, *_next_run(outlook, device))


def _next_run(outlook: _Outlook, device: Device) -> tuple[str, float]:
    if device.until is not None and device.until > outlook.now:
        return "a run of the rollout may update it then", device.until
    if outlook.rollout.downloads_until > outlook.now:
        then = "its download may begin when those that began before would be done at pace.download_rate"
        return then, outlook.rollout.downloads_until
    return "the next run of the rollout tries it", outlook.now


def _kept_waiting(outlook: _Outlook, device: Device, why: str) -> _Told | None:
    """What keeps a device from its turn that lies in the rollout as a whole."""
    told: _Told | None = None
    wait = outlook.decisions.wait
    if outlook.is_stopped:
        told = (*_stopped(outlook, why), None)
    elif is_to_come(outlook.rollout, device):
        until = None if wait is None else wait.until
        told = "it joined after the plan was made", "its turn comes when all waves passed", until
    elif is_too_late(outlook.rollout, outlook.now):
        told = f"the time to catch up is over (catch_up.for); {why}", "nothing: a later rollout takes it along", None
    elif outlook.rollout.waves[device.wave].phase is WavePhase.PLANNED:
        name = outlook.rollout.plan.waves[device.wave].name
        reason, until = ("", None) if wait is None else (f"; now: {wait.why}", wait.until)
        told = "its wave is not open", f"its wave {name} opens when those before it passed{reason}", until
    elif device.host not in outlook.decisions.touch:
        told = why, f"another device of variant {device.variant} has to succeed first", None
    elif outlook.recorded.waves[device.wave].phase is WavePhase.PLANNED:
        name = outlook.rollout.plan.waves[device.wave].name
        told = "its wave is not open", f"its wave {name} opens in the next run", outlook.now
    return told


def _stopped(outlook: _Outlook, why: str) -> tuple[str, str]:
    rollout = outlook.rollout
    if rollout.phase is RolloutPhase.SUPERSEDED:
        return why, f"nothing: the rollout {rollout.superseded_by} took over"
    if outlook.will_stop and rollout.hold is not None:
        goes_on = "" if rollout.phase in OVER else ", until somebody resumes it after that"
        return why, f"nothing{goes_on}: the next run finds the rollout {rollout.phase.value} ({rollout.hold.numbers})"
    if rollout.hold is not None:
        return f"the rollout is {rollout.phase.value} ({rollout.hold.numbers})", "nothing until somebody resumes it"
    then = "nothing: that is final" if rollout.phase in OVER else "nothing until somebody resumes it"
    order = rollout.order
    told = "" if order is None else f" by {order.by} ({order.why})"
    return f"the rollout is {rollout.phase.value}{told}", then


def _in_flight(outlook: _Outlook, device: Device) -> _Told:
    if device.parked:
        return _parked(outlook, device)
    why = {
        DeviceState.STAGING: "its image is being downloaded and staged",
        DeviceState.STAGED: "its image is staged; it boots it next",
        DeviceState.APPLYING: "it was asked to reboot into the new image",
        DeviceState.VERIFYING: "it booted the new image and is being checked",
        DeviceState.ROLLING_BACK: "it goes back to its previous image",
        DeviceState.SILENT: "it was touched and has not answered since",
    }[device.state]
    if device.state is DeviceState.SILENT:
        until = answers_by(outlook.rollout.plan.spec, device)
        return why, "it counts as lost if it has not answered by then", until
    if device.excluded and device.state not in DISRUPTED:
        return why, _DROPPED, outlook.now
    then, by = "the run that works on it, or the next one, finishes it", answers_by(outlook.rollout.plan.spec, device)
    if device.state in DISRUPTED or by <= outlook.now:
        return why, then, outlook.now
    return why, f"{then}; if it sleeps, others wait for it until then", by


_DROPPED = "somebody wants it left out: the next run of the rollout drops what is staged, and it is"


def _parked(outlook: _Outlook, device: Device) -> _Told:
    why = "its image is downloaded and parked, so that no reboot applies it"
    if outlook.is_stopped:
        return why, "the next run of the rollout drops it", outlook.now
    if device.excluded:
        return why, _DROPPED, outlook.now
    if device.until is not None and device.until > outlook.now:
        return why, "a run of the rollout may apply it then", device.until
    return why, "the next run of the rollout may apply it", outlook.now


def _succeeded(outlook: _Outlook, device: Device) -> _Told:
    rollout = outlook.rollout
    why = "it runs the new image and its checks are green"
    if device.is_unconfirmed:
        why += f", but it could not be looked at again at the end of the soak ({device.unconfirmed})"
    passed = rollout.waves[device.wave].phase is WavePhase.PASSED
    if rollout.phase in OVER or passed or not rollout.plan.waves[device.wave].rules.soak:
        return why, "nothing", None
    if not device.is_unconfirmed:
        return why, "it is looked at again at the end of its wave's soak", None
    if outlook.will_stop:
        return why, "it is asked again when somebody resumes the rollout, which the next run stops", None
    if rollout.phase in STOPPED:
        return why, "it is asked again when somebody resumes the rollout", None
    wait = outlook.decisions.wait
    if wait is None or wait.rule != "confirmation":
        return why, "nothing, unless the soak of its wave begins anew", None
    return why, "it is asked again until then", wait.until


def _charged(outlook: _Outlook, device: Device) -> _Told:
    why = {
        DeviceState.FAILED: "its update failed",
        DeviceState.ROLLED_BACK: "it is back on its previous image",
        DeviceState.LOST: "it was touched and never answered again",
        DeviceState.INCONSISTENT: "it runs neither the new image nor its previous one, or could not go back",
    }[device.state]
    if device.acknowledged:
        why += " (acknowledged, so it counts no more)"
    if device.may_heal:
        return why, "a run that finds it awake judges it by what it runs", outlook.now
    if _is_final(outlook):
        return why, f"nothing: the rollout is {outlook.rollout.phase.value}", None
    return why, "nothing until somebody retries it", None


def _neutral(outlook: _Outlook, device: Device) -> _Told:
    why = {
        DeviceState.CURRENT: "it ran the new image already",
        DeviceState.INCOMPATIBLE: "it cannot be updated by this rollout",
        DeviceState.REMOVED: "its host left the inventory",
        DeviceState.EXCLUDED: "somebody left it out",
        DeviceState.CANCELED: "the rollout ended before its turn",
        DeviceState.SUPERSEDED: "another rollout took it over",
    }[device.state]
    then = {
        DeviceState.REMOVED: "it takes part again when its host is back",
        DeviceState.INCOMPATIBLE: "nothing until somebody mends and retries it",
        DeviceState.EXCLUDED: "nothing until somebody retries it",
    }.get(device.state, "nothing")
    if _is_final(outlook) and device.state not in (DeviceState.CANCELED, DeviceState.SUPERSEDED):
        then = f"nothing: the rollout is {outlook.rollout.phase.value}"
    return why, then, None


def _is_final(outlook: _Outlook) -> bool:
    """Whether nothing is done for any device any more, whatever somebody orders."""
    return outlook.rollout.phase in OVER and outlook.rollout.phase is not RolloutPhase.COMPLETED
