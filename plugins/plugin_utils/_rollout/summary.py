# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A rollout as data for people and scripts: per wave who is where, why it waits or was held, every device."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from .events import format_time
from .gate import Wait
from .states import Device, DeviceClass, DeviceState, Rollout, catch_up_budget, catch_up_ends
from .timing import starving

COLUMNS: dict[str, frozenset[DeviceState]] = {
    "updated": frozenset({DeviceState.SUCCEEDED}),
    "already_current": frozenset({DeviceState.CURRENT}),
    "rolled_back": frozenset({DeviceState.ROLLED_BACK}),
    "asleep": frozenset({DeviceState.UNREACHABLE}),
    "failed": frozenset({DeviceState.FAILED, DeviceState.INCONSISTENT}),
    "lost": frozenset({DeviceState.LOST}),
    "in_flight": frozenset(
        {
            DeviceState.STAGING,
            DeviceState.STAGED,
            DeviceState.APPLYING,
            DeviceState.VERIFYING,
            DeviceState.ROLLING_BACK,
            DeviceState.SILENT,
        }
    ),
    "waiting": frozenset({DeviceState.PENDING, DeviceState.DEFERRED}),
    "left_out": frozenset(
        {
            DeviceState.INCOMPATIBLE,
            DeviceState.REMOVED,
            DeviceState.EXCLUDED,
            DeviceState.CANCELED,
            DeviceState.SUPERSEDED,
        }
    ),
}
"""What a summary counts, and the device states behind each. Every state is in exactly one."""


def summarize(rollout: Rollout, wait: Wait | None = None, now: float | None = None) -> dict[str, Any]:
    """A JSON document: id, phase, hold, order, wait, variants, waves, catching_up, totals, devices, starving, warnings.

    ``now`` (seconds since the epoch) tells who has been put off for too long; without it nobody has. Times are RFC 3339
    in UTC, sizes in bytes, ``boot_seconds`` in seconds. Devices that catch up are not among those of their wave.
    """
    plan = rollout.plan
    hungry = [] if now is None else [_starving(device) for device in starving(rollout, now)]
    waves = [
        {
            "name": wave.name,
            "phase": state.phase.value,
            "devices": len(rollout.in_wave(index)),
            **_tally(rollout.in_wave(index)),
            "opened_at": _time(state.opened_at),
            "passed_at": _time(state.passed_at),
            "analyses": [{"name": name, **asdict(finding)} for name, finding in state.findings.items()],
        }
        for index, (wave, state) in enumerate(zip(plan.waves, rollout.waves, strict=True))
    ]
    return {
        "id": plan.spec.id,
        "phase": rollout.phase.value,
        "started_at": _time(rollout.started_at),
        "ended_at": _time(rollout.ended_at),
        "superseded_by": rollout.superseded_by,
        "superseded_who": rollout.superseded_who,
        "superseded_why": rollout.superseded_why,
        "reverted_by": rollout.reverted_by,
        "plan_hash": plan.hash,
        "hold": _hold(rollout),
        "order": _order(rollout),
        "wait": None if wait is None else {"rule": wait.rule, "why": wait.why, "until": _time(wait.until)},
        "variants": [
            {"name": t.variant, "image": t.image, "digest": t.digest, "version": t.version, "size": t.size}
            for t in plan.targets.values()
        ],
        "waves": waves,
        "catching_up": {
            "devices": len(rollout.catching_up),
            **_tally(rollout.catching_up),
            "max_failures": catch_up_budget(rollout),
            "until": _time(catch_up_ends(rollout)),
        },
        "totals": {"devices": len(rollout.devices), **_tally(rollout.devices.values())},
        "devices": [_device(rollout, device) for device in rollout.devices.values()],
        "starving": hungry,
        "warnings": [*plan.warnings, *(f"{d['host']} has been put off since {d['since']}: {d['why']}" for d in hungry)],
    }


def _starving(device: Device) -> dict[str, Any]:
    why = device.message or device.state.value
    return {"host": device.host, "since": _time(device.deferred_since), "reason": device.reason, "why": why}


def _tally(devices: Iterable[Device]) -> dict[str, int]:
    states = [device.state for device in devices]
    return {column: sum(state in members for state in states) for column, members in COLUMNS.items()}


def _hold(rollout: Rollout) -> dict[str, Any] | None:
    hold = rollout.hold
    if hold is None:
        return None
    return {
        "rule": hold.rule,
        "wave": None if hold.wave is None else rollout.plan.waves[hold.wave].name,
        "numbers": hold.numbers,
        "devices": list(hold.hosts),
        "remedy": hold.remedy,
        "at": _time(hold.at),
    }


def _order(rollout: Rollout) -> dict[str, Any] | None:
    order = rollout.order
    return None if order is None else {"verb": order.verb, "by": order.by, "at": _time(order.at), "why": order.why}


def _device(rollout: Rollout, device: Device) -> dict[str, Any]:
    return {
        "host": device.host,
        "variant": device.variant,
        "wave": rollout.plan.waves[device.wave].name,
        "catching_up": device.catching_up,
        "state": device.state.value,
        "proven": device.proves_its_variant,
        "since": _time(device.since),
        "reason": device.reason,
        "message": device.message,
        "previous_version": device.previous_version,
        "previous_digest": device.previous_digest,
        "booted_digest": device.booted_digest,
        "boot_seconds": device.boot_seconds,
        "hops": device.hops,
        "acknowledged": device.acknowledged,
        "until": _time(device.until),
        "inhibitors": list(device.inhibitors),
        "parked": device.parked,
        "excluded": device.excluded and device.device_class is DeviceClass.FLIGHT,
    }


def _time(seconds: float | None) -> str | None:
    return None if seconds is None else format_time(seconds)
