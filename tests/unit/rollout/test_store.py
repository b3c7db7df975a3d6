# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every memory of rollouts does, wherever it keeps them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.skorionos.bootc.plugins.plugin_utils import _controller
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.errors import RolloutError
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.events import Event
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.lease import Holder
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.pace import occupancy
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.passes import (
    Clock,
    Ticket,
    Turn,
    clear_batch,
    could_not_ask,
)
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.plan import Candidate, Target
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.replay import replay
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.states import DeviceState
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.store import (
    Store,
    Stores,
    news_since,
    open_stores,
)

from tests.fleet_model import FakeTime, small_spec
from tests.unit.rollout.builders import names, one_wave, told
from tests.unit.rollout.memory_store import MemoryStores

AT = 1_800_000_000.25
ME = Holder("desk", "boot-1", 100, "5000", "ann", 2)
OTHER = Holder("desk", "boot-1", 99, "4000", "bob", 1)


@pytest.fixture(params=["files", "memory"])
def stores(request: pytest.FixtureRequest, tmp_path: Path) -> Stores:
    return open_stores(tmp_path) if request.param == "files" else MemoryStores()


@pytest.fixture
def store(stores: Stores) -> Store:
    made = stores.rollout("r1")
    made.create()
    return made


def note(text: str = "x", **data: Any) -> Event:
    return Event("noted", AT, "d1", 0, {"text": text, **data})


def texts(events: list[Event]) -> list[str]:
    return [event.data["text"] for event in events]


def refused(action: Any, *arguments: Any) -> RolloutError:
    with pytest.raises(RolloutError) as caught:
        action(*arguments)
    assert caught.value.cause
    assert caught.value.remedy
    return caught.value


def test_one_that_was_not_created_is_empty_and_takes_nothing(stores: Stores) -> None:
    store = stores.rollout("r1")
    assert (store.exists(), store.read(), store.position(), store.last_epoch()) == (False, [], 0, 0)
    assert store.read_lease() is None
    store.append([], 1)
    assert refused(store.append, [note()], 1).reason == "ledger_unwritable"
    assert list(stores.rollouts()) == []


def test_what_was_added_is_read_back_in_order(store: Store) -> None:
    events = [note("a"), Event("completed", AT), note("ü\n\u2028", list=[1, None, {"x": 1.5}])]
    store.append(events[:2], 1)
    store.append(events[2:], 1)
    assert store.read() == events
    assert store.exists()


def test_creating_again_keeps_what_is_there(store: Store) -> None:
    store.append([note()], 3)
    store.create()
    assert (len(store.read()), store.last_epoch()) == (1, 3)


def test_rollouts_of_one_place_are_apart(stores: Stores) -> None:
    for name in ("r2", "r1"):
        stores.rollout(name).create()
        stores.rollout(name).append([note(name)], 1)
    assert [texts(store.read()) for store in stores.rollouts()] == [["r1"], ["r2"]]
    assert stores.rollout("r1").place != stores.rollout("r2").place


def test_one_is_the_same_for_everybody_who_opens_it(stores: Stores, store: Store) -> None:
    store.append([note()], 4)
    again = stores.rollout("r1")
    assert (again.read(), again.last_epoch(), again.place) == (store.read(), 4, store.place)


def test_only_the_news_since_a_position_is_read(store: Store) -> None:
    beginning = store.position()
    store.append([note("a")], 1)
    middle = store.position()
    store.append([note("b"), note("c")], 1)
    assert texts(store.read_since(beginning)) == ["a", "b", "c"]
    assert texts(store.read_since(middle)) == ["b", "c"]
    assert store.read_since(store.position()) == []
    assert beginning < middle < store.position()


def test_what_comes_while_the_news_are_read_is_told_once(store: Store) -> None:
    class Busy:
        """Somebody writes right before the news are read, twice."""

        def __init__(self) -> None:
            self.coming = ["b", "c"]

        def __getattr__(self, name: str) -> Any:
            return getattr(store, name)

        def read_since(self, position: int) -> list[Event]:
            if self.coming:
                store.append([note(self.coming.pop(0))], 1)
            return store.read_since(position)

    store.append([note("a")], 1)
    busy: Any = Busy()
    news, reached = news_since(busy, 0)
    assert (texts(news), reached) == (["a", "b", "c"], store.position())
    assert news_since(busy, reached) == ([], reached)


def test_an_older_epoch_cannot_write(store: Store) -> None:
    store.append([note("a")], 2)
    store.append([note("b")], 2)
    store.append([note("c")], 5)
    assert refused(store.append, [note("d")], 4).reason == "superseded_controller"
    assert texts(store.read()) == ["a", "b", "c"]
    assert store.last_epoch() == 5


def test_who_decided_on_what_is_not_true_any_more_adds_nothing(store: Store) -> None:
    beginning = store.position()
    assert store.append([note("a"), note("b")], 1, beginning)
    middle = store.position()
    assert store.append([note("c")], 1, middle)
    for stale in (beginning, middle):
        assert not store.append([note("d")], 1, stale)
        assert store.append([], 1, stale)
    assert texts(store.read()) == ["a", "b", "c"]
    assert refused(store.append, [note("e")], 0, middle).reason == "superseded_controller"
    assert store.append([note("f")], 1, store.position())


