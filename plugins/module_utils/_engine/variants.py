# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tree of variants, checked and put into the order it can be built in. PRIVATE to the collection."""

from __future__ import annotations

import re
from typing import Any, Mapping, Sequence

from .recipe import recipe_problems

_NAME = re.compile(r"[a-z0-9]+(?:[._-][a-z0-9]+)*")
_KEYS = (
    "name",
    "parent",
    "base",
    "containerfile",
    "recipe",
    "context",
    "build_args",
    "labels",
    "platforms",
    "tags",
)
_TEXTS = ("parent", "base", "containerfile", "context")
_MAPPINGS = ("build_args", "labels")
_LISTS = ("platforms", "tags")
_PLATFORM = re.compile(r"[a-z0-9]+/[a-z0-9_]+(?:/[a-z0-9]+)?")


class InvalidVariants(ValueError):
    """A tree of variants that cannot be built, with everything that is wrong with it."""


def build_order(nodes: Sequence[Mapping[str, Any]], only: Sequence[str] | None = None) -> list[dict[str, Any]]:
    """Return the nodes, parents before children, otherwise in the order given.

    With ``only``, return just these nodes and what they are built on. The whole tree is checked all the same.
    """
    problems = _problems(nodes)
    if problems:
        raise InvalidVariants("The variants cannot be built. " + " ".join(problems))
    if isinstance(only, (str, bytes)):
        # Read letter by letter it would be many variants that do not exist.
        raise InvalidVariants(
            f"The wanted variants are the text {only!r}. Give a list of names, such as ['{nodes[0]['name']}']."
        )
    by_name = {str(node["name"]): dict(node) for node in nodes}
    unknown = [name for name in only or () if name not in by_name]
    if unknown:
        raise InvalidVariants(f"There is no variant {_quoted(unknown)}. {_known(by_name)}")
    ordered: dict[str, dict[str, Any]] = {}
    for name in by_name if only is None else only:
        missing: list[str] = []
        step: str | None = name
        while step and step not in ordered:
            missing.append(step)
            step = by_name[step].get("parent")
        ordered.update((ancestor, by_name[ancestor]) for ancestor in reversed(missing))
    return list(ordered.values())


def platforms_of(node: Mapping[str, Any], by_name: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return the platforms of a node, else those of the node it is built on; none when nobody names any."""
    current: Mapping[str, Any] | None = node
    while current is not None:
        if current.get("platforms"):
            return list(current["platforms"])
        current = by_name.get(current.get("parent") or "")
    return []


def _problems(nodes: object) -> list[str]:
    if not isinstance(nodes, Sequence) or isinstance(nodes, (str, bytes)) or not nodes:
        return ["Give a list of at least one variant, each with a name."]
    problems = [problem for number, node in enumerate(nodes, 1) for problem in _node_problems(number, node)]
    if problems:
        return problems
    names = [node["name"] for node in nodes]
    duplicates = sorted({name for name in names if names.count(name) > 1})
    if duplicates:
        return [f"More than one has the name {_quoted(duplicates)}. Rename all but one."]
    parents = {node["name"]: node.get("parent") for node in nodes}
    problems = [
        f"'{name}' has the parent '{parent}', which is none of them. {_known(parents)}"
        for name, parent in parents.items()
        if parent and parent not in parents
    ]
    return problems or _cycles(parents) or _platform_problems(nodes)


def _platform_problems(nodes: Sequence[Mapping[str, Any]]) -> list[str]:
    by_name = {node["name"]: node for node in nodes}
    problems = []
    for node in nodes:
        if not node.get("parent") or not node.get("platforms"):
            continue
        there = platforms_of(by_name[node["parent"]], by_name)
        missing = [platform for platform in node["platforms"] if platform not in there]
        if missing:
            problems.append(
                f"'{node['name']}' is for {_quoted(missing)}, its parent '{node['parent']}' is not. "
                "Add that to the platforms of the parent."
            )
    return problems


def _node_problems(number: int, node: object) -> list[str]:
    if not isinstance(node, Mapping):
        return [f"Number {number} is not a mapping with a name."]
    name = node.get("name")
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        return [
            f"Number {number} has the name {name!r}. "
            "Use lower-case letters and digits, joined by '.', '_' or '-', because it becomes part of an image name."
        ]
    problems = [
        f"'{name}' has the unknown key '{key}'. Known are {', '.join(_KEYS)}." for key in node if key not in _KEYS
    ]
    problems += [
        f"'{name}' has '{key}' that is not a text."
        for key in _TEXTS
        if not isinstance(node.get(key), (str, type(None)))
    ]
    problems += [
        f"'{name}' has '{key}' that is not a mapping."
        for key in _MAPPINGS
        if not isinstance(node.get(key), (Mapping, type(None)))
    ]
    for key in _LISTS:
        value = node.get(key)
        if value is None:
            continue
        if not isinstance(value, (list, tuple)) or not all(isinstance(item, str) and item for item in value):
            problems.append(f"'{name}' has '{key}' that is not a list of texts.")
        elif len(set(value)) != len(value):
            problems.append(f"'{name}' has '{key}' with something in it twice.")
        elif key == "platforms":
            problems += [
                f"'{name}' has the platform '{item}'. Write it like linux/arm64."
                for item in value
                if not _PLATFORM.fullmatch(item)
            ]
    if node.get("recipe") is not None:
        problems += [f"'{name}': {problem}" for problem in recipe_problems(node["recipe"])]
        if node.get("containerfile"):
            problems.append(f"'{name}' has both recipe and containerfile. Keep one of them.")
        if not node.get("parent") and not node.get("base"):
            problems.append(f"'{name}' has a recipe, but nothing to start from. Add parent or base.")
    if node.get("parent") and node.get("base"):
        problems.append(
            f"'{name}' has both parent and base. Keep parent to build on a variant, base to build on any image."
        )
    return problems


def _cycles(parents: Mapping[str, str | None]) -> list[str]:
    fine: set[str] = set()
    for start in parents:
        # A dict, because it keeps the order of the walk and answers quickly what is in it.
        walked: dict[str, None] = {}
        current: str | None = start
        while current and current not in fine:
            if current in walked:
                path = list(walked)
                cycle = [*path[path.index(current) :], current]
                return [f"Each needs the other built first: {' -> '.join(cycle)}. Give one of them another parent."]
            walked[current] = None
            current = parents[current]
        fine.update(walked)
    return []


def _known(names: Mapping[str, object]) -> str:
    return f"Known are {', '.join(names)}."


def _quoted(names: Sequence[str]) -> str:
    return ", ".join(f"'{name}'" for name in names)
