# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Opening a rollout: planned once, picked up after that, and never by two at a time."""

from __future__ import annotations

import getpass
import json
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ansible.template import trust_as_template
from ansible_collections.skorionos.bootc.plugins.plugin_utils import _controller
from ansible_collections.skorionos.bootc.plugins.plugin_utils._controller import (
    Opened,
    as_document,
    insist_on_lease,
    load_device,
    note_answers,
    open_rollout,
    worth_asking,
)
from ansible_collections.skorionos.bootc.plugins.plugin_utils._reach.knock import AWAKE, asleep, unknown
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout import lease
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.decide import batches
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.errors import RolloutError
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.events import Event
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.fencing import (
    fence_of,
    is_turn_before,
    turn_of,
)
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.ledger import Ledger
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.passes import Clock, clear_batch
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.plan import Candidate, Target, load_target
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.replay import derive
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.spec import Spec, parse_spec
from ansible_collections.skorionos.bootc.plugins.plugin_utils._rollout.states import (
    Device,
    DeviceState,
    RolloutPhase,
    WavePhase,
)

from tests.fleet_model import FakeTime, digest, small_spec
from tests.unit.rollout.builders import names, told

HOSTS = names(4)


@pytest.fixture(autouse=True)
def time(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeTime]:
    fake = FakeTime()
    monkeypatch.setattr(_controller, "CLOCK", Clock(fake.now, fake.sleep))
    yield fake


def targets(spec: Spec) -> Mapping[str, Target]:
    return {v.name: Target(v.name, v.image, v.digest, (v.digest,)) for v in spec.variants}


def never(_spec: Spec) -> Mapping[str, Target]:
    raise AssertionError("the registry was asked again")


def start(
    root: Path,
    spec: Spec,
    hosts: Iterable[str] = HOSTS,
    *,
    resolve: Any = targets,
    dry_run: bool = False,
    until: float = 0,
) -> Opened:
    candidates = [Candidate(host, "kde") for host in hosts]
    return open_rollout(root, spec, candidates, resolve, dry_run=dry_run, deadline=until)


def refused(root: Path, spec: Spec, hosts: Iterable[str] = HOSTS, **options: Any) -> RolloutError:
    before = snapshot(root)
    with pytest.raises(RolloutError) as caught:
        start(root, spec, hosts, **options)
    assert caught.value.remedy
    assert snapshot(root) == before, "a refused rollout left something behind"
    return caught.value


def snapshot(root: Path) -> dict[str, bytes]:
    files = [p for p in root.rglob("*") if p.is_file() and p.name not in (".lock", ".gitattributes")]
    return {str(p.relative_to(root)): p.read_bytes() for p in files}


def tell(root: Path, spec: Spec, *events: Event) -> None:
    ledger = Ledger(root, spec.id)
    ledger.append(events, ledger.last_epoch())


def end(root: Path, spec: Spec) -> None:
    lease.release(root / spec.id, Ledger(root, spec.id).last_epoch())


def kinds(root: Path, spec: Spec) -> list[str]:
    return [event.kind for event in Ledger(root, spec.id).read()]


def states(root: Path, spec: Spec) -> dict[str, DeviceState]:
    rollout = derive(Ledger(root, spec.id).read())
    assert rollout is not None
    return {host: device.state for host, device in rollout.devices.items()}


def whole(rollout_id: str = "r1", **changes: Any) -> Spec:
    """A rollout of one wave."""
    wave = {"name": "all", "percent": 100, "soak": "0s", "max_failures": 4, "success_threshold": 1}
    return small_spec(id=rollout_id, waves=[wave], **changes)


def complete(root: Path, spec: Spec, *events: Event) -> None:
    start(root, spec)
    tell(root, spec, *events, Event("wave_passed", 1.0, wave=0), Event("completed", 1.0))
    end(root, spec)


R1, R2 = whole("r1"), whole("r2")


def test_a_new_rollout_is_planned_opened_and_leased(tmp_path: Path) -> None:
    opened = start(tmp_path, small_spec())
    assert opened.epoch == 1
    assert kinds(tmp_path, small_spec()) == ["planned", "opened", "wave_opened"]
    assert [event.kind for event in opened.recorded] == ["planned", "wave_opened"]
    holder = lease.read(tmp_path / "r1")
    assert holder is not None
    assert (holder.pid, holder.epoch, holder.machine) == (os.getppid(), 1, platform.node())


def test_the_same_spec_is_picked_up_without_asking_the_registry(tmp_path: Path) -> None:
    first = start(tmp_path, small_spec())
    again = start(tmp_path, small_spec(), resolve=never)
    assert again.epoch == 2
    assert again.recorded == ()
    assert again.rollout.plan.hash == first.rollout.plan.hash
    assert kinds(tmp_path, small_spec()) == ["planned", "opened", "wave_opened", "opened"]


def test_another_epoch_stops_the_controller_before(tmp_path: Path) -> None:
    first = start(tmp_path, small_spec())
    start(tmp_path, small_spec())
    assert first.epoch is not None
    with pytest.raises(RolloutError, match="Another controller took over"):
        Ledger(tmp_path, "r1").append(told("staging", "d000"), first.epoch)


@pytest.mark.parametrize(
    "changed",
    [small_spec(pace={"parallel": 3}), small_spec(selection={"hosts": "web"}), small_spec(verify={"settle": "1s"})],
    ids=["pace", "selection", "verify"],
)
def test_a_changed_spec_is_refused(tmp_path: Path, changed: Spec) -> None:
    start(tmp_path, small_spec())
    error = refused(tmp_path, changed, resolve=never)
    assert error.reason == "spec_changed"
    assert "new id" in error.remedy


def test_a_spec_whose_digests_cannot_be_resolved_leaves_nothing(tmp_path: Path) -> None:
    def down(_spec: Spec) -> Mapping[str, Target]:
        raise RolloutError("The registry is down.", "Start it.", "network")

    refused(tmp_path, small_spec(), resolve=down)
    assert snapshot(tmp_path) == {}


