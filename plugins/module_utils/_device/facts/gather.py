# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""All facts of a device, by subsets, within one time limit."""

from __future__ import annotations

import time
from typing import Any, Callable, Iterable, Sequence

from ..command import Completed, Run, Watch
from .boot_time import read_boot_time
from .hardware import oci_architecture, read_gpus, read_machine, read_memory
from .integrity import read_integrity
from .mesa import read_mesa
from .network import read_network
from .power import read_power
from .probe import PROBE_SECONDS
from .product import read_product
from .sessions import read_play, read_sessions
from .storage import read_storage
from .updaters import read_updaters

_LEAST_SECONDS = 0.1


class Deadline:
    """A ``Run`` that gives no command more time than is left of all."""

    def __init__(self, run: Run, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._run = run
        self._clock = clock
        self._end = clock() + seconds

    def left(self) -> float:
        """Seconds that are left; never quite none, so that a question may still end by its own."""
        return max(self._end - self._clock(), _LEAST_SECONDS)

    def __call__(self, argv: Sequence[str], timeout: float, *, watch: Watch | None = None) -> Completed:
        return self._run(argv, min(timeout, self.left()), watch=watch)


def _hardware(run: Deadline) -> dict[str, Any]:
    machine = read_machine(run)
    gpus = read_gpus()
    return {
        "machine": machine,
        "architecture": oci_architecture(machine),
        "memory_bytes": read_memory(),
        "product": read_product(run).as_dict(),
        "gpus": None if gpus is None else [gpu.as_dict() for gpu in gpus],
        "mesa": read_mesa(run).as_dict(),
    }


def _sessions(run: Deadline) -> dict[str, Any]:
    sessions = read_sessions(run)
    play = read_play()
    return {
        "list": None if sessions is None else [each.as_dict() for each in sessions],
        "people": None if sessions is None else len({each.user for each in sessions if each.of_a_person}),
        "games": None if play is None else [game.as_dict() for game in play.games],
        "gamescope": None if play is None else play.gamescope,
    }


def _updaters(run: Deadline) -> list[dict[str, Any]] | None:
    found = read_updaters(run)
    return None if found is None else [each.as_dict() for each in found]


def _integrity(run: Deadline) -> dict[str, Any]:
    return read_integrity(run, min(PROBE_SECONDS, run.left())).as_dict()


SUBSETS: dict[str, Callable[[Deadline], Any]] = {
    "hardware": _hardware,
    "storage": lambda run: read_storage(run).as_dict(),
    "power": lambda _run: read_power().as_dict(),
    "network": lambda run: read_network(run).as_dict(),
    "sessions": _sessions,
    "boot": lambda run: read_boot_time(run).as_dict(),
    "updaters": _updaters,
    # Last, as comparing /etc takes the time there is.
    "integrity": _integrity,
}


def gather(run: Run, subsets: Iterable[str], timeout: float) -> dict[str, Any]:
    """The facts of these subsets by name, in about ``timeout`` seconds: what is not answered by then is unknown."""
    deadline = Deadline(run, timeout)
    wanted = set(subsets)
    return {name: probe(deadline) for name, probe in SUBSETS.items() if name in wanted}
