# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reboot a device into what boots next and prove it: everything but how Ansible reaches the device."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import Any, Callable, Mapping, Protocol, Sequence

APPLIED = "applied"
NOTHING_TO_APPLY = "nothing_to_apply"
CAME_BACK_ON_PREVIOUS = "came_back_on_previous"
UNEXPECTED_DIGEST = "unexpected_digest"
NOT_REBOOTED = "not_rebooted"
UNVERIFIED = "unverified"
SILENT = "silent"

GOOD = (APPLIED, NOTHING_TO_APPLY)
REASONS = {
    CAME_BACK_ON_PREVIOUS: "unexpected",
    UNEXPECTED_DIGEST: "unexpected",
    NOT_REBOOTED: "timeout",
    UNVERIFIED: "timeout",
    SILENT: "timeout",
}

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


@dataclass(frozen=True)
class _Reboot:
    """What was true before a reboot, and what is wanted of it. A digest may name more than one deployment."""

    boot_id: str | None
    soft_reboots: int | None
    digests: Sequence[str]
    deployment: str | None
    previous_digest: str | None
    previous_deployment: str | None

    def is_over(self, seen: Observation) -> bool:
        if seen.boot_id is not None and seen.boot_id != self.boot_id:
            return True
        # A soft reboot keeps the kernel and with it the boot id.
        return seen.soft_reboots is not None and self.soft_reboots is not None and seen.soft_reboots > self.soft_reboots

    def judge(self, seen: Observation, seconds: float) -> Verdict:
        digest = seen.booted_digest
        if self._went_forward(seen):
            return Verdict(APPLIED, f"Booted {digest}", seconds, seen)
        if self._stayed(seen):
            detail = f"Rebooted, but runs {digest} as before"
            return Verdict(CAME_BACK_ON_PREVIOUS, detail, seconds, seen, self._how_to_stay(seen))
        return Verdict(
            UNEXPECTED_DIGEST,
            f"Rebooted into {digest}, which is not what was expected",
            seconds,
            seen,
            "Look at 'bootc status' on the device: something else changes it as well",
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

    def _how_to_stay(self, seen: Observation) -> str:
        deployment, digest = seen.of("rollback", "deployment"), seen.of("rollback", "digest")
        if digest in self.digests or (deployment is not None and deployment == self.deployment):
            return (
                "The boot loader fell back from the new deployment or did not choose it, and the next boot may go "
                f"forward again. To stay, have skorionos.bootc.bootc_switch make {seen.booted_digest} boot next"
            )
        return (
            "What was staged was not written at shutdown. Look for the reason with 'journalctl -b -1 -u "
            "ostree-finalize-staged -u bootc-finalize-staged' on the device before staging it again"
        )


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
    poll_interval: float = 2.0,
    grace: float = 60.0,
    sleep: Callable[[float], None] = time.sleep,
    now: Callable[[], float] = time.monotonic,
) -> Verdict:
    """Poll until the device answers from a new boot, and judge what it booted.

    ``probe`` returns None while the device cannot be reached. A device that booted anew but whose state cannot be read
    yet gets ``grace`` seconds for that, even beyond ``timeout``.
    """
    reboot = _Reboot(
        boot_id_before,
        soft_reboots_before,
        expect_digests,
        expected_deployment,
        previous_digest,
        previous_deployment,
    )
    begin = now()
    wait_until = begin + timeout
    interval = poll_interval
    came_back: Observation | None = None
    last: Observation | None = None
    while now() < wait_until:
        sleep(interval)
        interval = min(interval * GROWTH, LONGEST_INTERVAL)
        last = probe()
        if last is None or not reboot.is_over(last):
            continue
        if last.status is not None:
            return reboot.judge(last, now() - begin)
        if came_back is None:
            wait_until, interval = max(wait_until, now() + grace), poll_interval
        came_back = last
    return _give_up(last, came_back, now() - begin)


def _give_up(last: Observation | None, came_back: Observation | None, seconds: float) -> Verdict:
    if came_back is not None:
        return Verdict(
            UNVERIFIED,
            f"Rebooted, but what it runs could not be read for {seconds:.0f} s",
            seconds,
            came_back,
            "Another bootc or ostree command may be running there. Ask again with skorionos.bootc.bootc_status, or "
            "raise reboot_timeout or came_back_grace",
        )
    if last is None:
        return Verdict(
            SILENT,
            f"Does not answer {seconds:.0f} s after it was asked to reboot",
            seconds,
            remedy="Look at the device. When it answers again, the same task tells what it runs",
        )
    if last.boot_id is None:
        return Verdict(
            SILENT,
            f"Was reached, but did not say which boot it is for {seconds:.0f} s",
            seconds,
            last,
            "Look at the device: its /proc cannot be read",
        )
    return Verdict(
        NOT_REBOOTED,
        f"Has not rebooted within {seconds:.0f} s",
        seconds,
        last,
        "Look for what holds up its shutdown, with 'systemctl list-jobs' and 'systemd-inhibit --list' on the device, "
        "or raise reboot_timeout",
    )


def run_apply(
    calls: Calls,
    options: Mapping[str, Any],
    *,
    check_mode: bool = False,
    on_controller: bool = False,
    sleep: Callable[[float], None] = time.sleep,
    now: Callable[[], float] = time.monotonic,
) -> dict[str, Any]:
    """Ask the device to reboot, wait, judge. Returns a task result; ``options`` are those of bootc_apply, complete.

    ``on_controller`` says that what would reboot is the machine this runs on.
    """
    refused = _refusal(options, on_controller and not check_mode)
    if refused:
        return {"changed": False, "failed": True, "msg": refused, "reason": "invalid"}
    asked = calls.execute(APPLY_MODULE, options)
    if asked is None:
        return {
            "changed": False,
            "unreachable": True,
            "msg": "The device could not be reached, or was lost while it was asked to reboot.",
            "reason": "network",
        }
    if asked.get("failed"):
        # A module that crashed, or that found no Python, knows no reasons.
        return {"reason": "unexpected", **asked}
    if asked["verdict"] is not None:
        observed = Observation(asked["boot_id"], asked["soft_reboots"], asked["bootc"])
        remedy = "Have the wanted content boot next first, with skorionos.bootc.bootc_switch or bootc_rollback"
        verdict = Verdict(asked["verdict"], asked["detail"], 0.0, observed, remedy)
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
            expected_deployment=Observation(None, None, asked["predicted"]).booted_deployment,
            previous_deployment=before.booted_deployment,
            soft_reboots_before=before.soft_reboots,
            poll_interval=options["poll_interval"],
            grace=options["came_back_grace"],
            sleep=sleep,
            now=now,
        )
    return apply_result(asked, verdict, fail_on=options["fail_on"])


def _refusal(options: Mapping[str, Any], would_reboot_the_controller: bool) -> str:
    """Why nothing is asked of the device, or nothing: once it reboots it is too late to find an option wrong."""
    for name in ("timeout", "reboot_timeout", "connect_timeout", "poll_interval"):
        if not 0 < options[name] < math.inf:
            return f"The {name} is {options[name]:g}. Give a positive number of seconds."
    if options["came_back_grace"] < 0:
        return f"The came_back_grace is {options['came_back_grace']:g}. Give a number of seconds, or 0."
    if would_reboot_the_controller:
        return (
            "The connection is local, so this would reboot the controller. Connect to the device, such as over ssh, or "
            "rehearse with the connection skorionos.bootc.simulated."
        )
    return ""


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
            msg=f"{verdict.detail}. {verdict.remedy}.",
        )
    return result
