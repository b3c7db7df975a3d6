# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The deployments of a host, each with who pinned it. Built from what bootc, ostree and the device's memory say."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import Any, Iterator, Mapping, Sequence

from ..._errors import BootcError
from ..status import OSTREE, Slot, Status
from .listing import Listed

# Who pinned a deployment: a person, with ostree itself; this collection, to keep the last N; or this collection,
# because somebody named the deployment.
HAND = "hand"
KEEP = "keep"
REQUEST = "request"

# The slots of a deployment. A foreign one belongs to another stateroot: another system on the same disk.
BOOTED = "booted"
STAGED = "staged"
ROLLBACK = "rollback"
OTHER = "other"
FOREIGN = "foreign"

# Before this release bootc tells of the booted, the staged and the rollback deployment only.
_TELLS_OTHERS_SINCE = (1, 3, 0)


@dataclass(frozen=True)
class Deployment:
    """One deployment. ``id`` is ``<commit>.<serial>`` on ostree, the verity digest on composefs."""

    id: str
    slot: str
    digest: str | None = None
    version: str | None = None
    image: str | None = None
    stateroot: str | None = None
    pinned: bool = False
    pinned_by: str | None = None

    def as_dict(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "slot": self.slot,
            "digest": self.digest,
            "version": self.version,
            "image": self.image,
            "stateroot": self.stateroot,
            "pinned": self.pinned,
            "pinned_by": self.pinned_by,
        }


@dataclass(frozen=True)
class Host:
    """All deployments of one host, in the order of the boot menu and the staged one first, as ostree numbers them."""

    backend: str
    deployments: tuple[Deployment, ...]
    rollback_queued: bool = False

    @property
    def own(self) -> tuple[Deployment, ...]:
        """Those of the running system."""
        return tuple(entry for entry in self.deployments if entry.slot != FOREIGN)

    @property
    def bootable(self) -> tuple[Deployment, ...]:
        """Those of the running system that the boot menu offers; what is staged is not proven to boot."""
        return tuple(entry for entry in self.own if entry.slot != STAGED)

    def in_slot(self, slot: str) -> Deployment | None:
        return next((entry for entry in self.deployments if entry.slot == slot), None)

    def position(self, deployment: Deployment) -> int:
        """Where ostree lists a deployment."""
        return [(entry.stateroot, entry.id) for entry in self.deployments].index((deployment.stateroot, deployment.id))

    def changed(self, deployment: Deployment, **values: Any) -> Host:
        """This host with one deployment that differs in ``values``."""
        at = self.position(deployment)
        entry = replace(self.deployments[at], **values)
        return replace(self, deployments=(*self.deployments[:at], entry, *self.deployments[at + 1 :]))

    def without(self, deployment: Deployment) -> Host:
        """This host with one deployment gone. The first one left in the boot menu is the rollback then."""
        at = self.position(deployment)
        left = replace(self, deployments=(*self.deployments[:at], *self.deployments[at + 1 :]))
        if self.deployments[at].slot != ROLLBACK:
            return left
        following = left.in_slot(OTHER)
        if following is None:
            return replace(left, rollback_queued=False)
        return left.changed(following, slot=ROLLBACK)

    def as_list(self) -> list[dict[str, Any]]:
        return [entry.as_dict() for entry in self.deployments]


def build_host(status: Status, listing: Sequence[Listed] | None, pins: Mapping[str, str]) -> Host:
    """Join what bootc says with ostree's own list, which is None on composefs.

    ``pins`` has the pins of this collection: who by, for each deployment. BootcError of kind ``unexpected`` when the
    two do not tell of the same deployments: nothing may be numbered or removed then.
    """
    if status.backend != OSTREE or listing is None:
        return _from_status(status, pins)
    _refuse_disagreement(status, listing)
    root = next(entry.stateroot for entry in listing if entry.booted)
    slots = {slot.deployment: slot for slot in status.slots()}
    rollback = status.rollback.deployment if status.rollback else None
    entries = []
    for entry in listing:
        slot = slots.get(entry.id, Slot())
        place = _place(entry, root, rollback)
        entries.append(
            Deployment(
                entry.id,
                place,
                digest=slot.digest,
                version=slot.version or entry.version,
                image=slot.image,
                stateroot=entry.stateroot,
                pinned=entry.pinned,
                pinned_by=_pinned_by(entry.id, entry.pinned, {} if place == FOREIGN else pins),
            )
        )
    return Host(OSTREE, tuple(entries), status.rollback_queued)


