# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When a device may be disturbed: outside its windows, or while somebody uses it, it is put off and never charged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.errors import RolloutError
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.events import Event
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.gate import Wait, evaluate
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.operate import Command, operate
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.own_windows import (
    check_own_windows,
    heeds_windows,
    own_timing_warnings,
    windows_of_device,
)
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.pace import occupancy
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.port import (
    DeviceError,
    Inhibited,
    Observation,
    Unreachable,
)
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.replay import apply_event
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.spec import Spec
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.states import (
    DeviceClass,
    DeviceState,
    RolloutPhase,
)
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.timing import clock_warnings, starving
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.windows import NO_WINDOWS, parse_windows

from tests.fleet_model import OLD, FakeDevice, FakeTime, digest, plan_for, small_spec
from tests.unit.rollout.builders import BEGIN, explain_one, opened, replay
from tests.unit.rollout.test_device import HOST, STAGED, Story

NEW = digest("a")
HOUR = 3600
DAY = 24 * HOUR
# BEGIN is a Friday, 2027-01-15 08:00 UTC.
LATER = {"start": "10:00", "length": "2h"}
NOW = {"start": "07:30", "length": "2h"}
GAME = ("game_running", "steam 620 running")
BATTERY = ("battery_low", "the battery has 12 %, and 40 % are wanted")
UPDATED = ["staging", "staged", "applying", "booted", "succeeded"]


def spec(**changes: Any) -> Spec:
    quick = {"apply": {"reboot_timeout": "60s", "contact_grace": "10m"}, "verify": {"settle": "0s", "timeout": "1m"}}
    return small_spec(**{**quick, **changes})


def story(told: Sequence[tuple[str, Mapping[str, Any]]] = (), timezone: str | None = None, **changes: Any) -> Story:
    """A device of a rollout with these keys in its spec; the simulated device takes ``device``."""
    device = changes.pop("device", None) or FakeDevice()
    own = parse_windows(changes.pop("own", {}), "")
    events = [Event(kind, BEGIN, HOST, data=dict(data)) for kind, data in told]
    return Story(device, spec(**changes), told=events, time=FakeTime(BEGIN), timezone=timezone, own=own)


# -- windows -----------------------------------------------------------------------------------------------------------


def test_in_its_window_a_device_is_updated() -> None:
    tale = story(windows={"apply": [NOW]})
    tale.run()
    assert tale.kinds == UPDATED


def test_outside_its_window_nothing_is_done_to_it_and_it_is_told_once_until_when() -> None:
    tale = story(windows={"apply": [LATER]})
    state = tale.run()
    assert (state.state, state.reason, state.device_class) == (DeviceState.DEFERRED, "window", DeviceClass.UNTOUCHED)
    assert state.until == BEGIN + 2 * HOUR
    assert "2027-01-15 10:00:00 UTC" in str(state.message)
    assert tale.device.calls == ["observe"]
    tale.run()
    assert tale.kinds == ["deferred"]
    assert tale.state.stage_attempts == 0
    tale.time.seconds = BEGIN + 2 * HOUR
    assert tale.run().state is DeviceState.SUCCEEDED
    assert tale.state.deferred_since is None


@pytest.mark.parametrize("zone", ["UTC", None])
def test_a_run_that_lasts_waits_for_the_window_and_looks_at_the_device_anew(zone: str | None) -> None:
    tale = story(windows={"apply": [LATER]}, timezone=zone)
    tale.waits = True
    assert tale.run().state is DeviceState.SUCCEEDED
    assert tale.kinds == ["deferred", *UPDATED]
    assert tale.told[1].at >= BEGIN + 2 * HOUR


def test_whoever_plays_when_the_window_opens_is_spared_and_not_waited_for() -> None:
    tale = story(windows={"apply": [LATER]}, device=FakeDevice(busy_with=[GAME]))
    tale.waits = True
    assert tale.run().reason == "inhibited"
    assert [event.data["reason"] for event in tale.told] == ["window", "inhibited"]


def test_a_window_of_a_known_zone_is_closed_without_asking_the_device() -> None:
    for tale in (
        story(windows={"apply": [{**LATER, "tz": "UTC"}]}),
        story(windows={"apply": [LATER]}, timezone="UTC"),
    ):
        assert tale.run().reason == "window"
        assert tale.device.calls == []


