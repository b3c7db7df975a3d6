# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A registry whose tags move, and the devices of all combinations."""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
import sys
import urllib.request
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.simulated_fleet import SIMULATOR

from .model import Case, Holding, Host, Start

LETTERS = ("A", "B", "N")
_MANIFEST = "application/vnd.oci.image.manifest.v1+json"


def catalogue() -> dict[str, Any]:
    """Three releases in two repositories. B and N have the same kernel: a soft reboot leads from one to the other."""
    layers = {"base": 1_200_000_000, **{f"release {letter}": 300_000_000 for letter in LETTERS}}
    kernels = {"A": "6.16.1", "B": "6.16.8", "N": "6.16.8"}
    images = [
        {
            "repository": repository,
            "tags": [letter.lower(), *(["stable"] if letter == "B" else [])],
            "created": f"2026-08-0{number}T04:10:00Z",
            "labels": {"org.opencontainers.image.version": letter, "ostree.linux": kernels[letter]},
            "annotations": {"org.opencontainers.image.version": letter},
            "layers": ["base", f"release {letter}"],
        }
        for repository in ("os/moves", "os/withdrawn")
        for number, letter in enumerate(LETTERS, start=1)
    ]
    return {"schema": 1, "labels": {"containers.bootc": "1"}, "layers": layers, "images": images}


@dataclass(frozen=True)
class Releases:
    """What the registry at ``address`` serves: the digest of each letter, the same in all repositories."""

    address: str
    digests: Mapping[str, str]

    @classmethod
    def of(cls, address: str) -> Releases:
        found = {letter: _manifest(address, "os/moves", letter.lower())[1] for letter in LETTERS}
        return cls(address, found)

    def letter(self, digest: str) -> str:
        """The letter of a digest, or ``?``."""
        return next((letter for letter, known in self.digests.items() if known == digest), "?")

    def filled(self, text: str) -> str:
        """A text with ``{moves}`` and letters in braces replaced by the repository and by digests."""
        return text.format(moves=f"{self.address}/os/moves", **self.digests)

    def move(self, repository: str, letter: str) -> None:
        """Let the tag that devices track point to another release."""
        content, _digest = _manifest(self.address, repository, letter.lower())
        request = urllib.request.Request(
            f"http://{self.address}/v2/{repository}/manifests/stable",
            data=content,
            method="PUT",
            headers={"Content-Type": _MANIFEST},
        )
        with urllib.request.urlopen(request, timeout=60):
            pass


def _manifest(address: str, repository: str, tag: str) -> tuple[bytes, str]:
    request = urllib.request.Request(f"http://{address}/v2/{repository}/manifests/{tag}", headers={"Accept": _MANIFEST})
    with urllib.request.urlopen(request, timeout=60) as answer:
        return answer.read(), answer.headers["Docker-Content-Digest"]


@dataclass(frozen=True)
class Bench:
    """Devices below ``root``."""

    root: Path
    releases: Releases

    def make(self, cases: Iterable[Case], workers: int) -> None:
        """Make the device of every case, in the state it starts from."""
        cases = list(cases)
        starts = {(case.host.name, case.start.name): (case.host, case.start) for case in cases}
        bases = {self._base_name(host, start): (host, start) for host, start in starts.values()}
        with ThreadPoolExecutor(workers) as pool:
            list(pool.map(lambda base: self._make_base(*base), bases.values()))
            for repository in ("os/moves", "os/withdrawn"):
                self.releases.move(repository, "N")
            list(pool.map(lambda start: self._make_start(*start), starts.values()))
            self.releases.move("os/withdrawn", "B")
            list(pool.map(self._make_case, cases))

    def holding(self, directory: Path) -> Holding:
        """What a device really holds, whatever its bootc says."""
        state = json.loads(self._run(directory, "show"))
        booted = [entry for entry in state["deployments"] if entry["id"] == state["booted"]]
        others = [entry for entry in state["deployments"] if entry["id"] != state["booted"]]
        letters = [self._letter(entry) for entry in others]
        staged = state["staged"]
        return Holding(
            booted=self._letter(booted[0]) if booted else "",
            rollback=letters[0] if letters else "",
            queued=bool(state["rollback_queued"]),
            others=tuple(letters[1:]),
            staged=self._letter(staged) if staged else "",
            parked=bool(staged and state["staged_locked"]),
            pinned=frozenset(self._letter(entry) for entry in state["deployments"] if entry["pinned"]),
        )

    def device(self, case: Case) -> Path:
        return self.root / "devices" / case.device

    def _letter(self, deployment: Mapping[str, Any]) -> str:
        return self.releases.letter(deployment["image"]["digest"])

    def _base_name(self, host: Host, start: Start) -> str:
        return f"{host.name} {start.repository} {start.create} {start.first}"

    def _base(self, host: Host, start: Start) -> Path:
        return self.root / "bases" / str(abs(hash(self._base_name(host, start))))

    def _start(self, host: Host, start: Start) -> Path:
        return self.root / "starts" / f"{host.name} {start.name}".replace(" ", "-")

    def _make_base(self, host: Host, start: Start) -> None:
        directory = self._base(host, start)
        arguments = ["--backend", host.backend, "--bootc-version", host.version, "--boot-seconds", "0"]
        if host.boot_type != "bls":
            arguments += ["--boot-type", host.boot_type]
        if "--no-bootc" not in start.create:
            arguments += ["--image", f"{self.releases.address}/{start.repository}:stable"]
        if not start.create:
            arguments += ["--digest", self.releases.digests["A"]]
        arguments += [self.releases.filled(word) for word in start.create]
        self._run(directory, "create", *arguments)
        self._do(directory, start.first)

    def _make_start(self, host: Host, start: Start) -> None:
        directory = self._start(host, start)
        _copy(self._base(host, start), directory)
        self._do(directory, start.then)
        seen = self.holding(directory)
        if str(seen) != start.holding:
            raise SystemExit(f"{host.name} starts {start.name} as {seen}, not as {start.holding}")

    def _make_case(self, case: Case) -> None:
        _copy(self._start(case.host, case.start), self.device(case))
        self._do(self.device(case), case.start.trouble)

    def _do(self, directory: Path, steps: Iterable[str]) -> None:
        for step in steps:
            self._run(directory, *shlex.split(self.releases.filled(step)))

    def _run(self, directory: Path, *arguments: str) -> str:
        argv = [sys.executable, "-E", "-S", str(SIMULATOR / "__main__.py"), "device", str(directory), *arguments]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=120, check=False)
        if done.returncode and arguments[0] != "reboot":
            raise SystemExit(f"simulator device {directory.name} {' '.join(arguments)}: {done.stdout}{done.stderr}")
        return done.stdout


def _copy(device: Path, directory: Path) -> None:
    """Another device like this one, whose programs act on itself."""
    shutil.copytree(device, directory, symlinks=True)
    for program in (directory / "bin").iterdir():
        program.write_text(program.read_text(encoding="utf-8").replace(str(device), str(directory)), encoding="utf-8")
