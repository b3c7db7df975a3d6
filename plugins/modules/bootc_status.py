#!/usr/bin/python
# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: bootc_status
short_description: Tell what a bootc host runs and will boot next
version_added: 0.1.0
author: skorionos.bootc contributors (@skorionos)
description:
  - Reads C(bootc status) and returns it in one structure that is the same for every version of bootc and for both
    storage backends, ostree and composefs.
  - On a host that bootc did not deploy, or that has no bootc at all, it succeeds and says so.
  - The same structure becomes the fact C(ansible_facts.bootc), which a fact cache keeps as it does any other. Facts are
    not refreshed by the modules that change the host.
extends_documentation_fragment:
  - skorionos.bootc._attributes
  - skorionos.bootc._attributes.device
  - skorionos.bootc._inhibitors
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
    details: Changes nothing.
  idempotent:
    support: full
options:
  timeout:
    description:
      - Seconds to wait for bootc. On ostree hosts it waits by itself while another bootc, ostree or rpm-ostree command
        runs; then the module fails with RV(reason=busy) instead of hanging.
    type: int
    default: 30
  space:
    description: Also tell how much room there is for deployments, as RV(space).
    type: bool
    default: false
notes:
  - Needs root on bootc hosts, as bootc itself does; without it, the module fails and says so. Other hosts can be asked
    by anybody.
seealso:
  - module: skorionos.bootc.bootc_switch
  - module: skorionos.bootc.bootc_update
  - module: skorionos.bootc.bootc_rollback
  - module: skorionos.bootc.device_health
  - module: skorionos.bootc.bootc_apply
"""

EXAMPLES = r"""
- name: Look at the host
  skorionos.bootc.bootc_status:
  become: true
  register: status

- name: Say what it runs
  ansible.builtin.debug:
    msg: "{{ status.bootc.booted.image }} at {{ status.bootc.booted.digest }}, next boot: {{ status.bootc.next_boot }}"
  when: status.is_bootc

- name: Say later in the same play, or in another one with a fact cache, what waits for a reboot
  ansible.builtin.debug:
    msg: "{{ inventory_hostname }} will boot {{ ansible_facts.bootc.next_boot }}"
  when: ansible_facts.bootc.reboot_required

- name: Ask whether a reboot would come at a bad time
  skorionos.bootc.bootc_status:
    inhibitors:
      - kind: game
      - kind: battery
        percent: 40
  become: true
  register: moment

- name: Say what speaks against it
  ansible.builtin.debug:
    msg: "{{ moment.inhibited_by | map(attribute='detail') | join(', ') }}"
  when: moment.inhibited_by | length > 0
"""

RETURN = r"""
is_bootc:
  description: Whether the host was booted by bootc.
  returned: success
  type: bool
  sample: true
boot_id:
  description: The kernel's identity of this boot, V(none) where it cannot be read.
  returned: always
  type: str
  sample: 4d5a1c7e-7c43-4a41-8f4f-1f8c3f0f6c11
soft_reboots:
  description: How often the user space was restarted since the kernel booted, V(none) where systemd does not tell.
  returned: success
  type: int
  sample: 0
bootc:
  description: The state of the host.
  returned: success
  type: dict
  contains:
    is_bootc:
      description: Whether the host was booted by bootc.
      type: bool
    backend:
      description: The storage backend, V(ostree) or V(composefs), or V(none).
      type: str
    bootc_version:
      description: The version of bootc, V(none) where there is none.
      type: str
    booted:
      description: The running deployment, or V(none). The keys below are those of every slot.
      type: dict
      contains:
        image:
          description: The image reference as the host tracks it.
          type: str
        transport:
          description: Where images come from, usually V(registry).
          type: str
        signature:
          description: The signature demanded for this image, V(none) for no more than the policy of the host.
          type: str
        digest:
          description: Digest of the manifest for the architecture of the host.
          type: str
        version:
          description: Version the image states.
          type: str
        timestamp:
          description: Time the image states, RFC 3339.
          type: str
        architecture:
          description: Architecture in the words of image indexes.
          type: str
        pinned:
          description: Whether the deployment is kept for ever.
          type: bool
        incompatible:
          description: Whether it was changed locally by rpm-ostree.
          type: bool
        soft_reboot_capable:
          description: Whether it can be reached without restarting the kernel, V(none) in states that are predicted.
          type: bool
        download_only:
          description: Whether it is parked and does not boot unless armed.
          type: bool
        deployment:
          description: Identity of the deployment, a checksum with serial on ostree, a verity digest on composefs.
          type: str
    staged:
      description: What an orderly reboot applies, or V(none). Keys as in RV(bootc.booted).
      type: dict
    rollback:
      description: The previous deployment, or V(none). Keys as in RV(bootc.booted).
      type: dict
    others:
      description: Further deployments. Keys as in RV(bootc.booted).
      type: list
      elements: dict
    next_boot:
      description: The slot an orderly reboot boots, V(booted), V(staged), V(rollback) or V(none).
      type: str
    reboot_required:
      description: Whether a reboot would change what runs.
      type: bool
    download_only:
      description: Whether what is staged is parked.
      type: bool
    spec_image:
      description: What an update would follow, with the keys C(image), C(transport) and C(signature), or V(none).
      type: dict
    rollback_queued:
      description: Whether the rollback deployment precedes the running one in the boot order.
      type: bool
    read_only:
      description: Whether the system runs from a medium that cannot be changed.
      type: bool
    usr_overlay:
      description: A writable layer over C(/usr) with its C(access_mode) and C(persistence), or V(none).
      type: dict
    pinned:
      description: Digests of the deployments that are kept for ever.
      type: list
      elements: str
ansible_facts:
  description: Facts to add to those of the host.
  returned: success
  type: dict
  contains:
    bootc:
      description: The same as RV(bootc).
      type: dict
failed_units:
  description: Names of the systemd units that failed, V(none) where systemd does not answer.
  returned: success
  type: list
  elements: str
timezone:
  description: The time zone of the device, V(UTC) where none is set, V(none) where it cannot be told.
  returned: success
  type: str
  sample: Europe/Berlin
space:
  description:
    - Room on the file systems that deployments take, V(none) unless asked for with O(space). A part is V(none) where
      nobody tells.
  returned: success
  type: dict
  contains:
    system:
      description: Where deployments and images are.
      type: dict
      contains:
        mount:
          description: Where it is mounted.
          type: str
        fstype:
          description: Its kind.
          type: str
        total_bytes:
          description: Its size, V(none) where that is not known.
          type: int
        free_bytes:
          description: What is free, V(none) where that is not known.
          type: int
    boot:
      description:
        - Where kernels are, V(none) if on the same or on one that is not mounted. Keys as in RV(space.system).
        - The ESP counts where it is C(/boot), or the boot loader is known to read nothing else.
      type: dict
inhibited_by:
  description: Which of O(inhibitors) would keep the device from being rebooted now.
  returned: success
  type: list
  elements: dict
  sample: [{"kind": "game", "why": "", "detail": "steam 620 running", "unknown": false}]
reason:
  description: The kind of failure. For its kinds and what else a failure returns see M(skorionos.bootc.bootc_switch).
  returned: failure
  type: str
  sample: busy
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.skorionos.bootc.plugins.module_utils._bootc.device_module import run_call
from ansible_collections.skorionos.bootc.plugins.module_utils._device_modules.bootc_status import OPTIONS, work


def main() -> None:
    run_call(AnsibleModule(argument_spec=OPTIONS, supports_check_mode=True), work)


if __name__ == "__main__":
    main()
