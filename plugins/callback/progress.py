# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Callback that shows a rollout while it runs."""

from __future__ import annotations

DOCUMENTATION = r"""
name: progress
type: stdout
short_description: Show how far a rollout is
version_added: 0.1.0
author:
  - skorionos.bootc contributors (@skorionos)
description:
  - While the playbook C(skorionos.bootc.rollout) runs, it shows which wave is open, how many devices of it have
    downloaded, applied and verified their update, what the rollout waits for and until when, and about how long it will
    take. This takes the place of the lines of tasks that went well, of which a large fleet has thousands.
  - On a terminal that is a picture below all other output, if the Python package C(rich) is there. Elsewhere, when
    E(CI) is set and on a terminal that C(TERM) calls dumb it is plain lines, one now and then.
  - Whatever fails, is unreachable or warns is printed as P(ansible.builtin.default#callback) prints it, and so is the
    recap. With C(-v) or C(--check), and for all other plays and playbooks, everything is.
  - A device that fails in a rollout is no failed task. It has a line of its own with what it said.
  - While it shows a rollout, control characters in whatever is printed are spelt out, because devices may say anything.
extends_documentation_fragment:
  - default_callback
  - result_format_callback
options:
  progress_interval:
    description: How many seconds there are between two plain lines at least.
    type: float
    default: 10
    env:
      - name: BOOTC_PROGRESS_INTERVAL
    ini:
      - section: bootc_progress
        key: interval
  progress_live:
    description: Whether to draw a picture where that is possible. With V(false) there are plain lines everywhere.
    type: bool
    default: true
    env:
      - name: BOOTC_PROGRESS_LIVE
    ini:
      - section: bootc_progress
        key: live
requirements:
  - Set as stdout callback in the configuration, as with C(ANSIBLE_STDOUT_CALLBACK=skorionos.bootc.progress).
  - For the picture, the Python package C(rich) on the controller.
"""

import atexit
import os
import sys
from functools import partial
from pathlib import Path

from ansible.plugins.callback.default import CallbackModule as Default
from ansible.utils import color
from ansible_collections.skorionos.bootc.plugins.plugin_utils._progress.live import HAS_RICH, Layout
from ansible_collections.skorionos.bootc.plugins.plugin_utils._progress.watch import Terminal, Watch
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.store import open_stores

_COLLECTION = "skorionos.bootc."
_OPEN = "rollout_open"
_GATE = "rollout_gate"
_REPORT = "rollout_report"
_STEPS = frozenset({_OPEN, _GATE, "rollout_device", "rollout_defer", _REPORT, "rollout_notify"})
_PLAYBOOK = Path(__file__).resolve().parents[2] / "playbooks" / "rollout.yml"
_TROUBLE = ("warnings", "deprecations", "exception")


