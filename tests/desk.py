# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A folder in which the commands of a page are typed as they stand."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from tests.guides import REPOSITORY, blocks

DOCS = REPOSITORY / "docs"
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

    def simulated(self, host: str) -> dict[str, Any]:
        """Variables that put the simulated device below ``devices`` in the place of a host."""
        return {
            "ansible_connection": "skorionos.bootc.simulated",
            "ansible_become": False,
            "ansible_python_interpreter": sys.executable,
            "bootc_simulated_dir": str(self.folder / "devices" / host),
        }

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
