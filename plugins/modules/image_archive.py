#!/usr/bin/python
# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: image_archive
short_description: Carry images with their signatures to a place without network
version_added: 0.1.0
description:
  - With O(state=exported), copies images from registries into one directory, an OCI image layout. Layers that images
    share are in it once. Everything about the images, such as signatures and lists of packages, comes along.
  - With O(state=imported), brings such a directory into another registry. Manifests and blobs stay the same byte by
    byte, so digests do. Signatures still name the repository that they were made for, which devices may insist on.
  - No container engine is needed. Blobs are transferred piece by piece, so memory does not limit their size, and every
    one is verified by its digest.
  - Nobody else exports to a directory while this works on it, or imports from it while an export does. That fails at
    once, with the RV(reason) V(busy).
  - An export that was interrupted goes on where it stopped. After it, the directory holds exactly the images asked for.
    What others in it had and these have not is removed.
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
    details: Tells what would be transferred. Verifies what it would import, with O(keys) also who signed it.
  diff_mode:
    support: none
  idempotent:
    support: full
options:
  state:
    description: Whether to fill the archive or to bring what it has into a registry.
    type: str
    choices: [exported, imported]
    required: true
  path:
    description: The directory. An export makes it, and refuses one that has other things in it.
    type: path
    required: true
  images:
    description:
      - With O(state=exported), the images, as C(registry[:port]/repository:tag), with a digest behind it if that is to
        be exactly this one. Of a multi-platform index, all platforms are taken.
      - Images of several registries may be in one archive, unless their repositories have the same path.
    type: list
    elements: str
    default: []
  without:
    description:
      - With O(state=exported), images that the other side has already in the same repository, such as those of the
        release before. Layers that they have are left out, so the archive takes what is new, and other tools cannot use
        it alone.
      - An import at a site that does not have them fails, and names what is missing.
    type: list
    elements: str
    default: []
  target:
    description:
      - With O(state=imported), the repository to import into, as C(registry[:port]/repository). C({repository}) in it
        stands for the path of the repository that an image came from.
    type: str
  keys:
    description:
      - With O(state=imported), files with public keys. An image that is not signed by one of them, in the form that
        devices read, makes the import fail before anything is written, whether it has a tag or not. Of an index, the
        image of each platform has to be signed, too.
      - What is about an image, such as a list of packages, is not signed. It has to be about one that is, and must not
        be an image itself.
      - Signatures in the archive count, and those that O(target) has already. They have to name the repository of
        O(target), or that of O(source).
      - When not given, nothing is verified but that the archive is whole. An empty list is refused.
    type: list
    elements: path
  source:
    description:
      - With O(keys), which it needs, the repository that the images were signed for before they were exported, as
        C(registry[:port]/repository). C({repository}) in it stands for the path of the repository that an image came
        from. It is in both this and O(target), or in neither.
    type: str
  timeout:
    description: Seconds the registry may take for each step of a request. Each request is tried up to four times.
    type: float
    default: 60
notes:
  - A registry may list what is about an image itself, or leave that to an index at a tag made of the digest. An import
    adds to that index where it is needed. So this index may have another digest than at the source.
  - A signature at a tag C(sha256-HEX.sig) of the target is replaced only by one that has all its signatures.
requirements:
  - openssl, with O(keys)
seealso:
  - module: skorionos.bootc.image_info
  - module: skorionos.bootc.image_verify
"""

EXAMPLES = r"""
- name: Put a release on a disk
  skorionos.bootc.image_archive:
    state: exported
    path: /media/usb/skorionos
    images:
      - registry.example.com/os/skorionos:kde-v1.0.0
      - registry.example.com/os/skorionos:gnome-v1.0.0
  delegate_to: localhost

- name: Bring it into the registry of the site, at the same paths
  skorionos.bootc.image_archive:
    state: imported
    path: /media/usb/skorionos
    target: "registry.site.example.com/{repository}"
  delegate_to: localhost

- name: Import only what was signed where it comes from
  skorionos.bootc.image_archive:
    state: imported
    path: /media/usb/skorionos
    target: "registry.site.example.com/{repository}"
    keys: [keys/2026.pub]
    source: "registry.example.com/{repository}"
  delegate_to: localhost
  register: imported

- name: Show what to update devices to
  ansible.builtin.debug:
    msg: "{{ imported.images | map(attribute='image') }}"
"""

RETURN = r"""
images:
  description: What the archive has, without what is about it.
  returned: success
  type: list
  elements: dict
  contains:
    image:
      description: Where it is, at the source or with O(state=imported) at the target.
      type: str
    digest:
      description: Its digest, the same at both sides.
      type: str
  sample:
    - image: registry.site.example.com/os/skorionos:kde-v1.0.0
      digest: sha256:6c3c624b58dbbcd3c0dd82b4c53f04194d1247c6eebdaab7c610cf7d66709b3b
transferred:
  description: Digests of the blobs that were transferred, or would be in check mode.
  returned: success
  type: list
  elements: str