def test_the_inventory_knows_better_than_the_device_in_which_zone_it_is() -> None:
    tale = story(windows={"apply": [LATER]}, timezone="Europe/Athens")  # two hours ahead
    assert tale.run().state is DeviceState.SUCCEEDED


def test_the_zone_is_that_which_the_device_says() -> None:
    tale = story(windows={"apply": [LATER]}, device=FakeDevice(timezone="Europe/Athens"))
    assert tale.run().state is DeviceState.SUCCEEDED


@pytest.mark.parametrize(("zone", "words"), [(None, "does not say"), ("Mars/Olympus", "'Mars/Olympus' is not known")])
def test_a_zone_that_is_not_known_is_never_any_time(zone: str | None, words: str) -> None:
    tale = story(windows={"apply": [NOW]}, device=FakeDevice(timezone=zone))
    state = tale.run()
    assert (state.state, state.reason, state.until) == (DeviceState.DEFERRED, "window", None)
    assert words in str(state.message)
    assert "bootc_timezone" in str(state.message)
    assert tale.device.boots == 0


def test_to_download_it_takes_both_windows() -> None:
    tale = story(windows={"download": [{"start": "09:00", "length": "2h"}], "apply": [NOW]})
    state = tale.run()
    assert (state.reason, state.until) == ("window", BEGIN + HOUR)
    tale = story(windows={"download": [NOW], "apply": [NOW]})
    assert tale.run().state is DeviceState.SUCCEEDED


def test_windows_that_never_meet_are_told() -> None:
    tale = story(windows={"download": [LATER], "apply": [NOW]})
    assert "not open together" in str(tale.run().message)


# -- windows of one device ---------------------------------------------------------------------------------------------


def test_a_device_with_windows_of_its_own_waits_for_them_although_the_spec_has_none() -> None:
    tale = story(own={"apply": [LATER]})
    state = tale.run()
    assert (state.reason, state.until, tale.device.boots) == ("window", BEGIN + 2 * HOUR, 0)
    tale.time.seconds = BEGIN + 2 * HOUR
    assert tale.run().state is DeviceState.SUCCEEDED


@pytest.mark.parametrize(("of_spec", "of_device"), [(NOW, LATER), (LATER, NOW)])
def test_it_takes_the_windows_of_the_spec_and_of_the_device(of_spec: Any, of_device: Any) -> None:
    tale = story(windows={"apply": [{**of_spec, "length": "5h"}]}, own={"apply": [of_device]}, timezone="UTC")
    state = tale.run()
    assert state.reason == "window"
    assert tale.device.calls == []  # no need to ask it
    if of_spec is NOW:
        assert state.until == BEGIN + 2 * HOUR
    else:
        assert state.until is None
        assert "those of the spec and those in bootc_windows, are not open together" in str(state.message)


def test_a_device_says_when_it_may_download_as_well() -> None:
    tale = story(windows={"apply": [NOW]}, own={"download": [{"start": "08:30", "length": "3h"}]})
    assert tale.run().until == BEGIN + HOUR / 2


def test_its_own_windows_are_in_its_own_time() -> None:
    assert story(own={"apply": [LATER]}, timezone="Europe/Athens").run().state is DeviceState.SUCCEEDED
    unknown = story(own={"apply": [NOW]}, device=FakeDevice(timezone=None)).run()
    assert (unknown.reason, unknown.until) == ("window", None)


def test_the_next_run_heeds_what_the_inventory_says_then() -> None:
    tale = story(own={"apply": [LATER]})
    assert tale.run().until == BEGIN + 2 * HOUR
    tale.own = parse_windows({"apply": [{"start": "09:00", "length": "1h"}]}, "")
    assert tale.run().until == BEGIN + HOUR
    tale.own = NO_WINDOWS
    assert tale.run().state is DeviceState.SUCCEEDED


def test_a_device_is_parked_for_its_own_window() -> None:
    device = FakeDevice(parks=True)
    tale = story(own={"apply": [LATER]}, stage={"policy": "parked"}, device=device)
    state = tale.run()
    assert (state.state, state.parked, state.until, device.boots) == (DeviceState.STAGED, True, BEGIN + 2 * HOUR, 0)


