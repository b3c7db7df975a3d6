# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images described in JSON: real manifests and configs, layers that are a name and a size."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Mapping

DEFAULT = Path(__file__).resolve().parent / "skorionos.json"
MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"
INDEX_TYPE = "application/vnd.oci.image.index.v1+json"
CONFIG_TYPE = "application/vnd.oci.image.config.v1+json"
LAYER_TYPE = "application/vnd.oci.image.layer.v1.tar+gzip"


class BadCatalogue(Exception):
    """A catalogue cannot be used; the text says where and why."""


@dataclass(frozen=True)
class CatalogueImage:
    """One image: where it is found, and what it is made of."""

    repository: str
    tags: tuple[str, ...]
    layers: tuple[tuple[str, int], ...]
    created: str
    architectures: tuple[str, ...] = ("amd64",)
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Content:
    """What an image is at a registry: documents by digest, layer sizes by digest, and the digest its tags point to."""

    top: str
    manifests: Mapping[str, tuple[str, bytes]]
    blobs: Mapping[str, bytes]
    sizes: Mapping[str, int]


def read(path: Path) -> list[CatalogueImage]:
    """The images of a catalogue file; raises BadCatalogue."""
    try:
        return parse(json.loads(path.read_text(encoding="utf-8")))
    except OSError as failed:
        raise BadCatalogue(f"cannot read {path}: {failed.strerror}") from failed
    except ValueError as failed:
        raise BadCatalogue(f"{path} is not JSON: {failed}") from failed
    except KeyError as missing:
        raise BadCatalogue(f"{path}: {missing} is missing, or used without being listed under 'layers'") from missing


def parse(data: dict[str, Any]) -> list[CatalogueImage]:
    """The images of a parsed catalogue: ``layers`` gives each name a size, ``images`` list names."""
    sizes: dict[str, int] = data["layers"]
    common: dict[str, str] = data.get("labels", {})
    return [
        CatalogueImage(
            repository=entry["repository"],
            tags=tuple(entry["tags"]),
            layers=tuple((name, sizes[name]) for name in entry["layers"]),
            created=entry["created"],
            architectures=tuple(entry.get("architectures", ("amd64",))),
            labels={**common, **entry.get("labels", {})},
            annotations=entry.get("annotations", {}),
        )
        for entry in data["images"]
    ]


def build(image: CatalogueImage) -> Content:
    """The documents of an image. The same description always gives the same digests."""
    built = [_for_architecture(image, architecture) for architecture in image.architectures]
    if len(built) == 1:
        return built[0]
    entries = [
        {
            "mediaType": MANIFEST_TYPE,
            "digest": one.top,
            "size": len(one.manifests[one.top][1]),
            "platform": {"architecture": architecture, "os": "linux"},
        }
        for architecture, one in zip(image.architectures, built)
    ]
    raw = _document({"schemaVersion": 2, "mediaType": INDEX_TYPE, "manifests": entries})
    top = digest_of(raw)
    return Content(
        top=top,
        manifests={top: (INDEX_TYPE, raw), **{d: m for one in built for d, m in one.manifests.items()}},
        blobs={digest: blob for one in built for digest, blob in one.blobs.items()},
        sizes={digest: size for one in built for digest, size in one.sizes.items()},
    )


def _for_architecture(image: CatalogueImage, architecture: str) -> Content:
    layers: list[dict[str, Any]] = [
        {"mediaType": LAYER_TYPE, "digest": layer_digest(name, size, architecture), "size": size}
        for name, size in image.layers
    ]
    config = _document(
        {
            "architecture": architecture,
            "config": {"Labels": dict(sorted(image.labels.items()))},
            "created": image.created,
            "history": [{"created": image.created, "created_by": f"layer {name}"} for name, _unused in image.layers],
            "os": "linux",
            "rootfs": {
                "diff_ids": [digest_of(f"content of {layer['digest']}".encode()) for layer in layers],
                "type": "layers",
            },
        }
    )
    config_digest = digest_of(config)
    manifest: dict[str, Any] = {
        "schemaVersion": 2,
        "mediaType": MANIFEST_TYPE,
        "config": {"mediaType": CONFIG_TYPE, "digest": config_digest, "size": len(config)},
        "layers": layers,
    }
    if image.annotations:
        manifest["annotations"] = dict(sorted(image.annotations.items()))
    raw = _document(manifest)
    return Content(
        top=digest_of(raw),
        manifests={digest_of(raw): (MANIFEST_TYPE, raw)},
        blobs={config_digest: config},
        sizes={layer["digest"]: layer["size"] for layer in layers},
    )


def layer_digest(name: str, size: int, architecture: str = "amd64") -> str:
    """The digest standing for a layer without content."""
    suffix = "" if architecture == "amd64" else f" {architecture}"
    return digest_of(f"simulated layer {name} {size}{suffix}".encode())


def digest_of(content: bytes) -> str:
    """The OCI digest of some bytes."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def _document(value: dict[str, Any]) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()
