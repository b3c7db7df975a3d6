# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""All combinations as one run of ansible-playbook over the simulated connection."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from tests.simulated_fleet import REPOSITORY

from .bench import Bench, Releases
from .model import Case, Holding, Operation, Seen

_COLLECTION = "skorionos.bootc"
# What a device in the way of a busy one is given before it is called that.
BUSY_SECONDS = 4


def run(bench: Bench, cases: Sequence[Case], forks: int) -> dict[str, Seen]:
    """Do what every case is about; what was seen, by the name of its device."""
    root = bench.root
    results = root / "results.json"
    (root / "inventory.yml").write_text(yaml.safe_dump(_inventory(bench, cases)), encoding="utf-8")
    (root / "play.yml").write_text(yaml.safe_dump(_plays(bench.releases, cases, results)), encoding="utf-8")
    (root / "ansible.cfg").touch()
    output = root / "output.txt"
    with output.open("w", encoding="utf-8") as written:
        code = subprocess.run(
            [str(Path(sys.executable).with_name("ansible-playbook")), "-i", "inventory.yml", "play.yml"],
            cwd=root,
            stdout=written,
            stderr=subprocess.STDOUT,
            check=False,
            env={
                "PATH": os.environ["PATH"],
                "HOME": str(root),
                "LANG": "C.UTF-8",
                "ANSIBLE_CONFIG": str(root / "ansible.cfg"),
                "ANSIBLE_COLLECTIONS_PATH": str(REPOSITORY / ".venv" / "collections"),
                "ANSIBLE_FORKS": str(forks),
            },
        ).returncode
    if not results.exists():
        raise SystemExit(f"ansible-playbook ended with {code}:\n{output.read_text(encoding='utf-8')[-4000:]}")
    answers = json.loads(results.read_text(encoding="utf-8"))
    return {case.device: judge(bench, case, answers[case.device]) for case in cases}


def _inventory(bench: Bench, cases: Sequence[Case]) -> dict[str, Any]:
    groups: dict[str, Any] = {}
    for case in cases:
        groups.setdefault(_group(case.operation), {"hosts": {}})["hosts"][case.device] = {
            "bootc_simulated_dir": str(bench.device(case)),
            "patience": BUSY_SECONDS if case.expected.outcome == "busy" else 300,
        }
    variables = {
        "ansible_connection": "skorionos.bootc.simulated",
        "ansible_python_interpreter": sys.executable,
    }
    return {"all": {"children": {"cases": {"children": groups, "vars": variables}}}}


def _group(operation: Operation) -> str:
    return "op_" + "".join(letter if letter.isalnum() else "_" for letter in operation.name.lower())


def _plays(releases: Releases, cases: Sequence[Case], results: Path) -> list[dict[str, Any]]:
    operations = {case.operation.name: case.operation for case in cases}
    plays = [_play(releases, operation) for operation in operations.values()]
    keep = {
        "name": "Keep what every module answered",
        "ansible.builtin.copy": {
            "dest": str(results),
            "mode": "0600",
            "content": "{{ dict(groups['cases'] | zip(groups['cases'] | map('extract', hostvars) | map('dict2items')"
            " | map('selectattr', 'key', 'in', ['predicted', 'done', 'again']) | map('items2dict'))) | to_json }}",
        },
    }
    return [*plays, {"name": "Results", "hosts": "localhost", "gather_facts": False, "tasks": [keep]}]


def _play(releases: Releases, operation: Operation) -> dict[str, Any]:
    options = {
        name: releases.filled(value) if isinstance(value, str) else value for name, value in operation.options.items()
    }
    task = {
        f"{_COLLECTION}.{operation.module}": {**options, "timeout": "{{ patience }}"},
        "ignore_errors": True,
        "ignore_unreachable": True,
    }
    return {
        "name": operation.name,
        "hosts": _group(operation),
        "gather_facts": False,
        "strategy": "free",
        "tasks": [
            {"name": "Predict", **task, "check_mode": True, "register": "predicted"},
            {"name": "Do", **task, "register": "done"},
            {"name": "Do it again", **task, "register": "again", "when": "done is changed"},
        ],
    }


def judge(bench: Bench, case: Case, answers: Mapping[str, Any]) -> Seen:
    """What was seen of a case: the outcome, what the device holds really, and whatever does not fit to these."""
    done = answers["done"]
    truth = bench.holding(bench.device(case))
    outcome = _outcome(done)
    return Seen(
        outcome,
        truth,
        bool(done.get("changed")),
        detail=str(done.get("msg", "")),
        objections=tuple(_objections(bench.releases, case, answers, truth, outcome)),
    )


def _outcome(result: Mapping[str, Any]) -> str:
    if result.get("unreachable"):
        return "unreachable"
    if result.get("failed"):
        return str(result.get("reason", f"failed: {result.get('msg')}"))
    return "ok"


def _objections(releases: Releases, case: Case, answers: Mapping[str, Any], truth: Holding, outcome: str) -> list[str]:
    done, predicted, again = answers["done"], answers["predicted"], answers["again"]
    found = []
    told = _told(releases, done.get("bootc"))
    if outcome == "ok" and told is not None and told != truth:
        found.append(f"the module tells {told}")
    if outcome == "ok":
        if _outcome(predicted) != "ok":
            found.append(f"check mode says {_outcome(predicted)}")
        elif bool(predicted.get("changed")) != bool(done.get("changed")):
            found.append(f"check mode predicts changed={predicted.get('changed')}")
        foreseen = _told(releases, predicted.get("bootc"))
        if foreseen is not None and foreseen != truth:
            found.append(f"check mode predicts {foreseen}")
    if done.get("changed") and (_outcome(again) != "ok" or again.get("changed")):
        found.append(f"once more: {_outcome(again)}, changed={again.get('changed')}")
    return found


def _told(releases: Releases, status: Mapping[str, Any] | None) -> Holding | None:
    """What a normalised status says the device holds, as far as it names digests."""
    if not status or not status.get("booted"):
        return None
    slots = [status["booted"], status["rollback"], status["staged"], *status["others"]]
    if any(slot is not None and slot["digest"] not in releases.digests.values() for slot in slots):
        return None
    letters = {
        name: releases.letter(status[name]["digest"]) for name in ("booted", "rollback", "staged") if status[name]
    }
    return Holding(
        booted=letters["booted"],
        rollback=letters.get("rollback", ""),
        queued=bool(status["rollback_queued"]),
        others=tuple(releases.letter(slot["digest"]) for slot in status["others"]),
        staged=letters.get("staged", ""),
        parked=bool(status["staged"] and status["staged"]["download_only"]),
        pinned=frozenset(releases.letter(slot["digest"]) for slot in slots if slot is not None and slot["pinned"]),
    )
