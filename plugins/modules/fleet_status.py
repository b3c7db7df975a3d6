#!/usr/bin/python
# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# The work is done by the action plugin of the same name.

from __future__ import annotations

DOCUMENTATION = r"""
module: fleet_status
short_description: Show who runs what
version_added: 0.1.0
author:
  - skorionos.bootc contributors (@skorionos)
description:
  - Prints a table of devices from what M(skorionos.bootc.bootc_status) answered, and returns it as data.
  - Asks no device anything itself. Who did not answer is shown with what O(memory) has of it, and since when it is
    silent.
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
  hosts:
    description: Hosts to show.
    type: list
    elements: str
    required: true
  variable:
    description: Name of the variable in which each host's answer was registered.
    type: str
    required: true
  asleep:
    description:
      - Hosts that were not asked because they do not answer, each with why, as M(skorionos.bootc.fleet_probe) says.
    type: dict
    default: {}
  memory:
    description:
      - File in which what was seen is kept for the next time, and for P(skorionos.bootc.fleet#inventory). It need not
        exist. Nothing is kept when not given. Hosts that are in no inventory any more are forgotten.
      - Where it cannot be written there is a warning. That it is written does not count as a change.
    type: path
  beside_inventory:
    description:
      - Keep what was seen of each host where the fleet inventory that it is from looks for it, in C(.NAME-status.json)
        beside the inventory file C(NAME.yml), or in the file that its variable C(bootc_status_memory) names. Nothing is
        kept of a host for which that is empty, or which is from no file. O(memory) does not count then.
    type: bool
    default: false
  ledger:
    description:
      - Directory of the ledgers of rollouts. A device that runs something else than what its last rollout left it with
        has drifted. When not given, what O(memory) knows of that counts.
      - When it holds no rollout, or one that cannot be read, there is a warning, and again what O(memory) knows counts.
    type: path
  format:
    description:
      - How to show the fleet. V(json) has the rows as they are returned; V(csv) has one line for each, in which texts
        that a spreadsheet would take for a formula begin with an apostrophe.
    type: str
    choices: [table, json, csv]
    default: table
  output:
    description:
      - File or named pipe to write instead of the terminal. What leads to C(/dev/stdout) or C(/dev/stderr) is refused
        with RV(reason=unwritable), because plugins run in processes of their own that have neither.
    type: path
  page:
    description:
      - HTML file to write besides, which opens offline. The same paths as for O(output) are refused. It has all of this
        and what is known of free space. With O(ledger) it also has the rollouts, how far the current one is and why it
        is held, what happened to each device, and how long downloads and reboots took.
      - That it is written does not count as a change, because it says when it was made.
    type: path
seealso:
  - plugin: skorionos.bootc.fleet
    plugin_type: inventory
  - module: skorionos.bootc.fleet_probe
  - module: skorionos.bootc.bootc_status
"""

EXAMPLES = r"""
- name: Show who runs what
  skorionos.bootc.fleet_status:
    hosts: "{{ ansible_play_hosts_all }}"
    variable: bootc_fleet_answer
    memory: /srv/fleet/.fleet-status.json
  run_once: true

- name: Show it in a browser as well
  skorionos.bootc.fleet_status:
    hosts: "{{ ansible_play_hosts_all }}"
    variable: bootc_fleet_answer
    memory: /srv/fleet/.fleet-status.json
    ledger: /srv/fleet/rollouts
    page: /srv/fleet/fleet.html
  run_once: true
"""

RETURN = r"""
reason:
  description: The kind of failure, such as V(unwritable) or V(invalid_memory).
  returned: failure
  type: str
  sample: unwritable
fleet:
  description: One entry per host. Of one that did not answer it says what was seen last.
  returned: success
  type: list
  elements: dict
  contains:
    host:
      description: Name in the inventory.
      type: str
    variant:
      description: Its variable C(bootc_variant).
      type: str
    reachable:
      description: Whether it answered.
      type: bool
    is_bootc:
      description: Whether it is booted by bootc.
      type: bool
    backend:
      description: V(ostree) or V(composefs).
      type: str
    bootc_version:
      description: Version of its bootc.
      type: str
    booted:
      description: What it runs. See M(skorionos.bootc.bootc_status).
      type: dict
    staged:
      description: What is staged.
      type: dict
    rollback:
      description: What it can go back to.
      type: dict
    others:
      description: Further deployments.
      type: list
      elements: dict
    pinned:
      description: Digests of the deployments that are kept for ever.
      type: list
      elements: str
    space:
      description:
        - C(total_bytes) and C(free_bytes) of the file systems C(system) and C(boot), if M(skorionos.bootc.bootc_status)
          was asked for its O(skorionos.bootc.bootc_status#module:space).
      type: dict
    next_boot:
      description: V(booted), V(staged) or V(rollback).
      type: str
    reboot_required:
      description: Whether something else boots next.
      type: bool
    message:
      description: Why it did not answer or its status is unknown, as far as somebody said.
      type: str
    seen_at:
      description: When it last told its status, V(none) when it never did.
      type: str
      sample: "2026-08-01T04:10:00.000Z"
    unreachable_since:
      description: Since when it has not answered, V(none) when it does.
      type: str
    drifted:
      description:
        - Whether it runs something else than what its last rollout left it with. Of one that did not answer, whether it
          did when it was last seen; of one that answered and could not tell it is not known, and V(false).
      type: bool
    known_bugs:
      description: What is known to be wrong with its version of bootc.
      type: list
      elements: str
"""
