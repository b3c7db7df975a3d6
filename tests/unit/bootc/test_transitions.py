# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rules by which a wish becomes commands, row by row, for both backends."""

from __future__ import annotations

from dataclasses import replace

import pytest
from ansible_collections.skorionos.bootc.plugins.module_utils._bootc.status import Slot, Status
from ansible_collections.skorionos.bootc.plugins.module_utils._bootc.transitions import (
    Rollback,
    Switch,
    Update,
    after_reboot,
    found_nothing_new,
    mismatch,
    plan,
    undeploy_staged,
)
from ansible_collections.skorionos.bootc.plugins.module_utils._errors import BootcError

from .states import REPOSITORY, TAG, back, digest, state

SWITCH_PIN = f"bootc switch --quiet {REPOSITORY}@"
UPGRADE = "bootc upgrade --quiet"
ARM = "bootc upgrade --quiet --from-downloaded"
PARK = "bootc upgrade --quiet --download-only"
ROLLBACK = "bootc rollback"
DROP = {"ostree": "ostree admin undeploy 0", "composefs": "bootc delete-deployment " + "s" * 128}
BOTH = ("ostree", "composefs")


def commands(transition):
    return [" ".join(command) for command in transition.commands]


def pin(letter, **more):
    return Switch(f"{REPOSITORY}@{digest(letter)}", accept=frozenset([digest(letter)]), digest=digest(letter), **more)


def check(before, desired, expected, next_boot):
    """The plan is these commands, and carrying it out leaves nothing to do."""
    transition = plan(before, desired)
    assert commands(transition) == expected
    assert transition.predicted.next_boot == next_boot
    assert transition.changed is bool(expected)
    assert plan(transition.predicted, desired).commands == ()
    assert mismatch(transition, before, transition.predicted) is None
    return transition


def refused(before, desired):
    with pytest.raises(BootcError) as caught:
        plan(before, desired)
    assert caught.value.remedy
    return caught.value.kind


# Deployments: b booted, s staged, r rollback, n new. "D" stands for the command that drops what is staged.
@pytest.mark.parametrize("backend", BOTH)
@pytest.mark.parametrize(
    ("staged", "parked", "queued", "wanted", "expected", "next_boot"),
    [
        (None, False, False, "b", [], "booted"),
        (None, False, False, "n", [SWITCH_PIN + digest("n")], "staged"),
        ("s", False, False, "n", [SWITCH_PIN + digest("n")], "staged"),
        ("s", True, False, "n", [SWITCH_PIN + digest("n")], "staged"),
        ("s", False, False, "s", [], "staged"),
        ("s", False, True, "s", [], "staged"),
        ("s", True, False, "s", [ARM], "staged"),
        ("s", False, False, "b", ["D"], "booted"),
        ("s", True, False, "b", [], "booted"),
        ("s", False, True, "b", ["D", ROLLBACK], "booted"),
        ("s", True, True, "b", [ROLLBACK], "booted"),
        (None, False, True, "b", [ROLLBACK], "booted"),
        (None, False, True, "r", [], "rollback"),
        (None, False, True, "n", [SWITCH_PIN + digest("n")], "staged"),
    ],
)
def test_switch_by_digest(*, backend, staged, parked, queued, wanted, expected, next_boot):
    before = state("b", staged, "r", backend=backend, parked=parked, queued=queued)
    check(before, pin(wanted), [DROP[backend] if word == "D" else word for word in expected], next_boot)


LOCK = "ostree admin lock-finalization"


@pytest.mark.parametrize(
    ("staged", "parked", "wanted", "expected"),
    [
        (None, False, "n", [SWITCH_PIN + digest("n"), LOCK]),
        ("s", False, "n", [SWITCH_PIN + digest("n"), LOCK]),
        ("s", True, "n", [SWITCH_PIN + digest("n"), LOCK]),
        ("s", False, "s", [LOCK]),
        ("s", True, "s", []),
        (None, False, "b", []),
    ],
)
def test_what_is_parked_does_not_boot_next(*, staged, parked, wanted, expected):
    check(state("b", staged, "r", parked=parked), pin(wanted, park=True), expected, "booted")


