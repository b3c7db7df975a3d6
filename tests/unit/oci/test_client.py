# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The registry client against answers that real registries give, and some that hostile ones could."""

from __future__ import annotations

import base64
import email.utils
import json
import time

import pytest
from ansible_collections.skorionos.bootc.plugins.module_utils._oci.errors import Refused, RegistryError
from ansible_collections.skorionos.bootc.plugins.module_utils._oci.manifest import parse_manifest, parse_platform
from ansible_collections.skorionos.bootc.plugins.module_utils._oci.reference import Reference

from .conftest import OCI_MANIFEST, Reply, Request, digest, encode, error

PASSWORD = "correct horse"


def write_auth(path, host, user="ci", password=PASSWORD, **entry):
    path.parent.mkdir(parents=True, exist_ok=True)
    auth = base64.b64encode(f"{user}:{password}".encode()).decode()
    path.write_text(json.dumps({"auths": {host: {"auth": auth, **entry}}}))
    return str(path)


def bearer(registry, scope="repository:os/kde:pull", host=None):
    realm = f'Bearer realm="http://{host or registry.address}/token",service="reg",scope="{scope}"'
    return error(401, "UNAUTHORIZED", "authentication required", WWW_Authenticate=realm)


def guarded(registry, path, token="t1"):
    """Serve what is at path only to who has the token."""
    (inner,) = registry.replies["GET", path]

    def reply(request: Request) -> Reply:
        return inner if request.headers.get("authorization") == f"Bearer {token}" else bearer(registry)

    registry.on("GET", path, reply)


TOKEN = "/token?scope=repository%3Aos%2Fkde%3Apull&service=reg"


def test_resolves_an_image_to_its_digest_and_platform(registry, client):
    expected = registry.image("v1", layers={"base": 100, "kde": 7}, annotations={"a": "b"})
    resolved = client.resolve(registry.reference())
    assert resolved.digest == expected
    assert resolved.platform_digests == {"linux/amd64": expected}
    assert [layer.size for layer in resolved.manifest.layers] == [100, 7]
    assert resolved.annotations == {"a": "b"}
    assert resolved.digests == [expected]
    assert resolved.config["config"]["Labels"] == {"containers.bootc": "1"}


def test_official_images_of_docker_hub_are_found(registry, client, monkeypatch):
    expected = registry.image("v1")
    for (method, path), replies in list(registry.replies.items()):
        registry.replies[method, path.replace("/os/kde/", "/library/debian/")] = replies
    monkeypatch.setattr(client, "_base", lambda _registry, _name: f"http://{registry.address}")
    resolved = client.resolve(Reference("docker.io", "debian", "v1"))
    assert (resolved.digest, str(resolved.reference)) == (expected, "docker.io/debian:v1")


def test_asks_for_every_type_at_once(registry, client):
    registry.image("v1")
    client.get_manifest(registry.reference())
    accept = registry.requests[-1].headers["accept"].split(", ")
    assert len(accept) == 4
    assert accept[0].endswith("image.index.v1+json")


def test_keeps_both_digests_of_an_index(registry, client):
    amd = registry.image("amd")
    arm = registry.image("arm", platform="linux/arm64")
    top = registry.index(
        "v1",
        [
            (amd, {"os": "linux", "architecture": "amd64"}),
            (arm, {"os": "linux", "architecture": "arm64", "variant": "v8"}),
            (digest(b"attestation"), {"os": "unknown", "architecture": "unknown"}),
        ],
    )
    resolved = client.resolve(registry.reference(), parse_platform("linux/arm64"))
    assert resolved.digest == top
    assert resolved.platform_digests == {"linux/amd64": amd, "linux/arm64": arm}
    assert resolved.manifest.digest == arm
    assert resolved.digests == sorted([top, amd, arm])
    unchosen = client.resolve(registry.reference())
    assert (unchosen.digest, unchosen.manifest, unchosen.config) == (top, None, None)


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [("linux/arm", "v7"), ("linux/arm/v6", "v6"), ("linux/arm/v7", "v7")],
)
def test_picks_the_newest_variant_unless_one_is_asked_for(registry, client, wanted, expected):
    digests = {v: registry.image(v, platform="linux/arm", layers={v: 1}) for v in ("v6", "v7")}
    registry.index("v1", [(d, {"os": "linux", "architecture": "arm", "variant": v}) for v, d in digests.items()])
    assert client.resolve(registry.reference(), parse_platform(wanted)).manifest.digest == digests[expected]


