#!/usr/bin/python
# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: device_facts
short_description: Tell what a device is made of and what it is doing
version_added: 0.1.0
author: skorionos.bootc contributors (@skorionos)
description:
  - Gathers what decides whether and when a device may be updated. Hardware, product, space, power, metered network, who
    is logged in and plays, how long the boot took, whether the system still is what its image brought, and timers that
    would update it behind the back of whoever manages it.
  - One execution. It never fails because something cannot be found out; that is V(none) in the answer.
  - When everything was gathered, the answer is also the fact C(ansible_facts.bootc_device), which fact caches keep. A
    part of it never replaces the whole.
extends_documentation_fragment:
  - skorionos.bootc._attributes
  - skorionos.bootc._attributes.device
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
    details: Changes nothing.
  idempotent:
    support: full
  platform:
    details: Answers on any Linux. Needs Python 3.8 or newer there, and nothing else.
options:
  gather:
    description: Which facts to gather. Naming those that are wanted is quicker.
    type: list
    elements: str
    choices: [all, hardware, storage, power, network, sessions, boot, updaters, integrity]
    default: [all]
  timeout:
    description: Seconds all of it may take. What was not answered by then is V(none).
    type: int
    default: 60
notes:
  - Without root, differences in C(/etc) on composefs and games of other users may remain unknown.
  - Names and texts come from the device and are untrusted.
seealso:
  - module: skorionos.bootc.bootc_status
  - module: skorionos.bootc.device_health
"""

EXAMPLES = r"""
- name: Know the device
  skorionos.bootc.device_facts:
  become: true

- name: Leave devices alone that run from a battery below 30 percent
  ansible.builtin.meta: end_host
  when:
    - ansible_facts.bootc_device.power.source == 'battery'
    - (ansible_facts.bootc_device.power.battery_percent or 0) < 30

- name: Ask only for what changes quickly
  skorionos.bootc.device_facts:
    gather: [power, network, sessions]
  become: true
  register: now

- name: Say who plays
  ansible.builtin.debug:
    msg: "{{ now.device.sessions.games }}"
  when: (now.device.sessions.games or []) | length > 0
"""

RETURN = r"""
device:
  description: The facts by subset; only those that were asked for.
  returned: success
  type: dict
  contains:
    hardware:
      description: What the device is made of.
      type: dict
      contains:
        architecture:
          description: The architecture as image manifests call it.
          type: str
          sample: amd64
        machine:
          description: The architecture as the kernel calls it.
          type: str
          sample: x86_64
        memory_bytes:
          description: Memory the kernel can use. Firmware and graphics keep some of what is built in.
          type: int
        product:
          description:
            - C(vendor), C(name), C(version), C(board_vendor), C(board_name) as the firmware has them; C(virtual); and
              C(family), one of V(steam_deck), V(rog_ally), V(legion_go), V(ayaneo), V(gpd), V(onexplayer), V(msi_claw),
              V(generic), V(vm). Serial numbers are not read.
          type: dict
        gpus:
          description: Each graphics card with C(card), C(vendor), C(vendor_id), C(device_id) and kernel C(driver).
          type: list
          elements: dict
        mesa:
          description: Whether Mesa is C(installed), its C(version), and the C(vulkan_drivers) there are.
          type: dict
    storage:
      description:
        - The file systems C(system) (where deployments are), C(var), C(boot) and C(esp), each with C(mount), C(fstype),
          C(total_bytes) and C(free_bytes), or V(none) where it is not mounted.
      type: dict
    power:
      description: C(source) (V(mains) or V(battery)), C(has_battery), C(battery_percent) and C(battery_status).
      type: dict
    network:
      description: Whether traffic is C(metered), and whether that is C(guessed).
      type: dict
    sessions:
      description:
        - The C(list) of sessions, that of this very connection being C(own); how many C(people) are logged in; running
          C(games) with C(name), C(pid) and Steam's C(app_id); whether C(gamescope) draws a session.
      type: dict
    boot:
      description:
        - Seconds of this boot as C(systemd-analyze) splits them, C(firmware_seconds), C(loader_seconds),
          C(kernel_seconds), C(initrd_seconds), C(userspace_seconds) and C(total_seconds); when C(graphical.target) was
          reached, C(graphical_seconds); and C(to_login_seconds), which leaves the firmware out.
      type: dict
    updaters:
      description:
        - Units that update the system by themselves, each with C(unit), C(active), C(enabled), C(masked), and C(rival)
          when it will act. Units that are not installed are left out.
      type: list
      elements: dict
    integrity:
      description:
        - C(backend) (V(ostree) or V(composefs)), C(root_read_only), C(usr_read_only), C(composefs), C(fs_verity)
          (V(required), V(optional) or V(off)), C(usr_overlay), and in C(etc) how C(/etc) differs from the image, with
          C(count), C(complete), and at most 100 C(entries) of C(path) and C(change).
      type: dict
boot_id:
  description: The kernel's identity of this boot, V(none) where it cannot be read.
  returned: always
  type: str
reason:
  description: The kind of failure. For its kinds and what else a failure returns see M(skorionos.bootc.bootc_switch).
  returned: failure
  type: str
  sample: invalid
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.skorionos.bootc.plugins.module_utils._bootc.device_module import (
    run_device_module,
    timeout_option,
)
from ansible_collections.skorionos.bootc.plugins.module_utils._device.facts.gather import SUBSETS, gather
from ansible_collections.skorionos.bootc.plugins.module_utils._device.facts.probe import device_run


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "gather": {
                "type": "list",
                "elements": "str",
                "choices": [
                    "all",
                    "hardware",
                    "storage",
                    "power",
                    "network",
                    "sessions",
                    "boot",
                    "updaters",
                    "integrity",
                ],
                "default": ["all"],
            },
            "timeout": timeout_option(60),
        },
        supports_check_mode=True,
    )
    asked = module.params["gather"]

    def work() -> dict[str, Any]:
        device = gather(device_run, SUBSETS if "all" in asked else asked, module.params["timeout"])
        result: dict[str, Any] = {"device": device}
        if set(device) == set(SUBSETS):
            result["ansible_facts"] = {"bootc_device": device}
        return result

    run_device_module(module, work)


if __name__ == "__main__":
    main()
