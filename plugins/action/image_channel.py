# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Move channels from release to release, by digest, with guards, a journal and a way back."""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase
from ansible_collections.skorionos.bootc.plugins.module_utils._oci.errors import InvalidReference, RegistryError
from ansible_collections.skorionos.bootc.plugins.module_utils._oci.module import REGISTRY_ARGUMENTS
from ansible_collections.skorionos.bootc.plugins.module_utils._oci.transport import REQUESTS_IMPORT_ERROR
from ansible_collections.skorionos.bootc.plugins.plugin_utils._channels.model import ChannelError
from ansible_collections.skorionos.bootc.plugins.plugin_utils._channels.moves import Step
from ansible_collections.skorionos.bootc.plugins.plugin_utils._channels.verbs import move_channels
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.errors import RolloutError


class ActionModule(ActionBase):  # type: ignore[misc]
    TRANSFERS_FILES = False
    _supports_check_mode = True
    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        _unused, options = self.validate_argument_spec(
            argument_spec={
                "verb": {"type": "str", "required": True, "choices": ["promote", "demote", "undo"]},
                "repository": {"type": "str"},
                "variants": {"type": "list", "elements": "str", "default": []},
                "channel": {"type": "str"},
                "source": {"type": "str"},
                "channels": {"type": "list", "elements": "str", "default": ["latest", "testing", "stable"]},
                "tag": {"type": "str", "default": "{variant}-{channel}"},
                "digests": {"type": "dict", "default": {}},
                "release": {"type": "path"},
                "version": {"type": "str"},
                "operation": {"type": "str"},
                "expected": {"type": "dict", "default": {}},
                "rollout": {"type": "path"},
                "ledger": {"type": "path"},
                "wave": {"type": "str"},
                "force": {"type": "bool", "default": False},
                "why": {"type": "str", "default": ""},
                "journal": {"type": "path", "required": True},
                **REGISTRY_ARGUMENTS,
            },
            required_if=[
                ("verb", "promote", ["repository", "variants", "channel"]),
                ("verb", "demote", ["repository", "variants", "channel"]),
            ],
        )
        if REQUESTS_IMPORT_ERROR:
            msg = "The Python package requests is missing on the controller."
            return {**result, "failed": True, "msg": msg, "reason": "unsupported"}
        try:
            outcome = move_channels(options, dry_run=self._task.check_mode)
        except (ChannelError, RolloutError) as error:
            return {**result, "failed": True, "msg": str(error), "reason": error.reason}
        except RegistryError as error:
            return {**result, "failed": True, "msg": str(error), "reason": error.kind}
        except InvalidReference as error:
            return {**result, "failed": True, "msg": str(error), "reason": "invalid"}
        if self._task.diff:
            result["diff"] = {
                "before": {str(step.channel): str(step.before) if step.before else None for step in outcome.steps},
                "after": {str(step.channel): str(step.after) for step in outcome.steps},
            }
        return {
            **result,
            "changed": bool(outcome.steps),
            "operation": outcome.operation,
            "moves": [_told(step) for step in outcome.steps],
            "left": [{"variant": c.variant, "channel": c.name, "image": c.image, "tag": c.tag} for c in outcome.left],
            "journal": options["journal"],
        }


def _told(step: Step) -> dict[str, Any]:
    return {
        "variant": step.channel.variant,
        "channel": step.channel.name,
        "image": step.channel.image,
        "tag": step.channel.tag,
        "from": step.before.digest if step.before else None,
        "from_version": step.before.version if step.before else None,
        "to": step.after.digest,
        "to_version": step.after.version,
        "overruled": list(step.overruled),
    }
