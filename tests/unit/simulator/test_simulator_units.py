# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Units: what systemctl tells and changes, and transient ones that really run."""

from __future__ import annotations

import json
import time
from dataclasses import replace

import pytest

from simulator.programs import systemctl
from simulator.programs.systemd_run import FLAGS, SHORT, VALUES, Refused, job, time_span
from simulator.programs.units import ENABLED_UNITS, Units
from simulator.programs.words import parse
from simulator.store import FILE_TICK_SECONDS, Device, Rebooted
from tests.simulated_world import FakeWorld, bootc, device, with_fault

TIMER = "bootc-fetch-apply-updates.timer"


class Machine:
    """systemctl on a state, its files below a directory."""

    def __init__(self, root, state) -> None:
        self.units = Units(state, root)
        self.state = state
        self.root = root

    def __call__(self, line, now=1e9):
        words = parse(
            line.split(),
            flags=systemctl.FLAGS,
            values=systemctl.VALUES,
            optional=systemctl.OPTIONAL,
            short=systemctl.SHORT,
        )
        answered = systemctl.answer(self.state, self.units, words, now)
        return systemctl.change(self.units, words) if answered is None else answered


@pytest.fixture
def ctl(tmp_path):
    return Machine(tmp_path, device())


def test_the_timer_of_bootc_from_disabled_over_enabled_to_masked(ctl):
    assert ctl(f"is-enabled {TIMER}") == (1, "disabled\n", "")
    assert ctl(f"is-active {TIMER}") == (3, "inactive\n", "")
    code, out, err = ctl(f"enable --now {TIMER}")
    assert (code, out) == (0, "")
    assert err.startswith(f"Created symlink '/etc/systemd/system/timers.target.wants/{TIMER}'")
    assert ctl(f"is-enabled {TIMER}") == (0, "enabled\n", "")
    assert ctl(f"is-active {TIMER}") == (0, "active\n", "")
    assert ctl(f"mask --now {TIMER}")[2] == f"Created symlink '/etc/systemd/system/{TIMER}' \u2192 '/dev/null'.\n"
    assert ctl(f"is-enabled {TIMER}") == (1, "masked\n", "")
    assert ctl(f"is-active {TIMER}")[0] == 3
    assert ctl(f"start {TIMER}") == (1, "", f"Failed to start {TIMER}: Unit {TIMER} is masked.\n")
    assert ctl(f"enable {TIMER}")[0] == 1
    assert ctl(f"mask {TIMER}") == (0, "", ""), "a second time does nothing"
    assert ctl(f"unmask {TIMER}")[2] == f"Removed '/etc/systemd/system/{TIMER}'.\n"
    assert ctl(f"disable {TIMER}")[2].startswith("Removed ")
    assert ctl(f"disable {TIMER}") == (0, "", "")


def test_enabling_starts_nothing_and_disabling_stops_nothing(ctl):
    ctl(f"enable {TIMER}")
    assert ctl(f"is-active {TIMER}")[0] == 3
    ctl(f"start {TIMER}")
    ctl(f"disable {TIMER}")
    assert ctl(f"is-active {TIMER}")[0] == 0


def test_what_is_enabled_was_started_by_the_next_boot(tmp_path):
    before = Machine(tmp_path, device())
    before(f"enable {TIMER}")
    for record in (tmp_path / "run/simulator/units").iterdir():
        record.unlink()
    assert Machine(tmp_path, device())(f"is-active {TIMER}")[0] == 0


def test_an_image_may_enable_units_which_only_masking_undoes(tmp_path):
    state = device()
    booted = state.deployments[0]
    labels = {**booted.image.labels, ENABLED_UNITS: f"{TIMER} other.timer"}
    state = replace(state, deployments=(replace(booted, image=replace(booted.image, labels=labels)),))
    ctl = Machine(tmp_path, state)
    assert ctl(f"is-enabled {TIMER}")[1] == "enabled\n"
    ctl(f"disable {TIMER}")
    assert ctl(f"is-enabled {TIMER}")[1] == "enabled\n"
    ctl(f"mask --now {TIMER}")
    assert ctl(f"is-active {TIMER}")[1] == "inactive\n"


def test_the_timer_never_runs_on_composefs(tmp_path):
    ctl = Machine(tmp_path, device(backend="composefs"))
    assert ctl(f"enable --now {TIMER}")[0] == 0
    assert ctl(f"is-active {TIMER}")[0] == 3
    assert ctl("is-enabled ostree-finalize-staged.service")[1] == "not-found\n"
    assert ctl("is-enabled bootc-finalize-staged.service")[1] == "static\n"


