# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything a simulated device knows. Frozen dataclasses; every change is a new state."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from typing import Any, Dict, Mapping

from simulator.reference import ImageRef

SCHEMA = 2
Json = Dict[str, Any]


@dataclass(frozen=True)
class Layer:
    """One layer of an image as its manifest lists it."""

    digest: str
    size: int
    media_type: str = "application/vnd.oci.image.layer.v1.tar+gzip"


@dataclass(frozen=True)
class Image:
    """An image for this device's architecture, resolved at a registry at some moment."""

    ref: ImageRef
    digest: str
    config_digest: str
    architecture: str
    layers: tuple[Layer, ...]
    diff_ids: tuple[str, ...] = ()
    created: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """Bytes of all layers, as the manifest says."""
        return sum(layer.size for layer in self.layers)

    @property
    def commit(self) -> str:
        """The checksum ostree would give the commit made of this image."""
        return hashlib.sha256(f"commit {self.digest}".encode()).hexdigest()

    @property
    def verity(self) -> str:
        """The fs-verity digest of the file system this image holds: a matter of content only."""
        content = self.diff_ids or tuple(layer.digest for layer in self.layers)
        return hashlib.sha512(" ".join(content).encode()).hexdigest()

    @property
    def kernel(self) -> str:
        """What identifies kernel and initramfs; equal kernels make a soft reboot possible."""
        return self.labels.get("ostree.linux") or self.digest

    @property
    def boot_digest(self) -> str:
        """Digest of kernel and initramfs."""
        return hashlib.sha256(f"kernel {self.kernel}".encode()).hexdigest()


@dataclass(frozen=True)
class Deployment:
    """One bootable (or staged) tree. ``checksum`` is the ostree commit, or the verity digest on composefs."""

    image: Image
    checksum: str
    serial: int | None = None
    pinned: bool = False
    stateroot: str = "default"

    @property
    def id(self) -> str:
        """``<commit>.<serial>`` on ostree, the verity digest on composefs."""
        return self.checksum if self.serial is None else f"{self.checksum}.{self.serial}"


@dataclass(frozen=True)
class Boot:
    """The boot a device is in, or on its way into."""

    id: str
    started: float
    up_at: float
    count: int = 1
    silent: bool = False
    settled: bool = False
    failed_units: tuple[str, ...] = ()
    kernel_id: str | None = None


@dataclass(frozen=True)
class FaultSetting:
    """A fault that is on: its value, and since when."""

    value: str
    since: float


@dataclass(frozen=True)
class Pulled:
    """What one pull moved."""

    bytes_fetched: int = 0
    bytes_reused: int = 0
    layers_fetched: int = 0
    layers_reused: int = 0
    seconds: float = 0.0


@dataclass(frozen=True)
class State:
    """A device. ``deployments`` is in boot order: the first one is what the boot menu starts by default.

    Of images pulled before, ostree knows the last one of each reference (``stored``), composefs the configurations
    (``contents``). ``boot_type`` is ``bls`` or, on composefs, ``uki``.
    """

    backend: str
    bootc_version: str
    boot: Boot
    architecture: str = "amd64"
    boot_seconds: float = 2.0
    has_bootc: bool = True
    in_place: bool = False
    boot_type: str = "bls"
    deployments: tuple[Deployment, ...] = ()
    booted_id: str | None = None
    staged: Deployment | None = None
    staged_locked: bool = False
    stored: Mapping[str, Image] = field(default_factory=dict)
    contents: tuple[str, ...] = ()
    cached_updates: Mapping[str, Image] = field(default_factory=dict)
    layers: Mapping[str, int] = field(default_factory=dict)
    retained: tuple[str, ...] = ()
    faults: Mapping[str, FaultSetting] = field(default_factory=dict)
    last_pull: Pulled | None = None
    usr_overlay: str | None = None
    reboot_required: str | None = None
    finalize_stamp: bool = False
    journal: tuple[str, ...] = ()

    @property
    def composefs(self) -> bool:
        """Whether the storage backend is composefs."""
        return self.backend == "composefs"

    @property
    def uki(self) -> bool:
        """Whether deployments are booted as unified kernel images."""
        return self.boot_type == "uki"

    @property
    def booted(self) -> Deployment | None:
        """The deployment the device runs; None on a device without bootc."""
        return next((entry for entry in self.deployments if entry.id == self.booted_id), None)

    @property
    def rollback(self) -> Deployment | None:
        """The first deployment in boot order that is not booted."""
        return next((entry for entry in self.deployments if entry.id != self.booted_id), None)

    @property
    def others(self) -> tuple[Deployment, ...]:
        """Deployments in no slot."""
        return tuple(entry for entry in self.deployments if entry.id != self.booted_id)[1:]

    @property
    def rollback_queued(self) -> bool:
        """Whether another deployment precedes the booted one in boot order."""
        return bool(self.deployments) and self.deployments[0].id != self.booted_id

    @property
    def spec(self) -> ImageRef | None:
        """What the next upgrade tracks: the staged reference, else the booted one."""
        entry = self.staged or self.booted
        return None if entry is None else entry.image.ref

    @property
    def everything(self) -> tuple[Deployment, ...]:
        """All deployments, the staged one first."""
        return self.deployments if self.staged is None else (self.staged, *self.deployments)

    def noted(self, event: str) -> State:
        """The same device with one more line in its journal, which keeps the last fifty."""
        return replace(self, journal=(*self.journal, event)[-50:])


