# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reboot a device into what boots next and prove it: the controller's half of bootc_apply, without Ansible."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any, Callable, Mapping

from ..module_utils._bootc.apply_options import parse_apply
from ..module_utils._device import last_shutdown
from ..module_utils._errors import BootcError
from ._boot_wait import (
    APPLIED,
    CAME_BACK_ON_PREVIOUS,
    INHIBITED,
    NOT_REBOOTED,
    NOTHING_TO_APPLY,
    SILENT,
    UNEXPECTED_DIGEST,
    UNVERIFIED,
    Calls,
    Observation,
    Verdict,
    observe,
    some_jitter,
    wait_for_boot,
)

GOOD = (APPLIED, NOTHING_TO_APPLY)
REASONS = {
    CAME_BACK_ON_PREVIOUS: "unexpected",
    UNEXPECTED_DIGEST: "unexpected",
    INHIBITED: "busy",
    NOT_REBOOTED: "timeout",
    UNVERIFIED: "timeout",
    SILENT: "timeout",
}

APPLY_MODULE = "skorionos.bootc.bootc_apply"

_WOULD_REBOOT_THE_CONTROLLER = (
    "The connection is local, so this would reboot the controller. Connect to the device, such as over ssh, or "
    "rehearse with the connection skorionos.bootc.simulated."
)

_STAGE_AGAIN = "stage it again"
_REMEDIES = {
    last_shutdown.FINALIZE_FAILED: (
        "What was staged could not be written at shutdown. Mend what 'evidence' says, such as a full /boot, and "
        + _STAGE_AGAIN
    ),
    last_shutdown.ETC_CONFLICT: (
        "What was staged could not be written at shutdown, because /etc of the device cannot be merged with that of "
        f"the image. Resolve the entries that 'evidence' names, and {_STAGE_AGAIN}"
    ),
    last_shutdown.LOCKED: (
        "What was staged was locked meanwhile, to be downloaded only. Find out what else updates this device, and "
        "have skorionos.bootc.bootc_update stage it again"
    ),
    last_shutdown.POWER_LOST: f"The shutdown did not end in an orderly way, such as when power is cut: {_STAGE_AGAIN}",
    last_shutdown.NOT_FINALIZED: (
        "The shutdown was orderly, but did not write what was staged. Look at 'bootc status' for what is staged now, "
        f"and {_STAGE_AGAIN}"
    ),
}
_UNKNOWN_REMEDY = (
    "What was staged was not written at shutdown, and why is not on record there. A journal that is kept over boots "
    "tells the next time: make /var/log/journal"
)


def run_apply(
    calls: Calls,
    options: Mapping[str, Any],
    *,
    check_mode: bool = False,
    on_controller: bool = False,
    sleep: Callable[[float], None] = time.sleep,
    now: Callable[[], float] = time.monotonic,
    jitter: Callable[[], float] = some_jitter,
) -> dict[str, Any]:
    """Ask the device to reboot, wait, judge. Returns a task result; ``options`` are those of bootc_apply, complete.

    ``on_controller`` says that what would reboot is the machine this runs on.
    """
    try:
        parsed = parse_apply(options)
    except BootcError as error:
        return {"changed": False, "failed": True, **error.as_result()}
    if on_controller and not check_mode and parsed.missed is None:
        return {"changed": False, "failed": True, "msg": _WOULD_REBOOT_THE_CONTROLLER, "reason": "invalid"}
    asked = _ask(calls, options, sleep)
    if parsed.missed is not None or asked.get("failed") or asked.get("unreachable"):
        return asked
    if asked["verdict"] is not None:
        seen = Observation(asked["boot_id"], asked["soft_reboots"], asked["bootc"])
        verdict = Verdict(asked["verdict"], asked["detail"], 0.0, seen, _how_to_be_rebooted(asked))
    elif check_mode:
        predicted = Observation(None, None, asked["predicted"])
        verdict = Verdict(APPLIED, asked["detail"], 0.0, predicted, kind=asked["reboot_kind"])
    else:
        verdict = _wait(calls, options, asked, sleep=sleep, now=now, jitter=jitter)
    why: Mapping[str, Any] = {"why": asked["why"]}
    if verdict.verdict == CAME_BACK_ON_PREVIOUS:
        why = calls.execute(APPLY_MODULE, {**options, "notify": None, "look_back": _missed(asked)}) or {}
        verdict = replace(verdict, remedy=_how_to_go_on(why.get("why"), verdict))
    return apply_result(asked, verdict, why, fail_on=options["fail_on"])


