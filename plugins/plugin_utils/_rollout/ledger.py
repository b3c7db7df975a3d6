# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The ledger: what a rollout remembers. One directory per rollout, append-only JSON lines, hash-chained and fsynced.

Each line is ``{"seq", "epoch", "prev", "kind", "at", ...}``; ``prev`` is the SHA-256 of the line before (64 zeros at
the start), so that a changed or missing line shows. ``head.json`` beside them names the last line, so that missing
lines at the end show as well. Several processes may append: a file lock orders them. Every append carries the epoch of
the controller that asks for it; a controller that lost its lease cannot write.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from . import lease
from .chain import GENESIS, BrokenChain, Chain, Head, NoHead, documents_of, encode, event_of, hash_of, parse_head
from .errors import RolloutError
from .events import Event
from .lease import Holder
from .storage import unreadable, unwritable

_EVENTS = "events.jsonl"
_HEAD = "head.json"
_ATTRIBUTES = ".gitattributes"
_AS_THEY_ARE = "# Each line of a ledger holds the hash of the one before: git must not convert their ends.\n* -text\n"
_TAIL = 1 << 16
_BLOCK = 1 << 20
"""How many bytes of lines are parsed at a time."""
_BEFORE = "Then run again; nothing was sent to any device."
_MIDWAY = "Then run again: the rollout goes on where it stands."
_RESTORE = (
    "Restore events.jsonl and head.json together from one copy or from version control, and do not edit them. "
    "docs/recovery.md says what to do without a copy."
)


