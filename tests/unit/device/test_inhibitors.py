# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What keeps a device from being rebooted: entries, what is seen, and what is made of what nobody knows."""

from __future__ import annotations

import json

import pytest
from ansible_collections.skorionos.bootc.plugins.module_utils._device.command import CommandMissing, Completed
from ansible_collections.skorionos.bootc.plugins.module_utils._device.facts.network import Network
from ansible_collections.skorionos.bootc.plugins.module_utils._device.facts.power import Power
from ansible_collections.skorionos.bootc.plugins.module_utils._device.facts.sessions import Process
from ansible_collections.skorionos.bootc.plugins.module_utils._device.inhibitors import (
    Finding,
    Inhibitor,
    Inspector,
    judge_locks,
    judge_network,
    judge_play,
    judge_power,
    judge_sessions,
    judge_space,
    obstacles,
    parse_inhibitors,
)
from ansible_collections.skorionos.bootc.plugins.module_utils._errors import BootcError
from hypothesis import given, settings
from hypothesis import strategies as st


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ({"kind": "battery"}, "needs percent"),
        ({"kind": "battery", "percent": 0}, "from 1 to 100"),
        ({"kind": "battery", "percent": 50, "path": "/x"}, "has no path"),
        ({"kind": "disk", "path": "/"}, "needs free_bytes"),
        ({"kind": "disk", "path": "var", "free_bytes": 1}, "not absolute"),
        ({"kind": "disk", "path": "/var", "free_bytes": -1}, "not a positive number"),
        ({"kind": "file"}, "needs path"),
        ({"kind": "command", "command": []}, "names no program"),
        ({"kind": "command", "command": [""]}, "names no program"),
        ({"kind": "game", "processes": ["steam", ""]}, "without a name"),
        ({"kind": "session", "percent": 3}, "has no percent"),
    ],
)
def test_an_entry_that_cannot_be_meant_is_refused(entry, words):
    with pytest.raises(BootcError, match=words) as caught:
        parse_inhibitors([{"kind": "metered"}, entry])
    assert caught.value.kind == "invalid"
    assert "Inhibitor 2" in caught.value.message


def test_what_is_not_known_inhibits_unless_it_is_allowed():
    known = {"session": Finding(False, "nobody"), "metered": Finding(None, "who knows"), "file": Finding(True, "there")}
    entries = [
        Inhibitor("session"),
        Inhibitor("metered"),
        Inhibitor("metered", allow_unknown=True),
        Inhibitor("file", why="night shift", path="/run/busy"),
    ]
    found = obstacles(entries, lambda entry: known[entry.kind])
    assert [obstacle.as_dict() for obstacle in found] == [
        {"kind": "metered", "why": "", "detail": "who knows", "unknown": True},
        {"kind": "file", "why": "night shift", "detail": "there", "unknown": False},
    ]
    assert str(found[1]) == "file (night shift): there"


def power(source=None, percent=None, has_battery=True):
    return Power(source, has_battery, percent)


@pytest.mark.parametrize(
    ("state", "inhibits"),
    [
        (power(has_battery=False), False),
        (power("mains", 3), False),
        (power("battery", 29), True),
        (power("battery", 30), False),
        (power("battery"), None),
        (power(percent=10), None),
        (power(has_battery=None), None),
    ],
)
def test_a_battery(state, inhibits):
    assert judge_power(state, 30).inhibits is inhibits


def test_sessions_networks_games_and_space_that_are_not_known():
    assert judge_sessions(None).inhibits is None
    assert judge_sessions([]).inhibits is False
    assert judge_network(Network()).inhibits is None
    assert judge_network(Network(metered=True)).inhibits is True
    assert judge_play(None, ["steam"]).inhibits is None
    assert judge_space("/", None, 5).inhibits is None
    assert (judge_space("/", 4, 5).inhibits, judge_space("/", 5, 5).inhibits) == (True, False)


def test_a_game_is_a_process_by_name():
    processes = [Process(1, "init", ("init",)), Process(40, "emulator", ("emulator", "--rom"))]
    assert judge_play(processes, ["emulator"]).inhibits is True
    assert judge_play(processes, ["other"]).inhibits is False


LOCK = ["shutdown:sleep", "Packages", "Installing", "block", 0, 812]


@pytest.mark.parametrize(
    ("answer", "inhibits"),
    [
        (json.dumps({"type": "a(ssssuu)", "data": [[LOCK]]}), True),
        (json.dumps({"data": [[["sleep", "x", "y", "block", 0, 1]]]}), False),
        (json.dumps({"data": [[["shutdown", "x", "y", "delay", 0, 1]]]}), False),
        (json.dumps({"data": [[]]}), False),
        (json.dumps([{"what": "shutdown", "who": "a", "why": "b", "mode": "block"}]), True),
        (json.dumps([]), False),
        (json.dumps({"data": []}), None),
        ("WHO UID USER", None),
        (None, None),
    ],
)
def test_locks_against_a_shutdown(answer, inhibits):
    assert judge_locks(answer).inhibits is inhibits


@settings(deadline=None, max_examples=200)
@given(st.one_of(st.text(), st.recursive(st.none() | st.text() | st.integers(), st.lists).map(json.dumps)))
def test_no_answer_about_locks_is_too_odd(answer):
    assert judge_locks(answer).inhibits in (True, False, None)


@pytest.fixture
def device(tmp_path, monkeypatch):
    monkeypatch.setenv("BOOTC_DEVICE_ROOT", str(tmp_path))
    return tmp_path


def test_files_and_commands_of_the_device(device):
    def run(argv, timeout, *, watch=None):
        if argv[0] == "missing":
            raise CommandMissing(argv[0])
        return Completed({"yes": 0, "no": 1, "killed": -9}[argv[0]], b"said {{ this }}")

    look = Inspector(run, run)
    assert look(Inhibitor("file", path="/run/busy")).inhibits is False
    (device / "run").mkdir()
    (device / "run/busy").touch()
    assert look(Inhibitor("file", path="/run/busy")).inhibits is True
    found = {name: look(Inhibitor("command", command=(name,))) for name in ("yes", "no", "killed", "missing")}
    assert {name: finding.inhibits for name, finding in found.items()} == {
        "yes": True,
        "no": False,
        "killed": None,
        "missing": None,
    }
    assert "said {{ this }}" in found["yes"].detail
    assert look(Inhibitor("disk", path="/", free_bytes=1)).inhibits is False
    assert look(Inhibitor("disk", path="/nowhere", free_bytes=1)).inhibits is None
