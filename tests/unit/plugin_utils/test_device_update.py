# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the role device_update decides, phase by phase."""

from __future__ import annotations

from typing import Any

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.skorionos.bootc.plugins.filter.device_update import filter_device_update
from ansible_collections.skorionos.bootc.plugins.plugin_utils._device_update import BAD, PHASES
from hypothesis import given, settings
from hypothesis import strategies as st

OLD, NEW, OTHER = ("sha256:" + letter * 64 for letter in "abc")
IMAGE = "registry.example.com/os"
LOST = {"unreachable": True, "msg": "no route to host"}


def slot(digest: str, **changes: Any) -> dict[str, Any]:
    return {"digest": digest, "deployment": f"{digest[7:12]}.0", "image": f"{IMAGE}:stable", "transport": "registry",
            "version": None, **changes}  # fmt: skip


def status(booted: str = OLD, next_boot: str = "booted", backend: str = "ostree", **slots: Any) -> dict[str, Any]:
    state = {"is_bootc": True, "backend": backend, "next_boot": next_boot, "booted": slot(booted), "staged": None,
             "rollback": None, "spec_image": {"image": f"{IMAGE}:stable"}, "read_only": False}  # fmt: skip
    return {**state, **slots}


def told(bootc: dict[str, Any], boot_id: str = "b1", **more: Any) -> dict[str, Any]:
    return {"bootc": bootc, "boot_id": boot_id, "failed_units": [], "changed": False, **more}


LOOKED = told(status(), failed_units=["known.service"])
STAGED = told(status(next_boot="staged", staged=slot(NEW)), changed=True, commands=[["bootc", "upgrade"]], notes=["n"])
BOOTED = status(NEW, rollback=slot(OLD))
APPLIED = told(BOOTED, "b2", verdict="applied", detail="Booted", boot_seconds=41.5, booted_digest=NEW,
               before=STAGED["bootc"], changed=True)  # fmt: skip
WELL = told(BOOTED, "b2", healthy=True, checks=[{"name": "systemd", "passed": True, "detail": "running"}])
UNWELL = told(BOOTED, "b2", healthy=False, checks=[{"name": "session", "passed": False, "detail": "no session"},
                                                   {"name": "advice", "passed": False, "required": False}])  # fmt: skip
QUEUED = told(status(NEW, "rollback", rollback=slot(OLD)), "b2")
BACK = told(status(OLD, rollback=slot(NEW)), "b3", verdict="applied", detail="Booted")
STAY = told(status(OLD, rollback=slot(NEW)), "b3")


def failure(reason: str = "network", bootc: dict[str, Any] | None = None) -> dict[str, Any]:
    return {"failed": False, "reason": reason, "msg": "It did not work.", **({} if bootc is None else {"bootc": bootc})}


def decide(*answers: Any, **policy: Any) -> dict[str, Any]:
    """Decide after these answers, in the order of phases; a pair names its phase."""
    names = iter(PHASES)
    evidence: dict[str, Any] = {"begun": 100.0}
    for number, answer in enumerate(answers, start=1):
        name, result = answer if isinstance(answer, tuple) else (next(names), answer)
        evidence[name] = {"result": result, "ended": 100.0 + number}
    return filter_device_update(evidence, **{"reboot_ok": True, **policy})


def verdict(*answers: Any, **policy: Any) -> tuple[str | None, str, str | None]:
    made = decide(*answers, **policy)
    return made["next"], made["result"]["verdict"], made["result"]["reason"]


# -- the way forward ---------------------------------------------------------------------------------------------------


def test_the_normal_way_takes_five_steps() -> None:
    steps = [LOOKED, STAGED, APPLIED, WELL, WELL]
    asked = [decide(*steps[:number], settle_seconds=9)["next"] for number in range(6)]
    assert asked == ["preflight", "stage", "apply", "verify", "settle", None]
    result = decide(*steps, settle_seconds=9)["result"]
    assert (result["verdict"], result["before"]["digest"], result["after"]["digest"]) == ("updated", OLD, NEW)
    assert [(phase["phase"], phase["seconds"]) for phase in result["phases"]] == [
        ("preflight", 1.0), ("stage", 1.0), ("apply", 41.5), ("verify", 1.0), ("settle", 1.0)
    ]  # fmt: skip
    assert result["evidence"]["commands"] == [["bootc", "upgrade"]]
    assert result["next_boot"] == "booted"
    assert verdict(*steps[:4]) == (None, "updated", None), "without a settle time there is no second look"


