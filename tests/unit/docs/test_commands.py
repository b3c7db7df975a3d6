# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every command that README and guides have their readers type is one that works.

tests/integration/docs types the commands of some pages over simulated devices. Here all of them are looked at: the
parsers of Ansible read them, and what they name is there and takes what it is given. Each playbook is run by a test as
well, and each variable is given to one by a test; what no test can do here is named with the reason.
"""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.guides import PAGES, REPOSITORY, STEPS, blocks, installation, is_step, path_of, step, typed

BIN = Path(sys.executable).parent
PLAYBOOKS = {path.stem: path for path in sorted((REPOSITORY / "playbooks").glob("*.yml"))}
READ_BY_ANSIBLE = ("ansible-playbook", "ansible", "ansible-inventory")
STORIES = ("first-rollout.md", "first-hour.md", "simulator.md")
"""Pages that tests/integration/docs types from top to bottom."""
INLINE = re.compile(r"`((?:ansible(?:-playbook|-doc|-inventory)?|make) [^`]+)`")
NAME = re.compile(r"\b(?:bootc|device|image)_[a-z_]+\b")

# Who runs each playbook for real. These files name it; molecule's scenarios need root and containers.
RUN_BY = {
    "build": "molecule/release/prepare.yml",
    "channel_undo": "tests/integration/registry/test_channels.py",
    "demo": "tests/checks/tarball.py",
    "demote": "tests/integration/registry/test_channels.py",
    "image_export": "tests/integration/images/test_image_archive.py",
    "image_import": "tests/integration/images/test_image_archive.py",
    "image_report": "tests/integration/images/test_image_report.py",
    "image_retention": "tests/integration/images/test_image_retention.py",
    "promote": "tests/integration/registry/test_channels.py",
    "publish": "molecule/release/prepare.yml",
    "rehearse": "tests/integration/rollout/test_rehearse.py",
    "retention": "tests/integration/device/test_retention.py",
    "rollback": "tests/integration/rollout/test_rollout.py",
    "rollout": "tests/integration/rollout/test_two_controllers.py",
    "rollout_audit": "tests/integration/rollout/test_audit.py",
    "rollout_control": "tests/integration/rollout/test_orders.py",
    "rollout_explain": "tests/integration/rollout/test_orders.py",
    "rollout_plan": "tests/integration/rollout/test_rollout_plan.py",
    "sign": "tests/integration/signing/test_real_programs.py",
    "status": "tests/integration/rollout/test_rollout.py",
    "trust": "tests/integration/docs/test_guides.py",
}

# Typed elsewhere than here, to the letter, and why no test types it.
NOT_OURS = {
    "read -rs COSIGN_PASSWORD && export COSIGN_PASSWORD": "asks a person",
    "ls /etc/containers/skorionos-bootc /etc/containers/registries.d": "a look at a real device",
    "jq .transports.docker /etc/containers/policy.json": "the same",
    "python3 -m venv ~/bootc": "tests/checks/tarball.py makes a virtual environment of its own",
    ". ~/bootc/bin/activate": "the same",
    "pip install ansible-core requests jsonschema": "the same check installs these three",
    "cd ~": "tests/checks/tarball.py types it with what is before and after it",
    'export PATH="$PWD/.venv/bin:$PATH"': "for a checkout; the test has its own",
}

# Programs whose commands are not typed, and who looks at them.
NOT_TYPED = {
    "ansible-doc": "test_what_ansible_doc_is_asked_for_is_there",
    "ansible-galaxy": "tests/checks/tarball.py",
    "make": "targets are for a checkout; .ci/run and people run them",
}

# Variables on command lines that no test gives to a playbook, and why.
NOT_GIVEN: dict[str, str] = {}

# jq is not ours, but the fields are: where each name after a dot is written by us.
JQ_FIELDS = {
    "audit/audit.jsonl": "plugins/plugin_utils/_audit/account.py plugins/plugin_utils/_audit/lines.py",
    "rollouts/kde-1.1.0.plan.json": "docs/rollout-plan.schema.json",
}


def without_comment(command: str) -> str:
    return re.sub(r"\s+# .*$", "", command).strip()


def commands() -> Iterator[tuple[str, str]]:
    """What is typed in any page, within its sentences too, and what headers of playbooks show, with its place."""
    for page in PAGES:
        yield from typed(page)
        for found in INLINE.findall(re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)):
            yield page.name, " ".join(found.split())
    for playbook in PLAYBOOKS.values():
        text = header(playbook.read_text(encoding="utf-8")).replace("\\\n", "")
        for line in re.findall(r"^ +(ansible-playbook .*?)(?:   .*)?$", text, re.MULTILINE):
            yield playbook.name, line


def header(text: str) -> str:
    lines = text.partition("---\n")[2].splitlines()
    end = next(number for number, line in enumerate(lines) if not line.startswith("#"))
    return "\n".join(line[1:] for line in lines[:end])


ALL = [(place, without_comment(command)) for place, command in commands()]


def those_of(*programs: str) -> list[tuple[str, str]]:
    return [(place, command) for place, command in ALL if command.split()[0] in programs]


def used(playbook: Path) -> str:
    """What a playbook reads: its plays, those it imports and the roles it includes."""
    text = playbook.read_text(encoding="utf-8")
    text = text[text.index("\n- name:") :]
    roles = re.findall(r"name: skorionos\.bootc\.([a-z_]+)$", text, re.MULTILINE)
    files = [path for role in roles for path in sorted((REPOSITORY / "roles" / role).rglob("*.yml"))]
    imported = re.findall(r"import_playbook: ([a-z_]+\.yml)", text)
    return "\n".join(
        [
            text,
            *(path.read_text(encoding="utf-8") for path in files),
            *(used(playbook.parent / name) for name in imported),
        ]
    )


def takes(name: str) -> set[str]:
    """Variables that a playbook says it takes, itself or through its roles, and reads."""
    text = PLAYBOOKS[name].read_text(encoding="utf-8")
    said = set(NAME.findall(header(text)))
    for role in re.findall(r"name: skorionos\.bootc\.([a-z_]+)$", text, re.MULTILINE):
        specified = yaml.safe_load((REPOSITORY / "roles" / role / "meta" / "argument_specs.yml").read_text("utf-8"))
        said |= {option for entry in specified["argument_specs"].values() for option in entry.get("options") or {}}
    return said & set(NAME.findall(used(PLAYBOOKS[name])))


def read(lines: list[str], collections: Path) -> list[dict[str, Any]]:
    """What Ansible's parsers make of commands."""
    ended = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("parse_commands.py"))],
        input=json.dumps([shlex.split(line) for line in lines]),
        env={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "ANSIBLE_COLLECTIONS_PATH": str(collections)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    answers: list[dict[str, Any]] = json.loads(ended.stdout)
    return answers


def trouble(answer: dict[str, Any], command: str) -> str | None:
    """What is wrong with a command that Ansible has read."""
    if answer["error"] or not command.startswith("ansible-playbook "):
        return answer["error"] and str(answer["error"])
    (playbook,) = answer["arguments"]
    if not playbook.startswith("skorionos.bootc."):
        return None if any(block.file == playbook for page in PAGES for block in blocks(page)) else f"no {playbook}"
    name = playbook.removeprefix("skorionos.bootc.")
    if name not in PLAYBOOKS:
        return f"no playbook {name}"
    unknown = set(answer["variables"]) - takes(name)
    if unknown:
        return f"{name} does not take {sorted(unknown)}"
    wants_inventory = " -i " in header(PLAYBOOKS[name].read_text(encoding="utf-8")).split("Asks for", 1)[0]
    if wants_inventory and " -i " not in command:
        return f"{name} is about devices and needs -i"
    return None


@pytest.fixture(scope="module")
def answers(collections_path: Path) -> list[tuple[str, str, dict[str, Any]]]:
    """Every command that Ansible can read, with what it read."""
    found = those_of(*READ_BY_ANSIBLE)
    understood = read([command for _place, command in found], collections_path)
    return [(place, command, answer) for (place, command), answer in zip(found, understood, strict=True)]


def test_there_are_commands_and_each_is_of_a_kind_that_is_looked_at() -> None:
    assert len(ALL) > 150
    kinds = {*READ_BY_ANSIBLE, "ansible-doc", "ansible-galaxy", "make", "jq"}
    unknown = [
        f"{place}: {command}"
        for place, command in ALL
        if command.split()[0] not in kinds and command not in NOT_OURS and not is_typed(place, command)
    ]
    assert unknown == [], "have a test type it, or name it in NOT_OURS with the reason"


def test_pages_that_are_typed_are_typed() -> None:
    test = (REPOSITORY / "tests" / "integration" / "docs" / "test_guides.py").read_text(encoding="utf-8")
    assert [page for page in STORIES if f'"{page}"' not in test] == []


def is_typed(place: str, command: str) -> bool:
    """Whether tests/integration/docs types it."""
    page = place.partition(":")[0]
    is_trust = page == "signing.md" and "skorionos.bootc.trust " in command
    return page in STORIES or is_trust or is_step(page, command)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(REPOSITORY)))
