# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rollouts that wait for a better time: windows in the time of each device, somebody who plays, an empty battery."""

from __future__ import annotations

import hashlib
import json
import shutil
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.windows import stagger

from tests.simulated_fleet import SimulatedFleet

pytestmark = pytest.mark.integration

EVERYBODY_AT_ONCE = {"waves": [], "wave_defaults": {"soak": "0s", "min_coverage": 100}}
GAME = {"comm": "reaper", "cmdline": "reaper\0SteamLaunch\0AppId=620\0--\0/game\0"}
LOW = {"type": "Battery\n", "status": "Discharging\n", "capacity": "12\n"}


def put(fleet: SimulatedFleet, host: str, directory: str, files: dict[str, str]) -> None:
    """Write files into the simulated device."""
    place = fleet.root / "devices" / host / "root" / directory
    place.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (place / name).write_text(content, encoding="utf-8")


def window(opens_in: timedelta, zone: str = "device") -> dict[str, Any]:
    """A window of an hour, in the time of UTC."""
    begin = datetime.now(timezone.utc) + opens_in
    return {"start": f"{begin:%H:%M}", "length": "1h", "tz": zone}


def moments(rollout: str, later: str, sooner: str, estimate: int) -> dict[str, Any]:
    """A window that is open, in which ``later`` has its moment in about half a minute and ``sooner`` before that."""
    now = datetime.now(timezone.utc)
    begin = now.replace(second=0, microsecond=0) - timedelta(minutes=30)
    passed = int((now - begin).total_seconds())
    for length in range(estimate + passed + 60, 86400):
        late, soon = (stagger(rollout, host, length, estimate) for host in (later, sooner))
        if passed + 15 <= late <= passed + 35 and soon < late:
            return {"start": f"{begin:%H:%M}", "length": f"{length}s", "tz": "UTC"}
    raise AssertionError("no length gives them these moments")


def device(fleet: SimulatedFleet, rollout: str, host: str) -> dict[str, Any]:
    (found,) = [each for each in fleet.summary(rollout)["devices"] if each["host"] == host]
    return found


def test_whoever_plays_or_runs_low_is_left_alone_and_updated_when_that_is_over(fleet: SimulatedFleet) -> None:
    for host in ("free", "plays", "low"):
        fleet.add(host, "kde", "--hardware", "steam-deck")
    put(fleet, "plays", "proc/4242", GAME)
    shutil.rmtree(fleet.root / "devices" / "low" / "root" / "sys" / "class" / "power_supply")
    put(fleet, "low", "sys/class/power_supply/BAT1", LOW)
    spec = fleet.spec("v1.1.0", **EVERYBODY_AT_ONCE)

    run = fleet.roll_out(spec)

    assert run.rc == 0, run.output
    states = {host: (found["state"], found["reason"]) for host, found in _devices(fleet).items()}
    assert states == {"free": ("succeeded", None), "plays": ("deferred", "inhibited"), "low": ("deferred", "inhibited")}
    assert [fleet.boots(host) for host in ("free", "plays", "low")] == [2, 1, 1]
    for host in ("plays", "low"):
        assert "staged: null" in fleet.simulate(host, "bootc", "status", "--format=yaml")
    assert "steam 620 running" in device(fleet, "to-v1.1.0", "plays")["message"]
    assert "12 %" in device(fleet, "to-v1.1.0", "low")["message"]
    assert "2 devices in use: battery low on 1, game running on 1." in run.sentence()
    events = fleet.events("to-v1.1.0")

    again = fleet.roll_out(spec)  # nothing is new, so nothing is written

    assert again.rc == 0, again.output
    assert [event for event in fleet.events("to-v1.1.0")[len(events) :] if event["kind"] == "deferred"] == []

    shutil.rmtree(fleet.root / "devices" / "plays" / "root" / "proc" / "4242")
    put(fleet, "low", "sys/class/power_supply/BAT1", {"status": "Charging\n"})
    put(fleet, "low", "sys/class/power_supply/ACAD", {"type": "Mains\n", "online": "1\n"})
    last = fleet.roll_out(spec)

    assert last.rc == 0, last.output
    assert set(fleet.states("to-v1.1.0").values()) == {"succeeded"}
    assert fleet.summary("to-v1.1.0")["phase"] == "completed"
    assert [fleet.boots(host) for host in fleet.hosts] == [2, 2, 2]


