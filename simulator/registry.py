# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An OCI registry over plain HTTP, in memory: serves a catalogue and takes pushes."""

from __future__ import annotations

import json
import re
import signal
import sys
import threading
import uuid
from contextlib import nullcontext
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from simulator import catalogue
from simulator.catalogue import INDEX_TYPE, CatalogueImage, digest_of

INDEX_TYPES = (INDEX_TYPE, "application/vnd.docker.distribution.manifest.list.v2+json")
_REPOSITORY = r"(?P<name>[a-z0-9]+(?:[._/-]+[a-z0-9]+)*)"
_ROUTES = (
    ("manifest", re.compile(rf"/v2/{_REPOSITORY}/manifests/(?P<reference>[A-Za-z0-9_:.+-]+)")),
    ("upload", re.compile(rf"/v2/{_REPOSITORY}/blobs/uploads/(?P<session>[0-9a-f-]*)")),
    ("blob", re.compile(rf"/v2/{_REPOSITORY}/blobs/(?P<digest>sha256:[0-9a-f]{{64}})")),
    ("tags", re.compile(rf"/v2/{_REPOSITORY}/tags/list")),
)


@dataclass
class Repository:
    """Tags and manifests of one repository."""

    tags: dict[str, str] = field(default_factory=dict)
    manifests: dict[str, tuple[str, bytes]] = field(default_factory=dict)

    def find(self, reference: str) -> tuple[str, str, bytes] | None:
        """Digest, media type and bytes of a manifest by tag or digest."""
        digest = reference if reference.startswith("sha256:") else self.tags.get(reference, "")
        found = self.manifests.get(digest)
        return None if found is None else (digest, *found)


@dataclass
class Contents:
    """All a registry holds."""

    repositories: dict[str, Repository] = field(default_factory=dict)
    blobs: dict[str, bytes] = field(default_factory=dict)
    sizes: dict[str, int] = field(default_factory=dict)
    uploads: dict[str, bytearray] = field(default_factory=dict)
    lock: threading.RLock = field(default_factory=threading.RLock)

    def repository(self, name: str) -> Repository:
        """The repository of this name, made if need be."""
        return self.repositories.setdefault(name, Repository())

    def add(self, image: CatalogueImage) -> str:
        """Put a catalogue image in; returns the digest its tags point to."""
        content = catalogue.build(image)
        repository = self.repository(image.repository)
        repository.manifests.update(content.manifests)
        repository.tags.update(dict.fromkeys(image.tags, content.top))
        self.blobs.update(content.blobs)
        self.sizes.update(content.sizes)
        return content.top

    def describe(self) -> dict[str, Any]:
        """What is served: repositories with their tags."""
        return {
            "repositories": {
                name: {"tags": dict(sorted(repository.tags.items()))}
                for name, repository in sorted(self.repositories.items())
            }
        }

    def missing_from(self, repository: Repository, manifest: dict[str, Any]) -> list[str]:
        """Digests a pushed manifest refers to that are not here."""
        children = [entry["digest"] for entry in manifest.get("manifests", ())]
        parts = [manifest["config"]["digest"]] if "config" in manifest else []
        parts += [entry["digest"] for entry in manifest.get("layers", ())]
        absent = [digest for digest in children if digest not in repository.manifests]
        return absent + [digest for digest in parts if digest not in self.blobs and digest not in self.sizes]


