# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run device modules without Ansible's part of a module, which takes a device more than the work itself."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible import constants
from ansible.errors import AnsibleError

from ._device_calls import DeviceCalls
from ._direct_program import Note, answer, began, command, modules, program

_PREFIX = "skorionos.bootc."
_POSIX = "sh"
_FIND_ONE = "auto"
_LONGEST_ERROR = 800


class DirectCalls(DeviceCalls):
    """``DeviceCalls`` that runs modules directly where it can, and as Ansible does where not.

    It can where the connection and the way to become root pass standard input on, which is what Ansible's pipelining
    takes, whether that is enabled or not. A device on which the program does not begin is asked in Ansible's way, from
    then on: that tells people what is wrong in words they know.
    """

    _refused = False

    def _run(self, name: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        module = name[len(_PREFIX) :] if name.startswith(_PREFIX) else ""
        if self._refused or module not in modules() or not self._may_be_direct():
            return super()._run(name, arguments)
        try:
            line = self._line()
        except AnsibleError:  # a variable that cannot be templated, of which Ansible says more
            self._refused = True
            return super()._run(name, arguments)
        mark = f"skorionos.bootc:{secrets.token_hex(8)}:"
        done = self._start(line, module, arguments, mark)
        result = answer(done["stdout"], mark)
        if result is None and not began(done["stdout"], mark):
            self._refused = True
            return super()._run(name, arguments)
        return result if result is not None else _lost(module, done)

    def _start(self, line: str, module: str, arguments: Mapping[str, Any], mark: str) -> dict[str, Any]:
        read = program(
            module,
            arguments,
            mark,
            Path(constants.DEFAULT_LOCAL_TMP),
            check_mode=bool(self._action._task.check_mode),
            note=self._note(arguments),
        )
        return dict(self._action._low_level_execute_command(line, in_data=read))

    def _line(self) -> str:
        """The command that runs the program, with the Python of the host that it runs on; raises AnsibleError."""
        delegated = self._task_vars.get("ansible_delegated_vars") or {}
        variables = delegated.get(self._action._task.delegate_to) or self._task_vars
        named, fallbacks = (
            self._action._templar.template(constants.config.get_config_value(setting, variables=variables))
            for setting in ("INTERPRETER_PYTHON", "INTERPRETER_PYTHON_FALLBACK")
        )
        words = str(named or "").strip()
        interpreter = None if words.startswith(_FIND_ONE) else words
        return command(interpreter, fallbacks, self._action._compute_environment_string())

    def _note(self, arguments: Mapping[str, Any]) -> Note | None:
        silent = constants.config.get_config_value("DEFAULT_NO_TARGET_SYSLOG", variables=self._task_vars)
        if self._action._task.no_log or silent:
            return None
        facility = self._task_vars.get("ansible_syslog_facility", constants.DEFAULT_SYSLOG_FACILITY)
        simple = (f"{name}={value}" for name, value in arguments.items() if isinstance(value, (str, int)))
        return Note(f"Invoked with {' '.join(simple) or 'no options'}", str(facility))

    def _may_be_direct(self) -> bool:
        return (
            self.passes_input_on()
            and getattr(self._action._connection._shell, "SHELL_FAMILY", _POSIX) == _POSIX
            and not constants.DEFAULT_KEEP_REMOTE_FILES  # somebody wants to look at the modules on the device
        )


def _lost(module: str, done: Mapping[str, Any]) -> dict[str, Any]:
    """The result of a program that began and told none."""
    last = str(done["stderr"]).strip()[-_LONGEST_ERROR:]
    return {"failed": True, "msg": f"{module} ended with {done['rc']} and without a result. {last}".strip()}
