#!/usr/bin/python
# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: image_build_tree
short_description: Build a tree of image variants, side by side, where something they are made from changed
version_added: 0.1.0
description:
  - Builds images on each other with podman or buildah, up to O(parallel) at a time.
  - The tree is checked as a whole before anything runs. Unknown parents, cycles, names used twice, unknown keys and
    mistakes in recipes are one error that names them all.
  - Whether an image has to be built is decided by content. A hash over the Containerfile (or the recipe), the files of
    the context, the arguments and the hash of the parent is kept as a label of the image. An image with the same hash
    in the registry or in local storage is taken as it is.
  - When a build fails, what stands on it is skipped and named, everything else is built, then the module fails.
  - When the O(repository) has everything that is wanted, podman is not asked, and the answer takes milliseconds for
    each node. Only an image to start from that is named without a digest has to be looked up in local storage.
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
    details: What a build downloads is not an input. Pin such things (C(snapshot) in a recipe), or use O(force).
options:
  nodes:
    description:
      - The variants. Parents may come after their children.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Name of the variant, which becomes part of the image's name.
        type: str
        required: true
      parent:
        description: Name of the variant to build on.
        type: str
      base:
        description: Image to build on instead, one in local storage or one in a registry with its digest.
        type: str
      containerfile:
        description: Path of the Containerfile, below O(directory). C(<name>/Containerfile) when not given.
        type: str
      recipe:
        description:
          - What the image has beyond its parent, instead of a Containerfile. It becomes one.
          - Its keys are C(packages), C(snapshot), C(archive), C(repositories), C(remove_packages), C(remove_paths),
            C(files), C(users), C(commands), C(services), C(environment) and C(os_release). The guide to variants
            explains them.
        type: dict
      context:
        description: Path of the folder to copy from, below O(directory). C(<name>) when not given.
        type: str
      build_args:
        description: Build arguments of this variant. They win over those of all.
        type: dict
      labels:
        description: Labels of this variant. They win over those of all.
        type: dict
      platforms:
        description:
          - Platforms to build for, such as V(linux/arm64). Those of the parent when not given, else O(platform).
          - With more than one, the names of the images end in C(-amd64), C(-arm64) and so on.
        type: list
        elements: str
      tags:
        description: Templates of the tags of this variant, instead of O(tags).
        type: list
        elements: str
  only:
    description:
      - Names of the variants that are wanted. What they are built on is built where it is needed.
      - Those that no other is built on when empty.
    type: list
    elements: str
    default: []
  namespace:
    description: What the local names of the images start with. They are C(<namespace>/<variant>:<version>).
    type: str
    default: localhost/skorionos
  version:
    description:
      - Version of the release.
      - It is the build argument C(VERSION) of every Containerfile that declares it. The label and the annotation
        C(org.opencontainers.image.version) are given to these, and to the variants that no other is built on. Others
        stay the same from release to release, and with them what the variants share.
    type: str
    required: true
  directory:
    description: Folder with the Containerfiles and contexts.
    type: path
    required: true
  build_args:
    description: Build arguments of every Containerfile that declares them. They can be read in the image's history.
    type: dict
    default: {}
  labels:
    description: Labels of every variant.
    type: dict
    default: {}
  repository:
    description:
      - Where the images are published, C(registry[:port]/repository). C({variant}) in it stands for the variant's name.
      - Without it, only local storage is looked at. When the registry cannot be asked, a warning says so, and local
        storage decides.
    type: str
  tags:
    description:
      - Templates of the tags they are published with, in which C({variant}) and C({version}) are replaced. These are
        the tags at which images are looked for.
    type: list
    elements: str
    default: ["{variant}-v{version}", "{variant}-latest"]
  parallel:
    description: How many images are built at the same time.
    type: int
    default: 2
  lint:
    description:
      - How serious what is found in the text of Containerfiles is, by rule. V(warn), V(error) or V(off).
      - C(all) stands for all rules that are not named, and is V(warn) by default.
      - The rules are C(machine-id), C(trailing-user), C(late-deletion), C(package-cache), C(unpinned-base),
        C(short-base), C(floating-packages), C(ignored-lint), C(piped-script), C(unchecked-download),
        C(unsigned-packages), C(secret-argument), C(password), C(root-folders) and C(initramfs-twice).
    type: dict
    default: {}
  container_lint:
    description:
      - Whether images that are wanted check themselves with C(bootc container lint), each once. One that is in local
        storage since an earlier build and was not checked then is checked as well, except in check mode.
      - With V(auto), those that have bootc do. With V(required), an image without it is an error.
      - An image that does not pass loses its name, so that the next run builds it again.
    type: str
    choices: ["off", auto, required]
    default: auto
  tls_verify:
    description:
      - Whether registries must speak TLS with a certificate that is trusted.
      - With V(true), a registry that the host's C(registries.conf) calls insecure may do without when images are
        pulled.
    type: bool
    default: true
  force:
    description: Build what is wanted and all it stands on even when nothing changed, without the engine's layer cache.
    type: bool
    default: false
  timeout:
    description: Seconds one build may take. After that it is ended.
    type: float
    default: 7200
