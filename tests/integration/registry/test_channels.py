# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbooks of channels and the modules of tags and indexes against a real docker-registry."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml

from .conftest import digest

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
VERSION = "org.opencontainers.image.version"


@dataclass
class Run:
    code: int
    said: str

    @property
    def changed(self) -> int:
        return sum(map(int, re.findall(r" changed=(\d+) ", self.said)))


class Site:
    """A folder in which somebody types commands, and a registry that keeps images in it."""

    def __init__(self, folder: Path, collections_path: Path, address: str) -> None:
        self.folder = folder
        self.address = address
        self.api = f"http://{address}/v2/os"
        self.environment = {
            "PATH": "/usr/bin:/bin",
            "HOME": str(folder),
            "LC_ALL": "C.UTF-8",
            "ANSIBLE_COLLECTIONS_PATH": str(collections_path),
            "ANSIBLE_CONFIG": str(folder / "ansible.cfg"),
            "ANSIBLE_PYTHON_INTERPRETER": sys.executable,
        }
        (folder / "ansible.cfg").touch()

    def publish(self, version: str, *tags: str, architecture: str = "amd64") -> str:
        """Push an image as an engine would; return its digest."""
        labels = {VERSION: version, "for": tags[0]}
        config = json.dumps({"os": "linux", "architecture": architecture, "config": {"Labels": labels}}).encode()
        begun = requests.post(f"{self.api}/blobs/uploads/", timeout=5)
        place = begun.headers["Location"]
        requests.put(f"{place}&digest={digest(config)}", data=config, timeout=5).raise_for_status()
        document = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": {
                "mediaType": "application/vnd.oci.image.config.v1+json",
                "digest": digest(config),
                "size": len(config),
            },
            "layers": [],
        }
        manifest = json.dumps(document, indent=3).encode()
        for tag in tags:
            answer = requests.put(
                f"{self.api}/manifests/{tag}", data=manifest, headers={"Content-Type": MANIFEST}, timeout=5
            )
            answer.raise_for_status()
        return digest(manifest)

    def at(self, tag: str) -> str | None:
        accept = f"{MANIFEST}, application/vnd.oci.image.index.v1+json"
        answer = requests.get(f"{self.api}/manifests/{tag}", headers={"Accept": accept}, timeout=5)
        return digest(answer.content) if answer.status_code == 200 else None

    def play(self, name: str, *arguments: str, **variables: Any) -> Run:
        given = {"bootc_repository": f"{self.address}/os", "bootc_tls_verify": False, **variables}
        (self.folder / "variables.yml").write_text(yaml.safe_dump(given))
        ended = subprocess.run(
            [
                str(Path(sys.executable).with_name("ansible-playbook")),
                name if name.endswith(".yml") else f"skorionos.bootc.{name}",
                *("-e", "@variables.yml", *arguments),
            ],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        return Run(ended.returncode, " ".join((ended.stdout + ended.stderr).split()))


@pytest.fixture
def site(tmp_path: Path, collections_path: Path, start_registry: Callable[..., str]) -> Site:
    folder = tmp_path / "typed-here"
    folder.mkdir()
    return Site(folder, collections_path, start_registry())


VARIANTS = [{"name": "base"}, {"name": "kde", "parent": "base"}, {"name": "gnome", "parent": "base"}]


@pytest.mark.exhaustive
def test_a_release_goes_through_its_channels_and_back(site: Site) -> None:
    wanted = {"bootc_variants": VARIANTS, "bootc_channel": "stable"}
    old = {name: site.publish("1.0", f"{name}-stable") for name in ("kde", "gnome")}
    new = {name: site.publish("1.1", f"{name}-latest", f"{name}-testing") for name in ("kde", "gnome")}

    def stable() -> dict[str, str | None]:
        return {name: site.at(f"{name}-stable") for name in new}

    (site.folder / "checks.yml").write_text(
        yaml.safe_dump(
            [
                {
                    "name": "Refuse one",
                    "ansible.builtin.assert": {
                        "that": "bootc_channel_move.to != refused",
                        "fail_msg": "{{ bootc_channel_move.image }}@{{ bootc_channel_move.to }} is not signed",
                    },
                }
            ]
        )
    )
    checked = {**wanted, "bootc_promote_checks": "checks.yml"}
    refused = site.play("promote", **checked, refused=new["gnome"])
    assert refused.code == 2, refused.said
    assert f"{new['gnome']} is not signed" in refused.said
    assert stable() == old

    brought = [{"name": name, "digest": image} for name, image in new.items()]
    proofs = [{"variant": name, "wave": "all", "proven": True, "catching_up": False} for name in new]
    testers = {"id": "testers", "phase": "completed", "reverted_by": None, "variants": brought, "waves": []}
    (site.folder / "testers.json").write_text(json.dumps({**testers, "devices": proofs}))
    predicted = site.play("promote", "--check", **wanted, bootc_promote_rollout="testers.json")
    assert (predicted.code, stable()) == (0, old), predicted.said
    assert "kde-stable, gnome-stable would be moved" in predicted.said
    done = site.play("promote", **checked, refused="none", bootc_channel_why="the soak was quiet")
    assert (done.code, stable()) == (0, new), done.said
    (site.folder / "release.json").write_text(json.dumps({"version": "1.1", "variants": brought}))
    again = site.play("promote", **wanted, bootc_only="kde,gnome", bootc_channel_release="release.json")
    assert (again.code, again.changed) == (0, 0), again.said
    assert "[WARNING]: Found duplicate" not in done.said
    assert "Nothing was moved: every variant of stable has it already" in again.said

    demotion = {"bootc_channel_version": "1.1", "bootc_channel_why": "it hangs"}
    demoted = site.play("demote", **wanted, **demotion)
    assert (demoted.code, stable()) == (0, old), demoted.said

    def lines() -> list[dict[str, Any]]:
        return [json.loads(line) for line in (site.folder / "channels.jsonl").read_text().splitlines()]

    undone = site.play("channel_undo", bootc_channel_operation=lines()[-1]["operation"])
    assert (undone.code, stable()) == (0, new), undone.said
    journal = lines()
    assert [line["verb"] for line in journal if line["state"] == "done"] == [
        *("promote", "promote", "demote", "demote", "undo", "undo")
    ]
    assert {line["from"] for line in journal if line["verb"] == "undo"} == set(old.values())


@pytest.mark.exhaustive
def test_tags_and_indexes_are_put_through_the_api(site: Site) -> None:
    images = {f"linux/{name}": site.publish("1.0", f"v1-{name}", architecture=name) for name in ("amd64", "arm64")}
    registry = {"tls_verify": False}
    play = {
        "hosts": "localhost",
        "gather_facts": False,
        "tasks": [
            {
                "name": "Publish both",
                "skorionos.bootc.image_index": {
                    **registry,
                    "image": f"{site.address}/os:v1",
                    "images": images,
                    "annotations": {VERSION: "1.0"},
                },
                "register": "index",
            },
            {
                "name": "Tag it",
                "skorionos.bootc.image_tag": {
                    **registry,
                    "image": f"{site.address}/os@{{{{ index.digest }}}}",
                    "tags": ["stable", "latest"],
                },
            },
        ],
    }
    (site.folder / "site.yml").write_text(yaml.safe_dump([play]))
    done = site.play("site.yml")
    assert (done.code, done.changed) == (0, 2), done.said
    assert site.at("v1") is not None
    assert site.at("stable") == site.at("latest") == site.at("v1")
    again = site.play("site.yml")
    assert (again.code, again.changed) == (0, 0), again.said
