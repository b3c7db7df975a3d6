# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One pass of a controller over a rollout: what happens between the devices. The clock is handed in."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .decide import Decisions, advance, is_to_come, is_too_late
from .events import Event
from .gate import Wait
from .pace import Occupancy, occupancy
from .replay import replay
from .spec import Analysis
from .states import (
    DISRUPTED,
    NOT_ASKED,
    STOPPED,
    DeviceClass,
    DeviceState,
    Rollout,
    RolloutPhase,
    WavePhase,
    answers_by,
)
from .store import Store, news_since

_CHANGES_DECISIONS = frozenset(
    {
        "failed",
        "rolled_back",
        "lost",
        "inconsistent",
        "held",
        "paused",
        "resumed",
        "accepted",
        "canceled",
        "aborted",
        "reverting",
        "excluded",
        "released",
        "retried",
        "superseded",
        "hosts_superseded",
    }
)
"""Kinds of events after which what may start has to be decided anew."""


@dataclass(frozen=True)
class Clock:
    """``now`` in seconds since the epoch; ``sleep`` takes seconds, and is asked for ``nap`` of them at most."""

    now: Callable[[], float]
    sleep: Callable[[float], None]
    nap: float = 5.0


@dataclass(frozen=True)
class Clearance:
    """The gate's answer to a batch: these of its hosts may be touched now.

    ``draining`` means that they may only finish what they began; ``stop`` that no later batch has a chance either.
    ``confirm`` names devices that have to be looked at again first. ``position`` is how far the ledger reached then,
    ``recorded`` whether the gate added to it.
    """

    rollout: Rollout
    go: tuple[str, ...]
    draining: bool
    stop: bool
    wait: Wait | None
    position: int
    recorded: bool
    confirm: tuple[str, ...] = ()


Analyse = Callable[[Rollout, int, Analysis], Event]
"""Runs one analysis of the wave with this index; returns what to record."""


def clear_batch(
    ledger: Store,
    epoch: int,
    batch: Sequence[str],
    clock: Clock,
    deadline: float,
    *,
    confirmed: bool = False,
    analyse: Analyse | None = None,
) -> Clearance:
    """Bring the ledger up to date and say which of ``batch`` may be touched.

    While devices have to be looked at again nobody may, unless that was tried: ``confirmed``. Then nobody waits here
    until they are to be looked at once more, because it is whoever asks next that looks.
    Waits, until ``deadline`` at most, for a wave before it that only time keeps from passing, and has it analysed. With
    an empty batch it waits for whatever time alone brings about: the end of the pass.
    """
    recorded = False
    while True:
        position = ledger.position()
        rollout, decisions, news = _settle(ledger, epoch, clock)
        batch = [host for host in batch if host in rollout.devices]
        recorded = recorded or news
        go = tuple(host for host in batch if host in decisions.touch)
        stopped = rollout.phase in STOPPED
        early = any(_is_early(rollout, host) for host in batch)
        run = None if decisions.wait is None else decisions.wait.run
        if run is not None and analyse is not None and (early or not batch):
            index, analyses = run
            ledger.append([analyse(rollout, index, analyses[0])], epoch)
            recorded = True
            continue
        until = None if decisions.wait is None else decisions.wait.until
        confirm = decisions.confirm if early or not batch else ()
        looked = confirmed and decisions.wait is not None and decisions.wait.rule == "confirmation"
        in_time = until is not None and until <= deadline
        if confirm or looked or not in_time or stopped or not (early or not batch):
            hopeless = (early and not (looked and in_time)) or stopped or rollout.phase is RolloutPhase.SUPERSEDED
            stop = hopeless and not go and not confirm
            draining = stopped or is_too_late(rollout, clock.now())
            if confirm and not confirmed:
                go = ()
            return Clearance(rollout, go, draining, stop, decisions.wait, position, recorded, confirm)
        clock.sleep(min(max((until or 0.0) - clock.now(), 0.0), clock.nap))


def _is_early(rollout: Rollout, host: str) -> bool:
    device = rollout.devices[host]
    return rollout.waves[device.wave].phase is WavePhase.PLANNED or is_to_come(rollout, device)


def _settle(ledger: Store, epoch: int, clock: Clock) -> tuple[Rollout, Decisions, bool]:
    while True:
        position = ledger.position()
        rollout, events, decisions = advance(replay(ledger.read()), clock.now())
        if ledger.append(events, epoch, position):  # a gate must not pass for want of news that came meanwhile
            return rollout, decisions, bool(events)


@dataclass(frozen=True)
class Ticket:
    """A cleared device: ``room`` and the clearance were true when the ledger reached ``position``.

    ``peers`` are the devices that were cleared with it. When it is ``draining`` nothing new may begin. A ``patient``
    one waits for a moment that was announced to it, where others are left to the next run.
    """

    host: str
    room: Occupancy
    position: int
    peers: frozenset[str] = frozenset()
    draining: bool = False
    patient: bool = False


_LONG_NAP = 5.0
"""How many seconds a device that waits for its window sleeps between two looks at the ledger."""


