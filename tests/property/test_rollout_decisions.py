# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""More than a hundred thousand decisions over fleets to which anything happens, orders of people included.

Every walk is drawn from its number alone, so that one that fails can be walked again.
"""

from __future__ import annotations

from random import Random
from typing import Any

import pytest
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.decide import Decisions, decide, is_to_come
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.errors import RolloutError
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.events import Event
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.explain import explain
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.joining import joined, newcomers
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.operate import VERBS, Command, operate
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.pace import (
    CATCHING_UP,
    exposure_limit,
    most_unavailable,
    occupancy,
)
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.plan import Candidate, Plan, make_plan
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.replay import apply_events, replay
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.states import (
    STOPPED,
    Device,
    DeviceClass,
    DeviceState,
    Rollout,
    WavePhase,
    count,
    coverage_needed,
    failure_budget,
)

from tests.fleet_model import digest, plan_for, small_spec

BEGIN = 1_800_000_000.0
DECISIONS_PER_WALK = 300
WALKS = 350
FINAL = ["cancel", "abort"]
AFTER = {
    DeviceState.STAGING: ("staged", "staged", "staged", "deferred", "failed", "unreachable"),
    DeviceState.STAGED: ("applying", "applying", "applying", "released", "failed", "unreachable"),
    DeviceState.APPLYING: ("booted", "booted", "booted", "booted", "silent", "rolled_back", "deferred"),
    DeviceState.VERIFYING: ("succeeded",) * 8 + ("rolling_back", "silent", "hop_passed"),
    DeviceState.ROLLING_BACK: ("rolled_back", "rolled_back", "silent", "inconsistent"),
    DeviceState.SILENT: ("booted", "booted", "lost", "rolled_back"),
    DeviceState.LOST: ("booted", "rolled_back", "lost"),
}


def a_plan(random: Random) -> Plan:
    """Up to three variants on up to fourteen devices at two sites, with rules of all kinds."""
    variants = ["kde", "gnome", "hyprland"][: random.randint(1, 3)]
    rules: dict[str, Any] = {
        "soak": random.choice(["0s", "0s", "1m"]),
        "max_failures": random.choice([0, 1, 3, "20%", "50%"]),
        "success_threshold": random.choice([1, 50, 90]),
        "min_coverage": random.choice([0, 50, 100]),
        "coverage_timeout": "1h",
        "on_coverage_timeout": random.choice(["hold", "accept"]),
        "approve": random.choice(["never", "never", "before", "after"]),
    }
    spec = small_spec(
        variants=[{"name": name, "image": "registry.example/os", "digest": digest("a")} for name in variants],
        wave_defaults=rules,
        pace={"parallel": random.randint(1, 8), "start": random.randint(1, 3), "overshoot": random.choice([0, 0, 2])},
        abort={"percent": random.choice([0, 30, 60]), "min_executed": 6},
        selection={"late_joiners": random.choice(["catch_up", "catch_up", "own_wave", "ignore"])},
        catch_up={"for": random.choice(["2h", "90d"]), "max_failures": random.choice([0, 1, "40%"])},
        **random.choice([{}, {"budget": {"group_by": ["site"], "max_unavailable": random.randint(1, 3)}}]),
    )
    targets = plan_for(spec, [("any", variants[0])]).targets
    hosts = range(random.randint(1, 14))
    sites = ("oslo", "rome")
    return make_plan(
        spec,
        [Candidate(f"d{n:02}", random.choice(variants), {"site": random.choice(sites)}) for n in hosts],
        targets,
    )


def _is_put_off_armed(device: Device) -> bool:
    return device.armed and device.state in (DeviceState.PENDING, DeviceState.DEFERRED)


class Walk:
    """A rollout to which one thing after another happens."""

    def __init__(self, number: int) -> None:
        self.random = Random(number)
        self.plan = a_plan(self.random)
        self.now = BEGIN
        self.rollout = replay([Event("planned", BEGIN, data={"plan": self.plan.as_dict()})])
        self.late: set[int] = set()
        self.covered_since: dict[int, float] = {}
        self.holds: list[Event] = []
        self.woken: set[str] = set()
        self.decided = 0

    def step(self) -> None:
        """Decide, record what was decided, and let something happen."""
        self.now += self.random.choice([0.0, 1.0, 1.0, 60.0] * 12 + [4000.0])
        decisions = decide(self.rollout, self.now)
        self.decided += 1
        for event in decisions.record:
            if event.kind == "wave_passed":
                self._check_pass(event)
            elif event.kind == "held":
                self.holds.append(event)
            self._happens(event)
        if decisions.record:
            return
        self._check_touch(decisions)
        happening = self.random.random()
        if happening < 0.04:
            self._order()
        elif happening < 0.06:
            self._join()
        elif happening < 0.5:
            self._start(decisions)
        else:
            self._go_on(decisions)
        self._check_state()

    def _happens(self, *events: Event) -> None:
        for event in events:
            self.rollout = apply_events(self.rollout, [event])
            self._watch_coverage(event.at)
            self._watch_sleepers(event.host)

    def _watch_sleepers(self, host: str | None) -> None:
        """Who fell asleep on what was staged takes no place, perhaps for weeks, and is taken on when awake."""
        device = None if host is None else self.rollout.devices.get(host)
        if device is None:
            return
        if device.armed and device.state is DeviceState.UNREACHABLE:
            self.woken.add(device.host)
        elif not device.armed and device.device_class is not DeviceClass.FLIGHT:
            self.woken.discard(device.host)

    def _is_exposed(self, device: Device) -> bool:
        at_risk = device.device_class is DeviceClass.FLIGHT or _is_put_off_armed(device)
        return at_risk and device.host not in self.woken

    def _watch_coverage(self, at: float) -> None:
        """Since when the open wave has had enough verdicts, found out without the engine's own memory of it."""
        for index, wave in enumerate(self.rollout.waves):
            counts = count(self.rollout.in_wave(index))
            if counts.succeeded + counts.charged < coverage_needed(self.rollout, index):
                self.covered_since.pop(index, None)
            elif wave.phase is WavePhase.OPEN:
                self.covered_since.setdefault(index, at)

    def _order(self) -> None:
        final = self.random.random() < 0.1
        verb = self.random.choice(FINAL if final else ["resume", "resume", "approve", *sorted(set(VERBS) - set(FINAL))])
        hosts = tuple(self.random.sample(self.plan.members, min(2, len(self.plan.members))))
        about = hosts if verb in ("retry", "exclude") else ()
        plan_hash = self.plan.hash if verb == "approve" else None
        try:
            events = operate(self.rollout, Command(verb, "anna", "so", about, plan_hash), self.now)
        except RolloutError:
            return
        self._happens(*events)

    def _join(self) -> None:
        """A host comes into the inventory; that moves nobody else."""
        variant, site = self.random.choice(["kde", "gnome", "other"]), self.random.choice(["oslo", "rome"])
        host = Candidate(f"j{self.random.randint(0, 9)}", variant, {"site": site})
        before = {device.host: (device.wave, device.catching_up) for device in self.rollout.devices.values()}
        for newcomer in newcomers(self.rollout, [host], self.now):
            self._happens(joined(self.rollout, newcomer, self.now))
        after = {device.host: (device.wave, device.catching_up) for device in self.rollout.devices.values()}
        assert before == {known: after[known] for known in before}
        assert self.rollout.plan.hash == self.plan.hash

    def _start(self, decisions: Decisions) -> None:
        """What a device does whose turn it is: it begins if there is room for it, or turns out not to be reachable."""
        waiting = [h for h in decisions.touch if self.rollout.devices[h].device_class is DeviceClass.UNTOUCHED]
        if not waiting:
            return
        host = self.random.choice(waiting)
        if self.rollout.phase in STOPPED:
            assert self.rollout.devices[host].armed
            self._happens(Event("noted", self.now, host, data={"armed": False}))
        elif self.random.random() < 0.2:
            kinds = ("unreachable", "deferred", "incompatible", "already_current")
            kind = self.random.choice(kinds)
            self._happens(Event(kind, self.now, host, data={"proven": self.random.random() < 0.5}))
        elif occupancy(self.rollout, [host]).admits(host):
            self._check_variant_was_proven(host)
            self._happens(Event("staging", self.now, host))
            device = self.rollout.devices[host]
            self._check_exposure(CATCHING_UP if device.catching_up else device.wave)
            self._check_groups()

    def _go_on(self, decisions: Decisions) -> None:
        for host in decisions.confirm:
            reason = self.random.choice(["silent", "silent", "busy", "removed"])
            kind = self.random.choice(["confirmed", "unconfirmed", "unconfirmed"])
            self._happens(Event(kind, self.now, host, data={} if kind == "confirmed" else {"reason": reason}))
        moving = [device for device in self.rollout.devices.values() if device.state in AFTER]
        done = [d for d in self.rollout.devices.values() if d.state is DeviceState.SUCCEEDED]
        if done and self.random.random() < 0.01:
            device = self.random.choice(done)
            self.late.add(CATCHING_UP if device.catching_up else device.wave)
            self._happens(Event("rolled_back", self.now, device.host, data={"reason": "unhealthy"}))
        elif moving:
            device = self.random.choice(moving)
            kind = self.random.choice(AFTER[device.state])
            if self.rollout.phase in STOPPED and kind == "applying":
                kind = "released"
            self._happens(Event(kind, self.now, device.host, data=self._what_is_left(device, kind)))

    def _what_is_left(self, device: Device, kind: str) -> dict[str, Any]:
        """What was staged may be left on who is put off or given up, and is on who falls asleep there."""
        if device.state not in (DeviceState.STAGING, DeviceState.STAGED):
            return {}
        armed = kind == "unreachable" or (kind in ("deferred", "failed") and self.random.random() < 0.5)
        return {"armed": True} if armed else {}

    def _check_pass(self, event: Event) -> None:
        index = event.wave
        assert index is not None
        rules = self.plan.waves[index].rules
        wave = self.rollout.waves[index]
        counts = count(self.rollout.in_wave(index))
        assert counts.charged <= failure_budget(self.rollout, index)
        assert counts.disrupted == 0
        if counts.total:
            verdicts = counts.succeeded + counts.charged
            assert 100 * counts.succeeded >= rules.success_threshold * verdicts
            in_time = self.now < (wave.patient_from or 0.0) + rules.coverage_timeout
            assert verdicts >= coverage_needed(self.rollout, index) or not in_time
            assert rules.approve != "after" or wave.approved_at is not None
            timed_out = (wave.patient_from or 0.0) + rules.coverage_timeout
            soaked_at = self.covered_since.get(index, timed_out) + rules.soak
            assert self.now >= soaked_at
            self._check_closing_look(index, soaked_at)
        assert all(earlier.phase is WavePhase.PASSED for earlier in self.rollout.waves[:index])

    def _check_closing_look(self, index: int, soaked_at: float) -> None:
        """Everybody was looked at; and of each variant that soaked somebody answered, or did so in an earlier wave, or
        no later wave has any of it to lose."""
        if not self.plan.waves[index].rules.soak:
            return
        soaked = [d for d in self.rollout.in_wave(index) if d.state is DeviceState.SUCCEEDED and d.since < soaked_at]
        assert all(d.looked_at is not None and d.looked_at >= soaked_at for d in soaked)
        for variant in {d.variant for d in soaked}:
            kin = [d for d in self.rollout.devices.values() if d.variant == variant]
            before = [d for d in kin if d.wave < index and d.state is DeviceState.SUCCEEDED and d.looked_at]
            answered = any(d.unconfirmed is None for d in [*soaked, *before] if d.variant == variant)
            assert answered or not any(d.wave > index and d.is_undecided for d in kin)

    def _check_touch(self, decisions: Decisions) -> None:
        if self.rollout.phase in STOPPED:
            devices = self.rollout.devices.values()
            left = [d.host for d in devices if d.armed and not d.taken_over and d.state is not DeviceState.SUCCEEDED]
            assert set(left) <= set(decisions.touch)
        for host in decisions.touch:
            device = self.rollout.devices[host]
            if self.rollout.phase in STOPPED:
                assert device.device_class is DeviceClass.FLIGHT or device.may_heal or device.armed
            if device.device_class is DeviceClass.UNTOUCHED and not device.armed:
                assert self.rollout.waves[device.wave].phase is not WavePhase.PLANNED
                assert not is_to_come(self.rollout, device)
                ended = self.rollout.ended_at
                assert ended is None or self.now < ended + self.plan.spec.catch_up.time

    def _check_variant_was_proven(self, host: str) -> None:
        """A variant's first success comes before any of its devices in a later wave, but for one that stands in."""
        device = self.rollout.devices[host]
        kin = [d for d in self.rollout.devices.values() if d.variant == device.variant and d.host != host]
        earlier = [d for d in kin if d.wave < device.wave]
        if earlier and not any(d.proves_its_variant for d in kin if d.wave <= device.wave):
            undecided = (DeviceClass.UNTOUCHED, DeviceClass.FLIGHT)
            assert not any(d.device_class in undecided for d in earlier)
            assert not any(d.device_class is DeviceClass.FLIGHT for d in kin if d.wave == device.wave)

    def _check_exposure(self, index: int) -> None:
        if index in self.late:
            return
        devices = self.rollout.catching_up if index == CATCHING_UP else self.rollout.in_wave(index)
        exposed = sum(map(self._is_exposed, devices))
        assert exposed + count(devices).charged <= exposure_limit(self.rollout, index)
        assert exposed <= max(self.plan.spec.pace.parallel, 1)

    def _check_groups(self) -> None:
        groups = {host: self.rollout.group_of(host) for host in self.rollout.devices}
        for group in {name for name in groups.values() if name is not None}:
            members = [self.rollout.devices[host] for host, name in groups.items() if name == group]
            flying = [d for d in members if self._is_exposed(d)]
            down = [*flying, *(d for d in members if d.state is DeviceState.LOST)]
            allowed = most_unavailable(self.plan.spec.budget, len(members))
            healed = sum(d.device_class is DeviceClass.FLIGHT and d.reason == "silent" for d in members)
            assert len(down) <= allowed + healed

    def _check_state(self) -> None:
        rollout: Rollout = self.rollout
        assert tuple(rollout.devices) == (*self.plan.members, *rollout.joined)
        counted = [d.host for index in range(len(rollout.waves)) for d in rollout.in_wave(index)]
        assert sorted([*counted, *(d.host for d in rollout.catching_up)]) == sorted(rollout.devices)
        host = self.random.choice(list(rollout.devices))
        (explained,) = explain(rollout, [host], self.now)
        assert explained.why
        assert explained.next


@pytest.mark.parametrize("ten", range(0, WALKS, 10))
def test_no_walk_breaks_a_rule(ten: int) -> None:
    for number in range(ten, ten + 10):
        walk = Walk(number)
        for _unused in range(DECISIONS_PER_WALK):
            walk.step()
        assert walk.decided == DECISIONS_PER_WALK


def test_the_walks_are_long_enough_and_end_in_every_way() -> None:
    assert WALKS * DECISIONS_PER_WALK >= 100_000
    ends, holds = set(), set()
    for number in range(150):
        walk = Walk(number)
        for _unused in range(DECISIONS_PER_WALK):
            walk.step()
        ends.add(walk.rollout.phase.value)
        holds.update(event.data["rule"] for event in walk.holds)
    assert {"held", "completed", "canceled", "aborted"} <= ends
    assert "confirmation" in holds
