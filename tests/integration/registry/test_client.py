# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the registry client takes for given of registries, asked of a real one."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path

import pytest
import requests
from ansible_collections.skorionos.bootc.plugins.module_utils._oci.client import RegistryClient
from ansible_collections.skorionos.bootc.plugins.module_utils._oci.errors import RegistryError
from ansible_collections.skorionos.bootc.plugins.module_utils._oci.manifest import (
    OCI_INDEX,
    OCI_MANIFEST,
    Manifest,
    parse_manifest,
)
from ansible_collections.skorionos.bootc.plugins.module_utils._oci.reference import Reference
from cryptography.hazmat.primitives import serialization

from .conftest import PASSWORD, USER, Tokens, digest

CONFIG = json.dumps({"os": "linux", "architecture": "amd64", "config": {}}).encode()
LAYER = bytes(range(256)) * 64


def image(**more: object) -> Manifest:
    document = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": {
            "mediaType": "application/vnd.oci.image.config.v1+json",
            "digest": digest(CONFIG),
            "size": len(CONFIG),
        },
        "layers": [
            {
                "mediaType": "application/vnd.oci.image.layer.v1.tar",
                "digest": digest(LAYER),
                "size": len(LAYER),
            }
        ],
        **more,
    }
    return parse_manifest(json.dumps(document).encode(), OCI_MANIFEST)


def upload(address: str, *blobs: bytes, **headers: str) -> None:
    for blob in blobs:
        begun = requests.post(f"http://{address}/v2/os/kde/blobs/uploads/", headers=headers, timeout=5)
        begun.raise_for_status()
        place = f"{begun.headers['Location']}&digest={digest(blob)}"
        requests.put(place, data=blob, headers=headers, timeout=5).raise_for_status()


def test_blobs_parts_referrers_and_deletion(start_registry: Callable[..., str]) -> None:
    address = start_registry()
    upload(address, CONFIG, LAYER)
    there = Reference(address, "os/kde", "v1")
    manifest = image()
    with requests.Session() as session:
        client = RegistryClient(session, insecure=True, environ={})
        client.put_manifest(there, manifest)
        client.put_manifest(there.with_tag("stable"), manifest)
        assert client.get_blob(there, digest(LAYER), len(LAYER)) == LAYER
        assert client.get_blob_range(there, digest(LAYER), 100, 50) == LAYER[100:150]
        assert client.head_blob(there, digest(LAYER)) == len(LAYER)
        assert client.head_blob(there, digest(b"absent")) is None
        with pytest.raises(RegistryError, match="has no bytes 99999"):
            client.get_blob_range(there, digest(LAYER), 99999, 10)

        pinned = there.with_digest(manifest.digest)
        assert client.list_referrers(pinned) == []
        entry = {"mediaType": OCI_MANIFEST, "digest": manifest.digest, "size": len(manifest.raw)}
        listed = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [{**entry, "artifactType": "sbom"}]}
        index = parse_manifest(json.dumps(listed).encode())
        client.put_manifest(there.with_tag(manifest.digest.replace(":", "-")), index)
        assert [found.artifact_type for found in client.list_referrers(pinned)] == ["sbom"]

        assert client.delete_manifest(pinned) is True
        assert client.delete_manifest(pinned) is False
        assert client.head_manifest(there) is None
        assert client.head_manifest(there.with_tag("stable")) is None


def test_tokens_are_asked_for_what_is_wanted(
    start_registry: Callable[..., str], tokens: Tokens, tmp_path: Path
) -> None:
    root = tmp_path / "tokens.crt"
    root.write_bytes(tokens.certificate.public_bytes(serialization.Encoding.PEM))
    address = start_registry(
        auth={
            "token": {
                "realm": f"http://{tokens.address}/token",
                "service": "registry",
                "issuer": "tokens",
                "rootcertbundle": str(root),
            }
        }
    )
    pushing = tokens.grant("repository:os/kde:pull,push", known=True)
    upload(address, CONFIG, LAYER, Authorization=f"Bearer {pushing}")
    auth_file = tmp_path / "auth.json"
    entry = {"auth": base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()}
    auth_file.write_text(json.dumps({"auths": {address: entry}}))
    there = Reference(address, "os/kde", "v1")
    manifest = image()
    with requests.Session() as session:
        client = RegistryClient(session, insecure=True, auth_file=str(auth_file), environ={})
        client.put_manifest(there, manifest)
        client.put_manifest(there.with_tag("v2"), manifest)
        assert client.list_tags(there) == ["v1", "v2"]
        assert client.get_manifest(there).digest == manifest.digest
        assert client.delete_manifest(there.with_digest(manifest.digest)) is True
        # The registry names the actions of a challenge in an order that changes from one to the next.
        assert [scope.replace("push,pull", "pull,push") for scope in tokens.asked] == [
            "repository:os/kde:pull,push",
            "repository:os/kde:pull",
            "repository:os/kde:delete",
        ], "one token for each right, used again"
        nobody = RegistryClient(session, insecure=True, environ={"HOME": str(tmp_path)})
        with pytest.raises(RegistryError, match=r"refuses '(pull,push|push,pull)' .*No credentials for") as raised:
            nobody.put_manifest(there, manifest)
        assert raised.value.kind == "auth"
