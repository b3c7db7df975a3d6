# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Waiting for a device to come back, and what is made of what it says then."""

from __future__ import annotations

import pytest
from ansible_collections.skorionos.bootc.plugins.plugin_utils._apply import (
    APPLIED,
    CAME_BACK_ON_PREVIOUS,
    INHIBITED,
    NOT_REBOOTED,
    NOTHING_TO_APPLY,
    SILENT,
    UNEXPECTED_DIGEST,
    UNVERIFIED,
    Observation,
    run_apply,
    some_jitter,
    wait_for_boot,
)

OLD, NEW, OTHER = "sha256:old", "sha256:new", "sha256:other"


def status(digest, deployment=None, rollback=None):
    behind = {"rollback": {"digest": rollback, "deployment": None}} if rollback else {}
    return {"booted": {"digest": digest, "deployment": deployment}, **behind}


def seen(boot, digest=None, soft=None, **more):
    return Observation(boot, soft, status(digest, **more) if digest else None)


class Time:
    def __init__(self):
        self.seconds = 0.0
        self.sleeps = []

    def sleep(self, seconds):
        self.sleeps.append(seconds)
        self.seconds += seconds

    def now(self):
        return self.seconds


def wait(answers, expect=(NEW,), timeout=100.0, **more):
    """Answers come one after the other; the last one for ever."""
    time = Time()
    queue = list(answers)
    verdict = wait_for_boot(
        lambda: queue.pop(0) if len(queue) > 1 else queue[0],
        "boot-1",
        expect,
        OLD,
        timeout,
        sleep=time.sleep,
        now=time.now,
        **{"jitter": lambda: 1.0, **more},
    )
    return verdict, time


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        ([None, None, seen("boot-2", NEW)], APPLIED),
        ([seen("boot-1", OLD), None, seen("boot-2", NEW)], APPLIED),
        ([None, seen("boot-2", OLD)], CAME_BACK_ON_PREVIOUS),
        ([None, seen("boot-2", OTHER)], UNEXPECTED_DIGEST),
        ([None], SILENT),
        ([seen("boot-1", OLD)], NOT_REBOOTED),
        ([seen("boot-1", NEW)], NOT_REBOOTED),
        ([seen("boot-1", OLD), None], SILENT),
        ([None, seen("boot-2"), seen("boot-2"), seen("boot-2", NEW)], APPLIED),
        ([None, seen("boot-2"), None, seen("boot-2", NEW)], APPLIED),
        ([None, seen("boot-2")], UNVERIFIED),
        ([None, seen("boot-2"), None], UNVERIFIED),
        ([seen(None)], SILENT),
        ([seen(None, OLD), None, seen("boot-2", NEW)], APPLIED),
    ],
)
def test_verdicts(answers, expected):
    assert wait(answers)[0].verdict == expected


def test_a_device_that_never_went_down_is_told_apart():
    assert "Has not rebooted" in wait([seen("boot-1", OLD)])[0].detail
    assert "Rebooted, but runs" in wait([seen("boot-2", OLD)])[0].detail


@pytest.mark.parametrize(("digest", "expected"), [(NEW, APPLIED), (OLD, CAME_BACK_ON_PREVIOUS)])
def test_without_expectation_any_other_content_will_do(digest, expected):
    assert wait([seen("boot-2", digest)], expect=())[0].verdict == expected


def test_the_same_content_staged_again_is_applied():
    assert wait([seen("boot-2", OLD)], expect=(OLD,))[0].verdict == APPLIED


def test_soft_reboots_keep_the_boot_id():
    assert wait([seen("boot-1", NEW, soft=0), seen("boot-1", NEW, soft=1)], soft_reboots_before=0)[0].verdict == APPLIED


def test_a_reset_count_is_no_soft_reboot():
    assert wait([seen("boot-1", OLD, soft=0)], soft_reboots_before=2)[0].verdict == NOT_REBOOTED


@pytest.mark.parametrize(
    ("digest", "deployment", "expect", "expected"),
    [
        (NEW, "old.0", NEW, CAME_BACK_ON_PREVIOUS),
        (OLD, "old.0", OLD, CAME_BACK_ON_PREVIOUS),
        (OLD, "new.0", OLD, APPLIED),
        (OTHER, "new.0", NEW, APPLIED),
        (NEW, "other.0", NEW, APPLIED),
        (OTHER, "other.0", NEW, UNEXPECTED_DIGEST),
        (OLD, "other.0", NEW, CAME_BACK_ON_PREVIOUS),
        (NEW, None, NEW, APPLIED),
        (OLD, None, NEW, CAME_BACK_ON_PREVIOUS),
    ],
)
def test_the_deployment_is_surer_than_the_digest(digest, deployment, expect, expected):
    identities = {"expected_deployment": "new.0", "previous_deployment": "old.0"}
    assert wait([seen("boot-2", digest, deployment=deployment)], expect=(expect,), **identities)[0].verdict == expected


