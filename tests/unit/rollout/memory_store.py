# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A memory of rollouts that is gone with its process: the second kind, which proves that there can be others."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.errors import RolloutError
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.events import Event
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.lease import Holder, refuse_another


@dataclass
class MemoryStore:
    place: str
    events: list[Event] | None = None
    epoch: int = 0
    holder: Holder | None = None

    @property
    def name(self) -> str:
        return self.place.removeprefix("memory of ")

    def exists(self) -> bool:
        return self.events is not None

    def create(self) -> None:
        if self.events is None:
            self.events = []

    def append(self, events: Sequence[Event], epoch: int, expected: int | None = None) -> bool:
        if not events:
            return True
        if self.events is None:
            raise RolloutError(f"{self.place} does not exist.", "Create it.", "ledger_unwritable")
        if epoch < self.epoch:
            raise RolloutError("Another controller took over.", "Let it finish.", "superseded_controller")
        if expected not in (None, len(self.events)):
            return False
        self.events += events
        self.epoch = epoch
        return True

    def read(self) -> list[Event]:
        return list(self.events or ())

    def position(self) -> int:
        return len(self.events or ())

    def read_since(self, position: int) -> list[Event]:
        return self.read()[position:]

    def last_epoch(self) -> int:
        return self.epoch

    def take_lease(self, candidate: Holder, is_alive: Callable[[Holder], bool]) -> None:
        refuse_another(self.holder, candidate, is_alive, "restart this process")
        self.holder = candidate

    def read_lease(self) -> Holder | None:
        return self.holder

    def release_lease(self, epoch: int) -> None:
        if self.holder is not None and self.holder.epoch == epoch:
            self.holder = None


@dataclass
class MemoryStores:
    known: dict[str, MemoryStore] = field(default_factory=dict)
    locked: bool = False

    def rollout(self, rollout_id: str) -> MemoryStore:
        return self.known.setdefault(rollout_id, MemoryStore(f"memory of {rollout_id}"))

    def rollouts(self) -> list[MemoryStore]:
        return [store for _unused, store in sorted(self.known.items()) if store.exists()]

    @contextmanager
    def lock(self) -> Iterator[None]:
        assert not self.locked
        self.locked = True
        try:
            yield
        finally:
            self.locked = False
