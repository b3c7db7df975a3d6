# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The commands of the guides about images, each page as one story, against real registries and with the real programs.

What is changed is where things are: registries on loopback, simulated devices, and a storage of images in the folder.
"""

from __future__ import annotations

import gzip
import io
import json
import os
import re
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml

from tests.desk import DOCS, Desk
from tests.guides import REPOSITORY, STEPS, blocks, step
from tests.real_registry import OCI_CONFIG, OCI_INDEX, OCI_MANIFEST, RealRegistry, digest_of, real_registry

pytestmark = [pytest.mark.integration, pytest.mark.exhaustive]

VERSION = "org.opencontainers.image.version"
HOME, SITE = "registry.example.com", "registry.site.example.com"


def layer(name: str, content: bytes) -> tuple[bytes, str]:
    """A packed layer with one file, and the digest of it unpacked."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        member = tarfile.TarInfo(name)
        member.size = len(content)
        archive.addfile(member, io.BytesIO(content))
    return gzip.compress(packed.getvalue(), mtime=0), digest_of(packed.getvalue())


def at(registry: RealRegistry, tag: str) -> str | None:
    """Digest at a tag."""
    accept = {"Accept": f"{OCI_MANIFEST}, {OCI_INDEX}"}
    return requests.head(registry.url(f"manifests/{tag}"), headers=accept, timeout=10).headers.get(
        "Docker-Content-Digest"
    )


