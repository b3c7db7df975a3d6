# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When an image was made, as it says itself. PRIVATE to the collection."""

from __future__ import annotations

import re
from datetime import datetime, timezone

_NORMALISED_BEFORE = datetime(1990, 1, 1, tzinfo=timezone.utc).timestamp()
"""Earlier dates are what reproducible builds write in place of one."""


def read_created(text: object) -> float | None:
    """Read an RFC 3339 time, in seconds since 1970; none for what is no date, or one that reproducible builds write."""
    if not isinstance(text, str):
        return None
    # Before Python 3.11, fractions of other than 3 or 6 digits and the letter Z are refused.
    plain = re.sub(r"\.\d+", "", text.strip()).replace("Z", "+00:00").replace("z", "+00:00")
    try:
        moment = datetime.fromisoformat(plain)
    except ValueError:
        return None
    seconds = (moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)).timestamp()
    return None if seconds < _NORMALISED_BEFORE else seconds
