# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which jobs of a tree are to be done, and that they are done in order, side by side and within bounds."""

from __future__ import annotations

import _thread
import errno
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import product
from pathlib import Path

import pytest
from ansible_collections.skorionos.bootc.plugins.module_utils._engine.errors import FAILED, UNEXPECTED, EngineError
from ansible_collections.skorionos.bootc.plugins.module_utils._engine.inputs import HASH_LABEL, PARTS_LABEL, InputHash
from ansible_collections.skorionos.bootc.plugins.module_utils._engine.jobs import PARENT_LABEL, Job
from ansible_collections.skorionos.bootc.plugins.module_utils._engine.memory import (
    Instead,
    Memory,
    Published,
    forget_name,
    load_memory,
    memory_file,
    update_memory,
)
from ansible_collections.skorionos.bootc.plugins.module_utils._engine.tree import (
    REGISTRY,
    STORAGE,
    Copy,
    decide,
    run_steps,
)

SHAPE = {"minimal": None, "base": "minimal", "kde": "base", "gnome": "base", "tools": "minimal"}
PARENTS = set(SHAPE.values())


def make_job(name, parent):
    return Job(
        node=name,
        image=name,
        parent=parent,
        base=None,
        containerfile=Path("Containerfile"),
        context=Path(),
        parent_is_argument=True,
        text="",
        build_args={},
        labels={},
        annotations={},
        platform=None,
        wanted=name not in PARENTS,
        published=(),
        hashed=InputHash(f"hash-{name}", {"context": name}),
    )


JOBS = [make_job(name, parent) for name, parent in SHAPE.items()]


def copy(name, place=STORAGE, parent_id=None, image_id=None):
    labels = {HASH_LABEL: f"hash-{name}", PARTS_LABEL: "{}"}
    if SHAPE.get(name):
        labels[PARENT_LABEL] = parent_id or f"id-{SHAPE[name]}"
    return Copy(place, f"{place}/{name}", image_id or f"id-{name}", labels)


def to_build(found, **settings):
    return [step.job.node for step in decide(JOBS, found, **settings) if step.reasons]


def everything(**changes):
    return {name: [copy(name)] for name in SHAPE} | changes


def never():
    raise AssertionError("nobody ended it")


def test_nothing_is_built_when_everything_is_there():
    assert to_build(everything()) == []
    assert to_build(everything(), force=True) == list(SHAPE)


def test_what_nobody_needs_is_not_built():
    assert to_build(everything(minimal=[], base=[])) == []
    assert to_build(everything(minimal=[], base=[], kde=[], gnome=[copy("gnome", REGISTRY)])) == [
        *("minimal", "base", "kde", "tools")
    ]
    assert to_build(everything(minimal=[], kde=[])) == ["kde"]


def test_children_of_an_image_that_is_not_there_any_more_are_built_again():
    anew = copy("base", image_id="id-other")
    assert to_build(everything(base=[anew])) == ["kde", "gnome"]
    # In the registry they are on their way, which is no contradiction.
    published = {name: [copy(name, REGISTRY)] for name in ("kde", "gnome")}
    assert to_build(everything(base=[anew], **published)) == []


def test_a_run_leaves_nothing_for_the_next_one_whatever_was_missing():
    for states in product(("stored", "missing", "changed"), repeat=len(SHAPE)):
        found = {}
        for name, state in zip(SHAPE, states):
            labels = {HASH_LABEL: "hash-of-old"} if state == "changed" else {}
            stored = copy(name)
            found[name] = [] if state == "missing" else [replace(stored, labels={**stored.labels, **labels})]
        ids = {name: copies[0].image_id for name, copies in found.items() if copies}
        for step in decide(JOBS, found):
            name, parent = step.job.node, step.job.parent
            if step.reasons:
                ids[name] = f"new-{name}"
                found[name] = [copy(name, parent_id=ids[parent] if parent else None, image_id=ids[name])]
        assert to_build(found) == [], states


