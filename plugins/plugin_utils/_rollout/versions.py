# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which of two versions of an image is the older one. What cannot be told is not guessed."""

from __future__ import annotations

from ...module_utils._oci.versions import version_key

_WORD, _END, _NUMBER = 0, 1, 2


def is_older(version: str, than: str) -> bool | None:
    """Compared part by part in the order of tags, so ``1.0.0-rc1`` is older than ``1.0.0``.

    None where a number would have to be compared with a word, or where one of the two has neither.
    """
    try:
        one, other = version_key(version), version_key(than)
    except ValueError:  # Python makes no number of thousands of digits, and devices may say anything
        return None
    if _END in (one[0][0], other[0][0]):
        return None
    for part, its in zip(one, other, strict=False):
        if part != its:
            return None if {part[0], its[0]} == {_WORD, _NUMBER} else part < its
    return False
