# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A client of the OCI distribution API. PRIVATE to the collection."""

from __future__ import annotations

import os
import re
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Callable, Iterable, Iterator, Mapping
from urllib.parse import urlencode

from .answers import answer_error, said
from .auth import Challenge, Lookup, find_credentials, parse_challenges
from .certificates import certificate_folder
from .errors import AUTH, NETWORK, NOT_FOUND, UNEXPECTED, UNSUPPORTED, InvalidReference, Refused, RegistryError
from .manifest import (
    MEDIA_TYPES,
    OCI_INDEX,
    Descriptor,
    Manifest,
    parse_manifest,
    verify_digest,
)
from .reading import ImageReader, known_digest
from .reference import Reference, is_digest, is_tag, parse_reference
from .registries_conf import Rule, read_rules, rule_for
from .transport import Response, Transport
from .untrusted import read_json, read_number, split_url

if TYPE_CHECKING:
    import requests

_ACCEPT = ", ".join(MEDIA_TYPES)
_LARGEST_MANIFEST = 4 * 1024 * 1024
_LARGEST_ANSWER = 1024 * 1024
_LARGEST_PAGE = 16 * 1024 * 1024
_MOST_PAGES = 1000
_LARGEST_LIST = 64 * 1024 * 1024
_SHORTEST_TOKEN_LIFE = 60.0
_LONGEST_TOKEN_LIFE = 86400.0
_PULL = "pull"
_PUSH = "pull,push"
_DELETE = "delete"
_TOKEN = re.compile(r"[\x21-\x7e]+")
_ASK = "Ask the registry's operator."


@dataclass
class _Token:
    header: str
    expires: float


