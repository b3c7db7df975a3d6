# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What strangers write: JSON, addresses and numbers. Nothing in them raises anything but RegistryError. PRIVATE."""

from __future__ import annotations

import json
import re
from typing import Any, NamedTuple
from urllib.parse import urljoin, urlsplit

from .errors import UNEXPECTED, RegistryError

_MOST_VALUES = 10_000_000
_NUMBER = re.compile(r"[0-9]{1,18}")
# Programs do not agree on which host an address with one of these means.
_AMBIGUOUS = re.compile(r"[\x00-\x20\x7f\\]")
_DEFAULT_PORTS = {"http": 80, "https": 443}


def read_json(raw: bytes, what: str, remedy: str = "") -> Any:
    """Return what the bytes mean; raise the kind ``unexpected`` for what is no JSON, or cannot be held in memory."""
    # Each value is at least an object in memory, up to twenty times the size of its text.
    if sum(raw.count(sign) for sign in (b",", b"[", b"{")) > _MOST_VALUES:
        raise RegistryError(UNEXPECTED, f"{what} has more than {_MOST_VALUES} values.", remedy)
    try:
        return json.loads(raw)
    except RecursionError as error:
        raise RegistryError(UNEXPECTED, f"{what} is nested deeper than anything that is meant.", remedy) from error
    except ValueError as error:
        raise RegistryError(UNEXPECTED, f"{what} is not JSON: {error}.", remedy) from error


class Address(NamedTuple):
    """An absolute URL and its parts."""

    url: str
    scheme: str
    host: str
    """With the port, if it names one."""
    hostname: str
    port: int | None
    path: str
    query: str

    @property
    def origin(self) -> tuple[str, str, int | None]:
        """What has to be the same for two addresses to be of one server."""
        return self.scheme, self.hostname, self.port


def split_url(text: str, base: str = "") -> Address:
    """Take an address apart that may be relative to ``base``; raise the kind ``unexpected`` for what is none."""
    try:
        url = urljoin(base, text)
        parts = urlsplit(url)
        port = parts.port or _DEFAULT_PORTS.get(parts.scheme)
    except ValueError:
        url = ""
    if not url or not parts.hostname or parts.username is not None or _AMBIGUOUS.search(text):
        sender = f"{urlsplit(base).netloc} names" if base else "There is"
        raise RegistryError(
            UNEXPECTED,
            f"{sender} an address that cannot be used: {text[:100]!r}.",
            "Check the reference; if that is right, ask the registry's operator to correct its external address.",
        )
    return Address(url, parts.scheme, parts.netloc, parts.hostname, port, parts.path, parts.query)


def read_number(text: str | None) -> int | None:
    """Return a number of up to 18 digits, as it stands in a header; none for anything else."""
    return int(text) if text is not None and _NUMBER.fullmatch(text) else None
