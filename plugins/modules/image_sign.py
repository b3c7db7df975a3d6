#!/usr/bin/python
# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: image_sign
short_description: Sign an image in a registry with a key
version_added: 0.1.0
description:
  - Signs an image that is in a registry, by digest, with a key pair and without any service in the internet. The
    signature is stored beside the image in the form that bootc, podman and skopeo read.
  - Of an index, the index itself and the image of each platform are signed, because bootc looks for a signature at
    either, and podman at that of the platform.
  - A digest that the key has signed already is left alone. So signing again with another key adds a second signature,
    which is what the rotation of keys needs.
  - After signing, the signatures are read back from the registry and checked with the public key.
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
    details: Needs no private key and no passphrase.
  diff_mode:
    support: none
  idempotent:
    support: full
options:
  image:
    description:
      - The image, as C(registry[:port]/repository@digest).
      - With a tag, what the tag holds now is signed, by its digest.
    type: str
    required: true
  key:
    description: File with the private key, as C(cosign generate-key-pair) or C(skopeo generate-sigstore-key) writes it.
    type: path
    required: true
  public_key:
    description:
      - File with the public key, which tells what is signed already.
      - When not given, the name of O(key) with C(.pub) instead of C(.key) or C(.private).
    type: path
  passphrase:
    description:
      - Passphrase of the private key. It reaches the program that signs through its environment or a file that only
        its user can read, never through a command line.
      - When neither this nor O(passphrase_file) is given, E(COSIGN_PASSWORD), else an empty one.
    type: str
  passphrase_file:
    description: File with the passphrase in its first line.
    type: path
  signer:
    description:
      - The program that signs. With V(auto), cosign if it is installed, else skopeo.
      - Versions 2 and 3 of cosign are told different things, so that both leave a signature that devices read. Skopeo
        has to be built with sigstore, which that of Debian 12 is not.
    type: str
    choices: [auto, cosign, skopeo]
    default: auto
  timeout:
    description: Seconds that signing one digest may take.
    type: float
    default: 120
requirements:
  - cosign 2 or 3, or skopeo 1.15 or newer
  - openssl
seealso:
  - module: skorionos.bootc.image_verify
  - module: skorionos.bootc.device_trust
"""

EXAMPLES = r"""
- name: Publish the KDE variant
  skorionos.bootc.image_push:
    name: localhost/skorionos/kde:1.0.0
    image: registry.example.com/os/skorionos:kde-v1.0.0
  register: published

- name: Sign it
  skorionos.bootc.image_sign:
    image: "{{ published.repository }}@{{ published.digest }}"
    key: /etc/release/2026.key
    passphrase_file: /etc/release/2026.passphrase
"""

RETURN = r"""
image:
  description: What was signed, by digest.
  returned: success
  type: str
  sample: registry.example.com/os/skorionos@sha256:6c3c624b58dbbcd3c0dd82b4c53f04194d1247c6eebdaab7c610cf7d66709b3b
digest:
  description: Its digest.
  returned: success
  type: str
  sample: sha256:6c3c624b58dbbcd3c0dd82b4c53f04194d1247c6eebdaab7c610cf7d66709b3b
signed:
  description: Digests that were signed now, in check mode those that would be.
  returned: success
  type: list
  elements: str
  sample: ["sha256:6c3c624b58dbbcd3c0dd82b4c53f04194d1247c6eebdaab7c610cf7d66709b3b"]
signed_before:
  description: Digests that the key had signed already.
  returned: success
  type: list
  elements: str
  sample: []
signer:
  description: The program that signed. V(null) when nothing had to be signed, and in check mode.
  returned: success
  type: str
  sample: cosign
reason:
  description:
    - Kind of the failure, for decisions. V(engine_missing) when there is no program to sign with, V(not_found) for a
      missing image, V(auth), V(network), V(timeout), V(unsupported), V(invalid) for wrong options, keys and
      passphrases, V(unexpected) for the rest.
  returned: failure
  type: str
  sample: invalid
