#!/usr/bin/python
# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: image_build
short_description: Build a container image when something it is made from changed
version_added: 0.1.0
description:
  - Builds an image from a Containerfile with podman or buildah, unless the storage already has it.
  - Whether it does is decided by content. A hash over the Containerfile, the files of the context, the arguments, the
    parent and so on is kept as a label of the image. When the hash is the same, nothing is built, whatever the times of
    the files and wherever they are.
  - Equal inputs are meant to give an equal image, therefore times are fixed unless O(timestamp) says otherwise. Only
    then do machines that have the previous release download no more than what really changed.
author:
  - skorionos.bootc contributors (@skorionos)
extends_documentation_fragment:
  - skorionos.bootc._attributes
  - skorionos.bootc._attributes.build
  - skorionos.bootc._build
  - skorionos.bootc._engine
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
    details: Shows which inputs changed, by short hashes, and never their values.
  idempotent:
    support: full
    details: What a build downloads is not an input. Pin such things in the Containerfile, or use O(force).
options:
  name:
    description:
      - Full name of the image in local storage, such as C(localhost/skorionos/kde:1.0.0). The registry part must be
        there.
    type: str
    required: true
  containerfile:
    description:
      - The Containerfile.
      - V(Containerfile) in the O(context) when not given.
    type: path
  context:
    description:
      - Folder whose files the Containerfile can copy.
      - Files named by an ignore file are left out. The first of these counts, the Containerfile's name with
        C(.containerignore) or C(.dockerignore) added, C(.containerignore) or C(.dockerignore) in the context.
    type: path
    required: true
  parent:
    description:
      - Image to start from. Either one in local storage by its name, or one in a registry with its digest
        (C(registry/repository@sha256:...)).
      - It is passed as the build argument C(PARENT) when the Containerfile has C(ARG PARENT), else it replaces the
        image of the first C(FROM).
      - The parent's image id or digest is part of the inputs, so a new parent leads to a new build. An image that is
        named only in the Containerfile is not looked at.
    type: str
  parent_pending:
    description:
      - Says that an earlier task of the same run builds the O(parent). Only check mode looks at this, because there
        that task did not build. The parent need not be there then, and the image is predicted to be built.
      - Without it, a parent that is missing is a failure in check mode, too.
    type: bool
    default: false
  build_args:
    description:
      - Build arguments. They can be read in the image's history, so use O(secrets) for secrets.
      - C(PARENT) is not among them when O(parent) is given, which sets it.
    type: dict
    default: {}
  labels:
    description: Labels of the image.
    type: dict
    default: {}
  annotations:
    description: Annotations of the image's manifest.
    type: dict
    default: {}
  target:
    description: Stage of the Containerfile to build. The last one when not given.
    type: str
  tls_verify:
    description:
      - Whether a registry that the O(parent) or another image is pulled from must speak TLS with a certificate that is
        trusted.
      - With V(true), a registry that the host's C(registries.conf) calls insecure may do without.
    type: bool
    default: true
  force:
    description: Build even when nothing changed, and without the engine's layer cache.
    type: bool
    default: false
  timeout:
    description: Seconds the build may take. After that it is ended.
    type: float
    default: 7200
notes:
  - The permissions of files and folders in the context count as inputs, with setuid, setgid and sticky bits, because
    C(COPY) takes them into the image. A checkout under another umask has other permissions, hence leads to a build. Use
    one umask wherever the same images are built.
  - A relative path starts at the folder in which the module runs. That is the folder of the playbook with a local
    connection, and the home folder of the user who logs in with others. The role C(skorionos.bootc.image_variants)
    starts at the folder in which C(ansible-playbook) was started instead.
  - Times, owners and extended attributes of files do not count.
seealso:
  - module: skorionos.bootc.image_build_tree
  - module: skorionos.bootc.image_push
  - plugin: skorionos.bootc.build_order
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Build the KDE variant on top of the base variant
  skorionos.bootc.image_build:
    name: localhost/skorionos/kde:1.0.0
    context: images/kde
    parent: localhost/skorionos/base:1.0.0
    build_args:
      VERSION: 1.0.0
    labels:
      org.opencontainers.image.version: 1.0.0
  register: kde

- name: Say why it was built
  ansible.builtin.debug:
    var: kde.reason_for_build
  when: kde is changed

