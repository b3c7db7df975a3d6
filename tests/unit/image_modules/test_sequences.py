# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The image modules as tasks run them: predicted, done, predicted again, done again."""

from __future__ import annotations

import base64
import json
import shutil

import pytest
from ansible.module_utils.basic import AnsibleModule
from ansible_collections.skorionos.bootc.plugins.module_utils._oci import tagging, transport
from ansible_collections.skorionos.bootc.plugins.modules import image_build, image_info, image_push

from .fakes import install_fake_podman

NAME = "localhost/skorionos/kde:1"


@pytest.fixture
def store(tmp_path, monkeypatch):
    """A folder of images with a fake podman on PATH."""
    folder = tmp_path / "store"
    folder.mkdir()
    programs = install_fake_podman(tmp_path / "bin")
    monkeypatch.setenv("PATH", str(programs) + ":/usr/bin:/bin")
    monkeypatch.setenv("FAKE_PODMAN_STORE", str(folder))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(image_push, "_FIRST_DELAY", 0.0)
    return folder


@pytest.fixture
def context(tmp_path):
    folder = tmp_path / "context"
    folder.mkdir()
    (folder / "Containerfile").write_text("ARG PARENT\nFROM ${PARENT}\nCOPY . /\n")
    (folder / "file").write_text("1")
    return folder


def calls(store, verb):
    log = [json.loads(line) for line in (store / "log").read_text().splitlines()]
    return [argv for argv in log if argv[0] == verb]


def test_build_is_predicted_done_and_then_left_alone(run, store, context):
    arguments = {"name": NAME, "context": str(context)}
    predicted = run(image_build, check=True, **arguments)
    assert (predicted["changed"], predicted["image_id"]) == (True, None)
    assert calls(store, "build") == []
    built = run(image_build, **arguments)
    assert built["changed"] is True
    assert built["input_hash"] == predicted["input_hash"]
    assert built["diff"] == predicted["diff"]
    assert built["reason_for_build"] == [f"There is no image {NAME} yet."]
    for check in (True, False):
        again = run(image_build, check=check, **arguments)
        assert (again["changed"], again["image_id"], again["changed_inputs"]) == (False, built["image_id"], [])
    assert len(calls(store, "build")) == 1


def test_build_says_what_changed(run, store, context):
    arguments = {"name": NAME, "context": str(context)}
    run(image_build, **arguments)
    (context / "file").write_text("2")
    for check in (True, False):
        again = run(image_build, check=check, **arguments, build_args={"X": True})
        assert again["changed_inputs"] == ["build_args", "context"]
        assert again["reason_for_build"] == ["These inputs changed: build_args, context."]
    assert "X=true" in calls(store, "build")[-1]


def test_build_by_force_leaves_the_cache_out(run, store, context):
    arguments = {"name": NAME, "context": str(context)}
    run(image_build, **arguments)
    forced = run(image_build, **arguments, force=True)
    assert (forced["changed"], forced["changed_inputs"]) == (True, [])
    assert ["--no-cache" in argv for argv in calls(store, "build")] == [False, True]


def test_another_timestamp_leaves_the_cache_out_once(run, store, context):
    arguments = {"name": NAME, "context": str(context)}
    run(image_build, **arguments, timestamp=-1)
    run(image_build, **arguments)
    assert ["--no-cache" in argv for argv in calls(store, "build")] == [False, True]
    assert ["--timestamp" in argv for argv in calls(store, "build")] == [False, True]


def test_a_new_parent_is_a_reason(run, store, context):
    parent = {"name": "localhost/skorionos/base:1", "context": str(context)}
    child = {"name": NAME, "context": str(context), "parent": parent["name"]}
    run(image_build, **parent)
    assert run(image_build, **child)["changed"] is True
    assert run(image_build, **child)["changed"] is False
    run(image_build, **parent, labels={"new": "label"})
    assert run(image_build, **child)["reason_for_build"] == ["These inputs changed: parent."]
    assert f"PARENT={parent['name']}" in calls(store, "build")[-1]


@pytest.mark.parametrize("check", [True, False])
def test_a_parent_that_nothing_builds_fails_in_check_mode_too(run, store, context, check):
    missing = run(image_build, check=check, name=NAME, context=str(context), parent="localhost/skorionos/base:1")
    assert (missing["failed"], missing["reason"]) == (True, "not_found")
    assert "Build it first" in missing["msg"]


