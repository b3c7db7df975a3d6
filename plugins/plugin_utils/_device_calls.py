# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run modules of this collection on a device that may go away and come back meanwhile."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Iterator, Mapping

from ansible.errors import AnsibleConnectionFailure, AnsibleError

if TYPE_CHECKING:
    from ansible.plugins.action import ActionBase

# Connection plugins call the same thing by different names.
TIMEOUT_OPTIONS = ("connection_timeout", "timeout")
SSH_ARGUMENTS = "ssh_extra_args"
PIPELINING = "pipelining"
# A device that falls asleep keeps its connections open; without this, ssh waits two hours for TCP to notice.
KEEP_ALIVE = "-o ServerAliveInterval=15 -o ServerAliveCountMax=8"
NOT_ASKED = "not_asked"
"""Reason of a result that is none of the device's: Ansible could not run the module there, or not read its answer."""


class DeviceCalls:
    """Modules of one task's device. None as result means that the device could not be reached."""

    def __init__(self, action: ActionBase, task_vars: dict[str, Any], connect_timeout: int) -> None:
        """``connect_timeout`` is in seconds, for one attempt to reach a device that may be down."""
        self._action = action
        self._task_vars = task_vars
        self._connect_timeout = connect_timeout
        self.said = ""
        """What the connection said when it last failed."""
        self.refusal: str | None = None
        """Why Ansible could not ask, if it was that, when a plain command last told nothing."""
        self._keep_alive()

    def execute(self, name: str, arguments: Mapping[str, Any]) -> dict[str, Any] | None:
        """Run a module."""
        try:
            result = self._run(name, arguments)
        except AnsibleConnectionFailure as error:
            self.said = str(error)[:400]
            self._action._connection._shell.tmpdir = None
            return None
        except AnsibleError as error:
            # Such as a missing become password: the device is there, and was never asked.
            return {"failed": True, "reason": NOT_ASKED, "msg": str(error)}
        if result.get("unreachable"):
            self.said = str(result.get("msg") or "")[:400]
            self._action._connection._shell.tmpdir = None
            return None
        self._remove_tmpdir()
        result.pop("invocation", None)
        return dict(result)

    def _run(self, name: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """The result; raises what Ansible raises when it cannot be had."""
        return dict(
            self._action._execute_module(module_name=name, module_args=dict(arguments), task_vars=self._task_vars)
        )

    def probe(self, name: str, arguments: Mapping[str, Any]) -> dict[str, Any] | None:
        """Run a module over a new connection, giving up on connecting early."""
        # The next image may ship another Python than the one that was discovered on this one.
        self._task_vars.get("ansible_facts", {}).pop("discovered_interpreter_python", None)
        try:
            with self._little_patience():
                return self.execute(name, arguments)
        except AnsibleConnectionFailure:
            return None

    def ask(self, command: str) -> str | None:
        """What a plain shell command prints; empty when it does not succeed.

        It costs a tenth of what a module does, on both sides. It has no terminal, where that can be had.
        """
        self.refusal = None
        environment = self._action._compute_environment_string()
        line = f"export {environment}; {command}" if environment else command
        try:
            # Without anything to read, ssh gives a command a terminal.
            done = self._action._low_level_execute_command(line, in_data=b"\n" if self.passes_input_on() else None)
        except AnsibleConnectionFailure as error:
            self.said = str(error)[:400]
            return None
        except AnsibleError as error:
            self.refusal = str(error)
            return ""
        return str(done["stdout"]) if done["rc"] == 0 else ""

    def passes_input_on(self) -> bool:
        """Whether commands can be given something to read: what pipelining takes, whether that is enabled or not."""
        connection = self._action._connection
        if connection.transport == "local":
            return bool(connection.is_pipelining_enabled())
        try:
            enabled = connection.get_option(PIPELINING)
        except (KeyError, AnsibleError):
            return bool(connection.has_pipelining and (not connection.become or connection.become.pipelining))
        try:
            connection.set_option(PIPELINING, True)
            return bool(connection.is_pipelining_enabled())
        finally:
            connection.set_option(PIPELINING, enabled)

    def look(self, command: str) -> str | None:
        """``ask`` over a new connection, giving up on connecting early."""
        try:
            with self._little_patience():
                return self.ask(command)
        except AnsibleConnectionFailure as error:
            self.said = str(error)[:400]
            return None

    @contextmanager
    def _little_patience(self) -> Iterator[None]:
        connection = self._action._connection
        option, patient = self._connect_option()
        try:
            if option is not None:
                connection.set_option(option, self._connect_timeout)
            connection.reset()
            yield
        finally:
            if option is not None:
                connection.set_option(option, patient)

    def _keep_alive(self) -> None:
        connection = self._action._connection
        try:
            arguments = connection.get_option(SSH_ARGUMENTS) or ""
        except (KeyError, AnsibleError):
            return
        if "ServerAliveInterval" not in arguments:
            connection.set_option(SSH_ARGUMENTS, f"{arguments} {KEEP_ALIVE}".strip())

    def _connect_option(self) -> tuple[str | None, Any]:
        for option in TIMEOUT_OPTIONS:
            try:
                return option, self._action._connection.get_option(option)
            except (KeyError, AnsibleError):
                continue
        return None, None

    def _remove_tmpdir(self) -> None:
        """A temporary directory of the device may not be there any more after its next boot."""
        shell = self._action._connection._shell
        if shell.tmpdir is not None:
            with suppress(AnsibleConnectionFailure):
                self._action._remove_tmp_path(shell.tmpdir)
            shell.tmpdir = None