def test_names_the_platforms_there_are(registry, client):
    registry.index("v1", [(registry.image("a"), {"os": "linux", "architecture": "amd64"})])
    with pytest.raises(RegistryError, match=r"no image for linux/riscv64; it has: linux/amd64") as raised:
        client.resolve(registry.reference(), parse_platform("linux/riscv64"))
    assert raised.value.kind == "not_found"


def test_an_image_of_another_platform_is_not_the_one_asked_for(registry, client):
    registry.image("v1")
    with pytest.raises(RegistryError, match=r"for linux/amd64, not for linux/arm64"):
        client.resolve(registry.reference(), parse_platform("linux/arm64"))


def test_a_missing_tag_is_not_found(registry, client):
    with pytest.raises(RegistryError, match="MANIFEST_UNKNOWN: manifest unknown") as raised:
        client.get_manifest(registry.reference("gone"))
    assert raised.value.kind == "not_found"
    assert client.head_manifest(registry.reference("gone")) is None


def test_a_404_over_the_accept_header_is_not_absence(registry, client):
    message = "OCI index found, but accept header does not support OCI indexes"
    for method in ("GET", "HEAD"):
        registry.on(method, "/v2/os/kde/manifests/v1", error(404, "MANIFEST_UNKNOWN", message))
    with pytest.raises(RegistryError) as raised:
        client.head_manifest(registry.reference())
    assert raised.value.kind == "unsupported"


def test_a_web_page_with_404_is_not_absence(registry, client):
    registry.on("GET", "/v2/os/kde/manifests/v1", Reply(404, b"<html>not here</html>"))
    with pytest.raises(RegistryError, match="no registry's answer") as raised:
        client.head_manifest(registry.reference())
    assert raised.value.kind == "unexpected"


def test_a_registry_that_refuses_with_a_reason_is_said_to_be_one(registry, client):
    registry.image("v1")
    registry.on("PUT", "/v2/os/kde/manifests/v2", error(400, "MANIFEST_BLOB_UNKNOWN", "blob unknown to registry"))
    with pytest.raises(RegistryError, match="blob unknown to registry") as raised:
        client.put_manifest(registry.reference("v2"), client.get_manifest(registry.reference()))
    assert raised.value.kind == "unexpected"
    assert "no registry's answer" not in str(raised.value)


def test_head_gives_the_digest_without_a_get(registry, client):
    expected = registry.image("v1")
    assert client.head_manifest(registry.reference()) == expected
    assert registry.paths("GET") == []


def test_head_without_a_digest_is_asked_again_with_get(registry, client):
    expected = registry.image("v1")
    registry.on("HEAD", "/v2/os/kde/manifests/v1", Reply(200))
    assert client.head_manifest(registry.reference()) == expected


def test_refuses_other_bytes_than_the_digest_asked_for(registry, client):
    registry.image("v1")
    pinned = digest(b"something else")
    registry.replies["GET", f"/v2/os/kde/manifests/{pinned}"] = registry.replies["GET", "/v2/os/kde/manifests/v1"]
    with pytest.raises(RegistryError, match="do not trust it") as raised:
        client.get_manifest(registry.reference(None, pinned))
    assert raised.value.kind == "unexpected"


def test_refuses_other_bytes_than_the_registry_promised(registry, client):
    registry.image("v1")
    registry.replies["GET", "/v2/os/kde/manifests/v1"][0].headers["Docker-Content-Digest"] = digest(b"x")
    with pytest.raises(RegistryError, match="should have digest"):
        client.get_manifest(registry.reference())


def test_refuses_a_configuration_with_another_digest(registry, client):
    registry.image("v1")
    (path,) = [path for _method, path in registry.replies if "/blobs/" in path]
    registry.on("GET", path, Reply(body=b"{}"))
    with pytest.raises(RegistryError, match=r"configuration of .* should have digest"):
        client.resolve(registry.reference())


