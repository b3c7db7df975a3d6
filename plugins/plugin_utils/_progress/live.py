# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A view laid out with rich, for a terminal of some width. Nothing of a view is taken for markup."""

from __future__ import annotations

import io
from collections.abc import Sequence

from .._report.words import PHASES
from .._rollout.states import RolloutPhase, WavePhase
from .view import View, WaveView

try:
    from rich.console import Console
    from rich.progress_bar import ProgressBar
    from rich.table import Table
    from rich.text import Text
except ImportError:
    HAS_RICH = False
else:
    HAS_RICH = True

_MOST_WAVES = 8
_PHASE_STYLES = {
    RolloutPhase.RUNNING: "cyan",
    RolloutPhase.COMPLETED: "green",
    RolloutPhase.HELD: "bold red",
    RolloutPhase.ABORTED: "bold red",
}
_MOST_OF_A_NAME = 18
_STEPS = (("download", "downloaded"), ("apply", "applied"), ("verify", "verified"))


class _Sheet(io.StringIO):
    """What is written to instead of the terminal, in its encoding: rich draws with what that has."""

    def __init__(self, encoding: str) -> None:
        super().__init__()
        self._encoding = encoding

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self._encoding


class Layout:
    """Draws in ``encoding`` for a terminal that is of the kind ``TERM`` says; without ``color`` if that is unwanted."""

    def __init__(self, encoding: str, *, color: bool) -> None:
        self._encoding = encoding
        self._color = color

    def lines(self, view: View, width: int, height: int) -> list[str]:
        """At most ``height`` lines of at most ``width`` columns, with escape sequences of their colours only."""
        head = [_text(view.headline, _PHASE_STYLES.get(view.phase, "yellow"))]
        if view.hold:
            head.append(_text(view.hold, "red"))
        doing = ((view.busy, "cyan"), (view.waiting, "yellow"))
        foot = [_text(part[0].upper() + part[1:], style) for part, style in doing if part]
        foot.append(_text(f"All waves: {view.total}", "default"))
        sheet = _Sheet(self._encoding)
        console = Console(
            file=sheet,
            width=width,
            force_terminal=True,
            force_jupyter=False,
            no_color=not self._color,
            markup=False,
            highlight=False,
            emoji=False,
            legacy_windows=False,
        )
        for part in (*head, _waves(view.waves, width), *foot):
            console.print(part, overflow="ellipsis" if self._is_unicode else "crop", no_wrap=True, crop=True)
        drawn = sheet.getvalue().splitlines()
        if len(drawn) <= height:
            return drawn
        # The middle has the waves; how far all of it is matters more.
        above = max(height - len(foot), 1)
        return [*drawn[:above], *drawn[-len(foot) :]][:height]

    @property
    def _is_unicode(self) -> bool:
        return self._encoding.lower().startswith("utf")


def _text(content: str, style: str) -> Text:
    return Text(content, style=style, no_wrap=True, end="\n")


def _waves(waves: Sequence[WaveView], width: int) -> Table:
    grid = Table.grid(padding=(0, 1), expand=False)
    grid.add_column(max_width=_MOST_OF_A_NAME, no_wrap=True)
    grid.add_column(no_wrap=True)
    grid.add_column(width=max(min(width - 60, 40), 12))
    grid.add_column(justify="right", no_wrap=True)
    grid.add_column(no_wrap=True, overflow="ellipsis")
    shown, left_out = _shown(waves)
    for wave in shown:
        if wave.phase is WavePhase.OPEN:
            for number, (word, key) in enumerate(_STEPS):
                reached = getattr(wave, key)
                last = key == "verified"
                grid.add_row(
                    _text("" if number else wave.name, "bold"),
                    _text(word, "default"),
                    _bar(reached, wave.total),
                    _text(f"{reached}/{wave.total}", "default"),
                    _text(wave.besides if last else "", "red" if wave.failed else "default"),
                )
        else:
            done = wave.phase is WavePhase.PASSED
            grid.add_row(
                _text(wave.name, "default" if done else "dim"),
                _text(PHASES[wave.phase.value], "green" if done else "dim"),
                _bar(wave.verified, wave.total),
                _text(f"{wave.verified}/{wave.total}", "default" if done else "dim"),
                _text(wave.besides, "red" if wave.failed else "dim"),
            )
    if left_out:
        grid.add_row(_text("...", "dim"), _text(f"{left_out} more", "dim"))
    return grid


def _shown(waves: Sequence[WaveView]) -> tuple[Sequence[WaveView], int]:
    """Those around the open one, and how many others there are."""
    if len(waves) <= _MOST_WAVES:
        return waves, 0
    current = next((i for i, wave in enumerate(waves) if wave.phase is not WavePhase.PASSED), len(waves) - 1)
    first = max(min(current - 2, len(waves) - _MOST_WAVES), 0)
    return waves[first : first + _MOST_WAVES], len(waves) - _MOST_WAVES


def _bar(reached: int, total: int) -> ProgressBar:
    return ProgressBar(total=max(total, 1), completed=reached)
