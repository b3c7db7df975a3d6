# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images read from a registry, and the document on what they share."""

from __future__ import annotations

import pytest
from ansible_collections.skorionos.bootc.plugins.module_utils._oci import contents_report
from ansible_collections.skorionos.bootc.plugins.module_utils._oci import stack as stack_module
from ansible_collections.skorionos.bootc.plugins.module_utils._oci.contents_report import read_all, with_contents
from ansible_collections.skorionos.bootc.plugins.module_utils._oci.errors import RegistryError
from ansible_collections.skorionos.bootc.plugins.module_utils._oci.layer_report import (
    Scale,
    document,
    gather,
    read_tables,
    wanted_images,
)
from ansible_collections.skorionos.bootc.plugins.module_utils._oci.layout_reader import AnyReader
from ansible_collections.skorionos.bootc.plugins.module_utils._oci.manifest import parse_platform

from .test_toc import Blobs, entry, table, unframe

SCALE = Scale(rate=10, devices=100, sites=4)
BASE = {"base": 800}


def entries(registry, *tags, variant="kde"):
    return [{"variant": variant, "image": str(registry.reference(tag)), "name": tag} for tag in tags]


def report(registry, client, *tags, scale=SCALE):
    return document(gather(client, wanted_images(entries(registry, *tags)), None), scale)


def test_every_pair_of_releases_has_its_update(registry, client):
    registry.image("v1", layers={**BASE, "desktop": 150, "config": 50})
    registry.image("v2", layers={**BASE, "desktop": 150, "config2": 50})
    registry.image("v3", layers={**BASE, "desktop3": 150, "config3": 50})
    told = report(registry, client, "v1", "v2", "v3")
    downloads = {(one["from"], one["to"]): one["layer_level"]["download"] for one in told["updates"]}
    assert downloads == {("v1", "v2"): 50, ("v1", "v3"): 200, ("v2", "v3"): 200}
    level = told["updates"][0]["layer_level"]
    assert (level["seconds"], level["fleet_bytes"], level["cached_bytes"]) == (5, 5000, 200)
    assert (level["reused"], level["download_permille"]) == (950, 50)


def test_sharing_is_told_of_the_newest_releases_and_storage_of_all(registry, client):
    registry.image("v1", layers={**BASE, "old": 100})
    registry.image("v2", layers={**BASE, "new": 120})
    registry.image("gnome", layers={**BASE, "gnome": 300})
    wanted = wanted_images([*entries(registry, "v1", "v2"), *entries(registry, "gnome", variant="gnome")])
    told = document(gather(client, wanted, None), SCALE)
    assert told["sharing"] == {
        "images": ["v2", "gnome"],
        "naive": 2020,
        "unique": 1220,
        "saved": 800,
        "saved_permille": 396,
    }
    assert (told["storage"]["naive"], told["storage"]["unique"]) == (2920, 1320)
    exclusive = {one["name"]: (one["exclusive"], one["shared"]) for one in told["images"]}
    assert exclusive == {"v1": (None, None), "v2": (120, 800), "gnome": (300, 800)}


def test_two_tags_of_one_image_do_not_pretend_to_save_anything(registry, client):
    registry.image("v1", layers=BASE)
    registry.image("stable", layers=BASE)
    wanted = wanted_images([{"image": str(registry.reference(tag))} for tag in ("v1", "stable")])
    told = document(gather(client, wanted, None), SCALE)
    assert told["sharing"]["saved"] == 0
    assert [one["same_as"] for one in told["images"]] == [None, str(registry.reference("v1"))]


def test_a_release_that_is_listed_again_counts_once_and_one_built_anew_is_told_from_it():
    first, anew = (f"r.example/os@sha256:{letter * 64}" for letter in "ab")
    listed = [{"variant": "kde", "image": image, "name": "kde 1.1"} for image in (first, first, anew)]
    assert [one.name for one in wanted_images(listed)] == ["kde 1.1", "kde 1.1 bbbbbbbbbbbb"]
    tags = [{"variant": "kde", "image": f"r.example/os:{tag}", "name": "kde"} for tag in ("v1", "v2")]
    with pytest.raises(ValueError, match="More than one image is called kde"):
        wanted_images(tags)


def test_without_caches_nothing_is_said_of_them(registry, client):
    for tag in ("v1", "v2"):
        registry.image(tag, layers={**BASE, tag: 10})
    (update,) = report(registry, client, "v1", "v2", scale=Scale(10))["updates"]
    assert update["layer_level"]["cached_bytes"] is None
    assert update["layer_level"]["cached_seconds"] is None


