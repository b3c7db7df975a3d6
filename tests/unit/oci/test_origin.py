# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an archive may hold when whoever signed it is asked for: nothing slips in beside the images with a tag."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from ansible_collections.skorionos.bootc.plugins.module_utils._oci.archive import read_archive
from ansible_collections.skorionos.bootc.plugins.module_utils._oci.errors import SIGNATURE, RegistryError
from ansible_collections.skorionos.bootc.plugins.module_utils._oci.layout import Entry, Layout
from ansible_collections.skorionos.bootc.plugins.module_utils._oci.manifest import Manifest, parse_manifest
from ansible_collections.skorionos.bootc.plugins.module_utils._oci.origin import Origin, insist_on_origin
from ansible_collections.skorionos.bootc.plugins.module_utils._oci.reference import Reference

from .conftest import OCI_INDEX, OCI_MANIFEST, digest, encode

CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
PAYLOAD = "application/vnd.dev.cosign.simplesigning.v1+json"
HOME = Reference("home.example", "os/kde")


class Disk:
    """An archive that a test fills, and the site that it comes to."""

    def __init__(self, layout, registry, client):
        self.layout, self.registry, self.client = layout, registry, client
        self.entries: list[Entry] = []
        self.manifests: dict[str, Manifest] = {}

    def blob(self, raw: bytes, media_type: str, **more: Any) -> dict[str, Any]:
        self.layout.blob(digest(raw)).write_bytes(raw)
        return {"mediaType": media_type, "digest": digest(raw), "size": len(raw), **more}

    def put(self, document: dict[str, Any], tag: str | None) -> str:
        manifest = parse_manifest(encode({"schemaVersion": 2, **document}))
        self.manifests[manifest.digest] = manifest
        self.layout.write_manifest(manifest)
        if tag is not None:
            self.entries.append(Entry("os/kde", tag, manifest.digest))
        return manifest.digest

    def image(self, name: str, tag: str | None, *, config: str = CONFIG, layer: str = LAYER, **more: Any) -> str:
        """Put an image into it; ``tag`` is none for one that only an index has, and empty for one without."""
        document = {
            "mediaType": OCI_MANIFEST,
            "config": self.blob(encode({"name": name}), config),
            "layers": [self.blob(name.encode(), layer)],
        }
        return self.put({**document, **more}, tag)

    def index(self, tag: str, *members: str) -> str:
        platform = {"os": "linux", "architecture": "amd64"}
        entries = [{"mediaType": OCI_MANIFEST, "digest": member, "size": 3, "platform": platform} for member in members]
        return self.put({"mediaType": OCI_INDEX, "manifests": entries}, tag)

    def sign(self, *digests: str) -> None:
        for one in digests:
            critical = {
                "identity": {"docker-reference": HOME.name},
                "image": {"docker-manifest-digest": one},
                "type": "cosign container image signature",
            }
            made = {"dev.cosignproject.cosign/signature": base64.b64encode(b"good").decode()}
            layer = self.blob(json.dumps({"critical": critical, "optional": None}).encode(), PAYLOAD, annotations=made)
            # As cosign has it: by its configuration this would be an image.
            config = self.blob(b"{}", CONFIG)
            document = {"mediaType": OCI_MANIFEST, "config": config, "layers": [layer]}
            self.put(document, one.replace(":", "-") + ".sig")

    def verified(self) -> list[str]:
        self.layout.write_index(self.entries, self.manifests)
        place = {"os/kde": self.registry.reference(None)}
        origin = Origin(["key"], {"os/kde": HOME}, lambda _key, _payload, signature: signature == b"good")
        return insist_on_origin(self.client, self.layout, read_archive(self.layout, self.entries, place), origin)

    def refused(self) -> str:
        with pytest.raises(RegistryError) as raised:
            self.verified()
        assert raised.value.kind == SIGNATURE
        return str(raised.value)


@pytest.fixture
def disk(tmp_path, registry, client):
    """An archive with a signed index and its image."""
    layout = Layout(tmp_path / "disk")
    layout.create()
    made = Disk(layout, registry, client)
    made.member = made.image("kde", None)
    made.top = made.index("v1", made.member)
    made.sign(made.top, made.member)
    return made


def about(one: str) -> dict[str, Any]:
    return {"subject": {"mediaType": OCI_MANIFEST, "digest": one, "size": 3}}


def test_what_is_signed_passes_with_all_that_is_about_it(disk):
    packages = disk.image("packages", "", config="application/vnd.oci.empty.v1+json", **about(disk.member))
    disk.image("more", packages.replace(":", "-") + ".att", layer="application/vnd.dsse.envelope.v1+json")
    disk.image("buildkit", "", layer="application/vnd.in-toto+json", **about(disk.top))
    disk.entries.append(Entry("os/kde", "", disk.member))
    assert disk.verified() == sorted([disk.top, disk.member])


def test_an_image_without_a_tag_has_to_be_signed(disk):
    evil = disk.image("evil", "")
    assert f"os/kde would get {evil}, which none of the keys signed" in disk.refused()
    disk.sign(evil)
    assert evil in disk.verified()


def test_an_image_that_says_it_is_about_another_has_to_be_signed(disk):
    evil = disk.image("evil", "", **about(disk.top))
    assert f"would get {evil}, which none of the keys signed" in disk.refused()


@pytest.mark.parametrize("end", ["", ".evil"])
def test_an_image_at_the_tag_of_an_attachment_is_refused(disk, end):
    evil = disk.image("evil", disk.top.replace(":", "-") + end)
    assert f"is for what is about an image, but would become one: {evil}" in disk.refused()


def test_an_index_that_says_it_is_about_an_image_has_to_be_signed(disk):
    evil = disk.put({"mediaType": OCI_INDEX, "manifests": [], **about(disk.top)}, "")
    assert f"would get {evil}, which none of the keys signed" in disk.refused()


@pytest.mark.parametrize("by_tag", [True, False])
def test_what_is_about_nothing_that_came_along_is_refused(disk, by_tag):
    other = digest(b"at the site")
    tag, more = (other.replace(":", "-") + ".sbom", {}) if by_tag else ("", about(other))
    evil = disk.image("evil", tag, config="application/vnd.oci.empty.v1+json", **more)
    assert f"would get {evil}, which is about {other}, and no image of the archive is that" in disk.refused()


def test_an_attachment_at_a_plain_tag_has_to_be_signed(disk):
    evil = disk.image("evil", "v2", config="application/vnd.oci.empty.v1+json", **about(disk.top))
    assert f":v2 would become {evil}, which none of the keys signed" in disk.refused()
