#!/usr/bin/python
# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: image_layers
short_description: Tell what images share, and what updates between them cost
version_added: 0.1.0
description:
  - Reads the manifests of images in registries, or in directories, and works out how many bytes they share, and how
    many a device fetches for an update from any release to any later one of the same variant.
  - Sizes are bytes as they are transferred, that is compressed. Only manifests and configurations are read, and with
    O(file_level) the tables of contents of layers. O(contents) reads layers themselves where they have no such table.
    Nothing is pulled, and no engine is needed.
  - Layer level means whole layers, which is what bootc fetches. File level is an estimate for clients that fetch single
    files out of zstd:chunked layers.
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
  images:
    description:
      - The images to look at. Images of the same variant are its releases, in the order given, the oldest first.
      - The newest release of every variant must be there. Older ones that are not are listed as RV(absent).
    type: list
    elements: dict
    required: true
    suboptions:
      image:
        description:
          - The image, as C(registry[:port]/repository[:tag][@digest]). The registry must be named.
          - Or one in an OCI image layout on the host that runs this, such as M(skorionos.bootc.image_archive) writes,
            as C(oci:PATH[:tag][@digest]). Where images of several repositories are in it, C(oci:PATH:repository:tag).
        type: str
        required: true
      variant:
        description: Name of the variant whose release this is. When not given, the image is a variant by itself.
        type: str
      name:
        description:
          - What to call the image in the result. Its reference when not given. Each must have its own.
          - An image that is listed again counts once. Of one by digest that has the name of another, the beginning of
            the digest is added to it.
        type: str
  platform:
    description:
      - Which image of a multi-platform index to look at, as C(os/architecture[/variant]), for example V(linux/arm64).
      - Needed when an index lists several platforms.
    type: str
  rate:
    description: Bytes per second that one device downloads. The default is 50 Mbit/s.
    type: int
    default: 6250000
  devices:
    description: How many devices take each update.
    type: int
    default: 1
  sites:
    description:
      - At how many sites these devices are, if each site has a cache that asks the registry once.
      - When not given, nothing is said on caches.
    type: int
  file_level:
    description:
      - Whether to estimate updates at file level too, for clients that fetch single files out of zstd:chunked layers.
        Today's bootc fetches whole layers.
      - Fetches the table of contents of each such layer by a range request, some megabytes for a large image. Needs
        Python 3.14 or the Python package zstandard.
    type: bool
    default: false
  contents:
    description:
      - Whether to look into the layers too, for bytes that are stored for nothing, and for the packages that an update
        changes. Packages are those of pacman, dpkg and rpm (with an SQLite database).
      - A zstd:chunked layer is not read but its table of contents, if Python 3.14 or the Python package zstandard is
        there. Any other layer is read from the registry from its beginning to its end.
    type: bool
    default: false
  contents_limit:
    description:
      - Bytes of layers without a table of contents that O(contents) may read. With more nothing is looked into, and
        RV(contents_missing) says so.
    type: int
    default: 4000000000
  timeout:
    description: Seconds the registry may take for each step of a request. Each request is tried up to four times.
    type: float
    default: 30
seealso:
  - module: skorionos.bootc.image_info
  - module: skorionos.bootc.image_report
"""

EXAMPLES = r"""
- name: Find out what the desktops share, and what their updates cost
  skorionos.bootc.image_layers:
    images:
      - {variant: kde, image: registry.example.com/os/skorionos:kde-v1.0.0, name: kde 1.0.0}
      - {variant: kde, image: registry.example.com/os/skorionos:kde-v1.1.0, name: kde 1.1.0}
      - {variant: gnome, image: registry.example.com/os/skorionos:gnome-v1.1.0, name: gnome 1.1.0}
    platform: linux/amd64
    rate: 15000000
    devices: 1000
    sites: 20
  delegate_to: localhost
  register: layers

- name: Refuse an update that is too large
  ansible.builtin.assert:
    that: ([0] + (to_newest | map(attribute='layer_level.download') | list)) | max < 1000000000
  vars:
    # Only updates to the newest release of a variant; a first release has none.
    to_newest: "{{ layers.updates | rejectattr('to', 'in', layers.updates | map(attribute='from') | list) }}"