def _place(entry: Listed, root: str, rollback: str | None) -> str:
    if entry.stateroot != root:
        return FOREIGN
    if entry.booted:
        return BOOTED
    if entry.staged:
        return STAGED
    return ROLLBACK if entry.id == rollback else OTHER


def _pinned_by(deployment: str, pinned: bool, pins: Mapping[str, str]) -> str | None:
    return pins.get(deployment, HAND) if pinned else None


def _from_status(status: Status, pins: Mapping[str, str]) -> Host:
    entries = []
    for place, slot in _in_boot_order(status):
        if slot.deployment is None:
            raise BootcError(
                "unexpected",
                f"The {place} deployment has no identity in the status of bootc",
                "Look at 'bootc status --format=json' on the device",
            )
        entries.append(
            Deployment(
                slot.deployment,
                place,
                digest=slot.digest,
                version=slot.version,
                image=slot.image,
                pinned=slot.pinned,
                pinned_by=_pinned_by(slot.deployment, slot.pinned, pins),
            )
        )
    return Host(status.backend or "", tuple(entries), status.rollback_queued)


def _in_boot_order(status: Status) -> Iterator[tuple[str, Slot]]:
    menu = [(BOOTED, status.booted), (ROLLBACK, status.rollback)]
    for place, slot in ((STAGED, status.staged), *(reversed(menu) if status.rollback_queued else menu)):
        if slot is not None:
            yield place, slot
    for slot in status.others:
        yield OTHER, slot


def _refuse_disagreement(status: Status, listing: Sequence[Listed]) -> None:
    told = Counter((slot.deployment or "", slot.pinned) for slot in status.slots())
    listed = Counter((entry.id, entry.pinned) for entry in listing)
    complete = status.at_least(*_TELLS_OTHERS_SINCE)
    if told == listed if complete else not told - listed:
        difference = _slots_differ(status, listing)
    else:
        difference = "they do not list the same deployments with the same pins"
    if difference is None:
        return
    raise BootcError(
        "unexpected",
        f"What bootc and ostree say of the deployments disagrees: {difference}",
        "Something else is changing this device, such as an update timer. Look at 'bootc status' and "
        "'ostree admin status' there, and run again",
        data={"bootc": status.as_dict(), "ostree": [entry.as_dict() for entry in listing]},
    )


def _slots_differ(status: Status, listing: Sequence[Listed]) -> str | None:
    booted = [entry for entry in listing if entry.booted]
    if len(booted) != 1 or status.booted is None or booted[0].id != status.booted.deployment:
        return "another one is booted"
    staged = [entry.id for entry in listing if entry.staged]
    if staged != ([] if status.staged is None else [status.staged.deployment]):
        return "another one is staged"
    menu = [entry.id for entry in listing if entry.stateroot == booted[0].stateroot and not entry.staged]
    rollback = next((entry for entry in menu if entry != booted[0].id), None)
    if rollback != (status.rollback.deployment if status.rollback else None):
        return "another one is the rollback"
    return None


def predicted_status(status: Status, host: Host) -> Status:
    """The status bootc will give when the host has become ``host``, which is ``status`` with less or other pins."""
    known = {slot.deployment: slot for slot in status.slots()}

    def slots(*places: str) -> tuple[Slot, ...]:
        entries = [entry for entry in host.deployments if entry.slot in places and entry.id in known]
        return tuple(replace(known[entry.id], pinned=entry.pinned) for entry in entries)

    rollback = slots(ROLLBACK)
    return replace(
        status,
        booted=slots(BOOTED)[0],
        rollback=rollback[0] if rollback else None,
        others=slots(OTHER, FOREIGN),
        rollback_queued=host.rollback_queued,
    )
