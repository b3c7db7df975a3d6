# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write docs/reference.md: every playbook with what it takes, every role, module and plugin in a line.

It says what the files themselves say: headers of playbooks, argument specifications of roles, documentation of plugins.
"""

from __future__ import annotations

import ast
import re
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

REPOSITORY = Path(__file__).resolve().parents[1]
PAGE = REPOSITORY / "docs" / "reference.md"
COLLECTION = "skorionos.bootc"
KINDS = ("inventory", "connection", "callback", "filter", "lookup", "test")
HEAD = """<!--
Copyright (c) 2026, the skorionos.bootc contributors
GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
SPDX-License-Identifier: GPL-3.0-or-later
-->

<!-- Written by scripts/reference.py: change the files that it reads, then run that. -->

# Reference

Everything that can be named on a command line or in a task. Options, return values and examples of a module, role or
plugin are in `ansible-doc`, which works without network:

```console
$ ansible-doc skorionos.bootc.bootc_switch
$ ansible-doc -t role skorionos.bootc.device_update
$ ansible-doc -t inventory skorionos.bootc.fleet
```

The same as pages for a browser, made with antsibull-docs in a checkout:

```console
$ make reference
```

Playbooks have no place in either, so this page has what each of them takes.
"""


def header(playbook: Path) -> list[str]:
    """What a playbook says of itself: the comments before its first play, without their signs."""
    lines = playbook.read_text(encoding="utf-8").partition("---\n")[2].splitlines()
    found = []
    for line in lines:
        if not line.startswith("#"):
            break
        found.append(line.removeprefix("#").removeprefix(" "))
    return found


def documentation(plugin: Path) -> dict[str, Any]:
    """The DOCUMENTATION of a plugin."""
    for statement in ast.parse(plugin.read_text(encoding="utf-8")).body:
        if isinstance(statement, ast.Assign) and getattr(statement.targets[0], "id", "") == "DOCUMENTATION":
            loaded: dict[str, Any] = yaml.safe_load(ast.literal_eval(statement.value))
            return loaded
    raise ValueError(f"{plugin} has no DOCUMENTATION")


def plugins(folder: str) -> list[Path]:
    return sorted((REPOSITORY / "plugins" / folder).glob("[!_]*.py"))


def playbooks() -> list[Path]:
    return sorted((REPOSITORY / "playbooks").glob("*.yml"))


def _rows(folder: str) -> Iterator[str]:
    for plugin in plugins(folder):
        yield f"| `{COLLECTION}.{plugin.stem}` | {documentation(plugin)['short_description']} |"


def _playbook(path: Path) -> Iterator[str]:
    text = "\n".join(header(path))
    told, _blank, rest = text.partition("\n\n")
    yield f"\n### {path.stem}\n\n{told}\n\n```text\n{rest.rstrip()}\n```"


def _roles() -> Iterator[str]:
    for role in sorted(path for path in (REPOSITORY / "roles").iterdir() if path.is_dir()):
        specified = yaml.safe_load((role / "meta" / "argument_specs.yml").read_text(encoding="utf-8"))
        for entry, specification in sorted(specified["argument_specs"].items(), key=lambda pair: pair[0] != "main"):
            name = f"[{role.name}](../roles/{role.name}/README.md)" if entry == "main" else f"{role.name}, `{entry}`"
            yield f"| {name} | {specification['short_description']} |"


def render() -> str:
    """The text of the page."""
    names = [path.stem for path in playbooks()]
    links = ", ".join(f"[{name}](#{re.sub('[^a-z_]', '', name)})" for name in names)
    parts = [
        HEAD,
        "## Playbooks\n",
        *textwrap.wrap(links, 120, break_long_words=False, break_on_hyphens=False),
        *(line for path in playbooks() for line in _playbook(path)),
    ]
    parts += ["\n## Roles\n", "| role | |", "|---|---|", *_roles()]
    parts += ["\n## Modules\n", "| module | |", "|---|---|", *_rows("modules"), "\n## Plugins"]
    for kind in filter(plugins, KINDS):
        parts += [f"\n| {kind} | |", "|---|---|", *_rows(kind)]
    return "\n".join(parts) + "\n"


def main() -> None:
    PAGE.write_text(render(), encoding="utf-8")


if __name__ == "__main__":
    main()
