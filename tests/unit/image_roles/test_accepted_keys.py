# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbooks publish and sign go by the keys that devices accept, and not by the one that was signed with."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.image_modules.fakes import Guard, install_fake_cosign, serve
from tests.unit.image_roles.test_playbooks import Site

REFUSED = "none of its 1 signatures is by one of the keys"


@pytest.fixture
def site(tmp_path: Path, collections_path: Path) -> Iterator[Site]:
    guard = Guard()
    server = serve(guard)
    made = Site(tmp_path, collections_path, f"127.0.0.1:{server.server_address[1]}", guard)
    install_fake_cosign(tmp_path / "bin")
    for name in ("ours", "theirs"):
        make = ["openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", f"{name}.key"]
        show = ["openssl", "ec", "-in", f"{name}.key", "-pubout", "-out", f"{name}.pub"]
        for command in (make, show):
            subprocess.run(command, cwd=made.folder, check=True, capture_output=True)
    (made.folder / "passphrase").write_text("correct horse\n")
    yield made
    server.shutdown()
    server.server_close()


def test_a_signature_by_a_key_that_no_device_accepts_does_not_pass(site: Site) -> None:
    common = {
        "bootc_variants": [{"name": "kde"}],
        "bootc_sign_key": "ours.key",
        "bootc_sign_passphrase_file": "passphrase",
        "bootc_verify_method": "registry",
    }
    assert site.play("build", **common).code == 0
    refused = site.play("publish", **common, bootc_trust_keys=["theirs.pub"])
    assert (refused.code, REFUSED in refused.said) == (2, True)
    assert not [tag for tag in site.guard.tags if tag.startswith(("os:kde-latest", "os:kde-stable"))]
    assert not (site.folder / "releases").exists()

    image = {**common, "bootc_sign_images": f"{site.registry}/os:kde-v1.0.0"}
    refused = site.play("sign", **image, bootc_trust_keys=["theirs.pub"])
    assert (refused.code, REFUSED in refused.said) == (2, True)
    accepted = site.play("sign", **image, bootc_trust_keys="theirs.pub, ours.pub")
    assert accepted.code == 0, accepted.said
