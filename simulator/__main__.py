# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Entry point of ``python3 simulator``: runnable by path from any directory."""

from __future__ import annotations

import os
import sys

# Run by path, Python puts this directory first on sys.path; the package lives one above.
sys.path[0] = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))  # noqa: PTH100, PTH120 (pathlib is slow to import)


def main(arguments: list[str]) -> int:
    """Run what devices run all the time without loading the rest; everything else through the full command line."""
    if len(arguments) > 3 and arguments[0] == "device" and arguments[2] == "exec":
        from simulator.session import execute

        return execute(arguments[1], arguments[3:])
    if len(arguments) > 2 and arguments[0] == "device":
        from simulator.programs import NAMES, run
        from simulator.store import Device

        if arguments[2] in NAMES:
            return run(Device(arguments[1]), arguments[2], arguments[3:])
    from simulator.cli import main as full

    return full(arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