def test_the_reboot_is_into_exactly_what_was_staged() -> None:
    assert decide(LOOKED, STAGED)["how"] == {"expect_digests": [NEW]}


def test_units_that_had_failed_before_do_not_count() -> None:
    assert decide(LOOKED, STAGED, APPLIED)["how"] == {"known_failed_units": ["known.service"]}


def test_without_consent_nothing_reboots() -> None:
    assert verdict(LOOKED, STAGED, reboot_ok=False) == (None, "reboot_needed", None)
    inhibited = told(STAGED["bootc"], verdict="inhibited", detail="a game is running", before=STAGED["bootc"])
    assert verdict(LOOKED, STAGED, inhibited) == (None, "reboot_needed", "inhibited")


def test_check_mode_predicts_and_says_so() -> None:
    assert decide(LOOKED, STAGED, check_mode=True)["result"]["predicted"] is True
    assert verdict(LOOKED, STAGED, check_mode=True) == (None, "updated", None)


@pytest.mark.parametrize(
    ("image", "backend", "rollback", "how"),
    [
        ("", "ostree", None, {"verb": "update"}),
        (f"{IMAGE}:stable", "ostree", None, {"verb": "update"}),
        (f"{IMAGE}:next", "ostree", None, {"verb": "switch", "image": f"{IMAGE}:next", "accept_digests": []}),
        (f"{IMAGE}@{NEW}", "ostree", NEW, {"verb": "switch", "image": f"{IMAGE}@{NEW}", "accept_digests": []}),
        (f"{IMAGE}@{NEW}", "composefs", NEW, {"verb": "forward"}),
    ],
)
def test_how_it_is_staged(image: str, backend: str, rollback: str | None, how: dict[str, Any]) -> None:
    looked = told(status(backend=backend, rollback=rollback and slot(rollback)))
    assert decide(looked, image=image)["how"] == how


def test_a_device_that_runs_what_is_wanted_is_left_alone() -> None:
    assert verdict(LOOKED, digests=[OLD]) == (None, "unchanged", None)
    assert verdict(LOOKED, told(status(), notes=["it is the newest"])) == (None, "unchanged", None)
    armed = told(status(next_boot="staged", staged=slot(NEW)))
    assert verdict(armed, digests=[OLD])[0] == "stage", "it would leave what it runs at its next reboot"


@pytest.mark.parametrize(
    ("looked", "reason"),
    [
        (failure("busy"), "busy"),
        (told({"is_bootc": False, "booted": None}), "not_bootc"),
        (told(status(read_only=True)), "read_only"),
        (told(status(booted=OLD) | {"booted": slot(OLD, incompatible=True)}), "incompatible"),
        ({"exception": "Traceback", "failed_when_suppressed_exception": "x"}, "unexpected"),
        (told({}), "not_bootc"),
    ],
)
def test_a_device_that_cannot_be_updated_is_not_touched(looked: dict[str, Any], reason: str) -> None:
    assert verdict(looked) == (None, "failed", reason)


# -- nothing stays armed -----------------------------------------------------------------------------------------------


def test_a_stage_that_failed_after_staging_is_undone() -> None:
    half = failure("timeout", STAGED["bootc"])
    made = decide(LOOKED, half)
    assert made["next"] == "disarm"
    assert made["how"] == {
        "image": f"{IMAGE}@{OLD}", "transport": "registry", "accept_digests": [OLD], "came_back_from": None
    }  # fmt: skip
    assert verdict(LOOKED, half, ("disarm", told(status()))) == (None, "failed", "timeout")
    still = decide(LOOKED, half, ("disarm", LOST))["result"]
    assert "may apply at its next reboot" in still["why"]


def test_what_was_armed_before_is_not_ours_to_drop() -> None:
    assert verdict(told(STAGED["bootc"]), failure("network", STAGED["bootc"])) == (None, "failed", "network")


