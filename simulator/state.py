# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything a simulated device knows. Frozen dataclasses; every change is a new state."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from typing import Mapping

from simulator.reference import ImageRef

DEFAULT_BOOT_BYTES = 150_000_000
BOOTC = "bootc"


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
    def boot_bytes(self) -> int:
        """Bytes of kernel and initramfs (or of the unified kernel image) where the boot loader reads them."""
        return int(self.labels.get("org.skorionos.simulator.boot-bytes", DEFAULT_BOOT_BYTES))

    @property
    def boot_digest(self) -> str:
        """Digest of kernel and initramfs."""
        return hashlib.sha256(f"kernel {self.kernel}".encode()).hexdigest()


@dataclass(frozen=True)
class Deployment:
    """One bootable (or staged) tree. ``checksum`` is the ostree commit, or the verity digest on composefs.

    ``layered`` (ostree): rpm-ostree put packages on top. ``plain`` (ostree): made of a commit, of no container image.
    ``imginfo`` (composefs): made by a bootc that kept digests of images without their algorithm.
    """

    image: Image
    checksum: str
    serial: int | None = None
    pinned: bool = False
    stateroot: str = "default"
    layered: bool = False
    plain: bool = False
    imginfo: bool = False

    @property
    def id(self) -> str:
        """``<commit>.<serial>`` on ostree, the verity digest on composefs."""
        return self.checksum if self.serial is None else f"{self.checksum}.{self.serial}"

    @property
    def tracked(self) -> ImageRef | None:
        """The image reference bootc sees in its origin; None when it is no container image, or no longer only that."""
        return None if self.layered or self.plain else self.image.ref


@dataclass(frozen=True)
class Overlay:
    """What is mounted over /usr: ``access_mode`` readOnly or readWrite, ``persistence`` transient or persistent."""

    access_mode: str
    persistence: str = "transient"


@dataclass(frozen=True)
class Record:
    """A record of the journal. ``at`` is in seconds since the epoch, 0 until it is written; ``priority`` syslog's.

    ``message_id`` is what bootc calls the operation.
    """

    boot: str
    unit: str
    text: str
    priority: int = 6
    message_id: str | None = None
    at: float = 0.0


@dataclass(frozen=True)
class Boot:
    """The boot a device is in, or on its way into.

    ``soft`` counts the soft reboots since the kernel started, and ``entry`` is the deployment it was started with.
    """

    id: str
    started: float
    up_at: float
    count: int = 1
    silent: bool = False
    settled: bool = False
    failed_units: tuple[str, ...] = ()
    kernel_id: str | None = None
    soft: int = 0
    entry: str | None = None

    @property
    def session(self) -> str:
        """What tells the life of user space from the one before, which a soft reboot ends and the boot id does not."""
        return f"{self.id}+{self.soft}" if self.soft else self.id


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

    ``layers`` are those a pull need not fetch, in bytes by digest. ``leftovers`` take room like them, but nothing uses
    them any more, nor does a pull find them: they wait for the next collection. ``boot_leftovers`` are the same of
    kernels in /boot (composefs: on the ESP). ``disk_bytes`` and ``esp_bytes`` are the sizes of the two file systems,
    None for as large as need be.
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
    leftovers: Mapping[str, int] = field(default_factory=dict)
    boot_leftovers: Mapping[str, int] = field(default_factory=dict)
    disk_bytes: int | None = None
    esp_bytes: int | None = None
    retained: tuple[str, ...] = ()
    read_only: bool = False
    faults: Mapping[str, FaultSetting] = field(default_factory=dict)
    last_pull: Pulled | None = None
    usr_overlay: Overlay | None = None
    soft_reboot_target: str | None = None
    reboot_required: str | None = None
    finalize_stamp: str | None = None
    journal: tuple[Record, ...] = ()

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
        """The first deployment of the booted stateroot in boot order that is not booted."""
        return next((entry for entry in self._not_booted if entry.stateroot == self.stateroot), None)

    @property
    def others(self) -> tuple[Deployment, ...]:
        """Deployments in no slot."""
        return tuple(entry for entry in self._not_booted if entry is not self.rollback)

    @property
    def stateroot(self) -> str:
        """The stateroot the device runs from."""
        return "default" if self.booted is None else self.booted.stateroot

    @property
    def _not_booted(self) -> tuple[Deployment, ...]:
        return tuple(entry for entry in self.deployments if entry.id != self.booted_id)

    @property
    def rollback_queued(self) -> bool:
        """Whether another deployment of the booted stateroot precedes the booted one in boot order."""
        own = [entry for entry in self.deployments if entry.stateroot == self.stateroot]
        return bool(own) and own[0].id != self.booted_id

    @property
    def spec(self) -> ImageRef | None:
        """What the next upgrade tracks: the staged reference, else the booted one."""
        entry = self.staged or self.booted
        return None if entry is None else entry.tracked

    @property
    def everything(self) -> tuple[Deployment, ...]:
        """All deployments, the staged one first."""
        return self.deployments if self.staged is None else (self.staged, *self.deployments)

    def noted(self, text: str, unit: str = BOOTC, *, priority: int = 6, message_id: str | None = None) -> State:
        """The same device with one more record in its journal, which keeps the last hundred."""
        record = Record(self.boot.id, unit, text, priority, message_id)
        return replace(self, journal=(*self.journal, record)[-100:])
