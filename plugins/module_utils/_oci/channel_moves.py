# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a journal of channels says of the way back, which retention has to leave open. PRIVATE to the collection."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Mapping, Protocol, Sequence, TypeVar

from .reference import Reference, is_digest, parse_reference


@dataclass(frozen=True)
class ChannelMove:
    """One move of a channel, as the last line of the journal about it has it."""

    tag: str
    operation: str
    verb: str
    state: str
    before: str | None
    after: str | None
    undoes: str | None = None


def read_moves(text: str, repository: Reference) -> dict[str, list[ChannelMove]]:
    """Return the moves of each channel of this repository, by its tag, as a journal has them, the oldest first.

    Raises ValueError for a line that is none of a journal. A line that is not whole at the end is what a killed process
    left.
    """
    moves: dict[str, dict[str, ChannelMove]] = {}
    for number, line in enumerate(text.split("\n")[:-1], 1):
        try:
            entry = json.loads(line)
            image = parse_reference(entry["image"])
            before, after = (digest if is_digest(digest or "") else None for digest in (entry["from"], entry["to"]))
            tag, operation, verb, state = (str(entry[key]) for key in ("tag", "operation", "verb", "state"))
            move = ChannelMove(tag, operation, verb, state, before, after, entry.get("undoes"))
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise ValueError(f"Its line {number} is not one of a journal of channels.") from error
        if image.place == repository.place:
            moves.setdefault(move.tag, {})[move.operation] = move
    return {tag: list(by_operation.values()) for tag, by_operation in moves.items()}


def digests_of_moves(
    moves: Mapping[str, Sequence[ChannelMove]], promotions: int, current: Mapping[str, str]
) -> dict[str, str]:
    """Return what taking moves of channels back goes to: the digests before and after the latest ones.

    Of every channel those since the promotion that has the given number, counted from the last, and what it had before
    the digest that ``current`` has for its tag; each with what to say of it. Promotions that were taken back do not
    count.
    """
    found: dict[str, str] = {}
    if not promotions:
        return found
    for tag, of_channel in moves.items():
        meant = [move for move in not_undone(of_channel) if move.undoes is None]
        standing = _standing(meant)
        left = promotions
        for move in reversed(of_channel):
            if not left:
                break
            # Whether a move that failed came to be is not known, so its digests count, but not as a promotion.
            digests = [digest for digest in (move.before, move.after) if digest]
            found.update(dict.fromkeys(digests, f"the channel {tag}, which {move.operation} moved"))
            left -= move.operation in standing
        came_from = next(
            (move.before for move in reversed(meant) if move.verb == "promote" and move.after == current.get(tag)), None
        )
        if came_from:
            found.setdefault(came_from, f"the channel {tag}, which had it before what it has now")
    return found


class _Undoable(Protocol):
    """A move of a journal: the operation that it is of, and the one that it takes back, if it does that."""

    @property
    def operation(self) -> str: ...

    @property
    def undoes(self) -> str | None: ...


_Move = TypeVar("_Move", bound=_Undoable)


def not_undone(moves: Sequence[_Move]) -> list[_Move]:
    """Return the moves of one channel that no later one took back, the oldest first; taking back is a move too."""
    undone: set[str] = set()
    left: list[_Move] = []
    for move in reversed(moves):
        if move.operation in undone:
            continue
        if move.undoes is not None:
            undone.add(move.undoes)
        left.append(move)
    return left[::-1]


def _standing(moves: Sequence[ChannelMove]) -> set[str]:
    """Return the promotions that were surely made, and after which their channel was not demoted."""
    standing: list[ChannelMove] = []
    for move in moves:
        if move.verb == "promote":
            standing += [move] if move.state == "done" else []
        elif any(promotion.after == move.before for promotion in standing):
            while standing.pop().after != move.before:
                pass
    return {move.operation for move in standing}
