# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images that a device has to boot on its way to the target."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.skorionos.bootc.plugins.module_utils._oci.versions import is_older
from ansible_collections.skorionos.bootc.plugins.plugin_utils._controller import as_document
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.errors import RolloutError
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.forecast import Action, Assumptions
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.need import Answer, Held, Image, judge
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.plan import load_plan, load_target
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.port import Observation
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.spec import Spec
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.states import DeviceState, Rollout
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.summary import summarize

from tests.fleet_model import OLD, FakeDevice, Fleet, Killed, digest, plan_for, small_spec
from tests.unit.rollout.builders import explain_one

NEW, FIRST, SECOND = digest("a"), digest("b"), digest("c")
VERSIONS = {OLD: "1.0", FIRST: "2.0", SECOND: "3.1", NEW: "4.0"}
BARRIERS: list[dict[str, Any]] = [
    {"digest": FIRST, "version": "2.0", "below": "2.0", "reason": "it converts the settings"},
    {"digest": SECOND, "version": "3.1", "below": "3.0"},
]


def spec(barriers: list[dict[str, Any]] | None = None, **variant: Any) -> Spec:
    entry = {"name": "kde", "image": "registry.example/os", "digest": NEW, "version": "4.0"}
    return small_spec(
        waves=[],
        variants=[{**entry, "barriers": BARRIERS if barriers is None else barriers, **variant}],
        wave_defaults={"soak": "0s", "max_failures": 3, "success_threshold": 1, "min_coverage": 0},
    )


def fleet(root: Path, kill_at: int | None = None, kill_before: bool = False, **device: Any) -> Fleet:
    """One device."""
    made = Fleet.create(root, plan_for(spec(), [("d1", "kde")]), {}, kill_at=kill_at, kill_before=kill_before)
    made.devices["d1"] = FakeDevice(**{"versions": VERSIONS, **device})
    return made


def kinds(made: Fleet) -> list[str]:
    return [event.kind for event in made.ledger.read() if event.host == "d1"]


ONE_LEG = ["staging", "staged", "applying", "booted"]


# -- the way -----------------------------------------------------------------------------------------------------------


def test_a_device_goes_through_every_barrier_it_did_not_pass(tmp_path: Path) -> None:
    made = fleet(tmp_path)
    rollout = made.run()
    device = rollout.devices["d1"]
    assert made.devices["d1"].history == [OLD, FIRST, SECOND, NEW]
    assert kinds(made) == [*ONE_LEG, "hop_passed", *ONE_LEG, "hop_passed", *ONE_LEG, "succeeded"]
    assert device.state is DeviceState.SUCCEEDED
    assert (device.hops, device.hop, device.reboots_asked) == (2, None, 1)
    assert (device.previous_digest, device.previous_version, device.leg_digest) == (OLD, "1.0", SECOND)
    assert summarize(rollout)["devices"][0]["hops"] == 2


@pytest.mark.parametrize(
    ("booted", "version", "way"),
    [
        (OLD, "2.0", [SECOND, NEW]),
        (OLD, "2.9", [SECOND, NEW]),
        (OLD, "3.0", [NEW]),
        (FIRST, "1.0", [SECOND, NEW]),  # whatever it says of itself, it runs the first barrier
        (FIRST, None, [SECOND, NEW]),
        (SECOND, None, [NEW]),
    ],
)
def test_only_barriers_above_its_version_are_on_its_way(
    tmp_path: Path, booted: str, version: str | None, way: list[str]
) -> None:
    versions = {**VERSIONS, booted: version}
    made = fleet(tmp_path, booted=booted, versions=versions)
    made.run()
    assert made.devices["d1"].history == [booted, *way]


@pytest.mark.parametrize("version", [None, "", "nightly"])
def test_a_version_that_cannot_be_compared_is_not_guessed(tmp_path: Path, version: str | None) -> None:
    made = fleet(tmp_path, versions={**VERSIONS, OLD: version})
    device = made.run().devices["d1"]
    assert (device.state, device.reason) == (DeviceState.INCOMPATIBLE, "unknown_version")
    assert made.devices["d1"].history == [OLD]
    assert made.devices["d1"].asked_for == []


