# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What makes a host of an inventory a simulated device: its variables."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

GROUP = "bootc_simulated"
CONNECTION = "skorionos.bootc.simulated"


def simulated_variables(directory: Path, create: Mapping[str, Any], faults: Sequence[str]) -> dict[str, Any]:
    """For the device in ``directory``. A playbook makes it, with the options ``create`` and the ``faults``."""
    return {
        "ansible_connection": CONNECTION,
        "ansible_python_interpreter": sys.executable,
        "bootc_simulated_dir": str(directory),
        "bootc_simulated_arguments": _arguments(create),
        "bootc_simulated_faults": list(faults),
    }


def _arguments(options: Mapping[str, Any]) -> list[str]:
    """``{"backend": "ostree", "no-bootc": True}`` as command-line arguments."""
    arguments = []
    for name, value in options.items():
        arguments.append(f"--{name}")
        if value is not True:
            arguments.append(str(value))
    return arguments
