# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which devices a rollout that takes another back has, and to what each of them goes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.errors import RolloutError
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.events import Event
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.joining import newcomers
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.plan import (
    Candidate,
    Plan,
    Target,
    load_plan,
    make_plan,
)
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.revert import (
    revert_spec,
    successor_of,
    to_take_back,
    with_variants,
)
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.spec import Spec, parse_spec
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.states import Rollout, RolloutPhase

from tests.fleet_model import digest
from tests.unit.rollout.builders import names, one_wave, opened, replay, told

OLD, OLDER = digest("b"), digest("c")


def way_back(**changes: Any) -> Spec:
    return parse_spec(
        {"schema": 1, "id": "back", "reverts": "r1", "waves": [{"name": "canary", "count": 1}], **changes}
    )


def updated(*events: Event, size: int = 5) -> Rollout:
    return replay(one_wave(size), opened(), *events)


def variants(rollout: Rollout, *others: Rollout) -> dict[str, Any]:
    return {variant.name: variant for variant in with_variants(way_back(), rollout, others, names(5)).variants}


def test_every_device_goes_back_to_what_it_ran_itself() -> None:
    fine, older, broken, returned, untouched = names(5)
    rollout = updated(
        *told("staging", fine, broken, returned, previous_digest=OLD, previous_version="1.0"),
        *told("staging", older, previous_digest=OLDER, previous_version="0.9"),
        *told("succeeded", fine, older),
        *told("inconsistent", broken),
        *told("rolled_back", returned),
    )
    assert untouched not in {device.host for device in to_take_back(rollout)}
    found = variants(rollout)
    assert {name: (v.digest, v.version, v.only, v.first, v.of_line) for name, v in found.items()} == {
        "kde.bbbbbbbb": (OLD, "1.0", (fine, broken), (broken,), "kde"),
        "kde.cccccccc": (OLDER, "0.9", (older,), (), "kde"),
    }


def test_devices_that_agree_keep_the_name_of_their_variant() -> None:
    rollout = updated(*told("staging", *names(5), previous_digest=OLD), *told("succeeded", *names(5)))
    assert list(variants(rollout)) == ["kde"]


def test_an_earlier_rollout_tells_the_image_that_a_device_meant() -> None:
    rollout = updated(*told("staging", *names(5), previous_digest="sha256:config"), *told("succeeded", *names(5)))
    before = one_wave(5)
    target = Target("kde", "registry.example/before", OLD, (OLD, "sha256:config"), size=7)
    found = variants(rollout, replay(replace(before, targets={"kde": target})))["kde"]
    assert (found.image, found.digest, found.size) == ("registry.example/before", OLD, 7)


def test_devices_that_are_not_selected_do_not_count() -> None:
    one, other, *_unused = names(5)
    rollout = updated(
        *told("staging", one, previous_digest=OLD),
        *told("staging", other, previous_digest="sha256:gone"),
        *told("succeeded", one, other),
    )
    found = with_variants(way_back(), rollout, (), [one]).variants
    assert [(variant.name, variant.digest) for variant in found] == [("kde", OLD)]


def test_a_device_that_never_left_what_it_ran_is_no_canary_for_the_way_back() -> None:
    failed, armed, lost, *_unused = names(5)
    rollout = updated(
        *told("staging", failed, armed, lost, previous_digest=OLD),
        *told("failed", failed),
        *told("failed", armed, armed=True),
        *told("lost", lost),
    )
    assert {device.host for device in to_take_back(rollout)} == {armed, lost}
    assert variants(rollout)["kde"].first == (armed,)


def test_a_device_that_may_still_boot_the_release_goes_back_with_the_others() -> None:
    put_off, back, clean, *_unused = names(5)
    rollout = updated(
        *told("staging", put_off, back, clean, previous_digest=OLD),
        *told("deferred", put_off, armed=True),
        *told("rolled_back", back, armed=True),
        *told("deferred", clean),
        Event("reverting", 1_800_000_100.0, data={"by": "anna", "why": "so"}),
    )
    assert [device.host for device in to_take_back(rollout)] == [put_off, back]
    assert variants(rollout)["kde"].first == (put_off, back)


@pytest.mark.parametrize("kind", ["hosts_superseded", "superseded"])
def test_a_way_back_that_came_to_nothing_can_be_begun_again(kind: str) -> None:
    done, staged, *_unused = names(5)
    events = [*told("staging", done, staged, previous_digest=OLD), *told("succeeded", done), *told("staged", staged)]
    over = Event(kind, 1_800_000_100.0, data={"by": "back", "hosts": [done, staged]})
    rollout = updated(*events, over)
    first = planned(with_variants(way_back(), updated(*events), (), names(5)), names(5))
    again = with_variants(way_back(id="again"), rollout, [rollout, replay(first)], names(5))
    assert again.variants[0].only == (done, staged)
    with pytest.raises(RolloutError):
        with_variants(way_back(id="again"), rollout, [rollout], names(5))


