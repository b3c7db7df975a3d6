# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a plain command tells of a device is what the module tells, or nothing."""

from __future__ import annotations

import json
import os
import pty
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.skorionos.bootc.plugins.module_utils._bootc.device_module import Call, answer, with_defaults
from ansible_collections.skorionos.bootc.plugins.module_utils._device.inhibitors import parse_inhibitors
from ansible_collections.skorionos.bootc.plugins.module_utils._device_modules import bootc_status
from ansible_collections.skorionos.bootc.plugins.plugin_utils._survey import read_survey, survey_command

from .small_device import STATUS, SmallDevice

SHELLS = [shell for shell in ("dash", "bash", "busybox") if shutil.which(shell)]
GAME = {"kind": "game"}
BATTERY = {"kind": "battery", "percent": 40}


class Device(SmallDevice):
    """The same question asked in both ways."""

    def surveyed(self, *entries: Mapping[str, Any], shell: str = "sh") -> Mapping[str, Any] | None:
        inhibitors = parse_inhibitors(entries)
        command = survey_command(inhibitors)
        assert command is not None
        words = [shell, "sh"] if shell == "busybox" else [shell]
        done = subprocess.run(
            [*words, "-c", command], env={**os.environ, **self.environment}, capture_output=True, text=True, check=False
        )
        return read_survey(done.stdout if done.returncode == 0 else "", inhibitors)

    def module(self, *entries: Mapping[str, Any]) -> dict[str, Any]:
        params = with_defaults(bootc_status.OPTIONS, {"inhibitors": list(entries)})
        with pytest.MonkeyPatch.context() as patch:
            for name, value in self.environment.items():
                patch.setenv(name, value)
            return answer(30, lambda: bootc_status.work(Call(params, True, print)))


@pytest.fixture
def device(tmp_path: Path) -> Device:
    return Device(tmp_path)


def same(told: Mapping[str, Any] | None, module: Mapping[str, Any]) -> bool:
    assert told is not None
    return told == {name: module[name] for name in ("boot_id", "bootc", "timezone", "failed_units", "inhibited_by")}


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("entries", [[], [GAME], [BATTERY], [GAME, BATTERY], [BATTERY, GAME]])
def test_a_device_without_trouble(device: Device, entries: Sequence[Mapping[str, Any]], shell: str) -> None:
    device.supply("BAT0", type="Battery", capacity="80", status="Discharging", present="1")
    device.supply("pad", type="Battery", scope="Device", capacity="3", status="Discharging")
    device.supply("AC", type="Mains", online="0")
    device.process(42, "gamescope-wl", "gamescope", "-e", "--", "steam")
    device.process(43, "reaper", "SteamLaunc", "AppId=1")
    assert same(device.surveyed(*entries, shell=shell), device.module(*entries))


@pytest.mark.parametrize(
    ("target", "zone"),
    [(None, "UTC"), ("/usr/share/zoneinfo/Asia/Kathmandu", "Asia/Kathmandu"), ("/somewhere/else", None)],
)
def test_the_time_zone(device: Device, target: str | None, zone: str | None) -> None:
    (device.root / "etc").mkdir()
    if target is not None:
        (device.root / "etc/localtime").symlink_to(target)
    told = device.surveyed()
    assert told is not None
    assert same(told, device.module())
    assert told["timezone"] == zone


def test_a_link_to_a_word_is_no_zone(device: Device) -> None:
    (device.root / "etc").mkdir()
    (device.root / "etc/localtime").symlink_to("UTC")
    assert same(device.surveyed(), device.module())


def test_a_copy_of_the_data_of_a_zone(device: Device) -> None:
    device.write("etc/localtime", "TZif2")
    told = device.surveyed()
    assert told is not None
    assert (told["timezone"], device.module()["timezone"]) == (None, None)


def test_units_that_failed(device: Device) -> None:
    device.program("systemctl", """case "$1" in show) echo 0;; *) echo "a.service loaded failed failed A";; esac""")
    told = device.surveyed(GAME)
    assert told is not None
    assert told["failed_units"] == ["a.service"]
    assert same(told, device.module(GAME))


@pytest.mark.parametrize("unknown", ["inhibit", "allow"])
@pytest.mark.parametrize(
    ("pid", "name", "arguments"),
    [
        (620, "reaper", ("reaper", "SteamLaunch", "AppId=620", "--", "game")),
        (7, "wineserver64", ("wineserver64",)),
        (8, "PPSSPPSDL", ("PPSSPPSDL", "--fullscreen")),
    ],
)
def test_a_game_is_left_to_the_module(
    device: Device, pid: int, name: str, arguments: Sequence[str], unknown: str
) -> None:
    device.process(pid, name, *arguments)
    entry = {**GAME, "unknown": unknown}
    assert device.surveyed(entry) is None
    assert device.module(entry)["inhibited_by"] != []


def test_processes_that_cannot_be_seen_are_left_to_the_module(device: Device) -> None:
    shutil.rmtree(device.root / "proc/1")
    assert device.surveyed(GAME) is None
    assert device.module(GAME)["inhibited_by"][0]["unknown"] is True


