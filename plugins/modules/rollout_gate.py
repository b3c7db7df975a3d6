#!/usr/bin/python
# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# The work is done by the action plugin of the same name.

from __future__ import annotations

DOCUMENTATION = r"""
module: rollout_gate
short_description: Ask whether a batch of devices may be touched now
version_added: 0.1.0
author:
  - skorionos.bootc contributors (@skorionos)
description:
  - Judges the waves of a rollout by its ledger, records what follows (a wave opens or passes, the rollout is held or
    completed), and says which hosts of the batch may go.
  - Waits until O(deadline) for a wave before this one whose soak is not over, and runs the commands of its C(analysis)
    on the controller after that.
extends_documentation_fragment:
  - skorionos.bootc._attributes
  - skorionos.bootc._rollout
  - skorionos.bootc._rollout.deadline
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
  batch:
    description: Hosts that want to go.
    type: list
    elements: str
    required: true
  confirmed:
    description: The devices that the gate wanted to have looked at again (RV(confirm)) were looked at.
    type: bool
    default: false
  asked:
    description: Hosts that were to be looked at again, with O(confirmed). Those of which nothing was recorded since
      O(position) could not even be asked, which is recorded.
    type: list
    elements: str
    default: []
  position:
    description: How far the ledger reached before that.
    type: int
    default: 0
  round:
    description:
      - Hosts of this run, once all of them had their turn. No gate is asked then; the answer is RV(hosts) and
        RV(batches) of another round, in which devices wait for windows that open before O(deadline). O(batch) is not
        looked at then.
    type: list
    elements: str
seealso:
  - module: skorionos.bootc.rollout_open
"""

EXAMPLES = r"""
- name: Ask the gate who may go
  skorionos.bootc.rollout_gate:
    id: "{{ bootc_rollout.id }}"
    ledger: "{{ bootc_rollout.ledger }}"
    epoch: "{{ bootc_rollout.epoch }}"
    deadline: "{{ bootc_rollout.deadline }}"
    batch: "{{ ansible_play_batch }}"
  run_once: true
  register: bootc_rollout_clearance
"""

RETURN = r"""
go:
  description: Hosts of the batch that may be touched. None of them before those of RV(confirm) were looked at.
  returned: success, without O(round)
  type: list
  elements: str
position:
  description: How far the ledger reached then, in bytes, for M(skorionos.bootc.rollout_device).
  returned: success, without O(round)
  type: int
confirm:
  description:
    - Devices that succeeded and have to be looked at again with M(skorionos.bootc.rollout_device) before their wave may
      pass. The gate is asked again after that, with O(confirmed).
  returned: success, without O(round)
  type: list
  elements: str
shares:
  description: The hosts of RV(confirm), dealt out to those of O(batch).
  returned: success, without O(round)
  type: dict
room:
  description:
    - What the pace of the waves and the disruption budgets have room for, for M(skorionos.bootc.rollout_device).
  returned: success, without O(round)
  type: dict
hosts:
  description: Hosts of another round. Empty when no window opens in time.
  returned: success, with O(round)
  type: list
  elements: str
batches:
  description: How many of RV(hosts) go together, batch after batch.
  returned: success, with O(round)
  type: list
  elements: int
draining:
  description: The rollout is held, paused or over; these hosts may only finish what they began.
  returned: success, without O(round)
  type: bool
stop:
  description: No later batch of this pass has a chance either.
  returned: success, without O(round)
  type: bool
spec:
  description: The spec of the rollout, for M(skorionos.bootc.rollout_device).
  returned: success, without O(round)
  type: dict
devices:
  description: Per host of RV(go) and RV(confirm) what M(skorionos.bootc.rollout_device) needs to know.
  returned: success, without O(round)
  type: dict
reason:
  description: The kind of failure.
  returned: failure
  type: str
  sample: superseded_controller
"""