def test_every_command_of_a_page_is_typed_by_a_test(page: Path) -> None:
    missing = [
        f"{place}: {command}"
        for place, command in typed(page)
        if not (is_typed(place, command) or without_comment(command) in NOT_OURS or command.split()[0] in NOT_TYPED)
    ]
    assert missing == [], "have tests/integration/docs type it, and name it in STEPS; or name it in NOT_OURS"


@pytest.mark.parametrize("page", STEPS)
def test_the_steps_of_a_page_are_its_commands_and_are_typed(page: str) -> None:
    steps = [step(page, words) for words in STEPS[page]]
    assert len(set(steps)) == len(steps)
    folder = REPOSITORY / "tests" / "integration" / "docs"
    stories = "".join((folder / f"test_{name}_guides.py").read_text(encoding="utf-8") for name in ("image", "device"))
    assert [words for words in STEPS[page] if f'"{words}"' not in stories] == []


def test_nothing_is_excused_that_no_guide_has() -> None:
    assert set(NOT_OURS) - {command for _place, command in ALL} == set()


def test_ansible_reads_every_command_and_what_it_names_takes_what_it_is_given(
    answers: list[tuple[str, str, dict[str, Any]]],
) -> None:
    assert len(answers) > 100
    wrong = [f"{place}: {command}: {what}" for place, command, answer in answers if (what := trouble(answer, command))]
    assert wrong == []


