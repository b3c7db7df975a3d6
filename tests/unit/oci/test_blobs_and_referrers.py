# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Blobs and their parts, deletion and referrers, against registries that behave, cannot, or are hostile."""

from __future__ import annotations

import re

import pytest
from ansible_collections.skorionos.bootc.plugins.module_utils._oci.errors import RegistryError
from ansible_collections.skorionos.bootc.plugins.module_utils._oci.manifest import parse_manifest

from .conftest import OCI_INDEX, OCI_MANIFEST, Reply, Request, digest, encode, error

CONTENT = bytes(range(256)) * 8
BLOB = digest(CONTENT)
PATH = f"/v2/os/kde/blobs/{BLOB}"
IMAGE = digest(b"the image")
TAGGED = f"/v2/os/kde/manifests/{IMAGE.replace(':', '-')}"
TOLD = f"/v2/os/kde/referrers/{IMAGE}"


def in_parts(request: Request) -> Reply:
    """Answer like a registry that can give parts."""
    wanted = re.fullmatch(r"bytes=(\d+)-(\d+)", request.headers["range"])
    first, last = int(wanted[1]), int(wanted[2])
    part = CONTENT[first : last + 1]
    return Reply(206, part, {"Content-Range": f"bytes {first}-{last}/{len(CONTENT)}"})


