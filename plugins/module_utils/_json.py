# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""JSON as strict readers take it. PRIVATE to the collection."""

from __future__ import annotations

from typing import Any, Sequence


def without_duplicates(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object, as ``object_pairs_hook``. Raises ValueError for a name that is there twice.

    ``json`` would take the last one, which may hide what another reader goes by.
    """
    named: dict[str, Any] = {}
    for name, value in pairs:
        if name in named:
            raise ValueError(f"it has {name!r} twice in one object")
        named[name] = value
    return named