def test_stops_reading_what_is_larger_than_any_manifest(registry, client):
    registry.on("GET", "/v2/os/kde/manifests/v1", Reply(200, b"x" * (4 * 1024 * 1024 + 1)))
    with pytest.raises(RegistryError, match="more than 4194304 bytes"):
        client.get_manifest(registry.reference())


@pytest.mark.parametrize(
    ("document", "kind"),
    [
        (b"not json", "unexpected"),
        (b"[]", "unexpected"),
        (b"{}", "unsupported"),
        (
            encode({"schemaVersion": 1, "mediaType": "application/vnd.docker.distribution.manifest.v1+json"}),
            "unsupported",
        ),
        (encode({"schemaVersion": 2, "mediaType": OCI_MANIFEST}), "unexpected"),
        (encode({"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": {}, "layers": []}), "unexpected"),
        (encode({"mediaType": OCI_MANIFEST, "config": 3, "layers": [3]}), "unexpected"),
        (
            encode({"mediaType": OCI_MANIFEST, "layers": [], "config": {"mediaType": "", "digest": "../x", "size": 1}}),
            "unexpected",
        ),
    ],
)
def test_reports_what_is_no_manifest(registry, client, document, kind):
    registry.on("GET", "/v2/os/kde/manifests/v1", Reply(200, document))
    with pytest.raises(RegistryError) as raised:
        client.get_manifest(registry.reference())
    assert raised.value.kind == kind


def test_a_manifest_without_a_type_is_known_by_its_shape():
    config = {"mediaType": "c", "digest": digest(b""), "size": 0}
    raw = encode({"schemaVersion": 2, "config": config, "layers": []})
    assert parse_manifest(raw, "application/json").media_type == OCI_MANIFEST


def test_gets_a_token_once_and_uses_it_again(registry, make_client, tmp_path):
    registry.image("v1")
    guarded(registry, "/v2/os/kde/manifests/v1")
    registry.on("GET", TOKEN, Reply(body=encode({"token": "t1", "expires_in": 300})))
    auth_file = write_auth(tmp_path / "auth.json", registry.address)
    client = make_client(auth_file=auth_file)
    client.get_manifest(registry.reference())
    client.get_manifest(registry.reference())
    manifest = "/v2/os/kde/manifests/v1"
    assert registry.paths() == [manifest, TOKEN, manifest, manifest]
    asked = next(r for r in registry.requests if r.path == TOKEN)
    assert base64.b64decode(asked.headers["authorization"].split()[1]) == b"ci:correct horse"


def test_renews_a_token_that_ran_out(registry, make_client):
    registry.image("v1")
    guarded(registry, "/v2/os/kde/manifests/v1")
    registry.on("GET", TOKEN, Reply(body=encode({"access_token": "t1"})))
    clock = [1000.0]
    client = make_client(now=lambda: clock[0])
    client.get_manifest(registry.reference())
    clock[0] += 61
    client.get_manifest(registry.reference())
    assert registry.paths().count(TOKEN) == 2


def test_an_anonymous_token_is_tried_without_credentials(registry, client):
    registry.image("v1")
    guarded(registry, "/v2/os/kde/manifests/v1")
    registry.on("GET", TOKEN, Reply(body=encode({"token": "t1"})))
    client.get_manifest(registry.reference())
    assert "authorization" not in next(r for r in registry.requests if r.path == TOKEN).headers


def test_an_identity_token_is_exchanged(registry, make_client, tmp_path):
    registry.image("v1")
    guarded(registry, "/v2/os/kde/manifests/v1")
    registry.on("POST", "/token", Reply(body=encode({"access_token": "t1"})))
    auth_file = write_auth(tmp_path / "auth.json", registry.address, identitytoken="refresh-me")
    make_client(auth_file=auth_file).get_manifest(registry.reference())
    body = next(r for r in registry.requests if r.path == "/token").body
    assert b"grant_type=refresh_token" in body
    assert b"refresh_token=refresh-me" in body


def test_rejected_credentials_name_file_and_user_but_not_the_password(registry, make_client, tmp_path):
    registry.image("v1")
    guarded(registry, "/v2/os/kde/manifests/v1")
    registry.on("GET", TOKEN, Reply(401, encode({"details": "incorrect username or password"})))
    auth_file = write_auth(tmp_path / "auth.json", registry.address)
    with pytest.raises(RegistryError) as raised:
        make_client(auth_file=auth_file).get_manifest(registry.reference())
    assert raised.value.kind == "auth"
    assert "'ci'" in str(raised.value)
    assert auth_file in str(raised.value)
    assert PASSWORD not in str(raised.value)


