# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the answers of device modules become what the rollout goes by."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from ansible_collections.skorionos.bootc.plugins.plugin_utils import _device_port
from ansible_collections.skorionos.bootc.plugins.plugin_utils._device_port import ModulePort, observation
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.errors import RolloutError
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.port import (
    DeviceError,
    Inhibited,
    Reboot,
    Unreachable,
)

from tests.fleet_model import OLD, digest, small_spec

NEW = digest("a")


def status(**changes: Any) -> dict[str, Any]:
    return {"is_bootc": True, "booted": {"digest": OLD, "version": "1"}, "next_boot": "booted", **changes}


class Answers:
    """Gives each call the next answer; None stands for a device out of reach."""

    said = "no route to it"
    refusal: str | None = None

    def __init__(self, *answers: dict[str, Any] | None) -> None:
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self._answers = list(answers)

    def execute(self, name: str, arguments: Mapping[str, Any]) -> dict[str, Any] | None:
        self.asked.append((name, dict(arguments)))
        return self._answers.pop(0)

    def probe(self, name: str, arguments: Mapping[str, Any]) -> dict[str, Any] | None:
        return self.execute(name, arguments)

    def ask(self, command: str) -> str | None:
        return ""

    def look(self, command: str) -> str | None:
        return ""


def port(*answers: dict[str, Any] | None, **spec: Any) -> tuple[ModulePort, Answers]:
    calls = Answers(*answers)
    return ModulePort(calls, small_spec(**spec)), calls


def test_an_observation_takes_from_the_status_what_it_needs() -> None:
    seen = observation(
        {
            "boot_id": "b",
            "bootc": status(
                staged={"digest": NEW}, rollback={"digest": digest("c")}, next_boot="staged", download_only=True
            ),
        }
    )
    assert (seen.boot_id, seen.is_bootc, seen.booted, seen.booted_version) == ("b", True, OLD, "1")
    assert (seen.staged, seen.rollback, seen.next_boot) == (NEW, digest("c"), "staged")
    assert seen.obstacle is None


@pytest.mark.parametrize("result", [{}, {"bootc": None}, {"bootc": {}}, {"bootc": {"booted": None, "is_bootc": False}}])
def test_a_host_without_bootc_is_no_bootc_host(result: dict[str, Any]) -> None:
    seen = observation(result)
    assert (seen.is_bootc, seen.booted, seen.staged, seen.next_boot) == (False, None, None, None)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"read_only": True}, "read_only"),
        ({"booted": {"digest": OLD, "incompatible": True}}, "incompatible"),
    ],
)
def test_what_keeps_a_device_from_being_updated(changes: dict[str, Any], reason: str) -> None:
    obstacle = observation({"bootc": status(**changes)}).obstacle
    assert obstacle is not None
    assert obstacle[0] == reason


CALLS = [
    ("observe", lambda device: device.observe()),
    ("stage", lambda device: device.stage("r/i@" + NEW, [NEW])),
    ("queue_rollback", lambda device: device.queue_rollback()),
    ("reboot", lambda device: device.reboot([NEW])),
    ("health", lambda device: device.health([])),
]


@pytest.mark.parametrize("call", [call for _unused, call in CALLS], ids=[name for name, _unused in CALLS])
def test_a_device_out_of_reach(call: Any) -> None:
    with pytest.raises(Unreachable, match="no route to it"):
        call(port(None)[0])


@pytest.mark.parametrize("call", [call for _unused, call in CALLS], ids=[name for name, _unused in CALLS])
@pytest.mark.parametrize(
    ("answer", "reason", "message"),
    [
        ({"reason": "busy", "msg": "locked"}, "busy", "locked"),
        ({"msg": "odd"}, "unexpected", "odd"),
        ({"module_stderr": "no python\n"}, "unexpected", "no python"),
        ({"reason": "network", "msg": "x" * 2000}, "network", "x" * 800),
        ({}, "unexpected", "the module failed"),
    ],
    ids=["reason", "no reason", "no module", "long", "nothing"],
)
def test_a_device_that_cannot(call: Any, answer: dict[str, Any], reason: str, message: str) -> None:
    with pytest.raises(DeviceError) as caught:
        call(port({"failed": True, **answer})[0])
    assert (caught.value.reason, caught.value.message) == (reason, message)


