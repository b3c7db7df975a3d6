# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keep up with what a rollout records while others write it."""

from __future__ import annotations

from .._rollout.events import Event
from .._rollout.replay import apply_events, derive
from .._rollout.states import Rollout
from .._rollout.store import Store, news_since
from .estimate import Durations


class Follower:
    """The state of a rollout as far as ``news`` was asked for; ``durations`` are those of updates so far."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._position = 0
        self.rollout: Rollout | None = None
        self.durations = Durations()

    def news(self) -> list[Event]:
        """Take in what was recorded since the last time, and return it.

        Raises one of UNTELLABLE for a memory that cannot be read, or for events that make no sense.
        """
        events, self._position = news_since(self._store, self._position)
        if events:
            self.rollout = derive(events) if self.rollout is None else apply_events(self.rollout, events)
            self.durations.hear(events)
        return events
