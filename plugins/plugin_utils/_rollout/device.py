# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One device's way through a rollout: observe, stage, reboot; then its proof, or its way back (``proof``).

Every side effect is journaled before and after. Entering again after a crash starts by observing the device, so that
what was done is found done: a reboot that happened is never asked for a second time.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from .plan import not_comparable
from .port import DeviceError, Inhibited, Observation, Reboot, Turn, Unreachable
from .proof import MOST_REBOOTS_ASKED, OCCUPIED, Before, Proof
from .states import DISRUPTED, NOT_ASKED, Device, DeviceClass, DeviceState, answers_by
from .timing import WINDOW, NotNow, as_parked, as_put_off, inhibited, is_overdue, outside_windows
from .windows import NO_WINDOWS, Windows, need_zone

_TRANSIENT = frozenset(
    {"network", "auth", "not_found", "busy", "fenced", "timeout", "no_space", "unexpected", NOT_ASKED}
)
_ARMED = (DeviceState.STAGING, DeviceState.STAGED)
_UNFIT_HOST = frozenset({"not_bootc", "read_only", "unsupported_version"})
"""Reasons that lie in the device, whatever the image. That an image does not fit (wrong architecture, no kernel, a
conflict in /etc) is a failure of the release: were it neutral, a broken image would pass its canary unseen."""
_WITHOUT_ATTEMPT = frozenset({"busy", "fenced", "timeout", "network"})
"""Neither the release nor the device is at fault; how long the wave waits for them is for its coverage to say."""


def _intent(seen: Observation, hop: str | None) -> dict[str, object]:
    """What is true of a device before it stages, for its journal; and the barrier it goes to, if it is one."""
    return {
        "boot_id": seen.boot_id,
        "previous_digest": seen.booted,
        "previous_version": seen.booted_version,
        "previous_deployment": seen.booted_deployment,
        "previous_rollback": seen.rollback,
        "failed_units": list(seen.failed_units),
        "timezone": seen.timezone,
        **({} if hop is None else {"hop": hop}),
    }


