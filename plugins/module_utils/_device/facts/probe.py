# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask the device without ever failing: what cannot be read is None."""

from __future__ import annotations

import shutil
from typing import Sequence

from ..command import CommandMissing, CommandTimeout, CommandUnusable, Completed, Run, Watch, run_command
from ..root import device_path, is_simulated

PROBE_SECONDS = 10.0
FILE_LIMIT = 256 * 1024
_SYSTEM_DIRECTORIES = ("/usr/", "/bin/", "/sbin/")


def device_run(argv: Sequence[str], timeout: float, *, watch: Watch | None = None) -> Completed:
    """``run_command`` for questions about the device.

    Programs of the machine that simulates a device would answer about that machine, so they count as missing.
    """
    if is_simulated() and (shutil.which(argv[0]) or "").startswith(_SYSTEM_DIRECTORIES):
        raise CommandMissing(f"{argv[0]} is not there")
    return run_command(argv, timeout, watch=watch)


def ask(run: Run, argv: Sequence[str], timeout: float = PROBE_SECONDS) -> str | None:
    """What a command prints, or None when it is not there, fails, or takes longer than ``timeout`` seconds."""
    try:
        done = run(argv, timeout)
    except (CommandUnusable, CommandTimeout):
        return None
    return done.out if done.rc == 0 else None


def read_text(path: str, limit: int = FILE_LIMIT) -> str | None:
    """The first ``limit`` bytes of a file, or None when it cannot be read. What is not UTF-8 is replaced."""
    try:
        with device_path(path).open("rb") as file:
            return file.read(limit).decode("utf-8", "replace")
    except (OSError, ValueError):
        return None


def read_line(path: str) -> str | None:
    """A file of one value, such as those in /sys: None when it is empty or cannot be read."""
    text = (read_text(path, 4096) or "").strip("\x00 \t\r\n")
    return text or None


def names_in(path: str) -> list[str] | None:
    """Names in a directory in order, or None when it cannot be listed. Names that are not UTF-8 are left out."""
    try:
        names = sorted(entry.name for entry in device_path(path).iterdir())
    except OSError:
        return None
    return [name for name in names if _is_text(name)]


def whole_number(text: str | None) -> int | None:
    """A decimal number with an optional minus in front. The kernel and systemd write no others."""
    digits = (text or "").strip()
    bare = digits[1:] if digits.startswith("-") else digits
    return int(digits) if bare.isascii() and bare.isdigit() and len(bare) <= 20 else None


def _is_text(name: str) -> bool:
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
