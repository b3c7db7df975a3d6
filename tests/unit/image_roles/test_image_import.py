# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbook image_import says whether it verified anything, and never stops doing so by itself."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.image_modules.fakes import Guard, serve
from tests.unit.image_roles.test_playbooks import Site


@pytest.fixture
def site(tmp_path: Path, collections_path: Path) -> Iterator[Site]:
    """A site with an archive of nothing, so that no registry is asked."""
    guard = Guard()
    server = serve(guard)
    made = Site(tmp_path, collections_path, f"127.0.0.1:{server.server_address[1]}", guard)
    archive = made.folder / "disk"
    archive.mkdir()
    (archive / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    (archive / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": []}))
    (made.folder / "home.pub").touch()
    yield made
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize(
    ("variables", "code", "said"),
    [
        ({}, 0, "Nothing was verified of who signed the images: there are no keys."),
        ({"bootc_archive_source": "home.example/{repository}"}, 2, "Nothing would be verified"),
        ({"bootc_verify_keys": "", "bootc_archive_verify": ""}, 2, "Nothing would be verified"),
        ({"bootc_verify_keys": "home.pub", "bootc_archive_verify": ""}, 0, "Of 0 images and indexes it was verified"),
        ({"bootc_trust_keys": ["home.pub"], "bootc_archive_verify": False}, 0, "because of bootc_archive_verify."),
    ],
    ids=["nothing", "source", "no-keys", "keys", "switched-off"],
)
def test_what_is_verified_is_said_and_asked_for(site: Site, variables: dict[str, object], code: int, said: str) -> None:
    target = {"bootc_archive": "disk", "bootc_archive_target": f"{site.registry}/{{repository}}"}
    done = site.play("image_import", **target, **variables)
    assert (done.code, said in " ".join(done.said.split())) == (code, True), done.said


def test_a_release_file_of_the_site_is_not_replaced_unasked(site: Site) -> None:
    def release(digit: str) -> str:
        kde = {"name": "kde", "image": "home.example/os", "digest": "sha256:" + digit * 64, "tags": ["kde-v1"]}
        return json.dumps({"version": "1.0.0", "variants": [kde]})

    own = site.folder / "releases" / site.registry.replace(":", "-") / "v1.0.0.json"
    own.parent.mkdir(parents=True)
    own.write_text(release("a"))
    target = {"bootc_archive": "disk", "bootc_archive_target": f"{site.registry}/{{repository}}"}
    lacking = "names images that the archive does not have"
    for digit, more, said in (
        ("b", {}, "names other images than"),
        ("b", {"bootc_archive_replace_release": True}, lacking),
        ("a", {}, lacking),
    ):
        (site.folder / "disk" / "release.json").write_text(release(digit))
        done = site.play("image_import", **target, **more)
        assert (done.code, said in " ".join(done.said.split())) == (2, True), done.said
    assert own.read_text() == release("a")
