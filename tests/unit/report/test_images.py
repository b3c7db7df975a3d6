# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report on images: what its text and its page say, and that nothing in the page can act."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.skorionos.bootc.plugins.plugin_utils._report.image_html import images_html
from ansible_collections.skorionos.bootc.plugins.plugin_utils._report.image_text import images_text
from ansible_collections.skorionos.bootc.plugins.plugin_utils._report.image_words import amount, percent

from tests.unit.report.rehearsals import PAYLOADS
from tests.unit.report.test_html import Page

GB = 10**9
MB = 10**6


def image(variant: str, version: str, own: int, **also: Any) -> dict[str, Any]:
    layers = [{"digest": f"sha256:{name:0>64}", "size": size} for name, size in (("ba5e", 8 * GB), (variant, own))]
    return {
        "name": f"{variant} {version}",
        "variant": variant,
        "image": f"registry.example.com/os/skorionos:{variant}-v{version}",
        "platform_digest": "sha256:" + "0" * 64,
        "same_as": None,
        "version": version,
        "size": 8 * GB + own,
        "exclusive": own,
        "shared": 8 * GB,
        "layers": layers,
        "wasted": {
            "bytes": 500 * MB,
            "stored": 20 * GB,
            "permille": 25,
            "files": 7,
            "largest": [
                {
                    "path": "usr/share/doc/big",
                    "bytes": 400 * MB,
                    "how": "deleted",
                    "layer": "sha256:aa",
                    "by": "sha256:bb",
                }
            ],
        },
        **also,
    }


def update(variant: str, before: str, after: str, download: int) -> dict[str, Any]:
    level = {
        "total": 10 * GB,
        "download": download,
        "download_permille": 1000 * download // (10 * GB),
        "seconds": 34,
        "fleet_bytes": 1000 * download,
        "cached_bytes": 20 * download,
    }
    names = {"from": f"{variant} {before}", "to": f"{variant} {after}"}
    estimate = {**level, "download": 90 * MB, "download_permille": 9}
    missing = {"file_level": estimate, "file_level_missing": None}
    packages = {
        "manager": "pacman",
        "added": [{"name": "vim", "version": "9-1"}],
        "removed": [],
        "changed": [{"name": "mesa", "from": "25.1-1", "to": "25.2-1"}],
    }
    return {
        "variant": variant,
        **names,
        "layer_level": level,
        **missing,
        "packages": packages,
        "notes": ["Nothing is reused."],
    }


