# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lines that stay below other output."""

from __future__ import annotations

import io
import threading

import pytest
from ansible_collections.skorionos.bootc.plugins.plugin_utils._progress.screen import Passage, Screen, harmless

from tests.terminal import Terminal


class Output(io.StringIO):
    """Prints on a terminal what is flushed, as a stream does that leads to one."""

    def __init__(self, terminal: Terminal) -> None:
        super().__init__()
        self._terminal = terminal

    def flush(self) -> None:
        if not self.closed:
            self._terminal.feed(self.getvalue())
            self.seek(0)
            self.truncate()


@pytest.fixture
def terminal() -> Terminal:
    return Terminal(40)


@pytest.fixture
def output(terminal: Terminal) -> Output:
    return Output(terminal)


@pytest.fixture
def screen(output: Output) -> Screen:
    return Screen(output, threading.RLock())


def test_what_is_printed_comes_above_the_lines(terminal: Terminal, output: Output, screen: Screen) -> None:
    out, err = Passage(output, screen), Passage(Output(terminal), screen)
    print("before", file=out)
    screen.show(["one", "two"], 40)
    print("an error\nof two lines", file=err)
    screen.show(["one", "2", "three"], 40)
    print("after", file=out)
    assert terminal.screen == "before\nan error\nof two lines\nafter\none\n2\nthree"
    screen.show(["less"], 40)
    assert terminal.screen == "before\nan error\nof two lines\nafter\nless"
    screen.hide()
    assert terminal.screen == "before\nan error\nof two lines\nafter"


def test_a_line_that_is_not_at_its_end_yet_is_left_alone(terminal: Terminal, output: Output, screen: Screen) -> None:
    out = Passage(output, screen)
    screen.show(["one"], 40)
    out.write("Password: ")
    screen.show(["two"], 40)
    assert terminal.screen == "Password:"
    out.write("thanks\n")
    assert terminal.screen == "Password: thanks\ntwo"


def test_a_long_line_above_and_keys_that_were_pressed_do_no_harm(
    terminal: Terminal, output: Output, screen: Screen
) -> None:
    screen.show(["one"], 40)
    Passage(output, screen).write("x" * 100 + "\n")
    terminal.feed("C")  # the terminal itself prints what is typed
    screen.show(["two"], 40)
    assert terminal.screen == f"{'x' * 40}\n{'x' * 40}\n{'x' * 20}\ntwo"


def test_after_a_change_of_width_nothing_that_others_printed_is_lost(
    terminal: Terminal, output: Output, screen: Screen
) -> None:
    print("precious", file=Passage(output, screen))
    screen.show(["a", "b"], 40)
    screen.show(["c", "d"], 20)
    assert terminal.screen == "precious\na\nb\nc\nd"


def test_lines_that_were_left_stay_and_the_cursor_is_below_them(
    terminal: Terminal, output: Output, screen: Screen
) -> None:
    screen.show(["the end"], 40)
    screen.leave()
    print("$", file=Passage(output, screen))
    assert terminal.screen == "the end\n$"


def test_colours_stay_and_whatever_else_could_move_a_terminal_is_spelt_out() -> None:
    assert harmless("\x1b[0;32mok\x1b[0m\tfine\n") == "\x1b[0;32mok\x1b[0m\tfine\n"
    assert harmless("\x1b[2J\x1b]0;t\x07\r\x9b1A\u202e\x00") == r"\x1b[2J\x1b]0;t\x07\r\x9b1A\u202e\x00"
    assert harmless("\x1b[m\x1b[1;31m\x1b[01;97m\x1b[0;38;5;208m") == "\x1b[m\x1b[1;31m\x1b[01;97m\x1b[0;38;5;208m"
    for style in ("8", "1;8", "30;40", "48;5;1", "38;2;0;0;0", "38:5:1", ";8", "5", "7"):
        assert harmless(f"\x1b[{style}m") == rf"\x1b[{style}m"
    assert harmless("Köln 東京 🙂") == "Köln 東京 🙂"


def test_a_stream_that_is_stood_in_for_is_otherwise_itself(terminal: Terminal, output: Output) -> None:
    passage = Passage(output, None)
    assert passage.write("a\x07\n") == 3
    passage.writelines(["b\x1b[8m", "c\n"])
    assert terminal.screen == "a\\x07\nb\\x1b[8mc"
    assert passage.isatty() is False
    assert passage.closed is False