requirements:
  - requests, with O(repository)
notes:
  - What a digest in a registry means is remembered in C($XDG_CACHE_HOME/skorionos.bootc) or C(~/.cache/skorionos.bootc)
    of the user who builds. The folder may be deleted at any time.
  - A parent that is published is taken from the registry by its digest, so that every build host makes children with
    the same layers. Publish the variants that others are built on, too, when builds run on fresh hosts.
seealso:
  - module: skorionos.bootc.image_build
  - module: skorionos.bootc.image_push
  - plugin: skorionos.bootc.build_order
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Build a base and two desktops on it, the desktops side by side
  skorionos.bootc.image_build_tree:
    version: 1.0.0
    directory: images
    repository: registry.example.com/os/skorionos
    nodes:
      - name: base
        base: registry.example.com/os/arch@sha256:6c3c624b58dbbcd3c0dd82b4c53f04194d1247c6eebdaab7c610cf7d66709b3b
      - name: kde
        parent: base
        recipe:
          packages:
            pacman: [plasma-desktop, sddm]
          services:
            enabled: [sddm.service]
      - name: gnome
        parent: base
    lint:
      all: error
      late-deletion: warn
  register: built

- name: Say what was built and why
  ansible.builtin.debug:
    var: built.explanation
"""

RETURN = r"""
images:
  description: The images, parents first. With a failure, what there is so far.
  returned: always
  type: list
  elements: dict
  contains:
    name:
      description: Name of the variant.
      type: str
    platform:
      description: Platform it is for. V(null) for that of the build host.
      type: str
    image:
      description: Its name in local storage. It is not there when the outcome is V(published) or V(not_needed).
      type: str
    outcome:
      description:
        - V(built), or V(to_build) in check mode.
        - V(stored) or V(published) for one that was in local storage or in the registry with the same inputs.
        - V(not_needed) for one that others are built on, when all of these are there.
        - V(failed), or V(skipped) because of what it stands on.
      type: str
    changed:
      description: Whether it was or would be built.
      type: bool
    image_id:
      description: Digest of its configuration. V(null) when it is not known.
      type: str
    digest:
      description: Digest of its manifest in the registry, for one that is published.
      type: str
    input_hash:
      description: Hash over everything it is made from, as kept in its label C(org.skorionos.bootc.input-hash).
      type: str
    changed_inputs:
      description: Names of the inputs that differ from those of the image there was, for one that is built.
      type: list
      elements: str
    reason_for_build:
      description: Why it was or would be built, for people.
      type: list
      elements: str
  sample:
    - name: kde
      platform: null
      image: localhost/skorionos/kde:1.0.0
      outcome: built
      changed: true
      image_id: sha256:85ca9eb4ac8fe6bf408601fb721fe9b5c338d10ee429ea04fae5511b68fbf8fb
      digest: null
      input_hash: sha256:486ea46224d1bb4fb680f34f7c9ad96a8f24ec88be73ea8e5a6c65260e9cb8a7
      changed_inputs: [containerfile]
      reason_for_build: ["These inputs changed: containerfile."]
explanation:
  description:
    - One line for each image that says what was done and why. It begins with the node, and with the platform where
      a node has several.
  returned: always
  type: list
  elements: str
  sample: ["kde: These inputs changed: containerfile."]