@pytest.mark.parametrize(("hosts", "reason"), [([], "no_hosts")])
def test_a_rollout_over_nobody_leaves_nothing(tmp_path: Path, hosts: list[str], reason: str) -> None:
    assert refused(tmp_path, small_spec(), hosts).reason == reason
    assert snapshot(tmp_path) == {}


def test_a_ledger_below_a_regular_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert refused(tmp_path / "file" / "rollouts", small_spec(), resolve=never).reason == "ledger_unwritable"


# -- dry runs and idle runs --------------------------------------------------------------------------------------------


def test_a_dry_run_writes_nothing(tmp_path: Path) -> None:
    root = tmp_path / "rollouts"
    opened = start(root, small_spec(), dry_run=True)
    assert opened.epoch is None
    assert [event.kind for event in opened.recorded] == ["planned", "wave_opened"]
    assert not root.exists()


def test_a_dry_run_of_a_rollout_on_record_writes_nothing(tmp_path: Path) -> None:
    start(tmp_path, small_spec())
    before = snapshot(tmp_path)
    opened = start(tmp_path, small_spec(), HOSTS[1:], dry_run=True)
    assert opened.epoch is None
    assert [event.kind for event in opened.recorded] == ["removed"]
    assert opened.rollout.devices["d000"].state is DeviceState.REMOVED
    assert snapshot(tmp_path) == before


def test_a_rollout_that_gave_way_to_a_run_that_was_killed_is_still_named_to_devices(tmp_path: Path) -> None:
    start(tmp_path, whole("r1"))
    end(tmp_path, whole("r1"))
    mine = whole("r2", supersedes=[])
    data = {"by": "r2", "who": "anna", "why": "urgent"}
    Ledger(tmp_path, "r1").append([Event("superseded", _controller.CLOCK.now(), data=data)], 2)
    fence = start(tmp_path, mine).fence
    assert fence is not None
    assert fence["supersedes"] == ["r1"]
    assert kinds(tmp_path, whole("r1")).count("superseded") == 1
    end(tmp_path, mine)


def test_a_dry_run_tells_about_rivals_too(tmp_path: Path) -> None:
    start(tmp_path, R1)
    end(tmp_path, R1)
    assert refused(tmp_path, R2, dry_run=True).reason == "devices_busy"


def test_a_run_with_nothing_to_do_writes_nothing(tmp_path: Path) -> None:
    complete(tmp_path, R1, *told("succeeded", *HOSTS))
    before = snapshot(tmp_path)
    opened = start(tmp_path, R1, resolve=never)
    assert (opened.epoch, opened.recorded) == (None, ())
    assert batches(opened.rollout, skip=()) == ()
    assert snapshot(tmp_path) == before


def test_a_run_with_nothing_to_do_gives_up_the_lease_of_one_that_was_killed_at_its_end(tmp_path: Path) -> None:
    complete(tmp_path, R1, *told("succeeded", *HOSTS))
    with sleeper() as holder:
        write_lease(tmp_path / "r1", holder)
        assert start(tmp_path, R1, resolve=never).epoch is None
        assert lease.read(tmp_path / "r1") == holder  # it is still at work
    assert start(tmp_path, R1, dry_run=True).epoch is None
    assert lease.read(tmp_path / "r1") == holder
    assert start(tmp_path, R1, resolve=never).epoch is None
    assert lease.read(tmp_path / "r1") is None


def test_a_held_rollout_with_nobody_in_flight_writes_nothing(tmp_path: Path) -> None:
    start(tmp_path, small_spec())
    (canary,) = derive(Ledger(tmp_path, "r1").read()).plan.hosts[0]  # type: ignore[union-attr]
    tell(tmp_path, small_spec(), *told("failed", canary))
    assert start(tmp_path, small_spec()).rollout.phase is RolloutPhase.HELD
    end(tmp_path, small_spec())
    before = snapshot(tmp_path)
    assert start(tmp_path, small_spec()).epoch is None
    assert snapshot(tmp_path) == before


@pytest.mark.parametrize(("until", "waits"), [(599, False), (601, True)])
def test_a_run_during_a_soak_that_ends_within_its_patience_waits_for_it(
    tmp_path: Path, time: FakeTime, until: float, waits: bool
) -> None:
    spec = small_spec(waves=[{"name": "canary", "count": 1, "soak": "10m"}])
    begun = time.now()
    start(tmp_path, spec)
    (canary,) = derive(Ledger(tmp_path, "r1").read()).plan.hosts[0]  # type: ignore[union-attr]
    tell(tmp_path, spec, *told("succeeded", canary, at=begun))
    end(tmp_path, spec)
    before = snapshot(tmp_path)
    opened = start(tmp_path, spec, until=begun + until)
    assert (opened.epoch is not None) is waits
    if not waits:
        assert snapshot(tmp_path) == before
        return
    assert opened.epoch is not None
    (batch,) = batches(opened.rollout, skip=())
    clearance = clear_batch(Ledger(tmp_path, "r1"), opened.epoch, batch, Clock(time.now, time.sleep), begun + until)
    assert (clearance.go, clearance.confirm) == ((), (canary,))
    tell(tmp_path, spec, *told("confirmed", canary, at=time.now()))
    clearance = clear_batch(Ledger(tmp_path, "r1"), opened.epoch, batch, Clock(time.now, time.sleep), begun + until)
    assert set(clearance.go) == set(batch)
    assert clearance.rollout.waves[0].phase is WavePhase.PASSED


# -- rivals ------------------------------------------------------------------------------------------------------------


def test_devices_of_a_running_rollout_are_refused_by_name(tmp_path: Path) -> None:
    start(tmp_path, R1)
    end(tmp_path, R1)
    error = refused(tmp_path, R2, [*HOSTS[:2], "new"])
    assert error.reason == "devices_busy"
    assert "The rollout r1 is running over the same devices: d000, d001." in error.cause
    assert "supersedes: [r1]" in error.remedy


