# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the host has set up for its registries: credential helpers, certificates, and which of them are insecure."""

from __future__ import annotations

import base64
import datetime
import ipaddress
import json
import ssl

import pytest
from ansible_collections.skorionos.bootc.plugins.module_utils._oci import registries_conf
from ansible_collections.skorionos.bootc.plugins.module_utils._oci.auth import find_credentials
from ansible_collections.skorionos.bootc.plugins.module_utils._oci.errors import RegistryError
from ansible_collections.skorionos.bootc.plugins.module_utils._oci.reference import Reference
from ansible_collections.skorionos.bootc.plugins.module_utils._oci.registries_conf import read_rules, rule_for
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from .conftest import FakeRegistry, Reply, error, serve

SECRET = "correct horse"


@pytest.fixture
def helper(tmp_path):
    """Write a credential helper; return the environment that finds it. It notes its arguments and its input."""

    def write(name="vault", answer=None, code=0, seen="seen"):
        folder = tmp_path / "bin"
        folder.mkdir(exist_ok=True)
        program = folder / f"docker-credential-{name}"
        said = json.dumps(answer) if isinstance(answer, dict) else str(answer)
        program.write_text(
            f"#!/bin/sh\necho \"$@\" >>'{tmp_path}/{seen}'; cat >>'{tmp_path}/{seen}'\n"
            f"echo >>'{tmp_path}/{seen}'; printf '%s' '{said}'; exit {code}\n"
        )
        program.chmod(0o755)
        return {"HOME": str(tmp_path), "XDG_RUNTIME_DIR": str(tmp_path / "run"), "PATH": f"{folder}:/usr/bin:/bin"}

    return write


@pytest.fixture
def auth_file(tmp_path):
    def write(**content):
        path = tmp_path / "auth.json"
        path.write_text(json.dumps(content))
        return str(path)

    return write


def entry(user):
    return {"auth": base64.b64encode(f"{user}:pw".encode()).decode()}


def test_a_helper_is_asked_for_its_registry(tmp_path, helper, auth_file):
    environ = helper(answer={"ServerURL": "r.example.com", "Username": "ci", "Secret": SECRET})
    named = auth_file(auths={"r.example.com": {}}, credHelpers={"r.example.com": "vault"})
    lookup = find_credentials(named, environ, "r.example.com", "os/kde")
    assert (lookup.credentials.username, lookup.credentials.password) == ("ci", SECRET)
    assert (tmp_path / "seen").read_text().split() == ["get", "r.example.com"]
    assert SECRET not in repr(lookup)
    assert find_credentials(named, environ, "other.example.com", "os/kde").credentials is None


def test_a_store_is_asked_for_what_the_file_has_not(helper, auth_file):
    environ = helper(answer={"Username": "store", "Secret": SECRET})
    named = auth_file(auths={"a.example.com": entry("file"), "b.example.com": {}}, credsStore="vault")
    users = [find_credentials(named, environ, f"{x}.example.com", "os").credentials.username for x in "ab"]
    assert users == ["file", "store"]


@pytest.mark.parametrize("empty", ["https://r.example.com", "r.example.com/"])
def test_an_empty_entry_hides_no_full_one(auth_file, empty):
    for auths in ({"r.example.com": entry("me"), empty: {}}, {empty: {}, "r.example.com": entry("me")}):
        assert find_credentials(auth_file(auths=auths), {}, "r.example.com", "os").credentials.username == "me"


def test_the_entry_with_the_very_name_wins(auth_file):
    named = auth_file(auths={"r.example.com": entry("exact"), "https://r.example.com": entry("address")})
    assert find_credentials(named, {}, "r.example.com", "os").credentials.username == "exact"


def test_docker_hub_has_a_name_of_its_own_at_helpers(tmp_path, helper, auth_file):
    environ = helper(answer={"Username": "ci", "Secret": SECRET})
    find_credentials(auth_file(credsStore="vault"), environ, "docker.io", "library/debian")
    assert (tmp_path / "seen").read_text().split() == ["get", "https://index.docker.io/v1/"]


