# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Image references as a person writes them: repository, tag, digest."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from .._errors import BootcError

_COMPONENT = re.compile(r"[a-z0-9]+(?:(?:\.|_{1,2}|-+)[a-z0-9]+)*\Z")
_HOST = re.compile(
    r"(?:[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?\.)*[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?::[0-9]{1,5})?\Z"
)
_IPV6_HOST = re.compile(r"\[[0-9A-Fa-f:]+\](?::[0-9]{1,5})?\Z")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}\Z")
_DIGEST = re.compile(r"(?:sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})\Z")
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*://")

MAX_REPOSITORY = 255


@dataclass(frozen=True)
class Reference:
    """A parsed reference; ``repository`` includes the registry host."""

    repository: str
    tag: str | None = None
    digest: str | None = None

    @property
    def name(self) -> str:
        """The reference as bootc is told.

        The tag is left out beside a digest: bootc strips it when pulling but not when comparing,
        so that such a reference never equals itself.
        """
        if self.digest is not None:
            return pinned(self.repository, self.digest)
        return self.repository if self.tag is None else f"{self.repository}:{self.tag}"


def pinned(repository: str, digest: str) -> str:
    """The reference to exactly this content."""
    return f"{repository}@{digest}"


def is_digest(text: str) -> bool:
    """Whether this is a complete digest, algorithm included."""
    return _DIGEST.match(text) is not None


def check_digest(text: str) -> str:
    """Return the digest, or say what is wrong with it."""
    if not is_digest(text):
        raise BootcError(
            "invalid",
            f"{text!r} is not an image digest",
            "Give it as sha256: followed by 64 lower-case hexadecimal digits",
        )
    return text


def check_tag(text: str) -> str:
    """Return the tag, or say what is wrong with it."""
    if not _TAG.match(text):
        raise BootcError(
            "invalid",
            f"{text!r} is not a tag",
            "Give at most 128 letters, digits, '_', '.' and '-', the first of them a letter, a digit or '_'",
        )
    return text


def parse_reference(text: str) -> Reference:
    """Parse ``host/repository[:tag][@digest]``; refuse what bootc or a registry would refuse later and less clearly."""
    _refuse_scheme(text)
    if not text or text != text.strip() or any(character.isspace() for character in text):
        raise _invalid(text, "it is empty or contains white space")
    rest, at, digest = text.partition("@")
    if at:
        check_digest(digest)
    head, slash, last = rest.rpartition("/")
    last, colon, tag = last.partition(":")
    if colon and not _TAG.match(tag):
        raise _invalid(text, f"{tag!r} is not a tag (letters, digits, '_', '.', '-', at most 128)")
    repository = head + slash + last
    _check_repository(text, repository)
    return Reference(repository, tag if colon else None, digest if at else None)


def check_image(text: str, transport: str) -> str:
    """Return what bootc is to be told for this image over this transport."""
    if transport == "registry":
        return parse_reference(text).name
    _refuse_scheme(text)
    if not text.strip():
        raise _invalid(text, "it is empty")
    if text.startswith("-") or any(unicodedata.category(character) == "Cc" for character in text):
        raise _invalid(text, "it starts with '-', which bootc would take for an option, or has control characters")
    return text


def _refuse_scheme(text: str) -> None:
    scheme = _SCHEME.match(text)
    if scheme:
        raise BootcError(
            "invalid",
            f"The image {text!r} starts with {scheme.group()!r}, which bootc would take as part of its name",
            f"Write {text[scheme.end() :]!r}; a transport other than a registry is an option of its own",
        )


def _check_repository(text: str, repository: str) -> None:
    if len(repository) > MAX_REPOSITORY:
        raise _invalid(text, f"its name is longer than {MAX_REPOSITORY} characters")
    components = repository.split("/")
    first = components[0]
    has_host = len(components) > 1 and (
        any(mark in first for mark in ".:[") or first == "localhost" or first != first.lower()
    )
    if has_host:
        if not (_HOST.match(first) or _IPV6_HOST.match(first)):
            raise _invalid(text, f"{first!r} is not a registry host")
        components = components[1:]
    for component in components:
        if component != component.lower():
            raise _invalid(text, f"repository names are lower-case, {component!r} is not")
        if not _COMPONENT.match(component):
            raise _invalid(text, f"{component!r} is not a valid part of a repository name")


def _invalid(text: str, cause: str) -> BootcError:
    return BootcError(
        "invalid",
        f"{text!r} is not an image reference: {cause}",
        "Write it as registry.example.org/group/name:tag or registry.example.org/group/name@sha256:...",
    )