def test_other_devices_are_nobody_elses(tmp_path: Path) -> None:
    start(tmp_path, R1)
    assert start(tmp_path, R2, ["other"]).epoch == 1


def test_a_rollout_takes_over_from_the_one_it_supersedes(tmp_path: Path) -> None:
    start(tmp_path, R1)
    end(tmp_path, R1)
    took = start(tmp_path, whole("r2", supersedes=["r1"])).took_from
    assert [ledger.name for ledger in took] == ["r1"]
    old = start(tmp_path, R1, resolve=never)
    assert (old.rollout.phase, old.rollout.superseded_by) == (RolloutPhase.SUPERSEDED, "r2")
    assert old.epoch is None
    assert batches(old.rollout, skip=()) == ()


@pytest.mark.parametrize("way_back", [True, False])
def test_a_rollout_knows_that_it_was_taken_back(tmp_path: Path, way_back: bool) -> None:
    before = digest("9")
    complete(tmp_path, R1, *told("staging", *HOSTS, previous_digest=before), *told("succeeded", *HOSTS))
    start(tmp_path, parse_spec({"schema": 1, "id": "back", "reverts": "r1"}) if way_back else R2)
    old = derive(Ledger(tmp_path, "r1").read())
    assert old is not None
    assert old.reverted_by == ("back" if way_back else None)


def test_a_rollout_run_right_now_is_not_taken_over(tmp_path: Path) -> None:
    start(tmp_path, R1)
    with sleeper() as holder:
        write_lease(tmp_path / "r1", holder)
        error = refused(tmp_path, whole("r2", supersedes=["r1"]))
    assert error.reason == "devices_busy"
    assert f"being run right now by bob (process {holder.pid}" in error.cause


def test_a_silent_device_does_not_block_the_release_that_mends_it(tmp_path: Path) -> None:
    start(tmp_path, R1)
    tell(tmp_path, R1, *told("silent", "d001"))
    end(tmp_path, R1)
    assert start(tmp_path, whole("r2", supersedes=["r1"])).epoch == 1


@pytest.mark.parametrize("kind", ["applying", "booted", "rolling_back"])
def test_a_rollout_with_devices_in_the_middle_of_it_is_not_taken_over(tmp_path: Path, kind: str) -> None:
    start(tmp_path, R1)
    tell(tmp_path, R1, *told(kind, "d001"))
    end(tmp_path, R1)
    error = refused(tmp_path, whole("r2", supersedes=["r1"]))
    assert "left devices in the middle of their update: d001" in error.cause
    assert "once more" in error.remedy


@pytest.mark.parametrize("kind", ["staging", "staged"])
def test_a_device_that_fell_asleep_before_its_reboot_does_not_block_the_next_release(tmp_path: Path, kind: str) -> None:
    start(tmp_path, R1)
    tell(tmp_path, R1, *told(kind, "d001"))
    end(tmp_path, R1)
    assert start(tmp_path, whole("r2", supersedes=["r1"])).epoch == 1


def test_a_device_armed_by_a_rollout_stays_with_it_when_the_next_does_not_know_it(tmp_path: Path) -> None:
    start(tmp_path, R1)
    tell(tmp_path, R1, *told("staged", "d001"))
    end(tmp_path, R1)
    assert "d001" in refused(tmp_path, whole("r2", supersedes=["r1"]), ["d000", "d002"]).cause


LEFTOVERS = ["unreachable", "deferred", "staging", "staged", "lost", "removed"]


@pytest.mark.parametrize("kind", LEFTOVERS)
def test_a_completed_rollout_hands_its_leftovers_over_and_never_touches_them_again(tmp_path: Path, kind: str) -> None:
    complete(tmp_path, R1, *told("succeeded", *HOSTS[1:]), *told(kind, "d000"))
    assert start(tmp_path, R2).epoch == 1
    old = start(tmp_path, R1, resolve=never)
    assert batches(old.rollout, skip=()) == ()
    assert old.epoch is None
    expected = DeviceState.LOST if kind == "lost" else DeviceState.SUPERSEDED
    assert states(tmp_path, R1)["d000"] is expected
    assert states(tmp_path, R1)["d001"] is DeviceState.SUCCEEDED


def test_a_completed_rollout_keeps_the_devices_its_successor_does_not_know(tmp_path: Path) -> None:
    complete(tmp_path, R1, *told("succeeded", *HOSTS[2:]), *told("unreachable", *HOSTS[:2]))
    start(tmp_path, R2, ["d000"])
    old = start(tmp_path, R1, resolve=never)
    assert batches(old.rollout, skip=()) == (("d001",),)


@pytest.mark.parametrize("kind", ["applying", "booted", "rolling_back"])
def test_a_latecomer_in_the_middle_of_its_update_is_finished_by_its_completed_rollout(
    tmp_path: Path, kind: str
) -> None:
    complete(tmp_path, R1, *told("succeeded", *HOSTS[1:]), *told(kind, "d000"))
    assert "left devices in the middle of their update: d000" in refused(tmp_path, R2).cause
    assert start(tmp_path, R2, HOSTS[1:]).epoch == 1


