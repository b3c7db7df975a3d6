# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Say who runs what, from the answers of bootc_status."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible.errors import AnsibleError
from ansible.plugins.action import ActionBase
from ansible_collections.skorionos.bootc.plugins.plugin_utils._report import fleet_text


class ActionModule(ActionBase):  # type: ignore[misc]
    TRANSFERS_FILES = False
    _supports_check_mode = True
    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        _unused, options = self.validate_argument_spec(
            argument_spec={
                "hosts": {"type": "list", "elements": "str", "required": True},
                "variable": {"type": "str", "required": True},
                "asleep": {"type": "dict", "default": {}},
            }
        )
        hostvars = (task_vars or {})["hostvars"]
        asleep = options["asleep"]
        rows = [_row(host, hostvars[host], options["variable"], asleep.get(host)) for host in options["hosts"]]
        self._display.display("\n" + fleet_text(rows) + "\n")
        return {**result, "changed": False, "fleet": rows}


def _variant(variables: Mapping[str, Any]) -> str | None:
    try:
        variant = variables.get("bootc_variant")
    except AnsibleError:  # one host's broken variable must not cost the table of all
        return "?"
    return None if variant is None else str(variant)


def _row(host: str, variables: Mapping[str, Any], variable: str, asleep: str | None) -> dict[str, Any]:
    answer = variables.get(variable) if asleep is None else None
    answer = answer if isinstance(answer, Mapping) else {"unreachable": True}
    status = answer.get("bootc")
    status = status if isinstance(status, Mapping) else {}
    return {
        "host": host,
        "variant": _variant(variables),
        "reachable": not answer.get("unreachable", False),
        "is_bootc": bool(status.get("is_bootc")),
        "backend": status.get("backend"),
        "bootc_version": status.get("bootc_version"),
        "booted": status.get("booted"),
        "staged": status.get("staged"),
        "rollback": status.get("rollback"),
        "next_boot": status.get("next_boot"),
        "reboot_required": bool(status.get("reboot_required")),
        "message": asleep or (str(answer.get("msg") or "") if answer.get("failed") else ""),
    }
