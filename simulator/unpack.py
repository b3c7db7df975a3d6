# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Taking the files that say what an image is, and how its health is checked, out of its layers. Nothing else."""

from __future__ import annotations

import posixpath
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import Dict, Iterable

WANTED = (
    "etc/os-release",
    "usr/lib/os-release",
    "usr/lib/greenboot",
    "etc/greenboot",
    "usr/share/skorionos",
)
LARGEST_FILE = 16 * 1000 * 1000
_WHITEOUT = ".wh."
_OPAQUE = ".wh..wh..opq"


class BadLayer(Exception):
    """A layer cannot be unpacked; the text says why."""


@dataclass(frozen=True)
class Entry:
    """A regular file, or with ``link`` a symbolic link."""

    content: bytes = b""
    mode: int = 0o644
    link: str | None = None


Tree = Dict[str, Entry]


def wanted(name: str) -> bool:
    """Whether ``name`` is one of the paths taken, or below one."""
    return any(name == path or name.startswith(path + "/") for path in WANTED)


def clean(name: str) -> str:
    """A member's path below the root; raises BadLayer for one that leads out of it."""
    if name.startswith("/") or ".." in name.split("/"):
        raise BadLayer(f"layer has an entry outside of the root: {name!r}")
    return posixpath.normpath(name)


def inside(name: str, target: str) -> str | None:
    """The target of a link at ``name``, made relative; None when it leads to anything that is not taken."""
    parent = posixpath.dirname(name)
    full = target.lstrip("/") if target.startswith("/") else posixpath.join(parent, target)
    full = posixpath.normpath(full)
    return posixpath.relpath(full, parent) if wanted(full) else None


def merged(layers: Iterable[Path]) -> Tree:
    """The wanted files of all layers, lowest first, whiteouts honoured."""
    tree: Tree = {}
    for path in layers:
        try:
            with tarfile.open(path, "r:*") as archive:
                _apply(tree, archive)
        except (tarfile.TarError, EOFError, OSError) as failed:
            raise BadLayer(f"layer sha256:{path.name} cannot be read: {failed}") from failed
    return tree


def _apply(tree: Tree, archive: tarfile.TarFile) -> None:
    added: Tree = {}
    removed: list[str] = []
    for member in archive:
        name = clean(member.name)
        parent, base = posixpath.split(name)
        if base == _OPAQUE:
            removed.append(parent + "/" if parent else "")
        elif base.startswith(_WHITEOUT):
            removed.append(posixpath.join(parent, base[len(_WHITEOUT) :]))
        elif wanted(name):
            _add(tree, added, archive, member, name)
    for gone in removed:
        for name in [name for name in tree if _covers(gone, name)]:
            del tree[name]
    for name, entry in added.items():
        for old in [old for old in tree if old.startswith(name + "/")]:
            del tree[old]
        tree[name] = entry


def _covers(gone: str, name: str) -> bool:
    # A trailing slash (or nothing: the root) stands for what is in a directory, a bare path also for itself.
    if gone == "" or gone.endswith("/"):
        return name.startswith(gone)
    return name == gone or name.startswith(gone + "/")


def _add(tree: Tree, added: Tree, archive: tarfile.TarFile, member: tarfile.TarInfo, name: str) -> None:
    if member.issym():
        link = inside(name, member.linkname)
        if link is not None:
            added[name] = Entry(link=link)
    elif member.islnk():
        source = clean(member.linkname)
        entry = added.get(source) or tree.get(source)
        if entry is not None:
            added[name] = entry
    elif member.isfile():
        if member.size > LARGEST_FILE:
            raise BadLayer(f"{name} has {member.size} bytes; files this simulator takes have at most {LARGEST_FILE}")
        stream = archive.extractfile(member)
        content = b"" if stream is None else stream.read()
        added[name] = Entry(content, member.mode & 0o777)
    elif member.isdir():
        # A directory replaces a file or link a lower layer had there, not a directory's content.
        tree.pop(name, None)


def write(tree: Tree, into: Path) -> None:
    """Write the tree; no entry may lie below a link, so that nothing can be written outside of ``into``."""
    links = {name for name, entry in tree.items() if entry.link is not None}
    for name, entry in sorted(tree.items()):
        if any(parent in links for parent in _parents(name)):
            raise BadLayer(f"layer has an entry below a symbolic link: {name!r}")
        path = into / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if entry.link is not None:
            path.symlink_to(entry.link)
        else:
            path.write_bytes(entry.content)
            path.chmod(entry.mode)


def _parents(name: str) -> list[str]:
    parts = name.split("/")
    return ["/".join(parts[:count]) for count in range(1, len(parts))]