def _devices(fleet: SimulatedFleet) -> dict[str, dict[str, Any]]:
    return {found["host"]: found for found in fleet.summary("to-v1.1.0")["devices"]}


def test_a_closed_window_keeps_everybody_and_the_summary_says_until_when(fleet: SimulatedFleet) -> None:
    """One device is in UTC and outside its window, the other far east and in it."""
    fleet.add("here", "kde")
    fleet.add("east", "kde")
    east = fleet.root / "devices" / "east" / "root" / "etc" / "localtime"
    east.symlink_to("/usr/share/zoneinfo/Asia/Kathmandu")  # 5 hours 45 minutes ahead
    night = window(timedelta(hours=5, minutes=30))
    quick = {"apply": {"reboot_timeout": "20s", "contact_grace": "1s"}, "verify": {"settle": "0s", "timeout": "20s"}}
    spec = fleet.spec("v1.1.0", windows={"apply": [night]}, **EVERYBODY_AT_ONCE, **quick)

    run = fleet.roll_out(spec)

    assert run.rc == 0, run.output
    assert fleet.states("to-v1.1.0") == {"here": "deferred", "east": "succeeded"}
    here = device(fleet, "to-v1.1.0", "here")
    assert here["reason"] == "window"
    assert here["until"][11:16] == night["start"]
    assert "1 device outside their windows; the next may go at" in run.sentence()
    assert (fleet.boots("here"), fleet.boots("east")) == (1, 2)
    assert "staged" not in json.dumps([event for event in fleet.events("to-v1.1.0") if event.get("host") == "here"])


@pytest.mark.exhaustive
def test_a_patient_run_waits_until_the_window_opens_and_goes_on_to_the_end(fleet: SimulatedFleet) -> None:
    """The canary's moment comes in a few seconds; the wave behind it follows it."""
    for host in ("one", "two"):
        fleet.add(host, "kde")
    rank = {host: hashlib.sha256(f"to-v1.1.0\0{host}".encode()).digest() for host in fleet.hosts}
    canary, other = sorted(fleet.hosts, key=lambda host: rank[host])
    window = moments("to-v1.1.0", canary, other, estimate=40)
    apply = {"reboot_timeout": "20s", "contact_grace": "1s", "stagger": True}
    spec = fleet.spec("v1.1.0", windows={"apply": [window]}, apply=apply)

    run = fleet.roll_out(spec, bootc_rollout_patience="2m")

    assert run.rc == 0, run.output
    assert "this run waits for the next" in run.sentence()
    assert fleet.summary("to-v1.1.0")["phase"] == "completed"
    assert set(fleet.states("to-v1.1.0").values()) == {"succeeded"}
    canary_kinds = [event["kind"] for event in fleet.events("to-v1.1.0") if event.get("host") == canary]
    assert canary_kinds == ["deferred", "staging", "staged", "applying", "booted", "succeeded"]


def test_what_the_inventory_says_of_the_zone_is_enough_to_leave_a_device_alone(fleet: SimulatedFleet) -> None:
    fleet.add("asleep", "kde")
    later = window(timedelta(hours=2), "device")
    spec = fleet.spec("v1.1.0", windows={"apply": [later]}, **EVERYBODY_AT_ONCE)
    fleet.simulate("asleep", "fault", "asleep")

    run = fleet.roll_out(spec, bootc_timezone="UTC", bootc_rollout_probe=False)

    assert run.rc == 0, run.output
    assert fleet.states("to-v1.1.0") == {"asleep": "deferred"}  # whether it is awake was nobody's business


