# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two rollouts to audit."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.audit.ledgers import two_rollouts


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return two_rollouts(tmp_path)
