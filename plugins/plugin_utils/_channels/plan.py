# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which channels there are, where one goes back to, and what an operation did that can be undone."""

from __future__ import annotations

from collections.abc import Sequence

from ...module_utils._oci.channel_moves import not_undone
from .model import Channel, ChannelError, Entry


def channels_of(variants: Sequence[str], name: str, repository: str, tag: str) -> list[Channel]:
    """The channel of each variant; ``{variant}`` and ``{channel}`` in repository and tag are replaced.

    Raises ChannelError when two variants would have the same tag.
    """
    found = [
        Channel(
            variant,
            name,
            repository.replace("{variant}", variant),
            tag.replace("{variant}", variant).replace("{channel}", name),
        )
        for variant in variants
    ]
    places = [str(channel) for channel in found]
    twice = sorted({place for place in places if places.count(place) > 1})
    if twice:
        raise ChannelError(
            f"More than one variant has the channel {twice[0]}.",
            "Put {variant} into bootc_repository or bootc_channel_tag.",
            "invalid",
        )
    return found


def stage_before(name: str, channels: Sequence[str]) -> str | None:
    """The channel a release comes from on its way to ``name``; raises ChannelError for one that is not known."""
    if name not in channels:
        raise ChannelError(
            f"There is no channel '{name}' among {', '.join(channels)}.", "Give one of these.", "invalid"
        )
    index = list(channels).index(name)
    return channels[index - 1] if index else None


def came_to_be(channel: Channel, current: str | None, entries: Sequence[Entry]) -> list[Entry]:
    """The moves of a channel that were made, oldest first, each as it stands; ``current`` is the digest it has now.

    Of one that failed, or that a killed process began, nobody said so: it was made if its channel had what it was to
    get when it was looked at the next time.
    """
    moves = list({entry.operation: entry for entry in entries if entry.channel == channel}.values())
    had_next = [*(entry.before for entry in moves[1:]), current]
    return [move for move, had in zip(moves, had_next) if move.state == "done" or move.after == had]


def came_from(channel: Channel, digest: str, entries: Sequence[Entry]) -> str | None:
    """What the channel, which has ``digest`` now, had when that was promoted into it, as far as the journal knows.

    Promotions that were undone meanwhile do not count, nor do moves backwards.
    """
    for entry in reversed(not_undone(came_to_be(channel, digest, entries))):
        if entry.after == digest and entry.verb == "promote":
            return entry.before
    return None


def taken_out(channel: Channel, current: str | None, entries: Sequence[Entry]) -> list[Entry]:
    """The moves that took out of a channel what it had, oldest first: demotions, and undoings of promotions.

    Those that were undone meanwhile do not count.
    """
    verbs = {entry.operation: entry.verb for entry in entries}
    return [
        entry
        for entry in not_undone(came_to_be(channel, current, entries))
        if entry.verb == "demote" or (entry.undoes is not None and verbs.get(entry.undoes) == "promote")
    ]


def to_undo(entries: Sequence[Entry], operation: str | None) -> list[Entry]:
    """The moves of an operation, by default the last one, each as it stands.

    An undo is not undone by default, or running this twice would be doing and undoing. What it undoes is: it may have
    ended before it had taken everything back.
    """
    last = entries[-1] if entries else None
    wanted = operation or (last and (last.undoes or last.operation))
    if wanted is None:
        raise ChannelError("The journal has no operation that could be undone.", "Name the right journal.", "not_found")
    # Of one that failed nobody knows whether it was moved: the registry may have done it and not been able to say so.
    moves = {entry.channel: entry for entry in entries if entry.operation == wanted}
    if not moves:
        raise ChannelError(
            f"The journal has no operation '{wanted}'.", "Look into the journal for its id.", "not_found"
        )
    return list(moves.values())
