# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A device in a directory, for what asks one about its state."""

from __future__ import annotations

from pathlib import Path

BOOT = "1f0f0e5c-64a1-4a1c-9c9e-3f6a0c5d7e8b"
STATUS = Path(__file__).parents[1] / "bootc" / "data" / "composefs-sdboot-staged.json"


class SmallDevice:
    """A root directory and the programs of a device that does nothing but tell its state."""

    def __init__(self, directory: Path) -> None:
        self.root = directory / "root"
        self.programs = directory / "bin"
        self.programs.mkdir(parents=True)
        self.write("proc/sys/kernel/random/boot_id", BOOT + "\n")
        self.process(1, "systemd", "/sbin/init")
        (self.root / "run").mkdir()
        (self.root / "sys/class/power_supply").mkdir(parents=True)
        self.program("bootc", f"""case "$1" in --version) echo "bootc 1.16.9";; *) cat {STATUS};; esac""")
        self.program("systemctl", """case "$1" in show) echo 0;; esac""")

    def write(self, path: str, text: str) -> None:
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).write_text(text)

    def process(self, pid: int, name: str, *arguments: str) -> None:
        self.write(f"proc/{pid}/comm", f"{name}\n")
        self.write(f"proc/{pid}/cmdline", "".join(f"{argument}\0" for argument in arguments))

    def supply(self, name: str, **attributes: str) -> None:
        for attribute, value in attributes.items():
            self.write(f"sys/class/power_supply/{name}/{attribute}", f"{value}\n")

    def program(self, name: str, script: str) -> None:
        path = self.programs / name
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)

    @property
    def environment(self) -> dict[str, str]:
        return {"PATH": f"{self.programs}:/usr/bin:/bin", "BOOTC_DEVICE_ROOT": str(self.root)}