def test_units_there_are_not(ctl):
    assert ctl("is-enabled nope.timer") == (4, "not-found\n", "")
    assert ctl("is-active nope") == (4, "inactive\n", "")
    assert ctl("start nope") == (5, "", "Failed to start nope.service: Unit nope.service not found.\n")
    assert ctl("stop nope") == (5, "", "Failed to stop nope.service: Unit nope.service not loaded.\n")
    assert ctl("enable nope")[::2] == (1, "Failed to enable unit: Unit file nope.service does not exist.\n")
    assert "LoadState=not-found\n" in ctl("show nope.service")[1]
    assert ctl("show nope.service")[0] == 0
    assert ctl("mask nope")[2].startswith("Unit nope.service does not exist, proceeding anyway.\nCreated symlink")
    assert ctl("is-enabled nope")[1] == "masked\n"
    assert ctl("list-unit-files never.timer")[0] == 1


def test_unit_files_somebody_wrote_are_units(ctl):
    folder = ctl.root / "etc/systemd/system"
    folder.mkdir(parents=True)
    (folder / "vendor-update.timer").write_text(
        "[Unit]\nDescription=Update of a vendor\n[Timer]\nOnCalendar=daily\n[Install]\nWantedBy=timers.target\n"
    )
    (folder / "vendor-update.service").write_text("[Service]\nExecStart=/bin/true\n")
    assert ctl("is-enabled vendor-update.timer vendor-update.service") == (0, "disabled\nstatic\n", "")
    ctl("enable --now vendor-update.timer")
    assert (folder / "timers.target.wants/vendor-update.timer").is_symlink()
    shown = ctl("show vendor-update.timer -p Description -p UnitFileState -p Triggers")[1]
    assert shown == "Description=Update of a vendor\nUnitFileState=enabled\nTriggers=vendor-update.service\n"
    assert ctl("mask vendor-update.timer")[::2] == (
        1,
        "Failed to mask unit: File '/etc/systemd/system/vendor-update.timer' already exists.\n",
    )


def test_lists(ctl):
    ctl(f"enable --now {TIMER}")
    timers = json.loads(ctl("list-timers --output=json")[1])
    assert [(row["unit"], row["activates"]) for row in timers] == [
        (TIMER, "bootc-fetch-apply-updates.service"),
        ("fstrim.timer", "fstrim.service"),
    ]
    files = ctl("list-unit-files --type=timer --no-legend")[1]
    assert [line.split() for line in files.splitlines()] == [
        [TIMER, "enabled", "disabled"],
        ["fstrim.timer", "enabled", "enabled"],
    ]
    assert (
        f"{TIMER} loaded active waiting Apply bootc updates\n" in ctl("list-units --type=timer --plain --no-legend")[1]
    )
    assert ctl("list-units --type=timer")[1].startswith("UNIT ")


def test_failed_units_are_those_of_the_state(tmp_path):
    ctl = Machine(tmp_path, with_fault(device(), "unhealthy", "broken"))
    failed = "plasma-session.service loaded failed failed Session of the desktop\n"
    assert ctl("list-units --state=failed --plain --no-legend --full")[1] == failed
    assert ctl("list-units --failed --no-legend")[1] == failed
    assert ctl("is-failed plasma-session.service")[0] == 0
    assert ctl("is-system-running") == (1, "degraded\n", "")
    assert ctl("show -p NFailedUnits --value")[1] == "1\n"
    assert ctl("status plasma-session.service")[0] == 3


def test_the_manager_tells_how_the_boot_went(ctl):
    state = replace(ctl.state, boot=replace(ctl.state.boot, started=100.0, up_at=120.0, soft=3))
    ctl = Machine(ctl.root, state)
    assert ctl("show -P SoftRebootsCount")[1] == "3\n"
    assert ctl("show --property=SoftRebootsCount --value")[1] == "3\n"
    assert ctl("show -p FinishTimestampMonotonic", now=110.0)[1] == "FinishTimestampMonotonic=0\n"
    assert ctl("show -p FinishTimestampMonotonic", now=130.0)[1] != "FinishTimestampMonotonic=0\n"
    assert ctl("is-system-running", now=110.0) == (1, "starting\n", "")


@pytest.mark.parametrize(("backend", "unit"), [("ostree", "ostree"), ("composefs", "bootc")])
def test_something_staged_starts_what_finalises_it(tmp_path, backend, unit):
    name = f"{unit}-finalize-staged.service"
    assert Machine(tmp_path, device(backend=backend))(f"is-active {name}")[0] == 3
    staged = bootc(device(backend=backend), FakeWorld(stable="n"), "upgrade").state
    assert Machine(tmp_path, staged)(f"is-active {name}")[0] == 0


@pytest.mark.parametrize(
    ("text", "seconds"), [("90", 90), ("1min 30s", 90), ("500ms", 0.5), ("1h", 3600), ("2days", 172800), ("1.5s", 1.5)]
)
def test_time_spans(text, seconds):
    assert time_span(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "soon", "5 parsecs", "-1"])
def test_time_spans_that_are_none(text):
    with pytest.raises(ValueError, match=r".*"):
        time_span(text)


def asked(*arguments):
    return job(parse(list(arguments), flags=FLAGS, values=VALUES, short=SHORT, command_follows=True), 7)


