# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Answers that want our token, our memory or our time, and answers that no program expects."""

from __future__ import annotations

import base64
import gzip
import json
import socket
import threading
import time
from contextlib import suppress

import pytest
import requests
from ansible_collections.skorionos.bootc.plugins.module_utils._oci import client as client_module
from ansible_collections.skorionos.bootc.plugins.module_utils._oci import places, transport, untrusted
from ansible_collections.skorionos.bootc.plugins.module_utils._oci.auth import auth_files
from ansible_collections.skorionos.bootc.plugins.module_utils._oci.errors import RegistryError
from ansible_collections.skorionos.bootc.plugins.module_utils._oci.layout import CorruptArchive, Layout
from ansible_collections.skorionos.bootc.plugins.module_utils._oci.manifest import (
    parse_manifest,
    parse_platform,
    select_platform,
)
from ansible_collections.skorionos.bootc.plugins.module_utils._oci.transport import Transport
from ansible_collections.skorionos.bootc.plugins.module_utils._oci.untrusted import read_json, read_number, split_url

from .conftest import OCI_INDEX, OCI_MANIFEST, Reply, digest, encode, error

MANIFEST = "/v2/os/kde/manifests/v1"
TAGS = "/v2/os/kde/tags/list?n=1000"
DEEP = b"[" * 100_000
CONFIG = {"mediaType": "c", "digest": digest(b""), "size": 0}


def challenge(realm, scope="repository:os/kde:pull"):
    return error(401, "UNAUTHORIZED", "no", WWW_Authenticate=f'Bearer realm="{realm}",scope="{scope}"')


def asks_for_a_token(registry, answer, scope="repository:os/kde:pull"):
    """Let the registry give what it has only to who has a token, and ``answer`` whoever asks for one."""
    registry.image("v1")
    (fine,) = registry.replies["GET", MANIFEST]
    asked = challenge(f"http://{registry.address}/token", scope)
    registry.on("GET", MANIFEST, lambda request: fine if "authorization" in request.headers else asked)
    query = requests.compat.urlencode({"scope": scope})
    registry.on("GET", f"/token?{query}", answer)


@pytest.mark.parametrize("token", ["SECRET\n", " SECRET", "SEC\rRET", "SECRET\u20ac", ["SECRET"], {"SECRET": 1}, True])
def test_a_token_that_is_no_header_is_refused_and_not_told(registry, client, token):
    asks_for_a_token(registry, Reply(body=encode({"token": token})))
    with pytest.raises(RegistryError, match="without a token") as raised:
        client.get_manifest(registry.reference())
    assert "SECRET" not in str(raised.value)


def test_what_requests_complains_about_is_not_told(registry):
    with requests.Session() as session, pytest.raises(RegistryError, match="failed: InvalidHeader") as raised:
        url = f"http://{registry.address}/"
        Transport(session).send("GET", url, headers={"Authorization": "Bearer SECRET\n"}, limit=10)
    assert "SECRET" not in str(raised.value)


@pytest.mark.parametrize("life", [float("inf"), float("nan"), 10**400, "x", [], -1, None])
def test_a_token_may_tell_any_nonsense_as_its_life(registry, client, life):
    asks_for_a_token(registry, Reply(body=encode({"token": "t", "expires_in": life})))
    assert client.get_manifest(registry.reference())


@pytest.mark.parametrize("encoding", ["gzip", "gzip, gzip", "deflate"])
def test_what_was_packed_on_the_way_is_not_unpacked(registry, client, encoding):
    packed = gzip.compress(gzip.compress(b" " * 100_000))
    registry.on("GET", f"/v2/os/kde/blobs/{digest(packed)}", Reply(body=packed, headers={"Content-Encoding": encoding}))
    assert client.get_blob(registry.reference(), digest(packed), 1000) == packed


def test_what_comes_with_a_redirect_is_bounded_too(registry, client):
    body = b"x" * (4 * 1024 * 1024 + 1)
    registry.on("GET", MANIFEST, Reply(307, body, {"Location": "/v2/os/kde/manifests/v2"}))
    with pytest.raises(RegistryError, match="more than 4194304 bytes"):
        client.get_manifest(registry.reference())


@pytest.fixture
def trickle():
    """A server whose answer is ten bytes, each of them after a while."""
    server = socket.create_server(("127.0.0.1", 0))

    def serve():
        connection, _peer = server.accept()
        connection.recv(4096)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n")
        with suppress(OSError):
            for _byte in range(10):
                time.sleep(0.05)
                connection.sendall(b"x")
        connection.close()

    threading.Thread(target=serve, daemon=True).start()
    yield f"http://127.0.0.1:{server.getsockname()[1]}/"
    server.close()


def test_a_host_that_sends_next_to_nothing_is_given_up(trickle, monkeypatch):
    monkeypatch.setattr(transport, "_PATIENCE", 0.1)
    with requests.Session() as session, pytest.raises(RegistryError, match=r"too slowly: [1-4] bytes") as raised:
        Transport(session, timeout=5).send("GET", trickle, headers={}, limit=100)
    assert raised.value.kind == "network"


