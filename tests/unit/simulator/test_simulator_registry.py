# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the registry answers."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time

import pytest

from simulator import catalogue
from simulator.catalogue import CatalogueImage, digest_of
from tests.unit.simulator.conftest import SIMULATOR

KDE = "/v2/skorionos/kde"


def test_manifests_by_tag_and_digest_are_the_same_bytes(registry):
    status, headers, raw = registry.request("GET", f"{KDE}/manifests/v1.1.0")
    assert status == 200
    assert headers["Content-Type"] == catalogue.MANIFEST_TYPE
    assert headers["Docker-Content-Digest"] == digest_of(raw)
    assert registry.request("GET", f"{KDE}/manifests/{digest_of(raw)}")[2] == raw
    status, headers, body = registry.request("HEAD", f"{KDE}/manifests/stable")
    assert (status, headers["Docker-Content-Digest"], body) == (200, digest_of(raw), b"")
    assert int(headers["Content-Length"]) == len(raw)
    assert registry.request("GET", f"{KDE}/manifests/v1.1.0", If_None_Match=f'"{digest_of(raw)}"')[0] == 304


@pytest.mark.parametrize(
    ("path", "code"),
    [
        (f"{KDE}/manifests/nope", "MANIFEST_UNKNOWN"),
        ("/v2/no/such/manifests/v1.0.0", "MANIFEST_UNKNOWN"),
        (f"{KDE}/blobs/sha256:{'0' * 64}", "BLOB_UNKNOWN"),
        ("/v2/no/such/tags/list", "NAME_UNKNOWN"),
        ("/nothing", "NOT_FOUND"),
    ],
)
def test_absent_things_are_404_with_a_code(registry, path, code):
    status, _unused, body = registry.request("GET", path)
    assert status == 404
    assert json.loads(body)["errors"][0]["code"] == code


def test_layers_have_sizes_only_and_configs_are_real(registry):
    manifest = json.loads(registry.request("GET", f"{KDE}/manifests/v1.0.0")[2])
    entry = manifest["layers"][0]
    status, headers, _unused = registry.request("HEAD", f"{KDE}/blobs/{entry['digest']}")
    assert (status, headers["X-Simulated-Layer"], headers["Content-Length"]) == (
        200,
        str(entry["size"]),
        str(entry["size"]),
    )
    status, headers, _unused = registry.request("GET", f"{KDE}/blobs/{entry['digest']}")
    assert (status, headers["X-Simulated-Layer"]) == (404, str(entry["size"]))
    config = registry.request("GET", f"{KDE}/blobs/{manifest['config']['digest']}")[2]
    assert digest_of(config) == manifest["config"]["digest"]
    assert len(json.loads(config)["rootfs"]["diff_ids"]) == len(manifest["layers"])


def test_the_releases_share_layers_and_differ_by_what_changed(registry):
    def layers(variant, tag):
        manifest = json.loads(registry.request("GET", f"/v2/skorionos/{variant}/manifests/{tag}")[2])
        return {entry["digest"]: entry["size"] for entry in manifest["layers"]}

    shared = set(layers("kde", "v1.0.0")) & set(layers("gnome", "v1.0.0")) & set(layers("hyprland", "v1.0.0"))
    assert sum(layers("kde", "v1.0.0")[digest] for digest in shared) == 6_620_000_000
    for variant in ("kde", "gnome", "hyprland"):
        old = layers(variant, "v1.0.0")
        added = sum(size for digest, size in layers(variant, "v1.1.0").items() if digest not in old)
        assert 300_000_000 < added < 3_000_000_000
    tags = json.loads(registry.request("GET", f"{KDE}/tags/list")[2])
    assert tags == {"name": "skorionos/kde", "tags": ["latest", "stable", "v1.0.0", "v1.1.0", "v1.2.0"]}
    assert set(json.loads(registry.request("GET", "/_simulator/catalogue")[2])["repositories"]) == {
        "skorionos/gnome",
        "skorionos/hyprland",
        "skorionos/kde",
    }


def test_an_index_needs_an_accept_header_that_knows_indexes(registry):
    registry.contents.add(CatalogueImage("multi", ("v1",), (("l", 5),), "2026-08-01T00:00:00Z", ("amd64", "arm64")))
    status, headers, raw = registry.request("GET", "/v2/multi/manifests/v1", Accept=catalogue.INDEX_TYPE)
    assert (status, headers["Content-Type"]) == (200, catalogue.INDEX_TYPE)
    assert [entry["platform"]["architecture"] for entry in json.loads(raw)["manifests"]] == ["amd64", "arm64"]
    status, _unused, body = registry.request("GET", "/v2/multi/manifests/v1", Accept=catalogue.MANIFEST_TYPE)
    assert status == 404
    assert "does not support OCI indexes" in json.loads(body)["errors"][0]["message"]


def test_push_checks_what_it_is_given(registry):
    assert registry.request("PUT", "/v2/new/manifests/v1", b"no json", Content_Type=catalogue.MANIFEST_TYPE)[0] == 400
    manifest = json.dumps({"schemaVersion": 2, "config": {"digest": digest_of(b"x")}, "layers": []}).encode()
    status, _unused, body = registry.request(
        "PUT", "/v2/new/manifests/v1", manifest, Content_Type=catalogue.MANIFEST_TYPE
    )
    assert (status, json.loads(body)["errors"][0]["code"]) == (400, "MANIFEST_BLOB_UNKNOWN")
    _unused, headers, _unused = registry.request("POST", "/v2/new/blobs/uploads/")
    assert registry.request("PATCH", headers["Location"], b"x")[0] == 202
    assert registry.request("PUT", f"{headers['Location']}?digest={digest_of(b'y')}")[0] == 400
    registry.push_blob("new", b"x")
    assert registry.request("PUT", "/v2/new/manifests/v1", manifest, Content_Type=catalogue.MANIFEST_TYPE)[0] == 201
    assert registry.request("POST", f"/v2/other/blobs/uploads/?mount={digest_of(b'x')}&from=new")[0] == 201
    assert registry.request("DELETE", f"/v2/new/manifests/{digest_of(manifest)}")[0] == 202
    assert json.loads(registry.request("GET", "/v2/new/tags/list")[2])["tags"] is None


def test_the_process_says_where_it_listens_and_ends_cleanly(tmp_path):
    address = tmp_path / "address"
    command = [sys.executable, str(SIMULATOR), "registry", "--listen", "127.0.0.1:0", "--address-file", str(address)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        end = time.monotonic() + 60
        while not address.exists() and time.monotonic() < end:
            time.sleep(0.02)
        assert process.stdout is not None
        assert process.stdout.readline() == f"registry listening on {address.read_text()}"
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=5) == 0


def test_a_bad_catalogue_is_told(tmp_path):
    path = tmp_path / "catalogue.json"
    path.write_text('{"layers": {}, "images": [{"repository": "x", "tags": [], "layers": ["absent"], "created": ""}]}')
    with pytest.raises(catalogue.BadCatalogue, match="absent"):
        catalogue.read(path)
