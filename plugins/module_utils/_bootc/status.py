# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The status document of bootc as one normalised structure, whatever the version and the storage backend."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from typing import Any, Iterator

from .._device.content import Content
from .._errors import BootcError
from .reference import is_digest

OSTREE = "ostree"
COMPOSEFS = "composefs"

_VERSION = re.compile(r"(?<!\d)(\d{1,9})\.(\d{1,9})\.(\d{1,9})(?!\d)")
_BARE_SHA256 = re.compile(r"[0-9a-f]{64}\Z")

# These boot loaders read the ESP only, so entries and kernels are there.
_ESP_BOOTLOADERS = ("systemd", "grub-cc")
# Up to this release the flag says the opposite of the truth on UKI hosts of these boot loaders.
_UKI_INVERTED_UNTIL = (1, 16, 9)
# Before this release composefs hosts report the digest of the image configuration instead of that of the manifest.
_MANIFEST_DIGEST_SINCE = (1, 16, 4)
# Before this release composefs hosts may wait for themselves after staging, for ever.
_ENDS_AFTER_STAGING_SINCE = (1, 16, 8)

# These releases may go on telling on composefs hosts of a staged deployment that a rollback has dropped.
_STALE_SINCE, _STALE_UNTIL = (1, 12, 0), (1, 16, 0)


@dataclass(frozen=True)
class ImageSpec:
    """What a deployment tracks."""

    image: str
    transport: str = "registry"
    signature: str | None = None

    def as_dict(self) -> dict[str, Any]:
        return {"image": self.image, "transport": self.transport, "signature": self.signature}


@dataclass(frozen=True)
class Slot:
    """One bootable deployment. ``soft_reboot_capable`` is None where that cannot be known, as in predictions."""

    image: str | None = None
    transport: str | None = None
    signature: str | None = None
    digest: str | None = None
    version: str | None = None
    timestamp: str | None = None
    architecture: str | None = None
    pinned: bool = False
    incompatible: bool = False
    soft_reboot_capable: bool | None = False
    download_only: bool = False
    deployment: str | None = None

    @property
    def spec(self) -> ImageSpec | None:
        """What this deployment tracks, if it came from an image at all."""
        if self.image is None:
            return None
        return ImageSpec(self.image, self.transport or "registry", self.signature)

    @property
    def content(self) -> Content:
        """What it holds, by names that another deployment of the same content has too."""
        return Content(self.digest, self.deployment.partition(".")[0] if self.deployment else None)

    def as_dict(self) -> dict[str, Any]:
        return {
            "image": self.image,
            "transport": self.transport,
            "signature": self.signature,
            "digest": self.digest,
            "version": self.version,
            "timestamp": self.timestamp,
            "architecture": self.architecture,
            "pinned": self.pinned,
            "incompatible": self.incompatible,
            "soft_reboot_capable": self.soft_reboot_capable,
            "download_only": self.download_only,
            "deployment": self.deployment,
        }


@dataclass(frozen=True)
class Overlay:
    """A writable layer over /usr."""

    access_mode: str | None
    persistence: str | None

    def as_dict(self) -> dict[str, Any]:
        return {"access_mode": self.access_mode, "persistence": self.persistence}


