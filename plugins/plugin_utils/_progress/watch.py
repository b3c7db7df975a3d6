# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Show one rollout from the moment it is opened until its report: a thread looks at what is recorded meanwhile.

Everything is done while ``lock`` is held, which has to be the one that keeps processes from being started: no process
begins its life with the locks of a thread that is in the middle of something.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, TextIO, cast

from .._report import plain
from .._report.words import span
from .._rollout.replay import UNTELLABLE
from .._rollout.states import Rollout
from .._rollout.store import Store
from .follow import Follower
from .live import Layout
from .notices import Teller, notices
from .screen import Passage, Screen
from .view import View, clock_time, size_of, view_of

_TICK_SECONDS = 0.5
_VIEW_SECONDS = 1.0
"""How old a view may become without news: it tells of time that passes."""
_SHARE = 20
"""Of a large fleet a view takes a while: of all time at most one part in so many is spent on it."""
_SPARE_LINES = 3
_GATHER_SECONDS = 2.0
"""For how long lines about devices are gathered where a picture shows how far it is."""

_LONG_AGO = float("-inf")


@dataclass(frozen=True)
class Terminal:
    """Where there is one to draw on. ``size`` gives its columns and lines."""

    layout: Layout
    size: Callable[[], tuple[int, int]]


class Watch:
    """Says lines with ``say``, at most every ``interval`` seconds, or with ``terminal`` keeps a picture below them.

    From ``begin`` to ``end`` the standard streams are stood in for, so that what is printed neither mixes with the
    picture nor does anything else to a terminal. ``warn`` is told when the rollout cannot be followed.
    """

    def __init__(
        self,
        say: Callable[[str], None],
        warn: Callable[[str], None],
        lock: AbstractContextManager[Any],
        *,
        interval: float,
        terminal: Terminal | None,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._say = say
        self._warn = warn
        self._lock = lock
        self._terminal = terminal
        self._now = now
        self._teller = Teller(_GATHER_SECONDS if terminal else interval, tallies=terminal is None)
        self._screen = None if terminal is None else Screen(sys.stdout, lock)
        self._streams: tuple[TextIO, TextIO] | None = None
        self._follower: Follower | None = None
        self._deadline = 0.0
        self._view: View | None = None
        self._view_at = self._view_cost = 0.0
        self._has_news = False
        self._picture: tuple[object, list[str]] = (None, [])
        self._title = self._silent = ""
        self._begun_at = 0.0
        self._hidden = False
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="rollout progress", daemon=True)

    def begin(self, title: str) -> None:
        """Start to show; until there is a rollout to follow, only that ``title`` goes on."""
        with self._lock:
            self._title, self._begun_at = plain(title), self._now()
            self._streams = (sys.stdout, sys.stderr)
            shares = self._screen is not None and sys.stderr.isatty()
            sys.stdout = cast(TextIO, Passage(self._streams[0], self._screen))
            sys.stderr = cast(TextIO, Passage(self._streams[1], self._screen if shares else None))
        self._thread.start()

    def follow(self, store: Store, deadline: float, asleep: int) -> None:
        """Show this rollout, whose run waits until ``deadline`` (seconds since the epoch)."""
        with self._lock:
            self._follower, self._deadline = Follower(store), deadline
            if asleep:
                self._silent = f"; {asleep} of those that are due {'does' if asleep == 1 else 'do'} not answer"
            self._look()

    def was_told(self) -> None:
        """Somebody else has just printed how far the rollout is."""
        with self._lock:
            self._view_at = _LONG_AGO
            self._look(tallied=True)

    def tell_all(self) -> None:
        """Say what is left to be said of devices, before a report says where all of them are."""
        with self._lock:
            self._look()
            for line in self._teller.rest():
                self._tell(line)

    def hide(self) -> None:
        """Leave the terminal to others."""
        with self._lock:
            self._hidden = True
            if self._screen is not None:
                self._screen.hide()

    def appear(self) -> None:
        """After ``hide``."""
        with self._lock:
            self._hidden = False

    def tick(self) -> None:
        """Look once."""
        with self._lock:
            self._look()

    def end(self, *, reported: bool) -> None:
        """Say what is left to be said. Unless a report has told all that, the last picture stays."""
        self._ended.set()
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join()
        with self._lock:
            if self._streams is None:
                return
            try:
                self._leave(reported)
            finally:
                sys.stdout, sys.stderr = self._streams
                self._streams = None

    # -- all of these hold the lock ------------------------------------------------------------------------------------

    def _leave(self, reported: bool) -> None:
        if not reported:
            self._view_at = _LONG_AGO
            self.tell_all()
        if self._screen is not None:
            if reported or self._view is None:
                self._screen.hide()
            self._screen.leave()
        elif not reported and self._view is not None:
            self._tell(self._view.tally)

    def _look(self, *, tallied: bool = False) -> None:
        now = self._now()
        try:
            if self._follower is not None:
                self._take_in(self._follower, now, tallied)
            if self._terminal is not None and self._screen is not None and not self._hidden:
                columns, lines = self._terminal.size()
                width, height = max(columns - 1, 1), max(lines - _SPARE_LINES, 1)
                self._screen.show(self._drawn(self._terminal.layout, width, height, now), columns)
        except UNTELLABLE as error:
            # That is for the rollout itself to deal with; who watches must not be what stops it.
            self._follower, self._view, self._title = None, None, ""
            if self._screen is not None:
                self._screen.hide()
            self._warn(f"The progress of the rollout cannot be shown any more: {plain(error)}")

    def _take_in(self, follower: Follower, now: float, tallied: bool) -> None:
        before = follower.rollout
        events = follower.news()
        self._has_news = self._has_news or bool(events)
        if follower.rollout is None:
            return
        view = self._current(follower, follower.rollout, now)
        if before is None:  # what is on record from earlier runs is no news
            self._tell(
                f"{plain(f'rollout {follower.rollout.plan.spec.id}')}: {size_of(follower.rollout)}{self._silent}"
            )
            events = []
        if tallied:
            self._teller.was_told(view, now)
        for line in self._teller.hear(notices(events, follower.rollout), view, now):
            self._tell(line)

    def _current(self, follower: Follower, rollout: Rollout, now: float) -> View:
        """The view of a moment ago, or a new one."""
        age = now - self._view_at
        if self._view is None or age >= max(_SHARE * self._view_cost, 0.0 if self._has_news else _VIEW_SECONDS):
            begun = time.perf_counter()
            self._view, self._view_at = view_of(rollout, follower.durations, self._deadline, now), now
            self._view_cost, self._has_news = time.perf_counter() - begun, False
        return self._view

    def _drawn(self, layout: Layout, width: int, height: int, now: float) -> list[str]:
        if self._view is None:
            return [f"{self._title}, {span(round(now - self._begun_at))}"[:width]] if self._title else []
        what = (id(self._view), self._view_at, width, height)
        if self._picture[0] != what:
            self._picture = (what, layout.lines(self._view, width, height))
        return self._picture[1]

    def _tell(self, line: str) -> None:
        now = self._now()
        self._say(f"[{clock_time(now, now)}] {line}")

    def _run(self) -> None:
        while not self._ended.wait(_TICK_SECONDS):
            try:
                self.tick()
            except BlockingIOError:  # who reads is slow, and has more room the next time
                continue
            except OSError:  # nobody looks any more: the terminal has gone, or the other end of a pipe
                return
