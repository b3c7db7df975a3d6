# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""May a wave pass? Integer arithmetic on the classes of its devices; the first rule that applies decides."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Union

from .errors import some
from .quantities import percent_of
from .spec import Analysis
from .states import (
    LEFT,
    QUIET,
    SUCCESSFUL,
    Counts,
    Device,
    DeviceClass,
    DeviceState,
    Rollout,
    WaveState,
    catch_up_budget,
    count,
    coverage_needed,
    failure_budget,
    needed_of,
)


@dataclass(frozen=True)
class Pass:
    """The wave may pass."""


@dataclass(frozen=True)
class Wait:
    """Nothing to decide yet. ``until`` (seconds since the epoch) is when that can change without news, if ever.

    ``ask`` names devices that have to be looked at again first, ``run`` the analyses that have to be run, of the wave
    with this index.
    """

    rule: str
    why: str
    until: float | None = None
    ask: tuple[str, ...] = ()
    run: tuple[int, tuple[Analysis, ...]] | None = None


@dataclass(frozen=True)
class Stop:
    """The rollout must be held."""

    rule: str
    numbers: str
    hosts: tuple[str, ...]


Verdict = Union[Pass, Wait, Stop]
_NEVER_EXCUSED = ("signature", "digest_mismatch")
APPROVED_FOR = 7 * 86400
"""For how many seconds an approval is good."""
_SLEEPS, _OCCUPIED = 300.0, 30.0
"""After how many seconds one that was silent at the end of a soak, or could not be checked, is asked again at first.

A connection to what sleeps is dear.
"""


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
    return _analysis(rollout, index) or awaits_approval(rollout, index, "after", now) or Pass()


def _analysis(rollout: Rollout, index: int) -> Verdict | None:
    """What people's own commands make of the wave. One that cannot tell is no consent."""
    asked = rollout.plan.waves[index].rules.analysis
    findings = rollout.waves[index].findings
    for analysis in asked:
        finding = findings.get(analysis.name)
        if finding is not None and finding.outcome != SUCCESSFUL:
            told = " ".join(finding.output.split()) or "it wrote nothing"
            return Stop("analysis", f"{analysis.name} was {finding.outcome}: {told}", ())
    left = tuple(analysis for analysis in asked if analysis.name not in findings)
    if not left:
        return None
    names = ", ".join(analysis.name for analysis in left)
    return Wait("analysis", f"{names} to judge the wave", run=(index, left))


def awaits_approval(rollout: Rollout, index: int, when: str, now: float) -> Wait | None:
    """Somebody has to approve the wave, before it opens or after its soak."""
    wave = rollout.plan.waves[index]
    if wave.rules.approve != when or _is_approved(rollout.waves[index], now):
        return None
    return Wait("approval", f"wave {wave.name} has to be approved {'to begin' if when == 'before' else 'to pass'}")


def _is_approved(wave: WaveState, now: float) -> bool:
    return wave.approved_at is not None and now - wave.approved_at < APPROVED_FOR


def failing_altogether(rollout: Rollout) -> Stop | None:
    """Whether so many devices of all waves failed that the rollout is to be given up."""
    limit = rollout.plan.spec.abort
    if limit is None:
        return None
    counts = count(rollout.devices.values())
    verdicts = counts.succeeded + counts.charged
    if verdicts < limit.min_executed or 100 * counts.charged < limit.percent * verdicts:
        return None
    numbers = f"{counts.charged} of {verdicts} devices failed, {limit.percent}% or more"
    return Stop("abort", numbers, _charged(tuple(rollout.devices.values())))


def late_failure(rollout: Rollout, index: int) -> Stop | None:
    """The rules that go on watching a wave after it passed."""
    return exceeds_budget(rollout, index) or _untrusted(rollout.in_wave(index))


def catching_up_fails(rollout: Rollout) -> Stop | None:
    """The rules for devices that no wave counts."""
    devices = rollout.catching_up
    charged, budget = count(devices).charged, catch_up_budget(rollout)
    if charged > budget:
        return Stop("catch_up_budget", f"{charged} of those catching up charged, {budget} allowed", _charged(devices))
    return _untrusted(devices)


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
    alarming = tuple(
        d.host
        for d in devices
        if not d.acknowledged and (d.state is DeviceState.INCONSISTENT or d.reason in _NEVER_EXCUSED)
    )
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
    deadline = (wave.patient_from or 0.0) + rules.coverage_timeout
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
    soaked = tuple(d for d in devices if d.state is DeviceState.SUCCEEDED and d.since < soaked_at)
    return _confirmation(rollout, index, soaked, soaked_at, now) if rules.soak else None


