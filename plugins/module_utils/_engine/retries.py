# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How long to wait before a transfer is tried again. PRIVATE to the collection."""

from __future__ import annotations

import re

# Such as GHCR's "toomanyrequests: retry-after: 1.2s, allowed: 44000/minute".
_ASKED = re.compile(r"retry[- ]after[\"':= ]+(\d+(?:\.\d+)?)\s*(us|µs|ms|s|m|h)?\b", re.IGNORECASE)
_UNITS = {"us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_LIMITED = re.compile(r"toomanyrequests|too many requests|\b429\b", re.IGNORECASE)
# Engines have waited out shorter limits by themselves before they give up.
_LIMIT_FACTOR = 8


def seconds_to_wait(said: str, tried: int, first: float, longest: float) -> float:
    """Return the seconds to wait after a transfer that was ``tried`` so many times failed with these words.

    Twice as long each time, from ``first`` to ``longest``; longer where the registry limits its rate. What the registry
    itself asks for is the least, and may be more than ``longest``.
    """
    delay = first * (2.0 ** (tried - 1))
    if _LIMITED.search(said):
        delay *= _LIMIT_FACTOR
    return max(min(delay, longest), _asked(said))


def _asked(said: str) -> float:
    waits = [float(number) * _UNITS[(unit or "s").lower()] for number, unit in _ASKED.findall(said)]
    return max(waits, default=0.0)
