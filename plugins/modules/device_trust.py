#!/usr/bin/python
# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: device_trust
short_description: Have a device accept only signed images from some repositories
version_added: 0.1.0
author: skorionos.bootc contributors (@skorionos)
description:
  - Installs public keys, merges the demand for signatures into C(/etc/containers/policy.json), and has signatures
    looked for beside the images, through files in C(/etc/containers/registries.d). From then on bootc, podman and
    skopeo refuse images of these repositories that none of the keys has signed.
  - Before anything is written, skopeo on the device reads the policy as it will be, and the booted image has to pass
    it. Each file is replaced at once, the keys before the policy that names them. The policy from before is kept as
    C(/etc/containers/policy.json.previous).
  - What others wrote into the policy stays. Where the demand would take the place of a demand of theirs, the module
    fails with RV(reason=would_weaken).
  - On a device that has no policy at all, with which nothing can be pulled, the new one accepts signed images of
    O(repositories) and goes on rejecting all others. An empty or broken policy is refused as V(invalid).
  - Files in the home of root, C(.config/containers/policy.json) and C(.config/containers/registries.d), and the
    variable E(CONTAINERS_POLICY_JSON) take the place of what is in C(/etc). Where one of them is there, a demand would
    decide nothing, so it is refused as V(invalid).
  - All of it is in C(/etc), which outlives updates of the image. A policy that later images bring is not seen any more
    by a device whose policy was edited.
extends_documentation_fragment:
  - skorionos.bootc._attributes
  - skorionos.bootc._attributes.device
attributes:
  check_mode:
    support: full
    details: Tries the policy as well, in a temporary folder.
  diff_mode:
    support: full
  idempotent:
    support: full
