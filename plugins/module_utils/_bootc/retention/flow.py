# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a host comes to keep what it should: lock, look, plan, run, look again, compare."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass, field, replace
from typing import Any, Callable

from ..._device.command import CommandTimeout, CommandUnusable
from ..._device.facts.storage import Space, Storage, read_storage
from ..._device.markers import read_rollbacks
from ..._device.pins import Pin, read_pins, write_pins
from ..._device.root import is_simulated
from ..._errors import BootcError
from ..client import STATUS_SECONDS, Client
from ..memory import Warn
from ..status import OSTREE, Status
from ..transitions import came_back, not_bootc
from .commands import (
    PROBE,
    Command,
    can_probe,
    collect_command,
    delete_command,
    pin_command,
    undeploy_command,
    unpin_command,
)
from .listing import index_of, list_deployments
from .model import HAND, Deployment, Host, build_host, predicted_status
from .plan import CLAIM, COLLECT, PIN, REMOVE, Plan, Step, Wish, apply_step, check_wish, plan

# What a running system frees and fills by itself within seconds. Less than this is no work of a collection.
NOISE_BYTES = 1_000_000


@dataclass(frozen=True)
class Seen:
    """A host at one moment: its status, its deployments with who pinned them, and the room on its file systems."""

    status: Status
    host: Host
    storage: Storage


@dataclass(frozen=True)
class Outcome:
    """What became of a wish. ``after`` is what was predicted, in check mode."""

    before: Seen
    after: Seen
    commands: tuple[Command, ...]
    changed: bool
    notes: tuple[str, ...]

    @property
    def freed_bytes(self) -> int | None:
        return _freed(self.before.storage.system, self.after.storage.system)

    @property
    def boot_freed_bytes(self) -> int | None:
        return _freed(self.before.storage.kernels, self.after.storage.kernels)


def _freed(before: Space | None, after: Space | None) -> int | None:
    if before is None or after is None or before.free is None or after.free is None:
        return None
    return after.free - before.free


def retain(
    client: Client,
    wish: Wish,
    timeout: float,
    *,
    check_mode: bool = False,
    warn: Warn = lambda _text: None,
) -> Outcome:
    """Have the host keep what is wished, or only predict it."""
    check_wish(wish)
    deadline = client.clock() + timeout
    with contextlib.nullcontext() if check_mode else client.hold(timeout):
        before = look(client, min(STATUS_SECONDS, timeout))
        garbage = _find_garbage(client, before, wish, deadline)
        if garbage is False:
            wish = replace(wish, collect_garbage=False)
        planned = plan(before.host, wish, came_back=_came_back(before.status))
        predicted = _predicted_commands(before, planned)
        _refuse_read_only(before.status, planned)
        if check_mode:
            return _prediction(before, planned, predicted, garbage)
        return _Work(client, before, planned, garbage, deadline, warn).do()


def look(client: Client, seconds: float) -> Seen:
    """The host as it is now."""
    status = client.status(seconds)
    if not status.is_bootc:
        raise not_bootc()
    listing = list_deployments(client.run, seconds) if status.backend == OSTREE else None
    pins = {pin.deployment: pin.by for pin in read_pins()}
    storage = read_storage(client.run, kernels_on_esp=status.kernels_on_esp)
    return Seen(status, build_host(status, listing, pins), storage)


def _came_back(status: Status) -> bool:
    """Whether the host remembers that it came from the rollback deployment to what it runs, and not the other way."""
    booted, rollback = status.booted, status.rollback
    if booted is None or rollback is None:
        return False
    return came_back(rollback.content, booted.content, read_rollbacks())


def _find_garbage(client: Client, seen: Seen, wish: Wish, deadline: float) -> bool | None:
    """Whether there is something to collect, None where nobody can tell without collecting."""
    if not (wish.collect_garbage and can_probe(seen.status)):
        return None
    try:
        return client.run(PROBE, max(deadline - client.clock(), 1.0)).rc != 0
    except (CommandUnusable, CommandTimeout):
        return None


