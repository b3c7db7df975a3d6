# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What to do next with one device that is to be updated. Pure: evidence in, one step out.

The evidence are the results of the modules that ran so far, by phase. Whoever asks carries the step out, adds its
result and asks again, until nothing is left to do. A phase that was not asked for is simply missing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ._device_answer import Answer, Deployment

PREFLIGHT, STAGE, APPLY, VERIFY, SETTLE = "preflight", "stage", "apply", "verify", "settle"
ROLLBACK, RETURN, DISARM = "rollback", "return", "disarm"
PHASES = (PREFLIGHT, STAGE, APPLY, VERIFY, SETTLE, ROLLBACK, RETURN, DISARM)

UNCHANGED, UPDATED, APPLIED, REBOOT_NEEDED = "unchanged", "updated", "applied", "reboot_needed"
ROLLED_BACK, ROLLBACK_FAILED, FAILED, UNREACHABLE = "rolled_back", "rollback_failed", "failed", "unreachable"
BAD = (ROLLED_BACK, ROLLBACK_FAILED, FAILED, UNREACHABLE)

_MAY_APPLY = "what boots next could not be changed and may apply at its next reboot"
_UNPROVEN = "it runs the new image, which nobody has looked at yet"

_DOING = {
    PREFLIGHT: "before anything was done",
    STAGE: "while it staged the image, which may be what it boots next",
    APPLY: "when it was to reboot",
    VERIFY: "while its health was checked",
    SETTLE: "while its health was checked",
}
_UNDECIDED = {"inhibited": REBOOT_NEEDED, "silent": UNREACHABLE}
"""Verdicts of a reboot after which there is nothing to do and nothing to blame yet."""

Evidence = Mapping[str, Answer]


@dataclass(frozen=True)
class Policy:
    """What is wanted. Without an ``image`` it is the newest of what the device tracks; ``digests`` are its content."""

    image: str | None = None
    digests: tuple[str, ...] = ()
    reboot_ok: bool = False
    rollback: bool = True
    settle_seconds: int = 0
    check_mode: bool = False

    @property
    def accept(self) -> tuple[str, ...]:
        """Digests that count as what is wanted; none when only the registry can tell."""
        pinned = (self.image or "").partition("@")[2]
        return self.digests or ((pinned,) if pinned else ())


@dataclass(frozen=True)
class Step:
    """The phase to carry out next, ``how`` for its task, and the verdict if it ended here."""

    next: str | None
    verdict: str
    why: str = ""
    reason: str | None = None
    how: Mapping[str, Any] = field(default_factory=dict)


def decide(seen: Evidence, policy: Policy) -> Step:
    """The next step; with ``next`` None the verdict is final."""
    if DISARM in seen:
        return _disarmed(decide(_without(seen, DISARM), policy), seen[DISARM])
    if ROLLBACK in seen:
        return _going_back(seen, policy)
    for phase, judge in _FORWARD.items():
        if phase in seen:
            return _lost(phase) if seen[phase].lost else judge(seen, policy)
    return Step(PREFLIGHT, UNCHANGED, "nobody has looked at it yet")


def _without(seen: Evidence, *phases: str) -> Evidence:
    return {name: answer for name, answer in seen.items() if name not in phases}


def latest(seen: Evidence) -> Answer | None:
    """The last phase in which the device told its state."""
    told = [seen[name] for name in PHASES if name in seen and seen[name].status]
    return told[-1] if told else None


def before(seen: Evidence) -> Deployment | None:
    """What ran before anything was done."""
    if PREFLIGHT in seen:
        return seen[PREFLIGHT].slot("booted")
    return seen[APPLY].former if APPLY in seen else None


def _lost(phase: str) -> Step:
    return Step(
        None, UNREACHABLE, f"it could not be reached {_DOING[phase]}", "silent" if phase != PREFLIGHT else "network"
    )


# -- forward -----------------------------------------------------------------------------------------------------------


def _looked_at(seen: Evidence, policy: Policy) -> Step:
    answer = seen[PREFLIGHT]
    obstacle = _obstacle(answer)
    if obstacle is not None:
        reason, why = obstacle
        return Step(None, FAILED, why, reason)
    booted = answer.slot("booted")
    if booted is not None and booted.digest in policy.accept and answer.next_boot in ("booted", None):
        return Step(None, UNCHANGED, "it runs what is wanted")
    return Step(STAGE, UNCHANGED, how=_how_to_stage(answer, policy))


