#!/usr/bin/python
# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# The work is done by the action plugin of the same name.

from __future__ import annotations

DOCUMENTATION = r"""
module: rollout_explain
short_description: Say why devices are where they are in a rollout
version_added: 0.1.0
author:
  - skorionos.bootc contributors (@skorionos)
description:
  - Says of each device in which state it is, since when, why, and what happens next or what it waits for. Reads the
    ledger; nothing is touched.
  - The playbook C(skorionos.bootc.rollout_explain) is this module with extra variables.
extends_documentation_fragment:
  - skorionos.bootc._attributes
  - skorionos.bootc._which_rollout
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
  idempotent:
    support: full
  platform:
    support: full
    platforms: posix
options:
  hosts:
    description:
      - Devices, by their names in the inventory. Without any, all that wait, are in the middle of their update or
        failed.
    type: list
    elements: str
    default: []
seealso:
  - module: skorionos.bootc.rollout_control
"""

EXAMPLES = r"""
- name: Why is this device not updated?
  skorionos.bootc.rollout_explain:
    spec: release.yml
    hosts: [deck-03]
"""

RETURN = r"""
id:
  description: Id of the rollout.
  returned: success
  type: str
devices:
  description: What there is to say of each device, in the order of the plan.
  returned: success
  type: list
  elements: dict
  contains:
    host:
      description: Its name in the inventory.
      type: str
    state:
      description: Its state, such as V(pending).
      type: str
    since:
      description: When that state began, RFC 3339 in UTC.
      type: str
    why:
      description: Why it is in that state, in words.
      type: str
    next:
      description: What happens next, in words.
      type: str
    until:
      description: The time that RV(devices[].next) speaks of, RFC 3339 in UTC. V(none) when no clock decides.
      type: str
reason:
  description: The kind of failure.
  returned: failure
  type: str
  sample: not_planned
"""
