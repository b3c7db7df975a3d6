# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Why a device runs again what it ran before its reboot: what the shutdown, and the boot that may have failed, left.

bootc has no record of a failed update. What is there: on ostree a stamp in /boot, written when finalising failed and
removed in the next boot by a unit that fails once for it; on both backends the journal of the unit that finalises.
Both are for people. They give a verdict its reason and decide nothing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from .boot import failed_units
from .command import CommandTimeout, CommandUnusable, Run
from .facts.probe import read_text

FINALIZE_FAILED = "finalize_failed"
ETC_CONFLICT = "etc_conflict"
LOCKED = "locked"
POWER_LOST = "power_lost"
FELL_BACK = "fell_back"
NOT_FINALIZED = "not_finalized"
UNKNOWN = "unknown"

STAMP = "/boot/ostree/finalize-failure.stamp"
STAMP_UNIT = "ostree-boot-complete.service"
FINALIZERS = ("ostree-finalize-staged.service", "bootc-finalize-staged.service")
JOURNAL_SECONDS = 20.0

MOST_LINES = 12
LONGEST_LINE = 300
_UNIT_LINES = 60
_LAST_LINES = 40

_LOCKED = re.compile(r"is locked for finalization|is marked download only", re.IGNORECASE)
_CONFLICT = re.compile(r"merge conflicts? (?:found )?in etc|cannot merge|newly defaults to directory", re.IGNORECASE)
_FAILED = re.compile(
    r"\berror: |failed with result|finalize-staged failed|failed to (?:stop|finalize)|status=[1-9]\d*/", re.IGNORECASE
)
# What an orderly shutdown says last, for a reboot of any kind.
_SHUT_DOWN = re.compile(
    r"systemd-shutdown|journal stopped|reached target .*(?:shutdown|reboot|power-?off|final step)", re.IGNORECASE
)


@dataclass(frozen=True)
class Traces:
    """What was found. None where it could not be looked at; ``last`` are the last lines of the boot before."""

    stamp: str | None = None
    stamp_unit_failed: bool | None = None
    finalizer: tuple[str, ...] | None = None
    last: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Why:
    """The kind of reason, and the lines it rests on. The lines come from the device and are data."""

    kind: str
    evidence: tuple[str, ...] = ()


def explain(traces: Traces, *, in_rollback_slot: bool) -> Why:
    """Pure. ``in_rollback_slot`` says that what was to boot is now what could be gone back to: it was written."""
    if in_rollback_slot:
        return Why(FELL_BACK, traces.last or ())
    finalizer = traces.finalizer or ()
    for kind, words in ((LOCKED, _LOCKED), (ETC_CONFLICT, _CONFLICT), (FINALIZE_FAILED, _FAILED)):
        found = tuple(line for line in finalizer if words.search(line))
        if found:
            return Why(kind, found if kind == LOCKED else finalizer)
    if traces.stamp is not None:
        kind = ETC_CONFLICT if _CONFLICT.search(traces.stamp) else FINALIZE_FAILED
        return Why(kind, (*finalizer, *traces.stamp.splitlines()))
    if traces.stamp_unit_failed:
        return Why(FINALIZE_FAILED, (*finalizer, f"{STAMP_UNIT} failed"))
    if traces.last:
        orderly = any(_SHUT_DOWN.search(line) for line in traces.last)
        return Why(NOT_FINALIZED if orderly else POWER_LOST, (*finalizer, *traces.last))
    return Why(UNKNOWN, finalizer)


def shorten_lines(lines: tuple[str, ...]) -> list[str]:
    """The end of what there is, which is where the reason usually is, in lines of limited length."""
    told = [line.strip()[:LONGEST_LINE] for line in lines if line.strip()]
    return told[-MOST_LINES:]


def read_traces(run: Run, boot_before: str | None, boot_now: str | None) -> Traces:
    """Collect what there is. ``boot_before`` is the identity of the boot whose end is of interest, where known."""
    units = failed_units(run)
    same_boot = boot_before is not None and boot_before == boot_now
    return Traces(
        stamp=read_text(STAMP),
        stamp_unit_failed=None if units is None else STAMP_UNIT in units,
        finalizer=_journal(run, boot_before, _UNIT_LINES, FINALIZERS),
        # A soft reboot stays in its boot, whose last lines are from now.
        last=None if same_boot else _journal(run, boot_before, _LAST_LINES),
    )


def _journal(run: Run, boot: str | None, lines: int, units: tuple[str, ...] = ()) -> tuple[str, ...] | None:
    """Lines of the journal of one boot; of the one before this where that one is not known to it."""
    for which in ([boot.replace("-", "")] if boot else []) + ["-1"]:
        selection = [word for unit in units for word in ("-u", unit)]
        argv = ("journalctl", "--no-pager", "-q", "-o", "short", "-b", which, *selection, "-n", str(lines))
        try:
            done = run(argv, JOURNAL_SECONDS)
        except (CommandUnusable, CommandTimeout):
            return None
        found = tuple(line for line in done.out.splitlines() if line.strip() and not line.startswith("-- "))
        if done.rc == 0 and found:
            return found
    return () if done.rc == 0 else None
