# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbooks build and publish with a fake engine and registry: what reaches these, and what is refused before."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.spec import parse_spec

from tests.unit.image_modules.fakes import Guard, install_fake_cosign, install_fake_podman, serve

TREE: dict[str, Any] = {
    "bootc_variants": [{"name": "base"}, {"name": "kde", "parent": "base"}, {"name": "gnome", "parent": "base"}],
    "bootc_images_directory": "images",
    "bootc_version": "1.0.0",
    "bootc_tls_verify": False,
}

PLAYBOOKS = Path(__file__).resolve().parents[3] / "playbooks"


@dataclass
class Run:
    """One ended run of ansible-playbook."""

    code: int
    said: str

    @property
    def changed(self) -> int:
        """Number of changed tasks over all hosts."""
        return sum(map(int, re.findall(r" changed=(\d+) ", self.said)))


class Site:
    """A folder in which somebody types commands, with a fake podman and a fake registry."""

    def __init__(self, folder: Path, collections_path: Path, registry: str, guard: Guard) -> None:
        self.folder = folder / "typed-here"
        self.store = folder / "store"
        self.registry = registry
        self.guard = guard
        for node in ("base", "kde", "gnome"):
            (self.folder / "images" / node).mkdir(parents=True)
            (self.folder / "images" / node / "Containerfile").write_text("ARG PARENT\nFROM ${PARENT}\n")
        self.store.mkdir()
        (folder / "ansible.cfg").touch()  # an empty one, so that no other is found
        self.environment = {
            "PATH": f"{install_fake_podman(folder / 'bin')}:/usr/bin:/bin",
            "HOME": str(folder),
            "LC_ALL": "C.UTF-8",
            "ANSIBLE_COLLECTIONS_PATH": str(collections_path),
            "ANSIBLE_CONFIG": str(folder / "ansible.cfg"),
            "ANSIBLE_PIPELINING": "1",
            "ANSIBLE_PYTHON_INTERPRETER": sys.executable,
            "FAKE_PODMAN_STORE": str(self.store),
        }

    def play(self, name: str, *arguments: str, **variables: Any) -> Run:
        """Run a playbook of the collection by its name, or a file, with the tree and further variables as a file."""
        given = {**TREE, "bootc_repository": f"{self.registry}/os", **variables}
        (self.folder / "variables.yml").write_text(yaml.safe_dump(given))
        program = str(Path(sys.executable).with_name("ansible-playbook"))
        ended = subprocess.run(
            [program, name if name.endswith(".yml") else f"skorionos.bootc.{name}", "-e", "@variables.yml", *arguments],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        return Run(ended.returncode, " ".join((ended.stdout + ended.stderr).split()))

    def calls(self, verb: str) -> list[list[str]]:
        """Command lines of podman with this verb."""
        log = self.store / "log"
        lines = log.read_text().splitlines() if log.exists() else []
        return [argv for argv in map(json.loads, lines) if argv[0] == verb]


@pytest.fixture
def site(tmp_path: Path, collections_path: Path) -> Iterator[Site]:
    guard = Guard()
    server = serve(guard)
    yield Site(tmp_path, collections_path, f"127.0.0.1:{server.server_address[1]}", guard)
    server.shutdown()
    server.server_close()


def value_after(argv: list[str], flag: str) -> str:
    return argv[argv.index(flag) + 1]


def test_a_release_is_built_and_published_once_with_the_moving_tags_last(site: Site) -> None:
    built = site.play("build")
    assert (built.code, len(site.calls("build"))) == (0, 3), built.said
    assert site.play("build").changed == 0
    published = site.play("publish")
    assert published.code == 0, published.said
    assert site.guard.tags == [
        *("os:kde-v1.0.0", "os:gnome-v1.0.0"),
        *("os:kde-latest", "os:gnome-latest"),
    ]
    release = json.loads((site.folder / "releases" / "v1.0.0.json").read_text())
    assert [variant["name"] for variant in release["variants"]] == ["kde", "gnome"]
    assert all(variant["digest"].startswith("sha256:") for variant in release["variants"])
    kde = release["variants"][0]
    assert (kde["parent"], kde["tags"]) == ("base", ["kde-v1.0.0", "kde-latest"])
    assert kde["moving_tags"] == ["kde-latest"]
    assert all(kde[key].startswith("sha256:") for key in ("config_digest", "input_hash"))
    assert [layer["size"] for layer in kde["layers"]] == [7]
    spec = parse_spec({"schema": 1, "id": "x", "release": "v1.0.0.json"}, release=release)
    assert [variant.digest for variant in spec.variants] == [variant["digest"] for variant in release["variants"]]
    assert site.play("publish").changed == 0
    assert len(site.calls("push")) == 2


def test_tags_can_have_the_date_and_the_revision(site: Site) -> None:
    tags = ["{variant}-{revision}", "{variant}-{date}", "{variant}-latest"]
    built = site.play("build", bootc_tags=tags)
    assert built.code == 0, built.said
    refused = site.play("publish", bootc_tags=tags)
    assert refused.code == 2
    assert "Give bootc_revision" in refused.said
    assert site.guard.tags == []
    published = site.play("publish", bootc_tags=tags, bootc_date="20261123", bootc_revision="0123456789" * 4)
    assert published.code == 0, published.said
    assert site.guard.tags == [
        *("os:kde-0123456", "os:kde-20261123", "os:gnome-0123456", "os:gnome-20261123"),
        *("os:kde-latest", "os:gnome-latest"),
    ]


def test_platforms_of_a_variant_are_published_as_one_index(site: Site) -> None:
    tree = [{"name": "base", "platforms": ["linux/amd64", "linux/arm64"]}, {"name": "kde", "parent": "base"}]
    built = site.play("build", bootc_variants=tree)
    assert built.code == 0, built.said
    published = site.play("publish", bootc_variants=tree)
    assert published.code == 0, published.said
    assert site.guard.tags == ["os:kde-v1.0.0-amd64", "os:kde-v1.0.0-arm64", "os:kde-v1.0.0", "os:kde-latest"]
    (kde,) = json.loads((site.folder / "releases" / "v1.0.0.json").read_text())["variants"]
    assert sorted(kde["platforms"]) == ["linux/amd64", "linux/arm64"]
    assert kde["digest"] not in kde["platforms"].values()
    assert site.play("publish", bootc_variants=tree).changed == 0
    tree[0]["platforms"].append("linux/riscv64")
    assert site.play("build", bootc_variants=tree).code == 0
    # A text, as everything that is given like this.
    refused = site.play("publish", "-e", "bootc_publish_replace=false", bootc_variants=tree)
    assert refused.code == 2
    assert "os:kde-v1.0.0 was expected to be not there" in refused.said
    assert site.guard.tags[4:] == ["os:kde-v1.0.0-riscv64"]


def test_a_version_that_is_published_stays_what_it_is(site: Site) -> None:
    site.play("build")
    assert site.play("publish").code == 0
    before = list(site.guard.tags)
    (site.folder / "images" / "kde" / "Containerfile").write_text("ARG PARENT\nFROM ${PARENT}\nRUN echo changed\n")
    assert site.play("build").code == 0
    refused = site.play("publish")
    assert refused.code == 2
    assert f"{site.registry}/os:kde-v1.0.0 is another image already" in refused.said
    assert site.guard.tags == before
    replaced = site.play("publish", bootc_publish_replace=True)
    assert replaced.code == 0, replaced.said
    assert site.guard.tags[len(before) :] == ["os:kde-v1.0.0", "os:kde-latest"]


def test_a_job_that_runs_again_after_a_newer_release_leaves_the_moving_tags_there(site: Site) -> None:
    for version in ("1.9.0", "1.10.0"):
        assert site.play("build", bootc_version=version).code == 0
        assert site.play("publish", bootc_version=version).code == 0
    before = list(site.guard.tags)
    assert before[-2:] == ["os:kde-latest", "os:gnome-latest"]
    again = site.play("publish", bootc_version="1.9.0")
    assert (again.code, again.changed, site.guard.tags) == (0, 0, before), again.said
    assert f"{site.registry}/os:kde-latest stays at 1.10.0, because 1.9.0 is older" in again.said
    # A text, as everything that is given like this.
    foreseen = site.play("publish", "--check", "-e", "bootc_publish_move_back=true", bootc_version="1.9.0")
    assert (foreseen.code, foreseen.changed > 0, site.guard.tags) == (0, True, before), foreseen.said
    moved = site.play("publish", "-e", "bootc_publish_move_back=true", bootc_version="1.9.0")
    assert (moved.code, "stays at" in moved.said) == (0, False), moved.said
    assert site.guard.tags[len(before) :] == ["os:kde-latest", "os:gnome-latest"]


def test_no_moving_tag_moves_when_a_later_variant_fails(site: Site) -> None:
    site.play("build")
    (site.store / "refuse-push").write_text("gnome")
    assert site.play("publish").code == 2
    assert site.guard.tags == ["os:kde-v1.0.0"]
    assert not (site.folder / "releases").exists()


def test_no_moving_tag_moves_before_the_images_are_signed_as_devices_want_it(site: Site) -> None:
    install_fake_cosign(site.folder.parent / "bin")
    make = ["openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", "ours.key"]
    subprocess.run(make, cwd=site.folder, check=True, capture_output=True)
    show = ["openssl", "ec", "-in", "ours.key", "-pubout", "-out", "ours.pub"]
    subprocess.run(show, cwd=site.folder, check=True, capture_output=True)
    (site.folder / "passphrase").write_text("correct horse\n")
    signing = {
        "bootc_sign_key": "ours.key",
        "bootc_sign_passphrase_file": "passphrase",
        "bootc_verify_method": "registry",
    }
    site.play("build")
    (site.store / "sign-elsewhere").touch()
    refused = site.play("publish", **signing)
    assert refused.code == 2
    assert "there is no signature beside it that" in refused.said
    assert [tag.partition("sha256-")[0] for tag in site.guard.tags] == ["os:kde-v1.0.0", "os:gnome-v1.0.0", "os:"]
    assert not (site.folder / "releases").exists()

    (site.store / "sign-elsewhere").unlink()
    site.guard.tags.clear()
    published = site.play("publish", **signing)
    assert published.code == 0, published.said
    # The variants of this tree are one image.
    assert site.guard.tags[0].endswith(".sig")
    assert site.guard.tags[1:] == ["os:kde-latest", "os:gnome-latest"]
    assert not [argv for argv in site.calls("sign") if "correct horse" in " ".join(argv)]
    assert "correct horse" not in published.said
    assert site.play("publish", **signing).changed == 0


def test_only_what_devices_would_take_is_promoted(site: Site) -> None:
    install_fake_cosign(site.folder.parent / "bin")
    for name in ("ours", "theirs"):
        make = ["openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", f"{name}.key"]
        subprocess.run(make, cwd=site.folder, check=True, capture_output=True)
        show = ["openssl", "ec", "-in", f"{name}.key", "-pubout", "-out", f"{name}.pub"]
        subprocess.run(show, cwd=site.folder, check=True, capture_output=True)
    (site.folder / "passphrase").write_text("correct horse\n")
    (site.folder / "auth.json").write_text("{}")
    given = {"bootc_verify_method": "registry", "bootc_auth_file": "auth.json"}
    wanted = {**given, "bootc_channel": "stable", "bootc_only": "kde, gnome", "bootc_channel_journal": "~/moves.jsonl"}
    site.play("build")
    site.play("publish", bootc_tags=["{variant}-v{version}", "{variant}-testing"])
    signing = {"bootc_sign_key": "ours.key", "bootc_sign_passphrase_file": "$HOME/typed-here/passphrase"}
    signed = site.play("sign", **given, **signing, bootc_release_file="releases/v1.0.0.json")
    assert signed.code == 0, signed.said

    refused = site.play("promote", **wanted, bootc_verify_keys="theirs.pub", bootc_trust_keys=["ours.pub"])
    assert refused.code == 2, refused.said
    assert "has no signature that devices would accept" in refused.said
    assert not [tag for tag in site.guard.tags if tag.endswith("-stable")]
    promoted = site.play("promote", **wanted, bootc_trust_keys="theirs.pub, ~/typed-here/ours.pub")
    assert promoted.code == 0, promoted.said
    assert site.guard.tags[-2:] == ["os:kde-stable", "os:gnome-stable"]
    moves = site.folder.parent / "moves.jsonl"
    assert [json.loads(line)["state"] for line in moves.read_text().splitlines()] == ["begun", "done"] * 2

    taking_back = {"bootc_channel_version": "9", "bootc_channel_why": "it hangs"}
    demoted = site.play("demote", **wanted, **taking_back)
    assert (demoted.code, "Nothing was moved back" in demoted.said) == (0, True), demoted.said
    undone = site.play("channel_undo", bootc_channel_journal="~/moves.jsonl", bootc_auth_file="auth.json")
    assert "did not exist before" in undone.said


def test_tags_without_a_version_alone_are_published_as_well_and_those_of_a_variant_instead(site: Site) -> None:
    site.play("build")
    variants = [*TREE["bootc_variants"][:2], {"name": "gnome", "parent": "base", "tags": ["{variant}-own"]}]
    assert site.play("publish", bootc_tags="{variant}-edge, {variant}-nightly", bootc_variants=variants).code == 0
    assert site.guard.tags == ["os:kde-edge", "os:kde-nightly", "os:gnome-own"]


def test_no_tag_that_moves_is_carried_to_another_site(site: Site) -> None:
    variants = [*TREE["bootc_variants"][:2], {"name": "gnome", "parent": "base", "tags": ["{variant}-nightly"]}]
    nightly = {"bootc_version": "nightly", "bootc_variants": variants}
    site.play("build", **nightly)
    tags = ["{variant}-nightly-{revision}", "{variant}-nightly"]
    assert site.play("publish", **nightly, bootc_tags=tags, bootc_revision="abc1234").code == 0
    file = site.folder / "releases" / "vnightly.json"
    release = json.loads(file.read_text())
    assert [one["moving_tags"] for one in release["variants"]] == [["kde-nightly"], ["gnome-nightly"]]

    (export,) = yaml.safe_load((PLAYBOOKS / "image_export.yml").read_text())
    write = {"content": "{{ bootc_archive_released | to_json }}", "dest": str(site.folder / "released.json")}
    tasks = [{"name": "Write what would be exported", "ansible.builtin.copy": write}]
    (site.folder / "show.yml").write_text(yaml.safe_dump([{**export, "tasks": tasks}]))

    def carried() -> list[str]:
        shown = site.play("show.yml", bootc_release_file="releases/vnightly.json")
        assert shown.code == 0, shown.said
        images = json.loads((site.folder / "released.json").read_text())
        return [image.removeprefix(f"{site.registry}/os:").partition("@")[0] for image in images]

    assert carried() == ["kde-nightly-abc1234", "gnome-vnightly"]
    for one in release["variants"]:
        del one["moving_tags"]
    file.write_text(json.dumps(release))
    assert carried() == ["kde-nightly-abc1234", "kde-nightly", "gnome-nightly"]


@pytest.mark.parametrize("tags", [["v{version}", "{variant}-latest"], ["{variant}-v{version}", "latest"], "latest"])
def test_two_variants_in_one_place_are_refused_before_anything(site: Site, tags: Any) -> None:
    refused = site.play("publish", bootc_tags=tags)
    assert refused.code == 2
    assert re.search(rf"More than one variant would be published as {site.registry}/os:(v1\.0\.0|latest)", refused.said)
    assert "Put {variant} into bootc_repository" in refused.said
    assert site.calls("image") == []


def test_names_in_one_text_are_a_list(site: Site) -> None:
    site.play("build", "-e", "bootc_only=kde")
    assert len(site.calls("build")) == 2
    site.play("build", "-e", "bootc_only=kde,gnome")
    assert len(site.calls("build")) == 3
    site.play("publish", "-e", "bootc_only=gnome,kde", "-e", "bootc_tags={variant}-{version},{variant}")
    assert site.guard.tags == ["os:gnome-1.0.0", "os:kde-1.0.0", "os:gnome", "os:kde"]


@pytest.mark.parametrize("limit", ["deck-01", "all", "!deck-02"])
def test_a_limit_that_leaves_out_who_looks_after_the_registry_is_an_error(site: Site, limit: str) -> None:
    idle = site.play("image_retention", "--inventory", "deck-01,deck-02,", "--limit", limit)
    assert (idle.code, f"--limit {limit} leaves out localhost" in idle.said) == (2, True), idle.said


@pytest.mark.parametrize("limit", [["--limit", "deck-01,localhost"], []])
def test_a_limit_with_who_looks_after_the_registry_goes_on(site: Site, limit: list[str]) -> None:
    begun = site.play("image_retention", "--inventory", "deck-01,deck-02,", *limit)
    assert "Nothing says which repositories to look after" in begun.said


def test_a_version_that_was_read_as_a_number_is_taken_out_of_no_channel(site: Site) -> None:
    wanted = {"bootc_channel": "stable", "bootc_channel_why": "it hangs"}
    refused = site.play("demote", **wanted, bootc_channel_version=1.10)
    assert refused.code == 2, refused.said
    assert "The version 1.1 is not a text. YAML reads it as a number" in refused.said


@pytest.mark.parametrize("playbook", ["build", "publish"])
def test_a_version_that_yaml_reads_as_a_number_is_refused(site: Site, playbook: str) -> None:
    refused = site.play(playbook, bootc_version=1.10)
    assert refused.code == 2
    assert "The version 1.1 is not a text" in refused.said
    assert "Put it in quotes" in refused.said
    assert site.calls("image") == []


def test_a_version_with_an_end_of_line_is_refused(site: Site) -> None:
    assert "cannot be part of a tag" in site.play("build", bootc_version="1.0.0\n").said


def test_relative_paths_start_where_the_command_was_typed(site: Site) -> None:
    for name in ("auth.json", "token"):
        (site.folder / name).write_text("{}")
    secrets = [{"id": "token", "path": "token"}, {"id": "home", "path": "~/token"}, {"id": "env", "env": "HOME"}]
    (site.folder.parent / "token").touch()
    assert site.play("build", bootc_auth_file="auth.json", bootc_build_secrets=secrets).code == 0
    build = site.calls("build")[-1]
    assert value_after(build, "--authfile") == str(site.folder / "auth.json")
    files = sorted(value_after(build, "--file") for build in site.calls("build"))
    assert files == [str(site.folder / "images" / node / "Containerfile") for node in ("base", "gnome", "kde")]
    assert [argument for argument in build if argument.startswith("id=")] == [
        f"id=token,src={site.folder}/token",
        f"id=home,src={site.folder.parent}/token",
        "id=env,env=HOME",
    ]
    assert site.play("publish", bootc_auth_file="auth.json").code == 0
    assert value_after(site.calls("push")[-1], "--authfile") == str(site.folder / "auth.json")


def test_the_home_folder_of_the_build_host_is_not_below_where_the_command_was_typed(site: Site) -> None:
    (site.folder / "images").rename(site.folder.parent / "elsewhere")
    assert site.play("build", bootc_images_directory="~/elsewhere").code == 0
    assert value_after(site.calls("build")[0], "--file") == f"{site.folder.parent}/elsewhere/base/Containerfile"


def test_check_mode_predicts_the_chain_and_fails_for_a_parent_nobody_builds(site: Site) -> None:
    predicted = site.play("build", "--check", "--diff")
    assert (predicted.code, predicted.changed) == (0, 1), predicted.said
    assert "kde: There is no image localhost/skorionos/kde:1.0.0 yet." in predicted.said
    misspelt = [{"name": "base", "base": "localhost/rotfs:1"}, {"name": "kde", "parent": "base"}]
    for check in ([], ["--check"]):
        refused = site.play("build", *check, bootc_variants=misspelt)
        assert refused.code == 2
        assert "The parent localhost/rotfs:1 is not in local storage" in refused.said
    assert site.calls("build") == []


def inventory(site: Site, everybody: Any, builders: Any, count: int = 1) -> str:
    """Return an inventory of a group builders, that names build hosts for all and for the group."""
    hosts = {f"builder-{number}": {"ansible_connection": "local"} for number in range(1, count + 1)}
    named = [{"bootc_build_hosts": hosts} if hosts else {} for hosts in (everybody, builders)]
    document = {"all": {"vars": named[0], "children": {"builders": {"hosts": hosts, "vars": named[1]}}}}
    path = site.folder / "hosts.yml"
    path.write_text(yaml.safe_dump(document))
    return str(path)


def test_build_hosts_may_be_named_in_the_inventory(site: Site) -> None:
    built = site.play("build", "-i", inventory(site, "builders", None))
    assert "builder-1 : ok=" in built.said
    assert len(site.calls("build")) == 3
    assert "builder-1 : ok=" in site.play("publish", "-i", inventory(site, "builders", None)).said
    assert len(site.calls("push")) == 2


def test_several_hosts_do_not_publish_over_each_other(site: Site) -> None:
    refused = site.play("publish", "-i", inventory(site, "builders", None, count=2))
    assert refused.code == 2
    assert "builder-1, builder-2 would all publish to the same tags" in refused.said
    assert site.calls("push") == []


def test_build_hosts_that_only_some_hosts_have_are_not_ignored_silently(site: Site) -> None:
    for playbook in ("build", "publish"):
        refused = site.play(playbook, "-i", inventory(site, None, "builders"))
        assert refused.code == 2
        assert "Define it for the group all" in refused.said
    built = site.play("build", "-i", inventory(site, None, "builders"), "-e", "bootc_build_hosts=builder-1")
    assert "builder-1 : ok=" in built.said
    assert built.code == 0