def test_a_helper_may_give_an_identity_token(helper, auth_file):
    environ = helper(answer={"Username": "<token>", "Secret": SECRET})
    credentials = find_credentials(auth_file(credsStore="vault"), environ, "r.example.com", "os").credentials
    assert (credentials.identity_token, credentials.password) == (SECRET, "")


def test_a_helper_without_these_credentials_is_no_trouble(helper, auth_file):
    environ = helper(answer="credentials not found in native keychain", code=1)
    lookup = find_credentials(auth_file(credsStore="vault"), environ, "r.example.com", "os")
    assert lookup.credentials is None
    assert "names for" not in lookup.note


@pytest.mark.parametrize(
    ("name", "printed", "said"),
    [
        ("vault", (f"panic: {SECRET}", 2), "failed with exit code 2"),
        ("vault", (SECRET, 0), "answered with something else"),
        ("vault", ({"Username": "ci", "Secret": 7}, 0), "answered with something else"),
        ("vault", ({"Secret": SECRET}, 0), "answered with something else"),
        ("missing", ("", 0), "is not in PATH"),
        ("../vault", ("", 0), "has a name that no program has"),
        ("-x", ("", 0), "has a name that no program has"),
    ],
)
def test_trouble_of_a_helper_is_told_without_what_it_said(helper, auth_file, name, printed, said):
    environ = helper(answer=printed[0], code=printed[1])
    lookup = find_credentials(auth_file(credHelpers={"r.example.com": name}), environ, "r.example.com", "os")
    assert lookup.credentials is None
    assert said in lookup.note
    assert SECRET not in lookup.note


def test_the_old_file_of_docker_comes_last(tmp_path):
    environ = {"HOME": str(tmp_path), "XDG_RUNTIME_DIR": str(tmp_path / "run")}
    old = tmp_path / ".dockercfg"
    old.write_text(json.dumps({"https://r.example.com/v1/": entry("old"), "b.example.com": entry("old")}))
    lookup = find_credentials(None, environ, "r.example.com", "os")
    assert (lookup.credentials.username, lookup.credentials.source) == ("old", str(old))
    folder = tmp_path / "docker"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({"auths": {"r.example.com": entry("new")}}))
    environ["DOCKER_CONFIG"] = str(folder)
    users = [find_credentials(None, environ, f"{x}.example.com", "os").credentials.username for x in "rb"]
    assert users == ["new", "old"]
    assert str(old) in find_credentials(None, environ, "c.example.com", "os").note
    environ["REGISTRY_AUTH_FILE"] = str(folder / "config.json")
    assert find_credentials(None, environ, "b.example.com", "os").credentials is None


@pytest.mark.parametrize("content", ["[1]", "no JSON"])
def test_an_old_file_of_docker_that_is_none_is_refused(tmp_path, content):
    (tmp_path / ".dockercfg").write_text(content)
    with pytest.raises(RegistryError, match=r"The auth file .*\.dockercfg"):
        find_credentials(None, {"HOME": str(tmp_path), "XDG_RUNTIME_DIR": "/none"}, "r.example.com", "os")


def test_helpers_that_are_no_object_are_refused(auth_file):
    with pytest.raises(RegistryError, match="'credHelpers' in the auth file"):
        find_credentials(auth_file(credHelpers=["vault"]), {}, "r.example.com", "os")


