# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A fleet in memory for tests of the rollout engine: devices with habits, a controller that can be killed anywhere."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.decide import batches
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.device import Update
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.events import Event
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.ledger import Ledger
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.pace import occupancy
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.passes import (
    Clearance,
    Clock,
    Ticket,
    Turn,
    clear_batch,
)
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.plan import (
    Candidate,
    Plan,
    hop_of,
    make_plan,
    target_of,
)
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.port import (
    DeviceError,
    Health,
    Inhibited,
    Observation,
    Reboot,
    Unreachable,
)
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.replay import derive
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.spec import Spec, parse_spec
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.states import Rollout

OLD = "sha256:" + "0" * 64
HABITS = (
    "good",
    "unhealthy",
    "asleep",
    "silent",
    "unfinalised",
    "no_network",
    "dies_in_check",
    "current",
    "sick_current",
    "degraded",
    "not_bootc",
    "falls_back",
    "falls_back_in_check",
    "wrong_content",
    "never_reboots",
)


def digest(character: str) -> str:
    return "sha256:" + character * 64


class Killed(Exception):
    """The controller was killed."""


@dataclass
class FakeTime:
    seconds: float = 1_800_000_000.0

    def now(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.seconds += max(seconds, 0.001)


@dataclass
class FakeDevice:
    """A device that follows its habit; it counts its reboots. A degraded one has a failed unit, whatever it boots.

    ``versions`` says which version an image is; on those in ``sick_on`` it is unhealthy. ``history`` are the images it
    booted, the first included. While it is ``mute`` its bootc never answers to those who wait for a boot.
    ``faults`` are raised one after the other by the call they are listed for; None lets that call through.
    """

    habit: str = "good"
    booted: str = OLD
    staged: str | None = None
    rollback: str | None = None
    next_boot: str = "booted"
    boots: int = 0
    silent: bool = False
    asked_for: list[str] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    faults: dict[str, list[Exception | None]] = field(default_factory=dict)
    mute: bool = False
    came_back_from: list[str] = field(default_factory=list)
    backend: str = "composefs"
    timezone: str | None = "UTC"
    busy_with: list[tuple[str, str]] = field(default_factory=list)
    told: list[int] = field(default_factory=list)
    parks: bool = False
    versions: Mapping[str, str] = field(default_factory=dict)
    sick_on: Collection[str] = ()
    history: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        if self.habit in ("current", "sick_current"):
            self.booted = digest("a")
        self.history.append(self.booted)

    def _answer(self, call: str) -> None:
        self.calls.append(call)
        fault = self.faults[call].pop(0) if self.faults.get(call) else None
        if fault is not None:
            raise fault
        if self.habit == "asleep" or self.silent:
            raise Unreachable

    def observe(self, inhibitors: Sequence[str] = ()) -> Observation:
        self._answer("observe")
        found = tuple(each for each in self.busy_with if each[0] in inhibitors)
        return replace(self._seen(), timezone=self.timezone, inhibited_by=found)

    def _seen(self) -> Observation:
        if self.habit == "not_bootc":
            return Observation(boot_id=str(self.boots), is_bootc=False)
        return Observation(
            boot_id=str(self.boots),
            is_bootc=True,
            backend=self.backend,
            booted=self.booted,
            booted_version=self.versions.get(self.booted),
            staged=self.staged,
            rollback=self.rollback,
            next_boot=self.next_boot,
            failed_units=("old.service",) if self.habit == "degraded" else (),
            parks=self.parks,
        )

    def stage(self, reference: str, accept: Sequence[str]) -> Observation:
        self._answer("stage")
        if self.habit == "no_network":
            raise DeviceError("network", "the registry does not answer")
        wanted = reference.rpartition("@")[2]
        self.asked_for.append(wanted)
        if wanted == self.booted:
            self.staged, self.next_boot = None, "booted"
        else:
            self.staged, self.next_boot = digest("f") if self.habit == "wrong_content" else wanted, "staged"
        return self._seen()

    def park(self, reference: str, accept: Sequence[str]) -> Observation:
        if not self.parks:
            raise DeviceError("unsupported_version", "it cannot park an image")
        staged = self.stage(reference, accept)
        self.next_boot = "booted"
        return replace(staged, next_boot="booted")

    def drop(self) -> Observation:
        self._answer("drop")
        self.staged, self.next_boot = None, "booted"
        return self._seen()

    def stay(self, reference: str, digest: str, came_back_from: str | None) -> Observation:
        self._answer("stay")
        assert reference.endswith(f"@{digest}")
        if digest != self.booted:
            raise DeviceError("unexpected", f"it runs {self.booted}")
        self.staged, self.next_boot = None, "booted"
        if came_back_from is not None:
            self.came_back_from.append(came_back_from)
        return self._seen()

    def queue_rollback(self, *, forward: bool = False) -> Observation:
        self._answer("queue_rollback")
        if self.rollback is None:
            raise DeviceError("no_rollback", "there is nothing to go back to")
        self.staged, self.next_boot = None, "rollback"
        return self._seen()

    def reboot(self, expect: Sequence[str], inhibitors: Sequence[str] = (), notice: int = 0) -> Reboot:
        self._answer("reboot")
        found = [each for each in self.busy_with if each[0] in inhibitors]
        if found:
            raise Inhibited(found)
        if notice:
            self.told.append(notice)
            return Reboot(str(self.boots), (), notice)
        before = str(self.boots)
        coming = {"staged": self.staged, "rollback": self.rollback}.get(self.next_boot, self.booted)
        if expect and coming not in expect:
            raise DeviceError("unexpected", f"{coming} would boot next")
        if self.habit == "never_reboots":
            return Reboot(before)
        self.power_cycle(orderly=self.habit != "unfinalised")
        if self.habit == "falls_back" and self.booted != OLD:
            self.fall_back()
        self.silent = self.silent or (self.habit == "silent" and self.booted != OLD)
        return Reboot(before)

    def power_cycle(self, orderly: bool) -> None:
        self.boots += 1
        if self.next_boot == "staged" and orderly:
            self.booted, self.rollback = str(self.staged), self.booted
        elif self.next_boot == "rollback" and self.rollback is not None:
            self.booted, self.rollback = self.rollback, self.booted
        self.staged, self.next_boot = None, "booted"
        self.history.append(self.booted)

    def fall_back(self) -> None:
        """What its boot loader does when its boot checks fail: the boot order stays, and goes forward next time."""
        self.boots += 1
        self.booted, self.rollback = str(self.rollback), self.booted
        self.next_boot = "rollback"
        self.history.append(self.booted)

    def await_boot(self, boot_id: str | None, seconds: float) -> Observation | None:
        self.calls.append("await_boot")
        absent = self.mute or self.silent or self.habit == "asleep" or str(self.boots) == boot_id
        return None if absent else self._seen()

    def health(self, known_failed_units: Sequence[str], *, settle: bool = True) -> Health:
        self._answer("health")
        if self.habit == "falls_back_in_check" and self.booted != OLD:
            self.fall_back()
        if self.habit == "dies_in_check" and self.booted != OLD:
            self.silent = True
            raise Unreachable
        healthy = self.habit != "sick_current" and (self.habit != "unhealthy" or self.booted == OLD)
        healthy = healthy and self.booted not in self.sick_on
        if self.habit == "degraded" and "old.service" not in known_failed_units:
            healthy = False
        return Health(healthy, self._seen(), ({"name": "session", "passed": healthy, "detail": "did not start"},))


def small_spec(**changes: Any) -> Spec:
    """A spec of one variant ``kde`` with two named waves; ``changes`` replace top-level keys."""
    document: dict[str, Any] = {
        "schema": 1,
        "id": "r1",
        "variants": [{"name": "kde", "image": "registry.example/os", "digest": digest("a")}],
        "waves": [{"name": "canary", "count": 1}, {"name": "half", "percent": 50}],
        "wave_defaults": {"soak": "0s"},
        "apply": {"reboot_timeout": "60s", "contact_grace": "10m"},
        "verify": {"settle": "0s"},
    }
    document.update(changes)
    return parse_spec(document)


def plan_for(spec: Spec, hosts: Iterable[tuple[str, str]]) -> Plan:
    targets = {
        v.name: target_of(v, (), None, None, [hop_of(barrier, (), None) for barrier in v.barriers])
        for v in spec.variants
    }
    return make_plan(spec, [Candidate(host, variant) for host, variant in hosts], targets)


class MortalLedger(Ledger):
    """A ledger whose controller is killed at the ``kill_at``-th append, right before or right after it."""

    def __init__(self, root: Path, rollout_id: str, kill_at: int | None = None, kill_before: bool = False) -> None:
        super().__init__(root, rollout_id)
        self._kill_at = kill_at
        self._kill_before = kill_before
        self._appends = 0

    def spare(self) -> None:
        """Nobody is killed any more."""
        self._kill_at = None

    def append(self, events: Sequence[Event], epoch: int, expected: int | None = None) -> bool:
        self._appends += bool(events)
        now = bool(events) and self._appends == self._kill_at
        if now and self._kill_before:
            raise Killed
        appended = super().append(events, epoch, expected)
        if now:
            raise Killed
        return appended


@dataclass
class Fleet:
    """Devices, their ledger and a clock; ``run`` is what one run of the playbook does."""

    devices: dict[str, FakeDevice]
    ledger: MortalLedger
    time: FakeTime
    on_event: Callable[[Rollout], None] | None = None

    @classmethod
    def create(
        cls,
        root: Path,
        plan: Plan,
        habits: Mapping[str, str],
        *,
        kill_at: int | None = None,
        kill_before: bool = False,
        on_event: Callable[[Rollout], None] | None = None,
    ) -> Fleet:
        time = FakeTime()
        planning = Ledger(root, plan.spec.id)
        planning.create()
        planning.append([Event("planned", time.now(), data={"plan": plan.as_dict()})], 1)
        ledger = MortalLedger(root, plan.spec.id, kill_at, kill_before)
        return cls({host: FakeDevice(habits.get(host, "good")) for host in plan.members}, ledger, time, on_event)

    def run(self, patience: float = 3600.0) -> Rollout:
        """One pass; raises Killed when its time has come."""
        deadline = self.time.now() + patience
        clock = Clock(self.time.now, self.time.sleep, nap=86400.0)
        for batch in batches(self.state(), skip=()):
            clearance = clear_batch(self.ledger, 1, batch, clock, deadline)
            if clearance.confirm:
                self._confirm(clearance, deadline)
                clearance = clear_batch(self.ledger, 1, batch, clock, deadline, confirmed=True)
            for host in clearance.go:
                update = self._update(clearance, host, deadline)
                update.go(clearance.rollout.devices[host], lambda host=host: self.state().devices[host])
        last = clear_batch(self.ledger, 1, (), clock, deadline)
        if last.confirm:
            self._confirm(last, deadline)
        return clear_batch(self.ledger, 1, (), clock, deadline, confirmed=True).rollout

    def _confirm(self, clearance: Clearance, deadline: float) -> None:
        for host in clearance.confirm:
            self._update(clearance, host, deadline).confirm(clearance.rollout.devices[host])

    def _update(self, clearance: Clearance, host: str, deadline: float) -> Update:
        """Devices are updated one after the other, so there is nobody to wait for."""
        rollout = clearance.rollout
        ticket = Ticket(
            host, occupancy(rollout, clearance.go or (host,)), clearance.position, draining=clearance.draining
        )
        turn = Turn(self.ledger, self._append, ticket, Clock(self.time.now, self.time.sleep), deadline)
        target = rollout.plan.targets[rollout.plan.variant_of[host]]
        journal = self._journal_of(host)
        return Update(self.devices[host], journal, target, rollout.plan.spec, self.time.now, deadline, turn)

    def _append(self, event: Event, expected: int) -> bool:
        self.time.sleep(1)
        appended = self.ledger.append([event], 1, expected)
        if appended and self.on_event is not None:
            self.on_event(self.state())
        return appended

    def state(self) -> Rollout:
        rollout = derive(self.ledger.read())
        assert rollout is not None
        return rollout

    def _journal_of(self, host: str) -> Callable[[str, Mapping[str, Any]], None]:
        def journal(kind: str, data: Mapping[str, Any]) -> None:
            self.time.sleep(1)
            self.ledger.append([Event(kind, self.time.now(), host, data=data)], 1)
            if self.on_event is not None:
                self.on_event(self.state())

        return journal
