# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One device's way through a rollout: every outcome, and every situation it can be found in after an interruption."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.device import Update
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.errors import RolloutError
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.events import Event
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.operate import Command, operate
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.plan import Target
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.port import DeviceError, Unreachable
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.replay import apply_event
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.spec import Spec
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.states import (
    Device,
    DeviceClass,
    DeviceState,
    Rollout,
    RolloutPhase,
)
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.windows import NO_WINDOWS, Windows

from tests.fleet_model import OLD, FakeDevice, FakeTime, Fleet, digest, plan_for, small_spec
from tests.unit.rollout.builders import BEGIN, replay

NEW = digest("a")
OTHER = digest("e")
HUNG = DeviceError("timeout", "bootc did not answer")
HOST = "d000"
DAY = 86400.0


class Cut(Exception):
    """The controller dies here."""


@dataclass
class FakeTurn:
    """Room for everybody, as long as anything may start."""

    may_start: Callable[[], bool]
    journal: Callable[[str, Mapping[str, Any]], None]
    until: Callable[[float], bool] = lambda _moment: False

    def is_open(self) -> bool:
        return self.may_start()

    def wait(self, *, downloads: bool = False) -> bool:
        return False

    def wait_until(self, moment: float) -> bool:
        return self.until(moment)

    def begin(self, kind: str, data: Mapping[str, Any]) -> bool:
        allowed = self.may_start()
        if allowed:
            self.journal(kind, data)
        return allowed


@dataclass
class Story:
    """One device with its journal. ``run`` is one visit of a controller; it goes on from what the journal says."""

    device: FakeDevice
    spec: Spec = field(default_factory=small_spec)
    told: list[Event] = field(default_factory=list)
    time: FakeTime = field(default_factory=lambda: FakeTime(BEGIN))
    cut_before: str | None = None
    cut_after: str | None = None
    timezone: str | None = None
    waits: bool = False
    own: Windows = NO_WINDOWS

    @property
    def rollout(self) -> Rollout:
        rollout = replay(plan_for(self.spec, [(HOST, "kde")]))
        for event in self.told:
            rollout = apply_event(rollout, event)
        return rollout

    @property
    def state(self) -> Device:
        return self.rollout.devices[HOST]

    @property
    def kinds(self) -> list[str]:
        return [event.kind for event in self.told]

    def run(self, draining: bool = False, patience: float = 0.0, may_start: Callable[[], bool] | None = None) -> Device:
        target = self.rollout.plan.targets["kde"]
        self._update(target, patience, may_start or (lambda: not draining)).run(self.state)
        return self.state

    def confirm(self) -> Device:
        self._update(self.rollout.plan.targets["kde"], 0.0, lambda: True).confirm(self.state)
        return self.state

    def _update(self, target: Target, patience: float, may_start: Callable[[], bool]) -> Update:
        deadline = self.time.now() + patience
        turn = FakeTurn(may_start, self._journal, self._wait_until)
        return Update(
            self.device,
            self._journal,
            target,
            self.spec,
            self.time.now,
            deadline,
            turn,
            self.timezone,
            self.time.sleep,
            self.own,
        )

    def _wait_until(self, moment: float) -> bool:
        self.time.seconds = max(self.time.seconds, moment) if self.waits else self.time.seconds
        return self.waits

    def run_until_cut(self) -> None:
        with pytest.raises(Cut):
            self.run()
        self.cut_before = self.cut_after = None

    def _journal(self, kind: str, data: Mapping[str, Any]) -> None:
        if kind == self.cut_before:
            raise Cut
        self.time.sleep(1)
        self.told.append(Event(kind, self.time.now(), HOST, data=dict(data)))
        if kind == self.cut_after:
            raise Cut


def story(habit: str = "good", told: list[tuple[str, dict[str, Any]]] | None = None, **device: Any) -> Story:
    events = [Event(kind, BEGIN, HOST, data=data) for kind, data in told or []]
    return Story(FakeDevice(habit, **device), told=events)


BEFORE = {"boot_id": "0", "previous_digest": OLD}
STAGING = [("staging", BEFORE)]
STAGED = [*STAGING, ("staged", BEFORE)]
APPLYING = [*STAGED, ("applying", BEFORE)]
VERIFYING = [*APPLYING, ("booted", {"booted_digest": NEW})]
GOING_BACK = [*VERIFYING, ("rolling_back", {"reason": "unhealthy", "message": "session: no"})]
BACK_QUEUED = [*GOING_BACK, ("rolling_back", {"reason": "unhealthy", "message": "session: no", "boot_id": "1"})]
UPDATED: dict[str, Any] = {"booted": NEW, "rollback": OLD, "boots": 1}


@pytest.mark.parametrize(
    ("habit", "kinds", "reason", "boots", "booted"),
    [
        ("good", ["staging", "staged", "applying", "booted", "succeeded"], None, 1, NEW),
        ("current", ["already_current"], None, 0, NEW),
        ("asleep", ["unreachable"], None, 0, OLD),
        ("not_bootc", ["incompatible"], "not_bootc", 0, OLD),
        ("no_network", ["staging", "deferred"], "network", 0, OLD),
        ("wrong_content", ["staging", "failed"], "digest_mismatch", 0, OLD),
        ("silent", ["staging", "staged", "applying", "silent"], "silent", 1, NEW),
        ("never_reboots", ["staging", "staged", "applying", "silent"], "silent", 0, OLD),
        ("unfinalised", ["staging", "staged", "applying", "deferred"], "stage_lost", 1, OLD),
        ("degraded", ["staging", "staged", "applying", "booted", "succeeded"], None, 1, NEW),
        ("sick_current", ["already_current"], "unhealthy", 0, NEW),
        ("falls_back", ["staging", "staged", "applying", "rolled_back"], "came_back_on_previous", 2, OLD),
        (
            "unhealthy",
            ["staging", "staged", "applying", "booted", "rolling_back", "rolling_back", "rolled_back"],
            "unhealthy",
            2,
            OLD,
        ),
        ("dies_in_check", ["staging", "staged", "applying", "booted", "silent"], "silent", 1, NEW),
        (
            "falls_back_in_check",
            ["staging", "staged", "applying", "booted", "rolling_back", "rolled_back"],
            "restless",
            2,
            OLD,
        ),
    ],
)
def test_every_habit_ends_in_its_verdict(
    habit: str, kinds: list[str], reason: str | None, boots: int, booted: str
) -> None:
    tale = story(habit)
    state = tale.run()
    assert tale.kinds == kinds
    assert (state.reason, tale.device.boots, tale.device.booted) == (reason, boots, booted)
    assert habit == "never_reboots" or tale.device.next_boot == "booted"


def test_what_was_learnt_on_the_way_is_remembered() -> None:
    state = story().run()
    assert (state.previous_digest, state.booted_digest) == (OLD, NEW)
    assert (state.boot_id, state.reboots_asked) == ("0", 1)


