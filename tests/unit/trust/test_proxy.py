# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A verdict on an image, asked of a skopeo over its socket."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from ansible_collections.skorionos.bootc.plugins.module_utils._errors import BootcError
from ansible_collections.skorionos.bootc.plugins.module_utils._trust.proxy import (
    Rules,
    command,
    loads,
    refusal,
    verify,
)

IMAGE = "registry.example.com/os/kde@sha256:" + "a" * 64
UNSIGNED = "A signature was required, but no signature exists"
# It speaks as skopeo does. What it says of the image is in verdict.json; a policy that accepts nothing it applies.
PROGRAM = """
import json, pathlib, socket, sys, time
here = pathlib.Path(__file__).parent
(here / "argv.json").write_text(json.dumps(sys.argv[1:]))
said = json.loads((here / "verdict.json").read_text())
if "stderr" in said:
    sys.exit(said["stderr"])
channel = socket.socket(fileno=int(sys.argv[sys.argv.index("--sockfd") + 1]))
policy = json.loads(pathlib.Path(sys.argv[sys.argv.index("--policy") + 1]).read_text())
while True:
    raw = channel.recv(65536)
    if not raw:
        break
    request = json.loads(raw)
    error = ""
    if request["method"] == "OpenImage":
        (here / "asked").open("a").write(request["args"][0] + "\\n")
        error = said["error"]
        if policy == {"default": [{"type": "reject"}]} and said.get("looks at policies", True):
            error = error or "Running image is rejected by policy."
        time.sleep(said.get("sleep", 0))
    channel.send(b"?" if said.get("babbles") else json.dumps({"success": not error, "error": error}).encode())
"""


@pytest.fixture
def skopeo(tmp_path, monkeypatch):
    """A skopeo that says what ``verdict`` of the answer writes down."""
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "program.py").write_text(PROGRAM, encoding="utf-8")
    (programs / "skopeo").write_text(f'#!/bin/sh\nexec {sys.executable} -IS {programs}/program.py "$@"\n')
    (programs / "skopeo").chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:/usr/bin:/bin")

    def verdict(error="", **more):
        (programs / "verdict.json").write_text(json.dumps({"error": error, **more}), encoding="utf-8")
        return programs

    return verdict


@pytest.fixture
def rules(tmp_path):
    policy = tmp_path / "policy.json"
    policy.write_text('{"default": [{"type": "insecureAcceptAnything"}]}', encoding="utf-8")
    return Rules(policy)


def test_an_image_that_passes_has_no_refusal(skopeo, rules):
    programs = skopeo()
    assert refusal(IMAGE, rules, 10) is None
    assert (programs / "asked").read_text() == f"docker://{IMAGE}\n"


def test_the_words_of_a_verdict_come_back(skopeo, rules):
    skopeo(UNSIGNED)
    assert refusal(IMAGE, rules, 10) == UNSIGNED


def test_a_refused_image_fails_the_verification(skopeo, rules):
    skopeo(UNSIGNED)
    with pytest.raises(BootcError, match="no signature exists") as refused:
        verify([IMAGE], rules, 10)
    assert refused.value.kind == "signature"


def test_a_skopeo_that_looks_at_no_policy_proves_nothing(skopeo, rules):
    skopeo(**{"looks at policies": False})
    with pytest.raises(BootcError, match="does not look at the policy") as refused:
        verify([IMAGE], rules, 10)
    assert refused.value.kind == "unsupported_version"


def test_every_image_is_asked_for(skopeo, rules):
    programs = skopeo()
    verify([IMAGE, f"{IMAGE}b"], rules, 10)
    assert (programs / "asked").read_text().splitlines()[1:] == [f"docker://{IMAGE}", f"docker://{IMAGE}b"]


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ({"error": "Debian-local change: sigstore disabled"}, "unsupported_version"),
        ({"error": "reading manifest v1 in registry.example.com/os/kde: manifest unknown"}, "not_found"),
        ({"error": "pinging container registry registry.example.com: dial tcp: connection refused"}, "network"),
        ({"error": "unauthorized: authentication required"}, "auth"),
        ({"error": 'Error parsing signature storage configuration: "docker" namespace defined both'}, "invalid"),
        ({"stderr": 'time="x" level=fatal msg="unknown flag: --sockfd"'}, "unsupported_version"),
        ({"stderr": 'level=fatal msg="Error loading trust policy: Unknown key \\"keyPaths\\""'}, "invalid"),
        ({"error": "", "babbles": True}, "unexpected"),
    ],
)
def test_trouble_is_no_verdict(skopeo, rules, said, kind):
    skopeo(**said)
    with pytest.raises(BootcError) as refused:
        refusal(IMAGE, rules, 10)
    assert refused.value.kind == kind


def test_a_silent_registry_is_waited_for_as_long_as_told(skopeo, rules):
    skopeo(sleep=5)
    with pytest.raises(BootcError) as refused:
        refusal(IMAGE, rules, 0.5)
    assert refused.value.kind == "timeout"


def test_without_skopeo_it_is_said_what_is_missing(rules, monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(BootcError, match="Install skopeo"):
        refusal(IMAGE, rules, 10)


def test_a_policy_that_skopeo_cannot_read_is_known_without_a_registry(skopeo, rules):
    skopeo(stderr='msg="determining manifest MIME type: no such file or directory"')
    assert loads(rules.policy, 10) is None
    skopeo(stderr='msg="Error loading trust policy: Unknown key keyPaths"')
    assert "keyPaths" in (loads(rules.policy, 10) or "")


def test_what_the_host_has_configured_is_not_overruled():
    assert command(Rules(Path("p")), 7) == ["skopeo", "--policy", "p", "experimental-image-proxy", "--sockfd", "7"]
    full = command(Rules(Path("p"), Path("d"), tls_verify=False, auth_file=Path("a")), 7)
    assert full[3:5] == ["--registries.d", "d"]
    assert full[-3:] == ["--tls-verify=false", "--authfile", "a"]
