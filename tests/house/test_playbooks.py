# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``--list-tasks`` of a playbook reads like a table of contents, and its header says what it asks for."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

PLAYBOOKS = sorted((Path(__file__).resolve().parents[2] / "playbooks").glob("*.yml"))
pytestmark = pytest.mark.parametrize("playbook", PLAYBOOKS, ids=lambda path: path.stem)

VERBS = """
    Apply Ask Audit Build Check Choose Command Compare Copy Demand End Explain Export Fail Find Give Have Import Insist
    Keep Leave Look Make Move Note Open Plan Prepare Promote Publish Put Read Reboot Record Refuse Remove Report Roll
    Run Say Settle Show Sign Stage Start Stop Switch Take Tell Undo Update Verify Wait Wake Write
"""
"""What names begin with. Add another one where none of these says it."""
# Nobody knows what an "it" is that comes before everything it could be.
UNCLEAR = re.compile(r"\b(it|its|them|they|any)\b")
TOLD = re.compile(r"\b(the|a|an|each|every|who|whom|images|devices)\b")
FROM_INVENTORY_PLUGINS = re.compile(r"bootc_simulated(_.+)?|bootc_rehearsal_directory")


def header_and_body(playbook: Path) -> tuple[str, str]:
    """The comment before the first play, and all that follows, without comments."""
    header, _unused, body = playbook.read_text(encoding="utf-8").partition("\n---\n")[2].partition("\n- ")
    return header, re.sub(r"(?m)^\s*#.*|\s#\s.*", "", f"- {body}")


def plays(playbook: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = yaml.safe_load(playbook.read_text(encoding="utf-8"))
    return found


def tasks(play: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Its tasks, and those of its blocks."""
    pending = [task for key in ("pre_tasks", "tasks", "post_tasks", "handlers") for task in play.get(key, [])]
    while pending:
        task = pending.pop(0)
        yield task
        pending = [each for key in ("block", "rescue", "always") for each in task.get(key, [])] + pending


def names(playbook: Path) -> list[str]:
    return [each.get("name", "") for play in plays(playbook) for each in (play, *tasks(play))]


def is_unclear(name: str) -> bool:
    """Whether somebody who reads this one line has to ask what is meant."""
    word = UNCLEAR.search(name)
    return word is not None and TOLD.search(name[: word.start()]) is None


def test_every_name_begins_with_a_verb_and_is_no_template(playbook: Path) -> None:
    assert [name for name in names(playbook) if re.split(r"\W", name)[0] not in VERBS.split()] == []
    assert [name for name in names(playbook) if "{{" in name] == []


def test_every_name_is_clear_by_itself(playbook: Path) -> None:
    assert [name for name in names(playbook) if is_unclear(name)] == []


def test_no_name_stands_for_two_things(playbook: Path) -> None:
    """A task that is there twice by an alias is one thing."""
    titles = [play["name"] for play in plays(playbook)]
    assert sorted(set(titles)) == sorted(titles)
    for play in plays(playbook):
        told = list({id(task): task["name"] for task in tasks(play)}.values())
        assert sorted(set(told)) == sorted(told)
        assert not set(titles).intersection(told)


def test_its_header_says_what_it_does_how_to_run_it_and_what_it_asks_for(playbook: Path) -> None:
    lines = header_and_body(playbook)[0].splitlines()
    assert all(line.startswith("#") for line in lines)
    assert re.match(r"# [A-Z].*", lines[0])
    assert any(re.match(rf"#   ansible-playbook .*\bskorionos\.bootc\.{playbook.stem}\b", line) for line in lines)
    assert any(re.match(r"# (Asks for|May be given)\b.*:$", line) for line in lines)


def test_its_header_names_every_variable_that_it_reads(playbook: Path) -> None:
    header, body = header_and_body(playbook)
    read = set(re.findall(r"(?<![\w.])bootc_[a-z0-9_]+(?![\w=])", body))
    own = set(set_by(plays(playbook)))
    for play in plays(playbook):
        if "ansible.builtin.import_playbook" in play:
            own.update(set_by(plays(playbook.with_name(play["ansible.builtin.import_playbook"]))))
    foreign = {name for name in read - own if not FROM_INVENTORY_PLUGINS.fullmatch(name)}
    assert sorted(name for name in foreign if not re.search(rf"\b{name}\b", header)) == []


def set_by(part: Any) -> Iterator[str]:
    """Variables that plays and tasks set themselves."""
    if isinstance(part, list):
        for each in part:
            yield from set_by(each)
    elif isinstance(part, dict):
        for key, value in part.items():
            if key == "register":
                yield value
            if key in ("vars", "ansible.builtin.set_fact") and isinstance(value, dict):
                yield from value
            yield from set_by(value)
