# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every plugin is documented as ansible-doc shows it, and the action group holds what says so."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

COLLECTION = "skorionos.bootc"
PREFIX = f"{COLLECTION}."
KINDS = {
    "module": "modules",
    "connection": "connection",
    "inventory": "inventory",
    "callback": "callback",
    "filter": "filter",
    "test": "test",
    "lookup": "lookup",
}

REASON_GUIDES = ("rollout-spec.md", "recovery.md")
WITHOUT_A_RESULT = {"invalid_fleet", "memory_unwritable"}
"""An inventory has no result, and a warning has none: their words are shown without the reason."""


def reasons_in(path: Path) -> Iterator[str]:
    """The reasons that a file gives to its RolloutErrors, itself or by a constant of its own."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    constants = {
        target.id: node.value
        for node in tree.body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "RolloutError":
            for given in (*node.args[2:3], *(keyword.value for keyword in node.keywords if keyword.arg == "reason")):
                reason = constants.get(given.id) if isinstance(given, ast.Name) else given
                if isinstance(reason, ast.Constant):
                    yield str(reason.value)


def ansible_doc(repository: Path, collections_path: Path, *arguments: str) -> dict[str, Any]:
    run = subprocess.run(
        [str(Path(sys.prefix) / "bin" / "ansible-doc"), "--json", "--playbook-dir", str(repository), *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": "/usr/bin:/bin", "ANSIBLE_COLLECTIONS_PATH": str(collections_path), "LC_ALL": "C.UTF-8"},
        cwd=repository,
    )
    assert run.returncode == 0, run.stderr
    documents: dict[str, Any] = json.loads(run.stdout)
    return documents


def plugin_files(repository: Path, kind: str) -> list[Path]:
    directory = repository / "plugins" / KINDS[kind]
    return sorted(path for path in directory.glob("*.py") if not path.name.startswith("_"))


@pytest.fixture(scope="module", params=sorted(KINDS))
def kind(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture(scope="module")
def documents(kind: str, repository: Path, collections_path: Path) -> dict[str, Any]:
    """All plugins of one kind with their documentation."""
    files = plugin_files(repository, kind)
    if not files:
        return {}
    names = ansible_doc(repository, collections_path, "-t", kind, "--list", COLLECTION)
    if kind not in {"filter", "test"}:  # One file may hold several of these.
        assert sorted(names) == [PREFIX + path.stem for path in files]
    assert names, f"{[path.name for path in files]} define no {kind}"
    return ansible_doc(repository, collections_path, "-t", kind, *sorted(names))


def options_without_description(options: dict[str, Any], path: str = "") -> list[str]:
    missing = []
    for name, option in options.items():
        if not option.get("description"):
            missing.append(path + name)
        missing += options_without_description(option.get("suboptions") or {}, f"{path}{name}.")
    return missing


def test_every_plugin_says_what_it_does(documents: dict[str, Any]) -> None:
    for name, document in documents.items():
        text = document["doc"]
        assert text.get("short_description"), name
        assert text.get("description"), name
        assert text.get("author"), name
        assert text.get("version_added"), name
        assert options_without_description(text.get("options") or {}) == [], name


def test_plugins_that_tasks_name_show_examples_and_what_they_return(kind: str, documents: dict[str, Any]) -> None:
    for name, document in documents.items():
        if kind not in {"connection", "callback"}:
            assert document.get("examples"), name
        if kind in {"module", "filter", "lookup", "test"}:
            assert document.get("return"), name


def test_every_action_has_a_module_of_its_name_that_documents_it(repository: Path) -> None:
    actions = {path.stem for path in (repository / "plugins" / "action").glob("[!_]*.py")}
    assert actions <= {path.stem for path in plugin_files(repository, "module")}


def test_action_groups_hold_exactly_the_modules_whose_documentation_says_so(
    repository: Path, collections_path: Path
) -> None:
    files = plugin_files(repository, "module")
    if not files:
        pytest.skip("no modules")
    modules = ansible_doc(repository, collections_path, "-t", "module", *(PREFIX + path.stem for path in files))
    documented: dict[str, set[str]] = {}
    for name, module in modules.items():
        membership = module["doc"].get("attributes", {}).get("action_group", {}).get("membership") or []
        for group in membership:
            documented.setdefault(group.removeprefix(f"{COLLECTION}."), set()).add(name.removeprefix(PREFIX))
    runtime = yaml.safe_load((repository / "meta" / "runtime.yml").read_text(encoding="utf-8"))
    assert {group: set(names) for group, names in runtime["action_groups"].items()} == documented


def test_every_role_is_documented(repository: Path, collections_path: Path) -> None:
    roles = sorted(path.name for path in (repository / "roles").glob("*") if path.is_dir())
    if not roles:
        pytest.skip("no roles")
    documented = ansible_doc(repository, collections_path, "-t", "role", *(PREFIX + role for role in roles))
    for role in roles:
        entry_points = documented[PREFIX + role]["entry_points"]
        assert entry_points, role
        for name, entry_point in entry_points.items():
            assert entry_point.get("short_description"), f"{role}: {name}"
            assert options_without_description(entry_point.get("options") or {}) == [], f"{role}: {name}"


def test_every_reason_of_a_rollout_that_fails_is_in_its_guides(repository: Path) -> None:
    guides = "".join((repository / "docs" / name).read_text(encoding="utf-8") for name in REASON_GUIDES)
    reasons = {reason for path in (repository / "plugins").rglob("*.py") for reason in reasons_in(path)}
    assert len(reasons) > 20
    assert sorted(reason for reason in reasons - WITHOUT_A_RESULT if f"`{reason}`" not in guides) == []
