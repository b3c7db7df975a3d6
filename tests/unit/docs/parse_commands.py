# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Have the parsers of Ansible read commands: a JSON list of lists of words comes in, a list of what they said goes out.

A process of its own, as these parsers settle things for the whole process.
"""

from __future__ import annotations

import contextlib
import io
import json
import sys
from typing import Any

from ansible import context
from ansible.cli.adhoc import AdHocCLI
from ansible.cli.inventory import InventoryCLI
from ansible.cli.playbook import PlaybookCLI
from ansible.parsing.splitter import parse_kv
from ansible.utils.context_objects import GlobalCLIArgs

PROGRAMS = {"ansible-playbook": PlaybookCLI, "ansible": AdHocCLI, "ansible-inventory": InventoryCLI}


def options(text: str) -> list[str]:
    """Names of what is given as key=value, or as JSON."""
    given = json.loads(text) if text.startswith("{") else parse_kv(text)
    return sorted(given)


def read(words: list[str]) -> dict[str, Any]:
    """What the parser makes of a command, or its complaint."""
    GlobalCLIArgs._Singleton__instance = None  # type: ignore[attr-defined]
    complaint = io.StringIO()
    try:
        with contextlib.redirect_stderr(complaint):
            PROGRAMS[words[0]](words).parse()
    except SystemExit:
        return {"error": complaint.getvalue().partition("error: ")[2].splitlines()[0]}
    given = context.CLIARGS
    arguments = given["args"] or ()
    variables = given.get("extra_vars") or ()
    return {
        "error": None,
        "arguments": [arguments] if isinstance(arguments, str) else list(arguments),
        "inventory": [str(source) for source in given.get("inventory") or ()],
        "files": [text[1:] for text in variables if text.startswith("@")],
        "variables": sorted(name for text in variables if not text.startswith("@") for name in options(text)),
        "module": given.get("module_name"),
        "options": options(given.get("module_args") or ""),
    }


if __name__ == "__main__":
    json.dump([read(words) for words in json.load(sys.stdin)], sys.stdout)