class Workshop(Desk):
    """A desk with a registry, whose engine keeps images in the folder."""

    def __init__(self, folder: Path, collections: Path, registry: RealRegistry) -> None:
        super().__init__(folder, collections)
        self.home = registry
        self.words = {HOME: registry.address}
        self.typed: dict[str, set[str]] = {}
        (folder / "storage.conf").write_text(
            f'[storage]\ndriver = "vfs"\ngraphroot = "{folder}/storage"\nrunroot = "{folder}/storage-run"\n',
            encoding="utf-8",
        )
        (folder / "auth.json").write_text("{}", encoding="utf-8")
        self._environment |= {
            "CONTAINERS_STORAGE_CONF": str(folder / "storage.conf"),
            "REGISTRY_AUTH_FILE": str(folder / "auth.json"),
            "BUILDAH_ISOLATION": "chroot",
            "COSIGN_PASSWORD": "correct horse",
            "ANSIBLE_LOCALHOST_WARNING": "0",
        }
        self.without_tls(registry)

    def without_tls(self, registry: RealRegistry) -> None:
        path = self.folder / ".config" / "containers" / "registries.conf"
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a", encoding="utf-8") as file:
            file.write(f'[[registry]]\nlocation = "{registry.address}"\ninsecure = true\n')

    def have_programs(self) -> None:
        """Find programs that sign, and a skopeo that verifies, before others."""
        programs = os.environ.get("BOOTC_SIGNING_PROGRAMS")
        if programs is None:
            pytest.skip(
                "BOOTC_SIGNING_PROGRAMS names no folder with a skopeo that was built with sigstore, and a cosign"
            )
        self._environment["PATH"] = f"{programs}:{self._environment['PATH']}"

    def step(self, page: str, words: str, code: int = 0) -> None:
        """Type the command of a page that has these words."""
        self.type(step(page, words), code)
        self.typed.setdefault(page, set()).add(words)

    @property
    def has_changed(self) -> bool:
        """Whether the last playbook changed anything, as its recap says."""
        return re.search(r" changed=[1-9]", self.said) is not None

    def finish(self, page: str) -> None:
        assert self.typed[page] == set(STEPS[page]), "this page has commands that were not typed"

    def write_files(self, page: str, *names: str) -> None:
        """Write files of a page, by their names."""
        texts = {block.file: block.text for block in blocks(DOCS / page) if block.file}
        for name in names:
            self.write(name, texts[name])

    def release(self, version: str, *channels: str) -> dict[str, str]:
        """Put images of two variants into the registry, and write their release file; returns their digests."""
        base = layer("base", b"what both have" * 500)
        digests, variants = {}, []
        for name in ("kde", "gnome"):
            own = layer(name, version.encode())
            config: dict[str, Any] = {
                "os": "linux",
                "architecture": "amd64",
                "config": {"Labels": {VERSION: version}},
                "rootfs": {"type": "layers", "diff_ids": [base[1], own[1]]},
            }
            descriptor = self.home.blob(json.dumps(config).encode(), OCI_CONFIG)
            for tag in (f"{name}-v{version}", *(f"{name}-{channel}" for channel in channels)):
                digests[name] = str(self.home.image([base[0], own[0]], tag, config=descriptor)["digest"])
            image = {"name": name, "image": self.home.name, "digest": digests[name], "version": version}
            variants.append({**image, "tags": [f"{name}-v{version}"]})
        self.write(f"releases/v{version}.json", json.dumps({"version": version, "variants": variants}))
        return digests

    def base_image(self) -> None:
        """Have builds stand on an image in the registry with a shell, and with an apt-get that does nothing."""
        needed = "bin/sh $(ldd /bin/sh | grep -o '/[^ ]*' | sed s,^/,,)"
        self.type(f"mkdir -p base/usr/bin && tar -C / --dereference -c {needed} | tar -x -C base")
        for program in ("apt-get", "rm"):
            self.write(f"base/usr/bin/{program}", "#!/bin/sh\n")
        self.write("base/usr/lib/os-release", "ID=debian\n")
        labels = "--change 'LABEL containers.bootc=1'"
        self.type(f"chmod 0755 base/usr/bin/* && tar -C base -c . | podman import {labels} - localhost/base:1")
        self.type(f"podman push --digestfile digest localhost/base:1 {self.home.address}/os/debian-bootc:1")
        digest = (self.folder / "digest").read_text(encoding="utf-8")
        pinned = next(block.text for block in blocks(DOCS / "images-and-fleet.md") if block.file == "variants.yml")
        self.words = {pinned.partition("debian-bootc@")[2].partition("\n")[0]: digest, **self.words}

    def sources(self) -> None:
        """The files that images-and-fleet.md builds from, with those that it leaves to its readers."""
        self.base_image()
        self.write_files("images-and-fleet.md", "variants.yml", "images/kde/Containerfile")
        self.write("images/kde/rootfs/etc/kde", "one")
        self.write(
            "images/gnome/Containerfile", "ARG PARENT\nFROM ${PARENT}\nARG VERSION\nRUN echo ${VERSION} > /version\n"
        )
        self.write("images/base/Containerfile", "ARG PARENT\nFROM ${PARENT}\nRUN echo base > /base\n")

    def run_job(self, workflow: str, job: str, **environment: str) -> None:
        """Run what a job of a workflow in ci.md does itself, with what the runner would have in the environment."""
        self._environment |= environment
        flows = [yaml.safe_load(block.text) for block in blocks(DOCS / "ci.md") if "github" in block.marks]
        (steps,) = [flow["jobs"][job]["steps"] for flow in flows if flow["name"] == workflow]
        own = [str(one["run"]) for one in steps if str(one.get("run")).startswith(("ansible-playbook ", "jq "))]
        assert own
        for line in own:
            self.type(line)

    def devices(self, *hosts: str, image: str = "kde-v1.0.0") -> None:
        """Put simulated devices in the place of those of the inventory in images-and-fleet.md, and write it."""
        addresses = {"deck-01": 11, "deck-02": 12, "deck-03": 13, "pad-01": 21, "pad-02": 22}
        for host in hosts:
            self.type(
                f"python3 simulator device devices/{host} create --boot-seconds 1 --image {self.home.name}:{image}"
            )
        for host, number in addresses.items():
            self.words[f"ansible_host: 192.0.2.{number}"] = json.dumps(self.simulated(host)).strip("{}")
        self.write_files("images-and-fleet.md", "fleet/hosts.yml")


@pytest.fixture
def shop(tmp_path: Path, collections_path: Path) -> Iterator[Workshop]:
    folder = tmp_path / "typed-here"
    folder.mkdir()
    with real_registry(tmp_path / "home") as registry:
        made = Workshop(folder, collections_path, registry)
        made.write_files("images-and-fleet.md", "variants.yml")
        yield made
        made.end()


