# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an export leaves alone, and what an import adds to the list of what is about an image."""

from __future__ import annotations

import json

import pytest
from ansible_collections.skorionos.bootc.plugins.module_utils._oci.archive import (
    Collection,
    Target,
    export,
    list_referrers_by_tag,
    missing_referrers,
    plan_import,
)
from ansible_collections.skorionos.bootc.plugins.module_utils._oci.layout import REPOSITORY, Entry, Layout
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
