#!/usr/bin/python
# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: bootc_deployments
short_description: Decide which deployments a bootc host keeps
version_added: 0.1.0
author: skorionos.bootc contributors (@skorionos)
description:
  - Keeps the last versions of the system bootable, pins and removes single deployments, and frees what none of them
    uses.
  - By itself a host keeps two deployments, the running one and the one before. With O(keep=3) or more the module pins
    the running deployment and those before it, and removes the oldest that are beyond that number. Run it after an
    update has been verified, as a pin says that a deployment is worth going back to.
  - The running deployment and what is staged are never removed, and the rollback deployment only when O(delete) names
    it or with O(keep=1). Deployments of another stateroot, which is another system on the same disk, are never touched.
  - Which pins are its own the module remembers on the device, in C(/var/lib/skorionos.bootc/pins.json). All others were
    set by a person. They stay, do not count for O(keep), and go only when O(unpin) or O(delete) names them.
  - What bootc and ostree say of the deployments must agree, or nothing is touched.
extends_documentation_fragment:
  - skorionos.bootc._attributes
  - skorionos.bootc._attributes.device
attributes:
  check_mode:
    support: partial
    details:
      - What garbage collection alone would free is not known beforehand on hosts with the ostree backend, nor with
        bootc before 1.16.0. There it is predicted not to change anything. Everything else is predicted exactly.
  diff_mode:
    support: full
  idempotent:
    support: full
options:
  keep:
    description:
      - How many deployments stay bootable, what is staged not counted. Not given, this is left as it is.
      - With V(2) pins that the module set for more go. V(1) removes the rollback deployment, too, and needs
        O(allow_no_rollback=true).
      - A rollback deployment that the host was taken back from is not pinned, so that the next update drops it.
      - With the composefs backend a host cannot keep more than V(2). More is refused with RV(reason=incompatible).
    type: int
  pin:
    description:
      - Deployments to keep until they are named in O(unpin) or O(delete), each by its digest, its version or its id.
        They do not count for O(keep).
      - A name that no deployment has fails with RV(reason=not_found), one that several have with RV(reason=invalid).
      - With the composefs backend there are no pins, and this is refused with RV(reason=incompatible).
    type: list
    elements: str
    default: []
  unpin:
    description:
      - Deployments that are not to be pinned, whoever pinned them. Named as in O(pin). The next update drops them.
      - A name that no deployment has is satisfied already, unless O(strict=true).
    type: list
    elements: str
    default: []
  delete:
    description:
      - Deployments to remove, pinned or not. Named as in O(pin).
      - A name that no deployment has is satisfied already, unless O(strict=true).
    type: list
    elements: str
    default: []
  strict:
    description: Fail with RV(reason=not_found) when no deployment has a name in O(unpin) or O(delete).
    type: bool
    default: false
  collect_garbage:
    description:
      - Free what no deployment uses, even if no deployment was removed. What was removed is always freed.
      - On hosts with the composefs backend this needs bootc 1.14.0.
      - It counts as a change when there was something to free. Where bootc does not tell, that is when at least 1 MB
        more is free afterwards.
    type: bool
    default: false
  allow_no_rollback:
    description: Whether the device may be left with nothing to go back to.
    type: bool
    default: false
  timeout:
    description: Seconds the whole change may take. Freeing much on a slow disk takes minutes.
    type: int
    default: 600
notes:
  - Needs root.
  - Every kernel that is kept takes space in C(/boot) or on the partition of the boot loader.
seealso:
  - module: skorionos.bootc.bootc_status
  - module: skorionos.bootc.bootc_update
  - module: skorionos.bootc.bootc_rollback
"""

EXAMPLES = r"""
- name: Keep the last three versions bootable
  skorionos.bootc.bootc_deployments:
    keep: 3
  become: true

- name: Read what runs
  skorionos.bootc.bootc_status:
  become: true
  register: status

- name: Keep what runs for good
  skorionos.bootc.bootc_deployments:
    pin: ["{{ status.bootc.booted.digest }}"]
  become: true

- name: Get rid of a withdrawn release wherever it is left
  skorionos.bootc.bootc_deployments:
    delete: ["2026.08.01"]
  become: true

