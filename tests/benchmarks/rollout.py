# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``python -m tests.benchmarks.rollout``: this rollout against a playbook by hand, and against no Ansible.

All three update the same simulated devices over the same connection, as many at a time: ``playbooks/rollout.yml``;
``peer.yml``, with community.general of the PyPI package ``ansible``, which is installed into an environment of its own
(.venv/peer) the first time; and ``floor.py``. They take turns. Prints ratios with the figures behind them.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml

from tests.benchmarks.figures import Cost, comparison, growth, on_devices
from tests.benchmarks.measure import measure
from tests.simulated_fleet import REPOSITORY, SIMULATOR, SimulatedFleet, registry

HERE = Path(__file__).resolve().parent
RECORDER = HERE / "recorder"
PEER = REPOSITORY / ".venv" / "peer"
PEER_REQUIREMENTS = HERE / "peer-requirements.txt"
COLLECTIONS = REPOSITORY / ".venv" / "collections"
ROUNDS_UP_TO = 100
"""Fleets of this size or less are updated several times, larger ones once."""


class Bench:
    """Fleets below a temporary directory, and the three ways to update one."""

    def __init__(self, root: Path, address: str, options: argparse.Namespace) -> None:
        self._root = root
        self._image = f"{address}/skorionos/kde"
        self._options = options
        self._pattern = SimulatedFleet(root / "pattern", address, COLLECTIONS)
        self._pattern.add("pattern", "kde", "--boot-seconds", str(options.boot_seconds))
        self._digest = self._pattern.digest("kde", "v1.1.0")
        self._fleets = 0

    def run(self, contender: str, size: int) -> Cost:
        """Update a new fleet of ``size`` devices; raises RuntimeError unless all of it runs the release afterwards."""
        self._fleets += 1
        root = self._root / f"fleet-{self._fleets}"
        devices = self._make(root / "devices", size)
        log = root / "devices.log"
        environment = self._environment(root)
        argv = {"rollout": self._rollout, "peer": self._peer, "floor": self._floor}[contender](root, devices)
        with device_host(root, log):
            usage = measure(argv, environment, root / "output", str(RECORDER), self._options.limit)
        late = [device.name for device in devices if booted(device) != self._digest]
        if late:
            raise RuntimeError(f"{contender} left {len(late)} devices behind: {', '.join(late[:5])}")
        with log.open(encoding="utf-8") as lines:
            theirs = on_devices(lines)
        if not self._options.keep:
            shutil.rmtree(root)
        return Cost(size, usage.wall, usage.cpu - theirs.below, usage.memory, theirs)

    def _make(self, directory: Path, size: int) -> list[Path]:
        """Copies of the one device that the simulator made: to make each would take longer than to update it."""
        made = self._root / "pattern" / "devices" / "pattern"
        devices = [directory / f"device-{number:04}" for number in range(1, size + 1)]
        for device in devices:
            shutil.copytree(made, device, symlinks=True)
            for program in (device / "bin").iterdir():
                text = program.read_text(encoding="utf-8")
                text = text.replace(str(made), str(device)).replace(str(SIMULATOR), str(RECORDER))
                program.write_text(text, encoding="utf-8")
        return devices

    def _inventory(self, root: Path, devices: Sequence[Path]) -> str:
        variables = {
            "ansible_connection": "skorionos.bootc.simulated",
            "ansible_python_interpreter": sys.executable,
            "bootc_simulator": str(RECORDER),
            "bootc_simulator_python": sys.executable,
            "bootc_simulated_dir": f"{root}/devices/{{{{ inventory_hostname }}}}",
            "bootc_variant": "kde",
        }
        path = root / "inventory.yml"
        hosts: dict[str, dict[str, str]] = {device.name: {} for device in devices}
        path.write_text(yaml.safe_dump({"all": {"vars": variables, "hosts": hosts}}), encoding="utf-8")
        return str(path)

    def _rollout(self, root: Path, devices: Sequence[Path]) -> list[str]:
        """What the peer does, it does as well: one wave, no waiting between batches, nobody held back for his peers."""
        forks = self._options.forks
        spec: dict[str, Any] = {
            "schema": 1,
            "id": "benchmark",
            "variants": [{"name": "kde", "image": self._image, "digest": self._digest, "version": "v1.1.0"}],
            "wave_defaults": {"soak": "0s"},
            "verify": {"settle": "0s"},
            "pace": {"parallel": forks, "start": forks, "overshoot": len(devices)},
            "registry": {"insecure": True},
        }
        path = root / "spec.yml"
        path.write_text(yaml.safe_dump(spec), encoding="utf-8")
        playbook = str(REPOSITORY / "playbooks" / "rollout.yml")
        ansible = str(Path(sys.executable).with_name("ansible-playbook"))
        return [ansible, "-i", self._inventory(root, devices), playbook, "-e", f"bootc_rollout_spec={path}"]

    def _peer(self, root: Path, devices: Sequence[Path]) -> list[str]:
        release = {"benchmark_image": self._image, "benchmark_digest": self._digest}
        ansible = str(PEER / "bin" / "ansible-playbook")
        return [ansible, "-i", self._inventory(root, devices), str(HERE / "peer.yml"), "-e", json.dumps(release)]

    def _floor(self, root: Path, devices: Sequence[Path]) -> list[str]:
        path = root / "plan.json"
        plan = {
            "connect": [sys.executable, "-E", "-S", str(RECORDER / "__main__.py"), "device"],
            "devices": list(map(str, devices)),
            "image": self._image,
            "digest": self._digest,
            "parallel": self._options.forks,
        }
        path.write_text(json.dumps(plan), encoding="utf-8")
        return [sys.executable, str(HERE / "floor.py"), str(path)]

    def _environment(self, root: Path) -> dict[str, str]:
        configuration = root / "ansible.cfg"
        configuration.touch()
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(root),
            "LANG": "C.UTF-8",
            "ANSIBLE_COLLECTIONS_PATH": str(COLLECTIONS),
            "ANSIBLE_CONFIG": str(configuration),
            "ANSIBLE_FORKS": str(self._options.forks),
            "ANSIBLE_PIPELINING": "1",
            "BOOTC_BENCHMARK_HOST": str(root / "host"),
        }


