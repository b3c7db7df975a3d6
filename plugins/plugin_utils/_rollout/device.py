# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One device's way through a rollout: observe, stage, reboot, prove, or go back.

Every side effect is journaled before and after. Entering again after a crash starts by observing the device, so that
what was done is found done: a reboot that happened is never asked for a second time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from .plan import Target
from .spec import Spec
from .states import DISRUPTED, Device, DeviceClass, DeviceState


class Unreachable(Exception):
    """The device did not answer; the text says what the connection said."""


class DeviceError(Exception):
    """The device answered that it cannot. ``reason`` is one of the error kinds of the device modules."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


@dataclass(frozen=True)
class Observation:
    """What a device says of itself at one moment. Digests are those of the slots; None where a slot is empty."""

    boot_id: str | None
    is_bootc: bool
    booted: str | None = None
    booted_version: str | None = None
    staged: str | None = None
    rollback: str | None = None
    next_boot: str | None = None
    obstacle: tuple[str, str] | None = None
    """Reason and message of why bootc cannot update this host at all, if so."""


@dataclass(frozen=True)
class Health:
    """What the checks said, and what was true of the device when they were done."""

    healthy: bool
    after: Observation
    checks: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True)
class Reboot:
    """What was true when the reboot was asked for."""

    boot_id: str | None
    failed_units: tuple[str, ...] = ()


class Port(Protocol):
    """The device, as the flow needs it. Every call may raise Unreachable or DeviceError."""

    def observe(self) -> Observation: ...

    def stage(self, reference: str, accept: Sequence[str]) -> Observation:
        """Have the image boot next; returns what is true then."""

    def queue_rollback(self) -> Observation:
        """Have the rollback slot boot next, discarding what is staged."""

    def reboot(self, expect: Sequence[str]) -> Reboot:
        """Ask for a reboot into one of ``expect``; returns at once."""

    def await_boot(self, boot_id: str | None, seconds: float) -> Observation | None:
        """Wait for an answer with another boot id; None when there is none within ``seconds``."""

    def health(self, known_failed_units: Sequence[str]) -> Health:
        """Run the checks until they are green for the settle time or the timeout is over."""


Journal = Callable[[str, Mapping[str, Any]], None]
"""Records one event of this device: kind and data. Returns only when that is durable."""

_TRANSIENT = frozenset({"network", "auth", "not_found", "busy", "timeout", "no_space", "unexpected"})
_ARMED = (DeviceState.STAGING, DeviceState.STAGED)
_UNFIT_HOST = frozenset({"not_bootc", "read_only", "unsupported_version"})
"""Reasons that lie in the device, whatever the image. That an image does not fit (wrong architecture, no kernel, a
conflict in /etc) is a failure of the release: were it neutral, a broken image would pass its canary unseen."""
_WITHOUT_ATTEMPT = frozenset({"busy", "timeout", "network"})
"""Neither the release nor the device is at fault; how long the wave waits for them is for its coverage to say."""
_MOST_REBOOTS_ASKED = 3
"""How often one update, or one way back, may ask for its reboot: a device on which nothing comes of it is no good."""
_GOING_DOWN_SECONDS = 30.0
"""How long a device that was asked to reboot may go on answering, sensibly or not, before it is down."""


@dataclass(frozen=True)
class Update:
    """The flow for one device.

    ``now`` returns seconds since the epoch; a silent device is waited for until ``deadline`` at most. ``draining``
    finishes what is in flight and starts nothing: the rollout is held.
    """

    port: Port
    journal: Journal
    target: Target
    spec: Spec
    now: Callable[[], float]
    deadline: float
    draining: bool = False

    def run(self, device: Device) -> None:
        """Take the device from where the ledger left it as far as it goes; all news is in the journal."""
        try:
            seen = self.port.observe()
        except Unreachable as error:
            self._unanswered(device, str(error))
        except DeviceError as error:
            self._unfit_to_ask(device, error)
        else:
            self._continue(device, seen)

    def _continue(self, device: Device, seen: Observation) -> None:
        if device.phase is DeviceState.ROLLING_BACK:
            self._resume_rollback(device, seen)
        elif device.phase in (DeviceState.APPLYING, DeviceState.VERIFYING):
            self._resume_apply(device, seen)
        elif device.phase in _ARMED and self._is_target(seen.booted) and seen.boot_id != device.boot_id:
            # Somebody else rebooted it after we staged: the proof is still ours to make.
            self._booted(device.boot_id, device.previous_digest, seen, None)
        elif self.draining:
            self._let_go(device, seen)
        elif not seen.is_bootc or seen.obstacle is not None:
            reason, message = seen.obstacle or ("not_bootc", "This host is not booted by bootc.")
            self.journal("incompatible", {"reason": reason, "message": message})
        elif self._is_target(seen.booted):
            self._already_there(device, seen)
        else:
            self._start(device, seen)

    def _let_go(self, device: Device, seen: Observation) -> None:
        """The rollout is held: a device that has not rebooted yet shall not do so into this release."""
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

    def _already_there(self, device: Device, seen: Observation) -> None:
        if seen.next_boot not in ("booted", None):
            try:
                self.port.stage(self.target.pinned, self.target.accept)
            except Unreachable:
                self.journal("unreachable", {})
                return
            except DeviceError as error:
                self._stage_failed(device, error)
                return
        self.journal("already_current", {"booted_digest": seen.booted})

    def _start(self, device: Device, seen: Observation) -> None:
        before = {"boot_id": seen.boot_id, "previous_digest": seen.booted, "previous_version": seen.booted_version}
        self.journal("staging", before)
        try:
            staged = self._stage(seen)
            self._check_content(staged)
        except Unreachable:
            return  # in flight with its intent on record: the next run finds out
        except DeviceError as error:
            self._stage_failed(device, error)
            return
        self.journal("staged", before)
        self._apply(staged, seen.booted)

    def _stage(self, seen: Observation) -> Observation:
        if self._is_target(seen.staged) and seen.next_boot == "staged":
            return seen
        if self._is_target(seen.rollback):
            # Its content is on the device already, and composefs refuses to deploy it a second time.
            return seen if seen.next_boot == "rollback" else self.port.queue_rollback()
        return self.port.stage(self.target.pinned, self.target.accept)

    def _check_content(self, staged: Observation) -> None:
        if self._boots_target_next(staged):
            return
        content = self._next_digest(staged)
        if content is None or content == staged.booted:
            raise DeviceError("unexpected", "what was staged is not what boots next")
        raise DeviceError("digest_mismatch", f"{content} was staged, which is not the wanted content")

    def _stage_failed(self, device: Device, error: DeviceError) -> None:
        data = {"reason": error.reason, "message": error.message + self._disarmed()}
        if error.reason in _UNFIT_HOST:
            self.journal("incompatible", data)
        elif error.reason in _TRANSIENT and device.stage_attempts + 1 < self.spec.stage.attempts:
            self.journal("deferred", {**data, "attempt": error.reason not in _WITHOUT_ATTEMPT})
        else:
            self.journal("failed", data)

    def _apply(self, staged: Observation, previous: str | None) -> None:
        self.journal("applying", {"boot_id": staged.boot_id, "previous_digest": previous})
        try:
            reboot = self.port.reboot(self.target.accept)
        except Unreachable:
            self._await(staged.boot_id, previous)
        except DeviceError as error:
            self._refused(staged.boot_id, previous, error)
        else:
            if reboot.failed_units:
                self.journal("noted", {"failed_units": list(reboot.failed_units)})
            self._await(reboot.boot_id, previous, reboot.failed_units)

    def _refused(self, boot_id: str | None, previous: str | None, error: DeviceError) -> None:
        """It would not reboot, or it answered nonsense because a reboot asked for earlier has begun."""
        back = self._after_going_down(boot_id)
        if back is not None:
            self._booted(boot_id, previous, back, None)
            return
        try:
            seen = self.port.observe()
        except Unreachable:
            self._await(boot_id, previous)
            return
        except DeviceError:
            seen = None
        self.journal("failed", {"reason": error.reason, "message": error.message + self._disarmed(seen)})

    def _after_going_down(self, boot_id: str | None, since: float | None = None) -> Observation | None:
        """What answers from another boot soon after ``since`` (now, when not given); None when nothing does."""
        patience = min(_GOING_DOWN_SECONDS, self.spec.apply.reboot_timeout)
        remaining = patience if since is None else since + patience - self.now()
        return self.port.await_boot(boot_id, remaining) if remaining > 0 else None

    def _disarmed(self, seen: Observation | None = None) -> str:
        """Make sure that a later reboot of a device that was given up does not apply anything; empty when it is so."""
        try:
            self._disarm(seen or self.port.observe())
        except (Unreachable, DeviceError):
            return " What boots next could not be changed and may apply at its next reboot."
        return ""

    def _disarm(self, seen: Observation) -> None:
        if seen.booted is not None and seen.next_boot in ("staged", "rollback"):
            self.port.stage(f"{self.target.image}@{seen.booted}", [seen.booted])

    def _await(self, boot_id: str | None, previous: str | None, failed_units: Sequence[str] = ()) -> None:
        asked_at = self.now()
        seen = self.port.await_boot(boot_id, self.spec.apply.reboot_timeout)
        if seen is None:
            seen = self._await_answer("no answer after its reboot", boot_id)
        if seen is not None:
            self._booted(boot_id, previous, seen, self.now() - asked_at, failed_units)

    def _await_answer(self, message: str, boot_id: str | None = None) -> Observation | None:
        """A touched device fell silent: wait for it, until its grace or this pass is over.

        With a ``boot_id`` only an answer from another boot counts.
        """
        self.journal("silent", {"reason": "silent", "message": message})
        return self._await_until(self.now() + self.spec.apply.contact_grace, boot_id)

    def _await_until(self, grace_ends: float, boot_id: str | None) -> Observation | None:
        remaining = min(grace_ends, self.deadline) - self.now()
        seen = self.port.await_boot(boot_id, remaining) if remaining > 0 else None
        if seen is None and self.now() >= grace_ends:
            self.journal("lost", {"reason": "silent", "message": "no answer since its reboot"})
        return seen

    def _booted(
        self,
        boot_id: str | None,
        previous: str | None,
        seen: Observation,
        seconds: float | None,
        failed_units: Sequence[str] = (),
        *,
        again: bool = False,
    ) -> None:
        """Judge what came up after a reboot that began at ``boot_id``; ``again`` when it vanished before its proof."""
        if self._is_target(seen.booted):
            self.journal("booted", {"booted_digest": seen.booted, "boot_seconds": seconds, "booted_id": seen.boot_id})
            self._prove(seen, previous, failed_units, again)
        elif seen.booted == previous:
            fell_back = self._is_target(seen.rollback)
            message = (
                "it booted the new image and fell back to the previous one"
                if fell_back
                else "it came back on the previous image: the update was not finalised at shutdown"
            )
            kind = "rolled_back" if fell_back else "failed"
            self._gave_up(kind, "came_back_on_previous", message, seen)
        else:
            self._inconsistent(seen, previous)

    def _prove(self, seen: Observation, previous: str | None, failed_units: Sequence[str], again: bool) -> None:
        try:
            health = self.port.health(failed_units)
        except Unreachable:
            self._vanished_in_check(previous, failed_units, again)
            return
        except DeviceError as error:
            self._go_back(seen, previous, error.reason, error.message)
            return
        after = health.after
        if not health.healthy:
            failed = [check for check in health.checks if not check.get("passed")]
            message = "; ".join(f"{c.get('name')}: {c.get('detail')}" for c in failed)[:800]
            self._go_back(after, previous, "unhealthy", message)
        elif after.boot_id != seen.boot_id or not self._is_target(after.booted):
            self._go_back(after, previous, "restless", "it rebooted again while its health was checked")
        else:
            self.journal("succeeded", {"booted_digest": after.booted})

    def _vanished_in_check(self, previous: str | None, failed_units: Sequence[str], again: bool) -> None:
        message = "no answer while its health was checked"
        if again:  # it comes and goes: the next pass may find it steadier
            self.journal("silent", {"reason": "silent", "message": message})
            return
        back = self._await_answer(message)
        if back is not None:
            self._booted(None, previous, back, None, failed_units, again=True)

    def _go_back(self, seen: Observation, previous: str | None, reason: str, message: str) -> None:
        self.journal("rolling_back", {"reason": reason, "message": message})
        if seen.booted is not None and seen.booted == previous:
            self._returned(previous, seen, reason, message)  # its own boot checks were faster
        else:
            self._roll_back(seen, previous, reason, message)

    def _roll_back(
        self, seen: Observation, previous: str | None, reason: str, message: str, *, again: bool = False
    ) -> None:
        if self._is_target(seen.rollback):
            # Booting the rollback slot would go forward.
            self.journal(
                "inconsistent",
                {"reason": "rollback_failed", "message": f"{message}; its rollback slot holds the new image as well"},
            )
            return
        try:
            queued = self.port.queue_rollback()
            if queued.next_boot == "booted":
                self._inconsistent(queued, previous)
                return
            self.journal("rolling_back", {"reason": reason, "message": message, "boot_id": queued.boot_id})
            reboot = self.port.reboot([previous] if previous else [])
        except Unreachable:
            self._await_return(previous, reason, message, again)
            return
        except DeviceError as error:
            self.journal(
                "inconsistent",
                {"reason": "rollback_failed", "message": f"{message}; going back failed: {error.message}"},
            )
            return
        back = self.port.await_boot(reboot.boot_id, self.spec.apply.reboot_timeout)
        if back is None:
            self._await_return(previous, reason, message, again)
        else:
            self._returned(previous, back, reason, message)

    def _await_return(self, previous: str | None, reason: str, message: str, again: bool) -> None:
        silence = f"no answer while going back ({message})"
        if again:
            self.journal("silent", {"reason": "silent", "message": silence})
            return
        seen = self._await_answer(silence)
        if seen is not None and self._is_target(seen.booted):
            self._roll_back(seen, previous, reason, message, again=True)
        elif seen is not None:
            self._returned(previous, seen, reason, message)

    def _returned(self, previous: str | None, seen: Observation, reason: str, message: str) -> None:
        if previous is not None and seen.booted == previous:
            self._gave_up("rolled_back", reason, message, seen)
        else:
            self._inconsistent(seen, previous)

    def _gave_up(self, kind: str, reason: str, message: str, seen: Observation) -> None:
        """It runs its previous image. A boot loader that fell back goes forward again at the next boot, unless told."""
        message += self._disarmed(seen)
        self.journal(kind, {"reason": reason, "message": message, "booted_digest": seen.booted})

    def _inconsistent(self, seen: Observation, previous: str | None) -> None:
        message = f"it runs {seen.booted}, which is neither the new image nor the previous one ({previous})"
        self.journal("inconsistent", {"reason": "unexpected_digest", "message": message, "booted_digest": seen.booted})

    def _resume_apply(self, device: Device, seen: Observation) -> None:
        """The ledger says that a reboot was asked for, or meant to be."""
        rebooted = seen.boot_id != device.boot_id
        if device.phase is DeviceState.VERIFYING or (
            rebooted and (self._is_target(seen.booted) or self._is_target(seen.rollback))
        ):
            self._booted(device.boot_id, device.previous_digest, seen, None, device.failed_units)
        elif rebooted and seen.booted != device.previous_digest:
            self._inconsistent(seen, device.previous_digest)
        elif self.draining:
            self._let_go(device, seen)
        elif device.reboots_asked >= _MOST_REBOOTS_ASKED:
            message = f"asked {device.reboots_asked} times to reboot into the new image, it still runs the previous one"
            self.journal("failed", {"reason": "not_applied", "message": message + "." + self._disarmed()})
        elif not rebooted and self._boots_target_next(seen):
            back = self._after_going_down(device.boot_id, device.since)
            if back is None:
                self._apply(seen, device.previous_digest)
            else:
                self._resume_apply(device, back)
        else:
            # A power loss drops what was staged, and so may somebody on the device: nothing was proven either way.
            self.journal("released", {"reason": "stage_lost", "message": "what was staged is not there any more"})
            self._start(device, seen)

    def _resume_rollback(self, device: Device, seen: Observation) -> None:
        reason, message = device.reason or "unhealthy", device.message or "going back"
        if device.previous_digest is not None and seen.booted == device.previous_digest:
            self._returned(device.previous_digest, seen, reason, message)
        elif self._is_target(seen.booted) and device.reboots_asked >= _MOST_REBOOTS_ASKED:
            message = f"asked {device.reboots_asked} times to reboot into the previous image, it still runs the new one"
            self.journal("inconsistent", {"reason": "rollback_failed", "message": message})
        elif self._is_target(seen.booted):
            self._roll_back(seen, device.previous_digest, reason, message)
        else:
            self._inconsistent(seen, device.previous_digest)

    def _unanswered(self, device: Device, message: str) -> None:
        if device.device_class is DeviceClass.UNTOUCHED:
            if device.state is not DeviceState.UNREACHABLE:
                self.journal("unreachable", {"message": message} if message else {})
        elif device.device_class is DeviceClass.FLIGHT and device.state in DISRUPTED:
            seen = self._await_in_flight(device)
            if seen is not None:
                self._continue(device, seen)

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

    def _is_target(self, digest: str | None) -> bool:
        return digest is not None and digest in self.target.accept

    def _boots_target_next(self, seen: Observation) -> bool:
        return seen.next_boot in ("staged", "rollback") and self._is_target(self._next_digest(seen))

    def _next_digest(self, seen: Observation) -> str | None:
        return {"booted": seen.booted, "staged": seen.staged, "rollback": seen.rollback}.get(seen.next_boot or "")
