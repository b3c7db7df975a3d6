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
  - Can also only tell what there is, only download it, or drop what is staged.
  - A host that tracks a digest has no newer content and is left alone.
extends_documentation_fragment:
  - skorionos.bootc._attributes
  - skorionos.bootc._attributes.device
  - skorionos.bootc._fence
attributes:
  check_mode:
    support: full
    details: Looks up what the tracked reference holds, where the device reaches the registry, and says in RV(notes)
      where it could not. If the registry says that there is no such image, it fails as it would without check mode.
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
      - V(absent) drops what is staged, armed or parked. The host tracks again what it runs, and boots that next, or
        the rollback deployment if that is queued. On the composefs backend this needs bootc 1.11.0.
      - V(available) changes nothing and returns RV(newest). It does not use C(bootc upgrade --check), which is no
        reliable answer on ostree and may stage something on composefs.
    type: str
    default: staged
    choices:
      - staged
      - downloaded
      - available
      - absent
  tag:
    description:
      - Follow this tag of the tracked repository instead of the present tag or digest, from now on.
      - bootc records a tag only together with a deployment. So on the ostree backend content that runs already is
        staged once more under the new name. On the composefs backend, and with O(state=downloaded), such content stays
        under the name it has, as RV(notes) says.
      - Before bootc 1.15.0 this is done by a switch, and there is no O(state=downloaded) with it.
      - With O(state=available), only look at this tag.
    type: str
  from_downloaded:
    description:
      - With O(state=staged), arm what is parked without asking the registry whether there is anything newer. For a
        maintenance window in which every device shall boot what was downloaded before.
      - Fails with RV(reason=not_found) if nothing is staged, such as after a reboot.
    type: bool
    default: false
  repeat:
    description:
      - Stage the newest content even if the device was taken back from it with M(skorionos.bootc.bootc_rollback), or if
        a rollback is queued that would not take place then. By default nothing is staged in both cases, and RV(notes)
        says so.
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
  - module: skorionos.bootc.bootc_status
  - module: skorionos.bootc.bootc_switch
  - module: skorionos.bootc.bootc_rollback
  - module: skorionos.bootc.bootc_apply
"""

EXAMPLES = r"""
- name: Ask whether there is an update
  skorionos.bootc.bootc_update:
    state: available
  become: true
  register: update

- name: Say which
  ansible.builtin.debug:
    msg: "{{ update.newest.version }} ({{ update.newest.digest }})"
  when: update.newest.differs_from_booted

- name: Fetch the update over the day
  skorionos.bootc.bootc_update:
    state: downloaded
  become: true

- name: Arm in the maintenance window what was fetched, even if there is something newer by now
  skorionos.bootc.bootc_update:
    from_downloaded: true
  become: true

- name: Stage the newest content
  skorionos.bootc.bootc_update:
  become: true

- name: Follow another channel of the same repository
  skorionos.bootc.bootc_update:
    tag: testing
  become: true

- name: Call off whatever is staged
  skorionos.bootc.bootc_update:
    state: absent
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
newest:
  description: What the tracked image holds now.
  returned: success with O(state=available)
  type: dict
  contains:
    image:
      description: The reference that was looked up.
      type: str
    digest:
      description: Digest of the manifest for the architecture of the device, V(none) if it cannot be looked up.
      type: str
    digests:
      description: All digests by which this content is known. M(skorionos.bootc.bootc_switch) takes them as
        C(accept_digests).
      type: list
      elements: str
    version:
      description: The version the image states, V(none) if it states none or that cannot be looked up.
      type: str
    differs_from_booted:
      description: Whether something else runs, V(none) if that cannot be told.
      type: bool
    differs_from_staged:
      description: Whether something else is staged, V(none) if nothing is or that cannot be told.
      type: bool
  sample:
    image: ghcr.io/acme/deck:stable
    digest: sha256:da5766cba2a05392192d88be7bfedf34255254460a17382d95851ee9cb522162
    digests: ["sha256:da5766cba2a05392192d88be7bfedf34255254460a17382d95851ee9cb522162"]
    version: 2026.08.23
    differs_from_booted: true
    differs_from_staged:
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

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.skorionos.bootc.plugins.module_utils._bootc.device_module import run_call
from ansible_collections.skorionos.bootc.plugins.module_utils._device_modules.bootc_update import OPTIONS, work


def main() -> None:
    run_call(AnsibleModule(argument_spec=OPTIONS, supports_check_mode=True), work)


if __name__ == "__main__":
    main()
