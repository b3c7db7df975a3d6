# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever commands, faults and boots come in whatever order, a device keeps what bootc promises."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from simulator import boot, faults, status, storage
from simulator.programs import ostree as ostree_program
from simulator.state import Deployment, FaultSetting, State
from simulator.statefile import from_json, to_json
from simulator.verbs.common import Aborted, BootcError
from tests.simulated_world import REPOSITORY, STABLE, FakeWorld, bootc, choose, device, digest, image, reboot

# Kernels: a soft reboot is possible within each pair.
KERNELS = {"a": "6.1", "b": "6.1", "c": "6.2", "d": "6.2"}
COMMANDS = (
    "upgrade", "upgrade --check", "upgrade --download-only", "upgrade --from-downloaded", "upgrade --soft-reboot=auto",
    "upgrade --tag other", f"switch {REPOSITORY}:other", f"switch --soft-reboot=auto {REPOSITORY}:other",
    f"switch {STABLE}", "rollback", "rollback --soft-reboot=auto", "usr-overlay", "internals cleanup",
    "internals composefs-gc",
)  # fmt: skip
ADMIN = (
    "pin 0", "pin 1", "pin 2", "pin -u 0", "pin -u 1", "undeploy 0", "undeploy 1", "undeploy 2", "unlock",
    "unlock --hotfix", "lock-finalization", "lock-finalization --unlock",
)  # fmt: skip
FAULTS = ("disk-full", "esp-full", "etc-conflict", "registry-outage", "auth", "policy-reject", "finalize-failure")
# What keeps a shutdown from finalising, where it acts at all.
AT_SHUTDOWN = ("esp-full", "etc-conflict", "finalize-failure")


def labelled(name: str, ref: str = STABLE):
    return image(name, ref, labels={"ostree.linux": KERNELS[name]})


def pins(state: State) -> set[str]:
    return {entry.id for entry in state.deployments if entry.pinned}


def next_by_default(state: State) -> Deployment:
    """What an orderly reboot boots when nothing goes wrong."""
    assert state.booted is not None
    if state.staged is not None and not state.staged_locked:
        return state.staged
    if state.rollback_queued:
        assert state.rollback is not None
        return state.rollback
    return state.booted


