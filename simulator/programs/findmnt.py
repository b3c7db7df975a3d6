# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``findmnt`` on a device: /, /sysroot and /boot, as far as they follow from the state."""

from __future__ import annotations

import json
import sys
from typing import Any, Dict, Sequence

from simulator import storage
from simulator.programs.words import BadOption, Words, parse
from simulator.state import State
from simulator.store import Device

Mount = Dict[str, Any]
COLUMNS = ("TARGET", "SOURCE", "FSTYPE", "OPTIONS")
SYSROOT_BYTES = 256_000_000_000
BOOT_BYTES = 1_000_000_000
FLAGS = (
    "json", "bytes", "noheadings", "evaluate", "canonicalize", "raw", "pairs", "list", "notruncate", "first-only",
    "real", "kernel", "df", "uniq", "nofsroot", "submounts",
)  # fmt: skip
VALUES = ("output", "target", "mountpoint", "types", "options", "source")
SHORT = {
    "J": "json", "b": "bytes", "n": "noheadings", "e": "evaluate", "c": "canonicalize", "r": "raw", "P": "pairs",
    "l": "list", "u": "notruncate", "f": "first-only", "k": "kernel", "D": "df", "U": "uniq", "v": "nofsroot",
    "R": "submounts", "o": "output", "T": "target", "M": "mountpoint", "t": "types", "O": "options", "S": "source",
}  # fmt: skip


def mounts(state: State) -> list[Mount]:
    """What is mounted, every column findmnt knows here. Pure."""
    sysroot: Mount = {
        "source": "/dev/nvme0n1p3",
        "fstype": "btrfs",
        "options": "ro,relatime,compress=zstd:1,space_cache=v2",
        **_room(state.disk_bytes or SYSROOT_BYTES, sum(storage.disk(state).values()), storage.disk_free(state)),
    }
    booted = state.booted
    if booted is None:
        return [{**sysroot, "target": "/", "options": "rw,relatime"}]
    image = f"composefs:{booted.checksum}" if state.composefs else "composefs"
    root: Mount = {
        "source": image,
        "fstype": "overlay",
        "options": f"ro,relatime,lowerdir+=/run/{'' if state.composefs else 'ostree/.private/'}cfsroot-lower,"
        "datadir+=/sysroot/composefs/objects,redirect_dir=on,metacopy=on",
        **{name: sysroot[name] for name in ("size", "used", "avail")},
    }
    boot: Mount = {
        "source": "/dev/nvme0n1p1" if state.composefs else "/dev/nvme0n1p2",
        "fstype": "vfat" if state.composefs else "ext4",
        "options": "rw,relatime,fmask=0077,dmask=0077" if state.composefs else "rw,relatime",
        **_room(state.esp_bytes or BOOT_BYTES, sum(storage.boot_files(state).values()), storage.esp_free(state)),
    }
    placed = (("/", root), ("/sysroot", sysroot), ("/boot", boot))
    return [{**mount, "target": target} for target, mount in placed]


def _room(size: int, used: int, free: int | None) -> Mount:
    """Sizes of a file system of ``size`` bytes; without a limit to what is free there is always some."""
    free = max(size - used, 0) if free is None else free
    return {"size": size, "used": min(used, size) if free else size, "avail": free}


def _value(mount: Mount, column: str, *, exact: bool) -> Any:
    name = column.lower()
    if name in ("size", "used", "avail"):
        return mount[name] if exact else _human(mount[name])
    if name == "use%":
        return f"{round(100 * mount['used'] / mount['size'])}%"
    return mount.get(name)


def _human(size: float) -> str:
    """Powers of 1024 with one decimal, as util-linux writes sizes."""
    units = ["E", "P", "T", "G", "M", "K", "B"]
    while size >= 1024 and len(units) > 1:
        size, _unused = size / 1024, units.pop()
    text = f"{size:.1f}"
    return (text[:-2] if text.endswith(".0") else text) + units[-1]


def _under(found: Sequence[Mount], path: str) -> list[Mount]:
    inside = [mount for mount in found if path == mount["target"] or path.startswith(mount["target"].rstrip("/") + "/")]
    return sorted(inside, key=lambda mount: len(mount["target"]))[-1:]


def answer(state: State, arguments: list[str]) -> tuple[int, str, str]:
    """Exit code, stdout and stderr. Pure."""
    try:
        words = parse(arguments, flags=FLAGS, values=VALUES, short=SHORT)
    except BadOption as wrong:
        return 1, "", f"findmnt: {wrong}\nTry 'findmnt --help' for more information.\n"
    found = mounts(state)
    if words.on("target"):
        found = _under(found, words.last("target") or "/")
    for place in (*words.options.get("mountpoint", ()), *words.words):
        found = [mount for mount in found if place in (mount["target"], mount["source"])]
    types = words.listed("types")
    found = [mount for mount in found if not types or mount["fstype"] in types]
    if words.on("source"):
        found = [mount for mount in found if mount["source"] == words.last("source")]
    if words.on("first-only"):
        found = found[:1]
    if not found:
        return 1, "", ""
    columns = [name.upper() for name in words.listed("output")] or list(COLUMNS)
    unknown = [name for name in columns if name.lower() not in (*found[0], "use%", "uuid", "label")]
    if unknown:
        return 1, "", f"findmnt: unknown column: {unknown[0]}\n"
    rows = [[_value(mount, column, exact=words.on("bytes")) for column in columns] for mount in found]
    return 0, _printed(columns, rows, words), ""


def _printed(columns: Sequence[str], rows: Sequence[list[Any]], words: Words) -> str:
    if words.on("json"):
        listed = [dict(zip((name.lower() for name in columns), row)) for row in rows]
        return json.dumps({"filesystems": listed}, indent=3) + "\n"
    cells = [["" if value is None else str(value) for value in row] for row in rows]
    if words.on("pairs"):
        return "".join(" ".join(f'{name}="{cell}"' for name, cell in zip(columns, row)) + "\n" for row in cells)
    lines = ([] if words.on("noheadings") else [list(columns)]) + cells
    if words.on("raw"):
        return "".join(" ".join(line) + "\n" for line in lines)
    widths = [max(len(line[index]) for line in lines) for index in range(len(columns))]
    return "".join(" ".join(f"{cell:<{width}}" for cell, width in zip(line, widths)).rstrip() + "\n" for line in lines)


def run(device: Device, arguments: list[str]) -> int:
    """The program ``findmnt``. Raises Unreachable and Rebooted."""
    code, out, err = answer(device.visited(), arguments)
    sys.stdout.write(out)
    sys.stderr.write(err)
    return code
