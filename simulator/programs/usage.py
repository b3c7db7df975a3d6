# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Command-line parsing with clap's rules and exit codes. Pure. What there is to parse is in ``grammar``."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Mapping

from simulator.programs.grammar import GROUPS, GROUPS_SINCE, HIDDEN_GROUPS, VERBS, Flag, Verb
from simulator.versions import has


class UsageError(Exception):
    """Bad usage: exit code 2, the text on stderr."""


class HelpAsked(Exception):
    """``--help`` or ``--version``: exit code 0, the text on stdout."""


@dataclass
class Parsed:
    """A verb and what was given to it."""

    verb: str
    flags: dict[str, str] = field(default_factory=dict)
    positional: str | None = None
    raw: bool = False

    def on(self, name: str) -> bool:
        """Whether the flag was given."""
        return name in self.flags


STDERR = 2


def parse(arguments: list[str], version: str) -> Parsed:
    """What a bootc of ``version`` makes of ``arguments``."""
    if not arguments:
        raise UsageError(_overview(version))
    first, rest = arguments[0], arguments[1:]
    if first in ("--version", "-V"):
        raise HelpAsked(f"bootc {version}\n")
    if first in ("--help", "-h", "help"):
        raise HelpAsked(_overview(version))
    if first.startswith("-"):
        raise UsageError(_hinted(f"error: unexpected argument '{first}' found", "bootc <COMMAND>"))
    if first in GROUPS and _known(GROUPS_SINCE.get(first), version):
        return _parse_group(first, rest, version)
    for verb in VERBS:
        if first in (verb.name, *verb.aliases) and _known(verb.since, version):
            return _parse_verb(verb, rest, version)
    raise UsageError(_hinted(f"error: unrecognized subcommand '{first}'", "bootc <COMMAND>"))


def _known(since: str | None, version: str) -> bool:
    return since is None or has(version, since)


def _parse_group(group: str, arguments: list[str], version: str) -> Parsed:
    inside = [verb for verb in VERBS if verb.name.startswith(f"{group} ") and _known(verb.since, version)]
    usage = f"bootc {group} <COMMAND>"
    lines = "".join(f"  {verb.name.partition(' ')[2]:<12} {verb.about}\n" for verb in inside if not verb.hidden)
    overview = f"{GROUPS[group]}\n\nUsage: {usage}\n\nCommands:\n{lines}"
    if not arguments:
        raise UsageError(overview)
    first, rest = arguments[0], arguments[1:]
    if first in ("--help", "-h", "help"):
        raise HelpAsked(overview)
    if first.startswith("-"):
        raise UsageError(_hinted(f"error: unexpected argument '{first}' found", usage))
    for verb in inside:
        if verb.name == f"{group} {first}":
            return _parse_verb(verb, rest, version)
    raise UsageError(_hinted(f"error: unrecognized subcommand '{first}'", usage))


def _parse_verb(verb: Verb, arguments: list[str], version: str) -> Parsed:
    if verb.raw:
        if "--help" in arguments or "-h" in arguments:
            raise HelpAsked(f"{verb.about}\n\nUsage: {_usage(verb)}\n")
        return Parsed(verb.name, raw=True)
    parsed = Parsed(verb.name)
    flags = {flag.name: flag for flag in verb.flags if _known(flag.since, version)}
    short = {flag.short: flag for flag in flags.values() if flag.short}
    usage = _usage(verb)
    pending = list(arguments)
    only_positional = False
    while pending:
        word = pending.pop(0)
        if word == "--" and not only_positional:
            only_positional = True
        elif word in ("--help", "-h") and not only_positional:
            shown = "".join(f"      --{name}\n" for name, flag in flags.items() if not flag.hidden)
            raise HelpAsked(f"{verb.about}\n\nUsage: {usage}\n\nOptions:\n{shown}")
        elif word.startswith("-") and len(word) > 1 and not only_positional:
            found, given = _split(word, flags, short)
            if found is None:
                raise UsageError(_hinted(f"error: unexpected argument '{word}' found", usage))
            if found.name in parsed.flags:
                raise UsageError(_hinted(f"error: the argument '{_shown(found)}' cannot be used multiple times", usage))
            parsed.flags[found.name] = _flag_value(found, given, pending, usage, version)
        elif verb.positional is not None and parsed.positional is None:
            parsed.positional = word
        else:
            raise UsageError(_hinted(f"error: unexpected argument '{word}' found", usage))
    _check_together(verb, parsed, flags)
    return parsed


