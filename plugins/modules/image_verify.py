#!/usr/bin/python
# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: image_verify
short_description: Verify an image in a registry as a device would
version_added: 0.1.0
description:
  - Tells whether a device that accepts certain keys would take an image, and fails when it would not.
  - Whoever made the signature is not asked. A signature that its maker finds in order may be stored where devices do
    not look, or be bound to a tag, and then every device refuses the update.
  - Nothing of the image but its manifest and signatures is transferred.
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
    details: Changes nothing at any time.
  diff_mode:
    support: none
  idempotent:
    support: full
options:
  image:
    description: The image, as C(registry[:port]/repository:tag) or by digest. Of a tag, what it holds now is verified.
    type: str
    required: true
  keys:
    description:
      - Files with public keys. A signature by one of them is enough.
      - Either these or O(policy).
    type: list
    elements: path
    default: []
  policy:
    description: A C(policy.json) to apply as it is, such as that of the devices. Only with O(method=skopeo).
    type: path
  registries_d:
    description: A folder of C(registries.d) that belongs to O(policy). When not given, that of this host.
    type: path
  method:
    description:
      - How to verify. With V(skopeo), the image is asked for through the program and in the way that bootc pulls with,
        under a policy that accepts nothing but O(keys), or under O(policy). That is the proof.
      - With V(registry), the signatures are read through the registry's API and checked with openssl, by the same
        rules. That is a second reading of these rules, for hosts whose skopeo cannot do it, such as that of Debian 12.
      - Neither takes the place of the other by itself.
    type: str
    choices: [skopeo, registry]
    default: skopeo
  timeout:
    description: Seconds that one question may take.
    type: float
    default: 120
requirements:
  - skopeo 1.15 or newer built with sigstore, for O(method=skopeo)
  - openssl, for O(method=registry)
seealso:
  - module: skorionos.bootc.image_sign
  - module: skorionos.bootc.device_trust
"""

EXAMPLES = r"""
- name: Stop the release unless devices take it, with the key they have and with the one they get next
  skorionos.bootc.image_verify:
    image: registry.example.com/os/skorionos:kde-v1.0.0
    keys: ["{{ item }}"]
  loop: [keys/2026.pub, keys/2027.pub]

- name: Apply the policy of a device, copied from there
  skorionos.bootc.image_verify:
    image: registry.example.com/os/skorionos:kde-v1.0.0
    policy: fetched/policy.json
    registries_d: fetched/registries.d
"""

RETURN = r"""
image:
  description: What was verified, by digest.
  returned: success
  type: str
  sample: registry.example.com/os/skorionos@sha256:6c3c624b58dbbcd3c0dd82b4c53f04194d1247c6eebdaab7c610cf7d66709b3b
digest:
  description: Its digest.
  returned: success
  type: str
  sample: sha256:6c3c624b58dbbcd3c0dd82b4c53f04194d1247c6eebdaab7c610cf7d66709b3b
verified:
  description: Every digest that was verified, of an index that of each platform's image too.
  returned: success
  type: list
  elements: str
  sample: ["sha256:6c3c624b58dbbcd3c0dd82b4c53f04194d1247c6eebdaab7c610cf7d66709b3b"]
method:
  description: How it was verified.
  returned: success
  type: str
  sample: skopeo
reason:
  description:
    - Kind of the failure, for decisions. V(signature) when a device would refuse the image. V(unsupported_version) when
      skopeo cannot tell, V(engine_missing) without openssl, V(not_found), V(auth), V(network), V(timeout),
      V(unsupported), V(invalid) for wrong options, V(unexpected) for the rest.
  returned: failure
  type: str
  sample: signature
