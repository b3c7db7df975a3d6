# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Taking updaters over and giving them back: what systemd says, what is planned, what is remembered, what is run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from ansible_collections.skorionos.bootc.plugins.module_utils._device import state_file
from ansible_collections.skorionos.bootc.plugins.module_utils._device.command import (
    CommandMissing,
    CommandTimeout,
    Completed,
)
from ansible_collections.skorionos.bootc.plugins.module_utils._device.control import Wanted, carry_out
from ansible_collections.skorionos.bootc.plugins.module_utils._device.root import ROOT_VARIABLE
from ansible_collections.skorionos.bootc.plugins.module_utils._device.state_file import Former
from ansible_collections.skorionos.bootc.plugins.module_utils._device.takeover import (
    plan_control,
    plan_release,
    still_there,
    uncontrolled,
)
from ansible_collections.skorionos.bootc.plugins.module_utils._device.units import (
    UnitState,
    check_names,
    parse_units,
    read_units,
)
from ansible_collections.skorionos.bootc.plugins.module_utils._device.updaters import KNOWN, WHY
from ansible_collections.skorionos.bootc.plugins.module_utils._errors import BootcError

TIMER = UnitState("uupd.timer", "loaded", "active", "enabled")
SERVICE = UnitState("uupd.service", "loaded", "inactive", "static")
GONE = UnitState("zincati.service", "not-found", "inactive", "")


def control(*units: UnitState, memory=None, stop_running=False):
    return plan_control(units, memory or {}, stop_running=stop_running, boot_id="b1")


def words(plan) -> list[str]:
    return [" ".join(command) for command in plan.commands]


# -- what systemd says -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["uupd", "a b.timer", "-x.timer", "x.timer; reboot", "../x.timer", "x@.timer", "x.mount", "", "ü.timer"]
)
def test_what_can_be_no_unit_is_refused_before_anything_is_touched(name: str) -> None:
    with pytest.raises(BootcError) as refused:
        check_names(["good.timer", name])
    assert refused.value.kind == "invalid"
    assert check_names(["a.timer", "b@1.service", "a.timer"]) == ("a.timer", "b@1.service")


def test_blocks_belong_to_names_by_their_order_as_an_alias_has_another_id() -> None:
    text = (
        "Id=real.timer\nLoadState=loaded\nActiveState=active\nUnitFileState=alias\n\n"
        "Id=none.service\nLoadState=not-found\nActiveState=inactive\nUnitFileState=\n"
    )
    first, second = parse_units(text, ["alias.timer", "none.service"])
    assert (first.name, first.active, first.exists) == ("alias.timer", "active", True)
    assert not second.exists
    with pytest.raises(BootcError, match="told of 2 units when asked for 3"):
        parse_units(text, ["a.timer", "b.timer", "c.timer"])


def test_known_updaters_are_complete() -> None:
    names = [name for known in KNOWN for name in known.units]
    assert check_names(names) == tuple(names)
    assert set(WHY) == set(names)
    assert all(WHY.values())


# -- plans -------------------------------------------------------------------------------------------------------------


def test_a_timer_is_stopped_before_it_is_masked() -> None:
    plan = control(TIMER, SERVICE, GONE)
    assert words(plan) == ["systemctl stop -- uupd.timer", "systemctl mask -- uupd.timer uupd.service"]
    assert plan.memory == {
        "uupd.timer": Former("enabled", True, "mask", "b1"),
        "uupd.service": Former("static", False, "mask", "b1"),
    }
    assert not any(unit.runs for unit in plan.predicted)


def test_taking_over_twice_does_nothing_and_keeps_the_first_memory() -> None:
    first = control(TIMER, SERVICE, GONE)
    second = control(*first.predicted, memory=first.memory)
    assert words(second) == []
    assert second.memory == first.memory


def test_after_a_crash_between_stop_and_mask_it_is_still_known_that_it_was_active() -> None:
    first = control(TIMER)
    second = control(replace(TIMER, active="inactive"), memory=first.memory)
    assert words(second) == ["systemctl mask -- uupd.timer"]
    assert second.memory["uupd.timer"].active


def test_what_was_masked_before_is_not_remembered_as_ours() -> None:
    masked = replace(TIMER, load="masked", active="inactive", file_state="masked")
    assert control(masked).memory == {}
    assert words(control(masked)) == []


