# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a build host remembers of images in registries. PRIVATE to the collection.

What a digest means never changes, so this saves reading manifests again and is never out of date. Losing it costs time
only. It also knows what was found published instead of being built under a local name, and what that name was then, and
which images in local storage have checked themselves.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import tempfile
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Callable, Iterator, Mapping

from .._oci.places import expand_user

_MOST = 2000
"""Digests and names that are kept, of each the latest."""


@dataclass(frozen=True)
class Published:
    """An image in a registry."""

    digest: str
    """Of its manifest."""
    image_id: str
    """Digest of its configuration, which is the id that engines know it by."""
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Instead:
    """What a build found published and so did not make."""

    digest: str
    """Of its manifest."""
    image_id: str
    stored_id: str | None
    """Id of the image that storage had under the name when this was found, none for no image."""


@dataclass
class Memory:
    """What was learnt: ``by_digest`` of what a tag pointed to, for a platform; ``by_name`` of local names.

    ``checked`` has the ids of images that ``bootc container lint`` has nothing to say against, and whether they have a
    bootc to say so.
    """

    by_digest: dict[str, Published] = field(default_factory=dict)
    by_name: dict[str, Instead] = field(default_factory=dict)
    checked: dict[str, bool] = field(default_factory=dict)


def memory_file(environ: Mapping[str, str]) -> Path:
    """Return where it is kept: in the cache folder of the user, because storage of images is per user as well."""
    cache = environ.get("XDG_CACHE_HOME") or ""
    return (Path(cache) if cache.startswith("/") else expand_user("~/.cache")) / "skorionos.bootc/published.json"


def load_memory(path: Path) -> Memory:
    """Read the memory; an empty one where there is none that can be read."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        return Memory(
            {str(key): _published(entry) for key, entry in document["by_digest"].items()},
            {str(key): _instead(entry) for key, entry in document["by_name"].items()},
            {str(key): entry is True for key, entry in document["checked"].items()},
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return Memory()


def update_memory(path: Path, change: Callable[[Memory], None]) -> bool:
    """Have the memory changed, by one process at a time; tell whether that was possible.

    It may fail: nothing depends on it.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _alone(path):
            memory = load_memory(path)
            before = (dict(memory.by_digest), dict(memory.by_name), dict(memory.checked))
            change(memory)
            if before != (memory.by_digest, memory.by_name, memory.checked):
                _save(path, memory)
    except OSError:
        return False
    return True


def forget_name(path: Path, *names: str) -> None:
    """Forget where images are published that were just built here: what is in storage counts from now on."""

    def forget(memory: Memory) -> None:
        for name in names:
            memory.by_name.pop(name, None)

    update_memory(path, forget)


def note_checked(path: Path, image_id: str, *, has_bootc: bool) -> None:
    """Note that an image passed its own check, or has no bootc for one."""

    def note(memory: Memory) -> None:
        memory.checked[image_id] = has_bootc

    update_memory(path, note)


@contextlib.contextmanager
def _alone(path: Path) -> Iterator[None]:
    with path.with_name(path.name + ".lock").open("ab") as file:
        # There are file systems for home folders that have no locks.
        with contextlib.suppress(OSError):
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _save(path: Path, memory: Memory) -> None:
    document = {
        "by_digest": {key: asdict(known) for key, known in list(memory.by_digest.items())[-_MOST:]},
        "by_name": {key: asdict(known) for key, known in list(memory.by_name.items())[-_MOST:]},
        "checked": dict(list(memory.checked.items())[-_MOST:]),
    }
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=path.name)
    with os.fdopen(handle, "w", encoding="utf-8") as stream:
        json.dump(document, stream)
    Path(name).replace(path)


def _published(entry: Mapping[str, Any]) -> Published:
    labels = {str(name): str(value) for name, value in entry["labels"].items()}
    return Published(str(entry["digest"]), str(entry["image_id"]), labels)


def _instead(entry: Mapping[str, Any]) -> Instead:
    stored = entry["stored_id"]
    return Instead(str(entry["digest"]), str(entry["image_id"]), None if stored is None else str(stored))
