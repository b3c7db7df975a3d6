# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A tree of variants as a task builds it, with an engine and a registry that are not real."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import threading
import time

import pytest
from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.testing import patch_module_args
from ansible_collections.skorionos.bootc.plugins.module_utils._engine import tree_run
from ansible_collections.skorionos.bootc.plugins.module_utils._engine.memory import (
    forget_name,
    load_memory,
    memory_file,
)
from ansible_collections.skorionos.bootc.plugins.modules import image_build_tree, image_push

from .fakes import Guard, install_fake_podman, serve

PINNED = "r.example.com/os@sha256:" + "0" * 64
NODES = [
    {"name": "kde", "parent": "base"},
    {"name": "gnome", "parent": "base", "recipe": {"packages": {"apt": ["gnome"]}}},
    {"name": "base", "base": PINNED},
]
TREE = {"nodes": NODES, "version": "1", "tls_verify": False}


@pytest.fixture
def store(tmp_path, monkeypatch):
    """A folder of images with a fake podman on PATH."""
    folder = tmp_path / "store"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(install_fake_podman(tmp_path / "bin")) + ":/usr/bin:/bin")
    monkeypatch.setenv("FAKE_PODMAN_STORE", str(folder))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return folder


@pytest.fixture
def images(tmp_path):
    folder = tmp_path / "images"
    for name in ("kde", "base"):
        (folder / name).mkdir(parents=True)
        (folder / name / "Containerfile").write_text("ARG PARENT\nFROM ${PARENT}\nCOPY . /\n")
    return folder


@pytest.fixture
def registry():
    server = serve(Guard())
    yield f"127.0.0.1:{server.server_address[1]}/os"
    server.shutdown()
    server.server_close()


@pytest.fixture
def warned(monkeypatch):
    texts: list[str] = []
    monkeypatch.setattr(AnsibleModule, "warn", lambda _module, text: texts.append(text))
    return texts


@pytest.fixture
def run(capsys, images, store, warned):
    def run_module(module=image_build_tree, check=False, **arguments):
        if module is image_build_tree:
            arguments = {**TREE, "directory": str(images), **arguments}
        special = {"_ansible_check_mode": check, "_ansible_diff": True}
        with patch_module_args({**arguments, **special}), pytest.raises(SystemExit):
            module.main()
        return json.loads(capsys.readouterr().out)

    return run_module


def calls(store, *verbs):
    log = store / "log"
    lines = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
    return [argv for argv in lines if not verbs or argv[0] in verbs]


def outcomes(result):
    return {image["name"]: image["outcome"] for image in result["images"]}


def publish(run, registry, *names, version="1"):
    for name in names:
        pushed = run(
            image_push,
            name=f"localhost/skorionos/{name}:{version}",
            image=f"{registry}:{name}-v{version}",
            tags=[f"{name}-latest"],
            tls_verify=False,
        )
        assert not pushed.get("failed"), pushed


def test_a_tree_is_predicted_built_and_then_left_alone(run, store):
    predicted = run(check=True)
    assert outcomes(predicted) == dict.fromkeys(["base", "kde", "gnome"], "to_build")
    assert calls(store, "build") == []
    built = run()
    assert outcomes(built) == dict.fromkeys(["base", "kde", "gnome"], "built")
    assert [image["input_hash"] for image in built["images"]] == [image["input_hash"] for image in predicted["images"]]
    base = built["images"][0]
    assert [f"PARENT={base['image_id']}" in argv for argv in calls(store, "build")] == [False, True, True]
    again = run()
    assert (again["changed"], set(outcomes(again).values())) == (False, {"stored"})
    assert [image["image_id"] for image in again["images"]] == [image["image_id"] for image in built["images"]]


def test_independent_nodes_are_built_at_the_same_time(run, store):
    (store / "together").write_text("2")
    assert not run().get("failed")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_builds_are_ended_with_the_task(images, store, number):
    (store / "together").write_text("99")
    before = {each: signal.signal(each, signal.SIG_DFL) for each in (signal.SIGTERM, signal.SIGHUP)}

    def end():
        while len(list(store.glob("running-*"))) < 2:
            time.sleep(0.01)
        os.kill(os.getpid(), number)

    try:
        threading.Thread(target=end).start()
        with patch_module_args({**TREE, "directory": str(images)}), pytest.raises(SystemExit) as ended:
            image_build_tree.main()
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
    assert ended.value.code == 128 + number
    for path in store.glob("running-*"):
        with pytest.raises(ProcessLookupError):
            os.kill(int(path.name.partition("-")[2]), 0)