def test_what_systemd_run_is_asked_for():
    wanted = asked("--unit=apply", "-E", "A=b=c", "--on-active=5s", "-p", "RuntimeMaxSec=1min", "sh", "-c", "x y")
    assert (wanted.unit, wanted.timer, wanted.delay, wanted.limit) == ("apply.service", "apply.timer", 5.0, 60.0)
    assert (wanted.environment, wanted.command[1:]) == ({"A": "b=c"}, ("-c", "x y"))
    assert asked("true").unit == "run-p7-i7.service"
    assert asked("-p", "StandardOutput=append:/tmp/x", "true").output == "/tmp/x"
    for arguments in ((), ("/no/such/program",), ("--unit=x.socket", "true"), ("--on-active=soon", "true")):
        with pytest.raises(Refused):
            asked(*arguments)


@pytest.fixture
def kde(registry, make_device):
    return make_device(f"{registry.host}/skorionos/kde:v1.0.0")


def until(check):
    end = time.monotonic() + 60
    while time.monotonic() < end:
        if check():
            return
        time.sleep(0.05)
    raise AssertionError("it did not come to pass")


def test_a_transient_unit_outlives_its_session_and_can_be_stopped(kde):
    done = kde.sh("systemd-run --unit=work --collect sh -c 'echo begun $BOOTC_DEVICE_ROOT; exec sleep 60'")
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr.startswith("Running as unit: work.service; invocation ID: ")
    assert kde.sh("systemctl is-active work").stdout == "active\n"
    output = kde.sh("systemctl show -P StandardOutput work").stdout.strip().partition(":")[2]
    until(lambda: kde.file("run/simulator/output/work.service.log").read_text() == f"begun {kde.directory}/root\n")
    assert output == str(kde.file("run/simulator/output/work.service.log"))
    again = kde.sh("systemd-run --unit=work true")
    assert (again.returncode, "already loaded" in again.stderr) == (1, True)
    assert kde.sh("systemctl stop work").returncode == 0
    assert kde.sh("systemctl is-active work").returncode == 4


def test_a_transient_unit_that_failed_stays_until_it_is_reset(kde):
    assert kde.sh("systemd-run -q --unit=bad sh -c 'exit 3'").returncode == 0
    until(lambda: kde.sh("systemctl is-failed bad").returncode == 0)
    shown = kde.sh("systemctl show -p Result,ExecMainStatus,ActiveState bad").stdout
    assert shown == "ActiveState=failed\nResult=exit-code\nExecMainStatus=3\n"
    assert kde.sh("systemctl reset-failed bad; systemctl is-active bad").stdout == "inactive\n"
    waited = kde.sh("systemd-run --wait --pipe -q --unit=bad --collect sh -c 'echo told; exit 3'")
    assert (waited.returncode, waited.stdout) == (3, "told\n")
    assert kde.sh("systemd-run -q --service-type=oneshot --unit=bad sh -c 'exit 3'").returncode == 1


def test_a_timer_waits_and_can_be_cancelled(kde):
    kde.sh("systemd-run -q --unit=later --on-active=1h touch /nonexistent/file")
    timers = json.loads(kde.sh("systemctl list-timers --output=json").stdout)
    assert [row["unit"] for row in timers if row["next"]] == ["later.timer"]
    assert kde.sh("systemctl is-active later.timer later.service").stdout == "active\ninactive\n"
    assert kde.sh("systemctl stop later.timer").returncode == 0
    assert kde.sh("systemctl is-active later.timer").returncode == 4


def test_a_reboot_asked_for_by_a_timer_ends_every_unit(kde):
    kde.sh("systemd-run -q --unit=work sleep 60")
    before = kde.show()["boot"]["count"]
    assert kde.sh("systemd-run -q --on-active=0.1s systemctl reboot").returncode == 0
    until(lambda: kde.show()["boot"]["count"] == before + 1)
    kde.wait_until_up()
    assert kde.sh("systemctl is-active work").returncode == 4


def test_who_is_not_root_may_ask_but_not_change(kde):
    for command in (f"systemctl mask {TIMER}", "systemctl reboot", "systemd-run -q true"):
        done = kde.run("exec", "--as-user", "--", *command.split())
        assert (done.returncode, "Interactive authentication required" in done.stderr) == (1, True)
    assert kde.run("exec", "--as-user", "--", "systemctl", "is-system-running").stdout == "running\n"


def test_whoever_waits_reads_the_state_again_only_when_it_was_written_and_notices_a_reboot(kde, monkeypatch):
    waiting = Device(str(kde.directory))
    begun = waiting.load()
    reads = []
    read = waiting.load
    monkeypatch.setattr(waiting, "load", lambda: reads.append(1) or read())
    time.sleep(FILE_TICK_SECONDS + 0.05)
    for _look in range(5):
        waiting.check_boot(begun)
    assert len(reads) == 1
    kde.fault("lock-held", "0")
    for _look in range(3):
        waiting.check_boot(begun)
    assert len(reads) > 1
    assert kde.run("reboot").returncode == 0
    with pytest.raises(Rebooted):
        waiting.check_boot(begun)
