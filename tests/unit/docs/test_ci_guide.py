# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the pipelines of the CI guide call is there, takes what it is given, and gets no secret on a command line."""

from __future__ import annotations

import hashlib
import json
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.spec import parse_spec

from tests.unit.image_modules.fakes import Guard, serve

REPOSITORY = Path(__file__).resolve().parents[3]
TEXT = (REPOSITORY / "docs" / "ci.md").read_text(encoding="utf-8")
PAGES = [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").glob("*.md"))]
PLAYBOOKS = sorted((REPOSITORY / "playbooks").glob("*.yml"))
OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
SECRET = re.compile(r"PASSWORD|PASSPHRASE|SIGN_KEY|secrets\.")


def blocks(kind: str, text: str = TEXT) -> list[Any]:
    """The YAML that follows a mark, loaded."""
    found = re.findall(rf"<!-- {kind} -->\n+```yaml\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    return [yaml.safe_load(block) for block in found]


def script_lines(step: Any) -> list[str]:
    """The commands of a step of GitHub, or of an entry of a script of GitLab, with continued lines as one."""
    text = step if isinstance(step, str) else step.get("run", "")
    return [line.strip() for line in text.replace("\\\n", " ").splitlines() if line.strip()]


def commands(text: str = TEXT) -> list[str]:
    """Every command of the pipelines."""
    steps = [step for flow in blocks("github", text) for job in flow["jobs"].values() for step in job["steps"]]
    for flow in blocks("gitlab", text):
        jobs = [*(job for job in flow.values() if isinstance(job, dict))]
        steps += [
            line for job in jobs for key in ("before_script", "script", "after_script") for line in job.get(key, [])
        ]
    return [line for step in steps for line in script_lines(step)]


CALLS = [line for line in commands() if line.startswith("ansible-playbook skorionos.bootc.")]


def understood(playbook: str) -> str:
    """The text of a playbook and of the roles it includes: a variable that is in none of them has no effect."""
    text = (REPOSITORY / "playbooks" / f"{playbook}.yml").read_text(encoding="utf-8")
    roles = re.findall(r"name: skorionos\.bootc\.([a-z_]+)$", text, re.MULTILINE)
    files = [path for role in roles for path in sorted((REPOSITORY / "roles" / role).rglob("*.yml"))]
    return "\n".join([text, *(path.read_text(encoding="utf-8") for path in files)])


def given(command: str) -> list[str]:
    """Names of the variables that a command gives one by one."""
    words = shlex.split(command)
    values = [words[place + 1] for place, word in enumerate(words) if word == "-e"]
    return [value.partition("=")[0] for value in values if value[0] not in "@{["]


def test_the_guide_has_pipelines_for_both_and_they_are_complete() -> None:
    assert len(blocks("github")) >= 3
    for flow in blocks("github"):
        assert {"name", True, "concurrency", "permissions", "jobs"} <= set(flow), flow  # YAML reads on as true
        for job in flow["jobs"].values():
            assert job["runs-on"]
            assert set(re.split(r", ?", job.get("needs", ""))) - {""} <= set(flow["jobs"])
            assert all(("run" in step) != ("uses" in step) for step in job["steps"])
    (flow,) = blocks("gitlab")
    stages = flow["stages"]
    jobs = {name: job for name, job in flow.items() if isinstance(job, dict) and name not in {"default", "variables"}}
    for job in jobs.values():
        base = jobs.get(job.get("extends", ""), {})
        assert {**base, **job}["stage"] in stages
        assert {**base, **job}["script"]
        assert set(job.get("needs", [])) <= set(jobs)


def test_every_playbook_that_is_called_takes_every_variable_it_is_given() -> None:
    assert len(CALLS) >= 15
    for command in CALLS:
        playbook = shlex.split(command)[1].removeprefix("skorionos.bootc.")
        known = understood(playbook)
        assert [name for name in given(command) if not re.search(rf"\b{name}\b", known)] == [], command


def test_whatever_verifies_is_told_how_the_runner_can() -> None:
    # variants.yml has bootc_verify_method, as the skopeo of the runner is too old to verify.
    assert "bootc_verify_method: registry" in TEXT
    verifying = [line for line in CALLS if re.search(r"bootc\.(sign|promote) |bootc_sign_key=", line)]
    assert len(verifying) >= 6
    assert [line for line in verifying if "-e @variants.yml" not in line] == []


def test_a_variable_that_nobody_takes_is_found() -> None:
    assert given("ansible-playbook x -e @v.yml -e bootc_nonsense=1 -e '{\"a\": 1}'") == ["bootc_nonsense"]
    assert "bootc_nonsense" not in understood("build")
    assert "bootc_platform" in understood("build")


def test_every_variable_and_playbook_the_guide_speaks_of_is_there() -> None:
    everything = "".join(understood(path.stem) for path in PLAYBOOKS)
    names = set(re.findall(r"\bbootc_[a-z_]+\b", TEXT))
    assert {name for name in names if not re.search(rf"\b{name}\b", everything)} == set()
    called = set(re.findall(r"skorionos\.bootc\.([a-z_]+)", TEXT)) - {"image_index"}
    assert called <= {path.stem for path in PLAYBOOKS}


def test_no_secret_is_on_a_command_line_and_nothing_typed_becomes_a_command() -> None:
    for command in commands():
        assert "${{ secrets." not in command
        assert "${{ inputs." not in command
        words = command.split("|")[0] if command.startswith("printf ") else command
        for word in shlex.split(words):
            # Of the shell itself, which starts no process; else only where a file is named.
            hidden = command.startswith("printf ") or re.match(r"bootc_sign_(key|passphrase_file)=\$[A-Z_]+", word)
            assert hidden or not SECRET.search(word), command


@pytest.mark.parametrize("page", [*PAGES, *PLAYBOOKS], ids=lambda page: page.name)
def test_a_value_with_spaces_is_quoted_for_ansible_too(page: Path) -> None:
    # Ansible splits what follows -e at spaces, after the shell took its quotes away: only the first word would arrive.
    assert re.findall(r"-e bootc_[a-z_]+='[^'{]* [^']*'", page.read_text(encoding="utf-8")) == []


def put(place: str, document: dict[str, Any], media_type: str) -> dict[str, Any]:
    """Give the fake registry a document by its digest; returns its descriptor."""
    raw = json.dumps(document).encode()
    digest = f"sha256:{hashlib.sha256(raw).hexdigest()}"
    requests.put(f"{place}/{digest}", data=raw, headers={"Content-Type": media_type}, timeout=10).raise_for_status()
    return {"mediaType": media_type, "digest": digest, "size": len(raw)}


def test_architectures_of_two_runners_become_one_release(tmp_path: Path, collections_path: Path) -> None:
    """Runs join.yml of the guide on what two runners published."""
    (join,) = blocks("playbook")
    (tmp_path / "join.yml").write_text(yaml.safe_dump(join, sort_keys=False))
    guard = Guard()
    server = serve(guard)
    registry = f"127.0.0.1:{server.server_address[1]}"
    digests = {}
    (tmp_path / "releases").mkdir()
    for arch in ("amd64", "arm64"):
        config = put(f"http://{registry}/v2/os/blobs", {"os": "linux", "architecture": arch}, OCI_CONFIG)
        manifest = {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config, "layers": []}
        digests[arch] = put(f"http://{registry}/v2/os/manifests", manifest, OCI_MANIFEST)["digest"]
        image = {
            "name": "kde",
            "image": f"{registry}/os",
            "digest": digests[arch],
            "size": 7,
            "created": "1970-01-01T00:00:00Z",
        }
        (tmp_path / "releases" / f"{arch}.json").write_text(json.dumps({"version": "1.0.0", "variants": [image]}))
    # The fake registry has no TLS, which that of the guide has.
    (tmp_path / "registries.conf").write_text(f'[[registry]]\nlocation = "{registry}"\ninsecure = true\n')
    (tmp_path / "ansible.cfg").touch()
    try:
        ended = subprocess.run(
            [
                str(Path(sys.executable).with_name("ansible-playbook")),
                *("join.yml", "-e", '{"join_architectures": ["amd64", "arm64"]}'),
            ],
            cwd=tmp_path,
            env={
                "PATH": "/usr/bin:/bin",
                "HOME": str(tmp_path),
                "LC_ALL": "C.UTF-8",
                "ANSIBLE_COLLECTIONS_PATH": str(collections_path),
                "ANSIBLE_CONFIG": str(tmp_path / "ansible.cfg"),
                "CONTAINERS_REGISTRIES_CONF": str(tmp_path / "registries.conf"),
            },
            capture_output=True,
            text=True,
            check=False,
        )
    finally:
        server.shutdown()
        server.server_close()
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert guard.tags[-1] == "os:kde-v1.0.0"
    release = json.loads((tmp_path / "releases" / "release.json").read_text())
    (kde,) = release["variants"]
    assert kde["platforms"] == {f"linux/{arch}": digest for arch, digest in digests.items()}
    assert kde["digest"] not in digests.values()
    spec = parse_spec({"schema": 1, "id": "x", "release": "release.json"}, release=release)
    assert [(variant.name, variant.digest) for variant in spec.variants] == [("kde", kde["digest"])]
