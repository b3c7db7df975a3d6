# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""May a wave pass? Integer arithmetic on the classes of its devices; the first rule that applies decides."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Union

from .quantities import percent_of, share
from .states import Counts, Device, DeviceClass, DeviceState, Rollout, count, coverage_needed


@dataclass(frozen=True)
class Pass:
    """The wave may pass."""


@dataclass(frozen=True)
class Wait:
    """Nothing to decide yet. ``until`` (seconds since the epoch) is when that can change without news, if ever."""

    rule: str
    why: str
    until: float | None = None


@dataclass(frozen=True)
class Stop:
    """The rollout must be held."""

    rule: str
    numbers: str
    hosts: tuple[str, ...]


Verdict = Union[Pass, Wait, Stop]
_NEVER_EXCUSED = ("signature", "digest_mismatch")


def failure_budget(rollout: Rollout, index: int) -> int:
    """How many charged devices the wave may have: a count, or percent of its size at opening, rounded down."""
    return share(rollout.plan.waves[index].rules.max_failures, rollout.waves[index].size)


def evaluate(rollout: Rollout, index: int, now: float) -> Verdict:
    """Judge an open wave at ``now`` (seconds since the epoch)."""
    devices = rollout.in_wave(index)
    counts = count(devices)
    stop = _stops(rollout, index, devices, counts)
    if stop is not None:
        return stop
    if counts.total == 0:
        return Pass()
    wait = _waits(rollout, index, devices, counts, now)
    if wait is not None:
        return wait
    threshold = rollout.plan.waves[index].rules.success_threshold
    verdicts = counts.succeeded + counts.charged
    if 100 * counts.succeeded < threshold * verdicts:
        numbers = f"{counts.succeeded} of {verdicts} verdicts are successes, fewer than {threshold}%"
        return Stop("success_threshold", numbers, _charged(devices))
    return Pass()


def late_failure(rollout: Rollout, index: int) -> Stop | None:
    """The rules that go on watching a wave after it passed."""
    return exceeds_budget(rollout, index) or _untrusted(rollout.in_wave(index))


def exceeds_budget(rollout: Rollout, index: int) -> Stop | None:
    """Too many charged devices."""
    devices = rollout.in_wave(index)
    charged = count(devices).charged
    budget = failure_budget(rollout, index)
    if charged <= budget:
        return None
    return Stop("failure_budget", f"{charged} charged, {budget} allowed", _charged(devices))


def _stops(rollout: Rollout, index: int, devices: tuple[Device, ...], counts: Counts) -> Stop | None:
    over = exceeds_budget(rollout, index)
    if over is not None:
        return over
    threshold = rollout.plan.waves[index].rules.success_threshold
    still_possible = counts.succeeded + counts.flight + counts.untouched
    if counts.charged and 100 * still_possible < threshold * counts.total:
        numbers = f"at most {still_possible} of {counts.total} can still succeed, fewer than {threshold}%"
        return Stop("threshold_unreachable", numbers, _charged(devices))
    return _untrusted(devices) or _unproven_variant(rollout, index, devices)


def _untrusted(devices: tuple[Device, ...]) -> Stop | None:
    alarming = tuple(d.host for d in devices if d.state is DeviceState.INCONSISTENT or d.reason in _NEVER_EXCUSED)
    if not alarming:
        return None
    return Stop(
        "untrusted_content", f"{len(alarming)} neither on the new nor on the old image, or refused it", alarming
    )


def _unproven_variant(rollout: Rollout, index: int, devices: tuple[Device, ...]) -> Stop | None:
    """A variant whose every earlier device failed, however small the budget it failed within, goes no further."""
    for variant in sorted({device.variant for device in devices if device.device_class is DeviceClass.UNTOUCHED}):
        earlier = tuple(d for d in rollout.devices.values() if d.variant == variant and d.wave < index)
        proven = any(d.proves_its_variant for d in earlier)
        hopeful = any(d.device_class in (DeviceClass.UNTOUCHED, DeviceClass.FLIGHT) for d in earlier)
        if _charged(earlier) and not proven and not hopeful:
            return Stop(
                "no_canary_success", f"no device of variant {variant} succeeded in an earlier wave", _charged(earlier)
            )
    return None


def _waits(rollout: Rollout, index: int, devices: tuple[Device, ...], counts: Counts, now: float) -> Verdict | None:
    rules = rollout.plan.waves[index].rules
    wave = rollout.waves[index]
    verdicts = counts.succeeded + counts.charged
    needed = coverage_needed(rollout, index)
    covered_at = wave.covered_at
    deadline = (wave.opened_at or 0.0) + rules.coverage_timeout
    untried = sum(device.state is DeviceState.PENDING for device in devices)
    if untried and now < deadline:
        # Coverage excuses devices out of reach, not those whose turn has not come.
        return Wait("turn", f"{untried} of {counts.total} not tried yet", deadline)
    if verdicts < needed:
        numbers = f"{verdicts} of {counts.total} have a verdict, {needed} must"
        if now < deadline:
            return Wait("coverage", numbers, deadline)
        floor = max(percent_of(rules.accept_floor, counts.total), min(rules.min_sample, counts.total))
        if rules.on_coverage_timeout == "hold" or verdicts < floor:
            return Stop("coverage_timeout", numbers, _unfinished(devices))
        covered_at = deadline
    if counts.disrupted:
        # Only who looks for a silent device can tell that it is lost, so time alone changes nothing.
        return Wait("draining", f"{counts.disrupted} in the middle of their update")
    soaked_at = (now if covered_at is None else covered_at) + rules.soak
    if now < soaked_at:
        return Wait("soak", "time for trouble to show", soaked_at)
    return None


def _charged(devices: tuple[Device, ...]) -> tuple[str, ...]:
    return tuple(device.host for device in devices if device.device_class is DeviceClass.CHARGED)


def _unfinished(devices: tuple[Device, ...]) -> tuple[str, ...]:
    return tuple(d.host for d in devices if d.device_class in (DeviceClass.UNTOUCHED, DeviceClass.FLIGHT))
