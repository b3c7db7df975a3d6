#!/usr/bin/python
# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: image_push
short_description: Bring a local image to a registry, under one or more tags
version_added: 0.1.0
description:
  - Pushes an image from the storage of podman or buildah to a registry, unless the registry already has exactly this
    image there, and gives it further tags.
  - The image is transferred once. Further tags are the same manifest, byte by byte, put through the registry's API. So
    they share one digest, and signatures of it hold for all of them.
  - What is there is decided by content. A registry has the image when the configuration its manifest names is the local
    image's id, the manifest has the annotations of the local image, and the layers have the O(compression) asked for.
    Of the annotations, those about the parent (C(org.opencontainers.image.base.*)) do not count.
  - A registry that refuses to tell what it has, as some do of repositories that do not exist yet, is pushed to. If that
    is refused as well, the failure has the RV(reason) V(auth).
  - After a push, the manifest is read back and its digest compared with what the engine reported.
author:
  - skorionos.bootc contributors (@skorionos)
extends_documentation_fragment:
  - skorionos.bootc._attributes
  - skorionos.bootc._attributes.build
  - skorionos.bootc._engine
  - skorionos.bootc._registry
attributes:
  action_group:
    description: Use V(group/skorionos.bootc.images) in C(module_defaults) to set defaults for this module.
    support: full
    membership:
      - skorionos.bootc.images
  check_mode:
    support: full
    details: The digest of an image that would be pushed is not known before.
  diff_mode:
    support: full
    details: Shows the digest of each tag before and after.
  idempotent:
    support: partial
    details: Images in Docker's own format change when they are pushed, so they are pushed each time, with a warning.
      C(changed) tells whether another digest is there than before.
options:
  name:
    description:
      - Full name of the image in local storage.
      - It need not be there when M(skorionos.bootc.image_build_tree) found it published in the same repository, and so
        did not build it. Then only tags are put. When another image came into local storage under that name since then,
        the module fails, because either could be meant.
    type: str
    required: true
  image:
    description: Where to push it, as C(registry[:port]/repository:tag).
    type: str
    required: true
  tags:
    description: Further tags in the same repository.
    type: list
    elements: str
    default: []
  compression:
    description:
      - Compression of the layers. Machines that update know layers by their compressed digest, so keep it the same from
        release to release.
      - An image that the registry has in another compression is pushed again. That takes podman 4.7 or buildah 1.32.
        Older ones cannot compress anew what the registry has. With these it is left as it is, with a warning.
    type: str
    choices: [gzip, zstd, "zstd:chunked"]
    default: gzip
  replace:
    description:
      - Whether O(image) and O(tags) may be another image already. Give V(false) for tags of one release, which mean one
        image for ever. Then the module fails with RV(reason=taken) instead of taking a tag from the other image, which
        who runs it could not find again. Where the same image is there already, but compressed otherwise or with other
        annotations, it is left as it is, with a warning.
    type: bool
    default: true
  retries:
    description:
      - How many more times to try when the network or the registry has trouble that passes, such as a connection that
        breaks or a registry that is overloaded. Credentials and the like are not tried again.
      - It waits longer each time, up to a minute, or as long as the registry asks for, up to ten minutes.
    type: int
    default: 3
  timeout:
    description: Seconds each try of the push may take.
    type: float
    default: 3600
seealso:
  - module: skorionos.bootc.image_build
  - module: skorionos.bootc.image_info
"""

EXAMPLES = r"""
- name: Publish the KDE variant of a release
  skorionos.bootc.image_push:
    name: localhost/skorionos/kde:1.0.0
    image: registry.example.com/os/skorionos:kde-v1.0.0
    tags: [kde-latest]
  register: published

- name: Show what to pin
  ansible.builtin.debug:
    msg: "{{ published.repository }}@{{ published.digest }}"
"""

RETURN = r"""
image:
  description: Where the image is, with its tag.
  returned: success
  type: str
  sample: registry.example.com/os/skorionos:kde-v1.0.0
