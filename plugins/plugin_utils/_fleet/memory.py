# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What was last seen of every device: a JSON file that playbooks/status.yml writes and the inventory reads.

``{"schema": 1, "written": TIME, "devices": {HOST: {"seen_at", "asked_at", "unreachable_since", "why", "variant",
"wanted", "status"}}}``. Times are RFC 3339 in UTC; ``wanted`` lists the digests that the last rollout which a device
completed accepts; ``status`` has the keys in ``KEPT`` of what bootc_status answered.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from .._files import replace_file
from .._rollout.errors import RolloutError
from .._rollout.events import format_time, parse_time
from .answers import KEPT, tidy

SCHEMA = 1
_FOREIGN = "is not what playbooks/status.yml writes"


@dataclass(frozen=True)
class Seen:
    """The last look at a device. Times in seconds since the epoch.

    ``seen_at`` is when it told the ``status``; None for one that never did.
    """

    seen_at: float | None = None
    asked_at: float = 0.0
    unreachable_since: float | None = None
    why: str = ""
    variant: str | None = None
    wanted: tuple[str, ...] = ()
    status: Mapping[str, Any] = field(default_factory=dict)

    @property
    def could_not_tell(self) -> bool:
        """Whether it answered when it was last asked, and could not say what it runs."""
        return bool(self.why) and self.unreachable_since is None

    @property
    def drifted(self) -> bool:
        """Whether it runs something else than what its last rollout left it with.

        What it ran earlier says nothing of one that could not tell when it was last asked.
        """
        if self.could_not_tell:
            return False
        booted = self.status.get("booted")
        digest = booted.get("digest") if isinstance(booted, Mapping) else None
        return bool(self.wanted) and digest is not None and digest not in self.wanted

    def as_dict(self) -> dict[str, Any]:
        """JSON form."""
        return {
            "seen_at": _written(self.seen_at),
            "asked_at": _written(self.asked_at),
            "unreachable_since": _written(self.unreachable_since),
            "why": self.why,
            "variant": self.variant,
            "wanted": list(self.wanted),
            "status": dict(self.status),
        }


Memory = Mapping[str, Seen]
Places = Mapping[str, Path | None]
"""Where what was seen of each host is kept; None for nowhere."""


def beside(inventory: Path) -> Path:
    """Where what was seen of the hosts of an inventory file is kept when nobody says otherwise."""
    return inventory.parent / f".{inventory.stem}-status.json"


def shares(places: Places) -> list[tuple[Path | None, list[str]]]:
    """Each file once, however it is spelt, with the hosts that are kept in it."""
    found: dict[Path | None, tuple[Path | None, list[str]]] = {}
    for host, path in places.items():
        found.setdefault(None if path is None else path.resolve(), (path, []))[1].append(host)
    return list(found.values())


def moved_in(before: Memory, hosts: Iterable[str], others: Iterable[Memory]) -> dict[str, Seen]:
    """``before``, and what ``others`` have of ``hosts`` that it does not know, as they came from another inventory."""
    found = dict(before)
    for host in hosts:
        if host not in before:
            known = [memory[host] for memory in others if host in memory]
            if known:
                found[host] = max(known, key=lambda seen: seen.asked_at)
    return found


def remember(
    before: Memory,
    rows: Iterable[Mapping[str, Any]],
    wanted: Mapping[str, Collection[str]] | None,
    known: Collection[str],
    now: float,
) -> dict[str, Seen]:
    """What is known after a look at the devices of ``rows``; who is not in ``known`` any more is forgotten.

    A row is what fleet_status makes of a device's answer. Who did not answer, or could not tell, keeps what was seen
    before; without ``wanted`` everybody keeps what they were meant to run.
    """
    after = {host: seen for host, seen in before.items() if host in known}
    for row in rows:
        host = row["host"]
        last = replace(after.get(host, Seen()), asked_at=now, variant=row["variant"], why=str(row["message"] or ""))
        if wanted is not None:
            last = replace(last, wanted=tuple(sorted(wanted.get(host, ()))))
        if not row["reachable"]:
            since = now if last.unreachable_since is None else last.unreachable_since
            after[host] = replace(last, unreachable_since=since)
        elif row["message"]:  # it is there, and could not tell
            after[host] = replace(last, unreachable_since=None)
        else:
            status = {key: row[key] for key in KEPT}
            after[host] = replace(last, seen_at=now, unreachable_since=None, status=status)
    return after


def load_memory(path: Path) -> dict[str, Seen]:
    """Read the file; empty when there is none. Raises RolloutError (``invalid_memory``) for what is none."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise _unusable(path, f"cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise _unusable(path, _FOREIGN) from error
    try:
        document = json.loads(text)
        if document["schema"] != SCHEMA:
            raise _unusable(path, f"has schema {document['schema']!r}, and this is for {SCHEMA}")
        return {str(host): _seen(entry) for host, entry in document["devices"].items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise _unusable(path, _FOREIGN) from error


def save_memory(path: Path, memory: Memory, now: float) -> None:
    """Replace the file as a whole; raises RolloutError (``memory_unwritable``) and leaves the old one."""
    devices = {host: memory[host].as_dict() for host in sorted(memory)}
    document = {"schema": SCHEMA, "written": format_time(now), "devices": devices}
    try:
        replace_file(path, json.dumps(document, indent=1) + "\n")
    except OSError as error:
        raise RolloutError(
            f"Cannot write what was seen of the fleet to {path}: {error.strerror}.",
            "Make the folder writable, or name another file with -e bootc_status_memory=FILE (empty for none).",
            "memory_unwritable",
        ) from error


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Keep others from changing the memory meanwhile; where no lock can be had, go on without."""
    with contextlib.ExitStack() as held:
        try:
            lock = held.enter_context((path.parent / f"{path.name}.lock").open("a"))
            fcntl.flock(lock, fcntl.LOCK_EX)
        except OSError:
            pass
        yield


def _seen(entry: Mapping[str, Any]) -> Seen:
    status = entry["status"]
    if not isinstance(status, dict):
        raise TypeError("status is no mapping")
    return Seen(
        _read_time(entry["seen_at"]),
        _read_time(entry["asked_at"]) or 0.0,
        _read_time(entry["unreachable_since"]),
        str(entry["why"]),
        None if entry["variant"] is None else str(entry["variant"]),
        tuple(map(str, entry["wanted"])),
        tidy(status) if status else {},
    )


def _written(seconds: float | None) -> str | None:
    return None if seconds is None else format_time(seconds)


def _read_time(text: str | None) -> float | None:
    return None if text is None else parse_time(text)


def _unusable(path: Path, why: str) -> RolloutError:
    return RolloutError(
        f"{path} {why}.", "Move it away; the next run of the status playbook writes it anew.", "invalid_memory"
    )