def test_a_token_that_is_not_enough_fails_after_one_renewal(registry, client):
    registry.image("v1")
    guarded(registry, "/v2/os/kde/manifests/v1", token="another")
    registry.on("GET", TOKEN, Reply(body=encode({"token": "t1"})))
    with pytest.raises(RegistryError, match="refuses 'pull'") as raised:
        client.get_manifest(registry.reference())
    assert raised.value.kind == "auth"
    assert len(registry.paths()) == 3


def test_reading_before_a_push_asks_for_the_right_to_push(registry, make_client, tmp_path):
    registry.image("v1")
    guarded(registry, "/v2/os/kde/manifests/v1")
    wider = TOKEN.replace("Apull&", "Apull%2Cpush&")
    registry.on("GET", wider, Reply(body=encode({"token": "t1"})))
    auth_file = write_auth(tmp_path / "auth.json", registry.address)
    assert make_client(auth_file=auth_file, for_push=True).get_manifest(registry.reference())
    assert registry.paths().count(wider) == 1


@pytest.mark.parametrize("status", [401, 403])
def test_missing_rights_are_told_from_wrong_credentials(registry, make_client, tmp_path, status):
    def reply(request):
        if "authorization" in request.headers:
            return error(status, "DENIED", "no", WWW_Authenticate='Basic realm="x"')
        return challenge[0]

    path = "/v2/os/kde/manifests/v1"
    registry.on("GET", path, reply)
    registry.on("GET", TOKEN, Reply(body=encode({"token": "t1"})))
    client = make_client(auth_file=write_auth(tmp_path / "auth.json", registry.address))
    challenge = [bearer(registry)]
    with pytest.raises(Refused):
        client.get_manifest(registry.reference())
    registry.on("GET", TOKEN, error(403, "DENIED", "no"))
    client = make_client(auth_file=write_auth(tmp_path / "auth.json", registry.address))
    with pytest.raises(Refused):
        client.get_manifest(registry.reference())
    client = make_client(auth_file=write_auth(tmp_path / "auth.json", registry.address))
    challenge = [error(401, "UNAUTHORIZED", "no", WWW_Authenticate='Basic realm="x"')]
    with pytest.raises(RegistryError) as raised:
        client.get_manifest(registry.reference())
    assert raised.value.kind == "auth"
    assert isinstance(raised.value, Refused) is (status == 403)


def test_a_refusal_without_credentials_says_where_they_were_looked_for(registry, client):
    registry.image("v1")
    guarded(registry, "/v2/os/kde/manifests/v1", token="another")
    registry.on("GET", TOKEN, Reply(body=encode({"token": "t1"})))
    with pytest.raises(RegistryError, match="No credentials for") as raised:
        client.get_manifest(registry.reference())
    assert not isinstance(raised.value, Refused)


def test_basic_credentials_come_from_the_most_specific_entry(registry, make_client, tmp_path):
    registry.image("v1")
    (inner,) = registry.replies["GET", "/v2/os/kde/manifests/v1"]
    wanted = "Basic " + base64.b64encode(b"kde:k").decode()

    def reply(request):
        if request.headers.get("authorization") == wanted:
            return inner
        return error(401, "UNAUTHORIZED", "no", WWW_Authenticate='Basic realm="here"')

    registry.on("GET", "/v2/os/kde/manifests/v1", reply)
    auths = {
        registry.address: {"auth": base64.b64encode(b"all:a").decode()},
        f"{registry.address}/os": {"auth": base64.b64encode(b"os:o").decode()},
        f"{registry.address}/os/kde": {"auth": base64.b64encode(b"kde:k").decode()},
        f"{registry.address}/os/kd": {"auth": base64.b64encode(b"no:n").decode()},
    }
    (tmp_path / "auth.json").write_text(json.dumps({"auths": auths}))
    client = make_client(auth_file=str(tmp_path / "auth.json"))
    assert client.get_manifest(registry.reference())


