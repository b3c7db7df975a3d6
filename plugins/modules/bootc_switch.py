#!/usr/bin/python
# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: bootc_switch
short_description: Make a bootc host boot a given image next
version_added: 0.1.0
author: skorionos.bootc contributors (@skorionos)
description:
  - Stages an image, so that the next orderly reboot boots it. Never reboots by itself.
  - Content decides. Where a digest is given or can be looked up, a host that already boots this content next is left
    alone, whatever the name it knows it by.
  - A tag is also a name to track. On the ostree backend a host that knows the content of the tag by another name gets
    it staged once more under the new name. On the composefs backend bootc cannot do that, and the host keeps tracking
    the old name, as RV(notes) says.
  - If the host already runs the wanted content while something else is staged, or a rollback is queued, that is taken
    back. The device remembers from which rollback deployment, so that M(skorionos.bootc.bootc_rollback) does not go
    there later.
  - On the composefs backend one content is deployed only once, whatever its digest. If bootc finds the wanted content
    in the deployment that boots next anyway, nothing changes, and RV(same_content) says so. If it finds it in another
    deployment, the module fails with RV(reason=already_deployed) and says how to boot that one.
extends_documentation_fragment:
  - skorionos.bootc._attributes
  - skorionos.bootc._attributes.device
  - skorionos.bootc._fence
attributes:
  check_mode:
    support: full
    details: Looks up the image, where the device reaches the registry, and says in RV(notes) where it could not. If the
      registry says that there is no such image, it fails as it would without check mode.
  diff_mode:
    support: full
  idempotent:
    support: full
options:
  image:
    description:
      - The image, as C(host/name:tag), C(host/name@sha256:...) or both, in which case the digest counts.
      - A tag alone that the host already tracks is left alone even if it has moved. Moving on is an update, see
        M(skorionos.bootc.bootc_update).
      - For another O(transport) it is what that transport expects, such as a path.
    type: str
    required: true
  transport:
    description: Where the image comes from.
    type: str
    default: registry
    choices:
      - registry
      - oci
      - oci-archive
      - containers-storage
      - docker-archive
      - docker-daemon
      - dir
  enforce_signature:
    description:
      - Demand a valid signature beyond the policy of the host, now and at every update. Hosts on the composefs backend
        apply only their policy and do not keep this demand.
      - V(false) demands nothing for a new image, and leaves the demand as it is for the image that is tracked already.
    type: bool
    default: false
  retain:
    description: Keep the image of the running deployment in the storage of the host after the switch, so that going
      back to it by name downloads nothing.
    type: bool
    default: false
  accept_digests:
    description:
      - Digests that count as the wanted content, usually that of a multi-architecture index and those of its members.
        With this the device asks the registry nothing before it decides, unless O(image) is a tag that it would have to
        fetch.
      - If the tag does not hold any of them, nothing is touched and the module fails with RV(reason=not_found).
    type: list
    elements: str
    default: []
  came_back_from:
    description:
      - Digest of content that the host left by itself, or was made to leave, for what it runs. When it stays there, it
        remembers that, so that M(skorionos.bootc.bootc_rollback) and M(skorionos.bootc.bootc_update) do not take it
        there again unasked.
    type: str
  parked:
    description:
      - Download and stage the image, and lock it, so that no reboot applies it, whoever asks for that. A reboot drops
        what is parked; its layers stay on the device. The same task without this arms it, and downloads nothing.
      - What is armed already is locked as well. Between the staging and the lock there is a moment in which a reboot
        would apply it.
      - Only on the ostree backend, with bootc 1.12 or newer (RV(reason=unsupported_version)).
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
seealso:
  - module: skorionos.bootc.bootc_status
  - module: skorionos.bootc.bootc_update
  - module: skorionos.bootc.bootc_apply
  - module: skorionos.bootc.bootc_rollback
"""

EXAMPLES = r"""
- name: Run exactly this image from the next reboot on
  skorionos.bootc.bootc_switch:
    image: ghcr.io/acme/deck@sha256:da5766cba2a05392192d88be7bfedf34255254460a17382d95851ee9cb522162
  become: true

- name: Follow another channel
  skorionos.bootc.bootc_switch:
    image: ghcr.io/acme/deck:testing
  become: true
  register: switched

- name: Reboot into it
  skorionos.bootc.bootc_apply:
  become: true
  when: switched.bootc.reboot_required

- name: Have an image ready for the night, whoever reboots the device before that
  skorionos.bootc.bootc_switch:
    image: ghcr.io/acme/deck@sha256:da5766cba2a05392192d88be7bfedf34255254460a17382d95851ee9cb522162
    parked: true
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
  sample: [["bootc", "switch", "--quiet", "ghcr.io/acme/deck:testing"]]
same_content:
  description: Set if bootc finds the wanted content the same as that of a deployment the host has under another digest,
    and which boots next. V(booted) or V(staged), the deployment in question, else V(none). That deployment keeps its
    name and digest.
  returned: success
  type: str
  sample: booted
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
  description: The kind of failure, one of V(not_bootc), V(read_only), V(incompatible), V(busy), V(fenced), V(auth),
    V(network), V(not_found), V(signature), V(no_space), V(no_rollback), V(would_discard), V(unsupported_version),
    V(already_deployed), V(timeout), V(invalid) and V(unexpected).
  returned: failure
  type: str
  sample: already_deployed
command:
  description: The command that failed, or after which the state was not as expected.
  returned: failure of a command
  type: list
  elements: str
detail:
  description: The end of what it wrote to stderr, at most 2000 characters.
  returned: failure of a command that wrote something
  type: str
claim:
  description: Which rollout holds the device, as C(/var/lib/skorionos.bootc/rollout.json) on it says.
  returned: failure with RV(reason=fenced)
  type: dict
deployment:
  description: The deployment that has the wanted content already, in the words of
    RV(skorionos.bootc.bootc_status#module:bootc.booted.deployment).
  returned: failure with RV(reason=already_deployed) that was found before anything was run
  type: str
deployments:
  description: The deployments besides the running and the previous one, with which bootc cannot roll back.
  returned: failure with RV(reason=no_rollback) for that cause
  type: list
  elements: str
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.skorionos.bootc.plugins.module_utils._bootc.device_module import run_call
from ansible_collections.skorionos.bootc.plugins.module_utils._device_modules.bootc_switch import OPTIONS, work


def main() -> None:
    run_call(AnsibleModule(argument_spec=OPTIONS, supports_check_mode=True), work)


if __name__ == "__main__":
    main()
