# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Commands for podman and buildah, and what is read from their answers."""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from pathlib import Path

import pytest
from ansible_collections.skorionos.bootc.plugins.module_utils._engine.client import (
    Build,
    Engine,
    Push,
    Secret,
    build_arguments,
    choose_engine,
    declares_parent,
    push_arguments,
)
from ansible_collections.skorionos.bootc.plugins.module_utils._engine.errors import EngineError
from ansible_collections.skorionos.bootc.plugins.module_utils._engine.retries import seconds_to_wait
from ansible_collections.skorionos.bootc.plugins.module_utils._engine.run import Finished, run_command

ID_FILE = Path("/tmp/id")


class Script:
    """Answers commands from a table of their first words; the longest match wins."""

    def __init__(self, answers):
        self.answers = answers
        self.asked = []

    def __call__(self, argv, timeout):
        self.asked.append((list(argv), timeout))
        line = " ".join(argv[1:])
        matching = [start for start in self.answers if line.startswith(start)]
        answer = self.answers[max(matching, key=len)]
        return answer(argv) if callable(answer) else answer


def ok(stdout=""):
    return Finished(0, stdout, "")


def make_build(**changes):
    settings = {"name": "localhost/kde:1", "containerfile": Path("/c/Containerfile"), "context": Path("/c")}
    return build_arguments(Build(**{**settings, **changes}), ID_FILE)


def pairs(arguments, flag):
    return [arguments[i + 1] for i, argument in enumerate(arguments) if argument == flag]


def test_a_plain_build():
    assert make_build() == [
        *["build", "--layers", "--format", "oci", "--tag", "localhost/kde:1", "--iidfile", "/tmp/id"],
        *["--pull=missing", "--file", "/c/Containerfile", "--timestamp", "0", "/c"],
    ]


def test_a_local_parent_is_never_pulled():
    assert "--pull=never" in make_build(parent="localhost/base:1")
    assert "--pull=missing" in make_build(parent="r.example.com/base@sha256:1")


def test_the_parent_is_an_argument_where_the_containerfile_asks_for_it():
    assert pairs(make_build(parent="localhost/b:1", parent_is_argument=True), "--build-arg") == ["PARENT=localhost/b:1"]
    assert pairs(make_build(parent="localhost/b:1"), "--from") == ["localhost/b:1"]


def test_a_parent_by_its_image_id_is_never_pulled():
    assert "--pull=never" in make_build(parent="sha256:" + "0" * 64)


MISSING = "error: executable file `bootc` not found in $PATH"


@pytest.mark.parametrize(
    ("program", "answer", "has_bootc"),
    [
        ("podman", ok(), True),
        ("podman", Finished(127, "", "Error: crun: not found"), False),
        ("buildah", ok(), True),
        ("buildah", Finished(1, "", MISSING), False),
    ],
)
def test_an_image_checks_itself_as_root_without_a_network(program, answer, has_bootc):
    script = Script({"run": answer, "from": ok("working-1\n"), "rm": ok()})
    assert Engine(script, program).container_lint("localhost/kde:1", 60) is has_bootc
    (argv,) = [argv for argv, _timeout in script.asked if argv[1] == "run"]
    assert {"--network=none", "--user=0:0"} <= set(argv)
    assert argv[-3:] == ["bootc", "container", "lint"]
    assert [argv[1:] for argv, _timeout in script.asked if argv[1] == "rm"] == (
        [["rm", "working-1"]] if program == "buildah" else []
    )


def test_what_an_image_says_of_itself_is_in_the_error():
    script = Script({"run": Finished(1, "", "error: Found 2 kernels")})
    with pytest.raises(EngineError, match="Found 2 kernels") as raised:
        Engine(script, "podman").container_lint("localhost/kde:1", 60)
    assert raised.value.kind == "build_failed"


@pytest.mark.parametrize(("program", "verb"), [("podman", "untag"), ("buildah", "rmi")])
def test_an_image_loses_its_name(program, verb):
    script = Script({verb: ok()})
    Engine(script, program).untag("localhost/kde:1")
    assert script.asked[0][0][:2] == [program, verb]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"ARG PARENT\nFROM ${PARENT}", True),
        (b"# x\n  arg PARENT=a\n", True),
        (b"ARG parent=a\n", False),
        (b'ARG TITLE="a b" PARENT VERSION=0\n', True),
        (b"ARG VERSION=0 \\\n  PARENT\n", True),
        (b"ARG VERSION=PARENT\n", False),
        (b"RUN <<EOF\nARG PARENT\nEOF\n", False),
        (b'ARG PARENT TITLE="\n', True),
        (b"ARG PARENTS\n", False),
        (b"# ARG PARENT\n", False),
        (b"FROM scratch\n", False),
    ],
)
def test_finds_whether_the_containerfile_asks_for_its_parent(text, expected):
    assert declares_parent(text) is expected


