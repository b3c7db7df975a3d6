# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading from an OCI registry over HTTP, as the image proxy does for bootc."""

from __future__ import annotations

import base64
import hashlib
import http.client
import json
import os
import re
import socket
import ssl
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode, urlsplit

from simulator.reference import Location, locate
from simulator.state import State
from simulator.verbs.common import PullError

MANIFEST_TYPES = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)
INDEX_TYPES = MANIFEST_TYPES[:2]
SIMULATED_HEADER = "X-Simulated-Layer"
AUTH_FILES = ("run/ostree/auth.json", "etc/ostree/auth.json", "usr/lib/ostree/auth.json")
_TIMEOUT_SECONDS = 60
_CHUNK = 1 << 20
_FIELD = re.compile(r'(\w+)="([^"]*)"')


class Remap(NamedTuple):
    """One ``[[registry]]`` of registries.conf."""

    prefix: str
    location: str
    insecure: bool


def registries(root: Path) -> list[Remap]:
    """The ``[[registry]]`` tables of the device's registries.conf and its drop-ins."""
    files = [root / "etc/containers/registries.conf"]
    files += sorted((root / "etc/containers/registries.conf.d").glob("*.conf"))
    return [remap for path in files if path.is_file() for remap in parse_registries(path.read_text(encoding="utf-8"))]


def parse_registries(text: str) -> list[Remap]:
    """Just enough TOML for ``[[registry]]`` tables with location, prefix and insecure."""
    tables: list[dict[str, str]] = []
    current: dict[str, str] | None = None
    for line in text.splitlines():
        stripped = line.strip()
        if stripped.startswith("["):
            current = None
            if re.fullmatch(r"\[\[\s*registry\s*\]\]\s*(#.*)?", stripped):
                current = {}
                tables.append(current)
            continue
        pair = re.match(r"""(\w+)\s*=\s*(?:"([^"]*)"|'([^']*)'|(true|false))""", stripped)
        if current is not None and pair:
            current[pair[1]] = pair[2] or pair[3] or pair[4] or ""
    return [
        Remap(
            table.get("prefix") or table.get("location", ""),
            table.get("location") or table.get("prefix", ""),
            table.get("insecure") == "true",
        )
        for table in tables
    ]


def route(place: Location, remaps: list[Remap]) -> tuple[Location, bool]:
    """Where requests for ``place`` go and whether in plain HTTP: the longest prefix decides."""
    name = f"{place.host}/{place.repository}"
    fitting = [
        r for r in remaps if r.prefix and (name == r.prefix or name.startswith((r.prefix + "/", r.prefix + ":")))
    ]
    insecure = False
    if fitting:
        best = max(fitting, key=lambda remap: len(remap.prefix))
        host, _unused, repository = (best.location + name[len(best.prefix) :]).partition("/")
        place, insecure = Location(host, repository, place.tag, place.digest), best.insecure
    return place, insecure or is_loopback(place.host)


def is_loopback(host: str) -> bool:
    """Whether ``host[:port]`` is this machine."""
    name = host.rsplit(":", 1)[0] if not host.endswith("]") else host
    return name in ("localhost", "[::1]") or name.startswith("127.")