"""

import os
import shutil
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

from ..module_utils._engine.errors import INVALID, MISSING, UNEXPECTED, EngineError
from ..module_utils._engine.run import end_when_told, run_command
from ..module_utils._engine.signing import OpenSsl, Signing, choose_signer, public_key_beside, read_passphrase, sign
from ..module_utils._oci.client import RegistryClient
from ..module_utils._oci.errors import RegistryError
from ..module_utils._oci.module import REGISTRY_ARGUMENTS, registry_client
from ..module_utils._oci.reference import Reference, parse_reference
from ..module_utils._oci.signatures import everything_signed, keys_that_signed, read_signatures
from ..module_utils._oci.transport import REQUESTS_IMPORT_ERROR


def is_signed(client: RegistryClient, openssl: OpenSsl, reference: Reference, digest: str, key: str) -> bool:
    """Tell whether the owner of a public key signed a digest."""
    signatures = read_signatures(client, reference, digest)
    return bool(keys_that_signed(signatures, digest, reference, [key], openssl.made))


def file_of(option: str, path: str) -> str:
    """Return the path of a file that is there."""
    if not Path(path).is_file():
        raise EngineError(INVALID, f"There is no file {path}.", f"Correct {option}.")
    return path


def run(module: AnsibleModule) -> dict[str, Any]:
    """Sign what the key has not signed yet."""
    params = module.params
    reference = parse_reference(params["image"])
    if not shutil.which("openssl"):
        raise EngineError(MISSING, "There is no openssl in PATH.", "Install openssl on this host.")
    openssl = OpenSsl(run_command)
    public_key = file_of("public_key", params["public_key"] or public_key_beside(params["key"]))
    client = registry_client(params)
    resolved = client.resolve(reference)
    wanted = everything_signed(resolved)
    before = [digest for digest in wanted if is_signed(client, openssl, reference, digest, public_key)]
    missing = [digest for digest in wanted if digest not in before]
    signer = None
    if missing and not module.check_mode:
        signer = choose_signer(params["signer"], shutil.which)
        key = file_of("key", params["key"])
        passphrase = read_passphrase(params["passphrase"], params["passphrase_file"], os.environ)
        for digest in missing:
            is_index = digest == resolved.digest and (resolved.manifest is None or resolved.manifest.digest != digest)
            image = str(reference.with_digest(digest))
            signing = Signing(
                image, reference.name, is_index, key, passphrase, params["tls_verify"], params["auth_file"]
            )
            sign(run_command, signer, signing, params["timeout"])
            if not is_signed(client, openssl, reference, digest, public_key):
                raise EngineError(
                    UNEXPECTED,
                    f"{signer} signed {image}, but there is no signature beside it that {public_key} confirms.",
                    "Check that the public key belongs to the private one.",
                )
    return {
        "changed": bool(missing),
        "image": str(reference.with_digest(resolved.digest)),
        "digest": resolved.digest,
        "signed": missing,
        "signed_before": before,
        "signer": signer,
    }


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "image": {"type": "str", "required": True},
            "key": {"type": "path", "required": True, "no_log": False},
            "public_key": {"type": "path", "no_log": False},
            "passphrase": {"type": "str", "no_log": True},
            "passphrase_file": {"type": "path", "no_log": False},
            "signer": {"type": "str", "choices": ["auto", "cosign", "skopeo"], "default": "auto"},
            "timeout": {"type": "float", "default": 120},
            **REGISTRY_ARGUMENTS,
        },
        mutually_exclusive=[["passphrase", "passphrase_file"]],
        supports_check_mode=True,
    )
    if REQUESTS_IMPORT_ERROR:
        module.fail_json(msg=missing_required_lib("requests"), exception=REQUESTS_IMPORT_ERROR, reason="unsupported")
    end_when_told()
    try:
        result = run(module)
    except (EngineError, RegistryError) as error:
        module.fail_json(msg=str(error), reason=error.kind)
    except ValueError as error:
        module.fail_json(msg=str(error), reason=INVALID)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
