# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a file system says no with, as errors a person can act on."""

from __future__ import annotations

import errno
import os
import pwd
from pathlib import Path

from .errors import RolloutError

_FULL = (errno.ENOSPC, errno.EDQUOT)
_FORBIDDEN = (errno.EACCES, errno.EPERM)


def unwritable(what: str, path: Path, error: OSError, then: str) -> RolloutError:
    """``what``, such as "the ledger", cannot be written at ``path``; ``then`` is what to know or do after that."""
    cause = f"Cannot write {what} at {path}: {error.strerror}."
    if error.errno in _FULL:
        remedy = f"Make room there (`df -h {path.parent}`, and `df -i` for files)."
        return RolloutError(cause, f"{remedy} {then}", "ledger_full")
    if error.errno == errno.EROFS:
        remedy = "Mount it writable, or point bootc_rollout_ledger to a place that is."
        return RolloutError(cause, f"{remedy} {then}", "ledger_read_only")
    if error.errno in _FORBIDDEN:
        return RolloutError(f"{cause} {_owner(path)}", f"{_BECOME} {then}", "ledger_read_only")
    remedy = "Point bootc_rollout_ledger to a directory this user can write."
    return RolloutError(cause, f"{remedy} {then}", "ledger_unwritable")


def unreadable(what: str, path: Path, error: OSError) -> RolloutError:
    """``what`` cannot be read at ``path``."""
    cause = f"Cannot read {what} at {path}: {error.strerror}."
    if error.errno in _FORBIDDEN:
        return RolloutError(f"{cause} {_owner(path)}", _BECOME, "ledger_unreadable")
    return RolloutError(cause, "Check the disk it is on, then run again.", "ledger_unreadable")


_BECOME = "Run as its owner, or give the folder of the ledgers to this user (`chown -R`)."


def _owner(path: Path) -> str:
    """Whose ``path`` is, or the nearest folder above that is there and can be looked at."""
    for place in (path, *path.parents):
        try:
            owner = place.stat().st_uid
        except OSError:
            continue
        return f"{place} belongs to {_name(owner)}, and this is {_name(os.geteuid())}."
    return "Whom it belongs to cannot be told."


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"
