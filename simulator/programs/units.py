# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The units of a device. Enabling and masking are links in its /etc as systemd makes them; what runs is noted in /run.

A unit file somebody puts below the device's ``etc/systemd/system`` is a unit; starting a service that is no transient
one only notes that it was started.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict

from simulator.files import failed_units
from simulator.state import State
from simulator.store import write_atomically

SYSTEM = "etc/systemd/system"
RUNTIME = "run/systemd/system"
RECORDS = "run/simulator/units"
ENABLED_UNITS = "org.skorionos.simulator.enabled-units"
SUFFIXES = (".service", ".timer", ".target", ".path", ".socket", ".mount", ".slice", ".scope", ".automount")
_NULL = "/dev/null"
Record = Dict[str, Any]


@dataclass(frozen=True)
class Vendor:
    """A unit the image brings: ``state`` is ``static``, ``enabled`` (by a link in /usr) or ``disabled``."""

    name: str
    description: str
    state: str = "static"
    active: bool = False
    wanted_by: str = "multi-user.target"
    triggers: str | None = None
    backends: tuple[str, ...] = ("ostree", "composefs")
    needs_ostree: bool = False


VENDOR: dict[str, Vendor] = {
    unit.name: unit
    for unit in (
        Vendor("basic.target", "Basic System", active=True),
        Vendor("multi-user.target", "Multi-User System", active=True),
        Vendor("graphical.target", "Graphical Interface", active=True),
        Vendor("systemd-logind.service", "User Login Management", active=True),
        Vendor("dbus.service", "D-Bus System Message Bus", active=True),
        Vendor("NetworkManager.service", "Network Manager", "enabled", active=True),
        Vendor("fstrim.timer", "Discard unused filesystem blocks once a week", "enabled", True, "timers.target"),
        Vendor(
            "bootc-fetch-apply-updates.timer",
            "Apply bootc updates",
            "disabled",
            wanted_by="timers.target",
            triggers="bootc-fetch-apply-updates.service",
            # Conditioned on /run/ostree-booted: with composefs it can be started, and stays inactive.
            needs_ostree=True,
        ),
        Vendor("bootc-fetch-apply-updates.service", "Apply bootc updates", needs_ostree=True),
        Vendor("bootc-status-updated.path", "Monitor bootc for status changes", active=True, backends=("ostree",)),
        Vendor("bootc-status-updated.target", "Target for bootc status changes", backends=("ostree",)),
        Vendor("bootc-finalize-staged.service", "Composefs Finalize Staged Deployment", backends=("composefs",)),
        Vendor("ostree-finalize-staged.path", "OSTree Monitor Staged Deployment", active=True, backends=("ostree",)),
        Vendor("ostree-finalize-staged.service", "OSTree Finalize Staged Deployment", backends=("ostree",)),
        Vendor("ostree-boot-complete.service", "OSTree Complete Boot", backends=("ostree",)),
    )
}
_TRIGGERED_BY_STAGING = {"ostree": "ostree-finalize-staged.service", "composefs": "bootc-finalize-staged.service"}


@dataclass(frozen=True)
class Unit:
    """A unit as it is now, in systemd's words."""

    name: str
    description: str
    load: str
    active: str
    sub: str
    file_state: str
    preset: str | None = None
    fragment: str = ""
    triggers: str | None = None
    record: Record | None = None

    @property
    def known(self) -> bool:
        """Whether there is such a unit."""
        return self.load != "not-found"


def full_name(name: str) -> str:
    """The name with its type: systemd takes one without for a service."""
    return name if name.endswith(SUFFIXES) else f"{name}.service"


