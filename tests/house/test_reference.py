# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""docs/reference.md is what its script makes of the playbooks, roles and plugins of today."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(scope="module")
def script(repository: Path) -> dict[str, Any]:
    return runpy.run_path(str(repository / "scripts" / "reference.py"))


def test_the_reference_is_up_to_date(repository: Path, script: dict[str, Any]) -> None:
    written = (repository / "docs" / "reference.md").read_text(encoding="utf-8")
    assert written == script["render"](), "run `.venv/bin/python scripts/reference.py`"


def test_the_reference_names_everything_there_is(repository: Path, script: dict[str, Any]) -> None:
    page = script["render"]()
    for kind in ("modules", "inventory", "connection", "filter", "lookup", "callback", "test"):
        for plugin in (repository / "plugins" / kind).glob("[!_]*.py"):
            assert f"`skorionos.bootc.{plugin.stem}`" in page
    for role in (repository / "roles").iterdir():
        assert f"(../roles/{role.name}/README.md)" in page
    for playbook in (repository / "playbooks").glob("*.yml"):
        assert f"### {playbook.stem}\n" in page


def test_every_playbook_says_what_it_does_and_how_it_is_called(repository: Path, script: dict[str, Any]) -> None:
    for playbook in (repository / "playbooks").glob("*.yml"):
        text = "\n".join(script["header"](playbook))
        assert text[:1].isupper(), playbook.name
        assert f" skorionos.bootc.{playbook.stem}" in text, playbook.name
