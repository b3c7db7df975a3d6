# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A rollout that is watched while it runs. The clock stands still, and only the test looks."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from ansible_collections.skorionos.bootc.plugins.plugin_utils._progress import follow as following
from ansible_collections.skorionos.bootc.plugins.plugin_utils._progress import watch as watching
from ansible_collections.skorionos.bootc.plugins.plugin_utils._progress.live import Layout
from ansible_collections.skorionos.bootc.plugins.plugin_utils._progress.view import View
from ansible_collections.skorionos.bootc.plugins.plugin_utils._progress.watch import Terminal, Watch
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.events import Event

from tests.unit.rollout.builders import BEGIN, one_wave, opened, told
from tests.unit.rollout.memory_store import MemoryStore


@dataclass
class Bench:
    now: float = BEGIN
    said: list[str] = field(default_factory=list)
    warned: list[str] = field(default_factory=list)
    terminal: Terminal | None = None
    store: MemoryStore = field(default_factory=lambda: MemoryStore("memory"))
    watch: Watch = field(init=False)

    def __post_init__(self) -> None:
        self.watch = Watch(
            self.said.append,
            self.warned.append,
            threading.RLock(),
            interval=10,
            terminal=self.terminal,
            now=lambda: self.now,
        )

    def record(self, *events: Event) -> None:
        self.store.create()
        self.store.append(events, 1)

    def follow(self) -> None:
        self.record(Event("planned", BEGIN, data={"plan": one_wave(3).as_dict()}), opened())
        self.watch.begin("Open the rollout")
        self.watch.follow(self.store, BEGIN + 900, asleep=1)

    def later(self, seconds: float) -> list[str]:
        self.now += seconds
        self.said.clear()
        self.watch.tick()
        return [line.partition("] ")[2] for line in self.said]


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    monkeypatch.setattr(watching, "_TICK_SECONDS", 3600)
    bench = Bench()
    yield bench
    bench.watch.end(reported=True)


def test_it_says_what_happens(bench: Bench) -> None:
    bench.follow()
    assert bench.said[0].endswith("] rollout r1: 3 devices in 1 wave: only 3; 1 of those that are due does not answer")
    bench.record(*told("staging", "d000", "d001"))
    assert bench.later(5) == []
    bench.record(*told("rolled_back", "d000", reason="unhealthy", message="no desktop"))
    assert bench.later(10) == [
        "d000: rolled back: unhealthy: no desktop",
        "only: 0 of 3 updated, 1 rolled back, 1 in flight; 1 downloading (d001); "
        "all waves: 0 of 3 updated, 1 rolled back, 1 in flight",
    ]


def test_what_was_not_told_yet_is_told_at_the_end_and_where_it_stood(bench: Bench) -> None:
    bench.follow()
    bench.later(60)
    bench.record(*told("failed", "d002", message="x"))
    assert bench.later(1)[0] == "d002: failed: x"
    bench.record(*told("failed", "d001", message="x"))
    assert bench.later(1) == []
    bench.watch.end(reported=False)
    assert [line.partition("] ")[2] for line in bench.said] == [
        "d001: failed: x",
        "only: 0 of 3 updated, 2 failed; all waves: 0 of 3 updated, 2 failed",
    ]


def test_what_earlier_runs_recorded_is_not_told(bench: Bench) -> None:
    bench.record(Event("planned", BEGIN, data={"plan": one_wave(3).as_dict()}), opened(), *told("failed", "d000"))
    bench.watch.begin("Open the rollout")
    bench.watch.follow(bench.store, BEGIN + 900, asleep=0)
    assert not any("d000" in line for line in bench.said)


def test_a_record_that_makes_no_sense_ends_the_watching_and_nothing_else(bench: Bench) -> None:
    bench.follow()
    bench.record(Event("held", BEGIN, wave=7))
    assert bench.later(60) == []
    assert len(bench.warned) == 1
    bench.record(*told("failed", "d000"))
    assert bench.later(60) == []
    assert len(bench.warned) == 1


def test_the_standard_streams_are_given_back(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    before = sys.stdout, sys.stderr
    bench.watch.begin("Open the rollout")
    print("\x1b]0;owned\x07")
    bench.watch.end(reported=False)
    assert (sys.stdout, sys.stderr) == before
    assert capsys.readouterr().out == "\\x1b]0;owned\\x07\n"


def test_every_kind_of_senseless_event_ends_the_watching_only(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.follow()

    def apply(*_anything: object) -> None:
        raise AttributeError("'int' object has no attribute 'get'")

    monkeypatch.setattr(following, "apply_events", apply)
    bench.record(*told("failed", "d000"))
    assert bench.later(60) == []
    assert len(bench.warned) == 1


class Undrawable(Layout):
    def lines(self, view: View, width: int, height: int) -> list[str]:
        raise AttributeError("no such style")


def test_what_cannot_be_drawn_is_warned_of_once_and_hidden(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(watching, "_TICK_SECONDS", 3600)
    bench = Bench(terminal=Terminal(Undrawable("utf-8", color=False), lambda: (80, 24)))
    before = sys.stdout, sys.stderr
    bench.follow()
    bench.later(60)
    bench.later(60)
    assert len(bench.warned) == 1
    assert "no such style" in bench.warned[0]
    bench.watch.end(reported=False)
    assert (sys.stdout, sys.stderr) == before


def test_the_standard_streams_are_given_back_whatever_the_end_meets(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = sys.stdout, sys.stderr
    bench.watch.begin("Open the rollout")

    def gone() -> None:
        raise BrokenPipeError

    monkeypatch.setattr(bench.watch, "tell_all", gone)
    with pytest.raises(BrokenPipeError):
        bench.watch.end(reported=False)
    assert (sys.stdout, sys.stderr) == before


def test_it_goes_on_when_who_reads_is_slow(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "_TICK_SECONDS", 0.001)
    looked = threading.Event()
    troubles = [BlockingIOError(), BlockingIOError()]

    def tick() -> None:
        if troubles:
            raise troubles.pop()
        looked.set()

    monkeypatch.setattr(bench.watch, "tick", tick)
    bench.watch.begin("Open the rollout")
    assert looked.wait(10)