RESUMED = [
    # name, journal so far, the device, what is told next, boots afterwards
    ("killed before the image was staged", STAGING, {}, ["staging", "staged", "applying", "booted", "succeeded"], 1),
    (
        "killed after the image was staged",
        STAGING,
        {"staged": NEW, "next_boot": "staged"},
        ["staging", "staged", "applying", "booted", "succeeded"],
        1,
    ),
    (
        "killed between intent and reboot",
        APPLYING,
        {"staged": NEW, "next_boot": "staged"},
        ["applying", "booted", "succeeded"],
        1,
    ),
    ("killed while it rebooted", APPLYING, UPDATED, ["booted", "succeeded"], 1),
    ("killed while it was proven", VERIFYING, UPDATED, ["booted", "succeeded"], 1),
    ("parked stage lost, no reboot", STAGED, {}, ["staging", "staged", "applying", "booted", "succeeded"], 1),
    (
        "stage lost at somebody's reboot",
        STAGED,
        {"boots": 1},
        ["staging", "staged", "applying", "booted", "succeeded"],
        2,
    ),
    (
        "stage dropped between intent and reboot",
        APPLYING,
        {},
        ["released", "staging", "staged", "applying", "booted", "succeeded"],
        1,
    ),
    (
        "power lost at the reboot",
        APPLYING,
        {"boots": 1},
        ["released", "staging", "staged", "applying", "booted", "succeeded"],
        2,
    ),
    ("fell back while nobody looked", APPLYING, {"boots": 2, "rollback": NEW}, ["rolled_back"], 2),
    ("fell back while it was proven", VERIFYING, {"boots": 2, "rollback": NEW}, ["rolled_back"], 2),
    ("drifted to something else", APPLYING, {"boots": 1, "booted": OTHER}, ["inconsistent"], 1),
    ("drifted while it was proven", VERIFYING, {"boots": 2, "booted": OTHER}, ["inconsistent"], 2),
    (
        "rebooted by its user, fell back",
        STAGED,
        {"boots": 2, "rollback": NEW, "next_boot": "rollback"},
        ["rolled_back"],
        2,
    ),
    (
        "fell back, goes forward next",
        APPLYING,
        {"boots": 2, "rollback": NEW, "next_boot": "rollback"},
        ["rolled_back"],
        2,
    ),
    (
        "went back by itself, goes forward next",
        BACK_QUEUED,
        {"boots": 2, "rollback": NEW, "next_boot": "rollback"},
        ["rolled_back"],
        2,
    ),
    ("rebooted by its user after staging", STAGED, UPDATED, ["booted", "succeeded"], 1),
    ("rebooted by its user while staging", STAGING, UPDATED, ["booted", "succeeded"], 1),
    ("killed before the rollback was queued", GOING_BACK, UPDATED, ["rolling_back", "rolled_back"], 2),
    (
        "killed after the rollback was queued",
        BACK_QUEUED,
        {**UPDATED, "next_boot": "rollback"},
        ["rolling_back", "rolled_back"],
        2,
    ),
    ("killed while it went back", BACK_QUEUED, {"rollback": NEW, "boots": 2}, ["rolled_back"], 2),
    ("drifted while it went back", BACK_QUEUED, {"booted": OTHER, "boots": 2}, ["inconsistent"], 2),
    ("nothing to go back to any more", GOING_BACK, {"booted": NEW, "boots": 1}, ["inconsistent"], 1),
    (
        "going back would go forward",
        GOING_BACK,
        {"booted": NEW, "rollback": NEW, "boots": 1},
        ["inconsistent"],
        1,
    ),
]


@pytest.mark.parametrize(("told", "device", "kinds", "boots"), [r[1:] for r in RESUMED], ids=[r[0] for r in RESUMED])
def test_resuming(told: list[Any], device: dict[str, Any], kinds: list[str], boots: int) -> None:
    tale = story(told=told, **device)
    tale.run()
    assert tale.kinds[len(told) :] == kinds
    assert tale.device.boots == boots
    assert tale.device.next_boot == "booted"


@pytest.mark.parametrize("kind", ["silent", "lost"])
@pytest.mark.parametrize(("told", "device", "kinds", "boots"), [r[1:] for r in RESUMED], ids=[r[0] for r in RESUMED])
def test_a_device_that_answers_again_goes_on_where_it_was(
    told: list[Any], device: dict[str, Any], kinds: list[str], boots: int, kind: str
) -> None:
    tale = story(told=[*told, (kind, {"reason": "silent"})], **device)
    tale.run()
    assert tale.kinds[len(told) + 1 :] == kinds
    assert tale.device.boots == boots


REBOOTED = ["staging", "staged", "applying"]
MOMENTS = [
    *(("good", kind) for kind in [*REBOOTED, "booted", "succeeded"]),
    *(("unhealthy", kind) for kind in [*REBOOTED, "booted", "rolling_back", "rolled_back"]),
    *(("falls_back", kind) for kind in [*REBOOTED, "rolled_back"]),
    *(("degraded", kind) for kind in [*REBOOTED, "booted", "succeeded"]),
]


@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
@pytest.mark.parametrize(("habit", "at"), MOMENTS)
def test_a_controller_killed_at_any_event_leads_to_the_same_end_and_no_second_reboot(
    habit: str, at: str, before: bool
) -> None:
    calm, killed = story(habit), story(habit)
    calm.run()
    killed.cut_before, killed.cut_after = (at, None) if before else (None, at)
    killed.run_until_cut()
    killed.run()
    assert (killed.state.state, killed.state.booted_digest) == (calm.state.state, calm.state.booted_digest)
    assert (killed.device.boots, killed.device.booted) == (calm.device.boots, calm.device.booted)


HELD = [
    ("nothing staged yet", STAGING, {}, ["released"], OLD),
    ("armed", STAGED, {"staged": NEW, "next_boot": "staged"}, ["released"], OLD),
    ("armed by queueing a rollback", STAGED, {"rollback": NEW, "next_boot": "rollback"}, ["released"], OLD),
    ("meant to reboot", APPLYING, {"staged": NEW, "next_boot": "staged"}, ["released"], OLD),
    ("stage lost at its reboot", APPLYING, {"boots": 1}, ["released"], OLD),
    ("rebooted", APPLYING, UPDATED, ["booted", "succeeded"], NEW),
    ("rebooted by its user", STAGED, UPDATED, ["booted", "succeeded"], NEW),
    ("fell back", APPLYING, {"boots": 2, "rollback": NEW}, ["rolled_back"], OLD),
    ("being proven", VERIFYING, UPDATED, ["booted", "succeeded"], NEW),
    ("going back", BACK_QUEUED, {**UPDATED, "next_boot": "rollback"}, ["rolling_back", "rolled_back"], OLD),
]


@pytest.mark.parametrize(("told", "device", "kinds", "booted"), [h[1:] for h in HELD], ids=[h[0] for h in HELD])
def test_a_held_rollout_finishes_what_rebooted_and_disarms_the_rest(
    told: list[Any], device: dict[str, Any], kinds: list[str], booted: str
) -> None:
    tale = story(told=told, **device)
    boots = tale.device.boots
    tale.run(draining=True)
    assert tale.kinds[len(told) :] == kinds
    assert tale.device.booted == booted
    assert tale.device.next_boot == "booted"
    if "released" in kinds:
        assert tale.device.boots == boots
        assert tale.state.state is DeviceState.PENDING