def test_what_stands_on_a_failed_build_is_named_and_the_rest_goes_on(run, store, images):
    nodes = [*NODES, {"name": "tools", "base": PINNED, "recipe": {"commands": ["true"]}}]
    (store / "fail").write_text("/base")
    failed = run(nodes=nodes)
    assert (failed["failed"], failed["reason"]) == (True, "build_failed")
    assert (failed["failed_images"], failed["skipped_images"]) == (["base"], ["kde", "gnome"])
    assert outcomes(failed) == {"base": "failed", "kde": "skipped", "gnome": "skipped", "tools": "built"}
    assert "1 of 4 builds failed. base: podman build failed" in failed["msg"]
    assert "Skipped, because they are built on these: kde, gnome." in failed["msg"]
    (store / "fail").unlink()
    assert outcomes(run(nodes=nodes))["tools"] == "stored"


def test_it_says_which_input_changed_and_leaves_the_others(run, store, images):
    run()
    (images / "kde" / "file").write_text("x")
    changed = run()
    assert outcomes(changed) == {"base": "stored", "kde": "built", "gnome": "stored"}
    assert "kde: These inputs changed: context." in changed["explanation"]
    recipe = {"packages": {"apt": ["gnome", "vim"]}}
    changed = run(nodes=[NODES[0], {**NODES[1], "recipe": recipe}, NODES[2]], check=True)
    assert "gnome: These inputs changed: containerfile." in changed["explanation"]
    (images / "base" / "file").write_text("x")
    assert [image["changed_inputs"] for image in run()["images"]] == [["context"], ["parent"], ["parent"]]


def test_what_is_published_with_the_same_inputs_is_not_built_and_the_engine_asked_once(run, store, registry):
    run()
    publish(run, registry, "base", "kde", "gnome")
    shutil.rmtree(store)
    store.mkdir()
    for questions in (6, 0):  # from the registry: what storage has, and whether it has that; and from memory
        (store / "log").unlink(missing_ok=True)
        answer = run(repository=registry)
        assert (answer["changed"], set(outcomes(answer).values())) == (False, {"published"})
        assert all(image["digest"].startswith("sha256:") for image in answer["images"])
        assert (len(calls(store, "image")), len(calls(store))) == (questions, questions)
    # Publishing again finds nothing in storage, and nothing to do.
    again = run(image_push, name="localhost/skorionos/kde:1", image=f"{registry}:kde-v1", tls_verify=False)
    assert (again["changed"], again["pushed"]) == (False, False)
    moved = run(image_push, name="localhost/skorionos/kde:1", image=f"{registry}:kde-stable", tls_verify=False)
    assert (moved["changed"], moved["pushed"], moved["digest"]) == (True, False, again["digest"])


def test_what_storage_has_does_not_pass_for_what_the_build_found_published(run, store, images, registry):
    run()
    (images / "kde" / "file").write_text("x")
    run()
    publish(run, registry, "base", "kde", "gnome")
    shutil.rmtree(store)
    store.mkdir()
    (images / "kde" / "file").unlink()
    run()  # storage has the older image of that name
    (images / "kde" / "file").write_text("x")
    assert outcomes(run(repository=registry))["kde"] == "published"
    elsewhere = registry.rpartition("/")[0] + "/elsewhere"
    refused = run(image_push, name="localhost/skorionos/kde:1", image=f"{elsewhere}:kde-v1", tls_verify=False)
    assert (refused["failed"], refused["reason"]) == (True, "not_found")
    assert "Build again" in refused["msg"]


def test_an_image_that_came_into_storage_after_the_build_found_another_one_published_is_not_passed_over(
    run, store, images, registry
):
    run()
    publish(run, registry, "base", "kde", "gnome")
    assert outcomes(run(repository=registry))["kde"] == "published"
    (by_hand,) = store.glob("*kde:1")
    by_hand.write_bytes(by_hand.read_bytes().replace(b"then", b"now"))
    name = "localhost/skorionos/kde:1"
    for _try in ("after that run", "and after one that has it in mind"):
        refused = run(image_push, name=name, image=f"{registry}:kde-v1", tls_verify=False)
        assert (refused["failed"], refused["reason"]) == (True, "unexpected")
        assert re.search(r"published as sha256:\w+, but since then sha256:\w+ came into local storage", refused["msg"])
        assert outcomes(run(repository=registry))["kde"] == "published"
    by_hand.unlink()
    assert run(image_push, name=name, image=f"{registry}:kde-v1", tls_verify=False)["changed"] is False


