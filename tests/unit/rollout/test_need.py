# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a device needs, from what it and the registry say."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.skorionos.bootc.plugins.plugin_utils._plan_answers import answer_of
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.forecast import Action, Need
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.need import Held, Image, judge, repository
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.plan import Hop, Target

from tests.fleet_model import digest

OS = "registry.example/os"
OLD = Image("amd64", frozenset({digest("0")}), {"base": 1000, "old": 5})
NEW = Image("amd64", frozenset({digest("a"), digest("c")}), {"base": 1000, "new": 70, "more": 8})
NEW_ARM = Image("arm64", frozenset({digest("b")}), {"base arm": 2000, "new arm": 9})
TARGET = Target("kde", OS, digest("f"), (digest("f"), digest("a"), digest("b"), digest("c")))
KNOWN = {digest("0"): OLD}


def slot(held: str | None, **changes: Any) -> dict[str, Any]:
    return {"digest": held, "image": f"{OS}:v1", "transport": "registry", "architecture": "amd64", **changes}


def answered(booted: dict[str, Any] | None, **status: Any) -> dict[str, Any]:
    return {"boot_id": "1", "bootc": {"is_bootc": True, "booted": booted, **status}}


def judged(result: object, *images: Image) -> Need:
    def find(held: Held) -> Image | None:
        return KNOWN.get(held.digest or "")

    return judge("x", TARGET, images or (NEW, NEW_ARM), answer_of(result), find, site="attic")


def test_layers_that_it_has_are_not_fetched_again() -> None:
    need = judged(answered(slot(digest("0"))))
    assert (need.action, need.layers, need.exact, need.site) == (Action.UPDATE, {"new": 70, "more": 8}, True, "attic")


@pytest.mark.parametrize("where", ["staged", "rollback", "others"])
def test_layers_of_every_slot_count(where: str) -> None:
    other = slot(digest("c"))
    need = judged(answered(slot(digest("0")), **{where: [other] if where == "others" else other}))
    assert (need.action, need.bytes, need.exact) == (Action.UPDATE, 0, True)


@pytest.mark.parametrize("held", ["f", "a", "b", "c"])
def test_who_runs_the_target_under_any_of_its_digests_is_done(held: str) -> None:
    need = judged(answered(slot(digest(held))))
    assert (need.action, need.bytes) == (Action.CURRENT, 0)


def test_the_image_of_its_architecture_is_meant() -> None:
    need = judged(answered(slot(digest("0"), architecture="arm64")))
    assert need.layers == NEW_ARM.layers


def test_a_release_that_the_registry_forgot_makes_it_an_upper_bound() -> None:
    need = judged(answered(slot(digest("9"))))
    assert (need.bytes, need.exact, need.reason) == (1078, False, "image_unknown")
    assert need.answered


def test_a_forgotten_rollback_slot_does_not_spoil_the_figure() -> None:
    assert judged(answered(slot(digest("0")), rollback=slot(digest("9")))).exact


@pytest.mark.parametrize(
    ("result", "reason", "is_there"),
    [
        ({"unreachable": True, "msg": "no route"}, "unreachable", False),
        (None, "unreachable", False),
        ({"failed": True, "reason": "busy", "msg": "locked"}, "busy", True),
        ({"failed": True, "msg": "no python"}, "unexpected", True),
    ],
)
def test_of_whom_nothing_is_known_the_largest_image_is_the_upper_bound(
    result: object, reason: str, is_there: bool
) -> None:
    need = judged(result)
    assert (need.action, need.layers, need.exact) == (Action.UPDATE, NEW_ARM.layers, False)
    assert (need.reason, need.answered) == (reason, is_there)


@pytest.mark.parametrize(
    ("result", "reason", "words"),
    [
        ({"bootc": {"is_bootc": False}}, "not_bootc", "not booted by bootc"),
        (answered(slot(digest("0")), read_only=True), "read_only", "read-only medium"),
        (answered(slot(digest("0"), incompatible=True)), "incompatible", "rpm-ostree reset"),
        ({"failed": True, "reason": "unsupported_version", "msg": "bootc 0.1"}, "unsupported_version", "bootc 0.1"),
        ({"failed": True, "reason": "not_bootc"}, "not_bootc", "not booted by bootc"),
        ({"skipped": True}, "local", "runs the playbook"),
        (answered(slot(digest("0"), architecture="riscv64")), "architecture", "the image is for amd64, arm64"),
    ],
)
def test_who_cannot_be_updated_is_told_with_the_reason(result: object, reason: str, words: str) -> None:
    need = judged(result)
    assert (need.action, need.reason, need.bytes, need.exact) == (Action.REFUSED, reason, 0, True)
    assert words in (need.message or "")


def test_another_repository_is_noted() -> None:
    assert judged(answered(slot(digest("0")))).notes == ()
    (note,) = judged(answered(slot(digest("0"), image="other.example/os:v1"))).notes
    assert note == f"It follows other.example/os:v1; the rollout switches it to {OS}."


@pytest.mark.parametrize(
    "result",
    [
        {"bootc": 5},
        {"bootc": {"is_bootc": True}},
        answered(None, staged=slot(digest("0"))),
        answered({"digest": 5, "image": ["x"], "architecture": {}}, others=[1, None, "x"]),
        {"bootc": {"is_bootc": True, "booted": "x", "others": {"a": 1}}},
    ],
)
def test_a_device_may_answer_anything(result: object) -> None:
    need = judged(result)
    assert (need.action is Action.REFUSED) or not need.exact


def test_an_image_that_did_not_come_from_a_registry_is_not_asked_for_there() -> None:
    answer = answer_of(answered(slot(digest("0"), transport="oci", image="/var/images/os")))
    assert answer.held[0].image is None


@pytest.mark.parametrize(
    ("reference", "name"),
    [
        ("r.example:5000/a/b:v1", "r.example:5000/a/b"),
        ("r.example:5000/a/b", "r.example:5000/a/b"),
        ("r.example/b@sha256:0", "r.example/b"),
        ("r.example/b:v1@sha256:0", "r.example/b"),
        ("b:v1", "b"),
    ],
)
def test_repositories_are_told_from_tags_and_ports(reference: str, name: str) -> None:
    assert repository(reference) == name


def test_of_whom_nothing_is_known_all_barriers_are_part_of_the_upper_bound() -> None:
    hops = tuple(Hop(digest(name), (digest(name),), version, version) for name, version in (("d", "1.1"), ("e", "1.2")))
    hops = (replace(hops[0], size=500), replace(hops[1], size=300))
    target = replace(TARGET, barriers=hops)
    first = [Image("amd64", frozenset({digest("d")}), {"base": 1000, "first": 500})]
    second = [Image("arm64", frozenset({digest("e")}), {"second arm": 30})]
    stops = {digest("d"): first, digest("e"): second}

    def judged_by(result: object, *images: Image) -> Need:
        return judge("x", target, images, answer_of(result), lambda _held: None, of_barrier=stops.__getitem__)

    need = judged_by(None, NEW)
    assert need.layers == {"base": 1000, "first": 500, "new": 70, "more": 8}
    assert (need.exact, need.reboots, need.barrier_bytes) == (False, 3, 800)
    asked = judged_by(answered({**slot(digest("0")), "version": "1.0"}), NEW)
    assert (asked.bytes, asked.reboots, asked.barrier_bytes) == (need.bytes, need.reboots, need.barrier_bytes)
    assert judged_by(None, NEW, NEW_ARM).layers == {**NEW_ARM.layers, "second arm": 30}