def test_other_content_than_wanted_is_dropped() -> None:
    assert verdict(LOOKED, STAGED, digests=[OTHER]) == ("disarm", "failed", "digest_mismatch")
    assert verdict(LOOKED, told(status()), digests=[OTHER]) == (None, "failed", "digest_mismatch")


@pytest.mark.parametrize(
    ("came_back", "expected"),
    [
        (status(OLD, "rollback", rollback=slot(NEW)), ("disarm", "rolled_back", "came_back_on_previous")),
        (status(OLD), (None, "failed", "came_back_on_previous")),
    ],
)
def test_a_device_that_came_back_is_told_to_stay(came_back: dict[str, Any], expected: tuple[Any, ...]) -> None:
    apply = told(came_back, "b2", verdict="came_back_on_previous", detail="Rebooted, but runs it as before")
    assert verdict(LOOKED, STAGED, apply) == expected
    if expected[0] == "disarm":
        assert decide(LOOKED, STAGED, apply)["how"]["came_back_from"] == NEW
        assert verdict(LOOKED, STAGED, apply, ("disarm", STAY)) == (None, *expected[1:])


@pytest.mark.parametrize("word", ["not_rebooted", "unexpected_digest", "something new"])
def test_a_reboot_that_did_not_happen_leaves_nothing_armed(word: str) -> None:
    apply = told(STAGED["bootc"], verdict=word, detail="no")
    assert verdict(LOOKED, STAGED, apply) == ("disarm", "failed", word)


def test_what_vanished_before_the_reboot_is_a_failure() -> None:
    gone = told(status(), verdict="nothing_to_apply", detail="nothing to apply")
    assert verdict(LOOKED, STAGED, gone) == (None, "failed", "stage_lost")
    there = told(BOOTED, "b2", verdict="nothing_to_apply", detail="nothing to apply")
    assert verdict(LOOKED, STAGED, there) == ("verify", "applied", None)


# -- the way back ------------------------------------------------------------------------------------------------------


def test_a_device_that_is_unwell_goes_back() -> None:
    steps: list[Any] = [LOOKED, STAGED, APPLIED, UNWELL]
    made = decide(*steps)
    assert (made["next"], made["how"]) == ("rollback", {"repeat": True})
    steps.append(("rollback", QUEUED))
    assert decide(*steps)["next"] == "return"
    assert decide(*steps)["how"] == {"expect_digests": [OLD]}
    steps.append(("return", BACK))
    result = decide(*steps)["result"]
    assert (result["verdict"], result["reason"]) == ("rolled_back", "unhealthy")
    assert "session: no session" in result["why"]
    assert result["evidence"]["failed_checks"] == [{"name": "session", "detail": "no session"}]
    assert verdict(LOOKED, STAGED, APPLIED, UNWELL, rollback=False) == (None, "failed", "unhealthy")


def test_it_goes_back_when_it_does_not_stay_well() -> None:
    assert verdict(LOOKED, STAGED, APPLIED, WELL, UNWELL, settle_seconds=9) == ("rollback", "failed", "unhealthy")
    restless = told(BOOTED, "b9", healthy=True)
    assert verdict(LOOKED, STAGED, APPLIED, restless) == ("rollback", "failed", "restless")
    assert verdict(LOOKED, STAGED, APPLIED, failure("timeout")) == ("rollback", "failed", "timeout")


def test_its_own_boot_checks_may_be_faster() -> None:
    faster = told(status(OLD, "rollback", rollback=slot(NEW)), "b3", healthy=False, checks=[])
    assert verdict(LOOKED, STAGED, APPLIED, faster) == ("disarm", "rolled_back", "unhealthy")


@pytest.mark.parametrize("rollback", [None, slot(OTHER), slot(NEW)])
def test_it_never_goes_back_to_anything_else(rollback: dict[str, Any] | None) -> None:
    unwell = {**UNWELL, "bootc": status(NEW, rollback=rollback)}
    assert verdict(LOOKED, STAGED, APPLIED, unwell) == (None, "rollback_failed", "unhealthy")


