# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the image roles promise: documentation, defaults and README must say the same."""

from __future__ import annotations

import pytest
import yaml

ROLES = ("image_variants", "image_publish")


def load(path):
    return yaml.safe_load(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("role", ROLES)
def test_every_variable_is_documented_and_every_documented_one_is_there(repository, role):
    folder = repository / "roles" / role
    defaults = load(folder / "defaults" / "main.yml")
    options = load(folder / "meta" / "argument_specs.yml")["argument_specs"]["main"]["options"]
    assert set(defaults) == set(options)
    literal = {name: value for name, value in defaults.items() if "{{" not in str(value)}
    assert literal == {name: option["default"] for name, option in options.items() if "default" in option}


@pytest.mark.parametrize("role", ROLES)
def test_the_readme_names_every_variable_with_its_twin(repository, role):
    folder = repository / "roles" / role
    readme = (folder / "README.md").read_text(encoding="utf-8")
    for name, value in load(folder / "defaults" / "main.yml").items():
        (row,) = [line for line in readme.splitlines() if line.startswith(f"| `{name}` |")]
        twins = [word for word in str(value).replace("(", " ").split() if word.startswith("bootc_")]
        assert all(f"`{twin}`" in row for twin in twins), name


def test_the_scenario_tree_has_a_recipe_or_a_containerfile_for_each_node(repository):
    images = repository / "molecule" / "release" / "images"
    nodes = {node["name"]: "recipe" in node for node in load(images / "variants.yml")["bootc_variants"]}
    assert set(nodes) == {"debian-base", "minimal", "base", "kde", "gnome", "hyprland"}
    assert {name: (images / name / "Containerfile").is_file() for name in nodes} == {
        name: not is_recipe for name, is_recipe in nodes.items()
    }


@pytest.mark.parametrize("node", ["debian-base", "base", "kde", "gnome", "hyprland"])
def test_the_scenario_tree_takes_its_parents_as_arguments(repository, node):
    images = repository / "molecule" / "release" / "images"
    text = (images / node / "Containerfile").read_text(encoding="utf-8")
    assert "ARG PARENT\nFROM ${PARENT}\n" in text
