# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keeping up with a memory that others write to."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pytest
from ansible_collections.skorionos.bootc.plugins.plugin_utils._progress.follow import Follower
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.events import Event
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.ledger import Ledger
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.replay import derive
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.states import DeviceState

from tests.unit.rollout.builders import BEGIN, one_wave, opened, told
from tests.unit.rollout.memory_store import MemoryStore

PLANNED = Event("planned", BEGIN, data={"plan": one_wave(3).as_dict()})


@pytest.mark.parametrize("kind", ["memory", "files"])
def test_it_arrives_where_a_replay_of_everything_does(kind: str, tmp_path: Path) -> None:
    store = MemoryStore("memory") if kind == "memory" else Ledger(tmp_path, "demo")
    store.create()
    store.append([PLANNED], 1)
    follower = Follower(store)
    assert [event.kind for event in follower.news()] == ["planned"]
    assert follower.news() == []
    more = [
        opened(),
        *told("staging", "d000", "d001"),
        *told("staged", "d000"),
        *told("succeeded", "d001", at=BEGIN + 9),
    ]
    for event in more:
        store.append([event], 1)
        assert follower.news() == [event]
    assert follower.rollout == derive(store.read())
    assert follower.durations.typical == 9


@dataclass
class Busy(MemoryStore):
    """Somebody writes whenever somebody reads."""

    coming: list[Event] = field(default_factory=list)

    def read_since(self, position: int) -> list[Event]:
        if self.coming:
            self.append([self.coming.pop(0)], 1)
        return super().read_since(position)


def test_no_event_is_taken_in_twice_while_others_write() -> None:
    store = Busy("memory", [PLANNED, opened()])
    store.coming = [*told("staging", "d000"), *told("failed", "d000")]
    follower = Follower(store)
    seen = [event.kind for _unused in range(4) for event in follower.news()]
    assert seen == ["planned", "wave_opened", "staging", "failed"]
    assert follower.rollout is not None
    assert follower.rollout.devices["d000"].state is DeviceState.FAILED
