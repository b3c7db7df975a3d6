# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the options of a module mean on a host in a given state."""

from __future__ import annotations

from dataclasses import replace
from typing import Callable

from .._device.markers import read_rollbacks
from .._errors import BootcError
from .client import Client
from .lookup import Resolution, machine_architecture
from .reference import Reference, check_digest, check_image, check_tag, parse_reference
from .status import COMPOSEFS, Status
from .transitions import Desired, NothingStaged, Rollback, Switch, Update, fetches, plan, with_tag


def wish_to_switch(
    client: Client,
    image: str,
    *,
    transport: str = "registry",
    enforce_signature: bool = False,
    retain: bool = False,
    accept_digests: tuple[str, ...] = (),
    park: bool = False,
    check_mode: bool = False,
) -> Callable[[Status], tuple[Switch, str]]:
    """Check the wish now; find out, once the state is known, which content it stands for."""
    target = check_image(image, transport)
    reference = parse_reference(image) if transport == "registry" else None
    given = frozenset(check_digest(digest) for digest in accept_digests)
    pinned_digest = reference.digest if reference is not None else None
    accept = given | {pinned_digest} if pinned_digest else given
    digest = next(iter(accept)) if len(accept) == 1 else None
    wish = Switch(target, transport, enforce_signature, retain, accept, digest, park=park)

    def make(status: Status) -> tuple[Switch, str]:
        would_fetch = check_mode and _would_fetch(status, wish)
        if reference is None or not (would_fetch or _needs_resolution(status, wish, reference)):
            return wish, ""
        resolution, failed = _resolve(client, reference, status)
        if resolution is None:
            if would_fetch:
                _refuse_to_predict(failed)
            # A host never reports the digest of an index, which the given one may be.
            return replace(wish, digest=None), _remark(failed, reference.name)
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


def _would_fetch(status: Status, wish: Switch | Update) -> bool:
    try:
        return any(fetches(command) for command in plan(status, wish).commands)
    except BootcError:
        return False


def wish_for_update_state(
    client: Client,
    state: str,
    *,
    repeat: bool = False,
    tag: str | None = None,
    from_downloaded: bool = False,
    check_mode: bool = False,
) -> Callable[[Status], tuple[Desired, str]] | None:
    """What a state of an update means; None for one in which nothing is to be done. Raises BootcError for nonsense."""
    if tag is not None:
        check_tag(tag)
    if from_downloaded and (state != "staged" or tag is not None):
        raise BootcError(
            "invalid",
            "from_downloaded arms what is on the device already, whatever the registry has",
            "Use it with state=staged and without tag, or leave it out",
        )
    if state == "available":
        return None
    if state != "absent":
        return wish_to_update(
            client,
            park=state == "downloaded",
            repeat=repeat,
            tag=tag,
            from_downloaded=from_downloaded,
            check_mode=check_mode,
        )
    if tag is not None or repeat:
        raise BootcError(
            "invalid",
            "Where nothing is to be staged, there is neither a tag to look at nor anything to repeat",
            "Leave out tag and repeat with state=absent",
        )
    return lambda _status: (NothingStaged(), "")


def wish_to_update(
    client: Client,
    park: bool = False,
    repeat: bool = False,
    *,
    tag: str | None = None,
    from_downloaded: bool = False,
    check_mode: bool = False,
) -> Callable[[Status], tuple[Update, str]]:
    """Find out, once the state is known, what the tracked image holds."""

    def make(status: Status) -> tuple[Update, str]:
        wish = Update(park, repeat=repeat, history=read_rollbacks(), tag=tag, from_downloaded=from_downloaded)
        reference = None if from_downloaded else followed(status, tag)
        if reference is None:
            return wish, ""
        resolution, failed = _resolve(client, reference, status, config=bool(wish.history))
        if resolution is not None:
            return replace(wish, accept=resolution.digests, digest=_reported_digest(resolution, status)), ""
        if check_mode and _would_fetch(status, wish):
            _refuse_to_predict(failed)
        if failed is not None and status.backend == COMPOSEFS and status.download_only and not park:
            # bootc would look at what is parked, if at all, without arming it; dropping it first might lose it.
            failed.remedy = (
                f"{failed.remedy}. To arm what is parked whatever the registry has, set from_downloaded=true"
            )
            raise failed
        return wish, _remark(failed, reference.name)

    return make


def followed(status: Status, tag: str | None) -> Reference | None:
    """The reference whose content an update is about; None where there is none that a registry could be asked for."""
    spec = status.spec_image
    if spec is None or spec.transport != "registry":
        return None
    name = spec.image if tag is None else with_tag(spec, tag).image
    if "@" in name:
        return None
    try:
        return parse_reference(name)
    except BootcError:
        return None  # whoever gave the host this name, bootc is the judge of it


def _refuse_to_predict(failed: BootcError | None) -> None:
    """A change to what does not exist is none that could be predicted."""
    if failed is not None and failed.kind == "not_found":
        raise failed


def _remark(failed: BootcError | None, name: str) -> str:
    if failed is None:
        return f"{name} holds nothing for the architecture of this device, or does not say so"
    return f"What {name} holds could not be looked up beforehand ({failed.kind}: {failed.message})"


def _reported_digest(resolution: Resolution, status: Status) -> str | None:
    """The digest the host will report for this content."""
    return resolution.config_digest if status.reports_config_digests else resolution.platform_digest


def _resolve(
    client: Client, reference: Reference, status: Status, config: bool = False
) -> tuple[Resolution | None, BootcError | None]:
    """What the reference holds, or why that is not known. bootc itself is the judge of what can be pulled.

    With ``config`` a composefs host also gets the digest by which it may have known the content before it was updated.
    """
    architecture = status.booted.architecture if status.booted else None
    config = status.reports_config_digests or (config and status.backend == COMPOSEFS)
    try:
        resolution = client.resolve(reference, architecture or machine_architecture(), config)
    except BootcError as exc:
        return None, exc
    return (None, None) if _reported_digest(resolution, status) is None else (resolution, None)


def wish_to_roll_back(
    discard_staged: bool, repeat: bool, forward: bool = False
) -> Callable[[Status], tuple[Rollback, str]]:
    """Take along what the device remembers."""

    def make(_status: Status) -> tuple[Rollback, str]:
        return Rollback(discard_staged, repeat, forward, read_rollbacks()), ""

    return make