def test_a_held_device_that_cannot_be_disarmed_is_named_once_and_tried_again() -> None:
    tale = story(told=STAGED, staged=NEW, next_boot="staged")
    tale.device.faults["stay"] = [HUNG, HUNG, None]
    state = tale.run(draining=True)
    assert state.state is DeviceState.STAGED
    assert "cannot be dropped" in str(state.message)
    assert "bootc did not answer" in str(state.message)
    tale.run(draining=True)
    assert tale.kinds == ["staging", "staged", "staged"]
    tale.run(draining=True)
    assert tale.state.state is DeviceState.PENDING
    assert tale.device.next_boot == "booted"


def test_a_held_device_that_vanishes_while_it_is_disarmed_stays_in_flight() -> None:
    tale = story(told=STAGED, staged=NEW, next_boot="staged")
    tale.device.faults["stay"] = [Unreachable()]
    assert tale.run(draining=True).state is DeviceState.STAGED
    assert tale.kinds == ["staging", "staged"]


def test_a_device_falling_back_during_its_check_is_not_sent_forward_again() -> None:
    tale = story("falls_back_in_check")
    tale.run()
    assert "queue_rollback" not in tale.device.calls
    assert (tale.device.booted, tale.device.next_boot) == (OLD, "booted")


def test_a_device_on_which_no_reboot_comes_about_is_given_up_and_disarmed() -> None:
    tale = story("never_reboots")
    for _unused in range(5):
        tale.run()
    assert tale.device.calls.count("reboot") == 3
    assert tale.state.state is DeviceState.FAILED
    assert tale.state.reason == "not_applied"
    assert tale.device.next_boot == "booted"


def test_a_device_that_loses_every_stage_in_silence_is_not_rebooted_for_ever() -> None:
    tale = story()
    for _unused in range(6):
        tale.device.silent, tale.device.habit = False, "unfinalised"
        tale.cut_before = "deferred"
        try:
            tale.run()
        except Cut:
            continue
    tale.cut_before = None
    tale.run()
    assert tale.device.boots == 3
    assert tale.state.state is DeviceState.FAILED


def test_an_update_that_is_not_finalised_is_tried_again_before_it_is_charged() -> None:
    """Holding the power button at the reboot looks the same, and says nothing of the release."""
    tale = story("unfinalised")
    states = [tale.run().state for _unused in range(3)]
    assert states == [DeviceState.DEFERRED, DeviceState.DEFERRED, DeviceState.FAILED]
    assert (tale.device.boots, tale.state.reason) == (3, "came_back_on_previous")


def test_a_power_loss_at_the_reboot_costs_another_reboot_and_no_charge() -> None:
    tale = story("unfinalised")
    tale.run()
    tale.device.habit = "good"
    assert tale.run().state is DeviceState.SUCCEEDED
    assert tale.device.boots == 2


def test_a_device_that_never_goes_back_is_not_asked_for_ever() -> None:
    tale = story("never_reboots", told=GOING_BACK, **UPDATED)
    for _unused in range(5):
        tale.run()
    assert tale.device.calls.count("reboot") == 3
    assert tale.state.state is DeviceState.INCONSISTENT
    assert tale.state.reason == "rollback_failed"


def test_a_target_in_the_rollback_slot_is_not_downloaded_again() -> None:
    tale = story(rollback=NEW)
    assert tale.run().state is DeviceState.SUCCEEDED
    assert "stage" not in tale.device.calls


def test_on_ostree_a_target_in_the_rollback_slot_is_deployed_anew() -> None:
    """The deployment in the slot has the /etc of the day when it was made."""
    tale = story(rollback=NEW, backend="ostree")
    assert tale.run().state is DeviceState.SUCCEEDED
    assert "queue_rollback" not in tale.device.calls


def test_a_target_that_is_armed_already_is_not_staged_again() -> None:
    tale = story(staged=NEW, next_boot="staged")
    assert tale.run().state is DeviceState.SUCCEEDED
    assert "stage" not in tale.device.calls


def test_a_target_that_is_only_parked_is_armed() -> None:
    tale = story(staged=NEW, next_boot="booted")
    assert tale.run().state is DeviceState.SUCCEEDED
    assert tale.device.calls.count("stage") == 1


def test_another_image_waiting_on_a_current_device_is_dropped() -> None:
    tale = story("current", staged=OTHER, next_boot="staged")
    assert tale.run().state is DeviceState.CURRENT
    assert tale.device.next_boot == "booted"
    assert tale.device.boots == 0


@pytest.mark.parametrize(
    ("fault", "kind"), [(Unreachable(), "unreachable"), (DeviceError("busy", "locked"), "deferred")]
)
def test_a_current_device_whose_staged_image_cannot_be_dropped_is_not_current(fault: Exception, kind: str) -> None:
    tale = story("current", staged=OTHER, next_boot="staged")
    tale.device.faults["stage"] = [fault]
    tale.run()
    assert tale.kinds == [kind]


@pytest.mark.parametrize(
    ("reason", "kinds"),
    [
        ("network", ["deferred", "deferred", "deferred"]),
        ("auth", ["deferred", "deferred", "failed"]),
        ("no_space", ["deferred", "deferred", "failed"]),
        ("not_asked", ["deferred", "deferred", "failed"]),
        ("unexpected", ["deferred", "deferred", "failed"]),
        ("busy", ["deferred", "deferred", "deferred"]),
        ("timeout", ["deferred", "deferred", "deferred"]),
        ("incompatible", ["failed"]),
        ("read_only", ["incompatible"]),
        ("not_bootc", ["incompatible"]),
        ("unsupported_version", ["incompatible"]),
        ("signature", ["failed"]),
    ],
)
def test_what_staging_may_fail_with(reason: str, kinds: list[str]) -> None:
    tale = story()
    tale.device.faults["stage"] = [DeviceError(reason, "no")] * 3
    for _unused in kinds:
        tale.run()
    assert [kind for kind in tale.kinds if kind != "staging"] == kinds
    assert (tale.state.reason, tale.state.message) == (reason, "no")
    assert tale.device.boots == 0


@pytest.mark.parametrize("reason", ["network", "busy", "timeout", "fenced"])
def test_what_uses_up_no_attempt_is_not_charged_when_one_is_left(reason: str) -> None:
    tale = story()
    tale.spec = small_spec(stage={"attempts": 1})
    tale.device.faults["stage"] = [DeviceError(reason, "no")]
    assert tale.run().state is DeviceState.DEFERRED
    tale = story()
    tale.device.faults["stage"] = [DeviceError(each, "no") for each in ("auth", "auth", reason, "auth")]
    assert [tale.run().state for _unused in range(4)] == [DeviceState.DEFERRED] * 3 + [DeviceState.FAILED]


def test_an_image_that_arrives_after_all_is_applied() -> None:
    tale = story()
    tale.device.faults["stage"] = [DeviceError("network", "no"), DeviceError("network", "no")]
    assert [tale.run().state for turn in range(3)] == [
        DeviceState.DEFERRED,
        DeviceState.DEFERRED,
        DeviceState.SUCCEEDED,
    ]


def test_a_device_that_vanishes_while_it_stages_is_found_again() -> None:
    tale = story()
    tale.device.faults["stage"] = [Unreachable()]
    assert tale.run().state is DeviceState.STAGING
    tale.device.habit = "asleep"
    assert tale.run().state is DeviceState.STAGING
    assert tale.kinds == ["staging"]
    tale.device.habit = "good"
    assert tale.run().state is DeviceState.SUCCEEDED


