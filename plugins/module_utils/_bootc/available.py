# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an update would bring, found out without touching the host.

``bootc upgrade --check`` is not asked: on ostree it compares with what is stored instead of what runs, and on composefs
it may stage what it finds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .._device.markers import read_rollbacks
from .._errors import BootcError
from .client import Client
from .lookup import Resolution, image_version, machine_architecture
from .reference import Reference
from .status import ImageSpec, Slot, Status
from .transitions import Update, not_bootc, taken_back, taken_back_note, tracked_image, with_tag
from .wishes import followed

TRACKS_A_DIGEST = "The host tracks a digest, which has no newer content"


@dataclass(frozen=True)
class Newest:
    """What the tracked image holds now.

    ``digest`` is that of the manifest for this device, ``digests`` are all by which the content is known. The last two
    are None where there is nothing to compare with.
    """

    image: str
    digest: str | None
    digests: tuple[str, ...]
    version: str | None
    differs_from_booted: bool | None
    differs_from_staged: bool | None

    def as_dict(self) -> dict[str, Any]:
        return {
            "image": self.image,
            "digest": self.digest,
            "digests": list(self.digests),
            "version": self.version,
            "differs_from_booted": self.differs_from_booted,
            "differs_from_staged": self.differs_from_staged,
        }


def look_for_update(client: Client, timeout: float, tag: str | None = None) -> dict[str, Any]:
    """The newest content of the tracked image, or of another tag of it, as module result. Raises BootcError."""
    client.lookup_seconds = min(client.lookup_seconds, timeout)
    status = client.status(timeout)
    if not status.is_bootc:
        raise not_bootc(status.installed)
    spec = tracked_image(status)
    reference = followed(status, tag)
    name = spec.image if tag is None else with_tag(spec, tag).image
    if reference is None:
        newest, notes = _without_registry(status, name)
    else:
        newest, notes = _in_registry(client, status, reference)
    return {"bootc": status.as_dict(), "commands": [], "newest": newest.as_dict(), "notes": notes}


def _without_registry(status: Status, name: str) -> tuple[Newest, list[str]]:
    """A digest is its own newest content; of other transports nobody can be asked."""
    if "@" not in name:
        transport = status.spec_image.transport if status.spec_image else None
        return Newest(name, None, (), None, None, None), [f"What {transport} holds for {name} cannot be looked up"]
    digest = name.partition("@")[2]
    holder = next((slot for slot in (status.staged, status.booted) if slot is not None and slot.image == name), None)
    newest = Newest(
        name,
        holder.digest if holder is not None and holder.digest is not None else digest,
        (digest,),
        holder.version if holder is not None else None,
        status.booted is None or status.booted.image != name,
        None if status.staged is None else status.staged.image != name,
    )
    return newest, [TRACKS_A_DIGEST]


def _in_registry(client: Client, status: Status, reference: Reference) -> tuple[Newest, list[str]]:
    architecture = (status.booted.architecture if status.booted else None) or machine_architecture()
    found = client.resolve(reference, architecture, status.reports_config_digests)
    if found.platform_digest is None:
        raise BootcError(
            "incompatible",
            f"{reference.name} holds nothing for the architecture of this device ({architecture})",
            "Choose an image for the architecture of the device",
        )
    newest = Newest(
        reference.name,
        found.platform_digest,
        tuple(sorted(found.digests)),
        image_version(client.run, reference.repository, found.platform_digest, client.lookup_seconds),
        _differs(status.booted, found),
        _differs(status.staged, found),
    )
    wish = Update(accept=found.digests, history=read_rollbacks())
    back = taken_back(status, wish)
    return newest, [taken_back_note(status, ImageSpec(reference.name), wish)] if back else []


def _differs(slot: Slot | None, found: Resolution) -> bool | None:
    """None where there is nothing to differ from, or it has no digest."""
    if slot is None or slot.digest is None:
        return None
    return slot.digest not in found.digests