@pytest.mark.exhaustive
def test_a_device_with_windows_in_the_inventory_is_left_alone_outside_them(fleet: SimulatedFleet) -> None:
    """First they are written wrong: then nobody is updated, neither that device nor the others."""
    fleet.add("any", "kde")
    fleet.add("later", "kde")
    spec = fleet.spec("v1.1.0", **EVERYBODY_AT_ONCE)
    its_own = window(timedelta(hours=2))
    fleet.variables["later"] = {"bootc_windows": [its_own]}

    wrong = fleet.roll_out(spec)

    assert wrong.rc == 2, wrong.output
    assert "bootc_windows of later is not a valid set of windows" in wrong.sentence()
    assert "nobody is updated before" in wrong.sentence()
    assert fleet.events("to-v1.1.0") == []

    fleet.variables["later"] = {"bootc_windows": {"apply": ["{{ its_own }}"]}, "its_own": its_own}
    run = fleet.roll_out(spec)

    assert run.rc == 0, run.output
    assert fleet.states("to-v1.1.0") == {"any": "succeeded", "later": "deferred"}
    assert fleet.boots("later") == 1
    assert device(fleet, "to-v1.1.0", "later")["until"][11:16] == its_own["start"]
    explained = fleet.run("rollout_explain", bootc_rollout_spec=str(spec), bootc_rollout_hosts=["later"])
    assert f"a run of the rollout may update it then ({device(fleet, 'to-v1.1.0', 'later')['until'][:10]}" in (
        explained.sentence()
    )

    fleet.variables["later"] = {"bootc_windows": [its_own]}  # wrong again, and out of account
    regardless = fleet.roll_out(spec, bootc_rollout_device_windows=False)

    assert regardless.rc == 0, regardless.output
    assert set(fleet.states("to-v1.1.0").values()) == {"succeeded"}


def test_a_network_that_may_cost_money_is_not_used(fleet: SimulatedFleet) -> None:
    """Without NetworkManager nobody knows, and what is not known inhibits."""
    fleet.add("kde-1", "kde")
    metered = fleet.spec("v1.1.0", inhibit={"hard": ["metered"]}, **EVERYBODY_AT_ONCE)

    run = fleet.roll_out(metered)

    assert run.rc == 0, run.output
    found = device(fleet, "to-v1.1.0", "kde-1")
    assert (found["state"], found["inhibitors"]) == ("deferred", ["metered"])
    assert "not known" in found["message"]
    assert fleet.boots("kde-1") == 1


def test_a_game_that_never_ends_is_told_and_interrupted_after_the_deadline(fleet: SimulatedFleet) -> None:
    fleet.add("plays", "kde")
    put(fleet, "plays", "proc/4242", GAME)
    inhibit = {"defer_deadline": "0s", "starve_alert": "0s"}
    apply = {"reboot_timeout": "20s", "contact_grace": "1s", "notify_user": "1s"}
    spec = fleet.spec("v1.1.0", inhibit=inhibit, apply=apply, **EVERYBODY_AT_ONCE)

    first = fleet.roll_out(spec)

    assert fleet.states("to-v1.1.0") == {"plays": "deferred"}, first.output
    (hungry,) = fleet.summary("to-v1.1.0")["starving"]
    assert (hungry["host"], hungry["reason"]) == ("plays", "inhibited")
    assert "plays has been put off since" in first.sentence()
    assert fleet.roll_out(spec).rc == 0
    assert fleet.states("to-v1.1.0") == {"plays": "succeeded"}
    assert fleet.summary("to-v1.1.0")["starving"] == []


