# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which hosts of an inventory are of a profile."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

_KEYS = ("hosts", "percent", "faults", "create")


@dataclass(frozen=True)
class Profile:
    """What ``percent`` of the hosts have whose name, or one of whose groups, fits ``hosts``."""

    hosts: str
    percent: int
    faults: tuple[str, ...]
    create: Mapping[str, Any]


def parse_profile(given: object) -> Profile:
    """A profile from YAML; raises ValueError with cause and remedy."""
    if not isinstance(given, Mapping):
        raise ValueError(f"{given!r} is no mapping. Known keys: {', '.join(_KEYS)}.")
    unknown = sorted(str(key) for key in given if key not in _KEYS)
    if unknown:
        raise ValueError(f"unknown key {', '.join(unknown)}. Known keys: {', '.join(_KEYS)}.")
    hosts, percent, faults, create = (
        given.get(key, default) for key, default in zip(_KEYS, ("*", 100, [], {}), strict=True)
    )
    if not isinstance(hosts, str):
        raise ValueError(f"hosts {hosts!r} is no name. Give one host or group; it may have * and ? in it.")
    if not isinstance(percent, int) or isinstance(percent, bool) or not 0 <= percent <= 100:
        raise ValueError(f"percent {percent!r} is no share. Give a whole number from 0 to 100.")
    if not isinstance(faults, list) or not all(isinstance(fault, str) for fault in faults):
        raise ValueError(f"faults {faults!r} is no list of names. `python3 simulator faults` lists them.")
    if not isinstance(create, Mapping):
        raise ValueError(f"create {create!r} is no mapping. Give options of the simulator such as `backend: ostree`.")
    return Profile(hosts, percent, tuple(faults), dict(create))


def share_of(profile: Profile, groups: Mapping[str, Sequence[str]], salt: str) -> list[str]:
    """The hosts of a profile, of all with their ``groups``. Drawn by ``salt``, the same on every machine."""
    drawn = sorted(_fitting(profile, groups), key=lambda host: hashlib.sha256(f"{salt}\0{host}".encode()).digest())
    return sorted(drawn[: (len(drawn) * profile.percent + 50) // 100])


def nobody(profile: Profile, groups: Mapping[str, Sequence[str]]) -> str:
    """Why a profile has no hosts, though it asks for a share of some."""
    found = len(_fitting(profile, groups))
    if not found:
        return f"no host and no group is called {profile.hosts!r}"
    return f"{profile.percent} percent of {found} {'host' if found == 1 else 'hosts'} are none"


def _fitting(profile: Profile, groups: Mapping[str, Sequence[str]]) -> list[str]:
    return [host for host, names in groups.items() if any(fnmatchcase(name, profile.hosts) for name in (host, *names))]
