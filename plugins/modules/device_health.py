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

import re
from typing import Any, Mapping

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.skorionos.bootc.plugins.module_utils._bootc.client import device_lock
from ansible_collections.skorionos.bootc.plugins.module_utils._bootc.device_module import (
    check_commands,
    run_device_module,
    status_or_none,
    timeout_option,
)
from ansible_collections.skorionos.bootc.plugins.module_utils._device.boot import boot_id
from ansible_collections.skorionos.bootc.plugins.module_utils._device.checks import Asked
from ansible_collections.skorionos.bootc.plugins.module_utils._device.fence import (
    FENCE_OPTION,
    parse_fence,
    try_to_end_claim,
)
from ansible_collections.skorionos.bootc.plugins.module_utils._device.health import BootLimits, Checks, HealthRunner
from ansible_collections.skorionos.bootc.plugins.module_utils._errors import BootcError

UNIT_NAME = re.compile(r"[A-Za-z0-9:_.\\@][A-Za-z0-9:_.\\@-]{0,254}\Z")


def asked_for(checks: list[dict[str, Any]]) -> tuple[Asked, ...]:
    """The option ``checks``; raises BootcError for what would check nothing."""
    commands = check_commands([check["command"] for check in checks if not check["unit"]])
    remaining = iter(commands)
    found = []
    for check in checks:
        unit, seconds = check["unit"] or None, check["timeout"]
        if unit is not None and not UNIT_NAME.match(unit):
            raise BootcError("invalid", f"{unit!r} is no name of a unit", "Give one such as display-manager.service")
        if seconds is not None and seconds <= 0:
            raise BootcError("invalid", f"The timeout {seconds} of a check is not positive", "Give it in seconds")
        command = () if unit is not None else next(remaining)
        found.append(Asked(check["name"] or unit or " ".join(command), command, unit, check["required"], seconds))
    return tuple(found)


def boot_limits(options: Mapping[str, Any], *, remember: bool) -> BootLimits:
    """The options on boots; raises BootcError."""
    limit, slowdown = options["boot_seconds_limit"], options["boot_slowdown_percent"]
    if not 0 <= limit < float("inf") or slowdown < 0:
        raise BootcError("invalid", "A limit on boots is negative or no number", "Give 0 for no limit")
    return BootLimits(limit, slowdown, options["boot_required"], remember)


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "required_dirs": {
                "type": "list",
                "elements": "str",
                "default": ["/etc/greenboot/check/required.d", "/usr/lib/greenboot/check/required.d"],
            },
            "wanted_dirs": {
                "type": "list",
                "elements": "str",
                "default": ["/etc/greenboot/check/wanted.d", "/usr/lib/greenboot/check/wanted.d"],
            },
            "systemd": {"type": "bool", "default": True},
            "known_failed_units": {"type": "list", "elements": "str", "default": []},
            "commands": {"type": "list", "elements": "list", "default": []},
            "checks": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {
                    "name": {"type": "str"},
                    "command": {"type": "list", "elements": "str"},
                    "unit": {"type": "str"},
                    "required": {"type": "bool", "default": True},
                    "timeout": {"type": "int"},
                },
                "mutually_exclusive": [("command", "unit")],
                "required_one_of": [("command", "unit")],
            },
            "greenboot": {"type": "bool", "default": True},
            "boot_seconds_limit": {"type": "float", "default": 0},
            "boot_slowdown_percent": {"type": "int", "default": 0},
            "boot_required": {"type": "bool", "default": True},
            "fence": FENCE_OPTION,
            "timeout": timeout_option(300),
            "settle": {"type": "int", "default": 0},
        },
        supports_check_mode=True,
    )
    options = module.params

    def work() -> dict[str, Any]:
        checks = Checks(
            required_dirs=tuple(options["required_dirs"]),
            systemd=options["systemd"],
            known_failed_units=tuple(options["known_failed_units"]),
            commands=check_commands(options["commands"]),
            wanted_dirs=tuple(options["wanted_dirs"]),
            greenboot=options["greenboot"],
            asked=asked_for(options["checks"]),
            boot=boot_limits(options, remember=not module.check_mode),
        )
        report = HealthRunner().report(checks, options["timeout"], options["settle"], boot_id())
        fence = parse_fence(options["fence"])
        if fence is not None and report.healthy and not module.check_mode:
            try_to_end_claim(fence, device_lock())
        asked_boot = checks.boot.seconds > 0 or checks.boot.slowdown_percent > 0
        return {
            "healthy": report.healthy,
            "checks": [check.as_dict() for check in report.checks],
            "advisories": list(report.advisories),
            "boot_time": report.boot_time.as_dict() if asked_boot else None,
            "failed_units": list(report.failed_units),
            "bootc": status_or_none(),
        }

    run_device_module(module, work)


if __name__ == "__main__":
    main()