def _obstacle(answer: Answer) -> tuple[str, str] | None:
    """Why this device cannot be updated, as reason and sentence."""
    if answer.failed:
        return answer.reason, answer.message
    booted = answer.slot("booted")
    if not answer.is_bootc or booted is None:
        return "not_bootc", "it is not booted by bootc"
    if answer.status.get("read_only"):
        return "read_only", "it runs from a medium that cannot be written, such as a live image"
    if booted.incompatible:
        return "incompatible", "its image was modified locally; 'rpm-ostree reset' undoes that"
    return None


def _how_to_stage(answer: Answer, policy: Policy) -> dict[str, Any]:
    tracked = answer.status.get("spec_image")
    tracked_image = tracked.get("image") if isinstance(tracked, Mapping) else None
    image = policy.image
    if image is None or ("@" not in image and image == tracked_image):
        # To bootc a switch to the name it tracks is no change, even if the tag has moved.
        return {"verb": "update"}
    rollback = answer.slot("rollback")
    if answer.status.get("backend") == "composefs" and rollback is not None and rollback.digest in policy.accept:
        # composefs refuses to deploy the same content twice.
        return {"verb": "forward"}
    return {"verb": "switch", "image": image, "accept_digests": list(policy.digests)}


def _staged(seen: Evidence, policy: Policy) -> Step:
    answer = seen[STAGE]
    if answer.failed:
        return _given_up(seen, answer.message, answer.reason, unless=seen.get(PREFLIGHT))
    verb = _how_to_stage(seen[PREFLIGHT], policy)["verb"] if PREFLIGHT in seen else "update"
    slot = answer.slot(answer.next_boot or "")
    if answer.next_boot != ("rollback" if verb == "forward" else "staged") or slot is None:
        return _not_staged(answer, policy)
    if policy.accept and slot.digest not in policy.accept and not _may_be_index(policy, verb):
        return _given_up(seen, f"{slot.digest} was staged, which is not what is wanted", "digest_mismatch")
    return _armed(slot, policy)


def _may_be_index(policy: Policy, verb: str) -> bool:
    """Whether the only digest that is known was given with the image, which bootc checked, and may be of an index."""
    return verb == "switch" and not policy.digests


def _armed(slot: Deployment | None, policy: Policy) -> Step:
    if not policy.reboot_ok:
        return Step(None, REBOOT_NEEDED, f"{slot} boots next; rebooting was not agreed to")
    if policy.check_mode:
        return Step(None, UPDATED, f"it would be rebooted into {slot}")
    how = {"expect_digests": [slot.digest] if slot is not None and slot.digest else []}
    return Step(APPLY, REBOOT_NEEDED, f"{slot} boots next", how=how)


def _not_staged(answer: Answer, policy: Policy) -> Step:
    booted = answer.slot("booted")
    runs_it = booted is not None and booted.digest in policy.accept
    if answer.next_boot == "rollback":
        return Step(None, REBOOT_NEEDED, "; ".join((*answer.notes, "the rollback deployment boots next")))
    same = answer.result.get("same_content") == "booted" or _may_be_index(policy, "switch")
    if not policy.accept or runs_it or same:
        return Step(None, UNCHANGED, "; ".join(answer.notes) or "it runs what is wanted")
    return Step(None, FAILED, f"there is nothing to boot with the digest that is wanted: {booted}", "digest_mismatch")


def _applied(seen: Evidence, policy: Policy) -> Step:
    answer = seen[APPLY]
    if answer.failed:
        return _given_up(seen, answer.message, answer.reason)
    verdict, detail = answer.verdict, answer.message
    if verdict == "applied" and (policy.check_mode or not policy.reboot_ok):
        return _armed(answer.was_to_boot, policy)  # a prediction: without consent it is asked for no more
    if verdict == "applied":
        return Step(VERIFY, APPLIED, _UNPROVEN, how=_known_failures(seen))
    if verdict == "nothing_to_apply":
        return _nothing_to_apply(seen, answer)
    if verdict in _UNDECIDED:
        return Step(None, _UNDECIDED[verdict], detail, verdict)
    fell_back = verdict == "came_back_on_previous" and _is_in_rollback_slot(_wanted(seen), answer)
    return _given_up(seen, detail, verdict, verdict=ROLLED_BACK if fell_back else FAILED)


