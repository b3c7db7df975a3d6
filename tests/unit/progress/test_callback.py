# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the callback draws, and what it takes for a rollout's own."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from ansible_collections.skorionos.bootc.plugins.callback import progress


class Stdout:
    encoding = "utf-8"

    def __init__(self, *, tty: bool) -> None:
        self._tty = tty

    def isatty(self) -> bool:
        return self._tty

    def fileno(self) -> int:
        return 1


def draws(
    monkeypatch: pytest.MonkeyPatch, *, tty: bool = True, rich: bool = True, live: bool = True, **environment: str
) -> bool:
    callback = progress.CallbackModule()
    monkeypatch.setattr(callback, "get_option", {"progress_live": live}.__getitem__)
    monkeypatch.setattr(progress, "HAS_RICH", rich)
    monkeypatch.delenv("CI", raising=False)
    for name, value in {"TERM": "xterm", **environment}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "stdout", Stdout(tty=tty))
    try:
        return callback._terminal() is not None
    finally:
        monkeypatch.undo()


def test_it_draws_on_a_terminal_that_can_be_drawn_on(monkeypatch: pytest.MonkeyPatch) -> None:
    assert draws(monkeypatch)
    assert draws(monkeypatch, CI="false")
    assert not draws(monkeypatch, tty=False)
    assert not draws(monkeypatch, rich=False)
    assert not draws(monkeypatch, live=False)
    assert not draws(monkeypatch, CI="true")
    assert not draws(monkeypatch, TERM="dumb")


def subject(path: str, action: str | None = None) -> SimpleNamespace:
    return SimpleNamespace(get_path=lambda: path, **({} if action is None else {"action": action}))


def test_its_own_are_the_plays_of_the_playbook_and_the_steps_anywhere(repository: Path) -> None:
    playbook = repository / "playbooks" / "rollout.yml"
    assert progress._is_of_a_rollout(subject(f"{playbook}:40"))
    assert progress._is_of_a_rollout(subject(f"{playbook}:60", "ansible.builtin.assert"))
    assert progress._is_of_a_rollout(subject("/home/anna/mine.yml:3", "skorionos.bootc.rollout_device"))
    assert progress._is_of_a_rollout(subject("/home/anna/mine.yml:3", "rollout_device"))
    assert not progress._is_of_a_rollout(subject("/home/anna/rollout.yml:3", "ansible.builtin.command"))
    assert not progress._is_of_a_rollout(subject("/home/anna/rollout.yml:3"))
    assert not progress._is_of_a_rollout(subject("", "skorionos.bootc.rollout_plan"))
