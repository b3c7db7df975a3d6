# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an operator may tell a rollout to do, as events. Pure; every refusal says what to do instead."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .decide import decide
from .errors import RolloutError, some
from .events import Event
from .revert import successor_of, to_take_back
from .states import OVER, STOPPED, Device, DeviceClass, DeviceState, Rollout, RolloutPhase, WavePhase


@dataclass(frozen=True)
class Command:
    """One order: ``verb`` is one of ``VERBS``; ``hosts`` only for those about devices.

    ``plan_hash`` (to approve) and ``wave`` (its name; to approve or accept) say what the person saw who gives it.
    ``by`` and ``why`` go on record.
    """

    verb: str
    by: str
    why: str
    hosts: tuple[str, ...] = ()
    plan_hash: str | None = None
    wave: str | None = None

    @property
    def data(self) -> dict[str, Any]:
        return {"by": self.by, "why": self.why}


def operate(rollout: Rollout, command: Command, now: float) -> tuple[Event, ...]:
    """The events that carry the command out; raises RolloutError when it makes no sense as the rollout stands."""
    if rollout.phase is RolloutPhase.SUPERSEDED:
        raise _refusal(
            f"The rollout {rollout.plan.spec.id} was superseded by {rollout.superseded_by}.", "Command that one."
        )
    if not command.why.strip():
        raise _refusal("No reason is given.", "Say why with `-e bootc_rollout_why=...`; it goes on record.")
    _check_meant(command)
    return VERBS[command.verb](rollout, command, now)


def _check_meant(command: Command) -> None:
    """An order that is narrowed to something it is not about would do more than whoever gave it wants."""
    if command.hosts and command.verb not in _ABOUT_DEVICES:
        raise _refusal(
            f"`{command.verb}` is about the whole rollout, and devices are named: {some(sorted(command.hosts))}.",
            "Use `exclude` to leave devices out, or give the order without bootc_rollout_hosts.",
        )
    for given, option, verbs in (
        (command.wave, "bootc_rollout_wave", _ABOUT_A_WAVE),
        (command.plan_hash, "bootc_rollout_plan_hash", _ABOUT_A_PLAN),
    ):
        if given is not None and command.verb not in verbs:
            raise _refusal(
                f"`{command.verb}` does not heed {option}, which is given as {given}.",
                f"Give the order without it; it is for {' and '.join(f'`{verb}`' for verb in sorted(verbs))}.",
            )


def _pause(rollout: Rollout, command: Command, now: float) -> tuple[Event, ...]:
    if rollout.phase is RolloutPhase.PAUSED:
        return ()
    if rollout.phase in STOPPED:
        raise _refusal(f"The rollout is {rollout.phase.value}, so nothing new starts anyway.", "There is no need to.")
    return (Event("paused", now, data=command.data),)


def _resume(rollout: Rollout, command: Command, now: float) -> tuple[Event, ...]:
    if rollout.phase in (RolloutPhase.RUNNING, RolloutPhase.COMPLETED):
        return ()
    if rollout.phase not in (RolloutPhase.PAUSED, RolloutPhase.HELD):
        raise _refusal(f"The rollout was {rollout.phase.value}, which is final.", _START_ANOTHER)
    return (Event("resumed", now, data=command.data),)


def _accept(rollout: Rollout, command: Command, now: float) -> tuple[Event, ...]:
    if rollout.phase is RolloutPhase.PAUSED:
        raise _refusal("The rollout is paused.", "`resume` it first, then accept the wave.")
    if rollout.phase not in (RolloutPhase.RUNNING, RolloutPhase.HELD):
        raise _refusal(f"The rollout is {rollout.phase.value}.", "Only an open wave can be accepted as it is.")
    index = next((i for i, wave in enumerate(rollout.waves) if wave.phase is WavePhase.OPEN), None)
    if index is None:
        raise _refusal("No wave is open.", "Use `resume` for a rollout that is held after its waves.")
    name = rollout.plan.waves[index].name
    if command.wave not in (None, name):
        raise _refusal(
            f"The wave {command.wave} is not open; {name} is.",
            f"Look at {name}, then accept it with `-e bootc_rollout_wave={name}`.",
        )
    busy = [d.host for d in rollout.in_wave(index) if d.device_class is DeviceClass.FLIGHT and d.at_risk]
    if busy:
        raise _refusal(
            f"Devices of the wave are in the middle of their update: {some(sorted(busy))}.",
            "Run the rollout once more, so that they come to an end, and look at them before you accept the wave.",
        )
    return (Event("accepted", now, wave=index, data=command.data),)


def _approve(rollout: Rollout, command: Command, now: float) -> tuple[Event, ...]:
    given = command.plan_hash or ""
    if len(given) < _ENOUGH_OF_A_HASH or not rollout.plan.hash.startswith(given):
        raise _refusal(
            "The approval is not for this plan, which has the hash "
            f"{rollout.plan.hash[:12]}{f' and not {given}' if given else ''}.",
            "Look at the plan, then give `-e bootc_rollout_plan_hash=` with the hash that it shows, or with its first "
            f"{_ENOUGH_OF_A_HASH} characters or more.",
        )
    if rollout.phase is RolloutPhase.PAUSED:
        raise _refusal("The rollout is paused.", "`resume` it first, then approve the wave.")
    wait = decide(rollout, now).wait
    if wait is None or wait.rule != "approval":
        raise _refusal("Nothing waits for an approval.", "Run the rollout; it says when something does.")
    index = next(i for i, wave in enumerate(rollout.waves) if wave.phase is not WavePhase.PASSED)
    _check_wave(rollout, command, rollout.plan.waves[index].name)
    return (Event("approved", now, wave=index, data={**command.data, "plan_hash": rollout.plan.hash}),)


