# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The device's half of applying what is staged or queued: look again, and reboot only into what is expected, now.

It is asked once, or twice where users get time: the first time it tells them and leaves, the second time, without
anything to tell, it looks at everything again and reboots. So no connection is held meanwhile, and what changed counts.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, replace
from typing import Any, Callable, Sequence

from .._device.boot import boot_id, failed_units, soft_reboots
from .._device.command import Feed, feed_command
from .._device.content import Content
from .._device.facts.probe import device_run
from .._device.facts.sessions import Session, read_sessions
from .._device.fence import Fence, check_fence, take_claim
from .._device.inhibitors import Finding, Inhibitor, Inspector, Obstacle, obstacles
from .._device.last_shutdown import FELL_BACK, explain, read_traces, shorten_lines
from .._device.markers import RollbackMark, last_between, remember_rollback
from .._device.notice import Notice, people, tell
from .._device.reboot import RebootRefused, schedule_reboot
from .._errors import BootcError
from .apply_options import REQUIRED, ApplyOptions, Missed
from .client import LOCK_WAIT_SECONDS, STATUS_SECONDS, Client
from .soft_reboot import choose_soft, forget_prepared, prepare
from .status import Status
from .transitions import after_reboot, not_bootc

NOTHING_TO_APPLY = "nothing_to_apply"
UNEXPECTED_DIGEST = "unexpected_digest"
INHIBITED = "inhibited"

NO_REBOOT = "none"
REBOOT = "reboot"
SOFT_REBOOT = "soft_reboot"
PREPARE_SECONDS = 60.0


@dataclass(frozen=True)
class Decision:
    """Whether to reboot: only without a verdict. ``why`` goes with one that has a reason of its own."""

    verdict: str | None
    detail: str
    expect: tuple[str, ...]
    kind: str = NO_REBOOT
    why: str | None = None
    obstacles: tuple[Obstacle, ...] = ()


@dataclass(frozen=True)
class Device:
    """What of the device is looked at and used besides bootc; replaced in tests."""

    sessions: Callable[[], Sequence[Session] | None]
    look: Callable[[Inhibitor], Finding]
    feed: Feed = feed_command

    @classmethod
    def this(cls, client: Client) -> Device:
        return cls(lambda: read_sessions(device_run), Inspector(client.run))


def decide_apply(status: Status, expect_digests: tuple[str, ...], last: RollbackMark | None = None) -> Decision:
    """Whether the next boot is one the caller wants. Pure.

    ``last`` is the last rollback the device remembers between what it runs and what would boot next.
    """
    slot = status.next_slot
    if slot is None:
        raise not_bootc(installed=status.installed)
    expect = expect_digests or ((slot.digest,) if slot.digest else ())
    expected = not expect_digests or slot.digest in expect_digests
    if not status.reboot_required:
        if expected:
            return Decision(NOTHING_TO_APPLY, "What would boot next runs already", expect)
        return Decision(UNEXPECTED_DIGEST, f"{slot.digest} runs, and nothing else would boot next", expect)
    if not expected:
        return Decision(UNEXPECTED_DIGEST, f"{slot.digest} would boot next ({status.next_boot}); not rebooted", expect)
    if not expect_digests and last is not None and last.why == FELL_BACK and last.left.is_same(slot.content):
        detail = (
            f"{slot.digest} would boot next, and this device fell back from it ({last.at}); not rebooted. To try it "
            "again, name it in expect_digests"
        )
        return Decision(UNEXPECTED_DIGEST, detail, expect, why=FELL_BACK)
    return Decision(None, f"Reboots from {status.booted and status.booted.digest} into {slot.digest}", expect, REBOOT)


def decide_now(status: Status, options: ApplyOptions, last: RollbackMark | None, device: Device) -> Decision:
    """The whole decision: what would boot, how, and whether now is the time."""
    decision = decide_apply(status, options.expect_digests, last)
    if decision.verdict is not None:
        return decision
    kind = SOFT_REBOOT if choose_soft(status, options.soft_reboot) else REBOOT
    found = obstacles(options.inhibitors, device.look)
    if found:
        detail = f"Not rebooted now: {'; '.join(map(str, found))}"
        return replace(decision, verdict=INHIBITED, detail=detail, kind=NO_REBOOT, obstacles=found)
    return replace(decision, kind=kind)