def test_an_older_image_in_storage_is_passed_over_for_what_the_build_found(run, store, images, registry):
    run()
    older = {path: path.read_bytes() for path in store.glob("*kde:1")}
    (images / "kde" / "file").write_text("x")
    run()
    publish(run, registry, "base", "kde", "gnome")
    for path, content in older.items():
        path.write_bytes(content)
    assert outcomes(run(repository=registry))["kde"] == "published"
    again = run(image_push, name="localhost/skorionos/kde:1", image=f"{registry}:kde-v1", tls_verify=False)
    assert (again.get("failed"), again["changed"], again["pushed"]) == (None, False, False)


def test_what_a_later_build_takes_from_storage_is_published(run, store, images, registry):
    run()
    older = {path: path.read_bytes() for path in store.glob("*kde:1")}
    (images / "kde" / "file").write_text("x")
    run()
    publish(run, registry, "base", "kde", "gnome")
    for path, content in older.items():
        path.write_bytes(content)
    run(repository=registry)
    (images / "kde" / "file").unlink()
    assert outcomes(run())["kde"] == "stored"
    back = run(image_push, name="localhost/skorionos/kde:1", image=f"{registry}:kde-v1", tls_verify=False)
    assert (back["changed"], back["pushed"]) == (True, True)


def test_a_name_that_another_run_builds_meanwhile_is_not_noted_as_published(run, store, images, registry, monkeypatch):
    run()
    publish(run, registry, "base", "kde", "gnome")
    run(repository=registry)
    path = memory_file(os.environ)
    assert "localhost/skorionos/kde:1" in load_memory(path).by_name
    forget_name(path, "localhost/skorionos/gnome:1")
    ask = tree_run.published_copies

    def ask_while_another_run_begins(client, known, job):
        forget_name(path, "localhost/skorionos/kde:1")
        return ask(client, known, job)

    monkeypatch.setattr(tree_run, "published_copies", ask_while_another_run_begins)
    run(repository=registry)
    assert sorted(load_memory(path).by_name) == ["localhost/skorionos/base:1", "localhost/skorionos/gnome:1"]


def test_a_prediction_changes_nothing_of_what_is_published(run, store, images, registry):
    run()
    publish(run, registry, "base", "kde", "gnome")
    shutil.rmtree(store)
    store.mkdir()
    assert outcomes(run(repository=registry))["kde"] == "published"
    names = load_memory(memory_file(os.environ)).by_name
    (images / "kde" / "file").write_text("x")
    assert outcomes(run(repository=registry, check=True))["kde"] == "to_build"
    assert load_memory(memory_file(os.environ)).by_name == names
    again = run(image_push, name="localhost/skorionos/kde:1", image=f"{registry}:kde-v1", tls_verify=False)
    assert (again.get("failed"), again["changed"]) == (None, False)


def test_a_release_that_is_published_is_taken_although_its_parent_was_built_elsewhere(run, store, registry):
    run()
    publish(run, registry, "kde", "gnome")
    # The same inputs on another host make another image of the base.
    (base,) = store.glob("*base:1")
    base.write_bytes(base.read_bytes().replace(b"then", b"now"))
    publish(run, registry, "base")
    shutil.rmtree(store)
    store.mkdir()
    assert set(outcomes(run(repository=registry)).values()) == {"published"}
    moving = run(repository=registry, tags=["{variant}-latest"], check=True)
    assert outcomes(moving)["kde"] == "to_build", "another image can be published at such a tag"


def test_a_host_without_an_engine_needs_none_for_what_is_published(run, store, registry, monkeypatch):
    run()
    publish(run, registry, "base", "kde", "gnome")
    monkeypatch.setenv("PATH", str(store))
    assert set(outcomes(run(repository=registry)).values()) == {"published"}


def test_a_tag_of_one_release_is_not_taken_for_what_the_build_found_either(run, store, images, registry):
    run()
    publish(run, registry, "base", "kde", "gnome")
    name = "localhost/skorionos/kde:1"
    mine = {"tls_verify": False, "replace": False}
    assert not run(image_push, name=name, image=f"{registry}:kde-v9", **mine).get("failed")
    (images / "kde" / "file").write_text("x")
    run()
    publish(run, registry, "kde")
    shutil.rmtree(store)
    store.mkdir()
    assert outcomes(run(repository=registry))["kde"] == "published"
    for tags in ({"image": f"{registry}:kde-v9"}, {"image": f"{registry}:kde-v10", "tags": ["kde-v9"]}):
        refused = run(image_push, name=name, **tags, **mine)
        assert (refused["failed"], refused["reason"]) == (True, "taken")
        assert f"{registry}:kde-v9 is another image already" in refused["msg"]


