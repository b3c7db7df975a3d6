# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Moving channels: what is asked of the registry, and what goes into the journal before and after."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from ...module_utils._oci.client import RegistryClient
from ...module_utils._oci.errors import NOT_FOUND, RegistryError
from ...module_utils._oci.reading import Resolved, version_of
from ...module_utils._oci.reference import Reference, parse_reference
from ...module_utils._oci.tagging import Move, move_tag, plan_moves
from .journal import Journal
from .model import Channel, ChannelError, Entry, Held


@dataclass(frozen=True)
class Step:
    """One channel that is to be moved."""

    channel: Channel
    before: Held | None
    after: Held
    overruled: tuple[str, ...] = ()


@dataclass(frozen=True)
class Operation:
    """What one run of a playbook does, and who wants it why."""

    id: str
    verb: str
    by: str
    why: str
    undoes: str | None = None


def operation_id(verb: str, channel: str, at: str, entries: Sequence[Entry]) -> str:
    """A name for the operation that no other in the journal has, made of its time."""
    name = f"{at[:19].replace('-', '').replace(':', '')}-{verb}-{channel}"
    taken = {entry.operation for entry in entries}
    return next(name for name in (name, *(f"{name}-{n}" for n in range(2, len(taken) + 3))) if name not in taken)


def digest_at(client: RegistryClient, channel: Channel) -> str | None:
    """The digest that the channel has now; none when its tag is not there."""
    return client.head_manifest(_reference(channel).with_tag(channel.tag))


def read_channel(client: RegistryClient, channel: Channel) -> Held | None:
    """What the channel has now; none when its tag is not there.

    Of an image that misses a part, such as one of an index, only the digest is told: the channel can be moved on.
    """
    digest = digest_at(client, channel)
    if digest is None:
        return None
    try:
        return _held(client, client.resolve(_reference(channel).with_digest(digest)))
    except RegistryError as error:
        if error.kind == NOT_FOUND:
            return Held(digest, whole=False)
        raise


def read_digest(client: RegistryClient, channel: Channel, digest: str) -> Held:
    """What that digest in the channel's repository is; raises RegistryError when it, or a part of it, is not there.

    Of an index the image of every platform has to be there. Without one, registries refuse the tag, or devices of that
    platform find nothing.
    """
    resolved = client.resolve(_reference(channel).with_digest(digest))
    for platform, image in resolved.platform_digests.items() if resolved.manifest is None else ():
        if client.head_manifest(resolved.reference.with_digest(image)) is None:
            raise RegistryError(
                NOT_FOUND,
                f"{resolved.reference} is an index whose image for {platform}, {image}, is not there.",
                "Publish the release again, or move the channel to one that is whole.",
            )
    return _held(client, resolved)


def _reference(channel: Channel) -> Reference:
    return parse_reference(channel.image)


def _held(client: RegistryClient, resolved: Resolved) -> Held:
    config = client.sample_config(resolved)
    created = config.get("created")
    return Held(
        resolved.digest,
        version_of(config, resolved.annotations),
        created if isinstance(created, str) else None,
    )


def insist_on(expected: Mapping[str, str], channel: Channel, current: Held | None, wanted: str) -> None:
    """Raise RegistryError (``conflict``) when the channel does not have what its variant was expected to have."""
    if channel.variant in expected:
        plan_moves({channel.tag: current.digest if current else None}, wanted, expected[channel.variant], channel.image)


def carry_out(
    client: RegistryClient, journal: Journal, operation: Operation, steps: Sequence[Step], now: Callable[[], str]
) -> None:
    """Move every channel, each by comparing, and have it on record before and after.

    Stops at the first that fails; the error says which were moved.
    """
    moved: list[str] = []
    for step in steps:
        entry = _entry(operation, step, now())
        journal.append([entry])
        try:
            manifest = client.get_manifest(_reference(step.channel).with_digest(step.after.digest))
            before = step.before.digest if step.before else None
            move_tag(client, _reference(step.channel), Move(step.channel.tag, before, step.after.digest), manifest)
        except RegistryError as error:
            journal.append([replace(entry, at=now(), state="failed")])
            if not moved:
                raise
            raise ChannelError(
                f"{error} Before that, {', '.join(moved)} {'were' if len(moved) > 1 else 'was'} moved.",
                "Run it again to go on, or take back what was moved with the playbook channel_undo.",
                error.kind,
            ) from error
        journal.append([replace(entry, at=now(), state="done")])
        moved.append(str(step.channel))


def _entry(operation: Operation, step: Step, at: str) -> Entry:
    return Entry(
        at=at,
        operation=operation.id,
        verb=operation.verb,
        state="begun",
        by=operation.by,
        why=operation.why,
        channel=step.channel,
        before=step.before.digest if step.before else None,
        after=step.after.digest,
        version=step.after.version,
        overruled=step.overruled,
        undoes=operation.undoes,
    )


def undoing(client: RegistryClient, entries: Sequence[Entry]) -> tuple[list[Step], list[Channel]]:
    """The steps that take channels back, and the channels that cannot go back because they were not there before.

    A channel that already has what it had is no step. One that has neither raises RegistryError (``conflict``), unless
    moving it failed, which then came to nothing.
    """
    steps: list[Step] = []
    left: list[Channel] = []
    for entry in entries:
        current = read_channel(client, entry.channel)
        digest = current.digest if current else None
        if digest == entry.before or (digest != entry.after and entry.state == "failed"):
            continue
        plan_moves({entry.channel.tag: digest}, entry.before or entry.after, entry.after, entry.channel.image)
        if entry.before is None:
            left.append(entry.channel)
        else:
            steps.append(Step(entry.channel, current, read_digest(client, entry.channel, entry.before)))
    return steps, left
