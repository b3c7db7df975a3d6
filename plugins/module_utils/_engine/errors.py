# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What can go wrong with a container engine. PRIVATE to the collection."""

from __future__ import annotations

MISSING = "engine_missing"
NOT_FOUND = "not_found"
TIMEOUT = "timeout"
FAILED = "build_failed"
AUTH = "auth"
NETWORK = "network"
INVALID = "invalid"
TAKEN = "taken"
UNSUPPORTED = "unsupported"
UNEXPECTED = "unexpected"


class EngineError(Exception):
    """A failed engine command or an input it could not work with: the kind for programs, the message for people."""

    def __init__(self, kind: str, cause: str, remedy: str = "", command: str = "") -> None:
        """Join cause, remedy and command into one message."""
        said = " ".join(part for part in (cause, remedy) if part)
        super().__init__(f"{said} Command: {command}" if command else said)
        self.kind = kind
