# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lines of a ledger: how they are chained, how a break is found, and the head that tells of a missing end."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from .events import Event

GENESIS = "0" * 64
"""Stands for the hash of the line before the first."""
_HEAD_BYTES = 128
"""A head is always as long: it is written over in one place, within one sector of any disk."""


class BrokenChain(Exception):
    """A line that is not what was written: ``number`` counts from 1, ``what`` is the end of a sentence about it."""

    def __init__(self, number: int, what: str) -> None:
        super().__init__(number, what)
        self.number = number
        self.what = what


class NoHead(Exception):
    """What lies in the place of a head is none."""


@dataclass(frozen=True)
class Head:
    """The last line somebody wrote: its number and its hash. A ledger that lost lines at its end is told by it."""

    sequence: int = 0
    hash: str = GENESIS

    def render(self) -> bytes:
        """JSON, padded to a fixed length."""
        text = json.dumps({"seq": self.sequence, "sha256": self.hash})
        return text.ljust(_HEAD_BYTES - 1).encode() + b"\n"


def parse_head(content: bytes) -> Head | None:
    """The head in a file; None when that is blank, as a crash right after its creation leaves it. Raises NoHead."""
    if not content.strip(b"\0 \n"):
        return None
    try:
        document = json.loads(content)
        sequence, digest = document["seq"], document["sha256"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise NoHead from error
    if not (isinstance(sequence, int) and isinstance(digest, str) and sequence >= 0):
        raise NoHead
    return Head(sequence, digest)


def encode(events: Sequence[Event], epoch: int, head: Head) -> tuple[bytes, Head]:
    """The lines of ``events`` after the line of ``head``, and the head after them."""
    lines = []
    sequence, previous = head.sequence, head.hash
    for event in events:
        sequence += 1
        line = _encode({"seq": sequence, "epoch": epoch, "prev": previous, **event.as_dict()})
        previous = hash_of(line)
        lines.append(line + b"\n")
    return b"".join(lines), Head(sequence, previous)


def _encode(document: dict[str, Any]) -> bytes:
    # What a device says may hold bytes that were no text; nothing that reads the ledger could write those out again.
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "replace")


def hash_of(line: bytes) -> str:
    """SHA-256 of a line without its end."""
    return hashlib.sha256(line).hexdigest()


@dataclass
class Chain:
    """Complete lines of a ledger, given in order and checked one by one; keeps only the head so far.

    ``witness`` is what the last line somebody wrote should be: after it was passed, ``is_witnessed`` tells whether.
    """

    witness: Head
    head: Head = Head()
    is_witnessed: bool = False

    def __post_init__(self) -> None:
        self.is_witnessed = self.witness == self.head

    def extend(self, lines: Sequence[bytes]) -> list[Event]:
        """The events of the next lines, given with their ends; raises BrokenChain."""
        sequence, previous = self.head.sequence, self.head.hash
        events = []
        sha256, event_from, witness = hashlib.sha256, Event.from_dict, self.witness.sequence
        for line, document in zip(lines, documents_of(lines, sequence + 1), strict=True):
            sequence += 1
            try:
                follows = document["prev"] == previous and document["seq"] == sequence
                if follows:
                    events.append(event_from(document))
            except _NO_EVENT as error:
                raise BrokenChain(sequence, "is not an event") from error
            if not follows:
                raise BrokenChain(sequence, "does not follow from the line before it")
            previous = sha256(line[:-1]).hexdigest()
            if sequence == witness:
                self.is_witnessed = previous == self.witness.hash
        self.head = Head(sequence, previous)
        return events


_NO_EVENT = (KeyError, ValueError, TypeError)
"""What comes of taking JSON for an event that is none."""


def documents_of(lines: Sequence[bytes], first: int) -> list[Any]:
    """The JSON of lines, the first of them being line number ``first``; raises BrokenChain."""
    documents: list[Any]
    try:
        # Many at once: this is where the time goes in a long ledger.
        documents = json.loads(b"[%b]" % b",".join(lines))
    except (ValueError, RecursionError):
        documents = []
    if len(documents) != len(lines):
        documents = [_document(line, number) for number, line in enumerate(lines, start=first)]
    return documents


def _document(line: bytes, number: int) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError) as error:
        raise BrokenChain(number, "is not JSON") from error


def event_of(document: Any, number: int) -> Event:
    """The event of line ``number``; raises BrokenChain."""
    try:
        return Event.from_dict(document)
    except _NO_EVENT as error:
        raise BrokenChain(number, "is not an event") from error