def _refuse_read_only(status: Status, planned: Plan) -> None:
    if planned.steps and status.read_only:
        raise BootcError(
            "read_only",
            "The system runs from a read-only medium, such as a live image, and cannot be changed",
            "Install it to a disk first",
        )


def _command(status: Status, step: Step, index: Callable[[Deployment], int]) -> Command | None:
    """The command of a step, None where the device only has to remember. ``index`` is only asked on ostree."""
    entry = step.deployment
    if step.action == COLLECT:
        return collect_command(status)
    if entry is None or step.action == CLAIM:
        return None
    if step.action == REMOVE:
        return undeploy_command(index(entry)) if status.backend == OSTREE else delete_command(status, entry.id)
    return pin_command(index(entry)) if step.action == PIN else unpin_command(index(entry))


def _predicted_commands(before: Seen, planned: Plan) -> tuple[Command, ...]:
    """What the steps will be on this host, its numbers shifting with each; refuses what its bootc cannot do."""
    host, commands = before.host, []
    for step in planned.steps:
        commands.append(_command(before.status, step, host.position))
        host = apply_step(host, step)
    return tuple(command for command in commands if command is not None)


def _prediction(before: Seen, planned: Plan, commands: tuple[Command, ...], garbage: bool | None) -> Outcome:
    notes = planned.notes
    if planned.collects and garbage is None and not planned.removes:
        notes += ("Whether there is anything to collect shows only when bootc does it",)
    after = Seen(predicted_status(before.status, planned.predicted), planned.predicted, before.storage)
    changed = planned.predicted != before.host or (planned.collects and garbage is True)
    return Outcome(before, after, commands, changed, notes)


@dataclass
class _Work:
    """A plan that is being carried out."""

    client: Client
    before: Seen
    planned: Plan
    garbage: bool | None
    deadline: float
    warn: Warn
    ran: list[Command] = field(default_factory=list)

    def do(self) -> Outcome:
        if not self.planned.steps:
            self._forget_what_is_gone(self.before.host)
            return Outcome(self.before, self.before, (), False, self.planned.notes)
        self._remember()
        try:
            for step in self.planned.steps:
                self._execute(step)
            if not is_simulated():
                os.sync()  # some file systems free what was removed only when they write
            after = look(self.client, STATUS_SECONDS)
        except BootcError as exc:
            raise self._failed(exc) from exc
        self._forget_what_is_gone(after.host)
        self._judge(after)
        outcome = Outcome(self.before, after, tuple(self.ran), True, self.planned.notes)
        collected = self.planned.collects and (self.garbage is True or (outcome.freed_bytes or 0) >= NOISE_BYTES)
        return replace(outcome, changed=after.host != self.before.host or collected)

    def _execute(self, step: Step) -> None:
        remaining = self.deadline - self.client.clock()
        if remaining <= 0:
            raise BootcError(
                "timeout",
                f"No time was left for the step '{step.action}', which was not started",
                "Raise the timeout, in which everything the task does on the device has to end",
            )
        command = _command(self.before.status, step, self._index)
        if command is not None:
            self.ran.append(command)
            self.client.execute(command, remaining)

    def _index(self, entry: Deployment) -> int:
        """The number of a deployment right now: numbers shift, also when somebody else stages an image meanwhile."""
        listing = list_deployments(self.client.run, STATUS_SECONDS)
        index = index_of(listing, entry.id, entry.stateroot)
        if index is None:
            raise BootcError(
                "unexpected",
                f"The deployment {entry.id} is gone, and nothing was done in its place",
                "Look for what else changes the device, such as an update timer, and run again",
            )
        return index

    def _remember(self) -> None:
        """Before pinning: a pin that is not remembered counts as a person's, and would never go again."""
        if not any(step.action in (PIN, CLAIM) for step in self.planned.steps):
            return
        try:
            write_pins(_pins(self.before.host, self.planned.predicted))
        except OSError as exc:
            raise BootcError(
                "unexpected",
                f"Which pins are to be set could not be remembered on the device ({exc}); nothing was done",
                "Make room in /var, and make it writable",
            ) from exc

    def _forget_what_is_gone(self, host: Host) -> None:
        pins = _pins(host)
        if pins == read_pins():
            return
        try:
            write_pins(pins)
        except OSError as exc:
            self.warn(f"The device remembers pins that are gone, as its memory could not be written ({exc})")

    def _judge(self, after: Seen) -> None:
        expected = {(entry.stateroot, entry.id): entry for entry in self.planned.predicted.deployments}
        found = {(entry.stateroot, entry.id): entry for entry in after.host.deployments}
        wrong = sorted(
            f"{key[1]} is {_what(found.get(key))} instead of {_what(expected.get(key))}"
            for key in {*expected, *found}
            if _what(found.get(key)) != _what(expected.get(key))
        )
        if wrong:
            raise BootcError(
                "unexpected",
                f"The commands succeeded, but {'; '.join(wrong)}",
                "Look for what else changes the device, such as an update timer, and run again",
                command=self.ran[-1] if self.ran else (),
                data={**self._states(), "deployments": after.host.as_list(), "bootc": after.status.as_dict()},
            )

    def _failed(self, error: BootcError) -> BootcError:
        """Add the state the host is in now, so that nobody has to log in to find out."""
        for name, value in self._states().items():
            error.data.setdefault(name, value)
        with contextlib.suppress(BootcError):
            now = look(self.client, STATUS_SECONDS)
            error.data["deployments"] = now.host.as_list()
            error.data["bootc"] = now.status.as_dict()
        return error

    def _states(self) -> dict[str, Any]:
        return {
            "deployments_before": self.before.host.as_list(),
            "predicted": self.planned.predicted.as_list(),
            "commands": [list(command) for command in self.ran],
        }


