# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Device modules without Ansible's part of a module: the same work, the same result."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import syslog
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible import constants
from ansible.errors import AnsibleConnectionFailure, AnsibleError
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.module_utils.testing import patch_module_args
from ansible_collections.skorionos.bootc.plugins.module_utils import _direct
from ansible_collections.skorionos.bootc.plugins.module_utils._bootc.device_module import with_defaults
from ansible_collections.skorionos.bootc.plugins.plugin_utils import _direct_program
from ansible_collections.skorionos.bootc.plugins.plugin_utils._direct_calls import DirectCalls
from ansible_collections.skorionos.bootc.plugins.plugin_utils._direct_program import (
    answer,
    began,
    command,
    modules,
    program,
    texts,
)

from .small_device import BOOT, SmallDevice

MARK = "skorionos.bootc:0123456789abcdef:"
PACKAGE = "ansible_collections.skorionos.bootc.plugins"
DIGEST = "sha256:" + "a" * 64
FENCE = {"rollout": "r", "epoch": 1, "turn": "t1", "turns": ["t0"], "by": "somebody", "target": DIGEST, "attempt": 2}
ARGUMENTS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("bootc_status", {}),
    (
        "bootc_status",
        {
            "inhibitors": [
                {"kind": "battery", "unknown": "inhibit", "percent": 40},
                {"kind": "game", "unknown": "allow"},
            ]
        },
    ),
    ("bootc_switch", {"image": f"q.io/i@{DIGEST}", "accept_digests": [DIGEST], "timeout": 60, "fence": FENCE}),
    ("bootc_switch", {"image": f"q.io/i@{DIGEST}", "parked": True, "came_back_from": DIGEST}),
    ("bootc_update", {"state": "absent", "timeout": 60, "fence": {**FENCE, "ends": True}}),
    ("bootc_rollback", {"discard_staged": True, "repeat": True, "forward": False, "fence": FENCE}),
    ("bootc_apply", {"expect_digests": [DIGEST], "fence": FENCE, "notify": {"text": "soon", "grace_seconds": 60}}),
    (
        "device_health",
        {"systemd": True, "commands": [["true"]], "known_failed_units": ["a.service"], "timeout": 9, "settle": 0},
    ),
    ("device_health", {"checks": [{"unit": "sshd.service"}, {"command": ["true"], "required": False}]}),
)


@pytest.fixture
def device(tmp_path: Path) -> SmallDevice:
    return SmallDevice(tmp_path / "device")


def run(
    device: SmallDevice, folder: Path, module: str, arguments: Mapping[str, Any], *, check_mode: bool = False
) -> tuple[str, str]:
    """What the program prints on the device, on its two outputs."""
    done = subprocess.run(
        ["/bin/sh", "-c", command(sys.executable, ())],
        input=program(module, arguments, MARK, folder, check_mode=check_mode, note=None),
        env={**os.environ, **device.environment},
        capture_output=True,
        check=False,
    )
    return done.stdout.decode(), done.stderr.decode()


def test_the_modules_that_are_run_like_this() -> None:
    assert modules() == {
        "bootc_apply",
        "bootc_rollback",
        "bootc_status",
        "bootc_switch",
        "bootc_update",
        "device_health",
    }


@pytest.mark.parametrize(("module", "arguments"), ARGUMENTS)
def test_options_are_filled_in_as_ansible_does_it(module: str, arguments: dict[str, Any]) -> None:
    options = import_module(f"{PACKAGE}.module_utils._device_modules.{module}").OPTIONS
    checked = ArgumentSpecValidator(options).validate(arguments)
    assert checked.error_messages == []
    assert with_defaults(options, arguments) == checked.validated_parameters


def test_options_that_there_are_not_and_such_that_are_missing() -> None:
    options = {"image": {"type": "str", "required": True}, "timeout": {"type": "int", "default": 5}}
    with pytest.raises(ValueError, match="unknown options: imago"):
        with_defaults(options, {"image": "x", "imago": "y"})
    with pytest.raises(KeyError, match="image"):
        with_defaults(options, {})


