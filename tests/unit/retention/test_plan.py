# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host is to keep: the plan for each situation, and what holds for all of them."""

from __future__ import annotations

from dataclasses import replace

import pytest
from ansible_collections.skorionos.bootc.plugins.module_utils._bootc.retention.model import (
    BOOTED,
    FOREIGN,
    HAND,
    KEEP,
    OTHER,
    REQUEST,
    ROLLBACK,
    STAGED,
    Host,
)
from ansible_collections.skorionos.bootc.plugins.module_utils._bootc.retention.plan import (
    COLLECT,
    PIN,
    REMOVE,
    UNPIN,
    Plan,
    Wish,
    plan,
)
from ansible_collections.skorionos.bootc.plugins.module_utils._errors import BootcError
from hypothesis import given, settings
from hypothesis import strategies as st

from .builders import digest, host, words

THREE = ("v3=booted", "v2=rollback", "v1=other:keep")


def steps(planned: Plan) -> list[tuple[str, str | None]]:
    return [(step.action, step.deployment.version if step.deployment else None) for step in planned.steps]


@pytest.mark.parametrize(
    ("before", "wish", "doing", "after"),
    [
        pytest.param(("v1=booted",), Wish(keep=3), [(PIN, "v1")], ["v1=booted:keep"], id="first"),
        pytest.param(
            ("v2=booted", "v1=rollback"),
            Wish(keep=3),
            [(PIN, "v2"), (PIN, "v1")],
            ["v2=booted:keep", "v1=rollback:keep"],
            id="the rollback, or the next update would drop it",
        ),
        pytest.param(
            ("v4=booted", "v3=rollback:keep", "v2=other:keep", "v1=other:keep"),
            Wish(keep=3),
            [(PIN, "v4"), (REMOVE, "v1"), (COLLECT, None)],
            ["v4=booted:keep", "v3=rollback:keep", "v2=other:keep"],
            id="the oldest goes",
        ),
        pytest.param(
            ("v5=staged", "v4=booted:keep", "v3=rollback:keep", "v2=other:keep", "v1=other:keep"),
            Wish(keep=3),
            [(REMOVE, "v1"), (COLLECT, None)],
            ["v5=staged", "v4=booted:keep", "v3=rollback:keep", "v2=other:keep"],
            id="what is staged does not count",
        ),
        pytest.param(
            ("v4=booted:keep", "v3=rollback:keep", "v2=other:hand", "v1=other:keep"),
            Wish(keep=3),
            [],
            ["v4=booted:keep", "v3=rollback:keep", "v2=other:hand", "v1=other:keep"],
            id="what a person pinned takes no place",
        ),
        pytest.param(
            THREE,
            Wish(keep=2),
            [(REMOVE, "v1"), (COLLECT, None)],
            ["v3=booted", "v2=rollback"],
            id="two need no pins",
        ),
        pytest.param(
            ("v2=booted:keep", "v1=rollback:keep"),
            Wish(keep=2),
            [(UNPIN, "v2"), (UNPIN, "v1")],
            ["v2=booted", "v1=rollback"],
            id="pins of a former policy go",
        ),
        pytest.param(
            ("v3=booted:keep", "v2=rollback:keep", "v1=other"),
            Wish(keep=3),
            [(PIN, "v1")],
            ["v3=booted:keep", "v2=rollback:keep", "v1=other:keep"],
            id="one that lost its pin gets it back",
        ),
        pytest.param(
            ("v3=booted:keep", "v2=rollback:keep", "v1=foreign", "v0=foreign:hand"),
            Wish(keep=2),
            [(UNPIN, "v3"), (UNPIN, "v2")],
            ["v3=booted", "v2=rollback", "v1=foreign", "v0=foreign:hand"],
            id="another stateroot is another system",
        ),
        pytest.param(
            ("v2=booted", "v1=rollback"),
            Wish(keep=1, allow_no_rollback=True),
            [(REMOVE, "v1"), (COLLECT, None)],
            ["v2=booted"],
            id="one",
        ),
        pytest.param(
            ("v2=booted", "v1=rollback:hand"),
            Wish(keep=1, allow_no_rollback=True),
            [],
            ["v2=booted", "v1=rollback:hand"],
            id="one, and a person's pin",
        ),
        pytest.param(
            ("v3=booted", "v2=rollback", "v1=other:hand"),
            Wish(delete=("v2",)),
            [(REMOVE, "v2"), (COLLECT, None)],
            ["v3=booted", "v1=rollback:hand"],
            id="deleting the rollback is fine while there is another",
        ),
        pytest.param(
            ("v4=booted", "v3=rollback", "v2=other:keep", "v1=other:keep"),
            Wish(delete=("v3", "v2")),
            [(REMOVE, "v2"), (REMOVE, "v3"), (COLLECT, None)],
            ["v4=booted", "v1=rollback:keep"],
            id="the oldest first",
        ),
        pytest.param(
            ("v2=booted", "v1=rollback"),
            Wish(keep=3, unpin=("v2",)),
            [(PIN, "v1")],
            ["v2=booted", "v1=rollback:keep"],
            id="what is not to be pinned is not pinned for keep either",
        ),
        pytest.param(
            THREE, Wish(pin=("v1",)), [("claim", "v1")], ["v3=booted", "v2=rollback", "v1=other:request"], id="claimed"
        ),
        pytest.param(
            ("v3=booted", "v2=rollback", "v1=other:hand"),
            Wish(unpin=("v1",), keep=2),
            [(REMOVE, "v1"), (COLLECT, None)],
            ["v3=booted", "v2=rollback"],
            id="a person's pin goes when it is named",
        ),
        pytest.param(THREE, Wish(collect_garbage=True), [(COLLECT, None)], list(THREE), id="garbage only"),
    ],
)
def test_plan(before: tuple[str, ...], wish: Wish, doing: list[tuple[str, str | None]], after: list[str]) -> None:
    planned = plan(host(*before), wish)
    assert (steps(planned), words(planned.predicted)) == (doing, after)


