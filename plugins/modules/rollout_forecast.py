#!/usr/bin/python
# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# The work is done by the action plugin of the same name.

from __future__ import annotations

DOCUMENTATION = r"""
module: rollout_forecast
short_description: Say what a planned rollout will cost
version_added: 0.1.0
author:
  - skorionos.bootc contributors (@skorionos)
description:
  - Reckons what every device will download and how long its update takes, from the plan, from what the devices
    answered to M(skorionos.bootc.bootc_status) and from the manifests at the registries. Says which devices would not
    be updated, and why.
  - Prints a table, and writes the plan as C(ID.plan.json) and C(ID.plan.txt) for review.
  - Asks no device anything itself. A registry is asked once for every image.
extends_documentation_fragment:
  - skorionos.bootc._attributes
attributes:
  check_mode:
    support: full
    details: Prints the table and writes no file.
  diff_mode:
    support: none
  idempotent:
    support: full
  platform:
    support: full
    platforms: posix
options:
  plan:
    description: The plan, as RV(skorionos.bootc.rollout_plan#module:plan) gave it.
    type: dict
    required: true
  spec:
    description: The file of the spec. The credentials that it names are found from there.
    type: path
    required: true
  phase:
    description: As RV(skorionos.bootc.rollout_plan#module:phase) gave it.
    type: str
  decided:
    description: As RV(skorionos.bootc.rollout_plan#module:decided) gave it.
    type: dict
    default: {}
  joining:
    description: As RV(skorionos.bootc.rollout_plan#module:joining) gave it. They are told apart, and are in no sum.
    type: list
    elements: dict
    default: []
  variable:
    description:
      - Name of the variable in which each host's answer was registered. Devices without one, and those that did not
        answer, are taken to need the whole image.
    type: str
    required: true
  asleep:
    description: As RV(skorionos.bootc.fleet_probe#module:asleep) gave it.
    type: dict
    default: {}
  rate:
    description:
      - Bytes per second at which one device downloads, such as V(6.25M), V(800k) or V(6250000).
      - The default is 50 Mbit/s.
    type: str
    default: 6.25M
  dest:
    description: Directory for the files; made when absent.
    type: path
    required: true
notes:
  - Hosts with the same inventory variable C(bootc_site) are taken to pull through one cache, which fetches every layer
    once.
seealso:
  - module: skorionos.bootc.rollout_plan
  - module: skorionos.bootc.bootc_status
"""

EXAMPLES = r"""
- name: Write the plan for review
  skorionos.bootc.rollout_forecast:
    plan: "{{ bootc_rollout_plan.plan }}"
    spec: release.yml
    variable: bootc_plan_answer
    dest: "{{ bootc_rollout_plan.ledger }}"
"""

RETURN = r"""
plan_hash:
  description: Identifies the plan.
  returned: success
  type: str
document:
  description:
    - The plan with its cost, as it is in C(ID.plan.json), with the keys C(schema), C(id), C(plan_hash), C(phase),
      C(variants), C(waves), C(totals), C(assumptions), C(joining) and C(warnings). Sizes are in bytes, times in
      seconds.
  returned: success
  type: dict
files:
  description: Paths of the JSON and the text file.
  returned: success
  type: list
  elements: str
reason:
  description: The kind of failure.
  returned: failure
  type: str
  sample: plan_unwritable
"""
