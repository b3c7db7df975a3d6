# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The deployments of a host as ostree itself lists them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Sequence

from ..._device.command import CommandTimeout, CommandUnusable, Run
from ..._errors import BootcError

LIST = ("ostree", "admin", "status", "--json")


@dataclass(frozen=True)
class Listed:
    """A deployment as ``ostree admin status --json`` lists it; ``index`` is what other commands of ostree want."""

    checksum: str
    serial: int
    stateroot: str
    index: int
    booted: bool = False
    staged: bool = False
    pinned: bool = False
    version: str | None = None

    @property
    def id(self) -> str:
        return f"{self.checksum}.{self.serial}"

    def as_dict(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "stateroot": self.stateroot,
            "index": self.index,
            "booted": self.booted,
            "staged": self.staged,
            "pinned": self.pinned,
        }


def list_deployments(run: Run, timeout: float) -> tuple[Listed, ...]:
    """Ask ostree. It takes no lock for this and needs no root."""
    try:
        done = run(LIST, timeout)
    except CommandUnusable as exc:
        raise BootcError("unexpected", str(exc), "Install ostree, which bootc needs as well", command=LIST) from exc
    except CommandTimeout as exc:
        raise BootcError(
            "timeout",
            f"ostree did not answer within {exc.seconds:g} s",
            "Look for an ostree process that hangs on the device",
            command=LIST,
        ) from exc
    if done.rc != 0:
        raise BootcError(
            "unsupported_version",
            f"ostree failed with exit code {done.rc}",
            "Update the device first: this needs an ostree that lists deployments as JSON",
            command=LIST,
            detail=done.err,
        )
    return parse_listing(done.out)


def parse_listing(text: str) -> tuple[Listed, ...]:
    """Parse what ``ostree admin status --json`` prints."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as exc:
        raise _unreadable(f"it is not JSON ({exc})", text) from exc
    entries = document.get("deployments") if isinstance(document, dict) else None
    if not isinstance(entries, list):
        raise _unreadable("it has no list of deployments", text)
    return tuple(_listed(position, entry, text) for position, entry in enumerate(entries))


def _listed(position: int, entry: object, text: str) -> Listed:
    known: dict[str, Any] = entry if isinstance(entry, dict) else {}
    checksum, stateroot = known.get("checksum"), known.get("stateroot")
    serial, index = known.get("serial"), known.get("index", position)
    if not (isinstance(checksum, str) and isinstance(stateroot, str) and isinstance(serial, int)):
        raise _unreadable(f"deployment {position} has no checksum, serial or stateroot", text)
    if not isinstance(index, int):
        raise _unreadable(f"deployment {position} has no number", text)
    version = known.get("version")
    return Listed(
        checksum,
        serial,
        stateroot,
        index,
        booted=known.get("booted") is True,
        staged=known.get("staged") is True,
        pinned=known.get("pinned") is True,
        version=version if isinstance(version, str) and version else None,
    )


def _unreadable(cause: str, text: str) -> BootcError:
    return BootcError(
        "unexpected",
        f"What ostree lists could not be understood: {cause}",
        "Run 'ostree admin status --json' on the device and look at its output",
        detail=text[:400],
    )


def index_of(listing: Sequence[Listed], deployment: str, stateroot: str | None) -> int | None:
    """The number a deployment has now, or None when it is gone. Numbers shift with every change."""
    return next((each.index for each in listing if (each.id, each.stateroot) == (deployment, stateroot)), None)
