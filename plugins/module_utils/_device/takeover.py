# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Take updaters over, and give them back as they were: what has to be done for it. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Iterable, Sequence

from .._errors import BootcError
from .state_file import DISABLE, LEFT, MASK, Former, Memory
from .units import UnitState

_ENABLED = ("enabled", "enabled-runtime")
_RUNTIME_MASK = "masked-runtime"


@dataclass(frozen=True)
class Plan:
    """Commands in their order, the units as they are to be then, and what is to be remembered from before them on.

    ``running`` are services that are at work and were not to be stopped; ``notes`` are sentences for people.
    """

    commands: tuple[tuple[str, ...], ...] = ()
    predicted: tuple[UnitState, ...] = ()
    memory: Memory = field(default_factory=dict)
    running: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def plan_control(units: Sequence[UnitState], memory: Memory, *, stop_running: bool, boot_id: str | None) -> Plan:
    """Stop and mask what can start an update. Raises BootcError for a unit that cannot be taken over.

    A timer is stopped before it is masked: systemd calls one failed whose file went away under it.
    """
    remembered = dict(memory)
    stop: list[str] = []
    mask: list[str] = []
    disable: list[str] = []
    running: list[str] = []
    notes: list[str] = []
    predicted = []
    for unit in units:
        after = unit
        if unit.exists and unit.runs and unit.is_service and not stop_running:
            running.append(unit.name)
        elif unit.exists:
            method = _method(unit)
            to_mask = method == MASK and (not unit.masked or unit.file_state == _RUNTIME_MASK)
            if (unit.runs or to_mask or method == DISABLE) and unit.name not in remembered:
                remembered[unit.name] = Former(unit.file_state, unit.runs, method, boot_id)
            if unit.runs:
                stop.append(unit.name)
                after = replace(after, active="inactive")
            if to_mask:
                mask.append(unit.name)
                after = replace(after, load="masked", file_state="masked")
            elif method == DISABLE:
                disable.append(unit.name)
                after = replace(after, file_state="disabled")
            elif method == LEFT and unit.file_state != "disabled":
                notes.append(
                    f"{unit.name} has its file in /etc and is {unit.file_state or 'unknown'}: it can be stopped, but "
                    "not be kept from being started by others"
                )
        predicted.append(after)
    if running:
        notes.append(
            f"{', '.join(running)} is at work and was not stopped; it is taken over when it has ended, or with "
            "stop_running=true"
        )
    commands = _commands(("stop", stop), ("mask", mask), ("disable", disable))
    return Plan(commands, tuple(predicted), remembered, tuple(running), tuple(notes))


def _method(unit: UnitState) -> str:
    if unit.linked:
        raise BootcError(
            "invalid",
            f"{unit.name} is a link in /etc/systemd/system to a file elsewhere, which cannot be masked and would be "
            "gone when disabled",
            "Disable it by hand, or name it in leave",
        )
    if not unit.local:
        return MASK
    # A unit of the administrator's own, whose file is where the mask would have to be.
    return DISABLE if unit.file_state in _ENABLED else LEFT


def plan_release(units: Sequence[UnitState], memory: Memory, boot_id: str | None) -> Plan:
    """Undo what was done to the units that are remembered, and nothing else. ``units`` are those, as they are now."""
    unmask: list[str] = []
    mask_again: list[str] = []
    enable: list[str] = []
    enable_until_reboot: list[str] = []
    start: list[str] = []
    predicted = []
    for unit in units:
        former = memory[unit.name]
        after = unit
        if former.method == MASK and unit.masked:
            unmask.append(unit.name)
            after = replace(after, load="loaded", file_state=former.file_state)
        elif former.method == DISABLE and unit.file_state == "disabled":
            (enable if former.file_state == "enabled" else enable_until_reboot).append(unit.name)
            after = replace(after, file_state=former.file_state)
        if former.file_state == _RUNTIME_MASK and unit.masked:
            after = replace(after, load="masked" if former.boot_id == boot_id else "loaded")
            if former.boot_id == boot_id:  # a reboot would have removed such a mask
                mask_again.append(unit.name)
        elif former.active and not unit.runs and restarts(unit, former):
            start.append(unit.name)
            after = replace(after, active="active")
        predicted.append(after)
    commands = _commands(
        ("unmask", unmask),
        ("enable", enable),
        ("enable --runtime", enable_until_reboot),
        ("mask --runtime", mask_again),
        ("start", start),
    )
    return Plan(commands, tuple(predicted), {})


def restarts(unit: UnitState, former: Former) -> bool:
    """Whether a unit that was active is started again: not a service that a timer started, as that would update now."""
    return not unit.is_service or former.file_state in _ENABLED


def still_there(commands: Iterable[tuple[str, ...]], units: Sequence[UnitState]) -> tuple[tuple[str, ...], ...]:
    """Commands without the units that turned out to be gone when their masks were: an update may have removed them."""
    gone = {unit.name for unit in units if not unit.exists}
    left = []
    for command in commands:
        split = command.index("--") + 1
        names = tuple(name for name in command[split:] if name not in gone)
        if names:
            left.append((*command[:split], *names))
    return tuple(left)


def _commands(*verbs: tuple[str, Sequence[str]]) -> tuple[tuple[str, ...], ...]:
    return tuple(("systemctl", *verb.split(), "--", *names) for verb, names in verbs if names)


def uncontrolled(plan: Plan, seen: Sequence[UnitState]) -> tuple[str, ...]:
    """Units that are not what they were to be after taking them over."""
    pairs = zip(plan.predicted, seen)
    return tuple(now.name for want, now in pairs if (want.masked and not now.masked) or (now.runs and not want.runs))
