# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the action plugins of a rollout are made of: options in, an answer or a reason out, on the controller."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

from ansible.errors import AnsibleError
from ansible.plugins.action import ActionBase

from ._rollout.errors import RolloutError

STEP: dict[str, Any] = {
    "id": {"type": "str", "required": True},
    "ledger": {"type": "path", "required": True},
}
"""Options by which a step of the rollout playbook finds its rollout."""

PLANNING: dict[str, Any] = {
    "spec": {"type": "path", "required": True},
    "ledger": {"type": "path"},
    "accept_removed": {"type": "bool", "default": False},
    "device_windows": {"type": "bool", "default": True},
    "supersedes": {"type": "list", "elements": "str", "default": []},
    "why": {"type": "str", "default": ""},
}
"""Options by which a rollout is planned, or picked up again."""


class RolloutAction(ActionBase):  # type: ignore[misc]
    """An action with ``OPTIONS`` that ``answer`` carries out; a RolloutError becomes a failure with its reason."""

    TRANSFERS_FILES = False
    _supports_check_mode = False
    _requires_connection = False
    OPTIONS: ClassVar[dict[str, Any]]

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        _unused, options = self.validate_argument_spec(argument_spec=self.OPTIONS)
        try:
            return {**result, **self.answer(options, task_vars or {})}
        except RolloutError as error:
            return {**result, "failed": True, "msg": str(error), "reason": error.reason}

    @abstractmethod
    def answer(self, options: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        """The result of the task; raises RolloutError when there is none."""


def inventory_variable(variables: Mapping[str, Any], host: str, name: str) -> Any:
    """A variable of a host with its templates filled in, None if it has none; RolloutError if it cannot be read."""
    try:
        return _plain(variables.get(name))
    except AnsibleError as error:
        raise RolloutError(
            f"The variable {name} of the host {host} cannot be read: {error}.",
            "Mend it in the inventory.",
            "invalid_host",
        ) from error


def _plain(value: Any) -> Any:
    """Templates in a variable are only filled in when somebody looks at it."""
    if isinstance(value, Mapping):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_plain(each) for each in value]
    return value
