# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is in a repository and what belongs together there. PRIVATE to the collection.

Tags name images and indexes, indexes list images, and signatures and lists of packages are about one of these: by the
field ``subject``, or by a tag made of the digest (``sha256-HEX``, and ``sha256-HEX.sig`` and the like of cosign).
"""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass, field, replace
from typing import Any, Iterable, Mapping, Protocol

from .dates import read_created
from .errors import NOT_FOUND, RegistryError
from .manifest import Descriptor, Manifest
from .reference import Reference

_CREATED = "org.opencontainers.image.created"
_IMAGE_CONFIGS = (
    "application/vnd.oci.image.config.v1+json",
    "application/vnd.docker.container.image.v1+json",
)
# What lies beside images although its configuration says that it is one, as cosign and buildkit write it.
_ATTACHED_LAYERS = (
    "application/vnd.cyclonedx",
    "application/vnd.dev.cosign.",
    "application/vnd.dev.sigstore.",
    "application/vnd.dsse.",
    "application/vnd.in-toto",
    "application/vnd.syft",
    "text/",
)
_ATTACHED_TAG = re.compile(r"sha256-([0-9a-f]{64})(?:\..+)?")

INDEX = "index"
IMAGE = "image"
ARTIFACT = "artifact"


class Registry(Protocol):
    """What a scan asks of the registry client."""

    def list_tags(self, reference: Reference) -> list[str]:
        """Every tag of the repository."""

    def head_manifest(self, reference: Reference) -> str | None:
        """The digest a reference has, if any."""

    def get_manifest(self, reference: Reference) -> Manifest:
        """The manifest of a reference."""

    def get_config(self, reference: Reference, manifest: Manifest) -> dict[str, Any]:
        """The configuration of an image."""

    def list_referrers(self, reference: Reference, artifact_type: str | None = None) -> list[Descriptor]:
        """What is about a digest."""


@dataclass(frozen=True)
class Node:
    """A manifest and what it has to do with others. ``created`` is in seconds since 1970, or none."""

    digest: str
    kind: str
    tags: tuple[str, ...] = ()
    children: tuple[str, ...] = ()
    subjects: tuple[str, ...] = ()
    config: str | None = None
    blobs: Mapping[str, int] = field(default_factory=dict)
    created: float | None = None

    @property
    def plain_tags(self) -> tuple[str, ...]:
        """Tags that people gave, not those that only say what it is about."""
        return tuple(tag for tag in self.tags if subject_of_tag(tag) is None)


@dataclass(frozen=True)
class Graph:
    """Everything of a repository that tags, and what they lead to, show. Digests that are missing are in no node."""

    nodes: Mapping[str, Node]

    def parents(self) -> dict[str, list[str]]:
        """Return the indexes that list each digest."""
        found: dict[str, list[str]] = {}
        for node in self.nodes.values():
            for child in node.children:
                found.setdefault(child, []).append(node.digest)
        return found

    def attached(self) -> dict[str, list[str]]:
        """Return what is about each digest."""
        found: dict[str, list[str]] = {}
        for node in self.nodes.values():
            for subject in node.subjects:
                found.setdefault(subject, []).append(node.digest)
        return found

    def tags(self) -> dict[str, str]:
        """Return the digest of every tag."""
        return {tag: node.digest for node in self.nodes.values() for tag in node.tags}


def subject_of_tag(tag: str) -> str | None:
    """Return the digest that a tag like ``sha256-HEX.sig`` is about."""
    match = _ATTACHED_TAG.fullmatch(tag)
    return f"sha256:{match.group(1)}" if match else None


def may_be_image(manifest: Manifest) -> bool:
    """Tell whether some machine may take this for an image, whatever its tag and subject say that it is."""
    if manifest.is_index:
        return True
    if manifest.config.media_type not in _IMAGE_CONFIGS:
        return False
    layers = manifest.layers
    return not layers or not all(layer.media_type.startswith(_ATTACHED_LAYERS) for layer in layers)


def scan_tags(registry: Registry, repository: Reference, *, plain: bool = False) -> dict[str, str]:
    """Return the digest of every tag as it is now. Tags that vanish meanwhile are left out.

    With ``plain``, tags that only say what something is about are left out too.
    """
    found = {}
    for tag in registry.list_tags(repository):
        if plain and subject_of_tag(tag) is not None:
            continue
        digest = registry.head_manifest(repository.with_tag(tag))
        if digest is not None:
            found[tag] = digest
    return found


def scan(registry: Registry, repository: Reference, also: Iterable[str] = (), *, ages: bool = True) -> Graph:
    """Read a whole repository: its tags, the digests in ``also`` as far as they are there, and what these lead to.

    No registry lists manifests that have no tag, and that nothing leads to. Without ``ages``, configurations are not
    read. Raises RegistryError for whatever cannot be read, because what it leads to would not be known.
    """
    tags = scan_tags(registry, repository)
    tags_of: dict[str, list[str]] = {}
    for tag, digest in sorted(tags.items()):
        tags_of.setdefault(digest, []).append(tag)
    nodes: dict[str, Node] = {}
    listed: dict[str, set[str]] = {}
    waiting = deque([*tags_of, *sorted(set(also))])
    seen: set[str] = set()
    while waiting:
        digest = waiting.popleft()
        if digest in seen:
            continue
        seen.add(digest)
        reference = repository.with_digest(digest)
        try:
            manifest = registry.get_manifest(reference)
        except RegistryError as error:
            # Indexes may list what was never copied here, and a registry may still list what was deleted.
            if error.kind == NOT_FOUND and digest not in tags_of:
                continue
            raise
        config = _config(registry, reference, manifest) if ages else {}
        node = node_of(manifest, tuple(tags_of.get(digest, ())), config)
        nodes[digest] = node
        waiting.extend(node.children)
        waiting.extend(node.subjects)
        for entry in registry.list_referrers(reference):
            listed.setdefault(entry.digest, set()).add(digest)
            waiting.append(entry.digest)
    return Graph({digest: _about(node, listed.get(digest, set())) for digest, node in sorted(nodes.items())})


def _about(node: Node, listed: set[str]) -> Node:
    """Add what the registry lists a node to be about: neither its manifest nor a tag has to tell that too."""
    subjects = tuple(sorted({*node.subjects, *listed} - {node.digest}))
    return replace(node, subjects=subjects, kind=ARTIFACT if subjects and node.kind == IMAGE else node.kind)


def _config(registry: Registry, reference: Reference, manifest: Manifest) -> Mapping[str, Any]:
    if manifest.is_index or manifest.config.media_type not in _IMAGE_CONFIGS or _CREATED in manifest.annotations:
        return {}
    return registry.get_config(reference, manifest)


def node_of(manifest: Manifest, tags: tuple[str, ...], config: Mapping[str, Any]) -> Node:
    """Turn a manifest into a node; ``config`` is that of an image, or empty."""
    by_tag = [subject_of_tag(tag) for tag in tags]
    subjects = {manifest.subject, *by_tag} - {None, manifest.digest}
    about = tuple(sorted(subject for subject in subjects if subject))
    # Not the label of that name: an image has it from the one it was built on, which may be years older.
    dates = [manifest.annotations.get(_CREATED), config.get("created")]
    created = next((seconds for seconds in map(read_created, dates) if seconds is not None), None)
    if manifest.is_index:
        children = tuple(dict.fromkeys(entry.digest for entry in manifest.entries))
        return Node(manifest.digest, INDEX, tags, children, about, created=created)
    plain = manifest.config.media_type in _IMAGE_CONFIGS and not about
    blobs = {blob.digest: blob.size for blob in (manifest.config, *manifest.layers)}
    kind = IMAGE if plain else ARTIFACT
    return Node(manifest.digest, kind, tags, (), about, manifest.config.digest, blobs, created)
