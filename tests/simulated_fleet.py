# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A registry and devices of the simulator for tests that run the real playbooks."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

REPOSITORY = Path(__file__).resolve().parents[1]
SIMULATOR = REPOSITORY / "simulator"
PLAYBOOKS = REPOSITORY / "playbooks"


@dataclass(frozen=True)
class Run:
    """One ended run of ansible-playbook."""

    rc: int
    output: str
    seconds: float

    def recap(self) -> dict[str, dict[str, int]]:
        """Counters per host of the recap."""
        lines = self.output.rpartition("PLAY RECAP")[2].splitlines()
        pattern = re.compile(r"^(\S+)\s+:\s+(ok=.*)$")
        found = (pattern.match(line) for line in lines)
        return {m[1]: {k: int(v) for k, v in (pair.split("=") for pair in m[2].split())} for m in found if m}

    def sentence(self) -> str:
        """The output with line breaks folded, so that wrapped messages can be searched."""
        return " ".join(self.output.split())


@dataclass
class SimulatedFleet:
    """Devices below ``root/devices``, specs and ledgers below ``root``. ``variables`` are further ones, by host.

    A playbook may take ``limit`` seconds.
    """

    root: Path
    registry: str
    collections: Path
    hosts: dict[str, str] = field(default_factory=dict)
    variables: dict[str, dict[str, Any]] = field(default_factory=dict)
    limit: float = 480

    def add(self, host: str, variant: str = "kde", *arguments: str, faults: Sequence[str] = ()) -> None:
        """Create a device on release v1.0.0 that boots in a second."""
        image = f"{self.registry}/skorionos/{variant}:v1.0.0"
        self.simulate(host, "create", "--image", image, "--boot-seconds", "1", *arguments)
        for fault in faults:
            self.simulate(host, "fault", *fault.split())
        self.hosts[host] = variant

    def simulate(self, host: str, *arguments: str) -> str:
        """Run ``simulator device`` for a host; returns its standard output."""
        argv = [sys.executable, str(SIMULATOR), "device", str(self.root / "devices" / host), *arguments]
        return subprocess.run(argv, check=True, capture_output=True, text=True, timeout=60).stdout

    def device(self, host: str) -> dict[str, Any]:
        """The whole state of a device."""
        state: dict[str, Any] = json.loads(self.simulate(host, "show"))
        return state

    def boots(self, host: str) -> int:
        return int(self.device(host)["boot"]["count"])

    def wait_for_boot(self, host: str) -> None:
        """Wait until a device that was rebooted from outside answers again."""
        deadline = time.monotonic() + 120
        argv = [sys.executable, str(SIMULATOR), "device", str(self.root / "devices" / host), "exec", "--", "true"]
        while subprocess.run(argv, capture_output=True, check=False).returncode:
            assert time.monotonic() < deadline, f"{host} does not boot"
            time.sleep(0.2)

    def booted(self, host: str) -> str:
        """Digest a device runs, as its own bootc says; the device must be up."""
        status = json.loads(self.simulate(host, "bootc", "status", "--format=json", "--format-version=1"))
        return str(status["status"]["booted"]["image"]["imageDigest"])

    def digest(self, variant: str, tag: str) -> str:
        """Digest of a release in the registry."""
        argv = [sys.executable, str(SIMULATOR), "device", str(self.root / "devices" / next(iter(self.hosts)))]
        reference = f"docker://{self.registry}/skorionos/{variant}:{tag}"
        raw = subprocess.run(
            [*argv, "skopeo", "inspect", "--raw", reference], check=True, capture_output=True, timeout=60
        ).stdout
        return "sha256:" + hashlib.sha256(raw).hexdigest()

    def spec(self, release: str, **changes: Any) -> Path:
        """Write a spec for ``release`` over all variants of the fleet; ``changes`` replace or (None) remove keys."""
        document: dict[str, Any] = {
            "schema": 1,
            "id": f"to-{release}",
            "variants": [
                {
                    "name": variant,
                    "image": f"{self.registry}/skorionos/{variant}",
                    "digest": self.digest(variant, release),
                    "version": release,
                }
                for variant in sorted(set(self.hosts.values()))
            ],
            "waves": [{"name": "canary", "count": 1}],
            "wave_defaults": {"soak": "0s"},
            "apply": {"reboot_timeout": "20s", "contact_grace": "1s"},
            "verify": {"settle": "0s", "timeout": "20s"},
            "registry": {"insecure": True},
        }
        document.update(changes)
        path = self.root / f"{document['id']}.yml"
        path.write_text(yaml.safe_dump({k: v for k, v in document.items() if v is not None}), encoding="utf-8")
        return path

    def inventory(self) -> Path:
        variables = {
            host: {
                "ansible_connection": "skorionos.bootc.simulated",
                "ansible_python_interpreter": sys.executable,
                "bootc_simulated_dir": str(self.root / "devices" / host),
                "bootc_variant": variant,
                **self.variables.get(host, {}),
            }
            for host, variant in self.hosts.items()
        }
        path = self.root / "inventory.yml"
        path.write_text(yaml.safe_dump({"all": {"hosts": variables}}), encoding="utf-8")
        return path

    def command(self, playbook: str, *arguments: str, **variables: Any) -> list[str]:
        return [
            str(Path(sys.executable).with_name("ansible-playbook")),
            "-i",
            str(self.inventory()),
            str(PLAYBOOKS / f"{playbook}.yml"),
            "-e",
            json.dumps(variables),
            *arguments,
        ]

    def environment(self) -> Mapping[str, str]:
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.root),
            "LANG": "C.UTF-8",
            "ANSIBLE_COLLECTIONS_PATH": str(self.collections),
            "ANSIBLE_CONFIG": str(self._configuration()),
            "ANSIBLE_FORKS": "10",
            "ANSIBLE_PIPELINING": "1",
        }

    def _configuration(self) -> Path:
        """An empty one, so that no other is found."""
        path = self.root / "ansible.cfg"
        path.touch()
        return path

    def run(self, playbook: str, *arguments: str, **variables: Any) -> Run:
        """Run a playbook to its end."""
        begin = time.monotonic()
        done = subprocess.run(
            self.command(playbook, *arguments, **variables),
            env=self.environment(),
            cwd=self.root,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=self.limit,
            check=False,
        )
        return Run(done.returncode, done.stdout, time.monotonic() - begin)

    def roll_out(self, spec: Path, *arguments: str, **variables: Any) -> Run:
        return self.run("rollout", *arguments, bootc_rollout_spec=str(spec), **variables)

    def start_roll_out(self, spec: Path) -> subprocess.Popen[str]:
        """Begin a rollout and return its process, which the caller ends."""
        return subprocess.Popen(
            self.command("rollout", bootc_rollout_spec=str(spec)),
            env=self.environment(),
            cwd=self.root,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def events(self, rollout: str) -> list[dict[str, Any]]:
        """Complete lines of a rollout's ledger; none when there is no ledger."""
        path = self.root / "rollouts" / rollout / "events.jsonl"
        if not path.exists():
            return []
        return [
            json.loads(line) for line in path.read_text(encoding="utf-8").splitlines(keepends=True) if line[-1] == "\n"
        ]

    def summary(self, rollout: str) -> dict[str, Any]:
        path = self.root / "rollouts" / rollout / "summary.json"
        document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return document

    def states(self, rollout: str) -> dict[str, str]:
        return {device["host"]: device["state"] for device in self.summary(rollout)["devices"]}


@contextlib.contextmanager
def registry(root: Path, catalogue: Path | None = None) -> Iterator[str]:
    """A registry with this catalogue, else that of the simulator; gives its address."""
    address = root / "registry.address"
    argv = [sys.executable, str(SIMULATOR), "registry", "--listen", "127.0.0.1:0", "--address-file", str(address)]
    argv += [] if catalogue is None else ["--catalogue", str(catalogue)]
    process = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 120
        while not (address.exists() and address.read_text(encoding="utf-8").strip()):
            assert process.poll() is None, "the registry ended"
            assert time.monotonic() < deadline, "the registry does not listen"
            time.sleep(0.05)
        yield address.read_text(encoding="utf-8").strip()
    finally:
        process.terminate()
        process.wait(timeout=10)
