# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A view laid out for a terminal."""

from __future__ import annotations

from dataclasses import replace

import pytest
from ansible_collections.skorionos.bootc.plugins.plugin_utils._progress.live import Layout
from ansible_collections.skorionos.bootc.plugins.plugin_utils._progress.view import View, WaveView
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.states import RolloutPhase, WavePhase
from rich.cells import cell_len

from tests.terminal import Terminal


def wave(name: str, phase: WavePhase, verified: int = 0, **changes: object) -> WaveView:
    standing = f"{verified} of 12 updated, 2 in flight, 1 asleep"
    return replace(WaveView(name, phase, 12, 5, 4, verified, 0, standing, standing.partition(", ")[2]), **changes)  # type: ignore[arg-type]


VIEW = View(
    "Rollout skorion-1.1.0: running for 4 min, about 12 min left",
    "about 12 min left",
    RolloutPhase.RUNNING,
    (wave("canary", WavePhase.PASSED, 12), wave("half", WavePhase.OPEN, 3), wave("rest", WavePhase.PLANNED)),
    "1 downloading (deck-05), 1 rebooting (deck-04)",
    "",
    "",
    "15 of 36 updated, 2 in flight, 3 asleep",
    (),
)


def drawn(view: View, width: int = 79, height: int = 20, encoding: str = "utf-8", color: bool = False) -> list[str]:
    lines = Layout(encoding, color=color).lines(view, width, height)
    terminal = Terminal(width)
    for line in lines:
        terminal.feed(f"{line}\n")
    assert len(terminal.screen.splitlines()) == len(lines), "a line is wider than the terminal"
    assert all(cell_len(line) <= width for line in terminal.lines)
    return terminal.screen.splitlines()


def test_the_open_wave_has_a_bar_for_each_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    lines = drawn(VIEW)
    assert lines[0] == VIEW.headline
    assert lines[1].split()[:2] == ["canary", "passed"]
    assert [line.split()[-2 if "/" in line.split()[-2] else -1] for line in lines[2:4]] == ["5/12", "4/12"]
    assert lines[2].split()[:2] == ["half", "download"]
    assert "3/12 2 in flight, 1 asleep" in lines[4]
    assert lines[5].split()[:4] == ["rest", "not", "yet", "open"]
    assert lines[6:] == [VIEW.busy, f"All waves: {VIEW.total}"]


@pytest.mark.parametrize("width", [20, 40, 79, 119, 250])
@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
@pytest.mark.parametrize("color", [True, False])
def test_no_line_is_wider_than_the_terminal(width: int, encoding: str, color: bool) -> None:
    wide = replace(VIEW, busy="東京" * 200, waves=(wave("w" * 300, WavePhase.OPEN, standing="x, " * 300),))
    assert len(drawn(wide, width, 20, encoding, color)) == 6


def test_a_terminal_without_unicode_is_sent_none() -> None:
    assert "".join(drawn(VIEW, encoding="ascii")).isascii()


def test_without_colours_there_are_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    assert "\x1b[36m" in "".join(Layout("utf-8", color=True).lines(VIEW, 79, 20))
    assert "\x1b[36m" not in "".join(Layout("utf-8", color=False).lines(VIEW, 79, 20))


def test_names_are_no_markup() -> None:
    odd = replace(
        VIEW, busy="1 rebooting ([red]deck[/red] :smile: [link=http://x]y)", waves=(wave("[b]", WavePhase.OPEN),)
    )
    lines = drawn(odd)
    assert odd.busy in lines
    assert lines[1].startswith("[b]")


def test_with_many_waves_those_around_the_open_one_are_shown() -> None:
    many = tuple(
        wave(f"w{n}", WavePhase.PASSED if n < 9 else WavePhase.OPEN if n == 9 else WavePhase.PLANNED) for n in range(20)
    )
    text = "\n".join(drawn(replace(VIEW, waves=many)))
    assert "w8 " in text
    assert "w9 " in text
    assert "w10" in text
    assert "w1 " not in text
    assert "12 more" in text


def test_on_a_low_terminal_the_total_is_still_there() -> None:
    lines = drawn(replace(VIEW, hold="held in wave half: too many failed"), height=5)
    assert len(lines) == 5
    assert lines[0] == VIEW.headline
    assert lines[-1] == f"All waves: {VIEW.total}"
    assert len(drawn(VIEW, height=1)) == 1