@dataclass(frozen=True)
class Update(Proof):
    """The flow for one device, from where the ledger left it.

    ``turn`` is asked right before something new begins, staging or a reboot into the target: others may have failed
    meanwhile. When it says no, what is in flight is still finished. ``timezone`` is that of the inventory, if any, and
    ``windows`` are those that it gives to this device, besides those of the spec.
    """

    turn: Turn
    timezone: str | None = None
    sleep: Callable[[float], None] = time.sleep
    windows: Windows = NO_WINDOWS

    def go(self, device: Device, again: Callable[[], Device]) -> None:
        """``run`` from one barrier to the next for as long as they are passed; ``again`` reads the device anew."""
        passed = -1
        while device.hops > passed:
            passed = device.hops
            self.run(device)
            device = again() if self.target.barriers else device

    def _towards(self, hop: str | None) -> Update:
        """The flow on the way to that barrier, or without one to the target."""
        whole = self.route or self.target
        return replace(self, target=whole.towards(hop), route=whole)

    def run(self, device: Device) -> None:
        """Take the device from where the ledger left it as far as it goes; all news is in the journal.

        That is the next barrier at most.
        """
        if self.target.towards(device.hop) is not self.target:
            self._towards(device.hop).run(device)
            return
        closed = self._closed_by_the_clock(device)
        if closed is not None:
            self._put_off_or_wait(device, closed)
            return
        overdue = is_overdue(self.spec, device, self.now())
        try:
            seen = self.port.observe(self.spec.inhibit.active(overdue=overdue) if self._may_begin(device) else ())
        except Unreachable as error:
            self._unanswered(device, str(error))
        except DeviceError as error:
            self._unfit_to_ask(device, error)
        else:
            self._continue(device, seen)

    def _anew(self, device: Device) -> None:
        """What was seen of it before it waited may not be true any more."""
        self._towards(device.hop).run(device)

    def _continue(self, device: Device, seen: Observation) -> None:
        before = Before.of(device)
        if device.armed and device.device_class is DeviceClass.CHARGED:
            self._disarm_at_last(seen)
        elif device.phase is DeviceState.ROLLING_BACK:
            self._resume_rollback(device, seen)
        elif device.phase in (DeviceState.APPLYING, DeviceState.VERIFYING):
            self._resume_apply(device, seen)
        elif self._was_brought(before, seen) or (device.phase in _ARMED and self._was_rebooted_by_others(before, seen)):
            self._booted(before, seen, None)
        elif device.armed and device.device_class is DeviceClass.NEUTRAL:
            self._left_out(seen)
        elif not self._may_go_on(device):
            self._let_go(device, seen)
        elif not seen.is_bootc or seen.obstacle is not None:
            reason, message = seen.obstacle or ("not_bootc", "This host is not booted by bootc.")
            self.journal("incompatible", {"reason": reason, "message": message})
        elif self._towards(None)._is_target(seen.booted):
            self._towards(None)._already_there(device, seen)
        else:
            self._begin(device, seen)

    def _may_go_on(self, device: Device) -> bool:
        """Whether it may begin something, or go on with what did not reboot yet."""
        return not device.excluded and self.turn.is_open()

    def _was_brought(self, before: Before, seen: Observation) -> bool:
        """Whether it runs what it was to be taken to from something else: that is no image it had all along."""
        known = before.digest is not None or before.deployment is not None
        return known and self._is_target(seen.booted) and not self._is_target(before.digest)

    def _was_rebooted_by_others(self, before: Before, seen: Observation) -> bool:
        """Whether it tried what was staged because somebody else rebooted it: the verdict is still ours to give."""
        if seen.boot_id == before.boot_id:
            return False
        fell_back = before.is_booted(seen) and self._is_target(seen.rollback) and not self._is_target(before.rollback)
        return self._is_target(seen.booted) or fell_back

    # -- no further: held, or nothing to do ----------------------------------------------------------------------------

    def _let_go(self, device: Device, seen: Observation) -> None:
        """Nothing may start any more: a device that has not rebooted yet shall not do so into this release."""
        if device.device_class is DeviceClass.UNTOUCHED:
            if device.armed:
                self._disarm_at_last(seen)
            return
        try:
            self._disarm(seen)
        except Unreachable:
            return  # still in flight: the next run tries again
        except DeviceError as error:
            message = f"the rollout is held, but what it staged cannot be dropped and may apply: {error.message}"
            if device.message != message:
                self.journal("staged", {"reason": error.reason, "message": message})
            return
        self.journal("released", {"reason": "held", "message": "the rollout was held before this device rebooted"})

    def _disarm_at_last(self, seen: Observation) -> None:
        """It was given up or put off, and what it boots next could not be changed then.

        One that somebody rebooted into the new image meanwhile stays known as one that has it.
        """
        if "armed" not in self._closed(None, seen) and not self._is_target(seen.booted):
            self.journal("noted", {"armed": False})

    def _left_out(self, seen: Observation) -> None:
        """What it was given is dropped. What somebody else staged on it since is none of this rollout's."""
        if seen.next_boot == "staged" and not self._is_target(seen.staged):
            self.journal("noted", {"armed": False})
        else:
            self._disarm_at_last(seen)

    def _already_there(self, device: Device, seen: Observation) -> None:
        """It runs the target, but nobody has proved that it does so well."""
        try:
            if seen.next_boot not in ("booted", None):
                self.port.stage(self.target.pinned, self.target.accept)
            elif self.spec.reverts is not None and seen.staged is not None:
                self.port.drop()  # the release that is taken back may be parked
            health = self.port.health((), settle=False)
        except Unreachable:
            self.journal("unreachable", {})
        except DeviceError as error:
            self._stage_failed(device, error, seen)
        else:
            data = {"booted_digest": seen.booted, "proven": health.healthy, "armed": False}
            if not health.healthy:
                data.update(reason="unhealthy", message=f"it ran the new image already, unhealthy: {health.complaint}")
            self.journal("already_current", data)

    # -- not now: a window, or somebody who plays ----------------------------------------------------------------------

    def _may_begin(self, device: Device) -> bool:
        return device.phase not in (DeviceState.VERIFYING, DeviceState.ROLLING_BACK)

    def _closed_by_the_clock(self, device: Device) -> NotNow | None:
        """Outside its windows an untouched device is not even asked, if that can be told without asking it."""
        both = (self.spec.windows, self.windows)
        every = [each for windows in both for each in windows.of(staging=True, applying=True)]
        untouched = device.device_class is DeviceClass.UNTOUCHED and device.phase is DeviceState.PENDING
        if not untouched or device.armed or not every:
            return None
        if (self.timezone is None and need_zone(every)) or not self.turn.is_open():
            return None
        # Only the device itself can tell whether it can download ahead of its reboot.
        applying = not self.spec.stage.ahead
        return self._outside_windows(device, self.timezone, staging=True, applying=applying)

    def _outside_windows(
        self, device: Device, zone: str | None, *, staging: bool, applying: bool = True
    ) -> NotNow | None:
        now = self.now()
        return outside_windows(self.spec, self.windows, device.host, zone, now, staging=staging, applying=applying)

    def _begin(self, device: Device, seen: Observation) -> None:
        """Take it to the first barrier it has not passed, or to the target."""
        left = (self.route or self.target).hops_from(seen.booted, seen.booted_version)
        if left is None:
            message = not_comparable(seen.booted_version)
            in_flight = device.device_class is DeviceClass.FLIGHT
            data = self._closed(message, seen) if in_flight else {"message": message}
            self.journal("incompatible", {"reason": "unknown_version", **data})
            return
        self._towards(left[0].digest if left else None)._begin_leg(device, seen)

    def _begin_leg(self, device: Device, seen: Observation) -> None:
        ready = self._boots_target_next(seen) or self._is_parked(seen)
        refusal = self._refusal(device, seen, staging=not ready)
        if refusal is None:
            self._start(device, seen)
        elif self._is_parked(seen):
            self._leave_parked(device, refusal, seen)
        elif self.spec.stage.ahead and refusal.reason == WINDOW:
            self._ahead(device, refusal, seen)
        else:
            self._put_off_or_wait(device, refusal, seen)

    def _put_off_or_wait(self, device: Device, refusal: NotNow, seen: Observation | None = None) -> None:
        """A run that lasts until its window opens waits for that; it looks at the device anew then."""
        if self._put_off(device, refusal, seen) and refusal.until is not None and self.turn.wait_until(refusal.until):
            self._anew(as_put_off(device, refusal, self.now(), None if seen is None else seen.timezone))

    def _refusal(self, device: Device, seen: Observation, *, staging: bool) -> NotNow | None:
        zone = self.timezone or seen.timezone or device.timezone
        refusal = self._outside_windows(device, zone, staging=staging)
        if refusal is None and seen.inhibited_by:
            return inhibited(self.spec, seen.inhibited_by)
        return refusal

    def _ahead(self, device: Device, refusal: NotNow, seen: Observation) -> None:
        """It may not be rebooted now; perhaps it may download, if nothing can apply that before its time."""
        if not seen.parks:
            told = f"{refusal.message}; it downloads then as well, because it cannot park an image"
            self._put_off_or_wait(device, replace(refusal, message=told), seen)
            return
        zone = self.timezone or seen.timezone or device.timezone
        closed = self._outside_windows(device, zone, staging=True, applying=False)
        if self._boots_target_next(seen):
            self._hold_back(device, refusal, seen)
        elif closed is not None:
            self._put_off_or_wait(device, closed, seen)
        elif seen.inhibited_by:
            self._put_off_or_wait(device, inhibited(self.spec, seen.inhibited_by), seen)
        else:
            self._park(device, self._refusal(device, seen, staging=False) or refusal, seen)

    def _park(self, device: Device, refusal: NotNow, seen: Observation) -> None:
        if not self.turn.begin("staging", {**_intent(seen, self._hop), **self._download(seen), "parked": True}):
            self._wait_for_room(device, seen)
            return
        try:
            staged = self.port.park(self.target.pinned, self.target.accept)
            if not self._is_parked(staged):
                raise DeviceError("unexpected", "what was staged is not parked, or is not the wanted content")
        except Unreachable:
            return  # in flight with its intent on record: the next run finds out
        except DeviceError as error:
            self._stage_failed(device, error, seen)
            return
        self._leave_parked(replace(device, parked=False), refusal, seen)

    def _leave_parked(self, device: Device, refusal: NotNow, seen: Observation) -> None:
        """Its image waits on it for its time; a run that lasts until then takes it up again."""
        if not (device.parked and refusal.is_known(device)):
            self.journal("staged", {**self._first_seen(device, seen), **refusal.as_data(), "parked": True})
        if refusal.until is not None and self.turn.wait_until(refusal.until):
            self._anew(as_parked(replace(device, hop=self._hop), seen, refusal, self.now()))

    def _first_seen(self, device: Device, seen: Observation) -> dict[str, object]:
        """What is true of a device whose image somebody else staged, so that no intent of ours has it on record."""
        return _intent(seen, self._hop) if device.device_class is DeviceClass.UNTOUCHED else {}

    def _hold_back(self, device: Device, refusal: NotNow, staged: Observation, *, refused: bool = False) -> None:
        """What boots next may not be applied now after all: it is parked where it can be, else dropped."""
        if not (self.spec.stage.ahead and staged.parks):
            self._put_off(device, refusal, staged, refused=refused)
            return
        try:
            parked = self._is_parked(self.port.park(self.target.pinned, self.target.accept))
        except Unreachable:
            return  # still in flight: the next run tries again
        except DeviceError:
            parked = False
        if parked:
            data = {**self._first_seen(device, staged), **refusal.as_data(), **({"refused": True} if refused else {})}
            self.journal("staged", {**data, "parked": True})
        else:
            self._put_off(device, refusal, staged, refused=refused)

    def _put_off(
        self, device: Device, refusal: NotNow, seen: Observation | None = None, *, refused: bool = False
    ) -> bool:
        """Leave it for another time; what was staged on it must not be applied by whoever reboots it meanwhile.

        False when that cannot be prevented for now.
        """
        data = {**refusal.as_data(), **({"refused": True} if refused else {})}
        if seen is not None and seen.timezone is not None:
            data["timezone"] = seen.timezone
        if seen is not None and (device.armed or device.device_class is not DeviceClass.UNTOUCHED):
            data["armed"] = False
            try:
                self._disarm(seen)
            except Unreachable:
                return False  # still in flight: the next run tries again
            except DeviceError as error:
                message = f"{refusal.message}; what was staged cannot be dropped and may apply: {error.message}"
                if device.message != message:
                    self.journal("staged", {**data, "message": message})
                return False
        if device.armed or device.state is not DeviceState.DEFERRED or not refusal.is_known(device):
            self.journal("deferred", data)
        return True

    # -- forward -------------------------------------------------------------------------------------------------------

    def _start(self, device: Device, seen: Observation) -> None:
        before = Before(
            seen.boot_id, seen.booted, seen.booted_deployment, seen.rollback, seen.failed_units, device.reboots_asked
        )
        if not self.turn.begin("staging", {**_intent(seen, self._hop), **self._download(seen)}):
            self._wait_for_room(device, seen)
            return
        try:
            staged = replace(self._stage(seen), timezone=seen.timezone)
            self._check_content(staged)
        except Unreachable:
            return  # in flight with its intent on record: the next run finds out
        except DeviceError as error:
            self._stage_failed(device, error, seen)
            return
        self.journal("staged", {"boot_id": before.boot_id})
        self._apply(device, before, staged)

    def _wait_for_room(self, device: Device, seen: Observation) -> None:
        """Until its turn comes; nothing that it was given before is left on it, if that is not in this run."""
        if self.turn.wait(downloads=bool(self._download(seen))):
            self._anew(device)
        elif device.armed:
            self._disarm_at_last(seen)

    def _download(self, seen: Observation) -> dict[str, object]:
        """The bytes that it may have to download, where these are spread over time: the whole image, compressed."""
        has_it = any(self._is_target(digest) for digest in (seen.staged, seen.rollback))
        limited = self.spec.pace.download_rate is not None and self.target.size is not None
        return {"bytes": self.target.size} if limited and not has_it else {}

    def _stage(self, seen: Observation) -> Observation:
        if self._is_target(seen.staged) and seen.next_boot == "staged":
            return seen
        if self._is_target(seen.rollback):
            if seen.next_boot == "rollback":
                return seen
            if seen.backend != "ostree":
                # composefs refuses to deploy the same content twice. On ostree a new deployment of it is better: it
                # takes the present /etc along, and not that of the day when the old one was made.
                return self.port.queue_rollback(forward=True)
        return self.port.stage(self.target.pinned, self.target.accept)

    def _check_content(self, staged: Observation) -> None:
        if self._boots_target_next(staged):
            return
        content = self._next_digest(staged)
        if content is None or content == staged.booted:
            raise DeviceError("unexpected", "what was staged is not what boots next")
        raise DeviceError("digest_mismatch", f"{content} was staged, which is not the wanted content")

    def _stage_failed(self, device: Device, error: DeviceError, seen: Observation) -> None:
        data = {"reason": error.reason, **self._closed(error.message, unless=seen)}
        if error.reason in _UNFIT_HOST:
            self.journal("incompatible", data)
        elif error.reason == "same_content" and self._hop is None:
            self.journal("already_current", {**data, "booted_digest": seen.booted, "proven": False})
        elif error.reason in _WITHOUT_ATTEMPT:
            self.journal("deferred", {**data, "attempt": False})
        elif error.reason in _TRANSIENT and device.stage_attempts + 1 < self.spec.stage.attempts:
            self.journal("deferred", {**data, "attempt": True})
        else:
            self.journal("failed", data)

    def _apply(self, device: Device, before: Before, staged: Observation) -> None:
        refusal = self._refusal(device, staged, staging=False)
        if refusal is not None:
            self._hold_back(replace(device, state=DeviceState.STAGED), refusal, staged)
            return
        before = replace(before, boot_id=staged.boot_id, reboots_asked=before.reboots_asked + 1)
        if not self.turn.begin("applying", {"boot_id": before.boot_id, "previous_digest": before.digest}):
            self._let_go(replace(device, state=DeviceState.STAGED), staged)
            return
        try:
            reboot = self._reboot(device)
        except Unreachable:
            self._await(before)
        except Inhibited as error:
            spared = replace(device, state=DeviceState.APPLYING)
            self._hold_back(spared, inhibited(self.spec, error.found), staged, refused=True)
        except DeviceError as error:
            self._refused(before, error)
        else:
            if reboot is None:
                self._let_go(replace(device, state=DeviceState.APPLYING), staged)
                return
            failed_since = [unit for unit in reboot.failed_units if unit not in before.failed_units]
            if failed_since:
                before = replace(before, failed_units=(*before.failed_units, *failed_since))
                self.journal("noted", {"failed_units": list(before.failed_units)})
            self._await(before)

    def _reboot(self, device: Device) -> Reboot | None:
        """Ask for the reboot, where people may be in the way after they were told; None if it may not be any more."""
        overdue = is_overdue(self.spec, device, self.now())
        inhibitors = self.spec.inhibit.active(overdue=overdue)
        notice = self.spec.apply.notify_user if overdue and self.spec.inhibit.soft else 0
        reboot = self.port.reboot(self.target.accept, inhibitors, notice)
        if not reboot.grace:
            return reboot
        self.sleep(reboot.grace)
        return self.port.reboot(self.target.accept, inhibitors) if self.turn.is_open() else None

    def _refused(self, before: Before, error: DeviceError) -> None:
        """It would not reboot, or it answered nonsense because a reboot, asked for by us or others, has begun."""
        back = self._after_going_down(before.boot_id)
        if back is not None:
            self._booted(before, back, None)
            return
        try:
            seen = self.port.observe()
        except Unreachable:
            self._await(before)
            return
        except DeviceError:
            seen = None
        if error.reason in OCCUPIED:
            self.journal("staged", {"reason": error.reason, "message": error.message, "refused": True})
        else:
            self.journal("failed", {"reason": error.reason, **self._closed(error.message, seen)})

    def _await(self, before: Before) -> None:
        asked_at = self.now()
        seen = self.port.await_boot(before.boot_id, self.spec.apply.reboot_timeout)
        if seen is None:
            seen = self._await_answer("no answer after its reboot", before.boot_id)
        if seen is not None:
            self._booted(before, seen, self.now() - asked_at)

    def _resume_apply(self, device: Device, seen: Observation) -> None:
        """The ledger says that a reboot was asked for, or meant to be."""
        before = Before.of(device)
        rebooted = seen.boot_id != device.boot_id
        was_there = device.phase is DeviceState.VERIFYING
        if was_there or (rebooted and (self._is_target(seen.booted) or self._is_target(seen.rollback))):
            self._booted(before, seen, None, was_there=was_there)
        elif rebooted and not before.is_booted(seen):
            self._inconsistent(before, seen)
        elif not rebooted and self._boots_target_next(seen):
            back = self._after_going_down(device.boot_id, device.since)
            if back is not None:
                self._resume_apply(device, replace(back, timezone=seen.timezone))
            elif not self._may_go_on(device):
                self._let_go(device, seen)
            elif not self._was_asked_too_often(device):
                self._apply(device, before, seen)
        elif not self._may_go_on(device):
            self._let_go(device, seen)
        elif not self._was_asked_too_often(device):
            # A power loss drops what was staged, and so may somebody on the device: nothing was proven either way.
            self.journal("released", {"reason": "stage_lost", "message": "what was staged is not there any more"})
            self._begin(device, seen)

    def _was_asked_too_often(self, device: Device) -> bool:
        if device.reboots_asked < MOST_REBOOTS_ASKED:
            return False
        message = f"asked {device.reboots_asked} times to reboot into the new image, it still runs the previous one"
        self.journal("failed", {"reason": "not_applied", **self._closed(message)})
        return True

    # -- silence -------------------------------------------------------------------------------------------------------

    def _unanswered(self, device: Device, message: str) -> None:
        if device.state in _ARMED or device.device_class is DeviceClass.UNTOUCHED:
            self._out_of_reach(device, message)
        elif device.device_class is DeviceClass.FLIGHT and device.state in DISRUPTED:
            seen = self._await_in_flight(device)
            if seen is not None:
                self._continue(device, seen)

    def _out_of_reach(self, device: Device, message: str) -> None:
        """It sleeps, and was not asked to reboot. What may be staged on it is a risk, but nobody waits for ever."""
        waits = device.parked or (device.at_risk and self.now() < answers_by(self.spec, device))
        if device.state is DeviceState.UNREACHABLE or waits:
            return
        data = {"message": message} if message else {}
        self.journal("unreachable", {**data, "armed": True} if device.state in _ARMED else data)

    def _await_in_flight(self, device: Device) -> Observation | None:
        """It may be in the middle of the reboot that an earlier pass asked for."""
        if device.state is DeviceState.SILENT:
            return self._await_until(device.since + self.spec.apply.contact_grace, None)
        remaining = device.since + self.spec.apply.reboot_timeout - self.now()
        seen = self.port.await_boot(None, remaining) if remaining > 0 else None
        return seen or self._await_answer("no answer when its update was to go on")

    def _unfit_to_ask(self, device: Device, error: DeviceError) -> None:
        data = {"reason": error.reason, "message": error.message}
        if device.device_class is DeviceClass.FLIGHT:
            self._unanswered(device, error.message)  # a device that is going down answers strangely
        elif device.device_class is not DeviceClass.UNTOUCHED:
            return
        elif error.reason in {*_UNFIT_HOST, "incompatible"}:
            self.journal("incompatible", data)
        elif device.state is not DeviceState.DEFERRED or device.message != error.message:
            self.journal("deferred", {**data, "attempt": False})