def certificate(name, issuer=None, *, authority=False):
    """A certificate for the loopback address, with its key; signed by itself without an issuer."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.timezone.utc)
    signer, signing_key = (issuer[0].subject, issuer[1]) if issuer else (subject, key)
    built = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(signer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(signing_key, hashes.SHA256())
    )
    return built, key


def write(pair, folder, cert, key=None):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / cert).write_bytes(pair[0].public_bytes(serialization.Encoding.PEM))
    if key:
        form = (serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        (folder / key).write_bytes(pair[1].private_bytes(serialization.Encoding.PEM, *form))


@pytest.fixture
def authority():
    return certificate("authority", authority=True)


@pytest.fixture
def secured(tmp_path, authority):
    """A registry with TLS, whose certificate an authority signed that nobody knows; it may ask for one in turn."""
    fake = FakeRegistry()
    server = serve(fake)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    write(certificate("server", authority), tmp_path / "server", "own.cert", "own.key")
    write(authority, tmp_path / "server", "ca.crt")
    context.load_cert_chain(tmp_path / "server" / "own.cert", tmp_path / "server" / "own.key")
    context.load_verify_locations(tmp_path / "server" / "ca.crt")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    fake.context = context
    yield fake
    server.shutdown()
    server.server_close()


def test_a_registry_is_trusted_by_its_own_certificates_folder(secured, make_client, tmp_path, authority):
    digest = secured.image("v1")
    with pytest.raises(RegistryError, match=r"No trusted TLS connection .*certs\.d"):
        make_client(insecure=False, retries=0).head_manifest(secured.reference())
    write(authority, tmp_path / ".config" / "containers" / "certs.d" / secured.address, "ca.crt")
    assert make_client(insecure=False).head_manifest(secured.reference()) == digest


def test_a_client_certificate_is_shown_where_one_is_there(secured, make_client, tmp_path, authority):
    secured.context.verify_mode = ssl.CERT_REQUIRED
    digest = secured.image("v1")
    folder = tmp_path / ".config" / "containers" / "certs.d" / secured.address
    write(authority, folder, "ca.crt")
    with pytest.raises(RegistryError):
        make_client(insecure=False, retries=0).head_manifest(secured.reference())
    write(certificate("client", authority), folder, "client.cert", "client.key")
    assert make_client(insecure=False).head_manifest(secured.reference()) == digest


def test_a_client_certificate_is_shown_to_a_registry_that_is_not_verified(secured, make_client, tmp_path, authority):
    secured.context.verify_mode = ssl.CERT_REQUIRED
    digest = secured.image("v1")
    folder = tmp_path / ".config" / "containers" / "certs.d" / secured.address
    write(certificate("client", authority), folder, "client.cert", "client.key")
    assert make_client(insecure=True).head_manifest(secured.reference()) == digest


@pytest.mark.parametrize("insecure", [True, False])
def test_a_certificate_without_its_key_is_explained(secured, make_client, tmp_path, authority, insecure):
    folder = tmp_path / ".config" / "containers" / "certs.d" / secured.address
    write(authority, folder, "client.cert")
    with pytest.raises(RegistryError, match=r"client\.cert: No such file .* needs a \*\.key"):
        make_client(insecure=insecure).head_manifest(secured.reference())


CONF = """
[[registry]]
prefix = "r.example.com/lab"
location = "r.example.com/lab"
insecure = true

[[registry]]
location = "r.example.com"

[[registry]]
prefix = "*.lan.example.com"
insecure = true

[[registry]]
location = "r.example.com/lab/strict"
insecure = false
"""


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("r.example.com/os", False),
        ("r.example.com/lab", True),
        ("r.example.com/lab/os", True),
        ("r.example.com/laboratory", False),
        ("r.example.com/lab/strict/os", False),
        ("a.lan.example.com/os", True),
        ("lan.example.com/os", False),
        ("elsewhere.example.com/os", False),
    ],
)
def test_the_longest_prefix_says_whether_a_registry_is_insecure(tmp_path, name, expected):
    path = tmp_path / "registries.conf"
    path.write_text(CONF)
    environ = {"CONTAINERS_REGISTRIES_CONF": str(path), "HOME": str(tmp_path)}
    rule = rule_for(read_rules(environ), name)
    assert (rule is not None and rule.insecure) is expected


def test_drop_ins_of_the_user_win(tmp_path):
    folder = tmp_path / ".config" / "containers" / "registries.conf.d"
    folder.mkdir(parents=True)
    (folder.parent / "registries.conf").write_text('[registries.insecure]\nregistries = ["old.example.com"]\n')
    (folder / "1.conf").write_text('[[registry]]\nlocation = "r.example.com"\ninsecure = true\n')
    (folder / "2.conf").write_text('[[registry]]\nlocation = "r.example.com"\n')
    rules = read_rules({"HOME": str(tmp_path)})
    assert {prefix: rule.insecure for prefix, rule in rules.items()} == {
        "old.example.com": True,
        "r.example.com": False,
    }


def test_plain_http_is_spoken_to_a_registry_that_the_host_calls_insecure(registry, make_client, tmp_path):
    digest = registry.image("v1")
    path = tmp_path / ".config" / "containers" / "registries.conf"
    path.parent.mkdir(parents=True)
    path.write_text(f'[[registry]]\nlocation = "{registry.address}"\ninsecure = true\n')
    assert make_client(insecure=False, retries=0).head_manifest(registry.reference()) == digest


MOVED = """
[[registry]]
prefix = "home.example.com/os"
location = "site.example.com:5000/mirror/os"

