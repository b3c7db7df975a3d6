# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the units of updaters were before they were taken over. It lies in /var, which outlives updates of the image."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from typing import Any, Mapping

from .._errors import BootcError
from .root import device_path

PATH = "/var/lib/skorionos.bootc/updaters.json"
SCHEMA = 1
MASK = "mask"
DISABLE = "disable"
LEFT = "left"


@dataclass(frozen=True)
class Former:
    """What a unit was. ``method`` is how it was taken over, ``boot_id`` the boot in which that was."""

    file_state: str
    active: bool
    method: str
    boot_id: str | None


Memory = Mapping[str, Former]


def parse(text: str) -> dict[str, Former]:
    """The memory of a state file. Raises ValueError for one that makes no sense."""
    document = json.loads(text)
    if not isinstance(document, dict) or document.get("schema") != SCHEMA or not isinstance(document["units"], dict):
        raise ValueError("it is no memory of this collection")
    return {name: _former(name, entry) for name, entry in document["units"].items()}


def _former(name: str, entry: Any) -> Former:
    if isinstance(entry, dict):
        file_state, active, method, boot = (entry.get(key) for key in ("file_state", "active", "method", "boot_id"))
        texts = isinstance(file_state, str) and method in (MASK, DISABLE, LEFT)
        if texts and isinstance(active, bool) and (boot is None or isinstance(boot, str)):
            return Former(str(file_state), active, str(method), boot)
    raise ValueError(f"what it says of {name} is incomplete")


def render(memory: Memory) -> str:
    """The text of a state file."""
    units = {
        name: {"file_state": each.file_state, "active": each.active, "method": each.method, "boot_id": each.boot_id}
        for name, each in sorted(memory.items())
    }
    return json.dumps({"schema": SCHEMA, "units": units}, indent=1) + "\n"


def read() -> dict[str, Former]:
    """What this device remembers. Raises BootcError for a file that makes no sense: nothing may be guessed then."""
    try:
        return parse(device_path(PATH).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, RecursionError) as wrong:
        raise BootcError(
            "unexpected",
            f"{PATH}, in which the device remembers what its updaters were, cannot be read: {wrong}",
            "Look at it and remove it. What is masked then stays so, until 'systemctl unmask'",
        ) from wrong


def write(memory: Memory) -> None:
    """Keep the memory; it is on the disk when this returns. Without anything to remember there is no file."""
    path = device_path(PATH)
    try:
        if not memory:
            path.unlink()
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f".{path.name}.{os.getpid()}")
        with draft.open("w", encoding="utf-8") as file:
            file.write(render(memory))
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except FileNotFoundError:
        return
    except OSError as wrong:
        raise BootcError(
            "unexpected", f"{PATH} cannot be written: {wrong.strerror}", "Nothing more is changed without it"
        ) from wrong
