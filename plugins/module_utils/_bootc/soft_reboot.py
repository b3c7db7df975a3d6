# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Soft reboots: the user space starts again from the next deployment, under the kernel that runs.

``bootc upgrade --soft-reboot`` is left alone: on composefs, with ``--apply`` and a deployment that is not capable, it
ends well without any reboot. What it does is done here in two steps: prepare the next root, then ``systemctl
soft-reboot``.
"""

from __future__ import annotations

from .._device.reboot import soft_reboot_prepared
from .._errors import BootcError
from .apply_options import NEVER, REQUIRED
from .client import Client
from .status import COMPOSEFS, Status

# From which release of bootc on the state tells who is capable, and on composefs a deployment can be prepared.
_OSTREE_SINCE = (1, 7, 0)
_COMPOSEFS_SINCE = (1, 12, 0)

_RESET = {
    False: ("ostree", "admin", "prepare-soft-reboot", "--reset"),
    True: ("bootc", "internals", "prep-soft-reboot", "--reset"),
}


def choose_soft(status: Status, policy: str) -> bool:
    """Whether to reboot softly. Pure. BootcError when it is required and cannot be."""
    if policy == NEVER:
        return False
    since = _COMPOSEFS_SINCE if status.backend == COMPOSEFS else _OSTREE_SINCE
    slot = status.next_slot
    if status.at_least(*since) and slot is not None and slot.soft_reboot_capable and slot.deployment is not None:
        return True
    if policy != REQUIRED:
        return False
    if not status.at_least(*since):
        raise BootcError(
            "unsupported_version",
            f"bootc {status.bootc_version} knows no soft reboots with {status.backend}, and one is required",
            f"Update bootc to {'.'.join(map(str, since))} or newer, or allow a reboot with soft_reboot=allowed",
        )
    raise BootcError(
        "incompatible",
        "What boots next is not soft-reboot capable, and a soft reboot is required. Its kernel, initramfs, kernel "
        "arguments or SELinux policy differ from those that run, or systemd is too old",
        "Allow a reboot with soft_reboot=allowed",
    )


def prepare(client: Client, status: Status, timeout: float) -> None:
    """Have the deployment that boots next be the next root of the user space."""
    slot = status.next_slot
    deployment = slot.deployment if slot is not None else None
    if deployment is None:
        raise BootcError("unexpected", "What boots next has no identity by which it could be prepared")
    if status.backend == COMPOSEFS:
        client.execute(("bootc", "internals", "prep-soft-reboot", deployment), timeout)
    else:
        index = _index(client, deployment, timeout)
        client.execute(("ostree", "admin", "prepare-soft-reboot", str(index)), timeout)


def _index(client: Client, deployment: str, timeout: float) -> int:
    """The number ostree knows a deployment by just now."""
    for entry in client.ostree_deployments(timeout) or ():
        if f"{entry.get('checksum')}.{entry.get('serial')}" == deployment and isinstance(entry.get("index"), int):
            return int(entry["index"])
    raise BootcError(
        "unexpected",
        f"ostree does not list the deployment {deployment} that boots next",
        "Look at 'ostree admin status --json' on the device",
    )


def forget_prepared(client: Client, status: Status, timeout: float) -> str:
    """Undo what somebody prepared, so that nobody's reboot is a soft one by accident; returns what went wrong."""
    if not soft_reboot_prepared():
        return ""
    try:
        client.execute(_RESET[status.backend == COMPOSEFS], timeout)
    except BootcError as exc:
        return (
            f"A soft reboot that was prepared could not be undone ({exc.message}); the kernel is restarted all the same"
        )
    return "A soft reboot that was prepared has been undone"