- name: Build from a pinned image with a secret that stays out of the image
  skorionos.bootc.image_build:
    name: localhost/skorionos/minimal:1.0.0
    context: images/minimal
    parent: registry.example.com/os/base@sha256:6c3c624b58dbbcd3c0dd82b4c53f04194d1247c6eebdaab7c610cf7d66709b3b
    secrets:
      - id: mirror_token
        env: MIRROR_TOKEN
  environment:
    MIRROR_TOKEN: "{{ vault_mirror_token }}"
"""

RETURN = r"""
image:
  description: Name of the image.
  returned: success
  type: str
  sample: localhost/skorionos/kde:1.0.0
image_id:
  description: Id of the image. V(null) in check mode when it would be built.
  returned: success
  type: str
  sample: sha256:2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae
digest:
  description:
    - Digest of the manifest in local storage. V(null) in check mode when it would be built.
    - Layers are compressed on their way to a registry, so the digest there is another. M(skorionos.bootc.image_push)
      returns it.
  returned: success
  type: str
  sample: sha256:fcde2b2edba56bf408601fb721fe9b5c338d10ee429ea04fae5511b68fbf8fb9
input_hash:
  description:
    - Hash over everything the image is made from, as kept in its label C(org.skorionos.bootc.input-hash).
    - V(null) in check mode with O(parent_pending).
  returned: success
  type: str
  sample: sha256:486ea46224d1bb4fb680f34f7c9ad96a8f24ec88be73ea8e5a6c65260e9cb8a7
changed_inputs:
  description: Names of the inputs that differ from those of the image there was. All of them when there was none.
  returned: success
  type: list
  elements: str
  sample: [containerfile, context]
reason_for_build:
  description: Why it was or would be built, for people. Empty when it was not.
  returned: success
  type: list
  elements: str
  sample: ["These inputs changed: containerfile, context."]
commands:
  description: Engine commands that were run to build.
  returned: success
  type: list
  elements: list
  sample: []
reason:
  description:
    - Kind of the failure, for decisions. V(engine_missing), V(not_found) for a missing parent, V(auth) and V(network)
      when an image to start from could not be pulled, V(invalid) for wrong options or files, V(build_failed),
      V(timeout), V(unexpected) for the rest.
  returned: failure
  type: str
  sample: build_failed
