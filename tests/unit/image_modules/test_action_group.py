# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Defaults for the image modules can be set once."""

from __future__ import annotations

import importlib

import yaml

GROUP = "skorionos.bootc.images"


def test_the_group_holds_exactly_the_modules_whose_documentation_says_so(repository):
    documented = []
    for path in sorted((repository / "plugins" / "modules").glob("*.py")):
        module = importlib.import_module(f"ansible_collections.skorionos.bootc.plugins.modules.{path.stem}")
        attributes = yaml.safe_load(module.DOCUMENTATION).get("attributes") or {}
        if GROUP in ((attributes.get("action_group") or {}).get("membership") or []):
            documented.append(path.stem)
    runtime = yaml.safe_load((repository / "meta" / "runtime.yml").read_text(encoding="utf-8"))
    assert sorted(runtime["action_groups"]["images"]) == documented
    assert {"image_build", "image_push"} <= set(documented)