findings:
  description: What the rules found in Containerfiles.
  returned: always
  type: list
  elements: dict
  contains:
    name:
      description: Name of the variant.
      type: str
    rule:
      description: Name of the rule.
      type: str
    level:
      description: V(warn) or V(error).
      type: str
    line:
      description: Line of the Containerfile, or of what the recipe becomes. 0 for a build argument.
      type: int
    text:
      description: Cause and remedy.
      type: str
  sample: []
failed_images:
  description: Names of the variants whose build failed.
  returned: failure
  type: list
  elements: str
  sample: [base]
skipped_images:
  description: Names of the variants that stand on a failed one.
  returned: failure
  type: list
  elements: str
  sample: [kde, gnome]
commands:
  description: Engine commands that were run to build.
  returned: always
  type: list
  elements: list
  sample: []
reason:
  description:
    - Kind of the failure, for decisions. V(engine_missing), V(not_found) for a missing image to start from, V(auth) and
      V(network) when one could not be pulled, V(invalid) for a wrong tree or wrong options, V(lint) for what the rules
      found, V(build_failed), V(timeout), V(unexpected) for the rest. Of several failures, that of the first.
  returned: failure
  type: str
  sample: build_failed
"""


from ansible.module_utils.basic import AnsibleModule, missing_required_lib

from ..module_utils._engine.builder import CONTAINER_LINT
from ..module_utils._engine.errors import INVALID, UNEXPECTED, EngineError
from ..module_utils._engine.module import BUILD_ARGUMENTS
from ..module_utils._engine.run import end_when_told
from ..module_utils._engine.tree_run import TreeRun
from ..module_utils._oci.transport import REQUESTS_IMPORT_ERROR


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "nodes": {
                "type": "list",
                "elements": "dict",
                "required": True,
                "options": {
                    "name": {"type": "str", "required": True},
                    "parent": {"type": "str"},
                    "base": {"type": "str"},
                    "containerfile": {"type": "str"},
                    "recipe": {"type": "dict"},
                    "context": {"type": "str"},
                    "build_args": {"type": "dict"},
                    "labels": {"type": "dict"},
                    "platforms": {"type": "list", "elements": "str"},
                    "tags": {"type": "list", "elements": "str"},
                },
            },
            "only": {"type": "list", "elements": "str", "default": []},
            "namespace": {"type": "str", "default": "localhost/skorionos"},
            "version": {"type": "str", "required": True},
            "directory": {"type": "path", "required": True},
            "build_args": {"type": "dict", "default": {}},
            "labels": {"type": "dict", "default": {}},
            "repository": {"type": "str"},
            "tags": {
                "type": "list",
                "elements": "str",
                "default": ["{variant}-v{version}", "{variant}-latest"],
            },
            "parallel": {"type": "int", "default": 2},
            "lint": {"type": "dict", "default": {}},
            "container_lint": {"type": "str", "choices": list(CONTAINER_LINT), "default": "auto"},
            **BUILD_ARGUMENTS,
            "tls_verify": {"type": "bool", "default": True},
            "force": {"type": "bool", "default": False},
            "timeout": {"type": "float", "default": 7200},
        },
        supports_check_mode=True,
    )
    if module.params["repository"] and REQUESTS_IMPORT_ERROR:
        module.fail_json(msg=missing_required_lib("requests"), exception=REQUESTS_IMPORT_ERROR, reason="unsupported")
    run = TreeRun(module.params, check_mode=module.check_mode, warn=module.warn)
    end_when_told()
    try:
        run.perform()
    except EngineError as error:
        module.fail_json(msg=str(error), reason=error.kind, **run.result(diff=module._diff))
    except OSError as error:
        what = f"{error.filename or module.params['directory']}: {error.strerror}."
        module.fail_json(msg=what, reason=UNEXPECTED, **run.result(diff=module._diff))
    except ValueError as error:
        module.fail_json(msg=str(error), reason=INVALID, **run.result(diff=module._diff))
    if run.failure is not None:
        module.fail_json(msg=run.failure.text, reason=run.failure.kind, **run.result(diff=module._diff))
    module.exit_json(**run.result(diff=module._diff))


if __name__ == "__main__":
    main()
