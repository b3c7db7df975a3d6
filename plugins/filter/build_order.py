# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter build_order."""

from __future__ import annotations

DOCUMENTATION = r"""
name: build_order
short_description: Put variants of an image into the order they can be built in
version_added: 0.1.0
description:
  - Checks a tree of image variants and returns its nodes with parents before their children.
  - Unknown parents, cycles, names used twice, names that cannot be part of an image name, unknown keys, platforms that
    the parent has not and mistakes in recipes are errors. The message names all of a kind.
author:
  - skorionos.bootc contributors (@skorionos)
positional: _input
options:
  _input:
    description:
      - The variants. Each is a mapping with C(name), and may have C(parent) (the name of another variant) or C(base)
        (an image), C(containerfile) or C(recipe), C(context), C(build_args), C(labels), C(platforms) and C(tags).
    type: list
    elements: dict
    required: true
  only:
    description: Names of the variants that are wanted. What these are built on is returned too. All when not given.
    type: list
    elements: str
"""

EXAMPLES = r"""
- name: Show the order
  ansible.builtin.debug:
    msg: "{{ variants | skorionos.bootc.build_order | map(attribute='name') }}"
  vars:
    variants:
      - name: kde
        parent: base
      - name: base
        base: registry.example.com/os/base:12
# => ["base", "kde"]
"""

RETURN = r"""
_value:
  description: The nodes as they were given, in the order to build them.
  type: list
  elements: dict
"""

from typing import Any, Mapping, Sequence

from ansible.errors import AnsibleFilterError

from ..module_utils._engine.variants import InvalidVariants, build_order


def filter_build_order(nodes: Sequence[Mapping[str, Any]], only: Sequence[str] | None = None) -> list[dict[str, Any]]:
    """Return the nodes in order, or fail with everything that is wrong with them."""
    try:
        return build_order(nodes, only)
    except InvalidVariants as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    """What Ansible looks for."""

    def filters(self) -> dict[str, Any]:
        """Return the filters of this file."""
        return {"build_order": filter_build_order}