def test_wrong_content_is_disarmed_and_charged_at_once() -> None:
    tale = story("wrong_content")
    assert tale.run().state is DeviceState.FAILED
    assert tale.device.next_boot == "booted"
    assert "reboot" not in tale.device.calls
    assert digest("f") in str(tale.state.message)


def test_a_stage_that_boots_nothing_is_tried_again() -> None:
    class Parking(FakeDevice):
        def stage(self, reference: str, accept: Any) -> Any:
            super().stage(reference, accept)
            self.next_boot = "booted"
            return self._seen()

    tale = Story(Parking())
    assert [tale.run().state for turn in range(3)] == [
        DeviceState.DEFERRED,
        DeviceState.DEFERRED,
        DeviceState.FAILED,
    ]
    assert tale.state.reason == "unexpected"
    assert tale.device.boots == 0


def test_a_rollback_that_queues_nothing_is_inconsistent() -> None:
    class Stuck(FakeDevice):
        def queue_rollback(self, *, forward: bool = False) -> Any:
            self.calls.append("queue_rollback")
            return self._seen()

    tale = Story(Stuck("unhealthy"))
    assert tale.run().state is DeviceState.INCONSISTENT
    assert tale.device.calls.count("reboot") == 1


def test_units_that_failed_before_the_reboot_are_noted() -> None:
    class Degraded(FakeDevice):
        def reboot(self, expect: Any, *others: Any) -> Any:
            return replace(super().reboot(expect, *others), failed_units=("old.service",))

    tale = Story(Degraded())
    assert tale.run().failed_units == ("old.service",)


def test_a_unit_that_fails_while_the_image_is_staged_is_no_fault_of_the_image() -> None:
    class Failing(FakeDevice):
        def reboot(self, expect: Any, *others: Any) -> Any:
            asked = super().reboot(expect, *others)
            self.habit = "degraded"
            return replace(asked, failed_units=("old.service",))

    assert Story(Failing()).run().state is DeviceState.SUCCEEDED


def test_nothing_starts_when_the_others_of_its_batch_failed_meanwhile() -> None:
    tale = story()
    assert tale.run(may_start=lambda: False).state is DeviceState.PENDING
    assert tale.kinds == []


def test_a_device_that_staged_while_the_others_failed_does_not_reboot() -> None:
    tale = story()
    answers = iter([True, True, False])
    assert tale.run(may_start=lambda: next(answers)).state is DeviceState.PENDING
    assert tale.kinds == ["staging", "staged", "released"]
    assert (tale.device.boots, tale.device.next_boot) == (0, "booted")


class GoingDown(FakeDevice):
    """Asked to reboot by a controller that died: it answers once more, nonsense when asked again, and is then down."""

    def reboot(self, expect: Any, *others: Any) -> Any:
        if not self.boots or self.next_boot == "rollback":
            super().reboot(expect, *others)
        raise DeviceError("unexpected", "bootc was ended by signal 15")


def test_a_device_that_is_going_down_when_it_is_asked_again_is_not_charged() -> None:
    tale = Story(GoingDown())
    assert tale.run().state is DeviceState.SUCCEEDED
    assert tale.device.boots == 1


def test_a_device_that_is_going_down_on_its_way_back_is_not_inconsistent() -> None:
    tale = Story(GoingDown("unhealthy"))
    assert tale.run().state is DeviceState.ROLLED_BACK
    assert tale.device.boots == 2


@pytest.mark.parametrize("told", [APPLYING, BACK_QUEUED], ids=["forward", "back"])
def test_a_reboot_that_an_earlier_run_asked_for_is_not_asked_for_again_while_it_begins(told: list[Any]) -> None:
    class Slow(FakeDevice):
        def await_boot(self, boot_id: str | None, seconds: float) -> Any:
            if boot_id == str(self.boots) and seconds <= 30:
                self.power_cycle(orderly=True)
            return super().await_boot(boot_id, seconds)

    device = Slow(staged=NEW, next_boot="staged") if told is APPLYING else Slow(**UPDATED, next_boot="rollback")
    tale = Story(device, told=[Event(kind, BEGIN, HOST, data=data) for kind, data in told])
    assert tale.run().state in (DeviceState.SUCCEEDED, DeviceState.ROLLED_BACK)
    assert "reboot" not in device.calls


def test_a_reboot_by_its_user_between_staging_and_asking_is_proven_like_ours() -> None:
    class Impatient(FakeDevice):
        def reboot(self, expect: Any, *others: Any) -> Any:
            self.power_cycle(orderly=True)
            raise DeviceError("unexpected", "It was not rebooted: what would boot next runs already.")

    tale = Story(Impatient())
    assert tale.run().state is DeviceState.SUCCEEDED
    assert tale.device.boots == 1


@pytest.mark.parametrize("reason", ["busy", "timeout"])
def test_a_device_too_busy_to_reboot_is_asked_again_and_not_charged(reason: str) -> None:
    tale = story()
    tale.device.faults["reboot"] = [DeviceError(reason, "rpm-ostree is at work")]
    assert tale.run().state is DeviceState.STAGED
    assert tale.run().state is DeviceState.SUCCEEDED


def test_a_rollback_slot_with_somebody_elses_image_is_not_booted() -> None:
    tale = story("unhealthy", told=GOING_BACK, booted=NEW, rollback=OTHER, boots=1)
    assert tale.run().state is DeviceState.INCONSISTENT
    assert (tale.device.boots, tale.device.next_boot) == (1, "booted")


def test_the_previous_deployment_is_known_again_although_its_digest_is_told_otherwise() -> None:
    """bootc 1.16.4 began to report manifests where older ones report configurations (composefs)."""

    class Renaming(FakeDevice):
        def _seen(self) -> Any:
            seen = super()._seen()
            deployments = {"booted_deployment": f"v-{self.booted}", "rollback_deployment": f"v-{self.rollback}"}
            if self.booted == NEW and self.rollback == OLD:
                deployments["rollback"] = OTHER
            return replace(seen, **deployments)

        def reboot(self, expect: Any, *others: Any) -> Any:
            return super().reboot([OLD if digest_ == OTHER else digest_ for digest_ in expect], *others)

    tale = Story(Renaming("unhealthy"))
    assert tale.run().state is DeviceState.ROLLED_BACK
    assert tale.device.booted == OLD


def test_what_the_device_had_staged_itself_survives_a_stage_of_ours_that_failed() -> None:
    tale = story(staged=OTHER, next_boot="staged")
    tale.device.faults["stage"] = [DeviceError("network", "no route")]
    assert tale.run().state is DeviceState.DEFERRED
    assert (tale.device.staged, tale.device.next_boot) == (OTHER, "staged")


def test_the_same_content_under_another_digest_is_nothing_to_update() -> None:
    tale = story()
    tale.device.faults["stage"] = [DeviceError("same_content", "it runs this content already")]
    state = tale.run()
    assert (state.state, state.proven, tale.device.boots) == (DeviceState.CURRENT, False, 0)


def test_a_device_that_answers_late_on_its_way_back_has_gone_back() -> None:
    class Slow(FakeDevice):
        def await_boot(self, boot_id: str | None, seconds: float) -> Any:
            seen = super().await_boot(boot_id, seconds)
            return seen if boot_id != "1" else None

    tale = Story(Slow("unhealthy"))
    assert tale.run(patience=900).state is DeviceState.ROLLED_BACK
    assert tale.kinds[-2:] == ["silent", "rolled_back"]
    assert tale.device.boots == 2


