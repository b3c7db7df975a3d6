# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Modules on a device that goes away and comes back."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from ansible.errors import AnsibleConnectionFailure, AnsibleError
from ansible_collections.skorionos.bootc.plugins.plugin_utils._device_calls import DeviceCalls


class Connection:
    transport = "ssh"
    has_pipelining = True
    become = None

    def __init__(self, options=(("timeout", 30),), reset_fails=False, tty=False):
        self.tty = tty
        self.options = dict(options)
        self.reset_fails = reset_fails
        self.resets = []
        self._shell = SimpleNamespace(tmpdir="/tmp/made-before-the-reboot")

    def get_option(self, name):
        return self.options[name]

    def set_option(self, name, value):
        self.options[name] = value

    def is_pipelining_enabled(self):
        return self.options["pipelining"] and not self.tty

    def reset(self):
        self.resets.append(dict(self.options))
        if self.reset_fails:
            raise AnsibleConnectionFailure("gone")


class Action:
    def __init__(self, answer, connection=None):
        self.answer = answer
        self._connection = connection or Connection()
        self.removed = []
        self.environment = ""
        self.lines = []
        self.read = []

    def _execute_module(self, module_name, module_args, task_vars):
        if isinstance(self.answer, Exception):
            raise self.answer
        return dict(self.answer)

    def _remove_tmp_path(self, path):
        self.removed.append(path)

    def _compute_environment_string(self):
        return self.environment

    def _low_level_execute_command(self, line, in_data=None):
        self.lines.append(line)
        self.read.append(in_data)
        if isinstance(self.answer, Exception):
            raise self.answer
        return dict(self.answer)


def calls(action):
    return DeviceCalls(action, {}, 5)


def test_an_answer():
    action = Action({"changed": False, "invocation": {}})
    assert calls(action).execute("m", {}) == {"changed": False}
    assert action.removed == ["/tmp/made-before-the-reboot"]
    assert action._connection._shell.tmpdir is None


@pytest.mark.parametrize("answer", [AnsibleConnectionFailure("gone"), {"unreachable": True, "msg": "gone"}])
def test_a_device_that_is_gone(answer):
    action = Action(answer)
    assert calls(action).execute("m", {}) is None
    assert calls(action).probe("m", {}) is None
    assert (action.removed, action._connection._shell.tmpdir) == ([], None)


def test_what_could_not_be_asked_is_neither_absent_nor_at_fault():
    refused = calls(Action(AnsibleError("Missing sudo password"))).execute("m", {})
    assert refused == {"failed": True, "reason": "not_asked", "msg": "Missing sudo password"}


def test_other_errors_are_not_taken_for_absence():
    with pytest.raises(KeyError):
        calls(Action(KeyError("a mistake"))).execute("m", {})


def test_a_probe_connects_anew_and_with_little_patience():
    action = Action({"changed": False})
    assert calls(action).probe("m", {}) == {"changed": False}
    assert action._connection.resets == [{"timeout": 5}]
    assert action._connection.options == {"timeout": 30}


def test_a_connection_without_such_an_option():
    action = Action({"changed": False}, Connection(options=()))
    assert calls(action).probe("m", {}) == {"changed": False}
    assert action._connection.options == {}


def test_a_reset_that_fails_is_absence():
    action = Action({"changed": False}, Connection(reset_fails=True))
    assert calls(action).probe("m", {}) is None
    assert action._connection.options == {"timeout": 30}


def test_a_plain_command():
    action = Action({"rc": 0, "stdout": "hello\n"})
    assert calls(action).ask("echo hello") == "hello\n"
    assert (action.lines, action._connection.resets) == (["echo hello"], [])


def test_a_plain_command_has_the_environment_of_the_task():
    """Such as the directory that stands in for the device: without it the command would be about the machine itself."""
    action = Action({"rc": 0, "stdout": ""})
    action.environment = "BOOTC_DEVICE_ROOT=/tmp/device LANG=C"
    calls(action).ask("cat /etc/hostname && echo")
    assert action.lines == ["export BOOTC_DEVICE_ROOT=/tmp/device LANG=C; cat /etc/hostname && echo"]


@pytest.mark.parametrize(
    ("answer", "refusal"),
    [
        ({"rc": 1, "stdout": "half of it"}, None),
        (AnsibleError("Incorrect sudo password"), "Incorrect sudo password"),
    ],
)
def test_a_plain_command_that_fails_tells_nothing(answer, refusal):
    device = calls(Action(answer))
    assert (device.ask("false"), device.refusal) == ("", refusal)
    assert device.look("false") == ""


def test_a_refusal_is_that_of_the_last_command():
    action = Action(AnsibleError("Incorrect sudo password"))
    device = calls(action)
    device.ask("true")
    action.answer = {"rc": 0, "stdout": "x"}
    assert (device.ask("true"), device.refusal) == ("x", None)


@pytest.mark.parametrize("enabled", [False, True])
def test_a_plain_command_has_something_to_read_so_that_ssh_gives_it_no_terminal(enabled):
    """On a terminal systemctl would colour and page, and lines end in another way."""
    action = Action({"rc": 0, "stdout": ""}, Connection(options=(("timeout", 30), ("pipelining", enabled))))
    calls(action).ask("true")
    assert action.read == [b"\n"]
    assert action._connection.options["pipelining"] is enabled


def test_where_a_terminal_is_asked_for_nothing_is_passed_on():
    """What is sent through a terminal has no end, and is changed on its way."""
    connection = Connection(options=(("timeout", 30), ("pipelining", True)), tty=True)
    action = Action({"rc": 0, "stdout": ""}, connection)
    device = calls(action)
    device.ask("true")
    assert (action.read, device.passes_input_on()) == ([None], False)


@pytest.mark.parametrize(
    ("has_pipelining", "become", "expected"),
    [
        (True, None, True),
        (False, None, False),
        (True, SimpleNamespace(pipelining=True), True),
        (True, SimpleNamespace(pipelining=False), False),
    ],
)
def test_a_connection_without_an_option_for_that(has_pipelining, become, expected):
    connection = Connection()
    connection.has_pipelining, connection.become = has_pipelining, become
    assert calls(Action({}, connection)).passes_input_on() is expected


def test_a_local_connection_does_as_it_is_configured():
    """Without pipelining it gives what asks for a password a terminal to read from."""
    connection = Connection(options=(("pipelining", False),))
    connection.transport = "local"
    assert calls(Action({}, connection)).passes_input_on() is False


def test_a_plain_command_to_a_device_that_is_gone():
    device = calls(Action(AnsibleConnectionFailure("no route to it")))
    assert (device.ask("true"), device.said) == (None, "no route to it")
    assert device.look("true") is None


def test_a_plain_look_connects_anew_and_with_little_patience():
    action = Action({"rc": 0, "stdout": "x"})
    assert calls(action).look("echo x") == "x"
    assert action._connection.resets == [{"timeout": 5}]
    assert calls(Action({}, Connection(reset_fails=True))).look("true") is None
