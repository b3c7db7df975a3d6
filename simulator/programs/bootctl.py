# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``bootctl list`` and ``status`` where systemd-boot is used: the entries in their true order, also with UKIs."""

from __future__ import annotations

import json
import sys
from typing import Any, Dict

from simulator.programs.words import BadOption, parse
from simulator.state import State
from simulator.store import Device

Entry = Dict[str, Any]
ROOT = "/boot"
NO_ESP = (
    "Couldn't find EFI system partition. It is recommended to mount it to /boot or /efi.\n"
    "Alternatively, use --esp-path= to specify path to mount point.\n"
)


def entries(state: State) -> list[Entry]:
    """The boot menu from its top: the first one is what boots by default. Pure."""
    listed: list[Entry] = []
    for index, deployment in enumerate(state.deployments):
        labels = deployment.image.labels
        version = labels.get("org.opencontainers.image.version", deployment.checksum)
        os_id = labels.get("org.skorionos.simulator.os-id", "skorionos")
        # The sort key ascends from the default; the number in the file name descends, for boot loaders that read it.
        name = f"bootc_{os_id}-{version}-{max(1 - index, 0)}.conf"
        title = labels.get("org.opencontainers.image.title", "Simulated system")
        entry: Entry = {
            "type": "type1",
            "source": "esp",
            "id": name,
            "path": f"{ROOT}/loader/entries/{name}",
            "root": ROOT,
            "title": title,
            "showTitle": f"{title} ({version})" if len(state.deployments) > 1 else title,
            "sortKey": f"bootc-{os_id}-{index}",
            "version": version,
        }
        if state.uki:
            entry["efi"] = f"/EFI/Linux/bootc/bootc_composefs-{deployment.checksum}.efi"
        else:
            folder = f"/EFI/Linux/bootc_composefs-{deployment.checksum}"
            entry["options"] = (
                f"root=UUID=5e1f0000-0000-4000-8000-000000000001 rw composefs={deployment.checksum} quiet"
            )
            entry["linux"] = f"{folder}/vmlinuz"
            entry["initrd"] = [f"{folder}/initrd"]
        entry["isReported"] = True
        entry["isDefault"] = index == 0
        entry["isSelected"] = deployment.id == state.booted_id
        listed.append(entry)
    return listed


def _shown(entry: Entry) -> str:
    marks = [text for key, text in (("isDefault", "default"), ("isSelected", "selected")) if entry[key]]
    rows = [
        ("type", "Boot Loader Specification Type #1 (.conf)"),
        ("title", entry["showTitle"] + (f" ({') ('.join(marks)})" if marks else "")),
        ("id", entry["id"]),
        ("source", entry["path"]),
        ("sort-key", entry["sortKey"]),
        ("version", entry["version"]),
    ]
    rows += [(key, str(entry[key])) for key in ("linux", "efi", "options") if key in entry]
    return "".join(f"{key:>12}: {text}\n" for key, text in rows)


def answer(state: State, arguments: list[str]) -> tuple[int, str, str]:
    """Exit code, stdout and stderr. Pure."""
    try:
        words = parse(arguments, flags=("no-pager", "quiet", "print-esp-path"), values=("json", "esp-path", "path"),
                      short={"q": "quiet", "p": "print-esp-path"})  # fmt: skip
    except BadOption as wrong:
        return 1, "", f"bootctl: {wrong}\n"
    if not state.composefs:
        return 1, "", NO_ESP
    if words.on("print-esp-path"):
        return 0, f"{ROOT}\n", ""
    verb = (words.words or ["status"])[0]
    if verb not in ("list", "status"):
        return 1, "", f"bootctl: not simulated: {' '.join(arguments)}\n"
    return 0, _listing(entries(state), words.last("json") or "off") if verb == "list" else _status(entries(state)), ""


def _listing(listed: list[Entry], form: str) -> str:
    if form in ("short", "pretty"):
        indent, separators = ("\t", (",", " : ")) if form == "pretty" else (None, (",", ":"))
        return json.dumps(listed, indent=indent, separators=separators, ensure_ascii=False) + "\n"
    return "Boot Loader Entries:\n" + "\n".join(_shown(entry) for entry in listed)


def _status(listed: list[Entry]) -> str:
    head = "System:\n      Firmware: UEFI 2.80\n\nCurrent Boot Loader:\n      Product: systemd-boot 257.5-1\n"
    return f"{head}\nDefault Boot Loader Entry:\n" + "".join(_shown(entry) for entry in listed[:1])


def run(device: Device, arguments: list[str]) -> int:
    """The program ``bootctl``. Raises Unreachable and Rebooted."""
    code, out, err = answer(device.visited(), arguments)
    sys.stdout.buffer.write(out.encode())
    sys.stderr.buffer.write(err.encode())
    return code
