# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Image references: ``host[:port]/path[:tag][@digest]``. PRIVATE to the collection."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from .errors import InvalidReference

_HOST = re.compile(r"(?:localhost|[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?|\[[0-9a-f:.]+\])(?::[0-9]{1,5})?")
_COMPONENT = re.compile(r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}")
_LONGEST_NAME = 255
_DOCKER_HUB = "docker.io"
_ALSO_DOCKER_HUB = ("index.docker.io", "registry-1.docker.io")
_DEFAULT_PORT = ":443"


@dataclass(frozen=True)
class Reference:
    """Where an image is: registry and repository, and which one there, by tag, by digest or both."""

    registry: str
    repository: str
    tag: str | None = None
    digest: str | None = None

    @property
    def name(self) -> str:
        """The repository with its registry, without tag and digest."""
        return f"{self.registry}/{self.repository}"

    @property
    def repository_there(self) -> str:
        """What the registry itself calls the repository. Docker Hub keeps names of one part below ``library``."""
        official = self.registry == _DOCKER_HUB and "/" not in self.repository
        return f"library/{self.repository}" if official else self.repository

    @property
    def place(self) -> str:
        """The name in one spelling, to compare: two names of one repository have the same place."""
        registry = self.registry[: -len(_DEFAULT_PORT)] if self.registry.endswith(_DEFAULT_PORT) else self.registry
        registry = _DOCKER_HUB if registry in _ALSO_DOCKER_HUB else registry
        return f"{registry}/{replace(self, registry=registry).repository_there}"

    @property
    def name_there(self) -> str:
        """The repository with its registry, as the registry and the host's registries.conf call it."""
        return f"{self.registry}/{self.repository_there}"

    @property
    def target(self) -> str:
        """What to ask the registry for: the digest wins, because it cannot move."""
        return self.digest or self.tag or "latest"

    def with_tag(self, tag: str) -> Reference:
        """Return the same repository at ``tag``, with no digest."""
        if not is_tag(tag):
            raise InvalidReference(f"'{tag}' is not a tag. {_TAG_RULE}")
        return replace(self, tag=tag, digest=None)

    def with_digest(self, digest: str) -> Reference:
        """Return the same repository pinned to ``digest``, with no tag."""
        if not is_digest(digest):
            raise InvalidReference(f"'{digest}' is not a digest. {_DIGEST_RULE}")
        return replace(self, tag=None, digest=digest)

    def __str__(self) -> str:
        """Write the reference the way :func:`parse_reference` reads it."""
        tag = f":{self.tag}" if self.tag else ""
        digest = f"@{self.digest}" if self.digest else ""
        return f"{self.name}{tag}{digest}"


_TAG_RULE = "Tags have up to 128 letters, digits, '.', '_' and '-', and do not start with '.' or '-'."
_DIGEST_RULE = "Write it as 'sha256:' and 64 lower-case hexadecimal digits."


def is_tag(text: str) -> bool:
    """Tell whether a registry takes this text as a tag."""
    return _TAG.fullmatch(text) is not None


def is_digest(text: str) -> bool:
    """Tell whether this text is a complete digest."""
    return _DIGEST.fullmatch(text) is not None


def is_repository(text: str) -> bool:
    """Tell whether this text is a repository path without its registry."""
    return all(_COMPONENT.fullmatch(component) for component in text.split("/"))


def parse_reference(text: str) -> Reference:
    """Read ``host[:port]/path[:tag][@digest]``; raise :exc:`InvalidReference` with cause and remedy."""

    def refuse(cause: str) -> InvalidReference:
        return InvalidReference(f"'{text}' is not an image reference: {cause}")

    scheme, separator, _rest = text.partition("://")
    if separator:
        raise refuse(f"it starts with '{scheme}://'. Leave that out; give registry/repository:tag.")
    rest, at, digest = text.partition("@")
    if at and not is_digest(digest):
        raise refuse(f"'{digest}' is not a digest. {_DIGEST_RULE}")
    registry, slash, path = rest.partition("/")
    if not slash or not (registry == "localhost" or "." in registry or ":" in registry):
        raise refuse("it names no registry. Put the registry's host in front, such as registry.example.com/os/kde:v1.")
    repository, colon, tag = path.partition(":")
    if colon and not is_tag(tag):
        raise refuse(f"'{tag}' is not a tag. {_TAG_RULE}")
    if (registry + repository) != (registry + repository).lower():
        raise refuse(
            "registry and repository have capital letters. Write them in lower case; only tags may have capitals."
        )
    if not _HOST.fullmatch(registry) or ".." in registry:
        raise refuse(f"'{registry}' is not a host name with an optional port.")
    if not is_repository(repository):
        raise refuse(
            f"'{repository}' is not a repository path. Its parts have lower-case letters and digits, "
            "joined by '.', '_', '__' or '-', and are separated by single slashes."
        )
    if len(registry) + 1 + len(repository) > _LONGEST_NAME:
        raise refuse(f"its name is longer than {_LONGEST_NAME} characters.")
    return Reference(registry, repository, tag or None, digest or None)
