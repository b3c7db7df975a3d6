# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The argument specification of a role and its defaults say the same."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

ROLES = sorted(path for path in (Path(__file__).resolve().parents[2] / "roles").glob("*") if path.is_dir())
pytestmark = pytest.mark.parametrize("role", ROLES, ids=lambda path: path.name)


def load(path: Path) -> dict[str, Any]:
    return (yaml.safe_load(path.read_text(encoding="utf-8")) or {}) if path.exists() else {}


def defaults(role: Path) -> dict[str, Any]:
    return load(role / "defaults" / "main.yml")


def entry_points(role: Path) -> dict[str, Any]:
    specifications: dict[str, Any] = load(role / "meta" / "argument_specs.yml")["argument_specs"]
    return specifications


def entry_point_files(role: Path) -> set[str]:
    return {path.stem for path in (role / "tasks").glob("[!_]*.yml")}


def is_template(value: object) -> bool:
    return isinstance(value, str) and "{{" in value


def test_every_specified_entry_point_exists(role: Path) -> None:
    assert "main" in entry_points(role)
    assert set(entry_points(role)) <= entry_point_files(role)


def test_every_default_is_a_documented_option(role: Path) -> None:
    options = {name for entry_point in entry_points(role).values() for name in entry_point.get("options") or {}}
    assert set(defaults(role)) - options == set()


def test_documented_defaults_are_the_real_ones(role: Path) -> None:
    # A default that is a template has no value to document; its description says where it comes from.
    actual = defaults(role)
    for name, entry_point in entry_points(role).items():
        for option, specification in (entry_point.get("options") or {}).items():
            if option in actual and not is_template(actual[option]):
                assert specification.get("default") == actual[option], f"{name}: {option}"
            elif "default" in specification:
                assert option in actual, (
                    f"{name}: {option} is documented with a default that defaults/main.yml does not set"
                )


def test_required_options_have_no_default(role: Path) -> None:
    for name, entry_point in entry_points(role).items():
        for option, specification in (entry_point.get("options") or {}).items():
            assert not (specification.get("required") and option in defaults(role)), f"{name}: {option}"


def test_public_names_start_with_the_name_of_the_role(role: Path) -> None:
    assert [name for name in defaults(role) if not name.startswith((f"{role.name}_", "bootc_"))] == []


def test_the_role_has_a_readme(role: Path) -> None:
    assert (role / "README.md").is_file()


def test_a_boolean_from_the_command_line_is_no_text(role: Path) -> None:
    # `-e name=false` is the text "false", which is true. Options of modules read it; expressions do not.
    options = [options for entry_point in entry_points(role).values() for options in [entry_point.get("options") or {}]]
    booleans = "|".join({name for each in options for name, option in each.items() if option.get("type") == "bool"})
    as_it_is = re.compile(rf': "\{{\{{ (?:{booleans}) \}}\}}"$', re.MULTILINE)
    elsewhere = re.compile(rf"\b(?:{booleans})\b(?!:| \| bool\b)")
    files = [*(role / "tasks").glob("*.yml"), *(role / "vars").glob("*.yml")]
    texts = {path: as_it_is.sub("", path.read_text(encoding="utf-8")) for path in files}
    assert not booleans or {path: names for path, text in texts.items() if (names := elsewhere.findall(text))} == {}
