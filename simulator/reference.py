# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Image references as bootc writes and prints them, and where they point."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

_NAME = re.compile(
    r"(?P<domain>[A-Za-z0-9.-]+(?::[0-9]+)?|\[[0-9a-fA-F:]+\](?::[0-9]+)?)/"
    r"(?P<path>[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*)"
    r"(?::(?P<tag>[A-Za-z0-9_][A-Za-z0-9._-]{0,127}))?(?:@(?P<digest>sha256:[0-9a-f]{64}))?"
)


@dataclass(frozen=True)
class Location:
    """The parts of a registry reference."""

    host: str
    repository: str
    tag: str | None
    digest: str | None

    @property
    def target(self) -> str:
        """What to ask the registry for: the digest when there is one, else the tag."""
        return self.digest or self.tag or "latest"


def locate(name: str) -> Location:
    """Take ``host/repository[:tag][@digest]`` apart; raises ValueError when it is none."""
    found = _NAME.fullmatch(name)
    if found is None:
        raise ValueError(f"invalid reference format: {name}")
    return Location(found["domain"], found["path"], found["tag"], found["digest"])


@dataclass(frozen=True)
class ImageRef:
    """What a deployment tracks, exactly as given: bootc never normalises the name."""

    image: str
    transport: str = "registry"
    signature: str | None = None

    def __str__(self) -> str:
        """As bootc prints it: the bare name for plain registry references."""
        if self.signature is None and self.transport == "registry":
            return self.image
        scheme = "ostree-unverified-image" if self.signature is None else "ostree-image-signed"
        return f"{scheme}:{self.pull_spec}"

    @property
    def pull_spec(self) -> str:
        """As the image proxy is asked for it."""
        if self.transport == "registry":
            return f"docker://{self.image}"
        return f"{self.transport}:{self.image}"

    @property
    def pinned_digest(self) -> str | None:
        """The digest in the reference, when it has one."""
        _unused, found, digest = self.image.partition("@")
        return digest if found else None

    @property
    def checked(self) -> str:
        """As ``upgrade --check`` prints it on ostree: with a scheme, unlike everywhere else."""
        return self.pull_spec if self.signature is None and self.transport == "registry" else str(self)

    @property
    def full(self) -> str:
        """As it is printed where no short form is used."""
        plain = self.signature is None and self.transport == "registry"
        return f"ostree-unverified-registry:{self.image}" if plain else str(self)

    @property
    def canonical(self) -> ImageRef:
        """As ostree pulls and stores it: beside a digest, a tag is left out."""
        name, at, digest = self.image.partition("@")
        if not at or self.transport != "registry":
            return self
        head, slash, last = name.rpartition("/")
        return replace(self, image=f"{head}{slash}{last.partition(':')[0]}@{digest}")

    def with_tag(self, tag: str) -> ImageRef:
        """The same repository at ``tag``: an old tag and a digest are dropped."""
        name = self.image.partition("@")[0]
        head, slash, last = name.rpartition("/")
        return ImageRef(f"{head}{slash}{last.partition(':')[0]}:{tag}", self.transport, self.signature)
