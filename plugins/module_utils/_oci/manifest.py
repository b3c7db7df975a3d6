# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Manifests, indexes and platforms, read from the exact bytes a registry keeps. PRIVATE to the collection."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Any, Mapping

from .errors import NOT_FOUND, UNEXPECTED, UNSUPPORTED, RegistryError
from .reference import is_digest
from .untrusted import read_json

OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
INDEX_TYPES = (OCI_INDEX, DOCKER_LIST)
IMAGE_TYPES = (OCI_MANIFEST, DOCKER_MANIFEST)
MEDIA_TYPES = INDEX_TYPES + IMAGE_TYPES
_LARGEST_SIZE = 2**63


def digest_of(raw: bytes) -> str:
    """Return the digest that names these bytes."""
    return "sha256:" + hashlib.sha256(raw).hexdigest()


def verify_digest(raw: bytes, digest: str, what: str) -> None:
    """Raise unless ``raw`` is what ``digest`` names."""
    algorithm, _colon, expected = digest.partition(":")
    actual = hashlib.new(algorithm, raw).hexdigest()
    if actual != expected:
        raise RegistryError(
            UNEXPECTED,
            f"{what} should have digest {digest}, but what arrived has {algorithm}:{actual}.",
            "Something between here and the registry changes content; do not trust it before that is explained.",
        )


@dataclass(frozen=True, order=True)
class Platform:
    """Operating system, architecture and variant, with the one spelling that everything is compared in."""

    os: str
    architecture: str
    variant: str = ""

    @property
    def is_known(self) -> bool:
        """Whether it can be written so that :func:`parse_platform` reads it, and says something."""
        parts = (self.os, self.architecture, self.variant or "none")
        return self.os != "unknown" and all(part and "/" not in part for part in parts)

    def __str__(self) -> str:
        """Write it as ``linux/arm/v7``."""
        return "/".join(part for part in (self.os, self.architecture, self.variant) if part)


def platform_of(os: str, architecture: str, variant: str = "") -> Platform:
    """Return the platform; arm64 has one variant in use, so it is written without."""
    return Platform(os, architecture, "" if (architecture, variant) == ("arm64", "v8") else variant)


def parse_platform(text: str) -> Platform:
    """Read ``os/architecture[/variant]``."""
    parts = text.split("/")
    if len(parts) not in (2, 3) or not all(parts):
        raise ValueError(
            f"'{text}' is not a platform. Write it as os/architecture, such as linux/amd64 or linux/arm/v7."
        )
    return platform_of(*parts)


@dataclass(frozen=True)
class Descriptor:
    """What a manifest says of something it points to."""

    media_type: str
    digest: str
    size: int
    annotations: Mapping[str, str] = field(default_factory=dict)
    platform: Platform | None = None
    artifact_type: str = ""
    """What an artifact is, such as a signature or a list of packages. Empty for images."""


@dataclass(frozen=True)
class Manifest:
    """An image manifest or an index: the bytes, their digest and type, and what they say."""

    raw: bytes
    digest: str
    media_type: str
    document: Mapping[str, Any]

    @property
    def is_index(self) -> bool:
        """Whether this lists manifests of several platforms rather than layers."""
        return self.media_type in INDEX_TYPES

    @property
    def annotations(self) -> dict[str, str]:
        """Annotations of the manifest itself."""
        return _annotations(self.document)

    @property
    def config(self) -> Descriptor:
        """Descriptor of the image's configuration."""
        return _descriptor(self.document["config"])

    @property
    def layers(self) -> list[Descriptor]:
        """Descriptors of the layers, lowest first."""
        return [_descriptor(entry) for entry in self.document["layers"]]

    @property
    def children(self) -> list[Descriptor]:
        """Descriptors of the manifests an index lists, without attestations and other things no machine boots."""
        return [child for child in self.entries if child.platform is not None and child.platform.is_known]

    @property
    def entries(self) -> list[Descriptor]:
        """Descriptors of everything an index lists, attestations and other artifacts included."""
        return [_descriptor(entry) for entry in self.document["manifests"]]

    @property
    def subject(self) -> str | None:
        """Digest of the manifest that this one is about, such as the image a signature is of."""
        subject = self.document.get("subject")
        return subject["digest"] if subject else None


