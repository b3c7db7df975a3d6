# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the rollout playbook and have it killed with SIGKILL at a chosen point; see killing/kill_at.py."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path
from typing import Any

from tests.simulated_fleet import SimulatedFleet

PLUGINS = Path(__file__).parent / "killing"
SECONDS = 400


def passed(fleet: SimulatedFleet) -> tuple[str, ...]:
    """The points that controllers passed so far."""
    points = fleet.root / "points"
    return tuple(points.read_text(encoding="utf-8").splitlines()) if points.exists() else ()


def output(fleet: SimulatedFleet) -> str:
    """What all runs printed."""
    return (fleet.root / "output").read_text(encoding="utf-8")


def run(fleet: SimulatedFleet, spec: Path, kill: str, **variables: Any) -> int:
    """Run it as the leader of its process group; returns how its process ended."""
    environment = {
        **fleet.environment(),
        "ANSIBLE_CALLBACK_PLUGINS": str(PLUGINS),
        "ANSIBLE_CALLBACKS_ENABLED": "kill_at",
        "BOOTC_TEST_POINTS": str(fleet.root / "points"),
        "BOOTC_TEST_KILL": kill,
    }
    with (fleet.root / "output").open("ab") as file:
        process = subprocess.Popen(
            fleet.command("rollout", bootc_rollout_spec=str(spec), **variables),
            env=environment,
            cwd=fleet.root,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            return process.wait(timeout=SECONDS)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def leave(fleet: SimulatedFleet, spec: Path, kind: str, devices: int) -> None:
    """Run it until that many devices have an event ``kind`` on record, and go no further; then it is killed."""
    assert run(fleet, spec, f"{kind} all {devices}") == -signal.SIGKILL, output(fleet)
