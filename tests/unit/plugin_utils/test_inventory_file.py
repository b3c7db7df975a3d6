# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is wrong in the file of an inventory is said with its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.rehearsal.test_stage import listed

FLEET = """plugin: skorionos.bootc.fleet
devices: {name: a}
templates: []
defaults: 3
memory: []
compose: []
"""


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "plugin: skorionos.bootc.rehearsal\nprofile: []",
            ["line 2, the top level: unknown key 'profile'. Did you mean"],
        ),
        ("plugin: skorionos.bootc.rehearsal\ncreate: 3", ["line 2, create: 3 is not of type 'object'"]),
        ("plugin: skorionos.bootc.simulated_fleet\ndevcies: []", ["line 2, the top level: unknown key 'devcies'. Did"]),
        (
            FLEET,
            [
                "line 2, devices: {'name': 'a'} is not of type 'array'.",
                "line 3, templates: [] is not of type 'object'.",
                "line 4, defaults: 3 is not of type 'object'.",
                "line 5, memory: [] is not of type 'string'",
                "line 6, compose: [] is not of type 'object'",
            ],
        ),
    ],
)
def test_what_an_inventory_does_not_take_is_refused_with_its_line(
    tmp_path: Path, collections_path: Path, text: str, said: list[str]
) -> None:
    hosts, path = tmp_path / "hosts.yml", tmp_path / "inventory.yml"
    hosts.write_text("all: {hosts: {deck-1: }}", encoding="utf-8")
    path.write_text(text, encoding="utf-8")
    done = listed(collections_path, hosts, path)
    assert done.returncode != 0
    told = " ".join(done.stderr.split())
    assert [words for words in said if words not in told] == []


def test_labels_that_share_a_group_are_told_and_the_devices_are_there(tmp_path: Path, collections_path: Path) -> None:
    path = tmp_path / "fleet.yml"
    devices = "[{name: deck-1, site: Berlin}, {name: deck-2, site: berlin}]"
    path.write_text(f"plugin: skorionos.bootc.fleet\ndevices: {devices}\n", encoding="utf-8")
    done = listed(collections_path, path)
    assert done.returncode == 0, done.stderr
    assert "The group site_berlin holds the devices of the sites 'Berlin', 'berlin'" in " ".join(done.stderr.split())
    assert "deck-2" in done.stdout


@pytest.mark.parametrize("text", ["memory:\ncompose:\nkeyed_groups: []", "strict: true\nleading_separator: false"])
def test_options_of_ansible_itself_and_empty_ones_are_taken(tmp_path: Path, collections_path: Path, text: str) -> None:
    path = tmp_path / "fleet.yml"
    path.write_text(f"plugin: skorionos.bootc.fleet\ndevices: [{{name: deck-1}}]\n{text}\n", encoding="utf-8")
    done = listed(collections_path, path)
    assert done.returncode == 0, done.stderr
    assert "deck-1" in done.stdout
