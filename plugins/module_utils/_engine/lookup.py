# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds the images of jobs where they may be: in a registry and in local storage. PRIVATE to the collection."""

from __future__ import annotations

from .._oci.client import RegistryClient
from .._oci.errors import NOT_FOUND, Refused, RegistryError
from .._oci.manifest import parse_platform
from .._oci.reference import Reference, parse_reference
from .client import Engine
from .inputs import HASH_LABEL, PARTS_LABEL
from .jobs import PARENT_LABEL, Job
from .memory import Published
from .tree import REGISTRY, STORAGE, Copy

_KEPT_LABELS = (HASH_LABEL, PARTS_LABEL, PARENT_LABEL)


def published_copies(client: RegistryClient, known: dict[str, Published], job: Job) -> list[Copy]:
    """Return what the registry has of a job: the image of its inputs, else the one that tells most of what changed.

    A digest that is ``known`` costs one question without an answer to read; what others mean is added to it. Raises
    RegistryError.
    """
    others = []
    for text in job.published:
        reference = parse_reference(text)
        there = _published(client, known, reference, job.platform)
        if there is None:
            continue
        name = f"{reference.name}@{there.digest}"
        copy = Copy(REGISTRY, name, there.image_id, there.labels, there.digest, text in job.lasting)
        if copy.is_of(job):
            return [copy]
        others.append(copy)
    return others[:1]


def stored_copies(engine: Engine, job: Job) -> list[Copy]:
    """Return what local storage has under the name of a job."""
    image = engine.inspect(job.image)
    return [] if image is None else [Copy(STORAGE, job.image, image.id, image.labels)]


def parent_reference(engine: Engine, parent: Copy, name: str) -> str:
    """Return what to call a parent that was found: by its local name where storage has it, else by its digest."""
    if parent.place == STORAGE:
        return parent.reference
    stored = engine.inspect(name)
    return name if stored is not None and stored.id == parent.image_id else parent.reference


def _published(
    client: RegistryClient, known: dict[str, Published], reference: Reference, platform: str | None
) -> Published | None:
    try:
        digest = client.head_manifest(reference)
    except Refused:
        # Some registries say this of a repository that is not there yet.
        return None
    if digest is None:
        return None
    key = f"{digest} {platform or ''}"
    if key not in known:
        try:
            resolved = client.resolve(reference.with_digest(digest), parse_platform(platform) if platform else None)
        except RegistryError as error:
            # An index without this platform, or something removed since: as good as nothing.
            if error.kind == NOT_FOUND:
                return None
            raise
        if resolved.manifest is None or resolved.config is None:
            return None
        labels = _labels(resolved.config.get("config"))
        known[key] = Published(resolved.manifest.digest, resolved.manifest.config.digest, labels)
    return known[key]


def _labels(config: object) -> dict[str, str]:
    labels = config.get("Labels") if isinstance(config, dict) else None
    if not isinstance(labels, dict):
        return {}
    return {name: str(labels[name]) for name in _KEPT_LABELS if name in labels}
