# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the options of a module mean on a host in a given state."""

from __future__ import annotations

from dataclasses import replace
from typing import Callable

from .._errors import BootcError
from .client import Client, Resolution, machine_architecture
from .memory import history
from .reference import Reference, check_digest, check_image, parse_reference
from .status import Status
from .transitions import Rollback, Switch, Update, fetches, plan


def wish_to_switch(
    client: Client,
    image: str,
    *,
    transport: str = "registry",
    enforce_signature: bool = False,
    retain: bool = False,
    accept_digests: tuple[str, ...] = (),
) -> Callable[[Status], tuple[Switch, str]]:
    """Check the wish now; find out, once the state is known, which content it stands for."""
    target = check_image(image, transport)
    reference = parse_reference(image) if transport == "registry" else None
    given = frozenset(check_digest(digest) for digest in accept_digests)
    pinned_digest = reference.digest if reference is not None else None
    accept = given | {pinned_digest} if pinned_digest else given
    wish = Switch(
        target, transport, enforce_signature, retain, accept, next(iter(accept)) if len(accept) == 1 else None
    )

    def make(status: Status) -> tuple[Switch, str]:
        if reference is None or not _needs_resolution(status, wish, reference):
            return wish, ""
        resolution, remark = _resolve(client, reference, status)
        if resolution is None:
            # A host never reports the digest of an index, which the given one may be.
            return replace(wish, digest=None), remark
        if reference.digest is None and wish.accept and not wish.accept & resolution.digests:
            # The tag moved away from what is wanted; its new content must not become acceptable by that.
            raise BootcError(
                "not_found",
                f"{reference.name} holds {resolution.digest} now, which is none of the accepted digests",
                f"Name the wanted content itself, as {reference.repository}@sha256:..., or accept what the tag holds",
            )
        return (
            replace(
                wish,
                accept=wish.accept | resolution.digests,
                digest=_reported_digest(resolution, status),
                by_name=not wish.accept,
            ),
            "",
        )

    return make


def _needs_resolution(status: Status, wish: Switch, reference: Reference) -> bool:
    if not wish.accept:
        spec = status.spec_image
        return spec is None or (spec.image, spec.transport) != (wish.image, wish.transport)
    if reference.digest is None:
        # What the tag holds may have moved away from what is accepted. bootc would fetch it all the same.
        return _would_fetch(status, wish)
    if any(slot.digest in wish.accept for slot in status.slots()):
        return False
    # The digest may be that of an index, which a host never reports.
    return status.reports_config_digests or len(wish.accept) == 1


def _would_fetch(status: Status, wish: Switch) -> bool:
    try:
        return any(fetches(command) for command in plan(status, wish).commands)
    except BootcError:
        return False


def wish_to_update(client: Client, park: bool, repeat: bool = False) -> Callable[[Status], tuple[Update, str]]:
    """Find out what the tracked image holds now."""

    def make(status: Status) -> tuple[Update, str]:
        wish = Update(park, repeat=repeat, history=history())
        spec = status.spec_image
        if spec is None or spec.transport != "registry" or "@" in spec.image:
            return wish, ""
        resolution, remark = _resolve(client, parse_reference(spec.image), status)
        if resolution is None:
            return wish, remark
        return replace(wish, accept=resolution.digests, digest=_reported_digest(resolution, status)), ""

    return make


def _reported_digest(resolution: Resolution, status: Status) -> str | None:
    """The digest the host will report for this content."""
    return resolution.config_digest if status.reports_config_digests else resolution.platform_digest


def _resolve(client: Client, reference: Reference, status: Status) -> tuple[Resolution | None, str]:
    architecture = status.booted.architecture if status.booted else None
    try:
        resolution = client.resolve(reference, architecture or machine_architecture(), status.reports_config_digests)
    except BootcError as exc:
        # bootc itself is the judge of what can be pulled; it will say so with the same cause.
        return None, f"What {reference.name} holds could not be looked up beforehand ({exc.kind}: {exc.message})"
    if _reported_digest(resolution, status) is None:
        return None, f"{reference.name} holds nothing for the architecture of this device, or does not say so"
    return resolution, ""


def wish_to_roll_back(
    discard_staged: bool, repeat: bool, forward: bool = False
) -> Callable[[Status], tuple[Rollback, str]]:
    """Take along what the device remembers."""

    def make(_status: Status) -> tuple[Rollback, str]:
        return Rollback(discard_staged, repeat, forward, history()), ""

    return make