@dataclass(frozen=True)
class Status:
    """The state of one host. The default is a host that bootc did not deploy, but on which it is ``installed``."""

    bootc_version: str | None = None
    backend: str | None = None
    booted: Slot | None = None
    staged: Slot | None = None
    rollback: Slot | None = None
    others: tuple[Slot, ...] = ()
    spec_image: ImageSpec | None = None
    rollback_queued: bool = False
    read_only: bool = False
    usr_overlay: Overlay | None = None
    installed: bool = True
    kernels_on_esp: bool = False

    @property
    def is_bootc(self) -> bool:
        return self.booted is not None

    @property
    def download_only(self) -> bool:
        """Whether what is staged is parked: kept, but not booted next."""
        return self.staged is not None and self.staged.download_only

    @property
    def next_boot(self) -> str | None:
        """The slot an orderly reboot would boot."""
        if self.booted is None:
            return None
        if self.staged is not None and not self.staged.download_only:
            return "staged"
        if self.rollback_queued and self.rollback is not None:
            return "rollback"
        return "booted"

    @property
    def next_slot(self) -> Slot | None:
        """The deployment an orderly reboot would boot."""
        return {"booted": self.booted, "staged": self.staged, "rollback": self.rollback}.get(self.next_boot or "")

    @property
    def reboot_required(self) -> bool:
        return self.next_boot not in ("booted", None)

    @property
    def reports_config_digests(self) -> bool:
        """Whether the digests of this host are those of image configurations, an old error of bootc."""
        version = version_tuple(self.bootc_version)
        return self.backend == COMPOSEFS and version is not None and version < _MANIFEST_DIGEST_SINCE

    @property
    def may_hang_after_staging(self) -> bool:
        """Whether bootc may never end after it has staged an image, an old error of its clean-up."""
        version = version_tuple(self.bootc_version)
        return self.backend == COMPOSEFS and version is not None and version < _ENDS_AFTER_STAGING_SINCE

    @property
    def staged_may_be_stale(self) -> bool:
        """Whether what is told to be staged may be gone: an old error of bootc when it rolled back.

        A rollback that was queued before the staging looks the same, so the state does not tell for sure.
        """
        version = version_tuple(self.bootc_version)
        affected = self.backend == COMPOSEFS and version is not None and _STALE_SINCE <= version < _STALE_UNTIL
        return affected and self.staged is not None and self.rollback_queued

    def slots(self) -> Iterator[Slot]:
        """All deployments."""
        for slot in (self.booted, self.staged, self.rollback):
            if slot is not None:
                yield slot
        yield from self.others

    def at_least(self, *version: int) -> bool:
        """Whether the bootc of this host is this version or newer; an unreadable version counts as new."""
        own = version_tuple(self.bootc_version)
        return own is None or own >= version

    def without_staged(self) -> Status:
        """This state after the staged deployment was dropped."""
        return replace(self, staged=None, spec_image=self.booted.spec if self.booted else None)

    def as_dict(self) -> dict[str, Any]:
        """The structure all device modules return as ``bootc``."""
        return {
            "is_bootc": self.is_bootc,
            "backend": self.backend,
            "bootc_version": self.bootc_version,
            "booted": self.booted.as_dict() if self.booted else None,
            "staged": self.staged.as_dict() if self.staged else None,
            "rollback": self.rollback.as_dict() if self.rollback else None,
            "others": [slot.as_dict() for slot in self.others],
            "next_boot": self.next_boot,
            "reboot_required": self.reboot_required,
            "download_only": self.download_only,
            "spec_image": self.spec_image.as_dict() if self.spec_image else None,
            "rollback_queued": self.rollback_queued,
            "read_only": self.read_only,
            "usr_overlay": self.usr_overlay.as_dict() if self.usr_overlay else None,
            "pinned": [slot.digest for slot in self.slots() if slot.pinned and slot.digest],
        }


def version_tuple(text: str | None) -> tuple[int, int, int] | None:
    """The first three numbers of a version, or None when there are none."""
    match = _VERSION.search(text or "")
    return (int(match.group(1)), int(match.group(2)), int(match.group(3))) if match else None


def parse_version(text: str) -> str | None:
    """The version in what ``bootc --version`` prints."""
    match = _VERSION.search(text)
    return match.group(0) if match else None


