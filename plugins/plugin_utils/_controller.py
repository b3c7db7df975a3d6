# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the rollout's action plugins share: this process as a controller, opening a rollout, the real clock."""

from __future__ import annotations

import getpass
import json
import os
import platform
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass, is_dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from ._reach.knock import Answer, Reach
from ._rollout.decide import advance
from ._rollout.errors import RolloutError, some
from ._rollout.events import Event
from ._rollout.fencing import fence_of
from ._rollout.gate import Wait
from ._rollout.joining import joined, newcomers
from ._rollout.lease import Holder
from ._rollout.passes import Clock
from ._rollout.plan import Candidate, Plan, Target, check_membership, make_plan
from ._rollout.replay import apply_event, derive, replay
from ._rollout.revert import with_variants
from ._rollout.spec import Spec, parse_spec
from ._rollout.states import (
    DISRUPTED,
    LEFT,
    OVER,
    Device,
    DeviceClass,
    DeviceState,
    Rollout,
    RolloutPhase,
    WavePhase,
    answers_by,
)
from ._rollout.store import Store, Stores, open_stores
from ._rollout.timing import clock_warnings

CLOCK = Clock(time.time, time.sleep)

Resolve = Callable[[Spec], Mapping[str, Target]]
"""Asks the registries what the digests of a spec are; called only when a rollout is planned."""


@dataclass(frozen=True)
class Opened:
    """A rollout ready to be advanced. ``epoch`` is None when there is nothing to do, and so no lease was taken."""

    rollout: Rollout
    epoch: int | None
    recorded: tuple[Event, ...]
    wait: Wait | None
    fence: Mapping[str, Any] | None = None
    """What the device modules are shown, so that devices can tell this run from others."""
    warnings: tuple[str, ...] = ()
    """What is odd about the ledger, for people."""
    took_from: tuple[Store, ...] = ()
    """The ledgers of other rollouts that lost devices to this one just now."""


def read_spec(path: Path) -> Spec:
    """The spec in a YAML file, with the release file it may name (relative to the spec)."""
    document = _read_yaml(path, "rollout spec")
    release = None
    if isinstance(document, dict) and isinstance(document.get("release"), str):
        release = _read_yaml(path.parent / document["release"], "release file")
    return parse_spec(document, str(path), release)


def open_rollout(
    root: Path,
    spec: Spec,
    candidates: Sequence[Candidate],
    resolve: Resolve,
    *,
    dry_run: bool,
    deadline: float,
    accept_removed: bool = False,
    takeover: Takeover | None = None,
) -> Opened:
    """Plan the rollout, or pick up the one on record, and take its lease if there is anything to do.

    That includes waiting for something that time alone brings about before ``deadline`` (seconds since the epoch).
    """
    takeover = takeover or Takeover()
    stores = open_stores(root)
    ledger = stores.rollout(spec.id)
    with nullcontext() if dry_run else stores.lock():
        position = ledger.position()
        events = ledger.read()
        warnings = tuple(clock_warnings(events, CLOCK.now()))
        known = derive(events)
        planned: list[Event] = []
        rivals: list[_Rival] = []
        if known is None:
            spec = _found_variants(stores, spec, {candidate.host for candidate in candidates})
            check_membership(spec, candidates)
            plan = make_plan(spec, candidates, resolve(spec))
            rivals = _find_rivals(stores, plan, takeover)
            planned = [
                Event("planned", CLOCK.now(), data={"plan": plan.as_dict(), "hash": plan.hash}),
                *_denied(stores, plan),
            ]
        else:
            _check_same(known, spec, ledger)
            _check_present(known, candidates, accept_removed=accept_removed)
        rollout = known or replay(planned)
        holder = _this_process(ledger.last_epoch() + 1)
        membership = _membership(rollout, {candidate.host: candidate.variant for candidate in candidates})
        if known is not None:
            joining, rivals = _newcomers(stores, rollout, candidates)
            membership += joining
        start = _opening(holder, rivals, takeover)
        rollout, news, decisions = advance(_after(rollout, [start, *membership]), CLOCK.now())
        excused = _excused(decisions.confirm, candidates)
        if excused:
            rollout, more, decisions = advance(_after(rollout, excused), CLOCK.now())
            news = (*news, *excused, *more)
        recorded = (*planned, *membership, *news)
        due = {candidate.host for candidate in candidates}.intersection(decisions.touch)
        # When nobody is due, devices may still have to be looked at again, or time to pass, before a wave may.
        if dry_run or not (recorded or due or decisions.needs_the_gate or _ends_by(decisions.wait, deadline)):
            if not dry_run:
                _clear_away(ledger)
            return Opened(rollout, None, recorded, decisions.wait, warnings=warnings)
        ledger.create()
        ledger.take_lease(holder, _is_alive)
        for rival in rivals:
            rival.give_way(spec, holder.user, takeover.why)
        if not ledger.append([*planned, start, *membership, *news], holder.epoch, position):
            raise RolloutError(
                f"Somebody wrote to the ledger {ledger.place} while it was opened.",
                "Nothing was recorded there, nor sent to any device. Run again: it goes on from what is there now.",
                "ledger_conflict",
            )
        fence = fence_of([*events, start], rollout.plan.spec, holder.epoch)
        took_from = tuple(rival.ledger for rival in rivals)
        return Opened(rollout, holder.epoch, recorded, decisions.wait, fence, warnings, took_from)