def report(**also: Any) -> dict[str, Any]:
    return {
        "rate": 15 * MB,
        "devices": 1000,
        "sites": 20,
        "images": [
            image("kde", "1.0", 2 * GB, exclusive=None, shared=None),
            image("kde", "1.1", 2 * GB),
            image("gnome", "1.1", 2 * GB + GB // 2),
            image("hyprland", "1.1", GB),
        ],
        "sharing": {
            "images": ["kde 1.1", "gnome 1.1", "hyprland 1.1"],
            "naive": 29 * GB + GB // 2,
            "unique": 13 * GB + GB // 2,
            "saved": 16 * GB,
            "saved_permille": 542,
        },
        "storage": {"images": ["1", "2", "3", "4"], "naive": 40 * GB, "unique": 14 * GB, "saved_permille": 650},
        "updates": [update("kde", "1.0", "1.1", 500 * MB)],
        "contents_missing": None,
        "absent": [{"image": "registry.example.com/os/skorionos:kde-v0.9", "cause": "It is <b>for</b> linux/arm64."}],
        **also,
    }


def test_the_text_gives_the_headline_the_images_and_the_updates():
    lines = images_text(report()).splitlines()
    assert lines[0] == "3 images are kept in 13.5 GB instead of 29.5 GB: 54.2 % saved"
    assert "  hyprland 1.1   9.0 GB  8.0 GB   1.0 GB       2" in lines
    assert "  kde 1.0  kde 1.1  500.0 MB     5.0 %        34 s      500.0 GB         10.0 GB" in lines
    assert "  kde 1.0 to kde 1.1: Nothing is reused." in lines
    assert "  registry.example.com/os/skorionos:kde-v0.9 is left out: It is <b>for</b> linux/arm64." in lines
    assert "kde-v0.9 is left out: It is <b>for</b> linux/arm64." in Page(images_html(report())).words


def test_layer_level_and_file_level_are_told_apart():
    lines = images_text(report()).splitlines()
    layers, files = (
        next(at for at, line in enumerate(lines) if line.startswith(said))
        for said in ("Updates at layer level (whole layers, as bootc fetches them)", "Estimate at file level")
    )
    assert ("500.0 MB" in lines[layers + 2], "90.0 MB" in lines[files + 2]) == (True, True)
    assert "90.0 MB" in Page(images_html(report())).words


def test_packages_and_bytes_for_nothing_are_told_in_both():
    text, page = images_text(report()), Page(images_html(report())).words
    for said in (
        "1 changed, 1 added (pacman)",
        "mesa 25.1-1 -> 25.2-1",
        "+ vim 9-1",
        "500.0 MB of 20.0 GB",
        "usr/share/doc/big",
    ):
        assert said in text
        assert said in page
    assert "Nothing is said of contents: Too much." in images_text(report(contents_missing="Too much."))
    assert "Nothing is said of contents: Too much." in Page(images_html(report(contents_missing="Too much."))).words


def test_it_is_said_why_there_is_no_estimate_at_file_level():
    lacking = {**update("kde", "1.0", "1.1", MB), "file_level": None, "file_level_missing": "No table."}
    told = report(updates=[lacking])
    assert "No estimate at file level: No table." in images_text(told)
    assert "No estimate at file level: No table." in Page(images_html(told)).words


def test_one_device_without_caches_makes_a_smaller_table():
    text = images_text(report(devices=1, sites=None))
    assert "1000 devices" not in text
    assert "cache" not in text


def test_one_image_saves_nothing_and_the_text_does_not_say_so():
    alone = {"images": ["kde 1.1"], "naive": 10 * GB, "unique": 10 * GB, "saved": 0, "saved_permille": 0}
    text = images_text(
        report(images=[image("kde", "1.1", 2 * GB)], sharing=alone, storage=alone, updates=[], absent=[])
    )
    assert text.splitlines()[0] == "One image of 10.0 GB"
    assert "Updates" not in text


@pytest.mark.parametrize(
    ("bytes_", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (684_500_000, "684.5 MB"),
        (999_960_000, "1.0 GB"),
        (2e12, "2.0 TB"),
    ],
)
def test_sizes_are_written_as_bootc_writes_them(bytes_: float, text: str):
    assert amount(bytes_) == text


def test_shares_have_one_decimal():
    assert [percent(542), percent(1000), percent(3)] == ["54.2 %", "100.0 %", "0.3 %"]


def hostile() -> dict[str, Any]:
    words = " ".join(PAYLOADS)
    named = {"name": words, "variant": words, "version": words, "image": words, "same_as": words}
    images = [{**image("kde", "1.1", 2 * GB), **named}]
    images[0]["wasted"]["largest"][0].update(path=words, how=words)
    sharing = {**report()["sharing"], "images": [words]}
    bad = {**update("kde", "1.0", "1.1", MB), "variant": words, "from": words, "to": words, "notes": [words]}
    bad = {**bad, "file_level": None, "file_level_missing": words}
    bad["packages"] = {"manager": words, "added": [{"name": words, "version": words}], "removed": [], "changed": []}
    return report(images=images, sharing=sharing, updates=[bad], absent=[{"image": words, "cause": words}])


@pytest.mark.parametrize("told", [report(), hostile()], ids=["usual", "hostile"])
def test_the_page_is_whole_and_needs_nothing_from_elsewhere(told: dict[str, Any]):
    html = images_html(told)
    page = Page(html)
    assert page.scripts == []
    assert not page.tags & {"script", "link", "img", "iframe", "object", "embed", "form", "base", "a"}
    assert not [one for one in page.attributes if one[1].startswith("on") or one[1] in {"src", "href", "action"}]
    assert "url(" not in html and "@import" not in html
    assert len(page.ids) == len(set(page.ids))
    assert "default-src 'none'" in html


def test_the_page_says_what_the_text_says():
    words = Page(images_html(report())).words
    for said in ("54.2 %", "13.5 GB", "29.5 GB", "500.0 MB", "5.0 %", "34 s", "10.0 GB", "kde-v0.9"):
        assert said in words


def test_the_page_is_for_dark_rooms_too():
    assert "prefers-color-scheme: dark" in images_html(report())


def test_the_bars_are_told_to_those_who_do_not_see_them():
    labels = [
        value for tag, name, value in Page(images_html(report())).attributes if (tag, name) == ("div", "aria-label")
    ]
    assert "8.0 GB of 9.0 GB are in other images too" in labels


def test_the_same_findings_give_the_same_page():
    assert images_html(report()) == images_html(report())