class CallbackModule(Default):  # type: ignore[misc]
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "stdout"
    CALLBACK_NAME = "skorionos.bootc.progress"

    def __init__(self) -> None:
        super().__init__()
        self._watch: Watch | None = None
        self._untold_play = None
        self._is_starting_quietly = False
        atexit.register(self._end, reported=False)

    # -- what is new ---------------------------------------------------------------------------------------------------

    def _begin(self, task) -> None:
        self._end(reported=False)
        self._watch = Watch(
            self._display.display,
            self._display.warning,
            self._display._lock,  # held while processes are started; there is no public name for it
            interval=self.get_option("progress_interval"),
            terminal=self._terminal(),
        )
        self._watch.begin(task.get_name().strip())

    def _end(self, *, reported: bool) -> None:
        watch, self._watch = self._watch, None
        if watch is not None:
            watch.end(reported=reported)

    def _terminal(self) -> Terminal | None:
        """That of the standard output, if there is one to draw on."""
        dumb = os.environ.get("TERM", "dumb") == "dumb"
        in_ci = os.environ.get("CI", "").lower() not in ("", "0", "false")
        if not (HAS_RICH and self.get_option("progress_live") and sys.stdout.isatty()) or dumb or in_ci:
            return None
        layout = Layout(sys.stdout.encoding or "ascii", color=color.ANSIBLE_COLOR)
        return Terminal(layout, partial(_size, sys.stdout.fileno()))

    def _learn(self, result) -> None:
        """Take in what a step of the rollout came to."""
        step, document = _step(result.task), result.result
        if self._watch is None or step is None:
            return
        if step == _OPEN and document.get("epoch") is not None:
            store = open_stores(document["ledger"]).rollout(document["id"])
            self._watch.follow(store, float(document["deadline"]), document["asleep"])
        elif step == _GATE:
            self._watch.was_told()
        elif step == _REPORT:
            self._end(reported=True)

    def _is_quiet(self, subject) -> bool:
        """Whether what went well in this task or play goes without saying."""
        return self._display.verbosity == 0 and not subject.check_mode and _is_of_a_rollout(subject)

    def _is_told(self, result) -> bool:
        """Whether there is anything to be said of a result that is no failure."""
        return not self._is_quiet(result.task) or any(result.result.get(key) for key in _TROUBLE)

    # -- what is left out of the default -------------------------------------------------------------------------------

    def v2_playbook_on_play_start(self, play) -> None:
        if not _is_of_a_rollout(play):
            self._end(reported=False)
        self._untold_play = None
        if self._is_quiet(play):
            self._play, self._untold_play = play, play
        else:
            super().v2_playbook_on_play_start(play)

    def _task_start(self, task, prefix=None) -> None:
        if self._is_quiet(task) and _step(task) == _OPEN:
            self._begin(task)
        elif self._watch is not None:
            if _is_of_a_rollout(task):
                self._watch.appear()
                if _step(task) == _REPORT:
                    self._watch.tell_all()
            else:
                self._watch.hide()
        self._is_starting_quietly = self._is_quiet(task)
        super()._task_start(task, prefix)
        self._is_starting_quietly = False

    def _print_task_banner(self, task) -> None:
        if self._is_starting_quietly:
            return
        if self._untold_play is not None:
            super().v2_playbook_on_play_start(self._untold_play)
            self._untold_play = None
        super()._print_task_banner(task)

    def v2_playbook_on_no_hosts_matched(self) -> None:
        if self._untold_play is None:
            super().v2_playbook_on_no_hosts_matched()

    def v2_runner_on_ok(self, result) -> None:
        self._learn(result)
        if self._is_told(result):
            super().v2_runner_on_ok(result)

    def v2_runner_on_skipped(self, result) -> None:
        if self._is_told(result):
            super().v2_runner_on_skipped(result)

    def v2_runner_item_on_ok(self, result) -> None:
        if self._is_told(result):
            super().v2_runner_item_on_ok(result)

    def v2_runner_item_on_skipped(self, result) -> None:
        if self._is_told(result):
            super().v2_runner_item_on_skipped(result)

    def v2_playbook_on_stats(self, stats) -> None:
        self._end(reported=False)
        super().v2_playbook_on_stats(stats)


def _size(descriptor: int) -> tuple[int, int]:
    """Columns and lines; some that pass for terminals do not know theirs."""
    size = os.get_terminal_size(descriptor)
    return size.columns or 80, size.lines or 24


def _step(task) -> str | None:
    """Which step of a rollout the task is."""
    name = str(task.action).removeprefix(_COLLECTION)
    return name if name in _STEPS else None


def _is_of_a_rollout(subject) -> bool:
    """Whether a task or a play is one of the playbook ``rollout``, or a step of it in another."""
    path = subject.get_path().rpartition(":")[0]
    if path and Path(path).name == _PLAYBOOK.name and Path(path).resolve() == _PLAYBOOK:
        return True
    return getattr(subject, "action", None) is not None and _step(subject) is not None
