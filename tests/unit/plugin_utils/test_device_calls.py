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
    def __init__(self, options=(("timeout", 30),), reset_fails=False):
        self.options = dict(options)
        self.reset_fails = reset_fails
        self.resets = []
        self._shell = SimpleNamespace(tmpdir="/tmp/made-before-the-reboot")

    def get_option(self, name):
        return self.options[name]

    def set_option(self, name, value):
        self.options[name] = value

    def reset(self):
        self.resets.append(dict(self.options))
        if self.reset_fails:
            raise AnsibleConnectionFailure("gone")


class Action:
    def __init__(self, answer, connection=None):
        self.answer = answer
        self._connection = connection or Connection()
        self.removed = []

    def _execute_module(self, module_name, module_args, task_vars):
        if isinstance(self.answer, Exception):
            raise self.answer
        return dict(self.answer)

    def _remove_tmp_path(self, path):
        self.removed.append(path)


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