def test_a_window_of_its_own_that_closes_while_it_downloads_keeps_it_from_rebooting() -> None:
    device = Slow()
    tale = story(own={"apply": [NOW]}, device=device)
    device.time = tale.time
    assert tale.run().state is DeviceState.DEFERRED
    assert (device.next_boot, device.boots) == ("booted", 0)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ([LATER], "the top level"),
        ("", "the top level"),
        ({"apply": [{"start": "25:00", "length": "1h"}]}, "apply[0].start"),
        ({"apply": [{**LATER, "days": ["monday"]}]}, "apply[0].days[0]"),
        ({"applies": [LATER]}, "unknown key 'applies'. Did you mean 'apply'?"),
        ({"apply": [{**LATER, "tz": "Europe/Berlim"}]}, "apply[0].tz: 'Europe/Berlim'"),
        ({"apply": [{**LATER, "length": "9d"}]}, "apply[0].length: '9d'"),
        ({"apply": [{**LATER, "length": "1m"}]}, "apply[0] is open for 1 minutes, and one device may take 2"),
    ],
)
def test_windows_of_any_host_that_are_wrong_are_said_with_their_hosts(given: object, said: str) -> None:
    alike = {"well": {"apply": [LATER]}, "none": None, "empty": {}, **dict.fromkeys(["one", "two"], given)}
    with pytest.raises(RolloutError) as refused:
        check_own_windows(alike, spec())
    assert refused.value.reason == "invalid_windows"
    assert "bootc_windows of one, two" in refused.value.cause
    assert said in refused.value.cause
    check_own_windows({host: windows for host, windows in alike.items() if windows != given}, spec())


def test_windows_matter_only_to_those_on_whom_something_may_begin() -> None:
    untouched, flying, done = (story(told).rollout for told in ((), STAGED, [*STAGED, ("succeeded", {})]))
    assert [heeds_windows(rollout, HOST) for rollout in (None, untouched, flying, done)] == [True, True, False, False]
    assert heeds_windows(done, "stranger")
    held = replace(untouched, phase=RolloutPhase.HELD)
    assert not heeds_windows(held, HOST)


def test_who_is_down_or_has_to_stop_is_not_left_in_the_middle_for_windows_that_are_wrong() -> None:
    wrong = {"applies": []}
    staged = story(STAGED).state
    down = replace(staged, state=DeviceState.APPLYING)
    assert windows_of_device(wrong, down, spec(), draining=False) == NO_WINDOWS
    assert windows_of_device(wrong, staged, spec(), draining=True) == NO_WINDOWS
    with pytest.raises(RolloutError):
        windows_of_device(wrong, staged, spec(), draining=False)
    assert windows_of_device({"apply": [NOW]}, down, spec(), draining=False) != NO_WINDOWS


def test_what_of_the_windows_of_devices_will_surprise_is_said_beforehand() -> None:
    rollout = story(windows={"apply": [NOW]}).rollout
    weekly = parse_windows({"apply": [{**NOW, "days": ["sun"]}]}, "")
    (slow,) = own_timing_warnings(rollout, {HOST: weekly, "stranger": weekly}, {HOST: "UTC"}, BEGIN)
    assert f"than the coverage_timeout of its wave: {HOST}." in slow
    apart = parse_windows({"apply": [LATER]}, "")
    (never,) = own_timing_warnings(rollout, {HOST: apart}, {HOST: "UTC"}, BEGIN)
    assert f"are never open together, so that it is put off by every run: {HOST}." in never
    assert own_timing_warnings(rollout, {HOST: apart}, {HOST: None}, BEGIN) == [never]  # wherever it is
    fixed = parse_windows({"apply": [{**LATER, "tz": "UTC"}]}, "")
    assert own_timing_warnings(rollout, {HOST: fixed}, {HOST: None}, BEGIN) == []  # it may be anywhere
    assert own_timing_warnings(rollout, {HOST: parse_windows({"apply": [NOW]}, "")}, {HOST: "UTC"}, BEGIN) == []


@pytest.mark.parametrize(
    ("download", "policy", "zone", "warned"),
    [
        ({**LATER, "tz": "UTC"}, "with_reboot", "UTC", True),
        ({**LATER, "tz": "UTC"}, "with_reboot", None, False),  # where it is it may be otherwise
        ({**LATER, "tz": "UTC"}, "with_reboot", "America/Noronha", False),  # two hours behind
        (LATER, "with_reboot", None, True),
        ({**LATER, "tz": "UTC"}, "parked", "UTC", False),
        ({**NOW, "tz": "UTC"}, "with_reboot", "UTC", False),
    ],
)
def test_windows_of_the_spec_that_never_meet_are_said_beforehand(
    download: dict[str, Any], policy: str, zone: str | None, warned: bool
) -> None:
    apply = {"start": "08:00", "length": "2h"}
    rollout = story(windows={"download": [download], "apply": [apply]}, stage={"policy": policy}).rollout
    warnings = own_timing_warnings(rollout, {}, {HOST: zone}, BEGIN)
    told = "the download and the apply windows of the spec are never open together"
    assert [told in each and HOST in each for each in warnings] == [True] * warned


