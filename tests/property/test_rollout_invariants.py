# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Invariants of a rollout over fleets of devices with all habits, and with the controller killed anywhere."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.gate import failure_budget
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.states import (
    DeviceClass,
    DeviceState,
    Rollout,
    RolloutPhase,
    WavePhase,
    count,
)
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.fleet_model import HABITS, OLD, Fleet, Killed, digest, plan_for, small_spec

_SETTINGS = settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
_RUNS_TO_SETTLE = 4
_MOST_REBOOTS = {
    "unhealthy": 2,
    "falls_back": 2,
    "falls_back_in_check": 2,
    "unfinalised": 3,  # nobody can tell this from a power loss
    "asleep": 0,
    "current": 0,
    "sick_current": 0,
    "not_bootc": 0,
    "no_network": 0,
    "wrong_content": 0,
    "never_reboots": 0,
}

# Good enough that about half of the fleets come to the end of their rollout; the others are held on the way.
mostly_good = st.lists(st.sampled_from(("good",) * 40 + HABITS), min_size=1, max_size=14)
# Nothing about them changes by itself from one run to the next; the others are tried again.
_TRIED_AGAIN = ("no_network", "never_reboots", "unfinalised")
settled = st.lists(
    st.sampled_from(("good",) * 40 + tuple(habit for habit in HABITS if habit not in _TRIED_AGAIN)),
    min_size=1,
    max_size=12,
)
budgets = st.sampled_from([0, 1, 2, "10%", "50%"])


def _scratch() -> tempfile.TemporaryDirectory[str]:
    """In memory where that is possible: a ledger syncs every line, which a disk makes slow."""
    return tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None)


def _spec(budget: Any, threshold: int, **more: Any) -> Any:
    return small_spec(
        wave_defaults={
            "soak": "10s",
            "max_failures": budget,
            "success_threshold": threshold,
            "min_coverage": 50,
            "coverage_timeout": "1h",
            "on_coverage_timeout": "accept",
        },
        pace={"parallel": 3},
        **more,
    )


def _fleet(
    root: str, fleet_habits: list[str], budget: Any = 1, threshold: int = 50, more: Any = None, **options: Any
) -> Fleet:
    hosts = {f"d{number:02}": habit for number, habit in enumerate(fleet_habits)}
    plan = plan_for(_spec(budget, threshold, **(more or {})), [(host, "kde") for host in hosts])
    return Fleet.create(Path(root), plan, hosts, **options)


def _verdicts(rollout: Rollout) -> dict[str, DeviceState]:
    """States by host; a silent device is one that will be lost when its grace is over."""
    states = {host: device.state for host, device in rollout.devices.items()}
    return {host: DeviceState.LOST if state is DeviceState.SILENT else state for host, state in states.items()}


@_SETTINGS
@given(mostly_good, budgets, st.integers(1, 100))
def test_what_the_ledger_says_is_what_the_devices_are(fleet_habits: list[str], budget: Any, threshold: int) -> None:
    with _scratch() as root:
        fleet = _fleet(root, fleet_habits, budget, threshold)
        rollout = fleet.run()
        for host, device in rollout.devices.items():
            real = fleet.devices[host]
            if device.state is DeviceState.SUCCEEDED:
                assert real.booted == digest("a")
                assert real.boots == 1
            if device.state in (DeviceState.ROLLED_BACK, DeviceState.PENDING, DeviceState.UNREACHABLE):
                assert real.booted == (digest("a") if real.habit in ("current", "sick_current") else OLD)
                assert real.next_boot == "booted"
            if device.device_class is DeviceClass.UNTOUCHED and device.reason != "stage_lost":
                assert real.boots == 0
            assert set(real.asked_for) <= {digest("a"), OLD}


@_SETTINGS
@given(mostly_good, budgets, st.integers(1, 100))
def test_no_later_wave_is_touched_before_the_one_before_it_passed(
    fleet_habits: list[str], budget: Any, threshold: int
) -> None:
    def in_order(rollout: Rollout) -> None:
        for index, wave in enumerate(rollout.waves):
            touched = [
                d for d in rollout.in_wave(index) if d.device_class in (DeviceClass.FLIGHT, DeviceClass.SUCCEEDED)
            ]
            if touched:
                assert all(earlier.phase is WavePhase.PASSED for earlier in rollout.waves[:index])
                assert wave.phase is not WavePhase.PLANNED

    with _scratch() as root:
        _fleet(root, fleet_habits, budget, threshold, on_event=in_order).run()