repository:
  description: The same without the tag.
  returned: success
  type: str
  sample: registry.example.com/os/skorionos
digest:
  description: Digest by which the registry knows the image. V(null) in check mode when it would be pushed.
  returned: success
  type: str
  sample: sha256:6c3c624b58dbbcd3c0dd82b4c53f04194d1247c6eebdaab7c610cf7d66709b3b
image_id:
  description: Id of the local image, which is the digest of its configuration.
  returned: success
  type: str
  sample: sha256:2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae
pushed:
  description: Whether the image was, or in check mode would be, transferred. Tags alone can change too.
  returned: success
  type: bool
  sample: true
reason_for_push:
  description: Why it was or would be transferred, for people. Empty when it was not.
  returned: success
  type: list
  elements: str
  sample: ["There is nothing at registry.example.com/os/skorionos:kde-v1.0.0 yet."]
tags:
  description: Digest of every tag asked for, as RV(digest).
  returned: success
  type: dict
  sample:
    kde-v1.0.0: sha256:6c3c624b58dbbcd3c0dd82b4c53f04194d1247c6eebdaab7c610cf7d66709b3b
    kde-latest: sha256:6c3c624b58dbbcd3c0dd82b4c53f04194d1247c6eebdaab7c610cf7d66709b3b
layers:
  description: Layers of the image, lowest first. Empty in check mode when it would be pushed.
  returned: success
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
  description: Bytes of all layers as they are transferred. V(null) in check mode when it would be pushed.
  returned: success
  type: int
  sample: 29233267
update_size:
  description:
    - Bytes of the layers that the image has and the one before had not. A machine with that one downloads so much.
    - The one before is what was at O(image), or else at the first of O(tags) that was there.
    - Zero when it was this image, V(null) when there was none.
  returned: success
  type: int
  sample: 8012345
created:
  description: When the image was made, as its configuration says. V(null) in check mode when it would be pushed.
  returned: success
  type: str
  sample: "1970-01-01T00:00:00Z"
input_hash:
  description:
    - Hash over everything the image was made from, as M(skorionos.bootc.image_build) left it in a label. V(null) when
      it has none, and in check mode when it would be pushed.
  returned: success
  type: str
  sample: sha256:0f343b0931126a20f133d67c2b018a3b5d0b1b6a3b2e5f0c0d1f7a5f0f0b1c2d
commands:
  description: Engine commands that were run to push.
  returned: success
  type: list
  elements: list
  sample: []
reason:
  description:
    - Kind of the failure, for decisions. V(engine_missing), V(not_found) for a missing local image, V(taken) for a tag
      that is another image, V(conflict) for one that somebody else moved meanwhile, V(auth), V(network), V(timeout),
      V(unsupported), V(invalid) for wrong options, V(unexpected) for the rest.
  returned: failure
  type: str
  sample: auth