def test_it_is_said_when_nothing_is_reused(registry, client):
    registry.image("v1", layers={"a": 10})
    registry.image("v2", layers={"b": 10})
    (update,) = report(registry, client, "v1", "v2")["updates"]
    assert "Nothing is reused" in update["notes"][0]


def test_an_old_release_may_be_gone(registry, client):
    registry.image("v2", layers=BASE)
    told = report(registry, client, "v1", "v2")
    (absent,) = told["absent"]
    assert absent["image"] == str(registry.reference("v1"))
    assert "answered 404" in absent["cause"]
    assert told["sharing"]["images"] == ["v2"]


def test_an_old_release_for_another_platform_is_not_called_gone(registry, client):
    for tag, platform in (("v1", "linux/amd64"), ("v2", "linux/arm64")):
        registry.image(tag, platform=platform, layers=BASE)
    gathered = gather(client, wanted_images(entries(registry, "v1", "v2")), parse_platform("linux/arm64"))
    (absent,) = document(gathered, SCALE)["absent"]
    assert absent["cause"] == f"{registry.reference('v1')} is an image for linux/amd64, not for linux/arm64."


def test_a_directory_that_is_no_layout_is_never_an_old_release(registry, client, tmp_path):
    registry.image("v2", layers=BASE)
    for old in ("v1", "v1@" + "sha256:" + "0" * 64):
        mistyped = {"variant": "kde", "image": f"oci:{tmp_path / 'typo'}:{old}", "name": "v1"}
        with pytest.raises(RegistryError, match="is no OCI layout"):
            gather(AnyReader(client), wanted_images([mistyped, *entries(registry, "v2")]), None)


def test_the_newest_release_may_not(registry, client):
    registry.image("v1", layers=BASE)
    with pytest.raises(RegistryError, match="v2") as caught:
        report(registry, client, "v1", "v2")
    assert caught.value.kind == "not_found"


def test_an_index_needs_a_platform(registry, client):
    images = {name: registry.image(name, platform=f"linux/{name}", layers={name: 7}) for name in ("amd64", "arm64")}
    registry.index("v1", [(found, {"os": "linux", "architecture": name}) for name, found in images.items()])
    with pytest.raises(RegistryError, match="linux/amd64, linux/arm64"):
        report(registry, client, "v1")
    gathered = gather(client, wanted_images(entries(registry, "v1")), parse_platform("linux/arm64"))
    (told,) = document(gathered, SCALE)["images"]
    assert (told["platform"], told["platform_digest"]) == ("linux/arm64", images["arm64"])


def chunked(registry, blobs, tag, *layers):
    """Serve an image whose layers have tables of contents."""
    made = [blobs.layer(table(*(entry(name, 0, size) for name, size in files.items()))) for files in layers]
    listed = [
        {"mediaType": one.media_type, "digest": one.digest, "size": one.size, "annotations": one.annotations}
        for one in made
    ]
    registry.image(tag, listed=listed)
    return made


