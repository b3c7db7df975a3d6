# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real layers: what is fetched, what is verified, what is taken out of them."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path

import pytest

from simulator.client import Remap, is_loopback, parse_registries, registries, route
from simulator.reference import locate
from simulator.unpack import BadLayer, merged, write
from tests.unit.simulator.conftest import layer

CHECK = "usr/lib/greenboot/check/required.d/10-session.sh"
BASE = {"usr/lib/os-release": b"ID=skorionos\n", "etc/os-release": "../usr/lib/os-release", "usr/bin/big": b"x" * 5000}


def unpacked(tmp_path: Path, *layers: bytes) -> dict[str, str]:
    paths = []
    for number, content in enumerate(layers):
        path = tmp_path / f"layer{number}"
        path.write_bytes(content)
        paths.append(path)
    target = tmp_path / "tree"
    write(merged(paths), target)
    return {str(path.relative_to(target)): path.read_text() for path in sorted(target.rglob("*")) if path.is_file()}


def test_only_identity_and_health_are_taken(tmp_path):
    files = unpacked(tmp_path, layer({**BASE, CHECK: b"#!/bin/sh\n", "etc/passwd": b"root"}, mode=0o755))
    assert set(files) == {"usr/lib/os-release", "etc/os-release", CHECK}
    assert (tmp_path / "tree" / CHECK).stat().st_mode & 0o111


def test_upper_layers_replace_and_remove(tmp_path):
    upper = {"usr/lib/os-release": b"ID=new\n", "usr/lib/greenboot/check/required.d/.wh.10-session.sh": b""}
    files = unpacked(tmp_path, layer({**BASE, CHECK: b"old"}), layer(upper))
    assert files["usr/lib/os-release"] == "ID=new\n"
    assert CHECK not in files


@pytest.mark.parametrize("marker", ["usr/lib/greenboot/.wh..wh..opq", "usr/.wh.lib", "usr/lib/.wh.greenboot"])
def test_whiteouts_above_hide_what_is_below_but_not_the_same_layer(tmp_path, marker):
    new = "usr/lib/greenboot/check/required.d/20-new.sh"
    files = unpacked(tmp_path, layer({CHECK: b"old"}), layer({new: b"new", marker: b""}))
    assert CHECK not in files
    assert files[new] == "new"


@pytest.mark.parametrize(
    "name", ["../../usr/share/skorionos/x", "/usr/share/skorionos/x", "usr/share/skorionos/../../x"]
)
def test_entries_leading_out_are_refused(tmp_path, name):
    with pytest.raises(BadLayer, match="outside of the root"):
        unpacked(tmp_path, layer({name: b"x"}))


def test_links_out_are_dropped_and_absolute_ones_made_relative(tmp_path):
    unpacked(
        tmp_path,
        layer(
            {
                "usr/share/skorionos/out": "/etc/passwd",
                "usr/share/skorionos/up": "../../../../etc/shadow",
                "usr/share/skorionos/os": "/usr/lib/os-release",
                "usr/lib/os-release": b"ID=x\n",
            }
        ),
    )
    tree = tmp_path / "tree/usr/share/skorionos"
    assert [path.name for path in tree.iterdir()] == ["os"]
    assert (tree / "os").read_text() == "ID=x\n"


def test_an_entry_below_a_link_is_refused(tmp_path):
    content = {"usr/share/skorionos/d": "/usr/lib/greenboot", "usr/share/skorionos/d/x": b"x"}
    with pytest.raises(BadLayer, match="below a symbolic link"):
        unpacked(tmp_path, layer(content))


def test_device_nodes_are_not_made(tmp_path):
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as archive:
        node = tarfile.TarInfo("usr/share/skorionos/null")
        node.type, node.devmajor, node.devminor = tarfile.CHRTYPE, 1, 3
        archive.addfile(node)
    assert unpacked(tmp_path, stream.getvalue()) == {}


def test_a_broken_layer_is_told(tmp_path):
    with pytest.raises(BadLayer, match="cannot be read"):
        unpacked(tmp_path, b"this is no archive")