@pytest.mark.parametrize("check_mode", [False, True])
@pytest.mark.parametrize("call", ARGUMENTS)
def test_the_result_is_that_of_the_module(
    device: SmallDevice,
    tmp_path: Path,
    call: tuple[str, dict[str, Any]],
    check_mode: bool,
    capsys: pytest.CaptureFixture[str],
) -> None:
    module, arguments = call
    direct = answer(run(device, tmp_path, module, arguments, check_mode=check_mode)[0], MARK)
    parameters = {**arguments, "_ansible_check_mode": check_mode, "_ansible_diff": True}
    with pytest.MonkeyPatch.context() as patch, patch_module_args(parameters), pytest.raises(SystemExit):
        for name, value in device.environment.items():
            patch.setenv(name, value)
        import_module(f"{PACKAGE}.modules.{module}").main()
    theirs = json.loads(capsys.readouterr().out)
    theirs.pop("invocation", None)
    assert direct is not None
    assert bool(direct.get("failed")) == bool(theirs.get("failed"))
    assert without_times(direct) == without_times(theirs)
    assert direct["boot_id"] == BOOT


def without_times(value: Any) -> Any:
    if isinstance(value, list):
        return [without_times(entry) for entry in value]
    if isinstance(value, dict):
        return {key: without_times(entry) for key, entry in value.items() if key not in ("seconds", "failed")}
    return value


def test_a_failure_is_told_with_its_reason(device: SmallDevice, tmp_path: Path) -> None:
    device.program("bootc", "exit 1")
    result = answer(run(device, tmp_path, "bootc_status", {})[0], MARK)
    assert result is not None
    assert (result["failed"], result["reason"], result["boot_id"]) == (True, "unexpected", BOOT)


def test_a_crash_is_a_result_with_the_traceback_beside_it(device: SmallDevice, tmp_path: Path) -> None:
    printed, errors = run(device, tmp_path, "bootc_status", {"no_such_option": 1})
    result = answer(printed, MARK)
    assert result == {"failed": True, "msg": "bootc_status crashed: ValueError: unknown options: no_such_option"}
    assert "Traceback" in errors


def test_nothing_is_imported_but_what_was_sent_and_the_standard_library() -> None:
    sent = texts()
    assert {name.split(".")[0] for name in sent} == {"skorionos_bootc"}
    for name, text in sent.items():
        assert "import ansible" not in text.replace("from ansible.module_utils.basic import AnsibleModule", ""), name


def test_the_texts_are_put_together_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = program("bootc_status", {}, MARK, tmp_path, check_mode=False, note=None)
    _direct_program._packed.cache_clear()
    monkeypatch.setattr(_direct_program, "texts", lambda: pytest.fail("put together again"))
    assert program("bootc_status", {}, MARK, tmp_path, check_mode=False, note=None) == first


def test_a_python_is_looked_for_where_none_is_named(device: SmallDevice, tmp_path: Path) -> None:
    line = command(None, ["python-that-is-not-there", "it's odd", sys.executable], "GREETING='hello there'")
    done = subprocess.run(
        ["/bin/sh", "-c", line],
        input=program("bootc_status", {}, MARK, tmp_path, check_mode=False, note=None),
        env={**os.environ, **device.environment},
        capture_output=True,
        check=False,
    )
    result = answer(done.stdout.decode(), MARK)
    assert result is not None
    assert result["is_bootc"] is True


def test_without_any_python_the_program_does_not_begin(device: SmallDevice) -> None:
    done = subprocess.run(["/bin/sh", "-c", command(None, ["no-python"])], capture_output=True, check=False)
    assert done.returncode != 0
    assert not began(done.stdout.decode(), MARK)


def test_the_environment_of_the_task_is_that_of_the_program() -> None:
    assert command("/usr/bin/python3", (), "A=1 B='2 3'").startswith("A=1 B='2 3' /usr/bin/python3 -I ")
    assert '&& A=1 "$python" -I ' in command(None, ["python3"], "A=1")


@pytest.mark.parametrize(
    ("output", "begun", "result"),
    [
        ("", False, None),
        ("Welcome\n", False, None),
        (f"\n{MARK}\n", True, None),
        (f'Welcome\n\n{MARK}\n\n{MARK}{{"changed": false}}\nBye\n', True, {"changed": False}),
        (f'\r\n{MARK}\r\n\r\n{MARK}{{"changed": false}}\r\n', True, {"changed": False}),
        (f'\n{MARK}\n\n{MARK}{{"changed": fal', True, None),
        (f"\n{MARK}\n\n{MARK}[1]\n", True, None),
        (f'\n{MARK}\n\n{MARK}{{"a": {"[" * 200_000}\n', True, None),
        ('\nskorionos.bootc:ffffffffffffffff:{"changed": true}\n', False, None),
    ],
)
def test_what_was_printed(output: str, begun: bool, result: dict[str, Any] | None) -> None:
    assert (began(output, MARK), answer(output, MARK)) == (begun, result)