@pytest.mark.parametrize("parallel", [1, 2])
def test_parents_come_first_and_no_more_run_than_asked_for(parallel):
    lock = threading.Lock()
    running: set[str] = set()
    most = 0
    done: list[str] = []

    def build(step, parent_id):
        nonlocal most
        with lock:
            running.add(step.job.node)
            most = max(most, len(running))
            assert parent_id == (f"new-{step.job.parent}" if step.job.parent else None)
        time.sleep(0.05)
        with lock:
            running.remove(step.job.node)
            done.append(step.job.node)
        return f"new-{step.job.node}"

    outcome = run_steps(decide(JOBS, {}), build, parallel, never)
    assert (most, set(outcome.built)) == (parallel, set(SHAPE))
    assert all(done.index(parent) < done.index(name) for name, parent in SHAPE.items() if parent)


def test_what_stands_on_a_failure_is_skipped_with_its_name():
    def build(step, _parent_id):
        if step.job.node == "base":
            raise EngineError(FAILED, "No.")
        return "id"

    outcome = run_steps(decide(JOBS, {}), build, 2, never)
    assert set(outcome.built) == {"minimal", "tools"}
    assert list(outcome.failed) == ["base"]
    assert outcome.skipped == {"kde": "base", "gnome": "base"}


def test_a_full_disk_is_the_failure_of_one_build_and_the_others_are_not_lost():
    def build(step, _parent_id):
        if step.job.node == "base":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/tmp/id")
        return "id"

    outcome = run_steps(decide(JOBS, {}), build, 1, never)
    assert set(outcome.built) == {"minimal", "tools"}
    assert (outcome.failed["base"].kind, str(outcome.failed["base"])[:33]) == (
        UNEXPECTED,
        "/tmp/id: No space left on device.",
    )


def test_whoever_ends_it_does_not_wait_for_what_is_being_built():
    stopped = threading.Event()
    begun = []

    def build(step, _parent_id):
        begun.append(step.job.node)
        if len(begun) == 2:
            _thread.interrupt_main()
        stopped.wait(20)
        return "id"

    since = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        run_steps(decide([make_job(name, None) for name in ("a", "b", "c")], {}), build, 2, stopped.set)
    assert (time.monotonic() - since < 5, sorted(begun)) == (True, ["a", "b"])


def test_a_memory_is_read_as_it_was_written(tmp_path):
    path = memory_file({"XDG_CACHE_HOME": str(tmp_path)})
    known = Published("sha256:1", "sha256:2", {"a": "b"})
    by_name = {
        "localhost/kde:1": Instead("sha256:1", "sha256:2", None),
        "localhost/gnome:1": Instead("sha256:3", "sha256:4", "sha256:5"),
    }
    assert load_memory(path) == Memory()

    def learn(memory):
        memory.by_digest["sha256:1 "] = known
        memory.by_name.update(by_name)

    assert update_memory(path, learn)
    assert load_memory(path) == Memory({"sha256:1 ": known}, by_name)
    forget_name(path, "localhost/kde:1", "localhost/other:1")
    assert load_memory(path) == Memory({"sha256:1 ": known}, {"localhost/gnome:1": by_name["localhost/gnome:1"]})


def test_what_several_learn_at_the_same_time_is_all_kept(tmp_path):
    path = tmp_path / "memory"

    def learn(number):
        def change(memory):
            time.sleep(0.01)
            memory.by_digest[str(number)] = Published("sha256:1", "sha256:2")

        return update_memory(path, change)

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(learn, range(16)))
    assert set(load_memory(path).by_digest) == {str(number) for number in range(16)}


@pytest.mark.parametrize("text", ["", "{", "[]", '{"by_digest": {"x": 1}, "by_name": {}}', '{"by_digest": []}'])
def test_a_broken_memory_is_an_empty_one(tmp_path, text):
    (tmp_path / "memory").write_text(text)
    assert load_memory(tmp_path / "memory") == Memory()


def test_a_memory_that_cannot_be_written_is_no_trouble(tmp_path):
    (tmp_path / "file").touch()
    assert update_memory(tmp_path / "file" / "memory", lambda memory: memory.by_name.clear()) is False