def test_what_images_share(shop: Workshop) -> None:
    page = "image-report.md"
    shop.words |= {"/media/usb": str(shop.folder / "usb"), "/var/tmp/kde": str(shop.folder / "layout")}
    for version in ("1.0.0", "1.1.0", "1.2.0"):
        shop.release(version)
    shop.write_files(page, "report.yml")
    shop.step(page, "-e @report.yml")
    report = json.loads((shop.folder / "image-report" / "image-report.json").read_text(encoding="utf-8"))
    assert len(report["updates"]) == 6, report
    assert {path.suffix for path in (shop.folder / "image-report").iterdir()} == {".json", ".txt", ".html"}

    shop.step("offline-sites.md", "bootc.image_export ")
    shop.step(page, "bootc_report_archive=")
    assert "kde 1.0.0" in shop.said

    shop.type('cd "$(mktemp -d)" && echo new > new && tar -c new | podman import - localhost/skorionos/kde:1.2.0')
    shop.step(page, "buildah push ")
    lists = [block.text for block in blocks(DOCS / page) if block.text.startswith("bootc_report_images:")]
    shop.write("images.yml", next(text for text in lists if "oci:" in text))
    shop.type("ansible-playbook skorionos.bootc.image_report -e @images.yml")
    assert "kde 1.1.0  kde 1.2.0" in shop.said
    shop.finish(page)


def test_old_images_go_from_the_registry(shop: Workshop) -> None:
    page = "registry-retention.md"
    digests = {version: shop.release(version) for version in ("0.8.0", "0.9.0", "1.0.0", "1.1.0")}
    shop.release("1.2.0", "latest", "testing", "stable", "nightly")
    shop.devices("deck-01", "deck-02", "deck-03", "pad-01", "pad-02", image="kde-v0.9.0")
    shop.write_files(page, "retention.yml")
    shop.write("rollouts/skorion-1.1.0/events.jsonl", json.dumps(digests["1.1.0"]) + "\n")
    shop.step(page, "bootc.image_retention ")
    said = " ".join(shop.said.split())
    assert "Devices have it: deck-01 (booted), deck-02 (booted), deck-03 (booted) and 2 more." in said
    assert f"would go kde-v0.8.0 image {digests['0.8.0']['kde']}: No rule keeps it" in said
    assert shop.home.has("kde-v0.8.0")
    shop.type(f"{step(page, 'bootc.image_retention ')} -e bootc_image_retention_apply=true")
    assert [version for version in digests if not shop.home.has(digests[version]["kde"])] == ["0.8.0"]
    shop.finish(page)


@pytest.fixture
def site(shop: Workshop, tmp_path: Path) -> Iterator[RealRegistry]:
    """The registry of a site without network."""
    with real_registry(tmp_path / "site") as registry:
        shop.without_tls(registry)
        # In the name of the folder with its release files there is no colon.
        shop.words |= {
            f"releases/{SITE}": f"releases/{registry.address.replace(':', '-')}",
            SITE: registry.address,
        }
        yield registry


def test_a_release_is_carried_to_a_site_without_network(shop: Workshop, site: RealRegistry) -> None:
    page = "offline-sites.md"
    shop.have_programs()
    shop.words["/media/usb"] = str(shop.folder / "usb")
    shop.type("mkdir keys")
    for name in ("2026", "site"):
        shop.type(f"cosign generate-key-pair --output-key-prefix keys/{name}")
    digests = shop.release("1.0.0")
    shop.step(page, "bootc.image_export ")
    # Nothing is signed at home yet.
    shop.step(page, "-e bootc_archive_source=", code=2)
    assert site.tags() == []
    shop.step(page, "-e bootc_archive_target='registry.site.example.com/{repository}'$")
    assert at(site, "kde-v1.0.0") == digests["kde"]
    shop.step(page, "bootc.promote ", code=2)
    assert at(site, "kde-latest") is None
    shop.step(page, "bootc.sign ")
    shop.devices("deck-01", "deck-02", "deck-03", "pad-01", "pad-02")
    shop.step(page, "bootc.trust ")
    kept = shop.folder / "devices" / "deck-01" / "root" / "etc" / "containers" / "skorionos-bootc"
    assert [path.name for path in kept.iterdir()] == ["site.pub"]
    shop.step(page, "bootc.promote ")
    assert at(site, "kde-latest") == digests["kde"]

    shop.step("signing.md", "bootc.sign -e @variants.yml -e bootc_sign_key=keys/2026.key")
    shop.step(page, "bootc.image_export ")
    shop.step(page, "-e bootc_archive_source=")
    assert "it was verified that one of the keys signed them" in shop.said
    shop.finish(page)


