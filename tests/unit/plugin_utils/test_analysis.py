# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Commands that judge a wave: what they get, and what is made of how they end."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from ansible_collections.skorionos.bootc.plugins.plugin_utils._analysis import analyse, run
from ansible_collections.skorionos.bootc.plugins.plugin_utils._program import LONGEST_OUTPUT
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.spec import Analysis

from tests.unit.rollout.builders import one_wave, opened, replay


def command(*words: str, timeout: int = 20) -> Analysis:
    return Analysis("errors", words, timeout)


def shell(script: str, timeout: int = 20) -> Analysis:
    return command("/bin/sh", "-c", script, timeout=timeout)


def _runs(pid: int) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rpartition(")")[2].split()[0] not in ("Z", "X")


@pytest.mark.parametrize(
    ("script", "outcome"),
    [
        ("exit 0", "successful"),
        ("exit 1", "failed"),
        ("exit 2", "inconclusive"),
        ("kill -9 $$", "inconclusive"),
    ],
)
def test_only_0_and_1_tell_something(script: str, outcome: str) -> None:
    assert run(shell(script), "{}").outcome == outcome


def test_what_it_writes_is_kept_up_to_a_limit() -> None:
    finding = run(shell("echo out; echo err >&2; exit 1"), "{}")
    assert finding.output.split() == ["out", "err"]
    long = run(shell("head -c 100000 /dev/zero | tr '\\0' x"), "{}")
    assert (long.outcome, len(long.output)) == ("successful", LONGEST_OUTPUT)
    assert run(shell("printf '\\377'"), "{}").output == "\ufffd"


@pytest.mark.parametrize("words", [["/nowhere/program"], ["/etc/passwd"], ["a\0b"]])
def test_what_cannot_be_started_is_inconclusive(words: list[str]) -> None:
    finding = run(command(*words), "{}")
    assert finding.outcome == "inconclusive"
    assert "could not be started" in finding.output


def test_one_that_does_not_end_is_ended_with_all_it_began(tmp_path: Path) -> None:
    began = time.monotonic()
    finding = run(shell(f"sleep 60 & echo $! > {tmp_path}/pid; echo begun; wait", timeout=1), "{}")
    assert time.monotonic() - began < 30
    assert finding.outcome == "inconclusive"
    assert "no answer within 1 seconds. begun" in finding.output
    pid = int((tmp_path / "pid").read_text(encoding="utf-8"))
    while _runs(pid):  # it was told to end, which takes the kernel a moment
        assert time.monotonic() - began < 60
        time.sleep(0.05)


def test_its_arguments_are_no_shell_words_and_its_input_is_the_summary(tmp_path: Path) -> None:
    rollout = replay(one_wave(2), opened())
    copy = command("/bin/sh", "-c", 'cat > "$0"; printf %s "$1"', str(tmp_path / "given"), "$(id) {{ 1 + 1 }}")
    event = analyse(rollout, 0, copy)
    assert (event.kind, event.wave) == ("analysed", 0)
    assert event.data == {"name": "errors", "outcome": "successful", "output": "$(id) {{ 1 + 1 }}"}
    given = json.loads((tmp_path / "given").read_text(encoding="utf-8"))
    assert (given["id"], given["wave"], given["totals"]["devices"]) == ("r1", "only", 2)
