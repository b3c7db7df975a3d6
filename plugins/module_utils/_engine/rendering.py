# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes a recipe as a Containerfile. PRIVATE to the collection.

One layer for each kind of thing, what rarely changes first, so that a new release shares as much as it can with the one
before; only a lot of texts takes more. What a step leaves behind is deleted in the same layer, because a later one only
hides it.
"""

from __future__ import annotations

import json
import shlex
from typing import Iterable, Iterator, Sequence

from .recipe import File, Recipe, Services, User

# Machines that share an id baked into the image get mixed up by DHCP servers and journals. Packages make one.
_FORGET_MACHINE_ID = "if [ -s /etc/machine-id ]; then : > /etc/machine-id; fi"
_LONGEST_TEXT = 60_000
"""Characters that are printed in one go. Builders cut lines of a Containerfile off at 64 kB, some without a word."""
_LONGEST_RUN = 125_000
"""Characters of one RUN with texts. The shell gets it as one argument, for which Linux has 128 kB."""
_AND = " \\\n && "
# Package managers and useradd that know it write this instead of the time of the build.
_NO_CLOCK = "export SOURCE_DATE_EPOCH=0"
_CLEAN = {
    "pacman": ["rm -rf /var/cache/pacman/pkg /var/lib/pacman/sync /var/log/pacman.log"],
    "apt": [
        "apt-get clean",
        "rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin /var/cache/debconf/*-old /var/cache/ldconfig/aux-cache",
        "rm -rf /var/log/apt /var/log/dpkg.log /var/log/alternatives.log",
    ],
    "dnf": ["dnf clean all", "rm -rf /var/cache/dnf /var/cache/libdnf5 /var/lib/dnf /var/log/dnf* /var/log/hawkey.log"],
}


def render(recipe: Recipe, *, name: str, is_root: bool) -> str:
    """Return the Containerfile of the node ``name``; ``is_root`` for one that is not built on another node.

    Equal recipes give equal texts.
    """
    steps = [
        "ARG PARENT\nFROM ${PARENT}",
        *_packages(recipe, is_root=is_root),
        *_runs(
            [
                *_own_file(f"/usr/lib/sysusers.d/50-{name}.conf", _sysusers(recipe.users)),
                *_own_file(f"/usr/lib/tmpfiles.d/50-{name}-homes.conf", _homes(recipe.users)),
            ]
        ),
        *(_copy(file) for file in recipe.files if file.source is not None),
        *_runs(line for file in recipe.files for line in _content(file)),
        *_runs(_own_file(f"/usr/lib/environment.d/50-{name}.conf", _environment(recipe))),
        *_commands(recipe),
        *_run(_services(recipe.services)),
    ]
    if is_root:
        if not any(_FORGET_MACHINE_ID in step for step in steps):
            steps += _run([_FORGET_MACHINE_ID])
        steps.append('LABEL containers.bootc="1"')
    steps += _os_release(recipe)
    return "\n".join(steps) + "\n"


def printed(text: str) -> str:
    """Return a shell word that ``printf`` turns into ``text``: one line of ASCII, whatever is in it.

    Builders read a ``<<`` as the start of a document, and a line's end as that of the instruction.
    """
    return _word(_format(text))


def _format(text: str) -> str:
    return "".join(_signs(text))


def _signs(text: str) -> Iterator[str]:
    special = {ord("\\"): "\\\\", ord("%"): "%%", ord("\n"): "\\n"}
    for byte in text.encode():
        yield special.get(byte) or (chr(byte) if 32 <= byte < 127 and byte != ord("<") else f"\\{byte:03o}")


def _printed_in_pieces(text: str) -> list[str]:
    """Return what :func:`printed` does, in as many words as it takes for none of them to be too long for a line."""
    pieces: list[list[str]] = [[]]
    length = 0
    for sign in _signs(text):
        added = len(_word(sign)) if sign == "'" else len(sign)
        if length + added > _LONGEST_TEXT:
            pieces.append([])
            length = 0
        pieces[-1].append(sign)
        length += added
    return [_word("".join(piece)) for piece in pieces]


def _run(commands: Iterable[str]) -> list[str]:
    lines = list(commands)
    return ["RUN " + _AND.join(lines)] if lines else []


def _runs(commands: Iterable[str]) -> list[str]:
    """Return what :func:`_run` does, with another RUN wherever one would be too long. For commands that stand alone."""
    groups: list[list[str]] = [[]]
    length = 0
    for command in commands:
        added = len(_AND) + len(command.encode())
        if length and length + added > _LONGEST_RUN:
            groups.append([])
            length = 0
        groups[-1].append(command)
        length += added
    return [step for group in groups for step in _run(group)]


def _packages(recipe: Recipe, *, is_root: bool) -> list[str]:
    if recipe.manager is None:
        return []
    install, remove = _words(recipe.packages), _words(recipe.remove_packages)
    if recipe.manager == "pacman":
        lines = _pacman(recipe, install, remove, own_keys=is_root or bool(recipe.repositories))
    elif recipe.manager == "apt":
        lines = ["export DEBIAN_FRONTEND=noninteractive"]
        if install:
            lines += ["apt-get update", f"apt-get install --yes --no-install-recommends {install}"]
        if remove:
            lines.append(f"apt-get purge --yes --auto-remove {remove}")
    else:
        lines = [f"dnf install --assumeyes --setopt=install_weak_deps=False {install}"] if install else []
        lines += [f"dnf remove --assumeyes {remove}"] if remove else []
    lines += _CLEAN[recipe.manager]
    if recipe.remove_paths:
        lines.append(f"rm -rf -- {_patterns(recipe.remove_paths)}")
    return _run([_NO_CLOCK, *lines, _FORGET_MACHINE_ID])


def _pacman(recipe: Recipe, install: str, remove: str, *, own_keys: bool) -> list[str]:
    lines = ["pacman-key --init", "pacman-key --populate archlinux"] if own_keys else []
    for repository in recipe.repositories:
        section = f"\n[{repository.name}]\nSigLevel = Required\nServer = {repository.server}\n"
        lines += [f"pacman-key {verb} {repository.key}" for verb in ("--recv-keys", "--lsign-key")]
        lines.append(f"printf {printed(section)} >> /etc/pacman.conf")
    if recipe.snapshot:
        server = f"Server={recipe.archive}/{recipe.snapshot}/$repo/os/$arch\n"
        lines.append(f"printf {printed(server)} > /etc/pacman.d/mirrorlist")
        # Down to that day, too: an image to start from may be newer.
        lines.append("pacman -Syyuu --noconfirm --logfile /dev/null")
    if install:
        lines.append(f"pacman -S{'' if recipe.snapshot else 'yu'} --noconfirm --needed --logfile /dev/null {install}")
    if remove:
        lines.append(f"pacman -Rns --noconfirm --logfile /dev/null {remove}")
    if own_keys:
        # A secret key in an image is one that everybody has. Checking signatures needs the public ones alone.
        lines.append("gpgconf --homedir /etc/pacman.d/gnupg --kill all")
        lines.append("rm -rf /etc/pacman.d/gnupg/openpgp-revocs.d /etc/pacman.d/gnupg/private-keys-v1.d")
    return lines


def _commands(recipe: Recipe) -> list[str]:
    # Paths can only be deleted in the layer of packages when there is one.
    removals = [f"rm -rf -- {_patterns(recipe.remove_paths)}"] if recipe.remove_paths and not recipe.manager else []
    if not recipe.commands and not removals:
        return []
    # Each in a shell of its own, so that a comment or a cd in one does not reach the next.
    return _run(
        [_NO_CLOCK, *(f"sh -euc {_word(command)}" for command in recipe.commands), *removals, _FORGET_MACHINE_ID]
    )


def _copy(file: File) -> str:
    chmod = f"--chmod={file.mode} " if file.mode else ""
    return f"COPY {chmod}{json.dumps([file.source, file.path])}"


def _content(file: File) -> list[str]:
    if file.content is None:
        return []
    return _text_file(file.path, file.content, file.mode or "0644")


def _text_file(path: str, content: str, mode: str = "0644") -> list[str]:
    folder = path.rpartition("/")[0]
    lines = [f"mkdir -p {_word(folder)}"] if folder else []
    for number, piece in enumerate(_printed_in_pieces(content)):
        lines.append(f"printf -- {piece} {'>>' if number else '>'} {_word(path)}")
    return [*lines, f"chmod {mode} {_word(path)}"]


def _own_file(path: str, content: str) -> list[str]:
    return _text_file(path, content) if content else []


def _services(services: Services) -> list[str]:
    lines = []
    for verb, units in (("enable", services.enabled), ("disable", services.disabled), ("mask", services.masked)):
        if units:
            lines.append(f"systemctl {verb} {_words(units)}")
    if services.user_enabled:
        lines.append(f"systemctl --global enable {_words(services.user_enabled)}")
    return lines


def _sysusers(users: Sequence[User]) -> str:
    lines = []
    for user in users:
        comment = f'"{user.comment}"' if user.comment else "-"
        lines.append(f"u {user.name} {user.id} {comment} {user.home or '-'} {user.shell or '-'}")
        lines += [f"m {user.name} {group}" for group in user.groups]
    return "".join(f"{line}\n" for line in lines)


def _homes(users: Sequence[User]) -> str:
    # What is below /var of the image reaches a device only once; this makes the folders on every boot.
    return "".join(f"d {user.home} 0700 {user.name} {user.name} -\n" for user in users if user.home)


def _environment(recipe: Recipe) -> str:
    # ENV would reach build steps only: nothing on a device reads the configuration of its image.
    # Variables are replaced after quotes and backslashes were taken away, and two dollars stand for one.
    values = {name: _escaped(value.replace("$", "$$")) for name, value in recipe.environment.items()}
    return "".join(f'{name}="{value}"\n' for name, value in sorted(values.items()))


def _os_release(recipe: Recipe) -> list[str]:
    if not recipe.os_release:
        return []
    names = sorted(recipe.os_release)
    lines = [f"sed -i -E '/^({'|'.join(names)})=/d' /usr/lib/os-release"]
    for name in names:
        parts = [_format(_escaped(part)) for part in recipe.os_release[name].split("{version}")]
        # The shell puts the version in, so that the text, and with it the layers before, is the same in every release.
        word = _word(f'{name}="{"%s".join(parts)}"\\n')
        versions = ' "${VERSION}"' * (len(parts) - 1)
        lines.append(f"printf {word}{versions} >> /usr/lib/os-release")
    return (["ARG VERSION"] if recipe.names_version else []) + _run(lines)


def _escaped(text: str) -> str:
    """Write a text for between double quotes, as os-release and environment.d read them."""
    return "".join(f"\\{letter}" if letter in '\\"$`' else letter for letter in text)


def _word(text: str) -> str:
    return shlex.quote(text)


def _words(items: Iterable[str]) -> str:
    return " ".join(map(_word, items))


def _patterns(paths: Iterable[str]) -> str:
    """Quote paths, except for their ``*``."""
    return " ".join("*".join(_word(part) if part else "" for part in path.split("*")) for path in paths)