class Turn:
    """When a cleared device may begin something. The others of its batch are worked on meanwhile, and may fail.

    ``append`` records an event if the ledger ends where it is told, and says whether it did. Waits for room until
    ``deadline`` at most, and not at all when nobody at work could make any.
    """

    def __init__(
        self, ledger: Store, append: Callable[[Event, int], bool], ticket: Ticket, clock: Clock, deadline: float
    ) -> None:
        self._ledger = ledger
        self._append = append
        self._host = ticket.host
        self._room = ticket.room
        self._position = ticket.position
        self._peers = ticket.peers
        self._clock = clock
        self._deadline = deadline
        self._allowed = not ticket.draining
        self._patient = ticket.patient

    def is_open(self) -> bool:
        """Whether the device may begin something, if there is room for it."""
        self._catch_up()
        return self._allowed

    def wait(self, *, downloads: bool = False) -> bool:
        """Wait for room, and with ``downloads`` until that may begin; False when there is none in time, or nothing may
        begin any more."""
        while True:
            self._catch_up()
            if not self._allowed:
                return False
            if self._room.admits(self._host):
                remaining = self._room.downloads_until - self._clock.now() if downloads else 0.0
                if remaining <= 0:
                    return True
                if self._room.downloads_until > self._deadline:
                    return False
                self._clock.sleep(min(remaining, _LONG_NAP))
                continue
            if self._clock.now() >= self._deadline or not self._room.occupants(self._host) & self._peers:
                return False
            self._clock.sleep(self._clock.nap)

    def wait_until(self, moment: float) -> bool:
        """Sleep until ``moment`` (seconds since the epoch), and say whether the device may begin something then.

        False at once when it comes after the deadline or the device is not patient, and soon when the rollout is held,
        paused or over.
        """
        while self._patient and moment <= self._deadline and self.is_open():
            remaining = moment - self._clock.now()
            if remaining <= 0:
                return True
            self._clock.sleep(min(remaining, _LONG_NAP))
        return False

    def begin(self, kind: str, data: Mapping[str, Any]) -> bool:
        """Record the intent ``kind`` if there is room for the device, which nobody else takes meanwhile.

        One with ``bytes`` in its data downloads that many. Who is about to begin something answers. Where others wait
        because it did not, that goes on record, even if there is no room.
        """
        while True:
            self._catch_up()
            if not self._allowed:
                return False
            if not self._room.admits(self._host):
                if not self._room.counts_as_down(self._host):
                    return False
                back = {"message": "it answers again", "resumed": True}
                self._append(Event("released", self._clock.now(), self._host, data=back), self._position)
                continue
            event = Event(kind, self._clock.now(), self._host, data=data)
            if "bytes" in data and event.at < self._room.downloads_until:
                return False
            if self._append(event, self._position):
                return True

    def _catch_up(self) -> None:
        """Take in what was recorded since. Without news that matters nothing has to be derived again."""
        news, position = news_since(self._ledger, self._position)
        if _CHANGES_DECISIONS.isdisjoint(event.kind for event in news):
            self._room = self._room.after(news)
        elif self._allowed:
            events, position = self._everything()
            rollout, _unused, decisions = advance(replay(events), self._clock.now())
            device = rollout.devices[self._host]
            stopped = rollout.phase in STOPPED or rollout.phase is RolloutPhase.SUPERSEDED
            stopped = stopped or is_too_late(rollout, self._clock.now())
            self._allowed = not stopped and not device.excluded and self._host in decisions.touch
            # Of all who were cleared with it: those who finish later make room.
            self._room = occupancy(rollout, self._room.wave_of)
        self._position = position

    def _everything(self) -> tuple[list[Event], int]:
        """All that is on record, and the position that it reaches: a download may not be counted twice."""
        while True:
            position = self._ledger.position()
            events = self._ledger.read()
            if self._ledger.position() == position:
                return events, position


def could_not_ask(ledger: Store, epoch: int, host: str, message: str, now: float) -> bool:
    """Record that a cleared host could not even be asked; True when that was news.

    One that was touched stays as it is until its time to answer is over.
    """
    rollout = replay(ledger.read())
    device = rollout.devices[host]
    overdue = now >= answers_by(rollout.plan.spec, device)
    if device.state in DISRUPTED:
        news = overdue and not device.may_heal
        event = Event("lost", now, host, data={"reason": "silent", "message": message})
    elif device.armed or device.device_class is not DeviceClass.UNTOUCHED:
        news = overdue and device.at_risk
        event = Event("unreachable", now, host, data={"message": message, "armed": True})
    else:
        news = device.state is not DeviceState.DEFERRED or device.message != message
        event = Event("deferred", now, host, data={"reason": "unexpected", "message": message, "attempt": False})
    if news:
        ledger.append([event], epoch)
    return news


def note_unasked(ledger: Store, epoch: int, asked: Sequence[str], position: int, now: float) -> bool:
    """Record who was to be looked at again, but could not even be asked; True when that was news.

    ``position`` is how far the ledger reached before: a look leaves some news there. Without this the wave would wait
    for theirs for ever.
    """
    told = {event.host for event in ledger.read_since(position)} if asked else set()
    data = {"reason": NOT_ASKED, "message": "Ansible could not ask it; the output of the run says why"}
    news = [Event("unconfirmed", now, host, data=data) for host in asked if host not in told]
    return bool(news) and ledger.append(news, epoch)
