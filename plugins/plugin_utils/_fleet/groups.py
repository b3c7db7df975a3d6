# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The groups a device is in, from what the fleet file says and what was last seen of it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

from .memory import Seen

GROUPED = ("variant", "site", "ring", "model")
DIGEST_LETTERS = 12
_DAYS = (1, 7, 30)
_DAY = 86_400


def label_groups(labels: Mapping[str, str]) -> Iterator[str]:
    """``variant_kde``, ``site_berlin``: one per label."""
    for label in GROUPED:
        if label in labels:
            yield f"{label}_{safe(labels[label])}"


def shared_groups(labels: Iterable[Mapping[str, str]]) -> Iterator[str]:
    """What to say of each group that stands for several labels, as their names differ in what no group can have."""
    found: dict[str, set[str]] = {}
    for each in labels:
        for group, label in zip(label_groups(each), (each[kind] for kind in GROUPED if kind in each), strict=True):
            found.setdefault(group, set()).add(label)
    for group, names in sorted(found.items()):
        if len(names) > 1:
            kind = group.partition("_")[0]
            told = ", ".join(map(repr, sorted(names)))
            yield (
                f"The group {group} holds the devices of the {kind}s {told}: in the name of a group letters are "
                f"lower-case, and signs all alike. Give one {kind} one name, or two of them names that differ in more."
            )


def seen_groups(seen: Seen, now: float) -> Iterator[str]:
    """Groups from the last look at a device; ``now`` in seconds since the epoch."""
    status = seen.status
    if status.get("backend"):
        yield f"backend_{safe(str(status['backend']))}"
    booted = status.get("booted")
    if isinstance(booted, Mapping):
        if booted.get("version"):
            yield f"booted_{safe(str(booted['version']))}"
        if booted.get("digest"):
            yield f"digest_{safe(str(booted['digest']).rpartition(':')[2][:DIGEST_LETTERS])}"
    if status.get("staged"):
        yield "bootc_staged"
    if status.get("reboot_required"):
        yield "bootc_needs_reboot"
    if seen.drifted:
        yield "bootc_drifted"
    if seen.unreachable_since is not None:
        yield "bootc_unreachable"
        for days in _DAYS:
            if now - seen.unreachable_since >= days * _DAY:
                yield f"bootc_unreachable_{days}d"


def safe(text: str) -> str:
    """``text`` as part of a group's name: what Ansible allows in one, nothing else; ``none`` if that is nothing."""
    return _allowed(text) or "none"


def can_name(text: str) -> bool:
    """Whether a group can be named after it."""
    return bool(_allowed(text))


def _allowed(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9]+", "_", text).strip("_").lower()
