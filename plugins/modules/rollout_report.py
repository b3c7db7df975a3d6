#!/usr/bin/python
# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# The work is done by the action plugin of the same name.

from __future__ import annotations

DOCUMENTATION = r"""
module: rollout_report
short_description: Say and show where a rollout stands
version_added: 0.1.0
author:
  - skorionos.bootc contributors (@skorionos)
description:
  - Ends a pass. Waits until O(deadline) for what time alone brings about, and gives the lease back.
  - Prints a summary, and writes it into the rollout's directory in the ledger as C(report.html), C(summary.json) and
    C(summary.txt).
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
    description: Number of this controller's turn. Without it only the reports are written.
    type: int
  asked:
    description: Hosts that were to be looked at again. Those of which nothing was recorded since O(position) could
      not even be asked, which is recorded.
    type: list
    elements: str
    default: []
  position:
    description: How far the ledger reached before that.
    type: int
    default: 0
  metrics:
    description: File to write metrics to, in the text format of Prometheus. It is replaced in one go.
    type: path
seealso:
  - module: skorionos.bootc.rollout_open
  - module: skorionos.bootc.rollout_notify
"""

EXAMPLES = r"""
- name: Report
  skorionos.bootc.rollout_report:
    id: "{{ bootc_rollout.id }}"
    ledger: "{{ bootc_rollout.ledger }}"
    epoch: "{{ bootc_rollout.epoch }}"
    deadline: "{{ bootc_rollout.deadline }}"
  register: bootc_rollout_end
"""

RETURN = r"""
phase:
  description: V(running), V(paused), V(held), V(completed), V(canceled), V(aborted) or V(superseded).
  returned: success
  type: str
  sample: completed
held:
  description: Whether a person has to decide something.
  returned: success
  type: bool
turned:
  description: V(held), V(completed) or V(aborted) when the rollout is that, V(none) otherwise.
  returned: success
  type: str
since:
  description: When it came to that, RFC 3339 in UTC; V(none) otherwise.
  returned: success
  type: str
by:
  description: Who gave the order that it came to that by; empty when it came to that by itself.
  returned: success
  type: str
  sample: anna@admin-pc
why:
  description: The reason given with that order; empty when there was none.
  returned: success
  type: str
told:
  description: Who was told of RV(turned), as M(skorionos.bootc.rollout_notify) recorded it.
  returned: success
  type: list
  elements: str
hold:
  description: Why it is held, V(none) when it is not.
  returned: success
  type: dict
  contains:
    rule:
      description: The rule that stopped it, such as V(failure_budget).
      type: str
    wave:
      description: Name of the wave, V(none) when it is about the rollout as a whole or devices that catch up.
      type: str
    numbers:
      description: What was counted.
      type: str
    devices:
      description: The devices behind it.
      type: list
      elements: str
    remedy:
      description: What to do next.
      type: str
    at:
      description: Since when, RFC 3339 in UTC.
      type: str
summary:
  description:
    - The whole state as data, with keys C(id), C(phase), C(started_at), C(ended_at), C(superseded_by) (with
      C(superseded_who) and C(superseded_why)), C(reverted_by), C(plan_hash), C(hold), C(order), C(wait), C(variants),
      C(waves) (with their C(analyses)), C(catching_up) (counts, C(max_failures), C(until)), C(totals), C(devices),
      C(starving) and C(warnings). The same is in C(summary.json).
    - Devices that catch up (C(catching_up) of a device) are not in the counts of their wave. C(hops) of a device counts
      the barriers it passed; C(parked) says that its image was downloaded ahead, C(proven) that it was seen to run its
      variant's image with green checks, C(excluded) that it is in flight and to be left out as soon as possible.
    - Times are RFC 3339 in UTC, sizes in bytes.
  returned: success
  type: dict
report:
  description: Path of the HTML report.
  returned: success
  type: str
reason:
  description: The kind of failure.
  returned: failure
  type: str
  sample: ledger_unwritable
"""
