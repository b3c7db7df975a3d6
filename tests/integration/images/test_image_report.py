# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbook image_report against a real registry, with images put there blob by blob."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import re
import shutil
import socket
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml
from ansible_collections.skorionos.bootc.plugins.module_utils._oci.archive import collect, export
from ansible_collections.skorionos.bootc.plugins.module_utils._oci.client import RegistryClient
from ansible_collections.skorionos.bootc.plugins.module_utils._oci.contents_report import read_all, with_contents
from ansible_collections.skorionos.bootc.plugins.module_utils._oci.layer_report import (
    Scale,
    document,
    gather,
    read_tables,
    wanted_images,
)
from ansible_collections.skorionos.bootc.plugins.module_utils._oci.layout import Layout
from ansible_collections.skorionos.bootc.plugins.module_utils._oci.reference import parse_reference

from tests.unit.oci.test_toc import Blobs, entry, frame, table, unframe

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(shutil.which("docker-registry") is None, reason="docker-registry is not installed"),
]
LAYER = "application/vnd.oci.image.layer.v1.tar"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"


def digest(raw: bytes) -> str:
    return "sha256:" + hashlib.sha256(raw).hexdigest()


def layer(**files: bytes) -> bytes:
    """A layer with these files; ``__`` in a name is a slash, ``___wh_`` one and a whiteout, ``_`` a hyphen."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name.replace("___wh_", "/.wh.").replace("__", "/").replace("_", "-"))
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return gzip.compress(packed.getvalue(), mtime=0)


class Registry:
    def __init__(self, address: str) -> None:
        self.address = address
        self.session = requests.Session()

    def blob(self, raw: bytes) -> dict[str, Any]:
        started = self.session.post(f"http://{self.address}/v2/os/skorionos/blobs/uploads/", timeout=10)
        place = started.headers["Location"]
        joint = "&" if "?" in place else "?"
        put = self.session.put(f"{place}{joint}digest={digest(raw)}", data=raw, timeout=10)
        put.raise_for_status()
        return {"digest": digest(raw), "size": len(raw)}

    def image(self, tag: str, *layers: bytes, annotations: Sequence[dict[str, str]] = ()) -> str:
        """Put an image of gzip layers there, or of layers with annotations as zstd:chunked ones have them."""
        diff_ids = [digest(raw if annotations else gzip.decompress(raw)) for raw in layers]
        config = {
            "os": "linux",
            "architecture": "amd64",
            "config": {"Labels": {"org.opencontainers.image.version": "1.0"}},
            "rootfs": {"type": "layers", "diff_ids": diff_ids},
        }
        manifest = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": {
                "mediaType": "application/vnd.oci.image.config.v1+json",
                **self.blob(json.dumps(config).encode()),
            },
            "layers": [
                {"mediaType": f"{LAYER}+{'zstd' if said else 'gzip'}", **self.blob(raw), "annotations": said}
                for raw, said in zip(layers, annotations or [{}] * len(layers), strict=True)
            ],
        }
        raw = json.dumps(manifest).encode()
        url = f"http://{self.address}/v2/os/skorionos/manifests/{tag}"
        self.session.put(url, data=raw, headers={"Content-Type": MANIFEST}, timeout=10).raise_for_status()
        return digest(raw)

    def release(self, path: Path, version: str, **digests: str) -> str:
        variants = [
            {"name": name, "image": f"{self.address}/os/skorionos", "digest": found, "version": version}
            for name, found in digests.items()
        ]
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps({"version": version, "variants": variants}))
        return f"{path.parent.name}/{path.name}"


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    folder = tmp_path_factory.mktemp("registry")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    settings = {
        "version": 0.1,
        "log": {"level": "error"},
        "storage": {"filesystem": {"rootdirectory": str(folder / "store")}},
        "http": {"addr": address},
    }
    (folder / "config.yml").write_text(yaml.safe_dump(settings))
    with (folder / "log").open("w") as log:
        server = subprocess.Popen(["docker-registry", "serve", str(folder / "config.yml")], stdout=log, stderr=log)
        try:
            for _try in range(200):
                try:
                    requests.get(f"http://{address}/v2/", timeout=5)
                    break
                except requests.ConnectionError:
                    time.sleep(0.05)
            yield Registry(address)
        finally:
            server.terminate()
            server.wait(10)


def play(folder: Path, collections_path: Path, *arguments: str, **variables: Any) -> tuple[int, int, str]:
    """Exit code, changed tasks and output of the playbook, as typed in ``folder``."""
    (folder / "variables.yml").write_text(yaml.safe_dump({"bootc_tls_verify": False, **variables}))
    (folder / "ansible.cfg").touch()
    ended = subprocess.run(
        [
            str(Path(sys.executable).with_name("ansible-playbook")),
            *("skorionos.bootc.image_report", "-e", "@variables.yml", *arguments),
        ],
        cwd=folder,
        env={
            "PATH": "/usr/bin:/bin",
            "HOME": str(folder),
            "LC_ALL": "C.UTF-8",
            "ANSIBLE_COLLECTIONS_PATH": str(collections_path),
            "ANSIBLE_CONFIG": str(folder / "ansible.cfg"),
            "ANSIBLE_PYTHON_INTERPRETER": sys.executable,
        },
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    said = ended.stdout + ended.stderr
    return ended.returncode, sum(map(int, re.findall(r" changed=(\d+) ", said))), said


def test_two_releases_of_two_variants(registry: Registry, tmp_path: Path, collections_path: Path) -> None:
    base = layer(usr__lib__libbase=bytes(range(256)) * 40, usr__share__doc=b"unread" * 500)
    kde, gnome = layer(usr__bin__kde=b"kde" * 999), layer(usr__bin__gnome=b"gnome" * 999)
    old = layer(etc__release=b"1.0", var__lib__pacman__local__mesa_25_1__desc=b"")
    new = layer(etc__release=b"1.1" * 50, usr__share___wh_doc=b"", var__lib__pacman__local__mesa_26_1__desc=b"")
    files = [
        registry.release(
            tmp_path / "releases" / f"v{version}.json",
            version,
            kde=registry.image(f"kde-v{version}", base, kde, own),
            gnome=registry.image(f"gnome-v{version}", base, gnome, own),
        )
        for version, own in (("1.0", old), ("1.1", new))
    ]
    given = {"bootc_report_releases": files, "bootc_report_devices": 100, "bootc_report_sites": 3}
    given["bootc_report_contents"] = True

    code, changed, said = play(tmp_path, collections_path, "--check", **given)
    assert (code, changed, (tmp_path / "image-report").exists()) == (0, 1, False), said
    code, changed, said = play(tmp_path, collections_path, **given)
    assert (code, changed) == (0, 1), said

    told = json.loads((tmp_path / "image-report" / "image-report.json").read_text())
    sizes = [len(raw) for raw in (base, kde, gnome, new)]
    assert told["sharing"]["unique"] == sum(sizes)
    assert told["sharing"]["naive"] == sum(sizes) + len(base) + len(new)
    assert told["storage"]["unique"] == sum(sizes) + len(old)
    downloads = {one["variant"]: one["layer_level"] for one in told["updates"]}
    assert {name: one["download"] for name, one in downloads.items()} == {"kde": len(new), "gnome": len(new)}
    assert downloads["kde"]["cached_bytes"] == 3 * len(new)
    changed = {one["variant"]: one["packages"]["changed"] for one in told["updates"]}
    assert changed["kde"] == [{"name": "mesa", "from": "25-1", "to": "26-1"}]
    wasted = {one["name"]: one["wasted"]["bytes"] for one in told["images"]}
    assert wasted == {"kde 1.0": 0, "gnome 1.0": 0, "kde 1.1": 3000, "gnome 1.1": 3000}
    text = (tmp_path / "image-report" / "image-report.txt").read_text()
    assert text.splitlines()[0].startswith("2 images are kept in ")
    assert text.splitlines()[0] in said
    assert "<title>Images: 2 images are kept in " in (tmp_path / "image-report" / "image-report.html").read_text()

    given["bootc_report_releases"] = ", ".join([*files, files[0]])
    assert play(tmp_path, collections_path, **given)[:2] == (0, 0), "a release that is listed twice counts once"
    anew = registry.image("kde-v1.1-anew", base, kde, new, layer(etc__anew=b"1"))
    again = registry.release(tmp_path / "releases" / "anew.json", "1.1", kde=anew)
    code, _changed, said = play(
        tmp_path, collections_path, "--check", **given | {"bootc_report_releases": [*files, again]}
    )
    assert code == 0, said
    assert f"kde 1.1 {anew[7:19]}" in said

    client = RegistryClient(requests.Session(), insecure=True)
    tags = [f"{name}-v{version}" for name in ("kde", "gnome") for version in ("1.0", "1.1")]
    images = [parse_reference(f"{registry.address}/os/skorionos:{tag}") for tag in tags]
    export(client, collect(client, images), Layout(tmp_path / "usb"), check=False)
    given.update(bootc_report_archive="usb", bootc_report_dest="from-disk")
    code, _changed, said = play(tmp_path, collections_path, **given)
    assert code == 0, said
    from_disk = json.loads((tmp_path / "from-disk" / "image-report.json").read_text())
    assert {image["image"].partition("@")[0] for image in from_disk["images"]} == {f"oci:{tmp_path}/usb"}
    for report in (told, from_disk):
        for image in report["images"]:
            del image["image"]
    assert from_disk == told


def test_one_image_without_a_release_file(registry: Registry, tmp_path: Path, collections_path: Path) -> None:
    registry.image("alone", layer(a=b"1"))
    images = [{"image": f"{registry.address}/os/skorionos:alone"}]
    code, _changed, said = play(tmp_path, collections_path, bootc_report_images=images, bootc_report_dest="there")
    assert code == 0, said
    assert "One image of " in (tmp_path / "there" / "image-report.txt").read_text()


def test_tables_of_contents_are_fetched_alone_from_a_real_registry(registry: Registry) -> None:
    blobs = Blobs()
    status = b"Package: mesa\nStatus: install ok installed\nVersion: %d\n"
    for tag, version in (("chunked-1", 1), ("chunked-2", 2)):
        database = status % version
        packed = frame(database)
        # What is not read need not be an archive: nobody asks for the megabyte in front.
        filler = packed + bytes(1_000_000)
        entries = [
            entry("var/lib/dpkg/status", 0, len(packed), size=len(database), digest=digest(database)),
            entry("usr/lib/large", len(packed), len(filler)),
        ]
        made = blobs.layer(table(*entries), filler)
        registry.image(tag, blobs.kept[made.digest], annotations=[dict(made.annotations)])
    with requests.Session() as session:
        client = RegistryClient(session, insecure=True, environ={"HOME": "/nonexistent"})
        wanted = [{"variant": "kde", "image": f"{registry.address}/os/skorionos:chunked-{at}"} for at in (1, 2)]
        gathered = gather(client, wanted_images(wanted), None)
        tables = read_tables(client, gathered.found, unframe)
        read = read_all(client, gathered.found, unframe, 0)
    told = with_contents(document(gathered, Scale(1000), tables), gathered.found, read)
    (update,) = told["updates"]
    assert update["layer_level"]["download"] > 1_000_000
    assert update["file_level"]["download"] < 1_000
    assert update["packages"]["changed"] == [{"name": "mesa", "from": "1", "to": "2"}]


def test_nothing_to_report_on_is_refused(tmp_path: Path, collections_path: Path) -> None:
    code, _changed, said = play(tmp_path, collections_path)
    assert code == 2
    assert "No images are given" in said
