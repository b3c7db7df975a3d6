# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter device_update."""

from __future__ import annotations

DOCUMENTATION = r"""
name: device_update
short_description: Decide what to do next with a device that is to be updated
version_added: 0.1.0
description:
  - Takes the results of the device modules that ran so far and says which phase comes next, or what became of the
    device. The role C(skorionos.bootc.device_update) only carries that out.
author:
  - skorionos.bootc contributors (@skorionos)
positional: _input
options:
  _input:
    description:
      - The evidence. By phase (V(preflight), V(stage), V(apply), V(verify), V(settle), V(rollback), V(return),
        V(disarm)) a mapping with C(result), what the task registered, and C(ended), the time in seconds when it was
        there. C(begun) is the time when the first of them began.
    type: dict
    required: true
  image:
    description: The image that is wanted. Empty for the newest of what the device tracks.
    type: str
  digests:
    description: Digests that count as its content.
    type: list
    elements: str
    default: []
  reboot_ok:
    description: Whether rebooting was agreed to.
    type: bool
    default: false
  rollback:
    description: Whether a device that is not well on the new image is taken back.
    type: bool
    default: true
  settle_seconds:
    description: Seconds it has to stay well.
    type: int
    default: 0
  check_mode:
    description: Whether the results are predictions.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Look at the device
  skorionos.bootc.bootc_status:
  become: true
  register: looked

- name: Say what comes next
  ansible.builtin.debug:
    msg: "{{ ({'preflight': {'result': looked}} | skorionos.bootc.device_update).next }}"
# => "stage"
"""

RETURN = r"""
_value:
  description: The decision.
  type: dict
  contains:
    next:
      description: The phase to carry out next, V(none) when nothing is left to do.
      type: str
    how:
      description: Options for it.
      type: dict
    result:
      description: What is to be told if it ends here. The role has its keys in its README.
      type: dict
"""

from collections.abc import Mapping, Sequence
from typing import Any

from ansible.errors import AnsibleFilterError

from ..plugin_utils._device_update import Policy
from ..plugin_utils._device_update_result import InvalidEvidence, assess, read_evidence


def filter_device_update(
    evidence: Mapping[str, Any],
    *,
    image: str | None = None,
    digests: Sequence[str] = (),
    reboot_ok: bool = False,
    rollback: bool = True,
    settle_seconds: int = 0,
    check_mode: bool = False,
) -> dict[str, Any]:
    """Decide, or fail with what is wrong with the evidence."""
    if not isinstance(evidence, Mapping):
        raise AnsibleFilterError("The evidence is no mapping. Give results by phase.")
    if isinstance(digests, str):
        raise AnsibleFilterError("digests is a text. Give a list of digests.")
    policy = Policy(
        str(image) if image else None,
        tuple(map(str, digests)),
        reboot_ok is True,
        rollback is True,
        int(settle_seconds),
        check_mode is True,
    )
    try:
        seen, begun = read_evidence(evidence)
    except InvalidEvidence as error:
        raise AnsibleFilterError(str(error)) from error
    return assess(seen, begun, policy)


class FilterModule:
    """What Ansible looks for."""

    def filters(self) -> dict[str, Any]:
        """Return the filters of this file."""
        return {"device_update": filter_device_update}
