# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mesa, from files alone: asking the drivers themselves would need a session.

Its version is in the name of a library since 24.2, and in the package database of most distributions. The manifests of
Vulkan drivers say which of them there are (their ``api_version`` is Vulkan's, not Mesa's).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Sequence

from ..command import Run
from .probe import PROBE_SECONDS, ask, names_in, read_text

LIBRARIES = ("/usr/lib", "/usr/lib64", "/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu")
# bootc images keep pacman's database outside of /var.
PACMAN = ("/usr/lib/sysimage/lib/pacman/local", "/usr/lib/sysimage/pacman/local", "/var/lib/pacman/local")
DPKG = "/var/lib/dpkg/status"
DPKG_LIMIT = 32 * 1024 * 1024
RPM = ("rpm", "-q", "--queryformat", "%{VERSION}\\n", "mesa-dri-drivers")
VULKAN = ("/usr/share/vulkan/icd.d", "/etc/vulkan/icd.d")

_LIBRARY = re.compile(r"libgallium-([0-9]+\.[0-9]+(?:\.[0-9]+)?)[^/]*\.so\Z")
_OLD_LIBRARIES = re.compile(r"(?:lib(?:EGL|GLX)_mesa\.so(?:\.[0-9]+)*|libgallium[^/]*\.so)\Z")
_PACMAN_ENTRY = re.compile(r"mesa(?:-git)?-(?:[0-9]+:)?([0-9]+\.[0-9]+(?:\.[0-9]+)?)[^/]*\Z")
_VERSION = re.compile(r"(?:[0-9]+:)?([0-9]+\.[0-9]+(?:\.[0-9]+)?)")
_DPKG_ENTRY = re.compile(
    r"^Package: (?:libgl1-mesa-dri|mesa-libgallium)\n(?:[^\n]+\n)*?Version: (?:[0-9]+:)?([0-9]+\.[0-9]+(?:\.[0-9]+)?)",
    re.MULTILINE,
)
_ICD = re.compile(r"([a-z0-9_]{1,40}?)_icd(?:\.[A-Za-z0-9_]+)?\.json\Z")


@dataclass(frozen=True)
class Mesa:
    """``installed`` is None where no place to look at exists; ``vulkan`` are short names such as ``radeon``."""

    installed: bool | None = None
    version: str | None = None
    vulkan: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        return {"installed": self.installed, "version": self.version, "vulkan_drivers": list(self.vulkan)}


def version_of_libraries(names: Sequence[str]) -> str | None:
    """The version in the name of ``libgallium-25.2.3-arch1.2.so``."""
    found = (_LIBRARY.match(name) for name in names)
    return next((each.group(1) for each in found if each), None)


def version_of_pacman(names: Sequence[str]) -> str | None:
    """The version of the entry ``mesa-1:25.2.3-2`` in pacman's database."""
    found = (_PACMAN_ENTRY.match(name) for name in names)
    return next((each.group(1) for each in found if each), None)


def version_of_dpkg(status: str) -> str | None:
    """The version in dpkg's list of packages."""
    found = _DPKG_ENTRY.search(status)
    return found.group(1) if found else None


def vulkan_drivers(names: Sequence[str]) -> tuple[str, ...]:
    """Short names of drivers from the names of their manifests, ``radeon_icd.x86_64.json``."""
    found = (_ICD.match(name) for name in names)
    return tuple(dict.fromkeys(each.group(1) for each in found if each))


def read_mesa(run: Run, timeout: float = PROBE_SECONDS) -> Mesa:
    """Mesa of the running system."""
    listings = [names for names in map(names_in, LIBRARIES) if names is not None]
    libraries = [name for names in listings for name in names]
    vulkan = vulkan_drivers([name for path in VULKAN for name in names_in(path) or ()])
    version = version_of_libraries(libraries)
    if version is not None:
        return Mesa(True, version, vulkan)
    there = any(_OLD_LIBRARIES.match(name) for name in libraries)
    version = _version_of_packages(run, timeout)
    if version is not None or there:
        return Mesa(True, version, vulkan)
    return Mesa(False if listings else None, None, vulkan)


def _version_of_packages(run: Run, timeout: float) -> str | None:
    for path in PACMAN:
        version = version_of_pacman(names_in(path) or ())
        if version is not None:
            return version
    status = read_text(DPKG, DPKG_LIMIT)
    if status is not None:
        return version_of_dpkg(status)
    found = _VERSION.match(ask(run, RPM, timeout) or "")
    return found.group(1) if found else None
