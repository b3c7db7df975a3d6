# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One pass of a controller over a rollout: what happens between the devices. The clock is handed in."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from .decide import Decisions, advance
from .events import Event
from .gate import Wait
from .states import DISRUPTED, DeviceClass, DeviceState, Rollout, RolloutPhase, WavePhase, answers_by, replay
from .store import Store

_BAD_NEWS = frozenset({"failed", "rolled_back", "lost", "inconsistent", "held", "superseded"})


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
    ``position`` is how far the ledger reached then, ``recorded`` whether the gate added to it.
    """

    rollout: Rollout
    go: tuple[str, ...]
    draining: bool
    stop: bool
    wait: Wait | None
    position: int
    recorded: bool


def clear_batch(ledger: Store, epoch: int, batch: Sequence[str], clock: Clock, deadline: float) -> Clearance:
    """Bring the ledger up to date and say which of ``batch`` may be touched.

    Waits, until ``deadline`` at most, for a wave before it that only time keeps from passing. With an empty batch it
    waits for whatever time alone brings about: the end of the pass.
    """
    recorded = False
    while True:
        rollout, decisions, news = _settle(ledger, epoch, clock)
        batch = [host for host in batch if host in rollout.devices]
        recorded = recorded or news
        go = tuple(host for host in batch if host in decisions.touch)
        held = rollout.phase is RolloutPhase.HELD
        early = any(rollout.waves[rollout.devices[host].wave].phase is WavePhase.PLANNED for host in batch)
        until = None if decisions.wait is None else decisions.wait.until
        if until is None or until > deadline or held or not (early or not batch):
            stop = not go and (early or held or rollout.phase is RolloutPhase.SUPERSEDED)
            position = ledger.position()
            return Clearance(rollout, go, held, stop, decisions.wait, position, recorded)
        clock.sleep(min(max(until - clock.now(), 0.0), clock.nap))


def _settle(ledger: Store, epoch: int, clock: Clock) -> tuple[Rollout, Decisions, bool]:
    while True:
        position = ledger.position()
        rollout, events, decisions = advance(replay(ledger.read()), clock.now())
        if ledger.append(events, epoch, position):  # a gate must not pass for want of news that came meanwhile
            return rollout, decisions, bool(events)


def may_still_start(ledger: Store, position: int, host: str, now: float) -> bool:
    """Whether a host that was cleared when the ledger reached ``position`` may start something new now.

    The others of its batch may have failed meanwhile. Without such news nothing has to be derived again.
    """
    if _BAD_NEWS.isdisjoint(event.kind for event in ledger.read_since(position)):
        return True
    rollout, _unused, decisions = advance(replay(ledger.read()), now)
    return rollout.phase is not RolloutPhase.HELD and host in decisions.touch


def could_not_ask(ledger: Store, epoch: int, host: str, message: str, now: float) -> bool:
    """Record that a cleared host could not even be asked; True when that was news.

    One that was touched stays as it is until its time to answer is over.
    """
    rollout = replay(ledger.read())
    device = rollout.devices[host]
    if device.device_class is DeviceClass.UNTOUCHED:
        news = device.state is not DeviceState.DEFERRED or device.message != message
        event = Event("deferred", now, host, data={"reason": "unexpected", "message": message, "attempt": False})
    else:
        news = device.state in DISRUPTED and not device.may_heal and now >= answers_by(rollout, device)
        event = Event("lost", now, host, data={"reason": "silent", "message": message})
    if news:
        ledger.append([event], epoch)
    return news