@pytest.mark.parametrize(
    ("windows", "own", "warned"),
    [
        ({"apply": [NOW]}, {}, True),
        ({}, {"apply": [NOW]}, True),
        ({"apply": [{**NOW, "tz": "UTC"}]}, {}, False),
        ({}, {}, False),
    ],
)
def test_a_zone_that_nobody_knows_is_said_beforehand_where_windows_go_by_it(
    windows: dict[str, Any], own: dict[str, Any], warned: bool
) -> None:
    rollout = story(windows=windows).rollout
    given = {HOST: parse_windows(own, "")} if own else {}
    warnings = own_timing_warnings(rollout, given, {HOST: "Europe/Berln"}, BEGIN)
    assert ["'Europe/Berln' (bootc_timezone)" in each and HOST in each for each in warnings] == [True] * warned
    assert own_timing_warnings(rollout, given, {HOST: "Europe/Berlin"}, BEGIN) == []


@pytest.mark.parametrize(
    ("policy", "own", "warned"),
    [
        ("parked", {"apply": [LATER]}, False),
        ("with_reboot", {"apply": [LATER]}, True),
        ("parked", {"apply": [NOW]}, True),
        ("parked", {"apply": [LATER], "download": [LATER]}, True),
    ],
)
def test_who_downloads_ahead_needs_no_window_for_both(policy: str, own: dict[str, Any], warned: bool) -> None:
    rollout = story(windows={"download": [NOW], "apply": [LATER]}, stage={"policy": policy}).rollout
    warnings = own_timing_warnings(rollout, {HOST: parse_windows(own, "")}, {HOST: "UTC"}, BEGIN)
    assert any("never open together" in warning for warning in warnings) is warned


class Slow(FakeDevice):
    """Staging takes three hours."""

    time: FakeTime

    def stage(self, reference: str, accept: Sequence[str]) -> Observation:
        self.time.sleep(3 * HOUR)
        return super().stage(reference, accept)


def test_a_window_that_closes_while_it_downloads_keeps_it_from_rebooting_and_from_being_rebooted_into_it() -> None:
    device = Slow()
    tale = story(windows={"apply": [NOW]}, device=device)
    device.time = tale.time
    state = tale.run()
    assert tale.kinds == ["staging", "staged", "deferred"]
    assert (state.state, state.until) == (DeviceState.DEFERRED, BEGIN + DAY - HOUR / 2)
    assert (device.next_boot, device.boots) == ("booted", 0)


def test_what_was_armed_in_a_window_before_is_disarmed_outside() -> None:
    tale = story(STAGED, windows={"apply": [LATER]}, device=FakeDevice(staged=NEW, next_boot="staged"))
    assert tale.run().state is DeviceState.DEFERRED
    assert (tale.device.next_boot, tale.device.boots) == ("booted", 0)


def test_what_cannot_be_disarmed_stays_in_flight_and_is_told_once() -> None:
    tale = story(STAGED, windows={"apply": [LATER]}, device=FakeDevice(staged=NEW, next_boot="staged"))
    tale.device.faults["stay"] = [DeviceError("timeout", "bootc did not answer")] * 2
    state = tale.run()
    assert state.state is DeviceState.STAGED
    assert "may apply: bootc did not answer" in str(state.message)
    tale.run()
    assert tale.kinds[len(STAGED) :] == ["staged"]
    tale.run()
    assert tale.state.state is DeviceState.DEFERRED


def test_what_rebooted_in_its_window_is_proven_after_it_closed() -> None:
    told = [*STAGED, ("applying", {"boot_id": "0", "previous_digest": OLD})]
    tale = story(told, windows={"apply": [LATER]}, device=FakeDevice(booted=NEW, rollback=OLD, boots=1))
    assert tale.run().state is DeviceState.SUCCEEDED


