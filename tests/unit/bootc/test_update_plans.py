# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an update does besides taking the newest content: another tag, what is parked, nothing, or nothing any more."""

from __future__ import annotations

from dataclasses import replace

import pytest
from ansible_collections.skorionos.bootc.plugins.module_utils._bootc.transitions import (
    NothingStaged,
    Rollback,
    Switch,
    Update,
    fetches,
    mismatch,
    plan,
    require_supported,
)
from ansible_collections.skorionos.bootc.plugins.module_utils._device.content import Content
from ansible_collections.skorionos.bootc.plugins.module_utils._device.markers import RollbackMark
from ansible_collections.skorionos.bootc.plugins.module_utils._errors import BootcError

from .states import REPOSITORY, TAG, back, digest, state
from .test_transitions import ARM, BOTH, DROP, PARK, UPGRADE, check, commands, refused

TESTING = f"{REPOSITORY}:testing"
SWITCH = f"bootc switch --quiet {TESTING}"
FOLLOW = f"{UPGRADE} --tag testing"


def update(letter, **more):
    return Update(accept=frozenset([digest(letter)]), digest=digest(letter), **more)


# -- nothing is staged any more ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("backend", BOTH)
@pytest.mark.parametrize(
    ("staged", "parked", "queued", "expected", "next_boot"),
    [
        (None, False, False, [], "booted"),
        (None, False, True, [], "rollback"),
        ("s", False, False, ["D"], "booted"),
        ("s", True, False, ["D"], "booted"),
        ("s", False, True, ["D"], "rollback"),
        ("s", True, True, ["D"], "rollback"),
    ],
)
def test_absent(*, backend, staged, parked, queued, expected, next_boot):
    before = state("b", staged, "r", backend=backend, parked=parked, queued=queued)
    transition = check(before, NothingStaged(), [DROP[backend] for _word in expected], next_boot)
    assert transition.discards == (("staged",) if staged else ())
    assert ("queued rollback boots next now" in transition.note) is bool(staged and queued)


def test_dropping_on_composefs_needs_1_11_and_says_what_else_there_is():
    before = state("b", "s", backend="composefs", version="1.10.2")
    with pytest.raises(BootcError) as caught:
        plan(before, NothingStaged())
    assert caught.value.kind == "unsupported_version"
    assert "1.10.2" in caught.value.message and "1.11.0 or newer" in caught.value.message
    assert "bootc_switch" in caught.value.remedy
    check(replace(before, bootc_version="1.11.0"), NothingStaged(), [DROP["composefs"]], "booted")
    check(state("b", "s", version="1.1.0"), NothingStaged(), [DROP["ostree"]], "booted")


def test_something_staged_without_identity_is_not_dropped_on_composefs():
    before = state("b", "s", backend="composefs")
    assert refused(replace(before, staged=replace(before.staged, deployment=None)), NothingStaged()) == "unexpected"


# -- what is parked, whatever the registry has -------------------------------------------------------------------------


@pytest.mark.parametrize("backend", BOTH)
def test_what_is_parked_is_armed_without_a_look_at_the_registry(backend):
    parked = state("b", "s", "r", backend=backend, parked=True)
    transition = check(parked, Update(from_downloaded=True), [ARM], "staged")
    assert transition.predicted.staged.soft_reboot_capable is None
    assert not any(map(fetches, transition.commands))
    check(state("b", "s", "r", backend=backend), Update(from_downloaded=True), [], "staged")
    assert refused(state("b", None, "r", backend=backend), Update(from_downloaded=True)) == "not_found"


@pytest.mark.parametrize("backend", BOTH)
def test_what_is_parked_is_not_armed_if_the_host_was_taken_back_from_it(backend):
    parked = state("b", "s", "r", backend=backend, parked=True)
    wish = Update(from_downloaded=True, history=back("sb"))
    assert "taken back" in check(parked, wish, [], "booted").note
    check(parked, replace(wish, repeat=True), [ARM], "staged")


# -- a queued rollback -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("backend", BOTH)
@pytest.mark.parametrize("wish", [update("n"), Update(), update("n", tag="testing"), Update(from_downloaded=True)])
def test_nothing_is_staged_over_a_queued_rollback_unasked(backend, wish):
    staged = "s" if wish.from_downloaded else None
    before = state("b", staged, "r", backend=backend, parked=True, queued=True)
    transition = check(before, wish, [], "rollback")
    assert "repeat=true" in transition.note
    assert plan(before, replace(wish, repeat=True)).predicted.next_boot == "staged"