def test_a_refused_reboot_is_charged_and_disarmed() -> None:
    tale = story()
    tale.device.faults["reboot"] = [DeviceError("unexpected", "something else boots next")]
    assert tale.run().state is DeviceState.FAILED
    assert tale.device.next_boot == "booted"
    assert tale.state.message == "something else boots next"


def test_a_device_given_up_that_cannot_be_disarmed_is_named() -> None:
    tale = story()
    tale.device.faults["reboot"] = [DeviceError("unexpected", "no.")]
    tale.device.faults["observe"] = [None, HUNG, HUNG]
    assert "may apply at its next reboot" in str(tale.run().message)
    assert tale.device.next_boot == "staged"


def test_a_reboot_whose_answer_was_lost_is_waited_for_and_not_asked_for_again() -> None:
    class Deaf(FakeDevice):
        def reboot(self, expect: Any, *others: Any) -> Any:
            super().reboot(expect, *others)
            raise Unreachable

    tale = Story(Deaf())
    assert tale.run().state is DeviceState.SUCCEEDED
    assert tale.device.boots == 1


def test_a_device_silent_after_its_reboot_heals_when_it_answers() -> None:
    tale = story("silent")
    assert tale.run().state is DeviceState.SILENT
    assert tale.run().state is DeviceState.SILENT
    assert tale.kinds == ["staging", "staged", "applying", "silent"]
    tale.device.silent = False
    assert tale.run().state is DeviceState.SUCCEEDED
    assert tale.device.boots == 1


def test_a_silent_device_is_lost_when_its_grace_ends_within_the_run() -> None:
    class Patient(FakeDevice):
        def await_boot(self, boot_id: str | None, seconds: float) -> Any:
            tale.time.sleep(seconds)
            return super().await_boot(boot_id, seconds)

    tale = Story(Patient("silent"))
    assert tale.run(patience=86400).state is DeviceState.LOST
    assert tale.time.now() - BEGIN < 800


@pytest.mark.parametrize(("told", "kind"), [(APPLYING, "released"), (VERIFYING, "rolled_back")])
def test_a_device_met_in_the_middle_of_its_reboot_is_waited_for(told: list[Any], kind: str) -> None:
    tale = story(told=told)
    tale.device.faults["observe"] = [Unreachable()]
    tale.run()
    assert "silent" not in tale.kinds
    assert tale.kinds[len(told)] == kind


@dataclass
class Flapping(FakeDevice):
    """Answers when it is looked for, after a second each time, but loses every call of one kind."""

    time: FakeTime = field(default_factory=lambda: FakeTime(BEGIN))
    loses: str = ""

    def await_boot(self, boot_id: str | None, seconds: float) -> Any:
        self.time.sleep(1)
        return super().await_boot(boot_id, seconds)

    def health(self, known_failed_units: Any, *, settle: bool = True) -> Any:
        if self.loses == "health":
            raise Unreachable
        return super().health(known_failed_units, settle=settle)

    def queue_rollback(self, *, forward: bool = False) -> Any:
        if self.loses == "queue_rollback":
            raise Unreachable
        return super().queue_rollback(forward=forward)


@pytest.mark.parametrize(("loses", "habit"), [("health", "good"), ("queue_rollback", "unhealthy")])
def test_a_flapping_device_neither_fills_the_ledger_nor_keeps_a_pass_busy(loses: str, habit: str) -> None:
    device = Flapping(habit, loses=loses)
    tale = Story(device, time=device.time)
    assert tale.run(patience=900).state is DeviceState.SILENT
    assert len(tale.told) < 15
    device.loses = ""
    assert tale.run(patience=900).state in (DeviceState.SUCCEEDED, DeviceState.ROLLED_BACK)


# -- bootc hangs -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("told", "kinds"),
    [
        ([], ["deferred"]),
        (STAGED, []),
        (APPLYING, ["silent"]),
        (VERIFYING, ["silent"]),
        (GOING_BACK, ["silent"]),
        ([*APPLYING, ("silent", {})], []),
        ([*APPLYING, ("lost", {})], []),
    ],
)
def test_bootc_hanging_is_told_once(told: list[Any], kinds: list[str]) -> None:
    tale = story(told=told)
    tale.device.faults["observe"] = [HUNG, HUNG]
    tale.device.mute = True
    tale.run()
    tale.run()
    assert tale.kinds[len(told) :] == kinds
    assert tale.device.boots == 0


def test_bootc_that_is_busy_for_a_while_after_the_reboot_is_asked_again() -> None:
    tale = story()
    tale.device.faults["health"] = [HUNG]
    assert tale.run().state is DeviceState.SUCCEEDED


def test_bootc_hanging_after_the_reboot_is_no_success() -> None:
    tale = story()
    tale.device.faults["health"] = [HUNG] * 9
    assert [tale.run().state for _unused in range(4)] == [*[DeviceState.SILENT] * 3, DeviceState.ROLLED_BACK]
    assert (tale.state.reason, tale.device.booted) == ("timeout", OLD)


def test_bootc_hanging_on_the_way_back_is_tried_again_but_not_for_ever() -> None:
    tale = story("unhealthy")
    tale.device.faults["queue_rollback"] = [HUNG]
    assert tale.run().state is DeviceState.ROLLING_BACK
    assert tale.run().state is DeviceState.ROLLED_BACK
    hopeless = story("unhealthy")
    hopeless.device.faults["queue_rollback"] = [HUNG] * 9
    for _unused in range(5):
        hopeless.run()
    assert (hopeless.state.state, hopeless.state.reason) == (DeviceState.INCONSISTENT, "rollback_failed")
    assert "session: did not start" in str(hopeless.state.message)


@pytest.mark.parametrize("loses", ["health", "queue_rollback"])
def test_a_device_that_vanishes_every_time_gets_its_verdict(loses: str) -> None:
    device = Flapping("good" if loses == "health" else "unhealthy", loses=loses)
    tale = Story(device, time=device.time)
    for _unused in range(8):
        if tale.state.device_class is not DeviceClass.CHARGED:
            tale.run(patience=900)
    expected = DeviceState.ROLLED_BACK if loses == "health" else DeviceState.INCONSISTENT
    assert tale.state.state is expected
    assert str(tale.state.message).count("no answer") <= 1


def test_a_device_that_could_not_be_disarmed_is_asked_again_until_it_is() -> None:
    tale = story("falls_back")
    tale.device.faults["stay"] = [Unreachable(), HUNG]
    state = tale.run()
    assert (state.state, state.armed, tale.device.next_boot) == (DeviceState.ROLLED_BACK, True, "rollback")
    assert tale.run().armed
    state = tale.run()
    assert (state.state, state.armed, tale.device.next_boot) == (DeviceState.ROLLED_BACK, False, "booted")


def test_a_device_that_went_back_by_itself_remembers_from_what() -> None:
    """Otherwise a rollback of the fleet would take it forward."""
    tale = story("falls_back_in_check")
    tale.run()
    assert tale.device.came_back_from == [NEW]


