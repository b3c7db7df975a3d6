# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files on the controller that others read while they are written."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

_NEW = 0o644


def replace_file(path: Path, text: str) -> None:
    """Write a file as a whole or not at all; one that is there keeps its permissions.

    A link stays one: what it leads to is replaced. What is no file, such as a pipe or /dev/stdout, is written to.
    Raises OSError, and UnicodeEncodeError for half of a surrogate pair.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    if is_stream(path):
        with path.open("w", encoding="utf-8", newline="") as stream:
            stream.write(text)
        return
    path = path.resolve()
    descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as file:
            mode = path.stat().st_mode & 0o777 if path.exists() else _NEW
            os.fchmod(file.fileno(), mode)
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    finally:
        Path(temporary).unlink(missing_ok=True)


def is_stream(path: Path) -> bool:
    """Whether there is something at ``path`` that can be written to but not replaced or compared."""
    return path.exists() and not path.is_file() and not path.is_dir()