def insist_on_lease(ledger: Store, epoch: int) -> None:
    """Raise RolloutError when this run lost its lease, or gave it up: nothing may be changed on its behalf any more."""
    holder = ledger.read_lease()
    if holder is not None and holder.epoch == epoch:
        return
    who = "" if holder is None else f"; {holder.user} (process {holder.pid} on {holder.machine}) holds it now"
    raise RolloutError(
        f"This run does not hold its rollout any more{who}.",
        "Let the other run finish; this one stops here and has recorded nothing.",
        "superseded_controller",
    )


def _clear_away(ledger: Store) -> None:
    """Give up the lease of a run that was killed when all was done: from other machines it looks as if it still ran."""
    holder = ledger.read_lease()
    if holder is not None and not _may_be_at_work(holder):
        ledger.release_lease(holder.epoch)


def _opening(holder: Holder, rivals: Sequence[_Rival], takeover: Takeover) -> Event:
    data: dict[str, Any] = {"by": holder.user, "machine": holder.machine, "pid": holder.pid}
    taken = dict.fromkeys([*(rival.rollout.plan.spec.id for rival in rivals), *takeover.rollouts])
    if taken:
        data["took_over"] = list(taken)
    if takeover.why:
        data["why"] = takeover.why
    return Event("opened", CLOCK.now(), data=data)


def _found_variants(stores: Stores, spec: Spec, hosts: Collection[str]) -> Spec:
    """The spec, and what the ledgers know of the devices that it takes back."""
    if spec.reverts is None:
        return spec
    rollout = derive(stores.rollout(spec.reverts).read())
    if rollout is None:
        raise RolloutError(
            f"There is no rollout {spec.reverts} in the directory of the ledgers.",
            "Give the directory that holds its ledger with `-e bootc_rollout_ledger=DIRECTORY`.",
            "not_planned",
        )
    others = [derive(store.read()) for store in stores.rollouts()]
    return with_variants(spec, rollout, [other for other in others if other is not None], hosts)


ASLEEP = "asleep"
"""Reason of a device that did not answer when it was asked whether it is awake, as against one that Ansible tried."""


def worth_asking(rollout: Rollout, hosts: Iterable[str]) -> tuple[str, ...]:
    """Those of ``hosts`` that nothing was done to, or whose image only waits on them.

    If they are asleep there is nothing to be found out about them. What became of the others only a try can tell.
    """
    devices = [rollout.devices[host] for host in hosts]
    return tuple(d.host for d in devices if (d.device_class is DeviceClass.UNTOUCHED or d.parked) and not d.armed)