def test_a_power_loss_is_no_fall_back_because_the_rollback_slot_had_the_target_before() -> None:
    tale = story("unfinalised", rollback=NEW, backend="ostree")
    assert tale.run().state is DeviceState.DEFERRED
    assert tale.state.reason == "stage_lost"


def test_an_owner_who_boots_something_else_after_a_lost_stage_is_no_alarm() -> None:
    tale = story("unfinalised")
    tale.run()
    tale.device.habit, tale.device.booted = "good", OTHER
    assert tale.run().state is DeviceState.SUCCEEDED


def test_reboots_that_were_refused_do_not_count() -> None:
    tale = story()
    tale.device.faults["reboot"] = [DeviceError("busy", "rpm-ostree is at work")] * 3
    for _unused in range(3):
        assert tale.run().state is DeviceState.STAGED
    tale.device.habit = "unfinalised"
    assert tale.run().state is DeviceState.DEFERRED


def test_a_device_whose_own_checks_are_faster_than_our_rollback_is_not_sent_forward() -> None:
    class Racing(FakeDevice):
        def queue_rollback(self, *, forward: bool = False) -> Any:
            self.next_boot = "rollback"
            self.power_cycle(orderly=True)
            return super().queue_rollback(forward=forward)

    tale = Story(Racing("unhealthy"))
    assert tale.run().state is DeviceState.ROLLED_BACK
    assert (tale.device.boots, tale.device.booted, tale.device.next_boot) == (2, OLD, "booted")


@pytest.mark.parametrize("call", ["queue_rollback", "reboot"])
def test_a_device_that_vanishes_on_its_way_back_goes_on_later(call: str) -> None:
    tale = story("unhealthy", told=GOING_BACK, **UPDATED)
    tale.device.faults[call] = [Unreachable()]
    assert tale.run().state is DeviceState.SILENT
    assert tale.run().state is DeviceState.ROLLED_BACK
    assert tale.device.boots == 2


def test_a_host_that_is_no_bootc_host_any_more_is_incompatible() -> None:
    tale = story()
    tale.device.faults["observe"] = [DeviceError("not_bootc", "no bootc here")]
    assert tale.run().state is DeviceState.INCOMPATIBLE


def test_units_that_failed_before_are_known_when_its_health_is_checked_after_a_crash() -> None:
    class Noting(FakeDevice):
        known: list[list[str]]

        def health(self, known_failed_units: Any, *, settle: bool = True) -> Any:
            self.known = [*getattr(self, "known", []), list(known_failed_units)]
            return super().health(known_failed_units, settle=settle)

    device = Noting(**UPDATED)
    events = [Event(kind, BEGIN, HOST, data=data) for kind, data in APPLYING]
    events.append(Event("noted", BEGIN, HOST, data={"failed_units": ["old.service"]}))
    tale = Story(device, told=events)
    assert tale.run().state is DeviceState.SUCCEEDED
    assert device.known == [["old.service"]]


PROVEN = [*VERIFYING, ("succeeded", {"booted_digest": NEW})]


@pytest.mark.parametrize(
    ("habit", "device", "kinds", "state", "booted"),
    [
        ("good", UPDATED, ["confirmed"], DeviceState.SUCCEEDED, NEW),
        ("asleep", UPDATED, ["unconfirmed"], DeviceState.SUCCEEDED, NEW),
        ("unhealthy", UPDATED, ["rolling_back", "rolling_back", "rolled_back"], DeviceState.ROLLED_BACK, OLD),
        ("good", {"booted": OLD, "rollback": NEW, "boots": 2}, ["rolled_back"], DeviceState.ROLLED_BACK, OLD),
        ("good", {"booted": digest("e"), "boots": 2}, ["incompatible"], DeviceState.INCOMPATIBLE, digest("e")),
    ],
)
def test_a_device_that_succeeded_is_looked_at_again(
    habit: str, device: dict[str, Any], kinds: list[str], state: DeviceState, booted: str
) -> None:
    tale = story(habit, PROVEN, **device)
    assert tale.confirm().state is state
    assert tale.kinds[len(PROVEN) :] == kinds
    assert tale.device.booted == booted


def test_silence_at_the_end_of_a_soak_is_journaled_with_what_the_connection_said() -> None:
    tale = story(told=PROVEN, **UPDATED)
    tale.device.faults["health"] = [Unreachable("no route to host")]
    state = tale.confirm()
    assert (tale.kinds[-1], state.unconfirmed, state.state) == ("unconfirmed", "silent", DeviceState.SUCCEEDED)
    assert tale.told[-1].data["message"] == "no route to host"


@pytest.mark.parametrize("reason", ["busy", "fenced", "timeout"])
def test_what_is_occupied_at_the_end_of_a_soak_is_asked_again(reason: str) -> None:
    tale = story(told=PROVEN, **UPDATED)
    tale.device.faults["health"] = [DeviceError(reason, "not now")]
    state = tale.confirm()
    assert (tale.kinds[-1], state.unconfirmed, state.state) == ("unconfirmed", reason, DeviceState.SUCCEEDED)
    assert "not now" in tale.told[-1].data["message"]
    assert tale.confirm().unconfirmed is None
    assert tale.kinds[-1] == "confirmed"


@pytest.mark.parametrize("reason", ["unexpected", "not_bootc", "invalid"])
def test_what_answers_at_the_end_of_a_soak_and_twice_cannot_be_checked_goes_back(reason: str) -> None:
    tale = story(told=PROVEN, **UPDATED)
    tale.device.faults["health"] = [DeviceError(reason, "MODULE FAILURE")] * 2
    state = tale.confirm()
    assert (state.state, state.unconfirmed, tale.device.booted) == (DeviceState.SUCCEEDED, reason, NEW)
    state = tale.confirm()
    assert (state.state, state.reason, tale.device.booted) == (DeviceState.ROLLED_BACK, reason, OLD)
    assert state.message == "at the end of the soak: MODULE FAILURE"


def test_a_check_that_crashed_once_at_the_end_of_a_soak_takes_nobody_back() -> None:
    tale = story(told=PROVEN, **UPDATED)
    tale.device.faults["health"] = [DeviceError("unexpected", "MODULE FAILURE")]
    assert tale.confirm().unconfirmed == "unexpected"
    assert (tale.confirm().unconfirmed, tale.kinds[-1]) == (None, "confirmed")


def test_a_check_that_crashes_in_each_of_several_boots_takes_nobody_back_before_its_grace_is_over() -> None:
    tale = story(told=PROVEN, **UPDATED)
    tale.device.faults["health"] = [DeviceError("unexpected", "MODULE FAILURE")] * 3
    for boots in (1, 2):
        tale.device.boots = boots
        assert tale.confirm().state is DeviceState.SUCCEEDED
    tale.device.boots = 3
    tale.time.sleep(600)
    assert tale.confirm().state is DeviceState.ROLLED_BACK


def test_want_of_a_password_at_the_end_of_a_soak_says_nothing_of_the_device() -> None:
    tale = story(told=PROVEN, **UPDATED)
    tale.device.faults["health"] = [DeviceError("not_asked", "Missing sudo password")] * 3
    for _unused in range(3):
        state = tale.confirm()
        assert (state.state, state.unconfirmed) == (DeviceState.SUCCEEDED, "not_asked")
        tale.time.sleep(1000)
    assert set(tale.kinds[len(PROVEN) :]) == {"unconfirmed"}