def test_an_update_fetches_only_what_is_new_and_brings_the_images_own_checks(registry, make_device):
    base, upper = layer(BASE), layer({CHECK: b"#!/bin/sh\necho from the image\n"}, mode=0o755)
    registry.push_image("os", "v1", [base])
    registry.push_image("os", "v2", [base, upper], **{"org.opencontainers.image.version": "2"})
    device = make_device(f"{registry.host}/os:v1")
    done = device.run("bootc", "switch", f"{registry.host}/os:v2")
    assert done.stdout.startswith(f"layers already present: 1; layers needed: 1 ({len(upper)}\u00a0bytes)\n")
    pull = device.show()["last_pull"]
    del pull["seconds"]
    assert pull == {
        "bytes_fetched": len(upper),
        "bytes_reused": len(base),
        "layers_fetched": 1,
        "layers_reused": 1,
    }
    assert not device.file(CHECK).exists()
    assert device.sh("systemctl reboot").returncode == 0
    device.wait_until_up()
    assert device.sh(f"$BOOTC_DEVICE_ROOT/{CHECK}").stdout == "from the image\n"
    assert device.file("etc/os-release").read_text() == "ID=skorionos\n"
    assert not device.file("usr/bin/big").exists()
    device.sh("bootc rollback --apply")
    device.wait_until_up()
    assert device.sh("true").returncode == 0
    assert not device.file(CHECK).exists(), "the files of the image left with it"


def test_staging_the_booted_image_again_keeps_its_files_though_its_layers_were_collected(registry, make_device):
    files = {**BASE, CHECK: b"#!/bin/sh\necho old\n"}
    old = registry.push_image("os", "stable", [layer(files, mode=0o755)])
    device = make_device(f"{registry.host}/os:stable")
    registry.push_image("os", "stable", [layer({"usr/lib/os-release": b"ID=new\n"})])
    assert device.run("bootc", "upgrade").returncode == 0
    assert device.run("bootc", "switch", f"{registry.host}/os@{old}").returncode == 0
    device.run("reboot")
    device.wait_until_up()
    assert device.sh(f"$BOOTC_DEVICE_ROOT/{CHECK}").stdout == "old\n"
    assert device.status()["booted"]["ostree"]["deploySerial"] == 1


def test_a_tampered_layer_is_refused_and_nothing_is_staged(registry, make_device):
    base, upper = layer(BASE), layer({CHECK: b"#!/bin/sh\n"})
    registry.push_image("os", "v1", [base])
    registry.push_image("os", "v2", [base, upper])
    device = make_device(f"{registry.host}/os:v1")
    manifest = json.loads(registry.request("GET", "/v2/os/manifests/v2")[2])
    registry.contents.blobs[manifest["layers"][1]["digest"]] = upper + b"tampered"
    done = device.run("bootc", "switch", f"{registry.host}/os:v2")
    assert done.returncode == 1
    assert "Digest did not match" in done.stderr
    assert done.stdout.startswith("layers already present: 1; "), "which was printed before it failed"
    shown = device.show()
    assert shown["staged"] is None
    assert shown["last_pull"] is None


def test_zstd_layers_are_refused_clearly(registry, make_device):
    registry.push_image("os", "v1", [layer(BASE)])
    registry.push_image("os", "v2", [b"zstd"], media="tar+zstd")
    done = make_device(f"{registry.host}/os:v1").run("bootc", "switch", f"{registry.host}/os:v2")
    assert done.returncode == 1
    assert "compressed with zstd" in done.stderr


CONF = """
unqualified-search-registries = ["docker.io"]
[[registry]]  # the inner one
prefix = "ghcr.io/skorionos"
location = "mirror.lan:5000/sk"
insecure = true
[[registry.mirror]]
location = "elsewhere"
insecure = false
[[registry]]
location = 'plain.lan'
"""


def test_registries_conf_is_read_as_far_as_needed(tmp_path):
    assert parse_registries(CONF) == [
        Remap("ghcr.io/skorionos", "mirror.lan:5000/sk", True),
        Remap("plain.lan", "plain.lan", False),
    ]
    drop_ins = tmp_path / "etc/containers/registries.conf.d"
    drop_ins.mkdir(parents=True)
    (drop_ins / "50.conf").write_text(CONF)
    place, plain = route(locate("ghcr.io/skorionos/kde:v1"), registries(tmp_path))
    assert (place.host, place.repository, plain) == ("mirror.lan:5000", "sk/kde", True)
    assert not route(locate("ghcr.io/skorionos-other/kde:v1"), registries(tmp_path))[1]


@pytest.mark.parametrize(
    ("host", "loopback"),
    [("127.0.0.1:5000", True), ("localhost", True), ("[::1]:80", True), ("registry.lan:5000", False)],
)
def test_plain_http_is_for_loopback(host, loopback):
    assert is_loopback(host) is loopback
