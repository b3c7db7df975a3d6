# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The state of a rollout, which ``replay`` derives from its events.

Every device is in one of five classes: U(ntouched), in F(light), S(ucceeded), charged (X) or N(eutral). Neutral ones
count in no denominator; a charge stays with the wave whatever becomes of the device.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum

from .plan import Plan
from .quantities import percent_of, share
from .spec import Pace, Spec, WaveRules


class DeviceClass(str, Enum):
    UNTOUCHED = "U"
    FLIGHT = "F"
    SUCCEEDED = "S"
    CHARGED = "X"
    NEUTRAL = "N"


class DeviceState(str, Enum):
    PENDING = "pending"
    UNREACHABLE = "unreachable"
    DEFERRED = "deferred"
    STAGING = "staging"
    STAGED = "staged"
    APPLYING = "applying"
    VERIFYING = "verifying"
    ROLLING_BACK = "rolling_back"
    SILENT = "silent"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    ROLLED_BACK = "rolled_back"
    LOST = "lost"
    INCONSISTENT = "inconsistent"
    CURRENT = "already_current"
    INCOMPATIBLE = "incompatible"
    REMOVED = "removed"
    EXCLUDED = "excluded"
    CANCELED = "canceled"
    SUPERSEDED = "superseded"


_CLASSES = {
    DeviceClass.UNTOUCHED: (DeviceState.PENDING, DeviceState.UNREACHABLE, DeviceState.DEFERRED),
    DeviceClass.FLIGHT: (
        DeviceState.STAGING,
        DeviceState.STAGED,
        DeviceState.APPLYING,
        DeviceState.VERIFYING,
        DeviceState.ROLLING_BACK,
        DeviceState.SILENT,
    ),
    DeviceClass.SUCCEEDED: (DeviceState.SUCCEEDED,),
    DeviceClass.CHARGED: (DeviceState.FAILED, DeviceState.ROLLED_BACK, DeviceState.LOST, DeviceState.INCONSISTENT),
    DeviceClass.NEUTRAL: (
        DeviceState.CURRENT,
        DeviceState.INCOMPATIBLE,
        DeviceState.REMOVED,
        DeviceState.EXCLUDED,
        DeviceState.CANCELED,
        DeviceState.SUPERSEDED,
    ),
}
CLASS_OF = {state: device_class for device_class, states in _CLASSES.items() for state in states}
DISRUPTED = frozenset(
    {DeviceState.APPLYING, DeviceState.VERIFYING, DeviceState.ROLLING_BACK, DeviceState.SILENT, DeviceState.LOST}
)
"""States in which the device may be down, or up on something not yet proven."""


class WavePhase(str, Enum):
    PLANNED = "planned"
    OPEN = "open"
    PASSED = "passed"


class RolloutPhase(str, Enum):
    RUNNING = "running"
    PAUSED = "paused"
    HELD = "held"
    COMPLETED = "completed"
    CANCELED = "canceled"
    ABORTED = "aborted"
    SUPERSEDED = "superseded"


STOPPED = frozenset({RolloutPhase.PAUSED, RolloutPhase.HELD, RolloutPhase.CANCELED, RolloutPhase.ABORTED})
"""Phases in which nothing new starts, and what is in flight comes to an end."""
OVER = frozenset({RolloutPhase.COMPLETED, RolloutPhase.CANCELED, RolloutPhase.ABORTED, RolloutPhase.SUPERSEDED})
"""Phases that leave a rollout's devices to others."""


