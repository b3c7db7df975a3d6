#!/usr/bin/python
# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# The work is done by the action plugin of the same name.

from __future__ import annotations

DOCUMENTATION = r"""
module: rollout_rehearsal
short_description: Set up the rehearsal of a rollout on simulated devices
version_added: 0.1.0
author:
  - skorionos.bootc contributors (@skorionos)
description:
  - Reads a rollout spec and writes what its rehearsal needs, a catalogue of images for the registry of the simulator
    and, once that serves them, a spec in which these images stand for the real ones.
  - Refuses to, before anything else, when a host of the inventory other than C(localhost) is not a simulated device.
    P(skorionos.bootc.rehearsal#inventory) makes them.
  - A device whose inventory has C(bootc_seen) (see P(skorionos.bootc.fleet#inventory)) runs an image that stands for
    that digest, with that version, the others one that is older than every barrier.
  - Asks no real registry and no real device anything.
  - The spec keeps waves, rules, pace and budget. Windows are left out, waits are cut to seconds, and commands of
    C(verify) and C(analysis) are left out always, as simulated devices would run them on the controller.
extends_documentation_fragment:
  - skorionos.bootc._attributes
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
  spec:
    description: The rollout spec that is to be rehearsed.
    type: path
    required: true
  dest:
    description: Directory of the rehearsal; made when absent, and refused when it holds anything else.
    type: path
    required: true
  registry:
    description: C(HOST:PORT) at which the catalogue is served. With it the spec is written too.
    type: str
  unhealthy:
    description: Variants whose release boots and does not get well.
    type: list
    elements: str
    default: []
  keep:
    description: What of the spec is to count although it takes its time.
    type: list
    elements: str
    choices:
      - windows
      - times
    default: []
seealso:
  - plugin: skorionos.bootc.rehearsal
    plugin_type: inventory
"""

EXAMPLES = r"""
- name: Say what the registry has to serve
  skorionos.bootc.rollout_rehearsal:
    spec: release.yml
    dest: "{{ playbook_dir }}/.rehearsal"

- name: Write the spec of the rehearsal
  skorionos.bootc.rollout_rehearsal:
    spec: release.yml
    dest: "{{ playbook_dir }}/.rehearsal"
    registry: 127.0.0.1:5000
    keep:
      - windows
"""

RETURN = r"""
catalogue:
  description: The file with the images, for C(python3 simulator registry --catalogue).
  returned: success
  type: str
spec:
  description: The file of the spec, none without O(registry).
  returned: success
  type: str
devices:
  description:
    - Hosts of the variants that the spec has. C(image) is what each runs, in the registry, and C(arguments) are options
      of C(simulator device DIR create).
  returned: success
  type: dict
  sample:
    deck-01:
      image: rehearsal/kde:before
      arguments: []
by_version:
  description:
    - Hosts that run the release already, going by its version alone. They were seen with a digest that the spec does
        not name, which on an image of several architectures says nothing.
    - Empty for variants whose real rollout has a ledger in C(rollouts) beside the spec, which knows these digests.
  returned: success
  type: list
  elements: str
  sample: []
reason:
  description: The kind of failure.
  returned: failure
  type: str
  sample: not_simulated
"""
