# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What can go wrong between us and a registry. PRIVATE to the collection."""

from __future__ import annotations

AUTH = "auth"
NETWORK = "network"
NOT_FOUND = "not_found"
BUSY = "busy"
SIGNATURE = "signature"
UNSUPPORTED = "unsupported"
UNEXPECTED = "unexpected"


_LONGEST = 2000


def _shown(text: str) -> str:
    """Return a text that moves no terminal's cursor and fills no screen, though part of it comes from strangers."""
    printable = "".join(c if c.isprintable() else " " for c in text[: _LONGEST + 1])
    return printable if len(printable) <= _LONGEST else f"{printable[:_LONGEST]}..."


class RegistryError(Exception):
    """A failed talk to a registry: its kind for programs, its cause and remedy for people."""

    def __init__(self, kind: str, cause: str, remedy: str = "") -> None:
        """Join cause and remedy into one message of whole sentences, fit to be shown whatever a registry put there."""
        cause, remedy = _shown(cause), _shown(remedy)
        super().__init__(" ".join(part for part in (cause, remedy) if part))
        self.kind = kind
        self.cause = cause
        self.remedy = remedy


class Refused(RegistryError):
    """Rights that are missing in one repository, which some registries also claim of one that does not exist."""

    def __init__(self, cause: str, remedy: str = "") -> None:
        """Give it the kind it always has."""
        super().__init__(AUTH, cause, remedy)


class InvalidReference(ValueError):
    """A text that is no image reference."""
