# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The hash over what an image is made from."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from ansible_collections.skorionos.bootc.plugins.module_utils._engine.errors import EngineError
from ansible_collections.skorionos.bootc.plugins.module_utils._engine.ignore import IgnoreRules, find_ignore_file
from ansible_collections.skorionos.bootc.plugins.module_utils._engine.inputs import (
    HASH_LABEL,
    PARTS_LABEL,
    BuildInputs,
    changed_parts,
    hash_inputs,
)


def make_inputs(root: Path, **changes) -> BuildInputs:
    settings = {
        "containerfile": root / "Containerfile",
        "context": root / "context",
        "build_args": {"VERSION": "1"},
        "labels": {"a": "b"},
        "annotations": {},
        "platform": None,
        "timestamp": 0,
        "target": None,
        "network": None,
        "parent": "localhost/base:1",
        "parent_identity": "sha256:1",
        "secret_ids": ["token"],
    }
    return BuildInputs(**{**settings, **changes})


@pytest.fixture(autouse=True)
def umask():
    before = os.umask(0o022)
    yield
    os.umask(before)


def make_tree(root: Path) -> Path:
    (root / "context" / "etc" / "deep").mkdir(parents=True)
    (root / "Containerfile").write_text("FROM scratch\n")
    (root / "context" / "etc" / "conf").write_text("a")
    (root / "context" / "etc" / "deep" / "more").write_text("b")
    (root / "context" / "link").symlink_to("etc/conf")
    return root


@pytest.fixture
def tree(tmp_path):
    return make_tree(tmp_path / "one")


def test_place_and_time_do_not_count(tree, tmp_path):
    other = make_tree(tmp_path / "elsewhere")
    os.utime(other / "context" / "etc" / "conf", (1, 1))
    (other / "context").chmod(0o700)
    assert hash_inputs(make_inputs(tree)) == hash_inputs(make_inputs(other))


def rename(context: Path) -> None:
    (context / "etc" / "conf").rename(context / "etc" / "conf2")


def relink(context: Path) -> None:
    (context / "link").unlink()
    (context / "link").symlink_to("etc/other")


def replace_link(context: Path) -> None:
    (context / "link").unlink()
    (context / "link").write_text("etc/conf")


@pytest.mark.parametrize(
    "change",
    [
        lambda context: (context / "etc" / "conf").write_text("c"),
        lambda context: (context / "etc" / "conf").chmod(0o755),
        lambda context: (context / "etc" / "conf").chmod(0o600),
        lambda context: (context / "etc" / "conf").chmod(0o4644),
        lambda context: (context / "etc").chmod(0o700),
        lambda context: (context / "etc").chmod(0o1755),
        lambda context: (context / "new").touch(),
        lambda context: (context / "empty").mkdir(),
        lambda context: (context / "etc" / "deep" / "more").unlink(),
        rename,
        relink,
        replace_link,
    ],
)
def test_every_change_of_the_context_counts(tree, change):
    before = hash_inputs(make_inputs(tree))
    change(tree / "context")
    after = hash_inputs(make_inputs(tree))
    assert after.value != before.value
    assert changed_parts(before.labels, after) == ["context"]


@pytest.mark.parametrize(
    ("part", "change"),
    [
        ("build_args", {"build_args": {"VERSION": "2"}}),
        ("build_args", {"build_args": {}}),
        ("labels", {"labels": {"a": "c"}}),
        ("annotations", {"annotations": {"a": "c"}}),
        ("platform", {"platform": "linux/arm64"}),
        ("timestamp", {"timestamp": None}),
        ("timestamp", {"timestamp": 1}),
        ("target", {"target": "final"}),
        ("network", {"network": "none"}),
        ("parent", {"parent_identity": "sha256:2"}),
        ("parent", {"parent": None, "parent_identity": None}),
        ("secrets", {"secret_ids": []}),
    ],
)
def test_every_other_change_counts_and_is_named(tree, part, change):
    before = hash_inputs(make_inputs(tree))
    after = hash_inputs(make_inputs(tree, **change))
    assert after.value != before.value
    assert changed_parts(before.labels, after) == [part]


def test_the_containerfile_counts(tree):
    before = hash_inputs(make_inputs(tree))
    (tree / "Containerfile").write_text("FROM scratch\nLABEL a=b\n")
    assert changed_parts(before.labels, hash_inputs(make_inputs(tree))) == ["containerfile"]


def test_the_order_of_arguments_does_not_count(tree):
    one = hash_inputs(make_inputs(tree, build_args={"A": "1", "B": "2"}))
    assert one == hash_inputs(make_inputs(tree, build_args={"B": "2", "A": "1"}))


def test_moving_a_character_between_two_values_counts(tree):
    one = hash_inputs(make_inputs(tree, build_args={"A": "1B", "C": ""}))
    assert one.value != hash_inputs(make_inputs(tree, build_args={"A": "1", "BC": ""})).value


def test_values_do_not_show_in_the_labels(tree):
    labels = hash_inputs(make_inputs(tree, build_args={"A": "visible-value"})).labels
    assert set(labels) == {HASH_LABEL, PARTS_LABEL}
    assert "visible-value" not in json.dumps(labels)