@_SETTINGS
@given(mostly_good, budgets, st.integers(1, 100))
def test_a_completed_rollout_kept_its_promises(fleet_habits: list[str], budget: Any, threshold: int) -> None:
    with _scratch() as root:
        rollout = _fleet(root, fleet_habits, budget, threshold).run()
        if rollout.phase is not RolloutPhase.COMPLETED:
            return
        for index in range(len(rollout.waves)):
            counts = count(rollout.in_wave(index))
            assert counts.charged <= failure_budget(rollout, index)
            assert 100 * counts.succeeded >= threshold * (counts.succeeded + counts.charged)
            assert counts.disrupted == 0


@_SETTINGS
@example(["good"] * 4 + ["never_reboots", "good", "unfinalised"], 16, False)
@example(["good"] * 5 + ["unhealthy", "good", "good", "sick_current"], 2, False)
@given(mostly_good, st.integers(1, 40), st.booleans())
def test_a_killed_controller_reaches_the_same_end(fleet_habits: list[str], kill_at: int, before: bool) -> None:
    # A second run cuts other batches: a device that the first would have updated in its wave may catch up, and be
    # charged to another budget. What no budget ends has the same end, device by device.
    unlimited = {"catch_up": {"max_failures": "100%"}, "abort": {"percent": 100, "min_executed": 1000}}
    with _scratch() as undisturbed, _scratch() as disturbed:
        calm = _fleet(undisturbed, fleet_habits, "100%", 1, unlimited)
        killed = _fleet(disturbed, fleet_habits, "100%", 1, unlimited, kill_at=kill_at, kill_before=before)
        for _unused in range(_RUNS_TO_SETTLE):
            calm.run()
        for _unused in range(_RUNS_TO_SETTLE + 1):
            try:
                killed.run()
            except Killed:
                continue
        killed.ledger.spare()
        # Long enough for whoever is silent to be lost, and often enough for whoever is tried again to be given up.
        for fleet in (calm, killed):
            for _unused in range(_RUNS_TO_SETTLE):
                fleet.time.sleep(86400)
                fleet.run()
        assert killed.state().phase is calm.state().phase
        verdicts, expected = _verdicts(killed.state()), _verdicts(calm.state())
        for host, device in killed.devices.items():
            assert device.boots <= _MOST_REBOOTS.get(device.habit, 1), f"{host} was rebooted again"
            if calm.state().phase is RolloutPhase.COMPLETED:
                assert verdicts[host] is expected[host]
                assert device.booted == calm.devices[host].booted


@_SETTINGS
@given(settled)
def test_running_again_with_no_news_touches_nothing(fleet_habits: list[str]) -> None:
    with _scratch() as root:
        fleet = _fleet(root, fleet_habits)
        for _unused in range(_RUNS_TO_SETTLE):
            fleet.run()
        boots = {host: device.boots for host, device in fleet.devices.items()}
        before = fleet.ledger.read()
        fleet.run()
        assert {host: device.boots for host, device in fleet.devices.items()} == boots
        touching = {"staging", "applying", "rolling_back"}
        assert not [event for event in fleet.ledger.read()[len(before) :] if event.kind in touching]


@_SETTINGS
@given(st.lists(st.sampled_from(["good", "asleep"]), min_size=2, max_size=12))
def test_asleep_devices_are_never_charged(fleet_habits: list[str]) -> None:
    with _scratch() as root:
        rollout = _fleet(root, fleet_habits, budget=0, threshold=100).run(patience=30 * 86400.0)
        assert not [device for device in rollout.devices.values() if device.device_class is DeviceClass.CHARGED]
        asleep = [device for device in rollout.devices.values() if device.state is DeviceState.UNREACHABLE]
        if rollout.phase is RolloutPhase.COMPLETED:
            assert len(asleep) == fleet_habits.count("asleep")


@_SETTINGS
@given(st.sets(st.integers(0, 400), min_size=1, max_size=60), st.randoms())
def test_assignment_depends_on_membership_alone(numbers: set[int], random: Any) -> None:
    hosts = [(f"h{number}", random.choice(["kde", "gnome"])) for number in sorted(numbers)]
    shuffled = random.sample(hosts, len(hosts))
    variants = [{"name": n, "image": "registry.example/os", "digest": digest("a")} for n in ("kde", "gnome")]
    spec = small_spec(variants=variants)
    plan = plan_for(spec, hosts)
    assert plan_for(spec, shuffled).hash == plan.hash
    assert sorted(plan.members) == sorted(host for host, _unused in hosts)
    for variant in ("kde", "gnome"):
        total = sum(1 for _unused, v in hosts if v == variant)
        sizes = [sum(plan.variant_of[host] == variant for host in wave) for wave in plan.hosts]
        assert sizes[0] == min(1, total)
        assert sizes[0] + sizes[1] == max(sizes[0], -(-50 * total // 100))
