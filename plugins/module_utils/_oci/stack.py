# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Layers put on each other as an engine does it, and the bytes that nobody sees any more. PRIVATE to the collection."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Hashable, Iterator, NamedTuple, Sequence

from .toc import HARD_LINK, Member

_WHITEOUT = ".wh."
_OPAQUE = ".wh..wh..opq"
_OBJECTS = ["sysroot", "ostree", "repo", "objects"]
_MOST_NODES = 4_000_000


class Seen(NamedTuple):
    """A member that the image shows, and the number of the layer it comes from, 0 being the lowest."""

    layer: int
    member: Member


class Lost(NamedTuple):
    """A file that is stored in ``layer`` and that ``by``, the same or a higher layer, deletes or replaces."""

    path: str
    size: int
    layer: int
    by: int
    deleted: bool


class Stack(NamedTuple):
    """What an image shows by path, and what it stores for nothing."""

    seen: dict[str, Seen]
    lost: list[Lost]
    stored: int
    """Bytes of all files in all layers, unpacked; a layer listed twice counts once."""


@dataclass(eq=False)
class _File:
    """The content of a file that more than one place may show: hard links to it, and its layer listed again."""

    size: int
    names: int = 0
    """Names that are not gone yet."""
    objects: int = 0
    """Names in a repository of OSTree, which keeps every file whether an image shows it or not."""
    by_object: bool = False
    """Whether it has no other names than those, so that they count."""


class _Node:
    __slots__ = ("children", "file", "seen")

    def __init__(self) -> None:
        self.children: dict[str, _Node] = {}
        self.seen: Seen | None = None
        self.file: _File | None = None


class _Tree:
    """What the layers so far show, and what they lost."""

    def __init__(self) -> None:
        self.root = _Node()
        self.lost: list[Lost] = []
        self._nodes = 0

    def delete(self, parts: Sequence[str], by: int) -> None:
        """Do what a whiteout says."""
        parent = self._find(parts[:-1])
        if parent is None:
            return
        if parts[-1] == _OPAQUE:
            gone = parent.children
            parent.children = {}
        else:
            name = parts[-1][len(_WHITEOUT) :]
            gone = {name: parent.children.pop(name)} if name in parent.children else {}
        for name, node in gone.items():
            self._lose(node, [*parts[:-1], name], by, True)

    def place(self, parts: Sequence[str], seen: Seen, file: _File | None) -> None:
        """Put a member where its path says; raises ``ValueError`` for more than fits into memory."""
        node = self._make(parts)
        keeps = seen.member.kind == "dir"
        if node.seen is not None or (node.children and not keeps):
            children, node.children = node.children, {} if keeps else node.children
            self._lose(node, parts, seen.layer, False)
            node.children = children if keeps else {}
        node.seen, node.file = seen, file

    def _find(self, parts: Sequence[str]) -> _Node | None:
        node: _Node | None = self.root
        for part in parts:
            node = node.children.get(part) if node is not None else None
        return node

    def _make(self, parts: Sequence[str]) -> _Node:
        node = self.root
        for part in parts:
            if part not in node.children:
                # Members are bounded elsewhere, but each may have a path of a thousand directories of its own.
                self._nodes += 1
                if self._nodes > _MOST_NODES:
                    raise ValueError(f"they and their directories are more than {_MOST_NODES}")
                node.children[part] = _Node()
            node = node.children[part]
        return node

    def _lose(self, gone: _Node, parts: Sequence[str], by: int, deleted: bool) -> None:
        for path, node, seen in _walk(gone, "/".join(parts)):
            size = seen.member.size if node.file is None else _without_name(node.file, path)
            if size:
                self.lost.append(Lost(path, size, seen.layer, by, deleted))


def stack(layers: Sequence[Sequence[Member]], names: Sequence[Hashable] = ()) -> Stack:
    """Put ``layers`` on each other, the lowest first. Sizes are of unpacked files.

    ``names`` tells which layers are the same one listed again; without, all are different. A file is lost when the last
    of its names is gone. Raises ``ValueError`` for more files and directories than fit into memory.
    """
    names = names or range(len(layers))
    tree = _Tree()
    times = Counter(names)
    files: dict[Hashable, dict[int, _File]] = {}
    for number, (name, members) in enumerate(zip(names, layers)):
        if name not in files:
            files[name] = _files(members, times[name])
        # Whiteouts are about lower layers only, wherever they stand in theirs: so they come first.
        for member in members:
            if _WHITEOUT in member.path and (parts := _whiteout(member)):
                tree.delete(parts, number)
        for at, member in enumerate(members):
            parts = parts_of(member.path)
            if parts and not parts[-1].startswith(_WHITEOUT):
                tree.place(parts, Seen(number, member), files[name].get(at))
    stored = sum(member.size for members in dict(zip(names, layers)).values() for member in members)
    return Stack({path: seen for path, _node, seen in _walk(tree.root, "")}, tree.lost, stored)


def parts_of(path: str) -> list[str]:
    """Return the parts of a member's path, which archives write with or without a leading ``./`` or ``/``."""
    return [part for part in path.split("/") if part not in ("", ".")]


def _whiteout(member: Member) -> list[str]:
    parts = parts_of(member.path)
    return parts if parts and parts[-1].startswith(_WHITEOUT) else []


def _files(members: Sequence[Member], times: int) -> dict[int, _File]:
    """Return the files of a layer that may have several names, by the place of each name among the members."""
    linked = {"/".join(parts_of(member.link)) for member in members if member.kind == HARD_LINK}
    by_path: dict[str, _File] = {}
    found: dict[int, _File] = {}
    for at, member in enumerate(members if linked or times > 1 else ()):
        parts = parts_of(member.path)
        if member.kind == HARD_LINK:
            file = by_path.get("/".join(parts_of(member.link)))
        else:
            path = "/".join(parts)
            file = _File(member.size) if member.size and (times > 1 or path in linked) else None
            if file is not None:
                by_path[path] = file
        if file is not None:
            found[at] = file
            file.names += 0 if _is_object(parts) else times
            file.objects += times if _is_object(parts) else 0
    for file in found.values():
        file.by_object = not file.names
    return found


def _is_object(parts: Sequence[str]) -> bool:
    return list(parts[: len(_OBJECTS)]) == _OBJECTS


def _without_name(file: _File, path: str) -> int:
    """Take a name from a file and return the bytes that are lost with it."""
    if _is_object(path.split("/", len(_OBJECTS))):
        file.objects -= 1
        return file.size if file.by_object and not file.objects else 0
    file.names -= 1
    return 0 if file.names else file.size


def _walk(root: _Node, path: str) -> Iterator[tuple[str, _Node, Seen]]:
    """Every member at a node, which is at ``path``, and below. Without recursion: a path may have any depth."""
    waiting = [iter([(path, root)])]
    while waiting:
        found = next(waiting[-1], None)
        if found is None:
            waiting.pop()
            continue
        path, node = found
        if node.seen is not None:
            yield path, node, node.seen
        if node.children:
            waiting.append(_below(path, node))


def _below(path: str, node: _Node) -> Iterator[tuple[str, _Node]]:
    return ((f"{path}/{name}" if path else name, child) for name, child in node.children.items())
