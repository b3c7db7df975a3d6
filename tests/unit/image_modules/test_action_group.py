# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Defaults for the image modules can be set once."""

from __future__ import annotations

import yaml
from ansible_collections.skorionos.bootc.plugins.modules import image_build, image_build_tree, image_info, image_push


def test_the_group_holds_the_modules_whose_documentation_says_so(repository):
    runtime = yaml.safe_load((repository / "meta" / "runtime.yml").read_text(encoding="utf-8"))
    assert runtime["action_groups"]["images"] == ["image_build", "image_build_tree", "image_info", "image_push"]
    for module in (image_build, image_build_tree, image_info, image_push):
        document = yaml.safe_load(module.DOCUMENTATION)
        assert document["attributes"]["action_group"]["membership"] == ["skorionos.bootc.images"]
