# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of a report on images are whole or as they were before."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from ansible_collections.skorionos.bootc.plugins.action.image_report import _write


def test_a_report_that_cannot_be_written_leaves_the_old_one_and_no_draft(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = tmp_path / "image-report.txt"
    report.write_text("old")
    really = Path.write_text

    def full(path: Path, text: str, **encoding: str) -> int:
        really(path, text[:2], **encoding)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch, pytest.raises(OSError, match="No space left"):
        patch.setattr(Path, "write_text", full)
        _write({report: "new and long"}, pretend=False)
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("image-report.txt", "old")]


def test_a_file_that_is_no_text_is_written_over(tmp_path: Path) -> None:
    report = tmp_path / "image-report.txt"
    report.write_bytes(b"\xff\xfe")
    assert _write({report: "new"}, pretend=True)
    assert report.read_bytes() == b"\xff\xfe"
    assert _write({report: "new"}, pretend=False)
    assert not _write({report: "new"}, pretend=False)
    assert report.read_text() == "new"
