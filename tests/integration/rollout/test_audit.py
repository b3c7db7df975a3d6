# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbook rollout_audit over ledgers that were written without devices."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.unit.audit.ledgers import two_rollouts

pytestmark = pytest.mark.integration


def play(folder: Path, collections_path: Path, *arguments: str, **variables: object) -> tuple[int, int, str]:
    """Exit code, changed tasks and output of the playbook, as typed in ``folder``."""
    (folder / "variables.yml").write_text(yaml.safe_dump({"bootc_rollout_ledger": "rollouts", **variables}))
    (folder / "ansible.cfg").touch()
    ended = subprocess.run(
        [
            str(Path(sys.executable).with_name("ansible-playbook")),
            *("skorionos.bootc.rollout_audit", "-e", "@variables.yml", *arguments),
        ],
        cwd=folder,
        env={
            "PATH": "/usr/bin:/bin",
            "HOME": str(folder),
            "LC_ALL": "C.UTF-8",
            "ANSIBLE_COLLECTIONS_PATH": str(collections_path),
            "ANSIBLE_CONFIG": str(folder / "ansible.cfg"),
            "ANSIBLE_PYTHON_INTERPRETER": sys.executable,
        },
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    said = ended.stdout + ended.stderr
    return ended.returncode, sum(map(int, re.findall(r" changed=(\d+) ", said))), said


def test_an_audit_is_shown_written_once_and_strict_when_asked(tmp_path: Path, collections_path: Path) -> None:
    two_rollouts(tmp_path / "rollouts")

    code, changed, said = play(tmp_path, collections_path, "--check")
    assert (code, changed, (tmp_path / "audit").exists()) == (0, 1, False), said
    code, changed, said = play(tmp_path, collections_path)
    assert (code, changed) == (0, 1), said
    assert "Audit: 2 rollouts; 2 ledgers, all intact" in said
    assert sorted(path.name for path in (tmp_path / "audit").iterdir()) == ["audit.html", "audit.jsonl", "audit.txt"]
    earlier = tmp_path / "earlier.jsonl"
    earlier.write_text((tmp_path / "audit" / "audit.jsonl").read_text())
    assert play(tmp_path, collections_path, bootc_audit_witness="earlier.jsonl")[:2] == (0, 0)

    events = tmp_path / "rollouts" / "r1" / "events.jsonl"
    events.write_text(events.read_text().replace("in repair", "at lunch"))
    given = {"bootc_audit_strict": True, "bootc_audit_dest": "", "bootc_audit_devices": "deck-01,deck-02"}
    code, _changed, said = play(tmp_path, collections_path, **given)
    assert code == 2
    assert "BROKEN r1: " in said
    assert "Something on record is not what was written" in said
    told = [json.loads(line) for line in (tmp_path / "audit" / "audit.jsonl").read_text().splitlines()]
    assert [document["intact"] for document in told if document["type"] == "ledger"] == [True, True]


def test_where_there_is_no_ledger_the_audit_fails(tmp_path: Path, collections_path: Path) -> None:
    code, _changed, said = play(tmp_path, collections_path)
    assert code == 2
    assert "There is no rollout in" in said
