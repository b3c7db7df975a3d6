# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts written short: each deployment is a word such as ``v3=booted`` or ``v1=other:keep``, in ostree's order."""

from __future__ import annotations

from ansible_collections.skorionos.bootc.plugins.module_utils._bootc.retention.model import Deployment, Host


def digest(version: str) -> str:
    return "sha256:" + version.encode().hex().rjust(64, "0")


def host(*words: str, backend: str = "ostree", queued: bool = False) -> Host:
    return Host(backend, tuple(_deployment(word, backend) for word in words), queued)


def _deployment(word: str, backend: str) -> Deployment:
    version, _unused, place = word.partition("=")
    slot, _unused, by = place.partition(":")
    identity = version.encode().hex().rjust(64 if backend == "ostree" else 128, "0")
    return Deployment(
        f"{identity}.0" if backend == "ostree" else identity,
        slot,
        digest=digest(version),
        version=version,
        stateroot=None if backend != "ostree" else "another" if slot == "foreign" else "default",
        pinned=bool(by),
        pinned_by=by or None,
    )


def words(of: Host) -> list[str]:
    """The inverse of host."""
    return [
        f"{entry.version}={entry.slot}" + (f":{entry.pinned_by}" if entry.pinned else "") for entry in of.deployments
    ]