def test_a_parent_that_an_earlier_task_would_build_is_predicted(run, store, context):
    parent = {"name": "localhost/skorionos/base:1", "context": str(context)}
    child = {"name": NAME, "context": str(context), "parent": parent["name"], "parent_pending": True}
    first = run(image_build, check=True, **child)
    assert (first["changed"], first["input_hash"], first["image_id"]) == (True, None, None)
    assert first["diff"]["before"] == {}
    assert first["diff"]["after"]["parent"] == "(known after the parent is built)"
    assert set(first["changed_inputs"]) == set(first["diff"]["after"]) > {"containerfile", "parent"}
    assert run(image_build, **child)["reason"] == "not_found", "only check mode takes it for granted"
    run(image_build, **parent)
    built = run(image_build, **child)
    rebuilt = run(image_build, check=True, **child)
    assert (rebuilt["changed"], rebuilt["changed_inputs"]) == (True, ["parent"])
    assert rebuilt["reason_for_build"] == ["These inputs changed: parent."]
    same = {name: value for name, value in built["diff"]["after"].items() if name != "parent"}
    assert rebuilt["diff"]["after"] == {**same, "parent": "(known after the parent is built)"}
    assert run(image_build, **child)["changed"] is False


def test_a_pinned_parent_need_not_be_there(run, store, context):
    pinned = "r.example.com/base@sha256:" + "0" * 64
    assert run(image_build, name=NAME, context=str(context), parent=pinned)["changed"] is True


def test_a_parent_in_a_registry_is_pulled_with_the_credentials_given(run, store, context, tmp_path):
    pinned = "r.example.com/base@sha256:" + "0" * 64
    arguments = {"name": NAME, "context": str(context), "parent": pinned}
    auth_file = tmp_path / "auth.json"
    missing = run(image_build, **arguments, auth_file=str(auth_file))
    assert (missing["failed"], missing["reason"]) == (True, "auth")
    auth_file.write_text("{}")
    first = run(image_build, **arguments, auth_file=str(auth_file), tls_verify=False)
    assert {"--authfile", str(auth_file), "--tls-verify=false"} <= set(calls(store, "build")[-1])
    again = run(image_build, **arguments)
    assert (again["changed"], again["input_hash"]) == (False, first["input_hash"]), "how it is pulled is no input"


def test_a_failed_build_leaves_the_old_image(run, store, context):
    arguments = {"name": NAME, "context": str(context)}
    before = run(image_build, **arguments)
    (context / "file").write_text("2")
    (store / "fail").touch()
    failed = run(image_build, **arguments)
    assert (failed["failed"], failed["reason"]) == (True, "build_failed")
    assert "exit status 1" in failed["msg"]
    (context / "file").write_text("1")
    assert run(image_build, **arguments)["image_id"] == before["image_id"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"name": "kde"}, "names no registry"),
        ({"context": "/nonexistent"}, "is not a folder"),
        ({"containerfile": "/nonexistent"}, "There is no Containerfile"),
        ({"platform": "amd64"}, "is not a platform"),
        ({"secrets": [{"id": "x", "path": "/nonexistent"}]}, "has no file /nonexistent"),
        ({"secrets": [{"id": "x,src=/etc/shadow", "env": "Y"}]}, "has a comma"),
        ({"parent": "base"}, "names no registry"),
        ({"parent": "localhost/base:1", "build_args": {"PARENT": "x"}}, "which the option parent sets"),
    ],
)
def test_wrong_options_are_explained(run, store, context, arguments, said):
    result = run(image_build, **{"name": NAME, "context": str(context), **arguments})
    assert (result["failed"], result["reason"]) == (True, "invalid")
    assert said in result["msg"]


def test_a_host_without_an_engine(run, context, monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda _name: None)
    result = run(image_build, name=NAME, context=str(context))
    assert (result["failed"], result["reason"]) == (True, "engine_missing")


def test_push_is_predicted_done_and_then_left_alone(run, store, context, registry):
    built = run(image_build, name=NAME, context=str(context))
    target = f"{registry}/os/skorionos"
    arguments = {"name": NAME, "image": f"{target}:kde-v1", "tags": ["kde-latest"], "tls_verify": False}
    predicted = run(image_push, check=True, **arguments)
    assert (predicted["changed"], predicted["pushed"], predicted["digest"]) == (True, True, None)
    assert calls(store, "push") == []
    done = run(image_push, **arguments)
    assert (done["changed"], done["pushed"], done["repository"]) == (True, True, target)
    assert done["tags"] == {"kde-v1": done["digest"], "kde-latest": done["digest"]}
    assert (done["size"], done["update_size"], done["created"]) == (7, None, "then")
    for check in (True, False):
        again = run(image_push, check=check, **arguments)
        assert (again["changed"], again["pushed"], again["digest"]) == (False, False, done["digest"])
    assert len(calls(store, "push")) == 1
    info = run(image_info, image=f"{target}:kde-latest", tls_verify=False)
    assert (info["exists"], info["digest"], info["config_digest"]) == (True, done["digest"], built["image_id"])


