# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Folders of the user, also where there is no home and no entry in passwd. PRIVATE to the collection."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Mapping


def expand_user(path: str) -> Path:
    """Put in what ``~`` means; where it means nothing, as in some containers, it stays and names nothing."""
    # The method of Path raises RuntimeError there.
    return Path(os.path.expanduser(path))  # noqa: PTH111


def home_folder(environ: Mapping[str, str]) -> Path:
    """Return the home of the user."""
    return expand_user(environ.get("HOME") or "~")


def configuration_folder(environ: Mapping[str, str]) -> Path:
    """Return where programs keep the user's settings."""
    return Path(environ.get("XDG_CONFIG_HOME") or home_folder(environ) / ".config")
