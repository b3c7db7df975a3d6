# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Wait for a device to come back from a reboot, and judge what it booted: everything but how Ansible reaches it."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass
from typing import Any, Callable, Mapping, Protocol, Sequence

from ._survey import STATUS_COMMAND, read_status

APPLIED = "applied"
NOTHING_TO_APPLY = "nothing_to_apply"
CAME_BACK_ON_PREVIOUS = "came_back_on_previous"
UNEXPECTED_DIGEST = "unexpected_digest"
NOT_REBOOTED = "not_rebooted"
UNVERIFIED = "unverified"
SILENT = "silent"
INHIBITED = "inhibited"

NO_REBOOT = "none"
REBOOT = "reboot"
SOFT_REBOOT = "soft_reboot"

_WORDS = {REBOOT: "reboot of the kernel", SOFT_REBOOT: "soft reboot"}

STATUS_MODULE = "skorionos.bootc.bootc_status"

LONGEST_INTERVAL = 10.0
GROWTH = 1.5
JITTER = 0.2


def some_jitter() -> float:
    """A factor near 1."""
    return random.uniform(1 - JITTER, 1 + JITTER)


@dataclass(frozen=True)
class Observation:
    """What a device answered. ``status`` is None when it could be reached but its state could not be read."""

    boot_id: str | None
    soft_reboots: int | None = None
    status: Mapping[str, Any] | None = None

    @property
    def booted_digest(self) -> str | None:
        return self.of("booted", "digest")

    @property
    def booted_deployment(self) -> str | None:
        return self.of("booted", "deployment")

    def of(self, slot: str, key: str) -> str | None:
        """A property of one of the deployments."""
        deployment = self.status.get(slot) if self.status else None
        value = deployment.get(key) if isinstance(deployment, Mapping) else None
        return value if isinstance(value, str) else None


@dataclass(frozen=True)
class Verdict:
    """What became of a reboot, and what to do if it is not what was wanted."""

    verdict: str
    detail: str
    seconds: float
    observation: Observation | None = None
    remedy: str = ""
    kind: str = NO_REBOOT
    """How the device rebooted, or was asked to when that is not known."""

    @property
    def boot_id(self) -> str | None:
        return self.observation.boot_id if self.observation else None

    @property
    def booted_digest(self) -> str | None:
        return self.observation.booted_digest if self.observation else None


class Calls(Protocol):
    """How to run a module on the device. None means that the device could not be reached; ``said`` is why."""

    said: str
    refusal: str | None
    """Why Ansible could not ask, if it was that, when a plain command last told nothing."""

    def execute(self, name: str, arguments: Mapping[str, Any]) -> dict[str, Any] | None: ...

    def probe(self, name: str, arguments: Mapping[str, Any]) -> dict[str, Any] | None:
        """The same over a new connection, with little patience."""

    def ask(self, command: str) -> str | None:
        """What a plain shell command prints; empty when it does not succeed."""

    def look(self, command: str) -> str | None:
        """The same over a new connection, with little patience."""


@dataclass(frozen=True)
class _Reboot:
    """What was true before a reboot, and what is wanted of it. A digest may name more than one deployment."""

    boot_id: str | None
    soft_reboots: int | None
    digests: Sequence[str]
    deployment: str | None
    previous_digest: str | None
    previous_deployment: str | None
    asked: str = REBOOT

    def kind_of(self, seen: Observation) -> str:
        """How it rebooted: a soft reboot keeps the kernel and with it the boot id."""
        return SOFT_REBOOT if seen.boot_id == self.boot_id else REBOOT

    def is_over(self, seen: Observation) -> bool:
        if seen.boot_id is not None and seen.boot_id != self.boot_id:
            return True
        # A soft reboot keeps the kernel and with it the boot id.
        return seen.soft_reboots is not None and self.soft_reboots is not None and seen.soft_reboots > self.soft_reboots

    def judge(self, seen: Observation, seconds: float) -> Verdict:
        digest, kind = seen.booted_digest, self.kind_of(seen)
        if self._went_forward(seen):
            how = "" if kind == self.asked else f", by a {_WORDS[kind]} where a {_WORDS[self.asked]} was asked for"
            return Verdict(APPLIED, f"Booted {digest}{how}", seconds, seen, kind=kind)
        if self._stayed(seen):
            detail = f"Rebooted, but runs {digest} as before"
            return Verdict(CAME_BACK_ON_PREVIOUS, detail, seconds, seen, kind=kind)
        return Verdict(
            UNEXPECTED_DIGEST,
            f"Rebooted into {digest}, which is not what was expected",
            seconds,
            seen,
            "Look at 'bootc status' on the device: something else changes it as well",
            kind,
        )

    def _went_forward(self, seen: Observation) -> bool:
        # The deployment comes first: a bootc that is updated with the image may report another kind of digest.
        deployment, digest = seen.booted_deployment, seen.booted_digest
        if deployment is not None and deployment in (self.deployment, self.previous_deployment):
            return deployment == self.deployment
        return digest in self.digests or (not self.digests and digest is not None and digest != self.previous_digest)

    def _stayed(self, seen: Observation) -> bool:
        deployment, digest = seen.booted_deployment, seen.booted_digest
        if deployment is not None and deployment == self.previous_deployment:
            return True
        return digest is not None and digest == self.previous_digest


