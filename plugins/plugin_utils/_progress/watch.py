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
from .._rollout.errors import RolloutError
from .._rollout.states import Rollout
from .._rollout.store import Store
from .follow import Follower
from .live import Layout
from .notices import Notice, Teller, notices
from .screen import Passage, Screen
from .view import View, clock_time, size_of, view_of

_TICK_SECONDS = 0.5
_VIEW_SECONDS = 2.0
"""How old a view may become without news: it tells of time that passes."""
_SPARE_LINES = 3


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
        self._teller = Teller(0.0 if terminal else interval, tallies=terminal is None)
        self._screen = None if terminal is None else Screen(sys.stdout, lock)
        self._streams: tuple[TextIO, TextIO] | None = None
        self._follower: Follower | None = None
        self._deadline = 0.0
        self._view: View | None = None
        self._view_at = 0.0
        self._title = ""
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
            if self._news() is None or self._follower is None:
                return
            rollout = self._follower.rollout
            if rollout is not None:
                silent = (
                    f"; {asleep} of those that are due {'does' if asleep == 1 else 'do'} not answer" if asleep else ""
                )
                self._tell(f"{plain(f'rollout {rollout.plan.spec.id}')}: {size_of(rollout)}{silent}")
        self.tick()

    def was_told(self) -> None:
        """Somebody else has just printed how far the rollout is."""
        with self._lock:
            self._view = None
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
            if not reported:
                self.tell_all()
            if self._screen is not None:
                if reported or self._view is None:
                    self._screen.hide()
                self._screen.leave()
            elif not reported and self._view is not None:
                self._tell(self._view.tally)
            sys.stdout, sys.stderr = self._streams
            self._streams = None

    # -- all of these hold the lock ------------------------------------------------------------------------------------

    def _look(self, *, tallied: bool = False) -> None:
        told = self._news()
        now = self._now()
        rollout = None if self._follower is None else self._follower.rollout
        if self._follower is not None and rollout is not None and told is not None:
            if told or self._view is None or now - self._view_at >= _VIEW_SECONDS:
                self._view, self._view_at = view_of(rollout, self._follower.durations, self._deadline, now), now
            if tallied:
                self._teller.was_told(self._view, now)
            for line in self._teller.hear(told, self._view, now):
                self._tell(line)
        if self._terminal is not None and self._screen is not None and not self._hidden:
            columns, lines = self._terminal.size()
            width, height = max(columns - 1, 1), max(lines - _SPARE_LINES, 1)
            self._screen.show(self._picture(self._terminal.layout, width, height, now), columns)

    def _picture(self, layout: Layout, width: int, height: int, now: float) -> list[str]:
        if self._view is not None:
            return layout.lines(self._view, width, height)
        return [f"{self._title}, {span(round(now - self._begun_at))}"[:width]] if self._title else []

    def _news(self) -> list[Notice] | None:
        """What is worth telling; None when there is nothing that could be followed."""
        follower = self._follower
        if follower is None:
            return None
        before: Rollout | None = follower.rollout
        try:
            events = follower.news()
            if before is None or follower.rollout is None:
                return []  # what is on record from earlier runs is no news
            return notices(events, follower.rollout)
        except (RolloutError, KeyError, ValueError, TypeError, IndexError) as error:
            # That is for the rollout itself to deal with; who watches must not be what stops it.
            self._follower, self._view, self._title = None, None, ""
            self._warn(f"The progress of the rollout cannot be shown any more: {plain(error)}")
            return None

    def _tell(self, line: str) -> None:
        now = self._now()
        self._say(f"[{clock_time(now, now)}] {line}")

    def _run(self) -> None:
        while not self._ended.wait(_TICK_SECONDS):
            try:
                self.tick()
            except OSError:  # nobody looks any more: the terminal has gone, or the other end of a pipe
                return
