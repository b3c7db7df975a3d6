# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who may advance a rollout: one controller at a time, known by its process.

The lease is a small JSON file beside the ledger. It has no expiry, because an expired lease of a live controller lets
two of them march; instead its holder is looked up: a process that is gone gave its lease up. Where it cannot be looked
up, on another machine or in another container, it counts as being at work.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from .errors import RolloutError
from .storage import unwritable


@dataclass(frozen=True)
class Holder:
    """A controller process; ``started`` is its start in clock ticks since the boot ``boot_id`` of ``machine``.

    Machines may have one name, and containers one machine: ``machine_id`` and ``pid_namespace`` tell them apart. They
    are None in a lease of a version that did not write them.
    """

    machine: str
    boot_id: str
    pid: int
    started: str
    user: str
    epoch: int
    machine_id: str | None = None
    pid_namespace: str | None = None

    def is_elsewhere(self, here: Holder) -> bool:
        """Whether it runs where ``here`` cannot look its process up: on another machine, or in another container."""
        if self.machine != here.machine:
            return True
        if self.machine_id is None or self.pid_namespace is None:
            return False
        if (self.machine_id, self.pid_namespace) != (here.machine_id, here.pid_namespace):
            return True
        # Without an identity of the machine another boot may as well be one of another machine.
        return not self.machine_id and self.boot_id != here.boot_id


def take(directory: Path, candidate: Holder, is_alive: Callable[[Holder], bool]) -> None:
    """Write ``candidate`` as holder of the lease in ``directory``; the caller holds the ledger root's lock.

    Raises RolloutError when somebody else holds it and may be at work: a live process here, or any on another machine.
    """
    refuse_another(read(directory), candidate, is_alive, f"remove {directory / 'lease.json'}")
    temporary = directory / f"lease.json.{candidate.pid}"
    try:
        with temporary.open("w", encoding="utf-8") as file:
            file.write(json.dumps(asdict(candidate)) + "\n")
            file.flush()
            os.fsync(file.fileno())  # an empty lease after a power loss would be in everybody's way
        temporary.replace(directory / "lease.json")
    except OSError as error:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise unwritable("the lease", directory / "lease.json", error, "Then run again.") from error


def refuse_another(current: Holder | None, candidate: Holder, is_alive: Callable[[Holder], bool], remove: str) -> None:
    """Raise RolloutError when ``current`` may be at work; ``remove`` says how to take the lease from a lost machine."""
    if current is None or _same(current, candidate):
        return
    elsewhere = current.is_elsewhere(candidate)
    if elsewhere or is_alive(current):
        namesake = elsewhere and current.machine == candidate.machine
        where = f"{current.machine}, another machine or container of this name" if namesake else current.machine
        raise RolloutError(
            f"This rollout is already being run by {current.user} (process {current.pid} on {where}).",
            f"Wait for it to end; if that machine is gone, {remove} and run again."
            if elsewhere
            else "Wait for it to end, or stop it, then run again.",
            "lease_held",
        )


def read(directory: Path) -> Holder | None:
    """Who holds the lease, if anybody."""
    try:
        return Holder(**json.loads((directory / "lease.json").read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
    except (ValueError, TypeError, OSError) as error:
        raise RolloutError(
            f"Whether somebody runs this rollout is unknown: {directory / 'lease.json'} cannot be read ({error}).",
            "Make sure that nobody does, then remove that file and run again.",
            "lease_damaged",
        ) from error


def release(directory: Path, epoch: int) -> None:
    """Give the lease of ``epoch`` up; a newer holder's stays."""
    current = read(directory)
    if current is not None and current.epoch == epoch:
        try:
            (directory / "lease.json").unlink(missing_ok=True)
        except OSError as error:
            then = "Then run again; until then nobody on another machine can take this rollout over."
            raise unwritable("the lease", directory / "lease.json", error, then) from error


def _same(one: Holder, other: Holder) -> bool:
    return (one.machine, one.boot_id, one.pid, one.started) == (other.machine, other.boot_id, other.pid, other.started)
