# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""bootc_apply as a task: the module on the device, the action on the controller, one connection between them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.unit.bootc.conftest import FakeDevice

STAGED = "sha256:d1bfe1ab6935629324d23f3f75e55ca475840dccffb861a59ec1c81a4a4dfcab"
BOOTED = "sha256:d76d1ef17ab0827bcaa14d963f928d11124ab98a7248cf7b96584266374fe95b"

pytestmark = pytest.mark.integration


@pytest.fixture
def device(tmp_path: Path) -> FakeDevice:
    return FakeDevice(tmp_path / "device", "ostree-staged")


@pytest.fixture
def apply(tmp_path: Path, device: FakeDevice, collections_path: Path, repository: Path):
    def run(*arguments: str, connection: str = "local", rehearsal: bool = True, **options: object) -> dict:
        task = {
            "hosts": "all",
            "gather_facts": False,
            "tasks": [
                {
                    "name": "Apply",
                    "skorionos.bootc.bootc_apply": {"poll_interval": 0.5, "reboot_timeout": 20, **options},
                    "register": "result",
                    "ignore_errors": True,
                    "ignore_unreachable": True,
                    "environment": {
                        "PATH": f"{device.programs}:/usr/bin:/bin",
                        **({"BOOTC_DEVICE_ROOT": str(device.root)} if rehearsal else {}),
                    },
                },
                {
                    "name": "Keep the result",
                    "ansible.builtin.copy": {
                        "content": "{{ result | to_json }}",
                        "dest": str(tmp_path / "result.json"),
                    },
                    "check_mode": False,
                    "delegate_to": "localhost",
                    "vars": {"ansible_connection": "local"},
                },
            ],
        }
        (tmp_path / "play.yml").write_text(yaml.safe_dump([task]))
        inventory = {
            "all": {
                "hosts": {"device": {"ansible_connection": connection, "ansible_host": "127.0.0.1", "ansible_port": 9}},
                "vars": {"ansible_python_interpreter": sys.executable},
            }
        }
        (tmp_path / "hosts.yml").write_text(yaml.safe_dump(inventory))
        command = [str(Path(sys.executable).with_name("ansible-playbook")), "-i", str(tmp_path / "hosts.yml")]
        environment = {
            **os.environ,
            "ANSIBLE_COLLECTIONS_PATH": str(collections_path),
            "ANSIBLE_CONFIG": str(repository / "ansible.cfg"),
            "ANSIBLE_LOCAL_TEMP": str(tmp_path / "tmp"),
        }
        done = subprocess.run(
            [*command, str(tmp_path / "play.yml"), *arguments],
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert (tmp_path / "result.json").exists(), done.stdout + done.stderr
        return dict(json.loads((tmp_path / "result.json").read_text()), stdout=done.stdout)

    return run


def test_apply_is_proven_and_then_done(apply, device):
    predicted = apply("--check", "--diff")
    assert (predicted["changed"], predicted["verdict"], predicted["booted_digest"]) == (True, "applied", STAGED)
    assert "rebooted" not in device.state
    result = apply()
    assert (result["changed"], result["verdict"], result["booted_digest"]) == (True, "applied", STAGED)
    assert (result["boot_id_before"], result["boot_id_after"]) == ("boot-1", "boot-2")
    assert result["before"]["next_boot"] == "staged"
    assert result["after"]["rollback"]["digest"] == BOOTED
    again = apply()
    assert (again["changed"], again["verdict"], again["boot_seconds"]) == (False, "nothing_to_apply", None)


def test_a_device_that_comes_back_on_what_it_had(apply, device):
    device.change(comes_back=True)
    result = apply()
    assert (result["failed"], result["verdict"], result["reason"]) == (True, "came_back_on_previous", "unexpected")


def test_the_controller_is_not_rebooted(apply, device):
    state = device.state
    state["document"]["status"]["staged"] = None  # lest a mistake here reboots the machine that runs the tests
    device.save(state)
    result = apply(rehearsal=False)
    assert (result["failed"], result["changed"], result["reason"]) == (True, False, "invalid")
    assert "reboot the controller" in result["msg"]


def test_a_verdict_as_data(apply, device):
    result = apply(expect_digests=[BOOTED], fail_on=False)
    assert (result["failed"], result["changed"], result["verdict"]) == (False, False, "unexpected_digest")


def test_a_device_that_cannot_be_asked_is_unreachable_and_not_failed(apply):
    result = apply(connection="ssh")
    assert result["unreachable"] is True
