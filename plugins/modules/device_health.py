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
  - Asks systemd for failed units and runs the checks the image or the administrator put on the device, and any given
    here.
  - A device that is not well is data, not a failure of the task. Use RV(healthy).
extends_documentation_fragment:
  - skorionos.bootc._attributes
  - skorionos.bootc._attributes.device
attributes:
  check_mode:
    support: full
    details: Runs the checks as well. They are expected to change nothing.
  diff_mode:
    support: none
    details: Changes nothing.
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

- name: Say what is wrong
  ansible.builtin.debug:
    msg: "{{ health.checks | rejectattr('passed') | map(attribute='detail') }}"
  when: not health.healthy
"""

RETURN = r"""
healthy:
  description: Whether all checks passed.
  returned: success
  type: bool
checks:
  description: What each check said, in the order in which they ran.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: V(systemd), the path of a file or the words of a command.
      type: str
    passed:
      description: Whether it passed.
      type: bool
    detail:
      description: The end of its output, at most 400 characters.
      type: str
    seconds:
      description: How long it took.
      type: float
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

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.skorionos.bootc.plugins.module_utils._bootc.device_module import (
    check_commands,
    run_device_module,
    status_or_none,
    timeout_option,
)
from ansible_collections.skorionos.bootc.plugins.module_utils._device.health import Checks, HealthRunner


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "required_dirs": {
                "type": "list",
                "elements": "str",
                "default": ["/etc/greenboot/check/required.d", "/usr/lib/greenboot/check/required.d"],
            },
            "systemd": {"type": "bool", "default": True},
            "known_failed_units": {"type": "list", "elements": "str", "default": []},
            "commands": {"type": "list", "elements": "list", "default": []},
            "timeout": timeout_option(300),
            "settle": {"type": "int", "default": 0},
        },
        supports_check_mode=True,
    )
    options = module.params

    def work() -> dict[str, Any]:
        checks = Checks(
            tuple(options["required_dirs"]),
            options["systemd"],
            tuple(options["known_failed_units"]),
            check_commands(options["commands"]),
        )
        report = HealthRunner().report(checks, options["timeout"], options["settle"])
        return {
            "healthy": report.healthy,
            "checks": [check.as_dict() for check in report.checks],
            "failed_units": list(report.failed_units),
            "bootc": status_or_none(),
        }

    run_device_module(module, work)


if __name__ == "__main__":
    main()
