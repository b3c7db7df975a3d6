# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tell the people who use a device what is about to happen to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Mapping, Sequence

from .._errors import BootcError
from .command import CommandTimeout, CommandUnusable, Feed, shorten
from .facts.sessions import Session
from .transient import own_program

WALL_SECONDS = 20.0
COMMAND_SECONDS = 60.0
LONGEST_TEXT = 2000
LONGEST_GRACE_SECONDS = 24 * 3600


@dataclass(frozen=True)
class Notice:
    """What to say, by which program besides wall, and how long people have then."""

    text: str
    grace_seconds: int = 0
    command: tuple[str, ...] = ()


def parse_notice(given: Mapping[str, Any] | None) -> Notice | None:
    """The option as it was given; BootcError when it makes no sense."""
    if given is None:
        return None
    text, grace = str(given["text"]), int(given.get("grace_seconds") or 0)
    command = tuple(str(word) for word in given.get("command") or ())
    if not text.strip() or len(text) > LONGEST_TEXT:
        raise _invalid(f"The text of notify has {len(text)} characters", f"Give one of 1 to {LONGEST_TEXT} characters")
    if not 0 <= grace <= LONGEST_GRACE_SECONDS:
        raise _invalid(
            f"The grace_seconds of notify are {grace}", f"Give a number of seconds from 0 to {LONGEST_GRACE_SECONDS}"
        )
    if command and not command[0]:
        raise _invalid("The command of notify names no program", "Give a list of words, the program first")
    return Notice(text, grace, command)


def _invalid(cause: str, remedy: str) -> BootcError:
    return BootcError("invalid", cause, remedy)


def people(sessions: Sequence[Session]) -> tuple[str, ...]:
    """Names of those who are logged in, other than over the connection this comes by."""
    names = {each.user or each.id for each in sessions if each.of_a_person and not each.own}
    return tuple(sorted(names))


def tell(notice: Notice, feed: Feed) -> tuple[str, ...]:
    """Tell everybody; returns what did not work."""
    problems = []
    if own_program("wall") is None:
        problems.append("wall is not there, so nobody was told at a terminal")
    else:
        problems += _fed(feed, ("wall",), WALL_SECONDS, notice.text)
    if notice.command:
        problems += _fed(feed, notice.command, COMMAND_SECONDS, notice.text)
    return tuple(problems)


def _fed(feed: Feed, argv: Sequence[str], timeout: float, text: str) -> list[str]:
    try:
        done = feed(argv, timeout, text if text.endswith("\n") else f"{text}\n")
    except (CommandUnusable, CommandTimeout) as exc:
        return [shorten(str(exc))]
    return [] if done.rc == 0 else [shorten(f"{argv[0]} ended with exit code {done.rc}: {done.err}")]