def test_the_name_that_is_tracked_is_parked_by_bootc_itself():
    before = state("b", None, "r", images={"booted": TAG})
    wish = Switch(TAG, accept=frozenset([digest("n")]), digest=digest("n"), park=True)
    check(before, wish, ["bootc upgrade --quiet --download-only"], "booted")


def test_only_ostree_hosts_that_can_arm_it_again_park_what_is_named():
    assert refused(state("b", backend="composefs"), pin("n", park=True)) == "unsupported_version"
    assert refused(state("b", version="1.11.0"), pin("n", park=True)) == "unsupported_version"


def test_switch_to_the_rollback_content():
    check(state("b", None, "r"), pin("r"), [SWITCH_PIN + digest("r")], "staged")
    assert refused(state("b", None, "r", backend="composefs"), pin("r")) == "already_deployed"


def test_switch_to_the_content_of_another_deployment():
    check(state("b", None, "r", others="o"), pin("o"), [SWITCH_PIN + digest("o")], "staged")
    assert refused(state("b", None, "r", backend="composefs", others="o"), pin("o")) == "already_deployed"


def test_dropping_needs_a_composefs_host_of_1_11():
    before = state("b", "s", backend="composefs", version="1.10.0")
    assert refused(before, pin("b")) == "unsupported_version"


@pytest.mark.parametrize("backend", BOTH)
def test_switch_to_the_tracked_tag_stays_with_it(backend):
    wish = Switch(TAG, accept=frozenset([digest("n")]), digest=digest("n"), by_name=True)
    check(state("b", None, "r", backend=backend), wish, [], "booted")
    check(state("b", "s", "r", backend=backend), wish, [], "staged")
    check(state("b", "s", "r", backend=backend, parked=True), wish, [], "booted")
    check(state("b", None, "r", backend=backend), Switch(TAG), [], "booted")


@pytest.mark.parametrize("backend", BOTH)
def test_switch_to_the_tracked_tag_keeps_a_rollback_to_the_same_tag(backend):
    check(state("b", None, "r", backend=backend, queued=True), Switch(TAG), [], "rollback")
    other = state("b", None, "r", backend=backend, queued=True, images={"rollback": f"{REPOSITORY}:old"})
    check(other, Switch(TAG), [ROLLBACK], "booted")


def test_switch_to_another_name_of_the_booted_content():
    wish = Switch(f"{REPOSITORY}:v1", accept=frozenset([digest("b")]), digest=digest("b"), by_name=True)
    check(state("b"), wish, [f"bootc switch --quiet {REPOSITORY}:v1"], "staged")
    transition = check(state("b", backend="composefs"), wish, [], "booted")
    assert TAG in transition.note


@pytest.mark.parametrize("backend", BOTH)
def test_switch_of_a_tracked_tag_to_given_content_is_an_upgrade(backend):
    wish = Switch(TAG, accept=frozenset([digest("n")]), digest=digest("n"))
    check(state("b", backend=backend), wish, [UPGRADE], "staged")
    check(state("b", "s", backend=backend), wish, [UPGRADE], "staged")
    check(state("b", "s", backend=backend, parked=True), wish, [UPGRADE], "staged")


@pytest.mark.parametrize("backend", BOTH)
def test_switch_to_an_unknown_tag_predicts_no_digest(backend):
    transition = plan(state("b", backend=backend), Switch(f"{REPOSITORY}:new"))
    assert transition.predicted.staged is not None
    assert transition.predicted.staged.digest is None
    assert "not known" in transition.note


@pytest.mark.parametrize("backend", BOTH)
def test_a_pinned_name_is_proof_even_if_it_names_an_index(backend):
    name = f"{REPOSITORY}@{digest('i')}"
    wish = Switch(name, accept=frozenset([digest("i")]))
    check(state("b", backend=backend, images={"booted": name}), wish, [], "booted")
    transition = plan(state("b", backend=backend), wish)
    after = replace(
        transition.predicted, staged=replace(transition.predicted.staged, digest=digest("a"), deployment="x")
    )
    assert mismatch(transition, state("b", backend=backend), after) is None