@pytest.mark.parametrize("backend", BOTH)
def test_parking_leaves_a_queued_rollback_and_what_is_armed_over_it_is_still_updated(backend):
    check(state("b", None, "r", backend=backend, queued=True), update("n", park=True), [PARK], "rollback")
    check(state("b", "s", "r", backend=backend, queued=True), update("n"), [UPGRADE], "staged")


# -- another tag -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("backend", "version", "staged", "parked", "content", "expected", "next_boot"),
    [
        ("ostree", "1.16.9", None, False, "n", [FOLLOW], "staged"),
        ("ostree", "1.14.1", None, False, "n", [SWITCH], "staged"),
        ("ostree", "1.16.9", "s", False, "n", [FOLLOW], "staged"),
        ("ostree", "1.16.9", "s", True, "n", [FOLLOW], "staged"),
        # An upgrade that finds nothing new records no tag, so what is there is staged again by its new name.
        ("ostree", "1.16.9", None, False, "b", [SWITCH], "staged"),
        ("ostree", "1.16.9", "s", True, "s", [SWITCH], "staged"),
        ("ostree", "1.16.9", None, False, "r", [SWITCH], "staged"),
        ("composefs", "1.16.9", None, False, "n", [FOLLOW], "staged"),
        ("composefs", "1.14.1", None, False, "n", [SWITCH], "staged"),
        # There an upgrade looks at what is staged before the tag it was asked for.
        ("composefs", "1.16.9", "s", False, "n", [SWITCH], "staged"),
        ("composefs", "1.16.9", "s", True, "n", [SWITCH], "staged"),
        ("composefs", "1.16.9", None, False, "b", [], "booted"),
        ("composefs", "1.16.9", "s", True, "s", [ARM], "staged"),
        ("composefs", "1.16.9", "s", False, "b", ["D"], "booted"),
    ],
)
def test_following_a_tag(*, backend, version, staged, parked, content, expected, next_boot):
    before = state("b", staged, "r", backend=backend, parked=parked, version=version)
    wish = update(content, tag="testing")
    transition = check(before, wish, [DROP[backend] if word == "D" else word for word in expected], next_boot)
    if expected and "testing" in expected[-1]:
        assert transition.predicted.spec_image.image == TESTING
        unnamed = replace(transition.predicted, staged=replace(transition.predicted.staged, image=TAG))
        assert "instead of" in mismatch(transition, before, unnamed)


def test_a_tag_whose_content_is_the_rollback_deployment_is_refused_on_composefs():
    assert refused(state("b", None, "r", backend="composefs"), update("r", tag="testing")) == "already_deployed"
    parked = update("r", tag="testing", park=True)
    assert refused(state("b", None, "r", backend="composefs"), parked) == "already_deployed"


@pytest.mark.parametrize("backend", BOTH)
def test_the_tag_that_is_tracked_is_an_update_like_any_other(backend):
    check(state("b", None, "r", backend=backend), update("n", tag="stable"), [UPGRADE], "staged")
    check(state("b", None, "r", backend=backend), update("b", tag="stable"), [], "booted")


@pytest.mark.parametrize("backend", BOTH)
def test_a_tag_replaces_a_digest(backend):
    before = state("b", backend=backend, images={"booted": f"{REPOSITORY}@{digest('b')}"})
    check(before, update("n", tag="testing"), [FOLLOW], "staged")


@pytest.mark.parametrize(
    ("backend", "staged", "parked", "content", "expected", "next_boot"),
    [
        ("ostree", None, False, "n", [f"{PARK} --tag testing"], "booted"),
        ("ostree", "s", True, "n", [f"{PARK} --tag testing"], "booted"),
        ("composefs", None, False, "n", [f"{PARK} --tag testing"], "booted"),
        ("composefs", "s", True, "n", ["D", f"{PARK} --tag testing"], "booted"),
        ("ostree", None, False, "b", [], "booted"),
        ("ostree", "s", False, "s", [], "staged"),
        ("composefs", "s", True, "s", [], "booted"),
    ],
)
def test_parking_the_content_of_a_tag(*, backend, staged, parked, content, expected, next_boot):
    before = state("b", staged, "r", backend=backend, parked=parked)
    wish = update(content, tag="testing", park=True)
    transition = check(before, wish, [DROP[backend] if word == "D" else word for word in expected], next_boot)
    assert expected or f"goes on tracking {TAG}" in transition.note


@pytest.mark.parametrize("backend", BOTH)
def test_an_unknown_tag_is_switched_to_which_is_sure_to_record_it(backend):
    before = state("b", None, "r", backend=backend)
    assert commands(plan(before, Update(tag="testing"))) == [SWITCH]
    parked = plan(before, Update(tag="testing", park=True))
    assert (commands(parked), parked.uncertain) == ([f"{PARK} --tag testing"], True)
    assert mismatch(parked, before, before) is None
    armed = state("b", "s", "r", backend=backend)
    check(armed, Update(tag="testing", park=True), [], "staged")


