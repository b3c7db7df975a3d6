# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Health: what is checked, in which order, and what counts."""

from __future__ import annotations

import pytest
from ansible_collections.skorionos.bootc.plugins.module_utils._device.checks import judge_systemd, required_scripts
from ansible_collections.skorionos.bootc.plugins.module_utils._device.command import (
    CommandMissing,
    CommandTimeout,
    Completed,
)
from ansible_collections.skorionos.bootc.plugins.module_utils._device.health import (
    DETAIL_LIMIT,
    Checks,
    HealthRunner,
)


class Device:
    """Answers commands from a table; time passes only by sleeping or by commands that take some."""

    def __init__(self, answers):
        self.answers = {"systemctl is-system-running": "running", "systemctl list-units": "", **answers}
        self.time = 0.0
        self.ran = []

    def run(self, argv, timeout):
        line = " ".join(argv)
        self.ran.append((line.rsplit("/", 1)[-1], timeout))
        answer = next(value for key, value in self.answers.items() if key in line)
        if isinstance(answer, list):
            answer = answer.pop(0) if len(answer) > 1 else answer[0]
        if isinstance(answer, (int, float)):
            self.time += answer
            if answer > timeout:
                raise CommandTimeout(argv, timeout, b"still at it")
            return Completed(0)
        if isinstance(answer, Exception):
            raise answer
        return answer if isinstance(answer, Completed) else Completed(0, answer.encode())

    def sleep(self, seconds):
        self.time += seconds

    def report(self, checks=None, timeout=100.0, settle=0.0):
        runner = HealthRunner(self.run, lambda: self.time, self.sleep)
        return runner.report(checks or Checks(), timeout, settle)


@pytest.mark.parametrize(
    ("state", "failed", "known", "passed"),
    [
        ("running", [], [], True),
        ("degraded", ["a.service"], [], False),
        ("degraded", ["a.service"], ["a.service"], True),
        ("degraded", ["a.service", "b.service"], ["a.service"], False),
        ("running", ["a.service"], [], False),
        ("starting", [], [], False),
        ("maintenance", [], [], False),
        ("", [], [], False),
    ],
)
def test_systemd(state, failed, known, passed):
    assert judge_systemd(state, failed, known)[0] is passed


def test_a_system_may_take_its_time_to_start():
    device = Device({"systemctl is-system-running": ["initializing", "starting", "starting", "running"]})
    report = device.report()
    assert report.healthy
    assert device.time == 3


def test_a_system_that_never_ends_starting():
    device = Device({"systemctl is-system-running": "starting"})
    report = device.report(timeout=5)
    assert [check.detail for check in report.checks] == ["the system is starting"]
    assert device.time == 5


def test_failed_units_are_reported_even_if_known():
    device = Device(
        {
            "systemctl is-system-running": Completed(1, b"degraded\n"),
            "systemctl list-units": "a.service loaded failed failed A\n",
        }
    )
    assert not device.report().healthy
    report = device.report(Checks(known_failed_units=("a.service",)))
    assert (report.healthy, report.failed_units) == (True, ("a.service",))


def test_without_systemd():
    device = Device({"systemctl": CommandMissing("systemctl is not there")})
    device.answers = {"systemctl": CommandMissing("systemctl is not there")}
    assert [check.detail for check in device.report().checks] == ["systemctl is not there"]
    assert device.report(Checks(systemd=False)).healthy


@pytest.fixture
def directories(tmp_path, monkeypatch):
    monkeypatch.setenv("BOOTC_DEVICE_ROOT", str(tmp_path))
    for name in ("etc/20-b.sh", "etc/10-a.sh", "etc/README", "usr/10-a.sh"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("#!/bin/sh\necho from $0\n")
        path.chmod(0o644 if path.name == "README" else 0o755)
    (tmp_path / "etc/05-directory").mkdir()
    return tmp_path


def test_scripts_run_in_name_order_and_do_not_hide_each_other(directories):
    found = required_scripts(["/etc", "/usr", "/nowhere"])
    assert [name for name, _unused in found] == ["/etc/10-a.sh", "/etc/20-b.sh", "/usr/10-a.sh"]
    assert [path for _unused, path in found] == [directories / name.lstrip("/") for name, _unused in found]


def test_each_check_gets_the_time_that_is_left(directories):
    device = Device({"10-a.sh": 60, "20-b.sh": 70, "true": ""})
    report = device.report(Checks(("/etc",), commands=(("true",),)), timeout=100)
    assert [check.passed for check in report.checks] == [True, True, False, False]
    assert "still at it\ndid not end within 40 s" in report.checks[2].detail
    assert report.checks[3].detail == "no time was left for this check"
    assert dict(device.ran)["20-b.sh"] == 40


def test_output_is_kept_to_its_end():
    device = Device({"check": Completed(1, b"x" * 1000, b"the reason")})
    check = device.report(Checks(systemd=False, commands=(("check",),))).checks[0]
    assert not check.passed
    assert len(check.detail) <= DETAIL_LIMIT
    assert check.detail.endswith("the reason (exit code 1)")


def test_scripts_really_run(directories):
    report = HealthRunner().report(Checks(("/usr",), systemd=False), 20)
    assert report.healthy
    assert report.checks[0].detail.startswith("from ")


def test_settling_checks_once_more():
    device = Device({"check": ["", Completed(1, b"gone")]})
    report = device.report(Checks(systemd=False, commands=(("check",),)), settle=30)
    assert (report.healthy, device.time) == (False, 30)


def test_a_device_that_is_not_well_is_not_waited_for():
    device = Device({"check": Completed(1, b"bad")})
    assert not device.report(Checks(systemd=False, commands=(("check",),)), settle=30).healthy
    assert device.time == 0