def test_file_level_is_estimated_beside_layer_level(registry, client):
    blobs = Blobs()
    chunked(registry, blobs, "v1", {"lib": 100}, {"app": 20, "old": 5})
    _lib, after = chunked(registry, blobs, "v2", {"lib": 100}, {"app": 20, "new": 7})
    update = estimate(registry, client, ("v1", "v2"), blobs=blobs)
    level = update["file_level"]
    assert (level["files"], level["whole_layers"], update["file_level_missing"]) == (7, 0, None)
    assert level["download"] == 7 + level["metadata"] < after.size == update["layer_level"]["download"]
    assert (level["seconds"], level["cached_bytes"]) == (-(-level["download"] // 10), 4 * level["download"])
    assert len(blobs.asked) == 3, "the layer that both have was asked for twice"


@pytest.mark.parametrize("plain", ["v1", "v2"])
def test_an_image_without_tables_has_no_estimate_and_is_named(registry, client, plain):
    blobs = Blobs()
    for tag in ("v1", "v2"):
        if tag == plain:
            registry.image(tag, layers={tag: 10})
        else:
            chunked(registry, blobs, tag, {tag: 100})
    update = estimate(registry, client, ("v1", "v2"), blobs=blobs)
    assert update["file_level"] is None
    assert f"layer of {plain} has a table of contents" in update["file_level_missing"]


def test_what_keeps_from_estimating_is_said(registry, client):
    class Whole(Blobs):
        def get_blob_range(self, *_args):
            raise RegistryError("unsupported", "r.example gives no parts of blobs.")

    blobs = Whole()
    for tag in ("v1", "v2"):
        chunked(registry, blobs, tag, {tag: 100})
    assert "no parts of blobs" in estimate(registry, client, ("v1", "v2"), blobs=blobs)["file_level_missing"]
    missing = estimate(registry, client, ("v1", "v2"), unpack=None, blobs=blobs)["file_level_missing"]
    assert "Install the package zstandard" in missing


def estimate(registry, client, tags, unpack=unframe, blobs=None):
    gathered = gather(client, wanted_images(entries(registry, *tags)), None)
    (update,) = document(gathered, SCALE, read_tables(blobs, gathered.found, unpack))["updates"]
    return update


def looked_into(registry, client, tags, *, blobs, limit=10**6, unpack=unframe):
    found = gather(client, wanted_images(entries(registry, *tags)), None)
    read = read_all(blobs, found.found, unpack, limit)
    return with_contents(document(found, SCALE), found.found, read)


def test_contents_are_read_from_tables_and_each_layer_once(registry, client):
    blobs = Blobs()
    local = "var/lib/pacman/local/mesa-{}-1/desc"
    chunked(registry, blobs, "v1", {"lib": 100, local.format(1): 0}, {"app": 20})
    chunked(registry, blobs, "v2", {"lib": 100, local.format(1): 0}, {"lib": 30, local.format(2): 0})
    told = looked_into(registry, client, ("v1", "v2"), limit=0, blobs=blobs)
    assert [one["wasted"]["files"] for one in told["images"]] == [0, 1]
    (lost,) = told["images"][1]["wasted"]["largest"]
    assert (lost["path"], lost["how"]) == ("lib", "replaced")
    assert told["images"][0]["packages"] == {"manager": "pacman", "count": 1}
    assert told["updates"][0]["packages"]["changed"] == [{"name": "mesa", "from": "1-1", "to": "1-1, 2-1"}]
    assert len(blobs.asked) == 3


def test_too_much_to_read_is_not_read(registry, client):
    for tag in ("v1", "v2"):
        registry.image(tag, layers={**BASE, tag: 100})
    blobs = Blobs()
    told = looked_into(registry, client, ("v1", "v2"), limit=999, blobs=blobs)
    assert told["contents_missing"] == "Layers of 1000 bytes would have to be read; contents_limit allows 999."
    assert ([one["wasted"] for one in told["images"]], told["updates"][0]["packages"]) == ([None, None], None)
    assert blobs.asked == []


@pytest.mark.parametrize("bound", ["_MOST_MEMBERS", "_LARGEST_DATABASES", "_MOST_TEXT"])
def test_more_than_fits_into_memory_is_not_gathered(registry, client, monkeypatch, bound):
    monkeypatch.setattr(contents_report, bound, -1)
    blobs = Blobs()
    chunked(registry, blobs, "v1", {"lib": 100}, {"app": 20})
    told = looked_into(registry, client, ("v1",), blobs=blobs)
    assert "more than can be compared" in told["contents_missing"]
    assert len(blobs.asked) == 1


def test_a_layer_that_is_listed_twice_is_stored_once(registry, client):
    blobs = Blobs()
    twice, between = (blobs.layer(table(entry(name, 0, 9))) for name in "ab")
    lists = [[twice, between, twice], [twice, between]]
    for tag, layers in zip(("v1", "v2"), lists):
        registry.image(
            tag,
            listed=[
                {"mediaType": one.media_type, "digest": one.digest, "size": one.size, "annotations": one.annotations}
                for one in layers
            ],
        )
    one, other = looked_into(registry, client, ("v1", "v2"), blobs=blobs)["images"]
    assert one["wasted"] == other["wasted"]
    assert (one["wasted"]["bytes"], one["wasted"]["stored"]) == (0, 20)


def test_more_directories_than_fit_into_memory_are_said(registry, client, monkeypatch):
    monkeypatch.setattr(stack_module, "_MOST_NODES", 3)
    blobs = Blobs()
    chunked(registry, blobs, "v1", {"a/b/c/d": 1})
    told = looked_into(registry, client, ("v1",), blobs=blobs)
    assert told["contents_missing"].startswith("The files of v1 cannot be compared")


def test_without_being_asked_nothing_is_said_of_contents(registry, client):
    registry.image("v1", layers=BASE)
    found = gather(client, wanted_images(entries(registry, "v1")), None)
    told = with_contents(document(found, SCALE), found.found, None)
    assert (told["contents_missing"], told["images"][0]["wasted"], told["images"][0]["packages"]) == (None, None, None)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ([], "No images"),
        ([{"image": "r.example/a:1", "name": "x"}, {"image": "r.example/b:1", "name": "x"}], "called x"),
        ([{"image": "not a reference"}], "not an image reference"),
    ],
)
def test_lists_of_images_that_mean_nothing_are_refused(given, said):
    with pytest.raises(ValueError, match=said):
        wanted_images(given)
