# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rules of ``.containerignore`` and ``.dockerignore``. PRIVATE to the collection."""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Iterable, Pattern

from .errors import INVALID, EngineError


@dataclass(frozen=True)
class _Rule:
    pattern: Pattern[str]
    excludes: bool


class IgnoreRules:
    """Tells which paths of a context the engine leaves out.

    The last rule that matches a path or a folder above it decides.
    """

    def __init__(self, lines: Iterable[str]) -> None:
        """Read the lines of an ignore file."""
        self._rules = list(_parse(lines))
        self.has_exceptions = any(not rule.excludes for rule in self._rules)

    def ignores(self, path: str) -> bool:
        """Tell whether ``path``, relative to the context, is left out."""
        parts = path.split("/")
        candidates = ["/".join(parts[:length]) for length in range(len(parts), 0, -1)]
        ignored = False
        for rule in self._rules:
            if any(rule.pattern.fullmatch(candidate) for candidate in candidates):
                ignored = rule.excludes
        return ignored


def find_ignore_file(containerfile: Path, context: Path) -> Path | None:
    """Return the ignore file in force: one beside the Containerfile and named after it, else one in the context."""
    candidates = (
        containerfile.with_name(containerfile.name + ".containerignore"),
        containerfile.with_name(containerfile.name + ".dockerignore"),
        context / ".containerignore",
        context / ".dockerignore",
    )
    return next((path for path in candidates if path.is_file()), None)


def _parse(lines: Iterable[str]) -> Iterable[_Rule]:
    for number, raw in enumerate(lines, 1):
        text = raw.lstrip("\ufeff") if number == 1 else raw
        if text.startswith("#") or not text.strip():
            continue
        text = text.strip()
        excludes = not text.startswith("!")
        pattern = text if excludes else text[1:].strip()
        # Patterns are cleaned as paths, so that "/a/", "./a" and "a" mean the same.
        pattern = posixpath.normpath("/" + pattern).lstrip("/")
        if pattern:
            try:
                yield _Rule(re.compile(_translate(pattern), re.DOTALL), excludes)
            except re.error as error:
                raise EngineError(
                    INVALID,
                    f"Line {number} of the ignore file, '{text}', is no pattern: {error}.",
                    "Correct that line.",
                ) from error


def _translate(pattern: str) -> str:
    """Write a pattern as a regular expression. ``*`` and ``?`` stay within a folder, ``**`` does not."""
    out = []
    position = 0
    while position < len(pattern):
        rest = pattern[position:]
        if rest.startswith("**/"):
            out.append("(?:.*/)?")
            position += 3
        elif rest.startswith("**"):
            out.append(".*")
            position += 2
        elif rest.startswith("*"):
            out.append("[^/]*")
            position += 1
        elif rest.startswith("?"):
            out.append("[^/]")
            position += 1
        elif rest.startswith("\\") and len(rest) > 1:
            out.append(re.escape(rest[1]))
            position += 2
        elif rest.startswith("["):
            end = rest.find("]", 2 if rest[1:2] != "^" else 3)
            out.append(rest if end < 0 else _class(rest[1:end]))
            position += len(rest) if end < 0 else end + 1
        else:
            out.append(re.escape(rest[0]))
            position += 1
    return "".join(out)


def _class(inside: str) -> str:
    negated = inside.startswith("^")
    members = inside[1:] if negated else inside
    return "[" + ("^/" if negated else "") + members.replace("[", r"\[").replace("&", r"\&").replace("~", r"\~") + "]"
