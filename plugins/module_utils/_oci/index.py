# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An index of several platforms, made of images that are in the registry. PRIVATE to the collection."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Mapping, Sequence

from .client import RegistryClient
from .errors import UNSUPPORTED, RegistryError
from .manifest import OCI_INDEX, Manifest, Platform, parse_manifest
from .reference import Reference

MISMATCH = "platform_mismatch"


@dataclass(frozen=True)
class Member:
    """One image of an index."""

    platform: Platform
    manifest: Manifest


def compose_index(members: Sequence[Member], annotations: Mapping[str, str]) -> Manifest:
    """Return the index, of which the same members and annotations always make the same bytes, in whatever order."""
    document: dict[str, Any] = {
        "schemaVersion": 2,
        "mediaType": OCI_INDEX,
        "manifests": [_entry(member) for member in sorted(members, key=lambda member: member.platform)],
    }
    if annotations:
        document["annotations"] = dict(annotations)
    raw = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    return parse_manifest(raw, OCI_INDEX, "the index")


def _entry(member: Member) -> dict[str, Any]:
    platform = {"os": member.platform.os, "architecture": member.platform.architecture}
    if member.platform.variant:
        platform["variant"] = member.platform.variant
    manifest = member.manifest
    return {
        "mediaType": manifest.media_type,
        "digest": manifest.digest,
        "size": len(manifest.raw),
        "platform": platform,
    }


def read_members(client: RegistryClient, repository: Reference, wanted: Mapping[Platform, str]) -> list[Member]:
    """Read each image and see that it is for the platform it is meant for; raise the kind ``platform_mismatch``."""
    return [_read_member(client, repository.with_digest(digest), platform) for platform, digest in wanted.items()]


def _read_member(client: RegistryClient, reference: Reference, platform: Platform) -> Member:
    resolved = client.resolve(reference)
    if resolved.manifest is None or resolved.digest != resolved.manifest.digest:
        raise RegistryError(
            UNSUPPORTED, f"{reference} is an index itself.", "Give the digest of the image of one platform."
        )
    own = next(iter(resolved.platform_digests))
    if own != str(platform):
        raise RegistryError(
            MISMATCH,
            f"{reference} was to be the image for {platform}, but its configuration says {own}.",
            "Correct the digest, or build the image for that platform.",
        )
    return Member(platform, resolved.manifest)
