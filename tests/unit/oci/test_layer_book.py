# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a plan learns of layers from the registries, and what it does not ask them."""

from __future__ import annotations

import json

import pytest
from ansible_collections.skorionos.bootc.plugins.module_utils._oci import transport
from ansible_collections.skorionos.bootc.plugins.plugin_utils._layer_book import LayerBook
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.errors import RolloutError
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.need import Held
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.plan import Target
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.spec import parse_spec

from .conftest import digest, error

GONE = "sha256:" + "9" * 64


@pytest.fixture(autouse=True)
def nobody_is_logged_in(tmp_path, monkeypatch):
    monkeypatch.setenv("REGISTRY_AUTH_FILE", str(tmp_path / "none.json"))
    monkeypatch.setattr(transport, "_FIRST_DELAY", 0.0)


def book_of(registry, pinned=GONE):
    image = f"{registry.address}/os/kde"
    spec = parse_spec(
        {
            "schema": 1,
            "id": "r1",
            "variants": [{"name": "kde", "image": image, "digest": pinned}],
            "registry": {"insecure": True},
        }
    )
    target = Target("kde", image, pinned, (pinned,))
    return LayerBook(spec, [target]), target


def asked(registry):
    return [request.path for request in registry.requests if "/manifests/" in request.path]


def test_every_image_of_an_index_is_known_by_manifest_and_by_configuration(registry):
    built = {name: registry.image(name, platform=f"linux/{name}", layers={name: 7}) for name in ("amd64", "arm64")}
    index = registry.index("v1", [(found, {"os": "linux", "architecture": name}) for name, found in built.items()])
    book, target = book_of(registry, index)
    images = {image.architecture: image for image in book.of_target(target)}
    assert set(images) == {"amd64", "arm64"}
    for name, image in images.items():
        (reply,) = registry.replies["GET", f"/v2/os/kde/manifests/{built[name]}"]
        assert image.names == {built[name], json.loads(reply.body)["config"]["digest"]}
        assert image.layers == {digest(name.encode()): 7}
    assert book.find(Held(index, None, "arm64")) == images["arm64"]


def test_a_target_that_is_not_there_is_an_error_with_its_variant(registry):
    registry.on("GET", f"/v2/os/kde/manifests/{GONE}", error(404, "MANIFEST_UNKNOWN", "manifest unknown"))
    book, target = book_of(registry)
    with pytest.raises(RolloutError, match="Variant kde: ") as raised:
        book.of_target(target)
    assert raised.value.reason == "not_found"


def test_an_image_is_asked_for_once_whatever_the_number_of_devices(registry):
    running = registry.image("v1", layers={"one": 10, "two": 20})
    book, _target = book_of(registry)
    found = [book.find(Held(running, f"{registry.address}/os/kde:v1", "amd64")) for _device in range(50)]
    assert {image.bytes for image in found if image is not None} == {30}
    assert asked(registry) == [f"/v2/os/kde/manifests/{running}"]


def test_a_forgotten_image_is_asked_for_once_and_is_no_trouble(registry):
    registry.on("GET", f"/v2/os/kde/manifests/{GONE}", error(404, "MANIFEST_UNKNOWN", "manifest unknown"))
    book, _target = book_of(registry)
    assert [book.find(Held(GONE)) for _device in range(9)] == [None] * 9
    assert len(asked(registry)) == 1
    assert book.troubles == []


def test_a_registry_that_refuses_is_a_trouble_told_once(registry):
    for number in "78":
        registry.on("GET", f"/v2/os/kde/manifests/sha256:{number * 64}", error(403, "DENIED", "go away"))
    book, _target = book_of(registry)
    assert [book.find(Held(f"sha256:{number * 64}")) for number in "787"] == [None] * 3
    assert len(book.troubles) == 2
    assert "go away" in book.troubles[0]


def test_a_digest_of_a_configuration_is_known_by_the_tag_the_device_follows(registry):
    running = registry.image("v1", layers={"one": 10})
    (reply,) = registry.replies["GET", f"/v2/os/kde/manifests/{running}"]
    configuration = json.loads(reply.body)["config"]["digest"]
    registry.on("GET", f"/v2/os/kde/manifests/{configuration}", error(404, "MANIFEST_UNKNOWN", "manifest unknown"))
    book, _target = book_of(registry)
    image = f"{registry.address}/os/kde:v1"
    found = book.find(Held(configuration, image, "amd64"))
    assert found is not None
    assert found.bytes == 10
    assert book.find(Held(GONE, image, "amd64")) is None, "the tag names another image by now"


def test_only_registries_that_the_plan_names_are_asked(registry):
    running = registry.image("v1")
    book, _target = book_of(registry)
    book.find(Held(running, "127.0.0.1:9/os/kde:v1", "amd64"))
    book.find(Held(GONE, "not a reference", "amd64"))
    book.find(Held(None, "127.0.0.1:9/os/kde:v1"))
    assert book.troubles == []


@pytest.mark.parametrize("platform", ["linux/a/b/c", "linux/", "/"])
def test_an_image_for_a_platform_that_is_none_ends_nothing(registry, platform):
    pinned = registry.image("v1", platform=platform, layers={"one": 7})
    book, target = book_of(registry, pinned)
    (image,) = book.of_target(target)
    assert image.layers == {digest(b"one"): 7}