@dataclass(frozen=True)
class Device:
    """One device in one rollout. ``since`` is when its state began (seconds since the epoch).

    ``armed`` says of a device that was given up or put off that it may still boot the target, because that could not be
    changed.
    ``going_back`` is why it goes back to its previous image, reason and message.
    ``vanished`` counts how often it fell silent since its checks, or its way back, began.
    ``proven`` says of a device that ran the target before anything was done to it that its checks are green.
    ``phase`` is the last state that was an intent (staging, applying, rolling_back) or its outcome, kept while the
    device is silent or lost; ``boot_id`` is the one read before the last reboot that was asked for.
    ``reboots_asked`` counts the reboots meant for the update, or for the way back once that began. ``taken_by`` is
    the rollout that it belongs to now, so that nobody waits for it here.

    ``acknowledged`` says of a charged device that somebody looked at it and let the rollout go on: it counts no more.
    ``excluded`` says of one in flight that it is to be left out as soon as that is possible.

    ``looked_at`` is when one that succeeded was last looked at again, or could not be, at the end of its wave's soak.
    ``unconfirmed`` is the reason why that told nothing, None when it did; ``unconfirmed_since`` is the first of such
    looks in a row, of those to which it was quiet or of those in which it answered; ``unconfirmed_boot`` is the boot in
    which it said then what it runs, but could not be checked.

    ``deferred_since`` is when it was first put off for a window or an inhibitor, ``spared_since`` for a soft inhibitor;
    both are over when it reboots. ``until`` is when it may be its turn, ``inhibitors`` what it is spared for now.
    ``timezone`` is what it said itself. ``parked`` says that what is staged on it is applied by no reboot.

    ``hop`` is the digest of the barrier it is being taken to, None on the way to the target; ``hops`` counts those it
    passed. After the first, ``previous_*`` stay what it ran before the rollout, and ``leg_*`` are what it ran before
    the hop it is on.

    ``catching_up`` says that no wave counts it: its wave passed without it, or it joined after the plan was made.
    ``group`` is the disruption budget of one that joined; the plan has those of its members.
    """

    host: str
    variant: str
    wave: int
    state: DeviceState = DeviceState.PENDING
    since: float = 0.0
    phase: DeviceState = DeviceState.PENDING
    boot_id: str | None = None
    previous_digest: str | None = None
    previous_version: str | None = None
    previous_deployment: str | None = None
    previous_rollback: str | None = None
    booted_digest: str | None = None
    boot_seconds: float | None = None
    stage_attempts: int = 0
    reboots_asked: int = 0
    taken_by: str | None = None
    proven: bool = False
    armed: bool = False
    vanished: int = 0
    going_back: tuple[str, str] | None = None
    failed_units: tuple[str, ...] = ()
    reason: str | None = None
    message: str | None = None
    acknowledged: bool = False
    excluded: bool = False
    looked_at: float | None = None
    unconfirmed: str | None = None
    unconfirmed_since: float | None = None
    unconfirmed_boot: str | None = None
    deferred_since: float | None = None
    spared_since: float | None = None
    until: float | None = None
    inhibitors: tuple[str, ...] = ()
    timezone: str | None = None
    hop: str | None = None
    hops: int = 0
    leg_digest: str | None = None
    leg_deployment: str | None = None
    leg_rollback: str | None = None
    catching_up: bool = False
    group: str | None = None
    parked: bool = False

    @property
    def device_class(self) -> DeviceClass:
        return CLASS_OF[self.state]

    @property
    def at_risk(self) -> bool:
        """Whether it may be on the new image, or get there by any reboot, without having been proven."""
        if self.device_class is DeviceClass.FLIGHT:
            return not self.parked
        return self.armed and self.state in (DeviceState.PENDING, DeviceState.DEFERRED)

    @property
    def proves_its_variant(self) -> bool:
        """Whether its variant is known to work by it."""
        return self.state is DeviceState.SUCCEEDED or (self.state is DeviceState.CURRENT and self.proven)

    @property
    def is_unconfirmed(self) -> bool:
        """Whether it succeeded, and could not be looked at again when that was tried last."""
        fresh = self.looked_at is not None and self.looked_at >= self.since
        return self.state is DeviceState.SUCCEEDED and self.unconfirmed is not None and fresh

    @property
    def is_confirmed(self) -> bool:
        """Whether it succeeded, and was found well again at the end of a soak."""
        fresh = self.looked_at is not None and self.looked_at >= self.since
        return self.state is DeviceState.SUCCEEDED and self.unconfirmed is None and fresh

    def asked_until(self, grace: int) -> float | None:
        """How long one that could not be looked at is asked again, with so many seconds of grace, if it was."""
        return self.unconfirmed_since + grace if self.is_unconfirmed and self.unconfirmed_since is not None else None

    @property
    def is_undecided(self) -> bool:
        """Whether it has no verdict yet; one that left the inventory may come back for it."""
        undecided = (DeviceClass.UNTOUCHED, DeviceClass.FLIGHT)
        return self.device_class in undecided or self.state is DeviceState.REMOVED

    @property
    def may_heal(self) -> bool:
        """Whether it is charged only until it answers again."""
        return self.state is DeviceState.LOST and not self.taken_over

    @property
    def taken_over(self) -> bool:
        """Whether another rollout has it now."""
        return self.taken_by is not None


