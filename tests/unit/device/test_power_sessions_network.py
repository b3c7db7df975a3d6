# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What may stand in the way of a reboot: battery, people, games, and networks that cost money."""

from __future__ import annotations

import pytest
from ansible_collections.skorionos.bootc.plugins.module_utils._device.command import (
    CommandMissing,
    CommandTimeout,
    Completed,
)
from ansible_collections.skorionos.bootc.plugins.module_utils._device.facts import network, power, probe, sessions
from hypothesis import given, settings
from hypothesis import strategies as st

MAINS_ON = ("ACAD", {"type": "Mains", "online": "1"})
MAINS_OFF = ("ACAD", {"type": "Mains", "online": "0"})
USB_ON = ("ucsi-source-psy-1", {"type": "USB", "online": "1"})


def battery(status, capacity="80", name="BAT1", **more):
    return (name, {"type": "Battery", "present": "1", "status": status, "capacity": capacity, **more})


@pytest.fixture
def root(tmp_path, monkeypatch):
    monkeypatch.setenv("BOOTC_DEVICE_ROOT", str(tmp_path))
    return tmp_path


class Commands:
    """Answers each command by the first key its words contain."""

    def __init__(self, answers):
        self.answers = answers
        self.ran = []

    def __call__(self, argv, timeout, *, watch=None):
        line = " ".join(argv)
        self.ran.append(line)
        for key, answer in self.answers.items():
            if key in line:
                if isinstance(answer, Exception):
                    raise answer
                return answer if isinstance(answer, Completed) else Completed(0, answer.encode())
        raise CommandMissing(f"{argv[0]} is not there")


@pytest.mark.parametrize(
    ("supplies", "source", "percent", "status"),
    [
        ([], "mains", None, None),
        ([MAINS_OFF, battery("Discharging")], "battery", 80, "discharging"),
        ([MAINS_ON, battery("Charging")], "mains", 80, "charging"),
        ([MAINS_ON, battery("Not charging")], "mains", 80, "not_charging"),
        ([MAINS_ON, battery("Discharging")], "mains", 80, "discharging"),
        ([USB_ON, battery("Discharging", "12")], "battery", 12, "discharging"),
        ([USB_ON, battery("Full", "100")], "mains", 100, "full"),
        ([MAINS_OFF, battery("Full", "100")], "battery", 100, "full"),
        ([battery("Unknown", "50")], None, 50, None),
        ([battery("Full", "101")], "mains", None, "full"),
        ([battery("Charging", "x", charge_now="30", charge_full="40")], "mains", 75, "charging"),
        ([battery("Discharging", "90"), battery("Not charging", "5", "BAT0")], "battery", 5, "discharging"),
        (
            [
                battery("Discharging", "90", energy_now="90", energy_full="100"),
                battery("Not charging", "0", "BAT0", energy_now="0", energy_full="80"),
            ],
            "battery",
            50,
            "discharging",
        ),
    ],
)
def test_what_powers_the_device(supplies, source, percent, status):
    judged = power.judge([power.parse_supply(name, attributes) for name, attributes in supplies])
    assert (judged.source, judged.battery_percent, judged.battery_status) == (source, percent, status)


@pytest.mark.parametrize(
    "attributes",
    [
        {"type": "Battery", "scope": "Device", "capacity": "10", "status": "Discharging"},
        {"type": "Battery", "present": "0"},
        {"type": "UPS", "status": "Discharging"},
        {},
    ],
)
def test_the_battery_of_a_gamepad_is_none_of_the_device(attributes):
    assert power.parse_supply("hidpp_battery_0", attributes) is None


def test_power_is_read_from_the_device(root):
    assert power.read_power() == power.UNKNOWN
    directory = root / "sys/class/power_supply"
    for name, attributes in (MAINS_OFF, battery("Discharging", "41")):
        (directory / name).mkdir(parents=True)
        for attribute, value in attributes.items():
            (directory / name / attribute).write_text(value + "\n")
    (directory / "odd").mkdir()
    (directory / "odd/type").write_bytes(b"\xff\x00Battery")
    assert power.read_power().as_dict() == {
        "source": "battery",
        "has_battery": True,
        "battery_percent": 41,
        "battery_status": "discharging",
    }


