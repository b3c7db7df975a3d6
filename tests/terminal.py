# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A terminal for tests. It knows few sequences and refuses all others: whoever prints them may leave it changed."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

_TOKEN = re.compile(r"\x1b\[(\d*)([AJK])|\x1b\[[0-9;:]*m|\r|\n|([^\x00-\x1f\x7f-\x9f])")


@dataclass
class Terminal:
    """Lines that were printed on a terminal that wide; ``row`` and ``column`` are those of its cursor."""

    width: int = 80
    lines: list[str] = field(default_factory=lambda: [""])
    row: int = 0
    column: int = 0

    def feed(self, text: str) -> None:
        """Print it; raises AssertionError for what it does not know."""
        position = 0
        while position < len(text):
            token = _TOKEN.match(text, position)
            assert token is not None, f"not known to this terminal: {text[position : position + 20]!r}"
            self._obey(token)
            position = token.end()

    @property
    def screen(self) -> str:
        return "\n".join(line.rstrip() for line in self.lines).rstrip("\n")

    def _obey(self, token: re.Match[str]) -> None:
        if token[3] is not None:
            self._put(token[3])
        elif token[0] == "\n":  # as a terminal does that has a shell behind it
            self._move(self.row + 1, 0)
        elif token[0] == "\r":
            self.column = 0
        elif token[2] == "A":
            self._move(max(self.row - int(token[1] or 1), 0), self.column)
        elif token[2] is not None:
            self.lines[self.row] = self.lines[self.row][: self.column]
            if token[2] == "J":
                del self.lines[self.row + 1 :]

    def _put(self, character: str) -> None:
        if self.column == self.width:
            self._move(self.row + 1, 0)
        line = self.lines[self.row].ljust(self.column)
        self.lines[self.row] = line[: self.column] + character + line[self.column + 1 :]
        self.column += 1

    def _move(self, row: int, column: int) -> None:
        self.row, self.column = row, column
        self.lines += [""] * (row + 1 - len(self.lines))
