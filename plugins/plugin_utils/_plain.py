# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Text of devices and registries, made fit for a person's terminal."""

from __future__ import annotations

import re
import unicodedata

_ESCAPES = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"  # CSI: colours, cursor
    r"|(?:\x1b[\]PX^_]|[\x9d\x90\x98\x9e\x9f])[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)"  # OSC, DCS: titles, links
    r"|\x1b[ -/]*[0-~]"
)


def plain(value: object) -> str:
    """One line of ``value`` that can do nothing to a terminal or to the order in which a person reads it.

    Escape sequences, control and bidirectional format characters are dropped; runs of white space become one space.
    """
    text = str(value)
    if not (text.isascii() and text.isprintable()):  # which nearly everything is, and a fleet has a lot of it
        text = "".join(_harmless(character) for character in _ESCAPES.sub("", text))
    return " ".join(text.split())


def _harmless(character: str) -> str:
    if character.isspace():
        return " "
    category = unicodedata.category(character)
    if category == "Cs":  # half of a pair: bytes that were not UTF-8, and could not be written as such again
        return "\N{REPLACEMENT CHARACTER}"
    return "" if category in ("Cc", "Cf", "Co", "Cn") else character
