# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a rollout needs of a memory. Files in a folder are one; another has to pass the same tests (test_store.py)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from .events import Event
from .lease import Holder
from .ledger import LedgerFolder


class Store(Protocol):
    """The memory of one rollout. Every call may raise RolloutError; after one nothing of that call is on record."""

    @property
    def name(self) -> str:
        """What it is called among those in its place: the id of its rollout, unless somebody moved it."""

    @property
    def place(self) -> str:
        """Where it is, for people."""

    def exists(self) -> bool:
        """Whether it was created."""

    def create(self) -> None:
        """Make an empty memory; one that exists stays as it is."""

    def append(self, events: Sequence[Event], epoch: int, expected: int | None = None) -> bool:
        """Add events durably, all or none, in one piece among those of others.

        Refused (``superseded_controller``) when a higher ``epoch`` wrote before. With ``expected``, a position, they
        are added only if nothing was since; False says that something was, and that what was decided may not hold.
        """

    def read(self) -> list[Event]:
        """Every event, oldest first; none when it does not exist."""

    def position(self) -> int:
        """How far it reaches now; an opaque number that only grows, and is 0 for one that does not exist."""

    def read_since(self, position: int) -> list[Event]:
        """The events added after that position, at a cost that does not depend on those before."""

    def last_epoch(self) -> int:
        """The newest controller's epoch; 0 when nobody wrote yet."""

    def take_lease(self, candidate: Holder, is_alive: Callable[[Holder], bool]) -> None:
        """Make ``candidate`` the one who may advance this rollout, if nobody else may be at work (``lease_held``)."""

    def read_lease(self) -> Holder | None:
        """Who holds the lease, if anybody."""

    def release_lease(self, epoch: int) -> None:
        """Give the lease of ``epoch`` up; a newer holder's stays."""


class Stores(Protocol):
    """The memories of all rollouts in one place."""

    def rollout(self, rollout_id: str) -> Store:
        """The memory of one rollout, which need not exist yet."""

    def rollouts(self) -> Sequence[Store]:
        """All that exist."""

    def lock(self) -> AbstractContextManager[None]:
        """Keep other controllers from opening a rollout in this place meanwhile; waits for its turn."""


def news_since(store: Store, position: int) -> tuple[list[Event], int]:
    """The events added after ``position``, and the position that they reach, though others may write meanwhile."""
    reached = store.position()
    while reached != position:
        news = store.read_since(position)
        now = store.position()
        if now == reached:
            return news, reached
        reached = now
    return [], position


def open_stores(place: object) -> Stores:
    """The memories at what ``bootc_rollout_ledger`` names: a folder. Where another kind would be told apart."""
    return LedgerFolder(Path(str(place)))
