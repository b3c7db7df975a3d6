# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter device_requirements."""

from __future__ import annotations

DOCUMENTATION = r"""
name: device_requirements
short_description: Judge whether a device has the hardware an image asks for
version_added: 0.1.0
description:
  - Compares the facts of a device with what is asked of hardware, and looks its product up among those that were
    tested.
  - A fact that is not known never makes a device V(supported), nor V(unsupported).
author:
  - skorionos.bootc contributors (@skorionos)
positional: _input
options:
  _input:
    description:
      - The facts, as M(skorionos.bootc.device_facts) returns them in RV(skorionos.bootc.device_facts#module:device).
        The subsets V(hardware) and V(storage) are needed.
    type: dict
    required: true
  minimum:
    description:
      - What a device must have. C(architectures) is a list of names as image manifests have them, C(memory_bytes) and
        C(disk_bytes) are sizes as sold. What is left out is not asked for.
    type: dict
    default: {}
  recommended:
    description: The same for what a device should have. Only the sizes count.
    type: dict
    default: {}
  gpu_drivers:
    description: Kernel drivers of graphics that Mesa works with. None to ask for no graphics.
    type: list
    elements: str
    default: []
  tested:
    description:
      - Products that were tested, each with C(name) and patterns for some of C(vendor), C(product) and C(board). A
        pattern may have V(*) in it; case does not matter.
    type: list
    elements: dict
    default: []
  memory_tolerance_percent:
    description: By how many percent a device may tell less memory than asked for, as part of it is kept for graphics.
    type: int
    default: 0
  disk_tolerance_percent:
    description: By how many percent its file system may be smaller than the disk asked for.
    type: int
    default: 0
seealso:
  - module: skorionos.bootc.device_facts
"""

EXAMPLES = r"""
- name: Know the hardware
  skorionos.bootc.device_facts:
    gather: [hardware, storage]
  become: true
  register: facts

- name: Judge it
  ansible.builtin.debug:
    msg: "{{ facts.device | skorionos.bootc.device_requirements(minimum=least, tested=known) }}"
  vars:
    least:
      architectures: [amd64]
      memory_bytes: 4000000000
    known:
      - name: Steam Deck OLED
        vendor: Valve
        product: Galileo
"""

RETURN = r"""
_value:
  description: The verdict.
  type: dict
  contains:
    verdict:
      description:
        - V(unsupported) if something that is needed is missing, V(supported) if nothing is, all is known and the
          product was tested, V(untested) otherwise.
      type: str
    reasons:
      description: Why it is unsupported, one sentence each.
      type: list
      elements: str
    warnings:
      description: Where it has less than recommended, one sentence each.
      type: list
      elements: str
    unknown:
      description: What was asked for and is not known, among V(architecture), V(memory), V(disk) and V(graphics).
      type: list
      elements: str
    tested:
      description: The name of the product among those that were tested, or V(none).
      type: str
    product:
      description: Vendor and product as the firmware has them, or V(none).
      type: str
"""

from collections.abc import Mapping, Sequence
from typing import Any

from ansible.errors import AnsibleFilterError

from ..plugin_utils._requirements import (
    InvalidRequirements,
    Requirements,
    judge,
    parse_demands,
    parse_percent,
    parse_tested,
)


def filter_device_requirements(
    device: Mapping[str, Any],
    *,
    minimum: Mapping[str, Any] | None = None,
    recommended: Mapping[str, Any] | None = None,
    gpu_drivers: Sequence[str] = (),
    tested: Sequence[Mapping[str, Any]] = (),
    memory_tolerance_percent: int = 0,
    disk_tolerance_percent: int = 0,
) -> dict[str, Any]:
    """Judge a device, or fail with what is wrong with the demands."""
    if not isinstance(device, Mapping):
        raise AnsibleFilterError("The facts of a device are no mapping. Give what device_facts returns as device.")
    if isinstance(gpu_drivers, str):
        raise AnsibleFilterError("gpu_drivers is a text. Give a list of names, such as ['amdgpu'].")
    try:
        requirements = Requirements(
            parse_demands(minimum or {}, "minimum"),
            parse_demands(recommended or {}, "recommended"),
            tuple(map(str, gpu_drivers)),
            parse_percent(memory_tolerance_percent, "memory_tolerance_percent"),
            parse_percent(disk_tolerance_percent, "disk_tolerance_percent"),
        )
        return judge(device, requirements, parse_tested(tested))
    except InvalidRequirements as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    """What Ansible looks for."""

    def filters(self) -> dict[str, Any]:
        """Return the filters of this file."""
        return {"device_requirements": filter_device_requirements}
