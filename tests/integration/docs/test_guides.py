# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pages that begin with nothing are typed as they stand, and the machine answers as they say.

What is changed is where things are (a free port, a simulated device in place of an address) and how long nothing
happens. tests/unit/docs/test_commands.py looks at the commands of all other pages.
"""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.guides import REPOSITORY, blocks, typed

pytestmark = pytest.mark.integration

DOCS = REPOSITORY / "docs"
REAL = "registry.example.com/os/skorionos"
CHANGING = re.compile(r'\d{4}-\d\d-\d\d[T ][\d:.]+(Z| UTC)|(\d+ min )?\d+(\.\d+)? s\b|"seq":\d+')
"""What differs from run to run: moments, how long something took, and where in a ledger it is."""


class Desk:
    """A folder in which somebody types what a page says. ``words`` are exchanged, in commands and in files."""

    def __init__(self, folder: Path, collections: Path) -> None:
        self.folder = folder
        with socket.socket() as any_free:
            any_free.bind(("127.0.0.1", 0))
            self.registry = f"127.0.0.1:{any_free.getsockname()[1]}"
        self.words = {"127.0.0.1:5000": self.registry}
        self.said = ""
        self._running: list[subprocess.Popen[bytes]] = []
        (folder / "simulator").symlink_to(REPOSITORY / "simulator")
        (folder / "ansible.cfg").touch()
        self._environment = {
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "HOME": str(folder),
            "LC_ALL": "C.UTF-8",
            "ANSIBLE_COLLECTIONS_PATH": str(collections),
            "ANSIBLE_CONFIG": str(folder / "ansible.cfg"),
            "ANSIBLE_PIPELINING": "1",
            "ANSIBLE_FORKS": "10",
        }

    def follow(self, page: str) -> None:
        """Write the files of a page, type its commands, and compare the answers that it shows."""
        for block in blocks(DOCS / page):
            if block.file:
                self.write(block.file, block.text)
            elif block.language == "console" and not block.is_for_elsewhere:
                for command in block.commands:
                    self.type(command)
            elif not block.language:
                self.compare(block.text)

    def write(self, name: str, text: str) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(self._exchanged(text), encoding="utf-8")

    def type(self, command: str, code: int = 0) -> None:
        """Run a command to its end, or in the background when it says so."""
        line = self._exchanged(command)
        if line.endswith(" &"):
            self._begin(line.removesuffix(" &"))
            return
        ended = subprocess.run(
            ["bash", "-o", "pipefail", "-c", line],
            cwd=self.folder,
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=300,
            check=False,
        )
        self.said = ended.stdout
        assert ended.returncode == code, f"{line}\n{self.said}"

    def compare(self, shown: str) -> None:
        """Every line that a page shows, but for an ellipsis, has to be one of the last answer."""
        answer = {CHANGING.sub("~", line.strip()) for line in self.said.splitlines()}
        lines = {CHANGING.sub("~", line.strip()) for line in shown.splitlines() if "..." not in line}
        assert lines - answer - {""} == set(), self.said

    def end(self) -> None:
        for process in self._running:
            process.terminate()
            process.wait(timeout=10)

    def _exchanged(self, text: str) -> str:
        for word, other in self.words.items():
            text = text.replace(word, other)
        return text

    def _begin(self, line: str) -> None:
        process = subprocess.Popen(["bash", "-c", f"exec {line}"], cwd=self.folder, env=self._environment)
        self._running.append(process)
        host, port = self.registry.split(":")
        deadline = time.monotonic() + 120
        while True:
            assert process.poll() is None, line
            assert time.monotonic() < deadline, f"{line} does not listen"
            with socket.socket() as caller:
                if caller.connect_ex((host, int(port))) == 0:
                    return
            time.sleep(0.05)

    def summary(self, rollout: str) -> dict[str, Any]:
        path = self.folder / "rollouts" / rollout / "summary.json"
        document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return document


@pytest.fixture
def desk(tmp_path: Path, collections_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path, collections_path)
    yield made
    made.end()


@pytest.mark.exhaustive
def test_a_first_rollout(desk: Desk) -> None:
    desk.words |= {
        " create --image": " create --boot-seconds 1 --image",
        "soak: 10s": "soak: 1s",
        "settle: 2s": "settle: 0s",
    }
    desk.follow("first-rollout.md")
    assert desk.summary("kde-1.1.0")["phase"] == "completed"


def test_the_simulator(desk: Desk) -> None:
    desk.follow("simulator.md")


def simulate(desk: Desk, **addresses: str) -> None:
    """Put simulated devices in the place of those that have these addresses in the inventory."""
    for host, address in addresses.items():
        desk.type(f"python3 simulator device devices/{host} create --boot-seconds 1 --image {REAL}:kde-v1.0.0")
        variables = {
            "ansible_connection": "skorionos.bootc.simulated",
            "ansible_become": False,
            "ansible_python_interpreter": sys.executable,
            "bootc_simulated_dir": str(desk.folder / "devices" / host),
        }
        desk.words[f"ansible_host: {address}"] = json.dumps(variables).strip("{}")


@pytest.fixture
def adopted(desk: Desk) -> Desk:
    """With the two devices of the first hour, and the files that it has one write."""
    address = f"{desk.registry}/skorionos/kde"
    desk.words |= {
        f'{REAL}:kde-v1.1.0"': f'{address}:v1.1.0 tls_verify=false"',
        f"{REAL}:kde-": f"{address}:",
        REAL: address,
        "verify: {settle: 30s}": "verify: {settle: 0s}\nregistry: {insecure: true}",
        "soak: 2m": "soak: 1s",
    }
    desk.type("python3 simulator registry --listen 127.0.0.1:5000 &")
    simulate(desk, **{"deck-01": "192.0.2.11", "deck-02": "192.0.2.12"})
    for block in blocks(DOCS / "first-hour.md"):
        if block.file:
            desk.write(block.file, block.text)
    return desk


def is_rehearsal(command: str) -> bool:
    return "skorionos.bootc.rehearse" in command


def test_the_first_hour(adopted: Desk) -> None:
    for block in blocks(DOCS / "first-hour.md"):
        if block.language == "console" and not block.is_for_elsewhere:
            for command in block.commands:
                if not is_rehearsal(command):
                    adopted.type(command)
                # The plan and the run say with which hash to approve.
                if approve := re.search(r"bootc_rollout_plan_hash=([0-9a-f]+)", adopted.said):
                    adopted.words["3f2a9c51d0e4"] = approve[1]
        elif not block.language:
            adopted.compare(block.text)
    summary = adopted.summary("first-1.1.0")
    assert (summary["phase"], summary["totals"]["updated"]) == ("completed", 2)


@pytest.mark.exhaustive
def test_the_rehearsal_of_the_first_hour_is_held(adopted: Desk) -> None:
    (rehearse,) = [command for _place, command in typed(DOCS / "first-hour.md") if is_rehearsal(command)]
    adopted.type(rehearse, code=2)
    assert "Rollout rehearsal-first-1.1.0: held" in adopted.said
    assert not (adopted.folder / "rollouts").exists()


@pytest.mark.exhaustive
def test_a_device_is_told_which_keys_to_trust(adopted: Desk) -> None:
    adopted.write("fleet/group_vars/all.yml", json.dumps({"bootc_trust_repositories": ["registry.example.com/os"]}))
    for name, content in (("2026", "MANvbGQ="), ("2027", "MANuZXc=")):
        adopted.write(f"keys/{name}.pub", f"-----BEGIN PUBLIC KEY-----\n{content}\n-----END PUBLIC KEY-----\n")
    kept = adopted.folder / "devices" / "deck-01" / "root" / "etc" / "containers" / "skorionos-bootc"
    look, both, later_look, one = [
        f"{command} --limit localhost,deck-01"
        for _place, command in typed(DOCS / "signing.md")
        if "skorionos.bootc.trust " in command
    ]
    adopted.type(look)
    assert not kept.exists()
    adopted.type(both)
    adopted.type(later_look)
    assert sorted(path.name for path in kept.iterdir()) == ["2026.pub", "2027.pub"]
    adopted.type(one)
    assert [path.name for path in kept.iterdir()] == ["2027.pub"]


def test_an_answer_that_differs_is_found(desk: Desk) -> None:
    desk.type("echo Rollout x: held; echo Since 2026-08-01 04:10 UTC.")
    desk.compare("Rollout x: held\n...\nSince 2027-01-02 03:04 UTC.\n")
    with pytest.raises(AssertionError):
        desk.compare("Rollout x: completed\n")
    with pytest.raises(AssertionError):
        desk.type("false")