BUILT = "images-and-fleet.md"


def quick(text: str) -> str:
    """A spec whose waves do not soak."""
    return f"{text}wave_defaults: {{soak: 0s}}\nverify: {{settle: 0s}}\napply: {{contact_grace: 1s}}\n"


def test_images_are_built_published_and_rolled_out(shop: Workshop) -> None:
    shop.sources()
    shop.words["podman login"] = "podman login --username ci --password none"
    shop.step(BUILT, "bootc.build -e @variants.yml -e bootc_version=1.0.0")
    shop.step(BUILT, "bootc.build -e @variants.yml -e bootc_version=1.0.0")
    assert not shop.has_changed
    shop.step(BUILT, "podman login ")
    shop.step(BUILT, "bootc.publish -e @variants.yml -e bootc_version=1.0.0$")
    release = json.loads((shop.folder / "releases" / "v1.0.0.json").read_text(encoding="utf-8"))
    first = {variant["name"]: variant["digest"] for variant in release["variants"]}
    assert first == {name: at(shop.home, f"{name}-v1.0.0") for name in ("kde", "gnome")}
    shop.step(BUILT, "-e bootc_only=base ")
    assert shop.home.has("base-v1.0.0")

    shop.devices("deck-01", "deck-02", "deck-03")
    shop.devices("pad-01", "pad-02", image="gnome-v1.0.0")
    shop.step(BUILT, "bootc.status$")
    text = next(block.text for block in blocks(DOCS / BUILT) if block.file == "v1.0.0.yml")
    shop.write("v1.0.0.yml", quick(text))
    shop.step(BUILT, "bootc_rollout_spec=v1.0.0.yml --check")
    assert not (shop.folder / "rollouts").exists()
    shop.step(BUILT, "bootc_rollout_spec=v1.0.0.yml$")
    assert shop.summary("skorionos-1.0.0")["phase"] == "completed"

    shop.step(BUILT, "bootc.build -e @variants.yml -e bootc_version=1.1.0")
    shop.step(BUILT, "bootc.publish -e @variants.yml -e bootc_version=1.1.0")
    shop.write("v1.1.0.yml", quick(text.replace("1.0.0", "1.1.0")))
    shop.step(BUILT, "bootc_rollout_spec=v1.1.0.yml")
    assert shop.summary("skorionos-1.1.0")["totals"]["updated"] == 5
    shop.step(BUILT, "bootc.rollback --limit deck-03")
    shop.step(BUILT, "bootc.rollback$")
    shop.type(step(BUILT, "bootc.rollback$"))
    assert not shop.has_changed
    shop.finish(BUILT)


def test_releases_are_signed_with_one_key_and_then_with_another(shop: Workshop) -> None:
    page = "signing.md"
    shop.have_programs()
    shop.sources()
    shop.step(page, "mkdir keys")
    shop.step(page, "--output-key-prefix keys/2026$")
    shop.step(page, "ls keys")
    assert shop.said.split() == ["2026.key", "2026.pub"]
    shop.step(BUILT, "bootc.build -e @variants.yml -e bootc_version=1.0.0")
    shop.step(page, "bootc.publish ")
    digest = str(at(shop.home, "kde-latest")).replace(":", "-")
    assert shop.home.has(f"{digest}.sig")
    shop.step(page, "bootc.sign -e @variants.yml -e bootc_sign_key=keys/2026.key")
    assert not shop.has_changed
    shop.step(page, "--output-key-prefix keys/2027$")
    shop.step(page, "bootc.sign -e @variants.yml -e bootc_sign_key=keys/2027.key")
    shop.words["sha256-DIGEST"] = digest
    shop.step(page, "skopeo inspect ")
    assert len(json.loads(shop.said)["layers"]) == 2
    shop.finish(page)


