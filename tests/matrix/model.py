# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a device holds, in letters, and what a combination is."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace

_HOLDING = re.compile(
    r"(?P<booted>[A-Z])(?P<booted_pin>\^)?"
    r"(?:<(?P<rollback>[A-Z])(?P<rollback_pin>\^)?(?P<queued>!)?)?"
    r"(?:\|(?P<others>[A-Z^]+))?"
    r"(?:>(?:(?P<staged>[A-Z])|\((?P<parked>[A-Z])\)))?"
)


@dataclass(frozen=True)
class Holding:
    """The deployments of a device by the letter of their content.

    Written ``B<A>N``: B is booted, A is the way back, N is staged. ``(N)`` is parked, ``A!`` is queued to boot next,
    ``|Z`` are further deployments, ``^`` marks pinned ones, ``-`` is a host without deployments.
    """

    booted: str = ""
    rollback: str = ""
    queued: bool = False
    others: tuple[str, ...] = ()
    staged: str = ""
    parked: bool = False
    pinned: frozenset[str] = frozenset()

    @classmethod
    def read(cls, text: str) -> Holding:
        """The holding that is written like this."""
        if text == "-":
            return cls()
        found = _HOLDING.fullmatch(text)
        if found is None:
            raise ValueError(f"{text!r} is no holding")
        others = re.findall(r"([A-Z])(\^?)", found["others"] or "")
        pins = [found["booted"] if found["booted_pin"] else "", found["rollback"] if found["rollback_pin"] else ""]
        return cls(
            booted=found["booted"],
            rollback=found["rollback"] or "",
            queued=bool(found["queued"]),
            others=tuple(letter for letter, _pin in others),
            staged=found["staged"] or found["parked"] or "",
            parked=bool(found["parked"]),
            pinned=frozenset([*filter(None, pins), *(letter for letter, pin in others if pin)]),
        )

    def __str__(self) -> str:
        if not self.booted:
            return "-"
        text = self._marked(self.booted)
        if self.rollback:
            text += f"<{self._marked(self.rollback)}{'!' if self.queued else ''}"
        if self.others:
            text += "|" + "".join(self._marked(letter) for letter in self.others)
        if self.staged:
            text += f">({self.staged})" if self.parked else f">{self.staged}"
        return text

    def _marked(self, letter: str) -> str:
        return f"{letter}^" if letter in self.pinned else letter

    def without_staged(self) -> Holding:
        return replace(self, staged="", parked=False)

    def with_staged(self, letter: str, *, parked: bool = False) -> Holding:
        return replace(self, staged=letter, parked=parked)


@dataclass(frozen=True)
class Host:
    """A kind of host: storage backend, how it boots, release of bootc."""

    name: str
    backend: str
    version: str
    boot_type: str = "bls"

    @property
    def composefs(self) -> bool:
        return self.backend == "composefs"

    def has(self, *release: int) -> bool:
        """Whether its bootc is of this release or a later one."""
        return tuple(int(part) for part in self.version.split(".")) >= release


@dataclass(frozen=True)
class Start:
    """A state to start from, and how a device gets there.

    ``first`` are done while the tracked tag holds B, ``then`` after it has moved to N. A step is a command line of
    ``simulator device DIR``. ``trouble`` is set right before the operation.
    """

    name: str
    holding: str
    repository: str = "os/moves"
    create: tuple[str, ...] = ()
    first: tuple[str, ...] = ()
    then: tuple[str, ...] = ()
    trouble: tuple[str, ...] = ()
    backends: tuple[str, ...] = ("ostree", "composefs")
    since: dict[str, tuple[int, ...]] = field(default_factory=dict)
    until: tuple[int, ...] | None = None

    def fits(self, host: Host) -> bool:
        """Whether a host of this kind can be in this state."""
        if host.backend not in self.backends or not host.has(*self.since.get(host.backend, (0,))):
            return False
        return self.until is None or not host.has(*self.until)


@dataclass(frozen=True)
class Expected:
    """How an operation is to end: ``ok`` or the kind of failure, what the device holds then, whether it changed."""

    outcome: str
    holding: Holding
    changed: bool = False


@dataclass(frozen=True)
class Operation:
    """One task: a module with its options, in which ``{moves}`` and the like stand for what is in the registry."""

    name: str
    module: str
    options: dict[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class Case:
    """A combination, and what is to come of it."""

    host: Host
    start: Start
    operation: Operation
    expected: Expected

    @property
    def name(self) -> str:
        return f"{self.host.name} {self.start.name} {self.operation.name}"

    @property
    def device(self) -> str:
        """The name of its device, which is a host of the inventory and a directory."""
        return re.sub(r"[^a-z0-9]+", "-", self.name.lower())


@dataclass(frozen=True)
class Seen:
    """What became of a case. ``objections`` say what else was wrong than the end state."""

    outcome: str
    holding: Holding
    changed: bool
    detail: str = ""
    objections: tuple[str, ...] = ()

    def as_expected(self, expected: Expected) -> bool:
        return not self.objections and Expected(self.outcome, self.holding, self.changed) == expected
