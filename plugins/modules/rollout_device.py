#!/usr/bin/python
# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# The work is done by the action plugin of the same name.

from __future__ import annotations

DOCUMENTATION = r"""
module: rollout_device
short_description: Take one device through its update
version_added: 0.1.0
author:
  - skorionos.bootc contributors (@skorionos)
description:
  - Stages the image, reboots, waits for a new boot, proves that the right digest is booted and healthy, and takes the
    device back to the deployment before when it is not.
  - Every step is recorded in the ledger before and after. Called again after a crash it looks at the device first and
    goes on from there; a reboot that happened is not asked for again.
  - What becomes of the device is data (RV(verdict)). The task itself fails only when the ledger cannot be written, when
    another controller took the rollout over, or when Ansible cannot even start it for this device
    (M(skorionos.bootc.rollout_defer)).
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
    platforms: linux
options:
  epoch:
    description: Number of this controller's turn.
    type: int
    required: true
  confirm:
    description:
      - Only look again at a device that succeeded, because the soak of its wave is over. One that is unhealthy now, or
        answers and cannot be checked, is taken back. One that does not answer, or is occupied with something else,
        keeps its success, and is to be asked again.
    type: bool
    default: false
  draining:
    description: Finish what the device began, but begin nothing.
    type: bool
    default: false
  patient:
    description: Wait for a window of the device that opens before O(deadline), instead of leaving it to the next run.
    type: bool
    default: false
  position:
    description:
      - How far the ledger reached when the device was cleared, as RV(skorionos.bootc.rollout_gate#module:position) gave
        it. When others failed since, the gate is asked again before anything new begins.
    type: int
    required: true
  room:
    description: What its wave and group had room for then, as RV(skorionos.bootc.rollout_gate#module:room) gave it.
    type: dict
    required: true
  peers:
    description: Devices that were cleared with it. It waits for its turn while one of them is being updated.
    type: list
    elements: str
    default: []
  spec:
    description: The spec, as RV(skorionos.bootc.rollout_gate#module:spec) gave it.
    type: dict
    required: true
  device:
    description: The device's state, as RV(skorionos.bootc.rollout_gate#module:devices) gave it.
    type: dict
    required: true
  target:
    description: What it shall boot, as RV(skorionos.bootc.rollout_gate#module:devices) gave it.
    type: dict
    required: true
  timezone:
    description: Time zone of the device according to the inventory. Without it the device is asked.
    type: str
  windows:
    description:
      - Windows that the inventory gives to this device, with the keys of C(windows) in a spec. It is disturbed only
        while both these and those of O(spec) are open.
      - Where they are not what they should be the task fails with RV(reason=invalid_windows), and nothing was done. A
        device that is down, or that may only finish what it began, is brought to an end without them.
    type: raw
  fence:
    description: What the device is shown to tell this run from others, as RV(skorionos.bootc.rollout_open#module:fence)
      gave it. Where a newer controller of this rollout has claimed the device, the task fails with RV(reason=fenced),
      and the run ends.
    type: dict
    required: true
seealso:
  - module: skorionos.bootc.rollout_gate
  - module: skorionos.bootc.bootc_switch
  - module: skorionos.bootc.bootc_apply
  - module: skorionos.bootc.device_health
  - module: skorionos.bootc.bootc_rollback
"""

EXAMPLES = r"""
- name: Stage, reboot, prove; go back if that fails
  skorionos.bootc.rollout_device:
    id: "{{ bootc_rollout.id }}"
    ledger: "{{ bootc_rollout.ledger }}"
    epoch: "{{ bootc_rollout.epoch }}"
    fence: "{{ bootc_rollout.fence }}"
    deadline: "{{ bootc_rollout.deadline }}"
    position: "{{ bootc_rollout_clearance.position }}"
    room: "{{ bootc_rollout_clearance.room }}"
    peers: "{{ bootc_rollout_clearance.go }}"
    spec: "{{ bootc_rollout_clearance.spec }}"
    device: "{{ bootc_rollout_clearance.devices[inventory_hostname].device }}"
    target: "{{ bootc_rollout_clearance.devices[inventory_hostname].target }}"
    timezone: "{{ bootc_timezone | default(omit, true) }}"
    windows: "{{ bootc_windows | default({}) }}"
  when: inventory_hostname in bootc_rollout_clearance.go
"""

RETURN = r"""
verdict:
  description:
    - The last thing recorded of the device, such as V(succeeded), V(already_current), V(rolled_back), V(failed),
      V(unreachable), V(deferred), V(incompatible), V(silent), V(lost) or V(inconsistent); V(staged) when it is parked
      for its window, V(hop_passed) when it is at a barrier, V(confirmed) or V(unconfirmed) with O(confirm).
    - V(no_news) when nothing was worth recording.
  returned: success
  type: str
  sample: succeeded
steps:
  description: Everything recorded of the device in this pass, oldest first.
  returned: success
  type: list
  elements: str
msg:
  description: Why, in words. Empty where the verdict says it all.
  returned: always
  type: str
reason:
  description: The kind of failure, where there is one.
  returned: always
  type: str
"""
