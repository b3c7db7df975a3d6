# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command for each step of a plan, and what it needs of the bootc of the device. Pure."""

from __future__ import annotations

from typing import Tuple

from ..._errors import BootcError
from ..status import OSTREE, Status

Command = Tuple[str, ...]

# Exits with 1 if there is anything to collect, and changes nothing.
PROBE: Command = ("bootc", "internals", "composefs-gc", "--assert-no-op", "--prune-repo")

_COLLECT_SINCE = (1, 14, 0)
_PRUNE_SINCE = (1, 16, 0)
_DELETE_SINCE = (1, 11, 0)


def pin_command(index: int) -> Command:
    return ("ostree", "admin", "pin", str(index))


def unpin_command(index: int) -> Command:
    return ("ostree", "admin", "pin", "-u", str(index))


def undeploy_command(index: int) -> Command:
    return ("ostree", "admin", "undeploy", str(index))


def delete_command(status: Status, deployment: str) -> Command:
    """How a composefs host removes a deployment, with the content that only it used."""
    _require(status, "delete deployments", _DELETE_SINCE)
    return ("bootc", "delete-deployment", deployment)


def collect_command(status: Status) -> Command:
    """How the host frees what no deployment uses."""
    if status.backend == OSTREE:
        return ("bootc", "internals", "cleanup")
    _require(status, "collect garbage when asked to", _COLLECT_SINCE)
    prune = ("--prune-repo",) if can_probe(status) else ()
    return ("bootc", "internals", "composefs-gc", *prune)


def can_probe(status: Status) -> bool:
    """Whether bootc can tell without side effects that there is something to collect."""
    return status.backend != OSTREE and status.at_least(*_PRUNE_SINCE)


def _require(status: Status, what: str, version: tuple[int, int, int]) -> None:
    if not status.at_least(*version):
        raise BootcError(
            "unsupported_version",
            f"bootc {status.bootc_version} cannot {what} on a composefs host, {'.'.join(map(str, version))} can",
            "Update the device first",
        )