def _split(word: str, flags: dict[str, Flag], short: Mapping[str, Flag]) -> tuple[Flag | None, str | None]:
    """The flag of ``word``, and the value in the same word."""
    if word.startswith("--"):
        name, has_value, given = word[2:].partition("=")
        return flags.get(name), given if has_value else None
    flag, given = short.get(word[1]), word[2:]
    if flag is not None and flag.takes is None and given:
        return None, None
    return flag, given[1:] if given.startswith("=") else given or None


def _check_together(verb: Verb, parsed: Parsed, flags: dict[str, Flag]) -> None:
    usage = _usage(verb)
    for one, other in verb.conflicts:
        if one in parsed.flags and other in parsed.flags:
            shown = _shown(flags[one]), _shown(flags[other])
            raise UsageError(_hinted("error: the argument '{}' cannot be used with '{}'".format(*shown), usage))
    missing = [_shown(flag) for flag in flags.values() if flag.required and flag.name not in parsed.flags]
    if verb.positional is not None and parsed.positional is None and verb.instead not in parsed.flags:
        missing.append(f"<{verb.positional}>")
    if missing:
        listed = "".join(f"\n  {name}" for name in missing)
        raise UsageError(_hinted(f"error: the following required arguments were not provided:{listed}", usage))


def _flag_value(flag: Flag, given: str | None, pending: list[str], usage: str, version: str) -> str:
    if flag.takes is None:
        if given is not None:
            raise UsageError(
                _hinted(f"error: unexpected value '{given}' for '--{flag.name}' found; no more were expected", usage)
            )
        return ""
    if given is None:
        if not pending or pending[0].startswith("-"):
            raise UsageError(_hinted(f"error: a value is required for '{_shown(flag)}' but none was supplied", usage))
        given = pending.pop(0)
    known = tuple(v for v in flag.values if v != "humanreadable" or has(version, "status --format=humanreadable"))
    if flag.number and not re.fullmatch(r"\+?[0-9]{1,9}", given):
        cause = "cannot parse integer from empty string" if not given else "invalid digit found in string"
        raise UsageError(_hinted(f"error: invalid value '{given}' for '{_shown(flag)}': {cause}", None))
    if flag.name == "progress-fd" and int(given) <= STDERR:
        cause = f"Cannot use fd {int(given)} for progress JSON"
        raise UsageError(_hinted(f"error: invalid value '{given}' for '{_shown(flag)}': {cause}", None))
    if flag.values and given not in known:
        raise UsageError(
            _hinted(
                f"error: invalid value '{given}' for '{_shown(flag)}'\n  [possible values: {', '.join(known)}]", None
            )
        )
    return given


def _shown(flag: Flag) -> str:
    return f"--{flag.name}" if flag.takes is None else f"--{flag.name} <{flag.takes}>"


def _usage(verb: Verb) -> str:
    return f"bootc {verb.name} [OPTIONS]" + ("" if verb.positional is None else f" <{verb.positional}>")


def _hinted(message: str, usage: str | None) -> str:
    shown = "" if usage is None else f"Usage: {usage}\n\n"
    return f"{message}\n\n{shown}For more information, try '--help'.\n"


def _overview(version: str) -> str:
    known = [(verb.name, verb.about) for verb in VERBS
             if not verb.hidden and " " not in verb.name and _known(verb.since, version)]  # fmt: skip
    known += [(name, about) for name, about in GROUPS.items()
              if name not in HIDDEN_GROUPS and _known(GROUPS_SINCE.get(name), version)]  # fmt: skip
    lines = "".join(f"  {name:<12} {about}\n" for name, about in known)
    about = "Deploy and transactionally in-place update systems with bootable container images"
    return f"{about}\n\nUsage: bootc <COMMAND>\n\nCommands:\n{lines}"
