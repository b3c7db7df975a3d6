# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What systemd says of units, several of them in one question."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Sequence

from .._errors import BootcError
from .command import CommandTimeout, CommandUnusable, Run
from .root import device_path

PROPERTIES = ("Id", "LoadState", "ActiveState", "UnitFileState")
LOCAL_FILES = "/etc/systemd/system"
_NAME = re.compile(r"[A-Za-z0-9:_.\\][A-Za-z0-9:_.\\-]{0,200}(@[A-Za-z0-9:_.\\-]+)?\.(service|timer|path|socket)\Z")
_MASKED = ("masked", "masked-runtime")


@dataclass(frozen=True)
class UnitState:
    """One unit, in systemd's words. ``local`` says that its file is the administrator's, which cannot be masked.

    ``linked`` says that this file is a link to one somewhere else.
    """

    name: str
    load: str
    active: str
    file_state: str
    local: bool = False
    linked: bool = False

    @property
    def exists(self) -> bool:
        """Whether there is such a unit; a mask for one that is not there counts, too."""
        return self.load not in ("", "not-found")

    @property
    def masked(self) -> bool:
        return self.load == "masked" or self.file_state in _MASKED

    @property
    def runs(self) -> bool:
        """Whether it is at work, or waits for what it works on."""
        return self.active in ("active", "activating", "reloading", "refreshing", "deactivating")

    @property
    def is_service(self) -> bool:
        """Whether it does the work itself, instead of waiting for the moment to have it done."""
        return self.name.endswith(".service")

    def as_dict(self) -> dict[str, Any]:
        return {"load": self.load, "active": self.active, "file_state": self.file_state}


def check_names(names: Sequence[str]) -> tuple[str, ...]:
    """Unit names with their type, each once. Raises BootcError for what can be none."""
    for name in names:
        if not _NAME.match(name):
            raise BootcError(
                "invalid",
                f"{name!r} is no name of a service, timer, path or socket",
                "Give the whole name, such as my-updater.timer",
            )
    return tuple(dict.fromkeys(names))


def parse_units(text: str, names: Sequence[str]) -> tuple[UnitState, ...]:
    """Output of ``systemctl show`` with PROPERTIES: a block for each of ``names`` in their order, empty lines between.

    A name may be an alias, whose block has another Id. Raises BootcError when the blocks do not fit the names.
    """
    blocks = [block for block in text.split("\n\n") if block.strip()]
    if len(blocks) != len(names):
        raise BootcError(
            "unexpected",
            f"systemctl told of {len(blocks)} units when asked for {len(names)}",
            "Look at 'systemctl show' on the device",
        )
    return tuple(_unit(name, block) for name, block in zip(names, blocks))


def _unit(name: str, block: str) -> UnitState:
    values = dict(line.partition("=")[::2] for line in block.splitlines() if "=" in line)
    return UnitState(name, values.get("LoadState", ""), values.get("ActiveState", ""), values.get("UnitFileState", ""))


def read_units(run: Run, names: Sequence[str], timeout: float) -> tuple[UnitState, ...]:
    """The units as they are now, in the order of ``names``. Raises BootcError where systemd does not answer."""
    if not names:
        return ()
    argv = ("systemctl", "show", *(f"--property={name}" for name in PROPERTIES), "--", *names)
    return tuple(map(_with_place, parse_units(systemctl(run, argv, timeout), names)))


def _with_place(unit: UnitState) -> UnitState:
    path = device_path(f"{LOCAL_FILES}/{unit.name}")
    if unit.masked or not (path.is_symlink() or path.is_file()):
        return unit
    return UnitState(unit.name, unit.load, unit.active, unit.file_state, local=True, linked=path.is_symlink())


def systemctl(run: Run, argv: Sequence[str], timeout: float) -> str:
    """What a call of systemctl prints. Raises BootcError when it does not do what it was told."""
    try:
        done = run(argv, timeout)
    except CommandUnusable as missing:
        raise BootcError("unexpected", f"systemd does not answer: {missing}", command=argv) from missing
    except CommandTimeout as late:
        raise BootcError("timeout", f"systemctl did not end within {late.seconds:g} s", command=argv) from late
    if done.rc != 0:
        raise BootcError(
            "unexpected",
            f"systemctl failed with exit code {done.rc}",
            "Its message is in detail. This needs root",
            command=argv,
            detail=done.err,
        )
    return done.out
