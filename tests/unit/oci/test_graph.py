# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A repository read as a graph: what is found, and what must not be guessed."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import pytest
from ansible_collections.skorionos.bootc.plugins.module_utils._oci.errors import NOT_FOUND, UNSUPPORTED, RegistryError
from ansible_collections.skorionos.bootc.plugins.module_utils._oci.graph import scan
from ansible_collections.skorionos.bootc.plugins.module_utils._oci.manifest import (
    OCI_INDEX,
    OCI_MANIFEST,
    Descriptor,
    Manifest,
    parse_manifest,
)
from ansible_collections.skorionos.bootc.plugins.module_utils._oci.reference import Reference, parse_reference
from ansible_collections.skorionos.bootc.plugins.module_utils._oci.retention import Fleet, Rules, decide

REPOSITORY = parse_reference("r.example/os")
CONFIG = "application/vnd.oci.image.config.v1+json"
ABSENT = "sha256:" + "0" * 64


@dataclass
class Memory:
    """A registry that lists referrers itself, so that they have no tags."""

    manifests: dict[str, Manifest] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    vanished: set[str] = field(default_factory=set)
    unreadable: set[str] = field(default_factory=set)
    listed: dict[str, list[str]] = field(default_factory=dict)
    """What is listed as about a digest without saying so itself."""
    configs_read: int = 0

    def put(self, document: dict[str, Any], *tags: str) -> str:
        manifest = parse_manifest(json.dumps({"schemaVersion": 2, **document}).encode())
        self.manifests[manifest.digest] = manifest
        self.tags.update(dict.fromkeys(tags, manifest.digest))
        return manifest.digest

    def image(self, name: str, *tags: str, config: str = CONFIG, **more: Any) -> str:
        digest = "sha256:" + name.encode().hex().ljust(64, "0")
        blob = {"mediaType": config, "digest": digest, "size": 1}
        return self.put({"mediaType": OCI_MANIFEST, "config": blob, "layers": [], **more}, *tags)

    def list_tags(self, reference: Reference) -> list[str]:
        return sorted({*self.tags, *self.vanished})

    def head_manifest(self, reference: Reference) -> str | None:
        return self.tags.get(reference.tag or "")

    def get_manifest(self, reference: Reference) -> Manifest:
        if reference.digest in self.unreadable:
            raise RegistryError(UNSUPPORTED, "an old format")
        if reference.digest not in self.manifests:
            raise RegistryError(NOT_FOUND, "absent")
        return self.manifests[reference.digest]

    def get_config(self, reference: Reference, manifest: Manifest) -> dict[str, Any]:
        self.configs_read += 1
        inherited = {"org.opencontainers.image.created": "2020-01-01T00:00:00Z"}
        return {"created": "2026-11-01T10:00:00Z", "config": {"Labels": inherited}}

    def list_referrers(self, reference: Reference, artifact_type: str | None = None) -> list[Descriptor]:
        told = self.listed.get(str(reference.digest), [])
        about = [m for m in self.manifests.values() if m.subject == reference.digest or m.digest in told]
        return [Descriptor(m.media_type, m.digest, len(m.raw)) for m in about]


def listed(digest: str) -> dict[str, Any]:
    return {"mediaType": OCI_MANIFEST, "digest": digest, "size": 1}


def test_everything_that_tags_lead_to_is_found_once() -> None:
    registry = Memory(vanished={"gone-meanwhile"})
    child = registry.image("child")
    index = registry.put({"mediaType": OCI_INDEX, "manifests": [listed(child), listed(ABSENT)]}, "kde-v1", "kde-stable")
    signature = registry.image("signature", config="application/vnd.oci.empty.v1+json", subject=listed(child))
    about_that = registry.image("countersignature", subject=listed(signature))
    registry.image("untagged")
    pinned = registry.image("pinned")
    graph = scan(registry, REPOSITORY, [pinned, ABSENT])
    assert set(graph.nodes) == {child, index, signature, about_that, pinned}
    assert graph.nodes[index].tags == ("kde-stable", "kde-v1")
    assert graph.nodes[index].children == (child, ABSENT)
    assert (graph.nodes[signature].subjects, graph.nodes[signature].kind) == ((child,), "artifact")
    assert [graph.nodes[digest].kind for digest in (child, index)] == ["image", "index"]
    assert graph.tags() == {"kde-v1": index, "kde-stable": index}


def test_what_only_the_registry_lists_as_about_an_image_stays_with_it() -> None:
    registry = Memory()
    image = registry.image("image", "kde-v1")
    attachment = registry.image("attachment", config="application/vnd.oci.empty.v1+json")
    registry.listed[image] = [attachment, image]
    graph = scan(registry, REPOSITORY)
    assert (graph.nodes[attachment].subjects, graph.nodes[image].subjects) == ((image,), ())
    decisions = decide(graph, Rules(tags=("kde-v1",)), Fleet(), 0.0)
    assert {x.node.digest for x in decisions if x.kept} == {image, attachment}


def test_configurations_are_read_for_ages_only() -> None:
    registry = Memory()
    dated = {"annotations": {"org.opencontainers.image.created": "2026-11-02T10:00:00Z"}}
    registry.image("annotated", "a", **dated)
    plain = registry.image("plain", "b")
    assert (scan(registry, REPOSITORY, ages=False).nodes[plain].created, registry.configs_read) == (None, 0)
    assert scan(registry, REPOSITORY).nodes[plain].created == 1793527200.0
    assert registry.configs_read == 1


def test_what_cannot_be_read_stops_it_because_it_may_lead_to_anything() -> None:
    registry = Memory()
    registry.unreadable.add(registry.image("old", "ancient"))
    with pytest.raises(RegistryError, match="an old format"):
        scan(registry, REPOSITORY)


def test_a_tag_whose_image_is_missing_stops_it() -> None:
    registry = Memory(tags={"broken": ABSENT})
    with pytest.raises(RegistryError, match="absent"):
        scan(registry, REPOSITORY)
