# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A registry with releases in it, and the verbs that move its channels."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from ansible_collections.skorionos.bootc.plugins.plugin_utils._channels.verbs import Outcome, move_channels

from tests.unit.image_modules.fakes import Guard, serve

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"


def digest(raw: bytes) -> str:
    return "sha256:" + hashlib.sha256(raw).hexdigest()


class Site:
    """Two variants in one repository, and a journal."""

    def __init__(self, registry: str, folder: Path) -> None:
        self.repository = f"{registry}/os"
        self.api = f"http://{registry}/v2/os"
        self.journal = folder / "channels.jsonl"
        self.folder = folder

    def publish(self, version: str, *tags: str, created: str = "1970-01-01T00:00:00Z") -> str:
        """Bring an image to the registry under tags; return its digest."""
        label = {"org.opencontainers.image.version": version} if version else {}
        config = json.dumps(
            {"os": "linux", "architecture": "amd64", "created": created, "config": {"Labels": label}, "for": tags[0]}
        ).encode()
        requests.put(f"{self.api}/blobs/{digest(config)}", data=config, headers={"Content-Type": "x"}, timeout=5)
        manifest = json.dumps(
            {
                "schemaVersion": 2,
                "mediaType": MANIFEST,
                "config": {"mediaType": "c", "digest": digest(config), "size": len(config)},
                "layers": [],
            },
            indent=3,
        ).encode()
        for tag in tags:
            requests.put(f"{self.api}/manifests/{tag}", data=manifest, headers={"Content-Type": MANIFEST}, timeout=5)
        return digest(manifest)

    def publish_index(self, tag: str, **images: str) -> str:
        """Bring an index of images by architecture to the registry, be they there or not; return its digest."""
        listed = [
            {"mediaType": MANIFEST, "digest": image, "size": 2, "platform": {"os": "linux", "architecture": name}}
            for name, image in images.items()
        ]
        index = json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": listed}).encode()
        for name in (tag, digest(index)):
            requests.put(f"{self.api}/manifests/{name}", data=index, headers={"Content-Type": INDEX}, timeout=5)
        return digest(index)

    def publish_index_of_nothing(self, tag: str) -> str:
        """Bring an index to the registry whose image is not there; return its digest."""
        return self.publish_index(tag, amd64="sha256:" + "1" * 64)

    def at(self, tag: str) -> str | None:
        answer = requests.get(f"{self.api}/manifests/{tag}", timeout=5)
        return digest(answer.content) if answer.status_code == 200 else None

    def move(self, verb: str, channel: str | None = "stable", *, dry_run: bool = False, **options: Any) -> Outcome:
        given = {
            "verb": verb,
            "repository": self.repository,
            "variants": ["kde"],
            "channel": channel,
            "source": None,
            "channels": ["latest", "testing", "stable"],
            "tag": "{variant}-{channel}",
            "digests": {},
            "release": None,
            "version": None,
            "operation": None,
            "expected": {},
            "rollout": None,
            "ledger": None,
            "wave": None,
            "force": False,
            "why": "",
            "journal": str(self.journal),
            "tls_verify": False,
            "auth_file": None,
        }
        assert set(options) <= set(given)
        return move_channels({**given, **options}, dry_run=dry_run)

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.journal.read_text().splitlines()]


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    server = serve(Guard())
    yield Site(f"127.0.0.1:{server.server_address[1]}", tmp_path)
    server.shutdown()
    server.server_close()
