# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the plans of several verbs have in common. Pure."""

from __future__ import annotations

from dataclasses import replace

from ..._errors import BootcError
from ..reference import parse_reference, pinned
from ..status import COMPOSEFS, ImageSpec, Slot, Status
from .model import ARM, Transition


def not_bootc(installed: bool = True) -> BootcError:
    """The failure of every verb on a host that bootc did not deploy; most of those have no bootc at all."""
    return BootcError(
        "not_bootc",
        "This host was not booted by bootc" if installed else "There is no bootc on this host",
        "Run this only on image-based hosts; skorionos.bootc.bootc_status tells which these are",
    )


def tracked_image(status: Status) -> ImageSpec:
    """What an update follows; BootcError where there is nothing to follow."""
    if status.spec_image is None:
        raise BootcError(
            "incompatible",
            "This host tracks no image, so there is nothing to update from",
            "Name one with skorionos.bootc.bootc_switch first",
        )
    return status.spec_image


def with_tag(spec: ImageSpec, tag: str) -> ImageSpec:
    """The same repository by another tag."""
    name = f"Name the whole image with skorionos.bootc.bootc_switch instead of tag={tag}"
    if spec.transport != "registry":
        raise BootcError("incompatible", f"This host gets its image over {spec.transport}, which has no tags", name)
    try:
        return replace(spec, image=f"{parse_reference(spec.image).repository}:{tag}")
    except BootcError as exc:
        raise BootcError("incompatible", f"The tag of {spec.image} cannot be replaced: {exc.message}", name) from exc


def require_two_entries(status: Status) -> None:
    if status.backend == COMPOSEFS and status.others:
        raise BootcError(
            "no_rollback",
            "This host has more boot entries than the booted and the rollback one, and bootc would crash on them",
            "Remove the others first with 'bootc delete-deployment'",
            data={"deployments": [other.deployment for other in status.others]},
        )


def require_compatible(status: Status) -> None:
    for slot in (status.booted, status.staged):
        if slot is not None and slot.incompatible:
            raise BootcError(
                "incompatible",
                "A deployment has local rpm-ostree modifications, which bootc cannot update",
                "Undo them with 'rpm-ostree reset', or leave them behind with skorionos.bootc.bootc_switch",
            )


def refuse_redeployment(status: Status, accept: frozenset[str]) -> None:
    """composefs hosts keep one deployment per content and refuse, or silently ignore, to make another."""
    rollback = status.rollback
    if rollback is not None and rollback.digest is not None and rollback.digest in accept:
        raise BootcError(
            "already_deployed",
            f"The rollback deployment has this content ({rollback.digest}), and this host cannot stage it twice",
            "Use skorionos.bootc.bootc_rollback to go there",
            data={"deployment": rollback.deployment},
        )
    for other in status.others:
        if other.digest is not None and other.digest in accept:
            raise BootcError(
                "already_deployed",
                f"Another deployment has this content ({other.digest}), and this host cannot stage it twice",
                f"Remove it first: bootc delete-deployment {other.deployment}",
                data={"deployment": other.deployment},
            )


PARKED_IN_THE_WAY = "What is parked is dropped first: bootc would not arm it, should it be the newest content"


def may_be_parked(status: Status, digest: str | None) -> bool:
    """Whether an upgrade may find what is parked, which on composefs it does not arm; other content replaces it."""
    staged = status.staged
    if status.backend != COMPOSEFS or staged is None or not staged.download_only:
        return False
    return digest is None or staged.digest is None


def with_staged(status: Status, spec: ImageSpec, digest: str | None, download_only: bool) -> Status:
    architecture = status.booted.architecture if status.booted else None
    staged = Slot(
        image=spec.image,
        transport=spec.transport,
        signature=spec.signature,
        digest=digest,
        architecture=architecture,
        soft_reboot_capable=None,
        download_only=download_only,
    )
    return replace(status, staged=staged, spec_image=spec)


def arm(status: Status, staged: Slot, accept: frozenset[str], note: str) -> Transition:
    # What is parked is never told to be capable of a soft reboot.
    predicted = replace(status, staged=replace(staged, download_only=False, soft_reboot_capable=None))
    return Transition((ARM,), predicted, note=note, accept=accept_with(accept, staged))


def accept_with(accept: frozenset[str], slot: Slot) -> frozenset[str]:
    return accept | {slot.digest} if slot.digest else accept


def pinned_name(slot: Slot) -> str:
    """A name by which exactly this deployment is meant."""
    if slot.image is None or slot.digest is None or slot.transport != "registry":
        return slot.image or "its name"
    try:
        return pinned(parse_reference(slot.image).repository, slot.digest)
    except BootcError:
        return slot.image


def describe(slot: Slot) -> str:
    return f"{slot.image or 'deployment'} ({slot.version or slot.digest or 'content unknown'})"