def test_a_credential_helper_is_explained_when_credentials_are_wanted(registry, make_client, tmp_path):
    registry.image("v1")
    (tmp_path / ".docker").mkdir()
    (tmp_path / ".docker" / "config.json").write_text('{"credsStore": "desktop"}')
    assert make_client().get_manifest(registry.reference())
    registry.on("GET", "/v2/os/kde/manifests/v1", error(401, "UNAUTHORIZED", "no", WWW_Authenticate='Basic realm="x"'))
    with pytest.raises(RegistryError, match=r"config\.json names for .* is not in PATH"):
        make_client().get_manifest(registry.reference())


def test_the_named_auth_file_must_exist(registry, make_client, tmp_path):
    registry.on("GET", "/v2/os/kde/manifests/v1", error(401, "UNAUTHORIZED", "no", WWW_Authenticate='Basic realm="x"'))
    with pytest.raises(RegistryError, match="does not exist") as raised:
        make_client(auth_file=str(tmp_path / "none.json")).get_manifest(registry.reference())
    assert raised.value.kind == "auth"


def test_a_redirect_to_another_host_takes_no_credentials_along(registry, other_host, client):
    registry.image("v1")
    (path,) = [path for _method, path in registry.replies if "/blobs/" in path]
    other_host.replies["GET", "/signed"] = registry.replies["GET", path]
    away = Reply(307, headers={"Location": f"http://{other_host.address}/signed"})

    def reply(request):
        return away if "authorization" in request.headers else bearer(registry)

    registry.on("GET", path, reply)
    registry.on("GET", TOKEN, Reply(body=encode({"token": "secret"})))
    client.resolve(registry.reference())
    assert len(other_host.requests) == 1
    assert "authorization" not in other_host.requests[0].headers


def test_netrc_does_not_replace_the_registry_credentials(registry, make_client, tmp_path, monkeypatch):
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login wrong password wrong\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    registry.image("v1")
    make_client().get_manifest(registry.reference())
    assert all("authorization" not in r.headers for r in registry.requests)


def test_endless_redirects_end(registry, client):
    registry.on("GET", "/v2/os/kde/manifests/v1", Reply(302, headers={"Location": "/v2/os/kde/manifests/v1"}))
    with pytest.raises(RegistryError, match="redirects more than 5 times"):
        client.get_manifest(registry.reference())


def test_waits_as_long_as_a_rate_limit_asks(registry, client, slept):
    registry.image("v1")
    (fine,) = registry.replies["GET", "/v2/os/kde/manifests/v1"]
    limited = error(429, "TOOMANYREQUESTS", "slow down", Retry_After="7")
    date = email.utils.formatdate(time.time() + 30, usegmt=True)
    dated = error(429, "TOOMANYREQUESTS", "slow down", Retry_After=date)
    registry.on("GET", "/v2/os/kde/manifests/v1", limited, dated, fine)
    client.get_manifest(registry.reference())
    assert slept[0] == 7
    assert 25 < slept[1] <= 30


def test_does_not_wait_for_hours(registry, client, slept):
    registry.on("GET", "/v2/os/kde/manifests/v1", error(429, "TOOMANYREQUESTS", "slow down", Retry_After="3600"))
    with pytest.raises(RegistryError, match="limits its rate") as raised:
        client.get_manifest(registry.reference())
    assert raised.value.kind == "network"
    assert slept == []


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_server_trouble_is_waited_out(registry, client, slept, status):
    registry.image("v1")
    (fine,) = registry.replies["GET", "/v2/os/kde/manifests/v1"]
    registry.on("GET", "/v2/os/kde/manifests/v1", Reply(status), Reply(status), fine)
    client.get_manifest(registry.reference())
    assert slept == [1, 2]


def test_lasting_server_trouble_is_reported(registry, client, slept):
    registry.on("GET", "/v2/os/kde/manifests/v1", Reply(503))
    with pytest.raises(RegistryError, match="answered 503") as raised:
        client.get_manifest(registry.reference())
    assert raised.value.kind == "network"
    assert slept == [1, 2, 4]


def test_an_answer_cut_short_is_asked_for_again(registry, client, slept):
    registry.image("v1")
    (fine,) = registry.replies["GET", "/v2/os/kde/manifests/v1"]
    registry.on("GET", "/v2/os/kde/manifests/v1", Reply(200, fine.body[:20], {}, claim_length=len(fine.body)), fine)
    client.get_manifest(registry.reference())
    assert slept == [1]


