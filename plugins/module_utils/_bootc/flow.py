# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one way in which a host is changed: lock, look, plan, run, look again, compare."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field, replace
from typing import Any, Callable

from .._device.command import Watch
from .._device.markers import RollbackMark, forget_rollbacks, read_rollbacks, remember_rollback
from .._errors import AlreadyDeployed, BootcError
from .client import Client, Resolution, machine_architecture
from .reference import Reference, check_digest, check_image, parse_reference
from .status import Status
from .transitions import (
    ROLLBACK,
    UNDEPLOY_STAGED,
    Command,
    Desired,
    History,
    Rollback,
    Switch,
    Transition,
    Update,
    fetches,
    found_in,
    found_nothing_new,
    how_to_boot,
    mismatch,
    plan,
    queued_here,
    same_content_note,
    undeploy_staged,
)

STATUS_SECONDS = 60.0
# A bootc that may hang: how often to look after it, with how much patience, and how long it may go on after its work.
WATCH_SECONDS = 15.0
WATCH_STATUS_SECONDS = 10.0
CLEAN_UP_SECONDS = 30.0

Warn = Callable[[str], None]


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
) -> Outcome:
    """Bring the host into the wanted state, or only predict it.

    ``make_desired`` turns the current state into the wish, with a note about what it could not find out. ``warn`` is
    told what does not keep the host from getting there. ``came_back_from`` is a digest that the host left for what it
    runs, if it is to stay there.
    """
    deadline = client.clock() + timeout
    with contextlib.nullcontext() if check_mode else client.hold(timeout):
        before = client.status(min(STATUS_SECONDS, timeout))
        desired, remark = make_desired(before) if before.is_bootc else (Update(), "")
        transition = plan(before, desired)
        notes = tuple(note for note in (transition.note, remark) if note)
        if check_mode:
            return Outcome(before, transition.predicted, transition, transition.commands, transition.changed, notes)
        if not transition.commands:
            _remember(lambda: _remember_what_was_found(before, desired, came_back_from), warn)
            return Outcome(before, before, transition, (), False, notes)
        # Before the command: afterwards may be too late, and a rollback that never happens does no harm.
        _remember(lambda: _remember_rollback(before, transition, desired), warn)
        outcome = _Change(client, before, desired, transition, notes, deadline).run()
        _remember(lambda: _forget_what_is_left_behind(outcome.after), warn)
        _remember(lambda: _remember_what_was_found(outcome.after, desired, came_back_from), warn)
        return outcome


def _remember(change: Callable[[], None], warn: Warn) -> None:
    try:
        change()
    except OSError as exc:
        # A full disk must not keep a device on a bad image.
        warn(
            f"The decision could not be remembered on the device ({exc}). A later rollback may take it to an image "
            "that was left on purpose."
        )


def _remember_rollback(before: Status, transition: Transition, desired: Desired) -> None:
    booted, rollback = before.booted, before.rollback
    if ROLLBACK not in transition.commands or booted is None or rollback is None:
        return
    if booted.digest is None or rollback.digest is None:
        return
    if isinstance(desired, Rollback) and desired.forward:
        forget_rollbacks(booted.digest, rollback.digest)
    elif transition.predicted.next_boot == "rollback":
        remember_rollback(RollbackMark.now(booted.digest, rollback.digest))
    elif queued_here(before, _history()):
        # Somebody changed their mind: that rollback never happened.
        forget_rollbacks(booted.digest, rollback.digest, only_last=True)
    else:
        # To stay is to have come back from where the boot loader fell back from.
        remember_rollback(RollbackMark.now(rollback.digest, booted.digest))


def _remember_what_was_found(status: Status, desired: Desired, came_back_from: str | None) -> None:
    """Ways back that are queued, or behind the host, without this collection having asked for them."""
    booted, rollback = status.booted, status.rollback
    if booted is None or booted.digest is None:
        return
    if came_back_from is not None and status.next_boot == "booted":
        _mark_once(came_back_from, booted.digest)
    meant = isinstance(desired, Rollback) and desired.repeat and not desired.forward
    if meant and status.next_boot == "rollback" and rollback is not None and rollback.digest is not None:
        _mark_once(booted.digest, rollback.digest)


def _mark_once(left: str, returned_to: str) -> None:
    between = [mark for mark in _history() if set(mark) == {left, returned_to}]
    if not between or between[-1] != (left, returned_to):
        remember_rollback(RollbackMark.now(left, returned_to))