def test_a_ledger_that_somebody_writes_to_while_it_is_opened_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is left of a controller that was killed may still tell of a failure that the gate has to count."""
    start(tmp_path, R1)
    end(tmp_path, R1)
    tell(tmp_path, R1, *told("staging", "d000"))
    take = Ledger.take_lease

    def meanwhile(self: Ledger, *arguments: Any) -> None:
        take(self, *arguments)
        tell(tmp_path, R1, *told("failed", "d000"))

    with monkeypatch.context() as patch:
        patch.setattr(Ledger, "take_lease", meanwhile)
        with pytest.raises(RolloutError) as caught:
            start(tmp_path, R1)
    assert caught.value.reason == "ledger_conflict"
    assert kinds(tmp_path, R1)[-1] == "failed"
    assert start(tmp_path, R1).epoch == 2


def test_a_controller_that_dies_between_taking_over_and_planning_can_be_run_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    start(tmp_path, R1)
    end(tmp_path, R1)
    append = Ledger.append

    def dies(self: Ledger, events: Any, epoch: int, expected: int | None = None) -> bool:
        if self.directory.name == "r2":
            raise KeyboardInterrupt
        return append(self, events, epoch, expected)

    spec = whole("r2", supersedes=["r1"])
    with monkeypatch.context() as patch:
        patch.setattr(Ledger, "append", dies)
        with pytest.raises(KeyboardInterrupt):
            start(tmp_path, spec)
    assert start(tmp_path, spec).epoch == 1
    assert kinds(tmp_path, spec) == ["planned", "opened", "wave_opened"]


# -- leases ------------------------------------------------------------------------------------------------------------


class sleeper:
    """A live process of somebody else."""

    def __enter__(self) -> lease.Holder:
        self._process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
        started = _controller._start_of(self._process.pid) or ""
        return replace(_controller._this_process(1), pid=self._process.pid, started=started, user="bob")

    def __exit__(self, *_error: object) -> None:
        self._process.kill()
        self._process.wait()


def write_lease(directory: Path, holder: lease.Holder) -> None:
    (directory / "lease.json").write_text(json.dumps(as_document(holder)))


def test_the_lease_of_a_live_controller_is_refused(tmp_path: Path) -> None:
    start(tmp_path, R1)
    with sleeper() as holder:
        write_lease(tmp_path / "r1", holder)
        error = refused(tmp_path, R1)
    assert error.reason == "lease_held"
    assert f"process {holder.pid}" in error.cause


@pytest.mark.parametrize("change", [{}, {"started": "1"}, {"boot_id": "another"}], ids=["dead", "pid reused", "reboot"])
def test_the_lease_of_a_controller_that_is_gone_is_taken(tmp_path: Path, change: dict[str, Any]) -> None:
    start(tmp_path, R1)
    with sleeper() as holder:
        write_lease(tmp_path / "r1", replace(holder, **change))
        if change:
            assert start(tmp_path, R1).epoch == 2
    if not change:
        assert start(tmp_path, R1).epoch == 2


def test_a_lease_of_another_machine_is_refused(tmp_path: Path) -> None:
    start(tmp_path, R1)
    write_lease(tmp_path / "r1", lease.Holder("elsewhere", "b", 1, "1", "bob", 1))
    assert "lease.json" in refused(tmp_path, R1).remedy


@pytest.mark.parametrize("change", [{"machine_id": "another"}, {"pid_namespace": "pid:[1]"}])
def test_a_namesake_may_be_at_work_on_another_rollout(tmp_path: Path, change: dict[str, str]) -> None:
    """Its process number means nothing here, also when it is ours by chance."""
    start(tmp_path, R1)
    write_lease(tmp_path / "r1", replace(_controller._this_process(1), started="1", **change))  # type: ignore[arg-type]
    assert refused(tmp_path, whole("r2", supersedes=["r1"])).reason == "devices_busy"
    assert refused(tmp_path, R1).reason == "lease_held"


def test_a_user_without_a_name_may_run_a_rollout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def nameless() -> str:
        raise KeyError("getpwuid(): uid not found: 1000770000")

    monkeypatch.setattr(getpass, "getuser", nameless)
    start(tmp_path, R1)
    holder = lease.read(tmp_path / "r1")
    assert holder is not None
    assert holder.user == str(os.getuid())


# -- hosts that come and go --------------------------------------------------------------------------------------------


def test_an_untouched_device_leaves_with_its_host_and_comes_back_with_it(tmp_path: Path) -> None:
    start(tmp_path, R1)
    opened = start(tmp_path, R1, HOSTS[1:])
    assert [(event.kind, event.host) for event in opened.recorded] == [("removed", "d000")]
    assert states(tmp_path, R1)["d000"] is DeviceState.REMOVED
    assert start(tmp_path, R1, HOSTS[1:]).recorded == ()
    opened = start(tmp_path, R1)
    assert [(event.kind, event.host) for event in opened.recorded] == [("released", "d000")]
    assert states(tmp_path, R1)["d000"] is DeviceState.PENDING


@pytest.mark.parametrize(
    ("kind", "state"),
    [
        ("succeeded", DeviceState.SUCCEEDED),
        ("failed", DeviceState.FAILED),
        ("lost", DeviceState.LOST),
        ("silent", DeviceState.SILENT),
        ("applying", DeviceState.SILENT),
        ("booted", DeviceState.SILENT),
        ("rolling_back", DeviceState.SILENT),
        ("staging", DeviceState.REMOVED),
        ("staged", DeviceState.REMOVED),
        ("unreachable", DeviceState.REMOVED),
        ("deferred", DeviceState.REMOVED),
        ("already_current", DeviceState.CURRENT),
    ],
)
def test_what_becomes_of_a_device_whose_host_leaves(tmp_path: Path, kind: str, state: DeviceState) -> None:
    start(tmp_path, R1)
    tell(tmp_path, R1, *told(kind, "d000"))
    start(tmp_path, R1, HOSTS[1:])
    assert states(tmp_path, R1)["d000"] is state
    assert start(tmp_path, R1, HOSTS[1:]).recorded == ()


def test_a_device_that_left_in_the_middle_of_its_update_is_lost_when_its_grace_is_over(
    tmp_path: Path, time: FakeTime
) -> None:
    start(tmp_path, R1)
    tell(tmp_path, R1, *told("applying", "d000"))
    start(tmp_path, R1, HOSTS[1:])
    time.sleep(601)
    start(tmp_path, R1, HOSTS[1:])
    assert states(tmp_path, R1)["d000"] is DeviceState.LOST


def test_a_device_silent_while_nobody_ran_the_rollout_is_looked_for_before_it_is_lost(
    tmp_path: Path, time: FakeTime
) -> None:
    start(tmp_path, R1)
    tell(tmp_path, R1, *told("silent", "d000"))
    time.sleep(86400)
    start(tmp_path, R1)
    assert states(tmp_path, R1)["d000"] is DeviceState.SILENT


def test_a_device_given_to_another_variant_is_not_taken_back(tmp_path: Path) -> None:
    start(tmp_path, R1)
    end(tmp_path, R1)
    moved = [Candidate(host, "gnome" if host == "d000" else "kde") for host in HOSTS]
    open_rollout(tmp_path, R1, moved, never, dry_run=False, deadline=0)
    assert states(tmp_path, R1)["d000"] is DeviceState.INCOMPATIBLE


def test_a_device_whose_image_is_parked_follows_its_new_variant_as_well(tmp_path: Path) -> None:
    start(tmp_path, R1)
    tell(tmp_path, R1, *told("staging", "d000"), *told("staged", "d000", parked=True))
    end(tmp_path, R1)
    moved = [Candidate(host, "gnome" if host == "d000" else "kde") for host in HOSTS]
    open_rollout(tmp_path, R1, moved, never, dry_run=False, deadline=0)
    assert states(tmp_path, R1)["d000"] is DeviceState.INCOMPATIBLE


def test_a_parked_device_that_sleeps_is_not_tried_and_stays_parked(tmp_path: Path) -> None:
    start(tmp_path, R1)
    tell(tmp_path, R1, *told("staging", "d000"), *told("staged", "d000", parked=True))
    end(tmp_path, R1)
    opened = start(tmp_path, R1, resolve=never)
    assert "d000" in worth_asking(opened.rollout, HOSTS)
    heard = note_answers(tmp_path, opened, {"d000": asleep("no answer")})
    assert (heard.rollout.devices["d000"].state, heard.rollout.devices["d000"].parked) == (DeviceState.STAGED, True)


def test_a_wave_does_not_pass_because_its_only_device_is_missing_from_the_inventory(tmp_path: Path) -> None:
    start(tmp_path, small_spec())
    end(tmp_path, small_spec())
    (canary,) = derive(Ledger(tmp_path, "r1").read()).plan.hosts[0]  # type: ignore[union-attr]
    others = [host for host in HOSTS if host != canary]
    error = refused(tmp_path, small_spec(), others, resolve=never)
    assert error.reason == "no_hosts"
    assert "everybody of wave canary" in error.cause


def test_an_inventory_that_shrinks_in_small_steps_is_noticed(tmp_path: Path) -> None:
    hosts = [f"h{number:02}" for number in range(20)]
    start(tmp_path, small_spec(), hosts)
    first = set(derive(Ledger(tmp_path, "r1").read()).plan.hosts[0])  # type: ignore[union-attr]
    leaving = [host for host in hosts if host not in first]
    start(tmp_path, small_spec(), [host for host in hosts if host not in leaving[:2]])
    end(tmp_path, small_spec())
    error = refused(tmp_path, small_spec(), [host for host in hosts if host not in leaving[:4]], resolve=never)
    assert "4 of the 20 devices" in error.cause


def test_the_inventory_of_another_fleet_does_not_complete_a_rollout(tmp_path: Path) -> None:
    start(tmp_path, small_spec())
    end(tmp_path, small_spec())
    error = refused(tmp_path, small_spec(), ["x1", "x2"], resolve=never)
    assert error.reason == "no_hosts"
    assert "None of the 4 devices of the rollout r1" in error.cause
    assert refused(tmp_path, small_spec(), [], resolve=never).reason == "no_hosts"


@pytest.mark.parametrize(("missing", "is_refused"), [(1, False), (2, False), (3, True), (19, True)])
def test_a_part_of_the_inventory_does_not_pass_for_the_whole(tmp_path: Path, missing: int, is_refused: bool) -> None:
    """With one site's inventory the waves would pass for want of devices."""
    hosts = [f"h{number:02}" for number in range(20)]
    start(tmp_path, small_spec(), hosts)
    end(tmp_path, small_spec())
    if not is_refused:
        start(tmp_path, small_spec(), hosts[missing:])
        return
    error = refused(tmp_path, small_spec(), hosts[missing:], resolve=never)
    assert f"{missing} of the 20 devices of the rollout r1 are not in this inventory" in error.cause
    assert "bootc_rollout_accept_removed=true" in error.remedy


