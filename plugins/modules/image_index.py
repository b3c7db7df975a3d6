#!/usr/bin/python
# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: image_index
short_description: Publish images of several platforms under one tag
version_added: 0.1.0
description:
  - Makes an OCI index of images that are in one repository, one for each platform, and puts tags on it. A machine that
    pulls such a tag gets the image for its own architecture.
  - Works through the registry's API alone. The images can be built and pushed on as many machines as there are
    platforms, and this needs no engine.
  - That each image is for the platform it is given for is read from its configuration.
  - The same images and annotations make the same index, byte by byte and in whatever order they are given. So its
    digest is known before, and a second run changes nothing.
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
    description: Where to publish the index, as C(registry[:port]/repository:tag).
    type: str
    required: true
  images:
    description:
      - The digest of each platform's image in the same repository. Platforms are written as
        C(os/architecture[/variant]).
      - Give each of these images a tag of its own too, for example C(kde-v1.0.0-arm64). There are registries whose
        clean-up deletes manifests without a tag, even when an index needs them.
    type: dict
    required: true
  tags:
    description: Further tags for the index in the same repository.
    type: list
    elements: str
    default: []
  annotations:
    description: Annotations of the index.
    type: dict
    default: {}
  expected:
    description:
      - Digest that each of the tags has to have now, or V(absent) for tags that must not be there. When one differs,
        nothing is published, and the failure has the RV(reason) V(conflict). A tag that is on this very index never
        differs.
    type: str
seealso:
  - module: skorionos.bootc.image_push
  - module: skorionos.bootc.image_tag
  - module: skorionos.bootc.image_info
"""

EXAMPLES = r"""
- name: Publish both architectures as one release
  skorionos.bootc.image_index:
    image: registry.example.com/os/skorionos:kde-v1.0.0
    images:
      linux/amd64: sha256:6c3c624b58dbbcd3c0dd82b4c53f04194d1247c6eebdaab7c610cf7d66709b3b
      linux/arm64: sha256:2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae
    tags: [kde-latest]
    annotations:
      org.opencontainers.image.version: 1.0.0
  delegate_to: localhost
"""

RETURN = r"""
image:
  description: Where the index is, with its tag.
  returned: success
  type: str
  sample: registry.example.com/os/skorionos:kde-v1.0.0
digest:
  description: Digest of the index, also in check mode. This is what to pin, sign and promote.
  returned: success
  type: str
  sample: sha256:5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03
platform_digests:
  description: Digest of the image per platform.
  returned: success
  type: dict
  sample:
    linux/amd64: sha256:6c3c624b58dbbcd3c0dd82b4c53f04194d1247c6eebdaab7c610cf7d66709b3b
    linux/arm64: sha256:2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae
before:
  description: Digest of each tag before, V(null) for one that was not there.
  returned: success
  type: dict
  sample:
    kde-v1.0.0: null
moved:
  description: The tags that were, or in check mode would be, put on the index.
  returned: success
  type: list
  elements: str
  sample: [kde-v1.0.0, kde-latest]
reason:
  description:
    - Kind of the failure, for decisions. V(not_found) for an image that is not there, V(platform_mismatch) for one
      that is for another platform, V(conflict) for a tag that is not what was O(expected), V(auth), V(network),
      V(unsupported), V(invalid) for wrong options, V(unexpected) for the rest.
  returned: failure
  type: str
  sample: platform_mismatch
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

from ..module_utils._oci.errors import RegistryError
from ..module_utils._oci.index import compose_index, read_members
from ..module_utils._oci.manifest import Platform, parse_platform
from ..module_utils._oci.module import REGISTRY_ARGUMENTS, registry_client
from ..module_utils._oci.reference import Reference, is_digest, parse_reference
from ..module_utils._oci.tagging import insist_on_tags, put_tags
from ..module_utils._oci.transport import REQUESTS_IMPORT_ERROR


def check_options(params: dict[str, Any]) -> Reference:
    """Return where to publish; raise ValueError for options that cannot be meant."""
    target = parse_reference(params["image"])
    if target.tag is None or target.digest is not None:
        raise ValueError(f"{params['image']} must end with a tag, without a digest. Add one, such as :v1.0.0.")
    insist_on_tags(params["tags"], params["expected"])
    return target


def images_wanted(images: dict[str, Any]) -> dict[Platform, str]:
    """Return the digest per platform; raise ValueError for what is none, and for two names of one platform."""
    if not images:
        raise ValueError("images is empty. Give the digest of at least one platform's image.")
    wanted: dict[Platform, str] = {}
    for name, digest in images.items():
        platform = parse_platform(str(name))
        if not isinstance(digest, str) or not is_digest(digest):
            raise ValueError(f"'{digest}' as the image for {name} is not a digest.")
        if platform in wanted:
            raise ValueError(f"images has more than one image for {platform}. Give one per platform.")
        wanted[platform] = digest
    return wanted


def run(module: AnsibleModule) -> dict[str, Any]:
    """Compose the index, compare it with what is there, and put the tags that differ."""
    params = module.params
    target = check_options(params)
    wanted = images_wanted(params["images"])
    client = registry_client(params, for_push=not module.check_mode)
    members = read_members(client, target, wanted)
    index = compose_index(members, {str(key): str(value) for key, value in params["annotations"].items()})
    tags = [target.tag or "", *params["tags"]]
    done = put_tags(client, target, tags, index, expected=params["expected"], check=module.check_mode)
    platforms = {str(member.platform): member.manifest.digest for member in members}
    return {"image": str(target), "platform_digests": platforms, **done}


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "image": {"type": "str", "required": True},
            "images": {"type": "dict", "required": True},
            "tags": {"type": "list", "elements": "str", "default": []},
            "annotations": {"type": "dict", "default": {}},
            "expected": {"type": "str"},
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