def test_without_barriers_no_version_is_needed(tmp_path: Path) -> None:
    made = Fleet.create(tmp_path, plan_for(spec(barriers=[]), [("d1", "kde")]), {})
    assert made.run().devices["d1"].state is DeviceState.SUCCEEDED


@pytest.mark.parametrize(
    ("sick_on", "history", "previous"),
    [
        (FIRST, [OLD, FIRST, OLD], OLD),
        (SECOND, [OLD, FIRST, SECOND, FIRST], OLD),
        (NEW, [OLD, FIRST, SECOND, NEW, SECOND], OLD),
    ],
)
def test_a_failed_hop_goes_back_one_hop_and_is_charged(
    tmp_path: Path, sick_on: str, history: list[str], previous: str
) -> None:
    made = fleet(tmp_path, sick_on=(sick_on,))
    device = made.run().devices["d1"]
    assert made.devices["d1"].history == history
    assert (device.state, device.reason) == (DeviceState.ROLLED_BACK, "unhealthy")
    assert device.previous_digest == previous
    assert made.devices["d1"].next_boot == "booted"
    made.run()
    assert made.devices["d1"].history == history


def test_a_boot_loader_that_falls_back_from_a_later_hop_is_seen(tmp_path: Path) -> None:
    made = fleet(tmp_path)
    device = made.devices["d1"]
    reboot = device.reboot

    def falls(*arguments: Any, **options: Any) -> Any:
        answer = reboot(*arguments, **options)
        if device.booted == SECOND:
            device.fall_back()
        return answer

    device.reboot = falls  # type: ignore[method-assign]
    state = made.run().devices["d1"]
    assert (state.state, state.reason) == (DeviceState.ROLLED_BACK, "came_back_on_previous")
    assert device.booted == FIRST


@pytest.mark.parametrize("kill_before", [True, False])
@pytest.mark.parametrize("kill_at", range(1, 20))
def test_killed_anywhere_every_hop_is_made_once(tmp_path: Path, kill_at: int, kill_before: bool) -> None:
    made = fleet(tmp_path, kill_at, kill_before)
    for _unused in range(3):
        try:
            made.run()
        except Killed:
            continue
    assert made.devices["d1"].history == [OLD, FIRST, SECOND, NEW]
    assert made.state().devices["d1"].state is DeviceState.SUCCEEDED
    assert made.state().devices["d1"].previous_digest == OLD


def test_between_hops_it_waits_for_its_turn_like_any_other(tmp_path: Path) -> None:
    made = fleet(tmp_path, kill_at=6)  # the fifth event of the device passes its first barrier
    with pytest.raises(Killed):
        made.run()
    rollout = made.state()
    assert kinds(made)[-1] == "hop_passed"
    assert (rollout.devices["d1"].state, rollout.devices["d1"].hop) == (DeviceState.PENDING, None)
    assert "it passed 1 of the barriers on its way" in explain_one(rollout, "d1", made.time.now()).why


# -- spec and plan -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("version", "than", "older"),
    [
        ("1.9", "1.10", True),
        ("44.20260824", "44.20260901", True),
        ("2.0", "2.0", False),
        ("2.0", "2.0.0", True),
        ("v1.0", "v1.1", True),
        ("1.0.0-rc1", "1.0.0", True),
        ("1.0.0", "1.0.0-rc1", False),
        ("1.0.0-rc2", "1.0.0-rc10", True),
        ("1.0.0-beta1", "1.0.0-rc1", True),
        ("1.0.0", "1.0.1-rc1", True),
        ("1.0.0-rc1", "1.0.0.1", None),
        ("v1.0", "1.1", None),
        ("", "1.1", None),
        ("1.1", "-", None),
        ("1." + "9" * 5000, "1.1", None),
    ],
)
def test_versions_are_compared_by_their_parts(version: str, than: str, older: bool | None) -> None:
    assert is_older(version, than) is older


