#!/usr/bin/python
# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: device_health
short_description: Run the health checks of a device and return what they say
version_added: 0.1.0
author: skorionos.bootc contributors (@skorionos)
description:
  - Asks systemd for failed units, asks greenboot for its verdict, runs the checks the image or the administrator put on
    the device and any given here, and compares how long the boot took.
  - Checks are required or advisory. A device is well if all required ones pass; advisory ones that fail are listed.
  - A device that is not well is data, not a failure of the task. Use RV(healthy).
extends_documentation_fragment:
  - skorionos.bootc._attributes
  - skorionos.bootc._attributes.device
  - skorionos.bootc._fence
attributes:
  check_mode:
    support: full
    details: Runs the checks as well. They are expected to change nothing. What this boot took is not remembered then.
  diff_mode:
    support: none
    details: Changes nothing of the device. The claim of O(fence) is bookkeeping.
  idempotent:
    support: full
options:
  required_dirs:
    description:
      - Directories of executable files that all have to end with exit code 0. They run in name order, directory by
        directory. Equal names do not hide each other. Directories that do not exist are left out.
    type: list
    elements: str
    default:
      - /etc/greenboot/check/required.d
      - /usr/lib/greenboot/check/required.d
  wanted_dirs:
    description:
      - Directories of executable files that should end with exit code 0. Those that do not are advice in
        RV(advisories). They run last.
    type: list
    elements: str
    default:
      - /etc/greenboot/check/wanted.d
      - /usr/lib/greenboot/check/wanted.d
  systemd:
    description:
      - Whether systemd has to have finished starting, with no failed unit besides O(known_failed_units).
    type: bool
    default: true
  known_failed_units:
    description: Units whose failure is known and does not count.
    type: list
    elements: str
    default: []
  commands:
    description: Further commands, each a list of at least one word, that have to end with exit code 0.
    type: list
    elements: list
    default: []
  checks:
    description:
      - Further checks by name, each a command or a unit. All of them share O(timeout).
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: What RV(checks) calls it. The words of the command or the name of the unit when not given.
        type: str
      command:
        description: A program and its arguments, which has to end with exit code 0.
        type: list
        elements: str
      unit:
        description:
          - A unit of systemd that has to be active, or to have ended well if it is one that runs once. One that is
            still starting is waited for.
        type: str
      required:
        description: Whether the device is unwell without it. If not, it is an advice.
        type: bool
        default: true
      timeout:
        description: Seconds it may take, within O(timeout).
        type: int
  greenboot:
    description:
      - Whether the verdict of C(greenboot-healthcheck.service) on this boot is required, where that is installed.
    type: bool
    default: true
  boot_seconds_limit:
    description:
      - Seconds the boot may take from the boot loader to the login, V(0) for no limit. The time of the firmware does
        not count. The login is when C(graphical.target) is reached or, without it, when systemd says that starting
        ended.
      - SkorionOS promises 15 seconds.
    type: float
    default: 0
  boot_slowdown_percent:
    description:
      - By how many percent the boot may have taken longer than the one before it, V(0) for any. The device remembers
        its last boots in C(/var/lib/skorionos.bootc/boot_times.json), those in which this module ran with a limit on
        boots. Without a boot to compare with, the check passes.
    type: int
    default: 0
  boot_required:
    description: Whether the device is unwell when its boot took too long. If not, that is an advice.
    type: bool
    default: true
  timeout:
    description: Seconds one round of all checks may take.
    type: int
    default: 300
  settle:
    description:
      - Seconds the device has to stay well. With more than 0, a device that is well is checked once more after this
        time, and that second round counts.
    type: int
    default: 0
notes:
  - Most checks need root.
  - Output of checks is untrusted text from the device.
seealso:
  - module: skorionos.bootc.bootc_apply
  - module: skorionos.bootc.bootc_rollback
  - module: skorionos.bootc.device_facts
"""

EXAMPLES = r"""
- name: Is the device well, and does it stay so for a minute?
  skorionos.bootc.device_health:
    settle: 60
    known_failed_units:
      - systemd-networkd-wait-online.service
    commands:
      - [flatpak, --version]
  become: true
  register: health

- name: Require the display manager and a quick boot, and advise on the network
  skorionos.bootc.device_health:
    boot_seconds_limit: 15
    boot_slowdown_percent: 50
    checks:
      - unit: display-manager.service
        timeout: 60
      - name: online
        command: [nm-online, -q, -t, "10"]
        required: false
  become: true
  register: health

- name: Say what is wrong
  ansible.builtin.debug:
    msg: "{{ health.checks | rejectattr('passed') | map(attribute='detail') }}"
  when: not health.healthy
"""

RETURN = r"""
healthy:
  description: Whether all required checks passed.
  returned: success
  type: bool
checks:
  description: What each check said, in the order in which they ran.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description:
        - V(systemd), V(greenboot), V(boot_time), V(boot_slowdown), the path of a file, the words of a command, or the
          name it was given.
      type: str
    required:
      description: Whether the device is unwell without it.
      type: bool
    passed:
      description: Whether it passed.
      type: bool
    detail:
      description: The end of its output, at most 400 characters.
      type: str
    seconds:
      description: How long it took.
      type: float
advisories:
  description: Names of the checks that failed without being required.
  returned: success
  type: list
  elements: str
boot_time:
  description:
    - How long this boot took, as in the facts of M(skorionos.bootc.device_facts). V(none) unless
      O(boot_seconds_limit) or O(boot_slowdown_percent) is set.
  returned: success
  type: dict
failed_units:
  description: All failed units, known ones included. Empty with O(systemd=false).
  returned: success
  type: list
  elements: str
boot_id:
  description: The kernel's identity of this boot.
  returned: always
  type: str
bootc:
  description: The state of the host, V(none) if bootc does not answer. See M(skorionos.bootc.bootc_status).
  returned: success
  type: dict
reason:
  description: The kind of failure. For its kinds and what else a failure returns see M(skorionos.bootc.bootc_switch).
  returned: failure
  type: str
  sample: invalid
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.skorionos.bootc.plugins.module_utils._bootc.device_module import run_call
from ansible_collections.skorionos.bootc.plugins.module_utils._device_modules.device_health import OPTIONS, work


def main() -> None:
    run_call(AnsibleModule(argument_spec=OPTIONS, supports_check_mode=True), work)


if __name__ == "__main__":
    main()
