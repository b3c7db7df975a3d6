# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an export leaves alone, and what an import adds to the list of what is about an image."""

from __future__ import annotations

import hashlib
import json

import pytest
from ansible_collections.skorionos.bootc.plugins.module_utils._oci.archive import (
    Collection,
    Target,
    export,
    list_referrers_by_tag,
    missing_referrers,
    plan_import,
    read_archive,
)
from ansible_collections.skorionos.bootc.plugins.module_utils._oci.layout import (
    REPOSITORY,
    CorruptArchive,
    Entry,
    Layout,
)
from ansible_collections.skorionos.bootc.plugins.module_utils._oci.manifest import parse_manifest

from .conftest import OCI_INDEX, OCI_MANIFEST, Reply, digest, encode

OURS = {"digest": digest(b"a"), "size": 1, "annotations": {REPOSITORY: "os"}}
THEIRS = {"digest": digest(b"b"), "size": 1, "annotations": {"org.opencontainers.image.ref.name": "theirs"}}


@pytest.fixture
def theirs(tmp_path):
    """A layout with one blob, that of an image."""
    layout = Layout(tmp_path / "layout")
    layout.create()
    layout.blob(THEIRS["digest"]).write_bytes(b"b")
    return layout


@pytest.mark.parametrize("check", [True, False])
@pytest.mark.parametrize(
    "index",
    [
        encode({"manifests": [THEIRS]}),
        encode({"manifests": [OURS, THEIRS]}),
        encode({"manifests": [THEIRS, {"digest": "md5:0"}]}),
        encode({"manifests": [OURS, "odd"]}),
        encode({"manifests": [{**THEIRS, "annotations": None}]}),
        encode({"manifests": None}),
        b"cut off",
        b"[]",
    ],
    ids=["theirs", "mixed", "odd-of-theirs", "odd", "no-annotations", "no-list", "cut-off", "no-index"],
)
def test_what_another_program_may_have_put_there_is_not_removed(theirs, client, index, check):
    (theirs.root / "index.json").write_bytes(index)
    with pytest.raises(ValueError, match=r"index\.json names images of another program, or cannot be read"):
        export(client, Collection(), theirs, check=check)
    assert theirs.blob(THEIRS["digest"]).exists()


@pytest.mark.parametrize("index", [None, {"manifests": []}, {"manifests": [OURS, {**OURS, "digest": "odd"}]}])
def test_what_an_export_left_is_its_own_to_change(theirs, client, index):
    if index is not None:
        (theirs.root / "index.json").write_bytes(encode(index))
    assert export(client, Collection(), theirs, check=False).removed == 1


@pytest.mark.parametrize("check", [True, False])
def test_a_directory_with_something_else_is_refused_as_predicted(tmp_path, client, check):
    (tmp_path / "letter").touch()
    with pytest.raises(ValueError, match="is not empty, and no OCI layout"):
        export(client, Collection(), Layout(tmp_path), check=check)


@pytest.mark.parametrize("check", [True, False])
@pytest.mark.parametrize("folder", ["", "blobs", "blobs/sha256", "blobs/sha512"])
def test_links_in_place_of_folders_are_refused(theirs, client, tmp_path, folder, check):
    victim = tmp_path / "victim"
    place = theirs.root / folder
    if place.exists():
        place.rename(victim)
    else:
        victim.mkdir()
    place.symlink_to(victim)
    before = sorted(victim.rglob("*"))
    with pytest.raises(ValueError, match="is a symbolic link, which no export makes"):
        export(client, Collection(), theirs, check=check)
    assert sorted(victim.rglob("*")) == before


def test_only_what_an_export_may_have_left_is_removed(theirs, client, tmp_path):
    victim = tmp_path / "victim"
    victim.mkdir()
    (victim / ("a" * 64)).touch()
    blobs = theirs.root / "blobs"
    (blobs / "sha-x").symlink_to(victim)
    (blobs / "sha256" / "letter").touch()
    (blobs / "sha256" / ("b" * 64 + ".part")).touch()
    (blobs / "sha256" / ("c" * 64 + ".new")).symlink_to(victim / ("a" * 64))
    assert export(client, Collection(), theirs, check=False).removed == 3
    assert [path.name for path in (blobs / "sha256").iterdir()] == ["letter"]
    assert (victim / ("a" * 64)).exists()


@pytest.mark.parametrize("link", ["symlink_to", "hardlink_to"])
def test_nothing_is_written_through_a_link(theirs, registry, client, tmp_path, link):
    victim = tmp_path / "bashrc"
    victim.write_bytes(b"mine")
    config = encode({"os": "linux"})
    registry.blob(config)
    described = {"mediaType": "c", "digest": digest(config), "size": len(config)}
    manifest = parse_manifest(encode({"schemaVersion": 2, "config": described, "layers": []}), OCI_MANIFEST)
    (theirs.root / "oci-layout").unlink()
    for name in ("oci-layout", "oci-layout.new", "index.json.new"):
        getattr(theirs.root / name, link)(victim)
    (theirs.root / "index.json").write_bytes(encode({"manifests": []}))
    getattr(theirs.part(digest(config)), link)(victim)
    getattr(theirs.blob(manifest.digest).with_suffix(".new"), link)(victim)
    blob = manifest.config
    place = registry.reference()
    found = Collection({manifest.digest: manifest}, [], {blob.digest: blob}, {blob.digest: {place.name: place}})
    export(client, found, theirs, check=False)
    assert victim.read_bytes() == b"mine"
    assert theirs.blob(blob.digest).read_bytes() == config
    assert not any(path.is_symlink() for path in theirs.root.rglob("*"))