def _confirmation(
    rollout: Rollout, index: int, soaked: tuple[Device, ...], soaked_at: float, now: float
) -> Verdict | None:
    """Who succeeded before the end of the soak is looked at once more.

    Asleep is not broken, but what a release killed is as silent as what sleeps. So there is time to answer, and one
    device of each variant has to before a later wave may have it.
    """
    unsure = tuple(d.host for d in soaked if d.looked_at is None or d.looked_at < soaked_at)
    if unsure:
        return Wait("confirmation", f"{len(unsure)} updated devices to be looked at again", ask=unsure)
    silent = tuple(d for d in soaked if d.unconfirmed is not None)
    confirmed = {d.variant for d in soaked if d.unconfirmed is None}
    unproven = tuple(d for d in silent if d.variant not in confirmed)
    needed = needed_of(rollout.plan.waves[index].rules, len(soaked))
    enough = not unproven and len(soaked) - len(silent) >= needed
    grace = rollout.plan.spec.apply.contact_grace
    pending = [_Pending.of(d, grace) for d in silent if _is_awaited(d, enough)]
    pending = [each for each in pending if each.last < each.until]
    if pending:
        hosts = [each.host for each in pending]
        why = f"{len(hosts)} of {len(soaked)} updated devices could not be looked at again: {some(hosts)}"
        until = max(each.until for each in pending)
        due = tuple(each.host for each in pending if now >= each.due)
        return Wait("confirmation", why, until if now < until else None, due)
    unproven = tuple(d for d in unproven if _endangers(rollout, index, d.variant))
    return _unconfirmed(unproven) if unproven else None


def _endangers(rollout: Rollout, index: int, variant: str) -> bool:
    """Whether a later wave has devices of the variant to lose, and none of an earlier one went well through a soak."""
    kin = [device for device in rollout.devices.values() if device.variant == variant]
    proven = any(d.wave < index and d.is_confirmed for d in kin)
    return not proven and any(d.wave > index and d.is_undecided for d in kin)


def _is_awaited(device: Device, enough: bool) -> bool:
    """Whether a device that could not be looked at is worth waiting for; ``enough`` others of its wave were.

    Who left the inventory cannot be asked. Who answers, but could not be checked, owes an answer in any case.
    """
    return device.unconfirmed != LEFT and not (enough and device.unconfirmed in QUIET)


@dataclass(frozen=True)
class _Pending:
    """A device that is asked again: ``last`` it was, ``due`` it is, ``until`` it may take (seconds since the epoch)."""

    host: str
    last: float
    due: float
    until: float

    @classmethod
    def of(cls, device: Device, grace: int) -> _Pending:
        until, last = device.asked_until(grace) or 0.0, device.looked_at or 0.0
        first = until - grace
        soon = _SLEEPS if device.unconfirmed in QUIET else _OCCUPIED
        # Less and less often, and once more when its time is over.
        return cls(device.host, last, min(until, first + max(soon, 2 * (last - first))), until)


def _unconfirmed(unproven: tuple[Device, ...]) -> Stop:
    sizes = Counter(device.variant for device in unproven)
    reasons = Counter(device.unconfirmed for device in unproven)
    whom = ", ".join(f"{variant} (0 of {size})" for variant, size in sorted(sizes.items()))
    why = ", ".join(f"{number} {reason}" for reason, number in sorted(reasons.items(), key=str))
    numbers = f"no updated device of {whom} could be looked at again after the soak: {why}"
    return Stop("confirmation", numbers, tuple(device.host for device in unproven))


def _charged(devices: tuple[Device, ...]) -> tuple[str, ...]:
    return tuple(d.host for d in devices if d.device_class is DeviceClass.CHARGED and not d.acknowledged)


def _unfinished(devices: tuple[Device, ...]) -> tuple[str, ...]:
    return tuple(d.host for d in devices if d.device_class in (DeviceClass.UNTOUCHED, DeviceClass.FLIGHT))