@pytest.mark.parametrize("labels", [{}, {PARTS_LABEL: "not json"}, {PARTS_LABEL: "[]"}])
def test_an_image_without_our_labels_differs_in_everything(tree, labels):
    hashed = hash_inputs(make_inputs(tree))
    assert changed_parts(labels, hashed) == sorted(hashed.parts)


def test_file_names_that_are_no_text_are_fine(tree):
    name = os.fsdecode(b"caf\xe9")
    (tree / "context" / name).write_text("x")
    assert hash_inputs(make_inputs(tree))


def test_ignored_files_do_not_count(tree):
    (tree / "context" / ".containerignore").write_text("*.log\n")
    before = hash_inputs(make_inputs(tree))
    (tree / "context" / "build.log").write_text("x")
    assert hash_inputs(make_inputs(tree)) == before
    (tree / "context" / "etc" / "build.log").write_text("x")
    assert hash_inputs(make_inputs(tree)) != before


def test_exceptions_bring_back_what_is_below_an_ignored_folder(tree):
    (tree / "context" / ".containerignore").write_text("etc\n!etc/deep/more\n")
    before = hash_inputs(make_inputs(tree))
    (tree / "context" / "etc" / "conf").write_text("changed")
    (tree / "context" / "etc").chmod(0o700)  # an ignored folder is made anew in the image
    assert hash_inputs(make_inputs(tree)) == before
    (tree / "context" / "etc" / "deep" / "more").write_text("changed")
    assert hash_inputs(make_inputs(tree)) != before


def test_an_unreadable_containerfile_is_explained(tree):
    (tree / "Containerfile").unlink()
    with pytest.raises(EngineError, match=r"Containerfile cannot be read: No such file"):
        hash_inputs(make_inputs(tree))


def test_an_ignore_file_that_is_no_text_is_named(tree):
    ignore_file = tree / "context" / ".containerignore"
    ignore_file.write_bytes(b"caf\xe9\n")
    with pytest.raises(EngineError, match=rf"{ignore_file} is not UTF-8") as raised:
        hash_inputs(make_inputs(tree))
    assert raised.value.kind == "invalid"


def test_an_ignore_file_that_cannot_be_read_is_named(tree, monkeypatch):
    # Root may read everything, so no permissions would do.
    def refuse(_path, **_options):
        raise PermissionError(13, "Permission denied")

    (tree / "context" / ".containerignore").touch()
    monkeypatch.setattr(Path, "read_text", refuse)
    with pytest.raises(EngineError, match=r"\.containerignore cannot be read: Permission denied"):
        hash_inputs(make_inputs(tree))


@pytest.mark.parametrize(
    ("rules", "ignored", "kept"),
    [
        (["a"], ["a", "a/b", "a/b/c"], ["b", "b/a", "ab"]),
        (["/a/"], ["a", "a/b"], ["b/a"]),
        (["./a"], ["a"], ["b"]),
        (["*.log"], ["x.log", ".log"], ["x.logs", "d/x.log"]),
        (["*/x"], ["d/x", "d/x/y"], ["x", "d/e/x"]),
        (["**/x"], ["x", "d/x", "d/e/x", "d/x/y"], ["dx", "d/xy"]),
        (["a/**"], ["a/b", "a/b/c"], ["b"]),
        (["a/**/z"], ["a/z", "a/b/z", "a/b/c/z"], ["z", "a/b/zz"]),
        (["a?c"], ["abc"], ["ac", "a/c"]),
        (["[ab]x"], ["ax", "bx"], ["cx", "[ab]x"]),
        (["[^ab]x"], ["cx"], ["ax", "/x"]),
        (["[a-c]x"], ["bx"], ["dx", "-x"]),
        ([r"\*x"], ["*x"], ["ax"]),
        (["a.b"], ["a.b"], ["axb"]),
        (["*", "!keep"], ["a", "a/b"], ["keep", "keep/x"]),
        (["*", "!keep", "keep/secret"], ["keep/secret"], ["keep/x"]),
        (["!a", "a"], ["a"], []),
        (["# a", "", "  ", " b "], ["b"], ["a", "# a"]),
        (["\ufeffa"], ["a"], []),
        (["/"], [], ["a"]),
    ],
)
def test_ignore_rules(rules, ignored, kept):
    matcher = IgnoreRules(rules)
    assert [path for path in ignored if not matcher.ignores(path)] == []
    assert [path for path in kept if matcher.ignores(path)] == []


def test_a_broken_pattern_names_its_line():
    with pytest.raises(EngineError, match=r"Line 2 of the ignore file, '\[z-a\]'"):
        IgnoreRules(["a", "[z-a]"])


def test_the_ignore_file_beside_the_containerfile_wins(tmp_path):
    containerfile = tmp_path / "kde.Containerfile"
    assert find_ignore_file(containerfile, tmp_path) is None
    (tmp_path / ".dockerignore").touch()
    assert find_ignore_file(containerfile, tmp_path).name == ".dockerignore"
    (tmp_path / ".containerignore").touch()
    assert find_ignore_file(containerfile, tmp_path).name == ".containerignore"
    (tmp_path / "kde.Containerfile.dockerignore").touch()
    assert find_ignore_file(containerfile, tmp_path).name == "kde.Containerfile.dockerignore"
