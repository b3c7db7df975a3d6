# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a device is made of: the files of /sys and /proc that tell of it, by profile.

They are plain files below the device's root, written once. Whoever wants an empty battery writes
``sys/class/power_supply/BAT1/capacity``.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from simulator.state import State

MACHINES = {"amd64": "x86_64", "arm64": "aarch64", "arm": "armv7l", "386": "i686"}
DEFAULT = "vm"
NONE = "none"


@dataclass(frozen=True)
class Profile:
    """A product as its firmware names it; memory in kB as the kernel counts it; graphics as PCI ids and driver."""

    vendor: str
    product: str
    board: str
    memory: int
    graphics: tuple[str, str, str]
    battery: bool = True
    hypervisor: bool = False


PROFILES = {
    "steam-deck": Profile("Valve", "Galileo", "Galileo", 15_000_000, ("0x1002", "0x1435", "amdgpu")),
    "rog-ally": Profile(
        "ASUSTeK COMPUTER INC.", "ROG Ally X RC72LA_RC72LA", "RC72LA", 23_500_000, ("0x1002", "0x15bf", "amdgpu")
    ),
    "legion-go": Profile("LENOVO", "83E1", "LNVNB161216", 14_600_000, ("0x1002", "0x15bf", "amdgpu")),
    "ayaneo": Profile("AYANEO", "AYANEO 2", "AYANEO 2", 30_100_000, ("0x1002", "0x1681", "amdgpu")),
    "gpd": Profile("GPD", "G1618-04", "G1618-04", 30_100_000, ("0x1002", "0x15bf", "amdgpu")),
    "generic-pc": Profile(
        "Micro-Star International Co., Ltd.",
        "MS-7C56",
        "B550-A PRO (MS-7C56)",
        32_800_000,
        ("0x1002", "0x73bf", "amdgpu"),
        battery=False,
    ),
    "small-pc": Profile("Acer", "Veriton N", "Veriton N", 1_950_000, ("0x10de", "0x1d01", "nvidia"), battery=False),
    "vm": Profile(
        "QEMU",
        "Standard PC (Q35 + ICH9, 2009)",
        "",
        8_140_000,
        ("0x1af4", "0x1050", "virtio-pci"),
        battery=False,
        hypervisor=True,
    ),
}
NAMES = (*PROFILES, NONE)
MESA_LIBRARY = "usr/lib/libgallium-25.2.3-arch1.2.so"
VULKAN_MANIFEST = "usr/share/vulkan/icd.d/radeon_icd.x86_64.json"


def files(profile: Profile, architecture: str) -> dict[str, str]:
    """Contents by path below the root. Pure."""
    flags = "fpu vme sse2 ht syscall nx lm" + (" hypervisor" if profile.hypervisor else "")
    vendor, device, _driver = profile.graphics
    found = {
        "proc/meminfo": f"MemTotal:       {profile.memory:>8} kB\nMemFree:        {profile.memory // 2:>8} kB\n",
        "proc/cpuinfo": f"processor\t: 0\nflags\t\t: {flags}\n",
        "proc/sys/kernel/arch": f"{MACHINES.get(architecture, architecture)}\n",
        "proc/self/cgroup": "0::/system.slice/sshd.service\n",
        "sys/class/dmi/id/sys_vendor": f"{profile.vendor}\n",
        "sys/class/dmi/id/product_name": f"{profile.product}\n",
        "sys/class/dmi/id/product_version": "Default string\n",
        "sys/class/dmi/id/board_vendor": f"{profile.vendor}\n",
        "sys/class/dmi/id/board_name": f"{profile.board}\n",
        "sys/class/drm/card0/device/vendor": f"{vendor}\n",
        "sys/class/drm/card0/device/device": f"{device}\n",
        MESA_LIBRARY: "",
        VULKAN_MANIFEST: "{}\n",
        # Two processes, so that the device shows some.
        "proc/1/comm": "systemd\n",
        "proc/1/cmdline": "/sbin/init\0",
        "proc/812/comm": "sddm\n",
        "proc/812/cmdline": "/usr/bin/sddm\0",
    }
    if profile.battery:
        supplies = {
            "ACAD": {"type": "Mains", "online": "1"},
            "BAT1": {"type": "Battery", "present": "1", "status": "Charging", "capacity": "80"},
        }
        for name, attributes in supplies.items():
            for attribute, value in attributes.items():
                found[f"sys/class/power_supply/{name}/{attribute}"] = f"{value}\n"
    return found


def equip(root: Path, name: str, architecture: str) -> None:
    """Write what the device ``name`` is made of below its root."""
    if name == NONE:
        return
    profile = PROFILES[name]
    for path, text in files(profile, architecture).items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text, encoding="utf-8")
    (root / "sys/class/power_supply").mkdir(parents=True, exist_ok=True)
    driver = root / "sys/class/drm/card0/device/driver"
    if not driver.is_symlink():
        driver.symlink_to(f"../../../../bus/pci/drivers/{profile.graphics[2]}")


def mountinfo(state: State) -> str:
    """/proc/self/mountinfo of the running system: what ``findmnt`` shows, and an overlay on /usr. Pure."""
    from simulator.programs.findmnt import mounts

    lines = [
        f"{20 + number} 1 0:{30 + number} / {mount['target']} {mount['options'].partition(',')[0]},relatime shared:1 - "
        f"{mount['fstype']} {mount['source']} {mount['options']}"
        for number, mount in enumerate(mounts(state))
    ]
    if state.usr_overlay is not None:
        mode = "ro" if state.usr_overlay.access_mode == "readOnly" else "rw"
        lines.append(f"60 20 0:60 / /usr {mode},relatime shared:2 - overlay overlay {mode},lowerdir=usr,upperdir=tmp")
    return "".join(f"{line}\n" for line in lines)
