# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A client of the OCI distribution API. PRIVATE to the collection."""

from __future__ import annotations

import json
import os
import re
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Callable, Iterable, Mapping
from urllib.parse import urlencode, urljoin, urlsplit

from .answers import answer_error, said
from .auth import Challenge, Lookup, find_credentials, parse_challenges
from .errors import AUTH, NETWORK, NOT_FOUND, UNEXPECTED, UNSUPPORTED, Refused, RegistryError
from .manifest import (
    MEDIA_TYPES,
    Manifest,
    Platform,
    parse_manifest,
    platform_digests,
    platform_of,
    select_platform,
    verify_digest,
)
from .reference import Reference
from .transport import Response, Transport, silence_insecure_warnings

if TYPE_CHECKING:
    import requests

_ACCEPT = ", ".join(MEDIA_TYPES)
_LARGEST_MANIFEST = 4 * 1024 * 1024
_LARGEST_CONFIG = 8 * 1024 * 1024
_LARGEST_ANSWER = 1024 * 1024
_LARGEST_TAG_PAGE = 16 * 1024 * 1024
_MOST_TAG_PAGES = 1000
_SHORTEST_TOKEN_LIFE = 60
_PULL = "pull"
_PUSH = "pull,push"


@dataclass(frozen=True)
class Resolved:
    """What a reference meant at the moment of asking."""

    reference: Reference
    digest: str
    """Digest of what the reference names: an index or an image manifest. Tags and pins hold this one."""
    media_type: str
    platform_digests: Mapping[str, str]
    """Digest of the image manifest per platform, such as ``{"linux/amd64": "sha256:..."}``."""
    manifest: Manifest | None
    """Image manifest of the platform asked for; none for an index of several platforms when none was asked for."""
    config: Mapping[str, Any] | None = field(repr=False)
    """Configuration of that image."""
    annotations: Mapping[str, str] = field(default_factory=dict)
    """Annotations of what the reference names."""

    @property
    def digests(self) -> list[str]:
        """Every digest a machine may report after it took this image."""
        return sorted({self.digest, *self.platform_digests.values()})


@dataclass
class _Token:
    header: str
    expires: float