def note_answers(root: Path, opened: Opened, answers: Mapping[str, Answer]) -> Opened:
    """Record who does not answer, and who answers again in a wave that is still to pass.

    The gate waits for the turn of devices that it may expect something of, and for no others.
    """
    if opened.epoch is None or not answers:
        return opened
    ledger = open_stores(root).rollout(opened.rollout.plan.spec.id)
    while True:
        position, now = ledger.position(), CLOCK.now()
        # Asking takes a while, in which somebody may have ordered something.
        rollout = replay(ledger.read())
        found = [_heard(rollout, rollout.devices[host], answer, now) for host, answer in answers.items()]
        news = [event for event in found if event is not None]
        rollout, decided, decisions = advance(_after(rollout, news), now)
        if ledger.append([*news, *decided], opened.epoch, position):
            recorded = (*opened.recorded, *news, *decided)
            return replace(opened, rollout=rollout, recorded=recorded, wait=decisions.wait)


def _heard(rollout: Rollout, device: Device, answer: Answer, now: float) -> Event | None:
    unreachable = device.state is DeviceState.UNREACHABLE
    if answer.reach is Reach.ASLEEP and not unreachable and device.device_class is DeviceClass.UNTOUCHED:
        return Event("unreachable", now, device.host, data={"reason": ASLEEP, "message": answer.why})
    passed = rollout.waves[device.wave].phase is WavePhase.PASSED
    if answer.reach is Reach.AWAKE and unreachable and device.reason == ASLEEP and not passed:
        return Event("released", now, device.host, data={"message": "it answers again", "resumed": True})
    return None


_LEFT = "its host left the inventory, or `selection` does not match it any more"


def _excused(asked: Sequence[str], candidates: Sequence[Candidate]) -> list[Event]:
    """Nobody can look again at updated devices whose hosts left: their wave would never pass for want of that."""
    present = {candidate.host for candidate in candidates}
    data = {"reason": LEFT, "message": _LEFT}
    return [Event("unconfirmed", CLOCK.now(), host, data=data) for host in asked if host not in present]


def _ends_by(wait: Wait | None, deadline: float) -> bool:
    return wait is not None and wait.until is not None and wait.until <= deadline


def _membership(rollout: Rollout, present: Mapping[str, str | None]) -> list[Event]:
    """What the inventory says now: hosts that are in it, with their variants.

    Devices that did not reboot yet leave with their host, and are back when it is; the others fall silent. An untouched
    device that was given to another variant is left alone: the plan would take it back.
    """
    now = CLOCK.now()
    gone = [
        _gone(device, now)
        for device in rollout.devices.values()
        if device.host not in present
        and device.device_class in (DeviceClass.UNTOUCHED, DeviceClass.FLIGHT)
        and (device.state is not DeviceState.SILENT or now >= answers_by(rollout.plan.spec, device))
    ]
    back = [
        Event("released", now, device.host, data={"message": "its host is back in the inventory", "resumed": True})
        for device in rollout.devices.values()
        if device.state is DeviceState.REMOVED and device.host in present
    ]
    rebased = [
        Event("incompatible", now, device.host, data={"reason": "variant_changed", "message": _moved(device, present)})
        for device in rollout.devices.values()
        if (device.device_class is DeviceClass.UNTOUCHED or device.parked or device.state is DeviceState.REMOVED)
        and present.get(device.host, device.variant) not in (device.variant, rollout.plan.line_of(device.variant))
    ]
    return gone + back + rebased


def _newcomers(stores: Stores, rollout: Rollout, candidates: Sequence[Candidate]) -> tuple[list[Event], list[_Rival]]:
    """Events of hosts that join the rollout, and rollouts that are over and leave these hosts to it.

    A host that another rollout is at work on, or that a later rollout knows, does not join.
    """
    now = CLOCK.now()
    wanted = {candidate.host: candidate for candidate in newcomers(rollout, candidates, now)}
    if not wanted:
        return [], []
    others = [
        (ledger, other)
        for ledger in stores.rollouts()
        for other in [derive(ledger.read())]
        if other is not None and other.plan.spec.id != rollout.plan.spec.id
    ]
    rivals = []
    for ledger, other in others:
        shared = sorted(set(wanted).intersection(other.devices))
        if not shared or other.phase is RolloutPhase.SUPERSEDED:
            continue
        if _may_join_from(ledger, other, shared, rollout):
            rivals.append(_Rival(ledger, other, tuple(shared)))
        else:
            wanted = {host: candidate for host, candidate in wanted.items() if host not in shared}
    rivals = [replace(rival, hosts=tuple(h for h in rival.hosts if h in wanted)) for rival in rivals]
    events = [joined(rollout, candidate, now) for candidate in wanted.values()]
    variants = {candidate.host: str(candidate.variant) for candidate in wanted.values()}
    bad = _bad_for([other for _unused, other in others], rollout.plan, variants)
    return [*events, *bad], [rival for rival in rivals if rival.hosts]


