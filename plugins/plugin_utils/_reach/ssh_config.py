# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where ssh would connect to, read from its configuration as far as that says so by itself. Pure.

Only what decides about the place is read: HostName, Port, ProxyJump, ProxyCommand and what goes with them. What only
ssh can judge (``Match exec``, canonical names) is left to ssh.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache

PROXIES = ("proxyjump", "proxycommand")
"""The two ways to name what a connection goes through."""
PLACES = {
    "hostname": "hostname",
    "port": "port",
    "proxyjump": "proxyjump",
    "proxycommand": "proxycommand",
    "bindaddress": "bindaddress",
    "bindinterface": "bindinterface",
    "canonicalizehostname": "canonicalizehostname",
}
_WILD = frozenset("*?!")
_DEEPEST = 16
"""How deep ssh follows an Include."""

Find = Callable[[str], Iterable[str]]
"""The texts of the files that an argument of Include names, in ssh's order."""


class Unclear(Exception):
    """Only ssh knows what this means."""


@dataclass(frozen=True)
class Block:
    """Values for hosts that every one of ``conditions``, each a list of patterns, is true of.

    ``judged_by_ssh`` when there is a further condition, of another kind.
    """

    conditions: tuple[tuple[str, ...], ...] = ()
    judged_by_ssh: bool = False
    values: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class SshConfig:
    """The blocks that say something about the place, in order. ``again`` when ssh reads them twice (Match final)."""

    blocks: tuple[Block, ...] = ()
    again: bool = False

    def __add__(self, other: SshConfig) -> SshConfig:
        return SshConfig(self.blocks + other.blocks, self.again or other.again)

    def about(self, name: str) -> list[Block]:
        """The blocks that ``name`` meets the conditions of. With an alias for every host, few of them are looked at."""
        literal, others = self._index
        chosen = sorted({*literal.get(name, ()), *others})
        return [self.blocks[at] for at in chosen if all(matches(words, name) for words in self.blocks[at].conditions)]

    @cached_property
    def _index(self) -> tuple[dict[str, list[int]], list[int]]:
        """Positions of blocks for hosts that they name, and of those that say who is meant in another way."""
        literal: dict[str, list[int]] = {}
        others: list[int] = []
        for at, block in enumerate(self.blocks):
            names = next((words for words in block.conditions if not _WILD.intersection("".join(words))), None)
            if names is None:
                others.append(at)
            for name in names or ():
                literal.setdefault(name, []).append(at)
        return literal, others


def parse_ssh_config(text: str, find: Find) -> SshConfig:
    """Read one file and those it includes; raises Unclear when ssh would read it in a way that is not known here."""
    reader = _Reader(find)
    reader.read(text, Block(), 0)
    return SshConfig(tuple(block for block in reader.blocks if block.values), reader.again)


def settle(config: SshConfig, host: str, given: Mapping[str, str]) -> dict[str, str]:
    """What is true for ``host``, as ssh finds it: the first value of each key, ``given`` before any file.

    Raises Unclear where it depends on more than names.
    """
    values = dict(given)
    _collect(config, host, values)
    if config.again:
        _collect(config, place_of(values, host), values)
    if values.get("canonicalizehostname", "no").lower() not in ("no", "false"):
        raise Unclear("canonical names")
    return values


def place_of(values: Mapping[str, str], host: str) -> str:
    """The name or address that ssh connects to; raises Unclear for a HostName made of anything but the host's name."""
    name = values.get("hostname", "%h")
    if set(re.findall(r"%(.?)", name)) - {"h", "%"} or "${" in name:
        raise Unclear(f"HostName {name}")
    return re.sub(r"%(.)", lambda token: host if token[1] == "h" else "%", name)


def _collect(config: SshConfig, name: str, values: dict[str, str]) -> None:
    for block in config.about(name):
        news = {key: value for key, value in reversed(block.values) if key not in values}
        if news and block.judged_by_ssh:
            raise Unclear("Match")
        values.update(news)


def matches(patterns: Sequence[str], name: str) -> bool:
    """Whether a Host line with these patterns is about ``name``. One that is negated and fits excludes it."""
    found = False
    for pattern in patterns:
        if _fits(pattern.removeprefix("!"), name):
            if pattern.startswith("!"):
                return False
            found = True
    return found


def _fits(pattern: str, name: str) -> bool:
    return _expression(pattern).fullmatch(name) is not None


@lru_cache(maxsize=4096)
def _expression(pattern: str) -> re.Pattern[str]:
    wild = {"*": ".*", "?": "."}
    return re.compile("".join(wild.get(character) or re.escape(character) for character in pattern), re.DOTALL)


@dataclass
class _Reader:
    find: Find
    blocks: list[Block] = field(default_factory=list)
    again: bool = False

    def read(self, text: str, outer: Block, depth: int) -> None:
        """Add the blocks of one file, all of them only for hosts that ``outer`` is about."""
        if depth > _DEEPEST:
            raise Unclear("Include")
        block = outer
        values: list[tuple[str, str]] = []
        for line in text.splitlines():
            key, rest = _split(line)
            if key in PLACES:
                values.append((PLACES[key], rest.strip() if key in PROXIES else _words(rest)[0]))
            elif key in ("host", "match", "include"):
                self._end(block, values)
                values = []
                words = _words(rest)
                if key == "include":
                    for content in (content for word in words for content in self.find(word)):
                        self.read(content, block, depth + 1)
                else:
                    block = self._enter(outer, key, words)
        self._end(block, values)

    def _enter(self, outer: Block, key: str, words: Sequence[str]) -> Block:
        if key == "host":
            return Block((*outer.conditions, tuple(words)), outer.judged_by_ssh)
        conditions = [word.lower() for word in words]
        self.again = self.again or "final" in conditions
        return Block(outer.conditions, outer.judged_by_ssh or conditions != ["all"])

    def _end(self, block: Block, values: Sequence[tuple[str, str]]) -> None:
        self.blocks.append(Block(block.conditions, block.judged_by_ssh, tuple(values)))


def _split(line: str) -> tuple[str, str]:
    """Keyword, in small letters, and what follows it."""
    found = re.match(r'\s*"?([A-Za-z0-9]+)"?\s*=?\s*(.*)', line, re.DOTALL)
    return ("", "") if found is None else (found[1].lower(), found[2])


def _words(text: str) -> list[str]:
    """The arguments of a keyword, without a comment behind them; raises Unclear when there is none."""
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise Unclear(text) from error
    comment = next((at for at, word in enumerate(words) if word.startswith("#")), len(words))
    if not words[:comment]:
        raise Unclear(text)
    return words[:comment]
