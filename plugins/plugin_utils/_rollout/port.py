# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The device as a rollout sees it: what can be asked of it, what it answers, and how it can fail to."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol


class Unreachable(Exception):
    """The device did not answer; the text says what the connection said."""


class DeviceError(Exception):
    """The device answered that it cannot. ``reason`` is one of the error kinds of the device modules."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


class Inhibited(DeviceError):
    """It was not rebooted, for the sake of whoever uses it. ``found`` holds names of inhibitors and what was seen."""

    def __init__(self, found: Sequence[tuple[str, str]]) -> None:
        super().__init__("inhibited", "; ".join(f"{name}: {detail}" for name, detail in found))
        self.found = tuple(found)


@dataclass(frozen=True)
class Observation:
    """What a device says of itself at one moment. Digests are those of the slots; None where a slot is empty.

    ``booted_deployment`` and ``rollback_deployment`` identify deployments on the device itself: they stay the same when
    another release of bootc reports another kind of digest for the same image.
    """

    boot_id: str | None
    is_bootc: bool
    backend: str | None = None
    booted: str | None = None
    booted_version: str | None = None
    booted_deployment: str | None = None
    staged: str | None = None
    rollback: str | None = None
    rollback_deployment: str | None = None
    next_boot: str | None = None
    failed_units: tuple[str, ...] = ()
    obstacle: tuple[str, str] | None = None
    """Reason and message of why bootc cannot update this host at all, if so."""
    timezone: str | None = None
    inhibited_by: tuple[tuple[str, str], ...] = ()
    """Names of inhibitors that were asked for, and what was seen."""
    parks: bool = False
    """Whether it can keep an image staged that no reboot applies."""


@dataclass(frozen=True)
class Health:
    """What the checks said, and what was true of the device when they were done."""

    healthy: bool
    after: Observation
    checks: tuple[Mapping[str, Any], ...] = ()

    @property
    def complaint(self) -> str:
        """What the failed checks said."""
        failed = [check for check in self.checks if not check.get("passed")]
        return "; ".join(f"{check.get('name')}: {check.get('detail')}" for check in failed)[:800]


@dataclass(frozen=True)
class Reboot:
    """What was true when the reboot was asked for.

    With ``grace`` it was not asked for yet: people were told, and have that many seconds.
    """

    boot_id: str | None
    failed_units: tuple[str, ...] = ()
    grace: float = 0.0


class Port(Protocol):
    """The device, as the flow needs it. Every call may raise Unreachable or DeviceError."""

    def observe(self, inhibitors: Sequence[str] = ()) -> Observation:
        """What is true now; also which of these inhibitors there are."""

    def stage(self, reference: str, accept: Sequence[str]) -> Observation:
        """Have the image boot next; returns what is true then."""

    def park(self, reference: str, accept: Sequence[str]) -> Observation:
        """Have the image staged, but so that no reboot applies it; returns what is true then."""

    def drop(self) -> Observation:
        """Have nothing staged, armed or parked."""

    def stay(self, reference: str, digest: str, came_back_from: str | None) -> Observation:
        """Have what it runs boot next too; it remembers that it came back from that digest, if one is given."""

    def queue_rollback(self, *, forward: bool = False) -> Observation:
        """Have the rollback slot boot next, discarding what is staged; ``forward`` when it holds the newer image."""

    def reboot(self, expect: Sequence[str], inhibitors: Sequence[str] = (), notice: int = 0) -> Reboot:
        """Ask for a reboot into one of ``expect``; returns at once.

        Raises Inhibited if one of ``inhibitors`` is there. With ``notice``, people who are logged in are told instead,
        and get that many seconds.
        """

    def await_boot(self, boot_id: str | None, seconds: float) -> Observation | None:
        """Wait for an answer with another boot id; None when there is none within ``seconds``."""

    def health(self, known_failed_units: Sequence[str], *, settle: bool = True) -> Health:
        """Run the checks until the timeout is over; with ``settle`` they have to stay green for the settle time."""


Journal = Callable[[str, Mapping[str, Any]], None]
"""Records one event of this device: kind and data. Returns only when that is durable."""


class Turn(Protocol):
    """Whether a device may begin something new."""

    def is_open(self) -> bool:
        """Whether anything may begin, as soon as there is room for it."""

    def wait(self, *, downloads: bool = False) -> bool:
        """Wait for room, also for its download; False when there is none in time, or nothing may begin any more."""

    def wait_until(self, moment: float) -> bool:
        """Wait for a moment (seconds since the epoch); False when this run does not, or nothing may begin any more."""

    def begin(self, kind: str, data: Mapping[str, Any]) -> bool:
        """Record an intent, if it may begin now; False, and no record, when it may not."""