"""

RETURN = r"""
images:
  description: The images that were read, in the order given.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: What the image is called here.
      type: str
    variant:
      description: The variant whose release it is.
      type: str
    image:
      description: Its reference.
      type: str
    digest:
      description: Digest of what the reference names, an index or an image manifest.
      type: str
    platform:
      description: The platform that was looked at.
      type: str
    platform_digest:
      description: Digest of the image manifest of that platform.
      type: str
    same_as:
      description: Name of an earlier image that is the very same, V(none) when there is none. It counts once.
      type: str
    version:
      description: Version that its label C(org.opencontainers.image.version) gives, or empty.
      type: str
    created:
      description: When the image was made, as its configuration says.
      type: str
    size:
      description: Bytes of its layers, each once.
      type: int
    exclusive:
      description: Bytes of layers that no other image in RV(sharing) has. V(none) for older releases.
      type: int
    shared:
      description: Bytes of layers that another image in RV(sharing) has. V(none) for older releases.
      type: int
    wasted:
      description: What the image stores for nothing. V(none) without O(contents), or when RV(contents_missing).
      type: dict
      contains:
        bytes:
          description: Bytes, unpacked, of files that a higher layer deletes or replaces.
          type: int
        stored:
          description: Bytes, unpacked, of all files in all layers.
          type: int
        permille:
          description: The share of the first in the second, rounded down.
          type: int
        files:
          description: Number of these files.
          type: int
        layers:
          description: The layers that hold them, with C(digest) and C(bytes).
          type: list
          elements: dict
        largest:
          description:
            - The twenty largest, with C(path), C(bytes), C(how) (V(deleted) or V(replaced)), and the digests of the
              C(layer) that holds it and of the one it was deleted or replaced C(by).
          type: list
          elements: dict
    packages:
      description: C(manager) and C(count) of the installed packages. V(none) when they are not known.
      type: dict
    layers:
      description: The layers, lowest first, with C(digest), C(size), C(media_type) and C(diff_id).
      type: list
      elements: dict
sharing:
  description: What the newest releases of all variants share.
  returned: success
  type: dict
  contains:
    images:
      description: Names of the images that were counted.
      type: list
      elements: str
    naive:
      description: Bytes if every image were kept for itself.
      type: int
    unique:
      description: Bytes with every layer once, which is what a registry keeps.
      type: int
    saved:
      description: The difference.
      type: int
    saved_permille:
      description: The difference in per mille of C(naive), rounded down.
      type: int
  sample:
    images: [kde, gnome]
    naive: 20500000000
    unique: 12500000000
    saved: 8000000000
    saved_permille: 390
storage:
  description: The same as RV(sharing) for all releases of all variants, which is what the registry keeps for them.
  returned: success
  type: dict
updates:
  description: What a device on one release fetches for a later one of its variant, for every such pair.
  returned: success
  type: list
  elements: dict
  contains:
    variant:
      description: The variant.
      type: str
    from:
      description: Name of the image that the device has.
      type: str
    to:
      description: Name of the image that it gets.
      type: str
    layer_level:
      description: What is fetched when whole layers are, as bootc does.
      type: dict
      contains:
        total:
          description: Bytes of the image.
          type: int
        download:
          description: Bytes of layers that the device does not have.
          type: int
        download_permille:
          description: The same in per mille of the image, rounded down.
          type: int
        download_by_content:
          description: Bytes for a client that recognises a layer that only was compressed in another way.
          type: int
        reused:
          description: Bytes that the device has already.
          type: int
        added_layers:
          description: Number of layers that are fetched.
          type: int
        removed_layers:
          description: Number of layers that are not needed any more.
          type: int
        removed:
          description: Bytes of these.
          type: int
        seconds:
          description: How long the download takes one device.
          type: int
        fleet_bytes:
          description: Bytes that the registry sends to all devices.
          type: int
        fleet_seconds:
          description: How long these take through one line of O(rate).
          type: int
        cached_bytes:
          description: Bytes that the registry sends when every site has a cache. V(none) without O(sites).
          type: int
        cached_seconds:
          description: How long these take through one line of O(rate). V(none) without O(sites).
          type: int
    file_level:
      description:
        - Estimate of what is fetched when single files are. V(none) without O(file_level), or where there is none.
        - Besides C(download), C(download_permille) and the times, as in C(layer_level), it has these.
      type: dict
      contains:
        files:
          description: Bytes of files, as they are packed, whose content is in no file of the image that the device has.
          type: int
        metadata:
          description: Bytes of the tables of contents and of what else belongs to each new layer.
          type: int
        whole_layers:
          description: Bytes of new layers without a table of contents, which are fetched whole.
          type: int
    file_level_missing:
      description: Why there is no estimate at file level. V(none) when there is one, or none was asked for.
      type: str
    packages:
      description:
        - Packages that the update changes, as lists C(added) and C(removed) with C(name) and C(version), and C(changed)
          with C(name), C(from) and C(to), and their C(manager). V(none) when they are not known.
      type: dict
    notes:
      description: What should be known of this update, such as that no layer is reused.
      type: list
      elements: str
