# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reboot a device into what boots next and prove it: everything but how Ansible reaches the device."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any, Callable, Mapping, Protocol, Sequence

APPLIED = "applied"
NOTHING_TO_APPLY = "nothing_to_apply"
CAME_BACK_ON_PREVIOUS = "came_back_on_previous"
UNEXPECTED_DIGEST = "unexpected_digest"
SILENT = "silent"

GOOD = (APPLIED, NOTHING_TO_APPLY)
REASONS = {CAME_BACK_ON_PREVIOUS: "unexpected", UNEXPECTED_DIGEST: "unexpected", SILENT: "timeout"}

APPLY_MODULE = "skorionos.bootc.bootc_apply"
STATUS_MODULE = "skorionos.bootc.bootc_status"

LONGEST_INTERVAL = 10.0
GROWTH = 1.5


@dataclass(frozen=True)
class Observation:
    """What a device answered. ``status`` is None when it could be reached but its state could not be read."""

    boot_id: str | None
    soft_reboots: int | None = None
    status: Mapping[str, Any] | None = None

    @property
    def booted_digest(self) -> str | None:
        booted = self.status.get("booted") if self.status else None
        digest = booted.get("digest") if isinstance(booted, Mapping) else None
        return digest if isinstance(digest, str) else None


@dataclass(frozen=True)
class Verdict:
    """What became of a reboot."""

    verdict: str
    detail: str
    seconds: float
    observation: Observation | None = None

    @property
    def boot_id(self) -> str | None:
        return self.observation.boot_id if self.observation else None

    @property
    def booted_digest(self) -> str | None:
        return self.observation.booted_digest if self.observation else None


class Calls(Protocol):
    """How to run a module on the device. None means that the device could not be reached; ``said`` is why."""

    said: str

    def execute(self, name: str, arguments: Mapping[str, Any]) -> dict[str, Any] | None: ...

    def probe(self, name: str, arguments: Mapping[str, Any]) -> dict[str, Any] | None:
        """The same over a new connection, with little patience."""


def wait_for_boot(
    probe: Callable[[], Observation | None],
    boot_id_before: str | None,
    expect_digests: Sequence[str],
    previous_digest: str | None,
    timeout: float,
    *,
    soft_reboots_before: int | None = None,
    poll_interval: float = 2.0,
    grace: float = 60.0,
    sleep: Callable[[float], None] = time.sleep,
    now: Callable[[], float] = time.monotonic,
) -> Verdict:
    """Poll until the device answers from a new boot, and judge what it booted.

    ``probe`` returns None while the device cannot be reached. A device that booted anew but whose state cannot be read
    yet gets ``grace`` seconds for that, even beyond ``timeout``.
    """
    begin = now()
    interval = poll_interval
    came_back: float | None = None
    last: Observation | None = None
    while _may_wait(now(), begin + timeout, came_back, grace):
        sleep(interval)
        interval = min(interval * GROWTH, LONGEST_INTERVAL)
        seen = probe()
        if seen is None:
            continue
        last = seen
        if not _is_new_boot(seen, boot_id_before, soft_reboots_before):
            continue
        if seen.status is not None:
            return _judge(seen, expect_digests, previous_digest, now() - begin)
        if came_back is None:
            came_back, interval = now(), poll_interval
    return _give_up(last, came_back is not None, now() - begin)


def _may_wait(time_now: float, deadline: float, came_back: float | None, grace: float) -> bool:
    return time_now < deadline if came_back is None else time_now < came_back + grace


def _is_new_boot(seen: Observation, boot_id_before: str | None, soft_reboots_before: int | None) -> bool:
    if seen.boot_id is not None and seen.boot_id != boot_id_before:
        return True
    # A soft reboot keeps the kernel and with it the boot id.
    return seen.soft_reboots is not None and soft_reboots_before is not None and seen.soft_reboots > soft_reboots_before


