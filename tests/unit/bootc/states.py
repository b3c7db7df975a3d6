# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""States of hosts, written short: deployments are letters."""

from __future__ import annotations

from dataclasses import replace
from typing import Sequence

from ansible_collections.skorionos.bootc.plugins.module_utils._bootc.status import Slot, Status
from ansible_collections.skorionos.bootc.plugins.module_utils._device.content import Content
from ansible_collections.skorionos.bootc.plugins.module_utils._device.markers import RollbackMark

REPOSITORY = "quay.io/acme/kiosk"
TAG = f"{REPOSITORY}:stable"


def digest(letter: str) -> str:
    """The digest of the content with this letter."""
    return "sha256:" + format(ord(letter), "02x") * 32


def back(*ways: Sequence[str]) -> tuple[RollbackMark, ...]:
    """Rollbacks that a host remembers: "br" is one from b to r."""
    return tuple(RollbackMark(Content(digest(left)), Content(digest(to)), "t") for left, to in ways)


def slot(letter: str | None, backend: str, image: str = TAG, **more: object) -> Slot | None:
    if letter is None:
        return None
    deployment = f"{letter * 64}.0" if backend == "ostree" else letter * 128
    base = Slot(image=image, transport="registry", digest=digest(letter), architecture="amd64", deployment=deployment)
    return replace(base, **more)  # type: ignore[arg-type]


def state(
    booted: str,
    staged: str | None = None,
    rollback: str | None = None,
    *,
    backend: str = "ostree",
    parked: bool = False,
    queued: bool = False,
    others: str = "",
    version: str = "1.16.9",
    images: dict[str, str] | None = None,
) -> Status:
    """A host that tracks one tag unless ``images`` gives a slot another name."""
    names = images or {}
    booted_slot = slot(booted, backend, names.get("booted", TAG))
    staged_slot = slot(staged, backend, names.get("staged", TAG), download_only=parked)
    assert booted_slot is not None
    return Status(
        bootc_version=version,
        backend=backend,
        booted=booted_slot,
        staged=staged_slot,
        rollback=slot(rollback, backend, names.get("rollback", TAG)),
        others=tuple(entry for letter in others if (entry := slot(letter, backend)) is not None),
        spec_image=(staged_slot or booted_slot).spec,
        rollback_queued=queued,
    )
