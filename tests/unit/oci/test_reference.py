# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Image references."""

from __future__ import annotations

import re

import pytest
from ansible_collections.skorionos.bootc.plugins.module_utils._oci.errors import InvalidReference
from ansible_collections.skorionos.bootc.plugins.module_utils._oci.layers import download, total_size
from ansible_collections.skorionos.bootc.plugins.module_utils._oci.manifest import Descriptor
from ansible_collections.skorionos.bootc.plugins.module_utils._oci.reference import Reference, parse_reference

DIGEST = "sha256:" + "0a" * 32


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("registry.example.com/os", Reference("registry.example.com", "os")),
        ("localhost/a/b:V1_x.y-z", Reference("localhost", "a/b", "V1_x.y-z")),
        ("127.0.0.1:5000/a__b/c-d.e:1", Reference("127.0.0.1:5000", "a__b/c-d.e", "1")),
        (f"[::1]:5000/a@{DIGEST}", Reference("[::1]:5000", "a", None, DIGEST)),
        (f"r:5000/a:t@{DIGEST}", Reference("r:5000", "a", "t", DIGEST)),
    ],
)
def test_reads_and_writes(text, expected):
    assert parse_reference(text) == expected
    assert str(expected) == text


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("", "names no registry"),
        ("kde", "names no registry"),
        ("skorionos/kde:v1", "names no registry"),
        ("docker://registry.example.com/os", "starts with 'docker://'"),
        ("registry.example.com/", "not a repository path"),
        ("registry.example.com/os//kde", "not a repository path"),
        ("registry.example.com/os/../kde", "not a repository path"),
        ("registry.example.com/SkorionOS/kde", "lower case"),
        ("Registry.example.com/kde", "lower case"),
        ("registry..example.com/kde", "not a host name"),
        ("-r.example.com/kde", "not a host name"),
        ("r.example.com:port/kde", "not a host name"),
        ("r.example.com/kde:", "'' is not a tag"),
        ("r.example.com/kde:.x", "'.x' is not a tag"),
        ("r.example.com/kde:" + "x" * 129, "is not a tag"),
        ("r.example.com/kde@sha256:12", "is not a digest"),
        ("r.example.com/kde@", "'' is not a digest"),
        ("r.example.com/kde:v1\n", "is not a tag"),
        ("r.example.com/k de", "not a repository path"),
        ("r.example.com/" + "x" * 255, "longer than 255"),
    ],
)
def test_refuses_with_the_cause(text, cause):
    with pytest.raises(InvalidReference, match=re.escape(cause)):
        parse_reference(text)


def test_the_digest_decides_what_is_asked_for():
    assert parse_reference(f"r.io/a:t@{DIGEST}").target == DIGEST
    assert parse_reference("r.io/a:t").target == "t"
    assert parse_reference("r.io/a").target == "latest"


@pytest.mark.parametrize(
    ("text", "there"),
    [
        ("docker.io/debian:12", "library/debian"),
        ("docker.io/library/debian:12", "library/debian"),
        ("docker.io/skorionos/kde", "skorionos/kde"),
        ("registry.example.com/debian", "debian"),
    ],
)
def test_docker_hub_is_asked_for_library_and_the_name_stays(text, there):
    reference = parse_reference(text)
    assert reference.repository_there == there
    assert str(reference) == text


def test_other_tag_or_digest():
    reference = parse_reference(f"r.io/a:t@{DIGEST}")
    assert str(reference.with_tag("x")) == "r.io/a:x"
    assert str(reference.with_digest(DIGEST)) == f"r.io/a@{DIGEST}"
    with pytest.raises(InvalidReference):
        reference.with_tag("x y")
    with pytest.raises(InvalidReference):
        reference.with_digest("sha256:x")


def layer(name: str, size: int) -> Descriptor:
    return Descriptor("l", f"sha256:{name}", size)


def test_download_counts_what_is_not_there_and_each_layer_once():
    base, old, new = layer("base", 100), layer("old", 20), layer("new", 30)
    assert download([base, old], [base, new, new]) == 30
    assert download([], [base, new]) == 130
    assert download([base, new], [base, new]) == 0
    assert total_size([base, base, old]) == 120
