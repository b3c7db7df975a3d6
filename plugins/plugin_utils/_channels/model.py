# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a channel is, what it has, what shall become of it, and what stands on record."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


class ChannelError(Exception):
    """Something a person has to decide or mend: cause, then remedy; ``reason`` is a stable word for scripts."""

    def __init__(self, cause: str, remedy: str, reason: str) -> None:
        super().__init__(f"{cause} {remedy}")
        self.reason = reason


@dataclass(frozen=True)
class Channel:
    """One channel of one variant: a tag in a repository."""

    variant: str
    name: str
    image: str
    """Registry and repository."""
    tag: str

    def __str__(self) -> str:
        return f"{self.image}:{self.tag}"


@dataclass(frozen=True)
class Held:
    """What a channel has, or shall have."""

    digest: str
    version: str | None = None
    created: str | None = None
    """When it was made, as its configuration says; RFC 3339."""
    whole: bool = True
    """False when the registry misses a part of it, so that it cannot say what it is."""

    def __str__(self) -> str:
        return f"{self.version} ({self.digest})" if self.version else self.digest


@dataclass(frozen=True)
class Wish:
    """One channel, what it has now and what it shall have."""

    channel: Channel
    current: Held | None
    wanted: Held
    stage_before: tuple[str, str | None] | None = None
    """Name of the channel before this one and the digest that it has; none for the first channel."""


@dataclass(frozen=True)
class Entry:
    """One line of the journal: one channel that is about to be moved, was moved, or was not."""

    at: str
    operation: str
    verb: str
    state: str
    by: str
    why: str
    channel: Channel
    before: str | None
    after: str
    version: str | None = None
    overruled: tuple[str, ...] = ()
    """Objections that were overruled, in words."""
    undoes: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return the line's JSON object."""
        return {
            "at": self.at,
            "operation": self.operation,
            "verb": self.verb,
            "state": self.state,
            "by": self.by,
            "why": self.why,
            "variant": self.channel.variant,
            "channel": self.channel.name,
            "image": self.channel.image,
            "tag": self.channel.tag,
            "from": self.before,
            "to": self.after,
            "version": self.version,
            "overruled": list(self.overruled),
            "undoes": self.undoes,
        }


def entry_of(document: Mapping[str, Any]) -> Entry:
    """Read what :meth:`Entry.as_dict` wrote; raises KeyError or TypeError for anything else."""
    texts = {key: document[key] for key in ("at", "operation", "verb", "state", "by", "why", "to")}
    place = [document[key] for key in ("variant", "channel", "image", "tag")]
    if not all(isinstance(text, str) for text in (*texts.values(), *place)):
        raise TypeError("a text is missing")
    after = texts.pop("to")
    return Entry(
        **texts,
        channel=Channel(*place),
        before=document["from"],
        after=after,
        version=document["version"],
        overruled=tuple(document["overruled"]),
        undoes=document["undoes"],
    )


@dataclass(frozen=True)
class Objection:
    """Why a channel should not be moved. ``guard`` is a stable word for scripts."""

    variant: str
    guard: str
    why: str

    def __str__(self) -> str:
        return f"{self.variant}: {self.why}"


@dataclass(frozen=True)
class Evidence:
    """What a rollout proved: the digests it was to bring, to whom it did, and whether it came as far as is asked."""

    rollout: str
    digests: Mapping[str, str] = field(default_factory=dict)
    proven: frozenset[str] = frozenset()
    """Variants whose digest at least one device was seen to run well."""
    lacking: str = ""
    """What it did not do yet, or is no more, in words; empty when it is enough."""
    wave: str | None = None
    """The wave that is enough, if not the whole."""
