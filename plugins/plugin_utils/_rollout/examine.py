# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A ledger as evidence: whether it is what was written, and what can be believed of one that is not."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from .chain import BrokenChain, Chain, Head, hash_of
from .errors import RolloutError
from .events import Event
from .ledger import Ledger

_EVENTS = "events.jsonl"


@dataclass(frozen=True)
class Fault:
    """Why a ledger is not what was written, and what to do about it."""

    cause: str
    remedy: str


@dataclass(frozen=True)
class Examined:
    """``events`` are those of the lines that can be believed, from the first on; ``head`` is the last of these.

    ``fault`` is None when these are all that was ever written. ``witness`` is what an earlier audit saw of it.
    """

    id: str
    place: str
    events: tuple[Event, ...]
    head: Head
    fault: Fault | None = None
    witness: Head | None = None

    @property
    def to_hold_against(self) -> Head:
        """What a later audit has to find there: of one that is not whole what was seen earlier, so it stays named."""
        return self.head if self.fault is None or self.witness is None else self.witness


def examine(ledger: Ledger, witness: Head | None = None) -> Examined:
    """Verify every line of a ledger. What is wrong with it is part of the answer, never an error.

    ``witness`` is a last line of it that was kept elsewhere: a ledger that was written anew from the start is told by
    it, which its own head, written anew as well, does not tell.
    """
    name = ledger.directory.name
    path = ledger.directory / _EVENTS
    try:
        events = ledger.read()
        head = _head_at(path, len(events))
        fault = None if witness is None else _against(path, head, witness)
        return Examined(name, ledger.place, tuple(events), head, fault, witness)
    except RolloutError as error:
        return Examined(name, ledger.place, *_whole_part(path), Fault(error.cause, error.remedy), witness)


def _against(path: Path, head: Head, witness: Head) -> Fault | None:
    if witness.sequence > head.sequence:
        what = f"it has {head.sequence} lines, and had {witness.sequence} at an earlier audit"
    elif _head_at(path, witness.sequence) != witness:
        what = f"line {witness.sequence} is not the one that an earlier audit saw"
    else:
        return None
    return Fault(
        f"{path}: {what}, so the ledger was replaced or written anew since.",
        "Restore it from a copy that has that line, and find out who wrote it.",
    )


def _head_at(path: Path, number: int) -> Head:
    """The line of that number, which was read a moment ago."""
    if not number:
        return Head()
    with path.open("rb") as file:
        line = next(islice(file, number - 1, number))
    return Head(number, hash_of(line.rstrip(b"\n")))


def _whole_part(path: Path) -> tuple[tuple[Event, ...], Head]:
    """What can be believed of a broken ledger: the lines that a line after them vouches for, and the last of these.

    The line before a break is not among them: it may be the one that was changed.
    """
    chain, vouched, head, newest = Chain(Head()), list[Event](), Head(), list[Event]()
    try:
        with path.open("rb") as file:
            for line in file:
                if not line.endswith(b"\n"):
                    break
                before = chain.head
                found = chain.extend([line])
                vouched += newest
                head, newest = before, found
    except (BrokenChain, OSError):
        pass  # why is told by what reading the whole of it came to
    return tuple(vouched), head
