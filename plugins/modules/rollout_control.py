#!/usr/bin/python
# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# The work is done by the action plugin of the same name.

from __future__ import annotations

DOCUMENTATION = r"""
module: rollout_control
short_description: Tell a rollout what to do
version_added: 0.1.0
author:
  - skorionos.bootc contributors (@skorionos)
description:
  - Records an order in the ledger of a rollout, with who gave it, when and why. No device is touched; the next run of
    the
    playbook C(skorionos.bootc.rollout), or the one that is at work, follows it before it starts anything new.
  - The playbook C(skorionos.bootc.rollout_control) is this module with extra variables.
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
  verb:
    description:
      - What to do.
      - V(pause) has nothing new begin. What is in flight comes to its end, and what is staged is dropped.
      - V(resume) goes on, after a pause or in spite of what the rollout was held for. What failed so far counts no
        more; an open wave has its whole C(coverage_timeout) again, and who could not be looked at after its soak is
        looked at again.
      - V(approve) lets the wave begin, or pass, that waits for it. It needs O(plan_hash), and O(wave)
        when the plan wants more than one approval. It is good for seven days.
      - V(accept) takes the open wave as it is, whatever its rules say.
      - V(retry) has O(hosts) tried again that failed, were rolled back, lost or left out, and takes their charge away.
      - V(exclude) leaves O(hosts) out that have no verdict yet; one in the middle of its update when that came to an
        end.
      - V(cancel) ends the rollout for good. What is updated stays so; what is in flight comes to an end.
      - V(abort) does the same, and runs of the rollout fail from then on.
      - V(revert) ends it as V(cancel) does, and writes the spec of another rollout, which takes every device that is on
        the new release back to what it ran before. That one waits for an approval.
    type: str
    required: true
    choices: [abort, accept, approve, cancel, exclude, pause, resume, retry, revert]
  why:
    description: A sentence for the record. Nothing is done without one.
    type: str
    default: ""
  hosts:
    description: The devices that V(retry) and V(exclude) are about, by their names in the inventory.
    type: list
    elements: str
    default: []
  plan_hash:
    description: The hash of the plan that was looked at, or its first eight characters or more, for V(approve).
    type: str
  wave:
    description:
      - The name of the wave that V(approve) or V(accept) is about. It is refused when another wave waits or is open.
      - May be left out when the plan wants no more than one approval.
    type: str
  dest:
    description:
      - Directory for the spec that V(revert) writes. By default that of O(spec), or without it the one that O(ledger)
        is in.
      - A spec that is there already is left as it is.
    type: path
seealso:
  - module: skorionos.bootc.rollout_explain
"""

EXAMPLES = r"""
- name: Start nothing new while the registry is being moved
  skorionos.bootc.rollout_control:
    spec: release.yml
    verb: pause
    why: The registry is being moved

- name: Leave a device out that is being repaired
  skorionos.bootc.rollout_control:
    spec: release.yml
    verb: exclude
    hosts: [deck-03]
    why: Its disk is being replaced
"""

RETURN = r"""
phase:
  description: What the rollout is after the order, such as V(paused).
  returned: success
  type: str
  sample: paused
id:
  description: Id of the rollout.
  returned: success
  type: str
hosts:
  description: The devices for which something changed.
  returned: success
  type: list
  elements: str
by:
  description: Who is on record as having given the order.
  returned: success
  type: str
  sample: anna@admin-pc
spec:
  description:
    - The file with the spec of the way back; V(none) for other verbs than V(revert). Check mode does not write it.
  returned: success
  type: str
  sample: skorion-1.1.0-revert.yml
reason:
  description: The kind of failure; V(not_applicable) for an order that makes no sense as the rollout stands.
  returned: failure
  type: str
  sample: not_applicable
"""