def test_one_takes_the_lease_and_gives_it_up(store: Store) -> None:
    store.take_lease(OTHER, lambda _holder: True)
    assert store.read_lease() == OTHER
    assert refused(store.take_lease, ME, lambda _holder: True).reason == "lease_held"
    store.take_lease(ME, lambda _holder: False)  # bob's process is gone
    store.release_lease(OTHER.epoch)
    assert store.read_lease() == ME
    store.take_lease(replace(ME, epoch=3), lambda _holder: True)
    store.release_lease(3)
    assert store.read_lease() is None


def test_nobody_can_look_at_a_process_on_another_machine(store: Store) -> None:
    store.take_lease(replace(OTHER, machine="server"), lambda _holder: False)
    assert "if that machine is gone" in refused(store.take_lease, ME, lambda _holder: False).remedy


def test_the_place_is_locked_for_one_at_a_time(stores: Stores) -> None:
    for _unused in range(2):
        with stores.lock():
            pass


def test_a_rollout_is_opened_advanced_and_ended_in_it(stores: Stores, monkeypatch: pytest.MonkeyPatch) -> None:
    time = FakeTime()
    clock = Clock(time.now, time.sleep)
    monkeypatch.setattr(_controller, "CLOCK", clock)
    monkeypatch.setattr(_controller, "open_stores", lambda _place: stores)
    spec = small_spec()
    targets = {v.name: Target(v.name, v.image, v.digest, (v.digest,)) for v in spec.variants}
    candidates = [Candidate(host, "kde") for host in names(4)]
    opened = _controller.open_rollout(Path("any"), spec, candidates, lambda _spec: targets, dry_run=False, deadline=0)
    assert opened.epoch == 1
    store = stores.rollout(spec.id)
    assert store.read_lease() is not None
    (canary,) = opened.rollout.plan.hosts[0]
    cleared = clear_batch(store, 1, [canary], clock, 0)
    assert cleared.go == (canary,)
    ticket = Ticket(canary, occupancy(cleared.rollout, [canary]), cleared.position)
    turn = Turn(store, lambda event, expected: store.append([event], 1, expected), ticket, clock, 0)
    assert turn.begin("staging", {"boot_id": "b"})
    assert store.append(told("released", canary), 1)
    assert could_not_ask(store, 1, canary, "no python", time.now())
    assert replay(store.read()).devices[canary].state is DeviceState.DEFERRED
    store.release_lease(1)
    other = small_spec(id="other")
    with pytest.raises(RolloutError, match="over the same devices"):
        _controller.open_rollout(Path("any"), other, candidates, lambda _spec: targets, dry_run=False, deadline=0)


def test_a_device_that_staged_and_cannot_be_asked_is_waited_for_no_longer_than_one_that_sleeps(store: Store) -> None:
    plan = one_wave(2)
    staging, put_off = plan.members
    store.append([Event("planned", AT, data={"plan": plan.as_dict()}), Event("staging", AT, staging)], 1)
    store.append([Event("staging", AT, put_off), Event("deferred", AT, put_off, data={"armed": True})], 1)
    over = AT + 2 * 3600 + 600
    for host in plan.members:
        assert not could_not_ask(store, 1, host, "no python", over - 1)
        assert could_not_ask(store, 1, host, "no python", over)
        device = replay(store.read()).devices[host]
        assert (device.state, device.armed, device.at_risk) == (DeviceState.UNREACHABLE, True, False)
        assert not could_not_ask(store, 1, host, "no python", over + 1)


def test_a_gate_counts_what_was_told_while_it_decided(store: Store) -> None:
    """Between its look at the ledger and its entry a device failed: it looks again instead of opening the next wave."""
    spec = small_spec(waves=[{"name": "canary", "count": 1}])
    targets = {v.name: Target(v.name, v.image, v.digest, (v.digest,)) for v in spec.variants}
    plan = _controller.make_plan(spec, [Candidate(host, "kde") for host in names(3)], targets)
    (canary,) = plan.hosts[0]
    store.append([Event("planned", AT, data={"plan": plan.as_dict()}), Event("wave_opened", AT, wave=0)], 1)
    store.append([Event("staging", AT, canary), Event("succeeded", AT, canary)], 1)

    class Interrupted:
        """A store to which another process writes right after it was read."""

        def __init__(self) -> None:
            self.reads = 0

        def __getattr__(self, name: str) -> Any:
            return getattr(store, name)

        def read(self) -> list[Event]:
            events = store.read()
            self.reads += 1
            if self.reads == 1:
                store.append([Event("failed", AT, canary, data={"reason": "unhealthy"})], 1)
            return events

    interrupted = Interrupted()
    time = FakeTime(AT + 10)
    clear_batch(interrupted, 1, (), Clock(time.now, time.sleep), 0)  # type: ignore[arg-type]
    assert interrupted.reads > 1
    assert [event.kind for event in store.read()][-2:] == ["failed", "held"]