@dataclass(frozen=True)
class Ramp:
    """How many devices of a wave may be worked on at a time, and how many succeeded in a row since that changed."""

    limit: int
    streak: int = 0

    def after(self, success: bool, pace: Pace) -> Ramp:
        """The ramp after one more verdict."""
        if not success:
            return Ramp(self.limit if pace.on_failure == "keep" else max(1, self.limit // 2))
        if self.streak + 1 < self.limit:
            return replace(self, streak=self.streak + 1)
        return Ramp(min(pace.parallel, self.limit * pace.factor))


SILENT, NOT_ASKED, LEFT = "silent", "not_asked", "removed"
"""Why a device could not be looked at again at the end of a soak: it did not answer, Ansible could not ask it (for
want of a password), or its host left the inventory. Else it is the reason of its own that kept it from being checked.
"""
QUIET = frozenset({SILENT, NOT_ASKED, LEFT})
"""The reasons of those that say nothing of the device."""

SUCCESSFUL, FAILED, INCONCLUSIVE = "successful", "failed", "inconclusive"


@dataclass(frozen=True)
class Finding:
    """What an analysis of a wave came to, and what it wrote."""

    outcome: str
    output: str


@dataclass(frozen=True)
class WaveState:
    """``size`` is the number of devices that were not neutral when the wave opened: the base of percent budgets.

    ``patient_from`` is what its coverage timeout counts from. ``approved_at`` is when it was last approved.
    ``findings`` are those of its analyses, by name.
    """

    phase: WavePhase = WavePhase.PLANNED
    opened_at: float | None = None
    passed_at: float | None = None
    covered_at: float | None = None
    size: int = 0
    ramp: Ramp = Ramp(1)
    patient_from: float | None = None
    approved_at: float | None = None
    findings: Mapping[str, Finding] = field(default_factory=dict)


@dataclass(frozen=True)
class Hold:
    """Why a rollout stopped: the rule, its numbers in words, the devices behind it, and what to do.

    ``wave`` is None when the rule is about the rollout as a whole or devices that catch up.
    """

    rule: str
    wave: int | None
    numbers: str
    hosts: tuple[str, ...]
    remedy: str
    at: float


@dataclass(frozen=True)
class Order:
    """What somebody told the rollout to do: ``verb``, who, when, and why."""

    verb: str
    by: str
    at: float
    why: str


@dataclass(frozen=True)
class Rollout:
    """The whole state. Invariant: every member of the plan has a device here.

    ``order`` is the last thing an operator told it to do. ``resumes_as`` is the phase it was paused in.
    ``changed_at`` is when something last happened to it as a whole. ``joined`` are hosts that came after the plan was
    made, in order; ``catch_up_ramp`` is the pace of those that catch up, ``catching_up_size`` how many of them were not
    neutral when these were most: the base of percent budgets. ``downloads_until`` is when what was begun to download
    would be done at ``pace.download_rate``, if the spec has one. ``superseded_by`` is the rollout that took over, and
    ``superseded_who`` and ``superseded_why`` are whoever ran it and the reason given, if any. ``reverted_by`` is the
    rollout that takes it back, whichever rollouts took its devices after that. What held a rollout is no ``hold`` any
    more when somebody ended it, or another took over.
    """

    plan: Plan
    phase: RolloutPhase
    started_at: float
    devices: Mapping[str, Device]
    waves: tuple[WaveState, ...]
    hold: Hold | None = None
    ended_at: float | None = None
    superseded_by: str | None = None
    superseded_who: str = ""
    superseded_why: str = ""
    reverted_by: str | None = None
    order: Order | None = None
    resumes_as: RolloutPhase = RolloutPhase.RUNNING
    changed_at: float = 0.0
    joined: tuple[str, ...] = ()
    catch_up_ramp: Ramp = Ramp(1)
    catching_up_size: int = 0
    downloads_until: float = 0.0

    def in_wave(self, index: int) -> tuple[Device, ...]:
        """The devices that a wave counts, in plan order, then those that joined it."""
        return tuple(device for device in self.of_wave(index) if not device.catching_up)

    def of_wave(self, index: int) -> list[Device]:
        """The devices of a wave and those that it left to catch up, in plan order, then those that joined."""
        devices = [self.devices[host] for host in self.plan.hosts[index]]
        return devices + [self.devices[host] for host in self.joined if self.devices[host].wave == index]

    @property
    def catching_up(self) -> tuple[Device, ...]:
        """The devices that no wave counts."""
        return tuple(device for device in self.devices.values() if device.catching_up)

    def group_of(self, host: str) -> str | None:
        """Which disruption budget a device falls under; None where the spec limits nothing."""
        return self.plan.group_of.get(host) or self.devices[host].group


@dataclass(frozen=True)
class Counts:
    """Devices of a wave by class; ``disrupted`` of those in flight are down or not yet proven."""

    succeeded: int
    charged: int
    flight: int
    untouched: int
    disrupted: int

    @property
    def total(self) -> int:
        return self.succeeded + self.charged + self.flight + self.untouched


def count(devices: Iterable[Device]) -> Counts:
    """Sizes of the classes; neutral devices and acknowledged failures are left out."""
    tally = dict.fromkeys(DeviceClass, 0)
    disrupted = 0
    for device in devices:
        if device.acknowledged:
            continue
        tally[device.device_class] += 1
        disrupted += device.device_class is DeviceClass.FLIGHT and device.state in DISRUPTED
    return Counts(
        tally[DeviceClass.SUCCEEDED],
        tally[DeviceClass.CHARGED],
        tally[DeviceClass.FLIGHT],
        tally[DeviceClass.UNTOUCHED],
        disrupted,
    )


def failure_budget(rollout: Rollout, index: int) -> int:
    """How many charged devices the wave may have: a count, or percent of its size at opening, rounded down."""
    return share(rollout.plan.waves[index].rules.max_failures, rollout.waves[index].size)


def catch_up_budget(rollout: Rollout) -> int:
    """How many of those catching up may be charged: a count, or percent of their size, rounded down.

    Who leaves afterwards takes nothing of it away: what failed within the budget stays within it.
    """
    return share(rollout.plan.spec.catch_up.max_failures, rollout.catching_up_size)


def catch_up_ends(rollout: Rollout) -> float | None:
    """When nobody is updated any more who was not by then (seconds since the epoch); None while waves are left."""
    return None if rollout.ended_at is None else rollout.ended_at + rollout.plan.spec.catch_up.time


def answers_by(spec: Spec, device: Device) -> float:
    """When a device that was touched has to have answered (seconds since the epoch).

    Later it is lost; or, where it was not asked to reboot yet, out of reach, and nobody waits for it any more.
    """
    if device.state is DeviceState.SILENT:
        return device.since + spec.apply.contact_grace
    if device.state not in DISRUPTED:
        return device.since + spec.stage.timeout + spec.apply.contact_grace
    # A controller that works on it says so in this time, or is gone.
    busy = spec.apply.reboot_timeout + 2 * spec.verify.timeout + spec.verify.settle
    return device.since + busy + spec.apply.contact_grace


def coverage_needed(rollout: Rollout, index: int) -> int:
    """How many verdicts the wave needs."""
    return needed_of(rollout.plan.waves[index].rules, count(rollout.in_wave(index)).total)


def needed_of(rules: WaveRules, total: int) -> int:
    """How many of ``total`` devices must have a verdict: ``max(ceil(min_coverage% of n), min(min_sample, n))``."""
    return max(percent_of(rules.min_coverage, total), min(rules.min_sample, total))