"""

import os
import shutil
from pathlib import Path
from typing import Any, Mapping

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._engine.checks import check_auth_file, check_secrets
from ..module_utils._engine.client import Build, Engine, LocalImage, Secret, choose_engine, declares_parent
from ..module_utils._engine.errors import INVALID, NOT_FOUND, UNEXPECTED, EngineError
from ..module_utils._engine.ignore import find_ignore_file
from ..module_utils._engine.inputs import (
    HASH_LABEL,
    BuildInputs,
    InputHash,
    changed_parts,
    hash_inputs,
    recorded_parts,
)
from ..module_utils._engine.jobs import texts
from ..module_utils._engine.lint import secret_arguments
from ..module_utils._engine.memory import forget_name, memory_file
from ..module_utils._engine.module import BUILD_ARGUMENTS
from ..module_utils._engine.run import end_when_told, run_command
from ..module_utils._oci.manifest import parse_platform
from ..module_utils._oci.reference import parse_reference

_UNKNOWN = "(known after the parent is built)"


def parent_identity(engine: Engine, parent: str) -> str | None:
    """Return what the parent is now: the digest it is pinned to, or its image id; none when it is missing."""
    pinned = parse_reference(parent).digest
    if pinned is not None:
        return pinned
    image = engine.inspect(parent)
    return image.id if image else None


def reasons(params: Mapping[str, Any], existing: LocalImage | None, hashed: InputHash) -> list[str]:
    """Say why a build is needed; nothing when it is not."""
    if existing is None:
        return [f"There is no image {params['name']} yet."]
    if existing.labels.get(HASH_LABEL) != hashed.value:
        if not recorded_parts(existing.labels):
            return [f"The image {params['name']} there is was not built by this module."]
        return [f"These inputs changed: {', '.join(changed_parts(existing.labels, hashed))}."]
    return ["The build was asked for with force."] if params["force"] else []


def parent_of(module: AnsibleModule, engine: Engine) -> str | None:
    """Return what the parent is, as an input; none without a parent, and for one that is yet to be built."""
    parent: str | None = module.params["parent"]
    if parent is None or (module.check_mode and module.params["parent_pending"]):
        return None
    identity = parent_identity(engine, parent)
    if identity is None:
        raise EngineError(
            NOT_FOUND,
            f"The parent {parent} is not in local storage.",
            "Build it first, or name an image in a registry with its digest.",
        )
    return identity


def run(module: AnsibleModule) -> dict[str, Any]:
    """Compare, build if needed, and describe the outcome."""
    params = module.params
    engine = Engine(run_command, choose_engine(params["engine"], shutil.which))
    context = Path(params["context"]).resolve()
    containerfile = Path(params["containerfile"]).resolve() if params["containerfile"] else context / "Containerfile"
    check_options(params, containerfile, context, check_mode=module.check_mode)
    for finding in secret_arguments(params["build_args"]):
        module.warn(f"{finding.cause} {finding.remedy}")
    timestamp = params["timestamp"] if params["timestamp"] >= 0 else None
    pending = bool(params["parent"] and params["parent_pending"] and module.check_mode)
    labels, annotations = texts(params["labels"]), texts(params["annotations"])
    inputs = BuildInputs(
        containerfile=containerfile,
        context=context,
        build_args=texts(params["build_args"]),
        labels=labels,
        annotations=annotations,
        platform=params["platform"],
        timestamp=timestamp,
        target=params["target"],
        network=params["network"],
        parent=params["parent"],
        parent_identity=parent_of(module, engine),
        secret_ids=[secret["id"] for secret in params["secrets"]],
    )
    hashed = hash_inputs(inputs)
    if pending:
        hashed = InputHash("", {**hashed.parts, "parent": _UNKNOWN})
    existing = engine.inspect(params["name"])
    why = reasons(params, existing, hashed)
    before = recorded_parts(existing.labels) if existing else {}
    changed = changed_parts(existing.labels if existing else {}, hashed)
    if why and not module.check_mode:
        engine.build(
            Build(
                name=params["name"],
                containerfile=containerfile,
                context=context,
                ignore_file=find_ignore_file(containerfile, context),
                build_args=inputs.build_args,
                labels={**labels, **hashed.labels},
                annotations=annotations,
                platform=params["platform"],
                parent=params["parent"],
                parent_is_argument=declares_parent(containerfile.read_bytes()),
                timestamp=timestamp,
                target=params["target"],
                network=params["network"],
                secrets=[Secret(**secret) for secret in params["secrets"]],
                tls_verify=params["tls_verify"],
                auth_file=params["auth_file"],
                use_cache=not (params["force"] or (before and "timestamp" in changed)),
            ),
            params["timeout"],
        )
        forget_name(memory_file(os.environ), params["name"])
        existing = engine.inspect(params["name"])
    elif why:
        existing = None
    return {
        "changed": bool(why),
        "image": params["name"],
        "image_id": existing.id if existing else None,
        "digest": existing.digest if existing else None,
        "input_hash": hashed.value or None,
        "changed_inputs": changed,
        "reason_for_build": why,
        "commands": engine.commands,
        "diff": {"before": before, "after": dict(hashed.parts)},
    }


def check_options(params: Mapping[str, Any], containerfile: Path, context: Path, *, check_mode: bool) -> None:
    """Refuse what the engine would only refuse late, or misunderstand."""
    parse_reference(params["name"])
    if params["parent"] and "PARENT" in params["build_args"]:
        raise EngineError(
            INVALID, "build_args has PARENT, which the option parent sets.", "Give one of the two, best parent."
        )
    if params["platform"]:
        parse_platform(params["platform"])
    if not context.is_dir():
        raise EngineError(INVALID, f"The context {context} is not a folder on this host.", "Correct the path.")
    if not containerfile.is_file():
        raise EngineError(INVALID, f"There is no Containerfile {containerfile} on this host.", "Correct the path.")
    check_auth_file(params["auth_file"])
    check_secrets(params["secrets"], check_mode=check_mode)


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "required": True},
            "containerfile": {"type": "path"},
            "context": {"type": "path", "required": True},
            "parent": {"type": "str"},
            "parent_pending": {"type": "bool", "default": False},
            "build_args": {"type": "dict", "default": {}},
            "labels": {"type": "dict", "default": {}},
            "annotations": {"type": "dict", "default": {}},
            "target": {"type": "str"},
            **BUILD_ARGUMENTS,
            "tls_verify": {"type": "bool", "default": True},
            "force": {"type": "bool", "default": False},
            "timeout": {"type": "float", "default": 7200},
        },
        supports_check_mode=True,
    )
    end_when_told()
    try:
        result = run(module)
    except EngineError as error:
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
