# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.skorionos.bootc.plugins.module_utils._engine.tags import (
    InvalidTags,
    PlatformPush,
    VariantTags,
    release_tags,
)

VALUES = {"version": "1.0.0", "date": "20260801", "revision": "0123456789abcdef0123456789abcdef01234567"}
TEMPLATES = ("{variant}-latest", "{variant}-v{version}", "{variant}-{date}-{revision}")


def tags(
    *names: str, tree: Any = (), repository: str = "r.example/os", templates: Any = TEMPLATES
) -> list[VariantTags]:
    return release_tags(names, tree, repository, templates, VALUES)


def test_tags_of_one_release_come_first_and_others_move() -> None:
    first = ["kde-v1.0.0", "kde-20260801-0123456"]
    assert tags("kde") == [
        VariantTags("kde", "r.example/os", first, ["kde-latest"], [PlatformPush("", "", first)], True)
    ]


def test_where_all_tags_move_the_image_is_pushed_to_them() -> None:
    (one,) = tags("kde", templates=["{variant}", "{variant}-edge"])
    assert (one.first, one.moving, one.lasting) == (["kde", "kde-edge"], [], False)


def test_a_variant_may_have_tags_of_its_own_and_a_repository() -> None:
    tree = [{"name": "base", "base": "x"}, {"name": "kde", "parent": "base", "tags": ["v{version}"]}]
    (one,) = tags("kde", tree=tree, repository="r.example/{variant}")
    assert (one.repository, one.first, one.moving) == ("r.example/kde", ["v1.0.0"], [])


def test_each_of_several_platforms_has_a_tag_beside_those_of_their_index() -> None:
    tree = [
        {"name": "base", "base": "x", "platforms": ["linux/amd64", "linux/arm64/v8"]},
        {"name": "kde", "parent": "base"},
    ]
    (one,) = tags("kde", tree=tree, templates=["{variant}-v{version}", "{variant}-latest"])
    assert one.first == ["kde-v1.0.0"]
    assert one.pushes == [
        PlatformPush("-amd64", "linux/amd64", ["kde-v1.0.0-amd64"]),
        PlatformPush("-arm64-v8", "linux/arm64/v8", ["kde-v1.0.0-arm64-v8"]),
    ]


@pytest.mark.parametrize(
    ("templates", "said"),
    [
        (
            ["{variant}-{revison}"],
            r"{revison} in it, which stands for nothing. Use {variant}, {version}, {date}, {revision}",
        ),
        (["-{variant}"], "'-kde' is not a tag"),
        (["{variant}:1"], "'kde:1' is not a tag"),
        (["v{version}", "{variant}-latest"], r"published as r\.example/os:v1\.0\.0, and the last would win"),
    ],
)
def test_tags_that_cannot_be_are_refused(templates: list[str], said: str) -> None:
    with pytest.raises(InvalidTags, match=said):
        tags("kde", "gnome", templates=templates)


def test_a_variant_named_like_the_platform_of_another_is_no_second_image_of_one_tag() -> None:
    tree = [
        {"name": "kde", "base": "x", "platforms": ["linux/amd64", "linux/arm64"]},
        {"name": "kde-arm64", "base": "x"},
    ]
    with pytest.raises(InvalidTags, match=r"published as r\.example/os:1\.0\.0-kde-arm64"):
        tags("kde", "kde-arm64", tree=tree, templates=["{version}-{variant}"])


@pytest.mark.parametrize("missing", ["version", "date", "revision"])
def test_a_value_that_is_not_there_is_asked_for(missing: str) -> None:
    with pytest.raises(InvalidTags, match=f"Give bootc_{missing}"):
        release_tags(["kde"], [], "r.example/os", [f"kde-{{{missing}}}"], {**VALUES, missing: ""})


def test_a_tree_that_cannot_be_is_refused_instead_of_followed_for_ever() -> None:
    tree = [{"name": "a", "parent": "b"}, {"name": "b", "parent": "a"}]
    with pytest.raises(InvalidTags):
        tags("a", tree=tree)
