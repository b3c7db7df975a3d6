# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Command-line parsing with clap's rules and exit codes, gated by the version of bootc. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from simulator.versions import has


class UsageError(Exception):
    """Bad usage: exit code 2, the text on stderr."""


class HelpAsked(Exception):
    """``--help`` or ``--version``: exit code 0, the text on stdout."""


@dataclass(frozen=True)
class Flag:
    """An option of a verb. ``takes`` names its value, a ``number`` or not; ``since`` is a feature of ``versions``."""

    name: str
    takes: str | None = None
    values: tuple[str, ...] = ()
    since: str | None = None
    short: str | None = None
    number: bool = False


@dataclass(frozen=True)
class Verb:
    """A verb with its options, positional arguments and exclusions."""

    name: str
    about: str
    flags: tuple[Flag, ...] = ()
    positional: str | None = None
    conflicts: tuple[tuple[str, str], ...] = ()
    aliases: tuple[str, ...] = ()
    since: str | None = None
    hidden: bool = False


@dataclass
class Parsed:
    """A verb and what was given to it."""

    verb: str
    flags: dict[str, str] = field(default_factory=dict)
    positional: str | None = None

    def on(self, name: str) -> bool:
        """Whether the flag was given."""
        return name in self.flags


SOFT_REBOOT = Flag("soft-reboot", takes="SOFT_REBOOT", values=("required", "auto"), since="soft-reboot")
# Hides progress bars, which are drawn on terminals only and never here: what else is printed does not change.
QUIET = Flag("quiet")

VERBS: tuple[Verb, ...] = (
    Verb(
        "upgrade",
        "Download and queue an updated container image to apply",
        (
            QUIET,
            Flag("check", since="upgrade --check"),
            Flag("apply", since="upgrade --apply"),
            SOFT_REBOOT,
            Flag("download-only", since="upgrade --download-only"),
            Flag("from-downloaded", since="upgrade --from-downloaded"),
            Flag("tag", takes="TAG", since="upgrade --tag"),
        ),
        conflicts=(
            ("check", "apply"),
            ("check", "soft-reboot"),
            ("download-only", "check"),
            ("download-only", "apply"),
            ("from-downloaded", "check"),
            ("from-downloaded", "download-only"),
        ),
        aliases=("update",),
    ),
    Verb(
        "switch",
        "Target a new container image reference to boot",
        (
            QUIET,
            Flag("apply", since="switch --apply"),
            SOFT_REBOOT,
            Flag("transport", takes="TRANSPORT"),
            Flag("enforce-container-sigpolicy", since="switch --enforce-container-sigpolicy"),
            Flag("retain"),
            Flag("no-signature-verification"),
        ),
        positional="TARGET",
    ),
    Verb(
        "rollback",
        "Change the bootloader entry ordering; the deployment under `rollback` will be queued for the next boot",
        (Flag("apply", since="rollback --apply"), SOFT_REBOOT),
        since="rollback",
    ),
    Verb(
        "status",
        "Display status",
        (
            Flag("format", takes="FORMAT", values=("humanreadable", "yaml", "json"), since="status --format"),
            Flag("format-version", takes="FORMAT_VERSION", since="status --format-version", number=True),
            Flag("booted"),
            Flag("json"),
            Flag("verbose", short="v", since="status --verbose"),
        ),
    ),
    Verb(
        "usr-overlay",
        "Add a transient writable overlayfs on `/usr`",
        (Flag("read-only", since="usr-overlay --read-only"),),
        aliases=("usroverlay",),
    ),
    Verb(
        "delete-deployment",
        "Delete a deployment",
        positional="DEPL_ID",
        since="delete-deployment",
        hidden=True,
    ),
)


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
    for verb in VERBS:
        if first in (verb.name, *verb.aliases) and (verb.since is None or has(version, verb.since)):
            return _parse_verb(verb, rest, version)
    raise UsageError(_hinted(f"error: unrecognized subcommand '{first}'", "bootc <COMMAND>"))


def _parse_verb(verb: Verb, arguments: list[str], version: str) -> Parsed:
    parsed = Parsed(verb.name)
    flags = {flag.name: flag for flag in verb.flags if flag.since is None or has(version, flag.since)}
    short = {flag.short: flag for flag in flags.values() if flag.short}
    usage = _usage(verb)
    pending = list(arguments)
    only_positional = False
    while pending:
        word = pending.pop(0)
        if word == "--" and not only_positional:
            only_positional = True
        elif word in ("--help", "-h") and not only_positional:
            raise HelpAsked(f"{verb.about}\n\nUsage: {usage}\n\nOptions:\n" + "".join(f"      --{n}\n" for n in flags))
        elif word.startswith("-") and len(word) > 1 and not only_positional:
            name, has_value, given = word[2:].partition("=")
            flag = flags.get(name) if word.startswith("--") else short.get(word[1:])
            if flag is None:
                raise UsageError(_hinted(f"error: unexpected argument '{word}' found", usage))
            if flag.name in parsed.flags:
                raise UsageError(_hinted(f"error: the argument '{_shown(flag)}' cannot be used multiple times", usage))
            parsed.flags[flag.name] = _flag_value(flag, given if has_value else None, pending, usage, version)
        elif verb.positional is not None and parsed.positional is None:
            parsed.positional = word
        else:
            raise UsageError(_hinted(f"error: unexpected argument '{word}' found", usage))
    for one, other in verb.conflicts:
        if one in parsed.flags and other in parsed.flags:
            raise UsageError(
                _hinted(
                    f"error: the argument '{_shown(flags[one])}' cannot be used with '{_shown(flags[other])}'", usage
                )
            )
    if verb.positional is not None and parsed.positional is None:
        raise UsageError(
            _hinted(f"error: the following required arguments were not provided:\n  <{verb.positional}>", usage)
        )
    return parsed


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
    known = [verb for verb in VERBS if not verb.hidden and (verb.since is None or has(version, verb.since))]
    lines = "".join(f"  {verb.name:<12} {verb.about}\n" for verb in known)
    about = "Deploy and transactionally in-place update systems with bootable container images"
    return f"{about}\n\nUsage: bootc <COMMAND>\n\nCommands:\n{lines}"