def test_a_release_goes_through_its_channels_and_back(shop: Workshop) -> None:
    page = "channels.md"
    shop.have_programs()
    shop.sources()
    shop.step("signing.md", "mkdir keys")
    shop.step("signing.md", "--output-key-prefix keys/2026$")
    shop.step(BUILT, "bootc.build -e @variants.yml -e bootc_version=1.0.0")
    shop.step(BUILT, "bootc.publish -e @variants.yml -e bootc_version=1.0.0$")
    shop.step(page, "bootc_channel=testing")
    shop.step(page, "bootc_verify_keys=keys/2026.pub", code=2)
    assert at(shop.home, "kde-stable") is None
    shop.step("signing.md", "bootc.sign -e @variants.yml -e bootc_sign_key=keys/2026.key")
    shop.step(page, "bootc_verify_keys=keys/2026.pub")
    old = at(shop.home, "kde-v1.0.0")
    assert at(shop.home, "kde-stable") == old

    shop.step(BUILT, "bootc.build -e @variants.yml -e bootc_version=1.1.0")
    shop.step(page, "bootc.publish ")
    shop.step(page, "bootc_channel=testing")
    shop.devices("deck-01", "deck-02", "deck-03")
    shop.devices("pad-01", "pad-02", image="gnome-v1.0.0")
    spec = {"schema": 1, "id": "testers-1.1.0", "release": "releases/v1.1.0.json", "selection": {"hosts": "fleet"}}
    shop.write("testers-1.1.0.yml", quick("".join(f"{key}: {json.dumps(value)}\n" for key, value in spec.items())))
    shop.step(page, "--check --diff", code=2)
    shop.type("ansible-playbook -i fleet/hosts.yml skorionos.bootc.rollout -e bootc_rollout_spec=testers-1.1.0.yml")
    shop.step(page, "--check --diff")
    assert at(shop.home, "kde-stable") == old
    shop.step(page, "three quiet days")
    new = at(shop.home, "kde-v1.1.0")
    assert (at(shop.home, "kde-stable"), old != new) == (new, True)
    lines = [json.loads(line) for line in (shop.folder / "channels.jsonl").read_text(encoding="utf-8").splitlines()]
    shop.words["20261123T101500-promote-stable"] = lines[-1]["operation"]
    shop.step(page, "bootc.demote ")
    assert at(shop.home, "kde-stable") == old
    shop.step(page, "bootc.channel_undo$")
    assert at(shop.home, "kde-stable") == new
    shop.step(page, "bootc_channel_operation=")
    assert at(shop.home, "kde-stable") == old
    shop.finish(page)


def test_what_would_be_built_of_the_example(shop: Workshop) -> None:
    (shop.folder / "inventory").symlink_to(REPOSITORY / "inventory")
    shop.step("variants.md", "bootc.build ")
    assert "hyprland" in shop.said
    shop.finish("variants.md")


def test_pipelines_publish_and_promote(shop: Workshop) -> None:
    shop.have_programs()
    shop.sources()
    shop.type("mkdir keys && cosign generate-key-pair --output-key-prefix keys/2026")
    with (shop.folder / "variants.yml").open("a", encoding="utf-8") as file:
        file.write("bootc_trust_keys: [keys/2026.pub]\nbootc_verify_method: registry\n")
    shop.run_job("images", "preview")
    shop.type("podman image exists localhost/skorionos/kde:nightly", code=1)
    shop.run_job(
        *("images", "publish"),
        VERSION="v1.2.0",
        TAGS="{variant}-v{version},{variant}-latest",
        GITHUB_SHA="0123456789abcdef",
        RUNNER_TEMP=str(shop.folder / "keys"),
    )
    image = at(shop.home, "kde-v1.2.0")
    assert (image is not None, at(shop.home, "kde-latest")) == (True, image)
    assert shop.home.has(f"{str(image).replace(':', '-')}.sig")
    assert (shop.folder / "releases" / "v1.2.0.json").exists()
    shop.run_job("promote", "promote", CHANNEL="testing", ROLLOUT="", WHY="it is quiet (anna)")
    assert at(shop.home, "kde-testing") == image
    (line,) = (shop.folder / "channels.jsonl").read_text(encoding="utf-8").splitlines()[-1:]
    assert json.loads(line)["why"] == "it is quiet (anna)"
