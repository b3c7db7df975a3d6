# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a rollout takes from the registry before it touches anything."""

from __future__ import annotations

import json

import pytest
from ansible_collections.skorionos.bootc.plugins.module_utils._oci import transport
from ansible_collections.skorionos.bootc.plugins.plugin_utils._release import resolve_targets
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.errors import RolloutError
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.spec import parse_spec

from .conftest import digest, error


@pytest.fixture(autouse=True)
def nobody_is_logged_in(tmp_path, monkeypatch):
    monkeypatch.setenv("REGISTRY_AUTH_FILE", str(tmp_path / "none.json"))
    monkeypatch.setattr(transport, "_FIRST_DELAY", 0.0)


def targets_of(registry, pinned):
    variants = [{"name": "kde", "image": f"{registry.address}/os/kde", "digest": pinned}]
    return resolve_targets(
        parse_spec(
            {
                "schema": 1,
                "id": "r1",
                "variants": variants,
                "selection": {"hosts": "all"},
                "waves": [{"name": "all", "percent": 100}],
                "registry": {"insecure": True},
            }
        )
    )


def two_platforms(registry):
    images = {name: registry.image(name, platform=f"linux/{name}") for name in ("amd64", "arm64")}
    entries = [(found, {"os": "linux", "architecture": name}) for name, found in images.items()]
    attestation = (digest(b"attestation"), {"os": "unknown", "architecture": "unknown"})
    return registry.index("v1", [*entries, attestation]), list(images.values())


def config_of(registry, manifest):
    (reply,) = registry.replies["GET", f"/v2/os/kde/manifests/{manifest}"]
    return json.loads(reply.body)["config"]["digest"]


def test_the_config_digest_of_a_single_image_is_accepted(registry):
    image = registry.image("v1")
    assert set(targets_of(registry, image)["kde"].accept) == {image, config_of(registry, image)}


def test_the_config_digest_of_every_platform_is_accepted(registry):
    index, images = two_platforms(registry)
    accept = targets_of(registry, index)["kde"].accept
    assert set(accept) == {index, *images, *(config_of(registry, image) for image in images)}


def test_a_platform_whose_manifest_is_missing_stops_the_plan(registry):
    index, images = two_platforms(registry)
    registry.on("GET", f"/v2/os/kde/manifests/{images[1]}", error(404, "MANIFEST_UNKNOWN", "manifest unknown"))
    with pytest.raises(RolloutError, match=r"Variant kde: .*nothing was sent to any device") as raised:
        targets_of(registry, index)
    assert raised.value.reason == "not_found"