@pytest.mark.parametrize(
    "steps",
    [
        [("rollback", LOST)],
        [("rollback", failure("no_rollback"))],
        [("rollback", told(BOOTED, "b2"))],
        [("rollback", QUEUED), ("return", LOST)],
        [("rollback", QUEUED), ("return", failure("timeout"))],
        [("rollback", QUEUED), ("return", told(BOOTED, "b3", verdict="came_back_on_previous", detail="as before"))],
    ],
)
def test_a_rollback_that_fails_is_named(steps: list[Any]) -> None:
    made = verdict(LOOKED, STAGED, APPLIED, UNWELL, *steps)
    assert made == (None, "rollback_failed", "unhealthy")


# -- alone, lost, strange ----------------------------------------------------------------------------------------------


def test_phases_alone() -> None:
    predicted = told(STAGED["bootc"], verdict="applied", detail="would", before=STAGED["bootc"])
    assert verdict(("apply", predicted), reboot_ok=False) == (None, "reboot_needed", None)
    assert verdict(("apply", APPLIED)) == ("verify", "applied", None)
    assert verdict(("verify", WELL)) == (None, "unchanged", None)
    assert verdict(("verify", UNWELL)) == (None, "failed", "unhealthy")
    assert verdict(("rollback", QUEUED), reboot_ok=False) == (None, "reboot_needed", None)
    assert verdict(("rollback", QUEUED), ("return", BACK)) == (None, "rolled_back", None)
    assert verdict(("rollback", told(status()))) == (None, "unchanged", None)


def test_going_back_after_an_update_that_went_well_needs_consent() -> None:
    steps = (LOOKED, STAGED, APPLIED, WELL, ("rollback", QUEUED))
    assert verdict(*steps, reboot_ok=False)[1] == "reboot_needed"
    assert verdict(*steps, ("return", BACK)) == (None, "rolled_back", None)


def test_answers_of_an_earlier_update_do_not_count() -> None:
    evidence = {
        "apply": {"result": APPLIED, "ended": 9.0},
        "verify": {"result": UNWELL, "ended": 5.0},
    }
    assert filter_device_update(evidence, reboot_ok=True)["next"] == "verify"


@pytest.mark.parametrize(
    ("steps", "reason"),
    [
        ([LOST], "network"),
        ([LOOKED, LOST], "silent"),
        ([LOOKED, STAGED, LOST], "silent"),
        ([LOOKED, STAGED, told(STAGED["bootc"], verdict="silent", detail="no answer")], "silent"),
        ([LOOKED, STAGED, APPLIED, LOST], "silent"),
    ],
)
def test_a_device_that_does_not_answer_is_unreachable(steps: list[Any], reason: str) -> None:
    assert verdict(*steps) == (None, "unreachable", reason)
    assert decide(*steps)["result"]["next_boot"] is None


@pytest.mark.parametrize("evidence", [[], {"boot": {"result": {}}}, {"stage": {}}, {"stage": {"result": 1}}])
def test_evidence_that_is_none_is_refused(evidence: Any) -> None:
    with pytest.raises(AnsibleFilterError):
        filter_device_update(evidence)


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(
        st.sampled_from(["bootc", "booted", "staged", "rollback", "digest", "next_boot", "verdict", "reason", "checks",
                         "before", "healthy", "is_bootc", "boot_id", "notes", "spec_image", "image"]), inner, max_size=4
    ),
    max_leaves=12,
)  # fmt: skip


@settings(deadline=None, max_examples=200)
@given(st.dictionaries(st.sampled_from(PHASES), st.dictionaries(st.sampled_from(list(APPLIED)), JUNK, max_size=6)))
def test_whatever_a_device_answers_there_is_a_decision(answers: dict[str, Any]) -> None:
    evidence = {name: {"result": result, "ended": PHASES.index(name)} for name, result in answers.items()}
    made = filter_device_update(evidence, reboot_ok=True, settle_seconds=1)
    assert made["next"] in (None, *PHASES)
    assert made["next"] not in answers, "no phase is asked for twice"
    if made["next"] is None and made["result"]["verdict"] in BAD:
        assert made["result"]["why"]
