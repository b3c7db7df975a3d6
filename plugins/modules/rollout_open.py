#!/usr/bin/python
# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# The work is done by the action plugin of the same name.

from __future__ import annotations

DOCUMENTATION = r"""
module: rollout_open
short_description: Plan a rollout, or pick it up where it stands
version_added: 0.1.0
author:
  - skorionos.bootc contributors (@skorionos)
description:
  - Validates a rollout spec, and plans it when its id is new. That freezes one digest per variant, checks that each can
    be pulled, and assigns every device to one wave.
  - Takes in hosts that came into the inventory since, as C(selection.late_joiners) of the spec says.
  - Looks at the windows that the inventory gives to hosts (C(bootc_windows)), and fails before anything is recorded
    where those of a host on which it may begin something are not what they should be.
  - Takes the lease of the rollout if there is anything to do, and says who is due in which batch.
  - Asks the devices that are due and that nothing was done to yet whether they are awake. Those that are not are
    recorded and left to the next run.
  - Touches no device beyond that.
extends_documentation_fragment:
  - skorionos.bootc._attributes
  - skorionos.bootc._planning
attributes:
  check_mode:
    support: full
    details: Shows the plan and writes nothing.
  diff_mode:
    support: none
  idempotent:
    support: full
  platform:
    support: full
    platforms: posix
options:
  patience:
    description: How long this pass may wait for what only time brings about, such as V(90s), V(15m) or V(2h).
    type: str
    default: 15m
  probe:
    description:
      - Ask devices whether they are awake before anybody is touched. See M(skorionos.bootc.fleet_probe).
      - With V(false) every device that is due is tried. So are, in any case, devices in the middle of their update.
      - Nobody is asked in check mode.
    type: bool
    default: true
seealso:
  - module: skorionos.bootc.fleet_probe
  - module: skorionos.bootc.rollout_gate
  - module: skorionos.bootc.rollout_device
  - module: skorionos.bootc.rollout_report
"""

EXAMPLES = r"""
- name: Open the rollout
  skorionos.bootc.rollout_open:
    spec: release.yml
    ledger: rollouts
  register: bootc_rollout
"""

RETURN = r"""
id:
  description: Id of the rollout.
  returned: success
  type: str
  sample: skorion-1.1.0
ledger:
  description: Absolute path of the directory of the ledgers.
  returned: success
  type: str
epoch:
  description: Number of this controller's turn, V(none) when there is nothing to do. The ledger refuses older ones.
  returned: success
  type: int
fence:
  description: What devices are shown so that they can tell this run from others, for M(skorionos.bootc.rollout_device);
    V(none) when there is nothing to do.
  returned: success
  type: dict
deadline:
  description: When this pass stops waiting, in seconds since the epoch.
  returned: success
  type: float
hosts:
  description: Hosts that are due, in the order of their batches.
  returned: success
  type: list
  elements: str
batches:
  description: Sizes of the batches, for the keyword C(serial). Their sum is the number of RV(hosts).
  returned: success
  type: list
  elements: int
asleep:
  description: How many of the devices that are due do not answer. They are not among RV(hosts).
  returned: success
  type: int
summary:
  description: Where the rollout stands. See RV(skorionos.bootc.rollout_report#module:summary).
  returned: success
  type: dict
reason:
  description: The kind of failure, such as V(invalid_spec), V(invalid_windows), V(devices_busy), V(lease_held) or
    V(ledger_unwritable).
  returned: failure
  type: str
  sample: invalid_spec
"""