def test_hosts_that_joined_the_inventory_later_catch_up_beside_the_plan(tmp_path: Path) -> None:
    first = start(tmp_path, R1)
    again = start(tmp_path, R1, [*HOSTS, "late"])
    assert again.rollout.plan.hash == first.rollout.plan.hash
    assert [event.kind for event in again.recorded] == ["joined"]
    assert again.rollout.devices["late"].catching_up
    assert start(tmp_path, R1, [*HOSTS, "late"]).recorded == ()
    assert start(tmp_path, R1).rollout.devices["late"].state is DeviceState.REMOVED


def test_nobody_joins_who_is_told_to_be_ignored(tmp_path: Path) -> None:
    spec = whole(selection={"late_joiners": "ignore"})
    start(tmp_path, spec)
    assert start(tmp_path, spec, [*HOSTS, "late"]).recorded == ()


def rolled_out(root: Path, spec: Spec, time: FakeTime, kind: str, *hosts: str) -> None:
    """A rollout that completed just now and left these hosts in the state that ``kind`` leads to."""
    start(root, spec, hosts)
    now = time.now()
    tell(root, spec, *told(kind, *hosts), Event("wave_passed", now, wave=0), Event("completed", now))
    end(root, spec)
    time.sleep(60)


def test_a_host_in_the_hands_of_another_rollout_does_not_join(tmp_path: Path, time: FakeTime) -> None:
    start(tmp_path, R2, ["late"])
    end(tmp_path, R2)
    time.sleep(60)
    rolled_out(tmp_path, R1, time, "succeeded", *HOSTS)
    assert start(tmp_path, R1, [*HOSTS, "late"]).recorded == ()
    assert states(tmp_path, R2) == {"late": DeviceState.PENDING}