def image_to_json(image: Image) -> Json:
    """An image as plain data."""
    return {
        "image": image.ref.image,
        "transport": image.ref.transport,
        "signature": image.ref.signature,
        "digest": image.digest,
        "config_digest": image.config_digest,
        "architecture": image.architecture,
        "created": image.created,
        "labels": dict(image.labels),
        "annotations": dict(image.annotations),
        "diff_ids": list(image.diff_ids),
        "layers": [[layer.digest, layer.size, layer.media_type] for layer in image.layers],
    }


def image_from_json(data: Json) -> Image:
    """The inverse of image_to_json."""
    return Image(
        ref=ImageRef(data["image"], data["transport"], data["signature"]),
        digest=data["digest"],
        config_digest=data["config_digest"],
        architecture=data["architecture"],
        created=data["created"],
        labels=data["labels"],
        annotations=data["annotations"],
        diff_ids=tuple(data["diff_ids"]),
        layers=tuple(Layer(*entry) for entry in data["layers"]),
    )


def deployment_to_json(entry: Deployment) -> Json:
    """A deployment as plain data."""
    return {
        "id": entry.id,
        "checksum": entry.checksum,
        "serial": entry.serial,
        "pinned": entry.pinned,
        "stateroot": entry.stateroot,
        "image": image_to_json(entry.image),
    }


def deployment_from_json(data: Json) -> Deployment:
    """The inverse of deployment_to_json."""
    return Deployment(
        image_from_json(data["image"]), data["checksum"], data["serial"], data["pinned"], data["stateroot"]
    )


def to_json(state: State) -> Json:
    """A device as plain data, without what is derived from it."""
    boot, pulled = state.boot, state.last_pull
    return {
        "schema": SCHEMA,
        "backend": state.backend,
        "bootc_version": state.bootc_version,
        "architecture": state.architecture,
        "boot_seconds": state.boot_seconds,
        "has_bootc": state.has_bootc,
        "in_place": state.in_place,
        "boot_type": state.boot_type,
        "boot": {
            "id": boot.id,
            "started": boot.started,
            "up_at": boot.up_at,
            "count": boot.count,
            "silent": boot.silent,
            "settled": boot.settled,
            "failed_units": list(boot.failed_units),
            "kernel_id": boot.kernel_id,
        },
        "deployments": [deployment_to_json(entry) for entry in state.deployments],
        "booted": state.booted_id,
        "staged": None if state.staged is None else deployment_to_json(state.staged),
        "staged_locked": state.staged_locked,
        "stored": {spec: image_to_json(image) for spec, image in state.stored.items()},
        "contents": list(state.contents),
        "cached_updates": {digest: image_to_json(image) for digest, image in state.cached_updates.items()},
        "layers": dict(state.layers),
        "retained": list(state.retained),
        "faults": {name: {"value": fault.value, "since": fault.since} for name, fault in state.faults.items()},
        "last_pull": None if pulled is None else pulled_to_json(pulled),
        "usr_overlay": state.usr_overlay,
        "reboot_required": state.reboot_required,
        "finalize_stamp": state.finalize_stamp,
        "journal": list(state.journal),
    }


def pulled_to_json(pulled: Pulled) -> Json:
    """A pull as plain data."""
    return {
        "bytes_fetched": pulled.bytes_fetched,
        "bytes_reused": pulled.bytes_reused,
        "layers_fetched": pulled.layers_fetched,
        "layers_reused": pulled.layers_reused,
        "seconds": pulled.seconds,
    }


def from_json(data: Json) -> State:
    """The inverse of to_json; raises ValueError for a device of another simulator version."""
    if data.get("schema") != SCHEMA:
        raise ValueError(
            f"the device was made by another version of the simulator (schema {data.get('schema')}, "
            f"this one writes {SCHEMA}); create it again with --force"
        )
    boot: Json = data["boot"]
    failed: list[str] = boot["failed_units"]
    return State(
        backend=data["backend"],
        bootc_version=data["bootc_version"],
        architecture=data["architecture"],
        boot_seconds=data["boot_seconds"],
        has_bootc=data["has_bootc"],
        in_place=data["in_place"],
        boot_type=data["boot_type"],
        boot=Boot(
            id=boot["id"],
            started=boot["started"],
            up_at=boot["up_at"],
            count=boot["count"],
            silent=boot["silent"],
            settled=boot["settled"],
            failed_units=tuple(failed),
            kernel_id=boot["kernel_id"],
        ),
        deployments=tuple(deployment_from_json(entry) for entry in data["deployments"]),
        booted_id=data["booted"],
        staged=None if data["staged"] is None else deployment_from_json(data["staged"]),
        staged_locked=data["staged_locked"],
        stored={spec: image_from_json(image) for spec, image in data["stored"].items()},
        contents=tuple(data["contents"]),
        cached_updates={digest: image_from_json(image) for digest, image in data["cached_updates"].items()},
        layers=data["layers"],
        retained=tuple(data["retained"]),
        faults={name: FaultSetting(fault["value"], fault["since"]) for name, fault in data["faults"].items()},
        last_pull=None if data["last_pull"] is None else Pulled(**data["last_pull"]),
        usr_overlay=data["usr_overlay"],
        reboot_required=data["reboot_required"],
        finalize_stamp=data["finalize_stamp"],
        journal=tuple(data["journal"]),
    )