def test_pages_may_not_come_to_more_than_any_list_has(registry, client, monkeypatch):
    monkeypatch.setattr(client_module, "_LARGEST_LIST", 100)
    for page in range(9):
        here = TAGS if not page else f"{TAGS}&last={page}"
        link = {"Link": f'<{TAGS}&last={page + 1}>; rel="next"'}
        registry.on("GET", here, Reply(body=encode({"tags": [f"v{page}", "x" * 40]}), headers=link))
    with pytest.raises(RegistryError, match="comes to no end"):
        client.list_tags(registry.reference())
    assert len(registry.paths()) == 2


@pytest.mark.parametrize("body", [DEEP, b"{", b"\xff", b"9" * 10_000, b'{"tags": "abc"}', b'{"tags": ["../x"]}', b"{}"])
def test_a_list_of_tags_that_is_none_is_refused(registry, client, body):
    registry.on("GET", TAGS, Reply(body=body))
    with pytest.raises(RegistryError) as raised:
        client.list_tags(registry.reference())
    assert raised.value.kind == "unexpected"


def test_json_with_more_values_than_memory_is_refused_before_it_is_read(monkeypatch):
    monkeypatch.setattr(untrusted, "_MOST_VALUES", 10)
    assert read_json(b"[[],[],[]]", "it") == [[], [], []]
    with pytest.raises(RegistryError, match="more than 10 values"):
        read_json(b"[" + b"[]," * 10, "it")


def test_reasons_that_are_none_are_left_out(registry, client):
    for body in (DEEP, b'{"errors": [{"code": [[1]], "message": {}}]}', b'{"errors": 7}'):
        registry.on("GET", MANIFEST, Reply(400, body))
        with pytest.raises(RegistryError, match=r"answered 400\."):
            client.get_manifest(registry.reference())


@pytest.mark.parametrize("body", [DEEP, b"[]", b"7"])
def test_a_token_server_that_answers_with_something_else(registry, client, body):
    asks_for_a_token(registry, Reply(body=body))
    with pytest.raises(RegistryError) as raised:
        client.get_manifest(registry.reference())
    assert raised.value.kind == "unexpected"


@pytest.mark.parametrize(
    "address", ["https://[x/", "https://h:99999/", "https://user@h/", "http://a\\@b/", "http://h:x/"]
)
def test_addresses_that_are_none_are_refused(registry, client, address):
    with pytest.raises(RegistryError, match="cannot be used"):
        split_url(address, "https://registry.example.com/v2/")
    registry.on("GET", MANIFEST, Reply(307, headers={"Location": address}))
    with pytest.raises(RegistryError, match="cannot be used"):
        client.get_manifest(registry.reference())
    registry.on("GET", MANIFEST, challenge(address.replace("\\", "\\\\")))
    with pytest.raises(RegistryError, match="cannot be used"):
        client.get_manifest(registry.reference())


@pytest.mark.parametrize("seconds", ["\xb2", "9" * 5000, "Mon, 01 Jan 99999 00:00:00 GMT", "-1"])
def test_a_time_to_wait_that_is_none_is_not_waited(registry, client, slept, seconds):
    registry.image("v1")
    (fine,) = registry.replies["GET", MANIFEST]
    registry.on("GET", MANIFEST, error(429, "TOOMANYREQUESTS", "no", Retry_After=seconds), fine)
    client.get_manifest(registry.reference())
    assert slept == [1]


def test_numbers_in_headers():
    assert [read_number(text) for text in ("12", "\xb2", "1" * 19, "-1", "", None)] == [12, *[None] * 5]


