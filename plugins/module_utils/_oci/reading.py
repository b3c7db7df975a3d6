# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What it takes to read an image, wherever it is. PRIVATE to the collection."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Any, Mapping

from .errors import NOT_FOUND, UNEXPECTED, UNSUPPORTED, RegistryError
from .manifest import Manifest, Platform, platform_digests, platform_of, select_platform
from .reference import Reference
from .untrusted import read_json

_VERSION = "org.opencontainers.image.version"
_LARGEST_CONFIG = 8 * 1024 * 1024


@dataclass(frozen=True)
class Resolved:
    """What a reference meant at the moment of asking."""

    reference: Reference
    digest: str
    """Digest of what the reference names: an index or an image manifest. Tags and pins hold this one."""
    media_type: str
    platform_digests: Mapping[str, str]
    """Digest of the image manifest per platform, such as ``{"linux/amd64": "sha256:..."}``."""
    manifest: Manifest | None
    """Image manifest of the platform asked for; none for an index of several platforms when none was asked for."""
    config: Mapping[str, Any] | None = field(repr=False)
    """Configuration of that image."""
    annotations: Mapping[str, str] = field(default_factory=dict)
    """Annotations of what the reference names."""

    @property
    def digests(self) -> list[str]:
        """Every digest a machine may report after it took this image."""
        return sorted({self.digest, *self.platform_digests.values()})


class ImageReader(ABC):
    """Reads images piece by piece; a place that has some says how."""

    @abstractmethod
    def get_manifest(self, reference: Reference) -> Manifest:
        """Return the manifest or index with its exact bytes, verified against the digest where one is known."""

    @abstractmethod
    def get_blob_range(self, reference: Reference, digest: str, offset: int, length: int) -> bytes:
        """Return ``length`` bytes of a blob from ``offset`` on. A part cannot be verified against the digest.

        Raises the kind ``unsupported`` where parts of it cannot be had.
        """

    @abstractmethod
    def _read_blob(self, reference: Reference, digest: str, limit: int, what: str) -> bytes:
        """Return a blob, verified; refuse one of more than ``limit`` bytes. Errors are about ``what``."""

    def get_blob(self, reference: Reference, digest: str, limit: int) -> bytes:
        """Return a blob of the reference's repository, verified. One of more than ``limit`` bytes is refused."""
        what = f"The blob {digest} of {reference.name}"
        return self._read_blob(reference, known_digest(digest, what), limit, what)

    def get_config(self, reference: Reference, manifest: Manifest) -> dict[str, Any]:
        """Return the configuration an image manifest names, verified."""
        digest = manifest.config.digest
        what = f"The configuration of {reference}"
        if manifest.config.size > _LARGEST_CONFIG:
            raise RegistryError(
                UNSUPPORTED, f"{what} has {manifest.config.size} bytes; at most {_LARGEST_CONFIG} are read."
            )
        document = read_json(self._read_blob(reference, digest, _LARGEST_CONFIG, what), what, "Push the image again.")
        if not _is_config(document):
            raise RegistryError(UNEXPECTED, f"{what} is not what it must be.", "Push the image again.")
        return dict(document)

    def resolve(self, reference: Reference, platform: Platform | None = None) -> Resolved:
        """Find out what a reference means now. Without a platform, an index of several stays unchosen."""
        top = self.get_manifest(reference)
        if not top.is_index:
            config = self.get_config(reference, top)
            own = platform_of(
                str(config.get("os") or "unknown"),
                str(config.get("architecture") or "unknown"),
                str(config.get("variant") or ""),
            )
            if platform is not None and (own.os, own.architecture) != (platform.os, platform.architecture):
                raise RegistryError(
                    NOT_FOUND,
                    f"{reference} is an image for {own}, not for {platform}.",
                    "Ask for that platform or publish this one.",
                )
            return Resolved(reference, top.digest, top.media_type, {str(own): top.digest}, top, config, top.annotations)
        digests = platform_digests(top)
        chosen = None
        if platform is not None:
            chosen = select_platform(top, platform, str(reference)).digest
        elif len(digests) == 1:
            chosen = next(iter(digests.values()))
        if chosen is None:
            return Resolved(reference, top.digest, top.media_type, digests, None, None, top.annotations)
        manifest = self._member(reference, chosen)
        config = self.get_config(reference, manifest)
        return Resolved(reference, top.digest, top.media_type, digests, manifest, config, top.annotations)

    def sample_config(self, resolved: Resolved) -> Mapping[str, Any]:
        """Return the configuration of the image; of several platforms that of the first, for what is true of all."""
        if resolved.config is not None:
            return resolved.config
        images = iter(resolved.platform_digests.values())
        return next((self.resolve(resolved.reference.with_digest(image)).config or {} for image in images), {})

    def image_manifests(self, resolved: Resolved) -> list[Manifest]:
        """Return the manifest of every image that the reference stands for, those of all platforms of an index."""
        known = {resolved.manifest.digest: resolved.manifest} if resolved.manifest is not None else {}
        wanted = dict.fromkeys(resolved.platform_digests.values())
        return [known.get(digest) or self._member(resolved.reference, digest) for digest in wanted]

    def _member(self, reference: Reference, digest: str) -> Manifest:
        manifest = self.get_manifest(reference.with_digest(digest))
        if manifest.is_index:
            raise RegistryError(
                UNSUPPORTED, f"{reference} is an index of indexes.", "Publish one index that lists the images."
            )
        return manifest


def version_of(config: Mapping[str, Any], annotations: Mapping[str, str]) -> str | None:
    """Return the version that the label of an image gives, or else an annotation, as an index may have one."""
    settings = config.get("config")
    labels = settings.get("Labels") if isinstance(settings, Mapping) else None
    version = (labels.get(_VERSION) if isinstance(labels, Mapping) else None) or annotations.get(_VERSION)
    return version if isinstance(version, str) else None


def _is_config(document: object) -> bool:
    """Tell whether what everybody reads in the configuration of an image has the right type, or is not there."""
    if not isinstance(document, dict) or not isinstance(document.get("config") or {}, dict):
        return False
    plain = [document.get(name) or "" for name in ("os", "architecture", "variant", "created")]
    labels = (document.get("config") or {}).get("Labels") or {}
    return isinstance(labels, dict) and all(isinstance(text, str) for text in [*plain, *labels.values()])


def known_digest(text: str, what: str) -> str:
    """Return a digest; raise RegistryError for one of a kind that nobody here can compute."""
    if text.startswith("sha256:") or text.startswith("sha512:"):
        return text
    raise RegistryError(
        UNSUPPORTED, f"{what} has a digest of an unknown kind, '{text[:20]}'.", "Use a registry with sha256 digests."
    )