def test_a_device_goes_back_outside_its_window_and_whoever_plays() -> None:
    told = [*STAGED, ("applying", {"boot_id": "0", "previous_digest": OLD}), ("booted", {"booted_digest": NEW})]
    device = FakeDevice("unhealthy", booted=NEW, rollback=OLD, boots=1, busy_with=[GAME])
    tale = story(told, windows={"apply": [LATER]}, device=device)
    assert tale.run().state is DeviceState.ROLLED_BACK


def test_staggered_devices_come_at_their_own_moment_of_the_window() -> None:
    tale = story(windows={"apply": [NOW]}, apply={"reboot_timeout": "60s", "contact_grace": "10m", "stagger": True})
    begin = BEGIN - HOUR / 2
    tale.time.seconds = begin
    state = tale.run()
    assert state.reason == "window"
    assert state.until is not None
    assert begin < state.until < begin + 2 * HOUR - 120
    tale.time.seconds = state.until - 1
    assert tale.run().state is DeviceState.DEFERRED
    tale.time.seconds = state.until
    assert tale.run().state is DeviceState.SUCCEEDED


# -- inhibitors --------------------------------------------------------------------------------------------------------


def test_a_device_on_which_somebody_plays_is_left_alone_unless_told_otherwise() -> None:
    tale = story(device=FakeDevice(busy_with=[GAME]))
    state = tale.run()
    assert (state.state, state.reason, state.inhibitors) == (DeviceState.DEFERRED, "inhibited", ("game_running",))
    assert "steam 620 running" in str(state.message)
    assert tale.device.calls == ["observe"]
    tale.device.busy_with = []
    assert tale.run().state is DeviceState.SUCCEEDED
    reckless = story(inhibit={"soft": []}, device=FakeDevice(busy_with=[GAME]))
    assert reckless.run().state is DeviceState.SUCCEEDED


def test_what_inhibits_is_told_again_only_when_it_is_something_else() -> None:
    tale = story(device=FakeDevice(busy_with=[BATTERY]))
    tale.run()
    tale.device.busy_with = [("battery_low", "the battery has 11 %, and 40 % are wanted")]
    tale.run()
    assert tale.kinds == ["deferred"]
    tale.device.busy_with = [GAME, BATTERY]
    assert tale.run().inhibitors == ("battery_low", "game_running")
    assert tale.kinds == ["deferred", "deferred"]


class Gamer(FakeDevice):
    """Its user starts a game while the image is staged."""

    def stage(self, reference: str, accept: Sequence[str]) -> Observation:
        self.busy_with = [GAME]
        return super().stage(reference, accept)


def test_a_game_that_begins_while_it_downloads_keeps_it_from_rebooting_and_from_being_rebooted_into_it() -> None:
    tale = story(device=Gamer())
    state = tale.run()
    assert tale.kinds == ["staging", "staged", "applying", "deferred"]
    assert (state.state, state.phase, state.reboots_asked) == (DeviceState.DEFERRED, DeviceState.PENDING, 0)
    assert (tale.device.next_boot, tale.device.boots) == ("booted", 0)


def test_it_may_be_refused_for_a_game_as_often_as_need_be() -> None:
    tale = story(device=Gamer())
    for _unused in range(9):
        assert tale.run().state is DeviceState.DEFERRED
        tale.device.busy_with = []
    assert tale.state.stage_attempts == 0


def test_a_device_that_vanishes_while_it_is_disarmed_for_a_game_is_disarmed_later() -> None:
    tale = story(device=Gamer())
    tale.device.faults["stay"] = [Unreachable()]
    assert tale.run().state is DeviceState.APPLYING
    assert tale.device.next_boot == "staged"
    state = tale.run()
    assert (state.state, tale.device.next_boot, tale.device.boots) == (DeviceState.DEFERRED, "booted", 0)


def test_a_soft_inhibitor_expires_and_people_are_told_before_the_reboot() -> None:
    tale = story(
        device=FakeDevice(busy_with=[GAME]),
        apply={"reboot_timeout": "60s", "contact_grace": "10m", "notify_user": "5m"},
        inhibit={"defer_deadline": "2d"},
    )
    tale.run()
    first = tale.time.now()
    tale.time.seconds = BEGIN + 2 * DAY - 60
    assert tale.run().state is DeviceState.DEFERRED
    tale.time.seconds = first + 2 * DAY
    before = tale.time.now()
    assert tale.run().state is DeviceState.SUCCEEDED
    assert tale.device.told == [300]
    assert tale.time.now() >= before + 300
    assert tale.state.spared_since is None


