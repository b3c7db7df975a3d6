# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Why a device came back on what it ran before, from what its shutdown left."""

from __future__ import annotations

import pytest
from ansible_collections.skorionos.bootc.plugins.module_utils._device import last_shutdown
from ansible_collections.skorionos.bootc.plugins.module_utils._device.command import (
    CommandMissing,
    CommandTimeout,
    Completed,
)
from ansible_collections.skorionos.bootc.plugins.module_utils._device.last_shutdown import (
    LONGEST_LINE,
    MOST_LINES,
    Traces,
    explain,
    read_traces,
    shorten_lines,
)

ORDERLY = (
    "... systemd[1]: Reached target reboot.target - System Reboot.",
    "... systemd-shutdown[1]: Syncing filesystems.",
)
PLAYING = ("... steam[2113]: frame 190211",)
FAILED = ("... bootc[901]: error: Finalizing: writing loader entries: No space left on device",)
CONFLICT = ("... bootc[901]: error: Merge conflicts found in etc",)
LOCKED = ("... ostree[88]: Not finalizing; deployment is locked for finalization",)


@pytest.mark.parametrize(
    ("traces", "behind", "kind"),
    [
        (Traces(), False, "unknown"),
        (Traces(finalizer=(), last=()), False, "unknown"),
        (Traces(last=ORDERLY), True, "fell_back"),
        (Traces(), True, "fell_back"),
        (Traces(finalizer=FAILED, last=ORDERLY), False, "finalize_failed"),
        (Traces(finalizer=CONFLICT, last=ORDERLY), False, "etc_conflict"),
        (Traces(finalizer=LOCKED, last=ORDERLY), False, "locked"),
        (Traces(stamp="error: writing to /boot: No space left on device"), False, "finalize_failed"),
        (Traces(stamp="Merge conflict in etc: passwd"), False, "etc_conflict"),
        (Traces(stamp_unit_failed=True, last=ORDERLY), False, "finalize_failed"),
        (Traces(stamp_unit_failed=False, finalizer=(), last=ORDERLY), False, "not_finalized"),
        (Traces(stamp_unit_failed=False, finalizer=(), last=PLAYING), False, "power_lost"),
    ],
)
def test_the_reason(traces, behind, kind):
    assert explain(traces, in_rollback_slot=behind).kind == kind


def test_the_lines_a_reason_rests_on_go_with_it():
    assert explain(Traces(finalizer=FAILED, last=ORDERLY), in_rollback_slot=False).evidence == FAILED
    assert explain(Traces(last=PLAYING), in_rollback_slot=False).evidence == PLAYING


def test_evidence_is_cut_to_the_end_and_to_lengths():
    lines = tuple(f"line {number} {'x' * 1000}" for number in range(50))
    told = shorten_lines(("  ", *lines))
    assert len(told) == MOST_LINES
    assert told[-1].startswith("line 49 ")
    assert max(map(len, told)) == LONGEST_LINE


class Journal:
    """``known`` are the boots the journal knows, with their lines."""

    def __init__(self, known):
        self.known, self.asked = known, []

    def __call__(self, argv, timeout, *, watch=None):
        if argv[0] != "journalctl":
            raise CommandMissing(argv[0])
        which = argv[argv.index("-b") + 1]
        self.asked.append(which)
        lines = self.known.get(which)
        return Completed(1) if lines is None else Completed(0, "\n".join(lines).encode())


@pytest.fixture(autouse=True)
def device(tmp_path, monkeypatch):
    monkeypatch.setenv("BOOTC_DEVICE_ROOT", str(tmp_path))
    return tmp_path


def test_the_journal_is_read_of_the_boot_that_was_left():
    journal = Journal({"0a": PLAYING})
    assert read_traces(journal, "0-a", "b").last == PLAYING
    assert set(journal.asked) == {"0a"}


def test_a_boot_the_journal_does_not_know_is_taken_for_the_one_before():
    assert read_traces(Journal({"-1": ("-- No entries --", *ORDERLY)}), "0-a", "b").last == ORDERLY


def test_a_soft_reboot_has_no_last_lines_of_a_boot_before():
    assert read_traces(Journal({"a": PLAYING}), "a", "a").last is None


def test_a_device_without_a_journal_has_no_traces():
    def silent(argv, timeout, *, watch=None):
        raise CommandMissing(argv[0])

    assert read_traces(silent, "a", "b") == Traces()
    assert explain(read_traces(silent, "a", "b"), in_rollback_slot=False).kind == "unknown"


def test_a_journal_that_hangs_is_given_up():
    def hangs(argv, timeout, *, watch=None):
        raise CommandTimeout(argv, timeout)

    assert read_traces(hangs, "a", "b").last is None


def test_the_stamp_of_ostree_is_read(device):
    stamp = device / last_shutdown.STAMP.lstrip("/")
    stamp.parent.mkdir(parents=True)
    stamp.write_text("error: no space")
    assert read_traces(Journal({}), "a", "b").stamp == "error: no space"
