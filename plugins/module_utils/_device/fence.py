# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which rollout holds this device, so that a controller that was overtaken cannot change it any more.

A rollout writes its claim before the first change, and marks it as ended with its verdict. The claim names the turn of
the controller: the one opening of the ledger it worked on. A controller whose ledger does not know that turn works on
an old copy. It lies in /var, which outlives updates of the image.
"""

from __future__ import annotations

import errno
import json
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timezone
from typing import Any, Callable, ContextManager, Mapping

from .._errors import BootcError
from .boot import boot_id
from .kept import write_kept
from .root import device_path

CLAIM = "/var/lib/skorionos.bootc/rollout.json"
SCHEMA = 1
HELD_SECONDS = 24 * 3600
"""How long a claim that is not renewed keeps other rollouts out: its ledger may be lost, and nobody end it."""
RELEASE_WAIT_SECONDS = 2.0

FENCE_OPTION: dict[str, Any] = {
    "type": "dict",
    "options": {
        "rollout": {"type": "str", "required": True},
        "epoch": {"type": "int", "required": True},
        "turn": {"type": "str", "required": True},
        "turns": {"type": "list", "elements": "str", "default": []},
        "supersedes": {"type": "list", "elements": "str", "default": []},
        "by": {"type": "str", "default": ""},
        "target": {"type": "str"},
        "attempt": {"type": "int", "default": 1},
        "ends": {"type": "bool", "default": False},
    },
}


@dataclass(frozen=True)
class Fence:
    """On whose behalf the device is to be changed. ``ends`` says that this is the last change."""

    rollout: str
    epoch: int
    turn: str
    turns: tuple[str, ...] = ()
    supersedes: tuple[str, ...] = ()
    by: str = ""
    target: str | None = None
    attempt: int = 1
    ends: bool = False

    def knows(self, turn: str) -> bool:
        """Whether its ledger has that turn."""
        return turn == self.turn or turn in self.turns


def parse_fence(option: Mapping[str, Any] | None) -> Fence | None:
    """The option ``fence`` of a module."""
    if option is None:
        return None
    return Fence(**{**option, "turns": tuple(option["turns"]), "supersedes": tuple(option["supersedes"])})


@dataclass(frozen=True)
class Claim:
    """What the device remembers. Times are RFC 3339 in UTC, by its own clock; ``ended`` is None while it is held."""

    rollout: str
    epoch: int
    turn: str
    by: str
    target: str | None
    attempt: int
    boot_id: str | None
    since: str
    renewed: str
    ended: str | None = None

    def holds(self, now: datetime) -> bool:
        """Whether it keeps other rollouts out. One from the future does: the clock was set back, and says no age."""
        return self.ended is None and (now - _parse_time(self.renewed)).total_seconds() < HELD_SECONDS

    @property
    def holder(self) -> str:
        return f"rollout {self.rollout} (epoch {self.epoch}, {self.by or 'by somebody'}, {self.renewed})"


def read_claim() -> Claim | None:
    """Who holds or held this device. A file that makes no sense is no claim; one of a later version is not guessed."""
    try:
        document = json.loads(device_path(CLAIM).read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError, ValueError, RecursionError):
        return None
    except OSError as wrong:
        raise BootcError(
            "unexpected", f"{CLAIM} cannot be read: {wrong.strerror}", "Nothing is changed without it"
        ) from wrong
    if not isinstance(document, dict):
        return None
    if isinstance(document.get("schema"), int) and document["schema"] > SCHEMA:
        raise BootcError(
            "fenced",
            f"{CLAIM} was written by a later version of this collection, and says who holds this device",
            "Roll out with that version",
        )
    return _claim(document)


def _claim(document: Mapping[str, Any]) -> Claim | None:
    texts = {key: document.get(key) for key in ("rollout", "turn", "since", "renewed")}
    options = {key: document.get(key) for key in ("target", "boot_id", "ended")}
    numbers = {key: document.get(key) for key in ("epoch", "attempt")}
    if not all(isinstance(text, str) and text for text in texts.values()):
        return None
    if not all(text is None or isinstance(text, str) for text in options.values()):
        return None
    if not all(isinstance(number, int) for number in numbers.values()):
        return None
    try:
        _parse_time(str(texts["renewed"]))
    except ValueError:
        return None
    by = document.get("by")
    known: dict[str, Any] = {**texts, **options, **numbers}
    return Claim(by=by if isinstance(by, str) else "", **known)


def check_fence(fence: Fence, now: datetime | None = None) -> None:
    """Raise BootcError ``fenced`` if this device may not be changed on behalf of ``fence``; the caller has the lock."""
    claim = read_claim()
    if claim is None:
        return
    if claim.rollout == fence.rollout:
        if not fence.knows(claim.turn):
            raise _overtaken(claim, fence)
    elif claim.rollout not in fence.supersedes and claim.holds(now or _now()):
        raise BootcError(
            "fenced",
            f"This device is held by another controller: {claim.holder}, which has not ended here",
            f"Let that rollout finish, or name it in 'supersedes' of the spec; without another word from it, the "
            f"device is free {HELD_SECONDS // 3600} hours after that time. If nobody runs it any more, remove {CLAIM} "
            "on the device",
            data={"claim": asdict(claim)},
        )


def _overtaken(claim: Claim, fence: Fence) -> BootcError:
    what = "took this device over" if claim.epoch > fence.epoch else "works on another copy of this ledger"
    return BootcError(
        "fenced",
        f"Another controller {what}: {claim.holder}, a turn that the ledger of this run (epoch {fence.epoch}) does "
        "not know. Nothing was changed",
        "Run with the newest ledger of this rollout. If that is lost, roll out under a new id that names "
        f"'supersedes: [{fence.rollout}]'",
        data={"claim": asdict(claim)},
    )


def take_claim(fence: Fence) -> None:
    """Claim this device, or renew the claim; it is on the disk, or there was an OSError, when this returns."""
    now, known = _render_time(_now()), read_claim()
    is_ours = known is not None and known.rollout == fence.rollout and known.ended is None
    since = known.since if known is not None and is_ours else now
    _write(Claim(fence.rollout, fence.epoch, fence.turn, fence.by, fence.target, fence.attempt, boot_id(), since, now))


def must_take_claim(fence: Fence) -> None:
    """The same before a device is taken forward, which has time: raises BootcError."""
    try:
        take_claim(fence)
    except OSError as wrong:
        raise BootcError(
            "no_space" if wrong.errno in (errno.ENOSPC, errno.EDQUOT) else "unexpected",
            f"{CLAIM}, which keeps other controllers from this device, cannot be written: {wrong.strerror}",
            "Nothing was changed. Make room in /var on the device, or mend what keeps it from being written",
        ) from wrong


def end_claim(fence: Fence) -> None:
    """Mark the claim of ``fence`` as ended, if it is its own; raises OSError."""
    claim = read_claim()
    if claim is not None and claim.ended is None and claim.rollout == fence.rollout and fence.knows(claim.turn):
        _write(replace(claim, ended=_render_time(_now())))


def try_to_end_claim(fence: Fence, lock: Callable[[float], ContextManager[None]]) -> None:
    """The same for who does not have the lock. Where that fails the claim runs out by itself."""
    try:
        with lock(RELEASE_WAIT_SECONDS):
            end_claim(fence)
    except (BootcError, OSError):
        return


def who_holds() -> str | None:
    """Which rollout holds this device, in words for who changes it on nobody's behalf; None when none does."""
    try:
        claim = read_claim()
    except BootcError:
        return None
    if claim is None or not claim.holds(_now()):
        return None
    return (
        f"This device is in the middle of {claim.holder}. What is changed here now may be changed back by it, or count "
        f"as its failure"
    )


def _write(claim: Claim) -> None:
    write_kept(device_path(CLAIM), json.dumps({"schema": SCHEMA, **asdict(claim)}, indent=1) + "\n")


def _now() -> datetime:
    return datetime.now(timezone.utc)


def _render_time(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _parse_time(text: str) -> datetime:
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=timezone.utc)
