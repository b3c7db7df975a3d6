# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tags and indexes, put through the API of a registry that keeps what it is given."""

from __future__ import annotations

import hashlib
import json

import pytest
import requests
from ansible.module_utils.basic import AnsibleModule
from ansible_collections.skorionos.bootc.plugins.module_utils._oci import tagging
from ansible_collections.skorionos.bootc.plugins.module_utils._oci.client import RegistryClient
from ansible_collections.skorionos.bootc.plugins.module_utils._oci.errors import RegistryError
from ansible_collections.skorionos.bootc.plugins.module_utils._oci.reference import parse_reference
from ansible_collections.skorionos.bootc.plugins.modules import image_index, image_tag

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"


def digest(raw: bytes) -> str:
    return "sha256:" + hashlib.sha256(raw).hexdigest()


@pytest.fixture
def publish(registry):
    """Bring an image to the registry, under a tag; return its digest."""

    def put(tag, platform="linux/amd64", content="1", version=None):
        system, architecture, *variant = platform.split("/")
        config = {"os": system, "architecture": architecture, "variant": "".join(variant), "content": content}
        if version is not None:
            config["config"] = {"Labels": {"org.opencontainers.image.version": version}}
        raw = json.dumps(config).encode()
        base = f"http://{registry}/v2/os/kde"
        requests.put(f"{base}/blobs/{digest(raw)}", data=raw, headers={"Content-Type": "x"}, timeout=5)
        layer = {"mediaType": "l", "digest": digest(content.encode()), "size": 7}
        manifest = json.dumps(
            {
                "schemaVersion": 2,
                "mediaType": MANIFEST,
                "config": {"mediaType": "c", "digest": digest(raw), "size": len(raw)},
                "layers": [layer],
            },
            indent=2,
        ).encode()
        requests.put(f"{base}/manifests/{tag}", data=manifest, headers={"Content-Type": MANIFEST}, timeout=5)
        return digest(manifest)

    return put


@pytest.fixture
def at(registry):
    """What is at a tag: bytes and media type."""

    def get(tag):
        answer = requests.get(f"http://{registry}/v2/os/kde/manifests/{tag}", timeout=5)
        return (answer.content, answer.headers["Content-Type"]) if answer.status_code == 200 else None

    return get


def test_a_tag_is_predicted_put_and_then_left_alone(run, registry, publish, at):
    new = publish("v1")
    arguments = {"image": f"{registry}/os/kde@{new}", "tags": ["stable", "latest"], "tls_verify": False}
    predicted = run(image_tag, check=True, **arguments)
    assert (predicted["changed"], predicted["moved"], at("stable")) == (True, ["stable", "latest"], None)
    done = run(image_tag, **arguments)
    assert (done["changed"], done["digest"], done["before"]) == (True, new, {"stable": None, "latest": None})
    assert at("stable") == at("latest") == at("v1"), "the same bytes"
    again = run(image_tag, **arguments)
    assert (again["changed"], again["moved"]) == (False, [])


def test_a_tag_is_moved_only_from_what_was_expected(run, registry, publish, at):
    old, new = publish("stable", content="old"), publish("v2", content="new")
    arguments = {"image": f"{registry}/os/kde@{new}", "tags": ["stable", "other"], "tls_verify": False}
    for wrong in ("absent", "sha256:" + "0" * 64, old):
        refused = run(image_tag, **arguments, expected=wrong)
        assert (refused["failed"], refused["reason"]) == (True, "conflict")
        assert digest(at("stable")[0]) == old, "no tag is moved when one of them differs"
        assert at("other") is None
    arguments["tags"] = ["stable"]
    assert run(image_tag, **arguments, expected=old)["changed"] is True
    assert run(image_tag, **arguments, expected=old)["changed"] is False, "an earlier run has done it"


def test_a_tag_with_a_newer_version_stays_when_that_is_asked_for(run, registry, publish, at, monkeypatch):
    warnings = []
    monkeypatch.setattr(AnsibleModule, "warn", lambda _module, text: warnings.append(text))
    old, new = publish("v1", version="1.9.0"), publish("newer", version="1.10.0")
    even_older = publish("older", version="1.8.0")
    tags = ["newer", "older", "fresh"]
    arguments = {"image": f"{registry}/os/kde@{old}", "tags": tags, "tls_verify": False, "older": "keep"}
    for check in (True, False):
        done = run(image_tag, check=check, **arguments)
        assert (done["moved"], done["kept"], done["version"]) == (["older", "fresh"], {"newer": "1.10.0"}, "1.9.0")
        assert done["diff"]["after"] == {"newer": new, "older": old, "fresh": old}
        assert f"{registry}/os/kde:newer stays at 1.10.0, because 1.9.0 is older" in warnings[-1]
        assert "bootc_publish_move_back=true" in warnings[-1]
        assert [digest(at(tag)[0]) for tag in tags[:2]] == [new, even_older if check else old]
    again = run(image_tag, **arguments)
    assert (again["changed"], again["kept"], len(warnings)) == (False, {"newer": "1.10.0"}, 3)
    moved = run(image_tag, **{**arguments, "older": "move"})
    assert (moved["moved"], "kept" in moved, digest(at("newer")[0])) == (["newer"], False, old)