def test_what_does_not_say_any_more_that_it_is_of_bootc_is_charged() -> None:
    tale = story("not_bootc", PROVEN, **UPDATED)
    tale.device.faults["queue_rollback"] = [DeviceError("not_bootc", "it is not booted by bootc")]
    state = tale.confirm()
    assert (state.device_class, state.state) == (DeviceClass.CHARGED, DeviceState.INCONSISTENT)
    assert "bootc does not say what it runs" in str(state.message)


def test_what_can_say_neither_how_it_is_nor_what_it_runs_is_not_taken_back() -> None:
    tale = story(told=PROVEN, **UPDATED)
    tale.device.faults = {call: [DeviceError("unexpected", "no python")] * 2 for call in ("health", "observe")}
    for _unused in range(2):
        state = tale.confirm()
        assert (state.state, state.unconfirmed) == (DeviceState.SUCCEEDED, "unexpected")
        tale.time.sleep(1000)
    assert tale.confirm().unconfirmed is None


def test_what_can_be_asked_with_no_password_any_more_after_its_check_crashed_is_not_taken_back() -> None:
    tale = story(told=PROVEN, **UPDATED)
    tale.device.faults = {
        "health": [DeviceError("unexpected", "MODULE FAILURE")],
        "observe": [DeviceError("not_asked", "Missing sudo password")],
    }
    state = tale.confirm()
    assert (state.state, state.unconfirmed) == (DeviceState.SUCCEEDED, "not_asked")


def test_what_answers_strangely_because_it_goes_down_is_only_silent() -> None:
    tale = story(told=PROVEN, **UPDATED)
    tale.device.faults = {"health": [DeviceError("unexpected", "killed")], "observe": [Unreachable("closed")]}
    assert tale.confirm().unconfirmed == "silent"


def test_a_device_that_cannot_be_checked_and_runs_something_else_is_left_alone() -> None:
    tale = story(told=PROVEN, booted=OTHER, rollback=OLD, boots=2)
    tale.device.faults["health"] = [DeviceError("unexpected", "MODULE FAILURE")]
    assert tale.confirm().state is DeviceState.INCOMPATIBLE
    assert tale.device.booted == OTHER


@pytest.mark.parametrize(
    ("reason", "state"),
    [
        ("timeout", DeviceState.ROLLED_BACK),
        ("busy", DeviceState.ROLLED_BACK),
        ("fenced", DeviceState.SUCCEEDED),  # whoever holds it decides about it
    ],
)
def test_what_stays_occupied_for_all_its_grace_goes_back(reason: str, state: DeviceState) -> None:
    tale = story(told=PROVEN, **UPDATED)
    tale.device.faults["health"] = [DeviceError(reason, "bootc hangs")] * 3
    assert tale.confirm().state is DeviceState.SUCCEEDED
    tale.time.sleep(500)
    assert tale.confirm().state is DeviceState.SUCCEEDED
    tale.time.sleep(100)
    assert tale.confirm().state is state


def test_what_was_silent_for_all_its_grace_and_is_busy_then_does_not_go_back() -> None:
    tale = story(told=PROVEN, **UPDATED)
    tale.device.faults["health"] = [Unreachable(), DeviceError("busy", "not now")]
    tale.confirm()
    tale.time.sleep(600)
    assert (tale.confirm().state, tale.state.unconfirmed) == (DeviceState.SUCCEEDED, "busy")


def test_silence_is_no_time_in_which_a_device_could_not_be_checked() -> None:
    tale = story(told=PROVEN, **UPDATED)
    tale.device.faults["health"] = [Unreachable(), *[DeviceError("busy", "not now")] * 3]
    tale.confirm()
    for seconds, state in ((590, DeviceState.SUCCEEDED), (590, DeviceState.SUCCEEDED), (20, DeviceState.ROLLED_BACK)):
        tale.time.sleep(seconds)
        assert tale.confirm().state is state


def test_a_device_that_waited_for_its_turn_is_asked_again_what_it_runs() -> None:
    tale = story()
    updated_meanwhile = iter([False, True])

    class Late(FakeTurn):
        def begin(self, kind: str, data: Mapping[str, Any]) -> bool:
            return next(updated_meanwhile, True) and super().begin(kind, data)

        def wait(self, *, downloads: bool = False) -> bool:
            tale.device.booted = NEW
            return True

    update = tale._update(tale.rollout.plan.targets["kde"], 0.0, lambda: True)
    Update(**{**vars(update), "turn": Late(lambda: True, tale._journal)}).run(tale.state)
    assert tale.kinds == ["already_current"]


HELD_BY_ANOTHER = DeviceError("fenced", "held by another controller: rollout r2")


def test_a_device_that_another_rollout_holds_is_put_off_and_not_charged() -> None:
    tale = story()
    tale.device.faults["stage"] = [HELD_BY_ANOTHER] * 5
    for _unused in range(5):
        state = tale.run()
        assert (state.state, state.reason, state.stage_attempts) == (DeviceState.DEFERRED, "fenced", 0)
    assert "rollout r2" in str(state.message)
    assert "stay" not in tale.device.calls, "it was told to stay, though it was not ours"
    assert tale.run().state is DeviceState.SUCCEEDED


def test_a_staged_device_that_another_rollout_claimed_meanwhile_is_left_alone() -> None:
    tale = story()
    tale.device.faults["reboot"] = [HELD_BY_ANOTHER]
    state = tale.run()
    assert (state.state, state.reason, state.reboots_asked) == (DeviceState.STAGED, "fenced", 0)
    assert tale.device.boots == 0


def test_an_overtaken_controller_leaves_everything_as_it_is() -> None:
    tale = story(told=STAGED, staged=NEW, next_boot="staged")
    tale.device.faults["reboot"] = [RolloutError("Another controller took this device over.", "Stop.", "fenced")]
    with pytest.raises(RolloutError):
        tale.run()
    assert tale.device.boots == 0
    assert "stay" not in tale.device.calls


# -- tried again -------------------------------------------------------------------------------------------------------


def tried_again(tale: Story) -> Story:
    tale.told.append(Event("retried", tale.time.now(), HOST, data={"by": "anna", "why": "mended"}))
    return tale


def lost(habit: str) -> Story:
    """One that fell silent on the new image, was lost, and answers now."""
    tale = story("silent")
    tale.run()
    tale.time.sleep(DAY)
    assert tale.run().state is DeviceState.LOST
    tale.device.silent, tale.device.habit = False, habit
    return tale


@pytest.mark.parametrize(
    ("habit", "state", "booted"),
    [("good", DeviceState.SUCCEEDED, NEW), ("unhealthy", DeviceState.ROLLED_BACK, OLD)],
)
def test_a_lost_device_that_is_tried_again_is_judged_by_what_it_runs(
    habit: str, state: DeviceState, booted: str
) -> None:
    tale = tried_again(lost(habit))
    assert (tale.state.state, tale.state.at_risk) == (DeviceState.SILENT, True)
    assert tale.run().state is state
    assert (tale.device.booted, tale.state.previous_digest) == (booted, OLD)


