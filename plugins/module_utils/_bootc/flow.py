# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one way in which a host is changed: lock, look, plan, run, look again, compare."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from typing import Any, Callable

from .._device.command import Watch
from .._device.fence import Fence, check_fence, end_claim, must_take_claim, take_claim, who_holds
from .._errors import AlreadyDeployed, BootcError
from .client import STATUS_SECONDS, Client
from .memory import Warn, forget_what_is_left_behind, remember, remember_plan, remember_what_was_found
from .status import Status
from .transitions import (
    UNDEPLOY_STAGED,
    Command,
    Desired,
    Rollback,
    Transition,
    Update,
    fetches,
    found_in,
    found_nothing_new,
    how_to_boot,
    mismatch,
    plan,
    same_content_note,
    undeploy_staged,
)

# A bootc that may hang: how often to look after it, with how much patience, and how long it may go on after its work.
WATCH_SECONDS = 15.0
WATCH_STATUS_SECONDS = 10.0
CLEAN_UP_SECONDS = 30.0


@dataclass(frozen=True)
class Outcome:
    """What became of a wish.

    ``same_content`` names the deployment that has the wanted content under another digest, and boots next.
    """

    before: Status
    after: Status
    transition: Transition
    commands: tuple[Command, ...]
    changed: bool
    notes: tuple[str, ...]
    same_content: str | None = None


def carry_out(
    client: Client,
    make_desired: Callable[[Status], tuple[Desired, str]],
    timeout: float,
    *,
    check_mode: bool = False,
    warn: Warn = lambda _text: None,
    came_back_from: str | None = None,
    fence: Fence | None = None,
) -> Outcome:
    """Bring the host into the wanted state, or only predict it.

    ``make_desired`` turns the current state into the wish, with a note about what it could not find out. ``warn`` is
    told what does not keep the host from getting there. ``came_back_from`` is a digest that the host left for what it
    runs, if it is to stay there. ``fence`` is the rollout on whose behalf this is done.
    """
    deadline = client.clock() + timeout
    client.lookup_seconds = min(client.lookup_seconds, timeout)
    with contextlib.nullcontext() if check_mode else client.hold(timeout):
        if fence is not None:
            check_fence(fence)
        before = client.status(min(STATUS_SECONDS, timeout))
        desired, remark = make_desired(before) if before.is_bootc else (Update(), "")
        transition = plan(before, desired)
        notes = tuple(note for note in (transition.note, remark) if note)
        if check_mode:
            return Outcome(before, transition.predicted, transition, transition.commands, transition.changed, notes)
        _claim(fence, desired, warn)
        if not transition.commands:
            remember(lambda: remember_what_was_found(before, desired, came_back_from), warn)
            _end(fence, warn)
            return Outcome(before, before, transition, (), False, notes)
        # Before the command: afterwards may be too late, and a rollback that never happens does no harm.
        remember(lambda: remember_plan(before, transition, desired), warn)
        outcome = _Change(client, before, desired, transition, notes, deadline).run()
        remember(lambda: forget_what_is_left_behind(outcome.after), warn)
        remember(lambda: remember_what_was_found(outcome.after, desired, came_back_from), warn)
        _end(fence, warn)
        return outcome


def _claim(fence: Fence | None, desired: Desired, warn: Warn) -> None:
    """Before anything is changed. Going back does not wait for a disk that is full."""
    goes_back = isinstance(desired, Rollback) and not desired.forward
    if fence is None:
        held = who_holds()
        if held is not None:
            warn(held)
    elif goes_back or fence.ends:
        _note(lambda: take_claim(fence), warn)
    else:
        must_take_claim(fence)


def _end(fence: Fence | None, warn: Warn) -> None:
    if fence is not None and fence.ends:
        _note(lambda: end_claim(fence), warn)


def _note(change: Callable[[], None], warn: Warn) -> None:
    try:
        change()
    except OSError as exc:
        warn(f"Which rollout holds this device could not be noted on it ({exc}); another controller may not be told")


