# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The small programs of a device that only answer: sessions, inhibitors, mounts, boot entries, boot times."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from simulator.programs import NAMES, bootctl, findmnt, loginctl, systemd_analyze, systemd_inhibit
from simulator.programs.words import BadOption, parse
from tests.simulated_world import FakeWorld, bootc, choose, device, reboot


def test_options_in_the_manner_of_getopt():
    words = parse(
        ["-ab", "--out=x", "one", "-o", "y", "--flag", "--", "-z"],
        flags=("flag", "all"),
        values=("out",),
        short={"a": "all", "b": "flag", "o": "out"},
    )
    assert words.words == ["one", "-z"]
    assert words.options == {"all": [], "flag": [], "out": ["x", "y"]}
    assert parse(["run", "--flag"], command_follows=True).words == ["run", "--flag"]


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--nope"], "unrecognized option '--nope'"),
        (["--out"], "option '--out' requires an argument"),
        (["-o"], "option requires an argument -- 'o'"),
        (["--flag=x"], "option '--flag' doesn't allow an argument"),
        (["-x"], "invalid option -- 'x'"),
    ],
)
def test_bad_options(arguments, text):
    with pytest.raises(BadOption) as wrong:
        parse(arguments, flags=("flag",), values=("out",), short={"o": "out"})
    assert str(wrong.value) == text


@pytest.fixture
def sessions(tmp_path):
    path = tmp_path / "sessions.json"
    path.write_text(json.dumps([{"Id": "2"}, {"Id": "c1", "User": 0, "Name": "root", "Remote": True, "Seat": ""}]))
    return path


def test_sessions_are_those_of_a_file(sessions, tmp_path):
    code, out, err = loginctl.answer(sessions, ["list-sessions", "--no-legend"])
    assert (code, err) == (0, "")
    assert [line.split()[:3] for line in out.splitlines()] == [["2", "1000", "deck"], ["c1", "0", "root"]]
    assert out.splitlines()[1].split()[3] == "-"
    rows = json.loads(loginctl.answer(sessions, ["list-sessions", "-j"])[1])
    assert [(row["session"], row["seat"], row["idle"]) for row in rows] == [("2", "seat0", False), ("c1", None, False)]
    assert loginctl.answer(tmp_path / "none", [])[1] == "No sessions.\n"


def test_properties_of_sessions(sessions):
    wanted = ["show-session", "--property=Id", "-p", "Remote", "-p", "State", "2", "c1"]
    assert loginctl.answer(sessions, wanted) == (
        0,
        "Id=2\nRemote=no\nState=active\n\nId=c1\nRemote=yes\nState=active\n",
        "",
    )
    assert loginctl.answer(sessions, ["show-session", "-P", "Name", "2"])[1] == "deck\n"
    assert loginctl.answer(sessions, ["show-session", "9"])[::2] == (
        1,
        "Failed to get path for session '9': No session '9' known\n",
    )


@pytest.mark.parametrize("text", ["{", "{}", "[1]", '[{"Name": "deck"}]'])
def test_a_file_of_sessions_that_is_none_is_told(tmp_path, text):
    path = tmp_path / "sessions.json"
    path.write_text(text)
    code, out, err = loginctl.answer(path, ["list-sessions"])
    assert (code, out) == (1, "")
    assert str(path) in err


def test_inhibitors(tmp_path):
    path = tmp_path / "inhibitors.json"
    assert systemd_inhibit.answer(path, ["--list"]) == (0, "No inhibitors.\n", "")
    path.write_text(json.dumps([{"who": "Steam", "what": "shutdown", "why": "Downloading"}]))
    _unused, out, _unused = systemd_inhibit.answer(path, ["--list", "--no-legend", "--no-pager"])
    assert out.split() == ["Steam", "1000", "deck", "900", "somebody", "shutdown", "Downloading", "block"]
    shown = json.loads(systemd_inhibit.answer(path, ["--list", "--json=short"])[1])
    assert [(entry["who"], entry["mode"]) for entry in shown] == [("Steam", "block")]
    assert systemd_inhibit.answer(path, ["--what=sleep", "true"])[0] == 1


def mounted(state, *arguments):
    code, out, _unused = findmnt.answer(state, list(arguments))
    return json.loads(out)["filesystems"] if code == 0 else code


def test_mounts_tell_the_backends_apart():
    found = {name: mounted(device(backend=name), "--json", "/")[0] for name in ("ostree", "composefs")}
    booted = device(backend="composefs").booted
    assert booted is not None
    assert found["ostree"] == {**found["ostree"], "target": "/", "source": "composefs", "fstype": "overlay"}
    assert found["composefs"]["source"] == f"composefs:{booted.checksum}"
    assert mounted(device(backend="composefs"), "-J", "-o", "FSTYPE", "--target", "/boot/loader")[0] == {
        "fstype": "vfat"
    }
    assert mounted(device(), "-J", "--mountpoint", "/sysroot")[0]["options"].startswith("ro,")
    assert mounted(device(), "-J", "/home") == 1