def test_switch_flags():
    wish = Switch("/srv/image", "oci", enforce_signature=True, retain=True)
    assert commands(plan(state("b"), wish)) == [
        "bootc switch --quiet --transport oci --enforce-container-sigpolicy --retain /srv/image"
    ]


def test_enforcing_signatures_stages_the_same_content_again_on_ostree_only():
    wish = pin("b", enforce_signature=True)
    check(
        state("b"),
        wish,
        [f"bootc switch --quiet --enforce-container-sigpolicy {REPOSITORY}@{digest('b')}"],
        "staged",
    )
    check(state("b", backend="composefs"), wish, [], "booted")


def test_a_switch_without_demand_leaves_the_demand_of_the_tracked_image():
    signed = replace(state("b").booted, signature="containerPolicy")
    before = replace(state("b"), booted=signed, spec_image=signed.spec)
    check(before, Switch(TAG), [], "booted")
    transition = check(before, Switch(TAG, accept=frozenset([digest("n")]), digest=digest("n")), [UPGRADE], "staged")
    assert transition.predicted.staged.signature == "containerPolicy"
    other = plan(before, Switch(f"{REPOSITORY}:other"))
    assert (commands(other), other.predicted.staged.signature) == ([f"bootc switch --quiet {REPOSITORY}:other"], None)


def test_dropping_a_staged_switch_says_which_name_is_tracked_again():
    other = state("b", "s", images={"staged": f"{REPOSITORY}:other"})
    assert f"{TAG} is tracked again" in check(other, pin("b"), [DROP["ostree"]], "booted").note
    newest = Update(accept=frozenset([digest("b")]), digest=digest("b"))
    assert f"{TAG} is tracked again" in check(other, newest, [DROP["ostree"]], "booted").note
    queued = state("b", "s", "r", queued=True, images={"staged": f"{REPOSITORY}:other"})
    dropped = check(queued, Rollback(discard_staged=True), [DROP["ostree"]], "rollback")
    assert f"{TAG} is tracked again" in dropped.note
    assert "tracked again" not in check(state("b", "s"), pin("b"), [DROP["ostree"]], "booted").note


@pytest.mark.parametrize("backend", BOTH)
def test_what_is_parked_does_not_survive_a_rollback_that_is_taken_back(backend):
    transition = check(state("b", "s", "r", backend=backend, parked=True, queued=True), pin("b"), [ROLLBACK], "booted")
    assert "The parked" in transition.note and "is dropped" in transition.note
    assert "stays parked" not in transition.note
    assert transition.discards == ("staged",)


def test_a_release_that_leaves_a_stale_entry_behind_has_it_dropped_before_the_rollback_is_taken_back():
    before = state("b", "s", "r", backend="composefs", parked=True, queued=True, version="1.15.2")
    check(before, pin("b"), [DROP["composefs"], ROLLBACK], "booted")


def test_switch_leaves_local_modifications_behind_and_says_so():
    before = Status("1.16.9", "ostree", booted=Slot(incompatible=True, deployment="x.0"))
    transition = plan(before, pin("n"))
    assert commands(transition) == [SWITCH_PIN + digest("n")]
    assert "rpm-ostree" in transition.note


@pytest.mark.parametrize("backend", BOTH)
@pytest.mark.parametrize(
    ("staged", "parked", "queued", "newest", "expected", "next_boot"),
    [
        (None, False, False, "b", [], "booted"),
        (None, False, True, "b", [], "rollback"),
        (None, False, False, "n", [UPGRADE], "staged"),
        ("s", False, False, "s", [], "staged"),
        ("s", True, False, "s", [ARM], "staged"),
        ("s", False, False, "n", [UPGRADE], "staged"),
        ("s", True, False, "n", [UPGRADE], "staged"),
        ("s", False, False, "b", ["D"], "booted"),
        ("s", True, False, "b", [], "booted"),
        (None, False, True, "r", [], "rollback"),
    ],
)
def test_update_staged(*, backend, staged, parked, queued, newest, expected, next_boot):
    before = state("b", staged, "r", backend=backend, parked=parked, queued=queued)
    wish = Update(accept=frozenset([digest(newest)]), digest=digest(newest))
    check(before, wish, [DROP[backend] if word == "D" else word for word in expected], next_boot)


