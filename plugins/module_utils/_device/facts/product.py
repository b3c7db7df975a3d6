# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which product this is, from what the firmware says of it (DMI), and whether it is a virtual machine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Mapping

from ..command import Run
from .probe import PROBE_SECONDS, ask, read_line, read_text

DIRECTORY = "/sys/class/dmi/id"
# Serial numbers and UUIDs are there too. They identify an owner and are not needed.
ATTRIBUTES = ("sys_vendor", "product_name", "product_version", "product_family", "board_vendor", "board_name")
_LONGEST = 128

# Firmware of small makers leaves such texts where a name belongs.
_PLACEHOLDERS = (
    "default string",
    "to be filled by o.e.m.",
    "system product name",
    "system version",
    "system manufacturer",
    "not specified",
    "not applicable",
    "none",
    "invalid",
    "o.e.m.",
    "sku",
)
# What the vendor's name starts with, then what the product's or board's name starts with; lower case, "" for any.
_FAMILIES = (
    ("steam_deck", ("valve",), ("jupiter", "galileo")),
    ("rog_ally", ("asustek",), ("rog ally", "rog xbox ally", "rc71l", "rc72la", "rc73")),
    ("legion_go", ("lenovo",), ("83e1", "83l3", "83n0", "83n1", "83n6", "83q2", "83q3")),
    ("ayaneo", ("ayaneo", "ayadevice", "aya neo", "ayn neo"), ("",)),
    ("gpd", ("gpd",), ("",)),
    ("onexplayer", ("one-netbook", "onexplayer"), ("onexplayer", "one xplayer")),
    ("msi_claw", ("micro-star",), ("claw", "ms-1t4", "ms-1t5", "ms-1t8", "ms-1t9")),
)
_VM_VENDORS = (
    "qemu",
    "bochs",
    "vmware",
    "innotek",
    "xen",
    "parallels",
    "bhyve",
    "amazon ec2",
    "google",
    "apple virtualization",
    "openstack",
    "red hat",
    "nutanix",
    "kubevirt",
)
_VM_PRODUCTS = (
    "virtual machine",
    "virtualbox",
    "kvm",
    "hvm domu",
    "google compute engine",
    "standard pc",
    "vmware",
    "openstack",
    "rhel",
)


@dataclass(frozen=True)
class Product:
    """A product. ``family`` is one of ``FAMILIES`` or None; the texts are as the firmware has them, or None."""

    vendor: str | None = None
    name: str | None = None
    version: str | None = None
    board_vendor: str | None = None
    board_name: str | None = None
    family: str | None = None
    virtual: bool | None = None

    def as_dict(self) -> dict[str, Any]:
        return {
            "vendor": self.vendor,
            "name": self.name,
            "version": self.version,
            "board_vendor": self.board_vendor,
            "board_name": self.board_name,
            "family": self.family,
            "virtual": self.virtual,
        }


FAMILIES = (*(name for name, _vendors, _products in _FAMILIES), "generic", "vm")


def clean(text: str | None) -> str | None:
    """A text of the firmware, without padding; None for what only holds the place of one."""
    bare = "".join(letter for letter in text or "" if letter.isprintable()).strip()[:_LONGEST]
    return None if not bare or bare.lower() in _PLACEHOLDERS else bare


def judge(attributes: Mapping[str, str | None], hypervisor: bool | None) -> Product:
    """The product that these DMI attributes describe; ``hypervisor`` says what the processor shows."""
    texts = {name: clean(attributes.get(name)) for name in ATTRIBUTES}
    vendor = texts["sys_vendor"] or texts["board_vendor"]
    name = texts["product_name"]
    handheld = _handheld(vendor, name, texts["board_name"])
    virtual = handheld is None and (_virtual_by_name(vendor, name) or hypervisor is True)
    known = bool(vendor or name or texts["board_name"])
    family = handheld or ("vm" if virtual else "generic" if known else None)
    return Product(
        vendor=vendor,
        name=name,
        version=texts["product_version"],
        board_vendor=texts["board_vendor"],
        board_name=texts["board_name"],
        family=family,
        virtual=True if virtual else False if known or hypervisor is False else None,
    )


def _handheld(vendor: str | None, product: str | None, board: str | None) -> str | None:
    maker = (vendor or "").lower()
    names = [name.lower() for name in (product, board) if name]
    for family, makers, products in _FAMILIES:
        if maker.startswith(makers) and any(name.startswith(products) for name in names):
            return family
    return None


def _virtual_by_name(vendor: str | None, product: str | None) -> bool:
    maker, name = (vendor or "").lower(), (product or "").lower()
    if maker.startswith(("microsoft", "google", "red hat")):
        # They make machines, too.
        return name.startswith(_VM_PRODUCTS)
    return maker.startswith(_VM_VENDORS) or name.startswith(_VM_PRODUCTS)


def parse_hypervisor_flag(cpuinfo: str) -> bool | None:
    """Whether the processor shows that a hypervisor runs it. Only x86 has such a flag; None elsewhere."""
    for line in cpuinfo.splitlines():
        name, colon, value = line.partition(":")
        if colon and name.strip() == "flags":
            return "hypervisor" in value.split()
    return None


def read_product(run: Run, timeout: float = PROBE_SECONDS) -> Product:
    """The product; without DMI and without the processor's flag, systemd is asked whether this is a virtual machine."""
    attributes = {name: read_line(f"{DIRECTORY}/{name}") for name in ATTRIBUTES}
    hypervisor = parse_hypervisor_flag(read_text("/proc/cpuinfo") or "")
    if hypervisor is None and not any(attributes.values()):
        # It ends with 1 when the answer is "none", which is not told from its being absent.
        hypervisor = True if ask(run, ("systemd-detect-virt", "--quiet", "--vm"), timeout) is not None else None
    return judge(attributes, hypervisor)
