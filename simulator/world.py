# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The world outside of a device as the verbs see it: registries over HTTP, blobs on disk."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path
from typing import Any, Mapping, Union

from simulator.client import INDEX_TYPES, Registry, digest_of
from simulator.faults import Moment, seconds
from simulator.oci_layout import Layout
from simulator.reference import ImageRef
from simulator.state import Image, Layer, Pulled, State
from simulator.store import Device
from simulator.unpack import BadLayer, merged, write
from simulator.verbs.common import PullError

# Where images are read from.
Source = Union[Registry, Layout]


class DeviceWorld:
    """What a program running on ``device`` in ``state`` can reach."""

    def __init__(self, device: Device, state: State) -> None:
        self.device = device
        self.state = state
        self.root = device.root(state)

    def resolve(self, ref: ImageRef) -> Image:
        """Ask the registry what ``ref`` is for this device's architecture."""
        self._refuse_by_policy(ref)
        self.device.pause(self.state, seconds(self.state, Moment.ANSWER))
        registry = self._source(ref)
        digest = _manifest_digest(registry, self.state.architecture)
        raw, _unused = registry.manifest(digest)
        try:
            manifest: dict[str, Any] = json.loads(raw)
            config: dict[str, Any] = json.loads(registry.blob(manifest["config"]["digest"]))
            return _image(ref, digest, manifest, config)
        except (ValueError, KeyError, TypeError, AttributeError) as broken:
            raise PullError(f"reading manifest {digest}: unexpected content: {broken!r}") from broken

    def _source(self, ref: ImageRef) -> Source:
        if ref.transport == "registry":
            return Registry(ref.image, self.root, self.state)
        if ref.transport == "oci":
            return Layout(ref.image, self.root)
        raise PullError(f"transport {ref.transport} is not simulated; the simulator has registry and oci")

    def pull(self, image: Image, have: Mapping[str, int]) -> Pulled:
        """Fetch what is missing; layers the registry knows only the size of are counted as if they came."""
        started = time.monotonic()
        if any(layer.digest not in have for layer in image.layers):
            self.device.pause(self.state, seconds(self.state, Moment.PULL))
        _refuse_zstd(image)
        registry = self._source(image.ref)
        fetched = reused = fetched_layers = reused_layers = 0
        for layer in {layer.digest: layer for layer in image.layers}.values():
            if layer.digest in have:
                reused, reused_layers = reused + layer.size, reused_layers + 1
                continue
            registry.layer(layer.digest, self._blob(layer))
            fetched, fetched_layers = fetched + layer.size, fetched_layers + 1
        return Pulled(fetched, reused, fetched_layers, reused_layers, round(time.monotonic() - started, 3))

    def unpack(self, image: Image, deployment: str) -> None:
        """Put identity and health checks of ``image`` into the tree of ``deployment``."""
        blobs: list[Path] = [self._blob(layer) for layer in image.layers]
        target = self.device.trees / deployment
        draft = self.device.trees / f".{deployment[:64]}.new"
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(parents=True)
        try:
            write(merged(blob for blob in blobs if blob.is_file()), draft)
        except BadLayer as bad:
            shutil.rmtree(draft, ignore_errors=True)
            raise PullError(str(bad)) from bad
        shutil.rmtree(target, ignore_errors=True)
        draft.replace(target)

    def default_policy(self) -> str | None:
        """The type of the only default requirement of the device's policy.json."""
        default = self._policy().get("default", [])
        return str(default[0]["type"]) if len(default) == 1 else None

    def _policy(self) -> dict[str, Any]:
        """The device's policy.json, looked at as far as it is used here; raises PullError for one that is none."""
        path = self.root / "etc/containers/policy.json"
        if not path.is_file():
            return {}
        try:
            policy: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            for scope in (policy.get("default", []), *policy.get("transports", {}).get("docker", {}).values()):
                _types(scope)
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as broken:
            raise PullError(f"invalid policy in {str(path)!r}: {broken!r}") from broken
        return policy

    def _refuse_by_policy(self, ref: ImageRef) -> None:
        # Signatures are not verified here; what is rejected whatever its signature is.
        policy = self._policy()
        docker = policy.get("transports", {}).get("docker", {}) if ref.transport == "registry" else {}
        requirements = next((docker[scope] for scope in _scopes(ref.image) if scope in docker), policy.get("default"))
        if requirements is not None and "reject" in _types(requirements):
            raise PullError(f"Source image rejected: Running image {ref.pull_spec} is rejected by policy.")

    def drop_blobs(self, state: State) -> None:
        """Remove the files of layers the device no longer has."""
        if self.device.blobs.is_dir():
            for path in self.device.blobs.iterdir():
                if f"sha256:{path.name}" not in state.layers and not path.name.startswith("."):
                    path.unlink(missing_ok=True)

    def _blob(self, layer: Layer) -> Path:
        return self.device.blobs / layer.digest.partition(":")[2]


def _types(requirements: list[dict[str, Any]]) -> list[str]:
    return [str(requirement["type"]) for requirement in requirements]


def _scopes(image: str) -> list[str]:
    """The scopes of a policy that ``image`` is in, the narrowest first."""
    name = image.partition("@")[0]
    repository = name if ":" not in name.rpartition("/")[2] else name.rpartition(":")[0]
    parts = repository.split("/")
    host = parts[0].partition(":")[0].split(".")
    above = ["/".join(parts[:count]) for count in range(len(parts), 0, -1)]
    return [image, *above, *("*." + ".".join(host[count:]) for count in range(1, len(host))), ""]


def _image(ref: ImageRef, digest: str, manifest: dict[str, Any], config: dict[str, Any]) -> Image:
    """What manifest and configuration say; whatever else they are than objects of OCI ends in an error of Python's."""
    return Image(
        ref=ref,
        digest=digest,
        config_digest=manifest["config"]["digest"],
        architecture=config.get("architecture", ""),
        created=config.get("created"),
        labels=(config.get("config") or {}).get("Labels") or {},
        annotations=manifest.get("annotations") or {},
        diff_ids=tuple((config.get("rootfs") or {}).get("diff_ids") or ()),
        layers=tuple(Layer(entry["digest"], entry["size"], entry["mediaType"]) for entry in manifest["layers"]),
    )


def _refuse_zstd(image: Image) -> None:
    for layer in image.layers:
        if "zstd" in layer.media_type:
            raise PullError(
                f"layer {layer.digest} is compressed with zstd, which the simulator cannot read; "
                "push the image with gzip layers"
            )


def _manifest_digest(registry: Source, architecture: str) -> str:
    """The digest of the manifest for ``architecture``, looked up in an index if need be."""
    raw, declared = registry.manifest()
    try:
        document: dict[str, Any] = json.loads(raw)
        if document.get("mediaType", declared) not in INDEX_TYPES and "manifests" not in document:
            return digest_of(raw)
        for entry in document["manifests"]:
            platform = entry.get("platform") or {}
            if platform.get("architecture") == architecture and platform.get("os", "linux") == "linux":
                return str(entry["digest"])
    except (ValueError, KeyError, TypeError, AttributeError) as broken:
        raise PullError(f"reading manifest {registry.place.target}: unexpected content: {broken!r}") from broken
    raise PullError(f'no image found in image index for architecture {architecture}, variant "", OS linux')