def test_mounts_in_other_forms():
    state = device()
    assert findmnt.answer(state, ["-n", "-o", "FSTYPE", "/boot"])[1] == "ext4\n"
    assert findmnt.answer(state, ["-nr", "-o", "SOURCE,TARGET", "/boot"])[1] == "/dev/nvme0n1p2 /boot\n"
    assert findmnt.answer(state, ["-P", "-o", "TARGET", "/"])[1] == 'TARGET="/"\n'
    sizes = mounted(state, "-J", "-b", "-o", "SIZE,AVAIL,USED", "/sysroot")[0]
    assert sizes["size"] == sizes["avail"] + sizes["used"]
    assert findmnt.answer(state, ["-o", "NOPE", "/"])[::2] == (1, "findmnt: unknown column: NOPE\n")


def listed(state):
    return json.loads(bootctl.answer(state, ["list", "--json=short"])[1])


@pytest.mark.parametrize("backend", ["composefs", "uki"])
def test_boot_entries_stand_in_their_true_order(backend):
    state = device("b", backend=backend, rollback="a")
    entries = listed(state)
    assert [entry["version"] for entry in entries] == ["b", "a"]
    assert [(entry["isDefault"], entry["isSelected"]) for entry in entries] == [(True, True), (False, False)]
    assert [entry["sortKey"][-1] for entry in entries] == ["0", "1"]
    assert [entry["id"][-6:] for entry in entries] == ["1.conf", "0.conf"]
    assert ("efi" in entries[0], "linux" in entries[0]) == (backend == "uki", backend != "uki")
    queued = listed(bootc(state, FakeWorld(), "rollback").state)
    assert [(entry["version"], entry["isDefault"], entry["isSelected"]) for entry in queued] == [
        ("a", True, False),
        ("b", False, True),
    ]
    assert [entry["isSelected"] for entry in listed(choose(state))] == [False, True]


def test_boot_entries_for_people_and_where_there_are_none():
    state = device("b", backend="composefs", rollback="a")
    assert "(default) (selected)" in bootctl.answer(state, ["list"])[1]
    assert "systemd-boot" in bootctl.answer(state, ["status"])[1]
    code, out, err = bootctl.answer(device(), ["list", "--json=short"])
    assert (code, out) == (1, "")
    assert err.startswith("Couldn't find EFI system partition.")


def test_boot_times_add_up_and_come_when_the_boot_is_over():
    state = replace(device(), boot=replace(device().boot, started=100.0, up_at=120.4))
    code, out, _unused = systemd_analyze.answer(state, [], 121.0)
    assert (code, out.splitlines()[0]) == (
        0,
        "Startup finished in 6.120s (firmware) + 1.020s (loader) + 2.040s (kernel) + 3.060s (initrd)"
        " + 8.160s (userspace) = 20.400s ",
    )
    code, out, err = systemd_analyze.answer(state, ["time"], 119.0)
    assert (code, out) == (1, "")
    assert err.startswith("Bootup is not yet finished")
    assert systemd_analyze.answer(reboot(state), ["blame"], 1e9)[0] == 1
    soft = replace(state, boot=replace(state.boot, soft=1, up_at=5000.0))
    assert systemd_analyze.answer(soft, [], 5001.0)[1].startswith("Startup finished in 1.000s (userspace) = 1.000s ")


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.25, "250ms"), (5.1, "5.100s"), (75, "1min 15.000s"), (3725.5, "1h 2min 5.500s")]
)
def test_time_spans_are_written_as_systemd_does(seconds, text):
    assert systemd_analyze.span(seconds) == text


def test_every_program_is_there_on_a_device(registry, make_device):
    made = make_device(f"{registry.host}/skorionos/kde:v1.0.0")
    assert {path.name for path in (made.directory / "bin").iterdir()} == set(NAMES)
    said = made.sh("wall -n 'reboot in 5 minutes'; echo from stdin | wall; loginctl list-sessions")
    assert (said.returncode, said.stdout) == (0, "No sessions.\n")
    kept = [json.loads(line) for line in made.file("run/simulator/wall.jsonl").read_text().splitlines()]
    assert [(entry["text"], entry["banner"]) for entry in kept] == [
        ("reboot in 5 minutes", False),
        ("from stdin\n", True),
    ]
    alone = make_device(None, "--no-bootc", "--force")
    names = {path.name for path in (alone.directory / "bin").iterdir()}
    assert "systemctl" in names
    assert not {"bootc", "ostree"} & names
