# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make the checkout importable as ``ansible_collections.skorionos.bootc`` without installing it."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]


def _link_collection(into: Path) -> Path:
    """Create ``into/ansible_collections/skorionos/bootc`` as a link to this checkout, once; return ``into``."""
    link = into / "ansible_collections" / "skorionos" / "bootc"
    link.parent.mkdir(parents=True, exist_ok=True)
    if link.is_symlink() and link.resolve() != REPOSITORY:
        link.unlink()
    if not link.is_symlink():
        link.symlink_to(REPOSITORY, target_is_directory=True)
    return into


COLLECTIONS = _link_collection(REPOSITORY / ".venv" / "collections")
sys.path.insert(0, str(COLLECTIONS))


@pytest.fixture(scope="session")
def collections_path() -> Path:
    """Directory to put into ANSIBLE_COLLECTIONS_PATH so that playbooks find this checkout."""
    return COLLECTIONS


@pytest.fixture(scope="session")
def repository() -> Path:
    """Root of the checkout."""
    return REPOSITORY


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, exitstatus: int) -> None:
    """Where nothing may be skipped, a run that skipped tests has failed; the report above names them."""
    skipped = len(terminalreporter.stats.get("skipped", []))
    if skipped and exitstatus == pytest.ExitCode.OK and os.environ.get("BOOTC_TEST_NO_SKIP") == "1":
        terminalreporter.write_line(f"{skipped} tests were skipped, and BOOTC_TEST_NO_SKIP=1 forbids that", red=True)
        terminalreporter._session.exitstatus = pytest.ExitCode.TESTS_FAILED
