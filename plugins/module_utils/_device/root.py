# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the device's files are. The one seam through which a directory can stand in for a device."""

from __future__ import annotations

import os
from pathlib import Path

ROOT_VARIABLE = "BOOTC_DEVICE_ROOT"


def device_path(path: str) -> Path:
    """The place of an absolute device path: below ``$BOOTC_DEVICE_ROOT`` when that is set, else the path itself."""
    root = os.environ.get(ROOT_VARIABLE)
    return Path(root, path.lstrip("/")) if root else Path(path)


def is_simulated() -> bool:
    """Whether a directory stands in for the device, so that nothing may reach the machine underneath."""
    return bool(os.environ.get(ROOT_VARIABLE))
