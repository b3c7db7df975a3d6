# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the rehearse playbook says at its end: one that is not finished is not told like one that succeeded."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

PLAYBOOK = Path(__file__).resolve().parents[3] / "playbooks" / "rehearse.yml"
WAIT = {"rule": "approval", "why": "wave half has to be approved to begin", "until": None}


def end(name: str, phase: str, wait: dict[str, Any] | None, by_version: list[str]) -> dict[str, Any]:
    """The last task of the playbook after a rollout that ended so."""
    task = yaml.safe_load(PLAYBOOK.read_text(encoding="utf-8"))[-1]["tasks"][-1]
    ended = {"phase": phase, "held": phase == "held", "report": f"{name}.html", "summary": {"wait": wait}}
    stage = {"by_version": by_version, "devices": {"deck-1": {}, "deck-2": {}, "deck-3": {}}}
    given = {"bootc_rollout_end": ended, "bootc_rehearsal": stage}
    return {**task, "name": name, "ignore_errors": True, "vars": {**task["vars"], **given}}


def test_the_last_words_say_where_the_rollout_stands(tmp_path: Path) -> None:
    tasks = [
        end("done", "completed", None, []),
        end("open", "running", WAIT, ["deck-1", "deck-2"]),
        end("stopped", "paused", None, []),
        end("bad", "held", WAIT, []),
    ]
    play = {"hosts": "localhost", "connection": "local", "gather_facts": False, "tasks": tasks}
    (tmp_path / "play.yml").write_text(yaml.safe_dump([play], sort_keys=False), encoding="utf-8")
    (tmp_path / "ansible.cfg").touch()
    ended = subprocess.run(
        [str(Path(sys.executable).with_name("ansible-playbook")), "-i", "localhost,", "play.yml"],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path), "LANG": "C.UTF-8"},
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    said = ended.stdout.split("TASK [")[1:]
    words = {task.partition("]")[0]: " ".join(task.split()) for task in said}
    assert "touched. Open done.html" in words["done"]
    assert (
        "touched. It did not come to its end: it is running, and waits (approval: wave half has to be approved to "
        "begin). Taken to run the release by their version alone: 2 of 3 devices. Open open.html"
    ) in words["open"]
    assert "It did not come to its end: it is paused. Open stopped.html" in words["stopped"]
    assert "it is held." in words["bad"]
    assert "come to its end" not in words["bad"]
