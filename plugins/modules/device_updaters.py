#!/usr/bin/python
# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: device_updaters
short_description: Keep what updates a device by itself from fighting who manages it, reversibly
version_added: 0.1.0
author: skorionos.bootc contributors (@skorionos)
description:
  - Takes over the timers and services that update the system by themselves, or gives them back as they were.
  - What a unit was before it was taken over is kept on the device in C(/var/lib/skorionos.bootc/updaters.json), which
    outlives updates of the image. So do the masks, as links in C(/etc/systemd/system).
  - The known ones are C(bootc-fetch-apply-updates), C(rpm-ostreed-automatic), C(uupd), C(ublue-update),
    C(eos-autoupdater) and C(sk-chos-tool-autoupdate), each a timer with its service, C(zincati.service) and
    C(atomupd-daemon.service). Units that do not exist are no error.
extends_documentation_fragment:
  - skorionos.bootc._attributes
  - skorionos.bootc._attributes.device
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: full
options:
  state:
    description:
      - V(controlled) stops timers and masks them and the services they start. A timer is stopped first, since systemd
        calls a running one failed when it is masked.
      - A unit whose file is in C(/etc/systemd/system) cannot be masked. It is stopped and disabled.
      - V(released) gives every unit back that is remembered, whatever O(units) and O(leave) say, and touches no other.
        What was masked before stays masked. What was active is started again, but for services that were started by
        their timer, as that would update now.
    type: str
    default: controlled
    choices:
      - controlled
      - released
  units:
    description: Further services, timers, paths or sockets to take over, by their whole names.
    type: list
    elements: str
    default: []
  leave:
    description: Units to leave alone although they are known.
    type: list
    elements: str
    default: []
  stop_running:
    description:
      - Also stop a service that is at work. Without this it is left alone until it has ended and this module runs
        again, and RV(running) names it. A service that stays, such as C(zincati.service), is only taken over with this.
    type: bool
    default: false
  timeout:
    description: Seconds each call of systemd may take.
    type: int
    default: 60
notes:
  - Needs root.
seealso:
  - module: skorionos.bootc.device_facts
  - module: skorionos.bootc.bootc_update
"""

EXAMPLES = r"""
- name: Nothing but this controller updates the device from now on
  skorionos.bootc.device_updaters:
    units: [vendor-updater.timer]
  become: true

- name: Give it back to itself
  skorionos.bootc.device_updaters:
    state: released
  become: true
"""

RETURN = r"""
units:
  description: The units that were looked at, with O(state=released) those that were remembered.
  returned: success
  type: list
  elements: dict
  contains:
    unit:
      description: Its name.
      type: str
    exists:
      description: Whether there is such a unit.
      type: bool
    controlled:
      description: Whether it neither runs nor starts by itself.
      type: bool
    before:
      description: The words of systemd before, C(load), C(active) and C(file_state).
      type: dict
    after:
      description: The same afterwards, in check mode as predicted.
      type: dict
    why:
      description: What it would do, V(none) for one of O(units).
      type: str
running:
  description: Services that are at work and were left alone.
  returned: success
  type: list
  elements: str
commands:
  description: The commands that were run, in check mode those that would be.
  returned: success
  type: list
  elements: list
  sample: [["systemctl", "stop", "--", "uupd.timer"], ["systemctl", "mask", "--", "uupd.timer", "uupd.service"]]
notes:
  description: What is worth knowing about the decision, in sentences.
  returned: success
  type: list
  elements: str
boot_id:
  description: The kernel's identity of this boot.
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
from ansible_collections.skorionos.bootc.plugins.module_utils._bootc.client import device_lock
from ansible_collections.skorionos.bootc.plugins.module_utils._bootc.device_module import (
    run_device_module,
    timeout_option,
)
from ansible_collections.skorionos.bootc.plugins.module_utils._device.control import Wanted, carry_out
from ansible_collections.skorionos.bootc.plugins.module_utils._device.facts.probe import device_run
from ansible_collections.skorionos.bootc.plugins.module_utils._device.units import check_names


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "state": {"type": "str", "default": "controlled", "choices": ["controlled", "released"]},
            "units": {"type": "list", "elements": "str", "default": []},
            "leave": {"type": "list", "elements": "str", "default": []},
            "stop_running": {"type": "bool", "default": False},
            "timeout": timeout_option(60),
        },
        supports_check_mode=True,
    )
    options = module.params

    def work() -> dict[str, Any]:
        wanted = Wanted(
            options["state"], check_names(options["units"]), check_names(options["leave"]), options["stop_running"]
        )
        if module.check_mode:
            return carry_out(wanted, device_run, options["timeout"], check_mode=True)
        with device_lock()(options["timeout"]):
            return carry_out(wanted, device_run, options["timeout"], check_mode=False)

    run_device_module(module, work)


if __name__ == "__main__":
    main()
