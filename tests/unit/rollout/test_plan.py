# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who is in which wave, and that it is so on every machine."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.errors import RolloutError
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.plan import (
    Candidate,
    Plan,
    Target,
    is_wanted,
    load_plan,
    make_plan,
    target_of,
)
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.spec import Variant

from tests.fleet_model import digest, plan_for, small_spec

TWO = [{"name": name, "image": "registry.example/os", "digest": digest("a")} for name in ("kde", "gnome")]


def fleet(size: int, variant: str = "kde") -> list[tuple[str, str]]:
    return [(f"{variant}{number}", variant) for number in range(size)]


def cut(waves: list[dict[str, Any]], size: int) -> list[int]:
    """Cumulative wave sizes."""
    plan = plan_for(small_spec(waves=waves), fleet(size))
    reached, sizes = 0, []
    for hosts in plan.hosts:
        reached += len(hosts)
        sizes.append(reached)
    return sizes


@pytest.mark.parametrize(
    ("size", "cuts"),
    [
        (1, [1, 1, 1, 1]),
        (7, [1, 1, 4, 7]),
        (40, [1, 4, 20, 40]),
        (250, [3, 25, 125, 250]),
        (1000, [10, 100, 500, 1000]),
    ],
)
def test_percents_are_cumulative_and_rounded_up(size: int, cuts: list[int]) -> None:
    assert cut([{"name": f"p{percent}", "percent": percent} for percent in (1, 10, 50)], size) == cuts


@pytest.mark.parametrize(
    ("waves", "size", "cuts"),
    [
        ([("count", 1), ("count", 2)], 10, [1, 3, 10]),
        ([("count", 3), ("count", 3)], 4, [3, 4, 4]),
        ([("count", 5), ("percent", 10)], 20, [5, 5, 20]),
        ([("percent", 10), ("count", 3), ("percent", 20)], 20, [2, 5, 5, 20]),
        ([("count", 1), ("percent", 100)], 9, [1, 9]),
        ([], 9, [9]),
    ],
)
def test_counts_add_and_percents_never_take_back(waves: list[tuple[str, int]], size: int, cuts: list[int]) -> None:
    assert cut([{"name": f"w{index}", kind: of} for index, (kind, of) in enumerate(waves)], size) == cuts


def test_every_variant_has_its_own_canary() -> None:
    plan = plan_for(small_spec(variants=TWO), [*fleet(9), *fleet(2, "gnome")])
    sizes = [[sum(plan.variant_of[host] == name for host in wave) for name in ("kde", "gnome")] for wave in plan.hosts]
    assert sizes == [[1, 1], [4, 0], [4, 1]]
    assert plan.warnings == ()


def test_without_strata_the_fleet_is_cut_as_one_and_says_who_has_no_canary() -> None:
    plan = plan_for(small_spec(variants=TWO, selection={"stratify_by": []}), [*fleet(9), *fleet(1, "gnome")])
    assert [len(wave) for wave in plan.hosts] == [1, 4, 5]
    first = plan.variant_of[plan.hosts[0][0]]
    missing = ({"kde", "gnome"} - {first}).pop()
    assert plan.warnings == (f"No device of {missing} is in the first wave.",)


def select_plan(select: dict[str, Any], labels: dict[str, dict[str, Any]], size: int = 6, count: int = 2) -> Plan:
    spec = small_spec(waves=[{"name": "canary", "count": count, "select": select}])
    target = Target("kde", "registry.example/os", digest("a"), (digest("a"),))
    hosts = [Candidate(host, "kde", labels.get(host, {})) for host, _unused in fleet(size)]
    return make_plan(spec, hosts, {"kde": target})


def test_a_wave_takes_the_hosts_it_selects_first() -> None:
    labels = {"kde4": {"ring": "canary"}, "kde5": {"ring": "canary"}}
    assert set(select_plan({"ring": "canary"}, labels).hosts[0]) == {"kde4", "kde5"}


def test_a_wave_that_selects_too_few_is_filled_up() -> None:
    (canary, rest) = select_plan({"ring": "canary"}, {"kde4": {"ring": "canary"}}, count=3).hosts
    assert "kde4" in canary
    assert (len(canary), len(rest)) == (3, 3)


def test_a_wave_that_selects_too_many_leaves_the_rest_for_later() -> None:
    labels = {host: {"ring": "canary"} for host, _unused in fleet(6)}
    assert [len(hosts) for hosts in select_plan({"ring": "canary"}, labels).hosts] == [2, 4]


@pytest.mark.parametrize("labels", [{"ring": "canary"}, {"ring": "canary", "site": "b"}, {"site": "a"}, {}])
def test_all_selected_labels_must_match(labels: dict[str, Any]) -> None:
    chosen = select_plan(
        {"ring": "canary", "site": "a"}, {"kde0": {"ring": "canary", "site": "a"}, "kde1": labels}, 9, 1
    )
    assert chosen.hosts[0] == ("kde0",)


