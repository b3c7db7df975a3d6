# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``journalctl`` on a simulated device: reading by unit, boot, field and priority."""

from __future__ import annotations

import re
import sys

from simulator import journal
from simulator.programs.words import BadOption, Words, parse
from simulator.state import State
from simulator.store import Device

FLAGS = ("no-pager", "quiet", "all", "no-hostname", "utc", "system", "full", "list-boots")
VALUES = ("unit", "output", "lines", "priority", "identifier")
SHORT = {
    "u": "unit", "o": "output", "n": "lines", "p": "priority", "t": "identifier", "q": "quiet", "a": "all", "l": "full",
}  # fmt: skip
PRIORITIES = ("emerg", "alert", "crit", "err", "warning", "notice", "info", "debug")
OUTPUTS = ("short", "cat", "json")
_OFFSET = re.compile(r"[-+]?[0-9]+")


def boot_option(arguments: list[str]) -> list[str]:
    """The same with ``-b`` in its long form: unlike other options it may take its offset from the next word."""
    words: list[str] = []
    pending = list(arguments)
    while pending:
        word = pending.pop(0)
        if word in ("-b", "--boot"):
            words.append(f"--boot={pending.pop(0) if pending and _OFFSET.fullmatch(pending[0]) else '0'}")
        elif word.startswith("-b") and _OFFSET.fullmatch(word[2:]):
            words.append(f"--boot={word[2:]}")
        else:
            words.append(word)
    return words


def query(words: Words) -> journal.Query:
    """What is asked for; raises BadOption."""
    boot = words.last("boot")
    if boot is not None and not _OFFSET.fullmatch(boot):
        raise BadOption(f"Failed to parse boot descriptor '{boot}'")
    output = words.last("output") or "short"
    if output not in OUTPUTS:
        raise BadOption(f"not simulated: --output={output}")
    lines = words.last("lines")
    if lines is not None and lines != "all" and not lines.isdigit():
        raise BadOption(f"Failed to parse lines '{lines}'")
    wanted = [("SYSLOG_IDENTIFIER", name) for name in words.options.get("identifier", ())]
    for word in words.words:
        name, found, value = word.partition("=")
        if not found:
            raise BadOption(f"Failed to add match '{word}': Invalid argument")
        wanted.append((name, value))
    return journal.Query(
        units=tuple(words.options.get("unit", ())),
        boot=None if boot is None else int(boot),
        fields=tuple(wanted),
        priority=_priority(words.last("priority")),
        lines=None if lines in (None, "all") else int(lines or "0"),
        output=output,
    )


def _priority(told: str | None) -> int:
    if told is None:
        return len(PRIORITIES) - 1
    if told in PRIORITIES:
        return PRIORITIES.index(told)
    if told.isdigit() and int(told) < len(PRIORITIES):
        return int(told)
    raise BadOption(f"Unknown log level {told}")


def answer(state: State, arguments: list[str]) -> tuple[int, str, str]:
    """Exit code, stdout and stderr. Pure."""
    try:
        words = parse(boot_option(arguments), flags=FLAGS, values=VALUES, optional=("boot",), short=SHORT)
        if words.on("list-boots"):
            ids = journal.boots(state)
            lines = [f"{index - len(ids) + 1:>3} {boot.replace('-', '')}\n" for index, boot in enumerate(ids)]
            return 0, "".join(lines), ""
        asked = query(words)
    except BadOption as wrong:
        return 1, "", f"journalctl: {wrong}\n"
    try:
        return 0, journal.read(state, asked), ""
    except journal.NoSuchBoot as none:
        return 1, "", f"{none}\n"


def run(device: Device, arguments: list[str]) -> int:
    """The program ``journalctl``. Raises Unreachable and Rebooted."""
    code, out, err = answer(device.visited(), arguments)
    # Explicit bytes: the locale of a remote session is often C.
    sys.stdout.buffer.write(out.encode())
    sys.stderr.buffer.write(err.encode())
    return code