def _descriptor(entry: Mapping[str, Any]) -> Descriptor:
    platform = entry.get("platform")
    return Descriptor(
        media_type=_text(entry["mediaType"]),
        digest=_text(entry["digest"]),
        size=entry["size"],
        annotations=_annotations(entry),
        platform=platform_of(
            _text(platform["os"]), _text(platform["architecture"]), _text(platform.get("variant") or "")
        )
        if platform
        else None,
        artifact_type=_text(entry.get("artifactType") or ""),
    )


def _annotations(entry: Mapping[str, Any]) -> dict[str, str]:
    return {name: _text(value) for name, value in (entry.get("annotations") or {}).items()}


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{type(value).__name__} instead of text")
    return value


def parse_manifest(raw: bytes, content_type: str = "", source: str = "the manifest") -> Manifest:
    """Read a manifest from its bytes and check that everything used later is there.

    The media type inside the document wins over the header: it is covered by the digest.
    """
    document = read_json(raw, source, _NOT_A_REGISTRY)
    if not isinstance(document, dict):
        raise RegistryError(UNEXPECTED, f"{source} is not a JSON object.", _NOT_A_REGISTRY)
    media_type = document.get("mediaType") or content_type.partition(";")[0].strip()
    if media_type not in MEDIA_TYPES:
        media_type = _guess_media_type(document, media_type, source)
    manifest = Manifest(raw, digest_of(raw), media_type, document)
    try:
        if manifest.is_index:
            _check(manifest.entries, source)
        else:
            _check([manifest.config, *manifest.layers], source)
        _annotations(document)
        if manifest.subject is not None and not is_digest(_text(manifest.subject)):
            raise RegistryError(
                UNEXPECTED, f"{source} is about '{manifest.subject[:100]}', which is no digest.", _BROKEN
            )
    except (AttributeError, KeyError, TypeError) as error:
        raise RegistryError(
            UNEXPECTED, f"{source} lacks what a {media_type} must have ({error!r}).", _BROKEN
        ) from error
    return manifest


_NOT_A_REGISTRY = "Check that the host in the reference is an image registry and not, for instance, a login page."
_BROKEN = "Push the image again with podman, buildah or skopeo."


def _guess_media_type(document: Mapping[str, Any], media_type: str, source: str) -> str:
    """OCI lets ``mediaType`` be absent, and some servers send a general Content-Type then."""
    if document.get("schemaVersion") == 2 and "mediaType" not in document:
        if "manifests" in document:
            return OCI_INDEX
        if "config" in document and "layers" in document:
            return OCI_MANIFEST
    raise RegistryError(
        UNSUPPORTED,
        f"{source} has the media type '{str(media_type)[:100] or 'none'}', which is no OCI or Docker v2 image.",
        "Push the image again in the OCI format.",
    )


def _check(descriptors: list[Descriptor], source: str) -> None:
    for descriptor in descriptors:
        if not is_digest(descriptor.digest):
            cause = f"{source} points to '{descriptor.digest[:100]}', which is no digest."
            raise RegistryError(UNEXPECTED, cause, _BROKEN)
        size = descriptor.size
        if not isinstance(size, int) or isinstance(size, bool) or not 0 <= size < _LARGEST_SIZE:
            cause = f"{source} gives {descriptor.digest} a size that cannot be."
            raise RegistryError(UNEXPECTED, cause, _BROKEN)


def platform_digests(index: Manifest) -> dict[str, str]:
    """Return the digest per platform; of several entries for one platform the first counts, as for podman and bootc."""
    found: dict[str, str] = {}
    for child in index.children:
        found.setdefault(str(child.platform), child.digest)
    return found


def select_platform(index: Manifest, wanted: Platform, source: str) -> Descriptor:
    """Return the entry for ``wanted``; without a variant asked for, the plainest entry, then the newest variant."""
    candidates = [child for child in index.children if child.platform is not None and _fits(child.platform, wanted)]
    if not candidates:
        offered = ", ".join(platform_digests(index)) or "none"
        raise RegistryError(
            NOT_FOUND,
            f"{source} has no image for {wanted}; it has: {offered}.",
            "Ask for one of these platforms, or publish the missing one.",
        )
    plain = [child for child in candidates if child.platform == wanted]
    return plain[0] if plain else max(candidates, key=lambda child: child.platform or wanted)


def _fits(offered: Platform, wanted: Platform) -> bool:
    same = (offered.os, offered.architecture) == (wanted.os, wanted.architecture)
    return same and wanted.variant in ("", offered.variant)