"""

import os
import shutil
import time
from typing import Any, Callable, Iterable, Mapping

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

from ..module_utils._engine.client import Engine, LocalImage, Push, choose_engine
from ..module_utils._engine.errors import INVALID, NETWORK, NOT_FOUND, TAKEN, UNEXPECTED, EngineError
from ..module_utils._engine.inputs import HASH_LABEL
from ..module_utils._engine.memory import Instead, load_memory, memory_file
from ..module_utils._engine.publication import is_image, other_annotations, other_compression
from ..module_utils._engine.retries import seconds_to_wait
from ..module_utils._engine.run import end_when_told, run_command
from ..module_utils._oci.client import RegistryClient
from ..module_utils._oci.errors import NOT_FOUND as NOT_PUBLISHED
from ..module_utils._oci.errors import Refused, RegistryError
from ..module_utils._oci.layers import download, total_size
from ..module_utils._oci.manifest import Descriptor, Manifest
from ..module_utils._oci.module import REGISTRY_ARGUMENTS, registry_client
from ..module_utils._oci.reference import Reference, parse_reference
from ..module_utils._oci.tagging import insist_on_tags, move_tag, plan_moves, read_back, read_tags
from ..module_utils._oci.transport import REQUESTS_IMPORT_ERROR

_FIRST_DELAY = 2.0
_LONGEST_DELAY = 60.0
_LONGEST_ASKED = 600.0
_UNKNOWN = "(known after the push)"


def published(client: RegistryClient, reference: Reference) -> Manifest | None:
    """Return what the registry has at a tag, if anything that it shows us."""
    try:
        return client.get_manifest(reference)
    except Refused:
        # Some registries say this of a repository that the push would create. Whether it may, the push will tell.
        return None
    except RegistryError as error:
        if error.kind == NOT_PUBLISHED:
            return None
        raise


def published_digest(client: RegistryClient, reference: Reference) -> str | None:
    """Return the digest the registry has at a tag, if any that it shows us."""
    try:
        return client.head_manifest(reference)
    except Refused:
        return None


def published_instead(name: str, local: LocalImage | None) -> Instead | None:
    """Return what the build found published instead of making it; none when storage has that very image.

    Raises EngineError when storage has one that came there after that.
    """
    known = load_memory(memory_file(os.environ)).by_name.get(name)
    if known is None or local is None:
        return known
    if local.id == known.image_id:
        return None
    if local.id != known.stored_id:
        raise EngineError(
            UNEXPECTED,
            f"The build found {name} published as {known.digest}, but since then {local.id} came into local storage "
            "under that name.",
            "Remove it from there to publish what the build found, or push it under a name of its own.",
        )
    return known


def reasons(there: Manifest | None, local: LocalImage, target: Reference, compressed_otherwise: int) -> list[str]:
    """Say why a push is needed; nothing when it is not."""
    if there is None:
        return [f"There is nothing at {target} yet."]
    if not is_image(there, local):
        return [f"Another image is at {target}."]
    why = []
    annotations = other_annotations(there, local)
    if annotations:
        why.append(f"These annotations differ: {', '.join(annotations)}.")
    if compressed_otherwise:
        why.append(f"{compressed_otherwise} of {len(there.layers)} layers are compressed otherwise.")
    return why


def kept_image(client: RegistryClient, target: Reference, tags: Iterable[str], local: LocalImage) -> Manifest | None:
    """Return what tags that mean one image for ever have already; refuse to take one from another image.

    The same image may be there compressed otherwise, or with other annotations. Then its digest is another one, and who
    runs it finds it by that, so what is there stays.
    """
    kept: Manifest | None = None
    for tag in tags:
        there = published(client, target.with_tag(tag))
        if there is None:
            continue
        if not is_image(there, local):
            raise _taken(target.with_tag(tag), there.digest)
        if kept is not None and kept.digest != there.digest:
            raise _taken(target.with_tag(tag), f"{there.digest}, and not {kept.digest}")
        kept = there
    return kept


def _taken(target: Reference, found: str) -> EngineError:
    return EngineError(
        TAKEN,
        f"{target} is another image already: {found}.",
        "Give what is new a version of its own, or delete that tag: who runs the other image finds it by it.",
    )


def push(engine: Engine, wanted: Push, look: Callable[[], str | None], *, retries: int, timeout: float) -> str:
    """Push, and try again while the trouble is of the passing kind. Layers that arrived are not sent again.

    ``look`` is called right before each try; what it returns is the digest of what is there and shall stay.
    """
    for tried in range(1, retries + 1):
        there = look()
        if there is not None:
            return there
        try:
            return engine.push(wanted, timeout)
        except EngineError as error:
            wait = seconds_to_wait(str(error), tried, _FIRST_DELAY, _LONGEST_DELAY)
            if error.kind != NETWORK or wait > _LONGEST_ASKED:
                raise
        time.sleep(wait)
    return look() or engine.push(wanted, timeout)


def verified(client: RegistryClient, target: Reference, before: str | None, digest: str) -> Manifest:
    """Read the pushed manifest back by tag: it must be what was pushed, and nobody else's."""
    stayed = read_back(client, target, before, digest)
    if stayed != digest:
        raise EngineError(
            UNEXPECTED,
            f"{digest} was pushed to {target}, but {stayed or 'nothing'} is there now.",
            "Someone else pushed to the same tag at the same time; make sure that only one job publishes.",
        )
    return client.get_manifest(target.with_digest(digest))