def test_the_diff_comes_only_when_it_is_asked_for(run, store, context, registry):
    assert "diff" not in run(image_build, diff=False, name=NAME, context=str(context))
    assert "diff" not in run(image_push, diff=False, name=NAME, image=f"{registry}/os/kde:v1", tls_verify=False)


def test_a_tag_alone_is_moved_without_a_push(run, store, context, registry):
    run(image_build, name=NAME, context=str(context))
    arguments = {"name": NAME, "image": f"{registry}/os/skorionos:kde-v1", "tls_verify": False}
    done = run(image_push, **arguments)
    predicted = run(image_push, check=True, **arguments, tags=["kde-stable"])
    moved = run(image_push, **arguments, tags=["kde-stable"])
    for result in (predicted, moved):
        assert (result["changed"], result["pushed"]) == (True, False)
        assert result["diff"]["before"]["kde-stable"] is None
        assert result["tags"]["kde-stable"] == done["digest"]
    assert run(image_push, **arguments, tags=["kde-stable"])["changed"] is False
    assert len(calls(store, "push")) == 1


def test_another_image_at_the_tag_is_replaced(run, store, context, registry):
    arguments = {"name": NAME, "image": f"{registry}/os/skorionos:kde", "tls_verify": False}
    run(image_build, name=NAME, context=str(context))
    first = run(image_push, **arguments)
    (context / "file").write_text("2")
    run(image_build, name=NAME, context=str(context))
    second = run(image_push, **arguments)
    assert second["diff"] == {"before": {"kde": first["digest"]}, "after": {"kde": second["digest"]}}
    assert first["digest"] != second["digest"]
    assert second["update_size"] == 0


def test_another_compression_is_pushed_as_predicted(run, store, context, registry):
    run(image_build, name=NAME, context=str(context))
    arguments = {"name": NAME, "image": f"{registry}/os/skorionos:kde", "tls_verify": False}
    gzip = run(image_push, **arguments)
    for compression in ("zstd", "zstd:chunked"):
        for check in (True, False):
            result = run(image_push, check=check, **arguments, compression=compression)
            assert (result["changed"], result["pushed"]) == (True, True)
            assert result["reason_for_push"] == ["1 of 1 layers are compressed otherwise."]
        assert result["digest"] != gzip["digest"]
        assert run(image_push, **arguments, compression=compression)["changed"] is False
    assert run(image_push, **arguments, compression="zstd")["changed"] is False, "chunked layers are zstd"


@pytest.fixture
def warned(monkeypatch):
    """Texts of warnings. Where they end up depends on what else was imported into this process."""
    texts = []
    monkeypatch.setattr(AnsibleModule, "warn", lambda _module, text: texts.append(text))
    return texts


def test_what_a_release_has_already_keeps_its_digest(run, store, context, registry, warned):
    run(image_build, name=NAME, context=str(context))
    image = {"name": NAME, "tls_verify": False, "replace": False}
    first = run(image_push, **image, image=f"{registry}/os/skorionos:v1")
    for tags in ({"image": f"{registry}/os/skorionos:v1"}, {"image": f"{registry}/os/skorionos:v1-a", "tags": ["v1"]}):
        for check in (True, False):
            again = run(image_push, check=check, **image, **tags, compression="zstd")
            assert (again["pushed"], again["digest"]) == (False, first["digest"])
            assert again["changed"] is ("tags" in tags)
            assert "what is there stays as it is" in warned.pop()
    (annotations,) = store.glob("*.annotations")
    annotations.write_text(json.dumps({"org.opencontainers.image.title": "x"}))
    again = run(image_push, **image, image=f"{registry}/os/skorionos:v1")
    assert (again["changed"], again["digest"]) == (False, first["digest"])
    assert "has other annotations than" in warned.pop()
    # As another host may have left it before: the same image twice.
    other = run(image_push, name=NAME, tls_verify=False, image=f"{registry}/os/skorionos:v1-b", compression="zstd")
    refused = run(image_push, **image, image=f"{registry}/os/skorionos:v1", tags=["v1-b"])
    assert (refused["failed"], refused["reason"]) == (True, "taken")
    assert first["digest"] in refused["msg"]
    assert other["digest"] in refused["msg"]