def test_a_deployment_that_is_not_known_is_no_proof():
    assert wait([seen("boot-2", OTHER)], expect=(NEW,))[0].verdict == UNEXPECTED_DIGEST


def test_the_interval_grows_to_its_limit():
    _verdict, time = wait([None], timeout=120)
    assert time.sleeps[:3] == [2.0, 3.0, 4.5]
    assert max(time.sleeps) == time.sleeps[-1] == 10.0


def test_a_fleet_that_went_down_at_once_is_not_asked_at_once():
    factors = iter([0.8, 1.2, 1.0])
    _verdict, time = wait([None], timeout=5, jitter=lambda: next(factors))
    assert time.sleeps == pytest.approx([1.6, 3.6])
    drawn = {some_jitter() for _unused in range(200)}
    assert 0.8 <= min(drawn) < 1 < max(drawn) <= 1.2


def test_silence_ends_at_the_timeout():
    verdict, time = wait([None], timeout=60)
    assert 60 <= time.seconds <= 70
    assert verdict.observation is None


def test_a_state_that_cannot_be_read_yet_gets_its_grace_beyond_the_timeout():
    verdict, time = wait([None] * 4 + [seen("boot-2")] * 5 + [seen("boot-2", NEW)], timeout=20, grace=60)
    assert verdict.verdict == APPLIED
    assert time.seconds > 20


def test_a_state_that_cannot_be_read_is_waited_for_until_the_timeout():
    verdict, time = wait([seen("boot-2")] * 15 + [seen("boot-2", NEW)], timeout=200, grace=10)
    assert verdict.verdict == APPLIED
    assert time.seconds > 100


def test_the_grace_counts_from_the_first_contact_and_ends():
    verdict, time = wait([None] * 4 + [seen("boot-2")], timeout=20, grace=12)
    assert (verdict.verdict, verdict.boot_id) == (UNVERIFIED, "boot-2")
    first_contact = sum(time.sleeps[:5])
    assert first_contact + 12 <= time.seconds < first_contact + 12 + 10


OPTIONS = {
    "expect_digests": [],
    "soft_reboot": "never",
    "notify": None,
    "inhibitors": [],
    "look_back": None,
    "timeout": 120,
    "reboot_timeout": 60,
    "connect_timeout": 5,
    "poll_interval": 2.0,
    "came_back_grace": 10,
    "fail_on": True,
}


def asked(**changes):
    return {
        "changed": True,
        "verdict": None,
        "detail": "Reboots",
        "bootc": status(OLD),
        "predicted": status(NEW),
        "expect_digests": [NEW],
        "boot_id": "boot-1",
        "soft_reboots": None,
        "failed_units": ["a.service"],
        "why": None,
        "reboot_kind": "reboot",
        "inhibited_by": [],
        "notified": [],
        "grace_seconds": 0,
        "notes": [],
        **changes,
    }


def answer(boot, digest):
    return {"boot_id": boot, "soft_reboots": None, "bootc": status(digest), "changed": False}


class Calls:
    """``first`` is what the device answers when asked to reboot, ``again`` after a notice, ``back`` on looking back."""

    def __init__(self, first, *probes, back=None, again=None):
        self.first, self.probes, self.probed = first, list(probes), 0
        self.back, self.again = back, again
        self.asked = []

    def execute(self, name, arguments):
        assert name == "skorionos.bootc.bootc_apply"
        assert self.first is not AssertionError, "asked"
        self.asked.append(arguments)
        if arguments["look_back"] is not None:
            return self.back
        return self.first if len(self.asked) == 1 else self.again

    def probe(self, name, arguments):
        assert name == "skorionos.bootc.bootc_status"
        self.probed += 1
        return self.probes.pop(0) if len(self.probes) > 1 else self.probes[0]


def apply(calls, check_mode=False, on_controller=False, **options):
    time = Time()
    given = {**OPTIONS, **options}
    return run_apply(
        calls,
        given,
        check_mode=check_mode,
        on_controller=on_controller,
        sleep=time.sleep,
        now=time.now,
        jitter=lambda: 1.0,
    )