def _nothing_to_apply(seen: Evidence, answer: Answer) -> Step:
    if STAGE not in seen:
        return Step(None, UNCHANGED, answer.message)
    wanted, runs = _wanted(seen), answer.slot("booted")
    if wanted is not None and runs is not None and wanted.is_same(runs):
        return Step(VERIFY, APPLIED, "somebody else rebooted it into the new image", how=_known_failures(seen))
    return _given_up(seen, "what was staged is not there any more", "stage_lost")


def _wanted(seen: Evidence) -> Deployment | None:
    """What was to boot, as the device told it before its reboot."""
    told = seen.get(STAGE)
    if told is None:
        return seen[APPLY].was_to_boot if APPLY in seen else None
    return told.slot(told.next_boot or "")


def _is_in_rollback_slot(wanted: Deployment | None, answer: Answer) -> bool:
    rollback = answer.slot("rollback")
    return wanted is not None and rollback is not None and wanted.is_same(rollback)


def _known_failures(seen: Evidence) -> dict[str, Any]:
    units = [unit for name in (PREFLIGHT, APPLY) if name in seen for unit in seen[name].failed_units]
    return {"known_failed_units": sorted(set(units))}


# -- the verdict on what runs ------------------------------------------------------------------------------------------


def _verified(seen: Evidence, policy: Policy) -> Step:
    watch = Step(SETTLE, APPLIED if APPLY in seen else UNCHANGED, "it is well", how=_known_failures(seen))
    return _checked(seen, policy, seen[VERIFY], watch if policy.settle_seconds > 0 else _well(seen, "it is well"))


def _settled(seen: Evidence, policy: Policy) -> Step:
    return _checked(seen, policy, seen[SETTLE], _well(seen, "it stayed well for the settle time"))


def _well(seen: Evidence, why: str) -> Step:
    return Step(None, UPDATED if APPLY in seen else UNCHANGED, why)


def _checked(seen: Evidence, policy: Policy, answer: Answer, well: Step) -> Step:
    if answer.failed:
        return _unwell(seen, policy, answer.message, answer.reason)
    if not answer.healthy:
        return _unwell(seen, policy, f"it is not well: {answer.complaint}", "unhealthy")
    if APPLY in seen and _is_restless(seen[APPLY], answer):
        return _unwell(seen, policy, "it rebooted again while its health was checked", "restless")
    return well


def _is_restless(applied: Answer, now: Answer) -> bool:
    then, runs = applied.slot("booted"), now.slot("booted")
    if then is None or runs is None:
        return runs is None
    return not then.is_same(runs) or (None not in (applied.boot_id, now.boot_id) and applied.boot_id != now.boot_id)


def _unwell(seen: Evidence, policy: Policy, why: str, reason: str | None) -> Step:
    if APPLY not in seen:
        return Step(None, FAILED, why, reason)
    if not policy.rollback:
        return Step(None, FAILED, f"{why}; it was not to be taken back", reason)
    former, told = before(seen), latest(seen)
    now = None if told is None else told.slot("booted")
    if former is not None and now is not None and former.is_same(now):
        return _given_up(seen, why, reason, verdict=ROLLED_BACK)  # its own boot checks were faster
    rollback = None if told is None else told.slot("rollback")
    if rollback is None:
        return Step(None, ROLLBACK_FAILED, f"{why}; there is no deployment to go back to", reason)
    if former is not None and not former.is_same(rollback):
        return Step(None, ROLLBACK_FAILED, f"{why}; its rollback slot holds {rollback} instead of {former}", reason)
    return Step(ROLLBACK, FAILED, why, reason, how={"repeat": True})


# -- back --------------------------------------------------------------------------------------------------------------