def test_parents_that_only_others_need_may_be_missing(run, store, registry):
    run()
    publish(run, registry, "kde", "gnome")
    shutil.rmtree(store)
    store.mkdir()
    answer = run(repository=registry)
    assert outcomes(answer) == {"base": "not_needed", "kde": "published", "gnome": "published"}
    assert answer["changed"] is False


def test_a_changed_child_is_built_on_the_published_parent_by_digest(run, store, images, registry):
    run()
    publish(run, registry, "base", "kde", "gnome")
    shutil.rmtree(store)
    store.mkdir()
    (images / "kde" / "file").write_text("x")
    answer = run(repository=registry)
    assert outcomes(answer) == {"base": "published", "kde": "built", "gnome": "published"}
    (build,) = calls(store, "build")
    assert f"PARENT={registry}@{answer['images'][0]['digest']}" in build
    # What was built here counts from now on, also for publishing.
    publish(run, registry, "kde")
    assert len(calls(store, "push")) == 1


def test_a_new_release_takes_what_others_are_built_on_as_it_is(run, store, registry):
    run()
    publish(run, registry, "base", "kde", "gnome")
    shutil.rmtree(store)
    store.mkdir()
    answer = run(repository=registry, version="2")
    assert outcomes(answer) == {"base": "published", "kde": "built", "gnome": "built"}
    assert "kde: These inputs changed: annotations, labels." in answer["explanation"]
    publish(run, registry, "base", "kde", version="2")
    assert len(calls(store, "push")) == 1, "the base only gets another tag"


def test_a_registry_that_does_not_answer_is_a_warning(run, store, warned):
    run()
    answer = run(repository="127.0.0.1:1/os")
    assert set(outcomes(answer).values()) == {"stored"}
    assert "local storage decides" in warned[0]


def test_force_builds_everything_without_the_cache(run, store):
    run()
    forced = run(force=True, only=["kde"])
    assert outcomes(forced) == {"base": "built", "kde": "built"}
    assert ["--no-cache" in argv for argv in calls(store, "build")] == [False] * 3 + [True] * 2


def test_a_parent_that_was_built_anew_is_a_reason(run, store):
    run()
    run(force=True, only=["base"], labels={"x": "y"})
    # The same inputs again, but storage has another image of the base now.
    config = json.loads((store / "localhost_skorionos_base:1").read_text())
    run(only=["base"])
    (store / "localhost_skorionos_base:1").write_text(
        json.dumps(
            {**config, "config": json.loads((store / "localhost_skorionos_base:1").read_text())["config"], "x": 1}
        )
    )
    answer = run()
    assert outcomes(answer) == {"base": "stored", "kde": "built", "gnome": "built"}
    assert "kde: Its parent localhost/skorionos/base:1 was built anew." in answer["explanation"]


def test_each_platform_is_built_on_its_own(run, store):
    nodes = [{**NODES[2], "platforms": ["linux/amd64", "linux/arm64"]}, NODES[0]]
    built = run(nodes=nodes)
    names = [image["image"].rpartition("/")[2] for image in built["images"]]
    assert names == ["base:1-amd64", "base:1-arm64", "kde:1-amd64", "kde:1-arm64"]
    assert [line.partition(":")[0] for line in built["explanation"]][2:] == ["kde linux/amd64", "kde linux/arm64"]
    ids = {image["image"]: image["image_id"] for image in built["images"]}
    children = [argv for argv in calls(store, "build") if "/kde:" in argv[argv.index("--tag") + 1]]
    assert len(children) == 2
    for argv in children:
        arch = argv[argv.index("--platform") + 1].partition("/")[2]
        assert f"PARENT={ids[f'localhost/skorionos/base:1-{arch}']}" in argv


def test_an_image_that_does_not_pass_its_own_lint_does_not_count_as_built(run, store):
    (store / "lint-says").write_text("Linting: error: /var/x is not a directory")
    failed = run(only=["kde"])
    assert failed["failed_images"] == ["kde"], "the base is not wanted for itself"
    assert "bootc container lint refuses localhost/skorionos/kde:1" in failed["msg"]
    (store / "lint-says").write_text("")
    assert outcomes(run(only=["kde"])) == {"base": "stored", "kde": "built"}


