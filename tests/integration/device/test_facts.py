# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""device_facts, device_health and the role device_requirements over the simulated connection."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.simulated_fleet import SIMULATOR, registry

pytestmark = pytest.mark.integration

# Name of the device, and how it is created.
DEVICES = {
    "deck": ("--hardware", "steam-deck", "--backend", "composefs"),
    "ally": ("--hardware", "rog-ally", "--backend", "ostree"),
    "old": ("--hardware", "small-pc", "--backend", "ostree"),
    "nothing": ("--hardware", "none", "--no-bootc"),
}


def simulator(*arguments: str) -> None:
    subprocess.run([sys.executable, str(SIMULATOR), *arguments], check=True, timeout=60)


def await_boot(device: Path) -> None:
    """Wait until the device answers again."""
    argv = [sys.executable, str(SIMULATOR), "device", str(device), "exec", "--", "true"]
    deadline = time.monotonic() + 60
    while subprocess.run(argv, check=False, capture_output=True, timeout=60).returncode:
        assert time.monotonic() < deadline, "the device does not come back"
        time.sleep(0.2)


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A directory with one device for each name."""
    root = tmp_path_factory.mktemp("fleet")
    with registry(root) as address:
        for name, options in DEVICES.items():
            image = () if "--no-bootc" in options else ("--image", f"{address}/skorionos/kde:v1.0.0")
            simulator("device", str(root / name), "create", "--boot-seconds", "1", *image, *options)
        yield root


def play(
    fleet: Path, collections: Path, tasks: list[dict[str, Any]], *arguments: str, hosts: str = "all"
) -> tuple[int, dict[str, Any]]:
    """Run tasks on devices; returns the exit code and, by device, the variables that tasks registered as ``result``."""
    seen = fleet / "seen"
    seen.mkdir(exist_ok=True)
    keep = {
        "name": "Keep what was seen",
        "ansible.builtin.copy": {
            "content": "{{ dict(result=result | default({}), facts=ansible_facts, "
            "verdict=device_requirements_result | default({})) | to_json }}",
            "dest": f"{seen}/{{{{ inventory_hostname }}}}.json",
            "mode": "0600",
        },
        "check_mode": False,
        "delegate_to": "localhost",
    }
    inventory = {
        "all": {
            "hosts": {
                name: {
                    "ansible_connection": "skorionos.bootc.simulated",
                    "bootc_simulated_dir": str(fleet / name),
                    "ansible_python_interpreter": sys.executable,
                }
                for name in DEVICES
            },
        }
    }
    (fleet / "hosts.yml").write_text(yaml.safe_dump(inventory))
    (fleet / "play.yml").write_text(
        yaml.safe_dump([{"hosts": hosts, "gather_facts": False, "tasks": [*tasks, keep]}], sort_keys=False)
    )
    (fleet / "ansible.cfg").touch()
    done = subprocess.run(
        [
            str(Path(sys.executable).with_name("ansible-playbook")),
            "-i",
            str(fleet / "hosts.yml"),
            str(fleet / "play.yml"),
            "-e",
            json.dumps({"ansible_python_interpreter": sys.executable}),
            *arguments,
        ],
        env={
            **os.environ,
            "ANSIBLE_COLLECTIONS_PATH": str(collections),
            "ANSIBLE_CONFIG": str(fleet / "ansible.cfg"),
            "ANSIBLE_HOME": str(fleet / ".ansible"),
            "ANSIBLE_REMOTE_TMP": str(fleet / ".ansible" / "tmp"),
            "ANSIBLE_PIPELINING": "1",
        },
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    answers = {path.stem: json.loads(path.read_text()) for path in seen.glob("*.json")}
    for path in seen.glob("*.json"):
        path.unlink()
    assert answers or done.returncode, done.stdout + done.stderr
    return done.returncode, {"stdout": done.stdout, **answers}


FACTS = {"name": "Know the device", "skorionos.bootc.device_facts": {}, "register": "result"}


def test_facts_of_both_backends_and_of_a_machine_that_lacks_everything(fleet: Path, collections_path: Path) -> None:
    sessions = fleet / "deck/root" / "run/simulator"
    sessions.mkdir(parents=True, exist_ok=True)
    (sessions / "sessions.json").write_text('[{"Id": "2", "User": 1000, "Name": "deck", "Type": "wayland"}]')
    game = fleet / "deck/root" / "proc/4711"
    game.mkdir(parents=True, exist_ok=True)
    (game / "comm").write_text("reaper\n")
    (game / "cmdline").write_bytes(b"/home/deck/reaper\0SteamLaunch\0AppId=620\0--\0game\0")
    (fleet / "deck/root" / "sys/class/power_supply/ACAD/online").write_text("0\n")
    (fleet / "deck/root" / "sys/class/power_supply/BAT1/status").write_text("Discharging\n")
    for name in ("usr/etc/issue", "etc/issue"):
        path = fleet / "ally/root" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)

    code, seen = play(fleet, collections_path, [FACTS])
    assert code == 0, seen["stdout"]
    deck = seen["deck"]["facts"]["bootc_device"]
    assert deck == seen["deck"]["result"]["device"]
    assert seen["deck"]["result"]["changed"] is False
    assert (deck["hardware"]["architecture"], deck["hardware"]["product"]["family"]) == ("amd64", "steam_deck")
    assert (deck["hardware"]["gpus"][0]["driver"], deck["hardware"]["mesa"]["version"]) == ("amdgpu", "25.2.3")
    assert deck["power"] == {
        "source": "battery",
        "has_battery": True,
        "battery_percent": 80,
        "battery_status": "discharging",
    }
    assert [(each["user"], each["own"]) for each in deck["sessions"]["list"]] == [("deck", False)]
    assert (deck["sessions"]["people"], deck["sessions"]["games"][0]["app_id"]) == (1, 620)
    assert (deck["integrity"]["backend"], deck["integrity"]["fs_verity"]) == ("composefs", "required")
    assert deck["integrity"]["root_read_only"] is True
    assert deck["storage"]["system"]["mount"] == "/sysroot"
    assert deck["storage"]["esp"]["fstype"] == "vfat"

    ally = seen["ally"]["facts"]["bootc_device"]
    assert ally["hardware"]["product"]["family"] == "rog_ally"
    assert (ally["integrity"]["backend"], ally["integrity"]["composefs"]) == ("ostree", True)
    assert {"path": "issue", "change": "modified"} in ally["integrity"]["etc"]["entries"]
    assert [each["unit"] for each in ally["updaters"]] == ["bootc-fetch-apply-updates.timer"]
    assert ally["updaters"][0]["rival"] is False

    nothing = seen["nothing"]["facts"]["bootc_device"]
    assert nothing["hardware"]["memory_bytes"] is None
    assert nothing["hardware"]["product"]["family"] is None
    assert nothing["power"]["source"] is None
    assert nothing["integrity"]["backend"] is None


def test_a_part_of_the_facts_does_not_replace_them(fleet: Path, collections_path: Path) -> None:
    part = {"name": "Ask", "skorionos.bootc.device_facts": {"gather": ["power", "boot"]}, "register": "result"}
    code, seen = play(fleet, collections_path, [part], hosts="deck")
    assert code == 0, seen["stdout"]
    assert set(seen["deck"]["result"]["device"]) == {"power", "boot"}
    assert "bootc_device" not in seen["deck"]["facts"]


def test_a_rival_that_is_enabled_is_told(fleet: Path, collections_path: Path) -> None:
    timer = "bootc-fetch-apply-updates.timer"
    simulator("device", str(fleet / "ally"), "exec", "--", "systemctl", "enable", "--now", timer)
    code, seen = play(fleet, collections_path, [FACTS], hosts="ally")
    assert code == 0, seen["stdout"]
    assert seen["ally"]["result"]["device"]["updaters"][0] == {
        "unit": timer,
        "active": True,
        "enabled": True,
        "masked": False,
        "rival": True,
    }
    simulator("device", str(fleet / "ally"), "exec", "--", "systemctl", "disable", "--now", timer)


def test_health_tells_required_from_advice_and_times_the_boot(fleet: Path, collections_path: Path) -> None:
    simulator("device", str(fleet / "deck"), "reboot")
    await_boot(fleet / "deck")
    health = {
        "name": "Check",
        "skorionos.bootc.device_health": {
            "boot_seconds_limit": 3600,
            "boot_slowdown_percent": 50,
            "checks": [
                {"unit": "NetworkManager.service"},
                {"name": "advice", "command": ["/bin/false"], "required": False, "timeout": 20},
                {"unit": "no-such.service", "required": False},
            ],
        },
        "register": "result",
    }
    code, seen = play(fleet, collections_path, [health], hosts="deck")
    assert code == 0, seen["stdout"]
    result = seen["deck"]["result"]
    verdicts = {check["name"]: (check["required"], check["passed"]) for check in result["checks"]}
    assert verdicts["systemd"] == (True, True)
    assert verdicts["NetworkManager.service"] == (True, True)
    assert verdicts["advice"] == (False, False)
    assert verdicts["no-such.service"] == (False, False)
    assert result["advisories"] == ["advice", "no-such.service"]
    assert result["boot_time"]["to_login_seconds"] > 0
    assert (verdicts["boot_time"], verdicts["boot_slowdown"]) == ((True, True), (True, True))
    assert result["healthy"] is True
    remembered = json.loads((fleet / "deck/root" / "var/lib/skorionos.bootc/boot_times.json").read_text())
    assert [boot["boot_id"] for boot in remembered] == [result["boot_id"]]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"checks": [{"unit": "-x"}]}, "'-x' is no name of a unit"),
        ({"checks": [{"command": []}]}, "names no program"),
        ({"checks": [{"unit": "a.service", "timeout": 0}]}, "is not positive"),
        ({"boot_seconds_limit": -1}, "Give 0 for no limit"),
    ],
)
def test_checks_that_make_no_sense_are_refused(
    fleet: Path, collections_path: Path, options: dict[str, Any], message: str
) -> None:
    task = {"name": "Check", "skorionos.bootc.device_health": options, "register": "result", "ignore_errors": True}
    _code, seen = play(fleet, collections_path, [task], hosts="deck")
    assert (seen["deck"]["result"]["failed"], seen["deck"]["result"]["reason"]) == (True, "invalid")
    assert message in seen["deck"]["result"]["msg"]


def test_the_role_judges_and_refuses(fleet: Path, collections_path: Path) -> None:
    judge = {
        "name": "Judge",
        "ansible.builtin.include_role": {"name": "skorionos.bootc.device_requirements", "tasks_from": "judge"},
    }
    code, seen = play(fleet, collections_path, [judge])
    assert code == 0, seen["stdout"]
    verdicts = {name: seen[name]["verdict"]["verdict"] for name in DEVICES}
    assert verdicts == {"deck": "supported", "ally": "supported", "old": "unsupported", "nothing": "untested"}
    assert seen["nothing"]["verdict"]["unknown"] == ["architecture", "memory", "graphics"]
    refuse = {"name": "Refuse", "ansible.builtin.include_role": {"name": "skorionos.bootc.device_requirements"}}
    code, seen = play(fleet, collections_path, [refuse], hosts="old,deck")
    assert code == 2
    assert "Acer Veriton N is not supported. It has 2 GB of memory; 4 GB are needed." in " ".join(
        seen["stdout"].split()
    )
    assert "old" not in seen
    code, seen = play(
        fleet, collections_path, [refuse], "-e", '{"bootc_requirements_fail": false}', "--check", hosts="old"
    )
    assert (code, seen["old"]["verdict"]["verdict"]) == (0, "unsupported")