def test_a_device_lost_on_its_way_back_is_checked_anew_when_it_is_tried_again() -> None:
    tale = story(told=[*BACK_QUEUED, ("silent", {}), ("lost", {})], **UPDATED)
    assert tried_again(tale).run().state is DeviceState.SUCCEEDED


def test_a_lost_device_that_is_tried_again_and_says_nothing_is_lost_again() -> None:
    tale = lost("asleep")
    tried_again(tale)
    assert tale.run().state is DeviceState.SILENT
    tale.time.sleep(DAY)
    assert (tale.run().state, tale.state.device_class) == (DeviceState.LOST, DeviceClass.CHARGED)


@pytest.mark.parametrize(("habit", "state"), [("good", DeviceState.SUCCEEDED), ("unhealthy", DeviceState.ROLLED_BACK)])
@pytest.mark.parametrize("draining", [False, True])
def test_a_device_that_could_not_go_back_is_proven_when_it_is_tried_again(
    habit: str, state: DeviceState, draining: bool
) -> None:
    tale = story("unhealthy")
    tale.device.faults["queue_rollback"] = [DeviceError("no_rollback", "no")]
    assert tale.run().state is DeviceState.INCONSISTENT
    tale.device.habit = habit
    assert tried_again(tale).run(draining).state is state


def test_a_device_with_an_image_of_somebody_else_is_taken_on_from_that_when_it_is_tried_again() -> None:
    tale = story(told=APPLYING, booted=OTHER, boots=1)
    assert tale.run().state is DeviceState.INCONSISTENT
    assert tried_again(tale).run().state is DeviceState.SUCCEEDED
    assert tale.state.previous_digest == OTHER


def test_an_image_that_a_device_booted_after_its_stage_was_lost_is_proven() -> None:
    """Such as when it could not be told to stay on what it runs."""
    tale = story("unhealthy", [*APPLYING, ("deferred", {"reason": "stage_lost", "armed": True})], **UPDATED)
    assert tale.run().state is DeviceState.ROLLED_BACK


def test_a_bad_canary_that_is_tried_again_opens_no_gate(tmp_path: Path) -> None:
    plan = plan_for(small_spec(), [(f"d{number}", "kde") for number in range(4)])
    canary = plan.hosts[0][0]
    fleet = Fleet.create(tmp_path, plan, {canary: "silent"})
    fleet.run()
    fleet.time.sleep(DAY)
    assert fleet.run().phase is RolloutPhase.HELD
    for verb in ("retry", "resume"):
        command = Command(verb, "anna", "mended", (canary,) if verb == "retry" else ())
        fleet.ledger.append(operate(fleet.state(), command, fleet.time.now()), 1)
    fleet.devices[canary].silent, fleet.devices[canary].habit = False, "unhealthy"
    rollout = fleet.run()
    assert (rollout.devices[canary].state, rollout.phase) == (DeviceState.ROLLED_BACK, RolloutPhase.HELD)
    assert [device.boots for host, device in fleet.devices.items() if host != canary] == [0, 0, 0]


# -- armed, and out of reach -------------------------------------------------------------------------------------------

PUT_OFF_ARMED = [*STAGING, ("deferred", {"reason": "timeout", "message": "it hangs", "armed": True})]
ARMED: dict[str, Any] = {"staged": NEW, "next_boot": "staged"}


def test_a_stage_that_ends_late_and_cannot_be_dropped_is_dropped_when_nothing_may_begin() -> None:
    tale = story(told=PUT_OFF_ARMED, **ARMED)
    assert tale.state.at_risk
    tale.run(draining=True)
    assert (tale.device.next_boot, tale.state.armed, tale.state.at_risk) == ("booted", False, False)
    assert tale.state.state is DeviceState.DEFERRED
    tale = story(told=PUT_OFF_ARMED, **ARMED)
    assert tale.run().state is DeviceState.SUCCEEDED


def test_a_device_that_was_left_out_is_disarmed_and_no_more() -> None:
    tale = story(told=[*PUT_OFF_ARMED, ("excluded", {"by": "anna", "why": "hers"})], **ARMED)
    assert tale.run().state is DeviceState.EXCLUDED
    assert (tale.device.next_boot, tale.device.boots, tale.state.armed) == ("booted", 0, False)
    assert tale.kinds[len(PUT_OFF_ARMED) + 1 :] == ["noted"]


def test_what_somebody_else_staged_on_a_device_that_was_left_out_stays() -> None:
    tale = story(told=[*PUT_OFF_ARMED, ("excluded", {})], staged=OTHER, next_boot="staged")
    assert tale.run().state is DeviceState.EXCLUDED
    assert (tale.device.staged, tale.device.next_boot, tale.state.armed) == (OTHER, "staged", False)


def test_a_device_for_which_there_is_no_room_keeps_nothing_armed() -> None:
    tale = story(told=[*STAGING, ("unreachable", {"armed": True})], **ARMED)
    answers = iter([True, False])  # it may go on, and then there is no room for it
    tale.run(may_start=lambda: next(answers))
    assert (tale.device.next_boot, tale.state.armed) == ("booted", False)


def asleep_while_it_staged() -> Story:
    """It downloads for two hours, and has ten minutes to answer from then on."""
    tale = story()
    tale.device.faults["stage"] = [Unreachable()]
    assert tale.run().state is DeviceState.STAGING
    tale.device.habit = "asleep"
    tale.time.sleep(2 * 3600)
    assert (tale.run().state, tale.kinds) == (DeviceState.STAGING, ["staging"])
    tale.time.sleep(600)
    return tale


def test_nobody_waits_for_ever_for_a_device_that_fell_asleep_while_it_staged() -> None:
    tale = asleep_while_it_staged()
    device = tale.run()
    assert (device.state, device.armed, device.at_risk) == (DeviceState.UNREACHABLE, True, False)
    tale.run()
    assert tale.kinds == ["staging", "unreachable"]
    tale.device.habit = "good"
    assert tale.run().state is DeviceState.SUCCEEDED


def test_what_such_a_device_booted_meanwhile_is_judged() -> None:
    tale = asleep_while_it_staged()
    tale.run()
    tale.device.habit, tale.device.staged, tale.device.next_boot = "unhealthy", NEW, "staged"
    tale.device.power_cycle(orderly=True)
    assert tale.run().state is DeviceState.ROLLED_BACK


def test_such_a_device_is_disarmed_when_nothing_may_begin_any_more() -> None:
    tale = asleep_while_it_staged()
    tale.run(draining=True)
    tale.device.habit, tale.device.staged, tale.device.next_boot = "good", NEW, "staged"
    tale.run(draining=True)
    assert (tale.device.next_boot, tale.state.armed) == ("booted", False)


def test_a_device_that_is_armed_and_silent_is_at_risk_for_as_long_as_one_that_stages() -> None:
    tale = story("asleep", PUT_OFF_ARMED)
    assert (tale.run().state, tale.state.at_risk) == (DeviceState.DEFERRED, True)
    tale.time.sleep(2 * 3600 + 600)
    assert (tale.run().state, tale.state.armed, tale.state.at_risk) == (DeviceState.UNREACHABLE, True, False)


def test_what_is_parked_on_a_device_that_sleeps_has_all_the_time() -> None:
    tale = story("asleep", [*STAGING, ("staged", {"parked": True})])
    tale.time.sleep(30 * DAY)
    assert tale.run().parked