@pytest.mark.parametrize("backend", BOTH)
@pytest.mark.parametrize(
    ("staged", "parked", "newest", "expected", "next_boot"),
    [
        (None, False, "b", [], "booted"),
        (None, False, "n", [PARK], "booted"),
        ("s", True, "s", [], "booted"),
        ("s", False, "s", [], "staged"),
        ("s", True, "n", [PARK], "booted"),
        ("s", False, "n", [PARK], "booted"),
        ("s", False, "b", [], "staged"),
    ],
)
def test_update_downloaded(*, backend, staged, parked, newest, expected, next_boot):
    before = state("b", staged, "r", backend=backend, parked=parked)
    check(before, Update(park=True, accept=frozenset([digest(newest)]), digest=digest(newest)), expected, next_boot)


def test_update_to_the_rollback_content():
    wish = Update(accept=frozenset([digest("r")]), digest=digest("r"))
    check(state("b", None, "r"), wish, [UPGRADE], "staged")
    assert refused(state("b", None, "r", backend="composefs"), wish) == "already_deployed"


@pytest.mark.parametrize(
    ("backend", "version", "supported"),
    [
        ("ostree", "1.11.9", False),
        ("ostree", "1.12.0", True),
        ("composefs", "1.12.9", False),
        ("composefs", "1.13.0", True),
    ],
)
def test_parking_needs_a_version(backend, version, supported):
    wish = Update(park=True, accept=frozenset([digest("n")]), digest=digest("n"))
    before = state("b", backend=backend, version=version)
    if supported:
        check(before, wish, [PARK], "booted")
    else:
        assert refused(before, wish) == "unsupported_version"


@pytest.mark.parametrize("backend", BOTH)
def test_a_tracked_digest_has_no_update(backend):
    pinned_name = f"{REPOSITORY}@{digest('b')}"
    transition = check(state("b", backend=backend, images={"booted": pinned_name}), Update(), [], "booted")
    assert "a digest" in transition.note


@pytest.mark.parametrize("backend", BOTH)
def test_what_is_parked_is_dropped_only_where_an_upgrade_may_find_it(backend):
    drop = [DROP["composefs"]] if backend == "composefs" else []
    parked = state("b", "s", "r", backend=backend, parked=True)
    transition = plan(parked, Update())
    assert commands(transition) == [*drop, UPGRADE]
    assert ("dropped first" in transition.note) is bool(drop)
    assert mismatch(transition, parked, parked.without_staged() if drop else parked) is None
    unknown = plan(parked, Switch(TAG, accept=frozenset([digest("n"), digest("i")])))
    assert commands(unknown) == [*drop, UPGRADE]
    assert commands(plan(parked, Update(park=True))) == [PARK]


@pytest.mark.parametrize("backend", BOTH)
def test_downloading_leaves_what_is_armed_while_the_newest_content_is_not_known(backend):
    transition = check(state("b", "s", backend=backend), Update(park=True), [], "staged")
    assert "not known" in transition.note


def test_update_of_an_unknown_tag_may_turn_out_to_be_none():
    before = state("b")
    transition = plan(before, Update())
    assert (commands(transition), transition.uncertain) == ([UPGRADE], True)
    assert mismatch(transition, before, before) is None
    assert transition.predicted.staged is not None
    assert transition.predicted.staged.digest is None


def test_update_refuses_local_modifications_and_hosts_without_image():
    layered = Status("1.16.9", "ostree", booted=Slot(incompatible=True))
    assert refused(layered, Update()) == "incompatible"
    assert refused(Status("1.16.9", "ostree", booted=Slot()), Update()) == "incompatible"


@pytest.mark.parametrize("backend", BOTH)
@pytest.mark.parametrize("parked", [True, False])
def test_rollback(backend, parked):
    check(state("b", None, "r", backend=backend), Rollback(), [ROLLBACK], "rollback")
    check(state("b", None, "r", backend=backend, queued=True), Rollback(), [], "rollback")
    staged = state("b", "s", "r", backend=backend, parked=parked)
    assert refused(staged, Rollback()) == "would_discard"
    drop = [DROP["composefs"]] if backend == "composefs" else []
    transition = check(staged, Rollback(discard_staged=True), [*drop, ROLLBACK], "rollback")
    assert transition.discards == ("staged",)