def test_the_deadline_counts_from_the_first_time_it_was_spared_whatever_came_between() -> None:
    tale = story(
        device=FakeDevice(busy_with=[GAME]),
        windows={"apply": [NOW]},
        inhibit={"defer_deadline": "2d"},
    )
    for hours in range(0, 48, 3):  # in the window with a game, outside it without anybody asking
        tale.time.seconds = BEGIN + hours * HOUR
        assert tale.run().state is DeviceState.DEFERRED
    tale.time.seconds = BEGIN + 2 * DAY + 60
    assert tale.run().state is DeviceState.SUCCEEDED


def test_the_time_in_which_a_device_was_left_out_is_none_in_which_it_was_spared() -> None:
    tale = story(
        device=FakeDevice(busy_with=[GAME]),
        windows={"apply": [NOW]},
        inhibit={"defer_deadline": "2d"},
    )
    assert tale.run().state is DeviceState.DEFERRED
    tale.told.append(Event("excluded", BEGIN + 60, HOST, data={"by": "anna", "why": "on a journey"}))
    tale.time.seconds = BEGIN + 30 * DAY
    tale.told.append(Event("retried", tale.time.now(), HOST, data={"by": "anna", "why": "is back"}))
    assert tale.run().state is DeviceState.DEFERRED
    assert tale.device.told == []
    assert tale.state.deferred_since is not None
    assert tale.state.deferred_since >= BEGIN + 30 * DAY


def test_a_hard_inhibitor_never_expires_and_its_time_is_none_of_a_soft_one() -> None:
    tale = story(device=FakeDevice(busy_with=[BATTERY]), inhibit={"defer_deadline": "2d"})
    for days in range(0, 90, 10):
        tale.time.seconds = BEGIN + days * DAY
        assert tale.run().inhibitors == ("battery_low",)
    tale.device.busy_with = [GAME]
    assert tale.run().inhibitors == ("game_running",)


def test_nobody_starts_any_more_after_people_were_told() -> None:
    tale = story(
        [("deferred", {"reason": "inhibited", "inhibitors": ["game_running"], "soft": True, "message": "x"})],
        device=FakeDevice(busy_with=[GAME]),
        inhibit={"defer_deadline": "1d"},
    )
    tale.time.seconds = BEGIN + DAY
    state = tale.run(may_start=lambda: not tale.device.told)
    assert tale.kinds[1:] == ["staging", "staged", "applying", "released"]
    assert (state.state, tale.device.next_boot, tale.device.boots) == (DeviceState.PENDING, "booted", 0)


@pytest.mark.parametrize("at", ["staging", "staged", "applying", "deferred"])
@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
def test_a_controller_killed_on_the_way_to_an_inhibited_device_leaves_nothing_armed(at: str, before: bool) -> None:
    tale = story(device=Gamer())
    tale.cut_before, tale.cut_after = (at, None) if before else (None, at)
    tale.run_until_cut()
    state = tale.run()
    assert (state.state, state.reason) == (DeviceState.DEFERRED, "inhibited")
    assert (tale.device.next_boot, tale.device.boots) == ("booted", 0)


# -- the rest of the rollout -------------------------------------------------------------------------------------------


def test_those_who_wait_for_long_are_named_until_they_reboot() -> None:
    tale = story(device=FakeDevice(busy_with=[BATTERY]), inhibit={"starve_alert": "5d"})
    tale.run()
    since = tale.state.deferred_since
    assert since is not None
    assert starving(tale.rollout, since + 5 * DAY - 1) == ()
    assert [device.host for device in starving(tale.rollout, since + 5 * DAY)] == [HOST]
    tale.device.busy_with = []
    tale.run()
    assert starving(tale.rollout, since + 50 * DAY) == ()


def test_a_wave_waits_for_those_who_are_put_off_and_charges_nobody() -> None:
    tale = story(windows={"apply": [LATER]})
    tale.run()
    verdict = evaluate(apply_event(tale.rollout, opened()), 0, BEGIN + 60)
    assert isinstance(verdict, Wait)
    assert verdict.rule == "coverage"


# -- downloading ahead -------------------------------------------------------------------------------------------------