def test_what_the_host_came_back_from_is_not_pinned_and_loses_its_pin() -> None:
    bad = host("v2=booted", "v3=rollback:keep", "v1=other:keep")
    planned = plan(bad, Wish(keep=3), came_back=True)
    assert steps(planned) == [(PIN, "v2"), (UNPIN, "v3")]


def test_while_a_rollback_is_queued_the_pins_of_both_stay_as_they_are() -> None:
    queued = host("v2=rollback", "v3=booted", "v1=other", queued=True)
    assert steps(plan(queued, Wish(keep=3))) == [(PIN, "v1")]


def test_composefs_removes_with_all_that_belongs_to_it() -> None:
    planned = plan(
        host("v3=booted", "v2=rollback", "v1=other", backend="composefs"), Wish(keep=2, collect_garbage=True)
    )
    assert steps(planned) == [(REMOVE, "v1")]


@pytest.mark.parametrize(
    ("before", "wish", "kind", "says"),
    [
        (THREE, Wish(keep=0), "invalid", "booted deployment always stays"),
        (THREE, Wish(keep=1), "invalid", "allow_no_rollback=true"),
        (THREE, Wish(pin=("",)), "invalid", "empty name"),
        (THREE, Wish(delete=("sha256:abc",)), "invalid", "64 hex digits"),
        (THREE, Wish(pin=("v9",)), "not_found", "v9"),
        (THREE, Wish(delete=("v9",), strict=True), "not_found", "v9"),
        (THREE, Wish(unpin=("v9",), strict=True), "not_found", "v9"),
        (THREE, Wish(delete=("v3",)), "invalid", "it is what runs"),
        (("v4=staged", *THREE), Wish(delete=("v4",)), "invalid", "state=absent"),
        (("v4=staged", *THREE), Wish(pin=("v4",)), "invalid", "is staged"),
        (THREE, Wish(pin=("v1",), delete=(digest("v1"),)), "invalid", "pin and delete both name"),
        (THREE, Wish(pin=("v1",), unpin=("v1",)), "invalid", "pin and unpin both name"),
        (("v2=booted", "v1=rollback"), Wish(delete=("v1",)), "no_rollback", "allow_no_rollback=true"),
        (("v2=booted", "v1=rollback", "v0=foreign"), Wish(delete=("v0",)), "invalid", "stateroot another"),
    ],
)
def test_refused_before_anything_is_touched(before: tuple[str, ...], wish: Wish, kind: str, says: str) -> None:
    with pytest.raises(BootcError) as refused:
        plan(host(*before), wish)
    assert refused.value.kind == kind
    assert says in refused.value.msg
    assert refused.value.remedy


def test_what_boots_next_is_not_deleted() -> None:
    with pytest.raises(BootcError, match="it boots next"):
        plan(host("v1=rollback", "v2=booted", queued=True), Wish(delete=("v1",), allow_no_rollback=True))