@contextlib.contextmanager
def device_host(root: Path, log: Path) -> Iterator[None]:
    """What does the work of the devices."""
    address = root / "host"
    argv = [sys.executable, "-m", "tests.benchmarks.device_host", str(address), str(log)]
    process = subprocess.Popen(argv, cwd=REPOSITORY, stdin=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 120
        while not address.exists():
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError("the host of the devices does not start")
            time.sleep(0.05)
        yield
    finally:
        process.terminate()
        process.wait()


def booted(device: Path) -> str:
    """Digest of the image that a device runs."""
    state = json.loads((device / "state.json").read_text(encoding="utf-8"))
    return next(str(d["image"]["digest"]) for d in state["deployments"] if d["id"] == state["booted"])


def install_peer() -> None:
    """Make the environment of the peer, unless it is there as the requirements want it."""
    wanted = PEER_REQUIREMENTS.read_text(encoding="utf-8")
    stamp = PEER / ".stamp"
    if stamp.exists() and stamp.read_text(encoding="utf-8") == wanted:
        return
    print("installing the peer's Ansible, which takes a while the first time ...", flush=True)
    subprocess.run([sys.executable, "-m", "venv", "--clear", str(PEER)], check=True)
    pip = [str(PEER / "bin" / "python"), "-m", "pip", "install", "--quiet", "-r", str(PEER_REQUIREMENTS)]
    subprocess.run(pip, check=True)
    stamp.write_text(wanted, encoding="utf-8")


def versions(python: str, *packages: str) -> str:
    code = "import sys, importlib.metadata as m; print(', '.join(f'{p} {m.version(p)}' for p in sys.argv[1:]))"
    return subprocess.run([python, "-c", code, *packages], check=True, capture_output=True, text=True).stdout.strip()


def compare(
    contenders: Sequence[str], size: int, rounds: int, run: Callable[[str, int], Cost]
) -> dict[str, list[Cost]]:
    """Let the contenders take turns."""
    runs: dict[str, list[Cost]] = {contender: [] for contender in contenders}
    for number in range(rounds):
        for contender in contenders:
            cost = run(contender, size)
            runs[contender].append(cost)
            print(
                f"# {size} devices, round {number + 1} of {rounds}, {contender}: {cost.wall:.1f} s, controller "
                f"{cost.cpu:.1f} CPU s, devices {cost.on_devices.cpu:.1f} CPU s",
                flush=True,
            )
    return runs


def main(arguments: Sequence[str]) -> None:
    # Termination unwinds like any exit, so that nothing is left behind.
    signal.signal(signal.SIGTERM, lambda number, _frame: sys.exit(128 + number))
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--devices", default="100,1000", help="sizes of fleets (default: 100,1000)")
    parser.add_argument("--rounds", type=int, default=3, help=f"of fleets up to {ROUNDS_UP_TO} devices (default: 3)")
    parser.add_argument("--forks", type=int, default=25, help="devices at a time (default: 25)")
    parser.add_argument("--boot-seconds", type=float, default=1.0, help="how long a device boots (default: 1)")
    parser.add_argument("--limit", type=float, default=7200.0, help="seconds that one run may take (default: 7200)")
    parser.add_argument("--only", help="some of rollout,peer,floor, separated by commas")
    parser.add_argument("--keep", action="store_true", help="leave fleets and outputs where they are")
    options = parser.parse_args(arguments)
    contenders = options.only.split(",") if options.only else ["rollout", "peer", "floor"]
    sizes = [int(size) for size in options.devices.split(",")]
    ansible = f"rollout with {versions(sys.executable, 'ansible-core')}"
    if "peer" in contenders:
        install_peer()
        ansible += f"; peer with {versions(str(PEER / 'bin' / 'python'), 'ansible-core', 'ansible')}"
    print(f"# {os.cpu_count()} cores, which do the work of the devices as well; {ansible}")
    print(f"# {options.forks} devices at a time; a device boots for {options.boot_seconds:g} s", flush=True)
    root = Path(tempfile.mkdtemp(prefix="bootc-bench-"))
    begun = time.monotonic()
    try:
        with registry(root) as address:
            bench = Bench(root, address, options)
            found = {
                size: compare(contenders, size, options.rounds if size <= ROUNDS_UP_TO else 1, bench.run)
                for size in sizes
            }
    finally:
        if options.keep:
            print(f"# kept in {root}")
        else:
            shutil.rmtree(root)
    print()
    for size, runs in found.items():
        print("\n".join(comparison(size, runs)) + "\n")
    if len(sizes) > 1:
        print("\n".join(growth(found[min(sizes)], found[max(sizes)])) + "\n")
    print(f"# measured in {time.monotonic() - begun:.0f} s")


if __name__ == "__main__":
    main(sys.argv[1:])