def _what(entry: Deployment | None) -> str:
    return "gone" if entry is None else "pinned" if entry.pinned else "not pinned"


def _pins(*hosts: Host) -> tuple[Pin, ...]:
    """The own pins of these states of a host, each with the time it was first remembered. The later state counts."""
    wanted: dict[str, Deployment] = {}
    for host in hosts:
        wanted.update({each.id: each for each in host.own if each.pinned_by not in (None, HAND)})
    known = {pin.deployment: pin for pin in read_pins()}
    return tuple(_pin(entry, known.get(entry.id)) for entry in wanted.values())


def _pin(entry: Deployment, known: Pin | None) -> Pin:
    by = entry.pinned_by or ""
    return known if known is not None and known.by == by else Pin.now(entry.id, entry.digest, by)


def as_result(outcome: Outcome, check_mode: bool) -> dict[str, Any]:
    """What the module returns."""
    before, after = outcome.before, outcome.after
    return {
        "changed": outcome.changed,
        "bootc": after.status.as_dict(),
        "deployments": after.host.as_list(),
        "deployments_before": before.host.as_list(),
        "space_before": before.storage.of_deployments(),
        "space": after.storage.of_deployments(),
        "freed_bytes": None if check_mode else outcome.freed_bytes,
        "boot_freed_bytes": None if check_mode else outcome.boot_freed_bytes,
        "commands": [list(command) for command in outcome.commands],
        "notes": list(outcome.notes),
        "diff": {"before": _shown(before.host), "after": _shown(after.host)},
    }


def _shown(host: Host) -> dict[str, Any]:
    """Deployments by identity, so that a diff shows what is gone and what is pinned."""
    return {
        entry.id: {"slot": entry.slot, "version": entry.version, "digest": entry.digest, "pinned_by": entry.pinned_by}
        for entry in host.deployments
    }
