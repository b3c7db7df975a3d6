# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.skorionos.bootc.plugins.module_utils._bootc.reference import (
    Reference,
    check_image,
    parse_reference,
    pinned,
)
from ansible_collections.skorionos.bootc.plugins.module_utils._errors import BootcError

DIGEST = "sha256:" + "ab" * 32


@pytest.mark.parametrize(
    ("text", "reference"),
    [
        ("quay.io/acme/kiosk", Reference("quay.io/acme/kiosk")),
        ("quay.io/acme/kiosk:v1.0_x-2", Reference("quay.io/acme/kiosk", "v1.0_x-2")),
        ("localhost:5000/kiosk:1", Reference("localhost:5000/kiosk", "1")),
        ("localhost:5000/kiosk", Reference("localhost:5000/kiosk")),
        ("Registry.Example:443/a/b", Reference("Registry.Example:443/a/b")),
        ("[::1]:5000/a", Reference("[::1]:5000/a")),
        ("127.0.0.1:5000/a__b/c---d", Reference("127.0.0.1:5000/a__b/c---d")),
        (f"quay.io/a@{DIGEST}", Reference("quay.io/a", None, DIGEST)),
        (f"quay.io/a:x@{DIGEST}", Reference("quay.io/a", "x", DIGEST)),
    ],
)
def test_good(text, reference):
    assert parse_reference(text) == reference


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("docker://quay.io/a", "starts with 'docker://'"),
        ("https://quay.io/a", "starts with 'https://'"),
        ("", "empty"),
        (" quay.io/a", "white space"),
        ("quay.io/a b", "white space"),
        ("quay.io/Acme/kiosk", "lower-case"),
        ("quay.io/acme/", "not a valid part"),
        ("quay.io//a", "not a valid part"),
        ("quay.io/a:", "not a tag"),
        ("quay.io/a:-x", "not a tag"),
        ("quay.io/a:" + "x" * 129, "not a tag"),
        ("quay.io/a@sha256:12", "not an image digest"),
        ("quay.io/a@", "not an image digest"),
        ("quay.io/a@sha256:" + "AB" * 32, "not an image digest"),
        ("quay.io/" + "a" * 260, "longer than 255"),
        ("quay..io:x/a", "not a registry host"),
        ("quay.io/a\n", "white space"),
    ],
)
def test_bad(text, cause):
    with pytest.raises(BootcError) as caught:
        parse_reference(text)
    assert caught.value.kind == "invalid"
    assert cause in caught.value.message
    assert caught.value.remedy


def test_bootc_is_never_told_tag_and_digest():
    assert check_image(f"quay.io/a:x@{DIGEST}", "registry") == pinned("quay.io/a", DIGEST)


def test_other_transports_have_names_of_their_own():
    assert check_image("/var/tmp/Image dir", "oci") == "/var/tmp/Image dir"
    with pytest.raises(BootcError):
        check_image("docker://x", "oci")
    with pytest.raises(BootcError):
        check_image(" ", "oci")
