# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Blobs on their way into a registry."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest
from ansible_collections.skorionos.bootc.plugins.module_utils._oci.archive import FileBody
from ansible_collections.skorionos.bootc.plugins.module_utils._oci.errors import RegistryError

from .conftest import Reply, digest, error

BLOB = b"layer" * 200_000
UPLOADS = "/v2/os/kde/blobs/uploads/"


@pytest.fixture
def body(tmp_path: Path) -> FileBody:
    path = tmp_path / "blob"
    path.write_bytes(BLOB)
    return FileBody(path, len(BLOB))


def place(path: str) -> Reply:
    return Reply(202, headers={"Location": path})


def test_the_state_in_the_address_of_an_upload_is_kept(registry, client, body):
    registry.on("POST", UPLOADS, place("/upload/1?state=x%2Fy"))
    wanted = f"/upload/1?state=x%2Fy&digest=sha256%3A{digest(BLOB)[7:]}"
    registry.on("PUT", wanted, Reply(201))
    client.put_blob(registry.reference(), digest(BLOB), body)
    (sent,) = [request for request in registry.requests if request.method == "PUT"]
    assert (sent.body, sent.headers["content-length"]) == (BLOB, str(len(BLOB)))
    assert "transfer-encoding" not in sent.headers


def test_a_blob_that_the_registry_has_elsewhere_is_not_sent(registry, client, body):
    registry.on("POST", f"{UPLOADS}?mount=sha256%3A{digest(BLOB)[7:]}&from=os%2Fgnome", Reply(201))
    client.put_blob(registry.reference(), digest(BLOB), body, "os/gnome")
    assert registry.paths("PUT") == []


def test_credentials_stay_with_the_registry(registry, other_host, make_client, body, tmp_path):
    auth = {"auths": {registry.address: {"auth": base64.b64encode(b"anna:secret").decode()}}}
    (tmp_path / "auth.json").write_text(json.dumps(auth))
    asked = error(401, "UNAUTHORIZED", "who are you?", WWW_Authenticate='Basic realm="r"')
    for host in (registry, other_host):
        upload = f"http://{host.address}/upload/{host.address}"
        registry.on("POST", UPLOADS, asked, place(upload))
        host.on("PUT", f"/upload/{host.address}?digest=sha256%3A{digest(BLOB)[7:]}", Reply(201))
        make_client(auth_file=str(tmp_path / "auth.json")).put_blob(registry.reference(), digest(BLOB), body)
        (sent,) = [request for request in host.requests if request.method == "PUT"]
        assert ("authorization" in sent.headers) == (host is registry)


def test_a_failed_upload_is_not_repeated_where_half_of_it_may_be(registry, client, body):
    registry.on("POST", UPLOADS, place("/upload/1"))
    registry.on("PUT", f"/upload/1?digest=sha256%3A{digest(BLOB)[7:]}", error(503, "UNAVAILABLE", "later"))
    with pytest.raises(RegistryError, match="answered 503") as caught:
        client.put_blob(registry.reference(), digest(BLOB), body)
    assert caught.value.kind == "network"
    assert len(registry.paths("PUT")) == 1


@pytest.mark.parametrize("begun", [Reply(202), Reply(200), place("ftp://elsewhere/upload")])
def test_an_upload_that_leads_nowhere_is_refused(registry, client, body, begun):
    registry.on("POST", UPLOADS, begun)
    with pytest.raises(RegistryError):
        client.put_blob(registry.reference(), digest(BLOB), body)
    assert registry.paths("PUT") == []