PARKED = {"policy": "parked"}


def parking(told: Sequence[tuple[str, Mapping[str, Any]]] = (), **changes: Any) -> Story:
    device = changes.pop("device", None) or FakeDevice(backend="ostree", parks=True)
    return story(told, **{"windows": {"apply": [LATER]}, "stage": PARKED, "device": device, **changes})


def test_outside_its_apply_window_a_device_downloads_and_is_parked() -> None:
    tale = parking()
    state = tale.run()
    assert (state.state, state.parked, state.reason) == (DeviceState.STAGED, True, "window")
    assert state.until == BEGIN + 2 * HOUR
    assert (tale.device.staged, tale.device.next_boot) == (NEW, "booted")
    tale.run()
    assert tale.kinds == ["staging", "staged"]
    tale.time.seconds = BEGIN + 2 * HOUR
    assert tale.run().state is DeviceState.SUCCEEDED
    assert tale.kinds[2:] == UPDATED
    assert tale.state.parked is False


def test_a_run_that_lasts_applies_what_it_parked() -> None:
    tale = parking()
    tale.waits = True
    assert tale.run().state is DeviceState.SUCCEEDED
    assert tale.kinds == ["staging", "staged", *UPDATED]


def test_what_is_parked_is_no_risk_and_no_work() -> None:
    tale = parking()
    tale.run()
    room = occupancy(tale.rollout, [HOST])
    assert (room.exposure[0].inside, room.ramp[0].inside) == (frozenset(), frozenset())
    before = occupancy(replay(plan_for(tale.spec, [(HOST, "kde")]), opened()), [HOST])
    assert before.after(tale.told).exposure[0].inside == frozenset()
    assert before.after(tale.told[:1]).exposure[0].inside == {HOST}  # until it is locked a reboot would apply it


@pytest.mark.parametrize("draining", [True, False])
def test_what_is_parked_is_dropped_when_nothing_may_begin_any_more(draining: bool) -> None:
    tale = parking()
    tale.run()
    state = tale.run(draining=draining)
    assert (tale.device.staged is None) is draining
    assert state.state is (DeviceState.PENDING if draining else DeviceState.STAGED)


def test_what_is_parked_is_dropped_when_the_device_is_left_out() -> None:
    tale = parking()
    tale.run()
    tale.told.append(Event("excluded", BEGIN, HOST, data={"by": "anna", "why": "its disk"}))
    tale.time.seconds = BEGIN + 2 * HOUR
    state = tale.run()
    assert (state.state, tale.device.staged, tale.device.boots) == (DeviceState.EXCLUDED, None, 0)


def test_what_its_own_updater_staged_is_parked_with_what_was_true_before() -> None:
    tale = parking(device=FakeDevice(backend="ostree", parks=True, staged=NEW, next_boot="staged"))
    state = tale.run()
    assert (state.state, state.parked) == (DeviceState.STAGED, True)
    assert (state.boot_id, state.previous_digest) == ("0", OLD)
    tale.device.next_boot = "staged"
    tale.device.power_cycle(orderly=True)
    assert tale.run().state is DeviceState.SUCCEEDED


def test_a_reboot_by_its_user_drops_what_is_parked_and_it_is_parked_again() -> None:
    tale = parking()
    tale.run()
    tale.device.power_cycle(orderly=True)
    assert tale.device.booted == OLD
    state = tale.run()
    assert (state.state, state.parked, state.boot_id) == (DeviceState.STAGED, True, "1")
    assert tale.device.staged == NEW


@pytest.mark.parametrize("cut", ["before", "after"])
def test_a_controller_that_dies_while_it_parks_leaves_nothing_armed_for_the_next(cut: str) -> None:
    tale = parking()
    if cut == "before":
        tale.cut_before = "staged"
    else:
        tale.cut_after = "staging"
    tale.run_until_cut()
    if cut == "after":  # it staged, and did not come to lock it
        tale.device.staged, tale.device.next_boot = NEW, "staged"
    state = tale.run()
    assert (state.state, state.parked) == (DeviceState.STAGED, True)
    assert tale.device.next_boot == "booted"


def test_a_device_that_cannot_park_waits_for_its_window_and_says_so() -> None:
    tale = parking(device=FakeDevice())
    state = tale.run()
    assert (state.state, tale.device.staged) == (DeviceState.DEFERRED, None)
    assert "cannot park" in str(state.message)
    tale.time.seconds = BEGIN + 2 * HOUR
    assert tale.run().state is DeviceState.SUCCEEDED


