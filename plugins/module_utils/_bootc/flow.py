# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one way in which a host is changed: lock, look, plan, run, look again, compare."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, replace
from typing import Callable

from .._device.markers import RollbackMark, read_rollbacks, remember_rollback
from .client import Client, Resolution, machine_architecture
from .errors import BootcError
from .reference import Reference, check_digest, check_image, parse_reference
from .status import Status
from .transitions import ROLLBACK, Desired, Rollback, Switch, Transition, Update, mismatch, plan

LOCK_WAIT_SECONDS = 60.0
STATUS_SECONDS = 60.0

Prepare = Callable[[Status, Transition], None]


@dataclass(frozen=True)
class Outcome:
    """What became of a wish."""

    before: Status
    after: Status
    transition: Transition
    changed: bool
    notes: tuple[str, ...]

    @property
    def commands(self) -> list[list[str]]:
        return [list(command) for command in self.transition.commands]


def carry_out(
    client: Client,
    make_desired: Callable[[Status], tuple[Desired, str]],
    timeout: float,
    check_mode: bool = False,
    prepare: Prepare | None = None,
) -> Outcome:
    """Bring the host into the wanted state, or only predict it.

    ``make_desired`` turns the current state into the wish, with a note about what it could not find out. ``prepare``
    is called right before the first command.
    """
    deadline = client.clock() + timeout
    with contextlib.nullcontext() if check_mode else client.lock(min(LOCK_WAIT_SECONDS, timeout)):
        before = client.status(min(STATUS_SECONDS, timeout))
        desired, remark = make_desired(before) if before.is_bootc else (Update(), "")
        transition = plan(before, desired)
        notes = tuple(note for note in (transition.note, remark) if note)
        if check_mode or not transition.commands:
            return Outcome(before, transition.predicted, transition, transition.changed, notes)
        if prepare is not None:
            prepare(before, transition)
        return _run(client, before, transition, notes, deadline)


def _run(client: Client, before: Status, transition: Transition, notes: tuple[str, ...], deadline: float) -> Outcome:
    ended_late = None
    for command in transition.commands:
        try:
            client.execute(command, deadline - client.clock())
        except BootcError as exc:
            if exc.kind != "timeout" or command is not transition.commands[-1]:
                raise _with_states(exc, client, before, transition) from exc
            ended_late = exc
    after = client.status(STATUS_SECONDS)
    difference = mismatch(transition, before, after)
    if ended_late is not None:
        # Some releases stage an image and then never end: what counts is what is staged.
        if difference is not None or after == before:
            raise _with_states(ended_late, client, before, transition)
        notes += ("bootc did not end in time although it had done its work, and was stopped",)
    if difference is not None:
        raise BootcError(
            "unexpected",
            f"bootc reported success, but {difference}",
            "Compare 'predicted' and 'bootc' in this result; run again if the image was published meanwhile",
            command=transition.commands[-1],
            data={"bootc": after.as_dict(), "predicted": transition.predicted.as_dict(), "before": before.as_dict()},
        )
    return Outcome(before, after, transition, after != before, notes)


def _with_states(error: BootcError, client: Client, before: Status, transition: Transition) -> BootcError:
    """Add the state the host is in now, so that nobody has to log in to find out."""
    error.data.update(before=before.as_dict(), predicted=transition.predicted.as_dict())
    with contextlib.suppress(BootcError):
        error.data["bootc"] = client.status(STATUS_SECONDS).as_dict()
    return error


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
        if wish.accept and not wish.accept & resolution.digests:
            # The tag moved away from what is wanted; its new content must not become acceptable by that.
            return replace(wish, digest=None), f"{reference.name} holds {resolution.digest} now"
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
    if any(slot.digest in wish.accept for slot in status.slots()):
        return False
    return status.reports_config_digests or (reference.digest is not None and len(wish.accept) == 1)


def wish_to_update(client: Client, park: bool) -> Callable[[Status], tuple[Update, str]]:
    """Find out what the tracked image holds now."""

    def make(status: Status) -> tuple[Update, str]:
        spec = status.spec_image
        if spec is None or spec.transport != "registry" or "@" in spec.image:
            return Update(park), ""
        resolution, remark = _resolve(client, parse_reference(spec.image), status)
        if resolution is None:
            return Update(park), remark
        return Update(park, resolution.digests, _reported_digest(resolution, status)), ""

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


def wish_to_roll_back(discard_staged: bool, repeat: bool) -> Callable[[Status], tuple[Rollback, str]]:
    """Take along what the device remembers."""

    def make(_status: Status) -> tuple[Rollback, str]:
        history = tuple((mark.left, mark.returned_to) for mark in read_rollbacks())
        return Rollback(discard_staged, repeat, history), ""

    return make


def remember_before_rollback(warn: Callable[[str], None]) -> Prepare:
    """Remember a rollback before it is queued; afterwards may be too late, and one that never happens does no harm."""

    def prepare(before: Status, transition: Transition) -> None:
        booted, rollback = before.booted, before.rollback
        if ROLLBACK not in transition.commands or booted is None or rollback is None:
            return
        if booted.digest is None or rollback.digest is None:
            return
        try:
            remember_rollback(RollbackMark.now(booted.digest, rollback.digest))
        except OSError as exc:
            # A full disk must not keep a device on a bad image.
            warn(f"The rollback could not be remembered on the device ({exc}). Running again after it may undo it.")

    return prepare
