# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever commands come in whatever order, a device keeps what bootc promises."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.programs import ostree as ostree_program
from simulator.state import State, from_json, to_json
from simulator.verbs.common import BootcError
from tests.simulated_world import REPOSITORY, STABLE, FakeWorld, bootc, device, names, reboot

IMAGES = ("a", "b", "c", "d")
STEPS = st.one_of(
    st.tuples(st.just("publish"), st.sampled_from(IMAGES)),
    st.tuples(st.just("bootc"), st.sampled_from(
        ("upgrade", "upgrade --check", "upgrade --download-only", "upgrade --from-downloaded", "rollback",
         "usr-overlay", "upgrade --tag other", f"switch {REPOSITORY}:other", f"switch {STABLE}"))),
    st.tuples(st.just("reboot"), st.sampled_from(("orderly", "power loss"))),
    st.tuples(st.just("ostree"), st.sampled_from(("pin 0", "pin 1", "undeploy 0", "undeploy 1", "undeploy 2"))),
)  # fmt: skip


def step(state: State, world: FakeWorld, kind: str, what: str) -> State:
    if kind == "publish":
        world.put(STABLE, what)
        return state
    if kind == "reboot":
        return checked_reboot(state, orderly=what == "orderly")
    try:
        if kind == "ostree":
            return state if state.composefs else ostree_program.perform(state, ["admin", *what.split()]).state
        return bootc(state, world, *what.split()).state
    except BootcError:
        return state


def checked_reboot(state: State, *, orderly: bool) -> State:
    after = reboot(state, orderly=orderly)
    assert after.staged is None
    assert not after.staged_locked
    assert after.boot.id != state.boot.id
    finalised = orderly and state.staged is not None and not state.staged_locked
    if finalised:
        assert state.staged is not None
        assert after.booted_id == state.staged.id
        assert after.rollback == state.booted
    else:
        assert after.deployments == state.deployments
        assert after.booted_id == state.deployments[0].id
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
    assert from_json(to_json(state)) == state


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(("ostree", "composefs")), st.lists(STEPS, max_size=14))
def test_any_sequence_of_commands_keeps_the_promises(backend, steps):
    world = FakeWorld(stable="b", other="a")
    state = device("b", backend=backend)
    for kind, what in steps:
        state = step(state, world, kind, what)
        check(state)


@settings(max_examples=80, deadline=None)
@given(st.sampled_from(("ostree", "composefs")), st.lists(STEPS, max_size=10))
def test_rolling_back_twice_restores_the_order(backend, steps):
    world = FakeWorld(stable="b", other="a")
    state = device("b", backend=backend, rollback="a")
    for kind, what in steps:
        state = step(state, world, kind, what)
    if state.rollback is None:
        return
    twice = bootc(bootc(state, world, "rollback").state, world, "rollback").state
    assert twice.staged is None
    assert twice.rollback_queued == state.rollback_queued
    assert names(reboot(twice))["booted"] == names(reboot(state, orderly=False))["booted"]
