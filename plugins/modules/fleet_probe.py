#!/usr/bin/python
# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# The work is done by the action plugin of the same name.

from __future__ import annotations

DOCUMENTATION = r"""
module: fleet_probe
short_description: Say which hosts are awake, thousands in seconds
version_added: 0.1.0
author:
  - skorionos.bootc contributors (@skorionos)
description:
  - Opens one TCP connection to the ssh port of each host and closes it again, a thousand at a time. A host that does
    not answer within three seconds is asleep. Hosts with the connection P(skorionos.bootc.simulated#connection) are
    looked up in their directories.
  - Host names, ports and ssh arguments are read as Ansible reads them, and the configuration of ssh, that of the user
    and that of the system, as ssh does.
  - A host that cannot be asked this way, because it is reached through a jump host or over another kind of
    connection, is neither awake nor asleep but RV(unknown). Try those.
  - Runs on the controller and logs in nowhere. Give it all hosts at once, with C(run_once) and C(delegate_to).
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
    description: Hosts of the inventory to ask.
    type: list
    elements: str
    required: true
seealso:
  - module: skorionos.bootc.rollout_open
"""

EXAMPLES = r"""
- name: Find out who is awake
  skorionos.bootc.fleet_probe:
    hosts: "{{ ansible_play_hosts_all }}"
  run_once: true
  delegate_to: localhost
  register: fleet_reach

- name: Read the status of everybody else
  skorionos.bootc.bootc_status:
  when: inventory_hostname not in fleet_reach.asleep
"""

RETURN = r"""
awake:
  description: Hosts that answer.
  returned: success
  type: list
  elements: str
  sample: [deck-01]
asleep:
  description: Hosts that do not answer, and what was seen of each.
  returned: success
  type: dict
  sample:
    deck-02: no answer from 192.0.2.7 port 22 within 3 s
unknown:
  description: Hosts that only a try can tell of, and why.
  returned: success
  type: dict
  sample:
    deck-03: it is reached through another host
reason:
  description: V(invalid_host) when a host is not in the inventory.
  returned: failure
  type: str
  sample: invalid_host
"""