@dataclass
class _Change:
    """Commands that are being run, and what is made of the state they leave."""

    client: Client
    before: Status
    desired: Desired
    transition: Transition
    notes: tuple[str, ...]
    deadline: float
    ran: list[Command] = field(default_factory=list)

    def run(self) -> Outcome:
        end = None
        for command in self.transition.commands:
            try:
                self._execute(command)
            except BootcError as exc:
                was_last = len(self.ran) == len(self.transition.commands)
                if not was_last or not (exc.kind == "timeout" or isinstance(exc, AlreadyDeployed)):
                    raise self._failed(exc) from exc
                end = exc
        after = self._look_again()
        if isinstance(end, AlreadyDeployed):
            return self._already_there(end, after)
        return self._judge(after, end)

    def _execute(self, command: Command) -> None:
        remaining = self.deadline - self.client.clock()
        if remaining <= 0:
            raise BootcError(
                "timeout",
                f"No time was left for {' '.join(command)}, which was not started",
                "Raise the timeout, in which everything the task does on the device has to end",
            )
        if command == UNDEPLOY_STAGED:
            command = self._undeploy_staged(remaining)
        self.ran.append(command)
        may_hang = self.before.may_hang_after_staging and fetches(command)
        self.client.execute(command, remaining, Watch(WATCH_SECONDS, self._long_done()) if may_hang else None)

    def _long_done(self) -> Callable[[], bool]:
        """Tell whether the command has done its work, and had time to clean up since."""
        done_since: float | None = None

        def long_done() -> bool:
            nonlocal done_since
            try:
                now = self.client.status(WATCH_STATUS_SECONDS)
            except BootcError:
                return False
            if now.staged in (None, self.before.staged) or mismatch(self.transition, self.before, now) is not None:
                done_since = None
                return False
            done_since = self.client.clock() if done_since is None else done_since
            return self.client.clock() - done_since >= CLEAN_UP_SECONDS

        return long_done

    def _undeploy_staged(self, remaining: float) -> Command:
        """Deployments shift: where the staged one is gone, its index is that of another."""
        staged, seconds = self.before.staged, min(STATUS_SECONDS, remaining)
        listed = self.client.ostree_deployments(seconds)
        if listed is not None:
            command = undeploy_staged(listed, staged)
        else:
            command = UNDEPLOY_STAGED if self.client.status(seconds).staged == staged else None
        if command is None:
            raise BootcError(
                "unexpected",
                "What was staged is not staged any more, and nothing else was dropped in its place",
                "Look for what else changes the device, such as an update timer, and run again",
            )
        return command

    def _look_again(self) -> Status:
        try:
            return self.client.status(STATUS_SECONDS)
        except BootcError as exc:
            exc.message = f"The commands were run, but what became of them could not be read: {exc.message}"
            exc.data.update(self._states(None))
            raise

    def _judge(self, after: Status, ended_late: BootcError | None) -> Outcome:
        difference = mismatch(self.transition, self.before, after)
        if ended_late is not None:
            # Some releases stage an image and then never end: what counts is what is staged.
            idle = after == self.before or found_nothing_new(self.transition, self.before, after)
            if difference is not None or idle:
                raise self._failed(ended_late)
            return self._done(after, "bootc did not end in time although it had done its work, and was stopped")
        if difference is None:
            return self._done(after)
        if found_nothing_new(self.transition, self.before, after):
            return self._nothing_new(after)
        raise self._error(
            "unexpected",
            f"bootc reported success, but {difference}",
            "Compare 'predicted' and 'bootc' in this result; run again if the image was published meanwhile",
            after,
        )

    def _already_there(self, refused: AlreadyDeployed, after: Status) -> Outcome:
        """The host has the content under another digest. Where that boots next, nobody can want more."""
        slot = refused.slot
        if slot in ("booted", "staged") and slot == after.next_boot:
            return self._done(after, same_content_note(slot), slot)
        refused.remedy = how_to_boot(slot, after)
        refused.data.update(self._states(after))
        raise refused

    def _nothing_new(self, after: Status) -> Outcome:
        """Newer content was announced under a new digest, but bootc has this content already."""
        slot = found_in(after)
        if isinstance(self.desired, Update):
            note = "bootc finds the newest content the same as what the host has already, and staged nothing"
            return self._done(after, note, slot)
        if slot is not None and slot == after.next_boot:
            return self._done(after, same_content_note(slot), slot)
        raise self._error(
            "already_deployed",
            "bootc finds this content the same as that of a deployment it has, which does not boot next",
            how_to_boot(slot, after),
            after,
        )

    def _done(self, after: Status, note: str = "", same_content: str | None = None) -> Outcome:
        notes = (*self.notes, note) if note else self.notes
        changed = after != self.before
        return Outcome(self.before, after, self.transition, tuple(self.ran), changed, notes, same_content)

    def _error(self, kind: str, message: str, remedy: str, after: Status) -> BootcError:
        return BootcError(kind, message, remedy, command=self.ran[-1], data=self._states(after))

    def _failed(self, error: BootcError) -> BootcError:
        """Add the state the host is in now, so that nobody has to log in to find out."""
        error.data.update(self._states(None))
        with contextlib.suppress(BootcError):
            error.data["bootc"] = self.client.status(STATUS_SECONDS).as_dict()
        return error

    def _states(self, after: Status | None) -> dict[str, Any]:
        states: dict[str, Any] = {
            "before": self.before.as_dict(),
            "predicted": self.transition.predicted.as_dict(),
            "commands": [list(command) for command in self.ran],
        }
        return states if after is None else {**states, "bootc": after.as_dict()}
