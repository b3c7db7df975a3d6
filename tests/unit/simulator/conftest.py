# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A registry on loopback, devices in directories, and ways to run their commands."""

from __future__ import annotations

import http.client
import io
import json
import subprocess
import sys
import tarfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from simulator import catalogue, cli, status
from simulator.catalogue import digest_of
from simulator.cli import describe
from simulator.registry import Contents, server
from simulator.store import Device, Unreachable

SIMULATOR = Path(__file__).resolve().parents[3] / "simulator"
# As the devices' own programs start it: without the site module, which costs more than most commands.
SIMULATOR_COMMAND = (sys.executable, "-E", "-S", str(SIMULATOR / "__main__.py"))


class LiveRegistry:
    """A registry being served, and a client to push to it."""

    def __init__(self, contents: Contents, port: int) -> None:
        self.contents = contents
        self.host = f"127.0.0.1:{port}"

    def request(self, method: str, path: str, body: bytes = b"", **headers: str) -> tuple[int, dict[str, str], bytes]:
        connection = http.client.HTTPConnection(self.host, timeout=5)
        connection.request(method, path, body, {name.replace("_", "-"): text for name, text in headers.items()})
        response = connection.getresponse()
        answer = response.status, dict(response.headers), response.read()
        connection.close()
        return answer

    def push_blob(self, repository: str, content: bytes) -> str:
        digest = digest_of(content)
        _unused, headers, _unused = self.request("POST", f"/v2/{repository}/blobs/uploads/")
        code, _unused, _unused = self.request("PUT", f"{headers['Location']}?digest={digest}", content)
        assert code == 201
        return digest

    def push_image(self, repository: str, tag: str, layers: list[bytes], media: str = "tar+gzip", **labels: str) -> str:
        """Push an image with real layers; returns its digest."""
        entries = [
            {
                "mediaType": f"application/vnd.oci.image.layer.v1.{media}",
                "digest": self.push_blob(repository, layer),
                "size": len(layer),
            }
            for layer in layers
        ]
        config = json.dumps(
            {
                "architecture": "amd64",
                "os": "linux",
                "created": "2026-08-01T04:10:00Z",
                "config": {"Labels": {"containers.bootc": "1", **labels}},
                "rootfs": {"type": "layers", "diff_ids": [digest_of(b"diff " + layer) for layer in layers]},
            }
        ).encode()
        manifest = json.dumps(
            {
                "schemaVersion": 2,
                "mediaType": catalogue.MANIFEST_TYPE,
                "config": {
                    "mediaType": catalogue.CONFIG_TYPE,
                    "digest": self.push_blob(repository, config),
                    "size": len(config),
                },
                "layers": entries,
            }
        ).encode()
        code, headers, _unused = self.request(
            "PUT", f"/v2/{repository}/manifests/{tag}", manifest, Content_Type=catalogue.MANIFEST_TYPE
        )
        assert code == 201
        return headers["Docker-Content-Digest"]


def layer(files: dict[str, bytes | str], *, mode: int = 0o644, compression: str = "gz") -> bytes:
    """A layer: bytes are file contents, a string is the target of a symbolic link."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode=f"w:{compression}") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.mode = mode
            if isinstance(content, str):
                member.type, member.linkname = tarfile.SYMTYPE, content
                archive.addfile(member)
            else:
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
    return stream.getvalue()


@pytest.fixture
def registry() -> Iterator[LiveRegistry]:
    contents = Contents()
    for image in catalogue.read(catalogue.DEFAULT):
        contents.add(image)
    httpd = server("127.0.0.1", 0, contents)
    thread = threading.Thread(target=lambda: httpd.serve_forever(poll_interval=0.02))
    thread.start()
    yield LiveRegistry(contents, httpd.server_address[1])
    httpd.shutdown()
    thread.join()
    httpd.server_close()


def simulator(*arguments: object, stdin: str | None = None, timeout: float = 20) -> subprocess.CompletedProcess[str]:
    """Run the simulator's command line."""
    return subprocess.run(
        [*SIMULATOR_COMMAND, *map(str, arguments)],
        input=stdin,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


class LiveDevice:
    """A device in a directory, driven through the command line."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def run(self, *arguments: object, timeout: float = 20) -> subprocess.CompletedProcess[str]:
        return simulator("device", self.directory, *arguments, timeout=timeout)

    def sh(self, command: str) -> subprocess.CompletedProcess[str]:
        return self.run("exec", "--", "/bin/sh", "-c", command)

    def status(self) -> dict:
        """The status document's status, without a process."""
        return status.document(Device(str(self.directory)).settled())["status"]

    def show(self) -> dict:
        return describe(Device(str(self.directory)).load(), time.time())

    def fault(self, *arguments: str) -> None:
        assert cli.main(["device", str(self.directory), "fault", *arguments]) == 0

    def wait_until_up(self) -> None:
        """Wait for the end of a reboot."""
        end = time.monotonic() + 60
        while time.monotonic() < end:
            try:
                Device(str(self.directory)).settled()
            except Unreachable:
                time.sleep(0.02)
            else:
                return
        raise AssertionError("the device did not come up")

    def file(self, name: str) -> Path:
        return self.directory / "root" / name


@pytest.fixture
def make_device(tmp_path: Path):
    def make(image: str | None, *options: object) -> LiveDevice:
        device = LiveDevice(tmp_path / "device")
        chosen = () if image is None else ("--image", image)
        create = ["device", str(device.directory), "create", *chosen, "--boot-seconds", "0.1", *map(str, options)]
        assert cli.main(create) == 0
        return device

    return make