def test_what_is_named_like_a_secret_is_not_shown():
    script = Script({"build": Finished(1, "", "Error: no")})
    engine = Engine(script, "podman")
    wanted = Build("localhost/a:1", Path("/c/f"), Path("/c"), build_args={"API_TOKEN": "hidden=1", "VERSION": "shown"})
    with pytest.raises(EngineError) as raised:
        engine.build(wanted, 60)
    assert "API_TOKEN=hidden=1" in script.asked[0][0]
    assert "--build-arg 'API_TOKEN=***' --build-arg VERSION=shown" in str(raised.value)
    assert "hidden" not in str(raised.value) + str(engine.commands)


def test_every_setting_of_a_build_reaches_the_engine():
    arguments = make_build(
        ignore_file=Path("/c/.containerignore"),
        build_args={"B": "2", "A": "1 and more"},
        labels={"l": "x"},
        annotations={"a": "y"},
        platform="linux/arm64",
        target="final",
        network="none",
        timestamp=None,
        use_cache=False,
        tls_verify=False,
        auth_file="/auth.json",
        secrets=[Secret("t", env="TOKEN"), Secret("k", path="/k")],
    )
    assert pairs(arguments, "--build-arg") == ["A=1 and more", "B=2"]
    assert pairs(arguments, "--label") == ["l=x"]
    assert pairs(arguments, "--annotation") == ["a=y"]
    assert pairs(arguments, "--secret") == ["id=t,env=TOKEN", "id=k,src=/k"]
    assert pairs(arguments, "--ignorefile") == ["/c/.containerignore"]
    assert [pairs(arguments, flag) for flag in ("--platform", "--target", "--network")] == [
        ["linux/arm64"],
        ["final"],
        ["none"],
    ]
    assert "--timestamp" not in arguments
    assert "--no-cache" in arguments
    assert "--tls-verify=false" in arguments
    assert pairs(arguments, "--authfile") == ["/auth.json"]
    assert arguments[-1] == "/c"


def test_a_push_names_format_and_compression():
    push = Push("localhost/kde:1", "r.example.com/kde:v1", tls_verify=False, auth_file="/a", compression="zstd")
    assert push_arguments(push, Path("/d"), force_compression=True) == [
        *["push", "--digestfile", "/d", "--format", "oci", "--compression-format", "zstd", "--force-compression"],
        *["--tls-verify=false", "--authfile", "/a", "localhost/kde:1", "docker://r.example.com/kde:v1"],
    ]
    assert "--force-compression" not in push_arguments(push, Path("/d"), force_compression=False)


def test_podman_comes_first():
    assert choose_engine("auto", lambda name: f"/usr/bin/{name}") == "podman"
    assert choose_engine("auto", lambda name: "/usr/bin/buildah" if name == "buildah" else None) == "buildah"
    with pytest.raises(EngineError, match="no podman or buildah in PATH") as raised:
        choose_engine("auto", lambda _name: None)
    assert raised.value.kind == "engine_missing"


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("podman version 4.3.1", (4, 3, 1)),
        ("podman version 5.8.6-dev", (5, 8, 6)),
        ("buildah version 1.28.2 (image-spec 1.0.2)", (1, 28, 2)),
    ],
)
def test_version(said, expected):
    assert Engine(Script({"--version": ok(said)}), "podman").version() == expected


def test_inspects_with_podman():
    document = [{"Id": "ab", "Digest": "sha256:d", "Labels": {"x": "y"}, "Annotations": {"v": "1"}}]
    image = Engine(Script({"image inspect": ok(json.dumps(document))}), "podman").inspect("localhost/a:1")
    assert (image.id, image.digest, image.labels) == ("sha256:ab", "sha256:d", {"x": "y"})
    assert image.annotations == {"v": "1"}