def test_a_host_that_a_later_rollout_knows_is_not_taken_back(tmp_path: Path, time: FakeTime) -> None:
    rolled_out(tmp_path, R1, time, "succeeded", *HOSTS)
    rolled_out(tmp_path, R2, time, "succeeded", "late")
    assert start(tmp_path, R1, [*HOSTS, "late"]).recorded == ()


def test_a_host_that_an_earlier_rollout_left_behind_joins_the_next(tmp_path: Path, time: FakeTime) -> None:
    rolled_out(tmp_path, R1, time, "unreachable", "late")
    rolled_out(tmp_path, R2, time, "succeeded", *HOSTS)
    opened = start(tmp_path, R2, [*HOSTS, "late"])
    assert [event.kind for event in opened.recorded] == ["joined"]
    assert states(tmp_path, R1) == {"late": DeviceState.SUPERSEDED}


def test_a_host_that_came_back_from_the_same_image_joins_to_be_left_out(tmp_path: Path, time: FakeTime) -> None:
    rolled_out(tmp_path, R1, time, "rolled_back", "late")
    rolled_out(tmp_path, R2, time, "succeeded", *HOSTS)
    device = start(tmp_path, R2, [*HOSTS, "late"]).rollout.devices["late"]
    assert (device.state, device.reason) == (DeviceState.INCOMPATIBLE, "denylisted")


# -- from task to task -------------------------------------------------------------------------------------------------


def test_a_device_and_its_target_survive_the_way_through_a_playbook() -> None:
    device = Device("d1", "kde", 1, DeviceState.SILENT, 5.5, DeviceState.APPLYING, "b", failed_units=("a.service",))
    device = replace(device, going_back=("unhealthy", "session: no"))
    assert load_device(json.loads(json.dumps(as_document(device)))) == device
    target = Target("kde", "registry.example/os", digest("a"), (digest("a"), digest("b")), "1", 5)
    assert load_target(json.loads(json.dumps(as_document(target)))) == target


def test_values_that_ansible_tagged_become_a_plain_document() -> None:
    document = as_document({trust_as_template("host"): [trust_as_template("{{ x }}")]})
    assert document == {"host": ["{{ x }}"]}
    assert [type(document["host"][0]), *map(type, document)] == [str, str]
    device = load_device({**as_document(Device("d1", "kde", 0)), "host": trust_as_template("d1")})
    assert device == Device("d1", "kde", 0)


def test_devices_with_a_verdict_may_leave_the_inventory(tmp_path: Path) -> None:
    hosts = [f"h{number:02}" for number in range(20)]
    start(tmp_path, small_spec(), hosts)
    members = derive(Ledger(tmp_path, "r1").read()).plan.members  # type: ignore[union-attr]
    tell(tmp_path, small_spec(), *told("succeeded", *members[:6]))
    end(tmp_path, small_spec())
    assert start(tmp_path, small_spec(), members[6:], resolve=never).epoch == 2


def test_an_updated_device_that_left_before_its_soak_was_over_keeps_nobody_waiting(
    tmp_path: Path, time: FakeTime
) -> None:
    spec = small_spec(waves=[{"name": "all", "percent": 100, "soak": "10m"}])
    start(tmp_path, spec)
    tell(tmp_path, spec, *[Event("succeeded", time.now(), host) for host in HOSTS])
    end(tmp_path, spec)
    time.sleep(3600)
    left = start(tmp_path, spec, HOSTS[1:])
    assert left.wait is not None
    assert set(left.wait.ask) == set(HOSTS[1:])
    tell(tmp_path, spec, *[Event("confirmed", time.now(), host) for host in HOSTS[1:]])
    end(tmp_path, spec)
    assert start(tmp_path, spec, HOSTS[1:]).rollout.phase is RolloutPhase.COMPLETED
    assert states(tmp_path, spec)[HOSTS[0]] is DeviceState.SUCCEEDED


def test_updated_devices_that_all_left_before_their_soak_was_over_hold_the_rollout(
    tmp_path: Path, time: FakeTime
) -> None:
    """Whoever takes dead canaries out of the inventory must not open the next wave by that."""
    spec = small_spec(waves=[{"name": "canary", "count": 2, "soak": "10m"}])
    start(tmp_path, spec)
    canaries = derive(Ledger(tmp_path, "r1").read()).plan.hosts[0]  # type: ignore[union-attr]
    tell(tmp_path, spec, *[Event("succeeded", time.now(), host) for host in canaries])
    end(tmp_path, spec)
    time.sleep(3600)
    rollout = start(tmp_path, spec, [host for host in HOSTS if host not in canaries]).rollout
    assert rollout.hold is not None
    assert (rollout.hold.rule, set(rollout.hold.hosts)) == ("confirmation", set(canaries))
    assert "2 removed" in rollout.hold.numbers


def test_a_device_that_booted_the_target_while_its_host_was_missing_is_still_proven(tmp_path: Path) -> None:
    start(tmp_path, R1)
    tell(tmp_path, R1, *told("staging", "d000", boot_id="b"), *told("staged", "d000"))
    start(tmp_path, R1, HOSTS[1:])
    start(tmp_path, R1)
    device = derive(Ledger(tmp_path, "r1").read()).devices["d000"]  # type: ignore[union-attr]
    assert (device.state, device.phase) == (DeviceState.PENDING, DeviceState.STAGED)


def test_a_dead_controller_that_nobody_has_reaped_is_gone() -> None:
    dead = subprocess.Popen([sys.executable, "-c", ""])
    os.waitid(os.P_PID, dead.pid, os.WEXITED | os.WNOWAIT)
    assert _controller._start_of(dead.pid) is None
    dead.wait()


