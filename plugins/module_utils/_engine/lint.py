# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What goes wrong in the Containerfiles of operating systems, found in their text. PRIVATE to the collection."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from typing import Callable, Iterable, Iterator, Mapping, Sequence, Tuple

OFF, WARN, ERROR = LEVELS = ("off", "warn", "error")
SECRET_ARGUMENT = "secret-argument"


@dataclass(frozen=True)
class Finding:
    """Something to change in a Containerfile."""

    rule: str
    line: int
    """Line of the instruction, counted from 1."""
    cause: str
    remedy: str

    def __str__(self) -> str:
        """Write it for people."""
        return f"line {self.line}: {self.cause} {self.remedy} [{self.rule}]"


@dataclass(frozen=True)
class Instruction:
    """One instruction with its continuation lines joined."""

    word: str
    """Upper case, such as ``RUN``."""
    text: str
    line: int
    stage: int
    """Number of the stage it belongs to; -1 before the first FROM."""


Found = Tuple[int, str, str]
"""Line, cause and remedy of something to change."""


def lint(text: str, levels: Mapping[str, str] | None = None) -> list[Finding]:
    """Return what the rules find that are not off, by line. ``levels`` is as :func:`level_of` reads it."""
    instructions = read_instructions(text)
    found = [
        Finding(rule, *what)
        for rule, check in RULES.items()
        if level_of(rule, levels or {}) != OFF
        for what in check(instructions)
    ]
    return sorted(found, key=lambda finding: (finding.line, finding.rule))


def level_of(rule: str, levels: Mapping[str, str]) -> str:
    """Return how serious a finding is: as said of its rule, else as said of ``all``, else a warning."""
    return levels.get(rule, levels.get("all", WARN))


def level_problems(levels: Mapping[str, object]) -> list[str]:
    """Say what is wrong with a choice of levels."""
    problems = [
        f"There is no rule '{name}'. Known are all, {', '.join(RULES)}."
        for name in levels
        if name not in (*RULES, "all")
    ]
    return problems + [
        f"The rule '{name}' has the level {level!r}. Known are {', '.join(LEVELS)}; in YAML, off needs quotes."
        for name, level in levels.items()
        if level not in LEVELS
    ]


def read_instructions(text: str) -> list[Instruction]:
    """Split a Containerfile. Comments and empty lines are left out, also inside of an instruction.

    What a here-document gives to a RUN becomes part of its text, command by command. That of other instructions is the
    content of files, and left out.
    """
    instructions: list[Instruction] = []
    parts: list[str] = []
    begun, stage = 0, -1
    lines = text.splitlines()
    at = 0
    while at < len(lines):
        at += 1
        stripped = lines[at - 1].strip()
        if not stripped or stripped.startswith("#"):
            continue
        begun = begun if parts else at
        continued = stripped.endswith("\\")
        parts.append(stripped[:-1].strip() if continued else stripped)
        if continued:
            continue
        word, _space, rest = " ".join(parts).partition(" ")
        parts = []
        stage += word.upper() == "FROM"
        if word.upper() in _WITH_DOCUMENTS:
            bodies, at = _documents(rest, lines, at)
            if bodies and word.upper() == "RUN":
                rest = _with_documents(rest, bodies)
        instructions.append(Instruction(word.upper(), rest.strip(), begun, stage))
    return instructions


def declared_arguments(text: str) -> set[str]:
    """Return the names of the build arguments that a Containerfile takes; one ARG may name several."""
    return {
        word.partition("=")[0]
        for instruction in read_instructions(text)
        if instruction.word == "ARG"
        for word in _words(instruction.text)
    }


