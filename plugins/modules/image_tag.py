#!/usr/bin/python
# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: image_tag
short_description: Put tags on an image that is in a registry
version_added: 0.1.0
description:
  - Makes tags of a repository mean the image, or the index of several platforms, with the digest given.
  - The tags get the same manifest, byte by byte, through the registry's API. Nothing is pulled, no engine is needed,
    the digest stays, and signatures of it hold for the new tags too.
  - Tags are compared before they are moved. With O(expected), one that was moved by somebody else meanwhile is left
    alone.
  - A digest that the registry does not have is a failure, before any tag is moved.
author:
  - skorionos.bootc contributors (@skorionos)
extends_documentation_fragment:
  - skorionos.bootc._attributes
  - skorionos.bootc._attributes.registry
  - skorionos.bootc._registry
attributes:
  action_group:
    description: Use V(group/skorionos.bootc.images) in C(module_defaults) to set defaults for this module.
    support: full
    membership:
      - skorionos.bootc.images
  check_mode:
    support: full
  diff_mode:
    support: full
    details: Shows the digest of each tag before and after.
  idempotent:
    support: full
options:
  image:
    description: What to tag, as C(registry[:port]/repository@digest).
    type: str
    required: true
  tags:
    description: Tags in the same repository.
    type: list
    elements: str
    required: true
  expected:
    description:
      - Digest that each of the tags has to have now, or V(absent) for tags that must not be there. When one differs,
        nothing is moved, and the failure has the RV(reason) V(conflict). A tag that has the wanted digest already never
        differs.
      - When not given, tags are moved whatever they are now.
      - Registries cannot compare and write in one step. A tag is read once more right before it is written and right
        after; who writes in between, within some milliseconds, is found out afterwards.
    type: str
  older:
    description:
      - What becomes of a tag whose image has a newer version than the one given here, by the label
        C(org.opencontainers.image.version).
      - With V(move), it is moved like any other. With V(keep), it stays where it is, and there is a warning, so that a
        job that runs again after a newer release does no harm.
      - Versions are compared when both are numbers with dots, such as C(1.10.0) or C(1.10.0-rc1). Of others, such as
        dates and revisions, it cannot be told which is newer, and the tag moves.
    type: str
    choices: [move, keep]
    default: move
seealso:
  - module: skorionos.bootc.image_info
  - module: skorionos.bootc.image_index
  - module: skorionos.bootc.image_push
"""

EXAMPLES = r"""
- name: Give a tested image the tag that the fleet follows
  skorionos.bootc.image_tag:
    image: registry.example.com/os/skorionos@sha256:6c3c624b58dbbcd3c0dd82b4c53f04194d1247c6eebdaab7c610cf7d66709b3b
    tags: [kde-stable]
  delegate_to: localhost

- name: Do so only if it still is what was looked at
  skorionos.bootc.image_tag:
    image: registry.example.com/os/skorionos@sha256:6c3c624b58dbbcd3c0dd82b4c53f04194d1247c6eebdaab7c610cf7d66709b3b
    tags: [kde-stable]
    expected: sha256:2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae
  delegate_to: localhost
"""

RETURN = r"""
image:
  description: What was tagged.
  returned: success
  type: str
  sample: registry.example.com/os/skorionos@sha256:6c3c624b58dbbcd3c0dd82b4c53f04194d1247c6eebdaab7c610cf7d66709b3b
digest:
  description: Its digest, which every one of the tags has now, or in check mode would have, except for those RV(kept).
  returned: success
  type: str
  sample: sha256:6c3c624b58dbbcd3c0dd82b4c53f04194d1247c6eebdaab7c610cf7d66709b3b
before:
  description: Digest of each tag before, V(null) for one that was not there.
  returned: success
  type: dict
  sample:
    kde-stable: sha256:2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae
moved:
  description: The tags that were, or in check mode would be, moved.
  returned: success
  type: list
  elements: str
  sample: [kde-stable]
version:
  description: Version of what was tagged, V(null) when there is none or no tag would move.
  returned: success, with O(older=keep)
  type: str
  sample: 1.0.0
kept:
  description: The tags that stay where they are because of O(older=keep), each with the version it has.
  returned: success, with O(older=keep)
  type: dict
  sample:
    kde-latest: 1.1.0
reason:
  description:
    - Kind of the failure, for decisions. V(not_found) for a digest that is not there, V(conflict) for a tag that is not
      what was O(expected), V(auth), V(network), V(unsupported), V(invalid) for wrong options, V(unexpected) for the
      rest.
  returned: failure
  type: str
  sample: conflict
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

from ..module_utils._oci.errors import RegistryError
from ..module_utils._oci.module import REGISTRY_ARGUMENTS, registry_client
from ..module_utils._oci.reference import Reference, parse_reference
from ..module_utils._oci.tagging import insist_on_tags, put_tags
from ..module_utils._oci.transport import REQUESTS_IMPORT_ERROR


def check_options(params: dict[str, Any]) -> Reference:
    """Return what to tag; raise ValueError for options that cannot be meant."""
    reference = parse_reference(params["image"])
    if reference.digest is None or reference.tag is not None:
        raise ValueError(
            f"{params['image']} must end with a digest, without a tag. What a tag means may change meanwhile."
        )
    if not params["tags"]:
        raise ValueError("tags is empty. Give at least one.")
    insist_on_tags(params["tags"], params["expected"])
    return reference


def run(module: AnsibleModule) -> dict[str, Any]:
    """Compare, then move what differs."""
    reference = check_options(module.params)
    client = registry_client(module.params, for_push=not module.check_mode)
    manifest = client.get_manifest(reference)
    wanted, expected = module.params["tags"], module.params["expected"]
    keep = module.params["older"] == "keep"
    done = put_tags(client, reference, wanted, manifest, expected=expected, check=module.check_mode, keep_newer=keep)
    for tag, version in done.get("kept", {}).items():
        module.warn(
            f"{reference.name}:{tag} stays at {version}, because {done['version']} is older. To move it back on "
            "purpose, use the playbooks demote or promote, which keep a record, or give older=move "
            "(bootc_publish_move_back=true for the playbook publish)."
        )
    return {"image": str(reference), **done}


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "image": {"type": "str", "required": True},
            "tags": {"type": "list", "elements": "str", "required": True},
            "expected": {"type": "str"},
            "older": {"type": "str", "choices": ["move", "keep"], "default": "move"},
            **REGISTRY_ARGUMENTS,
        },
        supports_check_mode=True,
    )
    if REQUESTS_IMPORT_ERROR:
        module.fail_json(msg=missing_required_lib("requests"), exception=REQUESTS_IMPORT_ERROR, reason="unsupported")
    try:
        result = run(module)
    except RegistryError as error:
        module.fail_json(msg=str(error), reason=error.kind)
    except ValueError as error:
        module.fail_json(msg=str(error), reason="invalid")
    module.exit_json(**result)


if __name__ == "__main__":
    main()
