# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``python -m tests.rehearsal``: roll a release out over a fleet of which most is asleep, and compare word and deed.

The playbook is run again and again, as by a timer. Before each run other devices fall asleep. When the rollout is held,
an operator has it go on; when a device is lost, somebody mends it. After each run, what the ledger and the summary say
is compared with what every device itself is. Exit code 1 when they disagree or the rollout does not come to its end.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.ledger import Ledger
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.replay import derive
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.summary import COLUMNS

from simulator.cli import main as simulator
from simulator.store import Device
from tests.simulated_fleet import REPOSITORY, SimulatedFleet, registry

from .judge import FLAWS, SOUND, Flaw, Releases, Truth, miscounted, reboots_asked, untrue, wrong_end

RUN_SECONDS = 3 * 3600
VARIANTS = ("kde", "gnome")
OLD, NEW = "v1.0.0", "v1.1.0"
ID = f"to-{NEW}"
MOST_SHOWN = 20


def act(arguments: Sequence[str]) -> None:
    """One command of the simulator, in this process: starting one for each of a thousand devices takes minutes."""
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()) as trouble:
        code = simulator(["device", *arguments])
    if code:
        raise RuntimeError(f"simulator device {' '.join(arguments)}: {trouble.getvalue().strip()}")


@dataclass
class Rehearsal:
    """A fleet, what is wrong with whom, and who is asleep."""

    fleet: SimulatedFleet
    random: Random
    flaws: dict[str, Flaw] = field(default_factory=dict)
    asleep: set[str] = field(default_factory=set)
    mended: set[str] = field(default_factory=set)
    releases: dict[str, Releases] = field(default_factory=dict)

    def directory(self, host: str) -> str:
        return str(self.fleet.root / "devices" / host)

    def create(self, devices: int, failing: int) -> None:
        """Make the fleet; ``failing`` of its devices get flaws, each kind in turn."""
        hosts = [f"deck-{number:04}" for number in range(1, devices + 1)]
        commands = []
        for number, host in enumerate(hosts):
            variant = VARIANTS[number % len(VARIANTS)]
            backend = "composefs" if number % 3 == 0 else "ostree"
            image = f"{self.fleet.registry}/skorionos/{variant}:{OLD}"
            options = ["--image", image, "--boot-seconds", "1", "--backend", backend]
            commands.append([self.directory(host), "create", *options])
            self.fleet.hosts[host] = variant
        with ProcessPoolExecutor(os.cpu_count()) as pool:
            list(pool.map(act, commands, chunksize=10))
        broken = self.random.sample(hosts, failing)
        for number, host in enumerate(broken):
            self.flaws[host] = FLAWS[number % len(FLAWS)]
            act([self.directory(host), "fault", *self.flaws[host].fault])
        for variant in VARIANTS[: len(hosts)]:
            digests = (self.fleet.digest(variant, OLD), self.fleet.digest(variant, NEW))
            self.releases[variant] = Releases(*digests)

    def fall_asleep(self, count: int) -> None:
        """Let ``count`` devices sleep, others than before, and wake the rest."""
        chosen = set(self.random.sample(sorted(self.fleet.hosts), count))
        for host in sorted(self.asleep - chosen):
            act([self.directory(host), "fault", "--clear", "asleep"])
        for host in sorted(chosen - self.asleep):
            act([self.directory(host), "fault", "asleep"])
        self.asleep = chosen

    def mend(self, states: dict[str, str]) -> int:
        """Mend what a person mends who finds a device in its state; returns how many."""
        found = {host for host, flaw in self.flaws.items() if flaw.mended_when == states[host]} - self.mended
        for host in found:
            act([self.directory(host), "fault", "--clear", self.flaws[host].fault[0]])
        self.mended |= found
        return len(found)

    def truth(self, host: str) -> Truth:
        state = Device(self.directory(host)).load()
        return Truth("nothing" if state.booted is None else state.booted.image.digest, state.boot.count)

    def flaw(self, host: str) -> Flaw:
        return self.flaws.get(host, SOUND)

    def is_over(self, summary: dict[str, Any]) -> bool:
        """Completed, and everybody where their flaw leads to."""
        ended = all(device["state"] == self.flaw(device["host"]).verdict for device in summary["devices"])
        return bool(summary["phase"] == "completed" and ended)

    def disagreements(self, summary: dict[str, Any], *, at_the_end: bool) -> Iterator[str]:
        """What is not true of the devices, or of the ledger, in the summary."""
        rollout = derive(Ledger(self.fleet.root / "rollouts", ID).read())
        assert rollout is not None
        states = {host: device.state.value for host, device in rollout.devices.items()}
        columns = {column: [state.value for state in members] for column, members in COLUMNS.items()}
        yield from miscounted(summary, states, columns)
        asked = reboots_asked(self.fleet.events(ID))
        for told in summary["devices"]:
            truth = self.truth(told["host"])
            yield from untrue(told, truth, self.releases[told["variant"]], asked.get(told["host"], 0))
            if at_the_end:
                yield from wrong_end(told, truth, self.flaw(told["host"]))

    def spec(self) -> Path:
        """Waves as on a real fleet; times as short as the rehearsal needs them."""
        return self.fleet.spec(
            NEW,
            waves=[
                {"name": "canary", "count": 2},
                {"name": "early", "percent": 10},
                {"name": "half", "percent": 50},
            ],
            wave_defaults={"soak": "0s", "min_coverage": 60, "success_threshold": 80, "max_failures": "5%"},
            pace={"parallel": 50, "start": 10, "factor": 2, "overshoot": "50%"},
            stage={"attempts": 2},
            apply={"reboot_timeout": "60s", "contact_grace": "5s"},
        )


