# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""HTTP to registries: bounded answers, patient retries, no credentials to strangers. PRIVATE to the collection."""

from __future__ import annotations

import email.utils
import http.client
import time
import traceback
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable, Iterable, Mapping

from .certificates import tls_context
from .errors import NETWORK, UNEXPECTED, RegistryError
from .untrusted import read_number, split_url

if TYPE_CHECKING:
    import ssl

    import requests

REQUESTS_IMPORT_ERROR = ""
try:
    import requests
    from urllib3.exceptions import InsecureRequestWarning
except ImportError:
    REQUESTS_IMPORT_ERROR = traceback.format_exc()

_FIRST_DELAY = 1.0
_LONGEST_DELAY = 60.0
_MOST_REDIRECTS = 5
_CHUNK = 64 * 1024
_PATIENCE = 60.0
_SLOWEST = 8 * 1024
"""Bytes per second that have to arrive on average, after so many seconds of patience."""
_TRANSIENT = (408, 429, 500, 502, 503, 504)
_REDIRECTS = (301, 302, 303, 307, 308)


@dataclass(frozen=True)
class Response:
    """A whole answer, read within its limit."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    url: str


class _TransientFailure(Exception):
    """No usable answer; another try may bring one."""


def new_session() -> requests.Session:
    """Return a session with kept connections; proxies and CA bundles come from the environment."""
    return requests.Session()


class Transport:
    """Sends requests and waits out what passes by itself."""

    def __init__(
        self,
        session: requests.Session,
        *,
        verify: bool = True,
        timeout: float = 30.0,
        retries: int = 3,
        sleep: Callable[[float], None] = time.sleep,
        now: Callable[[], float] = time.time,
        certificates: Callable[[str], Path | None] = lambda _host: None,
    ) -> None:
        """Use ``session``; give each network step ``timeout`` seconds and each request ``retries`` more tries.

        ``certificates`` returns the folder with those for one ``host[:port]``, if there is one.
        """
        # A connection that took any certificate must not serve a request that asks for a trusted one.
        self._sessions = {verify: _plain(session)}
        self._verify = verify
        self._certificates = certificates
        self._prepared: set[tuple[str, bool]] = set()
        self._timeout = timeout
        self._retries = retries
        self._sleep = sleep
        self._now = now

    def send(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        limit: int,
        data: bytes | Iterable[bytes] | None = None,
        retries: int | None = None,
        follow: bool = True,
        trusted: str = "",
    ) -> Response:
        """Return the final answer, whatever its status; raise when there is none.

        For this request, any certificate of the host ``trusted`` (``host[:port]``) will do.

        Without ``follow``, a redirect is the final answer. A whole body that comes where a ``Range`` was asked for is
        not read: the answer has status 200 then, and nothing in it. So it is with 416, for a part that is not there.
        """
        tries = 1 + (self._retries if retries is None else retries)
        delay = _FIRST_DELAY
        for left in range(tries - 1, -1, -1):
            wait = delay
            try:
                read = self._follow if follow else self._once
                response = read(method, url, headers, data, limit=limit, trusted=trusted)
            except _TransientFailure as error:
                if not left:
                    raise RegistryError(
                        NETWORK,
                        f"{split_url(url).host} could not be reached: {error}.",
                        "Check that the registry runs, its host and port in the reference, the network and the proxy.",
                    ) from error.__cause__
            else:
                if not left or response.status not in _TRANSIENT:
                    return response
                wait = max(delay, self._asked_to_wait(response))
                if wait > _LONGEST_DELAY:
                    return response
            self._sleep(wait)
            delay = min(delay * 2, _LONGEST_DELAY)
        raise AssertionError("the last try returns or raises")

    def _asked_to_wait(self, response: Response) -> float:
        text = response.headers.get("Retry-After", "").strip()
        seconds = read_number(text)
        if seconds is not None:
            return float(seconds)
        try:
            return max(0.0, email.utils.parsedate_to_datetime(text).timestamp() - self._now())
        except (TypeError, ValueError, IndexError, OverflowError):
            return 0.0

    def _follow(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        data: bytes | Iterable[bytes] | None,
        *,
        limit: int,
        trusted: str,
    ) -> Response:
        """Follow redirects by hand: only reads, never from https to http, and without credentials on another host."""
        here = first = split_url(url)
        sent = dict(headers)
        for _redirect in range(_MOST_REDIRECTS + 1):
            response = self._once(method, here.url, sent, data, limit=limit, trusted=trusted)
            location = response.headers.get("Location", "")
            if response.status not in _REDIRECTS or not location or method not in ("GET", "HEAD"):
                return response
            there = split_url(location, here.url)
            if there.scheme not in ("http", "https") or (there.scheme == "http" and here.scheme == "https"):
                raise RegistryError(
                    UNEXPECTED,
                    f"{here.host} redirects to an address that is not https.",
                    "Ask the registry's operator to correct its external address.",
                )
            if there.origin != first.origin:
                sent.pop("Authorization", None)
            here = there
        raise RegistryError(
            UNEXPECTED,
            f"{first.host} redirects more than {_MOST_REDIRECTS} times.",
            "Ask the registry's operator to correct its external address.",
        )

    def _once(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        data: bytes | Iterable[bytes] | None,
        *,
        limit: int,
        trusted: str,
    ) -> Response:
        host = split_url(url).host
        verify = self._verify and host != trusted
        session = self._session_for(host, verify=verify)
        # Compressed transfer would change the bytes that digests are computed over.
        sent = {"Accept-Encoding": "identity", "User-Agent": "skorionos.bootc", **headers}
        try:
            with session.request(
                method,
                url,
                headers=sent,
                data=data,
                # Without this, requests would replace our header by what ~/.netrc has for the host.
                auth=_keep_headers,
                timeout=self._timeout,
                allow_redirects=False,
                stream=True,
                verify=None if verify else False,
            ) as answer:
                # docker-registry says 416 with the length of the whole blob, and then sends a few bytes.
                if "Range" in sent and answer.status_code in (200, 416):
                    return Response(answer.status_code, answer.headers, b"", url)
                body = _read_body(answer, limit, host)
                return Response(answer.status_code, answer.headers, body, url)
        except requests.exceptions.SSLError as error:
            raise RegistryError(
                NETWORK,
                f"No trusted TLS connection to {host}: {_innermost(error)}.",
                f"Put the registry's CA certificate into /etc/containers/certs.d/{host}/ca.crt, "
                "or, for one without TLS that you trust, set tls_verify: false (in a spec, registry.insecure: true).",
            ) from error
        except (
            requests.exceptions.ConnectionError,
            requests.exceptions.Timeout,
            requests.exceptions.ChunkedEncodingError,
        ) as error:
            raise _TransientFailure(_innermost(error)) from error
        except requests.exceptions.RequestException as error:
            # What it says could quote headers, or a proxy with its password.
            raise RegistryError(
                NETWORK, f"The request to {host} failed: {type(error).__name__}.", "Check the reference and the proxy."
            ) from None

    def _session_for(self, host: str, *, verify: bool) -> requests.Session:
        """Return the session for a host; before its first connection, see to it that its own certificates are used."""
        if verify not in self._sessions:
            self._sessions[verify] = _plain(new_session())
        session = self._sessions[verify]
        if (host, verify) not in self._prepared:
            if not verify:
                silence_insecure_warnings()
            folder = self._certificates(host)
            if folder is not None:
                session.mount(f"https://{host}/", _adapter(tls_context(folder, verify=verify)))
            self._prepared.add((host, verify))
        return session


def _plain(session: requests.Session) -> requests.Session:
    """Keep a session from looking into redirects: even those it does not follow it reads whole, and unpacks them."""
    session.get_redirect_target = lambda resp: None  # type: ignore[method-assign]
    return session


def _adapter(context: ssl.SSLContext) -> requests.adapters.HTTPAdapter:
    """Return what makes connections with that context, through a proxy or without one."""

    class Adapter(requests.adapters.HTTPAdapter):
        def init_poolmanager(self, *args: Any, **settings: Any) -> None:
            super().init_poolmanager(*args, ssl_context=context, **settings)

        def proxy_manager_for(self, *args: Any, **settings: Any) -> Any:
            return super().proxy_manager_for(*args, ssl_context=context, **settings)

    return Adapter()


def silence_insecure_warnings() -> None:
    """Stop the warning on every single request: who turned verification off has been told once, by the option."""
    warnings.filterwarnings("ignore", category=InsecureRequestWarning)


def _keep_headers(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request


def _read_body(answer: requests.Response, limit: int, host: str) -> bytes:
    """Return the bytes as they come, whatever Content-Encoding says: digests are of these, and they are no bomb."""
    # Only the response that is wrapped here gives what has arrived, without waiting until a buffer is full.
    source: Any = answer.raw._original_response
    body = bytearray()
    begun = time.monotonic()
    while True:
        try:
            piece = source.read1(_CHUNK)
        except (OSError, http.client.HTTPException) as error:
            raise _TransientFailure(_innermost(error)) from error
        if not piece:
            break
        body += piece
        if len(body) > limit:
            raise RegistryError(
                UNEXPECTED,
                f"{host} sends more than {limit} bytes where a registry sends less.",
                "Check that the host in the reference is an image registry.",
            )
        seconds = time.monotonic() - begun
        if seconds > _PATIENCE + len(body) / _SLOWEST:
            raise RegistryError(
                NETWORK,
                f"{host} sends too slowly: {len(body)} bytes in {seconds:.0f} seconds.",
                "Look at the network between here and there, and run again.",
            )
    if source.length:
        raise _TransientFailure(f"the answer ended after {len(body)} of {len(body) + source.length} bytes")
    source.close()
    answer.raw.release_conn()
    return bytes(body)


def _innermost(error: BaseException) -> str:
    """Return what the operating system or TLS said, without the layers of wrapping and without the URL."""
    seen: list[BaseException] = []
    current: BaseException | None = error
    while current is not None and current not in seen:
        seen.append(current)
        inner = [argument for argument in current.args if isinstance(argument, BaseException)]
        reason = getattr(current, "reason", None)
        current = (
            reason
            if isinstance(reason, BaseException)
            else inner[0]
            if inner
            else current.__cause__ or current.__context__
        )
    said = next((getattr(e, "strerror", None) for e in reversed(seen) if getattr(e, "strerror", None)), None)
    text = str(said) if said else str(seen[-1]) or type(seen[-1]).__name__
    return text.rstrip(".")[:200]