def wait_for_boot(
    probe: Callable[[], Observation | None],
    boot_id_before: str | None,
    expect_digests: Sequence[str],
    previous_digest: str | None,
    timeout: float,
    *,
    expected_deployment: str | None = None,
    previous_deployment: str | None = None,
    soft_reboots_before: int | None = None,
    asked: str = REBOOT,
    poll_interval: float = 2.0,
    grace: float = 60.0,
    sleep: Callable[[float], None] = time.sleep,
    now: Callable[[], float] = time.monotonic,
    jitter: Callable[[], float] = some_jitter,
) -> Verdict:
    """Poll until the device answers from a new boot, and judge what it booted.

    ``probe`` returns None while the device cannot be reached. A device that booted anew but whose state cannot be read
    yet gets ``grace`` seconds for that, even beyond ``timeout``. Intervals grow, and each is multiplied with a
    ``jitter``: a fleet that went down at once is not to be asked at once. ``asked`` is the kind of reboot.
    """
    reboot = _Reboot(
        boot_id_before,
        soft_reboots_before,
        expect_digests,
        expected_deployment,
        previous_digest,
        previous_deployment,
        asked,
    )
    begin = now()
    wait_until = begin + timeout
    interval = poll_interval
    came_back: Observation | None = None
    last: Observation | None = None
    while now() < wait_until:
        sleep(interval * jitter())
        interval = min(interval * GROWTH, LONGEST_INTERVAL)
        last = probe()
        if last is None or not reboot.is_over(last):
            continue
        if last.status is not None:
            return reboot.judge(last, now() - begin)
        if came_back is None:
            wait_until, interval = max(wait_until, now() + grace), poll_interval
        came_back = last
    return _give_up(reboot, last, came_back, now() - begin)


def _give_up(reboot: _Reboot, last: Observation | None, came_back: Observation | None, seconds: float) -> Verdict:
    if came_back is not None:
        return Verdict(
            UNVERIFIED,
            f"Rebooted, but what it runs could not be read for {seconds:.0f} s",
            seconds,
            came_back,
            "Another bootc or ostree command may be running there. Ask again with skorionos.bootc.bootc_status, or "
            "raise reboot_timeout or came_back_grace",
            reboot.kind_of(came_back),
        )
    if last is None:
        return Verdict(
            SILENT,
            f"Does not answer {seconds:.0f} s after it was asked to reboot",
            seconds,
            remedy="Look at the device. When it answers again, the same task tells what it runs, and look_back why",
            kind=reboot.asked,
        )
    if last.boot_id is None:
        return Verdict(
            SILENT,
            f"Was reached, but did not say which boot it is for {seconds:.0f} s",
            seconds,
            last,
            "Look at the device: its /proc cannot be read",
            reboot.asked,
        )
    return Verdict(
        NOT_REBOOTED,
        f"Has not rebooted within {seconds:.0f} s",
        seconds,
        last,
        "Look for what holds up its shutdown, with 'systemctl list-jobs' and 'systemd-inhibit --list' on the device, "
        "or raise reboot_timeout",
    )


def glance(calls: Calls) -> Observation | None:
    """``observe`` with a plain command, which costs a tenth of a module; with the module where that does not do.

    It leaves out how often user space was restarted: good for a reboot of the kernel only.
    """
    printed = calls.look(STATUS_COMMAND)
    if printed is None:
        return None
    read = read_status(printed)
    return observe(calls) if read is None else Observation(read[0], None, read[1])


def observe(calls: Calls) -> Observation | None:
    """One attempt to learn which boot this is and what it runs."""
    answer = calls.probe(STATUS_MODULE, {})
    if answer is None:
        return None
    status = None if answer.get("failed") else answer.get("bootc")
    return Observation(answer.get("boot_id"), answer.get("soft_reboots"), status)
