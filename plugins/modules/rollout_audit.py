#!/usr/bin/python
# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# The work is done by the action plugin of the same name.

from __future__ import annotations

DOCUMENTATION = r"""
module: rollout_audit
short_description: Say who rolled out what, when, on whose orders, and with what outcome
version_added: 0.1.0
author:
  - skorionos.bootc contributors (@skorionos)
description:
  - Reads the ledger of one rollout or of all in a directory, verifies every line of each, and tells of who ran it, of
    approvals and orders with their reasons, of the outcome of each wave, and of the devices that were touched.
  - A ledger that was changed or damaged is named, and what can be believed of it is told; the others are not affected.
  - Nothing is changed but the files in O(dest). The playbook C(skorionos.bootc.rollout_audit) is this module with extra
    variables.
extends_documentation_fragment:
  - skorionos.bootc._attributes
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
  ledger:
    description: Directory of the ledgers. All of them are told, unless O(id) names one.
    type: path
  id:
    description: Id of the one rollout that is meant.
    type: str
  spec:
    description:
      - File with the spec of the one rollout that is meant. Its ledger is in O(ledger), or in C(rollouts) beside it.
    type: path
  start:
    description:
      - Tell of nothing before this day (V(2026-08-01)), moment (V(2026-08-01T04:10Z)) or age (V(12h), V(30d)). Times
        without a zone are UTC. An age is another moment every minute, and so the files of O(dest) are others.
    type: str
  end:
    description: Tell of nothing after it, and of rollouts as they stood then. A day counts whole.
    type: str
  devices:
    description: Tell only of these devices, by their names in the inventory, in all rollouts.
    type: list
    elements: str
    default: []
  journal:
    description: Journal of channels, whose moves are told as well. With O(devices) they are not.
    type: path
  witness:
    description:
      - An C(audit.jsonl) of an earlier audit that was kept elsewhere. A ledger that does not go on from what it was
        then is named as broken, and so is one that is not there any more.
    type: path
  dest:
    description: Directory to write C(audit.html), C(audit.txt) and C(audit.jsonl) to.
    type: path
seealso:
  - module: skorionos.bootc.rollout_control
  - module: skorionos.bootc.rollout_explain
"""

EXAMPLES = r"""
- name: What was rolled out in the last quarter?
  skorionos.bootc.rollout_audit:
    ledger: rollouts
    start: 90d
    journal: channels.jsonl
    dest: audit

- name: What was ever done to this device?
  skorionos.bootc.rollout_audit:
    ledger: rollouts
    devices: [deck-03]
"""

RETURN = r"""
intact:
  description: Whether every ledger, and the journal if one was given, is what was written.
  returned: success
  type: bool
ledgers:
  description: Every ledger that was read.
  returned: success
  type: list
  elements: dict
  contains:
    id:
      description: Id of its rollout.
      type: str
    path:
      description: Where it is.
      type: str
    intact:
      description: Whether it is what was written.
      type: bool
    fault:
      description: Why it is not, V(none) if it is.
      type: str
    remedy:
      description: What to do about that, V(none) if there is nothing to do.
      type: str
    lines:
      description: How many lines there are; of a broken ledger, how many from the first on are vouched for.
      type: int
    sha256:
      description: Hash of the last of these.
      type: str
    last_at:
      description: Time of the last of these, RFC 3339 in UTC; V(none) if there is none.
      type: str
rollouts:
  description:
    - Rollouts that have a part in what was asked for, the oldest first. Each has C(id), C(phase), C(started_at),
      C(ended_at), C(by), C(runs), C(plan_hash), C(superseded_by), C(hold), C(variants), C(totals), C(waves) and
      C(orders). C(audit.jsonl) has every device and every event as well.
  returned: success
  type: list
  elements: dict
strangers:
  description: Devices that were asked for and that no rollout knows.
  returned: success
  type: list
  elements: str
files:
  description: The files of O(dest).
  returned: success
  type: list
  elements: str
reason:
  description: The kind of failure.
  returned: failure
  type: str
  sample: not_planned
"""
