# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What became of a device that was rebooted: its proof, or its way back; and what it does when it falls silent."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from .plan import Target
from .port import DeviceError, Health, Journal, Observation, Port, Unreachable
from .spec import Spec
from .states import NOT_ASKED, QUIET, SILENT, Device

OCCUPIED = frozenset({"busy", "fenced", "timeout"})
"""Something else is at work on the device for now, or another rollout holds it."""
MOST_REBOOTS_ASKED = 3
"""How often one update, or one way back, may ask for its reboot: a device on which nothing comes of it is no good."""
_MOST_VANISHED = 3
"""How often a device may fall silent in its checks, or on its way back, before that is its verdict."""
_GOING_DOWN_SECONDS = 30.0
"""How long a device that was asked to reboot may go on answering, sensibly or not, before it is down."""


@dataclass(frozen=True)
class Before:
    """What was true of a device before its reboot; ``reboots_asked`` counts those of its update, this one included."""

    boot_id: str | None
    digest: str | None
    deployment: str | None = None
    rollback: str | None = None
    failed_units: tuple[str, ...] = ()
    reboots_asked: int = 0
    vanished: int = 0

    @classmethod
    def of(cls, device: Device) -> Before:
        """As the journal has it."""
        first = (device.previous_digest, device.previous_deployment, device.previous_rollback)
        return cls(
            device.boot_id,
            *((device.leg_digest, device.leg_deployment, device.leg_rollback) if device.hops else first),
            device.failed_units,
            device.reboots_asked,
            device.vanished,
        )

    def is_booted(self, seen: Observation) -> bool:
        """Whether the device runs what it ran then."""
        return self._is(seen.booted, seen.booted_deployment)

    def is_rollback(self, seen: Observation) -> bool:
        """Whether its rollback slot holds what it ran then."""
        return self._is(seen.rollback, seen.rollback_deployment)

    def _is(self, digest: str | None, deployment: str | None) -> bool:
        return (digest is not None and digest == self.digest) or (
            deployment is not None and deployment == self.deployment
        )


@dataclass(frozen=True)
class Complaint:
    """Why a device goes back to its previous image."""

    reason: str
    message: str

    def as_data(self) -> dict[str, object]:
        """As its events have it."""
        return {"reason": self.reason, "message": self.message}


