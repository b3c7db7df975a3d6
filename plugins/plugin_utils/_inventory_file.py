# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The keys that the YAML file of an inventory may have: the options of its plugin, and no others."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from ansible.errors import AnsibleOptionsError, AnsibleParserError

from ._fleet.files import line
from ._rollout.errors import RolloutError
from ._rollout.schema import check

Checked = TypeVar("Checked")

_TYPES = {
    "dict": ["object", "null"],
    "list": ["array", "string", "null"],
    "path": ["string", "null"],
    "str": ["string", "number", "boolean", "null"],
}
"""What Ansible takes for each type of option. What has another type is left to Ansible."""


def read_checked(
    path: str, read: Callable[[str], Any], load: Callable[[Path], Any], check_content: Callable[[Any], Checked]
) -> Checked:
    """What ``check_content`` makes of the content of a file that ``read``, Ansible's own reader, gives.

    Ansible says without a line which option is missing or of a wrong type. Then the content comes from ``load``.
    """
    try:
        try:
            content = read(path)
        except AnsibleOptionsError:
            check_content(load(Path(path)))
            raise
        return check_content(content)
    except RolloutError as error:
        # Ansible would add the text of every error that led to this one, and this one says it all.
        raise AnsibleParserError(str(error)) from None


def load_file(loader: Any, path: Path) -> Any:
    """The content of an admin's own YAML file, as Ansible reads inventories: what is in it may be templates."""
    return loader.load_from_file(str(path), cache="none", trusted_as_template=True)


def option_rules(definitions: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """The schema of each option of a plugin, as Ansible defines them from its documentation."""
    kinds = {name: str(definition.get("type")) for name, definition in definitions.items()}
    return {name: {"type": _TYPES[kind]} if kind in _TYPES else {} for name, kind in kinds.items()}


def check_options(path: Path, content: object, definitions: Mapping[str, Mapping[str, Any]]) -> None:
    """Raise RolloutError, with file and line, for what is no option of the plugin."""
    rules = {"type": "object", "additionalProperties": False, "properties": option_rules(definitions)}
    check(
        content,
        rules,
        str(path),
        kind="inventory",
        line_of=lambda place: line(path, place),
        reason="invalid_inventory",
    )