def test_a_device_that_ran_the_release_before_or_belongs_to_another_rollout_now_is_left_alone() -> None:
    same, gone, _unused, _unused2, _unused3 = names(5)
    target = one_wave(5).targets["kde"].digest
    rollout = updated(
        *told("staging", same, previous_digest=target),
        *told("staging", gone, previous_digest=OLD),
        *told("succeeded", same, gone),
        Event("hosts_superseded", 1_800_000_100.0, data={"by": "r2", "hosts": [gone]}),
    )
    assert to_take_back(rollout) == ()
    with pytest.raises(RolloutError, match="nothing to take back"):
        with_variants(way_back(), rollout, (), names(40))


def test_a_superseded_rollout_is_not_the_one_to_take_back() -> None:
    rollout = updated(Event("superseded", 1_800_000_100.0, data={"by": "r2"}))
    with pytest.raises(RolloutError, match="reverts: r2"):
        with_variants(way_back(), rollout, (), names(40))


def test_failed_devices_are_the_canaries_of_the_way_back() -> None:
    hosts = names(40)
    bad = hosts[17]
    rollout = updated(
        *told("staging", *hosts, previous_digest=OLD),
        *told("succeeded", *(host for host in hosts if host != bad)),
        *told("inconsistent", bad),
        size=40,
    )
    spec = with_variants(way_back(), rollout, (), names(40))
    plan = planned(spec, [*hosts, "stranger"])
    assert plan.hosts[0] == (bad,)
    assert set(plan.members) == set(hosts)
    left = [warning for warning in plan.warnings if warning.startswith("stranger is not taken back: it is not on")]
    assert len(left) == 1
    assert load_plan(plan.as_dict()).hash == plan.hash
    assert plan.line_of("kde") == "kde"


def test_nobody_joins_the_way_back() -> None:
    rollout = updated(*told("staging", *names(5), previous_digest=OLD), *told("succeeded", *names(5)))
    plan = planned(with_variants(way_back(), rollout, (), names(40)), names(5))
    assert newcomers(replay(plan), [Candidate("stranger", "kde")], 1_800_000_000.0) == ()


def planned(spec: Spec, hosts: list[str]) -> Plan:
    targets = {v.name: Target(v.name, v.image, v.digest, (v.digest,)) for v in spec.variants}
    return make_plan(spec, [Candidate(host, "kde") for host in hosts], targets)


def test_what_a_person_wrote_is_what_identifies_the_spec() -> None:
    rollout = updated(*told("staging", *names(5), previous_digest=OLD), *told("succeeded", *names(5)))
    spec = way_back()
    found = with_variants(spec, rollout, (), names(5))
    assert found.fingerprint == spec.fingerprint != way_back(pace={"parallel": 3}).fingerprint
    assert spec.supersedes == ("r1",)


def test_the_written_spec_is_one_and_waits_for_somebody() -> None:
    plan = one_wave(5, verify={"commands": [["true", "{{ x }}"]]}, selection={"hosts": "all:!lab"})
    document = yaml.safe_load(revert_spec(replay(plan), Path("/srv/fleet")))
    spec = parse_spec(document)
    assert (spec.id, spec.reverts, spec.hosts) == (f"{plan.spec.id}-revert", plan.spec.id, "all:!lab")
    assert spec.waves[0].rules.approve == "before"
    assert spec.verify.commands == (("true", "{{ x }}"),)


@pytest.mark.parametrize(("given", "found"), [("auth.json", "/srv/fleet/auth.json"), ("/etc/a.json", "/etc/a.json")])
def test_credentials_are_found_from_where_the_written_spec_lies(given: str, found: str) -> None:
    plan = one_wave(5, registry={"auth_file": given})
    spec = parse_spec(yaml.safe_load(revert_spec(replay(plan), Path("/srv/fleet"))))
    assert spec.registry.auth_file == found


@pytest.mark.parametrize("name", ["r1", "a" * 63, "a" * 55 + "." + "b" * 7])
def test_the_id_of_the_way_back_is_an_id(name: str) -> None:
    way_back(id=successor_of(name))
    assert len({name, successor_of(name), successor_of(successor_of(name))}) == 3


def test_reverting_ends_the_rollout_and_stays_on_record() -> None:
    rollout = updated(Event("reverting", 1_800_000_100.0, data={"by": "anna", "why": "slow", "successor": "r1-revert"}))
    assert rollout.phase is RolloutPhase.CANCELED
    assert rollout.order is not None
    assert (rollout.order.verb, rollout.order.by, rollout.order.why) == ("revert", "anna", "slow")
