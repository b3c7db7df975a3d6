# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files on the controller that others read while they are written."""

from __future__ import annotations

import errno
import os
import tempfile
from pathlib import Path

_NEW = 0o644
_DESCRIPTORS = (Path("/proc/self/fd"), Path("/dev/fd"))
_MOST_LINKS = 40


def replace_file(path: Path, text: str) -> None:
    """Write a file as a whole or not at all; one that is there keeps its permissions.

    A link stays one: what it leads to is replaced. What is no file, such as a named pipe, is written to.
    Raises OSError, also for what ``is_standard_stream``, and UnicodeEncodeError for half of a surrogate pair.
    """
    refuse_standard_stream(path)
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


def is_written(path: Path, text: str) -> bool:
    """Whether a file is there and holds this and nothing else. Raises what ``replace_file`` does."""
    refuse_standard_stream(path)
    return path.is_file() and path.read_bytes() == text.encode("utf-8")


def refuse_standard_stream(path: Path) -> None:
    """Raise OSError for a path that ``is_standard_stream``: what is written there, nobody reads."""
    if is_standard_stream(path):
        raise OSError(errno.ENXIO, "what Ansible runs plugins in has no standard input, output or error", str(path))


def is_standard_stream(path: Path) -> bool:
    """Whether a path leads to the input, output or error of this process, as /dev/stdout and /dev/fd/1 do."""
    descriptors = {each.resolve() for each in _DESCRIPTORS}
    for _hop in range(_MOST_LINKS):
        path = path.parent.resolve() / path.name
        if path.parent in descriptors:
            return path.name in ("0", "1", "2")
        if not path.is_symlink():
            return False
        path = path.parent / path.readlink()
    return False


def why(error: Exception) -> str:
    """What an error of these functions says, for the cause of another one."""
    return getattr(error, "strerror", None) or str(error)


def is_stream(path: Path) -> bool:
    """Whether there is something at ``path`` that can be written to but not replaced or compared."""
    return path.exists() and not path.is_file() and not path.is_dir()
