# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Signatures that lie beside an image, read as devices read them."""

from __future__ import annotations

import base64
import json

import pytest
from ansible_collections.skorionos.bootc.plugins.module_utils._oci.errors import RegistryError
from ansible_collections.skorionos.bootc.plugins.module_utils._oci.signatures import (
    PAYLOAD_TYPE,
    SIGNATURE_ANNOTATION,
    Signature,
    keys_that_signed,
    read_signatures,
    signature_tag,
)

from .conftest import OCI_INDEX, OCI_MANIFEST, Reply, digest, encode

IMAGE = digest(b"image")
TAG = signature_tag(IMAGE)
NAME = "registry.example.com/os/kde"


def document(**other):
    """A payload with something other in it than what makes one."""
    return json.dumps({**json.loads(payload()), **other}).encode()


def payload(image=IMAGE, identity=NAME, kind="cosign container image signature"):
    critical = {"identity": {"docker-reference": identity}, "image": {"docker-manifest-digest": image}, "type": kind}
    return json.dumps({"critical": critical, "optional": None}).encode()


def attach(registry, *entries, media_type=PAYLOAD_TYPE):
    """Put signatures beside the image: pairs of what is signed and the text of the annotation."""
    layers = []
    for signed, annotation in entries:
        registry.on("GET", f"/v2/os/kde/blobs/{digest(signed)}", Reply(body=signed))
        layers.append(
            {"mediaType": media_type, "digest": digest(signed), "size": len(signed), "annotations": annotation}
        )
    config = {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": digest(b"{}"), "size": 2}
    raw = encode({"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config, "layers": layers})
    registry.on("GET", f"/v2/os/kde/manifests/{TAG}", Reply(body=raw, headers={"Content-Type": OCI_MANIFEST}))


def annotated(signature):
    return {SIGNATURE_ANNOTATION: base64.b64encode(signature).decode()}


def test_signatures_are_read_from_beside_the_image(registry, client):
    attach(registry, (payload(), annotated(b"one")), (payload(identity="other"), annotated(b"two")))
    found = read_signatures(client, registry.reference(), IMAGE)
    assert found == [Signature(payload(), b"one"), Signature(payload(identity="other"), b"two")]


def test_an_image_without_signatures_has_none(registry, client):
    body = encode({"errors": [{"code": "MANIFEST_UNKNOWN"}]})
    registry.on("GET", f"/v2/os/kde/manifests/{TAG}", Reply(404, body))
    assert read_signatures(client, registry.reference(), IMAGE) == []


@pytest.mark.parametrize("annotation", [{}, {SIGNATURE_ANNOTATION: "not base64!"}, {"other": "b25l"}])
def test_what_holds_no_signature_is_passed_over(registry, client, annotation):
    attach(registry, (payload(), annotation))
    assert read_signatures(client, registry.reference(), IMAGE) == []


def test_other_layers_are_not_fetched(registry, client):
    attach(registry, (payload(), annotated(b"one")), media_type="application/vnd.in-toto+json")
    assert read_signatures(client, registry.reference(), IMAGE) == []
    assert not [request for request in registry.requests if "/blobs/" in request.path]


def test_a_payload_that_is_not_what_its_digest_says_is_refused(registry, client):
    attach(registry, (payload(), annotated(b"one")))
    registry.on("GET", f"/v2/os/kde/blobs/{digest(payload())}", Reply(body=payload(identity="evil")))
    with pytest.raises(RegistryError, match="should have digest"):
        read_signatures(client, registry.reference(), IMAGE)


def test_a_flood_of_signatures_is_not_read(registry, client):
    attach(registry, *[(payload(), annotated(b"one"))] * 129)
    with pytest.raises(RegistryError, match="129 signatures"):
        read_signatures(client, registry.reference(), IMAGE)


def test_an_index_in_the_place_of_signatures_is_refused(registry, client):
    raw = encode({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": []})
    registry.on("GET", f"/v2/os/kde/manifests/{TAG}", Reply(body=raw, headers={"Content-Type": OCI_INDEX}))
    with pytest.raises(RegistryError, match="is an index"):
        read_signatures(client, registry.reference(), IMAGE)


@pytest.mark.parametrize("identity", [NAME, f"{NAME}:v1", f"{NAME}@{IMAGE}"])
def test_a_signature_for_the_repository_counts_whatever_its_tag(identity):
    assert Signature(payload(identity=identity), b"").names(IMAGE, NAME)


@pytest.mark.parametrize(
    "optional", [None, {}, {"creator": "skopeo 1.15", "timestamp": 1700000000}, {"timestamp": 1.7e9}, {"more": [1]}]
)
def test_what_signers_say_beside_it_is_no_hindrance(optional):
    assert Signature(document(optional=optional), b"").names(IMAGE, NAME)


@pytest.mark.parametrize("identity", ["index.docker.io/library/kde", "docker.io/kde:v1", "docker.io/library/kde"])
def test_the_two_names_of_docker_hub_are_one(identity):
    signature = Signature(payload(identity=identity), b"")
    assert signature.names(IMAGE, "docker.io/kde")
    assert not signature.names(IMAGE, "docker.io/os/kde")


@pytest.mark.parametrize(
    "signed",
    [
        payload(image=digest(b"another")),
        payload(identity="registry.example.com/os/gnome"),
        payload(identity="registry.example.com/os/kde/x"),
        payload(identity="registry.example.com:5000/os/kde"),
        payload(identity=None),
        payload(kind="atomic container signature"),
        # Devices refuse these as well.
        json.dumps({"critical": json.loads(payload())["critical"]}).encode(),
        document(more=1),
        document(optional=[]),
        document(optional={"timestamp": "1700000000"}),
        document(optional={"timestamp": 1.5}),
        document(optional={"timestamp": True}),
        document(optional={"creator": 1}),
        document(critical={**json.loads(payload())["critical"], "more": 1}),
        document(critical={**json.loads(payload())["critical"], "identity": {"docker-reference": NAME, "more": 1}}),
        document(critical={**json.loads(payload())["critical"], "image": {"docker-manifest-digest": IMAGE, "x": 1}}),
        payload(identity=f"{NAME}:no tag!"),
        payload(identity=f"{NAME}@sha256:1"),
        payload().replace(b'"optional": null', b'"optional": {}, "optional": null'),
        payload().replace(b'"optional": null', b'"optional": {"timestamp": 1e999}'),
        payload().replace(b'"optional": null', b'"optional": {"timestamp": NaN}'),
        payload().decode().encode("utf-16"),
        b"{}",
        b"[]",
        b"\xff",
        b"[" * 100_000,
    ],
)
def test_a_signature_for_something_else_does_not_count(signed):
    assert not Signature(signed, b"").names(IMAGE, NAME)


def test_only_signatures_that_are_meant_are_asked_about(registry):
    place = registry.reference()
    mine, others = payload(identity=place.name), payload(identity="registry.example.com/os/kde", image=digest(b"x"))
    asked = []

    def check(key, signed, signature):
        asked.append((key, signed))
        return key == "b" and signature == b"good"

    signatures = [Signature(others, b"good"), Signature(mine, b"bad"), Signature(mine, b"good")]
    assert keys_that_signed(signatures, IMAGE, place, ["a", "b"], check) == ["b"]
    assert {signed for _key, signed in asked} == {mine}
