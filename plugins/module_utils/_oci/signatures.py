# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Signatures that lie beside an image in its registry, in the form that devices read. PRIVATE to the collection.

The signatures of ``sha256:abc`` are the layers of a manifest with the tag ``sha256-abc.sig``. Each layer is a small
JSON document that names the image's digest and repository, and an annotation of it holds the signature of these bytes.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from typing import Callable, Sequence

from .errors import NOT_FOUND, UNEXPECTED, RegistryError
from .manifest import Descriptor, Manifest
from .reading import ImageReader, Resolved
from .reference import Reference

PAYLOAD_TYPE = "application/vnd.dev.cosign.simplesigning.v1+json"
SIGNATURE_ANNOTATION = "dev.cosignproject.cosign/signature"
_KIND = "cosign container image signature"
_LARGEST_PAYLOAD = 64 * 1024
_MOST_SIGNATURES = 128

Check = Callable[[str, bytes, bytes], bool]
"""Tells whether a public key (by path) made a signature (last) of some bytes."""


@dataclass(frozen=True)
class Signature:
    """One signature with the bytes that it is of. Nothing in it is proven yet."""

    payload: bytes
    signature: bytes

    def names(self, digest: str, repository: str) -> bool:
        """Tell whether it is meant for this digest, in this repository, whatever the tag."""
        return self.meant_for(digest) == _repository(repository)

    def meant_for(self, digest: str) -> str | None:
        """Return the repository that it is meant for, or none when it is not of this digest."""
        try:
            critical = json.loads(self.payload)["critical"]
            identity = critical["identity"]["docker-reference"]
            named = critical["image"]["docker-manifest-digest"]
            kind = critical["type"]
        except (KeyError, TypeError, ValueError, RecursionError):
            return None
        if kind != _KIND or named != digest or not isinstance(identity, str):
            return None
        return _repository(identity)


def signature_tag(digest: str) -> str:
    """Return the tag under which the signatures of a digest are."""
    return f"{digest.replace(':', '-')}.sig"


def everything_signed(resolved: Resolved) -> list[str]:
    """Return the digests that signatures have to be of: what the reference names, and each image an index lists.

    Bootc looks for one at either; podman, which takes one image out of an index, only at that one.
    """
    return list(dict.fromkeys([resolved.digest, *resolved.platform_digests.values()]))


def read_signatures(reader: ImageReader, reference: Reference, digest: str) -> list[Signature]:
    """Return the signatures that lie beside a digest; none when there are none."""
    place = reference.with_tag(signature_tag(digest))
    try:
        manifest = reader.get_manifest(place)
    except RegistryError as error:
        if error.kind == NOT_FOUND:
            return []
        raise
    found = []
    for layer in _payloads(manifest, str(place)):
        signature = _signature(layer)
        if signature is not None:
            found.append(Signature(reader.get_blob(place, layer.digest, _LARGEST_PAYLOAD), signature))
    return found


def keys_that_signed(
    signatures: Sequence[Signature], digest: str, reference: Reference, keys: Sequence[str], check: Check
) -> list[str]:
    """Return those of the public keys that signed this digest for the repository of the reference."""
    meant = [each for each in signatures if each.names(digest, reference.name)]
    return [key for key in keys if any(check(key, each.payload, each.signature) for each in meant)]


def _payloads(manifest: Manifest, what: str) -> list[Descriptor]:
    if manifest.is_index:
        raise RegistryError(UNEXPECTED, f"{what} should hold signatures, but is an index.", "Remove that tag.")
    if len(manifest.layers) > _MOST_SIGNATURES:
        raise RegistryError(
            UNEXPECTED,
            f"{what} holds {len(manifest.layers)} signatures; at most {_MOST_SIGNATURES} are read.",
            "Remove that tag, and sign again.",
        )
    return [layer for layer in manifest.layers if layer.media_type == PAYLOAD_TYPE]


def _signature(layer: Descriptor) -> bytes | None:
    text = layer.annotations.get(SIGNATURE_ANNOTATION)
    try:
        return base64.b64decode(text, validate=True) if isinstance(text, str) else None
    except ValueError:
        return None


def _repository(identity: str) -> str:
    """Return the repository in an identity, which may have a tag or a digest behind it.

    Docker Hub has two names, and a folder for repositories of one part, so that programs write either.
    """
    name = identity.partition("@")[0]
    head, slash, tail = name.rpartition("/")
    host, _slash, path = (head + slash + tail.partition(":")[0]).partition("/")
    if host not in ("docker.io", "index.docker.io"):
        return f"{host}/{path}"
    return f"docker.io/{path if '/' in path else f'library/{path}'}"
