# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The example inventory is rehearsed as its documentation says, and nothing that is real takes part."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.simulated_fleet import REPOSITORY, Run

pytestmark = pytest.mark.integration

INVENTORY = REPOSITORY / "inventory"


def rehearse(folder: Path, collections: Path, fleet: Path, **variables: Any) -> Run:
    """Run the playbook in ``folder``, which it keeps its rehearsal in."""
    (folder / "ansible.cfg").touch()
    given = {"bootc_rehearsal_spec": str(INVENTORY / "example-release" / "rollout.yml"), **variables}
    sources = ["-i", str(fleet), "-i", str(INVENTORY / "rehearsal.yml")]
    done = subprocess.run(
        [
            str(Path(sys.executable).with_name("ansible-playbook")),
            *sources,
            "skorionos.bootc.rehearse",
            "-e",
            json.dumps(given),
        ],
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "LANG": "C.UTF-8",
            "ANSIBLE_COLLECTIONS_PATH": str(collections),
            "ANSIBLE_CONFIG": str(folder / "ansible.cfg"),
            "ANSIBLE_PIPELINING": "1",
        },
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=240,
        check=False,
    )
    return Run(done.returncode, done.stdout, 0)


def test_the_example_is_rehearsed_without_an_edit_at_any_hour_and_nobody_outside_is_told(
    tmp_path: Path, collections_path: Path
) -> None:
    example = tmp_path / "example"
    shutil.copytree(INVENTORY / "example", example)
    told = tmp_path / "told"
    outside = {"bootc_rollout_notify": ["touch", str(told)], "bootc_rollout_webhook": "http://127.0.0.1:1/told"}
    later = datetime.now(timezone.utc) + timedelta(hours=12)
    closed = {"bootc_windows": {"apply": [{"start": f"{later:%H:%M}", "length": "1h", "tz": "UTC"}]}}
    more = example / "group_vars" / "all" / "more.yml"
    more.write_text(yaml.safe_dump({**outside, **closed}), encoding="utf-8")

    run = rehearse(tmp_path, collections_path, example)

    assert run.rc == 0, run.output
    assert "was a rehearsal" in run.sentence()
    rollout = tmp_path / ".rehearsal" / "rollouts" / "rehearsal-skorionos-1.0.0"
    summary = json.loads((rollout / "summary.json").read_text(encoding="utf-8"))
    # One device in five sleeps, which is one of these four.
    assert summary["phase"] == "completed"
    assert [device["state"] for device in summary["devices"]].count("succeeded") == 3
    assert not told.exists()


def test_a_host_that_is_real_after_all_keeps_a_rehearsal_from_beginning(tmp_path: Path, collections_path: Path) -> None:
    (tmp_path / "hosts.yml").write_text("kde: {hosts: {deck-01: {bootc_variant: kde}, deck-02: }}\n", encoding="utf-8")
    (tmp_path / "host_vars").mkdir()
    (tmp_path / "host_vars" / "deck-01.yml").write_text("ansible_connection: ssh\n", encoding="utf-8")
    run = rehearse(tmp_path, collections_path, tmp_path / "hosts.yml")
    assert run.rc == 2, run.output
    assert "not simulated devices below" in run.sentence()
    assert "deck-01" in run.output
    assert not (tmp_path / ".rehearsal").exists()