def _check_wave(rollout: Rollout, command: Command, waiting: str) -> None:
    """The same command, given once more, must not approve the next wave, which nobody looked at yet."""
    if command.wave == waiting:
        return
    if command.wave is not None:
        raise _refusal(
            f"The wave {command.wave} does not wait for an approval; {waiting} does.",
            f"Look at {waiting}, then approve it with `-e bootc_rollout_wave={waiting}`.",
        )
    wanted = [wave.name for wave in rollout.plan.waves if wave.rules.approve != "never"]
    if len(wanted) > 1:
        raise _refusal(
            f"Which wave is approved is not said, and the plan wants it of {some(wanted)}.",
            f"{waiting} waits: look at it, then approve it with `-e bootc_rollout_wave={waiting}`.",
        )


def _cancel(rollout: Rollout, command: Command, now: float) -> tuple[Event, ...]:
    return _end(rollout, command, Event("canceled", now, data=command.data))


def _abort(rollout: Rollout, command: Command, now: float) -> tuple[Event, ...]:
    return _end(rollout, command, Event("aborted", now, data=command.data))


def _end(rollout: Rollout, command: Command, event: Event) -> tuple[Event, ...]:
    if rollout.phase in (RolloutPhase.CANCELED, RolloutPhase.ABORTED):
        if rollout.phase.value.startswith(command.verb):
            return ()
        raise _refusal(f"The rollout was {rollout.phase.value} already, which is final.", _START_ANOTHER)
    return (event,)


def _revert(rollout: Rollout, command: Command, now: float) -> tuple[Event, ...]:
    if not to_take_back(rollout):
        raise _refusal(
            "No device is on its release of which is known what it ran before.",
            "There is nothing to take back; `cancel` ends a rollout.",
        )
    if rollout.order is not None and rollout.order.verb == command.verb:
        return ()
    return (Event("reverting", now, data={**command.data, "successor": successor_of(rollout.plan.spec.id)}),)


def _exclude(rollout: Rollout, command: Command, now: float) -> tuple[Event, ...]:
    devices = _named(rollout, command)
    decided = [d.host for d in devices if d.device_class in (DeviceClass.SUCCEEDED, DeviceClass.CHARGED)]
    if decided:
        raise _refusal(
            f"These have their verdict, which stays: {some(sorted(decided))}.",
            "Exclude only devices that wait or are being updated; `resume` goes on in spite of failed ones.",
        )
    left = [d for d in devices if d.device_class in (DeviceClass.UNTOUCHED, DeviceClass.FLIGHT) and not d.excluded]
    return tuple(Event("excluded", now, device.host, data=command.data) for device in left)


def _retry(rollout: Rollout, command: Command, now: float) -> tuple[Event, ...]:
    if rollout.phase in OVER and rollout.phase is not RolloutPhase.COMPLETED:
        raise _refusal(f"The rollout was {rollout.phase.value}, which is final.", _START_ANOTHER)
    devices = _named(rollout, command)
    hopeless = [d.host for d in devices if not _may_be_retried(d) and d.device_class is not DeviceClass.UNTOUCHED]
    if hopeless:
        raise _refusal(
            f"There is nothing to try again on {some(sorted(hopeless))}.",
            "Retry only devices that failed, were rolled back or lost, were excluded, or could not be updated.",
        )
    return tuple(Event("retried", now, device.host, data=command.data) for device in devices if _may_be_retried(device))


def _may_be_retried(device: Device) -> bool:
    left_out = (DeviceState.EXCLUDED, DeviceState.INCOMPATIBLE)
    if device.device_class is DeviceClass.FLIGHT:
        return device.excluded
    return (device.device_class is DeviceClass.CHARGED and not device.taken_over) or device.state in left_out


def _named(rollout: Rollout, command: Command) -> list[Device]:
    if not command.hosts:
        raise _refusal("No device is named.", "Name them with `-e bootc_rollout_hosts=deck-01,deck-02`.")
    strangers = [host for host in command.hosts if host not in rollout.devices]
    if strangers:
        raise _refusal(
            f"The rollout {rollout.plan.spec.id} has no device {some(sorted(strangers))}.", "Use the names of its plan."
        )
    return [rollout.devices[host] for host in dict.fromkeys(command.hosts)]


VERBS: dict[str, Callable[[Rollout, Command, float], tuple[Event, ...]]] = {
    "pause": _pause,
    "resume": _resume,
    "approve": _approve,
    "accept": _accept,
    "abort": _abort,
    "cancel": _cancel,
    "revert": _revert,
    "retry": _retry,
    "exclude": _exclude,
}

_ABOUT_DEVICES = frozenset({"retry", "exclude"})
_ABOUT_A_WAVE = frozenset({"approve", "accept"})
_ABOUT_A_PLAN = frozenset({"approve"})

_ENOUGH_OF_A_HASH = 8
"""With fewer characters of it, an approval might be of a plan that somebody else looked at."""
_START_ANOTHER = "Plan another rollout under a new id."


def _refusal(cause: str, remedy: str) -> RolloutError:
    return RolloutError(cause, remedy, "not_applicable")