def test_inspects_with_buildah():
    document = {"FromImageID": "ab", "FromImageDigest": "sha256:d", "OCIv1": {"config": {"Labels": None}}}
    document["ImageAnnotations"] = {"v": "1"}
    image = Engine(Script({"inspect": ok(json.dumps(document))}), "buildah").inspect("localhost/a:1")
    assert (image.id, image.digest, image.labels) == ("sha256:ab", "sha256:d", {})
    assert image.annotations == {"v": "1"}


def test_absence_is_told_from_trouble_by_exit_code():
    failed = Finished(125, "", "Error: no")
    script = {"image inspect": failed, "image exists": Finished(1, "", "")}
    assert Engine(Script(script), "podman").inspect("localhost/a:1") is None
    script["image exists"] = failed
    with pytest.raises(EngineError, match="podman image failed with exit code 125: Error: no"):
        Engine(Script(script), "podman").inspect("localhost/a:1")
    images = json.dumps([{"names": None}, {"names": ["localhost/b:1"]}])
    assert Engine(Script({"inspect": failed, "images": ok(images)}), "buildah").inspect("localhost/a:1") is None
    with pytest.raises(EngineError):
        Engine(Script({"inspect": failed, "images": ok(images)}), "buildah").inspect("localhost/b:1")


def test_build_returns_the_id_the_engine_wrote():
    def build(argv):
        Path(argv[argv.index("--iidfile") + 1]).write_text("abc\n")
        return ok()

    engine = Engine(Script({"build": build}), "podman")
    built = engine.build(Build("localhost/a:1", Path("/c/Containerfile"), Path("/c")), 60)
    assert built == "sha256:abc"
    assert engine.commands[0][:2] == ["podman", "build"]


def test_a_failed_build_shows_the_end_of_what_the_engine_said():
    said = "\n".join(f"line {number}" for number in range(100)) + "\nError: exit status 3: permission denied"
    engine = Engine(Script({"build": Finished(125, "", said)}), "podman")
    with pytest.raises(EngineError, match="exit status 3") as raised:
        engine.build(Build("localhost/a:1", Path("/c/Containerfile"), Path("/c")), 60)
    assert raised.value.kind == "build_failed"
    assert "line 5\n" not in str(raised.value)
    assert "Command: podman build" in str(raised.value)


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ("Error: dial tcp 127.0.0.1:1: connect: connection refused", "network"),
        ("Error: writing blob: received unexpected HTTP status: 503 Service Unavailable", "network"),
        ("Error: unauthorized: authentication required", "auth"),
        ("Error: something new", "unexpected"),
        ("Error: denied: toomanyrequests: retry-after: 1.2s, allowed: 44000/minute", "network"),
        ("Error: writing blob: uploading layer chunked: EOF", "network"),
        ("Error: writing manifest: uploading manifest: blob upload unknown to registry", "network"),
        ("Error: writing blob: received unexpected HTTP status: 502 Bad Gateway", "network"),
        ("Error: trying to reuse blob: context deadline exceeded", "network"),
        ("Error: writing manifest: StatusCode: 405, unsupported: The operation is unsupported.", "unsupported"),
        ("Error: writing manifest: manifest invalid: manifest invalid", "unexpected"),
        ("Error: error parsing HTTP 429 response body: invalid character", "network"),
        ("Error: open /var/tmp/container_images_storage1: permission denied", "unexpected"),
        ("Error: denied: permission denied on resource", "auth"),
        ("Error: writing manifest to r.example.com/os:kde-v1.0.500: quota has been exceeded", "unexpected"),
        ("Error: writing manifest to r.example.com:429/os:503: quota has been exceeded", "unexpected"),
    ],
)
def test_a_failed_push_has_its_kind(said, kind):
    engine = Engine(Script({"--version": ok("podman version 4.3.1"), "push": Finished(125, "", said)}), "podman")
    with pytest.raises(EngineError) as raised:
        engine.push(Push("localhost/a:1", "r.example.com/a:1"), 60)
    assert raised.value.kind == kind


@pytest.mark.parametrize(
    ("said", "tried", "expected"),
    [
        ("connection reset", 1, 2),
        ("connection reset", 3, 8),
        ("connection reset", 9, 60),
        ("toomanyrequests: slow down", 1, 16),
        ("toomanyrequests: retry-after: 1.2s, allowed: 44000/minute", 1, 16),
        ("toomanyrequests: retry-after: 90s", 1, 90),
        ("Retry-After: 3m", 1, 180),
        ("retry-after: 500ms", 1, 2),
    ],
)
def test_waits_longer_each_time_and_as_long_as_it_is_asked_to(said, tried, expected):
    assert seconds_to_wait(said, tried, 2.0, 60.0) == expected


