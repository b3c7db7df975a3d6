#!/usr/bin/python
# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: bootc_update
short_description: Stage or download the newest content of the image a bootc host tracks
version_added: 0.1.0
author: skorionos.bootc contributors (@skorionos)
description:
  - Looks up what the tracked reference holds now and stages it, so that the next orderly reboot boots it. Never reboots
    by itself.
  - A host that tracks a digest has no newer content and is left alone.
extends_documentation_fragment:
  - skorionos.bootc._attributes
  - skorionos.bootc._attributes.device
attributes:
  check_mode:
    support: full
    details: Looks up what the tracked reference holds, where the device reaches the registry, and says in RV(notes)
      where it could not.
  diff_mode:
    support: full
  idempotent:
    support: full
    details: As long as the tracked reference does not move.
options:
  state:
    description:
      - V(staged) makes the newest content boot next. What is parked is armed if it is the newest, and replaced if not.
        Something else that is armed although the newest content already runs is dropped.
      - V(downloaded) makes sure the newest content is on the device without booting it (parked). A reboot drops it, but
        its content stays cached. Newest content that is armed already stays armed, since arming it was a decision of
        its own. So does anything armed while it cannot be looked up what is newest.
      - V(downloaded) needs bootc 1.12.0 on the ostree backend and 1.13.0 on the composefs backend.
    type: str
    default: staged
    choices:
      - staged
      - downloaded
  repeat:
    description:
      - Fetch the newest content even if the device was taken back from it with M(skorionos.bootc.bootc_rollback). By
        default it is left where it was taken, and RV(notes) says so.
      - While what the tracked image holds cannot be looked up, it may be that content.
    type: bool
    default: false
  timeout:
    description: Seconds the whole change may take, download included.
    type: int
    default: 1800
requirements:
  - skopeo on the device, which bootc needs as well
notes:
  - Needs root.
  - On the composefs backend content that is already in the rollback deployment cannot be staged again; then the module
    fails with RV(reason=already_deployed) instead of silently doing nothing as bootc does.
  - An image that was published again under a new digest with the same content is no update to bootc. Nothing changes
    then, and RV(notes) says so.
seealso:
  - module: skorionos.bootc.bootc_switch
  - module: skorionos.bootc.bootc_apply
"""

EXAMPLES = r"""
- name: Fetch the update over the day
  skorionos.bootc.bootc_update:
    state: downloaded
  become: true

- name: Arm it in the maintenance window
  skorionos.bootc.bootc_update:
  become: true
"""

RETURN = r"""
bootc:
  description: The state of the host afterwards, in check mode the predicted one. See M(skorionos.bootc.bootc_status).
  returned: always, if the state could be read
  type: dict
boot_id:
  description: The kernel's identity of this boot.
  returned: always
  type: str
commands:
  description: The commands that were run, in check mode those that would be.
  returned: success, and failure while or after running a command
  type: list
  elements: list
  sample: [["bootc", "upgrade", "--quiet"]]
notes:
  description: What is worth knowing about the decision, in sentences.
  returned: success
  type: list
  elements: str
before:
  description: The state before, for comparison.
  returned: failure while or after running a command
  type: dict
predicted:
  description: The state that was expected.
  returned: failure while or after running a command
  type: dict
reason:
  description: The kind of failure. For its kinds and what else a failure returns see M(skorionos.bootc.bootc_switch).
  returned: failure
  type: str
  sample: network
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.skorionos.bootc.plugins.module_utils._bootc.client import host_client
from ansible_collections.skorionos.bootc.plugins.module_utils._bootc.device_module import (
    change_result,
    run_device_module,
    timeout_option,
)
from ansible_collections.skorionos.bootc.plugins.module_utils._bootc.flow import carry_out, wish_to_update


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "state": {"type": "str", "default": "staged", "choices": ["staged", "downloaded"]},
            "repeat": {"type": "bool", "default": False},
            "timeout": timeout_option(1800),
        },
        supports_check_mode=True,
    )
    options = module.params
    client = host_client()

    def work() -> dict[str, Any]:
        wish = wish_to_update(client, options["state"] == "downloaded", options["repeat"])
        return change_result(
            carry_out(client, wish, options["timeout"], check_mode=module.check_mode, warn=module.warn)
        )

    run_device_module(module, work)


if __name__ == "__main__":
    main()