def test_without_the_program_that_looks_for_games_nothing_is_taken_for_known(device: Device) -> None:
    device.program("grep", "exit 127")
    assert device.surveyed(GAME) is None


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize(
    "attributes",
    [
        {"type": "Battery", "capacity": "39", "status": "Discharging"},
        {"type": "Battery", "status": "Discharging"},
        {"type": "Battery", "capacity": "nonsense", "status": "Discharging"},
    ],
)
def test_a_battery_that_is_low_or_does_not_tell_is_left_to_the_module(
    device: Device, attributes: dict[str, str], shell: str
) -> None:
    device.supply("AC", type="Mains", online="0", capacity="99")
    device.supply("BAT1", **attributes)
    assert device.surveyed(BATTERY, shell=shell) is None
    assert device.module(BATTERY)["inhibited_by"] != []


def test_power_supplies_that_cannot_be_listed_are_left_to_the_module(device: Device) -> None:
    device.supply("BAT1", type="Battery", capacity="5", status="Discharging")
    device.program("ls", "exit 2")
    assert device.surveyed(BATTERY) is None


def test_a_low_battery_that_is_charged(device: Device) -> None:
    device.supply("BAT1", type="Battery", capacity="5", status="Charging")
    device.supply("ADP1", type="Mains", online="1")
    assert same(device.surveyed(BATTERY), device.module(BATTERY))


def test_a_device_whose_kernel_shows_no_power_is_left_to_the_module(device: Device) -> None:
    (device.root / "sys/class/power_supply").rmdir()
    assert device.surveyed(BATTERY) is None
    assert device.module(BATTERY)["inhibited_by"][0]["unknown"] is True


@pytest.mark.parametrize(
    ("program", "script"),
    [
        ("bootc", "exit 1"),
        ("bootc", "echo nonsense"),
        ("bootc", 'case "$1" in --version) echo "bootc 1.16.9";; *) echo "error: no root" >&2; exit 1;; esac'),
        ("systemctl", "exit 1"),
    ],
)
def test_what_does_not_work_is_left_to_the_module(device: Device, program: str, script: str) -> None:
    device.program(program, script)
    assert device.surveyed() is None


def test_a_device_that_prints_more_is_left_to_the_module(device: Device) -> None:
    """Such as the greeting of a shell, or parts that the device made up itself."""
    device.program("systemctl", "echo; echo '-- skorionos.bootc --'; echo 'no game runs'")
    assert device.surveyed(GAME) is None


@pytest.mark.parametrize(
    "entry",
    [
        {"kind": "session"},
        {"kind": "metered"},
        {"kind": "systemd"},
        {"kind": "disk", "path": "/sysroot", "free_bytes": 1},
        {"kind": "file", "path": "/run/hold"},
        {"kind": "command", "command": ["true"]},
        {"kind": "game", "processes": ["my-game"]},
    ],
)
def test_what_a_plain_command_cannot_tell(entry: Mapping[str, Any]) -> None:
    assert survey_command(parse_inhibitors([GAME, entry])) is None


def test_the_command_line_of_the_question_is_no_game() -> None:
    """It stands in /proc while the processes are looked at, with every name that is looked for."""
    command = survey_command(parse_inhibitors([GAME]))
    assert command is not None
    assert "SteamLaunch" not in command


FOR_PEOPLE = """
if [ -t 1 ]; then
    [ "$SYSTEMD_COLORS" = 0 ] || printf '\\033[0m'
    case "$*" in *--no-pager*) ;; *) echo 'lines 1-1/1 (END)';; esac
fi
echo 'a complaint' >&2
case "$1" in show) echo 0;; *) echo "a.service loaded failed failed A"; echo "b.mount loaded failed failed B";; esac
"""


def test_a_terminal_changes_nothing(device: Device) -> None:
    """Such as that which ssh gives to commands that have nothing to read."""
    device.program("systemctl", FOR_PEOPLE)
    device.supply("BAT0", type="Battery", capacity="80", status="Discharging")
    inhibitors = parse_inhibitors([GAME, BATTERY])
    command = survey_command(inhibitors)
    assert command is not None
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        ["/bin/sh", "-c", command],
        env={**os.environ, **device.environment, "TERM": "xterm-256color"},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    ):
        os.close(theirs)
        printed = b"".join(iter(lambda: read_from(ours), b""))
    os.close(ours)
    assert b"\r\n" in printed
    assert same(read_survey(printed.decode(), inhibitors), device.module(GAME, BATTERY))


def read_from(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:  # nobody writes to it any more
        return b""


def test_what_hangs_is_ended_and_at_last_killed() -> None:
    command = survey_command(())
    assert command is not None
    assert command.count("timeout -k 5 ") == 3 == command.count("timeout ")


@pytest.mark.parametrize("version", ["bootc " + "9" * 5000 + ".1.1", "[" * 100_000])
def test_nonsense_of_a_version_is_no_version(device: Device, version: str) -> None:
    (device.root / "version").write_text(f"{version}\n")
    device.program("bootc", f'case "$1" in --version) cat {device.root}/version;; *) cat {STATUS};; esac')
    told = device.surveyed()
    assert same(told, device.module())
    assert told is not None
    assert told["bootc"]["bootc_version"] is None


def test_a_document_without_end_is_left_to_the_module(device: Device) -> None:
    (device.root / "document").write_text("[" * 100_000)
    script = f'case "$1" in --version) echo bootc 1.16.9;; *) cat {device.root}/document;; esac'
    device.program("bootc", script)
    assert device.surveyed() is None


def test_the_documents_are_as_the_module_reads_them(device: Device) -> None:
    told = device.surveyed()
    assert told is not None
    assert json.dumps(told["bootc"], sort_keys=True) == json.dumps(device.module()["bootc"], sort_keys=True)
    assert told["bootc"]["staged"]["digest"].startswith("sha256:")
