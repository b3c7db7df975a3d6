# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever commands and boots come in whatever order, a device keeps what bootc promises."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from simulator import boot, status
from simulator.programs import ostree as ostree_program
from simulator.state import State
from simulator.statefile import from_json, to_json
from simulator.verbs.common import BootcError
from tests.simulated_world import (
    REPOSITORY,
    STABLE,
    FakeWorld,
    bootc,
    choose,
    device,
    digest,
    image,
    reboot,
    with_fault,
)

IMAGES = ("a", "b", "c", "d")
BACKENDS = ("ostree", "composefs", "uki")
VERSIONS = ("1.15.2", "1.16.9", "1.16.10")
STEPS = st.one_of(
    st.tuples(st.sampled_from(("publish", "push again", "relabel")), st.sampled_from(IMAGES)),
    st.tuples(st.just("bootc"), st.sampled_from(
        ("upgrade", "upgrade --check", "upgrade --download-only", "upgrade --from-downloaded", "rollback",
         "usr-overlay", "upgrade --tag other", f"switch {REPOSITORY}:other", f"switch {STABLE}"))),
    st.tuples(st.just("reboot"), st.sampled_from(("orderly", "power loss", "boot menu", "falls back", "unfinalised"))),
    st.tuples(st.just("delete"), st.sampled_from(("staged", "rollback", "booted"))),
    st.tuples(st.just("ostree"), st.sampled_from(("pin 0", "pin 1", "undeploy 0", "undeploy 1", "undeploy 2"))),
)  # fmt: skip


def publish(world: FakeWorld, how: str, name: str) -> None:
    made = image(name)
    if how == "push again":
        made = replace(made, digest=digest(f"manifest {name} again"))
    if how == "relabel":
        again = f"{name} relabelled"
        made = replace(made, digest=digest(f"manifest {again}"), config_digest=digest(f"config {again}"))
    world.images[STABLE] = made


def step(state: State, world: FakeWorld, kind: str, what: str) -> State:
    if kind in ("publish", "push again", "relabel"):
        publish(world, kind, what)
        return state
    if kind == "reboot":
        return checked_reboot(state, what)
    try:
        if kind == "ostree":
            return state if state.composefs else ostree_program.perform(state, ["admin", *what.split()]).state
        if kind == "delete":
            entry = {"staged": state.staged, "rollback": state.rollback, "booted": state.booted}[what]
            return state if entry is None else bootc(state, world, "delete-deployment", entry.id).state
        after = bootc(state, world, *what.split()).state
    except BootcError as failed:
        # What failed may have pulled something; it deployed nothing and freed nothing that is deployed.
        after = state if failed.so_far is None else failed.so_far.state
        assert after.everything == state.everything
    return after


def checked_reboot(state: State, how: str) -> State:
    finalised = state
    if how == "boot menu":
        finalised = boot.finalise(state)
        if len(finalised.deployments) < 2:
            return state
        after = choose(state)
        assert after.booted_id == finalised.deployments[1].id
        assert after.rollback_queued
    elif how == "falls back":
        finalised = boot.finalise(state)
        after = reboot(with_fault(state, "falls-back"))
        # The running deployment is never left when the other does not boot.
        assert after.booted == state.booted
        assert after.rollback_queued == (finalised.deployments[0] != state.booted)
        after = replace(after, faults={})
    elif how == "unfinalised":
        after = reboot(with_fault(state, "finalize-failure"))
        finalised = after
        if state.staged is not None and not state.staged_locked:
            assert after.deployments == state.deployments
        after = replace(after, faults={})
    else:
        finalised = boot.finalise(state) if how == "orderly" else state
        after = reboot(state, orderly=how == "orderly")
        assert after.booted_id == finalised.deployments[0].id
        assert not after.rollback_queued
    assert after.deployments == finalised.deployments
    if how == "power loss" or state.staged is None or state.staged_locked:
        assert after.deployments == state.deployments, "nothing was finalised"
    elif how != "unfinalised":
        assert after.deployments[:2] == (state.staged, state.booted)
    assert after.staged is None
    assert not after.staged_locked
    assert after.usr_overlay is None
    assert after.boot.id != state.boot.id
    return after


def check(state: State) -> None:
    assert state.booted is not None
    identities = [entry.id for entry in state.everything]
    assert len(identities) == len(set(identities))
    assert state.staged is None or state.staged.id not in [entry.id for entry in state.deployments]
    assert state.staged is not None or not state.staged_locked
    unpinned = [entry for entry in state.deployments if not entry.pinned]
    assert len(unpinned) <= 2
    if state.composefs:
        assert len(state.deployments) <= 2
        assert not state.others
        assert {entry.image.config_digest for entry in state.everything} <= set(state.contents)
    kept = [entry.image for entry in state.everything] if state.composefs else list(state.stored.values())
    assert {layer.digest for made in kept for layer in made.layers} <= set(state.layers)
    assert from_json(to_json(state)) == state
    check_told(state)


def check_told(state: State) -> None:
    host = status.document(state)
    inverted = state.uki and state.bootc_version != "1.16.10"
    assert host["status"]["rollbackQueued"] is (state.rollback_queued is not inverted)
    assert (host["spec"]["bootOrder"] == "rollback") is host["status"]["rollbackQueued"]
    for slot, entry in (("staged", state.staged), ("booted", state.booted), ("rollback", state.rollback)):
        assert (host["status"][slot] is None) is (entry is None)


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(BACKENDS), st.sampled_from(VERSIONS), st.lists(STEPS, max_size=14))
def test_any_sequence_of_commands_and_boots_keeps_the_promises(backend, version, steps):
    world = FakeWorld(stable="b", other="a")
    state = device("b", backend=backend, version=version)
    for kind, what in steps:
        state = step(state, world, kind, what)
        check(state)


@settings(max_examples=120, deadline=None)
@given(st.sampled_from(BACKENDS), st.lists(STEPS, max_size=10))
def test_rolling_back_twice_restores_the_order(backend, steps):
    world = FakeWorld(stable="b", other="a")
    state = device("b", backend=backend, rollback="a")
    for kind, what in steps:
        state = step(state, world, kind, what)
    if state.rollback is None:
        return
    once = bootc(state, world, "rollback")
    assert once.state.rollback_queued is not state.rollback_queued
    twice = bootc(once.state, world, "rollback")
    assert twice.state.staged is None
    assert twice.state.deployments == state.deployments
    assert twice.state.booted_id == state.booted_id
    # With unified kernel images the two texts change places, but there are always both.
    assert {once.out[-1], twice.out[-1]} == {"Next boot: rollback deployment", "Next boot: current deployment"}
