# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a build host remembers of images in registries. PRIVATE to the collection.

What a digest means never changes, so this saves reading manifests again and is never out of date. Losing it costs time
only. It also knows under which local name an image would be here, had it not been found published.
"""

from __future__ import annotations

import json
import os
import tempfile
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Mapping

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


@dataclass
class Memory:
    """What was learnt: ``by_digest`` of what a tag pointed to, for a platform; ``by_name`` of local names."""

    by_digest: dict[str, Published] = field(default_factory=dict)
    by_name: dict[str, Published] = field(default_factory=dict)


def memory_file(environ: Mapping[str, str]) -> Path:
    """Return where it is kept: in the cache folder of the user, because storage of images is per user as well."""
    cache = environ.get("XDG_CACHE_HOME") or ""
    return (Path(cache) if cache.startswith("/") else expand_user("~/.cache")) / "skorionos.bootc/published.json"


def load_memory(path: Path) -> Memory:
    """Read the memory; an empty one where there is none that can be read."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        return Memory(_read(document["by_digest"]), _read(document["by_name"]))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return Memory()


def save_memory(path: Path, memory: Memory) -> bool:
    """Write the memory in one step; tell whether that was possible. It may fail: nothing depends on it."""
    document = {
        "by_digest": {key: asdict(known) for key, known in list(memory.by_digest.items())[-_MOST:]},
        "by_name": {key: asdict(known) for key, known in list(memory.by_name.items())[-_MOST:]},
    }
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=path.name)
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            json.dump(document, stream)
        Path(name).replace(path)
    except OSError:
        return False
    return True


def forget_name(path: Path, *names: str) -> None:
    """Forget where images are published that were just built here: what is in storage counts from now on."""
    memory = load_memory(path)
    if [name for name in names if memory.by_name.pop(name, None) is not None]:
        save_memory(path, memory)


def _read(entries: Mapping[str, Mapping[str, Any]]) -> dict[str, Published]:
    return {
        str(key): Published(
            str(entry["digest"]),
            str(entry["image_id"]),
            {str(name): str(value) for name, value in entry["labels"].items()},
        )
        for key, entry in entries.items()
    }
