# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which of two versions of an image is the older one. What cannot be told is not guessed."""

from __future__ import annotations

from ansible.module_utils.compat.version import LooseVersion


def is_older(version: str, than: str) -> bool | None:
    """Compared part by part, numbers as numbers; None when a number would have to be compared with a word."""
    try:
        return bool(LooseVersion(version) < LooseVersion(than))
    except (AttributeError, TypeError):  # AttributeError: of an empty version
        return None