def _words(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError:
        # A quote that does not end is for the engine to refuse.
        return text.split()


_WITH_DOCUMENTS = ("RUN", "COPY", "ADD")
_WORD = re.compile(r"(?:\"[^\"]*\"|'[^']*'|[^\s\"'])+")
_DOCUMENT = re.compile(r"\d*<<(?P<tabs>-?)(?P<quote>[\"']?)(?P<name>[^<>|;&\"'\s]+)(?P=quote)")


def _documents(text: str, lines: Sequence[str], at: int) -> tuple[list[str], int]:
    """Return the lines of all here-documents that a text begins, and the number of the line where they end."""
    bodies: list[str] = []
    for word in _WORD.findall(text):
        begins = _DOCUMENT.match(word)
        if begins is None:
            continue
        for end in range(at, len(lines)):
            line = lines[end].lstrip("\t") if begins["tabs"] else lines[end]
            if line == begins["name"]:
                bodies += lines[at:end]
                at = end + 1
                break
    return bodies, at


def _with_documents(run: str, bodies: Sequence[str]) -> str:
    """Return a RUN with what its here-documents have, as if it were written in one line."""
    rest = _WORD.sub(lambda word: _DOCUMENT.sub("", word[0], count=1) if _DOCUMENT.match(word[0]) else word[0], run)
    rest = rest.strip()
    joined = re.sub(r"\\\n\s*", " ", "\n".join(bodies))
    commands = [line.strip() for line in joined.splitlines()]
    body = "; ".join(line for line in commands if line and not line.startswith("#"))
    only_flags = all(word.startswith("--") for word in rest.split())
    return f"{rest} {body}".strip() if only_flags else f"{rest}; {body}"


def _runs(instructions: Sequence[Instruction], pattern: str) -> Iterator[Instruction]:
    for instruction in instructions:
        if instruction.word == "RUN" and re.search(pattern, instruction.text):
            yield instruction


def _commands(run: str) -> list[str]:
    """Split what a RUN does at the signs between commands, roughly: quotes are not looked at."""
    without_flags = re.sub(r"^(?:--\w+=\S+\s+)+", "", run)
    commands = [part.strip() for part in re.split(r"&&|\|\||[;|]", without_flags)]
    return [command for command in commands if command and not re.match(r"(?:set -|export |true\b|:)", command)]


def _machine_id(instructions: Sequence[Instruction]) -> Iterator[Found]:
    empties = r"(?:truncate\b[^;&|]*|:\s*>\s*|rm\b[^;&|]*)/etc/machine-id"
    for run in _runs(instructions, r"\bsystemd-machine-id-setup\b|\bdbus-uuidgen\b"):
        if not re.search(empties, run.text):
            yield (
                run.line,
                "The image gets a machine id, and every device the same one.",
                "Leave /etc/machine-id empty: ': > /etc/machine-id' as the last command of that RUN.",
            )


def _trailing_user(instructions: Sequence[Instruction]) -> Iterator[Found]:
    last = max((instruction.stage for instruction in instructions), default=-1)
    users = [one for one in instructions if one.word == "USER" and one.stage == last]
    if users and users[-1].text.partition(":")[0] not in ("0", "root"):
        yield (
            users[-1].line,
            f"The image ends as the user {users[-1].text}, so what runs it to install it lacks the rights.",
            "Remove the USER, or end with USER root. Accounts of a device come from sysusers.d.",
        )


_DELETES = re.compile(
    r"(?:sudo\s+)?(?:rm\s|find\b.*-delete|pacman\s+-R|pacman\s+-Sc|apt(?:-get)?\s+(?:-\S+\s+)*(?:remove|purge|autoremove"
    r"|clean|autoclean)|dnf5?\s+(?:-\S+\s+)*(?:remove|autoremove|clean)|rpm\s+(?:-e|--erase))"
)


def _late_deletion(instructions: Sequence[Instruction]) -> Iterator[Found]:
    for run in _runs(instructions, ""):
        commands = _commands(run.text)
        if commands and all(_DELETES.match(command) for command in commands):
            yield (
                run.line,
                "This layer only deletes. The bytes stay in the layer below, and every device downloads them.",
                "Delete in the RUN that makes what is deleted.",
            )


_CACHES = (
    ("pacman", r"\bpacman\s+-S[yu]*(?=\s)(?!c)", r"/var/cache/pacman|pacman\s+-Sc"),
    ("apt", r"\bapt(?:-get)?\s+(?:-\S+\s+)*install\b", r"/var/lib/apt/lists"),
    ("dnf", r"\bdnf5?\s+(?:-\S+\s+)*install\b", r"dnf5?\s+(?:-\S+\s+)*clean|/var/cache/(?:lib)?dnf"),
)


def _package_cache(instructions: Sequence[Instruction]) -> Iterator[Found]:
    for name, installs, cleans in _CACHES:
        for run in _runs(instructions, installs):
            if not re.search(cleans, run.text) and "type=cache" not in run.text:
                yield (
                    run.line,
                    f"What {name} downloaded stays in this layer.",
                    "Delete its cache as the last command of the same RUN.",
                )


def _bases(instructions: Sequence[Instruction]) -> Iterator[tuple[Instruction, str]]:
    """The images to start from that are named and not stages or variables."""
    stages: set[str] = set()
    for instruction in instructions:
        if instruction.word != "FROM":
            continue
        words = [word for word in instruction.text.split() if not word.startswith("--")]
        if words and words[0] != "scratch" and words[0].lower() not in stages and "$" not in words[0]:
            yield instruction, words[0]
        if len(words) == 3 and words[1].lower() == "as":
            stages.add(words[2].lower())


def _unpinned_base(instructions: Sequence[Instruction]) -> Iterator[Found]:
    for instruction, image in _bases(instructions):
        if "@sha256:" not in image and not image.startswith("localhost/"):
            yield (
                instruction.line,
                f"{image} means another image from one day to the next.",
                "Name it with its digest (@sha256:...), or take the parent as ARG PARENT.",
            )


def _short_base(instructions: Sequence[Instruction]) -> Iterator[Found]:
    for instruction, image in _bases(instructions):
        registry = image.partition("/")[0] if "/" in image else ""
        if registry != "localhost" and "." not in registry and ":" not in registry:
            yield (
                instruction.line,
                f"{image} names no registry. What it means depends on the host that builds, on some it means nothing.",
                "Write the full name, with localhost/ for an image in local storage.",
            )


def _ignored_lint(instructions: Sequence[Instruction]) -> Iterator[Found]:
    for run in _runs(
        instructions, r"bootc\s+container\s+lint[^&;|]*(?:\|\|\s*(?:true\b|:|/bin/true|exit 0|echo)|;\s*true\b)"
    ):
        yield (
            run.line,
            "The image is checked, and the result thrown away.",
            "Remove the '|| true', and correct what bootc container lint says.",
        )


def _piped_script(instructions: Sequence[Instruction]) -> Iterator[Found]:
    shell = r"(?:\S*/)?(?:ba|da|z)?sh\b|(?:\S*/)?python3?\b"
    piped = rf"\b(?:curl|wget)\b[^;&]*\|\s*(?:sudo\s+(?:-\S+\s+)*)?(?:{shell})"
    substituted = rf"(?:{shell})[^;&|]*(?:\$\(|<\(|`)\s*(?:curl|wget)\b"
    for run in _runs(instructions, f"{piped}|{substituted}"):
        yield (
            run.line,
            "A script from the network is run as it comes.",
            "Keep the script in the context, or check it against a known sha256sum first.",
        )


def _unchecked_download(instructions: Sequence[Instruction]) -> Iterator[Found]:
    for instruction in instructions:
        text = instruction.text
        fetches = re.search(r"\b(?:curl|wget)\b[^;&]*https?://", text) if instruction.word == "RUN" else None
        checked = re.search(r"\bsha(?:256|512)sum\b|\bgpg\b|\bcosign\b|\bminisign\b", text)
        added = instruction.word == "ADD" and re.search(r"(?:^|\s|\[\")https?://", text) and "--checksum" not in text
        if added or (fetches and not checked):
            yield (
                instruction.line,
                "A file from the network goes into the image, whatever it is on the day.",
                "Name a version, and compare with sha256sum --check in the same RUN.",
            )
    for run in _runs(instructions, r"\bgit\s+clone\b"):
        if not re.search(r"\bgit\b[^;&|]*\b(?:checkout|reset\b[^;&|]*|switch\b[^;&|]*)\s+[0-9a-f]{12,40}\b", run.text):
            yield (
                run.line,
                "A branch is cloned as it is on the day.",
                "Check out a commit by its full id in the same RUN.",
            )


_SECRET_NAME = re.compile(
    r"(?:^|_)(?:PASSWORD|PASSWD|PASSPHRASE|TOKEN|SECRET|API_?KEY|PRIVATE_?KEY|ACCESS_?KEY|CREDENTIALS?)(?:$|_)",
    re.IGNORECASE,
)


def _secret_argument(instructions: Sequence[Instruction]) -> Iterator[Found]:
    for instruction in instructions:
        if instruction.word not in ("ARG", "ENV"):
            continue
        names = re.findall(r"(?:^|\s)([A-Za-z_]\w*)(?==|\s|$)", re.sub(r"\"[^\"]*\"|'[^']*'", "", instruction.text))
        for name in [name for name in names if is_secret_name(name)][:1]:
            yield (
                instruction.line,
                f"{instruction.word} {name} can be read in the history of the image.",
                "Use RUN --mount=type=secret, and give the value as a secret of the build.",
            )


def is_secret_name(name: str) -> bool:
    """Tell whether a variable is named like a secret."""
    return _SECRET_NAME.search(name) is not None


def secret_arguments(names: Iterable[str]) -> list[Finding]:
    """Return what is to be said of the build arguments that are given, by their names."""
    return [
        Finding(
            SECRET_ARGUMENT,
            0,
            f"The build argument {name} can be read in the history of the image.",
            "Give the value as a secret of the build.",
        )
        for name in sorted(names)
        if is_secret_name(name)
    ]


def _password(instructions: Sequence[Instruction]) -> Iterator[Found]:
    sets = r"\bchpasswd\b|\bpasswd\s+(?!-l|--lock)|\buser(?:add|mod)\b[^;&|]*\s(?:-p|--password)[\s=]"
    for run in _runs(instructions, sets):
        yield (
            run.line,
            "Every device gets the same password, and whoever has the image can find it out.",
            "Make the account without one (sysusers.d); set it on first boot.",
        )
    for run in _runs(instructions, r"(?<![#\w])(?:PasswordAuthentication|PermitEmptyPasswords)\s+yes"):
        yield (run.line, "ssh lets in whoever knows or guesses a password.", "Leave it at no, and use keys.")


def _unsigned_packages(instructions: Sequence[Instruction]) -> Iterator[Found]:
    trusts = r"SigLevel[^;&|]*(?:TrustAll|Never)|--allow-unauthenticated|trusted=yes|--nogpgcheck|gpgcheck\s*=\s*0"
    for run in _runs(instructions, trusts):
        yield (
            run.line,
            "Packages are installed without a signature from somebody known.",
            "Add the key of the repository, and let the package manager check.",
        )


def _floating_packages(instructions: Sequence[Instruction]) -> Iterator[Found]:
    if any("/repos/" in one.text or "archive.archlinux.org" in one.text for one in instructions):
        return
    # A node that is built on another takes the sources of that one.
    if not any(True for _base in _bases(instructions)):
        return
    for run in _runs(instructions, r"\bpacman\s+-S\w*(?:yu|uy|y\w*u)"):
        yield (
            run.line,
            "The packages are those of the day, so the same commit gives another image tomorrow.",
            "Point the mirror list at a day of the archive first.",
        )


_ROOT_FOLDERS = r"/(?:boot|home|root|srv|mnt|opt|usr/local)/?(?=\s|$|[;&|\"'])"


def _root_folders(instructions: Sequence[Instruction]) -> Iterator[Found]:
    for run in _runs(instructions, rf"\brm\s+-\w*[rR]\w*[^;&|]*\s{_ROOT_FOLDERS}"):
        if not re.search(r"\bln\s+-\w*s|\bmkdir\b|\binstall\s+-d|tmpfiles", run.text):
            yield (
                run.line,
                "Folders of the root are removed, and nothing is there where programs look for them.",
                "Make the links (/home -> var/home) in the same RUN, and what they point to with tmpfiles.d.",
            )
    for instruction in instructions:
        if instruction.word == "WORKDIR" and re.match(r"/(?:home|root|srv|mnt)(?:/|$)", instruction.text):
            yield (
                instruction.line,
                f"WORKDIR makes {instruction.text} in the image, in place of the link to /var.",
                "Remove it: a device does not look at it.",
            )


def _initramfs_twice(instructions: Sequence[Instruction]) -> Iterator[Found]:
    for run in list(_runs(instructions, r"(?:^|[;&|]\s*|\s)(?:dracut|mkinitcpio|update-initramfs)\s+-"))[1:]:
        yield (
            run.line,
            "The initramfs is made a second time, and both are downloaded.",
            "Make it once, after everything that goes into it.",
        )


RULES: Mapping[str, Callable[[Sequence[Instruction]], Iterator[Found]]] = {
    "machine-id": _machine_id,
    "trailing-user": _trailing_user,
    "late-deletion": _late_deletion,
    "package-cache": _package_cache,
    "unpinned-base": _unpinned_base,
    "short-base": _short_base,
    "floating-packages": _floating_packages,
    "ignored-lint": _ignored_lint,
    "piped-script": _piped_script,
    "unchecked-download": _unchecked_download,
    "unsigned-packages": _unsigned_packages,
    SECRET_ARGUMENT: _secret_argument,
    "password": _password,
    "root-folders": _root_folders,
    "initramfs-twice": _initramfs_twice,
}
