# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Processor architecture, memory, graphics."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import Any, Sequence

from ..command import Run
from ..root import device_path
from .probe import PROBE_SECONDS, ask, names_in, read_line, read_text, whole_number

# GOARCH names, as the OCI image specification uses them, by what `uname -m` says.
_OCI = {
    "x86_64": "amd64",
    "amd64": "amd64",
    "i386": "386",
    "i486": "386",
    "i586": "386",
    "i686": "386",
    "aarch64": "arm64",
    "arm64": "arm64",
    "armv6l": "arm",
    "armv7l": "arm",
    "armv8l": "arm",
    "ppc64le": "ppc64le",
    "riscv64": "riscv64",
    "s390x": "s390x",
    "loongarch64": "loong64",
    "mips64": "mips64",
}
_MACHINE = re.compile(r"[A-Za-z0-9_]{2,32}\Z")
_VENDORS = {
    "0x1002": "amd",
    "0x8086": "intel",
    "0x10de": "nvidia",
    "0x1af4": "virtio",
    "0x15ad": "vmware",
    "0x1234": "qemu",
    "0x1b36": "qemu",
}
_PCI_ID = re.compile(r"0x[0-9a-f]{4}\Z")
_CARD = re.compile(r"card[0-9]{1,3}\Z")


@dataclass(frozen=True)
class Gpu:
    """One graphics card. ``vendor`` is a short name where the id is a known one; ``driver`` is the kernel's."""

    card: str
    vendor_id: str | None
    device_id: str | None
    driver: str | None

    @property
    def vendor(self) -> str | None:
        return _VENDORS.get(self.vendor_id or "")

    def as_dict(self) -> dict[str, Any]:
        return {
            "card": self.card,
            "vendor": self.vendor,
            "vendor_id": self.vendor_id,
            "device_id": self.device_id,
            "driver": self.driver,
        }


def oci_architecture(machine: str | None) -> str | None:
    """The name of an architecture in image manifests, None for one that has none here."""
    return _OCI.get((machine or "").lower())


def read_machine(run: Run, timeout: float = PROBE_SECONDS) -> str | None:
    """The kernel's name of the architecture; before Linux 6.1 only ``uname`` tells it."""
    told = read_line("/proc/sys/kernel/arch") or (ask(run, ("uname", "-m"), timeout) or "").strip()
    return told if _MACHINE.match(told) else None


def parse_memory(text: str) -> int | None:
    """Bytes of memory the kernel can use, from /proc/meminfo. Firmware and graphics keep some for themselves."""
    for line in text.splitlines():
        words = line.split()
        if len(words) == 3 and words[0] == "MemTotal:" and words[2] == "kB":
            kibibytes = whole_number(words[1])
            return kibibytes * 1024 if kibibytes is not None and kibibytes > 0 else None
    return None


def read_memory() -> int | None:
    """Bytes of memory."""
    return parse_memory(read_text("/proc/meminfo") or "")


def pci_id(text: str | None) -> str | None:
    """An id of /sys, ``0x1002``; None for anything else."""
    bare = (text or "").lower()
    return bare if _PCI_ID.match(bare) else None


def read_gpus() -> tuple[Gpu, ...] | None:
    """All graphics cards; empty on a machine without any, None where the kernel shows no graphics at all."""
    names = names_in("/sys/class/drm")
    if names is None:
        return None
    return tuple(_gpu(name) for name in names if _CARD.match(name))


def _gpu(card: str) -> Gpu:
    directory = f"/sys/class/drm/{card}/device"
    return Gpu(
        card,
        pci_id(read_line(f"{directory}/vendor")),
        pci_id(read_line(f"{directory}/device")),
        _link_name(f"{directory}/driver"),
    )


def _link_name(path: str) -> str | None:
    try:
        name = os.path.basename(os.readlink(str(device_path(path))))  # noqa: PTH119 - Path has it from 3.9
    except OSError:
        return None
    return name if name and name.isascii() and name.isprintable() else None


def gpu_drivers(gpus: Sequence[Gpu]) -> tuple[str, ...]:
    """Names of the kernel drivers, each once."""
    return tuple(dict.fromkeys(gpu.driver for gpu in gpus if gpu.driver is not None))
