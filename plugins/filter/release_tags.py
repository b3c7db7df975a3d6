# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter release_tags."""

from __future__ import annotations

DOCUMENTATION = r"""
name: release_tags
short_description: Say which tags the variants of a release are published with
version_added: 0.1.0
description:
  - Fills templates of tags in, and says for each variant which tags belong to this release alone and which move on from
    release to release.
  - A template with a placeholder that stands for nothing, a tag that is none, and a place that two variants would be
    published at are errors.
author:
  - skorionos.bootc contributors (@skorionos)
positional: _input
options:
  _input:
    description:
      - Names of the variants to publish.
    type: list
    elements: str
    required: true
  repository:
    description: Where to publish, as C(registry[:port]/repository). C({variant}) in it stands for the variant's name.
    type: str
    required: true
  templates:
    description: Templates of tags, for variants without their own.
    type: list
    elements: str
    required: true
  tree:
    description:
      - The tree of variants they are of, with C(name) and what they have of their own in C(tags), which are templates,
        and C(platforms), which the parent's platforms are, too. They need not be in it.
    type: list
    elements: dict
    default: []
  version:
    description: What C({version}) stands for.
    type: str
    required: true
  date:
    description: What C({date}) stands for.
    type: str
    default: ""
  revision:
    description: What C({revision}) stands for. Of a full git hash the first seven characters are taken.
    type: str
    default: ""
"""

EXAMPLES = r"""
- name: Show the tags
  ansible.builtin.debug:
    msg: "{{ ['kde'] | skorionos.bootc.release_tags('registry.example.com/os', templates, version='1.0.0') }}"
  vars:
    templates: ["{variant}-v{version}", "{variant}-latest"]
# => [{"name": "kde", "repository": "registry.example.com/os", "first": ["kde-v1.0.0"], "moving": ["kde-latest"],
#      "pushes": [{"suffix": "", "platform": "", "tags": ["kde-v1.0.0"]}], "lasting": true}]
"""

RETURN = r"""
_value:
  description:
    - A mapping per variant, with C(name), C(repository), C(first) (the tags of this release, or all of them where none
      is of this release alone), C(moving) (the others) and C(pushes), a list with the C(suffix) of the local name,
      C(platform) and C(tags) of each image to push. The first two are empty unless there are several platforms.
      C(lasting) says whether any of its tags is of this release alone.
  type: list
  elements: dict
"""

from dataclasses import asdict
from typing import Any, Mapping, Sequence

from ansible.errors import AnsibleFilterError

from ..module_utils._engine.tags import InvalidTags, release_tags


def filter_release_tags(
    names: Sequence[str],
    repository: str,
    templates: Sequence[str],
    version: str,
    *,
    tree: Sequence[Mapping[str, Any]] = (),
    date: str = "",
    revision: str = "",
) -> list[dict[str, Any]]:
    """Return the tags of each variant, or fail with what is wrong with them."""
    values = {"version": str(version), "date": str(date), "revision": str(revision)}
    texts = [str(template) for template in templates]
    try:
        found = release_tags([str(name) for name in names], tree, str(repository), texts, values)
    except InvalidTags as error:
        raise AnsibleFilterError(str(error)) from error
    return [asdict(tags) for tags in found]


class FilterModule:
    """What Ansible looks for."""

    def filters(self) -> dict[str, Any]:
        """Return the filters of this file."""
        return {"release_tags": filter_release_tags}