LISTED = "      2 1000 deck  seat0 tty1\n     c1  961 sddm  seat0\n     31    0 root\n"
SHOWN = """Id=2
Name=deck
User=1000
Type=wayland
Class=user
State=active
Remote=no
Seat=seat0
IdleHint=no
LockedHint=no

Id=c1
Name=sddm
User=961
Type=x11
Class=greeter
State=online
Remote=no
Seat=seat0
IdleHint=yes
LockedHint=no

Id=31
Name=root
User=0
Type=tty
Class=user
State=active
Remote=yes
Seat=
IdleHint=no
LockedHint=no
"""


def test_sessions_of_people_are_told_from_others():
    commands = Commands({"list-sessions": LISTED, "show-session": SHOWN})
    found = sessions.read_sessions(commands)
    assert [(each.id, each.of_a_person, each.graphical, each.remote) for each in found] == [
        ("2", True, True, False),
        ("c1", False, True, False),
        ("31", True, False, True),
    ]
    assert found[0].as_dict()["uid"] == 1000
    assert commands.ran[1].endswith(" 2 c1 31")


def test_the_own_session_is_marked(root):
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/self/cgroup").write_text("0::/user.slice/user-0.slice/session-31.scope\n")
    found = sessions.read_sessions(Commands({"list-sessions": LISTED, "show-session": SHOWN}))
    assert [each.id for each in found if each.own] == ["31"]


def test_a_session_that_ends_meanwhile_does_not_hide_the_others():
    first = SHOWN.split("\n\n", maxsplit=1)[0]
    commands = Commands(
        {
            "list-sessions": LISTED,
            "LockedHint 2 c1 31": Completed(1, first.encode(), b"Failed to get path for session 'c1'"),
            "LockedHint 2": first,
            "LockedHint c1": Completed(1, b"", b"No session 'c1' known"),
            "LockedHint 31": SHOWN.split("\n\n")[2],
        }
    )
    assert [each.id for each in sessions.read_sessions(commands)] == ["2", "31"]


def test_nobody_is_logged_in_and_nobody_knows():
    assert sessions.read_sessions(Commands({"list-sessions": ""})) == ()
    assert sessions.read_sessions(Commands({})) is None
    assert sessions.read_sessions(Commands({"loginctl": CommandTimeout(["loginctl"], 1)})) is None


def steam(*words, pid=10, name="reaper"):
    return sessions.Process(pid, name, ("/home/deck/.steam/reaper", *words))


@pytest.mark.parametrize(
    ("processes", "games"),
    [
        ([], []),
        ([steam("SteamLaunch", "AppId=620", "--", "/x/portal2")], [("steam", 620)]),
        ([steam("SteamLaunch", "AppId=620", "Install=1", "--", "/x/setup")], []),
        ([steam("SteamLaunch", "AppId=620", "--", "x", "Install=1")], [("steam", 620)]),
        (
            [steam("SteamLaunch", "AppId=620", "--", "x"), steam("SteamLaunch", "AppId=620", "--", "y")],
            [("steam", 620)],
        ),
        ([sessions.Process(5, "grep", ("grep", "-r", "-n", "SteamLaunch", "AppId=620"))], []),
        ([steam("SteamLaunch", "AppId=x", "--", "y")], []),
        ([sessions.Process(7, "retroarch"), sessions.Process(8, "retroarch")], [("retroarch", None)]),
        ([sessions.Process(7, "gamescope-wl"), sessions.Process(8, "steam")], []),
        ([sessions.Process(7, "wineserver")], [("wineserver", None)]),
        (
            [sessions.Process(7, "wineserver"), steam("SteamLaunch", "AppId=1", "--", "wine")],
            [("steam", 1)],
        ),
    ],
)
def test_a_running_game(processes, games):
    assert [(game.name, game.app_id) for game in sessions.find_play(processes).games] == games


def test_game_mode_without_a_game():
    assert sessions.find_play([sessions.Process(7, "gamescope-wl")]).as_dict() == {"games": [], "gamescope": True}