@pytest.mark.parametrize("active", ["active", "activating", "deactivating"])
def test_a_service_at_work_is_only_stopped_when_told(active: str) -> None:
    working = replace(SERVICE, active=active)
    left = control(TIMER, working)
    assert left.running == ("uupd.service",)
    assert "uupd.service" not in left.memory
    assert words(left)[-1] == "systemctl mask -- uupd.timer"
    stopped = control(TIMER, working, stop_running=True)
    assert stopped.running == ()
    assert words(stopped)[0] == "systemctl stop -- uupd.timer uupd.service"


def test_a_unit_whose_file_is_in_etc_is_disabled_as_it_cannot_be_masked() -> None:
    own = UnitState("own.timer", "loaded", "active", "enabled", local=True)
    plan = control(own)
    assert words(plan) == ["systemctl stop -- own.timer", "systemctl disable -- own.timer"]
    assert words(control(*plan.predicted, memory=plan.memory)) == []
    back = plan_release(plan.predicted, plan.memory, "b1")
    assert words(back) == ["systemctl enable -- own.timer", "systemctl start -- own.timer"]
    static = UnitState("own.service", "loaded", "inactive", "static", local=True)
    assert "can be stopped" in control(static).notes[0]
    assert control(static).memory == {}


def test_a_unit_linked_from_elsewhere_is_refused() -> None:
    with pytest.raises(BootcError, match="is a link in /etc/systemd/system") as refused:
        control(TIMER, UnitState("x.timer", "loaded", "active", "linked", local=True, linked=True))
    assert refused.value.kind == "invalid"


def test_giving_back_restores_what_was_there_and_nothing_else() -> None:
    plan = control(TIMER, SERVICE)
    back = plan_release(plan.predicted, plan.memory, "b2")
    assert words(back) == ["systemctl unmask -- uupd.timer uupd.service", "systemctl start -- uupd.timer"]
    assert back.predicted == (TIMER, SERVICE)
    assert back.memory == {}


def test_giving_back_does_not_start_an_update() -> None:
    plan = control(replace(SERVICE, active="activating"), stop_running=True)
    assert words(plan_release(plan.predicted, plan.memory, "b1")) == ["systemctl unmask -- uupd.service"]
    daemon = UnitState("zincati.service", "loaded", "active", "enabled")
    plan = control(daemon, stop_running=True)
    assert words(plan_release(plan.predicted, plan.memory, "b1"))[-1] == "systemctl start -- zincati.service"


@pytest.mark.parametrize(
    ("boot", "expected"),
    [
        ("b1", ["systemctl unmask -- uupd.timer", "systemctl mask --runtime -- uupd.timer"]),
        ("b2", ["systemctl unmask -- uupd.timer"]),
    ],
)
def test_a_mask_until_the_next_boot_comes_back_only_in_the_same_boot(boot: str, expected: list[str]) -> None:
    until_reboot = UnitState("uupd.timer", "masked", "inactive", "masked-runtime")
    plan = control(until_reboot)
    assert words(plan) == ["systemctl mask -- uupd.timer"]
    assert words(plan_release(plan.predicted, plan.memory, boot)) == expected


def test_a_unit_somebody_unmasked_by_hand_is_not_unmasked_again() -> None:
    plan = control(TIMER)
    assert words(plan_release((TIMER,), plan.memory, "b1")) == []


def test_units_that_are_gone_are_not_started() -> None:
    command = ("systemctl", "start", "--", "a.timer", "b.timer")
    units = (UnitState("a.timer", "not-found", "inactive", ""), UnitState("b.timer", "loaded", "inactive", "enabled"))
    assert still_there((command,), units) == (("systemctl", "start", "--", "b.timer"),)
    assert still_there((command,), units[:1] * 2) == (("systemctl", "start", "--", "b.timer"),)
    assert still_there((("systemctl", "start", "--", "a.timer"),), units) == ()


def test_what_is_not_as_it_should_be_is_named() -> None:
    plan = control(TIMER, SERVICE)
    assert uncontrolled(plan, plan.predicted) == ()
    assert uncontrolled(plan, (TIMER, plan.predicted[1])) == ("uupd.timer",)


# -- memory ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(ROOT_VARIABLE, str(tmp_path))
    return tmp_path