class Handler(BaseHTTPRequestHandler):
    """One request. ``contents`` is set on the subclass ``serve`` makes."""

    protocol_version = "HTTP/1.1"
    # Headers and body in one packet: written apart, each answer waits for a delayed acknowledgement.
    wbufsize = -1
    disable_nagle_algorithm = True
    contents: Contents

    def log_message(self, format: str, *args: Any) -> None:
        """Stay quiet: an access log per blob helps nobody."""

    def do_GET(self) -> None:
        """Serve a document."""
        self._dispatch("get")

    def do_HEAD(self) -> None:
        """Serve a document's headers."""
        self._dispatch("get")

    def do_POST(self) -> None:
        """Begin an upload, or mount a blob."""
        self._dispatch("post")

    def do_PATCH(self) -> None:
        """Add to an upload."""
        self._dispatch("patch")

    def do_PUT(self) -> None:
        """Finish an upload, or put a manifest."""
        self._dispatch("put")

    def do_DELETE(self) -> None:
        """Delete a manifest with all its tags, or one tag."""
        self._dispatch("delete")

    def _dispatch(self, method: str) -> None:
        parts = urlsplit(self.path)
        self.query = {key: values[-1] for key, values in parse_qs(parts.query).items()}
        self.body = self._read_body()
        # Reads take no lock: a client that reads a layer slowly must not hold up the others.
        with nullcontext() if method == "get" else self.contents.lock:
            if method == "get" and parts.path in ("/v2/", "/v2"):
                self._json(200, {})
                return
            if method == "get" and parts.path == "/v2/_catalog":
                self._json(200, {"repositories": sorted(self.contents.repositories)})
                return
            if method == "get" and parts.path == "/_simulator/catalogue":
                self._json(200, self.contents.describe())
                return
            for kind, pattern in _ROUTES:
                match = pattern.fullmatch(parts.path)
                handler = getattr(self, f"_{method}_{kind}", None)
                if match is not None and handler is not None:
                    handler(**match.groupdict())
                    return
        self._error(404, "NOT_FOUND", "404 page not found")

    def _read_body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            chunks: list[bytes] = []
            while True:
                size = int(self.rfile.readline().split(b";")[0], 16)
                chunk = self.rfile.read(size)
                self.rfile.readline()
                if not size:
                    return b"".join(chunks)
                chunks.append(chunk)
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def _answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, text in headers.items():
            self.send_header(name.replace("_", "-"), text)
        self.send_header("Docker-Distribution-Api-Version", "registry/2.0")
        if status != 204 and "Content_Length" not in headers:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _json(self, status: int, value: Any, **headers: str) -> None:
        self._answer(status, json.dumps(value).encode(), Content_Type="application/json", **headers)

    def _error(self, status: int, code: str, message: str, detail: Any = None, **headers: str) -> None:
        self._json(status, {"errors": [{"code": code, "message": message, "detail": detail}]}, **headers)

    def _get_tags(self, name: str) -> None:
        repository = self.contents.repositories.get(name)
        if repository is None:
            self._error(404, "NAME_UNKNOWN", "repository name not known to registry", {"name": name})
        else:
            self._json(200, {"name": name, "tags": sorted(repository.tags) or None})

    def _get_manifest(self, name: str, reference: str) -> None:
        found = self.contents.repositories.get(name, Repository()).find(reference)
        if found is None:
            self._error(404, "MANIFEST_UNKNOWN", "manifest unknown", {"Tag": reference})
            return
        digest, media_type, raw = found
        # Clients such as skopeo send several Accept headers: they mean the same as one joined by commas.
        accept = ",".join(self.headers.get_all("Accept") or ["*/*"])
        accepted = {entry.partition(";")[0].strip() for entry in accept.split(",")}
        if not accepted & {"*/*", "application/*", media_type}:
            kind = "index" if media_type in INDEX_TYPES else "manifest"
            plural = "indexes" if kind == "index" else "manifests"
            message = f"OCI {kind} found, but accept header does not support OCI {plural}"
            self._error(404, "MANIFEST_UNKNOWN", message)
            return
        etag = f'"{digest}"'
        if self.headers.get("If-None-Match") == etag:
            self._answer(304, Etag=etag)
            return
        self._answer(200, raw, Content_Type=media_type, Docker_Content_Digest=digest, Etag=etag)

    def _put_manifest(self, name: str, reference: str) -> None:
        digest = digest_of(self.body)
        if reference.startswith("sha256:") and reference != digest:
            self._error(400, "DIGEST_INVALID", "provided digest did not match uploaded content")
            return
        media_type = self.headers.get("Content-Type", "")
        try:
            manifest = json.loads(self.body)
        except ValueError:
            self._error(400, "MANIFEST_INVALID", "manifest invalid")
            return
        if manifest.get("mediaType", media_type) != media_type:
            self._error(400, "MANIFEST_INVALID", "manifest invalid", "media type differs from the Content-Type")
            return
        repository = self.contents.repository(name)
        absent = self.contents.missing_from(repository, manifest)
        if absent:
            self._error(400, "MANIFEST_BLOB_UNKNOWN", "blob unknown to registry", absent)
            return
        repository.manifests[digest] = (media_type, self.body)
        if not reference.startswith("sha256:"):
            repository.tags[reference] = digest
        self._answer(201, Location=f"/v2/{name}/manifests/{digest}", Docker_Content_Digest=digest)

    def _delete_manifest(self, name: str, reference: str) -> None:
        repository = self.contents.repositories.get(name, Repository())
        if repository.find(reference) is None:
            self._error(404, "MANIFEST_UNKNOWN", "manifest unknown")
            return
        if reference.startswith("sha256:"):
            del repository.manifests[reference]
            repository.tags = {tag: digest for tag, digest in repository.tags.items() if digest != reference}
        else:
            del repository.tags[reference]
        self._answer(202)

    def _get_blob(self, name: str, digest: str) -> None:
        blob = self.contents.blobs.get(digest)
        if blob is not None:
            self._answer(200, blob, Content_Type="application/octet-stream", Docker_Content_Digest=digest)
            return
        size = self.contents.sizes.get(digest)
        if size is None:
            self._error(404, "BLOB_UNKNOWN", "blob unknown to registry", digest)
        elif self.command == "HEAD":
            self._answer(200, Content_Length=str(size), X_Simulated_Layer=str(size), Docker_Content_Digest=digest)
        else:
            message = f"layer of {size} bytes in {name} has no content, only a size"
            self._error(404, "BLOB_UNKNOWN", message, X_Simulated_Layer=str(size))

    def _post_upload(self, name: str, session: str) -> None:
        mounted = self.query.get("mount", "")
        if mounted in self.contents.blobs or mounted in self.contents.sizes:
            self._created_blob(name, mounted)
            return
        if "digest" in self.query:
            self._store_blob(name, self.query["digest"], self.body)
            return
        session = str(uuid.uuid4())
        self.contents.uploads[session] = bytearray()
        self._accepted(name, session)

    def _patch_upload(self, name: str, session: str) -> None:
        if session not in self.contents.uploads:
            self._error(404, "BLOB_UPLOAD_UNKNOWN", "blob upload unknown to registry")
            return
        self.contents.uploads[session] += self.body
        self._accepted(name, session)

    def _put_upload(self, name: str, session: str) -> None:
        upload = self.contents.uploads.pop(session, None)
        if upload is None:
            self._error(404, "BLOB_UPLOAD_UNKNOWN", "blob upload unknown to registry")
            return
        self._store_blob(name, self.query.get("digest", ""), bytes(upload) + self.body)

    def _store_blob(self, name: str, digest: str, content: bytes) -> None:
        if digest_of(content) != digest:
            self._error(400, "DIGEST_INVALID", "provided digest did not match uploaded content")
            return
        self.contents.blobs[digest] = content
        self._created_blob(name, digest)

    def _created_blob(self, name: str, digest: str) -> None:
        self._answer(201, Location=f"/v2/{name}/blobs/{digest}", Docker_Content_Digest=digest)

    def _accepted(self, name: str, session: str) -> None:
        last = max(len(self.contents.uploads[session]) - 1, 0)
        self._answer(
            202,
            Location=f"/v2/{name}/blobs/uploads/{session}",
            Docker_Upload_UUID=session,
            Range=f"0-{last}",
        )