def _going_back(seen: Evidence, policy: Policy) -> Step:
    cause = decide(_without(seen, ROLLBACK, RETURN), policy)
    asked = cause.next != ROLLBACK
    if asked:  # by a person, not because the device is unwell
        cause = Step(ROLLBACK, ROLLED_BACK, "it was to go back")
    if RETURN in seen:
        return _returned(seen, cause, asked=asked)
    queued = seen[ROLLBACK]
    if queued.lost or queued.failed:
        what = "it could not be reached" if queued.lost else queued.message
        return Step(None, ROLLBACK_FAILED, f"{cause.why}; going back failed: {what}", cause.reason or queued.reason)
    if queued.next_boot != "rollback":
        return _not_queued(cause, queued, asked=asked)
    return _queued(cause, queued, policy, asked=asked)


def _not_queued(cause: Step, queued: Answer, *, asked: bool) -> Step:
    if asked:
        return Step(None, UNCHANGED, "; ".join(queued.notes) or "it is where it was to go back to")
    why = f"{cause.why}; the rollback was asked for, but does not boot next"
    return Step(None, ROLLBACK_FAILED, why, cause.reason)


def _queued(cause: Step, queued: Answer, policy: Policy, *, asked: bool) -> Step:
    target = queued.slot("rollback")
    if asked and not policy.reboot_ok:
        return Step(None, REBOOT_NEEDED, f"{target} boots next; rebooting was not agreed to")
    if policy.check_mode:
        return Step(None, ROLLED_BACK, f"it would be rebooted into {target}")
    digest = None if target is None else target.digest
    return Step(RETURN, ROLLBACK_FAILED, cause.why, cause.reason, {"expect_digests": [digest] if digest else []})


def _returned(seen: Evidence, cause: Step, *, asked: bool) -> Step:
    answer, runs = seen[RETURN], seen[RETURN].slot("booted")
    if asked and answer.verdict in _UNDECIDED:
        return Step(None, _UNDECIDED[answer.verdict], answer.message, answer.verdict)
    former = None if asked else before(seen)
    wanted = former or seen[ROLLBACK].slot("rollback")
    if not answer.lost and not answer.failed and wanted is not None and runs is not None and wanted.is_same(runs):
        return Step(None, ROLLED_BACK, f"{cause.why}; it runs {runs} again", cause.reason)
    what = "it could not be reached" if answer.lost else answer.message
    return Step(None, ROLLBACK_FAILED, f"{cause.why}; going back failed: {what}", cause.reason or "rollback_failed")


# -- what boots next ---------------------------------------------------------------------------------------------------


def _given_up(
    seen: Evidence, why: str, reason: str | None, *, verdict: str = FAILED, unless: Answer | None = None
) -> Step:
    """A verdict after which the device must not boot by accident what it was given up with.

    ``unless`` is a state in which it was to boot the same, before anything was done.
    """
    told = latest(seen)
    booted = None if told is None else told.slot("booted")
    over = Step(None, verdict, why, reason)
    if told is None or booted is None or told.next_boot in ("booted", None):
        return over
    if unless is not None and told.boots_the_same_next(unless):
        return over
    if booted.digest is None:
        return replace(over, why=f"{why}; {_MAY_APPLY}")
    rollback, wanted = told.slot("rollback"), _wanted(seen)
    left = rollback.digest if rollback is not None and _is_in_rollback_slot(wanted, told) else None
    return replace(over, next=DISARM, how={**_stay(booted), "came_back_from": left})


def _stay(booted: Deployment) -> dict[str, Any]:
    """What a switch takes to have the device boot again what it runs."""
    image = booted.image or ""
    if booted.transport == "registry":
        name = image.partition("@")[0]
        head, colon, tag = name.rpartition(":")
        image = f"{head if colon and '/' not in tag else name}@{booted.digest}"
    return {"image": image, "transport": booted.transport, "accept_digests": [booted.digest]}


def _disarmed(cause: Step, answer: Answer) -> Step:
    if answer.lost or answer.failed or answer.next_boot not in ("booted", None):
        return replace(cause, next=None, why=f"{cause.why}; {_MAY_APPLY}")
    return replace(cause, next=None)


_FORWARD = {SETTLE: _settled, VERIFY: _verified, APPLY: _applied, STAGE: _staged, PREFLIGHT: _looked_at}
"""Who judges the last phase that was carried out."""