absent:
  description: Older releases that are not there, any more or for the platform that is meant.
  returned: success
  type: list
  elements: dict
  contains:
    image:
      description: The reference.
      type: str
    cause:
      description: What was found instead, such as the answer of the registry.
      type: str
contents_missing:
  description: Why nothing is said of contents though O(contents) asked. V(none) otherwise.
  returned: success
  type: str
rate:
  description: The option of this name.
  returned: success
  type: int
devices:
  description: The option of this name.
  returned: success
  type: int
sites:
  description: The option of this name.
  returned: success
  type: int
reason:
  description:
    - Kind of the failure, for decisions. V(auth) for refused credentials, V(network) for a registry that cannot be
      reached or has trouble, V(not_found) for an image that is not there, V(unsupported) for what this module cannot
      read, V(invalid) for a wrong option, V(unexpected) for the rest.
  returned: failure
  type: str
  sample: not_found
"""

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

from ..module_utils._oci.contents_report import read_all, with_contents
from ..module_utils._oci.errors import RegistryError
from ..module_utils._oci.layer_report import Scale, document, gather, read_tables, wanted_images
from ..module_utils._oci.layout_reader import AnyReader
from ..module_utils._oci.manifest import parse_platform
from ..module_utils._oci.module import REGISTRY_ARGUMENTS, registry_client
from ..module_utils._oci.transport import REQUESTS_IMPORT_ERROR
from ..module_utils._oci.zstd import unpacker


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "images": {
                "type": "list",
                "elements": "dict",
                "required": True,
                "options": {
                    "image": {"type": "str", "required": True},
                    "variant": {"type": "str"},
                    "name": {"type": "str"},
                },
            },
            "platform": {"type": "str"},
            "rate": {"type": "int", "default": 6250000},
            "devices": {"type": "int", "default": 1},
            "sites": {"type": "int"},
            "file_level": {"type": "bool", "default": False},
            "contents": {"type": "bool", "default": False},
            "contents_limit": {"type": "int", "default": 4000000000},
            "timeout": {"type": "float", "default": 30},
            **REGISTRY_ARGUMENTS,
        },
        supports_check_mode=True,
    )
    if REQUESTS_IMPORT_ERROR:
        module.fail_json(msg=missing_required_lib("requests"), exception=REQUESTS_IMPORT_ERROR, reason="unsupported")
    params = module.params
    try:
        wanted = wanted_images(params["images"])
        platform = parse_platform(params["platform"]) if params["platform"] else None
        scale = Scale(params["rate"], params["devices"], params["sites"])
        reader = AnyReader(registry_client(params, pulls=True, timeout=params["timeout"]))
        gathered = gather(reader, wanted, platform)
        unpack = unpacker()
        tables = read_tables(reader, gathered.found, unpack) if params["file_level"] else None
        read = read_all(reader, gathered.found, unpack, params["contents_limit"]) if params["contents"] else None
        result = with_contents(document(gathered, scale, tables), gathered.found, read)
    except RegistryError as error:
        module.fail_json(msg=str(error), reason=error.kind)
    except ValueError as error:
        module.fail_json(msg=str(error), reason="invalid")
    module.exit_json(changed=False, **result)


if __name__ == "__main__":
    main()