def rehearse(rehearsal: Rehearsal, asleep: int, most_runs: int, forks: int) -> list[str]:
    """Run the playbook until everybody is where they belong; returns what was found to be wrong."""
    fleet, spec = rehearsal.fleet, rehearsal.spec()
    devices = len(fleet.hosts)
    for number in range(1, most_runs + 1):
        rehearsal.fall_asleep(asleep)
        run = fleet.roll_out(spec, "--forks", str(forks), bootc_rollout_patience="10s")
        if run.rc not in (0, 2) or not (fleet.root / "rollouts" / ID / "summary.json").exists():
            return [f"run {number} ended with {run.rc}: {run.output[-2000:]}"]
        summary = fleet.summary(ID)
        held = summary["phase"] == "held"
        if (run.rc == 2) != held:
            return [f"run {number} ended with {run.rc}, and the rollout is {summary['phase']}: {run.output[-2000:]}"]
        mended = rehearsal.mend(fleet.states(ID))
        what = [f"{count} {column}" for column, count in summary["totals"].items() if count and column != "devices"]
        wave = next((wave["name"] for wave in summary["waves"] if wave["phase"] != "passed"), "none")
        print(
            f"run {number}: {run.seconds:.0f} s, {summary['phase']}, wave {wave}, of {devices} {', '.join(what)}"
            + (f"; {mended} mended by hand" if mended else "")
            + (f"; held: {summary['hold']['rule']}, {summary['hold']['numbers']}" if held else ""),
            flush=True,
        )
        over = rehearsal.is_over(summary)
        found = list(rehearsal.disagreements(summary, at_the_end=over))
        if found or over:
            return found
        if held:
            order = fleet.run(
                "rollout_control",
                bootc_rollout_spec=str(spec),
                bootc_rollout_verb="resume",
                bootc_rollout_why="rehearsed: these devices are known to be broken",
            )
            if order.rc:
                return [f"the order to resume was refused: {order.output[-2000:]}"]
    summary = fleet.summary(ID)
    return [
        f"the rollout did not come to its end in {most_runs} runs and is {summary['phase']}",
        *rehearsal.disagreements(summary, at_the_end=True),
    ]


def report(rehearsal: Rehearsal, seconds: float, found: Sequence[str]) -> int:
    """Print what was wrong, and the figures; 1 when anything was."""
    for finding in found[:MOST_SHOWN]:
        print(f"DIFFERS: {finding}")
    if len(found) > MOST_SHOWN:
        print(f"DIFFERS: {len(found) - MOST_SHOWN} more")
    truths = {host: rehearsal.truth(host) for host in rehearsal.fleet.hosts}
    updated = sum(truth.booted == rehearsal.releases[rehearsal.fleet.hosts[host]].new for host, truth in truths.items())
    kinds = Counter(flaw.name for flaw in rehearsal.flaws.values())
    print(f"devices: {len(truths)}, of them on the new image: {updated}, on the old: {len(truths) - updated}")
    print(f"flaws: {', '.join(f'{count} {name}' for name, count in sorted(kinds.items())) or 'none'}")
    print(f"reboots: {sum(truth.boots - 1 for truth in truths.values())}")
    print(f"events: {len(rehearsal.fleet.events(ID))}, {seconds:.0f} s")
    print(f"findings: {len(found)}")
    return 1 if found else 0


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.rehearsal", description=__doc__)
    parser.add_argument("--devices", type=int, default=1000, metavar="N")
    parser.add_argument("--asleep", type=int, default=40, metavar="PERCENT", help="devices asleep during each run")
    parser.add_argument("--failing", type=int, default=2, metavar="PERCENT", help="devices with a flaw, at least one")
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="decides who is asleep when, and who fails")
    parser.add_argument("--runs", type=int, default=40, metavar="N", help="give up after so many runs of the playbook")
    parser.add_argument("--forks", type=int, default=20, metavar="N")
    options = parser.parse_args()
    if options.devices < len(VARIANTS) or not 0 <= options.asleep < 100 or not 0 <= options.failing <= 100:
        parser.error(f"at least {len(VARIANTS)} devices, and percentages from 0 to 100 (99 for those asleep)")
    failing = -(-options.devices * options.failing // 100)
    with tempfile.TemporaryDirectory(prefix="bootc-rehearsal-") as directory:
        root = Path(directory)
        with registry(root) as address:
            fleet = SimulatedFleet(root, address, REPOSITORY / ".venv" / "collections", limit=RUN_SECONDS)
            rehearsal = Rehearsal(fleet, Random(options.seed))
            begun = time.monotonic()
            rehearsal.create(options.devices, failing)
            print(f"{options.devices} devices made in {time.monotonic() - begun:.0f} s", flush=True)
            begun = time.monotonic()
            found = rehearse(rehearsal, options.devices * options.asleep // 100, options.runs, options.forks)
            return report(rehearsal, time.monotonic() - begun, found)


if __name__ == "__main__":
    sys.exit(main())
