# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What people call a deployment: its digest, its version or its own identity. Pure."""

from __future__ import annotations

import re
from typing import Sequence

from ..._errors import BootcError
from ..reference import is_digest
from .model import FOREIGN, Deployment, Host

_BARE_COMMIT = re.compile(r"[0-9a-f]{64}\Z")


def find(host: Host, name: str) -> Deployment | None:
    """The one deployment of the running system with this name, or None; BootcError when it is not one.

    A name that only deployments of another stateroot have is refused: they are never touched.
    """
    found = [entry for entry in host.own if _is_called(entry, name)]
    if len(found) > 1:
        raise BootcError(
            "invalid",
            f"{name} is the name of {len(found)} deployments: {', '.join(map(_describe, found))}",
            "Name the one that is meant by its id",
            data={"deployments": host.as_list()},
        )
    if found:
        return found[0]
    foreign = next((entry for entry in host.deployments if entry.slot == FOREIGN and _is_called(entry, name)), None)
    if foreign is not None:
        raise BootcError(
            "invalid",
            f"{name} is a deployment of the stateroot {foreign.stateroot}, which is not the running system",
            "Leave it out: deployments of other systems on this disk are never touched",
            data={"deployments": host.as_list()},
        )
    return None


def find_all(host: Host, names: Sequence[str], *, option: str, must_exist: bool) -> tuple[Deployment, ...]:
    """The deployments with these names, each once. Unknown ones are left out, or ``not_found`` if they must exist."""
    found: dict[str, Deployment] = {}
    for name in names:
        entry = find(host, name)
        if entry is not None:
            found[entry.id] = entry
        elif must_exist:
            raise BootcError(
                "not_found",
                f"No deployment of this host has the digest, version or id {name}, which {option} names",
                "Name one of 'deployments' in this result",
                data={"deployments": host.as_list()},
            )
    return tuple(found.values())


def check_names(names: Sequence[str], option: str) -> tuple[str, ...]:
    """Names as they were given; one that can be none is refused before anybody is asked."""
    for name in names:
        if not name.strip():
            raise BootcError("invalid", f"{option} has an empty name", "Name a digest, a version or a deployment id")
        if name.startswith("sha256:") and not is_digest(name):
            raise BootcError("invalid", f"{name} in {option} is no digest", "A digest is sha256: and 64 hex digits")
    return tuple(names)


def _is_called(entry: Deployment, name: str) -> bool:
    if name in (entry.id, entry.digest, entry.version):
        return True
    return bool(_BARE_COMMIT.match(name)) and entry.id.startswith(f"{name}.")


def _describe(entry: Deployment) -> str:
    return f"{entry.id} ({entry.slot})"