def test_what_is_only_linked_is_not_there(theirs, tmp_path):
    (tmp_path / "elsewhere").write_bytes(b"c")
    theirs.blob(digest(b"c")).symlink_to(tmp_path / "elsewhere")
    assert not theirs.is_whole(digest(b"c"), 1)


def test_what_a_registry_does_not_list_is_added_at_the_tag_once(registry, client):
    subject = digest(b"image")
    config = {"mediaType": "application/vnd.oci.empty.v1+json", "digest": digest(b"{}"), "size": 2}
    raw = encode({"schemaVersion": 2, "subject": {"digest": subject}, "config": config, "layers": []})
    about = parse_manifest(raw, OCI_MANIFEST, "a signature")
    target = Target(registry.reference(), [], [about])
    path = f"/v2/{registry.reference().repository}"
    at_tag = f"{path}/manifests/{subject.replace(':', '-')}"
    nothing = encode({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": []})
    registry.on("GET", f"{path}/referrers/{subject}", Reply(body=nothing, headers={"Content-Type": OCI_INDEX}))
    registry.on("PUT", at_tag, Reply(201))
    assert missing_referrers(client, target) == {subject: [about]}
    list_referrers_by_tag(client, target.repository, subject, [about])
    written = registry.requests[-1]
    assert [entry["digest"] for entry in json.loads(written.body)["manifests"]] == [about.digest]
    registry.on("GET", at_tag, Reply(body=written.body, headers={"Content-Type": OCI_INDEX}))
    assert missing_referrers(client, target) == {}


PAYLOAD = {"mediaType": "application/vnd.dev.cosign.simplesigning.v1+json", "digest": digest(b"payload"), "size": 7}
SIGNED = digest(b"image").replace(":", "-") + ".sig"


def signatures(*made, **more):
    """The document of signatures, which are all of the same bytes."""
    layers = [{**PAYLOAD, "annotations": {"dev.cosignproject.cosign/signature": one}, **more} for one in made]
    config = {"mediaType": "c", "digest": digest(b"{}"), "size": 2}
    return {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config, "layers": layers}


@pytest.mark.parametrize(
    ("ours", "kept"),
    [
        (signatures("bad"), True),
        (signatures("old"), True),
        (signatures("old", "new", mediaType="text/plain"), True),
        (signatures("new", "old", "third"), False),
    ],
    ids=["other", "before-rotation", "other-type", "more"],
)
def test_signatures_of_the_site_stay_unless_each_of_them_comes_along(theirs, registry, client, ours, kept):
    there = encode(signatures("old", "new"))
    registry.manifest(there, OCI_MANIFEST, SIGNED, digest(there))
    for raw in (b"payload", b"{}"):
        theirs.blob(digest(raw)).write_bytes(raw)
    manifest = parse_manifest(encode(ours))
    target = Target(registry.reference(None), [Entry("os", SIGNED, manifest.digest)], [manifest])
    plan = plan_import(client, theirs, target)
    assert (plan.kept_tags, list(plan.tags)) == (([SIGNED], []) if kept else ([], [SIGNED]))


def test_a_digest_that_no_registry_has_for_manifests_is_refused(theirs, registry):
    raw = encode({"schemaVersion": 2, "config": {"mediaType": "c", "digest": digest(b"{}"), "size": 2}, "layers": []})
    long = "sha512:" + hashlib.sha512(raw).hexdigest()
    theirs.blob(long).parent.mkdir()
    theirs.blob(long).write_bytes(raw)
    (theirs.root / "index.json").write_bytes(encode({"manifests": [{**OURS, "digest": long}]}))
    with pytest.raises(CorruptArchive, match="has an entry that cannot be used"):
        theirs.entries()
    listed = {"mediaType": OCI_MANIFEST, "digest": long, "size": len(raw)}
    top = parse_manifest(encode({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [listed]}))
    theirs.write_manifest(top)
    theirs.write_index([Entry("os", "v1", top.digest)], {top.digest: top})
    with pytest.raises(CorruptArchive, match="its digest is no sha256"):
        read_archive(theirs, theirs.entries(), {"os": registry.reference(None)})


def test_indexes_in_indexes_without_end_are_refused(theirs, registry):
    listed: list[dict[str, object]] = []
    for _step in range(1200):
        top = parse_manifest(encode({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": listed}))
        theirs.blob(top.digest).write_bytes(top.raw)
        listed = [{"mediaType": OCI_INDEX, "digest": top.digest, "size": len(top.raw)}]
    theirs.write_index([Entry("os", "v1", top.digest)], {top.digest: top})
    with pytest.raises(CorruptArchive, match="at more than 8 steps"):
        read_archive(theirs, theirs.entries(), {"os": registry.reference(None)})
