# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an import refuses before it asks any registry."""

from __future__ import annotations

import json

import pytest
from ansible_collections.skorionos.bootc.plugins.module_utils._oci.layout import Layout
from ansible_collections.skorionos.bootc.plugins.modules import image_archive


@pytest.fixture
def archive(tmp_path):
    """An archive of nothing."""
    path = tmp_path / "disk"
    path.mkdir()
    (path / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    (path / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": []}))
    return path


@pytest.fixture
def imported(archive, run):
    def run_import(**arguments):
        wanted = {"state": "imported", "path": str(archive), "target": "site.example/{repository}"}
        return run(image_archive, **{**wanted, **arguments})

    return run_import


def test_a_source_or_an_empty_list_of_keys_is_not_taken_for_no_wish_to_verify(imported):
    assert imported()["verified"] == []
    assert imported(source="home.example/{repository}")["msg"] == "missing parameter(s) required by 'source': keys"
    for more in ({}, {"source": "home.example/{repository}"}):
        refused = imported(keys=[], **more)
        assert (refused["reason"], "keys is an empty list" in refused["msg"]) == ("invalid", True)


@pytest.mark.parametrize("target", ["site.example/{repository}", "site.example/os"])
def test_an_archive_does_not_choose_among_repositories(imported, tmp_path, target):
    (tmp_path / "home.pub").touch()
    for source in ("home.example/os", "home.example/{repository}"):
        done = imported(keys=[str(tmp_path / "home.pub")], target=target, source=source)
        both_or_neither = ("{repository}" in target) == ("{repository}" in source)
        assert done.get("reason") == (None if both_or_neither else "invalid")
        assert ("Put it into both, or into neither" in done.get("msg", "")) is not both_or_neither


def test_what_is_reported_is_what_was_verified(imported, tmp_path, monkeypatch):
    (tmp_path / "home.pub").touch()
    read = []
    monkeypatch.setattr(Layout, "entries", lambda _layout: read.append(1) or [])
    assert imported(keys=[str(tmp_path / "home.pub")])["images"] == []
    assert len(read) == 1