@pytest.mark.parametrize(
    "also",
    [
        {"annotations": {"a": 1}},
        {"annotations": ["a"]},
        {"config": {**CONFIG, "annotations": {"a": {}}}},
        {"config": {**CONFIG, "mediaType": 7}},
        {"config": {**CONFIG, "digest": [1]}},
        {"config": {**CONFIG, "size": 2**63}},
        {"layers": [{**CONFIG, "artifactType": {"x": 1}}]},
        {"layers": [7]},
        {"mediaType": OCI_INDEX, "manifests": [{**CONFIG, "platform": {"os": 1, "architecture": "amd64"}}]},
        {"mediaType": OCI_INDEX, "manifests": [{**CONFIG, "platform": {"os": "linux", "architecture": ["x"]}}]},
        {"mediaType": OCI_INDEX, "manifests": [{**CONFIG, "platform": "linux"}]},
    ],
)
def test_manifests_with_something_of_another_type_are_refused(also):
    document = {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": CONFIG, "layers": [], **also}
    with pytest.raises(RegistryError) as raised:
        parse_manifest(encode(document))
    assert raised.value.kind == "unexpected"


@pytest.mark.parametrize(
    "config",
    [{"config": 7}, {"config": {"Labels": ["x"]}}, {"config": {"Labels": {"a": 1}}}, {"os": 7}, {"created": 7}, [], 7],
)
def test_configurations_with_something_of_another_type_are_refused(registry, client, config):
    raw = encode(config)
    described = {"mediaType": "c", "digest": digest(raw), "size": len(raw)}
    document = {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": described, "layers": []}
    registry.blob(raw)
    registry.manifest(encode(document), OCI_MANIFEST, "v1")
    with pytest.raises(RegistryError, match="configuration of"):
        client.resolve(registry.reference())


def test_an_image_in_place_of_the_list_of_what_is_about_it(registry, client):
    image = registry.image("v1")
    told = registry.replies["GET", MANIFEST][0].body
    registry.on("GET", f"/v2/os/kde/referrers/{image}", Reply(200, told, {"Content-Type": OCI_INDEX}))
    with pytest.raises(RegistryError, match="not a list"):
        client.list_referrers(registry.reference(None, image))


def test_an_archive_whose_index_is_nested_without_end(tmp_path):
    (tmp_path / "index.json").write_bytes(DEEP)
    with pytest.raises(CorruptArchive, match="no index"):
        Layout(tmp_path).entries()


@pytest.mark.parametrize("told", ["latest", "sha256:0", "md5:" + "0" * 32])
def test_a_digest_that_is_none_is_not_believed(registry, client, told):
    image = registry.image("v1")
    registry.on("HEAD", MANIFEST, Reply(200, headers={"Docker-Content-Digest": told}))
    assert client.head_manifest(registry.reference()) == image


def test_another_digest_than_asked_for_is_not_believed(registry, client):
    image = registry.image("v1")
    path = f"/v2/os/kde/manifests/{image}"
    registry.on("HEAD", path, Reply(200, headers={"Docker-Content-Digest": digest(b"another")}))
    assert client.head_manifest(registry.reference(None, image)) == image


def test_credentials_go_without_tls_to_the_host_of_the_registry_only(registry, make_client, tmp_path):
    registry.image("v1")
    registry.on("GET", MANIFEST, challenge("http://tokens.example.com/token"))
    auths = {"auths": {registry.address: {"auth": base64.b64encode(b"ci:SECRET").decode()}}}
    (tmp_path / "auth.json").write_text(json.dumps(auths))
    with pytest.raises(RegistryError, match=r"tokens\.example\.com for a token, without TLS"):
        make_client(auth_file=str(tmp_path / "auth.json")).get_manifest(registry.reference())


def test_of_two_scopes_only_that_of_the_repository_is_widened(registry, make_client):
    asked = "repository:os/kde:pull repository:os/base:pull"
    asks_for_a_token(registry, Reply(404), asked)
    wider = requests.compat.urlencode({"scope": asked.replace("kde:pull", "kde:pull,push")})
    registry.on("GET", f"/token?{wider}", Reply(body=encode({"token": "t"})))
    assert make_client(for_push=True).get_manifest(registry.reference())


def test_an_address_with_the_usual_port_is_the_same_server():
    plain, spelled = split_url("https://R.example.com/x"), split_url("https://r.example.com:443/y")
    assert plain.origin == spelled.origin != split_url("http://r.example.com/").origin


def test_no_home_is_no_trouble(monkeypatch):
    def nobody(_user):
        raise KeyError

    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.setattr("pwd.getpwuid", nobody)
    monkeypatch.setattr("pwd.getpwnam", nobody)
    assert [str(path) for path in auth_files("~nobody-here/auth.json", {})] == ["~nobody-here/auth.json"]
    assert str(places.configuration_folder({})) == "~/.config"
    assert auth_files(None, {})


def test_what_a_registry_writes_reaches_a_terminal_as_one_bounded_line():
    evil = "\x1b]0;pwned\x07\x1b[31mALL GOOD\r\n\u202e"
    layer = {**CONFIG, "digest": evil}
    document = {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": CONFIG, "layers": [layer]}
    other = {"schemaVersion": 2, "mediaType": evil}
    for raw in (document, other):
        with pytest.raises(RegistryError, match="ALL GOOD") as raised:
            parse_manifest(encode(raw))
        assert str(raised.value).isprintable()
    long = [{**CONFIG, "platform": {"os": "linux", "architecture": "x" * 10_000}}]
    index = parse_manifest(encode({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": long}))
    with pytest.raises(RegistryError, match="has no image for") as raised:
        select_platform(index, parse_platform("linux/amd64"), "it")
    assert len(str(raised.value)) < 2500
    assert str(raised.value).endswith(raised.value.remedy)


@pytest.mark.parametrize("platform", [("", "amd64"), ("linux", ""), ("linux", "a/b/c"), ("linux", "arm", "v/7")])
def test_an_entry_for_no_platform_that_can_be_written_is_no_image(platform):
    said = dict(zip(("os", "architecture", "variant"), platform))
    good = {**CONFIG, "platform": {"os": "linux", "architecture": "amd64"}}
    raw = encode({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [{**CONFIG, "platform": said}, good]})
    index = parse_manifest(raw)
    assert [str(child.platform) for child in index.children] == ["linux/amd64"]
    assert len(index.entries) == 2