def test_a_device_downloads_ahead_of_its_window_and_no_reboot_by_its_user_applies_that(fleet: SimulatedFleet) -> None:
    """The windows open when the inventory says that the devices moved east. One that cannot park waits for them."""
    fleet.add("ready", "kde", "--backend", "ostree")
    fleet.add("restarted", "kde", "--backend", "ostree")
    fleet.add("other", "kde", "--backend", "composefs")
    windows = {"apply": [window(timedelta(hours=5, minutes=30))]}
    quick = {"apply": {"reboot_timeout": "40s", "contact_grace": "1s"}, "verify": {"settle": "0s", "timeout": "20s"}}
    spec = fleet.spec("v1.1.0", windows=windows, stage={"policy": "parked"}, **EVERYBODY_AT_ONCE, **quick)

    ahead = fleet.roll_out(spec, bootc_timezone="UTC")

    assert ahead.rc == 0, ahead.output
    assert fleet.states("to-v1.1.0") == {"ready": "staged", "restarted": "staged", "other": "deferred"}
    assert "2 devices with their image downloaded and parked for later" in ahead.sentence()
    assert "it cannot park an image" in device(fleet, "to-v1.1.0", "other")["message"]
    assert fleet.device("ready")["staged_locked"] is True
    old = fleet.booted("restarted")
    fleet.simulate("restarted", "reboot")
    fleet.wait_for_boot("restarted")
    assert fleet.booted("restarted") == old

    fleet.simulate("ready", "fault", "registry-unreachable")  # it needs nothing of it any more
    last = fleet.roll_out(spec, bootc_timezone="Asia/Kathmandu")  # 5 hours 45 minutes ahead

    assert last.rc == 0, last.output
    assert set(fleet.states("to-v1.1.0").values()) == {"succeeded"}
    assert [fleet.boots(host) for host in ("ready", "restarted", "other")] == [2, 3, 2]


def test_what_is_parked_is_dropped_when_the_rollout_is_paused(fleet: SimulatedFleet) -> None:
    fleet.add("ready", "kde", "--backend", "ostree")
    windows = {"apply": [window(timedelta(hours=2))]}
    spec = fleet.spec("v1.1.0", windows=windows, stage={"policy": "parked"}, **EVERYBODY_AT_ONCE)
    assert fleet.roll_out(spec).rc == 0
    assert fleet.states("to-v1.1.0") == {"ready": "staged"}
    order = {"bootc_rollout_verb": "pause", "bootc_rollout_why": "found a fault"}
    assert fleet.run("rollout_control", bootc_rollout_spec=str(spec), **order).rc == 0

    run = fleet.roll_out(spec)

    assert run.rc == 0, run.output
    assert fleet.states("to-v1.1.0") == {"ready": "pending"}
    assert "staged: null" in fleet.simulate("ready", "bootc", "status", "--format=yaml")
    assert fleet.boots("ready") == 1


@pytest.mark.exhaustive
def test_downloads_of_a_fleet_are_spread_over_time(fleet: SimulatedFleet) -> None:
    """Two that could go together begin to download ten megabytes each, at a megabyte per second."""
    for host in ("one", "two"):
        fleet.add(host, "kde")
    image = {"name": "kde", "image": f"{fleet.registry}/skorionos/kde", "digest": fleet.digest("kde", "v1.1.0")}
    rules = {"soak": "0s", "min_coverage": 100, "max_failures": 1}
    pace = {"start": 2, "download_rate": "1M"}
    spec = fleet.spec("v1.1.0", variants=[{**image, "size": 10_000_000}], waves=[], wave_defaults=rules, pace=pace)

    run = fleet.roll_out(spec)

    assert run.rc == 0, run.output
    assert set(fleet.states("to-v1.1.0").values()) == {"succeeded"}
    begun = [datetime.fromisoformat(e["at"][:-1]) for e in fleet.events("to-v1.1.0") if e["kind"] == "staging"]
    assert len(begun) == 2
    assert begun[1] - begun[0] >= timedelta(seconds=10)