def _ask(calls: Calls, options: Mapping[str, Any], sleep: Callable[[float], None]) -> dict[str, Any]:
    """What the device answers; where its users got time, what it answers after that."""
    asked = calls.execute(APPLY_MODULE, options)
    if asked is None:
        return _unreachable("The device could not be reached, or was lost while it was asked to reboot.")
    if asked.get("failed"):
        # A module that crashed, or that found no Python, knows no reasons.
        return {"reason": "unexpected", **asked}
    if not asked.get("grace_seconds"):
        return asked
    sleep(asked["grace_seconds"])
    again = calls.execute(APPLY_MODULE, {**options, "notify": None})
    if again is None:
        return _unreachable("The device was lost after its users were told, and has not been rebooted by this task.")
    if again.get("failed"):
        return {"reason": "unexpected", **again}
    return {**again, "notified": asked["notified"], "notes": [*asked["notes"], *again["notes"]]}


def _unreachable(message: str) -> dict[str, Any]:
    return {"changed": False, "unreachable": True, "msg": message, "reason": "network"}


def _wait(
    calls: Calls,
    options: Mapping[str, Any],
    asked: Mapping[str, Any],
    *,
    sleep: Callable[[float], None],
    now: Callable[[], float],
    jitter: Callable[[], float],
) -> Verdict:
    before = Observation(asked["boot_id"], asked["soft_reboots"], asked["bootc"])
    return wait_for_boot(
        lambda: observe(calls),
        before.boot_id,
        asked["expect_digests"],
        before.booted_digest,
        options["reboot_timeout"],
        expected_deployment=Observation(None, None, asked["predicted"]).booted_deployment,
        previous_deployment=before.booted_deployment,
        soft_reboots_before=before.soft_reboots,
        asked=asked["reboot_kind"],
        poll_interval=options["poll_interval"],
        grace=options["came_back_grace"],
        sleep=sleep,
        now=now,
        jitter=jitter,
    )


def _missed(asked: Mapping[str, Any]) -> dict[str, Any]:
    expected = Observation(None, None, asked["predicted"])
    return {
        "boot_id": asked["boot_id"],
        "deployment": expected.booted_deployment,
        "digest": expected.booted_digest,
    }


def _how_to_be_rebooted(asked: Mapping[str, Any]) -> str:
    if asked["verdict"] == INHIBITED:
        return "Run again when that is over, or leave the inhibitor out"
    if asked["why"] == last_shutdown.FELL_BACK:
        return "Stage other content first, with skorionos.bootc.bootc_switch or bootc_update"
    return "Have the wanted content boot next first, with skorionos.bootc.bootc_switch or bootc_rollback"


def _how_to_go_on(why: object, verdict: Verdict) -> str:
    if why == last_shutdown.FELL_BACK:
        return (
            "The boot loader fell back from the new deployment or did not choose it, and the next boot may go forward "
            f"again. To stay, have skorionos.bootc.bootc_switch make {verdict.booted_digest} boot next"
        )
    return _REMEDIES.get(str(why), _UNKNOWN_REMEDY)


def apply_result(
    asked: Mapping[str, Any], verdict: Verdict, why: Mapping[str, Any], *, fail_on: bool
) -> dict[str, Any]:
    """The task result of one apply."""
    after = verdict.observation.status if verdict.observation else None
    rebooting = asked["verdict"] is None
    came_back = verdict.verdict == CAME_BACK_ON_PREVIOUS
    result: dict[str, Any] = {
        "changed": rebooting,
        "verdict": verdict.verdict,
        "detail": verdict.detail,
        "why": why.get("why") or (last_shutdown.UNKNOWN if came_back else None),
        "evidence": list(why.get("evidence") or ()),
        "reboot_kind": verdict.kind,
        "inhibited_by": asked["inhibited_by"],
        "notified": asked["notified"],
        "notes": [*asked["notes"], *(why.get("notes") or ())],
        "before": asked["bootc"],
        "after": after,
        "bootc": after or asked["bootc"],
        "boot_id_before": asked["boot_id"],
        "boot_id_after": verdict.boot_id,
        "boot_id": verdict.boot_id or asked["boot_id"],
        "boot_seconds": round(verdict.seconds, 1) if rebooting else None,
        "booted_digest": verdict.booted_digest,
        "failed_units": asked["failed_units"],
    }
    if fail_on and verdict.verdict not in GOOD:
        result.update(
            failed=True,
            reason=REASONS[verdict.verdict],
            msg=f"{verdict.detail}. {verdict.remedy}.",
        )
    return result
