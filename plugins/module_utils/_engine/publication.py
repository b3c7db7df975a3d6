# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tells whether what a registry has is what a push would bring there."""

from __future__ import annotations

from typing import Iterable

from .._oci.manifest import Descriptor, Manifest
from .client import LocalImage

# The engine writes these about the parent as it is in local storage, so the same image built elsewhere has others.
_WRITTEN_BY_ENGINES = ("org.opencontainers.image.base.name", "org.opencontainers.image.base.digest")
# Podman before 5 wrote io.containers.zstd-chunked..., later ones write io.github.containers.zstd-chunked...
_CHUNKED = ".zstd-chunked.manifest-checksum"


def is_image(there: Manifest | None, image: LocalImage) -> bool:
    """Tell whether a manifest is that of the local image."""
    return there is not None and not there.is_index and there.config.digest == image.id


def other_annotations(there: Manifest, image: LocalImage) -> list[str]:
    """Return the names of annotations that the local image has and the manifest has not, or with another value."""
    return sorted(
        name
        for name, value in image.annotations.items()
        if name not in _WRITTEN_BY_ENGINES and there.annotations.get(name) != value
    )


def other_compression(layers: Iterable[Descriptor], wanted: str) -> list[Descriptor]:
    """Return the layers that are not compressed as wanted. What is zstd:chunked is zstd as well."""
    return [layer for layer in layers if not _is_compressed(layer, wanted)]


def _is_compressed(layer: Descriptor, wanted: str) -> bool:
    if wanted == "zstd:chunked" and not any(name.endswith(_CHUNKED) for name in layer.annotations):
        return False
    return layer.media_type.endswith("gzip" if wanted == "gzip" else "zstd")