def test_a_candidate_of_the_barriers_own_version_goes_through_it(tmp_path: Path) -> None:
    made = fleet(tmp_path, versions={**VERSIONS, OLD: "2.0-rc1"})
    made.run()
    assert made.devices["d1"].history == [OLD, FIRST, SECOND, NEW]


@pytest.mark.parametrize(
    ("changes", "cause"),
    [
        ([{"below": "2.5"}, {}], "the version '2.0' is older than '2.5'"),
        ([{}, {"below": "2.0"}], "'2.0' is not newer than '2.0'"),
        ([{}, {"below": "v3"}], "the version '3.1' is older than 'v3', or cannot be compared"),
        ([{}, {"digest": NEW}], "a digest appears twice"),
        ([{}, {"digest": FIRST}], "a digest appears twice"),
        ([{}, {"version": "9.0", "below": "8.0"}], "the variant's version '4.0' is older than '8.0'"),
    ],
)
def test_barriers_that_lead_nowhere_are_refused(changes: list[Mapping[str, Any]], cause: str) -> None:
    entries = [{**entry, **change} for entry, change in zip(BARRIERS, changes, strict=True)]
    with pytest.raises(RolloutError) as caught:
        spec(entries)
    assert cause in caught.value.cause
    assert "each `below` newer" in caught.value.remedy


def test_there_are_five_barriers_at_most() -> None:
    entries = [{"digest": digest(str(n)), "version": f"{n}.0", "below": f"{n}.0"} for n in range(1, 7)]
    with pytest.raises(RolloutError, match="barriers"):
        spec(entries, version="9.0")
    assert len(spec(entries[:5], version="9.0").variants[0].barriers) == 5


def test_a_plan_keeps_what_registries_said_of_barriers() -> None:
    plan = plan_for(spec(), [("d1", "kde")])
    assert load_plan(json.loads(json.dumps(plan.as_dict()))) == plan
    target = plan.targets["kde"]
    assert load_target(json.loads(json.dumps(as_document(target)))) == target
    assert target.towards(FIRST).pinned == f"registry.example/os@{FIRST}"
    assert target.towards(None) is target
    assert "barriers" not in plan_for(spec(barriers=[]), [("d1", "kde")]).as_dict()["targets"][0]


# -- what it costs -----------------------------------------------------------------------------------------------------


def image(name: str, **layers: int) -> tuple[Image, ...]:
    return (Image("amd64", frozenset({name}), layers),)


def test_a_device_needs_what_every_hop_adds_and_a_reboot_for_each() -> None:
    target = plan_for(spec(), [("d1", "kde")]).targets["kde"]
    images = {OLD: image(OLD, base=100), FIRST: image(FIRST, base=100, b=20), SECOND: image(SECOND, c=30, b=20)}
    seen = Observation("0", True, booted=OLD, booted_version="1.0")
    need = judge(
        "d1",
        target,
        image(NEW, c=30, d=7),
        Answer(seen, (Held(OLD, None, "amd64"),)),
        lambda held: images[str(held.digest)][0],
        of_barrier=lambda wanted: images[wanted],
    )
    assert (need.action, need.bytes, need.reboots) == (Action.UPDATE, 57, 3)
    assert Assumptions(rate=1, reboot=100, settle=20).seconds(need) == 57 + 3 * 120
    assert need.notes == (
        "It is older than 2.0 and has to boot 2.0 first (it converts the settings).",
        "It is older than 3.0 and has to boot 3.1 first.",
    )
    unknown = judge(
        "d1",
        target,
        image(NEW),
        Answer(replace(seen, booted_version=None), (Held(OLD, None, "amd64"),)),
        lambda _held: None,
    )
    assert (unknown.action, unknown.reason) == (Action.REFUSED, "unknown_version")


def test_the_rollout_remembers_nothing_of_hops_that_nobody_made(tmp_path: Path) -> None:
    rollout: Rollout = fleet(tmp_path).state()
    assert (rollout.devices["d1"].hops, rollout.devices["d1"].hop) == (0, None)