def test_applied():
    result = apply(Calls(asked(), None, answer("boot-2", NEW)))
    assert result == {
        "changed": True,
        "verdict": "applied",
        "detail": f"Booted {NEW}",
        "before": status(OLD),
        "after": status(NEW),
        "bootc": status(NEW),
        "boot_id_before": "boot-1",
        "boot_id_after": "boot-2",
        "boot_id": "boot-2",
        "boot_seconds": 5.0,
        "booted_digest": NEW,
        "failed_units": ["a.service"],
        "why": None,
        "evidence": [],
        "reboot_kind": "reboot",
        "inhibited_by": [],
        "notified": [],
        "notes": [],
    }


@pytest.mark.parametrize(
    ("probe", "verdict", "reason"),
    [
        (answer("boot-2", OLD), CAME_BACK_ON_PREVIOUS, "unexpected"),
        (answer("boot-2", OTHER), UNEXPECTED_DIGEST, "unexpected"),
        (None, SILENT, "timeout"),
        (answer("boot-1", OLD), NOT_REBOOTED, "timeout"),
        ({"failed": True, "boot_id": "boot-2", "msg": "no"}, UNVERIFIED, "timeout"),
    ],
)
def test_bad_verdicts_are_failures_or_data(probe, verdict, reason):
    failed = apply(Calls(asked(), probe))
    assert (failed["verdict"], failed["failed"], failed["reason"]) == (verdict, True, reason)
    assert failed["msg"].startswith(f"{failed['detail']}. ")
    assert "bootc_rollback" not in failed["msg"]
    data = apply(Calls(asked(), probe), fail_on=False)
    assert (data["verdict"], "failed" in data) == (verdict, False)


@pytest.mark.parametrize(
    ("why", "advice"),
    [
        ("fell_back", f"bootc_switch make {OLD} boot next"),
        ("finalize_failed", "stage it again"),
        ("power_lost", "power is cut"),
        ("etc_conflict", "Resolve the entries"),
        ("locked", "what else updates this device"),
        ("not_finalized", "did not write what was staged"),
        ("unknown", "make /var/log/journal"),
        (None, "make /var/log/journal"),
    ],
)
def test_a_device_that_came_back_is_asked_why_and_the_advice_is_by_the_reason(why, advice):
    back = {"changed": False, "why": why, "evidence": ["line {{ 1 }}"], "notes": ["remembered"]}
    calls = Calls(asked(predicted=status(NEW, "new.0")), answer("boot-2", OLD), back=back)
    failed = apply(calls)
    assert advice in failed["msg"]
    assert calls.asked[-1]["look_back"] == {"boot_id": "boot-1", "deployment": "new.0", "digest": NEW}
    assert (failed["why"], failed["evidence"], failed["notes"]) == (why or "unknown", ["line {{ 1 }}"], ["remembered"])


def test_a_device_that_does_not_say_why_has_no_reason():
    failed = apply(Calls(asked(), answer("boot-2", OLD), back=None))
    assert (failed["verdict"], failed["why"], failed["evidence"]) == (CAME_BACK_ON_PREVIOUS, "unknown", [])


def test_users_get_their_time_between_two_tasks():
    calls = Calls(
        asked(grace_seconds=300, notified=["ann"], notes=["wall is not there"]),
        answer("boot-2", NEW),
        again=asked(notes=["second"]),
    )
    result = apply(calls, notify={"text": "Update at once", "grace_seconds": 300, "command": []})
    assert [call["notify"] is None for call in calls.asked] == [False, True]
    assert (result["verdict"], result["notified"], result["notes"]) == (
        APPLIED,
        ["ann"],
        ["wall is not there", "second"],
    )


def test_what_changed_while_users_had_their_time_counts():
    obstacle = {"kind": "game", "why": "", "detail": "steam 730 running", "unknown": False}
    later = asked(verdict=INHIBITED, changed=False, detail="Not rebooted now: game", inhibited_by=[obstacle])
    calls = Calls(asked(grace_seconds=60), again=later)
    result = apply(calls, notify={"text": "soon", "grace_seconds": 60, "command": []})
    assert (result["verdict"], result["reason"], result["changed"]) == (INHIBITED, "busy", False)
    assert result["inhibited_by"] == [obstacle]


def test_a_device_lost_after_its_users_were_told_was_not_rebooted():
    result = apply(Calls(asked(grace_seconds=60)), notify={"text": "soon", "grace_seconds": 60, "command": []})
    assert (result["unreachable"], result["changed"]) == (True, False)