@pytest.mark.parametrize(
    ("command", "what"),
    [
        ("ansible-playbook skorionos.bootc.status --lmit x", "unrecognized arguments"),
        ("ansible-playbook skorionos.bootc.statsu", "no playbook statsu"),
        ("ansible-playbook -i x skorionos.bootc.status -e bootc_status_fromat=csv", "does not take"),
        ("ansible-playbook -i x skorionos.bootc.rollout -e '{\"bootc_status_format\": 1}'", "does not take"),
        ("ansible-playbook skorionos.bootc.rollout -e bootc_rollout_spec=x", "needs -i"),
        ("ansible-playbook -i x adopt.yaml", "no adopt.yaml"),
    ],
)
def test_a_command_that_does_not_work_is_found(command: str, what: str, collections_path: Path) -> None:
    (answer,) = read([command], collections_path)
    assert what in (trouble(answer, command) or "")


def test_modules_that_are_called_by_hand_exist_and_take_their_options(
    answers: list[tuple[str, str, dict[str, Any]]], collections_path: Path
) -> None:
    called = [
        (place, answer["module"], set(answer["options"])) for place, _command, answer in answers if answer["module"]
    ]
    names = sorted({module for _place, module, _options in called})
    assert len(names) > 5
    documented = documents(collections_path, "module", names)
    for place, module, options in called:
        known = documented[module]["doc"].get("options") or {}
        aliases = {alias for option in known.values() for alias in option.get("aliases", [])}
        assert options - set(known) - aliases == set(), f"{place}: {module}"