def test_staging_asks_for_the_digest_and_says_what_counts_as_it() -> None:
    device, calls = port({"bootc": status(staged={"digest": NEW}, next_boot="staged")}, stage={"timeout": "5m"})
    assert device.stage("r/i@" + NEW, (NEW, digest("b"))).next_boot == "staged"
    asked = {"image": "r/i@" + NEW, "accept_digests": [NEW, digest("b")], "timeout": 300}
    assert calls.asked == [("skorionos.bootc.bootc_switch", asked)]


def test_parking_is_staging_that_no_reboot_applies() -> None:
    device, calls = port({"bootc": status(backend="ostree", bootc_version="1.16.9", staged={"digest": NEW})})
    assert device.park(f"registry.example/os@{NEW}", [NEW]).parks
    ((module, options),) = calls.asked
    assert (module, options["parked"], options["accept_digests"]) == ("skorionos.bootc.bootc_switch", True, [NEW])


@pytest.mark.parametrize(
    ("told", "parks"),
    [
        ({"backend": "ostree", "bootc_version": "1.12.0"}, True),
        ({"backend": "ostree", "bootc_version": "1.11.9"}, False),
        ({"backend": "composefs", "bootc_version": "1.16.9"}, False),
        ({"backend": "ostree", "bootc_version": ["1.16"]}, False),
        ({"backend": "ostree"}, False),
    ],
)
def test_who_can_park(told: dict[str, Any], parks: bool) -> None:
    assert observation({"bootc": status(**told)}).parks is parks


def test_going_back_overrides_the_memory_of_the_device() -> None:
    device, calls = port({"bootc": status(next_boot="rollback")})
    assert device.queue_rollback().next_boot == "rollback"
    assert calls.asked == [
        ("skorionos.bootc.bootc_rollback", {"discard_staged": True, "repeat": True, "forward": False})
    ]


def test_a_reboot_returns_what_was_true_before() -> None:
    device, calls = port({"verdict": None, "boot_id": "b", "failed_units": ["a.service"]})
    assert device.reboot([NEW]) == Reboot("b", ("a.service",))
    assert calls.asked == [("skorionos.bootc.bootc_apply", {"expect_digests": [NEW]})]


@pytest.mark.parametrize("verdict", ["nothing_to_apply", "unexpected_digest"])
def test_a_device_that_would_boot_something_else_was_not_rebooted(verdict: str) -> None:
    with pytest.raises(DeviceError, match="It was not rebooted: c boots next"):
        port({"verdict": verdict, "detail": "c boots next"})[0].reboot([NEW])


@pytest.mark.parametrize(
    ("answers", "boot_id"),
    [
        ([{"boot_id": "old", "bootc": status()}, None, {"boot_id": "new", "bootc": status()}], "new"),
        ([None, {"failed": True, "msg": "booting"}, {"boot_id": "new", "bootc": status()}], "new"),
    ],
)
def test_only_another_boot_ends_the_wait(
    monkeypatch: pytest.MonkeyPatch, answers: list[dict[str, Any] | None], boot_id: str
) -> None:
    monkeypatch.setattr(_device_port, "_POLL_SECONDS", 0.0)
    device, calls = port(*answers)
    seen = device.await_boot("old", 60.0)
    assert seen is not None
    assert (seen.boot_id, seen.booted) == (boot_id, OLD)
    assert {name for name, _unused in calls.asked} == {"skorionos.bootc.bootc_status"}


BOOT = "1f26568d-fdec-4c18-ac3e-6e0551daabb7"