def test_to_look_back_is_no_reboot_and_waits_for_nothing():
    back = {"changed": False, "why": "power_lost", "evidence": [], "notes": []}
    calls = Calls(None, back=back)
    assert apply(calls, on_controller=True, look_back={"boot_id": "boot-1", "deployment": None, "digest": NEW}) == back
    assert calls.probed == 0


@pytest.mark.parametrize(
    ("probe", "kind", "words"),
    [
        ({**answer("boot-1", NEW), "soft_reboots": 1}, "soft_reboot", f"Booted {NEW}"),
        (answer("boot-2", NEW), "reboot", "by a reboot of the kernel where a soft reboot was asked for"),
    ],
)
def test_the_kind_of_the_reboot_is_what_happened(probe, kind, words):
    result = apply(Calls(asked(reboot_kind="soft_reboot", soft_reboots=0), probe), soft_reboot="allowed")
    assert (result["verdict"], result["reboot_kind"]) == (APPLIED, kind)
    assert words in result["detail"]


def test_content_that_would_not_boot_next_is_to_be_staged_first():
    failed = apply(Calls(asked(verdict=UNEXPECTED_DIGEST, changed=False)))
    assert (failed["reason"], failed["boot_seconds"]) == ("unexpected", None)
    assert "first, with skorionos.bootc.bootc_switch" in failed["msg"]


def test_what_the_device_said_before_identifies_the_deployments():
    before = {"bootc": status(OLD, "old.0"), "predicted": status(NEW, "new.0")}
    back = {**answer("boot-2", OTHER), "bootc": status(OTHER, "new.0")}
    assert apply(Calls(asked(**before), back))["verdict"] == APPLIED
    same = {**answer("boot-2", NEW), "bootc": status(NEW, "old.0")}
    assert apply(Calls(asked(**before), same))["verdict"] == CAME_BACK_ON_PREVIOUS


@pytest.mark.parametrize(
    "option",
    [
        {"poll_interval": 0.0},
        {"poll_interval": float("nan")},
        {"poll_interval": float("inf")},
        {"reboot_timeout": 0},
        {"connect_timeout": -1},
        {"timeout": 0},
        {"came_back_grace": -1},
        {"notify": {"text": " ", "grace_seconds": 0, "command": []}},
        {"notify": {"text": "x" * 2001, "grace_seconds": 0, "command": []}},
        {"notify": {"text": "x", "grace_seconds": -1, "command": []}},
        {"notify": {"text": "x", "grace_seconds": 90000, "command": []}},
        {"notify": {"text": "x", "grace_seconds": 0, "command": [""]}},
    ],
)
def test_an_option_that_cannot_be_meant_is_found_before_the_reboot(option):
    result = apply(Calls(AssertionError), **option)
    assert (result["failed"], result["changed"], result["reason"]) == (True, False, "invalid")
    assert next(iter(option)) in result["msg"]


def test_the_controller_is_never_rebooted_but_may_predict():
    result = apply(Calls(AssertionError), on_controller=True)
    assert (result["failed"], result["reason"]) == (True, "invalid")
    assert "reboot the controller" in result["msg"]
    assert apply(Calls(asked()), check_mode=True, on_controller=True)["verdict"] == APPLIED


def test_a_soft_reboot_that_did_not_happen_is_none():
    still = {**answer("boot-1", OLD), "soft_reboots": 0}
    result = apply(Calls(asked(reboot_kind="soft_reboot", soft_reboots=0), still), fail_on=False)
    assert (result["verdict"], result["reboot_kind"]) == (NOT_REBOOTED, "none")


def test_a_module_that_crashed_has_a_reason():
    assert apply(Calls({"failed": True, "msg": "MODULE FAILURE"}))["reason"] == "unexpected"


def test_nothing_to_apply_waits_for_nothing():
    calls = Calls(asked(verdict=NOTHING_TO_APPLY, changed=False))
    result = apply(calls)
    assert (result["changed"], result["verdict"], result["boot_seconds"], calls.probed) == (
        False,
        NOTHING_TO_APPLY,
        None,
        0,
    )
    assert result["boot_id_before"] == result["boot_id_after"] == "boot-1"


def test_check_mode_predicts():
    calls = Calls(asked())
    result = apply(calls, check_mode=True)
    assert (result["changed"], result["verdict"], result["after"], calls.probed) == (True, APPLIED, status(NEW), 0)


def test_a_device_that_cannot_be_asked():
    assert apply(Calls(None))["unreachable"] is True
    failure = {"failed": True, "msg": "no", "reason": "busy"}
    assert apply(Calls(failure)) == failure
