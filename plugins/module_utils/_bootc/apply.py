# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The device's half of applying what is staged or queued: look again, and reboot only into what is expected."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import Any

from .._device.boot import boot_id, failed_units, soft_reboots
from .._device.reboot import RebootRefused, schedule_reboot
from .._errors import BootcError
from .client import Client
from .flow import LOCK_WAIT_SECONDS, STATUS_SECONDS
from .status import Status
from .transitions import after_reboot, not_bootc

NOTHING_TO_APPLY = "nothing_to_apply"
UNEXPECTED_DIGEST = "unexpected_digest"


@dataclass(frozen=True)
class Decision:
    """Whether to reboot: only without a verdict."""

    verdict: str | None
    detail: str
    expect: tuple[str, ...]


def decide_apply(status: Status, expect_digests: tuple[str, ...]) -> Decision:
    """Whether the next boot is one the caller wants."""
    slot = status.next_slot
    if slot is None:
        raise not_bootc()
    expect = expect_digests or ((slot.digest,) if slot.digest else ())
    expected = not expect_digests or slot.digest in expect_digests
    if not status.reboot_required:
        if expected:
            return Decision(NOTHING_TO_APPLY, "What would boot next runs already", expect)
        return Decision(UNEXPECTED_DIGEST, f"{slot.digest} runs, and nothing else would boot next", expect)
    if not expected:
        return Decision(UNEXPECTED_DIGEST, f"{slot.digest} would boot next ({status.next_boot}); not rebooted", expect)
    return Decision(None, f"Reboots from {status.booted and status.booted.digest} into {slot.digest}", expect)


def apply_on_device(
    client: Client, expect_digests: tuple[str, ...], timeout: float, check_mode: bool
) -> dict[str, Any]:
    """Ask for the reboot if it is wanted; return what the waiting side has to know."""
    with contextlib.nullcontext() if check_mode else client.lock(min(LOCK_WAIT_SECONDS, timeout)):
        status = client.status(min(STATUS_SECONDS, timeout))
        decision = decide_apply(status, expect_digests)
        result = {
            "changed": decision.verdict is None,
            "verdict": decision.verdict,
            "detail": decision.detail,
            "bootc": status.as_dict(),
            "predicted": (after_reboot(status) if decision.verdict is None else status).as_dict(),
            "expect_digests": list(decision.expect),
            "boot_id": boot_id(),
            "soft_reboots": soft_reboots(client.run),
            "failed_units": list(failed_units(client.run) or ()),
        }
        if decision.verdict is None and not check_mode:
            try:
                schedule_reboot(client.run)
            except RebootRefused as exc:
                raise BootcError("unexpected", f"The device cannot be rebooted: {exc}", "Reboot it by hand") from exc
        return result