class AnyDevice(RuleBasedStateMachine):
    """A device, its registry, and somebody who does anything to both."""

    state: State

    def __init__(self) -> None:
        super().__init__()
        self.world = FakeWorld()
        for name, ref in (("b", STABLE), ("a", f"{REPOSITORY}:other")):
            self.world.images[ref] = labelled(name, ref)

    @initialize(
        backend=st.sampled_from(("ostree", "composefs", "uki")),
        version=st.sampled_from(("1.15.2", "1.16.9", "1.16.10")),
        rollback=st.booleans(),
        foreign=st.booleans(),
        small=st.booleans(),
    )
    def begin(self, backend: str, version: str, rollback: bool, foreign: bool, small: bool) -> None:
        state = device("b", backend=backend, version=version, rollback="a" if rollback else None)
        if foreign and backend == "ostree":
            other = labelled("d")
            entry = Deployment(other, other.commit, 0, stateroot="other")
            state = replace(state, deployments=(*state.deployments, entry))
        if small:
            state = replace(state, disk_bytes=2_200_000_000, esp_bytes=500_000_000)
        self.state = state
        self.foreign = [entry for entry in state.deployments if entry.stateroot == "other"]

    @rule(name=st.sampled_from(tuple(KERNELS)), how=st.sampled_from(("publish", "push again", "relabel")))
    def publish(self, name: str, how: str) -> None:
        made = labelled(name)
        if how != "publish":
            made = replace(made, digest=digest(f"manifest {name} {how}"))
        if how == "relabel":
            made = replace(made, config_digest=digest(f"config {name} {how}"))
        self.world.images[STABLE] = made

    @rule(name=st.sampled_from(FAULTS))
    def break_something(self, name: str) -> None:
        self.state = replace(self.state, faults={**self.state.faults, name: FaultSetting("", 0.0)})

    @precondition(lambda self: self.state.faults)
    @rule()
    def mend_everything(self) -> None:
        self.state = replace(self.state, faults={})

    def attempt(self, command, *, deletes: bool = False) -> None:
        """Run a command of the device, and check what no command may do."""
        before = self.state
        try:
            self.state = command().state
        except (BootcError, Aborted) as failed:
            # What failed may have pulled something, or staged it before it failed; it dropped nothing.
            self.state = before if failed.so_far is None else failed.so_far.state
            assert self.state.deployments == before.deployments
        assert self.state.booted_id == before.booted_id
        assert self.state.boot == before.boot
        if not deletes:
            assert {entry.id for entry in before.deployments} == {entry.id for entry in self.state.deployments}
            assert pins(before) <= pins(self.state)

    @rule(command=st.sampled_from(COMMANDS))
    def run_bootc(self, command: str) -> None:
        self.attempt(lambda: bootc(self.state, self.world, *command.split()))

    @rule(command=st.sampled_from(ADMIN))
    def run_ostree(self, command: str) -> None:
        if not self.state.composefs:
            deletes = command.startswith(("undeploy", "pin -u", "unlock"))
            self.attempt(lambda: ostree_program.perform(self.state, ["admin", *command.split()]), deletes=deletes)
            self.foreign = [entry for entry in self.state.deployments if entry.stateroot == "other"]

    @rule(slot=st.sampled_from(("staged", "rollback", "booted")))
    def delete(self, slot: str) -> None:
        entry = getattr(self.state, slot)
        if entry is not None:
            self.attempt(lambda: bootc(self.state, self.world, "delete-deployment", entry.id), deletes=True)

    @rule()
    def roll_back_twice(self) -> None:
        if self.state.rollback is None:
            return
        before = self.state
        once = bootc(before, self.world, "rollback")
        twice = bootc(once.state, self.world, "rollback")
        assert once.state.rollback_queued is not before.rollback_queued
        assert twice.state.rollback_queued is before.rollback_queued
        first, again = before.rollback, twice.state.rollback
        assert (first, before.booted) == (again, twice.state.booted)
        # Pinned ones in between may change places with each other, not with these two.
        assert {entry.id for entry in twice.state.deployments} == {entry.id for entry in before.deployments}
        dropped = not before.composefs or before.bootc_version != "1.15.2"
        assert (twice.state.staged is None) is (dropped or before.staged is None)
        # With unified kernel images the two texts change places, but there are always both.
        assert {once.out[-1], twice.out[-1]} == {"Next boot: rollback deployment", "Next boot: current deployment"}
        self.state = twice.state

    @rule(how=st.sampled_from(("orderly", "falls back", "boot menu", "soft")))
    def reboot_orderly(self, how: str) -> None:
        before, expected = self.state, next_by_default(self.state)
        blocked = any(name in before.faults for name in AT_SHUTDOWN) or before.esp_bytes is not None
        finalised = boot.finalise(before)
        staged = before.staged
        armed = staged is not None and not before.staged_locked
        done = armed and finalised.deployments[0] == staged
        assert done or not armed or blocked, "only a fault or a full file system keeps it from being finalised"
        if done:
            assert finalised.deployments[1] == before.booted
            kept = {entry.id for entry in finalised.deployments[2:]}
            assert kept == (pins(before) | {entry.id for entry in self.foreign}) - {before.booted_id}
        else:
            assert finalised.deployments == before.deployments
        if armed and not done and not before.composefs:
            assert finalised.finalize_stamp
        after = self._boot(how, before, finalised)
        self.state = after
        if how == "orderly" and (done or not armed):
            assert after.booted_id == expected.id
        if how == "orderly":
            assert not after.rollback_queued
        assert after.deployments == finalised.deployments
        assert (boot.STAMP_UNIT in after.boot.failed_units) is bool(finalised.finalize_stamp)
        self._booted(before, after, soft=how == "soft")

    def _boot(self, how: str, before: State, finalised: State) -> State:
        if how == "soft":
            after = boot.settle(boot.soft_reboot(before, 1.0))
            prepared = finalised.soft_reboot_target
            there = prepared in [entry.id for entry in finalised.deployments]
            assert after.booted_id == (prepared if there else before.booted_id)
            return after
        # Into another stateroot is another device.
        if how == "boot menu" and len(finalised.deployments) > 1 and finalised.deployments[1].stateroot == "default":
            after = choose(before)
            assert after.booted_id == finalised.deployments[1].id
            return after
        if how == "falls back":
            after = reboot(replace(before, faults={**before.faults, "falls-back": FaultSetting("", 0.0)}))
            assert after.booted_id == before.booted_id, "the running deployment is never left when another fails"
            mended = {name: fault for name, fault in after.faults.items() if name != "falls-back"}
            return replace(after, faults=mended)
        return reboot(before)

    @rule()
    def lose_power(self) -> None:
        before = self.state
        self.state = reboot(before, orderly=False)
        assert self.state.deployments == before.deployments, "nothing is finalised"
        assert self.state.booted_id == before.deployments[0].id
        assert self.state.contents == before.contents, "what was pulled is still there"
        assert self.state.layers == before.layers
        self._booted(before, self.state, soft=False)

    def _booted(self, before: State, after: State, *, soft: bool) -> None:
        assert after.staged is None
        assert not after.staged_locked, "download-only survives no reboot"
        assert after.soft_reboot_target is None
        assert (after.boot.id == before.boot.id) is soft
        assert after.boot.soft == (before.boot.soft + 1 if soft else 0)
        if soft:
            assert after.reboot_required == before.reboot_required
        else:
            assert after.reboot_required is None
            assert after.usr_overlay is None or after.usr_overlay.persistence == "persistent"
        assert pins(before) <= pins(after)

    @invariant()
    def deployments_are_what_they_may_be(self) -> None:
        state = self.state
        assert state.booted is not None
        identities = [entry.id for entry in state.everything]
        assert len(identities) == len(set(identities))
        assert state.staged is not None or not state.staged_locked
        if state.composefs:
            assert len(state.deployments) <= 2
            assert not state.others
            assert not pins(state)
            assert {entry.image.config_digest for entry in state.everything} <= set(state.contents)
        assert [entry for entry in state.deployments if entry.stateroot == "other"] == self.foreign

    @invariant()
    def nothing_deployed_is_ever_collected(self) -> None:
        state = self.state
        on_disk = storage.disk(state)
        assert {layer.digest for entry in state.everything for layer in entry.image.layers} <= set(on_disk)
        after, freed = storage.collect(state)
        assert after.everything == state.everything
        assert freed.object_bytes == sum(on_disk.values()) - sum(storage.disk(after).values()) >= 0
        assert freed.boot_bytes >= 0
        assert not after.leftovers
        again, nothing = storage.collect(after)
        assert (again, nothing) == (after, storage.Freed())
        for free in (storage.disk_free(state), storage.available(state), storage.esp_free(state)):
            assert free is None or free >= 0

    @invariant()
    def status_tells_the_state(self) -> None:
        state = self.state
        host = status.document(state)
        inverted = state.uki and state.bootc_version != "1.16.10"
        assert host["status"]["rollbackQueued"] is (state.rollback_queued is not inverted)
        assert (host["spec"]["bootOrder"] == "rollback") is host["status"]["rollbackQueued"]
        for slot, entry in (("staged", state.staged), ("booted", state.booted), ("rollback", state.rollback)):
            assert (host["status"][slot] is None) is (entry is None)
        assert len(host["status"].get("otherDeployments", ())) == len(state.others)

    @invariant()
    def it_can_be_written_down(self) -> None:
        assert from_json(to_json(self.state)) == self.state
        assert set(self.state.faults) <= set(faults.TABLE)


TestAnyDevice = AnyDevice.TestCase
TestAnyDevice.settings = settings(max_examples=80, stateful_step_count=25, deadline=None)