def test_memory_is_read_as_it_was_written(root: Path) -> None:
    memory = {"a.timer": Former("enabled", True, "mask", None), "b.timer": Former("", False, "left", "b1")}
    assert state_file.read() == {}
    state_file.write(memory)
    assert state_file.read() == memory
    state_file.write({})
    state_file.write({})
    assert list((root / "var/lib/skorionos.bootc").iterdir()) == []


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"schema": 2, "units": {}}',
        '{"schema": 1}',
        '{"schema": 1, "units": []}',
        '{"schema": 1, "units": {"a.timer": null}}',
        '{"schema": 1, "units": {"a.timer": {"file_state": "x", "active": 1, "method": "mask", "boot_id": null}}}',
        '{"schema": 1, "units": {"a.timer": {"file_state": "x", "active": true, "method": "burn", "boot_id": null}}}',
        "[" * 100_000,
    ],
)
def test_a_memory_that_makes_no_sense_is_an_error(root: Path, text: str) -> None:
    path = root / "var/lib/skorionos.bootc/updaters.json"
    path.parent.mkdir(parents=True)
    path.write_text(text)
    with pytest.raises(BootcError, match="cannot be read"):
        state_file.read()


# -- carried out -------------------------------------------------------------------------------------------------------


class Systemd:
    """Answers for one timer; ``stubborn`` is one that something starts again at once."""

    def __init__(self, *, stubborn: bool = False, refuses: str = "") -> None:
        self.stubborn = stubborn
        self.refuses = refuses
        self.masked = False
        self.active = True
        self.asked: list[tuple[str, ...]] = []

    def __call__(self, argv: Sequence[str], timeout: float, *, watch=None) -> Completed:
        verb, names = argv[1], argv[argv.index("--") + 1 :]
        if verb == "show":
            return Completed(0, "\n".join(map(self._block, names)).encode())
        self.asked.append(tuple(argv))
        if verb == self.refuses:
            return Completed(1, b"", b"Access denied")
        self.masked = {"mask": True, "unmask": False}.get(verb, self.masked)
        self.active = self.stubborn or {"stop": False, "start": True}.get(verb, self.active)
        return Completed(0)

    def _block(self, name: str) -> str:
        if name != "own.timer":
            return f"Id={name}\nLoadState=not-found\nActiveState=inactive\nUnitFileState=\n"
        load, state = ("masked", "masked") if self.masked else ("loaded", "enabled")
        active = "active" if self.active else "inactive"
        return f"Id={name}\nLoadState={load}\nActiveState={active}\nUnitFileState={state}\n"


OWN = Wanted("controlled", ("own.timer",))


def test_all_units_are_read_in_one_call(root: Path) -> None:
    calls = []
    systemd = Systemd()

    def run(argv, timeout, *, watch=None):
        calls.append(tuple(argv))
        return systemd(argv, timeout)

    carry_out(OWN, run, 9, check_mode=True)
    assert [call[1] for call in calls] == ["show"]
    assert not (root / "var").exists()


def test_there_and_back(root: Path) -> None:
    systemd = Systemd()
    there = carry_out(OWN, systemd, 9, check_mode=False)
    assert there["changed"]
    told = {unit["unit"]: unit for unit in there["units"]}
    assert told["own.timer"]["controlled"]
    assert told["own.timer"]["why"] is None
    assert not told["zincati.service"]["exists"]
    assert not carry_out(OWN, systemd, 9, check_mode=False)["changed"]
    back = carry_out(Wanted("released"), systemd, 9, check_mode=False)
    assert [command[1] for command in back["commands"]] == ["unmask", "start"]
    assert (systemd.masked, systemd.active) == (False, True)
    assert not carry_out(Wanted("released"), systemd, 9, check_mode=False)["changed"]


def test_it_is_remembered_before_anything_is_changed(root: Path) -> None:
    systemd = Systemd(refuses="stop")
    with pytest.raises(BootcError) as failed:
        carry_out(OWN, systemd, 9, check_mode=False)
    assert failed.value.detail == "Access denied"
    assert state_file.read()["own.timer"].active
    assert not systemd.masked


def test_a_timer_that_comes_back_at_once_is_an_error(root: Path) -> None:
    with pytest.raises(BootcError, match=r"not as it should be: own\.timer"):
        carry_out(OWN, Systemd(stubborn=True), 9, check_mode=False)


def test_units_to_leave_are_not_even_asked_for() -> None:
    wanted = Wanted("controlled", ("own.timer",), ("uupd.timer", "own.timer"))
    assert "uupd.service" in wanted.units
    assert {"uupd.timer", "own.timer"} & set(wanted.units) == set()


@pytest.mark.parametrize(
    ("raised", "kind"),
    [(CommandMissing("systemctl is not there"), "unexpected"), (CommandTimeout(["x"], 9), "timeout")],
)
def test_a_device_without_a_systemd_that_answers_is_an_error(raised: Exception, kind: str) -> None:
    def run(argv, timeout, *, watch=None):
        raise raised

    with pytest.raises(BootcError) as failed:
        read_units(run, ["a.timer"], 9)
    assert failed.value.kind == kind
