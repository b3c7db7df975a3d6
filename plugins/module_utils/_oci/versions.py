# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one order of versions, for tags of releases, channels and barriers. PRIVATE to the collection."""

from __future__ import annotations

import re


def version_key(version: str) -> tuple[tuple[int, int, str], ...]:
    """Order versions part by part: numbers as numbers, words as words, and a word before the end before a number.

    So ``1.0.0-rc1 < 1.0.0 < 1.0.0.1``, and ``1.9 < 1.10``.
    """
    parts = re.findall(r"[0-9]+|[A-Za-z]+", version)
    keys = [(2, int(part), "") if part.isdigit() else (0, 0, part.lower()) for part in parts]
    return (*keys, (1, 0, ""))
