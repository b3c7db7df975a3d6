# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Deleting while others move tags: what they moved is found out, and no channel is lost by it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from ansible_collections.skorionos.bootc.plugins.module_utils._oci.errors import AUTH, NOT_FOUND, RegistryError
from ansible_collections.skorionos.bootc.plugins.module_utils._oci.graph import Node, scan
from ansible_collections.skorionos.bootc.plugins.module_utils._oci.manifest import Manifest, parse_manifest
from ansible_collections.skorionos.bootc.plugins.module_utils._oci.reference import Reference, parse_reference
from ansible_collections.skorionos.bootc.plugins.module_utils._oci.removal import Changed, Removal

REPOSITORY = parse_reference("r.example/os")


@dataclass
class Registry:
    """A registry that deletes a digest with its tags, and in which somebody does something just before that."""

    manifests: dict[str, Manifest] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    meanwhile: Callable[[], None] = lambda: None
    read_only: bool = False
    heads: int = 0

    def image(self, name: str, *tags: str, **more: Any) -> str:
        blob = {"mediaType": "application/vnd.oci.empty.v1+json", "digest": f"sha256:{'0' * 64}", "size": 1}
        document = {"schemaVersion": 2, "config": blob, "layers": [], "annotations": {"name": name}, **more}
        manifest = parse_manifest(json.dumps(document).encode())
        self.manifests[manifest.digest] = manifest
        self.tags.update(dict.fromkeys(tags, manifest.digest))
        return manifest.digest

    def list_tags(self, reference: Reference) -> list[str]:
        return sorted(self.tags)

    def head_manifest(self, reference: Reference) -> str | None:
        self.heads += 1
        found = reference.digest or self.tags.get(reference.tag or "")
        return found if found in self.manifests else None

    def get_manifest(self, reference: Reference) -> Manifest:
        if reference.digest not in self.manifests:
            raise RegistryError(NOT_FOUND, "absent")
        return self.manifests[reference.digest]

    def get_config(self, reference: Reference, manifest: Manifest) -> dict[str, Any]:
        return {}

    def list_referrers(self, reference: Reference, artifact_type: str | None = None) -> list[Any]:
        return []

    def delete_manifest(self, reference: Reference) -> bool:
        self.meanwhile()
        self.tags = {tag: digest for tag, digest in self.tags.items() if digest != reference.digest}
        return self.manifests.pop(reference.digest or "", None) is not None

    def put_manifest(self, reference: Reference, manifest: Manifest) -> None:
        if self.read_only:
            raise RegistryError(AUTH, "It must not write.")
        self.manifests[manifest.digest] = manifest
        if reference.tag:
            self.tags[reference.tag] = manifest.digest


def removal(registry: Registry, *moving: str) -> Removal:
    return Removal(registry, REPOSITORY, scan(registry, REPOSITORY), moving)


def nodes(registry: Registry, *digests: str) -> list[Node]:
    graph = scan(registry, REPOSITORY)
    return [graph.nodes[digest] for digest in digests]


def test_a_channel_that_moved_to_what_was_deleted_is_put_back() -> None:
    registry = Registry()
    old, new = registry.image("old", "v1"), registry.image("new", "v2", "stable")
    registry.meanwhile = lambda: registry.tags.update(stable=old)
    begun = removal(registry, "stable")
    with pytest.raises(Changed, match=r"stable went with it\. It was put back\. Run again"):
        begun.run(nodes(registry, old))
    assert registry.tags == {"v1": old, "v2": new, "stable": old}
    assert begun.deleted == []


def test_what_cannot_be_put_back_is_named() -> None:
    registry = Registry(read_only=True)
    old = registry.image("old", "v1")
    registry.image("new", "v2", "stable")
    registry.meanwhile = lambda: registry.tags.update(stable=old)
    begun = removal(registry, "stable")
    with pytest.raises(Changed, match=r"stable went with it\. It could not be put back: It must not write"):
        begun.run(nodes(registry, old))
    assert begun.deleted == [old]


def test_a_channel_that_somebody_deleted_meanwhile_does_not_get_what_was_to_go() -> None:
    registry = Registry()
    old, new = registry.image("old", "v1"), registry.image("new", "stable")

    def delete_the_new_one() -> None:
        registry.manifests.pop(new)
        registry.tags.pop("stable")

    registry.meanwhile = delete_the_new_one
    with pytest.raises(Changed, match="moved while"):
        removal(registry, "stable").run(nodes(registry, old))
    assert registry.tags == {"v1": old}


def test_a_release_that_is_missing_at_the_end_is_no_success() -> None:
    registry = Registry()
    old = registry.image("old", "v1")
    registry.image("new", "v2")
    registry.meanwhile = lambda: registry.tags.update(v2=old)
    with pytest.raises(Changed, match="were to stay are not there any more: v2"):
        removal(registry).run(nodes(registry, old))


@pytest.mark.parametrize("moved", ["stable", "brand-new"])
def test_what_moved_before_a_deletion_stops_it(moved: str) -> None:
    registry = Registry()
    first, second = registry.image("first", "v1"), registry.image("second", "v2")
    registry.image("new", "v3", "stable")
    going = nodes(registry, first, second)
    begun = removal(registry, "stable")
    registry.tags[moved] = second
    with pytest.raises(Changed, match="changed since they were read"):
        begun.run(going)
    assert begun.deleted == []


def test_an_artifact_with_a_tag_of_its_own_is_looked_after_too() -> None:
    registry = Registry()
    about = {"subject": {"mediaType": "x", "digest": f"sha256:{'1' * 64}", "size": 1}}
    first, second = registry.image("list", "list-1", **about), registry.image("list 2", "list-2", **about)
    other = registry.image("other", "other")
    going = nodes(registry, first, second)
    registry.meanwhile = lambda: registry.tags.update({"list-2": other})
    begun = removal(registry)
    with pytest.raises(Changed, match="changed since they were read"):
        begun.run(going)
    assert begun.deleted == [first]


def test_many_releases_are_not_all_asked_for_again_and_again() -> None:
    registry = Registry()
    old = [registry.image(f"old {number}", f"v{number}") for number in range(40)]
    for number in range(40, 60):
        registry.image(f"new {number}", f"v{number}")
    registry.image("new", "stable")
    begun, going = removal(registry, "stable"), nodes(registry, *old)
    registry.heads = 0
    begun.run(going)
    assert begun.deleted == old
    assert registry.heads == 61 + 40 * 3 + 21