class RegistryClient(ImageReader):
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
        pulls: bool = False,
        timeout: float = 30.0,
        retries: int = 3,
        sleep: Callable[[float], None] = time.sleep,
        now: Callable[[], float] = time.time,
        environ: Mapping[str, str] | None = None,
        warn: Callable[[str], None] = lambda _warning: None,
    ) -> None:
        """Keep the settings.

        With ``insecure``, certificates are not checked, and plain HTTP is spoken where there is no TLS. With
        ``for_push``, reading asks for the right to push too: some registries tell only those who may create a
        repository that it does not exist, and refuse everybody else.

        With ``pulls``, what is read is read where podman and skopeo on this host would pull it from: from the location
        that registries.conf gives for it, if any. As they do, the client writes to where a name says.
        """
        self._environ = os.environ if environ is None else environ
        self._transport = Transport(
            session,
            verify=not insecure,
            timeout=timeout,
            retries=retries,
            sleep=sleep,
            now=now,
            certificates=lambda host: certificate_folder(host, self._environ),
        )
        self._insecure = insecure
        self._pulls = pulls
        self._rules: Mapping[str, Rule] | None = None
        self._auth_file = auth_file
        self._read_scope = _PUSH if for_push else _PULL
        self._now = now
        self._warn = warn
        self._schemes: dict[str, str] = {}
        self._tokens: dict[tuple[str, str], _Token] = {}

    def ping(self, registry: str) -> None:
        """Raise unless ``registry`` answers like one. Being asked for credentials is an answer."""
        url = f"{self._base(registry, registry)}/v2/"
        trusted = self._trusted(registry, registry)
        response = self._transport.send("GET", url, headers={}, limit=_LARGEST_ANSWER, trusted=trusted)
        if response.status not in (200, 401):
            raise answer_error(response, f"{registry}", "ask whether it is a registry")

    def pulled_from(self, reference: Reference) -> Reference:
        """Return where a client that ``pulls`` reads a reference; raise for what the host's configuration blocks."""
        return self._there(reference, _PULL)

    def get_manifest(self, reference: Reference) -> Manifest:
        """Return the manifest or index with its exact bytes, verified against the digest where one is known."""
        response = self._manifest_request("GET", reference)
        if response.status != 200:
            raise answer_error(response, str(reference), "read")
        what = f"The manifest of {reference}"
        manifest = parse_manifest(response.body, response.headers.get("Content-Type", ""), what)
        promised = reference.digest or response.headers.get("Docker-Content-Digest")
        if promised and promised != manifest.digest:
            verify_digest(response.body, known_digest(promised, what), what)
        return manifest

    def head_manifest(self, reference: Reference) -> str | None:
        """Return the digest the registry has for the reference, or none when it has no such manifest."""
        response = self._manifest_request("HEAD", reference)
        digest = response.headers.get("Docker-Content-Digest", "")
        if response.status == 200 and is_digest(digest) and reference.digest in (None, digest):
            return digest
        # The answer to HEAD has no body, so only GET tells "absent" from other troubles.
        try:
            return self.get_manifest(reference).digest
        except RegistryError as error:
            if error.kind == NOT_FOUND:
                return None
            raise

    def list_tags(self, reference: Reference) -> list[str]:
        """Return every tag of the repository, sorted."""
        found: set[str] = set()
        for response in self._pages(reference, "tags/list?n=1000"):
            if response.status != 200:
                raise answer_error(response, f"{reference.name}", "list the tags of")
            found.update(_tags_in(response.body, reference.name))
        return sorted(found)

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

    def put_blob(self, reference: Reference, digest: str, body: Iterable[bytes], mount_from: str | None = None) -> None:
        """Send a blob, or have the registry take it from its repository ``mount_from`` where it has that there.

        ``body`` knows its length. One try: what is sent again after half of it arrived would be appended to that.
        """
        what = f"the blob {digest} to {reference.name}"
        query = f"?{urlencode({'mount': digest, 'from': mount_from})}" if mount_from else ""
        begun = self._request("POST", reference, f"blobs/uploads/{query}", scope=_PUSH, limit=_LARGEST_ANSWER, data=b"")
        if begun.status == 201:
            return
        if begun.status != 202 or not begun.headers.get("Location"):
            raise answer_error(begun, what, "upload")
        here = split_url(begun.url)
        there = split_url(begun.headers["Location"], begun.url)
        if there.scheme not in ("http", "https") or (there.scheme == "http" and here.scheme == "https"):
            raise RegistryError(
                UNEXPECTED,
                f"{reference.registry} wants uploads at an address that is not https.",
                "Ask the registry's operator to correct its external address.",
            )
        headers = {"Content-Type": "application/octet-stream"}
        token = self._tokens.get((reference.registry, f"repository:{reference.repository_there}:{_PUSH}"))
        if token is not None and there.origin == here.origin:
            headers["Authorization"] = token.header
        separator = "&" if there.query else "?"
        url = f"{there.url}{separator}{urlencode({'digest': digest})}"
        trusted = self._trusted(reference.registry, reference.name_there)
        ended = self._transport.send(
            "PUT", url, headers=headers, data=body, limit=_LARGEST_ANSWER, retries=0, trusted=trusted
        )
        if ended.status not in (200, 201, 204):
            raise answer_error(ended, what, "upload")

    def head_blob(self, reference: Reference, digest: str) -> int | None:
        """Return the bytes a blob of the reference's repository has, or none when it is not there."""
        what = f"the blob {digest} of {reference.name}"
        response = self._request("HEAD", reference, f"blobs/{digest}", scope=self._read_scope, limit=_LARGEST_ANSWER)
        if response.status == 404:
            return None
        if response.status != 200:
            raise answer_error(response, what, "ask for")
        length = read_number(response.headers.get("Content-Length"))
        if length is None:
            raise RegistryError(UNEXPECTED, f"{reference.registry} does not tell the size of {what}.", _ASK)
        return length

    def get_blob_range(self, reference: Reference, digest: str, offset: int, length: int) -> bytes:
        """Return ``length`` bytes of a blob from ``offset`` on. A part cannot be verified against the digest.

        Raises the kind ``unsupported`` where the registry, or the storage it sends us to, gives whole blobs only.
        """
        what = f"bytes {offset} to {offset + length - 1} of the blob {digest} of {reference.name}"
        response = self._request(
            "GET",
            reference,
            f"blobs/{digest}",
            scope=self._read_scope,
            limit=max(length, _LARGEST_ANSWER),
            headers={"Range": f"bytes={offset}-{offset + length - 1}"},
        )
        host = split_url(response.url).host
        if response.status == 200:
            raise RegistryError(
                UNSUPPORTED,
                f"{host} gives no parts of blobs.",
                "The registry, or the storage behind it, has to answer requests for a range; have that set up, or use "
                "another registry.",
            )
        if response.status == 416:
            raise RegistryError(UNEXPECTED, f"{host} has no {what}.", "Push the image again; what it says is not so.")
        if response.status != 206:
            raise answer_error(response, what, "read")
        given = re.match(r"bytes ([0-9]{1,18})-([0-9]{1,18})/", response.headers.get("Content-Range", ""))
        expected = (offset, offset + length - 1)
        if given is None or (int(given[1]), int(given[2])) != expected or len(response.body) != length:
            raise RegistryError(UNEXPECTED, f"{host} sent something else than {what}.", _ASK)
        return response.body

    def delete_manifest(self, reference: Reference) -> bool:
        """Delete the manifest with the reference's digest, and with it every tag that is on it.

        Returns whether it was there. Only digests are taken: what a tag means may have changed since it was looked at.
        """
        if reference.digest is None:
            raise ValueError(f"{reference} has no digest to delete")
        path = f"manifests/{reference.digest}"
        response = self._request("DELETE", reference, path, scope=_DELETE, limit=_LARGEST_ANSWER)
        if response.status in (200, 202, 204):
            return True
        error = answer_error(response, str(reference), "delete")
        if error.kind == NOT_FOUND:
            return False
        if response.status in (400, 405):
            raise RegistryError(UNSUPPORTED, error.cause, "Allow deletion in the registry's configuration.")
        raise error

    def list_referrers(self, reference: Reference, artifact_type: str | None = None) -> list[Descriptor]:
        """Return what is about the reference's digest: signatures, lists of packages and the like.

        Registries without an answer of their own keep that list as an index at a tag made of the digest.
        """
        if reference.digest is None:
            raise ValueError(f"{reference} has no digest that something could be about")
        listed = self._referrers_told(reference)
        if listed is None:
            listed = self._referrers_tagged(reference)
        return [entry for entry in listed if artifact_type in (None, entry.artifact_type)]

    def _referrers_told(self, reference: Reference) -> list[Descriptor] | None:
        """Ask the registry itself; none when it does not answer this question."""
        what = f"The list of what is about {reference}"
        found: list[Descriptor] = []
        for response in self._pages(reference, f"referrers/{reference.digest}"):
            # Some registries send this question to their web pages, which then complain about too many of them.
            if response.status in (400, 404, 405, 501) or response.status in range(300, 400):
                return None
            if response.status != 200:
                raise answer_error(response, what, "read")
            if not response.headers.get("Content-Type", OCI_INDEX).startswith(OCI_INDEX):
                return None
            index = parse_manifest(response.body, OCI_INDEX, what)
            if not index.is_index:
                raise RegistryError(UNEXPECTED, f"{what} is not a list.", _ASK)
            found += index.entries
        return found

    def _referrers_tagged(self, reference: Reference) -> list[Descriptor]:
        tag = (reference.digest or "").replace(":", "-")
        try:
            index = self.get_manifest(reference.with_tag(tag))
        except RegistryError as error:
            if error.kind == NOT_FOUND:
                return []
            raise
        return index.entries if index.is_index else []

    def _pages(self, reference: Reference, path: str) -> Iterator[Response]:
        """Ask for a list page by page, as long as each page names the next one."""
        asked: list[str] = []
        received = 0
        following: str | None = path
        while following is not None:
            if following in asked or len(asked) == _MOST_PAGES or received > _LARGEST_LIST:
                raise RegistryError(
                    UNEXPECTED, f"{reference.name} answers with page after page, and comes to no end.", _ASK
                )
            asked.append(following)
            response = self._request(
                "GET", reference, following, scope=self._read_scope, limit=_LARGEST_PAGE, follow=False
            )
            received += len(response.body)
            yield response
            following = _next_page(response, reference.name, path.partition("?")[0])

    def _read_blob(self, reference: Reference, digest: str, limit: int, what: str) -> bytes:
        response = self._request("GET", reference, f"blobs/{digest}", scope=self._read_scope, limit=limit)
        if response.status != 200:
            raise answer_error(response, what, "read")
        verify_digest(response.body, digest, what)
        return response.body

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
        follow: bool = True,
    ) -> Response:
        there = self._there(reference, scope)
        url = f"{self._base(there.registry, reference.name_there)}/v2/{there.repository_there}/{path}"
        key = (there.registry, f"repository:{there.repository_there}:{scope}")
        trusted = self._trusted(there.registry, reference.name_there)

        def send() -> Response:
            token = self._tokens.get(key)
            sent = dict(headers or {})
            if token is not None and token.expires > self._now():
                sent["Authorization"] = token.header
            return self._transport.send(
                method, url, headers=sent, data=data, limit=limit, follow=follow, trusted=trusted
            )

        response = send()
        # A challenge counts only when the registry itself sent it, not a host it redirected to.
        if response.status == 401 and response.url == url:
            challenges = parse_challenges(response.headers.get("WWW-Authenticate", ""))
            lookup = find_credentials(self._auth_file, self._environ, there.registry, there.repository_there)
            insecure = self._is_insecure(reference.name_there)
            self._tokens[key] = self._authenticate(there, key[1], challenges, lookup, url, insecure=insecure)
            response = send()
            if response.status in (401, 403):
                cause = f"{there.registry} refuses '{scope}' on {there.name}{said(response)}."
                # Only a token or a 403 say that the credentials themselves are good.
                known = lookup.credentials and (
                    response.status == 403 or self._tokens[key].header.startswith("Bearer ")
                )
                raise Refused(cause, lookup.note) if known else RegistryError(AUTH, cause, lookup.note)
        return response

    def _authenticate(
        self,
        reference: Reference,
        scope: str,
        challenges: Iterable[Challenge],
        lookup: Lookup,
        url: str,
        *,
        insecure: bool,
    ) -> _Token:
        registry = reference.registry
        offered = {challenge.scheme: challenge for challenge in challenges}
        if "bearer" in offered:
            return self._fetch_token(reference, scope, offered["bearer"], lookup, url, insecure=insecure)
        if "basic" not in offered:
            raise RegistryError(
                AUTH,
                f"{registry} wants credentials in a way that is neither Bearer nor Basic.",
                "Use a registry with one of these.",
            )
        if lookup.credentials is None:
            raise RegistryError(AUTH, f"{registry} wants credentials.", lookup.note)
        return _Token(lookup.credentials.basic, float("inf"))

    def _fetch_token(
        self, reference: Reference, scope: str, challenge: Challenge, lookup: Lookup, url: str, *, insecure: bool
    ) -> _Token:
        registry = reference.registry
        here = split_url(url)
        realm = split_url(challenge.parameters.get("realm", ""), url)
        # Without TLS, the whole network could send us to a host of its own.
        own = realm.scheme == "http" and realm.hostname == here.hostname and insecure
        if realm.scheme != "https" and not own:
            raise RegistryError(
                AUTH,
                f"{registry} sends us to {realm.host} for a token, without TLS.",
                "Credentials are not sent in the clear; ask the registry's operator to correct its token address.",
            )
        asked = (challenge.parameters.get("scope") or scope).split()
        repository, _colon, actions = scope.rpartition(":")
        if actions == _PUSH:
            # The challenge names what the request needs, which for reading is less than what was wanted.
            asked = [scope if one == f"{repository}:{_PULL}" else one for one in asked]
        query = {"scope": " ".join(asked)}
        if challenge.parameters.get("service"):
            query["service"] = challenge.parameters["service"]
        credentials = lookup.credentials
        trusted = _host_of(registry) if insecure else ""
        if credentials is not None and credentials.identity_token:
            form = {
                **query,
                "grant_type": "refresh_token",
                "refresh_token": credentials.identity_token,
                "client_id": "skorionos.bootc",
            }
            response = self._transport.send(
                "POST",
                realm.url,
                headers={"Content-Type": "application/x-www-form-urlencoded"},
                data=urlencode(form).encode(),
                limit=_LARGEST_ANSWER,
                trusted=trusted,
            )
        else:
            separator = "&" if realm.query else "?"
            response = self._transport.send(
                "GET",
                f"{realm.url}{separator}{urlencode(query)}",
                headers={"Authorization": credentials.basic} if credentials else {},
                limit=_LARGEST_ANSWER,
                trusted=trusted,
            )
        host = realm.host
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
        document = read_json(response.body, f"The answer of {host}, the token server of {registry},", _ASK)
        fields = document if isinstance(document, dict) else {}
        token = fields.get("token") or fields.get("access_token")
        # Whatever else it was would be quoted in the complaint that it is no header.
        if not isinstance(token, str) or not _TOKEN.fullmatch(token):
            raise RegistryError(UNEXPECTED, f"{registry}: its token server {host} answered without a token.", _ASK)
        told = fields.get("expires_in")
        life = told if isinstance(told, (int, float)) and told > _SHORTEST_TOKEN_LIFE else _SHORTEST_TOKEN_LIFE
        # Renewed a little early, so that a token does not run out on its way.
        return _Token(f"Bearer {token}", self._now() + min(life, _LONGEST_TOKEN_LIFE) * 0.9)

    def _base(self, registry: str, name: str) -> str:
        host = _host_of(registry)
        return f"{self._scheme(host, name)}://{host}"

    def _trusted(self, registry: str, name: str) -> str:
        """Return the host of which any certificate will do, for a request about one repository."""
        return _host_of(registry) if self._is_insecure(name) else ""

    def _is_insecure(self, name: str) -> bool:
        """Whether everything is, or the host's own configuration says so of this registry or repository."""
        if self._insecure:
            return True
        rule = self._rule(name)
        return rule is not None and rule.insecure

    def _there(self, reference: Reference, scope: str) -> Reference:
        """Return the repository to ask; raise for one that the host's own configuration blocks."""
        name = reference.name_there
        rule = self._open(name)
        moved = rule.moved(name) if rule is not None and self._pulls and scope == _PULL else name
        if rule is None or moved == name:
            return reference
        try:
            place = parse_reference(moved)
        except InvalidReference as error:
            cause = f"{rule.file} has {name} pulled from '{moved}', which is no repository."
            raise RegistryError(UNEXPECTED, cause, "Mend it; podman and skopeo need it too.") from error
        self._open(moved)
        return replace(reference, registry=place.registry, repository=place.repository)

    def _open(self, name: str) -> Rule | None:
        """Return the rule for a repository, if there is one; raise when it says that the repository is blocked."""
        rule = self._rule(name)
        if rule is not None and rule.blocked:
            raise RegistryError(
                UNSUPPORTED,
                f"{name} is not asked, because {rule.file} blocks {rule.prefix}.",
                "Use another registry, or take that out of the file.",
            )
        return rule

    def _rule(self, name: str) -> Rule | None:
        if self._rules is None:
            self._rules = read_rules(self._environ, self._warn)
        return rule_for(self._rules, name)

    def _scheme(self, host: str, name: str) -> str:
        if not self._is_insecure(name):
            return "https"
        if host not in self._schemes:
            url = f"https://{host}/v2/"
            try:
                self._transport.send("GET", url, headers={}, limit=_LARGEST_ANSWER, retries=0, trusted=host)
            except RegistryError as error:
                if error.kind != NETWORK:
                    raise
                self._schemes[host] = "http"
            else:
                self._schemes[host] = "https"
        return self._schemes[host]


def _host_of(registry: str) -> str:
    return "registry-1.docker.io" if registry == "docker.io" else registry


def _tags_in(body: bytes, name: str) -> list[str]:
    what, remedy = f"The answer of {name} to the question for its tags", "Check the reference."
    document = read_json(body, what, remedy)
    tags = (document.get("tags") or []) if isinstance(document, dict) and "tags" in document else None
    if not isinstance(tags, list) or not all(isinstance(tag, str) and is_tag(tag) for tag in tags):
        raise RegistryError(UNEXPECTED, f"{what} is something else.", remedy)
    return tags


def _next_page(response: Response, name: str, path: str) -> str | None:
    """Return the path of the next page; a link elsewhere is refused, because our token goes along."""
    link = response.headers.get("Link", "")
    if 'rel="next"' not in link and "rel=next" not in link:
        return None
    here = split_url(response.url)
    there = split_url(link.partition("<")[2].partition(">")[0], response.url)
    if (there.origin, there.path) != (here.origin, here.path):
        raise RegistryError(UNEXPECTED, f"{name} answers page by page, with a link to somewhere else.", _ASK)
    return f"{path}?{there.query}"