transferred_bytes:
  description: Their bytes.
  returned: success
  type: int
  sample: 29233267
total_bytes:
  description:
    - Bytes of everything in the archive, each blob once. With O(state=imported), those of its images, also of layers
      that O(without) left out.
  returned: success
  type: int
  sample: 38312345
removed:
  description: Number of files that no image of the archive needs any more, and that were removed.
  returned: success
  type: int
  sample: 0
verified:
  description: Digests that are signed by one of O(keys).
  returned: with O(state=imported)
  type: list
  elements: str
  sample: ["sha256:6c3c624b58dbbcd3c0dd82b4c53f04194d1247c6eebdaab7c610cf7d66709b3b"]
kept_tags:
  description: Tags of signatures that were left, because the target has signatures there that the archive has not.
  returned: with O(state=imported)
  type: list
  elements: str
reason:
  description:
    - Kind of the failure, for decisions. V(busy) while another export or import works on O(path), V(auth) for refused
      credentials, V(network) for a registry that cannot be reached or has trouble, V(not_found) for an image that is
      not there, V(no_space) for a full disk, V(corrupt) for an archive that is damaged, V(signature) for an image that
      none of O(keys) signed, V(engine_missing) without openssl, V(unsupported) for what a registry cannot do,
      V(invalid) for a wrong option, V(unexpected) for the rest.
  returned: failure
  type: str
  sample: corrupt