def test_an_image_that_was_never_checked_is_checked_when_it_is_wanted(run, store):
    (store / "lint-says").write_text("")
    run(only=["kde"])
    (store / "lint-says").write_text("Linting: error: /var/x is not a directory")
    assert outcomes(run(only=["base"], check=True)) == {"base": "stored"}
    failed = run(only=["base", "gnome"])
    assert (failed["failed_images"], failed["skipped_images"]) == (["base"], ["gnome"])
    assert failed["reason"] == "build_failed"
    assert "1 of 2 builds failed. base: bootc container lint refuses localhost/skorionos/base:1" in failed["msg"]
    assert outcomes(run(only=["base"], check=True)) == {"base": "to_build"}, "it lost its name"


def test_an_image_that_passed_is_not_checked_again(run, store):
    run(only=["base"])
    run(only=["base"])
    assert len(calls(store, "run")) == 1
    # To have no bootc was good enough before.
    failed = run(only=["base"], container_lint="required")
    assert "has no bootc to check it with" in failed["msg"]
    assert len(calls(store, "run")) == 2


def test_a_secret_that_is_not_in_the_environment_is_found_before_anything_is_built(run, store, monkeypatch):
    secrets = [{"id": "x", "env": "BUILD_SECRET"}]
    monkeypatch.delenv("BUILD_SECRET", raising=False)
    missing = run(secrets=secrets)
    assert (missing["failed"], missing["reason"]) == (True, "invalid")
    assert "the variable BUILD_SECRET, which is not in the environment of this host" in missing["msg"]
    assert calls(store, "build") == []
    assert not run(secrets=secrets, check=True).get("failed"), "a preview needs no secret"
    monkeypatch.setenv("BUILD_SECRET", "")
    assert not run(secrets=secrets).get("failed")


def test_an_image_without_bootc_is_an_error_when_that_is_required(run, store):
    failed = run(container_lint="required")
    assert failed["reason"] == "not_found"
    for name in ("kde", "gnome"):
        assert f"{name}: localhost/skorionos/{name}:1 has no bootc to check it with" in failed["msg"]
    assert outcomes(run(container_lint="off"))["kde"] == "built"


def test_findings_are_warnings_or_stop_everything(run, store, images, warned):
    (images / "kde" / "Containerfile").write_text("ARG PARENT\nFROM ${PARENT}\nUSER gamer\n")
    refused = run(lint={"trailing-user": "error"}, build_args={}, only=["kde"])
    assert (refused["failed"], refused["reason"]) == (True, "lint")
    assert "Nothing was built. 'kde', line 3: The image ends as the user gamer" in refused["msg"]
    assert calls(store, "build") == []
    built = run(only=["kde"])
    assert [finding["rule"] for finding in built["findings"]] == ["trailing-user"]
    assert "'kde', line 3" in warned[-1]
    assert run(lint={"all": "off"}, check=True)["findings"] == []
    nodes = [{**NODES[2], "build_args": {"API_TOKEN": "x"}}]
    assert [finding["line"] for finding in run(nodes=nodes, check=True)["findings"]] == [0]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"nodes": [{"name": "a", "parent": "b"}]}, "'b', which is none of them"),
        ({"nodes": [{"name": "a", "base": PINNED, "context": "nowhere"}]}, "cannot be read"),
        ({"nodes": [{**NODES[2], "context": "nowhere"}]}, "'base': The context"),
        (
            {
                "nodes": [
                    {**NODES[1], "parent": None, "base": PINNED, "recipe": {"files": [{"path": "/", "source": "x"}]}}
                ]
            },
            "'gnome': there is no x in",
        ),
        ({"nodes": [{**NODES[2], "build_args": {"PARENT": "x"}}]}, "build argument PARENT"),
        ({"parallel": 0}, "parallel is 0"),
        ({"lint": {"user": "warn"}}, "There is no rule 'user'"),
        ({"version": "1 0"}, "cannot be part of a tag"),
        ({"repository": "os"}, "names no registry"),
        ({"secrets": [{"id": "x", "path": "/nonexistent"}]}, "has no file /nonexistent"),
    ],
)
def test_wrong_options_are_explained_before_anything_runs(run, store, arguments, said):
    result = run(**arguments)
    assert (result["failed"], result["reason"]) == (True, "invalid")
    assert said in result["msg"]
    assert calls(store) == []


def test_a_base_that_is_nowhere_is_a_failure_in_check_mode_too(run, store):
    for check in (True, False):
        missing = run(nodes=[{"name": "base", "base": "localhost/os:1"}], check=check)
        assert (missing["failed"], missing["reason"]) == (True, "not_found")