options:
  state:
    description:
      - V(present) demands signatures, V(absent) takes back what this module demanded for O(repositories).
    type: str
    default: present
    choices: [present, absent]
  repositories:
    description:
      - Repositories, as C(registry[:port]/repository) without a tag. A shorter beginning, such as
        C(registry/namespace), holds for everything below it.
      - An image of one part on Docker Hub is C(docker.io/library/name) here, as programs look it up.
      - A part of them that this module was told a demand of before keeps its own, with its own keys. RV(notes) names
        those. Where such a part would refuse all that O(keys) sign, the module fails with RV(reason=would_weaken);
        name the part in O(repositories) as well.
    type: list
    elements: str
    required: true
  keys:
    description:
      - Every public key that is accepted. A signature by one of them is enough.
      - A key that the device has and that is not named is withdrawn. At least one of those that it accepts has to stay,
        so that a new key is accepted before the old one is withdrawn.
      - Several keys at a time need skopeo 1.15 or newer on the device.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Name of the key, for its file. A new key needs a new name.
        type: str
        required: true
      content:
        description: The public key, in PEM, as C(cosign generate-key-pair) writes it.
        type: str
        required: true
  check_booted:
    description:
      - Whether the booted image has to pass the new policy before it is written, if it comes from one of
        O(repositories), with O(state=absent) as well. The registry is asked for its signatures only.
      - With O(state=present) it also has to be the demand on O(repositories) that decides about it. Programs may look
        an image up by another name than the one it was given by.
      - Without this a device can be left unable to fetch what it runs, until a signed image is published.
    type: bool
    default: true
  reject_by_default:
    description:
      - Have the default of the policy reject, if it accepts anything, and write down what was the default for each
        transport. So nothing else is accepted or refused than before. O(state=absent) leaves it like that.
      - Bootc demands this before it enforces signatures by itself, see
        O(skorionos.bootc.bootc_switch#module:enforce_signature).
    type: bool
    default: false
  replace:
    description:
      - Take the place of demands that others made, and replace all accepted keys at once if told so.
      - A demand on a part of what another demand of this module holds for has to share a key with that one, too.
    type: bool
    default: false
  timeout:
    description: Seconds that each question to bootc, skopeo or the registry may take.
    type: int
    default: 120
requirements:
  - skopeo 1.15 or newer built with sigstore on the device, which bootc pulls with
notes:
  - Needs root.
  - A simulated device verifies no signatures, so there the files are written without trying them, as RV(notes) says.
seealso:
  - module: skorionos.bootc.image_sign
  - module: skorionos.bootc.image_verify
  - module: skorionos.bootc.bootc_switch
"""

EXAMPLES = r"""
- name: Accept only images that we signed
  skorionos.bootc.device_trust:
    repositories: [registry.example.com/os]
    keys:
      - name: "2026"
        content: "{{ lookup('ansible.builtin.file', 'keys/2026.pub') }}"
  become: true

- name: Accept the next key as well
  skorionos.bootc.device_trust:
    repositories: [registry.example.com/os]
    keys:
      - name: "2026"
        content: "{{ lookup('ansible.builtin.file', 'keys/2026.pub') }}"
      - name: "2027"
        content: "{{ lookup('ansible.builtin.file', 'keys/2027.pub') }}"
  become: true
"""

RETURN = r"""
accepted:
  description: Names of the keys that are accepted.
  returned: success
  type: list
  elements: str
  sample: ["2026", "2027"]
changes:
  description: What changed in the policy, in sentences.
  returned: success
  type: list
  elements: str
  sample: ["Images of registry.example.com/os must be signed now."]
files:
  description: The files that were written or removed, in check mode those that would be.
  returned: success
  type: list
  elements: str
  sample: [/etc/containers/policy.json]
checked:
  description: The images that passed the new policy before it was written. Empty when nothing changed.
  returned: success
  type: list
  elements: str
  sample: ["registry.example.com/os/kde@sha256:6c3c624b58dbbcd3c0dd82b4c53f04194d1247c6eebdaab7c610cf7d66709b3b"]
backup:
  description: Where the policy from before is. V(null) when it did not change, or there was none.
  returned: success
  type: str
  sample: /etc/containers/policy.json.previous
notes:
  description: What is worth knowing, in sentences.
  returned: success
  type: list
  elements: str
boot_id:
  description: The kernel's identity of this boot.
  returned: always
  type: str
reason:
  description:
    - The kind of failure. V(signature) when the booted image would be refused, V(would_weaken), V(unsupported_version)
      when skopeo is too old or built without sigstore. For the others and what else a failure returns see
      M(skorionos.bootc.bootc_switch).
  returned: failure
  type: str
  sample: signature
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.skorionos.bootc.plugins.module_utils._bootc.client import Client, device_lock
from ansible_collections.skorionos.bootc.plugins.module_utils._bootc.device_module import (
    run_device_module,
    timeout_option,
)
from ansible_collections.skorionos.bootc.plugins.module_utils._bootc.lookup import AUTH_FILES
from ansible_collections.skorionos.bootc.plugins.module_utils._bootc.reference import parse_reference, pinned
from ansible_collections.skorionos.bootc.plugins.module_utils._device.root import device_path, is_simulated
from ansible_collections.skorionos.bootc.plugins.module_utils._errors import BootcError
from ansible_collections.skorionos.bootc.plugins.module_utils._trust.install import (
    Found,
    Plan,
    Wanted,
    check,
    concerns,
    find,
    install,
    plan,
    try_out,
)


def booted_images(wanted: Wanted, timeout: float) -> list[str]:
    """Return the booted image by digest, if the demand is going to be on it."""
    booted = Client().status(timeout).booted
    if booted is None or booted.image is None or booted.digest is None or booted.transport != "registry":
        return []
    repository = parse_reference(booted.image).repository
    return [pinned(repository, booted.digest)] if concerns(repository, wanted.repositories) else []


def tried(wanted: Wanted, planned: Plan, check_booted: bool, timeout: float) -> tuple[list[str], list[str]]:
    """Try the plan; return the images that passed, and what is worth knowing."""
    if not planned.changed:
        return [], []
    if is_simulated():
        return [], ["A simulated device verifies no signatures, so the policy was not tried."]
    images = booted_images(wanted, timeout) if check_booted else []
    auth_file = next((place for place in map(device_path, AUTH_FILES) if place.exists()), None)
    try:
        try_out(planned, images, auth_file, timeout, wanted.repositories if wanted.keys else ())
    except BootcError as wrong:
        if images and not wanted.keys:
            wrong.remedy = (
                f"{wrong.remedy}. Nothing was taken back. To do it without asking for the booted image, set "
                "check_booted to false"
            )
        elif images and wrong.kind in ("signature", "not_found"):
            wrong.remedy = (
                f"{wrong.remedy}. Nothing was changed. If it runs an image from before signing began, update it to a "
                "signed one first, or set check_booted to false"
            )
        raise
    notes = []
    if wanted.keys and not images:
        notes.append(
            "The new policy was tried on no image"
            + (", as the booted one is not from these repositories." if check_booted else ".")
        )
    return images, notes


def difference(planned: Plan, found: Found) -> list[dict[str, str]]:
    """Return each file before and after."""
    before = found.by_path()
    entries = [(path, before.get(path, ""), text) for path, text in planned.writes.items()]
    entries += [(path, before.get(path, ""), "") for path in planned.removes]
    return [{"before_header": path, "after_header": path, "before": old, "after": new} for path, old, new in entries]


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "state": {"type": "str", "default": "present", "choices": ["present", "absent"]},
            "repositories": {"type": "list", "elements": "str", "required": True},
            "keys": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "no_log": False,
                "options": {
                    "name": {"type": "str", "required": True},
                    "content": {"type": "str", "required": True},
                },
            },
            "check_booted": {"type": "bool", "default": True},
            "reject_by_default": {"type": "bool", "default": False},
            "replace": {"type": "bool", "default": False},
            "timeout": timeout_option(120),
        },
        supports_check_mode=True,
    )
    options = module.params

    def work() -> dict[str, Any]:
        present = options["state"] == "present"
        repositories, keys = check(options["repositories"], options["keys"] if present else [])
        if present and not keys:
            raise BootcError("invalid", "No key is named", "Name those that are accepted, or set state to absent")
        wanted = Wanted(repositories, keys, options["replace"], present and options["reject_by_default"])
        if module.check_mode:
            return change(wanted)
        with device_lock()(options["timeout"]):
            return change(wanted)

    def change(wanted: Wanted) -> dict[str, Any]:
        found = find()
        planned = plan(wanted, found)
        checked, notes = tried(wanted, planned, options["check_booted"], options["timeout"])
        backup = None
        if planned.changed and not module.check_mode:
            backup = install(planned, found)
        return {
            "changed": planned.changed,
            "accepted": list(wanted.keys),
            "changes": list(planned.changes),
            "files": [*planned.writes, *planned.removes],
            "checked": checked,
            "backup": backup,
            "notes": [*planned.notes, *notes],
            "diff": difference(planned, found),
        }

    run_device_module(module, work)


if __name__ == "__main__":
    main()
