# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What can go wrong between a playbook and a bootc host, as kinds a caller can act on."""

from __future__ import annotations

from typing import Any, Sequence

KINDS = (
    "not_bootc",
    "read_only",
    "incompatible",
    "busy",
    "fenced",
    "auth",
    "network",
    "not_found",
    "signature",
    "no_space",
    "no_rollback",
    "would_discard",
    "would_weaken",
    "unsupported_version",
    "already_deployed",
    "timeout",
    "invalid",
    "unexpected",
)

DETAIL_LIMIT = 2000


class BootcError(Exception):
    """A failure with its kind, its cause and what to do about it.

    ``data`` is merged into the module result, for failures that come with states worth showing.
    """

    def __init__(
        self,
        kind: str,
        message: str,
        remedy: str = "",
        *,
        command: Sequence[str] = (),
        detail: str = "",
        data: dict[str, Any] | None = None,
    ) -> None:
        if kind not in KINDS:
            raise ValueError(f"unknown kind of error: {kind}")
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.remedy = remedy
        self.command = tuple(command)
        self.detail = detail.strip()[-DETAIL_LIMIT:]
        self.data = dict(data or {})

    @property
    def msg(self) -> str:
        """Cause, command and remedy in one line for people."""
        parts = [_sentence(self.message)]
        if self.command:
            parts.append(f"Command: {' '.join(self.command)}.")
        if self.remedy:
            parts.append(_sentence(self.remedy))
        return " ".join(parts)

    def as_result(self) -> dict[str, Any]:
        """The failure as module result."""
        result = dict(self.data)
        result.update(msg=self.msg, reason=self.kind)
        if self.command:
            result["command"] = list(self.command)
        if self.detail:
            result["detail"] = self.detail
        return result

    def __str__(self) -> str:
        return self.msg


class AlreadyDeployed(BootcError):
    """bootc refuses to deploy content a second time.

    ``slot`` is the deployment it names: booted, staged, rollback, or None for any other.
    """

    def __init__(self, slot: str | None, message: str, remedy: str, *, command: Sequence[str], detail: str) -> None:
        super().__init__("already_deployed", message, remedy, command=command, detail=detail)
        self.slot = slot


def _sentence(text: str) -> str:
    text = text.strip()
    return text if text.endswith((".", "!", "?")) else text + "."