def test_it_downloads_ahead_only_in_its_download_window_and_while_nobody_is_disturbed() -> None:
    tale = parking(windows={"apply": [LATER], "download": [{"start": "09:00", "length": "30m"}]})
    state = tale.run()
    assert (state.state, state.until) == (DeviceState.DEFERRED, BEGIN + HOUR)
    tale.time.seconds = BEGIN + HOUR
    assert tale.run().parked is True
    busy = FakeDevice(backend="ostree", parks=True, busy_with=[GAME])
    assert parking(device=busy).run().reason == "inhibited"


def test_whoever_plays_at_the_reboot_keeps_what_was_downloaded() -> None:
    tale = parking()
    tale.run()
    tale.device.busy_with.append(GAME)
    tale.time.seconds = BEGIN + 2 * HOUR
    state = tale.run()
    assert (state.state, state.parked, state.reason) == (DeviceState.STAGED, True, "inhibited")
    tale.device.busy_with.clear()
    assert tale.run().state is DeviceState.SUCCEEDED


def test_a_game_that_begins_right_before_the_reboot_has_it_parked_again() -> None:
    tale = parking(windows={"apply": [NOW]})
    tale.device.faults["reboot"] = [Inhibited([GAME])]
    state = tale.run()
    assert (state.state, state.parked, state.reboots_asked) == (DeviceState.STAGED, True, 0)
    assert tale.device.next_boot == "booted"


def test_other_content_than_wanted_is_not_left_parked() -> None:
    tale = parking(device=FakeDevice("wrong_content", backend="ostree", parks=True))
    assert tale.run().state is DeviceState.DEFERRED
    assert tale.device.boots == 0


def test_a_wave_may_be_accepted_although_devices_are_parked() -> None:
    tale = parking()
    tale.run()
    command = Command("accept", "anna", "good enough")
    (event,) = operate(apply_event(tale.rollout, opened()), command, tale.time.now())
    assert event.kind == "accepted"


# -- downloads spread over time ----------------------------------------------------------------------------------------

SIZED = [{"name": "kde", "image": "registry.example/os", "digest": NEW, "size": 1000}]
SLOW = {"download_rate": "10"}


def bytes_of(tale: Story) -> list[Any]:
    return [event.data.get("bytes") for event in tale.told if event.kind == "staging"]


def test_a_download_is_on_record_with_its_bytes_and_counted_once() -> None:
    tale = parking(pace=SLOW, variants=SIZED)
    tale.waits = True
    assert tale.run().state is DeviceState.SUCCEEDED
    assert bytes_of(tale) == [1000, None]  # what is parked is not downloaded again
    assert tale.rollout.downloads_until == tale.told[0].at + 100
    tale = story(variants=SIZED)
    tale.run()
    assert bytes_of(tale) == [None]  # without a rate nothing is reckoned


def test_whoever_waits_for_the_downloads_of_others_is_told_until_when() -> None:
    plan = plan_for(spec(pace=SLOW, variants=SIZED, waves=[]), [("d000", "kde"), ("d001", "kde")])
    first, second = plan.members
    begun = Event("staging", BEGIN, first, data={"bytes": 1000})
    rollout = replay(plan, opened(), begun, Event("succeeded", BEGIN + 1, first))
    found = explain_one(rollout, second, BEGIN + 2)
    assert "pace.download_rate" in found.next
    assert found.until == BEGIN + 100
    assert "download_rate" not in explain_one(rollout, second, BEGIN + 100).next


# -- clocks ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("behind", [-DAY, 0, 30, 5 * 60])
def test_a_clock_that_was_put_right_by_seconds_is_no_matter(behind: float) -> None:
    assert clock_warnings([opened(), Event("held", BEGIN - DAY)], BEGIN - behind) == []
    assert clock_warnings([], BEGIN) == []


def test_a_clock_that_went_back_is_told_with_both_times() -> None:
    """Also after the first event with the right time: what was recorded before still has to come."""
    (told,) = clock_warnings([opened(), Event("opened", BEGIN - 366 * DAY)], BEGIN - 366 * DAY + 60)
    assert "here it is 2026-01-14 08:01 UTC, and the ledger has an event of 2027-01-15 08:00 UTC" in told
