#!/usr/bin/python
# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: rollout_defer
short_description: Record that a device could not be asked
version_added: 0.1.0
author:
  - skorionos.bootc contributors (@skorionos)
description:
  - For a device whose M(skorionos.bootc.rollout_device) failed before it did anything, for instance because a variable
    of its connection is undefined. An untouched device is put off to the next run; on one in the middle of its update
    nothing is recorded.
  - Fails with the original message when that failure was one of the whole run, such as a ledger that cannot be written.
extends_documentation_fragment:
  - skorionos.bootc._attributes
  - skorionos.bootc._rollout
attributes:
  check_mode:
    support: none
  diff_mode:
    support: none
  idempotent:
    support: full
  platform:
    support: full
    platforms: posix
options:
  epoch:
    description: Number of this controller's turn.
    type: int
    required: true
  host:
    description: The device.
    type: str
    required: true
  failure:
    description: The result of the task that failed; its C(msg) and C(reason) count.
    type: dict
    required: true
seealso:
  - module: skorionos.bootc.rollout_device
"""

EXAMPLES = r"""
- name: Put it off
  skorionos.bootc.rollout_defer:
    id: "{{ bootc_rollout.id }}"
    ledger: "{{ bootc_rollout.ledger }}"
    epoch: "{{ bootc_rollout.epoch }}"
    host: "{{ inventory_hostname }}"
    failure: "{{ ansible_failed_result }}"
  delegate_to: localhost
"""

RETURN = r"""
msg:
  description: What went wrong.
  returned: always
  type: str
reason:
  description: The kind of failure.
  returned: failure
  type: str
  sample: ledger_unwritable
"""