def test_an_image_without_hosts_and_hosts_without_image_are_warned_about() -> None:
    hosts = [*fleet(2), *fleet(5, "xfce")]
    plan = plan_for(small_spec(variants=TWO), hosts)
    assert plan.warnings == (
        "No host runs variant gnome.",
        "Each of 5 hosts (xfce0, xfce1, xfce2 and 2 more) runs a variant that this rollout does not update.",
    )
    assert sorted(plan.members) == ["kde0", "kde1"]


@pytest.mark.parametrize(
    ("candidates", "reason", "cause", "remedy"),
    [
        ([], "no_hosts", "No host of the inventory matches selection.hosts 'all'", "-i"),
        ([Candidate("a", None)], "no_variant", "a has no variable bootc_variant", "Set bootc_variant"),
        ([Candidate("a", "kde"), Candidate("b", None)], "no_variant", "b has no variable", "selection.hosts"),
        (
            [Candidate(host, None) for host in "abcd"],
            "no_variant",
            "Each of 4 hosts (a, b, c and 1 more) has no variable",
            "Set bootc_variant",
        ),
        (
            [Candidate("a", "xfce"), Candidate("b", "lxqt")],
            "no_hosts",
            "None of the 2 matching hosts runs a variant of this rollout (they run lxqt, xfce)",
            "The spec knows kde",
        ),
    ],
)
def test_a_membership_nobody_can_be_updated_in_is_refused(
    candidates: list[Candidate], reason: str, cause: str, remedy: str
) -> None:
    with pytest.raises(RolloutError) as caught:
        make_plan(small_spec(), candidates, {})
    assert caught.value.reason == reason
    assert cause in caught.value.cause
    assert remedy in caught.value.remedy


def test_a_plan_is_read_back_as_it_was_written() -> None:
    spec = small_spec(variants=TWO, waves=[{"name": "canary", "count": 1, "select": {"ring": "canary"}}])
    plan = plan_for(spec, [*fleet(9), *fleet(2, "gnome"), ("other", "xfce")])
    again = load_plan(json.loads(json.dumps(plan.as_dict())))
    assert again.hash == plan.hash
    assert again.spec.fingerprint == spec.fingerprint
    assert (again.spec.waves, again.hosts, again.variant_of) == (spec.waves, plan.hosts, plan.variant_of)
    assert (again.targets, again.warnings) == (plan.targets, plan.warnings)


def test_another_rollout_has_another_order() -> None:
    one, two = (plan_for(small_spec(id=name), fleet(40)) for name in ("r1", "r2"))
    assert sorted(one.members) == sorted(two.members)
    assert one.hosts[0] != two.hosts[0]
    assert one.members != two.members


def test_the_order_is_the_same_on_every_machine() -> None:
    # printf 'r1\0kdeN' | sha256sum, sorted; the canary, then half of them, then the rest
    assert plan_for(small_spec(), fleet(6)).members == ("kde5", "kde4", "kde1", "kde0", "kde2", "kde3")


@pytest.mark.parametrize(
    "other",
    [
        plan_for(small_spec(), fleet(5)),
        plan_for(small_spec(pace={"parallel": 9}), fleet(6)),
        make_plan(
            small_spec(),
            [Candidate(host, "kde") for host, _unused in fleet(6)],
            {"kde": Target("kde", "registry.example/os", digest("a"), (digest("a"), digest("b")))},
        ),
    ],
    ids=["membership", "spec", "accepted digests"],
)
def test_whatever_differs_shows_in_the_hash(other: Plan) -> None:
    assert plan_for(small_spec(), fleet(6)).hash != other.hash


def test_hosts_with_odd_names_are_planned_too() -> None:
    odd = ["a b", "ü-1", "[fe80::1]:22", "-x", "../up", "{{ x }}", "日本", "a" * 300]
    plan = plan_for(small_spec(), [(host, "kde") for host in odd])
    assert sorted(load_plan(json.loads(json.dumps(plan.as_dict()))).members) == sorted(odd)


@pytest.mark.parametrize(
    ("accept", "expected"),
    [([], ["a"]), (["a"], ["a"]), (["b"], ["a", "b"]), (["b", "a", "b", "c"], ["a", "b", "c"])],
)
def test_a_target_accepts_its_own_digest_first_and_none_twice(accept: list[str], expected: list[str]) -> None:
    variant = Variant("kde", "registry.example/os", digest("a"), version="1", size=0)
    target = target_of(variant, [digest(letter) for letter in accept], 7, "2")
    assert target.accept == tuple(digest(letter) for letter in expected)
    assert (target.version, target.size) == ("1", 0)
    assert target.pinned == f"registry.example/os@{digest('a')}"


def test_a_target_takes_from_the_registry_what_the_spec_does_not_say() -> None:
    target = target_of(Variant("kde", "registry.example/os", digest("a")), [], 7, "2")
    assert (target.version, target.size) == ("2", 7)


