# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A registry in this process that answers as each test tells it to."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import requests
from ansible_collections.skorionos.bootc.plugins.module_utils._oci.client import RegistryClient
from ansible_collections.skorionos.bootc.plugins.module_utils._oci.reference import Reference

OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"


def digest(raw: bytes) -> str:
    return "sha256:" + hashlib.sha256(raw).hexdigest()


def encode(document: object) -> bytes:
    return json.dumps(document, indent=1).encode()


@dataclass
class Request:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Reply:
    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    claim_length: int | None = None


@dataclass
class FakeRegistry:
    """Replies by method and path; a list of replies is used up one by one, its last one stays."""

    address: str = ""
    replies: dict[tuple[str, str], list[Reply | Callable[[Request], Reply]]] = field(default_factory=dict)
    requests: list[Request] = field(default_factory=list)
    connections: int = 0

    def on(self, method: str, path: str, *replies: Reply | Callable[[Request], Reply]) -> None:
        self.replies[method, path] = list(replies)

    def image(
        self,
        tag: str,
        *,
        platform: str = "linux/amd64",
        layers: dict[str, int] | None = None,
        listed: list[dict[str, object]] | None = None,
        **extra: object,
    ) -> str:
        """Serve an image under a tag; return its digest. Layers are given by name and size, or as listed."""
        system, _slash, architecture = platform.partition("/")
        config = encode({"os": system, "architecture": architecture, "config": {"Labels": {"containers.bootc": "1"}}})
        manifest = encode(
            {
                "schemaVersion": 2,
                "mediaType": OCI_MANIFEST,
                "config": {"mediaType": "c", "digest": digest(config), "size": len(config)},
                "layers": listed
                or [
                    {"mediaType": "l", "digest": digest(name.encode()), "size": size}
                    for name, size in (layers or {"one": 10}).items()
                ],
                **extra,
            }
        )
        self.blob(config)
        self.manifest(manifest, OCI_MANIFEST, tag, digest(manifest))
        return digest(manifest)

    def index(self, tag: str, entries: list[tuple[str, dict[str, str]]]) -> str:
        raw = encode(
            {
                "schemaVersion": 2,
                "mediaType": OCI_INDEX,
                "manifests": [
                    {"mediaType": OCI_MANIFEST, "digest": child, "size": 3, "platform": platform}
                    for child, platform in entries
                ],
            }
        )
        self.manifest(raw, OCI_INDEX, tag, digest(raw))
        return digest(raw)

    def blob(self, raw: bytes) -> None:
        self.on("GET", f"/v2/os/kde/blobs/{digest(raw)}", Reply(body=raw))

    def manifest(self, raw: bytes, media_type: str, *names: str) -> None:
        headers = {"Content-Type": media_type, "Docker-Content-Digest": digest(raw)}
        for name in names:
            self.on("GET", f"/v2/os/kde/manifests/{name}", Reply(200, raw, headers))
            self.on("HEAD", f"/v2/os/kde/manifests/{name}", Reply(200, b"", headers))

    def reference(self, tag: str | None = "v1", pinned: str | None = None) -> Reference:
        return Reference(self.address, "os/kde", tag, pinned)

    def paths(self, method: str = "GET") -> list[str]:
        return [r.path for r in self.requests if r.method == method and r.path != "/v2/"]

    def answer(self, request: Request) -> Reply:
        self.requests.append(request)
        replies = self.replies.get((request.method, request.path))
        if not replies:
            return error(404, "MANIFEST_UNKNOWN", "manifest unknown")
        reply = replies.pop(0) if len(replies) > 1 else replies[0]
        return reply if isinstance(reply, Reply) else reply(request)


def error(status: int, code: str, message: str, **headers: str) -> Reply:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply(status, encode({"errors": [{"code": code, "message": message}]}), named)


def serve(fake: FakeRegistry) -> ThreadingHTTPServer:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def setup(self) -> None:
            fake.connections += 1
            super().setup()

        def reply(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            headers = {name.lower(): value for name, value in self.headers.items()}
            reply = fake.answer(Request(self.command, self.path, headers, self.rfile.read(length)))
            self.send_response(reply.status)
            for name, value in reply.headers.items():
                self.send_header(name, value)
            length = len(reply.body) if reply.claim_length is None else reply.claim_length
            self.send_header("Content-Length", str(length))
            self.end_headers()
            # A client that has seen enough goes away.
            with suppress(BrokenPipeError, ConnectionResetError):
                if self.command != "HEAD":
                    self.wfile.write(reply.body)
            if reply.claim_length is not None:
                self.close_connection = True

        do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = reply

        def log_message(self, *_args: object) -> None:
            """Keep the tests' output clean."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    fake.address = f"127.0.0.1:{server.server_address[1]}"
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    return server


@pytest.fixture
def registry() -> Iterator[FakeRegistry]:
    fake = FakeRegistry()
    server = serve(fake)
    yield fake
    server.shutdown()
    server.server_close()


@pytest.fixture
def other_host() -> Iterator[FakeRegistry]:
    fake = FakeRegistry()
    server = serve(fake)
    yield fake
    server.shutdown()
    server.server_close()


@pytest.fixture
def slept() -> list[float]:
    """Seconds that the client waited, without waiting."""
    return []


@pytest.fixture
def make_client(tmp_path, slept) -> Iterator[Callable[..., RegistryClient]]:
    with requests.Session() as session:

        def make(**options: object) -> RegistryClient:
            environ = {"HOME": str(tmp_path), "XDG_RUNTIME_DIR": str(tmp_path / "run")}
            settings = {"insecure": True, "sleep": slept.append, "environ": environ, "timeout": 5, **options}
            return RegistryClient(session, **settings)

        yield make


@pytest.fixture
def client(make_client) -> RegistryClient:
    return make_client()