class Ledger:
    """The events of one rollout below ``root``, in ``root/<rollout id>/events.jsonl``."""

    def __init__(self, root: Path, rollout_id: str) -> None:
        self.root = root
        self.name = rollout_id
        self.directory = root / rollout_id
        self._path = self.directory / _EVENTS
        self._head_path = self.directory / _HEAD

    @property
    def place(self) -> str:
        """Where it is, for people."""
        return str(self.directory)

    def exists(self) -> bool:
        return self._path.exists()

    def create(self) -> None:
        """Make the directory and an empty ledger; raises RolloutError when that place cannot be written."""
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
            with self._path.open("ab") as file:
                os.fsync(file.fileno())
                if not file.tell() and not self._head_path.exists():
                    self._write_head(Head())
            _sync_directory(self.directory)
            _sync_directory(self.root)
        except OSError as error:
            raise unwritable("the ledger", self.directory, error, _BEFORE) from error

    def read(self) -> list[Event]:
        """Every event, oldest first. A torn last line, which was never acknowledged, is ignored."""
        try:
            return self._read()
        except RolloutError as error:
            if error.reason != "ledger_damaged" or not self.exists():
                raise
        # What is written at this moment may be read by halves: it is damaged only if it is so while nobody writes.
        with self._reading(), self._locked(shared=True):
            return self._read()

    def position(self) -> int:
        """Where the next event will be written, in bytes."""
        if not self.exists():
            return 0
        with self._reading(), self._path.open("rb") as file:
            return _last_line(file.fileno())[0]

    def read_since(self, position: int) -> list[Event]:
        """The events written after ``position``, without a look at those before them."""
        with self._reading(), self._path.open("rb") as file:
            file.seek(position)
            lines = _complete(file.readlines())
        try:
            return [event_of(document, 0) for document in documents_of(lines, 0)]
        except BrokenChain as broken:
            raise self._damaged(f"a line after byte {position} {broken.what}") from broken

    def append(self, events: Sequence[Event], epoch: int, expected: int | None = None) -> bool:
        """Add events durably, all or none of them, if ``epoch`` is not older than the last one.

        With ``expected``, a position, they are added only if nothing was since; False says that something was.
        """
        if not events:
            return True
        try:
            with self._locked() as descriptor:
                return self._append_locked(descriptor, events, epoch, expected)
        except OSError as error:
            raise unwritable("the ledger", self._path, error, _MIDWAY) from error

    def last_epoch(self) -> int:
        """The newest controller's epoch; 0 when nobody wrote yet."""
        if not self.exists():
            return 0
        with self._reading(), self._path.open("rb") as file:
            return self._last(_last_line(file.fileno())[1])[1]

    def take_lease(self, candidate: Holder, is_alive: Callable[[Holder], bool]) -> None:
        """Make ``candidate`` the one who may advance this rollout; see ``lease.take``."""
        lease.take(self.directory, candidate, is_alive)

    def read_lease(self) -> Holder | None:
        """Who holds the lease, if anybody."""
        return lease.read(self.directory)

    def release_lease(self, epoch: int) -> None:
        """Give the lease of ``epoch`` up; a newer holder's stays."""
        self._sync_head()
        lease.release(self.directory, epoch)

    # -- writing -------------------------------------------------------------------------------------------------------

    def _append_locked(self, descriptor: int, events: Sequence[Event], epoch: int, expected: int | None) -> bool:
        end, last = _last_line(descriptor)
        sequence, newest = self._last(last)
        head = Head(sequence, hash_of(last) if last else GENESIS)
        self._check_end(descriptor, head)
        if epoch < newest:
            raise RolloutError(
                f"Another controller took over this rollout (epoch {newest}, ours is {epoch}).",
                "Let that one finish; this run stops here and has recorded nothing.",
                "superseded_controller",
            )
        if expected not in (None, end):
            return False
        content, after = encode(events, epoch, head)
        os.ftruncate(descriptor, end)  # a torn line was never acknowledged to anybody
        os.lseek(descriptor, end, os.SEEK_SET)
        try:
            _write_all(descriptor, content)
            os.fsync(descriptor)
            self._write_head(after)
        except OSError:
            with suppress(OSError):  # what stays is a torn line, or an intent that nobody acted on
                os.ftruncate(descriptor, end)
            raise
        return True

    def _check_end(self, descriptor: int, found: Head) -> None:
        """Refuse to hide by further lines that some are missing: ``found`` is the last line that is there."""
        written = self._read_head()
        if written is None or written == found:
            return
        if written.sequence < found.sequence:  # the one who wrote the last line was killed before its head
            os.lseek(descriptor, 0, os.SEEK_SET)
            with open(descriptor, "rb", closefd=False) as file:
                self._check_chain(file, written)
            return
        if written.sequence == found.sequence:
            raise self._not_the_head(written.sequence)
        raise self._end_missing(written, found.sequence)

    def _write_head(self, head: Head) -> None:
        """Name the last line; the caller holds the lock and has synced that line.

        Once there, a head is not synced each time: a power loss leaves an older one, whose line is in the ledger. An
        OSError says that it was not written; what fails after that may leave an older one as well, and no more.
        """
        descriptor = os.open(self._head_path, os.O_WRONLY | os.O_CREAT, 0o666)
        try:
            is_new = not os.fstat(descriptor).st_size
            os.pwrite(descriptor, head.render(), 0)
            if is_new:
                with suppress(OSError):
                    os.fsync(descriptor)
                    _sync_directory(self.directory)
        finally:
            with suppress(OSError):
                os.close(descriptor)

    def _sync_head(self) -> None:
        try:
            descriptor = os.open(self._head_path, os.O_RDONLY)
        except FileNotFoundError:
            return
        except OSError as error:
            raise unreadable("the ledger", self._head_path, error) from error
        try:
            os.fsync(descriptor)
        except OSError as error:
            raise unwritable("the ledger", self._head_path, error, _MIDWAY) from error
        finally:
            os.close(descriptor)

    # -- reading -------------------------------------------------------------------------------------------------------

    def _read(self) -> list[Event]:
        with self._reading():
            written = self._read_head()  # before the lines, which may become more meanwhile
            try:
                with self._path.open("rb") as file:
                    return self._check_chain(file, written)
            except (FileNotFoundError, NotADirectoryError):
                if written is None or not written.sequence:
                    return []
                raise self._end_missing(written, 0) from None

    def _check_chain(self, file: Any, written: Head | None) -> list[Event]:
        """The events in ``file``, whose last line, or one before it, must be that of the head."""
        chain = Chain(written or Head())
        events: list[Event] = []
        try:
            while lines := _complete(file.readlines(_BLOCK)):
                events += chain.extend(lines)
        except BrokenChain as broken:
            raise self._damaged(f"line {broken.number} {broken.what}") from broken
        if written is not None and written.sequence > chain.head.sequence:
            raise self._end_missing(written, chain.head.sequence)
        if not chain.is_witnessed:
            raise self._not_the_head(chain.witness.sequence)
        return events

    def _last(self, line: bytes) -> tuple[int, int]:
        """Number and epoch of the last line; zeros when there is none."""
        if not line:
            return 0, 0
        try:
            document = documents_of([line], 0)[0]
            event_of(document, 0)
            return int(document["seq"]), int(document["epoch"])
        except BrokenChain as broken:
            raise self._damaged(f"the last line {broken.what}") from broken
        except (KeyError, ValueError, TypeError) as error:
            raise self._damaged("the last line is not an event") from error

    def _read_head(self) -> Head | None:
        """What the last line was when somebody last wrote; None for a ledger of a version that kept no head."""
        try:
            return parse_head(self._head_path.read_bytes())
        except (FileNotFoundError, NotADirectoryError):
            return None
        except NoHead as error:
            raise RolloutError(
                f"{self._head_path} does not name a line of the ledger, so it was changed or damaged.",
                "Restore it from a copy together with events.jsonl. If events.jsonl is surely complete, remove "
                f"{_HEAD}: the next run writes it anew.",
                "ledger_damaged",
            ) from error

    def _end_missing(self, written: Head, found: int) -> RolloutError:
        return self._damaged(f"it had {written.sequence} lines and has {found}; the last ones are missing")

    def _not_the_head(self, number: int) -> RolloutError:
        return self._damaged(f"line {number} is not the one that {_HEAD} names")

    def _damaged(self, what: str) -> RolloutError:
        if self._has_other_line_ends():
            return RolloutError(
                f"{self._path}: its lines end in CR LF, and were written with LF: git, or an editor, converted them.",
                f"Keep git from it with a file {self.root / _ATTRIBUTES} with the line `* -text`, then remove "
                f"events.jsonl and {_HEAD} and check both out again (`git checkout`), or restore them from a copy.",
                "ledger_damaged",
            )
        return RolloutError(
            f"{self._path}: {what}, so the ledger was changed or damaged after it was written.",
            _RESTORE,
            "ledger_damaged",
        )

    def _has_other_line_ends(self) -> bool:
        try:
            with self._path.open("rb") as file:
                return file.readline().endswith(b"\r\n")
        except OSError:
            return False

    @contextmanager
    def _reading(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise unreadable("the ledger", self._path, error) from error

    @contextmanager
    def _locked(self, *, shared: bool = False) -> Iterator[int]:
        with self._path.open("rb" if shared else "r+b", buffering=0) as file:
            fcntl.flock(file.fileno(), fcntl.LOCK_SH if shared else fcntl.LOCK_EX)
            yield file.fileno()


class LedgerFolder:
    """The ledgers of all rollouts below ``root``."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def rollout(self, rollout_id: str) -> Ledger:
        """The ledger of one rollout, which need not exist yet."""
        return Ledger(self.root, rollout_id)

    def rollouts(self) -> list[Ledger]:
        """All that exist."""
        return rollouts_in(self.root)

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Keep other controllers from opening a rollout meanwhile; waits for its turn."""
        with ledger_root_lock(self.root):
            yield


@contextmanager
def ledger_root_lock(root: Path) -> Iterator[None]:
    """Keep other controllers from opening a rollout below ``root`` meanwhile; waits for its turn."""
    with ExitStack() as stack:
        try:
            root.mkdir(parents=True, exist_ok=True)
            if not (root / ".lock").exists():
                _keep_from_git(root)
            file = stack.enter_context((root / ".lock").open("a"))
            fcntl.flock(file.fileno(), fcntl.LOCK_EX)
        except OSError as error:
            raise unwritable("the ledger", root, error, _BEFORE) from error
        yield


def _keep_from_git(root: Path) -> None:
    """Have git take the ledgers as they are, should they be kept in it; a file of somebody stays as it is."""
    with suppress(OSError), (root / _ATTRIBUTES).open("x", encoding="utf-8") as file:
        file.write(_AS_THEY_ARE)


def rollouts_in(root: Path) -> list[Ledger]:
    """The ledgers below ``root``, by rollout id; also those that lost their events."""
    names = {path.parent.name for kept in (_EVENTS, _HEAD) for path in root.glob(f"*/{kept}")}
    return [Ledger(root, name) for name in sorted(names)]


def _complete(lines: list[bytes]) -> list[bytes]:
    """Without a torn last line."""
    return lines if not lines or lines[-1].endswith(b"\n") else lines[:-1]


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