def _may_join_from(ledger: Store, other: Rollout, shared: Sequence[str], rollout: Rollout) -> bool:
    """Whether another rollout may leave these hosts to ``rollout``: one that is over, older, and at work on none."""
    holder = ledger.read_lease()
    if other.phase not in OVER or other.started_at > rollout.started_at:
        return False
    if holder is not None and _may_be_at_work(holder):
        return False
    flying = [other.devices[host] for host in shared if other.devices[host].device_class is DeviceClass.FLIGHT]
    return all(_may_change_hands(device, shared, over=True) for device in flying)


def _moved(device: Device, present: Mapping[str, str | None]) -> str:
    return f"it was planned as {device.variant}, and the inventory gives it to {present[device.host]} now"


def _gone(device: Device, now: float) -> Event:
    message = _LEFT
    if device.state is DeviceState.SILENT:
        return Event("lost", now, device.host, data={"reason": "silent", "message": message})
    if device.state in DISRUPTED:
        return Event("silent", now, device.host, data={"reason": "silent", "message": message})
    if device.at_risk:
        message += "; what was staged on it may apply at its next reboot"
    return Event("removed", now, device.host, data={"message": message})


def _after(rollout: Rollout, events: Sequence[Event]) -> Rollout:
    for event in events:
        rollout = apply_event(rollout, event)
    return rollout


def _check_same(rollout: Rollout, spec: Spec, ledger: Store) -> None:
    if rollout.plan.spec.fingerprint != spec.fingerprint:
        raise RolloutError(
            f"The rollout {spec.id} was planned from another spec than the one given now (ledger {ledger.place}).",
            "Plans never change: give the changed spec a new id, and name the old in `supersedes:` if it is not over.",
            "spec_changed",
        )


_FEW = 10
"""Percent of a rollout's devices that may leave the inventory unasked between two runs (one device always may)."""


