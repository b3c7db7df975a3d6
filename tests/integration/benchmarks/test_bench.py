# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``make bench`` on the smallest of fleets, without the peer, which would have to be installed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.integration
def test_a_rollout_is_held_against_the_bare_commands(repository: Path, tmp_path: Path) -> None:
    argv = [sys.executable, "-m", "tests.benchmarks.rollout", "--devices", "2", "--rounds", "1"]
    done = subprocess.run(
        [*argv, "--only", "rollout,floor"],
        cwd=repository,
        env={**os.environ, "TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=480,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    figures = dict(line.split(": ", 1) for line in done.stdout.splitlines() if ": " in line and line[0] != "#")
    assert float(figures["wall time, 2 devices, rollout / floor"].split()[0]) > 0
    assert float(figures["controller CPU per device, 2 devices, rollout / floor"].split()[0]) > 1
    # Stage, reboot, prove; a plain command looked before, and one at least finds the device booted.
    assert "rollout 3, floor 0" in done.stdout
    assert list(tmp_path.iterdir()) == []