- name: Free what no deployment uses
  skorionos.bootc.bootc_deployments:
    collect_garbage: true
  become: true
  register: retention

- name: Say how much that was
  ansible.builtin.debug:
    msg: "{{ retention.freed_bytes | default(0, true) | human_readable }} freed"
"""

RETURN = r"""
deployments:
  description:
    - The deployments afterwards, in check mode the predicted ones. In the order of the boot menu, what is staged first.
  returned: always, if they could be read
  type: list
  elements: dict
  contains:
    id:
      description: Identity of the deployment, a checksum with serial on ostree, a verity digest on composefs.
      type: str
    slot:
      description:
        - V(booted), V(staged), V(rollback), V(other), or V(foreign) for one of another stateroot.
      type: str
    digest:
      description: Digest of its image, V(none) where bootc does not tell.
      type: str
    version:
      description: Version its image states, or V(none).
      type: str
    image:
      description: The image it tracks, or V(none).
      type: str
    stateroot:
      description: Where it belongs to, V(none) on composefs.
      type: str
    pinned:
      description: Whether it is kept for ever.
      type: bool
    pinned_by:
      description:
        - V(keep) for a pin that O(keep) set, V(request) for one that O(pin) set, V(hand) for any other, V(none) for
          none.
      type: str
deployments_before:
  description: The deployments before, with the keys of RV(deployments).
  returned: success, and failure while or after running a command
  type: list
  elements: dict
freed_bytes:
  description:
    - By how much the space for deployments and images has grown, negative if it has shrunk. Others write there as well.
    - V(none) in check mode, and where C(findmnt) does not tell.
  returned: success
  type: int
boot_freed_bytes:
  description: The same for the file system of the kernels, V(none) where they have none of their own.
  returned: success
  type: int
space:
  description: The file systems afterwards, in check mode as they are.
  returned: success
  type: dict
  contains:
    system:
      description: Where deployments and images are, or V(none).
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
space_before:
  description: The file systems before, with the keys of RV(space).
  returned: success
  type: dict
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
  sample: [["ostree", "admin", "pin", "0"], ["ostree", "admin", "undeploy", "3"], ["bootc", "internals", "cleanup"]]
notes:
  description: What is worth knowing about the decision, in sentences.
  returned: success
  type: list
  elements: str
predicted:
  description: The deployments that were expected, with the keys of RV(deployments).
  returned: failure while or after running a command
  type: list
  elements: dict
reason:
  description: The kind of failure. For its kinds and what else a failure returns see M(skorionos.bootc.bootc_switch).
  returned: failure
  type: str
  sample: no_rollback
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.skorionos.bootc.plugins.module_utils._bootc.client import host_client
from ansible_collections.skorionos.bootc.plugins.module_utils._bootc.device_module import (
    run_device_module,
    timeout_option,
)
from ansible_collections.skorionos.bootc.plugins.module_utils._bootc.retention.flow import as_result, retain
from ansible_collections.skorionos.bootc.plugins.module_utils._bootc.retention.plan import Wish


def main() -> None:
    names: dict[str, Any] = {"type": "list", "elements": "str", "default": []}
    module = AnsibleModule(
        argument_spec={
            "keep": {"type": "int"},
            "pin": names,
            "unpin": names,
            "delete": names,
            "strict": {"type": "bool", "default": False},
            "collect_garbage": {"type": "bool", "default": False},
            "allow_no_rollback": {"type": "bool", "default": False},
            "timeout": timeout_option(600),
        },
        supports_check_mode=True,
    )
    options = module.params

    def work() -> dict[str, Any]:
        wish = Wish(
            keep=options["keep"],
            pin=tuple(options["pin"]),
            unpin=tuple(options["unpin"]),
            delete=tuple(options["delete"]),
            strict=options["strict"],
            collect_garbage=options["collect_garbage"],
            allow_no_rollback=options["allow_no_rollback"],
        )
        outcome = retain(host_client(), wish, options["timeout"], check_mode=module.check_mode, warn=module.warn)
        return as_result(outcome, module.check_mode)

    run_device_module(module, work)


if __name__ == "__main__":
    main()
