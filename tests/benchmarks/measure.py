# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run a command and find out what its processes cost, without those of the simulated devices below them."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_SAMPLE_SECONDS = 0.5


@dataclass(frozen=True)
class Usage:
    """``cpu`` of the command and all below it in seconds; ``memory`` (bytes) without those that ``beside`` named."""

    wall: float
    cpu: float
    memory: int


def measure(argv: Sequence[str], environment: Mapping[str, str], log: Path, beside: str, seconds: float) -> Usage:
    """Run ``argv``, output to ``log``; processes whose command line has ``beside`` in it do not count as its memory.

    Raises RuntimeError when it fails, with the end of its output, or takes longer than ``seconds``.
    """
    begun = time.monotonic()
    with log.open("wb") as output:
        process = subprocess.Popen(
            argv, env=dict(environment), cwd=log.parent, stdin=subprocess.DEVNULL, stdout=output, stderr=output
        )
    ended = threading.Event()
    sampler = _Sampler(process.pid, beside, ended)
    limit = threading.Timer(seconds, process.terminate)
    sampler.start()
    limit.start()
    try:
        _unused, status, spent = os.wait4(process.pid, 0)
        wall = time.monotonic() - begun
        process.returncode = os.waitstatus_to_exitcode(status)
    finally:
        limit.cancel()
        ended.set()
        sampler.join()
        if process.returncode is None:
            process.terminate()
            process.wait()
    if process.returncode != 0:
        end = log.read_text(encoding="utf-8", errors="replace")[-3000:]
        raise RuntimeError(f"{argv[0]} ended with {process.returncode} after {wall:.0f} s:\n{end}")
    return Usage(wall, spent.ru_utime + spent.ru_stime, sampler.peak)


class _Sampler(threading.Thread):
    """Looks from time to time how much memory a process and those below it take; what they share counts once."""

    def __init__(self, pid: int, beside: str, ended: threading.Event) -> None:
        super().__init__(daemon=True)
        self._pid = pid
        self._beside = beside.encode()
        self._ended = ended
        self.peak = 0

    def run(self) -> None:
        while not self._ended.wait(_SAMPLE_SECONDS):
            self.peak = max(self.peak, sum(map(_proportional_size, self._processes())))

    def _processes(self) -> list[int]:
        children = _children()
        found, at = [self._pid], 0
        while at < len(found):
            found += [pid for pid in children.get(found[at], ()) if self._beside not in _command_line(pid)]
            at += 1
        return found


def _children() -> dict[int, list[int]]:
    """Processes by their parent."""
    children: dict[int, list[int]] = {}
    for entry in os.listdir("/proc"):  # noqa: PTH208 (a path object for each takes longer than reading it)
        if entry.isdigit():
            fields = _read(f"/proc/{entry}/stat").rpartition(b")")[2].split()
            if fields:
                children.setdefault(int(fields[1]), []).append(int(entry))
    return children


def _command_line(pid: int) -> bytes:
    return _read(f"/proc/{pid}/cmdline")


def _proportional_size(pid: int) -> int:
    """Bytes of a process, pages that it shares by the part that falls to it."""
    for line in _read(f"/proc/{pid}/smaps_rollup").splitlines():
        if line.startswith(b"Pss:"):
            return int(line.split()[1]) * 1024
    return 0


def _read(path: str) -> bytes:
    """A file of a process that may have ended meanwhile."""
    try:
        return Path(path).read_bytes()
    except OSError:
        return b""