@pytest.mark.parametrize("backend", BOTH)
def test_rollback_that_is_queued_behind_something_staged_is_not_toggled(backend):
    before = state("b", "s", "r", backend=backend, queued=True)
    assert refused(before, Rollback()) == "would_discard"
    check(before, Rollback(discard_staged=True), [DROP[backend]], "rollback")


@pytest.mark.parametrize("backend", BOTH)
def test_rollback_does_not_go_forward_again(backend):
    before = state("a", None, "b", backend=backend)
    history = back("ba")
    assert check(before, Rollback(history=history), [], "booted").already_rolled_back is True
    check(before, Rollback(history=history, repeat=True), [ROLLBACK], "rollback")
    check(before, Rollback(history=back("ab")), [ROLLBACK], "rollback")
    # What was rolled back, tried again and is to be rolled back again: only the last time counts.
    check(before, Rollback(history=back("ba", "ab")), [ROLLBACK], "rollback")
    assert check(before, Rollback(history=back("ab", "ba")), [], "booted").already_rolled_back is True


@pytest.mark.parametrize("backend", BOTH)
@pytest.mark.parametrize(
    ("history", "elsewhere"),
    [
        ((), True),
        (("br",), False),
        (("rb",), True),
        (("br", "rb"), True),
        (("rb", "br"), False),
        (("xr",), True),
    ],
)
def test_a_queued_rollback_that_nobody_asked_for_is_told_apart(backend, history, elsewhere):
    marks = back(*history)
    queued = state("b", None, "r", backend=backend, queued=True)
    transition = check(queued, Rollback(history=marks), [], "rollback")
    assert (transition.queued_elsewhere, transition.already_rolled_back) == (elsewhere, False)
    assert (f"bootc_switch with image={REPOSITORY}@{digest('b')}" in transition.note) is elsewhere
    behind = state("b", "s", "r", backend=backend, queued=True)
    uncovered = check(behind, Rollback(discard_staged=True, history=marks), [DROP[backend]], "rollback")
    assert uncovered.queued_elsewhere is elsewhere


def test_a_rollback_of_contents_without_digest_is_not_taken_for_that_of_others():
    queued = state("b", None, "r", queued=True)
    nameless = replace(queued, booted=replace(queued.booted, digest=None, deployment=None))
    assert check(nameless, Rollback(), [], "rollback").queued_elsewhere is False


@pytest.mark.parametrize("backend", BOTH)
@pytest.mark.parametrize("park", [True, False])
@pytest.mark.parametrize("staged", [None, "n", "s"])
def test_update_does_not_fetch_what_the_host_was_taken_back_from(backend, park, staged):
    wish = Update(park, frozenset([digest("n"), digest("i")]), digest("n"), history=back("nb"))
    before = state("b", staged, "r", backend=backend, parked=True)
    transition = check(before, wish, [], "booted")
    assert "taken back" in transition.note
    forward = back("nb", "bn")
    assert commands(plan(before, replace(wish, repeat=True))) == commands(plan(before, replace(wish, history=forward)))
    assert commands(plan(state("b", None, "r", backend=backend), replace(wish, repeat=True)))


def test_update_leaves_what_somebody_staged_again_and_says_so():
    wish = Update(accept=frozenset([digest("s")]), digest=digest("s"), history=back("sb"))
    assert "somebody has staged" in check(state("b", "s", "r"), wish, [], "staged").note


def test_update_without_lookup_fetches_nothing_where_it_may_be_what_the_host_was_taken_back_from():
    before = state("b", None, "r")
    wish = Update(history=back("rb"))
    assert "taken back" in check(before, wish, [], "booted").note
    assert commands(plan(before, replace(wish, repeat=True))) == [UPGRADE]
    assert commands(plan(before, replace(wish, history=back("rx")))) == [UPGRADE]