def test_a_demand_for_a_signature_goes_on_with_the_new_tag():
    signed = replace(state("b").booted, signature="containerPolicy")
    before = replace(state("b", version="1.14.0"), booted=signed, spec_image=signed.spec)
    transition = check(
        before,
        update("n", tag="testing"),
        [f"bootc switch --quiet --enforce-container-sigpolicy {TESTING}"],
        "staged",
    )
    assert transition.predicted.staged.signature == "containerPolicy"


@pytest.mark.parametrize("backend", BOTH)
@pytest.mark.parametrize("park", [True, False])
def test_a_tag_is_not_followed_to_what_the_host_was_taken_back_from(backend, park):
    before = state("b", None, "r", backend=backend)
    wish = update("n", tag="testing", park=park, history=back("nb"))
    assert f"newest content of {TESTING}" in check(before, wish, [], "booted").note
    assert commands(plan(before, replace(wish, repeat=True))) == [f"{PARK} --tag testing" if park else FOLLOW]


@pytest.mark.parametrize("image", ["/srv/image", "not A reference"])
def test_only_images_of_registries_have_tags(image):
    spec = replace(state("b").booted, image=image, transport="oci" if image[0] == "/" else "registry")
    before = replace(state("b"), booted=spec, spec_image=spec.spec)
    assert refused(before, Update(tag="testing")) == "incompatible"


# -- versions ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wish", "backend", "version", "first"),
    [
        (update("n", park=True), "ostree", "1.11.9", "1.12.0"),
        (update("n", park=True), "composefs", "1.12.9", "1.13.0"),
        (update("n", park=True, tag="testing"), "ostree", "1.14.9", "1.15.0"),
        (Switch(f"{REPOSITORY}:x", enforce_signature=True), "ostree", "0.1.4", "0.1.5"),
        (Rollback(), "ostree", "0.1.9", "0.1.10"),
        (NothingStaged(), "composefs", "1.10.9", "1.11.0"),
    ],
)
def test_what_bootc_does_not_know_yet_is_refused_with_both_versions(*, wish, backend, version, first):
    before = state("b", "s" if wish == NothingStaged() else None, "r", backend=backend, version=version)
    with pytest.raises(BootcError) as caught:
        plan(before, wish)
    assert caught.value.kind == "unsupported_version"
    assert f"bootc {version} " in caught.value.message and f"{first} or newer" in caught.value.message
    assert "update the device first" in caught.value.remedy.lower()
    assert plan(replace(before, bootc_version=first), wish).commands
    assert plan(replace(before, bootc_version=None), wish).commands


def test_commands_of_other_programs_have_no_version():
    require_supported(state("b", version="0.1.0"), [("ostree", "admin", "undeploy", "0"), ("bootc", "upgrade")])


# -- memory ------------------------------------------------------------------------------------------------------------


def test_a_rollback_is_still_known_after_an_update_of_bootc_changed_the_digests():
    """bootc 1.16.4 reports manifest digests where 1.16.3 reported those of configurations, for the same deployments."""
    old = state("a", None, "b", backend="composefs", version="1.16.3")
    history = (RollbackMark(old.rollback.content, old.booted.content, "t"),)
    new = replace(
        old,
        bootc_version="1.16.4",
        booted=replace(old.booted, digest=digest("x")),
        rollback=replace(old.rollback, digest=digest("y")),
    )
    assert check(new, Rollback(history=history), [], "booted").already_rolled_back is True
    assert "taken back" in check(new, update("y", history=history), [], "booted").note


def test_a_rollback_is_still_known_after_the_content_was_deployed_anew():
    before = state("a", None, "b")
    again = replace(before.rollback, digest=None, deployment="b" * 64 + ".3")
    marks = (RollbackMark(Content(None, "b" * 64), Content(None, "a" * 64), "t"),)
    transition = check(replace(before, rollback=again), Rollback(history=marks), [], "booted")
    assert transition.already_rolled_back is True


def test_a_staged_entry_that_an_old_release_may_have_left_behind_is_told():
    before = state("b", "s", "r", backend="composefs", queued=True, version="1.15.2")
    with pytest.raises(BootcError, match="may not be there at all") as caught:
        plan(before, Rollback())
    assert caught.value.kind == "would_discard"
    check(before, Rollback(discard_staged=True), [DROP["composefs"]], "rollback")
    for other in (replace(before, bootc_version="1.16.0"), state("b", "s", "r", queued=True, version="1.15.2")):
        with pytest.raises(BootcError, match="Set discard_staged=true if"):
            plan(other, Rollback())