def _forget_what_is_left_behind(after: Status) -> None:
    """A device that is taken forward on purpose is no longer one that came back from there."""
    booted, staged = after.booted, after.staged
    if after.next_boot != "staged" or booted is None or staged is None:
        return
    if booted.digest is not None and staged.digest is not None:
        forget_rollbacks(booted.digest, staged.digest)


def _history() -> History:
    return tuple((mark.left, mark.returned_to) for mark in read_rollbacks())


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


def wish_to_switch(
    client: Client,
    image: str,
    *,
    transport: str = "registry",
    enforce_signature: bool = False,
    retain: bool = False,
    accept_digests: tuple[str, ...] = (),
) -> Callable[[Status], tuple[Switch, str]]:
    """Check the wish now; find out, once the state is known, which content it stands for."""
    target = check_image(image, transport)
    reference = parse_reference(image) if transport == "registry" else None
    given = frozenset(check_digest(digest) for digest in accept_digests)
    pinned_digest = reference.digest if reference is not None else None
    accept = given | {pinned_digest} if pinned_digest else given
    wish = Switch(
        target, transport, enforce_signature, retain, accept, next(iter(accept)) if len(accept) == 1 else None
    )

    def make(status: Status) -> tuple[Switch, str]:
        if reference is None or not _needs_resolution(status, wish, reference):
            return wish, ""
        resolution, remark = _resolve(client, reference, status)
        if resolution is None:
            # A host never reports the digest of an index, which the given one may be.
            return replace(wish, digest=None), remark
        if reference.digest is None and wish.accept and not wish.accept & resolution.digests:
            # The tag moved away from what is wanted; its new content must not become acceptable by that.
            raise BootcError(
                "not_found",
                f"{reference.name} holds {resolution.digest} now, which is none of the accepted digests",
                f"Name the wanted content itself, as {reference.repository}@sha256:..., or accept what the tag holds",
            )
        return (
            replace(
                wish,
                accept=wish.accept | resolution.digests,
                digest=_reported_digest(resolution, status),
                by_name=not wish.accept,
            ),
            "",
        )

    return make


def _needs_resolution(status: Status, wish: Switch, reference: Reference) -> bool:
    if not wish.accept:
        spec = status.spec_image
        return spec is None or (spec.image, spec.transport) != (wish.image, wish.transport)
    if reference.digest is None:
        # What the tag holds may have moved away from what is accepted. bootc would fetch it all the same.
        return _would_fetch(status, wish)
    if any(slot.digest in wish.accept for slot in status.slots()):
        return False
    # The digest may be that of an index, which a host never reports.
    return status.reports_config_digests or len(wish.accept) == 1


def _would_fetch(status: Status, wish: Switch) -> bool:
    try:
        return any(fetches(command) for command in plan(status, wish).commands)
    except BootcError:
        return False


def wish_to_update(client: Client, park: bool, repeat: bool = False) -> Callable[[Status], tuple[Update, str]]:
    """Find out what the tracked image holds now."""

    def make(status: Status) -> tuple[Update, str]:
        wish = Update(park, repeat=repeat, history=_history())
        spec = status.spec_image
        if spec is None or spec.transport != "registry" or "@" in spec.image:
            return wish, ""
        resolution, remark = _resolve(client, parse_reference(spec.image), status)
        if resolution is None:
            return wish, remark
        return replace(wish, accept=resolution.digests, digest=_reported_digest(resolution, status)), ""

    return make


def _reported_digest(resolution: Resolution, status: Status) -> str | None:
    """The digest the host will report for this content."""
    return resolution.config_digest if status.reports_config_digests else resolution.platform_digest


def _resolve(client: Client, reference: Reference, status: Status) -> tuple[Resolution | None, str]:
    architecture = status.booted.architecture if status.booted else None
    try:
        resolution = client.resolve(reference, architecture or machine_architecture(), status.reports_config_digests)
    except BootcError as exc:
        # bootc itself is the judge of what can be pulled; it will say so with the same cause.
        return None, f"What {reference.name} holds could not be looked up beforehand ({exc.kind}: {exc.message})"
    if _reported_digest(resolution, status) is None:
        return None, f"{reference.name} holds nothing for the architecture of this device, or does not say so"
    return resolution, ""


def wish_to_roll_back(
    discard_staged: bool, repeat: bool, forward: bool = False
) -> Callable[[Status], tuple[Rollback, str]]:
    """Take along what the device remembers."""

    def make(_status: Status) -> tuple[Rollback, str]:
        return Rollback(discard_staged, repeat, forward, _history()), ""

    return make
