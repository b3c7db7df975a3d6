# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tree of variants."""

from __future__ import annotations

import re

import pytest
from ansible_collections.skorionos.bootc.plugins.module_utils._engine.variants import InvalidVariants, build_order

TREE = [
    {"name": "kde", "parent": "base"},
    {"name": "base", "parent": "minimal"},
    {"name": "gnome", "parent": "base"},
    {"name": "minimal", "base": "registry.example.com/os:1"},
    {"name": "tools", "parent": None},
]


def names(nodes):
    return [node["name"] for node in nodes]


def test_parents_come_first_and_nothing_gets_lost():
    assert names(build_order(TREE)) == ["minimal", "base", "kde", "gnome", "tools"]


def test_the_nodes_themselves_are_returned_unchanged():
    ordered = build_order([{"name": "a", "build_args": {"X": 1}, "context": "c"}])
    assert ordered == [{"name": "a", "build_args": {"X": 1}, "context": "c"}]


def test_only_brings_what_the_wanted_are_built_on():
    assert names(build_order(TREE, only=["gnome"])) == ["minimal", "base", "gnome"]
    assert names(build_order(TREE, only=["gnome", "kde"])) == ["minimal", "base", "gnome", "kde"]


def test_a_deep_chain_is_no_problem():
    chain = [{"name": f"n{i}", "parent": f"n{i + 1}"} for i in range(1500)] + [{"name": "n1500"}]
    assert names(build_order(chain))[0] == "n1500"


@pytest.mark.parametrize(
    ("nodes", "message"),
    [
        ([], "at least one variant"),
        ("kde", "at least one variant"),
        (["kde"], "Number 1 is not a mapping"),
        ([{}], "Number 1 has the name None"),
        ([{"name": "KDE"}], "lower-case"),
        ([{"name": "kde/plasma"}], "lower-case"),
        ([{"name": "kde\n"}], "lower-case"),
        ([{"name": 5}], "Number 1 has the name 5"),
        ([{"name": "kde", "parents": "base"}], "'kde' has the unknown key 'parents'"),
        ([{"name": "kde", "parent": ["base"]}], "'kde' has 'parent' that is not a text"),
        ([{"name": "kde", "build_args": ["A=1"]}], "'kde' has 'build_args' that is not a mapping"),
        ([{"name": "b"}, {"name": "kde", "parent": "b", "base": "x/y"}], "'kde' has both parent and base"),
        ([{"name": "kde"}, {"name": "b"}, {"name": "kde"}], "More than one has the name 'kde'"),
        ([{"name": "kde", "parent": "bse"}, {"name": "base"}], "'bse', which is none of them. Known are kde, base"),
        ([{"name": "a", "parent": "a"}], "a -> a"),
        ([{"name": "a", "base": "x/y", "recipe": {}, "containerfile": "C"}], "'a' has both recipe and containerfile"),
        ([{"name": "a", "recipe": {}}], "'a' has a recipe, but nothing to start from"),
        ([{"name": "a", "base": "x/y", "recipe": {"package": []}}], "'a': The recipe has the unknown key 'package'"),
        ([{"name": "a", "tags": "latest"}], "'a' has 'tags' that is not a list of texts"),
        ([{"name": "a", "tags": ["x", "x"]}], "'a' has 'tags' with something in it twice"),
        ([{"name": "a", "platforms": ["amd64"]}], "'a' has the platform 'amd64'. Write it like linux/arm64."),
        (
            [{"name": "b", "platforms": ["linux/amd64"]}, {"name": "a", "parent": "b", "platforms": ["linux/arm64"]}],
            "'a' is for 'linux/arm64', its parent 'b' is not",
        ),
        ([{"name": "b"}, {"name": "a", "parent": "b", "platforms": ["linux/arm64"]}], "its parent 'b' is not"),
        ([{"name": "x", "parent": "a"}, {"name": "a", "parent": "b"}, {"name": "b", "parent": "a"}], "a -> b -> a"),
    ],
)
def test_what_cannot_be_built_is_named(nodes, message):
    with pytest.raises(InvalidVariants, match=re.escape(message)):
        build_order(nodes)


def test_every_problem_of_a_kind_is_named_at_once():
    with pytest.raises(InvalidVariants) as raised:
        build_order([{"name": "KDE"}, {"name": "gnome", "colour": "blue"}])
    assert "KDE" in str(raised.value)
    assert "colour" in str(raised.value)


def test_the_whole_tree_is_checked_whatever_is_wanted():
    with pytest.raises(InvalidVariants, match="Each needs the other"):
        build_order([{"name": "ok"}, {"name": "a", "parent": "b"}, {"name": "b", "parent": "a"}], only=["ok"])


def test_an_unknown_wish_is_named():
    with pytest.raises(InvalidVariants, match=r"no variant 'xfce'. Known are kde"):
        build_order([{"name": "kde"}], only=["xfce"])


def test_names_in_one_text_are_not_read_letter_by_letter():
    with pytest.raises(InvalidVariants, match=r"are the text 'kde,gnome'\. Give a list of names, such as \['kde'\]"):
        build_order(TREE, only="kde,gnome")
