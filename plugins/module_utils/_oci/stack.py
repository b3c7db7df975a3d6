# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Layers put on each other as an engine does it, and the bytes that nobody sees any more. PRIVATE to the collection."""

from __future__ import annotations

from typing import Iterator, NamedTuple, Sequence

from .toc import Member

_WHITEOUT = ".wh."
_OPAQUE = ".wh..wh..opq"


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
    """Bytes of all files in all layers, unpacked."""


class _Node:
    __slots__ = ("children", "seen")

    def __init__(self) -> None:
        self.children: dict[str, _Node] = {}
        self.seen: Seen | None = None


def stack(layers: Sequence[Sequence[Member]]) -> Stack:
    """Put ``layers`` on each other, the lowest first. Sizes are of unpacked files.

    A file that lives on under another hard link counts as lost when its first name goes.
    """
    root = _Node()
    lost: list[Lost] = []
    for number, members in enumerate(layers):
        placed = [(parts_of(member.path), member) for member in members]
        # Whiteouts are about lower layers only, wherever they stand in theirs: so they come first.
        for parts, _member in placed:
            if parts and parts[-1].startswith(_WHITEOUT):
                _delete(root, parts, number, lost)
        for parts, member in placed:
            if parts and not parts[-1].startswith(_WHITEOUT):
                _place(root, parts, Seen(number, member), lost)
    stored = sum(member.size for members in layers for member in members)
    return Stack({"/".join(parts): seen for parts, seen in _walk(root)}, lost, stored)


def parts_of(path: str) -> list[str]:
    """Return the parts of a member's path, which archives write with or without a leading ``./`` or ``/``."""
    return [part for part in path.split("/") if part not in ("", ".")]


def _find(root: _Node, parts: Sequence[str]) -> _Node | None:
    node: _Node | None = root
    for part in parts:
        node = node.children.get(part) if node is not None else None
    return node


def _delete(root: _Node, parts: Sequence[str], by: int, lost: list[Lost]) -> None:
    parent = _find(root, parts[:-1])
    if parent is None:
        return
    if parts[-1] == _OPAQUE:
        gone = parent.children
        parent.children = {}
    else:
        name = parts[-1][len(_WHITEOUT) :]
        gone = {name: parent.children.pop(name)} if name in parent.children else {}
    for name, node in gone.items():
        _lose(node, [*parts[:-1], name], by, True, lost)


def _place(root: _Node, parts: Sequence[str], seen: Seen, lost: list[Lost]) -> None:
    node = root
    for part in parts:
        if part not in node.children:
            node.children[part] = _Node()
        node = node.children[part]
    keeps = seen.member.kind == "dir"
    if node.seen is not None or (node.children and not keeps):
        children, node.children = node.children, {} if keeps else node.children
        _lose(node, parts, seen.layer, False, lost)
        node.children = children if keeps else {}
    node.seen = seen


def _lose(node: _Node, parts: Sequence[str], by: int, deleted: bool, lost: list[Lost]) -> None:
    for path, seen in _walk(node):
        if seen.member.size:
            lost.append(Lost("/".join([*parts, *path]), seen.member.size, seen.layer, by, deleted))


def _walk(root: _Node) -> Iterator[tuple[list[str], Seen]]:
    """Every member below a node and at it. Without recursion: a path may have any depth."""
    waiting: list[tuple[list[str], _Node]] = [([], root)]
    while waiting:
        path, node = waiting.pop()
        if node.seen is not None:
            yield path, node.seen
        waiting.extend(([*path, name], child) for name, child in node.children.items())