def move_tags(client: RegistryClient, target: Reference, before: Mapping[str, str | None], manifest: Manifest) -> None:
    """Put those tags on the manifest that are not there yet; raise ``conflict`` where somebody else moves one."""
    for move in plan_moves(before, manifest.digest, None, target.name):
        move_tag(client, target, move, manifest)


def update_size(
    client: RegistryClient, target: Reference, before: Iterable[str | None], layers: Iterable[Descriptor]
) -> int | None:
    """Return the bytes that the image there was before lacks of these layers; none when there was no image."""
    previous = next((published(client, target.with_digest(digest)) for digest in before if digest), None)
    return None if previous is None or previous.is_index else download(previous.layers, layers)


def check_options(params: dict[str, Any]) -> Reference:
    """Return where to push; refuse what cannot be pushed to."""
    parse_reference(params["name"])
    target = parse_reference(params["image"])
    if target.tag is None or target.digest is not None:
        raise EngineError(
            INVALID, f"{params['image']} must end with a tag, without a digest.", "Add one, such as :v1.0.0."
        )
    insist_on_tags(params["tags"])
    if params["retries"] < 0:
        raise EngineError(INVALID, "retries is negative.", "Give 0 or more.")
    return target


def run(module: AnsibleModule) -> dict[str, Any]:
    """Compare, push and tag what differs, and describe the outcome."""
    params = module.params
    target = check_options(params)
    engine = Engine(run_command, choose_engine(params["engine"], shutil.which))
    local = engine.inspect(params["name"])
    known = published_instead(params["name"], local)
    if local is None and known is None:
        raise EngineError(
            NOT_FOUND, f"There is no image {params['name']} in local storage.", "Build it first, or correct the name."
        )
    # There are registries that create the repository for whoever asks for the right to push to it, so a prediction
    # must not.
    client = registry_client(params, for_push=not module.check_mode, retries=params["retries"])
    tags = list(dict.fromkeys([target.tag or "", *params["tags"]]))
    earlier = published(client, target)
    before = {target.tag or "": earlier.digest if earlier else None}
    found = published(client, target.with_digest(known.digest)) if known is not None else None
    if found is not None:
        earlier, local = found, LocalImage(found.config.digest, None, {})
    elif known is not None:
        local = None  # storage may have another image of this name, but that is not what the build found
    if local is None:
        raise EngineError(
            NOT_FOUND,
            f"{params['name']} is neither in local storage nor in {target.name}, where the build may have found it.",
            "Build again.",
        )
    kept = None if params["replace"] else kept_image(client, target, tags, local)
    if kept is not None:
        warn_of_kept(module, kept, local, target)
        earlier, found = kept, kept
    layers_there = earlier.layers if found is None and earlier is not None and is_image(earlier, local) else []
    otherwise = other_compression(layers_there, params["compression"])
    can_recompress = not otherwise or engine.can_recompress()
    why = [] if kept else reasons(earlier, local, target, len(otherwise) if can_recompress else 0)
    needs_push = bool(why)
    before.update({tag: published_digest(client, target.with_tag(tag)) for tag in tags[1:]})

    manifest = None if needs_push else earlier
    if needs_push and not module.check_mode:

        def look() -> str | None:
            # The tries may lie hours apart. After one that failed, the image may be there all the same.
            there = None if params["replace"] else kept_image(client, target, tags[:1], local)
            return there.digest if there else None

        wanted = Push(params["name"], str(target), params["tls_verify"], params["auth_file"], params["compression"])
        digest = push(engine, wanted, look, retries=params["retries"], timeout=params["timeout"])
        manifest = verified(client, target, before[target.tag or ""], digest)
        if not is_image(manifest, local) or other_annotations(manifest, local):
            module.warn(f"{params['name']} was changed on its way to the registry, so every run will push it again.")
    if manifest is not None:
        warn_of_compression(module, manifest, params["compression"])
    after = dict.fromkeys(tags, manifest.digest if manifest else _UNKNOWN)
    if manifest is not None and not module.check_mode:
        others = {tag: before[tag] for tag in (tags[1:] if needs_push else tags)}
        # Where a tag may be replaced, what counts is what it is now, and not what it was before a long push.
        now = read_tags(client, target, others) if needs_push and params["replace"] else others
        move_tags(client, target, now, manifest)
    layers = manifest.layers if manifest else []
    config = client.get_config(target, manifest) if manifest is not None else {}
    return {
        "changed": before != after,
        "image": str(target),
        "repository": target.name,
        "digest": manifest.digest if manifest else None,
        "image_id": local.id,
        "pushed": needs_push,
        "reason_for_push": why,
        "tags": dict.fromkeys(tags, manifest.digest if manifest else None),
        "layers": [{"digest": x.digest, "size": x.size, "media_type": x.media_type} for x in layers],
        "size": total_size(layers) if manifest else None,
        "update_size": update_size(client, target, before.values(), layers) if manifest else None,
        "created": config.get("created"),
        "input_hash": ((config.get("config") or {}).get("Labels") or {}).get(HASH_LABEL),
        "commands": engine.commands,
        "diff": {"before": before, "after": after},
    }


