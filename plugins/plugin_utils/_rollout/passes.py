# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One pass of a controller over a rollout: what happens between the devices. The clock is handed in."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from .decide import Decisions, advance
from .gate import Wait
from .ledger import Ledger
from .states import Rollout, RolloutPhase, WavePhase, replay


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
    """

    rollout: Rollout
    go: tuple[str, ...]
    draining: bool
    stop: bool
    wait: Wait | None


def clear_batch(ledger: Ledger, epoch: int, batch: Sequence[str], clock: Clock, deadline: float) -> Clearance:
    """Bring the ledger up to date and say which of ``batch`` may be touched.

    Waits, until ``deadline`` at most, for a wave before it that only time keeps from passing. With an empty batch it
    waits for whatever time alone brings about: the end of the pass.
    """
    while True:
        rollout, decisions = _settle(ledger, epoch, clock)
        go = tuple(host for host in batch if host in decisions.touch)
        held = rollout.phase is RolloutPhase.HELD
        early = any(rollout.waves[rollout.devices[host].wave].phase is WavePhase.PLANNED for host in batch)
        until = None if decisions.wait is None else decisions.wait.until
        if until is None or until > deadline or held or not (early or not batch):
            stop = not go and (early or held or rollout.phase is RolloutPhase.SUPERSEDED)
            return Clearance(rollout, go, draining=held, stop=stop, wait=decisions.wait)
        clock.sleep(min(max(until - clock.now(), 0.0), clock.nap))


def _settle(ledger: Ledger, epoch: int, clock: Clock) -> tuple[Rollout, Decisions]:
    rollout, events, decisions = advance(replay(ledger.read()), clock.now())
    ledger.append(events, epoch)
    return rollout, decisions