def heard(root: Path, spec: Spec, **answers: Any) -> Opened:
    return note_answers(root, start(root, spec), answers)


def test_only_devices_that_nothing_was_done_to_are_asked_whether_they_are_awake(tmp_path: Path) -> None:
    start(tmp_path, R1, names(6))
    tell(tmp_path, R1, *told("staging", "d001"), *told("silent", "d002"), *told("lost", "d003"))
    tell(tmp_path, R1, *told("unreachable", "d004"), *told("deferred", "d005", reason="busy"))
    opened = start(tmp_path, R1, names(6))
    assert worth_asking(opened.rollout, names(6)) == ("d000", "d004", "d005")


def test_who_does_not_answer_is_recorded_once_and_charged_nothing(tmp_path: Path) -> None:
    opened = heard(tmp_path, R1, d000=asleep("no answer"), d001=AWAKE, d002=unknown("its connection is local"))
    assert [(event.kind, event.host, event.data) for event in opened.recorded[-1:]] == [
        ("unreachable", "d000", {"reason": "asleep", "message": "no answer"})
    ]
    before = kinds(tmp_path, R1)
    assert states(tmp_path, R1) == {
        "d000": DeviceState.UNREACHABLE,
        "d001": DeviceState.PENDING,
        "d002": DeviceState.PENDING,
        "d003": DeviceState.PENDING,
    }
    again = heard(tmp_path, R1, d000=asleep("no route"))
    assert again.recorded == ()
    assert kinds(tmp_path, R1) == [*before, "opened"]


def test_the_gate_does_not_wait_for_the_turn_of_those_asleep(tmp_path: Path) -> None:
    opened = heard(tmp_path, R1, **dict.fromkeys(HOSTS[1:], asleep("no answer")))
    assert opened.wait is not None
    assert opened.wait.rule == "turn"
    opened = heard(tmp_path, R1, d000=asleep("no answer"))
    assert opened.wait is not None
    assert opened.wait.rule == "coverage"
    assert batches(opened.rollout, skip=HOSTS) == ()


def test_what_waking_devices_say_later_decides_as_if_they_had_not_slept(tmp_path: Path) -> None:
    """A device that was asleep when another wave was at work gets its turn in its own."""
    heard(tmp_path, R1, **dict.fromkeys(HOSTS, asleep("no answer")))
    opened = heard(tmp_path, R1, **dict.fromkeys(HOSTS, AWAKE))
    assert [event.kind for event in opened.recorded] == ["released"] * 4
    assert set(states(tmp_path, R1).values()) == {DeviceState.PENDING}
    assert heard(tmp_path, R1, **dict.fromkeys(HOSTS, AWAKE)).recorded == ()


def test_a_device_that_ansible_could_not_reach_does_not_get_its_turn_back_by_answering(tmp_path: Path) -> None:
    """One whose key is refused answers in every run, and would be news in every run."""
    start(tmp_path, R1)
    tell(tmp_path, R1, *told("unreachable", "d000", message="Permission denied"))
    assert heard(tmp_path, R1, d000=AWAKE).recorded == ()


def test_in_a_wave_that_passed_nobody_s_waking_is_recorded(tmp_path: Path) -> None:
    heard(tmp_path, R1, d000=asleep("no answer"))
    succeeded = told("succeeded", *HOSTS[1:])
    tell(tmp_path, R1, *succeeded, Event("wave_passed", 1.0, wave=0), Event("completed", 1.0))
    opened = heard(tmp_path, R1, d000=AWAKE)
    assert opened.recorded == ()
    assert batches(opened.rollout, skip=()) == (("d000",),)


@pytest.mark.parametrize(("order", "phase"), [("aborted", RolloutPhase.ABORTED), ("canceled", RolloutPhase.CANCELED)])
def test_an_order_given_while_devices_are_asked_is_followed(tmp_path: Path, order: str, phase: RolloutPhase) -> None:
    spec = small_spec(waves=[{"name": "all", "percent": 100, "soak": "0s", "min_coverage": 75, "max_failures": 0}])
    opened = start(tmp_path, spec)
    tell(tmp_path, spec, *told("succeeded", *HOSTS[:3]), Event(order, 1.0, data={"by": "anna", "why": "seen"}))
    after = note_answers(tmp_path, opened, {HOSTS[3]: asleep("no answer")})
    rollout = derive(Ledger(tmp_path, "r1").read())
    assert rollout is not None
    assert (rollout.phase, after.rollout.phase) == (phase, phase)
    assert batches(after.rollout, skip=()) == ()
    assert kinds(tmp_path, spec)[-1] == order


def test_an_order_given_while_an_answer_is_recorded_is_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = start(tmp_path, R1)
    append, orders = Ledger.append, [Event("paused", 1.0, data={"by": "anna", "why": "seen"})]

    def meanwhile(self: Ledger, events: Any, epoch: int, expected: int | None = None) -> bool:
        if orders:
            append(self, [orders.pop()], epoch)
        return append(self, events, epoch, expected)

    monkeypatch.setattr(Ledger, "append", meanwhile)
    after = note_answers(tmp_path, opened, {"d000": asleep("no answer")})
    assert after.rollout.phase is RolloutPhase.PAUSED
    assert kinds(tmp_path, R1)[-2:] == ["paused", "unreachable"]


def test_without_a_lease_nothing_is_recorded(tmp_path: Path) -> None:
    opened = start(tmp_path, R1, dry_run=True)
    assert note_answers(tmp_path, opened, {"d000": asleep("no answer")}) == opened
    assert not (tmp_path / "r1").exists()


# -- what devices are shown ------------------------------------------------------------------------------------------


