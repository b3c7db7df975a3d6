# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Deleting manifests while others may move tags. PRIVATE to the collection.

A registry deletes a manifest with every tag that is on it, and cannot be told to do so only while there is none. So
tags are looked at before and after each deletion, and what somebody moved a tag to in between is put back.
"""

from __future__ import annotations

from typing import Collection, Iterable, Protocol

from .errors import NOT_FOUND, RegistryError
from .graph import ARTIFACT, Graph, Node, Registry, scan_tags, subject_of_tag
from .manifest import Manifest
from .reference import Reference


class Deletable(Registry, Protocol):
    """What a removal asks of the registry client."""

    def delete_manifest(self, reference: Reference) -> bool:
        """Delete a digest with its tags; tell whether it was there."""

    def put_manifest(self, reference: Reference, manifest: Manifest) -> None:
        """Store a manifest."""


class Changed(Exception):
    """Tags are not what they were: cause, then remedy."""


class Removal:
    """Deletes from a repository that was read, and stops where tags are not what they were then.

    ``deleted`` tells how far it came. ``moving`` are the tags that people move, such as those of channels. They are
    asked for around each deletion, the others at the beginning and at the end, and those that go before they go: asking
    for all each time would take hours where there are many.
    """

    def __init__(self, registry: Deletable, repository: Reference, graph: Graph, moving: Collection[str]) -> None:
        self._registry = registry
        self._repository = repository
        self._expected = {tag: digest for tag, digest in graph.tags().items() if subject_of_tag(tag) is None}
        self._moving = moving
        self.deleted: list[str] = []

    def run(self, going: Iterable[Node]) -> None:
        """Delete in the given order. Raises Changed, and RegistryError for what the registry does not do."""
        if scan_tags(self._registry, self._repository, plain=True) != self._expected:
            raise self._changed()
        for node in going:
            self._delete(node)
        lost = [tag for tag in self._expected if self._digest(tag) is None]
        if lost:
            raise Changed(
                f"Tags of {self._repository.name} that were to stay are not there any more: {', '.join(lost)}. "
                "Somebody moved them to what was deleted, or deleted them. Set them again."
            )

    def _delete(self, node: Node) -> None:
        reference = self._repository.with_digest(node.digest)
        manifest = self._manifest(reference)
        # Artifacts without a tag of their own follow what they are about.
        if node.kind != ARTIFACT or node.plain_tags:
            self._insist(node)
        self._registry.delete_manifest(reference)
        self.deleted.append(node.digest)
        for tag in node.tags:
            self._expected.pop(tag, None)
        now = {tag: self._digest(tag) for tag in self._moved_by_people()}
        missing = [tag for tag, digest in now.items() if digest is None and self._is_there(self._expected[tag])]
        if any(digest != self._expected[tag] for tag, digest in now.items()):
            raise self._put_back(node, manifest, missing)

    def _manifest(self, reference: Reference) -> Manifest | None:
        try:
            return self._registry.get_manifest(reference)
        except RegistryError as error:
            if error.kind == NOT_FOUND:
                return None
            raise

    def _insist(self, node: Node) -> None:
        """Raise Changed unless tags are what they were. Those that people move are asked for last."""
        listed = {tag for tag in self._registry.list_tags(self._repository) if subject_of_tag(tag) is None}
        moving = self._moved_by_people()
        others = {*(listed ^ self._expected.keys()), *node.plain_tags} - {*moving}
        if any(self._digest(tag) != self._expected.get(tag) for tag in (*sorted(others), *moving)):
            raise self._changed()

    def _put_back(self, node: Node, manifest: Manifest | None, missing: list[str]) -> Changed:
        """Undo the last deletion, and say so. A tag that went with it is what somebody moved there meanwhile."""
        what = f"Tags of {self._repository.name} moved while {node.digest} was deleted"
        what += f", and {', '.join(missing)} went with it" if missing else ""
        if manifest is None:
            return Changed(f"{what}. Look at its channels, and run again.")
        tags = dict.fromkeys([*node.tags, *missing])
        places = [self._repository.with_tag(tag) for tag in tags] or [self._repository.with_digest(node.digest)]
        try:
            for place in places:
                self._registry.put_manifest(place, manifest)
        except RegistryError as error:
            return Changed(
                f"{what}. It could not be put back: {error} Push that image again, or set the tags to another one."
            )
        self.deleted.remove(node.digest)
        return Changed(f"{what}. It was put back. Run again.")

    def _changed(self) -> Changed:
        return Changed(f"The tags of {self._repository.name} changed since they were read. Run again.")

    def _moved_by_people(self) -> list[str]:
        return [tag for tag in self._expected if tag in self._moving]

    def _digest(self, tag: str) -> str | None:
        return self._registry.head_manifest(self._repository.with_tag(tag))

    def _is_there(self, digest: str) -> bool:
        return self._registry.head_manifest(self._repository.with_digest(digest)) is not None