class Server(ThreadingHTTPServer):
    """Threads that do not keep the process alive, and a backlog for a whole fleet."""

    daemon_threads = True
    request_queue_size = 256


def server(host: str, port: int, contents: Contents) -> Server:
    """A server bound to ``host:port`` that is not serving yet."""
    handler: type[Handler] = type("BoundHandler", (Handler,), {"contents": contents})
    return Server((host, port), handler)


def serve(listen: str, catalogue_file: Path | None, address_file: Path | None) -> int:
    """Serve until SIGTERM or SIGINT."""
    host, _unused, port = listen.rpartition(":")
    if not host or not port.isdigit():
        sys.stderr.write(f"error: --listen takes HOST:PORT, got {listen!r}\n")
        return 2
    contents = Contents()
    try:
        for image in catalogue.read(catalogue_file or catalogue.DEFAULT):
            contents.add(image)
        httpd = server(host, int(port), contents)
    except catalogue.BadCatalogue as bad:
        sys.stderr.write(f"error: {bad}\n")
        return 1
    except OSError as failed:
        sys.stderr.write(f"error: cannot listen on {listen}: {failed.strerror}; choose another port, or 0 for any\n")
        return 1
    address = f"{host}:{httpd.server_address[1]}"
    for number in (signal.SIGTERM, signal.SIGINT):
        # shutdown() waits for the serving loop, which is what this signal interrupts: ask from another thread.
        signal.signal(number, lambda *_unused: threading.Thread(target=httpd.shutdown).start())
    if address_file is not None:
        draft = address_file.with_name(f".{address_file.name}.new")
        draft.write_text(f"{address}\n", encoding="utf-8")
        draft.replace(address_file)
    sys.stdout.write(f"registry listening on {address}\n")
    sys.stdout.flush()
    httpd.serve_forever(poll_interval=0.1)
    httpd.server_close()
    return 0
