# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Simulated devices for tests of roles: tasks run on some of them, and what they leave as facts is looked at."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tests.simulated_fleet import SIMULATOR

Tasks = Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Played:
    """One ended run: its exit code, what it printed, and by device what the wanted fact was at its end."""

    rc: int
    output: str
    facts: Mapping[str, Any]

    @property
    def changed(self) -> bool:
        """Whether any task changed a device."""
        recap = self.output.rpartition("PLAY RECAP")[2]
        assert "changed=" in recap, self.output
        return any(f"changed={digit}" in recap for digit in "123456789")


@dataclass
class RoleBench:
    """Devices below ``root``; their images are in ``registry``."""

    root: Path
    registry: str
    collections: Path
    hosts: dict[str, dict[str, Any]] = field(default_factory=dict)

    def add(self, name: str, *arguments: str, faults: Sequence[str] = (), **variables: Any) -> None:
        """Create a device on release v1.0.0 of kde, with its variables for the inventory."""
        image = () if "--no-bootc" in arguments else ("--image", self.image("v1.0.0"))
        self.simulate(name, "create", *image, "--boot-seconds", "1", *arguments)
        for fault in faults:
            self.simulate(name, "fault", *fault.split(maxsplit=1))
        self.hosts[name] = variables

    def image(self, tag: str) -> str:
        return f"{self.registry}/skorionos/kde:{tag}"

    def simulate(self, name: str, *arguments: str) -> str:
        """Run ``simulator device`` for a device; returns its standard output."""
        argv = [sys.executable, str(SIMULATOR), "device", str(self.root / name), *arguments]
        return subprocess.run(argv, check=True, capture_output=True, text=True, timeout=120).stdout

    def wait_for(self, name: str) -> None:
        """Wait until a device that reboots answers again."""
        argv = [sys.executable, str(SIMULATOR), "device", str(self.root / name), "exec", "--", "true"]
        deadline = time.monotonic() + 120
        while subprocess.run(argv, capture_output=True, check=False, timeout=120).returncode:
            assert time.monotonic() < deadline, f"{name} does not boot"
            time.sleep(0.2)

    def status(self, name: str) -> dict[str, Any]:
        """The status its own bootc tells."""
        document = json.loads(self.simulate(name, "bootc", "status", "--format=json", "--format-version=1"))
        status: dict[str, Any] = document["status"]
        return status

    def booted(self, name: str) -> str:
        """The image a device runs."""
        return str(self.status(name)["booted"]["image"]["image"]["image"])

    def systemctl(self, name: str, *arguments: str) -> str:
        return self.simulate(name, "systemctl", *arguments)

    def play(self, tasks: Tasks, fact: str, *arguments: str, hosts: str = "all", **variables: Any) -> Played:
        """Run tasks on devices."""
        seen = self.root / "seen"
        seen.mkdir(exist_ok=True)
        keep = {
            "name": "Keep the fact",
            "ansible.builtin.copy": {
                "content": f"{{{{ {fact} | default(none) | to_json }}}}",
                "dest": f"{seen}/{{{{ inventory_hostname }}}}.json",
                "mode": "0600",
            },
            "check_mode": False,
            "changed_when": False,
            "delegate_to": "localhost",
        }
        inventory = {
            name: {
                "ansible_connection": "skorionos.bootc.simulated",
                "bootc_simulated_dir": str(self.root / name),
                **own,
            }
            for name, own in self.hosts.items()
        }
        play = {"hosts": hosts, "gather_facts": False, "strategy": "free", "tasks": [*tasks, keep]}
        (self.root / "hosts.yml").write_text(yaml.safe_dump({"all": {"hosts": inventory}}))
        (self.root / "play.yml").write_text(yaml.safe_dump([play], sort_keys=False))
        (self.root / "ansible.cfg").touch()
        done = subprocess.run(
            [
                str(Path(sys.executable).with_name("ansible-playbook")),
                "-i",
                str(self.root / "hosts.yml"),
                str(self.root / "play.yml"),
                "-e",
                json.dumps({"ansible_python_interpreter": sys.executable, **variables}),
                *arguments,
            ],
            env={
                **os.environ,
                "ANSIBLE_COLLECTIONS_PATH": str(self.collections),
                "ANSIBLE_CONFIG": str(self.root / "ansible.cfg"),
                "ANSIBLE_HOME": str(self.root / ".ansible"),
                "ANSIBLE_REMOTE_TMP": str(self.root / ".ansible" / "tmp"),
                "ANSIBLE_PIPELINING": "1",
                "ANSIBLE_FORKS": "12",
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=600,
            check=False,
        )
        facts = {path.stem: json.loads(path.read_text()) for path in seen.glob("*.json")}
        for path in seen.glob("*.json"):
            path.unlink()
        assert facts or done.returncode, done.stdout
        return Played(done.returncode, done.stdout, facts)