def test_a_tag_of_a_release_that_is_taken_during_a_long_push_stays(run, store, context, registry, monkeypatch):
    run(image_build, name=NAME, context=str(context))
    mine = {"name": NAME, "tls_verify": False, "replace": False}
    other = {"name": "localhost/other:1", "tls_verify": False}
    run(image_build, name="localhost/other:1", context=str(context), labels={"other": "1"})
    place = f"{registry}/os/skorionos"
    real = image_push.Engine.push

    def push_slowly(engine, wanted, timeout):
        monkeypatch.setattr(image_push.Engine, "push", real)
        theirs.append(run(image_push, **other, image=f"{place}:{taken}")["digest"])
        if taken == "v1":
            raise image_push.EngineError("network", "connection reset.")
        return engine.push(wanted, timeout)

    for taken, image, tags, reason in (("v1", "v1", [], "taken"), ("v2-b", "v2", ["v2-b"], "conflict")):
        theirs = []
        monkeypatch.setattr(image_push.Engine, "push", push_slowly)
        refused = run(image_push, image=f"{place}:{image}", tags=tags, **mine)
        assert (refused["failed"], refused["reason"]) == (True, reason)
        assert run(image_info, image=f"{place}:{taken}", tls_verify=False)["digest"] == theirs[0]


@pytest.fixture
def published_once(run, store, context, registry):
    run(image_build, name=NAME, context=str(context))
    return run(image_push, name=NAME, image=f"{registry}/os/skorionos:kde", tls_verify=False)


@pytest.mark.parametrize("lag", [2, 99])
def test_a_registry_that_shows_a_push_only_after_a_moment(run, published_once, registry, monkeypatch, lag):
    monkeypatch.setattr(tagging, "_LAG_SECONDS", 0.0)
    head = image_push.RegistryClient.head_manifest
    answers = [None] * lag
    monkeypatch.setattr(
        image_push.RegistryClient, "head_manifest", lambda *args: answers.pop() if answers else head(*args)
    )
    result = run(image_push, name=NAME, image=f"{registry}/os/skorionos:again", tls_verify=False)
    if lag == 2:
        assert (result["changed"], answers) == (True, [])
    else:
        assert "but nothing is there now" in result["msg"]


def test_a_full_disk_is_an_answer_and_no_traceback(run, store, context, registry, monkeypatch):
    run(image_build, name=NAME, context=str(context))

    def fail(_engine, _wanted, _timeout):
        raise OSError(28, "No space left on device", "/tmp/bootc-push-1")

    monkeypatch.setattr(image_push.Engine, "push", fail)
    result = run(image_push, name=NAME, image=f"{registry}/os/skorionos:kde", tls_verify=False)
    assert (result["reason"], result["msg"]) == ("unexpected", "/tmp/bootc-push-1: No space left on device.")


def test_a_build_argument_that_is_named_like_a_secret_is_warned_of_and_not_shown(run, store, context, warned):
    result = run(image_build, name=NAME, context=str(context), build_args={"API_TOKEN": "hidden"})
    assert "API_TOKEN can be read in the history of the image" in warned.pop()
    assert "API_TOKEN=***" in result["commands"][0]
    assert "hidden" not in json.dumps({key: value for key, value in result.items() if key != "invocation"})


def test_an_engine_that_cannot_compress_anew_does_not_push_each_time(run, store, context, registry, warned):
    (store / "version").write_text("4.3.1")
    run(image_build, name=NAME, context=str(context))
    arguments = {"name": NAME, "image": f"{registry}/os/skorionos:kde", "tls_verify": False}
    run(image_push, **arguments)
    for check in (True, False):
        result = run(image_push, check=check, **arguments, compression="zstd")
        assert (result["changed"], result["pushed"]) == (False, False)
        assert "Podman 4.7 or newer compresses them anew" in warned.pop()


