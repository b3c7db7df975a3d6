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
from typing import Any, Callable, Sequence

from .._json import without_duplicates
from .errors import NOT_FOUND, UNEXPECTED, RegistryError
from .manifest import Descriptor, Manifest
from .reading import ImageReader, Resolved
from .reference import Reference, parse_reference

PAYLOAD_TYPE = "application/vnd.dev.cosign.simplesigning.v1+json"
SIGNATURE_ANNOTATION = "dev.cosignproject.cosign/signature"
_KIND = "cosign container image signature"
_LARGEST_TIMESTAMP = 2**63
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
        """Return the repository that it is meant for, or none when it is not of this digest.

        None as well for everything that a device refuses to read.
        """
        try:
            # As text, since bytes may be in other encodings, which devices do not read.
            said = _exactly(_parsed(self.payload.decode("utf-8")), "critical", "optional")
            critical = _exactly(said["critical"], "type", "image", "identity")
            identity = _exactly(critical["identity"], "docker-reference")["docker-reference"]
            named = _exactly(critical["image"], "docker-manifest-digest")["docker-manifest-digest"]
            if critical["type"] != _KIND or named != digest or not _is_readable(said["optional"]):
                return None
            if not isinstance(identity, str):
                return None
            parse_reference(identity)
        except (ValueError, RecursionError):
            return None
        return _repository(identity)


def _parsed(text: str) -> Any:
    """Read JSON as devices do. Raises ValueError for names that are there twice and for numbers that JSON has not."""

    def no_number(text: str) -> None:
        raise ValueError(f"{text} is no number")

    return json.loads(text, object_pairs_hook=without_duplicates, parse_constant=no_number)


def _exactly(value: Any, *names: str) -> dict[str, Any]:
    """Return an object that has these fields and no other. Raises ValueError for anything else."""
    if not isinstance(value, dict) or set(value) != set(names):
        raise ValueError("other fields than those of a signature")
    return value


def _is_readable(optional: Any) -> bool:
    """Tell whether devices can read what a signature says beside what counts, though they make no use of it."""
    if optional is None:
        return True
    if not isinstance(optional, dict):
        return False
    creator, timestamp = optional.get("creator"), optional.get("timestamp")
    whole = timestamp is None or (
        isinstance(timestamp, (int, float))
        and not isinstance(timestamp, bool)
        and abs(timestamp) < _LARGEST_TIMESTAMP
        and timestamp == int(timestamp)
    )
    return whole and (creator is None or isinstance(creator, str))


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
