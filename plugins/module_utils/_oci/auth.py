# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Credentials from the files that podman, skopeo and docker write. PRIVATE to the collection."""

from __future__ import annotations

import base64
import binascii
import json
import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Iterator, Mapping

from .errors import AUTH, RegistryError
from .helpers import HelperError, ask_helper
from .places import configuration_folder, expand_user, home_folder

_OLD_DOCKER_FILE = ".dockercfg"


@dataclass(frozen=True)
class Credentials:
    """Who we are at a registry, and the file that says so. The secrets are kept out of every representation."""

    username: str
    password: str = field(repr=False)
    source: str
    identity_token: str = field(default="", repr=False)

    @property
    def basic(self) -> str:
        """Value of an Authorization header."""
        return "Basic " + base64.b64encode(f"{self.username}:{self.password}".encode()).decode()


@dataclass(frozen=True)
class Lookup:
    """What the files have for a repository: credentials, or a note on why there are none."""

    credentials: Credentials | None
    note: str


@dataclass(frozen=True)
class Challenge:
    """One way to authenticate that a registry offers."""

    scheme: str
    parameters: Mapping[str, str]


def auth_files(explicit: str | None, environ: Mapping[str, str]) -> list[Path]:
    """Return the files to look into, in order. A named file is the only one, as for podman and skopeo."""
    named = explicit or environ.get("REGISTRY_AUTH_FILE")
    if named:
        return [expand_user(named)]
    runtime = environ.get("XDG_RUNTIME_DIR")
    return [
        (Path(runtime) / "containers" if runtime else Path("/run/containers") / str(os.getuid())) / "auth.json",
        configuration_folder(environ) / "containers" / "auth.json",
        Path(environ.get("DOCKER_CONFIG") or home_folder(environ) / ".docker") / "config.json",
        home_folder(environ) / _OLD_DOCKER_FILE,
    ]


def find_credentials(explicit: str | None, environ: Mapping[str, str], registry: str, repository: str) -> Lookup:
    """Look for the most specific entry; the first file that has one wins."""
    files = auth_files(explicit, environ)
    search = _Search(registry, repository, environ, [])
    for path in files:
        credentials = search.look_into(_read(path, required=bool(explicit)), path)
        if credentials is not None:
            who = f"of user '{credentials.username}' " if credentials.username else ""
            return Lookup(credentials, f"Credentials {who}from {credentials.source} were used.")
    looked = ", ".join(str(path) for path in files)
    note = f"No credentials for {registry} in {looked}: run 'podman login {registry}' or name an auth file."
    return Lookup(None, " ".join([*search.troubles, note]))


@dataclass(frozen=True)
class _Search:
    registry: str
    repository: str
    environ: Mapping[str, str]
    troubles: list[str]
    """What was wrong with helpers. No end of the search: what is wanted may be public."""

    def look_into(self, document: Mapping[str, Any], path: Path) -> Credentials | None:
        """Return what the helper for this registry has, else the file itself, else the helper for all others."""
        own = (document.get("credHelpers") or {}).get(self.registry)
        found = self._ask(own, path) if own else None
        found = found or _match(document, self.registry, self.repository, str(path))
        if found is None and not own and document.get("credsStore"):
            found = self._ask(document["credsStore"], path)
        return found

    def _ask(self, helper: object, path: Path) -> Credentials | None:
        try:
            answer = ask_helper(str(helper), self.registry, self.environ)
        except HelperError as error:
            self.troubles.append(f"The credential helper that {path} names for {self.registry} {error}.")
            return None
        if answer is None:
            return None
        username, password, identity_token = answer
        return Credentials(username, password, f"the credential helper '{helper}' of {path}", identity_token)


def _read(path: Path, *, required: bool) -> Mapping[str, Any]:
    try:
        text = path.read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError) as error:
        if required:
            raise RegistryError(
                AUTH, f"The auth file {path} does not exist.", "Create it with 'podman login'."
            ) from error
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise RegistryError(AUTH, f"The auth file {path} cannot be read: {error}.", "Make it readable.") from error
    try:
        document = json.loads(text or "{}")
    except ValueError as error:
        # The text of the error could quote the file, and the file has passwords in it.
        raise RegistryError(AUTH, f"The auth file {path} is not JSON.", "Write it anew with 'podman login'.") from error
    if path.name == _OLD_DOCKER_FILE and isinstance(document, dict) and "auths" not in document:
        document = {"auths": document}
    if not isinstance(document, dict) or not isinstance(document.get("auths") or {}, dict):
        raise RegistryError(AUTH, f"The auth file {path} has no 'auths' object.", "Write it anew with 'podman login'.")
    if not isinstance(document.get("credHelpers") or {}, dict):
        raise RegistryError(AUTH, f"'credHelpers' in the auth file {path} is no object.", "Correct it.")
    return document


def _match(document: Mapping[str, Any], registry: str, repository: str, source: str) -> Credentials | None:
    auths = document.get("auths") or {}
    # A helper leaves an empty object behind, which says nothing.
    full = {
        key: entry
        for key, entry in auths.items()
        if isinstance(entry, dict) and (entry.get("auth") or entry.get("identitytoken"))
    }
    by_key = {**{_normalise_key(key): entry for key, entry in full.items()}, **full}
    for key in _keys(registry, repository):
        if key in by_key:
            return _credentials(by_key[key], key, source)
    return None


def _keys(registry: str, repository: str) -> Iterator[str]:
    parts = [registry, *repository.split("/")]
    for length in range(len(parts), 0, -1):
        yield "/".join(parts[:length])


def _normalise_key(key: str) -> str:
    """Docker writes URLs; with one of these the path is the API's, not a namespace."""
    without_scheme = re.sub(r"^https?://", "", key)
    if without_scheme != key:
        without_scheme = without_scheme.partition("/")[0]
    return "docker.io" if without_scheme == "index.docker.io" else without_scheme.rstrip("/")


def _credentials(entry: Mapping[str, Any], key: str, source: str) -> Credentials:
    try:
        decoded = base64.b64decode(entry.get("auth") or "", validate=True).decode("utf-8")
    except (binascii.Error, TypeError, ValueError) as error:
        raise RegistryError(
            AUTH, f"The entry '{key}' of {source} cannot be decoded.", "Run 'podman login' again."
        ) from error
    username, _colon, password = decoded.partition(":")
    return Credentials(username, password.rstrip("\0"), source, str(entry.get("identitytoken") or ""))


_SCHEME = re.compile(r"(?:^|,)\s*(Bearer|Basic)\b\s*", re.IGNORECASE)
_PARAMETER = re.compile(r'([A-Za-z_]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))')


def parse_challenges(header: str) -> list[Challenge]:
    """Read WWW-Authenticate, which may carry several challenges."""
    starts = list(_SCHEME.finditer(header))
    ends = [start.start() for start in starts[1:]] + [len(header)]
    return [
        Challenge(
            start.group(1).lower(),
            {
                match.group(1).lower(): match.group(3) or re.sub(r"\\(.)", r"\1", match.group(2) or "")
                for match in _PARAMETER.finditer(header[start.end() : end])
            },
        )
        for start, end in zip(starts, ends)
    ]
