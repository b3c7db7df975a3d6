# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real docker-registry on loopback, for everybody or behind a server of tokens."""

from __future__ import annotations

import base64
import datetime
import hashlib
import json
import shutil
import socket
import subprocess
import threading
import time
import urllib.parse
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.x509.oid import NameOID

REGISTRY = shutil.which("docker-registry")
USER, PASSWORD = "ci", "correct horse"


@pytest.fixture
def start_registry(tmp_path: Path) -> Iterator[Callable[..., str]]:
    """Start a registry with further settings; return its address."""
    if REGISTRY is None:
        pytest.skip("docker-registry is not installed")
    started = []

    def start(**settings: Any) -> str:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            address = f"127.0.0.1:{free.getsockname()[1]}"
        document = {
            "version": 0.1,
            "log": {"level": "error", "accesslog": {"disabled": True}},
            "storage": {"filesystem": {"rootdirectory": str(tmp_path / "registry")}, "delete": {"enabled": True}},
            "http": {"addr": address},
            **settings,
        }
        (tmp_path / "registry.yml").write_text(yaml.safe_dump(document))
        with (tmp_path / "registry.log").open("wb") as log:
            command = [str(REGISTRY), "serve", str(tmp_path / "registry.yml")]
            started.append(subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT))
        for _try in range(100):
            try:
                requests.get(f"http://{address}/v2/", timeout=5)
            except requests.ConnectionError:
                time.sleep(0.1)
            else:
                return address
        raise AssertionError((tmp_path / "registry.log").read_text())

    yield start
    for process in started:
        process.terminate()
        process.wait(timeout=10)


@dataclass
class Tokens:
    """A server of tokens: whom it knows gets what was asked for, everybody else may read."""

    address: str = ""
    asked: list[str] = field(default_factory=list)
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))

    @cached_property
    def certificate(self) -> x509.Certificate:
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "tokens")])
        now = datetime.datetime.now(datetime.timezone.utc)
        return (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(self.key.public_key())
            .serial_number(7)
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .sign(self.key, hashes.SHA256())
        )

    def grant(self, scope: str, *, known: bool) -> str:
        kind, name, actions = scope.split(":")
        granted = [action for action in actions.split(",") if known or action == "pull"]
        der = self.certificate.public_bytes(serialization.Encoding.DER)
        now = int(time.time())
        header = {"typ": "JWT", "alg": "ES256", "x5c": [base64.b64encode(der).decode()]}
        claims = {
            "iss": "tokens",
            "aud": "registry",
            "sub": USER,
            "jti": str(now),
            **{"iat": now, "nbf": now - 10, "exp": now + 300},
            "access": [{"type": kind, "name": name, "actions": granted}],
        }
        signed = b".".join(encode(json.dumps(part).encode()) for part in (header, claims))
        numbers = utils.decode_dss_signature(self.key.sign(signed, ec.ECDSA(hashes.SHA256())))
        return (signed + b"." + encode(b"".join(number.to_bytes(32, "big") for number in numbers))).decode()


def encode(raw: bytes) -> bytes:
    return base64.urlsafe_b64encode(raw).rstrip(b"=")


@pytest.fixture
def tokens() -> Iterator[Tokens]:
    service = Tokens()
    basic = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            scope = urllib.parse.parse_qs(self.path.partition("?")[2])["scope"][0]
            service.asked.append(scope)
            known = self.headers.get("Authorization") == basic
            body = json.dumps({"token": service.grant(scope, known=known)}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_arguments: object) -> None:
            """Keep the tests' output clean."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    service.address = f"127.0.0.1:{server.server_address[1]}"
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield service
    server.shutdown()
    server.server_close()


def digest(raw: bytes) -> str:
    return "sha256:" + hashlib.sha256(raw).hexdigest()
