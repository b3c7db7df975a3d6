#!/usr/bin/python
# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# The work is done by the action plugin of the same name.

from __future__ import annotations

DOCUMENTATION = r"""
module: rollout_plan
short_description: Plan a rollout without opening it
version_added: 0.1.0
author:
  - skorionos.bootc contributors (@skorionos)
description:
  - Does what M(skorionos.bootc.rollout_open) does before it opens a rollout, with the same errors, and returns the
    plan. Of a rollout that is on record already it returns the recorded plan.
  - Touches no device and writes nothing.
extends_documentation_fragment:
  - skorionos.bootc._attributes
  - skorionos.bootc._planning
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
seealso:
  - module: skorionos.bootc.rollout_open
  - module: skorionos.bootc.rollout_forecast
"""

EXAMPLES = r"""
- name: Plan the rollout
  skorionos.bootc.rollout_plan:
    spec: release.yml
  register: bootc_rollout_plan
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
plan:
  description: The plan, with the keys C(spec), C(targets), C(waves) and C(warnings).
  returned: success
  type: dict
plan_hash:
  description:
    - Identifies the plan. The same spec, membership and digests give the same hash on every machine, and the rollout
      that is opened then has it too.
  returned: success
  type: str
phase:
  description: V(none) for a new rollout, else the phase of the one on record.
  returned: success
  type: str
  sample: running
decided:
  description: Devices that have their verdict in a rollout on record, each with its state.
  returned: success
  type: dict
joining:
  description:
    - Hosts that came into the inventory after the plan of a rollout on record was made, and join it as
      C(selection.late_joiners) of its spec says. The plan and its hash are the same without them.
  returned: success
  type: list
  elements: dict
  contains:
    host:
      description: Its name.
      type: str
    variant:
      description: Which variant it runs.
      type: str
    wave:
      description: Name of the wave it joins, V(none) when it catches up.
      type: str
    on_record:
      description: Whether it joined already. Others do when the rollout is run next.
      type: bool
hosts:
  description: Devices that may still be updated, wave by wave, then those that came later.
  returned: success
  type: list
  elements: str
reason:
  description: The kind of failure. The guide to rollout specs lists them.
  returned: failure
  type: str
  sample: invalid_spec
"""