def listed(*entries: tuple[str, str]) -> bytes:
    manifests = [
        {"mediaType": OCI_MANIFEST, "digest": digest(name.encode()), "size": 3, "artifactType": kind}
        for name, kind in entries
    ]
    return encode({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": manifests})


def names(referrers) -> list[str]:
    return [entry.artifact_type for entry in referrers]


def test_reads_a_blob(registry, client):
    registry.blob(CONTENT)
    assert client.get_blob(registry.reference(), BLOB, 4096) == CONTENT


def test_does_not_read_a_blob_that_is_larger_than_allowed(registry, client):
    registry.blob(CONTENT)
    with pytest.raises(RegistryError, match="more than 100 bytes"):
        client.get_blob(registry.reference(), BLOB, 100)


def test_refuses_a_blob_with_another_digest(registry, client):
    registry.on("GET", PATH, Reply(body=b"something else"))
    with pytest.raises(RegistryError, match="do not trust it"):
        client.get_blob(registry.reference(), BLOB, 4096)


def test_tells_the_size_of_a_blob_without_reading_it(registry, client):
    registry.on("HEAD", PATH, Reply(body=CONTENT))
    assert client.head_blob(registry.reference(), BLOB) == len(CONTENT)
    assert client.head_blob(registry.reference(), digest(b"absent")) is None
    assert registry.paths("GET") == []


def test_reads_a_part_of_a_blob(registry, client):
    registry.on("GET", PATH, in_parts)
    assert client.get_blob_range(registry.reference(), BLOB, 10, 5) == CONTENT[10:15]


def test_reads_a_part_behind_a_redirect_without_taking_credentials_there(registry, other_host, client):
    other_host.on("GET", "/signed?key=1", in_parts)
    registry.on("GET", PATH, Reply(307, headers={"Location": f"http://{other_host.address}/signed?key=1"}))
    assert client.get_blob_range(registry.reference(), BLOB, 0, 3) == CONTENT[:3]
    assert "authorization" not in other_host.requests[-1].headers


def test_a_whole_blob_is_not_read_where_a_part_was_asked_for(registry, client):
    registry.on("GET", PATH, Reply(body=b"x" * 50_000_000))
    with pytest.raises(RegistryError, match=r"gives no parts of blobs\. The registry, or the storage") as raised:
        client.get_blob_range(registry.reference(), BLOB, 0, 3)
    assert raised.value.kind == "unsupported"


@pytest.mark.parametrize(
    ("body", "content_range"),
    [
        (CONTENT[1:4], "bytes 1-3/2048"),
        (CONTENT[:2], "bytes 0-2/2048"),
        (CONTENT[:3], "bytes */2048"),
        (CONTENT[:3], ""),
    ],
)
def test_another_part_than_asked_for_is_refused(registry, client, body, content_range):
    registry.on("GET", PATH, Reply(206, body, {"Content-Range": content_range}))
    with pytest.raises(RegistryError, match="something else than bytes 0 to 2"):
        client.get_blob_range(registry.reference(), BLOB, 0, 3)


def test_a_part_beyond_the_end_is_not_there(registry, client):
    registry.on("GET", PATH, Reply(416, b"{}", claim_length=len(CONTENT)))
    with pytest.raises(RegistryError, match="has no bytes 9000 to 9009"):
        client.get_blob_range(registry.reference(), BLOB, 9000, 10)
    assert len(registry.paths("GET")) == 1, "the few bytes that come are no reason to try again"


def test_deletes_by_digest(registry, client):
    registry.on("DELETE", f"/v2/os/kde/manifests/{IMAGE}", Reply(202))
    assert client.delete_manifest(registry.reference("v1", IMAGE)) is True


def test_what_is_not_there_is_not_deleted(registry, client):
    assert client.delete_manifest(registry.reference(None, IMAGE)) is False


def test_a_registry_without_deletion_says_how_to_allow_it(registry, client):
    path = f"/v2/os/kde/manifests/{IMAGE}"
    registry.on("DELETE", path, error(405, "UNSUPPORTED", "The operation is unsupported."))
    with pytest.raises(RegistryError, match="Allow deletion") as raised:
        client.delete_manifest(registry.reference(None, IMAGE))
    assert raised.value.kind == "unsupported"


def test_deleting_asks_for_the_right_to_delete(registry, client):
    path = f"/v2/os/kde/manifests/{IMAGE}"
    challenge = f'Bearer realm="http://{registry.address}/token",scope="repository:os/kde:delete"'
    refusal = error(401, "UNAUTHORIZED", "authentication required", WWW_Authenticate=challenge)
    registry.on("DELETE", path, refusal, Reply(202))
    registry.on("GET", "/token?scope=repository%3Aos%2Fkde%3Adelete", Reply(200, encode({"token": "t"})))
    assert client.delete_manifest(registry.reference(None, IMAGE)) is True


def test_a_tag_is_not_deleted(registry, client):
    with pytest.raises(ValueError, match="no digest"):
        client.delete_manifest(registry.reference("v1"))
    assert registry.requests == []


def test_lists_what_is_about_an_image(registry, client):
    registry.on("GET", TOLD, Reply(200, listed(("a", "sbom"), ("b", "signature")), {"Content-Type": OCI_INDEX}))
    assert names(client.list_referrers(registry.reference(None, IMAGE))) == ["sbom", "signature"]
    assert names(client.list_referrers(registry.reference(None, IMAGE), "sbom")) == ["sbom"]


def test_lists_what_is_about_an_image_over_several_pages(registry, client):
    link = {"Content-Type": OCI_INDEX, "Link": f'<{TOLD}?page=2>; rel="next"'}
    registry.on("GET", TOLD, Reply(200, listed(("a", "sbom")), link))
    registry.on("GET", f"{TOLD}?page=2", Reply(200, listed(("b", "signature")), {"Content-Type": OCI_INDEX}))
    assert names(client.list_referrers(registry.reference(None, IMAGE))) == ["sbom", "signature"]


def test_referrers_are_found_at_the_tag_where_the_registry_does_not_list_them(registry, client):
    registry.manifest(listed(("a", "sbom")), OCI_INDEX, IMAGE.replace(":", "-"))
    assert names(client.list_referrers(registry.reference(None, IMAGE))) == ["sbom"]


def test_an_image_that_nothing_is_about(registry, client):
    assert client.list_referrers(registry.reference(None, IMAGE)) == []


@pytest.mark.parametrize(
    "answer",
    [
        error(405, "UNSUPPORTED", "no"),
        Reply(303, headers={"Location": "/login"}),
        Reply(200, b"<html>", {"Content-Type": "text/html"}),
    ],
)
def test_a_registry_that_answers_with_something_else_is_asked_for_the_tag(registry, client, answer):
    registry.on("GET", TOLD, answer)
    registry.manifest(listed(("a", "sbom")), OCI_INDEX, IMAGE.replace(":", "-"))
    assert names(client.list_referrers(registry.reference(None, IMAGE))) == ["sbom"]
    assert registry.paths("GET") == [TOLD, TAGGED]


@pytest.mark.parametrize("status", [429, 500, 503])
def test_trouble_is_not_an_empty_list_of_referrers(registry, client, status):
    registry.on("GET", TOLD, Reply(status))
    with pytest.raises(RegistryError) as raised:
        client.list_referrers(registry.reference(None, IMAGE))
    assert raised.value.kind == "network"


def test_pages_that_lead_in_circles_end(registry, client):
    link = {"Link": '</v2/os/kde/tags/list?n=1000>; rel="next"'}
    registry.on("GET", "/v2/os/kde/tags/list?n=1000", Reply(200, encode({"tags": ["a"]}), link))
    with pytest.raises(RegistryError, match="comes to no end"):
        client.list_tags(registry.reference())
    assert len(registry.paths("GET")) == 1


@pytest.mark.parametrize("subject", [{"digest": "latest"}, {"digest": 7}, ["x"], "sha256"])
def test_a_subject_that_is_no_digest_is_refused(subject):
    document = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [], "subject": subject}
    with pytest.raises(RegistryError):
        parse_manifest(encode(document))


def test_knows_what_a_manifest_is_about():
    document = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [], "subject": {"digest": IMAGE}}
    assert parse_manifest(encode(document)).subject == IMAGE
