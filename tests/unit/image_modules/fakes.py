# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A registry and an engine that the image modules take for real ones."""

from __future__ import annotations

import hashlib
import json
import sys
import threading
import urllib.parse
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


def install_fake_podman(programs: Path) -> Path:
    """Make a folder for PATH with a podman that keeps its images in ``$FAKE_PODMAN_STORE``."""
    programs.mkdir()
    script = Path(__file__).with_name("fake_podman.py")
    program = programs / "podman"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -IS "{script}" "$@"\n')
    program.chmod(0o755)
    return programs


def install_fake_cosign(programs: Path) -> None:
    """Add a cosign that asks for the passphrase 'correct horse'."""
    script = Path(__file__).with_name("fake_cosign.py")
    program = programs / "cosign"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -IS "{script}" "$@"\n')
    program.chmod(0o755)


@dataclass
class Guard:
    """How the registry treats whom it does not know, and what it was asked for and told."""

    denies_what_is_absent: bool = False
    grants_push: bool = True
    scopes: list[str] = field(default_factory=list)
    tags: list[str] = field(default_factory=list)
    """Repository and tag of each manifest that was written, in order."""


def serve(guard: Guard) -> ThreadingHTTPServer:
    """Start a registry that keeps what it is given."""
    kept: dict[str, tuple[str, bytes]] = {}

    class Handler(BaseHTTPRequestHandler):
        def answer(self, status, body=b"", media_type="application/json"):
            self.send_response(status)
            self.send_header("Content-Type", media_type)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Docker-Content-Digest", "sha256:" + hashlib.sha256(body).hexdigest())
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        def denied(self):
            if not guard.denies_what_is_absent or self.path in kept or self.path == "/v2/":
                return False
            return not (guard.grants_push and "push" in self.headers.get("Authorization", ""))

        def do_GET(self):
            if self.path.startswith("/token"):
                scope = urllib.parse.parse_qs(self.path.partition("?")[2])["scope"][0]
                guard.scopes.append(scope)
                self.answer(200, json.dumps({"token": scope}).encode())
            elif self.denied():
                self.send_response(401)
                repository = self.path[len("/v2/") :].partition("/manifests/")[0]
                realm = f'realm="http://{self.headers["Host"]}/token",scope="repository:{repository}:pull"'
                self.send_header("WWW-Authenticate", f"Bearer {realm}")
                self.send_header("Content-Length", "0")
                self.end_headers()
            elif self.path in kept:
                media_type, body = kept[self.path]
                self.answer(200, body, media_type)
            else:
                self.answer(404, b'{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}')

        do_HEAD = do_GET

        def do_PUT(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            folder = self.path.rpartition("/")[0]
            if folder.endswith("/manifests"):
                guard.tags.append(self.path[len("/v2/") :].replace("/manifests/", ":"))
            for path in (self.path, f"{folder}/sha256:{hashlib.sha256(body).hexdigest()}"):
                kept[path] = (self.headers["Content-Type"], body)
            self.send_response(201)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_args):
            """Keep the tests' output clean."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    return server