"""

import shutil
import tempfile
from pathlib import Path
from typing import Any, Mapping, Sequence

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

from ..module_utils._engine.errors import INVALID, MISSING, EngineError
from ..module_utils._engine.run import end_when_told, run_command
from ..module_utils._engine.signing import OpenSsl
from ..module_utils._errors import BootcError
from ..module_utils._oci.client import RegistryClient
from ..module_utils._oci.errors import RegistryError
from ..module_utils._oci.module import REGISTRY_ARGUMENTS, registry_client
from ..module_utils._oci.reference import Reference, parse_reference
from ..module_utils._oci.signatures import everything_signed, keys_that_signed, read_signatures
from ..module_utils._oci.transport import REQUESTS_IMPORT_ERROR
from ..module_utils._trust.policy import only_signed, render_policy
from ..module_utils._trust.proxy import Rules, verify
from ..module_utils._trust.registries_d import render

SIGNATURE = "signature"


def verify_by_skopeo(
    params: Mapping[str, Any], reference: Reference, pulled_from: Reference, digests: Sequence[str]
) -> None:
    """Raise BootcError unless skopeo takes every digest under the policy."""
    images = [str(reference.with_digest(digest)) for digest in digests]
    access = (params["tls_verify"], Path(params["auth_file"]) if params["auth_file"] else None)
    if params["policy"]:
        registries_d = Path(params["registries_d"]) if params["registries_d"] else None
        verify(images, Rules(Path(params["policy"]), registries_d, *access), params["timeout"])
        return
    with tempfile.TemporaryDirectory(prefix="bootc-verify-") as folder:
        policy, registries_d = Path(folder, "policy.json"), Path(folder, "registries.d")
        keys = [str(Path(key).absolute()) for key in params["keys"]]
        policy.write_text(render_policy(only_signed([reference.name], keys)), encoding="utf-8")
        registries_d.mkdir()
        # Signatures are looked for where the image really is, and compared with its name.
        names = dict.fromkeys([reference.name, pulled_from.name])
        (registries_d / "signed.yaml").write_text(render(list(names)), encoding="utf-8")
        verify(images, Rules(policy, registries_d, *access), params["timeout"])


def verify_by_registry(
    client: RegistryClient, reference: Reference, digests: Sequence[str], keys: Sequence[str]
) -> None:
    """Raise unless one of the keys signed every digest for this repository, as the policy would demand it."""
    if not shutil.which("openssl"):
        raise EngineError(MISSING, "There is no openssl in PATH.", "Install openssl on this host.")
    openssl = OpenSsl(run_command)
    for digest in digests:
        signatures = read_signatures(client, reference, digest)
        if not keys_that_signed(signatures, digest, reference, keys, openssl.made):
            what = f"none of its {len(signatures)} signatures is by one of the keys" if signatures else "it has none"
            raise EngineError(
                SIGNATURE,
                f"{reference.with_digest(digest)} has no signature that devices would accept: {what}.",
                "Sign it with one of the keys.",
            )


def check_options(params: Mapping[str, Any]) -> None:
    """Refuse options that do not belong together."""
    if bool(params["keys"]) == bool(params["policy"]):
        raise ValueError("Either keys or policy must be given. Give the public keys that devices accept.")
    if params["policy"] and params["method"] != "skopeo":
        raise ValueError("A policy can be applied by skopeo only. Give keys instead, or the method skopeo.")
    for path in [*params["keys"], *([params["policy"]] if params["policy"] else [])]:
        if not Path(path).is_file():
            raise ValueError(f"There is no file {path}. Correct its path.")


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "image": {"type": "str", "required": True},
            "keys": {"type": "list", "elements": "path", "default": [], "no_log": False},
            "policy": {"type": "path"},
            "registries_d": {"type": "path"},
            "method": {"type": "str", "choices": ["skopeo", "registry"], "default": "skopeo"},
            "timeout": {"type": "float", "default": 120},
            **REGISTRY_ARGUMENTS,
        },
        supports_check_mode=True,
    )
    if REQUESTS_IMPORT_ERROR:
        module.fail_json(msg=missing_required_lib("requests"), exception=REQUESTS_IMPORT_ERROR, reason="unsupported")
    end_when_told()
    params = module.params
    try:
        check_options(params)
        reference = parse_reference(params["image"])
        client = registry_client(params, pulls=True)
        resolved = client.resolve(reference)
        digests = everything_signed(resolved)
        if params["method"] == "skopeo":
            verify_by_skopeo(params, reference, client.pulled_from(reference), digests)
        else:
            verify_by_registry(client, reference, digests, params["keys"])
    except BootcError as error:
        module.fail_json(**error.as_result())
    except (EngineError, RegistryError) as error:
        module.fail_json(msg=str(error), reason=error.kind)
    except ValueError as error:
        module.fail_json(msg=str(error), reason=INVALID)
    module.exit_json(
        changed=False,
        image=str(reference.with_digest(resolved.digest)),
        digest=resolved.digest,
        verified=digests,
        method=params["method"],
    )


if __name__ == "__main__":
    main()