@pytest.mark.parametrize("wish", [Wish(keep=3), Wish(pin=("v2",))])
def test_composefs_says_what_it_has_not(wish: Wish) -> None:
    with pytest.raises(BootcError) as refused:
        plan(host("v2=booted", "v1=rollback", backend="composefs"), wish)
    assert refused.value.kind == "incompatible"
    assert refused.value.remedy


def test_a_name_of_two_deployments_is_refused_and_an_id_is_not() -> None:
    twice = host("v3=booted", "v2=rollback", "v1=other")
    first = twice.deployments[1]
    second = replace(first, id=f"{first.id[:-1]}1", slot=OTHER)
    again = Host("ostree", (*twice.deployments[:2], second))
    for name in ("v2", digest("v2"), first.id[:-2]):
        with pytest.raises(BootcError, match="2 deployments"):
            plan(again, Wish(delete=(name,)))
    assert plan(again, Wish(delete=(second.id,))).steps[0].deployment == second


def test_names_nobody_has_are_satisfied() -> None:
    assert plan(host(*THREE), Wish(unpin=("v9",), delete=("v8", digest("v7")))).steps == ()


# -- what holds for every host and every wish --------------------------------------------------------------------------


@st.composite
def hosts(draw: st.DrawFn) -> Host:
    backend = draw(st.sampled_from(["ostree", "composefs"]))
    pins = st.sampled_from(["", ":hand", ":keep", ":request"] if backend == "ostree" else [""])
    queued = draw(st.booleans())
    menu = [f"booted{draw(pins)}"]
    if draw(st.booleans()):
        rollback = f"rollback{draw(pins)}"
        menu = [rollback, *menu] if queued else [*menu, rollback]
        menu += [f"other{draw(pins)}" for _number in range(draw(st.integers(0, 4)))]
    if backend == "ostree":
        menu += [f"foreign{draw(st.sampled_from(['', ':hand']))}" for _number in range(draw(st.integers(0, 2)))]
    if draw(st.booleans()):
        menu = ["staged", *menu]
    entries = [f"v{len(menu) - number}={place}" for number, place in enumerate(menu)]
    return host(*entries, backend=backend, queued=queued and any("rollback" in place for place in menu))


NAMES = st.lists(st.sampled_from([f"v{number}" for number in range(1, 10)]), max_size=2).map(tuple)
WISHES = st.builds(
    Wish,
    keep=st.none() | st.integers(1, 5),
    pin=NAMES,
    unpin=NAMES,
    delete=NAMES,
    collect_garbage=st.booleans(),
    allow_no_rollback=st.booleans(),
)


def planned_or_none(before: Host, wish: Wish, came_back: bool) -> Plan | None:
    try:
        return plan(before, wish, came_back=came_back)
    except BootcError as refused:
        assert refused.remedy
        return None


@settings(deadline=None, max_examples=400)
@given(before=hosts(), wish=WISHES, came_back=st.booleans())
def test_what_holds_for_every_plan(before: Host, wish: Wish, came_back: bool) -> None:
    planned = planned_or_none(before, wish, came_back)
    if planned is None:
        return
    after = planned.predicted
    left = {(entry.stateroot, entry.id): entry for entry in after.deployments}
    named = {entry.id for entry in before.own if entry.version in (*wish.unpin, *wish.delete)}
    deleted = {entry.id for entry in before.own if entry.version in wish.delete}
    for entry in before.deployments:
        now = left.get((entry.stateroot, entry.id))
        if entry.slot in (BOOTED, STAGED):
            assert now is not None
        if entry.slot == FOREIGN:
            assert now == entry
        if entry.slot == ROLLBACK and wish.keep != 1:
            assert now is not None or entry.id in deleted
        if entry.pinned_by in (HAND, REQUEST) and entry.id not in named:
            assert now is not None
            assert now.pinned_by == entry.pinned_by
    if not wish.allow_no_rollback:
        assert len(after.bootable) >= min(2, len(before.bootable))
    if wish.keep is not None:
        ours = [e for e in after.bootable if e.pinned_by == KEEP or (e.slot in (BOOTED, ROLLBACK) and not e.pinned)]
        assert len(ours) <= max(wish.keep, 2)
        assert [entry for entry in after.own if entry.slot == OTHER and entry.pinned_by == KEEP] == [] or wish.keep > 2
    again = plan(after, replace(wish, collect_garbage=False), came_back=came_back)
    assert again.steps == ()
