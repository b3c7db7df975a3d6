# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The ledger: what a rollout remembers. One directory per rollout, append-only JSON lines, hash-chained and fsynced.

Each line is ``{"seq", "epoch", "prev", "kind", "at", ...}``; ``prev`` is the SHA-256 of the line before (64 zeros at
the start), so that a changed or missing line shows. Several processes may append: a file lock orders them. Every
append carries the epoch of the controller that asks for it; a controller that lost its lease cannot write.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from .errors import RolloutError
from .events import Event

_GENESIS = "0" * 64
_EVENTS = "events.jsonl"
_TAIL = 1 << 16
_BEFORE = "Point bootc_rollout_ledger to a directory this user can write; nothing was sent to any device."
_MIDWAY = "Make room there or correct its permissions, then run again: the rollout goes on where it stands."


class Ledger:
    """The events of one rollout below ``root``, in ``root/<rollout id>/events.jsonl``."""

    def __init__(self, root: Path, rollout_id: str) -> None:
        self.root = root
        self.directory = root / rollout_id
        self._path = self.directory / _EVENTS

    def exists(self) -> bool:
        return self._path.exists()

    def create(self) -> None:
        """Make the directory and an empty ledger; raises RolloutError when that place cannot be written."""
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
            with self._path.open("ab") as file:
                os.fsync(file.fileno())
            _sync_directory(self.directory)
            _sync_directory(self.root)
        except OSError as error:
            raise _unwritable(self.directory, error, _BEFORE) from error

    def read(self) -> list[Event]:
        """Every event, oldest first. A torn last line, which was never acknowledged, is ignored."""
        return [Event.from_dict(document) for document in self._documents()]

    def position(self) -> int:
        """Where the next event will be written, in bytes."""
        with self._path.open("rb") as file:
            return _last_line(file.fileno())[0]

    def read_since(self, position: int) -> list[Event]:
        """The events written after ``position``, without a look at those before them."""
        with self._path.open("rb") as file:
            file.seek(position)
            news = file.read()
        complete = news[: news.rfind(b"\n") + 1]
        return [Event.from_dict(self._line(line, 0)) for line in complete.splitlines()]

    def append(self, events: Sequence[Event], epoch: int, expected: int | None = None) -> bool:
        """Add events durably, all or none of them acknowledged, if ``epoch`` is not older than the last one.

        With ``expected``, a position, they are added only if nothing was since; False says that something was.
        """
        if not events:
            return True
        try:
            with self._locked() as file:
                if expected is not None and _last_line(file.fileno())[0] != expected:
                    return False
                self._append_locked(file.fileno(), events, epoch)
        except OSError as error:
            raise _unwritable(self._path, error, _MIDWAY) from error
        return True

    def last_epoch(self) -> int:
        """The newest controller's epoch; 0 when nobody wrote yet."""
        return max((int(document["epoch"]) for document in self._documents()), default=0)

    def _append_locked(self, descriptor: int, events: Sequence[Event], epoch: int) -> None:
        end, last = _last_line(descriptor)
        newest = self._line(last, 0) if last else {"epoch": 0, "seq": 0}
        if epoch < int(newest["epoch"]):
            raise RolloutError(
                f"Another controller took over this rollout (epoch {newest['epoch']}, ours is {epoch}).",
                "Let that one finish; this run stops here and has recorded nothing.",
                "superseded_controller",
            )
        lines = []
        sequence = int(newest["seq"])
        previous = hashlib.sha256(last).hexdigest() if last else _GENESIS
        for event in events:
            sequence += 1
            line = _encode({"seq": sequence, "epoch": epoch, "prev": previous, **event.as_dict()})
            previous = hashlib.sha256(line).hexdigest()
            lines.append(line + b"\n")
        os.ftruncate(descriptor, end)  # a torn line was never acknowledged to anybody
        os.lseek(descriptor, end, os.SEEK_SET)
        _write_all(descriptor, b"".join(lines))
        os.fsync(descriptor)

    def _documents(self) -> list[dict[str, Any]]:
        if not self._path.exists():
            return []
        try:
            content = self._path.read_bytes()
        except OSError as error:
            raise RolloutError(
                f"Cannot read the ledger {self._path}: {error.strerror}.",
                "Check its owner and permissions.",
                "ledger_unreadable",
            ) from error
        return self._parse(content)

    def _parse(self, content: bytes) -> list[dict[str, Any]]:
        """What the complete lines say; raises RolloutError where the chain is broken."""
        complete = content[: content.rfind(b"\n") + 1]
        previous = _GENESIS
        documents = []
        for number, line in enumerate(complete.splitlines(), start=1):
            document = self._line(line, number)
            if document.get("prev") != previous or document.get("seq") != number:
                raise self._tampered(number, "does not follow from the line before it")
            previous = hashlib.sha256(line).hexdigest()
            documents.append(document)
        return documents

    def _line(self, line: bytes, number: int) -> dict[str, Any]:
        try:
            document = json.loads(line)
        except ValueError as error:
            raise self._tampered(number, "is not JSON") from error
        if not isinstance(document, dict) or "kind" not in document:
            raise self._tampered(number, "is not an event")
        return document

    def _tampered(self, number: int, what: str) -> RolloutError:
        where = f"line {number}" if number else "the last line"
        return RolloutError(
            f"{self._path}: {where} {what}, so the ledger was changed or damaged after it was written.",
            "Restore the file from a copy or from version control; do not edit it.",
            "ledger_damaged",
        )

    @contextmanager
    def _locked(self) -> Iterator[Any]:
        with self._path.open("r+b", buffering=0) as file:
            fcntl.flock(file.fileno(), fcntl.LOCK_EX)
            yield file


@contextmanager
def ledger_root_lock(root: Path) -> Iterator[None]:
    """Keep other controllers from opening a rollout below ``root`` meanwhile; waits for its turn."""
    with ExitStack() as stack:
        try:
            root.mkdir(parents=True, exist_ok=True)
            file = stack.enter_context((root / ".lock").open("a"))
            fcntl.flock(file.fileno(), fcntl.LOCK_EX)
        except OSError as error:
            raise _unwritable(root, error, _BEFORE) from error
        yield


def rollouts_in(root: Path) -> list[Ledger]:
    """The ledgers below ``root``, by rollout id."""
    return [Ledger(root, path.parent.name) for path in sorted(root.glob(f"*/{_EVENTS}"))]


def _encode(document: dict[str, Any]) -> bytes:
    # What a device says may hold bytes that were no text; nothing that reads the ledger could write those out again.
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "replace")


def _last_line(descriptor: int) -> tuple[int, bytes]:
    """Where the last complete line ends, and that line; reads the file from its end."""
    size = os.fstat(descriptor).st_size
    span = min(size, _TAIL)
    while True:
        tail = os.pread(descriptor, span, size - span)
        end = tail.rfind(b"\n") + 1
        start = tail.rfind(b"\n", 0, max(end - 1, 0)) + 1
        if span == size or (end and start):
            return size - span + end, tail[start : max(end - 1, 0)]
        span = min(size, span * 4)


def _write_all(descriptor: int, content: bytes) -> None:
    view = memoryview(content)
    while view:
        view = view[os.write(descriptor, view) :]


def _sync_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _unwritable(path: Path, error: OSError, remedy: str) -> RolloutError:
    return RolloutError(f"Cannot write the ledger at {path}: {error.strerror}.", remedy, "ledger_unwritable")
