# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What image_verify and image_sign refuse before they ask anybody."""

from __future__ import annotations

import pytest
from ansible_collections.skorionos.bootc.plugins.module_utils._engine.errors import EngineError
from ansible_collections.skorionos.bootc.plugins.modules.image_sign import file_of
from ansible_collections.skorionos.bootc.plugins.modules.image_verify import check_options


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, "Either keys or policy"),
        ({"keys": ["ours.pub"], "policy": "policy.json"}, "Either keys or policy"),
        ({"policy": "policy.json", "method": "registry"}, "by skopeo only"),
        ({"keys": ["theirs.pub"]}, r"no file theirs\.pub"),
        ({"policy": "none.json"}, r"no file none\.json"),
    ],
)
def test_options_that_do_not_belong_together_are_refused(tmp_path, monkeypatch, options, said):
    monkeypatch.chdir(tmp_path)
    for name in ("ours.pub", "policy.json"):
        (tmp_path / name).touch()
    with pytest.raises(ValueError, match=said):
        check_options({"keys": [], "policy": None, "method": "skopeo", **options})


def test_keys_or_a_policy_are_enough(tmp_path):
    (tmp_path / "x").touch()
    check_options({"keys": [str(tmp_path / "x")], "policy": None, "method": "registry"})
    check_options({"keys": [], "policy": str(tmp_path / "x"), "method": "skopeo"})


def test_a_key_that_is_not_there_is_named(tmp_path):
    with pytest.raises(EngineError, match="Correct public_key"):
        file_of("public_key", str(tmp_path / "none.pub"))