def _judge(seen: Observation, expect: Sequence[str], previous: str | None, seconds: float) -> Verdict:
    digest = seen.booted_digest
    if digest in expect or (not expect and digest is not None and digest != previous):
        return Verdict(APPLIED, f"Booted {digest}", seconds, seen)
    if digest is not None and digest == previous:
        return Verdict(CAME_BACK_ON_PREVIOUS, f"Rebooted, but runs {digest} as before", seconds, seen)
    return Verdict(UNEXPECTED_DIGEST, f"Rebooted into {digest}, which is not what was expected", seconds, seen)


def _give_up(last: Observation | None, came_back: bool, seconds: float) -> Verdict:
    if last is None:
        return Verdict(SILENT, f"Has not been reached in the {seconds:.0f} s since the reboot", seconds)
    if came_back:
        return Verdict(UNEXPECTED_DIGEST, "Rebooted, but what it runs could not be read", seconds, last)
    if last.boot_id is None:
        return Verdict(SILENT, f"Was reached, but did not say which boot it is for {seconds:.0f} s", seconds, last)
    return Verdict(CAME_BACK_ON_PREVIOUS, f"Has not rebooted within {seconds:.0f} s", seconds, last)


def run_apply(
    calls: Calls,
    options: Mapping[str, Any],
    *,
    check_mode: bool = False,
    sleep: Callable[[float], None] = time.sleep,
    now: Callable[[], float] = time.monotonic,
) -> dict[str, Any]:
    """Ask the device to reboot, wait, judge. Returns a task result; ``options`` are those of bootc_apply, complete."""
    asked = calls.execute(APPLY_MODULE, options)
    if asked is None:
        return {
            "changed": False,
            "unreachable": True,
            "msg": "The device could not be reached, or was lost while it was asked to reboot.",
            "reason": "network",
        }
    if asked.get("failed"):
        return asked
    if asked["verdict"] is not None:
        observed = Observation(asked["boot_id"], asked["soft_reboots"], asked["bootc"])
        verdict = Verdict(asked["verdict"], asked["detail"], 0.0, observed)
    elif check_mode:
        verdict = Verdict(APPLIED, asked["detail"], 0.0, Observation(None, None, asked["predicted"]))
    else:
        before = Observation(asked["boot_id"], asked["soft_reboots"], asked["bootc"])
        verdict = wait_for_boot(
            lambda: observe(calls),
            before.boot_id,
            asked["expect_digests"],
            before.booted_digest,
            options["reboot_timeout"],
            soft_reboots_before=before.soft_reboots,
            poll_interval=options["poll_interval"],
            grace=options["came_back_grace"],
            sleep=sleep,
            now=now,
        )
    return apply_result(asked, verdict, fail_on=options["fail_on"])


def observe(calls: Calls) -> Observation | None:
    """One attempt to learn which boot this is and what it runs."""
    answer = calls.probe(STATUS_MODULE, {})
    if answer is None:
        return None
    status = None if answer.get("failed") else answer.get("bootc")
    return Observation(answer.get("boot_id"), answer.get("soft_reboots"), status)


def apply_result(asked: Mapping[str, Any], verdict: Verdict, *, fail_on: bool) -> dict[str, Any]:
    """The task result of one apply."""
    after = verdict.observation.status if verdict.observation else None
    rebooting = asked["verdict"] is None
    result: dict[str, Any] = {
        "changed": rebooting,
        "verdict": verdict.verdict,
        "detail": verdict.detail,
        "before": asked["bootc"],
        "after": after,
        "bootc": after or asked["bootc"],
        "boot_id_before": asked["boot_id"],
        "boot_id_after": verdict.boot_id,
        "boot_id": verdict.boot_id or asked["boot_id"],
        "boot_seconds": round(verdict.seconds, 1) if rebooting else None,
        "booted_digest": verdict.booted_digest,
        "failed_units": asked["failed_units"],
    }
    if fail_on and verdict.verdict not in GOOD:
        result.update(
            failed=True,
            reason=REASONS[verdict.verdict],
            msg=f"{verdict.detail}. Look at the device, or take it back with skorionos.bootc.bootc_rollback.",
        )
    return result