def test_the_version_of_an_index_is_that_of_its_images(run, registry, publish, at):
    old = publish("v1", version="1.0")
    newer = {"linux/amd64": publish("a", version="1.1"), "linux/arm64": publish("b", "linux/arm64", version="1.1")}
    run(image_index, image=f"{registry}/os/kde:latest", images=newer, tls_verify=False)
    before = at("latest")
    kept = run(image_tag, image=f"{registry}/os/kde@{old}", tags=["latest"], older="keep", tls_verify=False)
    assert (kept["changed"], kept["kept"], at("latest")) == (False, {"latest": "1.1"}, before)


def test_a_tag_whose_image_misses_a_part_has_no_version_and_moves(run, registry, publish, at):
    new = publish("v1", version="1.0")
    child = {"mediaType": MANIFEST, "digest": "sha256:" + "1" * 64, "size": 2}
    child["platform"] = {"os": "linux", "architecture": "amd64"}
    index = json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": [child]})
    base = f"http://{registry}/v2/os/kde/manifests"
    for name in ("latest", digest(index.encode())):
        requests.put(f"{base}/{name}", data=index, headers={"Content-Type": INDEX}, timeout=5)
    done = run(image_tag, image=f"{registry}/os/kde@{new}", tags=["latest"], older="keep", tls_verify=False)
    assert (done["moved"], digest(at("latest")[0])) == (["latest"], new)


@pytest.mark.parametrize(
    ("ours", "theirs", "stays"),
    [
        ("1.9", "1.10", True),
        ("1.10", "1.9", False),
        ("1.0.0-rc1", "1.0.0", True),
        ("1.0.0-rc2", "1.0.0-rc10", True),
        ("v1.0", "1.1", True),
        ("44.20260824", "44.20260901", True),
        ("1.0", "1.0", False),
        ("nightly", "1.0", False),
        ("1.0", "nightly", False),
        (None, "1.0", False),
        ("1.0", None, False),
        ("20261122", "20261123", False),
        ("1.0", "20261123", False),
        ("3f2a1bc", "9c0ffee", False),
        ("1.2.0-5-g3f2a1bc", "1.2.0-5-g9c0ffee", False),
        ("1." + "9" * 5000, "2.0", False),
    ],
)
def test_only_a_version_that_is_newer_for_sure_keeps_a_tag_where_it_is(ours, theirs, stays):
    move = tagging.Move("latest", "sha256:" + "1" * 64, "sha256:" + "2" * 64)
    forward, kept = tagging.split_by_age([move], ours, {move.before: theirs})
    assert (forward, kept) == (([], {"latest": theirs}) if stays else ([move], {}))


def test_a_digest_that_is_not_there_is_refused(run, registry, publish, at):
    publish("stable")
    before = at("stable")
    missing = f"{registry}/os/kde@sha256:{'0' * 64}"
    for check in (True, False):
        refused = run(image_tag, check=check, image=missing, tags=["stable"], tls_verify=False)
        assert (refused["failed"], refused["reason"]) == (True, "not_found")
    assert at("stable") == before


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"image": "r.example.com/os/kde:v1"}, "must end with a digest"),
        ({"image": "r.example.com/os/kde:v1@sha256:" + "0" * 64}, "without a tag"),
        ({"tags": ["a:b"]}, "'a:b' in tags is not a tag"),
        ({"tags": []}, "tags is empty"),
        ({"expected": "stable"}, "neither a digest"),
    ],
)
def test_wrong_options_of_tagging_are_explained(run, arguments, said):
    right = {"image": "r.example.com/os/kde@sha256:" + "0" * 64, "tags": ["a"]}
    result = run(image_tag, **{**right, **arguments})
    assert (result["failed"], result["reason"]) == (True, "invalid")
    assert said in result["msg"]


def test_who_moves_a_tag_at_the_same_time_is_found_out(registry, publish):
    old, ours, theirs = (publish(name, content=name) for name in ("old", "ours", "theirs"))
    publish("stable", content="old")
    with requests.Session() as session:
        client = RegistryClient(session, insecure=True, environ={})
        repository = parse_reference(f"{registry}/os/kde:stable")
        manifest = client.get_manifest(repository.with_digest(ours))
        with pytest.raises(RegistryError, match="expected to be not there") as raised:
            tagging.move_tag(client, repository, tagging.Move("stable", None, ours), manifest)
        assert raised.value.kind == "conflict"
        put = client.put_manifest

        def put_and_lose(reference, written):
            put(reference, written)
            put(reference, client.get_manifest(repository.with_digest(theirs)))

        client.put_manifest = put_and_lose
        with pytest.raises(RegistryError, match=f"is {theirs} now"):
            tagging.move_tag(client, repository, tagging.Move("stable", old, ours), manifest)