# -- calls -------------------------------------------------------------------------------------------------------------


class Action:
    """As much of an action plugin as is used. ``prints`` makes the output of what is run from what it reads."""

    def __init__(self, prints: Any = lambda mark: "", rc: int = 0, **options: Any) -> None:
        self._connection = SimpleNamespace(
            has_pipelining=options.get("has_pipelining", True),
            become=options.get("become"),
            transport="ssh",
            get_option=lambda name: "",
            set_option=lambda name, value: None,
            is_pipelining_enabled=lambda: (
                self._connection.has_pipelining
                and getattr(self._connection.become, "pipelining", True)
                and not options.get("tty", False)
            ),
            _shell=SimpleNamespace(tmpdir=None, SHELL_FAMILY=options.get("family", "sh")),
        )
        self._task = SimpleNamespace(
            check_mode=options.get("check_mode", False),
            no_log=options.get("no_log", False),
            delegate_to=options.get("delegate_to"),
        )
        self._templar = SimpleNamespace(template=self._template)
        self._prints = prints
        self._rc = rc
        self.lines: list[str] = []
        self.read: list[bytes] = []
        self.modules: list[str] = []

    def _template(self, value: Any) -> Any:
        if value == "{{ nothing }}":
            raise AnsibleError("'nothing' is undefined")
        return value

    def _compute_environment_string(self) -> str:
        return "LANG=C"

    def _low_level_execute_command(self, line: str, in_data: bytes) -> dict[str, Any]:
        self.lines.append(line)
        self.read.append(in_data)
        printed = self._prints(self.request()["mark"])
        if isinstance(printed, Exception):
            raise printed
        return {"rc": self._rc, "stdout": printed, "stderr": "Killed by the kernel\n"}

    def _execute_module(self, module_name: str, module_args: dict[str, Any], task_vars: Any) -> dict[str, Any]:
        self.modules.append(module_name)
        return {"changed": False, "by": "Ansible"}

    def request(self) -> dict[str, Any]:
        text = self.read[-1][len(_direct_program._starter()) :]
        return dict(json.loads(text.partition(b"\n")[0]))


def told(result: str) -> Any:
    return lambda mark: f"\n{mark}\n\n{mark}{result}\n"


def execute(action: Action, module: str = "bootc_switch", **variables: Any) -> dict[str, Any] | None:
    calls = DirectCalls(action, variables, 5)  # type: ignore[arg-type]
    return calls.execute(f"skorionos.bootc.{module}", {"image": "q.io/i", "accept_digests": [DIGEST]})


def test_a_module_is_run_directly() -> None:
    action = Action(told('{"changed": true}'), check_mode=True)
    assert execute(action, ansible_python_interpreter="/opt/python3 -X dev") == {"changed": True}
    assert action.lines[0].startswith("LANG=C /opt/python3 -X dev -I ")
    assert action.modules == []
    request = action.request()
    assert (request["module"], request["check_mode"]) == ("bootc_switch", True)
    assert request["params"] == {"image": "q.io/i", "accept_digests": [DIGEST]}


@pytest.mark.parametrize("named", ["auto", "auto_silent", "auto_legacy", ""])
def test_a_python_is_found_where_the_inventory_names_none(named: str) -> None:
    action = Action(told("{}"))
    execute(action, ansible_python_interpreter=named, ansible_interpreter_python_fallback=["python9", "python8"])
    assert action.lines[0].startswith("python=$(command -v python9 || command -v python8) && LANG=C ")


@pytest.mark.parametrize(
    "options",
    [
        {"has_pipelining": False},
        {"become": SimpleNamespace(pipelining=False)},
        {"family": "powershell"},
        {"tty": True},
    ],
    ids=["connection", "su", "windows", "terminal"],
)
def test_where_input_is_not_passed_on_ansible_runs_the_module(options: dict[str, Any]) -> None:
    action = Action(told('{"changed": true}'), **options)
    assert execute(action) == {"changed": False, "by": "Ansible"}
    assert (action.lines, action.modules) == ([], ["skorionos.bootc.bootc_switch"])


def test_a_variable_that_cannot_be_templated_is_left_to_ansible() -> None:
    """It knows what an omitted one stands for, and words for an undefined one."""
    action = Action(told("{}"))
    assert execute(action, ansible_python_interpreter="{{ nothing }}") == {"changed": False, "by": "Ansible"}
    assert action.lines == []