def test_rollback_needs_something_to_go_back_to():
    assert refused(state("b"), Rollback()) == "no_rollback"
    assert refused(replace(state("b"), rollback=Slot(deployment="x.0")), Rollback()) == "no_rollback"


def test_rollback_on_composefs_needs_exactly_two_entries():
    check(state("b", None, "r", others="o"), Rollback(), [ROLLBACK], "rollback")
    assert refused(state("b", None, "r", backend="composefs", others="o"), Rollback()) == "no_rollback"


@pytest.mark.parametrize("wish", [pin("n"), Update(), Rollback()])
def test_other_hosts_are_refused(wish):
    assert refused(Status(), wish) == "not_bootc"


@pytest.mark.parametrize("wish", [pin("n"), Update(), Rollback()])
def test_read_only_hosts_are_refused_if_there_is_something_to_do(wish):
    assert refused(replace(state("b", None, "r"), read_only=True), wish) == "read_only"
    check(replace(state("b"), read_only=True), pin("b"), [], "booted")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"staged": None}, "booted boots next instead of staged"),
        ({"staged": None, "rollback_queued": True}, "rollback boots next instead of staged"),
    ],
)
def test_reality_that_differs(changes, said):
    before = state("b", None, "r")
    transition = plan(before, pin("n"))
    assert said in mismatch(transition, before, replace(transition.predicted, **changes))


@pytest.mark.parametrize("wish", [pin("n"), Update(accept=frozenset([digest("n")]), digest=digest("n")), Update()])
@pytest.mark.parametrize("deployment", ["r" * 64 + ".0", None])
def test_a_rollback_deployment_that_vanished_is_noticed(wish, deployment):
    before = state("b", None, "r")
    before = replace(before, rollback=replace(before.rollback, deployment=deployment))
    transition = plan(before, wish)
    for after in (transition.predicted, before):
        assert mismatch(transition, before, replace(after, rollback=None)) == "the rollback deployment is gone"
        assert not found_nothing_new(transition, before, replace(after, rollback=None))
    moved = replace(transition.predicted, others=(before.rollback,))
    assert mismatch(transition, before, moved) is None


@pytest.mark.parametrize(
    ("listed", "command"),
    [
        ([{"staged": True, "checksum": "s" * 64, "serial": 0, "index": 0}], "ostree admin undeploy 0"),
        (
            [{"staged": False}, {"staged": True, "checksum": "s" * 64, "serial": 0, "index": 1}],
            "ostree admin undeploy 1",
        ),
        ([{"staged": False}, {"staged": True, "checksum": "s" * 64, "serial": 0}], "ostree admin undeploy 1"),
        ([{"staged": True, "checksum": "x" * 64, "serial": 0, "index": 0}], None),
        ([{"staged": False, "checksum": "s" * 64, "serial": 0, "index": 0}], None),
    ],
)
def test_what_is_dropped_is_what_was_staged(listed, command):
    found = undeploy_staged(listed, state("b", "s").staged)
    assert (" ".join(found) if found else None) == command


def test_other_content_than_wanted_is_noticed():
    before = state("b")
    transition = plan(before, pin("n"))
    staged = replace(transition.predicted.staged, digest=digest("x"), image=TAG)
    assert digest("x") in mismatch(transition, before, replace(transition.predicted, staged=staged))
    parked = replace(transition.predicted.staged, download_only=True)
    assert "instead of staged" in mismatch(transition, before, replace(transition.predicted, staged=parked))


@pytest.mark.parametrize(
    ("before", "booted", "rollback"),
    [
        (state("b", "s", "r"), "s", "b"),
        (state("b", "s", "r", parked=True), "b", "r"),
        (state("b", None, "r", queued=True), "r", "b"),
        (state("b", "s", "r", parked=True, queued=True), "r", "b"),
        (state("b", None, "r"), "b", "r"),
    ],
)
def test_after_reboot(before, booted, rollback):
    after = after_reboot(before)
    assert (after.booted.digest, after.rollback.digest) == (digest(booted), digest(rollback))
    assert (after.staged, after.next_boot) == (None, "booted")