@pytest.mark.parametrize(("lag", "fails"), [(3, False), (99, True)])
def test_a_registry_that_says_for_a_moment_what_was_there_before(registry, publish, monkeypatch, lag, fails):
    old, new = publish("stable", content="old"), publish("v2", content="new")
    monkeypatch.setattr(tagging, "_LAG_SECONDS", 0.0)
    with requests.Session() as session:
        client = RegistryClient(session, insecure=True, environ={})
        repository = parse_reference(f"{registry}/os/kde:stable")
        manifest = client.get_manifest(repository.with_digest(new))
        answers = [old] * lag
        head = client.head_manifest
        client.head_manifest = lambda reference: answers.pop() if answers else head(reference)
        move = tagging.Move("stable", old, new)
        if fails:
            with pytest.raises(RegistryError, match=f"but is {old} now"):
                tagging.move_tag(client, repository, move, manifest)
        else:
            tagging.move_tag(client, repository, move, manifest)


def test_an_index_is_predicted_put_and_then_left_alone(run, registry, publish, at):
    amd64, arm64 = publish("v1-amd64"), publish("v1-arm64", "linux/arm64/v8")
    arguments = {
        "image": f"{registry}/os/kde:v1",
        "images": {"linux/arm64": arm64, "linux/amd64": amd64},
        "tags": ["latest"],
        "annotations": {"version": "1"},
        "tls_verify": False,
    }
    predicted = run(image_index, check=True, **arguments)
    assert (predicted["changed"], at("v1")) == (True, None)
    done = run(image_index, **arguments)
    assert (done["changed"], done["digest"], done["moved"]) == (True, predicted["digest"], ["v1", "latest"])
    raw, media_type = at("v1")
    assert (digest(raw), media_type) == (done["digest"], INDEX)
    entries = json.loads(raw)["manifests"]
    assert [entry["platform"] for entry in entries] == [
        {"architecture": "amd64", "os": "linux"},
        {"architecture": "arm64", "os": "linux"},
    ]
    assert [entry["size"] for entry in entries] == [len(at(amd64)[0]), len(at(arm64)[0])]
    arguments["images"] = {"linux/amd64": amd64, "linux/arm64/v8": arm64}
    again = run(image_index, **arguments)
    assert (again["changed"], again["digest"]) == (False, done["digest"])


def test_an_image_for_another_platform_is_refused(run, registry, publish, at):
    amd64 = publish("v1-amd64")
    images = {"linux/amd64": amd64, "linux/arm64": amd64}
    result = run(image_index, image=f"{registry}/os/kde:v1", images=images, tls_verify=False)
    assert (result["failed"], result["reason"]) == (True, "platform_mismatch")
    assert "for linux/arm64, but its configuration says linux/amd64" in result["msg"]
    assert at("v1") is None


def test_an_index_of_indexes_is_refused(run, registry, publish):
    images = {"linux/amd64": publish("v1-amd64")}
    inner = run(image_index, image=f"{registry}/os/kde:inner", images=images, tls_verify=False)
    nested = {"linux/amd64": inner["digest"]}
    result = run(image_index, image=f"{registry}/os/kde:v1", images=nested, tls_verify=False)
    assert (result["failed"], result["reason"]) == (True, "unsupported")


def test_an_index_replaces_only_what_was_expected(run, registry, publish, at):
    arguments = {"image": f"{registry}/os/kde:v1", "images": {"linux/amd64": publish("v1")}, "tls_verify": False}
    result = run(image_index, **arguments, expected="absent")
    assert (result["failed"], result["reason"]) == (True, "conflict")
    assert json.loads(at("v1")[0])["mediaType"] == MANIFEST


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"image": "r.example.com/os/kde"}, "must end with a tag"),
        ({"images": {}}, "images is empty"),
        ({"images": {"amd64": "sha256:" + "0" * 64}}, "is not a platform"),
        ({"images": {"linux/amd64": "v1"}}, "is not a digest"),
        (
            {"images": {"linux/arm64": "sha256:" + "0" * 64, "linux/arm64/v8": "sha256:" + "1" * 64}},
            "more than one image for linux/arm64",
        ),
        ({"tags": ["a:b"]}, "is not a tag"),
        ({"expected": "v1"}, "neither a digest"),
    ],
)
def test_wrong_options_of_an_index_are_explained(run, arguments, said):
    right = {"image": "r.example.com/os/kde:v1", "images": {"linux/amd64": "sha256:" + "0" * 64}}
    result = run(image_index, **{**right, **arguments})
    assert (result["failed"], result["reason"]) == (True, "invalid")
    assert said in result["msg"]