def printed(boot_id: str = BOOT, version: str = "bootc 1.16.9") -> str:
    document = {"kind": "BootcHost", "status": {"booted": {"image": {"image": {"image": "r/i"}, "imageDigest": NEW}}}}
    return f"{boot_id}\n{version}\n{json.dumps(document)}\n"


class Printing(Answers):
    """Answers plain commands, and only those."""

    def __init__(self, *looks: str | None, modules: Sequence[dict[str, Any] | None] = ()) -> None:
        super().__init__(*modules)
        self._looks = list(looks)

    def ask(self, command: str) -> str | None:
        return self._looks.pop(0)

    def look(self, command: str) -> str | None:
        return self.ask(command)


def test_waiting_for_a_boot_takes_no_module_where_a_plain_command_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_device_port, "_POLL_SECONDS", 0.0)
    calls = Printing(printed(BOOT), None, printed(BOOT.replace("1f", "2f")))
    seen = ModulePort(calls, small_spec()).await_boot(BOOT, 60.0)
    assert seen is not None
    assert (seen.boot_id, seen.booted, seen.is_bootc) == (BOOT.replace("1f", "2f"), NEW, True)
    assert calls.asked == []


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Welcome to your device\n" + printed(),
        printed(boot_id=""),
        printed(boot_id="x" * 36),
        f"{BOOT}\nbootc 1.16.9\n",
        f"{BOOT}\nbootc 1.16.9\n{{}}\n",
        f"{BOOT}\nbootc 1.16.9\n[",
    ],
    ids=["nothing", "a greeting", "no boot", "odd boot", "no status", "another status", "torn"],
)
def test_what_a_plain_command_does_not_tell_is_asked_by_the_module(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr(_device_port, "_POLL_SECONDS", 0.0)
    calls = Printing(text, modules=[{"boot_id": "new", "bootc": status()}])
    seen = ModulePort(calls, small_spec()).await_boot("old", 60.0)
    assert seen is not None
    assert (seen.boot_id, seen.booted) == ("new", OLD)


def surveyed(localtime: str = "/usr/share/zoneinfo/Europe/Berlin", units: str = "") -> str:
    return "\n-- skorionos.bootc --\n".join((printed(), localtime, units))


def test_a_look_takes_no_module_where_a_plain_command_does() -> None:
    units = "\u25cf a.service loaded failed failed A\nb.mount loaded failed failed B\n"
    calls = Printing(surveyed(units=units))
    seen = ModulePort(calls, small_spec()).observe()
    assert (seen.boot_id, seen.booted, seen.is_bootc) == (BOOT, NEW, True)
    assert (seen.timezone, seen.failed_units) == ("Europe/Berlin", ("a.service", "b.mount"))
    assert calls.asked == []


@pytest.mark.parametrize(
    ("localtime", "zone"),
    [("/zoneinfo/UTC", "UTC"), ("", None), ("UTC", None), ("../zoneinfo/Asia/Tokyo", "Asia/Tokyo")],
)
def test_a_look_tells_the_time_zone(localtime: str, zone: str | None) -> None:
    assert ModulePort(Printing(surveyed(localtime)), small_spec()).observe().timezone == zone


@pytest.mark.parametrize(
    "text",
    [
        "",
        printed(),
        "Welcome\n" + surveyed(),
        surveyed().replace(BOOT, "x" * 36),
        surveyed().replace('{"kind"', '[{"kind"'),
    ],
    ids=["nothing", "cut short", "a greeting", "odd boot", "another status"],
)
def test_what_a_plain_look_does_not_tell_is_asked_by_the_module(text: str) -> None:
    calls = Printing(text, modules=[{"boot_id": "b", "bootc": status()}])
    assert ModulePort(calls, small_spec()).observe().booted == OLD
    assert calls.asked == [("skorionos.bootc.bootc_status", {})]


def test_a_device_out_of_reach_of_a_plain_look_is_not_asked_by_the_module() -> None:
    calls = Printing(None)
    with pytest.raises(Unreachable, match="no route to it"):
        ModulePort(calls, small_spec()).observe()
    assert calls.asked == []


def test_what_ansible_could_not_ask_is_not_asked_again_by_the_module() -> None:
    """Such as with a wrong password, which may lock the account when it is tried once more."""
    calls = Printing("")
    calls.refusal = "Incorrect sudo password"
    with pytest.raises(DeviceError, match="Incorrect sudo password") as caught:
        ModulePort(calls, small_spec()).observe()
    assert (caught.value.reason, calls.asked) == ("not_asked", [])


def test_a_look_for_what_a_plain_command_cannot_tell_takes_the_module() -> None:
    calls = Printing(modules=[{"boot_id": "b", "bootc": status()}])
    ModulePort(calls, small_spec()).observe(("game_running", "session_active"))
    assert [name for name, _unused in calls.asked] == ["skorionos.bootc.bootc_status"]


def test_a_device_that_never_reboots_gives_no_answer() -> None:
    assert port(*[{"boot_id": "old", "bootc": status()}] * 9)[0].await_boot("old", 0.01) is None


def test_health_is_asked_for_as_the_spec_says() -> None:
    device, calls = port(
        {"healthy": False, "bootc": status(), "boot_id": "b", "checks": [{"name": "x", "passed": False}]},
        verify={"systemd": False, "commands": [["true"]], "timeout": "1m", "settle": "5s"},
    )
    health = device.health(["a.service"])
    assert (health.healthy, health.after.boot_id, health.checks[0]["name"]) == (False, "b", "x")
    asked = {"systemd": False, "commands": [["true"]], "known_failed_units": ["a.service"], "timeout": 60, "settle": 5}
    assert calls.asked == [("skorionos.bootc.device_health", asked)]


def test_health_without_a_status_proves_nothing() -> None:
    with pytest.raises(DeviceError, match="did not answer"):
        port({"healthy": True, "bootc": None})[0].health([])


def test_a_current_device_is_checked_without_the_time_to_settle() -> None:
    device, calls = port({"healthy": True, "bootc": status(), "checks": []}, verify={"settle": "5s"})
    assert device.health([], settle=False).healthy
    assert calls.asked[0][1]["settle"] == 0


def test_a_device_that_lies_about_types_and_lengths_harms_nobody() -> None:
    lie = {"booted": {"digest": ["x"], "version": {}}, "is_bootc": "yes", "next_boot": 5, "staged": "x"}
    seen = observation({"boot_id": 7, "bootc": lie, "failed_units": [1, "a.service", None]})
    assert (seen.boot_id, seen.booted, seen.booted_version, seen.is_bootc, seen.next_boot) == (
        None,
        None,
        None,
        False,
        None,
    )
    assert seen.failed_units == ("a.service",)
    assert len(str(observation({"bootc": {"booted": {"version": "v" * 200_000}}}).booted_version)) == 300
    checks = ["x", {"name": 5, "passed": 1, "detail": "d" * 9000}]
    health = port({"healthy": 1, "bootc": status(), "checks": checks})[0].health([])
    assert not health.healthy
    assert len(health.complaint) <= 800
    assert port({"verdict": None, "failed_units": 5})[0].reboot([]).failed_units == ()


def test_changes_are_told_by_the_modules_and_not_by_the_story() -> None:
    device, _calls = port({"bootc": status(), "changed": False}, {"bootc": status(), "changed": True})
    device.observe()
    assert device.changed is False
    device.stage("r/i@" + NEW, (NEW,))
    assert device.changed is True


def test_the_same_content_under_another_digest_is_told() -> None:
    with pytest.raises(DeviceError) as caught:
        port({"bootc": status(), "same_content": "booted"})[0].stage("r/i@" + NEW, (NEW,))
    assert caught.value.reason == "same_content"


def test_staying_names_what_it_runs_and_what_it_came_back_from() -> None:
    device, calls = port({"bootc": status()}, {"bootc": status()}, stage={"timeout": "5m"})
    device.stay("r/i@" + OLD, OLD, NEW)
    device.stay("r/i@" + OLD, OLD, None)
    asked = {"image": "r/i@" + OLD, "accept_digests": [OLD], "timeout": 300}
    assert [arguments for _unused, arguments in calls.asked] == [{**asked, "came_back_from": NEW}, asked]


STEAM = {"kind": "game", "why": "", "detail": "steam 620 running", "unknown": False}


def test_the_first_question_asks_for_whom_it_is_spared_as_well() -> None:
    device, calls = port(
        {"bootc": status(), "timezone": "Asia/Kathmandu", "inhibited_by": [STEAM]},
        inhibit={"hard": ["battery_low", "disk_low"], "battery_min": 30, "disk_min": 7},
    )
    seen = device.observe(["game_running", "battery_low", "disk_low"])
    assert (seen.timezone, seen.inhibited_by) == ("Asia/Kathmandu", (("game_running", "steam 620 running"),))
    asked = [
        {"kind": "game", "unknown": "inhibit"},
        {"kind": "battery", "unknown": "inhibit", "percent": 30},
        {"kind": "disk", "unknown": "inhibit", "path": "/sysroot", "free_bytes": 7},
    ]
    assert calls.asked == [("skorionos.bootc.bootc_status", {"inhibitors": asked})]


def test_what_cannot_be_found_out_may_be_ignored_of_soft_ones_only() -> None:
    device, calls = port(
        {"verdict": None}, inhibit={"soft": ["game_running"], "hard": ["metered"], "probe_error": "ignore"}
    )
    device.reboot([NEW], ["game_running", "metered"])
    asked = [{"kind": "game", "unknown": "allow"}, {"kind": "metered", "unknown": "inhibit"}]
    assert calls.asked[0][1]["inhibitors"] == asked


def test_a_device_that_is_spared_says_for_what() -> None:
    with pytest.raises(Inhibited, match="game_running: steam 620 running") as caught:
        port({"verdict": "inhibited", "inhibited_by": [STEAM], "detail": "x"})[0].reboot([NEW], ["game_running"])
    assert caught.value.found == (("game_running", "steam 620 running"),)


@pytest.mark.parametrize("lie", [None, 5, ["x"], []])
def test_a_device_that_is_spared_and_does_not_say_for_what_is_spared_all_the_same(lie: Any) -> None:
    with pytest.raises(Inhibited, match="unknown: not now"):
        port({"verdict": "inhibited", "inhibited_by": lie, "detail": "not now"})[0].reboot([NEW], ["game_running"])


def test_people_are_told_and_get_their_time() -> None:
    device, calls = port({"verdict": None, "boot_id": "b", "grace_seconds": 600})
    assert device.reboot([NEW], (), 600) == Reboot("b", (), 600)
    text = "This device restarts in 10 minutes to install an update. Please save your work."
    assert calls.asked[0][1] == {"expect_digests": [NEW], "notify": {"text": text, "grace_seconds": 600}}


@pytest.mark.parametrize("lie", [None, "soon", -5, 10**9, 1.5])
def test_a_device_does_not_say_how_long_people_get(lie: Any) -> None:
    grace = port({"verdict": None, "grace_seconds": lie})[0].reboot([NEW], (), 60).grace
    assert grace == (60 if lie == 10**9 else 0)


def test_its_zone_and_inhibitors_may_be_anything() -> None:
    seen = observation({"bootc": status(), "timezone": 5, "inhibited_by": [{"kind": ["x"], "detail": 7}, "x"]})
    assert (seen.timezone, seen.inhibited_by) == (None, (("unknown", "no detail"),))


FENCE: dict[str, Any] = {"rollout": "r1", "epoch": 2, "turn": "t2", "turns": ["t1"]}
WELL = {"bootc": status(), "healthy": True}


@pytest.mark.parametrize(
    ("call", "module", "ends"),
    [
        (lambda device: device.observe(), "bootc_status", None),
        (lambda device: device.stage("r/i@" + NEW, [NEW]), "bootc_switch", False),
        (lambda device: device.stay("r/i@" + NEW, NEW, None), "bootc_switch", True),
        (lambda device: device.park("r/i@" + NEW, [NEW]), "bootc_switch", False),
        (lambda device: device.drop(), "bootc_update", True),
        (lambda device: device.queue_rollback(), "bootc_rollback", False),
        (lambda device: device.reboot([NEW]), "bootc_apply", False),
        (lambda device: device.health([]), "device_health", True),
    ],
)
def test_whoever_changes_the_device_shows_its_fence(call: Any, module: str, ends: bool | None) -> None:
    calls = Answers(WELL)
    call(ModulePort(calls, small_spec(), FENCE))
    ((name, options),) = calls.asked
    assert name == f"skorionos.bootc.{module}"
    assert options.get("fence") == (None if ends is None else {**FENCE, "ends": True} if ends else FENCE)


def test_a_device_that_another_rollout_holds_is_put_off() -> None:
    calls = Answers({"failed": True, "reason": "fenced", "msg": "held", "claim": {"rollout": "r2"}})
    with pytest.raises(DeviceError) as caught:
        ModulePort(calls, small_spec(), FENCE).stage("r/i@" + NEW, [NEW])
    assert (caught.value.reason, caught.value.message) == ("fenced", "held")


def test_a_device_that_this_rollout_holds_by_another_controller_ends_the_run() -> None:
    calls = Answers({"failed": True, "reason": "fenced", "msg": "taken over", "claim": {"rollout": "r1"}})
    with pytest.raises(RolloutError, match="taken over This run stops here") as caught:
        ModulePort(calls, small_spec(), FENCE).reboot([NEW])
    assert caught.value.reason == "fenced"


def test_a_device_that_was_claimed_long_ago_is_asked_again_with_the_turn_it_names() -> None:
    old = {"failed": True, "reason": "fenced", "msg": "unknown", "claim": {"rollout": "r1", "turn": "long-ago"}}
    calls = Answers(old, {**WELL, "healthy": True}, WELL)
    device = ModulePort(calls, small_spec(), FENCE, lambda turn: turn == "long-ago")
    device.health([])
    device.reboot([NEW])
    shown = [options["fence"] for _unused, options in calls.asked]
    knowing = {**FENCE, "turns": [*FENCE["turns"], "long-ago"]}
    assert shown == [{**FENCE, "ends": True}, {**knowing, "ends": True}, knowing]


@pytest.mark.parametrize("claim", [{"turn": "theirs"}, {"turn": ["long-ago"]}, {}])
def test_a_turn_that_the_ledger_does_not_have_ends_the_run(claim: Any) -> None:
    calls = Answers({"failed": True, "reason": "fenced", "msg": "taken over", "claim": {"rollout": "r1", **claim}})
    with pytest.raises(RolloutError):
        ModulePort(calls, small_spec(), FENCE, lambda turn: turn == "long-ago").reboot([NEW])


def test_a_device_that_refuses_a_turn_it_was_shown_ends_the_run() -> None:
    old = {"failed": True, "reason": "fenced", "msg": "unknown", "claim": {"rollout": "r1", "turn": "long-ago"}}
    with pytest.raises(RolloutError):
        ModulePort(Answers(old, old), small_spec(), FENCE, lambda _turn: True).reboot([NEW])


@pytest.mark.parametrize("claim", [None, [], "r1", {}, {"rollout": ["r1"]}])
def test_a_device_that_says_nonsense_of_its_claim_is_only_put_off(claim: Any) -> None:
    calls = Answers({"failed": True, "reason": "fenced", "msg": "held", "claim": claim})
    with pytest.raises(DeviceError):
        ModulePort(calls, small_spec(), FENCE).reboot([NEW])
