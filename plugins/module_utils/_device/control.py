# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Have the updaters of this device in the wanted state: read, plan, remember, change, look again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Sequence

from .._errors import BootcError
from . import state_file
from .boot import boot_id
from .command import Run
from .takeover import Plan, plan_control, plan_release, still_there, uncontrolled
from .units import UnitState, read_units, systemctl
from .updaters import KNOWN, WHY

CONTROLLED = "controlled"
RELEASED = "released"
NEEDS_A_UNIT = ("enable", "start")
"""Verbs that fail for a unit which turns out to be gone once its mask is."""


@dataclass(frozen=True)
class Wanted:
    """``more`` are units besides the known ones, ``leave`` those that are none of our business."""

    state: str
    more: tuple[str, ...] = ()
    leave: tuple[str, ...] = ()
    stop_running: bool = False

    @property
    def units(self) -> tuple[str, ...]:
        """All units to take over, timers before the services they start."""
        names = (*(name for known in KNOWN for name in known.units), *self.more)
        return tuple(dict.fromkeys(name for name in names if name not in self.leave))


def carry_out(wanted: Wanted, run: Run, timeout: float, *, check_mode: bool) -> dict[str, Any]:
    """The result of a task; each call of systemctl may take ``timeout`` seconds."""
    memory = state_file.read()
    control = wanted.state == CONTROLLED
    before = read_units(run, wanted.units if control else tuple(sorted(memory)), timeout)
    if control:
        plan = plan_control(before, memory, stop_running=wanted.stop_running, boot_id=boot_id())
    else:
        plan = plan_release(before, memory, boot_id())
    forgets = not control and bool(memory)
    after = plan.predicted
    commands = plan.commands
    if not check_mode and (commands or forgets):
        after, commands = _change(plan, before, control, run, timeout)
    return {
        "changed": bool(plan.commands) or forgets,
        "units": [_told(was, now) for was, now in zip(before, after)],
        "running": list(plan.running),
        "commands": [list(command) for command in commands],
        "notes": list(plan.notes),
        "diff": {"before": _states(before), "after": _states(after)},
    }


def _change(
    plan: Plan, before: Sequence[UnitState], control: bool, run: Run, timeout: float
) -> tuple[tuple[UnitState, ...], tuple[tuple[str, ...], ...]]:
    names = [unit.name for unit in before]
    if control:
        state_file.write(plan.memory)  # before anything is changed: nobody could tell afterwards what was there
        for command in plan.commands:
            systemctl(run, command, timeout)
        after = read_units(run, names, timeout)
        _check(plan, after)
        return after, plan.commands
    done: list[tuple[str, ...]] = []
    for command in plan.commands:
        present = [command]
        if command[1] in NEEDS_A_UNIT:
            present = list(still_there((command,), read_units(run, names, timeout)))
        for each in present:
            systemctl(run, each, timeout)
        done += present
    state_file.write({})
    return read_units(run, names, timeout), tuple(done)


def _check(plan: Plan, after: Sequence[UnitState]) -> None:
    wrong = uncontrolled(plan, after)
    if wrong:
        raise BootcError(
            "unexpected",
            f"systemd did as it was told, but this is not as it should be: {', '.join(wrong)}",
            "Look at 'systemctl status' of it on the device: something else may have started it again",
            data={"units": [_told(want, now) for want, now in zip(plan.predicted, after)]},
        )


def _told(was: UnitState, now: UnitState) -> dict[str, Any]:
    return {
        "unit": was.name,
        "exists": now.exists,
        "controlled": now.exists and not now.runs and (now.masked or now.local),
        "before": was.as_dict(),
        "after": now.as_dict(),
        "why": WHY.get(was.name),
    }


def _states(units: Sequence[UnitState]) -> dict[str, Any]:
    return {unit.name: unit.as_dict() for unit in units if unit.exists}
