# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a device module answered, read with care: it comes from the device and may be anything."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_LONGEST = 800
_MOST = 200


@dataclass(frozen=True)
class Deployment:
    """One slot. It is told from others by its digest or, where that is known, by its identity."""

    digest: str | None
    deployment: str | None
    image: str | None = None
    transport: str | None = None
    version: str | None = None
    incompatible: bool = False

    def is_same(self, other: Deployment) -> bool:
        if self.deployment is not None and self.deployment == other.deployment:
            return True
        return self.digest is not None and self.digest == other.digest

    def as_dict(self) -> dict[str, str | None]:
        return {"image": self.image, "digest": self.digest, "version": self.version}

    def __str__(self) -> str:
        return f"{self.image or 'a deployment'} ({self.version or self.digest or 'content unknown'})"


@dataclass(frozen=True)
class Answer:
    """The registered result of a task, and the time, in seconds, when it was there."""

    result: Mapping[str, Any]
    ended: float = 0.0

    @property
    def lost(self) -> bool:
        """Whether the device could not be reached."""
        return self.result.get("unreachable") is True

    @property
    def failed(self) -> bool:
        """Whether the module failed. That the task was told not to fail hides it, but its reason stays."""
        told = self.result
        crashed = any(told.get(key) is not None for key in ("exception", "failed_when_suppressed_exception"))
        return told.get("failed") is True or text(told.get("reason")) is not None or crashed

    @property
    def reason(self) -> str:
        return text(self.result.get("reason")) or "unexpected"

    @property
    def message(self) -> str:
        for key in ("msg", "detail", "module_stderr", "exception"):
            said = text(self.result.get(key))
            if said is not None:
                return said.rstrip(".")
        return "it did not say why"

    @property
    def status(self) -> Mapping[str, Any]:
        """The state of the host; empty when it was not told."""
        return mapping(self.result.get("bootc"))

    @property
    def is_bootc(self) -> bool:
        return self.status.get("is_bootc") is True

    @property
    def boot_id(self) -> str | None:
        return text(self.result.get("boot_id"))

    @property
    def next_boot(self) -> str | None:
        return text(self.status.get("next_boot"))

    @property
    def verdict(self) -> str:
        return text(self.result.get("verdict")) or "unexpected"

    @property
    def healthy(self) -> bool:
        return self.result.get("healthy") is True

    @property
    def failed_units(self) -> list[str]:
        return texts(self.result.get("failed_units"))

    @property
    def notes(self) -> list[str]:
        return texts(self.result.get("notes"))

    @property
    def failed_checks(self) -> list[dict[str, str]]:
        """Checks that did not pass, those that are only advice left out."""
        entries = self.result.get("checks")
        return [
            {"name": text(each.get("name")) or "a check", "detail": text(each.get("detail")) or ""}
            for each in (entries[:_MOST] if isinstance(entries, list) else [])
            if isinstance(each, Mapping) and each.get("passed") is not True and each.get("required") is not False
        ]

    @property
    def complaint(self) -> str:
        return "; ".join(f"{each['name']}: {each['detail']}".strip(": ") for each in self.failed_checks)[:_LONGEST]

    @property
    def former(self) -> Deployment | None:
        """What ran before the reboot, of the answer to a reboot."""
        return deployment(mapping(self.result.get("before")).get("booted"))

    @property
    def was_to_boot(self) -> Deployment | None:
        """What was to boot next before the reboot, of the answer to a reboot."""
        told = mapping(self.result.get("before"))
        return deployment(told.get(text(told.get("next_boot")) or ""))

    def slot(self, name: str) -> Deployment | None:
        """The deployment ``booted``, ``staged`` or ``rollback``."""
        return deployment(self.status.get(name))

    def boots_the_same_next(self, other: Answer) -> bool:
        """Whether an orderly reboot would boot the same in both states."""
        return self.next_boot == other.next_boot and self.slot("staged") == other.slot("staged")


def deployment(value: object) -> Deployment | None:
    """One slot of a status."""
    if not isinstance(value, Mapping):
        return None
    digest, identity, image, transport, version = (
        text(value.get(key)) for key in ("digest", "deployment", "image", "transport", "version")
    )
    return Deployment(digest, identity, image, transport, version, value.get("incompatible") is True)


def mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def text(value: object) -> str | None:
    """``value`` if it is a text, the start of a long one."""
    return str(value)[:_LONGEST].strip() if isinstance(value, str) and value.strip() else None


def texts(value: object) -> list[str]:
    entries = value[:_MOST] if isinstance(value, list) else []
    return [found for found in map(text, entries) if found is not None]
