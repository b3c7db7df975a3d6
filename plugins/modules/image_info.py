#!/usr/bin/python
# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: image_info
short_description: Tell what a registry has under an image reference
version_added: 0.1.0
description:
  - Reads manifest and configuration of an image from its registry. Nothing is pulled, and no engine is needed.
  - Digests are computed over the bytes the registry sent, and compared with what it promised.
  - An image that is not there is a result (RV(exists) is V(false)), not a failure.
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
    details: Only reads.
  diff_mode:
    support: none
    details: Changes nothing.
  idempotent:
    support: full
options:
  image:
    description:
      - The image, as C(registry[:port]/repository[:tag][@digest]). The registry must be named.
      - Without tag and digest, the tag V(latest) is read. With both, the digest decides.
    type: str
    required: true
  platform:
    description:
      - Which image of a multi-platform index to describe, as C(os/architecture[/variant]), for example V(linux/arm64).
      - When not given, an index of several platforms is described without RV(layers), RV(labels) and so on.
      - When given, an image for other platforms only does not count as there.
    type: str
  list_tags:
    description: Whether to list every tag of the repository as RV(tags).
    type: bool
    default: false
  timeout:
    description: Seconds the registry may take for each step of a request. Each request is tried up to four times.
    type: float
    default: 30
seealso:
  - module: skorionos.bootc.image_push
  - module: skorionos.bootc.image_build
"""

EXAMPLES = r"""
- name: Find out which image the stable channel is
  skorionos.bootc.image_info:
    image: registry.example.com/os/skorionos:kde-stable
    platform: linux/amd64
  delegate_to: localhost
  register: stable

- name: Show its digest and size
  ansible.builtin.debug:
    msg: "{{ stable.digest }}: {{ stable.size | human_readable }} in {{ stable.layers | length }} layers"
  when: stable.exists
"""

RETURN = r"""
exists:
  description: Whether the registry has such an image.
  returned: success
  type: bool
  sample: true
image:
  description: The reference that was asked for.
  returned: success
  type: str
  sample: registry.example.com/os/skorionos:kde-stable
digest:
  description: Digest of what the reference names, an image manifest or an index. This is what to pin.
  returned: when RV(exists)
  type: str
  sample: sha256:6c3c624b58dbbcd3c0dd82b4c53f04194d1247c6eebdaab7c610cf7d66709b3b
platform_digests:
  description:
    - Digest of the image manifest per platform.
    - For an image that is no index, its only platform with RV(digest).
  returned: when RV(exists)
  type: dict
  sample:
    linux/amd64: sha256:6c3c624b58dbbcd3c0dd82b4c53f04194d1247c6eebdaab7c610cf7d66709b3b
media_type:
  description: Media type of what the reference names.
  returned: when RV(exists)
  type: str
  sample: application/vnd.oci.image.manifest.v1+json
annotations:
  description: Annotations of what the reference names.
  returned: when RV(exists)
  type: dict
  sample: {}
config_digest:
  description: Digest of the image's configuration, which container engines show as the image's id.
  returned: when RV(exists), and one platform was found or chosen
  type: str
  sample: sha256:2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae
created:
  description: When the image was made, as its configuration says. V(null) when it does not say.
  returned: when RV(exists), and one platform was found or chosen
  type: str
  sample: "1970-01-01T00:00:00Z"
labels:
  description: Labels of the image.
  returned: when RV(exists), and one platform was found or chosen
  type: dict
  sample:
    containers.bootc: "1"
layers:
  description: Layers of the image, lowest first.
  returned: when RV(exists), and one platform was found or chosen
  type: list
  elements: dict
  contains:
    digest:
      description: Digest of the layer as it is transferred.
      type: str
    size:
      description: Bytes that are transferred.
      type: int
    media_type:
      description: Media type, which tells the compression.
      type: str
size:
  description: Bytes of all layers as they are transferred, each layer once.
  returned: when RV(exists), and one platform was found or chosen
  type: int
  sample: 29233267
tags:
  description: Every tag of the repository, sorted. Empty when there is no such repository.
  returned: when O(list_tags=true)
  type: list
  elements: str
  sample: [kde-latest, kde-stable, kde-v1.0.0]
reason:
  description:
    - Kind of the failure, for decisions. V(auth) for refused credentials, V(network) for a registry that cannot be
      reached or has trouble, V(unsupported) for what this module cannot read, V(invalid) for a wrong option,
      V(unexpected) for the rest.
  returned: failure
  type: str
  sample: network
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

from ..module_utils._oci.client import RegistryClient
from ..module_utils._oci.errors import NOT_FOUND, RegistryError
from ..module_utils._oci.layers import total_size
from ..module_utils._oci.manifest import parse_platform
from ..module_utils._oci.module import REGISTRY_ARGUMENTS, registry_client
from ..module_utils._oci.reading import Resolved
from ..module_utils._oci.reference import Reference, parse_reference
from ..module_utils._oci.transport import REQUESTS_IMPORT_ERROR


def describe(resolved: Resolved) -> dict[str, Any]:
    """Turn what a registry has into the module's result."""
    found: dict[str, Any] = {
        "exists": True,
        "digest": resolved.digest,
        "platform_digests": dict(resolved.platform_digests),
        "media_type": resolved.media_type,
        "annotations": dict(resolved.annotations),
    }
    if resolved.manifest is not None and resolved.config is not None:
        layers = resolved.manifest.layers
        found.update(
            config_digest=resolved.manifest.config.digest,
            created=resolved.config.get("created"),
            labels=(resolved.config.get("config") or {}).get("Labels") or {},
            layers=[{"digest": x.digest, "size": x.size, "media_type": x.media_type} for x in layers],
            size=total_size(layers),
        )
    return found


def tags_of(client: RegistryClient, reference: Reference) -> list[str]:
    """Return the tags of a repository, none when there is no such repository."""
    try:
        return client.list_tags(reference)
    except RegistryError as error:
        if error.kind == NOT_FOUND:
            return []
        raise


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "image": {"type": "str", "required": True},
            "platform": {"type": "str"},
            "list_tags": {"type": "bool", "default": False},
            "timeout": {"type": "float", "default": 30},
            **REGISTRY_ARGUMENTS,
        },
        supports_check_mode=True,
    )
    if REQUESTS_IMPORT_ERROR:
        module.fail_json(msg=missing_required_lib("requests"), exception=REQUESTS_IMPORT_ERROR, reason="unsupported")
    result: dict[str, Any] = {"changed": False, "image": module.params["image"], "exists": False}
    try:
        reference = parse_reference(module.params["image"])
        platform = parse_platform(module.params["platform"]) if module.params["platform"] else None
        client = registry_client(module.params, pulls=True, timeout=module.params["timeout"])
        try:
            result.update(describe(client.resolve(reference, platform)))
        except RegistryError as error:
            if error.kind != NOT_FOUND:
                raise
        if module.params["list_tags"]:
            result["tags"] = tags_of(client, reference)
    except RegistryError as error:
        module.fail_json(msg=str(error), reason=error.kind)
    except ValueError as error:
        module.fail_json(msg=str(error), reason="invalid")
    module.exit_json(**result)


if __name__ == "__main__":
    main()
