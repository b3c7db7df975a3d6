# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one order of versions, for tags of releases, channels and barriers. What cannot be told is not guessed.

PRIVATE to the collection.
"""

from __future__ import annotations

import re

_WORD, _END, _NUMBER = 0, 1, 2

_STEADY = re.compile(r"v?([0-9]{1,18}(?:\.[0-9]{1,18})+)(?:[-.~]?(alpha|beta|pre|rc)[-.]?([0-9]{0,18}))?")
"""Numbers with dots, perhaps of a stage before a release. Dates and revisions have none, and no order that is sure."""
_NUMBERS_OF_DATES = 1000


def version_key(version: str) -> tuple[tuple[int, int, str], ...]:
    """Order versions part by part: numbers as numbers, words as words, and a word before the end before a number.

    So ``1.0.0-rc1 < 1.0.0 < 1.0.0.1``, and ``1.9 < 1.10``.
    """
    parts = re.findall(r"[0-9]+|[A-Za-z]+", version)
    keys = [(2, int(part), "") if part.isdigit() else (0, 0, part.lower()) for part in parts]
    return (*keys, (1, 0, ""))


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
    for part, its in zip(one, other):
        if part != its:
            return None if {part[0], its[0]} == {_WORD, _NUMBER} else part < its
    return False


def is_older_release(version: str, than: str) -> bool:
    """Tell whether one of two versions is the older for sure: both are numbers with dots, as releases have them.

    ``1.0`` is ``1.0.0``. One with a date in it, as 2026.11.1 and 44.20261101 have, is of another kind than one without.
    """
    one, other = _STEADY.fullmatch(version), _STEADY.fullmatch(than)
    if one is None or other is None:
        return False
    numbers, others = ([int(number) for number in found[1].split(".")] for found in (one, other))
    if (max(numbers) >= _NUMBERS_OF_DATES) != (max(others) >= _NUMBERS_OF_DATES):
        return False
    longest = max(len(numbers), len(others))
    return is_older(_in_full(numbers, one, longest), _in_full(others, other, longest)) is True


def _in_full(numbers: list[int], found: re.Match[str], longest: int) -> str:
    """Write a version with as many numbers as another one has."""
    stage = f"-{found[2]}{found[3]}" if found[2] else ""
    return ".".join(map(str, numbers + [0] * (longest - len(numbers)))) + stage