class Answer(NamedTuple):
    """An answer of a registry."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes


class Registry:
    """The registry of one reference."""

    def __init__(self, name: str, root: Path, state: State, auth_file: Path | None = None) -> None:
        try:
            asked = locate(name)
        except ValueError as invalid:
            raise PullError(str(invalid)) from invalid
        self.place, plain = route(asked, registries(root))
        self.scheme = "http" if plain else "https"
        self.agent = f"bootc/{state.bootc_version} (simulated)"
        self._auth_files = [auth_file] if auth_file else [root / name for name in AUTH_FILES]
        self._authorization: str | None = None
        self._connection: http.client.HTTPConnection | None = None

    def manifest(self, target: str | None = None) -> tuple[bytes, str]:
        """The raw bytes and media type of the manifest at ``target``, checked against a digest asked for."""
        wanted = target or self.place.target
        answer = self._get(f"manifests/{wanted}", f"reading manifest {wanted} in {self._name}", MANIFEST_TYPES)
        if wanted.startswith("sha256:") and digest_of(answer.body) != wanted:
            raise PullError(
                f"reading manifest {wanted} in {self._name}: manifest does not match provided manifest digest {wanted}"
            )
        declared = (answer.headers.get("Content-Type") or "").partition(";")[0].strip()
        return answer.body, declared

    def blob(self, digest: str) -> bytes:
        """A small blob, checked."""
        answer = self._get(f"blobs/{digest}", f"fetching blob {digest}")
        if digest_of(answer.body) != digest:
            raise PullError(f"fetching blob: Digest did not match, expected {digest}, got {digest_of(answer.body)}")
        return answer.body

    def layer(self, digest: str, into: Path) -> bool:
        """Stream a layer into ``into``, checked; False when the registry has only its size."""
        doing = f"fetching blob {digest}"
        response = self._send(f"blobs/{digest}", (), doing)
        if response.status == 404 and response.headers.get(SIMULATED_HEADER) is not None:
            _read(response, doing)
            return False
        if response.status != 200:
            self._fail(response.status, _read(response, doing), doing)
        into.parent.mkdir(parents=True, exist_ok=True)
        # composefs lets two commands pull at once: each has a draft of its own.
        draft = into.with_name(f".{into.name}.{os.getpid()}.part")
        try:
            got = _save(response, draft)
            if got != digest:
                raise PullError(f"fetching blob: Digest did not match, expected {digest}, got {got}")
            draft.replace(into)
        except (OSError, http.client.HTTPException) as failed:
            raise PullError(f"{doing}: {_cause(failed)}") from failed
        finally:
            draft.unlink(missing_ok=True)
        return True

    @property
    def _name(self) -> str:
        return f"{self.place.host}/{self.place.repository}"

    def _get(self, path: str, doing: str, accept: tuple[str, ...] = ()) -> Answer:
        response = self._send(path, accept, doing)
        body = _read(response, doing)
        if response.status != 200:
            self._fail(response.status, body, doing)
        return Answer(response.status, response.headers, body)

    def _fail(self, status: int, body: bytes, doing: str) -> None:
        if status == 401:
            raise PullError(f"{doing}: unauthorized: authentication required")
        try:
            error = json.loads(body)["errors"][0]
            text = f"{error['code'].lower().replace('_', ' ')}"
            if status not in (403, 404):
                text = f"{text}: {error['message']}"
        except (ValueError, KeyError, IndexError, TypeError):
            text = f"received unexpected HTTP status: {status} {http.client.responses.get(status, '')}".rstrip()
        raise PullError(f"{doing}: {text}")

    def _send(self, path: str, accept: tuple[str, ...], doing: str) -> http.client.HTTPResponse:
        response = self._request(f"/v2/{self.place.repository}/{path}", accept)
        if response.status == 401:
            challenge = response.headers.get("WWW-Authenticate", "")
            body = _read(response, doing)
            if not self._authorize(challenge):
                self._fail(401, body, doing)
            response = self._request(f"/v2/{self.place.repository}/{path}", accept)
        if response.status in (301, 302, 307, 308):
            _read(response, doing)
            return self._elsewhere(response.headers.get("Location", ""), doing)
        return response

    def _request(self, path: str, accept: tuple[str, ...]) -> http.client.HTTPResponse:
        headers = {"User-Agent": self.agent}
        if accept:
            headers["Accept"] = ", ".join(accept)
        if self._authorization is not None:
            headers["Authorization"] = self._authorization
        try:
            if self._connection is None:
                self._connection = _connect(self.scheme, self.place.host)
            kept = self._connection.sock is not None
            try:
                return _exchange(self._connection, path, headers)
            except (ConnectionError, http.client.BadStatusLine):
                # Servers close connections they kept open whenever they like; only a fresh one tells what is wrong.
                if not kept:
                    raise
            return _exchange(self._connection, path, headers)
        except (OSError, http.client.HTTPException) as failed:
            raise PullError(
                f'pinging container registry {self.place.host}: Get "{self.scheme}://{self.place.host}/v2/": '
                f"dial tcp {self.place.host}: connect: {_cause(failed)}"
            ) from failed

    def _elsewhere(self, address: str, doing: str) -> http.client.HTTPResponse:
        # Big registries keep blobs on another host; credentials must not go there.
        try:
            parts = urlsplit(address)
            if not parts.netloc:
                return self._request(address, ())
            connection = _connect(parts.scheme, parts.netloc)
            path = parts._replace(scheme="", netloc="").geturl()
            return _exchange(connection, path, {"User-Agent": self.agent})
        except (OSError, http.client.HTTPException, ValueError) as failed:
            raise PullError(f"{doing}: following the redirect to {address!r}: {_cause(failed)}") from failed

    def _authorize(self, challenge: str) -> bool:
        """Answer a challenge, also one that comes late because a token expired; False without anything new to say."""
        before, basic = self._authorization, self._credentials()
        scheme, _unused, rest = challenge.partition(" ")
        if scheme.lower() == "basic":
            self._authorization = None if basic is None else f"Basic {basic}"
        elif scheme.lower() == "bearer":
            self._authorization = f"Bearer {self._token(dict(re.findall(_FIELD, rest)), basic)}"
        return self._authorization not in (None, before)

    def _token(self, fields: dict[str, str], basic: str | None) -> str:
        query = urlencode([(key, text) for key, text in fields.items() if key in ("service", "scope")])
        headers = {"User-Agent": self.agent}
        if basic is not None:
            headers["Authorization"] = f"Basic {basic}"
        realm = fields.get("realm", "")
        try:
            parts = urlsplit(realm)
            response = _exchange(_connect(parts.scheme, parts.netloc), f"{parts.path or '/'}?{query}", headers)
            body = response.read()
            if response.status != 200:
                raise PullError(f"requesting bearer token: invalid status code from registry {response.status}")
            answer: dict[str, Any] = json.loads(body)
            return str(answer.get("token") or answer["access_token"])
        except (OSError, http.client.HTTPException) as failed:
            raise PullError(f"requesting bearer token from {realm!r}: {_cause(failed)}") from failed
        except (ValueError, KeyError, AttributeError) as unusable:
            raise PullError(f"requesting bearer token from {realm!r}: no token in the answer") from unusable

    def _credentials(self) -> str | None:
        for path in self._auth_files:
            if path.is_file():
                try:
                    return _credentials_in(json.loads(path.read_text(encoding="utf-8")), self._name)
                except (OSError, ValueError, TypeError, AttributeError) as broken:
                    raise PullError(f'reading credentials from {path}: {broken}; expected {{"auths": …}}') from broken
        return None


def _credentials_in(document: dict[str, Any], name: str) -> str | None:
    entries = document.get("auths", {})
    while name:
        if "auth" in entries.get(name, {}):
            return base64.b64encode(base64.b64decode(entries[name]["auth"])).decode()
        name = name.rpartition("/")[0]
    return None


def _connect(scheme: str, host: str) -> http.client.HTTPConnection:
    if not host or scheme not in ("http", "https"):
        raise ValueError("neither an http nor an https address")
    if scheme == "http":
        return http.client.HTTPConnection(host, timeout=_TIMEOUT_SECONDS)
    return http.client.HTTPSConnection(host, timeout=_TIMEOUT_SECONDS, context=ssl.create_default_context())


def _exchange(connection: http.client.HTTPConnection, path: str, headers: dict[str, str]) -> http.client.HTTPResponse:
    """Ask and wait for the head of the answer; a connection that failed is closed, to be opened again when used."""
    try:
        connection.request("GET", quote(path, safe="/:?#[]@!$&'()*+,;=%~"), headers=headers)
        return connection.getresponse()
    except (OSError, http.client.HTTPException):
        connection.close()
        raise


def _read(response: http.client.HTTPResponse, doing: str) -> bytes:
    try:
        return response.read()
    except (OSError, http.client.HTTPException) as failed:
        raise PullError(f"{doing}: {_cause(failed)}") from failed


def _save(response: http.client.HTTPResponse, path: Path) -> str:
    """Stream a body into a file; returns its digest. Raises OSError and HTTPException."""
    seen = hashlib.sha256()
    with path.open("wb") as stream:
        for chunk in iter(lambda: response.read(_CHUNK), b""):
            seen.update(chunk)
            stream.write(chunk)
    # Read in pieces, http.client takes a body that ends early for a whole one.
    if response.length:
        raise http.client.IncompleteRead(b"", response.length)
    return f"sha256:{seen.hexdigest()}"


def _cause(failed: Exception) -> str:
    if isinstance(failed, ConnectionRefusedError):
        return "connection refused"
    if isinstance(failed, socket.timeout):
        return "i/o timeout"
    if isinstance(failed, (http.client.IncompleteRead, http.client.RemoteDisconnected)):
        return "unexpected EOF"
    if isinstance(failed, ConnectionResetError):
        return "connection reset by peer"
    return " ".join(str(failed).split()) or type(failed).__name__


def digest_of(content: bytes) -> str:
    """The OCI digest of some bytes."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"