[[registry]]
prefix = "*.lan.example.com"
location = "cache.example.com/lan"

[[registry]]
location = "plain.example.com"

[registries.block]
registries = ["old.example.com"]
"""


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("home.example.com/os/kde", "site.example.com:5000/mirror/os/kde"),
        ("home.example.com/os", "site.example.com:5000/mirror/os"),
        ("a.lan.example.com/os/kde", "cache.example.com/lan/os/kde"),
        ("plain.example.com/os", "plain.example.com/os"),
        ("old.example.com/os", "old.example.com/os"),
    ],
)
def test_a_location_takes_the_place_of_the_prefix(tmp_path, name, place):
    path = tmp_path / "registries.conf"
    path.write_text(MOVED)
    rule = rule_for(read_rules({"CONTAINERS_REGISTRIES_CONF": str(path), "HOME": str(tmp_path)}), name)
    assert (rule.moved(name), rule.blocked) == (place, name == "old.example.com/os")


def configured(tmp_path, text):
    path = tmp_path / ".config" / "containers" / "registries.conf"
    path.parent.mkdir(parents=True)
    path.write_text(text)
    return path


def test_what_is_pulled_from_elsewhere_is_read_there_and_written_where_the_name_says(
    registry, other_host, make_client, tmp_path
):
    digest = registry.image("v1")
    configured(
        tmp_path,
        f'[[registry]]\nprefix = "{other_host.address}/home"\nlocation = "{registry.address}/os"\ninsecure = true\n',
    )
    named = Reference(other_host.address, "home/kde", "v1")
    puller = make_client(insecure=False, retries=0, pulls=True)
    resolved = puller.resolve(named)
    assert (resolved.digest, resolved.reference, other_host.requests) == (digest, named, [])
    assert make_client(insecure=False, retries=0).head_manifest(named) is None
    other_host.on("PUT", "/v2/home/kde/manifests/v1", Reply(201))
    puller.put_manifest(named, puller.get_manifest(named))
    assert other_host.paths("PUT") == ["/v2/home/kde/manifests/v1"]
    assert registry.paths("PUT") == []


def test_credentials_are_those_for_the_location(registry, other_host, make_client, tmp_path):
    digest = registry.image("v1")
    found = registry.replies["GET", "/v2/os/kde/manifests/v1"]
    challenge = error(401, "UNAUTHORIZED", "no", WWW_Authenticate='Basic realm="x"')
    registry.replies["GET", "/v2/os/kde/manifests/v1"] = [challenge, *found]
    configured(
        tmp_path, f'[[registry]]\nprefix = "{other_host.address}"\nlocation = "{registry.address}"\ninsecure = true\n'
    )
    auths = {other_host.address: {"auth": "aG9tZTpzZWNyZXQ="}, registry.address: {"auth": "c2l0ZTpzZWNyZXQ="}}
    (tmp_path / "auth.json").write_text(json.dumps({"auths": auths}))
    client = make_client(insecure=False, retries=0, pulls=True, auth_file=str(tmp_path / "auth.json"))
    assert client.get_manifest(Reference(other_host.address, "os/kde", "v1")).digest == digest
    assert registry.requests[-1].headers["authorization"] == "Basic c2l0ZTpzZWNyZXQ="


@pytest.mark.parametrize("blocked", ["home.example.com", "site.example.com"])
def test_a_registry_that_the_host_blocks_is_not_asked(make_client, tmp_path, blocked):
    path = configured(
        tmp_path,
        '[[registry]]\nprefix = "home.example.com/os"\nlocation = "site.example.com"\n'
        f'[[registry]]\nprefix = "{blocked}/os/kde"\nblocked = true\n[[registry]]\nprefix = "site.example.com/kde"\n'
        f"blocked = {str(blocked.startswith('site')).lower()}\n",
    )
    client = make_client(pulls=True)
    for ask in (client.get_manifest, client.list_tags):
        with pytest.raises(RegistryError, match=rf"is not asked, because {path} blocks {blocked}/") as refused:
            ask(Reference("home.example.com", "os/kde", "v1"))
        assert refused.value.kind == "unsupported"


def test_names_of_one_part_at_docker_hub_are_meant_below_library(registry, make_client, tmp_path):
    digest = registry.image("v1")
    location = f'[[registry]]\nprefix = "docker.io/library"\nlocation = "{registry.address}/os"\ninsecure = true\n'
    blocked = '[[registry]]\nprefix = "docker.io/library/secret"\nblocked = true\n'
    configured(tmp_path, location + blocked)
    client = make_client(insecure=False, retries=0, pulls=True)
    assert client.get_manifest(Reference("docker.io", "kde", "v1")).digest == digest
    with pytest.raises(RegistryError, match=r"docker\.io/library/secret is not asked"):
        client.get_manifest(Reference("docker.io", "secret", "v1"))


def test_a_location_that_is_no_repository_is_named(make_client, tmp_path):
    path = configured(tmp_path, '[[registry]]\nprefix = "home.example.com"\nlocation = "Nowhere"\n')
    with pytest.raises(RegistryError, match=f"{path} has home.example.com/os pulled from 'Nowhere/os'"):
        make_client(pulls=True).get_manifest(Reference("home.example.com", "os", "v1"))


@pytest.mark.parametrize("content", ["[[registry", 'registry = ["x"]', "registry = 1", 'registries = "x"', "\x00"])
def test_a_configuration_that_cannot_be_understood_is_named(tmp_path, content):
    path = tmp_path / "registries.conf"
    path.write_text(content)
    with pytest.raises(RegistryError, match=r"registries\.conf cannot be understood"):
        read_rules({"CONTAINERS_REGISTRIES_CONF": str(path), "HOME": str(tmp_path)})


@pytest.mark.parametrize("first", ["lab/kde", "os/kde"])
def test_any_certificate_will_do_for_the_insecure_repository_only(secured, make_client, tmp_path, first):
    digest = secured.image("v1")
    for (method, path), replies in list(secured.replies.items()):
        secured.replies[method, path.replace("/os/", "/lab/")] = replies
    path = tmp_path / ".config" / "containers" / "registries.conf"
    path.parent.mkdir(parents=True)
    path.write_text(f'[[registry]]\nlocation = "{secured.address}/lab"\ninsecure = true\n')
    client = make_client(insecure=False, retries=0)
    for repository in (first, "os/kde", "lab/kde", "os/kde"):
        reference = Reference(secured.address, repository, "v1")
        if repository == "lab/kde":
            assert client.head_manifest(reference) == digest
        else:
            with pytest.raises(RegistryError, match="No trusted TLS connection"):
                client.head_manifest(reference)


def test_a_python_without_toml_says_what_it_cannot_read(tmp_path, monkeypatch):
    monkeypatch.setattr(registries_conf, "_TOML", None)
    path = tmp_path / "registries.conf"
    environ = {"CONTAINERS_REGISTRIES_CONF": str(path), "HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path)}
    warned = []
    for content in ("# insecure = true\n", CONF):
        path.write_text(content)
        assert read_rules(environ, warned.append) == {}
    (warning,) = warned
    assert str(path) in warning
    assert "tomli" in warning