def test_who_opens_a_ledger_of_the_future_is_warned(tmp_path: Path, time: FakeTime) -> None:
    assert start(tmp_path, R1).warnings == ()
    tell(tmp_path, R1, Event("noted", time.now() + 3600))
    end(tmp_path, R1)
    for dry_run in (True, False):
        (warning,) = start(tmp_path, R1, dry_run=dry_run).warnings
        assert "The clock went back" in warning


def test_a_device_is_shown_this_turn_and_the_turns_before_it(tmp_path: Path, time: FakeTime) -> None:
    first = start(tmp_path, R1).fence
    assert first is not None
    assert (first["rollout"], first["epoch"], first["turns"], first["supersedes"]) == ("r1", 1, [], [])
    assert first["by"] == f"{getpass.getuser()} on {platform.node()}"
    end(tmp_path, R1)
    time.sleep(1)
    second = start(tmp_path, R1).fence
    assert second is not None
    assert (second["epoch"], second["turns"]) == (2, [first["turn"]])
    assert second["turn"] != first["turn"]
    assert fence_of(Ledger(tmp_path, "r1").read(), R1, 2) == second, "it is another one when it is read back"
    assert json.loads(json.dumps(second)) == second


def test_a_long_rollout_shows_its_last_turns_and_knows_them_all() -> None:
    opened = [Event("opened", float(number), data={"machine": "desk", "pid": 1}) for number in range(3000)]
    fence = fence_of(opened, R1, 3000)
    assert len(json.dumps(fence["turns"])) < 5000
    assert fence["turns"][-1] == turn_of(opened[-2])
    assert is_turn_before(opened, turn_of(opened[0]), fence["turn"])
    assert not is_turn_before(opened[:-1], turn_of(opened[-1]), turn_of(opened[-2]))
    assert not is_turn_before(opened, turn_of(opened[-1]), turn_of(opened[-2])), "a later run is no turn before ours"
    assert not is_turn_before(opened, "0" * 16, fence["turn"])


def test_copies_of_a_ledger_have_turns_of_their_own(tmp_path: Path, time: FakeTime) -> None:
    start(tmp_path / "one", R1)
    end(tmp_path / "one", R1)
    shutil.copytree(tmp_path / "one", tmp_path / "two")
    fences = []
    for copy in ("one", "two"):
        time.sleep(1)
        fences.append(start(tmp_path / copy, R1).fence)
    one, two = fences
    assert one is not None
    assert two is not None
    assert (one["epoch"], one["turns"]) == (two["epoch"], two["turns"])
    assert one["turn"] != two["turn"]


def test_devices_that_were_taken_over_from_another_rollout_are_not_held_by_it(tmp_path: Path) -> None:
    start(tmp_path, R1)
    end(tmp_path, R1)
    spec = whole("r2", supersedes=["r0", "r1"])
    fence = start(tmp_path, spec).fence
    assert fence is not None
    assert fence["supersedes"] == ["r0", "r1"]
    (opening,) = (event for event in Ledger(tmp_path, "r2").read() if event.kind == "opened")
    assert opening.data["took_over"] == ["r1"]


def test_a_run_without_its_lease_goes_no_further(tmp_path: Path) -> None:
    epoch = start(tmp_path, R1).epoch
    assert epoch is not None
    ledger = Ledger(tmp_path, "r1")
    insist_on_lease(ledger, epoch)
    for lost in (epoch + 1, epoch - 1):
        with pytest.raises(RolloutError, match=f"process {os.getppid()} on .* holds it now") as caught:
            insist_on_lease(ledger, lost)
        assert caught.value.reason == "superseded_controller"
    ledger.release_lease(epoch)
    with pytest.raises(RolloutError, match="does not hold its rollout any more"):
        insist_on_lease(ledger, epoch)


@pytest.mark.parametrize("end_of", ["canceled", "aborted"])
def test_devices_of_a_rollout_that_somebody_ended_are_free_for_the_next(tmp_path: Path, end_of: str) -> None:
    start(tmp_path, R1)
    tell(tmp_path, R1, Event(end_of, 1.0, data={"by": "anna", "why": "a mistake"}))
    end(tmp_path, R1)
    assert start(tmp_path, whole("r2")).epoch == 1
    rollout = derive(Ledger(tmp_path, "r1").read())
    assert rollout is not None
    assert rollout.phase.value == end_of


def test_a_device_is_not_offered_again_what_it_came_back_from(tmp_path: Path) -> None:
    spec = whole("r1")
    complete(tmp_path, spec, *told("rolled_back", "d000"), *told("failed", "d001"), *told("succeeded", *HOSTS[2:]))
    end(tmp_path, spec)
    again = whole("r2")
    start(tmp_path, again)
    denied = [event for event in Ledger(tmp_path, "r2").read() if event.kind == "incompatible"]
    assert [(event.host, event.data["reason"]) for event in denied] == [("d000", "denylisted")]
    assert "in the rollout r1" in denied[0].data["message"]
    end(tmp_path, again)
    mended = [{"name": "kde", "image": "registry.example/os", "digest": digest("b")}]
    other = whole("r3", variants=mended, supersedes=["r2"])
    start(tmp_path, other)
    assert not [event for event in Ledger(tmp_path, "r3").read() if event.kind == "incompatible"]


def test_a_run_after_a_soak_that_outlasted_the_one_before_looks_at_the_updated_devices(
    tmp_path: Path, time: FakeTime
) -> None:
    wave = {"name": "all", "percent": 100, "soak": "2h"}
    spec = small_spec(waves=[wave])
    start(tmp_path, spec)
    tell(tmp_path, spec, *[Event("succeeded", time.now(), host) for host in HOSTS])
    end(tmp_path, spec)
    assert start(tmp_path, spec, until=time.now() + 60).epoch is None  # the soak lasts longer than this run
    time.sleep(3 * 3600)
    opened = start(tmp_path, spec, until=time.now() + 60)
    assert opened.epoch is not None
    assert opened.wait is not None
    assert opened.wait.ask