class RegistryClient:
    """Reads and writes manifests, with the credentials and the patience the registry asks for.

    One client may talk to several registries; connections and tokens are kept and used again.
    """

    def __init__(
        self,
        session: requests.Session,
        *,
        insecure: bool = False,
        auth_file: str | None = None,
        for_push: bool = False,
        timeout: float = 30.0,
        retries: int = 3,
        sleep: Callable[[float], None] = time.sleep,
        now: Callable[[], float] = time.time,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        """Keep the settings.

        With ``insecure``, certificates are not checked, and plain HTTP is spoken where there is no TLS. With
        ``for_push``, reading asks for the right to push too: some registries tell only those who may create a
        repository that it does not exist, and refuse everybody else.
        """
        self._transport = Transport(
            session, verify=not insecure, timeout=timeout, retries=retries, sleep=sleep, now=now
        )
        self._insecure = insecure
        self._auth_file = auth_file
        self._read_scope = _PUSH if for_push else _PULL
        self._now = now
        self._environ = os.environ if environ is None else environ
        self._schemes: dict[str, str] = {}
        self._tokens: dict[tuple[str, str], _Token] = {}
        if insecure:
            silence_insecure_warnings()

    def ping(self, registry: str) -> None:
        """Raise unless ``registry`` answers like one. Being asked for credentials is an answer."""
        url = f"{self._base(registry)}/v2/"
        response = self._transport.send("GET", url, headers={}, limit=_LARGEST_ANSWER)
        if response.status not in (200, 401):
            raise answer_error(response, f"{registry}", "ask whether it is a registry")

    def get_manifest(self, reference: Reference) -> Manifest:
        """Return the manifest or index with its exact bytes, verified against the digest where one is known."""
        response = self._manifest_request("GET", reference)
        if response.status != 200:
            raise answer_error(response, str(reference), "read")
        what = f"The manifest of {reference}"
        manifest = parse_manifest(response.body, response.headers.get("Content-Type", ""), what)
        promised = reference.digest or response.headers.get("Docker-Content-Digest")
        if promised and promised != manifest.digest:
            verify_digest(response.body, _known_digest(promised, what), what)
        return manifest

    def head_manifest(self, reference: Reference) -> str | None:
        """Return the digest the registry has for the reference, or none when it has no such manifest."""
        response = self._manifest_request("HEAD", reference)
        digest = response.headers.get("Docker-Content-Digest")
        if response.status == 200 and digest:
            return digest
        # The answer to HEAD has no body, so only GET tells "absent" from other troubles.
        try:
            return self.get_manifest(reference).digest
        except RegistryError as error:
            if error.kind == NOT_FOUND:
                return None
            raise

    def get_config(self, reference: Reference, manifest: Manifest) -> dict[str, Any]:
        """Return the configuration an image manifest names, verified."""
        digest = manifest.config.digest
        what = f"The configuration of {reference}"
        if manifest.config.size > _LARGEST_CONFIG:
            raise RegistryError(
                UNSUPPORTED, f"{what} has {manifest.config.size} bytes; at most {_LARGEST_CONFIG} are read."
            )
        response = self._request("GET", reference, f"blobs/{digest}", scope=self._read_scope, limit=_LARGEST_CONFIG)
        if response.status != 200:
            raise answer_error(response, what, "read")
        verify_digest(response.body, digest, what)
        try:
            document = json.loads(response.body)
        except ValueError as error:
            raise RegistryError(UNEXPECTED, f"{what} is not JSON: {error}.", "Push the image again.") from error
        if not isinstance(document, dict):
            raise RegistryError(UNEXPECTED, f"{what} is not a JSON object.", "Push the image again.")
        return document

    def resolve(self, reference: Reference, platform: Platform | None = None) -> Resolved:
        """Find out what a reference means now. Without a platform, an index of several stays unchosen."""
        top = self.get_manifest(reference)
        if not top.is_index:
            config = self.get_config(reference, top)
            own = platform_of(
                str(config.get("os") or "unknown"),
                str(config.get("architecture") or "unknown"),
                str(config.get("variant") or ""),
            )
            if platform is not None and (own.os, own.architecture) != (platform.os, platform.architecture):
                raise RegistryError(
                    NOT_FOUND,
                    f"{reference} is an image for {own}, not for {platform}.",
                    "Ask for that platform or publish this one.",
                )
            return Resolved(reference, top.digest, top.media_type, {str(own): top.digest}, top, config, top.annotations)
        digests = platform_digests(top)
        chosen = None
        if platform is not None:
            chosen = select_platform(top, platform, str(reference)).digest
        elif len(digests) == 1:
            chosen = next(iter(digests.values()))
        if chosen is None:
            return Resolved(reference, top.digest, top.media_type, digests, None, None, top.annotations)
        manifest = self._member(reference, chosen)
        config = self.get_config(reference, manifest)
        return Resolved(reference, top.digest, top.media_type, digests, manifest, config, top.annotations)

    def image_manifests(self, resolved: Resolved) -> list[Manifest]:
        """Return the manifest of every image that the reference stands for, those of all platforms of an index."""
        known = {resolved.manifest.digest: resolved.manifest} if resolved.manifest is not None else {}
        wanted = dict.fromkeys(resolved.platform_digests.values())
        return [known.get(digest) or self._member(resolved.reference, digest) for digest in wanted]

    def _member(self, reference: Reference, digest: str) -> Manifest:
        manifest = self.get_manifest(reference.with_digest(digest))
        if manifest.is_index:
            raise RegistryError(
                UNSUPPORTED, f"{reference} is an index of indexes.", "Publish one index that lists the images."
            )
        return manifest

    def list_tags(self, reference: Reference) -> list[str]:
        """Return every tag of the repository, sorted."""
        found: set[str] = set()
        path: str | None = "tags/list?n=1000"
        for _page in range(_MOST_TAG_PAGES):
            response = self._request("GET", reference, path or "", scope=self._read_scope, limit=_LARGEST_TAG_PAGE)
            if response.status != 200:
                raise answer_error(response, f"{reference.name}", "list the tags of")
            found.update(_tags_in(response.body, reference.name))
            path = _next_page(response, reference.name)
            if path is None:
                return sorted(found)
        raise RegistryError(UNEXPECTED, f"{reference.name} lists its tags on more than {_MOST_TAG_PAGES} pages.")

    def put_manifest(self, reference: Reference, manifest: Manifest) -> None:
        """Store the very bytes of ``manifest`` at the reference's tag (or digest)."""
        response = self._request(
            "PUT",
            reference,
            f"manifests/{reference.target}",
            scope=_PUSH,
            limit=_LARGEST_ANSWER,
            headers={"Content-Type": manifest.media_type},
            data=manifest.raw,
        )
        if response.status not in (200, 201, 202):
            raise answer_error(response, str(reference), "write")
        stored = response.headers.get("Docker-Content-Digest")
        if stored and stored != manifest.digest:
            raise RegistryError(
                UNEXPECTED,
                f"{reference.registry} changed the bytes of {reference}: stored {stored}, sent {manifest.digest}.",
                "Signatures and pins would not hold there; use a registry that keeps what it is given.",
            )

    def _manifest_request(self, method: str, reference: Reference) -> Response:
        path = f"manifests/{reference.target}"
        return self._request(
            method, reference, path, scope=self._read_scope, limit=_LARGEST_MANIFEST, headers={"Accept": _ACCEPT}
        )

    def _request(
        self,
        method: str,
        reference: Reference,
        path: str,
        *,
        scope: str,
        limit: int,
        headers: Mapping[str, str] | None = None,
        data: bytes | None = None,
    ) -> Response:
        url = f"{self._base(reference.registry)}/v2/{reference.repository_there}/{path}"
        key = (reference.registry, f"repository:{reference.repository_there}:{scope}")

        def send() -> Response:
            token = self._tokens.get(key)
            sent = dict(headers or {})
            if token is not None and token.expires > self._now():
                sent["Authorization"] = token.header
            return self._transport.send(method, url, headers=sent, data=data, limit=limit)

        response = send()
        # A challenge counts only when the registry itself sent it, not a host it redirected to.
        if response.status == 401 and response.url == url:
            challenges = parse_challenges(response.headers.get("WWW-Authenticate", ""))
            lookup = find_credentials(self._auth_file, self._environ, reference.registry, reference.repository_there)
            self._tokens[key] = self._authenticate(reference.registry, key[1], challenges, lookup, url)
            response = send()
            if response.status in (401, 403):
                cause = f"{reference.registry} refuses '{scope}' on {reference.name}{said(response)}."
                # Only a token or a 403 say that the credentials themselves are good.
                known = lookup.credentials and (
                    response.status == 403 or self._tokens[key].header.startswith("Bearer ")
                )
                raise Refused(cause, lookup.note) if known else RegistryError(AUTH, cause, lookup.note)
        return response

    def _authenticate(
        self, registry: str, scope: str, challenges: Iterable[Challenge], lookup: Lookup, url: str
    ) -> _Token:
        offered = {challenge.scheme: challenge for challenge in challenges}
        if "bearer" in offered:
            return self._fetch_token(registry, scope, offered["bearer"], lookup, url)
        if "basic" not in offered:
            raise RegistryError(
                AUTH,
                f"{registry} wants credentials in a way that is neither Bearer nor Basic.",
                "Use a registry with one of these.",
            )
        if lookup.credentials is None:
            raise RegistryError(AUTH, f"{registry} wants credentials.", lookup.note)
        return _Token(lookup.credentials.basic, float("inf"))

    def _fetch_token(self, registry: str, scope: str, challenge: Challenge, lookup: Lookup, url: str) -> _Token:
        realm = urljoin(url, challenge.parameters.get("realm", ""))
        if urlsplit(realm).scheme != "https" and not self._insecure:
            raise RegistryError(
                AUTH,
                f"{registry} sends us to {urlsplit(realm).netloc} for a token, without TLS.",
                "Credentials are not sent in the clear; ask the registry's operator to correct its token address.",
            )
        asked = challenge.parameters.get("scope") or scope
        if scope.endswith(f":{_PUSH}"):
            # The challenge names what the request needs, which for reading is less than what was wanted.
            asked = re.sub(rf":{_PULL}\Z", f":{_PUSH}", asked)
        query = {"scope": asked}
        if challenge.parameters.get("service"):
            query["service"] = challenge.parameters["service"]
        credentials = lookup.credentials
        if credentials is not None and credentials.identity_token:
            form = {
                **query,
                "grant_type": "refresh_token",
                "refresh_token": credentials.identity_token,
                "client_id": "skorionos.bootc",
            }
            response = self._transport.send(
                "POST",
                realm,
                headers={"Content-Type": "application/x-www-form-urlencoded"},
                data=urlencode(form).encode(),
                limit=_LARGEST_ANSWER,
            )
        else:
            separator = "&" if urlsplit(realm).query else "?"
            response = self._transport.send(
                "GET",
                f"{realm}{separator}{urlencode(query)}",
                headers={"Authorization": credentials.basic} if credentials else {},
                limit=_LARGEST_ANSWER,
            )
        host = urlsplit(realm).netloc
        if response.status in (400, 401, 403):
            who = (
                f"the credentials of user '{credentials.username}' from {credentials.source}"
                if credentials
                else "us without credentials"
            )
            cause = f"{registry}: its token server {host} rejects {who}{said(response)}."
            # 401 is about who we are. With 403 we are known, and the repository is the matter.
            raise (
                Refused(cause, lookup.note)
                if credentials and response.status == 403
                else RegistryError(AUTH, cause, lookup.note)
            )
        if response.status != 200:
            raise answer_error(response, f"a token from {host} for {registry}", "get")
        return self._read_token(response, registry, host)

    def _read_token(self, response: Response, registry: str, host: str) -> _Token:
        try:
            document = json.loads(response.body)
            token = document.get("token") or document["access_token"]
            life = max(float(document.get("expires_in") or 0), _SHORTEST_TOKEN_LIFE)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise RegistryError(
                UNEXPECTED,
                f"{registry}: its token server {host} answered without a token.",
                "Ask the registry's operator.",
            ) from error
        # Renewed a little early, so that a token does not run out on its way.
        return _Token(f"Bearer {token}", self._now() + life * 0.9)

    def _base(self, registry: str) -> str:
        host = "registry-1.docker.io" if registry == "docker.io" else registry
        return f"{self._scheme(host)}://{host}"

    def _scheme(self, host: str) -> str:
        if not self._insecure:
            return "https"
        if host not in self._schemes:
            try:
                self._transport.send("GET", f"https://{host}/v2/", headers={}, limit=_LARGEST_ANSWER, retries=0)
            except RegistryError as error:
                if error.kind != NETWORK:
                    raise
                self._schemes[host] = "http"
            else:
                self._schemes[host] = "https"
        return self._schemes[host]

    def get_blob(self, reference: Reference, digest: str, limit: int) -> bytes:
        """Return a blob of at most ``limit`` bytes, verified."""
        what = f"{reference.name}@{digest}"
        response = self._request("GET", reference, f"blobs/{digest}", scope=self._read_scope, limit=limit)
        if response.status != 200:
            raise answer_error(response, what, "read")
        verify_digest(response.body, digest, what)
        return response.body


def _known_digest(text: str, what: str) -> str:
    if text.startswith("sha256:") or text.startswith("sha512:"):
        return text
    raise RegistryError(
        UNSUPPORTED, f"{what} has a digest of an unknown kind, '{text[:20]}'.", "Use a registry with sha256 digests."
    )


def _tags_in(body: bytes, name: str) -> list[str]:
    try:
        tags = json.loads(body)["tags"] or []
        if all(isinstance(tag, str) for tag in tags):
            return list(tags)
    except (KeyError, TypeError, ValueError):
        pass
    raise RegistryError(
        UNEXPECTED, f"{name} answered the question for its tags with something else.", "Check the reference."
    )


def _next_page(response: Response, name: str) -> str | None:
    """Return the path of the next page; a link elsewhere is refused, because our token goes along."""
    link = response.headers.get("Link", "")
    if 'rel="next"' not in link and "rel=next" not in link:
        return None
    target = urljoin(response.url, link.partition("<")[2].partition(">")[0])
    here = urlsplit(response.url)
    there = urlsplit(target)
    if (there.scheme, there.netloc, there.path) != (here.scheme, here.netloc, here.path):
        raise RegistryError(
            UNEXPECTED, f"{name} lists its tags with a link to somewhere else.", "Ask the registry's operator."
        )
    return f"tags/list?{there.query}"