def test_games_are_seen_in_the_list_of_processes(root):
    assert sessions.read_play() is None
    for pid, name, line in (
        (1, "systemd", b"/sbin/init\0"),
        (812, "reaper", b"/home/deck/reaper\0SteamLaunch\0AppId=1245620\0--\0proton\0waitforexitandrun\0"),
        (813, "\udcff", b"\xff\xfe\0"),
    ):
        (root / f"proc/{pid}").mkdir(parents=True)
        (root / f"proc/{pid}/comm").write_bytes(name.encode("utf-8", "surrogateescape") + b"\n")
        (root / f"proc/{pid}/cmdline").write_bytes(line)
    (root / "proc/99").mkdir()
    play = sessions.read_play()
    assert play.as_dict()["games"] == [{"name": "steam", "pid": 812, "app_id": 1245620}]


@pytest.mark.parametrize(
    ("answers", "metered", "guessed"),
    [
        ({}, None, None),
        ({"busctl": '{"type":"u","data":1}\n'}, True, False),
        ({"busctl": '{"type":"u","data":2}\n'}, False, False),
        ({"busctl": '{"type":"u","data":3}\n'}, True, True),
        ({"busctl": '{"type":"u","data":4}\n'}, False, True),
        ({"busctl": '{"type":"u","data":0}\n'}, None, None),
        ({"busctl": '{"type":"u","data":true}\n'}, None, None),
        ({"busctl": "u 1\n"}, None, None),
        ({"busctl": Completed(1, b"", b"Unknown service"), "nmcli": Completed(8, b"")}, None, None),
        ({"nmcli": "GENERAL.TYPE:wifi\nGENERAL.STATE:100 (connected)\nGENERAL.METERED:yes (guessed)\n"}, True, True),
        (
            {
                "nmcli": "GENERAL.TYPE:loopback\nGENERAL.STATE:100 (connected (externally))\nGENERAL.METERED:yes\n\n"
                "GENERAL.TYPE:ethernet\nGENERAL.STATE:100 (connected)\nGENERAL.METERED:no (guessed)\n\n"
                "GENERAL.TYPE:wifi\nGENERAL.STATE:30 (disconnected)\nGENERAL.METERED:yes\n"
            },
            False,
            True,
        ),
        (
            {
                "nmcli": "GENERAL.TYPE:ethernet\nGENERAL.STATE:100 (connected)\nGENERAL.METERED:no\n\n"
                "GENERAL.TYPE:wifi\nGENERAL.STATE:100 (connected)\nGENERAL.METERED:unknown\n"
            },
            None,
            None,
        ),
    ],
)
def test_whether_traffic_costs_money(answers, metered, guessed):
    seen = network.read_network(Commands(answers))
    assert (seen.metered, seen.guessed) == (metered, guessed)


def test_a_simulated_device_is_not_told_about_the_machine_that_simulates_it(root):
    assert probe.ask(probe.device_run, ("uname", "-n")) is None


def test_numbers_are_plain_decimal():
    assert [probe.whole_number(text) for text in ("12", " 7\n", "-3", "", None, "1e3", "\u0663", "1_0", "+1")] == [
        12,
        7,
        -3,
        None,
        None,
        None,
        None,
        None,
        None,
    ]
    assert probe.whole_number("9" * 5000) is None


@settings(deadline=None)
@given(st.text())
def test_no_text_makes_a_parser_fail(text):
    sessions.parse_session_ids(text)
    sessions.parse_sessions(text, text)
    sessions.parse_own_session(text)
    network.parse_busctl(text)
    network.parse_nmcli(text)


@settings(deadline=None)
@given(
    st.lists(
        st.dictionaries(
            st.sampled_from(power.ATTRIBUTES),
            st.one_of(
                st.text(), st.integers().map(str), st.sampled_from(["Battery", "Mains", "USB", "Full", "Charging"])
            ),
        )
    )
)
def test_no_supply_makes_a_fact_fail(supplies):
    parsed = [power.parse_supply("x", attributes) for attributes in supplies]
    judged = power.judge([each for each in parsed if each is not None])
    assert judged.battery_percent is None or 0 <= judged.battery_percent <= 100


@settings(deadline=None)
@given(st.lists(st.tuples(st.text(), st.lists(st.text() | st.sampled_from(["SteamLaunch", "AppId=1", "--"])))))
def test_no_process_makes_a_fact_fail(processes):
    sessions.find_play([sessions.Process(1, name, tuple(words)) for name, words in processes])