def test_a_registry_that_is_down(make_client, slept):
    with pytest.raises(RegistryError, match=r"127\.0\.0\.1:1 could not be reached: Connection refused\.") as raised:
        make_client(insecure=False).get_manifest(Reference("127.0.0.1:1", "os/kde"))
    assert raised.value.kind == "network"
    assert slept == [1, 2, 4]


def test_plain_http_is_never_spoken_unasked(registry, make_client, slept):
    registry.image("v1")
    with pytest.raises(RegistryError, match="No trusted TLS connection") as raised:
        make_client(insecure=False).get_manifest(registry.reference())
    assert raised.value.kind == "network"
    assert registry.requests == []
    assert slept == []


def test_lists_tags_over_several_pages(registry, client):
    link = '</v2/os/kde/tags/list?n=1000&last=b>; rel="next"'
    registry.on("GET", "/v2/os/kde/tags/list?n=1000", Reply(200, encode({"tags": ["b", "a"]}), {"Link": link}))
    registry.on("GET", "/v2/os/kde/tags/list?n=1000&last=b", Reply(200, encode({"tags": ["c"]})))
    assert client.list_tags(registry.reference()) == ["a", "b", "c"]


def test_a_repository_without_tags_has_null(registry, client):
    registry.on("GET", "/v2/os/kde/tags/list?n=1000", Reply(200, encode({"name": "os/kde", "tags": None})))
    assert client.list_tags(registry.reference()) == []


def test_a_next_page_on_another_host_is_refused(registry, other_host, client):
    link = f'<http://{other_host.address}/v2/os/kde/tags/list?last=b>; rel="next"'
    registry.on("GET", "/v2/os/kde/tags/list?n=1000", Reply(200, encode({"tags": ["a"]}), {"Link": link}))
    with pytest.raises(RegistryError, match="somewhere else"):
        client.list_tags(registry.reference())
    assert other_host.requests == []


def test_puts_the_same_bytes_under_another_tag(registry, client):
    expected = registry.image("v1")
    registry.on("PUT", "/v2/os/kde/manifests/stable", Reply(201, headers={"Docker-Content-Digest": expected}))
    manifest = client.get_manifest(registry.reference())
    client.put_manifest(registry.reference("stable"), manifest)
    put = registry.requests[-1]
    assert digest(put.body) == expected
    assert put.headers["content-type"] == OCI_MANIFEST


def test_a_registry_that_changes_what_it_stores_is_found_out(registry, client):
    registry.image("v1")
    registry.on("PUT", "/v2/os/kde/manifests/stable", Reply(201, headers={"Docker-Content-Digest": digest(b"x")}))
    with pytest.raises(RegistryError, match="changed the bytes"):
        client.put_manifest(registry.reference("stable"), client.get_manifest(registry.reference()))


def test_a_refused_push_says_what_the_registry_said(registry, client):
    registry.image("v1")
    registry.on("PUT", "/v2/os/kde/manifests/stable", error(405, "UNSUPPORTED", "The operation is unsupported."))
    with pytest.raises(RegistryError, match="UNSUPPORTED: The operation is unsupported") as raised:
        client.put_manifest(registry.reference("stable"), client.get_manifest(registry.reference()))
    assert raised.value.kind == "unsupported"


def test_one_connection_serves_many_requests(registry, make_client, tmp_path):
    registry.image("v1")
    guarded(registry, "/v2/os/kde/manifests/v1")
    registry.on("GET", TOKEN, Reply(body=encode({"token": "t1"})))
    client = make_client()
    for _time in range(3):
        client.resolve(registry.reference())
        client.head_manifest(registry.reference())
    assert len(registry.requests) > 9
    assert registry.connections <= 2, "one that was tried with TLS, and one that was kept"


def test_ping(registry, client):
    registry.on("GET", "/v2/", Reply(200, b"{}"))
    client.ping(registry.address)
    registry.on("GET", "/v2/", Reply(404, b"<html>"))
    with pytest.raises(RegistryError, match="answered 404"):
        client.ping(registry.address)
