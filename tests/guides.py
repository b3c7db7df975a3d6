# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The guides as data: what they have their readers type, and the files they have them write."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
PAGES = [REPOSITORY / "README.md", REPOSITORY / "CONTRIBUTING.md", *sorted((REPOSITORY / "docs").glob("*.md"))]
_BLOCK = re.compile(r"((?:^ *<!-- [^\n]* -->\n+)*)^( *)```([a-zA-Z]*)\n(.*?)^ *```", re.DOTALL | re.MULTILINE)
_MARK = re.compile(r"<!-- (.*?) -->")


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, the marks before it (comments that are not shown), its text, and its place."""

    language: str
    marks: tuple[str, ...]
    text: str
    place: str

    @property
    def file(self) -> str | None:
        """Name of the file that the reader is to write, if this is one."""
        names = [mark.removeprefix("file: ") for mark in self.marks if mark.startswith("file: ")]
        return names[0] if names else None

    @property
    def is_for_elsewhere(self) -> bool:
        """Whether what is typed cannot be run by a test of the page."""
        return "not run here" in self.marks

    @property
    def commands(self) -> list[str]:
        """What is typed at each prompt, continued lines included, without the answers of the machine."""
        typed: list[str] = []
        is_open = False
        for line in self.text.splitlines():
            if is_open and line.startswith(("> ", "    ")):
                typed[-1] += "\n" + line.removeprefix("> ")
            elif line.startswith(("$ ", "# ")) or line.startswith("make "):
                typed.append(re.sub(r"^[$#] ", "", line))
            else:
                is_open = False
                continue
            is_open = line.endswith(("\\", " do")) or (is_open and line.startswith("> ") and not line.endswith("done"))
        return [command.replace("\\\n", " ") for command in typed]


def blocks(page: Path) -> Iterator[Block]:
    """The fenced blocks of a page, in their order."""
    text = page.read_text(encoding="utf-8")
    for found in _BLOCK.finditer(text):
        line = text.count("\n", 0, found.start(4))
        marks = tuple(_MARK.findall(found[1]))
        yield Block(found[3], marks, textwrap.dedent(found[4]), f"{page.name}:{line}")


def typed(page: Path) -> list[tuple[str, str]]:
    """Every command of a page with its place."""
    return [
        (block.place, command) for block in blocks(page) if block.language == "console" for command in block.commands
    ]
