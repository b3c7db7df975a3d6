# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The pipelines of the CI guide: what they call is there, takes what it is given, and gets no secret on a command line."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.unit.image_modules.fakes import Guard, serve
from tests.unit.image_roles.test_playbooks import Site

REPOSITORY = Path(__file__).resolve().parents[3]
TEXT = (REPOSITORY / "docs" / "ci.md").read_text(encoding="utf-8")
PAGES = [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").glob("*.md"))]
PLAYBOOKS = sorted((REPOSITORY / "playbooks").glob("*.yml"))
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
        steps += [line for job in jobs for key in ("before_script", "script", "after_script") for line in job.get(key, [])]
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


@pytest.fixture
def site(tmp_path: Path, collections_path: Path) -> Iterator[Site]:
    guard = Guard()
    server = serve(guard)
    yield Site(tmp_path, collections_path, f"127.0.0.1:{server.server_address[1]}", guard)
    server.shutdown()
    server.server_close()


def test_architectures_of_two_runners_become_one_release(site: Site) -> None:
    """Runs join.yml of the guide on what two runners published."""
    (join,) = blocks("playbook")
    (site.folder / "join.yml").write_text(yaml.safe_dump(join, sort_keys=False))
    tree = [{"name": "base"}, {"name": "kde", "parent": "base"}]
    parts = {}
    for arch in ("amd64", "arm64"):
        told = {
            "bootc_variants": tree,
            "bootc_tags": f"{{variant}}-v{{version}}-{arch},{{variant}}-latest-{arch}",
            "bootc_platform": f"linux/{arch}",
            "bootc_namespace": f"localhost/{arch}",  # another runner has a storage of its own
            "bootc_release_file": f"releases/{arch}.json",
        }
        for playbook in ("build", "publish"):
            ended = site.play(playbook, **told)
            assert ended.code == 0, ended.said
        (parts[arch],) = json.loads((site.folder / "releases" / f"{arch}.json").read_text())["variants"]
    assert parts["amd64"]["digest"] != parts["arm64"]["digest"]

    # The fake registry has no TLS, which the guide's has.
    (site.folder / "registries.conf").write_text(f'[[registry]]\nlocation = "{site.registry}"\ninsecure = true\n')
    for _ in range(2):
        ended_join = subprocess.run(
            [
                str(Path(sys.executable).with_name("ansible-playbook")),
                *("join.yml", "-e", '{"join_architectures": ["amd64", "arm64"]}'),
            ],
            cwd=site.folder,
            env={**site.environment, "CONTAINERS_REGISTRIES_CONF": str(site.folder / "registries.conf"), "TERM": "dumb"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert ended_join.returncode == 0, ended_join.stdout + ended_join.stderr
    release = json.loads((site.folder / "releases" / "release.json").read_text())
    assert release["version"] == "1.0.0"
    (kde,) = release["variants"]
    assert kde["platforms"] == {f"linux/{arch}": parts[arch]["digest"] for arch in parts}
    assert kde["digest"] not in kde["platforms"].values()
    assert "os:kde-v1.0.0" in site.guard.tags

    promoted = site.play(
        *("promote", "-e", "bootc_channel=latest", "-e", "bootc_channel_release=releases/release.json"),
        bootc_variants=tree,
    )
    assert promoted.code == 0, promoted.said
    assert site.guard.tags[-1] == "os:kde-latest"