def _check_present(rollout: Rollout, candidates: Sequence[Candidate], *, accept_removed: bool) -> None:
    """With the inventory of another fleet or of one site every other device would count as removed.

    Waves would pass for want of devices, and those would be updated without waves once their inventory is back.
    """
    present = {candidate.host for candidate in candidates}
    members = rollout.plan.members
    absent = {host for host in members if host not in present}
    # Who has a verdict keeps it, in the inventory or not.
    gone = {host for host in absent if rollout.devices[host].is_undecided}
    news = {host for host in gone if rollout.devices[host].state is not DeviceState.REMOVED}
    emptied = [
        wave.name
        for wave, state, hosts in zip(rollout.plan.waves, rollout.waves, rollout.plan.hosts, strict=True)
        if state.phase is not WavePhase.PASSED and news.intersection(hosts) and absent.issuperset(hosts)
    ]
    few = len(gone) <= max(1, len(members) * _FEW // 100) and not emptied
    if len(absent) < len(members) and (accept_removed or few or not news):
        return
    raise RolloutError(
        _absence(rollout.plan.spec.id, len(absent), len(members), emptied),
        "Give the inventory it was planned with (-i); nothing was recorded. If devices are gone for good, add "
        "`-e bootc_rollout_accept_removed=true` once.",
        "no_hosts",
    )


def _absence(rollout_id: str, gone: int, members: int, emptied: Sequence[str]) -> str:
    if gone == members:
        return f"None of the {members} devices of the rollout {rollout_id} is in this inventory."
    nobody = f", and with them everybody of wave {' and '.join(emptied)}" if emptied else ""
    return f"{gone} of the {members} devices of the rollout {rollout_id} are not in this inventory{nobody}."


@dataclass(frozen=True)
class Takeover:
    """Rollouts that give way because whoever runs this one says so, and why; besides those that the spec names."""

    rollouts: tuple[str, ...] = ()
    why: str = ""

    def __post_init__(self) -> None:
        if self.rollouts and not self.why.strip():
            raise RolloutError(
                "No reason is given for taking devices over.",
                "Say why with `-e bootc_rollout_why=...`; it goes on record.",
                "not_applicable",
            )


@dataclass(frozen=True)
class _Rival:
    """Another rollout over some of the same devices."""

    ledger: Store
    rollout: Rollout
    hosts: tuple[str, ...]

    def give_way(self, successor: Spec, who: str, why: str) -> None:
        """Record that ``successor`` took over: the whole rollout, or the devices of one that is over."""
        if self.rollout.phase is RolloutPhase.SUPERSEDED:
            return
        data: dict[str, Any] = {"by": successor.id, "who": who, **({"why": why} if why else {})}
        if successor.reverts == self.rollout.plan.spec.id:
            data["reverts"] = True
        kind = "superseded"
        if self.rollout.phase in OVER:
            kind, data["hosts"] = "hosts_superseded", list(self.hosts)
        self.ledger.append([Event(kind, CLOCK.now(), data=data)], self.ledger.last_epoch() + 1)


def _find_rivals(stores: Stores, plan: Plan, takeover: Takeover) -> list[_Rival]:
    """Rollouts that must give way to ``plan``, or did so already; raises RolloutError where one may not.

    A run that was killed before its plan was on record leaves one that gave way to it: it is still to be named to
    devices as the one that they were claimed for.
    """
    rivals = []
    members = set(plan.members)
    for ledger in stores.rollouts():
        rollout = derive(ledger.read())
        gave_way = rollout is not None and rollout.phase is RolloutPhase.SUPERSEDED
        if rollout is None or (gave_way and rollout.superseded_by != plan.spec.id):
            continue
        shared = tuple(sorted(members & set(rollout.devices)))
        if not shared:
            continue
        if not gave_way:
            _refuse_rivalry(ledger, rollout, shared, {*plan.spec.supersedes, *takeover.rollouts})
        rivals.append(_Rival(ledger, rollout, shared))
    return rivals


def _denied(stores: Stores, plan: Plan) -> list[Event]:
    """Devices that came back from this very content in an earlier rollout: it is not offered to them again unasked."""
    known = [derive(ledger.read()) for ledger in stores.rollouts()]
    return _bad_for([rollout for rollout in known if rollout is not None], plan, plan.variant_of)


def _bad_for(rollouts: Iterable[Rollout], plan: Plan, variant_of: Mapping[str, str]) -> list[Event]:
    bad: dict[str, str] = {}
    for rollout in rollouts:
        for device in rollout.devices.values():
            was = rollout.plan.targets[device.variant].towards(device.hop).accept
            now = plan.targets[variant_of[device.host]].every_accept if device.host in variant_of else ()
            if device.state is DeviceState.ROLLED_BACK and not set(was).isdisjoint(now):
                bad[device.host] = f"it came back from this image in the rollout {rollout.plan.spec.id}"
    return [
        Event("incompatible", CLOCK.now(), host, data={"reason": "denylisted", "message": message})
        for host, message in bad.items()
    ]


def _refuse_rivalry(ledger: Store, rollout: Rollout, shared: Sequence[str], supersedes: Collection[str]) -> None:
    other = rollout.plan.spec.id
    holder = ledger.read_lease()
    if holder is not None and _may_be_at_work(holder):
        raise RolloutError(
            f"The rollout {other} is being run right now by {holder.user} (process {holder.pid} on {holder.machine}) "
            f"over the same devices: {some(shared)}.",
            "Wait for that run to end.",
            "devices_busy",
        )
    over = rollout.phase in OVER
    if not over and other not in supersedes:
        raise RolloutError(
            f"The rollout {other} is {rollout.phase.value} over the same devices: {some(shared)}.",
            f"Let it complete, or take its devices over: add `supersedes: [{other}]` to the spec, or "
            f"`-e bootc_rollout_supersedes={other} -e bootc_rollout_why=...` to this run.",
            "devices_busy",
        )
    flying = [
        device.host
        for device in rollout.devices.values()
        if device.device_class is DeviceClass.FLIGHT and not _may_change_hands(device, shared, over)
    ]
    if flying:
        raise RolloutError(
            f"The rollout {other} left devices in the middle of their update: {some(sorted(flying))}.",
            f"Run the rollout playbook with the spec of {other} once more: it finishes what is in flight.",
            "devices_busy",
        )


def _may_change_hands(device: Device, shared: Sequence[str], over: bool) -> bool:
    """Whether a device in flight may be left by its rollout.

    One that did not reboot yet may: its next rollout stages over what is staged there. So may one that is silent since:
    the next rollout takes it on from whatever it runs when it answers. Neither blocks a release that mends this one,
    asleep as they may be for weeks. Devices that the next rollout does not know stay with one that goes on.
    """
    if device.host not in shared:
        return over
    return device.state not in DISRUPTED or device.state is DeviceState.SILENT


def _read_yaml(path: Path, what: str) -> object:
    try:
        return yaml.load(path.read_text(encoding="utf-8"), _StrictLoader)
    except OSError as error:
        raise RolloutError(
            f"Cannot read the {what} {path}: {error.strerror}.", "Name an existing, readable file.", "invalid_spec"
        ) from error
    except (yaml.YAMLError, ValueError) as error:  # ValueError: not UTF-8, or a date that does not exist
        raise RolloutError(f"The {what} {path} is not YAML: {error}.", "Mend the file.", "invalid_spec") from error


class _StrictLoader(yaml.SafeLoader):
    """Refuses a key given twice: plain YAML would drop the first without a word, and with it perhaps the canary."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        given = [key.value for key, _unused in node.value if isinstance(key, yaml.ScalarNode)]
        twice = sorted({key for key in given if given.count(key) > 1})
        if twice:
            raise yaml.constructor.ConstructorError(
                None, None, f"the key {twice[0]!r} appears twice in one mapping", node.start_mark
            )
        return super().construct_mapping(node, deep)


def _this_process(epoch: int) -> Holder:
    """The ansible-playbook process: action plugins run in a child of it."""
    pid = os.getppid()
    return Holder(
        platform.node(),
        _boot_id(),
        pid,
        _start_of(pid) or "",
        controller_user(),
        epoch,
        _line_of(Path("/etc/machine-id")),
        _pid_namespace(),
    )


def controller_user() -> str:
    """Who runs this process, by name where there is one."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user need not have a name
        return str(os.getuid())


def _may_be_at_work(holder: Holder) -> bool:
    here = _this_process(holder.epoch)
    return holder.is_elsewhere(here) or (holder.pid != here.pid and _is_alive(holder))


def _is_alive(holder: Holder) -> bool:
    """Whether the process that took the lease still runs on this machine."""
    return holder.boot_id == _boot_id() and _start_of(holder.pid) == holder.started


def _start_of(pid: int) -> str | None:
    """Start time of a process in clock ticks since boot (field 22 of proc(5) stat); None when none is at work.

    One that is dead and only waits for its parent to notice does no work.
    """
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except OSError:
        return None
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] in ("Z", "X") else fields[19]


def _boot_id() -> str:
    return _line_of(Path("/proc/sys/kernel/random/boot_id"))


def _pid_namespace() -> str:
    """Within which numbers of processes mean something: those of another container are none of ours."""
    try:
        return str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        return ""


def _line_of(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except OSError:
        return ""


def as_document(value: object) -> Any:
    """Plain JSON data of a document or a dataclass, to be handed from one task to another."""
    if is_dataclass(value) and not isinstance(value, type):
        value = asdict(value)
    return json.loads(json.dumps(value))


def load_device(document: Mapping[str, Any]) -> Device:
    """The device that ``as_document`` wrote."""
    states = {key: DeviceState(document[key]) for key in ("state", "phase")}
    going_back = document["going_back"] and tuple(document["going_back"])
    lists = {key: tuple(document[key]) for key in ("failed_units", "inhibitors")}
    lists["going_back"] = going_back
    return Device(**{**document, **states, **lists})