def test_an_annotation_that_is_not_there_is_pushed_as_predicted(run, store, context, registry):
    run(image_build, name=NAME, context=str(context))
    arguments = {"name": NAME, "image": f"{registry}/os/skorionos:kde", "tls_verify": False}
    run(image_push, **arguments)
    # The same image id with other annotations, as an engine makes it of another build without its cache.
    version = {"org.opencontainers.image.version": "2", "org.opencontainers.image.base.digest": "sha256:1"}
    (annotations,) = store.glob("*.annotations")
    annotations.write_text(json.dumps(version))
    for check in (True, False):
        result = run(image_push, check=check, **arguments)
        assert (result["changed"], result["pushed"]) == (True, True)
        assert result["reason_for_push"] == ["These annotations differ: org.opencontainers.image.version."]
    annotations.write_text(json.dumps({**version, "org.opencontainers.image.base.digest": "sha256:2"}))
    assert run(image_push, **arguments)["changed"] is False


def test_passing_trouble_of_a_push_is_waited_out(run, store, context, registry):
    run(image_build, name=NAME, context=str(context))
    arguments = {"name": NAME, "image": f"{registry}/os/skorionos:kde", "tls_verify": False}
    (store / "fail-pushes").write_text("2")
    assert run(image_push, **arguments, retries=1)["reason"] == "network"
    (store / "fail-pushes").write_text("2")
    assert run(image_push, **arguments, retries=2)["changed"] is True


def test_a_registry_that_asks_for_hours_is_not_waited_for(run, store, context, registry):
    run(image_build, name=NAME, context=str(context))
    (store / "push-says").write_text("Error: toomanyrequests: retry-after: 2h")
    result = run(image_push, name=NAME, image=f"{registry}/os/skorionos:kde", tls_verify=False)
    assert (result["failed"], result["reason"]) == (True, "network")
    assert len(calls(store, "push")) == 1


@pytest.fixture
def denying(registry, guard, tmp_path):
    """Arguments of a push to a registry that denies repositories that are not there, as Quay does."""
    guard.denies_what_is_absent = True
    path = tmp_path / "auth.json"
    path.write_text(json.dumps({"auths": {registry: {"auth": base64.b64encode(b"ci:secret").decode()}}}))
    return {"name": NAME, "image": f"{registry}/os/skorionos:kde", "tls_verify": False, "auth_file": str(path)}


def test_the_first_push_to_a_registry_that_denies_absent_repositories(run, store, context, denying, guard):
    run(image_build, name=NAME, context=str(context))
    predicted = run(image_push, check=True, **denying, tags=["latest"])
    assert (predicted["changed"], predicted["pushed"]) == (True, True)
    assert all(scope.endswith(":pull") for scope in guard.scopes), "a prediction must not ask for the right to push"
    done = run(image_push, **denying, tags=["latest"])
    assert (done["changed"], set(done["tags"].values())) == (True, {done["digest"]})
    assert run(image_push, **denying, tags=["latest"])["changed"] is False


def test_a_push_that_is_refused_as_well_is_a_matter_of_rights(run, store, context, denying, guard):
    guard.grants_push = False
    (store / "push-says").write_text("Error: unauthorized: access to the requested resource is not authorized")
    run(image_build, name=NAME, context=str(context))
    result = run(image_push, **denying)
    assert (result["failed"], result["reason"]) == (True, "auth")
    assert len(calls(store, "push")) == 1


@pytest.mark.parametrize(
    ("arguments", "reason", "said"),
    [
        ({"image": "r.example.com/os"}, "invalid", "must end with a tag"),
        ({"image": "r.example.com/OS:v1"}, "invalid", "lower case"),
        ({"tags": ["x/y:z"]}, "invalid", "is not a tag"),
        ({}, "not_found", "Build it first"),
        ({"name": "kde"}, "invalid", "names no registry"),
    ],
)
def test_what_cannot_be_pushed_is_explained(run, store, arguments, reason, said):
    result = run(image_push, **{"name": NAME, "image": "r.example.com/os:v1", **arguments})
    assert (result["failed"], result["reason"]) == (True, reason)
    assert said in result["msg"]


def test_info_of_what_is_not_there(run, registry):
    result = run(image_info, image=f"{registry}/os/nothing:v1", tls_verify=False, list_tags=True)
    assert (result["exists"], result["tags"], result["changed"]) == (False, [], False)
    assert "digest" not in result


def test_info_of_a_registry_that_is_down(run, monkeypatch):
    monkeypatch.setattr(transport, "_FIRST_DELAY", 0.0)
    result = run(image_info, image="127.0.0.1:1/os/kde:v1")
    assert (result["failed"], result["reason"]) == (True, "network")


def test_info_of_something_that_is_no_reference(run):
    result = run(image_info, image="kde")
    assert (result["failed"], result["reason"]) == (True, "invalid")