class Units:
    """The units of a device in ``state`` whose files are below ``root``."""

    def __init__(self, state: State, root: Path) -> None:
        self.state = state
        self.root = root
        booted = state.booted
        labels = {} if booted is None else booted.image.labels
        self._linked_by_vendor = {full_name(word) for word in labels.get(ENABLED_UNITS, "").split()}

    def names(self) -> list[str]:
        """All units there are now, in order."""
        names = {name for name in VENDOR if self._vendor(name) is not None} | set(failed_units(self.state))
        for folder in (SYSTEM, RUNTIME):
            directory = self.root / folder
            if directory.is_dir():
                names |= {path.name for path in directory.iterdir() if path.name.endswith(SUFFIXES)}
        records = self.root / RECORDS
        if records.is_dir():
            names |= {path.name[: -len(".json")] for path in records.iterdir() if path.name.endswith(".json")}
        return sorted(name for name in names if self.get(name).known)

    def get(self, name: str) -> Unit:
        """The unit called ``name``, also when there is none."""
        vendor, record = self._vendor(name), self.record(name)
        failed = failed_units(self.state).get(name)
        fragment = self._fragment(name)
        file_state = self._file_state(name)
        if vendor is None and failed is None and fragment is None and record is None and file_state != "masked":
            return Unit(name, name, "not-found", "inactive", "dead", "")
        description = self._described(fragment) or (vendor.description if vendor else failed or name)
        if record is not None and record.get("transient"):
            description, file_state = record["description"], "transient"
        load = "masked" if file_state.startswith("masked") else "loaded"
        active, sub = self._activity(name, record, failed)
        where = "" if fragment is None else f"/{fragment.relative_to(self.root)}"
        if not where and vendor is not None:
            where = f"/usr/lib/systemd/system/{name}"
        triggers = vendor.triggers if vendor else None
        if name.endswith(".timer") and triggers is None:
            triggers = f"{name[: -len('.timer')]}.service"
        return Unit(name, description, load, active, sub, file_state, self._preset(name), where, triggers, record)

    def _preset(self, name: str) -> str | None:
        """What the distribution wants of the unit; None for what cannot be enabled."""
        if self.wanted_by(name) is None:
            return None
        vendor = self._vendor(name)
        wanted = name in self._linked_by_vendor or (vendor is not None and vendor.state == "enabled")
        return "enabled" if wanted else "disabled"

    def _vendor(self, name: str) -> Vendor | None:
        found = VENDOR.get(name)
        return found if found is not None and self.state.has_bootc and self.state.backend in found.backends else None

    def _fragment(self, name: str) -> Path | None:
        for folder in (SYSTEM, RUNTIME):
            path = self.root / folder / name
            if path.is_file() and not _null(path):
                return path
        return None

    @staticmethod
    def _described(fragment: Path | None) -> str | None:
        return None if fragment is None else _setting(fragment, "Unit", "Description")

    def _file_state(self, name: str) -> str:
        if _null(self.root / SYSTEM / name):
            return "masked"
        if _null(self.root / RUNTIME / name):
            return "masked-runtime"
        if self._links(name):
            return "enabled"
        vendor, fragment = self._vendor(name), self._fragment(name)
        if fragment is not None:
            return "disabled" if self.wanted_by(name) else "static"
        if vendor is None:
            return ""
        return "enabled" if name in self._linked_by_vendor else vendor.state

    def _links(self, name: str) -> list[Path]:
        found = (self.root / SYSTEM).glob(f"*.wants/{name}")
        return sorted(path for path in found if path.is_symlink() or path.exists())

    def wanted_by(self, name: str) -> str | None:
        """The target enabling the unit links it to; None when it cannot be enabled."""
        fragment, vendor = self._fragment(name), self._vendor(name)
        if fragment is not None:
            return _setting(fragment, "Install", "WantedBy")
        return vendor.wanted_by if vendor is not None and vendor.state != "static" else None

    def _activity(self, name: str, record: Record | None, failed: str | None) -> tuple[str, str]:
        if record is not None:
            return record["active"], record["sub"]
        if failed is not None:
            return "failed", "failed"
        vendor = self._vendor(name)
        file_state = self._file_state(name)
        if vendor is not None and vendor.needs_ostree and self.state.composefs:
            return "inactive", "dead"
        staged = self.state.staged is not None and _TRIGGERED_BY_STAGING.get(self.state.backend) == name
        # Whatever is enabled was started by this boot; enabling alone starts nothing, which ``enable`` notes.
        if staged or (vendor is not None and vendor.active) or file_state == "enabled":
            return ("active", _running(name)) if not file_state.startswith("masked") else ("inactive", "dead")
        return "inactive", "dead"

    def record(self, name: str) -> Record | None:
        """What is noted about the unit since the device booted."""
        try:
            record: Record = json.loads((self.root / RECORDS / f"{name}.json").read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        return record

    def note(self, name: str, record: Record) -> None:
        """Note what the unit does from now on."""
        folder = self.root / RECORDS
        folder.mkdir(parents=True, exist_ok=True)
        write_atomically(folder / f"{name}.json", json.dumps(record))

    def forget(self, name: str) -> None:
        """Drop what is noted about the unit: a transient one is gone."""
        (self.root / RECORDS / f"{name}.json").unlink(missing_ok=True)

    def started(self, name: str) -> None:
        """The unit was started. One whose condition fails stays as it is, which is no error."""
        vendor = self._vendor(name)
        if vendor is None or not vendor.needs_ostree or not self.state.composefs:
            self.note(name, {"active": "active", "sub": _running(name)})

    def stopped(self, name: str) -> None:
        """The unit was stopped."""
        self.note(name, {"active": "inactive", "sub": "dead"})

    def enable(self, name: str, *, runtime: bool = False) -> Path | None:
        """Link the unit to its target; returns the link when it is a new one. It does not start it."""
        target = self.wanted_by(name)
        if target is None:
            return None
        active = self.get(name)
        link = self.root / (RUNTIME if runtime else SYSTEM) / f"{target.split()[0]}.wants" / name
        if os.path.lexists(link):
            return None
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(active.fragment)
        if active.record is None and active.active != "active":
            self.stopped(name)
        return link

    def disable(self, name: str) -> list[Path]:
        """Remove the links of the unit in /etc; returns them. What runs keeps running."""
        before = self.get(name)
        links = self._links(name)
        for link in links:
            link.unlink()
        if links and before.record is None and before.active == "active":
            self.started(name)
        return links

    def mask(self, name: str, *, runtime: bool = False) -> Path | None:
        """Link the unit to nothing; returns the link when it is a new one. Raises FileExistsError for a local file."""
        before = self.get(name)
        link = self.root / (RUNTIME if runtime else SYSTEM) / name
        if _null(link):
            return None
        if os.path.lexists(link):
            raise FileExistsError(f"/{link.relative_to(self.root)}")
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(_NULL)
        if before.record is None and before.active == "active":
            self.started(name)
        return link

    def unmask(self, name: str) -> list[Path]:
        """Remove the links to nothing; returns them."""
        links = [path for path in (self.root / SYSTEM / name, self.root / RUNTIME / name) if _null(path)]
        before = self.get(name)
        for link in links:
            link.unlink()
        if links and before.record is None and before.known:
            self.stopped(name)
        return links


def _null(path: Path) -> bool:
    return path.is_symlink() and os.readlink(path) == _NULL


def _running(name: str) -> str:
    return {".timer": "waiting", ".path": "waiting", ".target": "active", ".service": "running"}.get(
        name[name.rindex(".") :], "running"
    )


def _setting(fragment: Path, section: str, key: str) -> str | None:
    """One setting of a unit file, the last one given."""
    found: str | None = None
    inside = ""
    for line in fragment.read_text(encoding="utf-8", errors="replace").splitlines():
        text = line.strip()
        if text.startswith("["):
            inside = text.strip("[]")
        elif inside == section and text.partition("=")[0].strip() == key:
            found = text.partition("=")[2].strip() or None
    return found