PULL = "Error: creating build container: initializing source docker://r.example.com/os@sha256:1: "


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        (PULL + "reading manifest sha256:1 in r.example.com/os: unauthorized: authentication required", "auth"),
        (PULL + "reading manifest sha256:1 in r.example.com/os: denied", "auth"),
        (PULL + "reading manifest sha256:1 in r.example.com/os: manifest unknown: manifest unknown", "not_found"),
        (PULL + "pinging container registry r.example.com: dial tcp: lookup r.example.com: no such host", "network"),
        (PULL + "pinging container registry r.example.com: http: server gave HTTP response to HTTPS client", "network"),
        (PULL + "something new", "build_failed"),
        ('Error: building at STEP "RUN skopeo copy docker://r/a dir:/a # denied": exit status 1', "build_failed"),
        ("curl: connection refused\nError: exit status 7", "build_failed"),
        ("", "build_failed"),
    ],
)
def test_a_parent_that_cannot_be_pulled_is_told_from_a_failed_build(said, kind):
    engine = Engine(Script({"build": Finished(125, "", said)}), "podman")
    with pytest.raises(EngineError) as raised:
        engine.build(Build("localhost/a:1", Path("/c/Containerfile"), Path("/c")), 60)
    assert raised.value.kind == kind
    assert ("podman login" in str(raised.value)) is (kind == "auth")


def test_compression_is_forced_where_the_engine_can():
    def push(argv):
        Path(argv[argv.index("--digestfile") + 1]).write_text("sha256:d")
        return ok()

    for version, forced in (("4.6.2", False), ("4.7.0", True), ("5.4.2", True)):
        script = Script({"--version": ok(f"podman version {version}"), "push": push})
        assert Engine(script, "podman").push(Push("localhost/a:1", "r.example.com/a:1"), 60) == "sha256:d"
        assert ("--force-compression" in script.asked[-1][0]) is forced


def test_a_command_that_hangs_is_ended_with_its_children(tmp_path):
    marker = tmp_path / "alive"
    child = f"import time,pathlib; time.sleep(1.5); pathlib.Path({str(marker)!r}).touch()"
    parent = f"import subprocess,sys,time; subprocess.Popen([sys.executable,'-c',{child!r}]); time.sleep(60)"
    started = time.monotonic()
    with pytest.raises(EngineError, match=r"did not finish within 0\.3 s") as raised:
        run_command([sys.executable, "-c", parent], 0.3)
    assert raised.value.kind == "timeout"
    assert time.monotonic() - started < 50
    time.sleep(1.6)
    assert not marker.exists()


def test_a_program_that_is_not_there():
    with pytest.raises(EngineError, match="could not be started: No such file"):
        run_command(["/nonexistent/podman"], 1)


def test_a_command_is_ended_with_the_task_and_none_is_started_after_that(tmp_path):
    stop = threading.Event()
    threading.Timer(0.2, stop.set).start()
    since = time.monotonic()
    with pytest.raises(EngineError, match="sh was ended together with this task"):
        run_command(["sh", "-c", f"echo $$ >{tmp_path}/pid; exec sleep 60"], 60, stop=stop)
    assert time.monotonic() - since < 5
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)
    with pytest.raises(EngineError, match="together with this task"):
        run_command(["touch", str(tmp_path / "started")], 60, stop=stop)
    assert not (tmp_path / "started").exists()


def test_a_command_that_may_be_stopped_says_all_it_has_to_say_and_has_its_time():
    stop = threading.Event()
    assert run_command(["sh", "-c", "echo one; sleep 0.7; echo two"], 60, stop=stop).stdout == "one\ntwo\n"
    with pytest.raises(EngineError, match=r"did not finish within 0\.6 s"):
        run_command(["sleep", "60"], 0.6, stop=stop)


def test_an_image_loses_its_name_even_when_nothing_is_started_any_more():
    script = Script({"untag": ok()})
    Engine(Script({}), "podman", put_away=script).untag("localhost/kde:1")
    assert script.asked[0][0] == ["podman", "untag", "localhost/kde:1", "localhost/kde:1"]
