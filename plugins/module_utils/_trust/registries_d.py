# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where signatures of images are looked for: the files of registries.d. Pure."""

from __future__ import annotations

import json
import re
from typing import Mapping, Sequence

from .._errors import BootcError

PREFIX = "skorionos-bootc-"
_LOOKS_IN_THE_REGISTRY = re.compile(r"^[ \t]+use-sigstore-attachments:[ \t]*true\b", re.MULTILINE)
_LOOKS_NOWHERE = re.compile(r"^[ \t]+use-sigstore-attachments:[ \t]*(?:false|no|off)\b", re.MULTILINE | re.IGNORECASE)


def file_name(repository: str) -> str:
    """Return the name of the file for a repository. Each has one of its own, so that no other is rewritten for it."""
    return f"{PREFIX}{repository.replace('_', '__').replace('/', '_').replace(':', '+')}.yaml"


def render(repositories: Sequence[str]) -> str:
    """Return a file that has signatures looked for beside the images, in the registry itself."""
    # A quoted JSON text is a YAML one, too.
    entries = "".join(f"  {json.dumps(each)}:\n    use-sigstore-attachments: true\n" for each in repositories)
    return f"docker:\n{entries}"


def is_looked_for(repository: str, others: Mapping[str, str]) -> bool:
    """Tell whether one of the other files (by name) has signatures of the repository looked for already.

    Raises BootcError for one that says something else of it, or that names it in a way that is not understood: with two
    entries for one repository, no image at all could be pulled.
    """
    entry = re.compile(rf"^([ \t]+)(['\"]?){re.escape(repository)}\2[ \t]*:[ \t]*(?:#.*)?$", re.MULTILINE)
    for name, text in sorted(others.items()):
        match = entry.search(text)
        if match is None:
            if _names(text, repository):
                raise BootcError(
                    "invalid",
                    f"{name} in registries.d names {repository} in a way that is not understood here",
                    "Give it a line of its own with a colon, and below it, indented, what is said of it; or remove it",
                )
            continue
        if _LOOKS_IN_THE_REGISTRY.search(_block(text[match.end() :], match[1])):
            return True
        raise BootcError(
            "invalid",
            f"{name} in registries.d has an entry for {repository} that does not look for signatures in the registry",
            "Add 'use-sigstore-attachments: true' to it, or remove it",
        )
    return False


def hidden_below(repository: str, others: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return the parts of a repository that other files (by name) have no signatures looked for of, with the file."""
    entry = re.compile(
        rf"^([ \t]+)(['\"]?)({re.escape(repository)}[/:@][^'\"\s]*?)\2[ \t]*:[ \t]*(?:#.*)?$", re.MULTILINE
    )
    return [
        (match[3], name)
        for name, text in sorted(others.items())
        for match in entry.finditer(text)
        if _LOOKS_NOWHERE.search(_block(text[match.end() :], match[1]))
    ]


def _names(text: str, repository: str) -> bool:
    """Tell whether a text has the repository outside of comments, and not as a part of a longer name or address."""
    lines = (line for line in text.splitlines() if not line.lstrip().startswith("#"))
    # A quoted slash may have a backslash before it.
    said = "\n".join(re.sub(r"[ \t]#.*", "", line) for line in lines).replace("\\/", "/")
    whole = rf"(?<![\w./:@*-]){re.escape(repository)}(?![\w/@-]|\.\w|:[\w])"
    return re.search(whole, said) is not None


def _block(text: str, indentation: str) -> str:
    """Return the lines at the beginning that are indented further than ``indentation``."""
    lines = []
    for line in text.splitlines()[1:]:
        if line.strip() and not line.startswith((indentation + " ", indentation + "\t")):
            break
        lines.append(line)
    return "\n".join(lines)