def apply_on_device(
    client: Client, options: ApplyOptions, timeout: float, check_mode: bool, device: Device | None = None
) -> dict[str, Any]:
    """Ask for the reboot if it is wanted; return what the waiting side has to know."""
    device = device or Device.this(client)
    with contextlib.nullcontext() if check_mode else client.hold(min(LOCK_WAIT_SECONDS, timeout)):
        if options.fence is not None:
            check_fence(options.fence)
        status = client.status(min(STATUS_SECONDS, timeout))
        decision = decide_now(status, options, _last(status), device)
        rebooting = decision.verdict is None
        result: dict[str, Any] = {
            "changed": rebooting,
            "verdict": decision.verdict,
            "detail": decision.detail,
            "why": decision.why,
            "bootc": status.as_dict(),
            "predicted": (after_reboot(status) if rebooting else status).as_dict(),
            "expect_digests": list(decision.expect),
            "boot_id": boot_id(),
            "soft_reboots": soft_reboots(client.run),
            "failed_units": list(failed_units(client.run) or ()),
            "reboot_kind": decision.kind,
            "inhibited_by": [obstacle.as_dict() for obstacle in decision.obstacles],
            "notified": [],
            "grace_seconds": 0,
            "notes": [],
        }
        if rebooting and not check_mode:
            noted = _renew(options.fence)
            if options.notice is not None:
                result.update(_tell(options.notice, device))
            result["notes"] = [*result["notes"], *noted]
            if not result["grace_seconds"]:
                kind, notes = _reboot(client, status, options, decision.kind)
                result.update(reboot_kind=kind, notes=[*result["notes"], *notes])
        return result


def _renew(fence: Fence | None) -> list[str]:
    if fence is None:
        return []
    try:
        take_claim(fence)
    except OSError as exc:
        return [f"Which rollout holds this device could not be noted on it ({exc})"]
    return []


def _last(status: Status) -> RollbackMark | None:
    booted, slot = status.booted, status.next_slot
    if booted is None or slot is None:
        return None
    return last_between(booted.content, slot.content)


def _tell(notice: Notice, device: Device) -> dict[str, Any]:
    sessions = device.sessions()
    # Where nobody knows who is there, somebody may be.
    users = None if sessions is None else people(sessions)
    if users is not None and not users:
        return {}
    return {
        "notified": list(users or ()),
        "grace_seconds": notice.grace_seconds,
        "notes": list(tell(notice, device.feed)),
    }


def _reboot(client: Client, status: Status, options: ApplyOptions, kind: str) -> tuple[str, list[str]]:
    notes = []
    if kind == SOFT_REBOOT:
        try:
            prepare(client, status, PREPARE_SECONDS)
        except BootcError as exc:
            forget_prepared(client, status, PREPARE_SECONDS)
            if options.soft_reboot == REQUIRED:
                raise
            notes.append(f"The kernel is restarted: the soft reboot could not be prepared ({exc.message})")
            kind = REBOOT
    if kind == REBOOT:
        notes.append(forget_prepared(client, status, PREPARE_SECONDS))
    try:
        schedule_reboot(client.run, soft=kind == SOFT_REBOOT)
    except RebootRefused as exc:
        raise BootcError("unexpected", f"The device cannot be rebooted: {exc}", "Reboot it by hand") from exc
    return kind, [note for note in notes if note]


def look_back_on_device(client: Client, missed: Missed, timeout: float, check_mode: bool) -> dict[str, Any]:
    """Say why what was to boot does not run, and remember it where the device fell back: never a reboot."""
    status = client.status(min(STATUS_SECONDS, timeout))
    boot = boot_id()
    booted, rollback = status.booted, status.rollback
    is_missed = rollback is not None and (
        (missed.deployment is not None and rollback.deployment == missed.deployment)
        or (missed.digest is not None and rollback.digest == missed.digest)
    )
    why = explain(read_traces(device_run, missed.boot_id, boot), in_rollback_slot=is_missed)
    notes = []
    if why.kind == FELL_BACK and not check_mode and booted is not None and rollback is not None:
        notes = _remember(rollback.content, booted.content)
    return {
        "changed": False,
        "why": why.kind,
        "evidence": shorten_lines(why.evidence),
        "bootc": status.as_dict(),
        "boot_id": boot,
        "notes": notes,
    }


def _remember(left: Content, returned_to: Content) -> list[str]:
    if not (left.is_known and returned_to.is_known) or left.is_same(returned_to):
        return []
    last = last_between(left, returned_to)
    if last is not None and last.why == FELL_BACK and last.left.is_same(left):
        return []
    try:
        remember_rollback(RollbackMark.now(left, returned_to, FELL_BACK))
    except OSError as exc:
        return [f"The fall-back could not be remembered on the device ({exc}); nothing keeps it from trying again"]
    name = left.digest or left.identity
    return [f"The device remembers that it fell back from {name}, and is not rebooted into that without expect_digests"]