def documents(collections: Path, kind: str, names: list[str]) -> dict[str, Any]:
    """What ansible-doc has about plugins or roles."""
    ended = subprocess.run(
        [str(BIN / "ansible-doc"), "--json", "-t", kind, *names],
        env={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "ANSIBLE_COLLECTIONS_PATH": str(collections)},
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    found: dict[str, Any] = json.loads(ended.stdout)
    return found


def test_what_ansible_doc_is_asked_for_is_there(collections_path: Path) -> None:
    asked: dict[str, set[str]] = {}
    for _place, command in those_of("ansible-doc"):
        words = shlex.split(command)[1:]
        kind = words.pop(1) if words[0] == "-t" else "module"
        asked.setdefault(kind, set()).update(words[1:] if words[0] == "-t" else words)
    assert {"module", "role", "inventory"} <= set(asked)
    for kind, names in asked.items():
        assert set(documents(collections_path, kind, sorted(names))) == names


def test_make_has_every_target() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (REPOSITORY / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    asked = [(place, word) for place, line in those_of("make") for word in shlex.split(line)[1:] if "=" not in word]
    assert len(asked) > 15
    assert [(place, word) for place, word in asked if word not in targets] == []


def test_the_collection_is_installed_as_the_check_of_the_tarball_types_it() -> None:
    version = yaml.safe_load((REPOSITORY / "galaxy.yml").read_text(encoding="utf-8"))["version"]
    tested = [command for page in ("README.md", "upgrading.md") for command in installation(path_of(page))]
    assert any(f" skorionos-bootc-{version}.tar.gz" in command for command in tested)
    for place, command in those_of("ansible-galaxy"):
        assert command in tested, place


def test_fields_that_jq_is_asked_for_are_written() -> None:
    asked = [(place, shlex.split(command)) for place, command in those_of("jq") if command not in NOT_OURS]
    assert len(asked) == len(JQ_FIELDS)
    for place, words in asked:
        text = "".join((REPOSITORY / name).read_text(encoding="utf-8") for name in JQ_FIELDS[words[-1]].split())
        assert [name for name in re.findall(r"\.([a-z]+)", words[-2]) if f'"{name}"' not in text] == [], place


def test_every_playbook_of_the_guides_is_run_by_a_test(answers: list[tuple[str, str, dict[str, Any]]]) -> None:
    assert set(RUN_BY) == set(PLAYBOOKS)
    for name, place in RUN_BY.items():
        runs = re.search(rf"""["'./]{name}(\.yml)?["'\s,]""", (REPOSITORY / place).read_text(encoding="utf-8"))
        assert runs, f"{place} does not run {name}"


def test_every_variable_on_a_command_line_is_given_by_a_test_as_well(
    answers: list[tuple[str, str, dict[str, Any]]],
) -> None:
    folders = [REPOSITORY / "tests" / "integration", REPOSITORY / "tests" / "checks", REPOSITORY / "molecule"]
    files = [path for folder in folders for path in folder.rglob("*") if path.suffix in (".py", ".yml")]
    tested = set(NAME.findall("\n".join(path.read_text(encoding="utf-8") for path in files)))
    tested |= {name for place, command in ALL if is_typed(place, command) for name in NAME.findall(command)}
    given = {variable: place for place, _command, answer in answers for variable in answer.get("variables", ())}
    missing = {variable: place for variable, place in given.items() if variable not in {*tested, *NOT_GIVEN}}
    assert missing == {}, "have a test give it to the playbook, or name it in NOT_GIVEN with the reason"
    assert set(NOT_GIVEN) <= set(given) - tested, "this is given after all, or in no guide any more"


@pytest.fixture(scope="module")
def everything() -> set[str]:
    """Every name with such a beginning that the collection has."""
    return {
        name
        for folder in ("playbooks", "roles", "plugins", "inventory")
        for path in (REPOSITORY / folder).rglob("*")
        if path.suffix in (".py", ".yml", ".j2", ".md")
        for name in {path.stem, *NAME.findall(path.read_text(encoding="utf-8"))}
    }


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_variable_that_a_page_speaks_of_exists(page: Path, everything: set[str]) -> None:
    spoken = set(re.findall(r"`(bootc_[a-z_]+[a-z])`|-e '?\{?\"?(bootc_[a-z_]+)", page.read_text(encoding="utf-8")))
    assert {name for pair in spoken for name in pair if name} - everything == set()


def test_the_fleet_file_of_its_guide_is_an_inventory(tmp_path: Path, collections_path: Path) -> None:
    page = REPOSITORY / "docs" / "fleet.md"
    (block,) = [block for block in blocks(page) if block.file]
    path = tmp_path / str(block.file)
    path.parent.mkdir()
    path.write_text(block.text, encoding="utf-8")
    (command,) = [command for _place, command in typed(page) if command.startswith("ansible-inventory ")]
    ended = subprocess.run(
        [str(BIN / "ansible-inventory"), *shlex.split(command)[1:]],
        env={
            "PATH": "/usr/bin:/bin",
            "HOME": str(tmp_path),
            "LC_ALL": "C.UTF-8",
            "ANSIBLE_COLLECTIONS_PATH": str(collections_path),
        },
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    assert "WARNING" not in ended.stderr
    assert {"deck-01", "deck-40", "kiosk-12"} <= set(re.findall(r"--([a-z0-9-]+)", ended.stdout))
