# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Arithmetic on layers. PRIVATE to the collection."""

from __future__ import annotations

from typing import Iterable

from .manifest import Descriptor


def sizes(layers: Iterable[Descriptor]) -> dict[str, int]:
    """Return compressed bytes by digest; a layer listed twice is kept and transferred once."""
    return {layer.digest: layer.size for layer in layers}


def total_size(layers: Iterable[Descriptor]) -> int:
    """Return the compressed bytes of the distinct layers."""
    return sum(sizes(layers).values())


def download(present: Iterable[Descriptor], wanted: Iterable[Descriptor]) -> int:
    """Return the bytes of the layers in ``wanted`` that ``present`` does not have."""
    have = sizes(present)
    return sum(size for digest, size in sizes(wanted).items() if digest not in have)
