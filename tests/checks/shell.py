# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Let each shell script be parsed by the shell its first line names."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
SHELLS = {"#!/bin/sh": "sh", "#!/bin/bash": "bash", "#!/usr/bin/env bash": "bash"}


def main() -> int:
    files = subprocess.run(["git", "ls-files", "-z"], cwd=REPOSITORY, capture_output=True, check=True).stdout
    failures = 0
    for name in filter(None, files.decode().split("\0")):
        path = REPOSITORY / name
        if not path.is_file():
            continue
        with path.open("rb") as file:
            shell = SHELLS.get(file.readline(100).decode(errors="replace").strip())
        if shell and subprocess.run([shell, "-n", str(path)], check=False).returncode:
            failures += 1
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