def parse_status(text: str, bootc_version: str | None) -> Status:
    """Parse what ``bootc status --format=json`` prints. Unknown fields are ignored, missing ones defaulted."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as exc:
        raise _unreadable(f"it is not JSON ({exc})", text) from exc
    if not isinstance(document, dict) or document.get("kind") != "BootcHost":
        raise _unreadable("it is no document of kind BootcHost", text)
    state = _mapping(document.get("status"))
    booted = _slot(state.get("booted"))
    if booted is None:
        return Status(bootc_version=bootc_version, read_only=_flag(state.get("readOnly")))
    rollback = _slot(state.get("rollback"))
    others = state.get("otherDeployments")
    parsed = [_slot(entry) for entry in others] if isinstance(others, list) else []
    return Status(
        bootc_version=bootc_version,
        backend=_backend(state.get("booted")),
        booted=booted,
        staged=_slot(state.get("staged")),
        rollback=rollback,
        others=tuple(slot for slot in parsed if slot is not None),
        spec_image=_spec(_mapping(document.get("spec")).get("image")),
        rollback_queued=_rollback_queued(state, bootc_version) and rollback is not None,
        read_only=_flag(state.get("readOnly")),
        usr_overlay=_overlay(state.get("usrOverlay")),
        kernels_on_esp=_boots_from_esp(state),
    )


def _unreadable(cause: str, text: str) -> BootcError:
    return BootcError(
        "unexpected",
        f"The status of bootc could not be understood: {cause}",
        "Run 'bootc status --format=json --format-version=1' on the device and look at its output",
        detail=text[:400],
    )


def _mapping(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _string(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _flag(value: object) -> bool:
    return value is True


def _slot(entry: object) -> Slot | None:
    if not isinstance(entry, dict):
        return None
    status = _mapping(entry.get("image"))
    spec = _spec(status.get("image"))
    return Slot(
        image=spec.image if spec else None,
        transport=spec.transport if spec else None,
        signature=spec.signature if spec else None,
        digest=_digest(status.get("imageDigest")),
        version=_string(status.get("version")),
        timestamp=_string(status.get("timestamp")),
        architecture=_string(status.get("architecture")),
        pinned=_flag(entry.get("pinned")),
        incompatible=_flag(entry.get("incompatible")),
        soft_reboot_capable=_flag(entry.get("softRebootCapable")),
        download_only=_flag(entry.get("downloadOnly")),
        deployment=_deployment(entry),
    )


def _spec(value: object) -> ImageSpec | None:
    spec = _mapping(value)
    image = _string(spec.get("image"))
    if image is None:
        return None
    return ImageSpec(image, _string(spec.get("transport")) or "registry", _signature(spec.get("signature")))


def _signature(value: object) -> str | None:
    if isinstance(value, dict):
        remote = _string(value.get("ostreeRemote"))
        return f"ostreeRemote:{remote}" if remote else None
    return _string(value)


def _digest(value: object) -> str | None:
    text = _string(value)
    if text is None:
        return None
    if _BARE_SHA256.match(text):  # deployments made by early composefs releases
        return f"sha256:{text}"
    return text if is_digest(text) else None


def _deployment(entry: dict[str, Any]) -> str | None:
    ostree = _mapping(entry.get("ostree"))
    checksum = _string(ostree.get("checksum"))
    if checksum is not None:
        serial = ostree.get("deploySerial")
        return f"{checksum}.{serial if isinstance(serial, int) else 0}"
    return _string(_mapping(entry.get("composefs")).get("verity"))


def _backend(booted: object) -> str | None:
    entry = _mapping(booted)
    if isinstance(entry.get("ostree"), dict):
        return OSTREE
    return COMPOSEFS if isinstance(entry.get("composefs"), dict) else None


def _composefs(state: dict[str, Any]) -> dict[str, Any]:
    return _mapping(_mapping(state.get("booted")).get("composefs"))


def _boots_from_esp(state: dict[str, Any]) -> bool:
    return (_string(_composefs(state).get("bootloader")) or "").lower() in _ESP_BOOTLOADERS


def _rollback_queued(state: dict[str, Any], bootc_version: str | None) -> bool:
    queued = _flag(state.get("rollbackQueued"))
    version = version_tuple(bootc_version)
    inverted = (
        (_string(_composefs(state).get("bootType")) or "").lower() == "uki"
        and _boots_from_esp(state)
        and version is not None
        and version <= _UKI_INVERTED_UNTIL
    )
    return not queued if inverted else queued


def _overlay(value: object) -> Overlay | None:
    if not isinstance(value, dict):
        return None
    return Overlay(_string(value.get("accessMode")), _string(value.get("persistence")))
