# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Health: what is checked, in which order, and what counts."""

from __future__ import annotations

import pytest
from ansible_collections.skorionos.bootc.plugins.module_utils._device import boot_memory
from ansible_collections.skorionos.bootc.plugins.module_utils._device.checks import (
    Asked,
    judge_boot,
    judge_systemd,
    judge_unit,
    required_scripts,
)
from ansible_collections.skorionos.bootc.plugins.module_utils._device.command import (
    DETAIL_LIMIT,
    CommandMissing,
    CommandTimeout,
    Completed,
)
from ansible_collections.skorionos.bootc.plugins.module_utils._device.health import (
    BootLimits,
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

    def report(self, checks=None, timeout=100.0, settle=0.0, boot_id=None):
        runner = HealthRunner(self.run, lambda: self.time, self.sleep)
        return runner.report(checks or Checks(), timeout, settle, boot_id)


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


def test_advice_does_not_make_a_device_unwell_and_runs_last():
    checks = Checks(
        systemd=False,
        asked=(Asked("net", ("false",), required=False), Asked("disk", ("true",))),
        wanted_dirs=("/nowhere",),
    )
    report = Device({"false": Completed(1, b"no"), "true": ""}).report(checks)
    assert (report.healthy, report.advisories) == (True, ("net",))
    assert [(check.name, check.required) for check in report.checks] == [("disk", True), ("net", False)]
    assert report.checks[1].as_dict()["required"] is False


def test_wanted_scripts_are_advice(directories):
    report = Device({"10-a.sh": "", "20-b.sh": Completed(1, b"meh")}).report(
        Checks(("/usr",), systemd=False, wanted_dirs=("/etc",))
    )
    assert (report.healthy, report.advisories) == (True, ("/etc/20-b.sh",))


def test_a_check_has_a_time_limit_of_its_own():
    device = Device({"slow": 60, "true": ""})
    report = device.report(Checks(systemd=False, asked=(Asked("slow", ("slow",), timeout=5), Asked("t", ("true",)))))
    assert [check.passed for check in report.checks] == [False, True]
    assert "did not end within 5 s" in report.checks[0].detail


LOADED = "LoadState=loaded\nSubState=x\nResult=success\nType=simple\n"


@pytest.mark.parametrize(
    ("properties", "passed"),
    [
        ({"LoadState": "loaded", "ActiveState": "active"}, True),
        ({"LoadState": "loaded", "ActiveState": "failed", "Result": "exit-code"}, False),
        ({"LoadState": "loaded", "ActiveState": "inactive"}, False),
        ({"LoadState": "not-found", "ActiveState": "inactive"}, False),
        ({"LoadState": "masked", "ActiveState": "active"}, False),
        ({}, False),
        (
            {
                "LoadState": "loaded",
                "ActiveState": "inactive",
                "Type": "oneshot",
                "Result": "success",
                "ExecMainExitTimestampMonotonic": "7",
            },
            True,
        ),
        (
            {
                "LoadState": "loaded",
                "ActiveState": "inactive",
                "Type": "oneshot",
                "Result": "success",
                "ExecMainExitTimestampMonotonic": "0",
            },
            False,
        ),
    ],
)
def test_a_unit_is_up_or_did_what_it_does_once(properties, passed):
    assert judge_unit(properties)[0] is passed


def test_a_unit_that_is_starting_is_waited_for():
    answers = [
        LOADED + "ActiveState=activating\n",
        LOADED + "ActiveState=activating\n",
        LOADED + "ActiveState=active\n",
    ]
    device = Device({"sddm.service": answers})
    checks = Checks(systemd=False, asked=(Asked("sddm.service", unit="sddm.service"),))
    assert device.report(checks).healthy
    assert device.time == 2
    stuck = Device({"sddm.service": LOADED + "ActiveState=activating\n"})
    report = stuck.report(Checks(systemd=False, asked=(Asked("s", unit="sddm.service", timeout=3),)))
    assert (report.healthy, stuck.time) == (False, 3)


def test_a_unit_without_systemd_is_not_up():
    device = Device({"systemctl show": CommandMissing("no systemctl")})
    report = device.report(Checks(systemd=False, asked=(Asked("s", unit="s.service"),)))
    assert [check.detail for check in report.checks] == ["systemd does not answer"]


@pytest.mark.parametrize(
    ("answer", "checks"),
    [
        ("LoadState=not-found\nActiveState=inactive\n", []),
        (CommandMissing("no"), []),
        (Completed(1), []),
        (LOADED + "ActiveState=active\n", [("greenboot", True)]),
        ("LoadState=loaded\nActiveState=failed\nResult=exit-code\n", [("greenboot", False)]),
    ],
)
def test_the_verdict_of_greenboot_counts_where_it_is(answer, checks):
    report = Device({"greenboot-healthcheck.service": answer}).report(Checks(systemd=False, greenboot=True))
    assert [(check.name, check.passed) for check in report.checks] == checks


@pytest.mark.parametrize(
    ("took", "before", "limit", "percent", "passed"),
    [
        (14.9, None, 15, 0, [True]),
        (15.1, None, 15, 0, [False]),
        (None, 10, 15, 50, [False, False]),
        (15, 10, 0, 50, [True]),
        (15.1, 10, 0, 50, [False]),
        (99, None, 0, 50, [True]),
        (99, 1, 0, 0, []),
    ],
)
def test_how_long_a_boot_may_take(took, before, limit, percent, passed):
    assert [verdict for _name, verdict, _detail in judge_boot(took, before, limit, percent)] == passed


def booted(seconds):
    return f"UserspaceTimestampMonotonic=1000000\nFinishTimestampMonotonic={int(seconds * 1_000_000)}\n"


def boots(seconds):
    return Device({"graphical.target": "ActiveState=inactive\n", "FinishTimestampMonotonic": booted(seconds)})


@pytest.fixture
def memory(tmp_path, monkeypatch):
    monkeypatch.setenv("BOOTC_DEVICE_ROOT", str(tmp_path))
    return tmp_path / boot_memory.BOOTS.lstrip("/")


def test_a_boot_is_compared_with_the_one_before(memory):
    limits = Checks(systemd=False, boot=BootLimits(slowdown_percent=20))
    assert boots(10).report(limits, boot_id="one").healthy
    assert boots(10).report(limits, boot_id="one").checks[0].detail.endswith("no boot before is known")
    slower = boots(13).report(limits, boot_id="two")
    assert (slower.healthy, slower.boot_time.to_login) == (False, 13.0)
    assert slower.checks[0].detail == "13.0 s until the login, 10.0 s at the boot before, at most 12.0 s"
    # Asked again, it is still compared with the one before and not with itself.
    assert not boots(13).report(limits, boot_id="two").healthy
    assert boots(13).report(limits, boot_id="three").healthy


def test_a_slow_boot_may_be_advice(memory):
    report = boots(30).report(Checks(systemd=False, boot=BootLimits(seconds=15, required=False)), boot_id="one")
    assert (report.healthy, report.advisories) == (True, ("boot_time",))


def test_a_boot_is_not_remembered_when_nothing_may_change(memory):
    boots(10).report(Checks(systemd=False, boot=BootLimits(slowdown_percent=20, remember=False)), boot_id="one")
    assert not memory.exists()


def test_a_boot_that_cannot_be_remembered_is_judged_all_the_same(memory):
    memory.parent.parent.mkdir(parents=True)
    memory.parent.write_text("in the way")
    report = boots(10).report(Checks(systemd=False, boot=BootLimits(seconds=15)), boot_id="one")
    assert report.healthy
    assert "not remembered" in report.checks[0].detail


@pytest.mark.parametrize(
    "text", ["", "{}", "[1, null]", '[{"boot_id": 1, "seconds": 2}]', '[{"seconds": NaN}]', "[" * 9999]
)
def test_a_memory_that_makes_no_sense_is_none(memory, text):
    memory.parent.mkdir(parents=True)
    memory.write_text(text)
    assert boot_memory.previous_boot("x") is None
    boot_memory.remember_boot(boot_memory.Boot("x", 1.0))
    assert boot_memory.previous_boot("y") == boot_memory.Boot("x", 1.0)


def test_only_the_last_boots_are_remembered(memory):
    for number in range(30):
        boot_memory.remember_boot(boot_memory.Boot(str(number), 1.0))
    assert [boot.boot_id for boot in boot_memory.read_boots()] == [str(number) for number in range(20, 30)]


def test_a_boot_that_is_not_over_is_waited_for():
    unfinished = "UserspaceTimestampMonotonic=1000000\nFinishTimestampMonotonic=0\n"
    device = Device({"graphical.target": "", "FinishTimestampMonotonic": [unfinished, unfinished, booted(9)]})
    report = device.report(Checks(systemd=False, boot=BootLimits(seconds=15, remember=False)))
    assert (report.healthy, device.time) == (True, 2)