def test_the_python_is_that_of_the_host_that_the_task_is_delegated_to() -> None:
    action = Action(told("{}"), delegate_to="deck-02")
    execute(
        action,
        ansible_python_interpreter="/opt/one",
        ansible_delegated_vars={"deck-02": {"ansible_python_interpreter": "/opt/two"}},
    )
    assert action.lines[0].startswith("LANG=C /opt/two -I ")


def test_whoever_wants_to_see_the_modules_on_the_device_gets_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "DEFAULT_KEEP_REMOTE_FILES", True)
    assert execute(Action(told("{}"))) == {"changed": False, "by": "Ansible"}


def test_a_module_that_is_none_of_these_is_run_by_ansible() -> None:
    action = Action(told("{}"))
    assert execute(action, "device_facts") == {"changed": False, "by": "Ansible"}


def test_a_program_that_does_not_begin_leaves_everything_to_ansible() -> None:
    action = Action(lambda mark: "sudo: sorry, you must have a tty to run sudo", rc=1)
    calls = DirectCalls(action, {}, 5)  # type: ignore[arg-type]
    for _attempt in range(2):
        assert calls.execute("skorionos.bootc.bootc_status", {}) == {"changed": False, "by": "Ansible"}
    assert (len(action.lines), len(action.modules)) == (1, 2)


def test_a_program_that_began_is_not_begun_again() -> None:
    action = Action(lambda mark: f"\n{mark}\n", rc=137)
    result = execute(action)
    assert result == {
        "failed": True,
        "msg": "bootc_switch ended with 137 and without a result. Killed by the kernel",
    }
    assert action.modules == []


def test_a_device_that_is_gone() -> None:
    action = Action(lambda mark: AnsibleConnectionFailure("no route to it"))
    calls = DirectCalls(action, {}, 5)  # type: ignore[arg-type]
    assert (calls.execute("skorionos.bootc.bootc_status", {}), calls.said) == (None, "no route to it")


def test_what_could_not_be_asked_is_neither_absent_nor_at_fault() -> None:
    refused = execute(Action(lambda mark: AnsibleError("Incorrect sudo password")))
    assert refused == {"failed": True, "reason": "not_asked", "msg": "Incorrect sudo password"}


@pytest.mark.parametrize(
    ("options", "variables", "note"),
    [
        ({}, {}, ["Invoked with image=q.io/i", "LOG_USER"]),
        ({}, {"ansible_syslog_facility": "LOG_LOCAL1"}, ["Invoked with image=q.io/i", "LOG_LOCAL1"]),
        ({"no_log": True}, {}, None),
        ({}, {"ansible_no_target_syslog": True}, None),
    ],
)
def test_the_log_of_the_device(options: dict[str, Any], variables: dict[str, Any], note: Sequence[str] | None) -> None:
    action = Action(told("{}"), **options)
    execute(action, **variables)
    assert action.request()["note"] == note


def test_marks_cannot_be_guessed() -> None:
    action = Action(told("{}"))
    marks = set()
    for _attempt in range(3):
        execute(action)
        marks.add(action.request()["mark"])
    assert len(marks) == 3


@pytest.mark.parametrize(("facility", "meant"), [("LOG_LOCAL1", syslog.LOG_LOCAL1), ("LOG_NONSENSE", syslog.LOG_USER)])
def test_how_the_log_is_told(facility: str, meant: int, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[Any] = []
    monkeypatch.setattr(syslog, "openlog", lambda *arguments: calls.append(arguments))
    monkeypatch.setattr(syslog, "syslog", lambda *arguments: calls.append(arguments))
    _direct.note("bootc_switch", "x" * 5000, facility)
    assert calls == [("ansible-skorionos.bootc.bootc_switch", 0, meant), (syslog.LOG_INFO, "x" * 1000)]


@pytest.mark.parametrize(("simulated", "noted"), [("", ["bootc_status"]), ("/tmp/device", [])])
def test_only_the_log_of_a_real_device_is_told(
    simulated: str, noted: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    told: list[str] = []
    monkeypatch.setenv("BOOTC_DEVICE_ROOT", simulated)
    monkeypatch.setattr(_direct, "note", lambda module, text, facility: told.append(module))
    monkeypatch.setattr(_direct, "carry_out", lambda request, stream: {"changed": False})
    request = {"module": "bootc_status", "mark": MARK, "note": ["Invoked with x=1", "LOG_USER"]}
    _direct.main(io.BytesIO(json.dumps(request).encode() + b"\n"))
    printed = capsys.readouterr().out
    assert (answer(printed, MARK), told) == ({"changed": False}, noted)
    assert "Invoked" not in printed