def test_planning_a_large_fleet_does_not_take_quadratic_time() -> None:
    class Counting(str):
        compared = 0

        def __eq__(self, other: object) -> bool:
            Counting.compared += 1
            return str.__eq__(self, other)

        __hash__ = str.__hash__

    size = 1000
    plan_for(small_spec(), [(Counting(host), "kde") for host, _unused in fleet(size)])
    assert Counting.compared < 20 * size


@pytest.mark.parametrize(
    ("size", "limit", "told"), [(21, "4%", True), (20, "4%", False), (25, "4%", False), (21, 0, False)]
)
def test_a_share_of_failures_that_comes_to_none_is_told(size: int, limit: int | str, told: bool) -> None:
    spec = small_spec(waves=[], wave_defaults={"max_failures": limit})
    warnings = plan_for(spec, fleet(size)).warnings
    assert warnings == ((f"Wave rest may lose no device: 4% of its {size} devices are less than one.",) if told else ())


def test_a_sample_larger_than_its_wave_is_told_once_for_each_wave_that_has_anybody() -> None:
    spec = small_spec(wave_defaults={"min_sample": 3})
    assert plan_for(spec, fleet(5)).warnings == (
        "Wave canary asks for 3 verdicts of 1 device: all of them must have one then.",
        "Wave half asks for 3 verdicts of 2 devices: all of them must have one then.",
        "Wave rest asks for 3 verdicts of 2 devices: all of them must have one then.",
    )
    assert plan_for(spec, fleet(1)).warnings == (
        "Wave canary asks for 3 verdicts of 1 device: all of them must have one then.",
    )


def test_waves_that_give_up_before_the_next_window_are_told() -> None:
    quick = {"reboot_timeout": "60s"}
    weekly = {"apply": [{"days": ["sun"], "start": "03:00", "length": "2h"}]}
    spec = small_spec(windows=weekly, apply=quick, verify={"settle": "0s"})
    (warning,) = plan_for(spec, [("d0", "kde")]).warnings
    assert "Up to 168 hours pass from one apply window to the next" in warning
    assert "canary, half." in warning
    nightly = {"apply": [{"start": "03:00", "length": "2h"}]}
    assert plan_for(small_spec(windows=nightly, apply=quick), [("d0", "kde")]).warnings == ()


def tiered(tiers: dict[str, Any]) -> Plan:
    spec = small_spec(waves=[{"name": "canary", "count": 2}], selection={"order": {"tier_var": "wariness"}})
    targets = {v.name: Target(v.name, v.image, v.digest, (v.digest,)) for v in spec.variants}
    hosts = [host for host, _unused in fleet(6)]
    return make_plan(spec, [Candidate(host, "kde", {"wariness": tiers.get(host)}) for host in hosts], targets)


def test_eager_devices_come_first_and_wary_ones_last() -> None:
    assert tiered({"kde2": 0, "kde4": 1}).hosts[0] == ("kde2", "kde4")
    assert tiered({"kde2": 501}).hosts[1][-1] == "kde2"
    assert tiered({"kde2": 500}).hosts == tiered({}).hosts


@pytest.mark.parametrize("tier", [-1, 1001, True, "eager", 1.5])
def test_a_tier_is_a_whole_number_within_bounds(tier: Any) -> None:
    with pytest.raises(RolloutError, match="wariness of the host kde3") as caught:
        tiered({"kde3": tier})
    assert caught.value.reason == "invalid_host"


def test_another_salt_is_another_order() -> None:
    def first(salt: str) -> str:
        return plan_for(small_spec(selection={"order": {"salt": salt}}), fleet(40)).hosts[0][0]

    assert plan_for(small_spec(), fleet(40)).hosts[0][0] == first("r1")
    assert len({first(str(number)) for number in range(10)}) > 1


@pytest.mark.parametrize(
    ("labels", "wanted", "takes_part"),
    [
        ({"ring": "early"}, {"ring": "early"}, True),
        ({"ring": "late"}, {"ring": ["early", "late"]}, True),
        ({"ring": "never"}, {"ring": ["early", "late"]}, False),
        ({}, {"ring": "early"}, False),
        ({}, {"quarantine": "!exists"}, True),
        ({"quarantine": False}, {"quarantine": "!exists"}, False),
        ({"on": 1}, {"on": True}, False),
        ({"on": True}, {"on": True}, True),
        ({"ring": "early"}, {"ring": "early", "site": "berlin"}, False),
    ],
)
def test_labels_decide_who_takes_part(labels: dict[str, Any], wanted: dict[str, Any], takes_part: bool) -> None:
    spec = small_spec(selection={"labels": wanted})
    assert set(spec.labels) == set(wanted)
    assert is_wanted(spec, labels) is takes_part


def test_to_spread_downloads_every_size_has_to_be_known() -> None:
    spec = small_spec(pace={"download_rate": "1M"})
    with pytest.raises(RolloutError, match="size of kde is not known") as caught:
        plan_for(spec, [("d000", "kde")])
    assert "variants[].size" in caught.value.remedy