def warn_of_kept(module: AnsibleModule, kept: Manifest, local: LocalImage, target: Reference) -> None:
    """Say what is left as it is although a push would make it another."""
    annotations = other_annotations(kept, local)
    if annotations:
        module.warn(
            f"{target.name}@{kept.digest} has other annotations than {module.params['name']} "
            f"({', '.join(annotations)}), and is left as it is because replace is false."
        )


def warn_of_compression(module: AnsibleModule, manifest: Manifest, compression: str) -> None:
    """Old engines keep the compression a layer has in the registry, whatever they are asked for."""
    others = other_compression(manifest.layers, compression)
    if others:
        module.warn(
            f"{len(others)} of {len(manifest.layers)} layers are not compressed with {compression}, because the "
            "registry has them compressed otherwise. "
            + (
                "Podman 4.7 or newer compresses them anew."
                if module.params["replace"]
                else "With replace: false, what is there stays as it is."
            )
        )


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "required": True},
            "image": {"type": "str", "required": True},
            "tags": {"type": "list", "elements": "str", "default": []},
            "compression": {"type": "str", "choices": ["gzip", "zstd", "zstd:chunked"], "default": "gzip"},
            "replace": {"type": "bool", "default": True},
            "engine": {"type": "str", "choices": ["auto", "podman", "buildah"], "default": "auto"},
            "retries": {"type": "int", "default": 3},
            "timeout": {"type": "float", "default": 3600},
            **REGISTRY_ARGUMENTS,
        },
        supports_check_mode=True,
    )
    if REQUESTS_IMPORT_ERROR:
        module.fail_json(msg=missing_required_lib("requests"), exception=REQUESTS_IMPORT_ERROR, reason="unsupported")
    end_when_told()
    try:
        result = run(module)
    except (EngineError, RegistryError) as error:
        module.fail_json(msg=str(error), reason=error.kind)
    except OSError as error:
        module.fail_json(msg=f"{error.filename or module.params['name']}: {error.strerror}.", reason=UNEXPECTED)
    except ValueError as error:
        module.fail_json(msg=str(error), reason=INVALID)
    if not module._diff:
        result.pop("diff")
    module.exit_json(**result)


if __name__ == "__main__":
    main()
