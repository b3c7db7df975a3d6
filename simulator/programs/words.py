# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Command lines in the manner of getopt_long: options between words, values after ``=`` or in the next word. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Mapping


class BadOption(Exception):
    """An option that is not known or lacks its value; the text is getopt's."""


@dataclass
class Words:
    """What a command line holds: each option with its values (empty for a plain flag), and the words between them."""

    options: dict[str, list[str]] = field(default_factory=dict)
    words: list[str] = field(default_factory=list)

    def on(self, *names: str) -> bool:
        """Whether one of the options was given."""
        return any(name in self.options for name in names)

    def last(self, name: str) -> str | None:
        """The value given last."""
        values = self.options.get(name)
        return values[-1] if values else None

    def listed(self, name: str) -> list[str]:
        """All values, those of one option separated by commas."""
        return [part for value in self.options.get(name, ()) for part in value.split(",") if part]


def parse(
    arguments: list[str],
    *,
    flags: tuple[str, ...] = (),
    values: tuple[str, ...] = (),
    optional: tuple[str, ...] = (),
    short: Mapping[str, str] | None = None,
    command_follows: bool = False,
) -> Words:
    """Take ``arguments`` apart; ``short`` maps letters to long names, ``optional`` take a value only after ``=``.

    With ``command_follows`` everything from the first word on belongs to a command of its own.
    """
    letters = short or {}
    found = Words()
    pending = list(arguments)
    while pending:
        word = pending.pop(0)
        if word == "--":
            found.words += pending
            break
        if word.startswith("--"):
            name, has_value, value = word[2:].partition("=")
            if name in values:
                _add(found, name, value if has_value else _next(pending, f"option '--{name}' requires an argument"))
            elif name in optional:
                _add(found, name, value)
            elif name not in flags:
                raise BadOption(f"unrecognized option '{word}'")
            elif has_value:
                raise BadOption(f"option '--{name}' doesn't allow an argument")
            else:
                found.options.setdefault(name, [])
        elif word.startswith("-") and len(word) > 1:
            _short(found, word[1:], pending, letters, values)
        else:
            found.words.append(word)
            if command_follows:
                found.words += pending
                break
    return found


def _short(found: Words, cluster: str, pending: list[str], letters: Mapping[str, str], values: tuple[str, ...]) -> None:
    while cluster:
        letter, cluster = cluster[0], cluster[1:]
        name = letters.get(letter)
        if name is None:
            raise BadOption(f"invalid option -- '{letter}'")
        if name in values:
            _add(found, name, cluster or _next(pending, f"option requires an argument -- '{letter}'"))
            return
        found.options.setdefault(name, [])


def _add(found: Words, name: str, value: str) -> None:
    found.options.setdefault(name, []).append(value)


def _next(pending: list[str], message: str) -> str:
    if not pending:
        raise BadOption(message)
    return pending.pop(0)