"""

import errno
import shutil
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

from ..module_utils._engine.errors import MISSING, EngineError
from ..module_utils._engine.run import end_when_told, run_command
from ..module_utils._engine.signing import OpenSsl
from ..module_utils._oci.archive import (
    carry_out,
    collect,
    export,
    leave_out,
    list_referrers_by_tag,
    missing_referrers,
    plan_import,
    read_archive,
    show,
)
from ..module_utils._oci.client import RegistryClient
from ..module_utils._oci.errors import RegistryError
from ..module_utils._oci.graph import subject_of_tag
from ..module_utils._oci.layout import CorruptArchive, Entry, Layout
from ..module_utils._oci.module import REGISTRY_ARGUMENTS, registry_client
from ..module_utils._oci.origin import Origin, insist_on_origin
from ..module_utils._oci.reference import Reference, parse_reference
from ..module_utils._oci.transport import REQUESTS_IMPORT_ERROR


def sources(texts: list[str]) -> list[Reference]:
    """Read the images to export; raise ValueError when two repositories would be one in the archive."""
    if not texts:
        raise ValueError("state: exported needs images. Give at least one.")
    images = [parse_reference(text) for text in texts]
    names: dict[str, str] = {}
    for image in images:
        if not image.tag and not image.digest:
            raise ValueError(f"{image} has neither tag nor digest. Say which image of the repository it is.")
        other = names.setdefault(image.repository, image.name)
        if other != image.name:
            raise ValueError(f"{other} and {image.name} have the same path. Export them into two archives.")
    return images


def repositories(entries: list[Entry], option: str, template: str) -> dict[str, Reference]:
    """Return what an option says for every repository of the archive; raise ValueError when it says no repository."""
    found = {}
    for repository in sorted({entry.repository for entry in entries}):
        if "{repository}" in template and not repository:
            raise ValueError(
                f"The archive does not say of which repository it is. Give a {option} without {{repository}}."
            )
        reference = parse_reference(template.replace("{repository}", repository))
        if reference.tag or reference.digest:
            raise ValueError(f"The {option} '{template}' is more than a repository. Leave out the tag and the digest.")
        found[repository] = reference
    return found


def places(entries: list[Entry], template: str | None) -> dict[str, Reference]:
    """Return the target of every repository; raise ValueError when there is none."""
    if not template:
        raise ValueError("state: imported needs a target, such as registry.example.com/{repository}.")
    found = repositories(entries, "target", template)
    taken: dict[str, str] = {}
    for entry in entries:
        name = f"{found[entry.repository].name}:{entry.tag}"
        if entry.tag and taken.setdefault(name, entry.digest) != entry.digest:
            raise ValueError(f"Two images of the archive would both be {name}. Put {{repository}} into the target.")
    return found


def described(entries: list[Entry], place: dict[str, Reference]) -> list[dict[str, str]]:
    """Return the images among entries, by their tags."""
    return [
        {"image": f"{place[entry.repository].name}:{entry.tag}", "digest": entry.digest}
        for entry in sorted(entries)
        if entry.tag and subject_of_tag(entry.tag) is None
    ]


def run_export(client: RegistryClient, layout: Layout, params: dict[str, Any], *, check: bool) -> dict[str, Any]:
    """Fill the archive."""
    images = sources(params["images"])
    if not check:
        # So that there is something to lock for the first of two that would make it.
        layout.root.mkdir(parents=True, exist_ok=True)
    with layout.lock(shared=check):
        found = collect(client, images)
        if params["without"]:
            leave_out(client, found, sources(params["without"]))
        done = export(client, found, layout, check=check)
    return {
        "changed": done.changed,
        "images": described(found.entries, {image.repository: image for image in images}),
        "transferred": done.transferred,
        "transferred_bytes": done.transferred_bytes,
        "total_bytes": found.bytes,
        "removed": done.removed,
    }


def origin(params: dict[str, Any], entries: list[Entry]) -> Origin:
    """Return who must have signed the images; raise ValueError for keys and a source that cannot be meant."""
    if not params["keys"]:
        raise ValueError("keys is an empty list. Name at least one file; leave keys and source out to verify nothing.")
    for key in params["keys"]:
        if not Path(key).is_file():
            raise ValueError(f"There is no file {key}. Correct its path.")
    if not shutil.which("openssl"):
        raise EngineError(MISSING, "There is no openssl in PATH.", "Install openssl on this host.")
    source = params["source"] or ""
    # The archive itself says which repository an image came from. With {repository} in one of them alone, that would
    # choose among those that the keys sign for, or among those of the site.
    if source and ("{repository}" in source) != ("{repository}" in params["target"]):
        has, lacks = ("source", "target") if "{repository}" in source else ("target", "source")
        raise ValueError(f"The {has} has {{repository}} and the {lacks} has not. Put it into both, or into neither.")
    sources = repositories(entries, "source", source) if source else {}
    return Origin(params["keys"], sources, OpenSsl(run_command).made)


def run_import(client: RegistryClient, layout: Layout, params: dict[str, Any], *, check: bool) -> dict[str, Any]:
    """Bring the archive into a registry. All of it is looked at before anything is written."""
    if not layout.exists():
        raise ValueError(f"{layout.root} is no OCI layout. Name the directory that an export made.")
    with layout.lock(shared=True):
        return _import(client, layout, params, check=check)


def _import(client: RegistryClient, layout: Layout, params: dict[str, Any], *, check: bool) -> dict[str, Any]:
    entries = layout.entries()
    place = places(entries, params["target"])
    who = origin(params, entries) if params["keys"] is not None else None
    targets = read_archive(layout, entries, place)
    plans = [plan_import(client, layout, target) for target in targets]
    verified = insist_on_origin(client, layout, targets, who) if who else []
    changed = any(plan.changed for plan in plans)
    elsewhere: dict[str, str] = {}
    for plan in plans:
        if not check:
            carry_out(client, layout, plan, elsewhere)
        for subject, manifests in missing_referrers(client, plan.target).items():
            changed = True
            if not check:
                list_referrers_by_tag(client, plan.target.repository, subject, manifests)
        if not check:
            show(client, plan)
    blobs = {blob.digest: blob.size for plan in plans for blob in plan.blobs.values()}
    known = {manifest.digest: manifest for target in targets for manifest in target.manifests}
    held = {x.digest: x.size for m in known.values() if not m.is_index for x in (m.config, *m.layers)}
    return {
        "changed": changed,
        "images": described(entries, place),
        "transferred": sorted(blobs),
        "transferred_bytes": sum(blobs.values()),
        "total_bytes": sum(held.values()) + sum(len(manifest.raw) for manifest in known.values()),
        "removed": 0,
        "verified": verified,
        "kept_tags": sorted(tag for plan in plans for tag in plan.kept_tags),
    }


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "state": {"type": "str", "choices": ["exported", "imported"], "required": True},
            "path": {"type": "path", "required": True},
            "images": {"type": "list", "elements": "str", "default": []},
            "without": {"type": "list", "elements": "str", "default": []},
            "target": {"type": "str"},
            "keys": {"type": "list", "elements": "path", "no_log": False},
            "source": {"type": "str"},
            "timeout": {"type": "float", "default": 60},
            **REGISTRY_ARGUMENTS,
        },
        required_by={"source": ["keys"]},
        supports_check_mode=True,
    )
    if REQUESTS_IMPORT_ERROR:
        module.fail_json(msg=missing_required_lib("requests"), exception=REQUESTS_IMPORT_ERROR, reason="unsupported")
    end_when_told()
    importing = module.params["state"] == "imported"
    client = registry_client(
        module.params,
        for_push=importing and not module.check_mode,
        pulls=not importing,
        timeout=module.params["timeout"],
    )
    layout = Layout(Path(module.params["path"]), module.warn)
    try:
        result = (run_import if importing else run_export)(client, layout, module.params, check=module.check_mode)
    except CorruptArchive as error:
        module.fail_json(msg=str(error), reason="corrupt")
    except (EngineError, RegistryError) as error:
        module.fail_json(msg=str(error), reason=error.kind)
    except ValueError as error:
        module.fail_json(msg=str(error), reason="invalid")
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        remedy = (
            "Make room there, and run again: it goes on where it stopped." if full else "Check path and its rights."
        )
        module.fail_json(
            msg=f"{error.filename or module.params['path']}: {error.strerror}. {remedy}",
            reason="no_space" if full else "unexpected",
        )
    module.exit_json(**result)


if __name__ == "__main__":
    main()
