# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lines that stay below whatever else is printed on a terminal, and output that can do nothing else to it.

No mode of the terminal is changed, not even its cursor hidden: whenever the process ends, also by a signal that
nothing can be done about, there is nothing to be restored.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from typing import Any, TextIO

_UP = "\x1b[{}A"
_CLEAR_BELOW = "\x1b[J"
_CLEAR_LINE = "\x1b[K"
_RESET = "\x1b[0m"
# Resets, bold and colours of the text. Others conceal it, or make it look like its background.
_STYLE = r"(?:0?[01]|[39][0-7]|38;5;[0-9]{1,3})"
_COLOUR_OR_CONTROL = re.compile(
    rf"\x1b\[(?:{_STYLE}(?:;{_STYLE})*)?m"
    r"|([\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069])"
)


def harmless(text: str) -> str:
    """``text`` with its colours, line ends and tabs; every other control or bidirectional character is spelt out."""
    return _COLOUR_OR_CONTROL.sub(_spelt, text)


def _spelt(match: re.Match[str]) -> str:
    return match[0] if match[1] is None else ascii(match[1])[1:-1]


class Screen:
    """The last lines of the terminal behind ``out``. ``lock`` is held while anything is written."""

    def __init__(self, out: TextIO, lock: AbstractContextManager[Any]) -> None:
        self._out = out
        self._lock = lock
        self._lines: tuple[str, ...] = ()
        self._width = 0
        self._drawn = 0
        self._is_mid_line = False

    def show(self, lines: Sequence[str], width: int) -> None:
        """Put these in the place of those before, which stay where they are when the width has changed since."""
        with self._lock:
            if width != self._width:
                self._drawn = 0  # nobody knows how many lines the terminal made of them
            self._width = width
            self._lines = tuple(lines)
            if not self._is_mid_line:
                self._write(self._to_top() + self._frame())
                self._drawn = len(self._lines)

    def hide(self) -> None:
        """Take them away."""
        with self._lock:
            self._write(self._above())
            self._lines = ()

    def leave(self) -> None:
        """Let them stand; what is printed next comes below."""
        with self._lock:
            self._lines, self._drawn = (), 0

    def let_through(self, text: str, stream: TextIO) -> None:
        """Print ``text`` on ``stream`` above the lines."""
        with self._lock:
            begin = self._above()
            self._is_mid_line = not text.endswith("\n")
            end = "" if self._is_mid_line else self._frame()
            if stream is self._out:
                self._write(begin + text + end)
            else:
                self._write(begin)
                stream.write(text)
                stream.flush()
                self._write(end)
            self._drawn = 0 if self._is_mid_line else len(self._lines)

    def _frame(self) -> str:
        body = "".join(f"{line}{_RESET}{_CLEAR_LINE}\n" for line in self._lines)
        return body + _CLEAR_BELOW if self._lines else ""

    def _to_top(self) -> str:
        return f"\r{_UP.format(self._drawn)}" if self._drawn else ""

    def _above(self) -> str:
        begin = f"{self._to_top()}{_CLEAR_BELOW}" if self._drawn else ""
        self._drawn = 0
        return begin

    def _write(self, text: str) -> None:
        if text:
            self._out.write(text)
            self._out.flush()


class Passage:
    """Stands in for a standard stream: what is written is made harmless, and goes above the lines of a screen, if any.

    All else is that of the stream.
    """

    def __init__(self, stream: TextIO, screen: Screen | None) -> None:
        self._stream = stream
        self._screen = screen

    def write(self, text: str) -> int:
        """Print at once: who watches a log wants to see it while it happens."""
        safe = harmless(text)
        if self._screen is not None:
            self._screen.let_through(safe, self._stream)
        else:
            self._stream.write(safe)
            if safe.endswith("\n"):
                self._stream.flush()
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """As ``write``: that of the stream would print them as they are."""
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)
