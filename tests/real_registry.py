# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A docker-registry on loopback, and images in it that are made here, byte by byte."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests

OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
OCI_EMPTY = "application/vnd.oci.empty.v1+json"
OCI_LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"


def digest_of(raw: bytes) -> str:
    return "sha256:" + hashlib.sha256(raw).hexdigest()


@dataclass
class RealRegistry:
    """What tests put into one repository of it, and read back."""

    address: str
    folder: Path
    repository: str = "os/skorionos"

    @property
    def name(self) -> str:
        return f"{self.address}/{self.repository}"

    def url(self, path: str) -> str:
        return f"http://{self.address}/v2/{self.repository}/{path}"

    def blob(self, raw: bytes, media_type: str) -> dict[str, Any]:
        """Upload a blob; returns its descriptor."""
        place = requests.post(self.url("blobs/uploads/"), timeout=10).headers["Location"]
        separator = "&" if "?" in place else "?"
        requests.put(f"{place}{separator}digest={digest_of(raw)}", data=raw, timeout=30).raise_for_status()
        return {"mediaType": media_type, "digest": digest_of(raw), "size": len(raw)}

    def manifest(self, document: dict[str, Any], tag: str | None = None) -> dict[str, Any]:
        """Upload a manifest, at a tag or by its digest only; returns its descriptor."""
        raw = json.dumps({"schemaVersion": 2, **document}).encode()
        target = tag or digest_of(raw)
        headers = {"Content-Type": document["mediaType"]}
        requests.put(self.url(f"manifests/{target}"), data=raw, headers=headers, timeout=10).raise_for_status()
        return {"mediaType": document["mediaType"], "digest": digest_of(raw), "size": len(raw)}

    def image(
        self, layers: list[bytes], tag: str | None = None, *, architecture: str = "amd64", **more: Any
    ) -> dict[str, Any]:
        """Upload an image; returns its descriptor with its platform."""
        config = {"os": "linux", "architecture": architecture, "config": {}, "layers": [digest_of(x) for x in layers]}
        document = {
            "mediaType": OCI_MANIFEST,
            "config": self.blob(json.dumps(config).encode(), OCI_CONFIG),
            "layers": [self.blob(layer, OCI_LAYER) for layer in layers],
            **more,
        }
        return {**self.manifest(document, tag), "platform": {"os": "linux", "architecture": architecture}}

    def index(self, entries: list[dict[str, Any]], tag: str) -> str:
        digest: str = self.manifest({"mediaType": OCI_INDEX, "manifests": entries}, tag)["digest"]
        return digest

    def signature(self, digest: str, *, by_subject: bool = False) -> str:
        """Put something about an image: at a tag as cosign does, or by its subject with the list at a tag."""
        place = digest.replace(":", "-")
        if not by_subject:
            made = self.image([b"signature of " + digest.encode()], f"{place}.sig")
            return str(made["digest"])
        subject = {"mediaType": OCI_MANIFEST, "digest": digest, "size": 1}
        bundle = self.image([b"bundle of " + digest.encode()], subject=subject, config=self.blob(b"{}", OCI_EMPTY))
        self.index([{key: bundle[key] for key in ("mediaType", "digest", "size")}], place)
        return str(bundle["digest"])

    def has(self, target: str) -> bool:
        headers = {"Accept": f"{OCI_MANIFEST}, {OCI_INDEX}"}
        return requests.head(self.url(f"manifests/{target}"), headers=headers, timeout=10).status_code == 200

    def tags(self) -> list[str]:
        return sorted(requests.get(self.url("tags/list"), timeout=10).json().get("tags") or [])


@contextmanager
def real_registry(folder: Path, *, delete: bool = True) -> Iterator[RealRegistry]:
    """Run docker-registry on a free port with its storage in ``folder``."""
    if shutil.which("docker-registry") is None:
        pytest.skip("docker-registry is not installed")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    folder.mkdir(parents=True, exist_ok=True)
    config = folder / "registry.yml"
    config.write_text(
        f"version: 0.1\nlog:\n  level: warn\nstorage:\n  filesystem:\n    rootdirectory: {folder}/storage\n"
        f"  delete:\n    enabled: {str(delete).lower()}\nhttp:\n  addr: {address}\n",
        encoding="utf-8",
    )
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            ["docker-registry", "serve", str(config)], stdout=log, stderr=log, stdin=subprocess.DEVNULL, env=os.environ
        )
        try:
            _wait(address, process, folder / "log")
            yield RealRegistry(address, folder)
        finally:
            process.terminate()
            process.wait(timeout=20)


def _wait(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 30
    while process.poll() is None and time.monotonic() < deadline:
        try:
            requests.get(f"http://{address}/v2/", timeout=1)
            return
        except requests.RequestException:
            time.sleep(0.05)
    raise AssertionError(f"docker-registry does not start: {log.read_text(encoding='utf-8', errors='replace')}")