@dataclass(frozen=True)
class Proof:
    """What there is to do for a device once its reboot was asked for. All news is in the journal.

    ``now`` returns seconds since the epoch; a silent device is waited for until ``deadline`` at most. ``target`` is
    what it is to run now: with a ``route``, which is all its way, that may be a barrier.
    """

    port: Port
    journal: Journal
    target: Target
    spec: Spec
    now: Callable[[], float]
    deadline: float
    route: Target | None = field(default=None, kw_only=True)

    @property
    def _hop(self) -> str | None:
        """The barrier it is on the way to, if it is to one."""
        return None if self.route in (None, self.target) else self.target.digest

    # -- the verdict ---------------------------------------------------------------------------------------------------

    def _booted(
        self,
        before: Before,
        seen: Observation,
        seconds: float | None,
        *,
        was_there: bool = False,
        again: bool = False,
    ) -> None:
        """Judge what came up after a reboot.

        ``was_there`` when it ran the target already and is met again before its proof, ``again`` for the second time.
        """
        if self._is_target(seen.booted):
            self.journal("booted", {"booted_digest": seen.booted, "boot_seconds": seconds, "booted_id": seen.boot_id})
            self._prove(before, seen, again)
        elif not before.is_booted(seen):
            self._inconsistent(before, seen)
        elif was_there or (self._is_target(seen.rollback) and not self._is_target(before.rollback)):
            message = "it booted the new image and fell back to the previous one"
            self._gave_up("rolled_back", "came_back_on_previous", message, seen)
        elif before.reboots_asked < MOST_REBOOTS_ASKED:
            # A power loss does this, and that is nobody's fault; only a device that does it every time is broken.
            message = "it came back on the previous image: the update was not finalised at shutdown"
            data = {"reason": "stage_lost", "attempt": False, **self._closed(message, seen)}
            self.journal("deferred", data)
        else:
            message = f"it came back on the previous image after each of {before.reboots_asked} reboots"
            self._gave_up("failed", "came_back_on_previous", message, seen)

    def _prove(self, before: Before, seen: Observation, again: bool) -> None:
        try:
            health = self.port.health(before.failed_units)
        except Unreachable:
            self._vanished_in_check(before, seen, again)
            return
        except DeviceError as error:
            self._could_not_check(before, seen, error, again)
            return
        after = health.after
        if not health.healthy:
            self._go_back(before, after, Complaint("unhealthy", health.complaint))
        elif after.boot_id != seen.boot_id or not self._is_target(after.booted):
            self._go_back(before, after, Complaint("restless", "it rebooted again while its health was checked"))
        elif self._hop is not None:
            self.journal("hop_passed", {"booted_digest": after.booted, "hop": self._hop})
        else:
            self.journal("succeeded", {"booted_digest": after.booted})

    def _could_not_check(self, before: Before, seen: Observation, error: DeviceError, again: bool) -> None:
        """That something else holds bootc says nothing of the image: ask once more when that is over."""
        back = None
        if error.reason in OCCUPIED and not again:
            back = self.port.await_boot(None, self.spec.verify.timeout)
        if back is None and error.reason in OCCUPIED and before.vanished < _MOST_VANISHED:
            self.journal("silent", {"reason": error.reason, "message": f"not checked yet: {error.message}"})
        elif back is None:
            self._go_back(before, seen, Complaint(error.reason, error.message))
        elif back.boot_id == seen.boot_id:
            self._prove(before, back, again=True)
        else:
            self._booted(before, back, None, was_there=True, again=True)

    def _vanished_in_check(self, before: Before, seen: Observation, again: bool) -> None:
        message = "no answer while its health was checked"
        if before.vanished >= _MOST_VANISHED:
            message = f"it vanished {before.vanished} times while it was checked"
            self._go_back(before, seen, Complaint("restless", message))
            return
        if again:  # it comes and goes: the next pass may find it steadier
            self.journal("silent", {"reason": "silent", "message": message})
            return
        back = self._await_answer(message)
        if back is not None:
            self._booted(before, back, None, was_there=True, again=True)

    def _gave_up(self, kind: str, reason: str, message: str, seen: Observation) -> None:
        """It runs its previous image. A boot loader that fell back goes forward again at the next boot, unless told."""
        self.journal(kind, {"reason": reason, **self._closed(message, seen), "booted_digest": seen.booted})

    def _inconsistent(self, before: Before, seen: Observation) -> None:
        message = f"it runs {seen.booted}, which is neither the new image nor the previous one ({before.digest})"
        self.journal("inconsistent", {"reason": "unexpected_digest", "message": message, "booted_digest": seen.booted})

    # -- once more -----------------------------------------------------------------------------------------------------

    def confirm(self, device: Device) -> None:
        """Look again, at the end of its wave's soak, at a device that succeeded: it may have thought better of it."""
        before = Before.of(device)
        try:
            health = self.port.health(before.failed_units, settle=False)
        except Unreachable as error:
            self._unconfirmed(SILENT, str(error))
        except DeviceError as error:
            patient = error.reason in OCCUPIED and self._is_patient_with(device)
            if patient or error.reason in ("fenced", NOT_ASKED):
                self._unconfirmed(error.reason, error.message)
            else:
                self._cannot_be_checked(device, before, error)
        else:
            self._judge_again(before, health.after, _closing_complaint(health))

    def _unconfirmed(self, reason: str, message: str, boot_id: str | None = None) -> None:
        data = {"reason": reason, "message": message}
        self.journal("unconfirmed", data if boot_id is None else {**data, "boot_id": boot_id})

    def _is_patient_with(self, device: Device) -> bool:
        """Whether a device that could not be checked is asked once more. The gate gives it as much time."""
        until = device.asked_until(self.spec.apply.contact_grace)
        return until is None or device.unconfirmed in QUIET or self.now() < until

    def _cannot_be_checked(self, device: Device, before: Before, error: DeviceError) -> None:
        """A reboot or a suspend lets a check crash as well, so that once is no complaint."""
        try:
            seen = self.port.observe()
        except Unreachable as silence:  # it answered strangely because it was going down
            self._unconfirmed(SILENT, str(silence))
        except DeviceError as mute:  # it cannot be taken back either: its grace, and who else answers, decide
            self._unconfirmed(mute.reason, mute.message)
        else:
            again = device.is_unconfirmed and seen.boot_id is not None and device.unconfirmed_boot == seen.boot_id
            if self._may_be_on_target(seen) and not again and self._is_patient_with(device):
                self._unconfirmed(error.reason, error.message, seen.boot_id)
            else:
                why = Complaint(error.reason, f"at the end of the soak: {error.message}")
                self._judge_again(before, seen, why)

    def _may_be_on_target(self, seen: Observation) -> bool:
        return seen.booted is None or self._is_target(seen.booted)

    def _judge_again(self, before: Before, seen: Observation, why: Complaint | None) -> None:
        if why is not None and self._may_be_on_target(seen):
            self._go_back(before, seen, why)
        elif self._is_target(seen.booted):
            self.journal("confirmed", {})
        elif before.is_booted(seen):
            message = "it went back to the previous image after it had succeeded"
            self._gave_up("rolled_back", "came_back_on_previous", message, seen)
        else:
            message = f"it runs {seen.booted}, which somebody gave it after it had succeeded"
            self.journal("incompatible", {"reason": "drifted", "message": message, "booted_digest": seen.booted})

    # -- back ----------------------------------------------------------------------------------------------------------

    def _go_back(self, before: Before, seen: Observation, why: Complaint) -> None:
        self.journal("rolling_back", why.as_data())
        if before.is_booted(seen):
            self._returned(before, seen, why)  # its own boot checks were faster
        else:
            self._roll_back(before, seen, why)

    def _roll_back(self, before: Before, seen: Observation, why: Complaint, *, again: bool = False) -> None:
        if self._is_target(seen.rollback):
            # Booting the rollback slot would go forward.
            self._cannot_go_back(f"{why.message}; its rollback slot holds the new image as well")
        elif seen.rollback is not None and not before.is_rollback(seen):
            self._cannot_go_back(f"{why.message}; its rollback slot holds {seen.rollback} instead of {before.digest}")
        else:
            self._boot_back(before, seen, why, again)

    def _boot_back(self, before: Before, seen: Observation, why: Complaint, again: bool) -> None:
        asked = None
        try:
            queued = self.port.queue_rollback()
            if queued.boot_id != seen.boot_id:  # its own boot checks were faster, and what is queued now leads forward
                self._came_up_on_its_way_back(before, queued, why, again=True)
                return
            if queued.next_boot == "booted":
                self._cannot_go_back(f"{why.message}; the rollback was asked for, but does not boot next")
                return
            asked = queued.boot_id
            self.journal("rolling_back", {**why.as_data(), "boot_id": asked})
            self.port.reboot([queued.rollback] if queued.rollback else [])
        except Unreachable:
            pass
        except DeviceError as error:
            self._refused_to_go_back(before, seen, why, error, again)
            return
        back = self.port.await_boot(asked, self.spec.apply.reboot_timeout) if asked is not None else None
        if back is None:
            back = self._await_on_its_way_back(before, why, again)
        if back is not None:
            self._came_up_on_its_way_back(before, back, why, again)

    def _refused_to_go_back(
        self, before: Before, seen: Observation, why: Complaint, error: DeviceError, again: bool
    ) -> None:
        back = self._after_going_down(seen.boot_id)
        if back is not None:
            self._came_up_on_its_way_back(before, back, why, again)
        elif error.reason in OCCUPIED:  # the next run tries again
            self.journal("rolling_back", {**why.as_data(), "refused": True})
        else:
            self._cannot_go_back(f"{why.message}; going back failed: {error.message}")

    def _await_on_its_way_back(self, before: Before, why: Complaint, again: bool) -> Observation | None:
        silence = f"no answer while going back ({why.message})"
        if before.vanished >= _MOST_VANISHED:
            self._cannot_go_back(f"{why.message}; it vanished {before.vanished} times on its way back")
        elif again:
            self.journal("silent", {"reason": "silent", "message": silence})
        else:
            return self._await_answer(silence)
        return None

    def _came_up_on_its_way_back(self, before: Before, seen: Observation, why: Complaint, again: bool) -> None:
        if self._is_target(seen.booted) and not again:
            self._roll_back(before, seen, why, again=True)
        else:
            self._returned(before, seen, why)

    def _returned(self, before: Before, seen: Observation, why: Complaint) -> None:
        if before.is_booted(seen):
            self._gave_up("rolled_back", why.reason, why.message, seen)
        elif self._is_target(seen.booted):
            self._cannot_go_back(f"{why.message}; it came up on the new image again")
        else:
            self._inconsistent(before, seen)

    def _cannot_go_back(self, message: str) -> None:
        self.journal("inconsistent", {"reason": "rollback_failed", "message": message})

    def _resume_rollback(self, device: Device, seen: Observation) -> None:
        before = Before.of(device)
        why = Complaint(*device.going_back or ("unhealthy", "going back"))
        if before.is_booted(seen):
            self._returned(before, seen, why)
        elif not self._is_target(seen.booted):
            self._inconsistent(before, seen)
        elif device.reboots_asked >= MOST_REBOOTS_ASKED:
            self._cannot_go_back(
                f"{why.message}; after {device.reboots_asked} attempts to go back it runs the new image"
            )
        elif device.reboots_asked and seen.boot_id == device.boot_id:
            back = self._after_going_down(device.boot_id, device.since)
            if back is None:
                self._roll_back(before, seen, why)
            else:
                self._resume_rollback(device, back)
        else:
            self._roll_back(before, seen, why)

    # -- silence -------------------------------------------------------------------------------------------------------

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

    def _after_going_down(self, boot_id: str | None, since: float | None = None) -> Observation | None:
        """What answers from another boot soon after ``since`` (now, when not given); None when nothing does."""
        patience = min(_GOING_DOWN_SECONDS, self.spec.apply.reboot_timeout)
        remaining = patience if since is None else since + patience - self.now()
        return self.port.await_boot(boot_id, remaining) if remaining > 0 else None

    # -- what boots next -----------------------------------------------------------------------------------------------

    def _closed(
        self, message: str | None, seen: Observation | None = None, *, unless: Observation | None = None
    ) -> dict[str, object]:
        """Make sure that a later reboot of a device that was given up applies nothing; returns what to journal."""
        try:
            self._disarm(seen or self.port.observe(), unless)
        except (Unreachable, DeviceError):
            warning = "what boots next could not be changed yet and may apply at its next reboot"
            return {"message": f"{message}; {warning}" if message else warning, "armed": True}
        return {"message": message} if message else {}

    def _disarm(self, seen: Observation, unless: Observation | None = None) -> None:
        """Have it boot again what it runs, ``unless`` what boots next is what it was before anything was done to it."""
        came_back_from = seen.rollback if self._is_target(seen.rollback) else None
        parked = self._is_parked(seen)
        stays = seen.next_boot not in ("staged", "rollback") and came_back_from is None
        if stays and not parked:
            return
        if unless is not None and (seen.next_boot, seen.staged) == (unless.next_boot, unless.staged):
            return
        if parked:
            self.port.drop()  # its own updater might arm it
        if stays:
            return
        if seen.booted is None:
            raise DeviceError("unexpected", "what it runs has no digest by which it could be told to stay there")
        if not self._is_target(seen.booted):
            self.port.stay(f"{self.target.image}@{seen.booted}", seen.booted, came_back_from)

    def _is_target(self, digest: str | None) -> bool:
        return digest is not None and digest in self.target.accept

    def _is_parked(self, seen: Observation) -> bool:
        """Whether the target waits on it, and no reboot applies it."""
        return self.spec.stage.ahead and self._is_target(seen.staged) and seen.next_boot not in ("staged", "rollback")

    def _boots_target_next(self, seen: Observation) -> bool:
        return seen.next_boot in ("staged", "rollback") and self._is_target(self._next_digest(seen))

    def _next_digest(self, seen: Observation) -> str | None:
        return {"booted": seen.booted, "staged": seen.staged, "rollback": seen.rollback}.get(seen.next_boot or "")


def _closing_complaint(health: Health) -> Complaint | None:
    if health.after.booted is None:
        return Complaint("not_bootc", "at the end of the soak: bootc does not say what it runs")
    return None if health.healthy else Complaint("unhealthy", f"at the end of the soak: {health.complaint}")
