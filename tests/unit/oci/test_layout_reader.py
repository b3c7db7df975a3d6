# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images in a directory, read like those in a registry, whoever made the directory."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from ansible_collections.skorionos.bootc.plugins.module_utils._oci.errors import InvalidReference, RegistryError
from ansible_collections.skorionos.bootc.plugins.module_utils._oci.layout import Entry, Layout
from ansible_collections.skorionos.bootc.plugins.module_utils._oci.layout_reader import (
    AnyReader,
    LayoutReader,
    LayoutReference,
    parse_image,
)
from ansible_collections.skorionos.bootc.plugins.module_utils._oci.manifest import Manifest, parse_manifest

from .conftest import OCI_MANIFEST, digest

LAYER = b"0123456789" * 20


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    made = Layout(tmp_path / "usb")
    made.create()
    return made


def image(layout: Layout, architecture: str = "amd64") -> Manifest:
    """Put an image into a layout, which no index names yet."""
    config = json.dumps({"os": "linux", "architecture": architecture}).encode()
    for raw in (config, LAYER):
        layout.blob(digest(raw)).write_bytes(raw)
    document = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": {"mediaType": "c", "digest": digest(config), "size": len(config)},
        "layers": [{"mediaType": "l", "digest": digest(LAYER), "size": len(LAYER)}],
    }
    manifest = parse_manifest(json.dumps(document).encode())
    layout.write_manifest(manifest)
    return manifest


def indexed(layout: Layout, *entries: tuple[str, str, Manifest]) -> None:
    manifests = {manifest.digest: manifest for _repository, _tag, manifest in entries}
    layout.write_index([Entry(repository, tag, one.digest) for repository, tag, one in entries], manifests)


@pytest.mark.parametrize(
    ("text", "repository", "tag"),
    [
        ("oci:/media/usb/os:kde-v1", "", "kde-v1"),
        ("oci:os", "", None),
        ("oci:usb:os/skorionos:kde-v1", "os/skorionos", "kde-v1"),
    ],
)
def test_reads_and_writes_references_into_directories(text, repository, tag):
    reference = parse_image(text)
    assert isinstance(reference, LayoutReference)
    assert (reference.repository, reference.tag, str(reference)) == (repository, tag, text)
    assert str(reference.with_digest(digest(b""))) == f"{reference.name}@{digest(b'')}"


def test_a_registry_called_oci_is_one(tmp_path):
    assert parse_image("oci:5000/os/kde:v1").registry == "oci:5000"
    assert parse_image("r.example.com/os/kde:v1").registry == "r.example.com"


@pytest.mark.parametrize(
    "text", ["oci:", "oci:@sha256:1", "oci:usb:-x", "oci:usb@sha256:../../etc/shadow", "oci:usb:../x:v1"]
)
def test_refuses_what_names_no_image(text):
    with pytest.raises(InvalidReference, match="oci:PATH:tag"):
        parse_image(text)


def test_a_home_of_nobody_is_said_to_be_none():
    with pytest.raises(InvalidReference, match="home directory"):
        parse_image("oci:~nobody-has-this-name/usb:v1")


def test_an_image_is_resolved_by_tag_and_by_digest(layout):
    amd, arm = image(layout), image(layout, "arm64")
    attached = f"{amd.digest.replace(':', '-')}.sig"
    indexed(layout, ("os/kde", "v1", amd), ("os/gnome", "v1", arm), ("os/kde", attached, arm))
    reader = LayoutReader()
    place = f"oci:{layout.root}"
    resolved = reader.resolve(parse_image(f"{place}:os/gnome:v1"))
    assert (resolved.digest, dict(resolved.platform_digests)) == (arm.digest, {"linux/arm64": arm.digest})
    assert reader.resolve(parse_image(f"{place}@{amd.digest}")).digest == amd.digest
    with pytest.raises(RegistryError, match="os/gnome:v1, os/kde:v1"):
        reader.resolve(parse_image(f"{place}:v1"))
    for absent in (":v2", ":os/x:v1", f"@{digest(b'none')}"):
        with pytest.raises(RegistryError) as refused:
            reader.resolve(parse_image(place + absent))
        assert refused.value.kind == "not_found"


def test_the_only_image_needs_no_tag_and_its_signature_is_not_one(layout):
    one = image(layout)
    indexed(layout, ("os/kde", "v1", one), ("os/kde", f"{one.digest.replace(':', '-')}.sig", image(layout, "arm64")))
    assert LayoutReader().get_manifest(parse_image(f"oci:{layout.root}")).digest == one.digest


def test_an_image_that_another_program_put_there_without_a_name_is_found(layout):
    one = image(layout)
    entry = {"mediaType": OCI_MANIFEST, "digest": one.digest, "size": len(one.raw)}
    (layout.root / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [entry]}))
    assert LayoutReader().get_manifest(parse_image(f"oci:{layout.root}")).digest == one.digest


def test_parts_of_layers_are_read_and_missing_ones_are_named(layout):
    reader, reference = LayoutReader(), parse_image(f"oci:{layout.root}")
    image(layout)
    assert reader.get_blob_range(reference, digest(LAYER), 8, 4) == b"8901"
    with pytest.raises(RegistryError, match="cut off"):
        reader.get_blob_range(reference, digest(LAYER), len(LAYER) - 1, 2)
    layout.blob(digest(LAYER)).unlink()
    with pytest.raises(RegistryError, match="with all of its layers") as refused:
        reader.get_blob_range(reference, digest(LAYER), 0, 1)
    assert refused.value.kind == "unsupported"


def test_what_is_spoilt_on_disk_is_refused_by_its_path(layout):
    one = image(layout)
    indexed(layout, ("os/kde", "v1", one))
    path = layout.blob(one.config.digest)
    path.write_bytes(path.read_bytes()[:-1] + b" ")
    with pytest.raises(RegistryError, match=f"{path} is corrupt"):
        LayoutReader().resolve(parse_image(f"oci:{layout.root}:v1"))
    path.write_bytes(b"x" * 100)
    with pytest.raises(RegistryError, match="more than 10 bytes"):
        LayoutReader().get_blob(parse_image(f"oci:{layout.root}"), one.config.digest, 10)


def test_a_directory_that_is_none_is_said_to_be_none(tmp_path):
    with pytest.raises(RegistryError, match="is no OCI layout"):
        LayoutReader().get_manifest(parse_image(f"oci:{tmp_path}:v1"))


def test_images_on_disk_and_in_a_registry_are_read_by_one_reader(layout, registry, client):
    one = image(layout)
    indexed(layout, ("os/kde", "v1", one))
    published = registry.image("v1")
    reader = AnyReader(client)
    assert reader.resolve(parse_image(f"oci:{layout.root}:v1")).digest == one.digest
    assert reader.resolve(registry.reference("v1")).digest == published
