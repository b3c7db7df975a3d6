#!/usr/bin/python
# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: bootc_rollback
short_description: Make a bootc host boot its previous deployment next
version_added: 0.1.0
author: skorionos.bootc contributors (@skorionos)
description:
  - Queues the rollback deployment for the next boot. Never reboots by itself.
  - C(bootc rollback) is a toggle, so that running it twice undoes it. This module describes a state instead. It also
    remembers on the device, in C(/var/lib/skorionos.bootc/rollbacks.json), which content the device was taken back
    from, so that running a playbook again after the reboot does not go forward to the bad content. That is forgotten
    when M(skorionos.bootc.bootc_switch) or M(skorionos.bootc.bootc_update) takes the device forward again.
  - If the rollback deployment boots next already, nothing changes. RV(queued_elsewhere) tells whether it was this
    module that had queued it.
extends_documentation_fragment:
  - skorionos.bootc._attributes
  - skorionos.bootc._attributes.device
  - skorionos.bootc._fence
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: full
    details: Not with O(repeat=true) and a reboot between the runs.
options:
  state:
    description: V(queued) makes the rollback deployment boot next.
    type: str
    default: queued
    choices:
      - queued
  discard_staged:
    description:
      - Going back throws away whatever is staged. The module refuses that, with RV(reason=would_discard), unless this
        is V(true).
    type: bool
    default: false
  repeat:
    description: Go to the rollback deployment even if the device was taken back from it before.
    type: bool
    default: false
  forward:
    description:
      - The rollback deployment is the newer image and wanted now, so this is no way back and is not remembered as one.
      - A host with the composefs backend cannot reach such an image in any other way.
    type: bool
    default: false
  timeout:
    description: Seconds the whole change may take.
    type: int
    default: 120
notes:
  - Needs root.
  - C(/etc) belongs to the deployment. After the reboot the device has the C(/etc) of back then.
seealso:
  - module: skorionos.bootc.bootc_status
  - module: skorionos.bootc.bootc_switch
  - module: skorionos.bootc.bootc_update
  - module: skorionos.bootc.bootc_apply
"""

EXAMPLES = r"""
- name: Go back to the previous image at the next reboot
  skorionos.bootc.bootc_rollback:
    discard_staged: true
  become: true
  register: rollback

- name: Reboot into it
  skorionos.bootc.bootc_apply:
  become: true
  when:
    - rollback.bootc.reboot_required
    - not rollback.queued_elsewhere
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
already_rolled_back:
  description: Whether the device runs what it was taken back to, and the rollback deployment is what it left.
  returned: success
  type: bool
queued_elsewhere:
  description:
    - Whether the rollback deployment boots next although this module did not queue it. Either somebody did that by
      hand, or the boot loader fell back from that deployment, and the next boot goes forward to it again. The state of
      the host does not tell which.
    - To stay on what runs, name it to M(skorionos.bootc.bootc_switch) by its digest.
  returned: success
  type: bool
commands:
  description: The commands that were run, in check mode those that would be.
  returned: success, and failure while or after running a command
  type: list
  elements: list
  sample: [["bootc", "rollback"]]
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
  sample: would_discard
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.skorionos.bootc.plugins.module_utils._bootc.device_module import run_call
from ansible_collections.skorionos.bootc.plugins.module_utils._device_modules.bootc_rollback import OPTIONS, work


def main() -> None:
    run_call(AnsibleModule(argument_spec=OPTIONS, supports_check_mode=True), work)


if __name__ == "__main__":
    main()
