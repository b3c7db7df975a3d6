# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A rollout that takes the devices of another back to what each of them ran before. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

from .errors import RolloutError
from .plan import Target
from .spec import Spec, load_spec
from .states import Device, DeviceClass, DeviceState, Rollout, RolloutPhase

_LONGEST_ID = 63
_SUFFIX = "-revert"
_KEPT = (
    "selection",
    "pace",
    "abort",
    "budget",
    "catch_up",
    "stage",
    "apply",
    "windows",
    "inhibit",
    "verify",
    "registry",
)
"""Sections that describe the fleet rather than the release."""


def successor_of(rollout_id: str) -> str:
    """The id of the rollout that takes this one back. The end of a long id is told by a hash, so that it is another."""
    if len(rollout_id) + len(_SUFFIX) <= _LONGEST_ID:
        return rollout_id + _SUFFIX
    suffix = f"-{hashlib.sha256(rollout_id.encode()).hexdigest()[:8]}{_SUFFIX}"
    return rollout_id[: _LONGEST_ID - len(suffix)].rstrip("._-") + suffix


def to_take_back(rollout: Rollout, ways_back: Collection[str] = ()) -> tuple[Device, ...]:
    """Devices that run what the rollout brought, or may, and of which is known what they ran before.

    ``ways_back`` are rollouts that were to take it back already, and perhaps did not come to their end.
    """
    return tuple(d for d in rollout.devices.values() if _may_run_it(d, rollout.plan.targets, ways_back))


def _may_run_it(device: Device, targets: Mapping[str, Target], ways_back: Collection[str]) -> bool:
    touched = device.device_class in (DeviceClass.SUCCEEDED, DeviceClass.CHARGED, DeviceClass.FLIGHT) or device.armed
    if device.taken_by is not None:
        if device.taken_by not in ways_back:
            return False
        touched = touched or device.phase is not DeviceState.PENDING
    if not touched:
        return False
    if device.state in (DeviceState.FAILED, DeviceState.ROLLED_BACK) and not device.armed:
        return False  # it runs what it ran, and would be a canary that proves nothing
    if device.hops:
        return False  # a barrier is there because what lies behind it must not be run any more
    return device.previous_digest is not None and device.previous_digest not in targets[device.variant].accept


def with_variants(spec: Spec, rollout: Rollout, others: Iterable[Rollout], hosts: Collection[str]) -> Spec:
    """The spec with a variant for every image that devices of ``rollout``, those among ``hosts``, go back to.

    ``others`` are the rollouts on record: their targets tell the image that a device meant by the digest it reported.
    Devices that are on neither image come first. Raises RolloutError when there is nothing to take back.
    """
    others = list(others)
    ways_back = {other.plan.spec.id for other in others if other.plan.spec.reverts == rollout.plan.spec.id}
    if rollout.phase is RolloutPhase.SUPERSEDED and rollout.superseded_by not in ways_back:
        raise RolloutError(
            f"The rollout {rollout.plan.spec.id} was superseded by {rollout.superseded_by}.",
            f"Take that one back, with `reverts: {rollout.superseded_by}`.",
            "not_applicable",
        )
    devices = [device for device in to_take_back(rollout, ways_back) if device.host in hosts]
    if not devices:
        raise RolloutError(
            f"The rollout {rollout.plan.spec.id} left no device on its release of which is known what it ran before.",
            "There is nothing to take back.",
            "not_applicable",
        )
    known = [target for other in others for target in other.plan.targets.values()]
    images = {digest: target for target in known for digest in target.accept}
    groups: dict[tuple[str, str], list[Device]] = {}
    for device in devices:
        target = images.get(str(device.previous_digest))
        digest = str(device.previous_digest) if target is None else target.digest
        groups.setdefault((rollout.plan.line_of(device.variant), digest), []).append(device)
    lines = [line for line, _unused in groups]
    variants = [
        {
            "name": line if lines.count(line) == 1 else f"{line}.{digest.removeprefix('sha256:')[:8]}",
            "image": images[digest].image if digest in images else rollout.plan.targets[group[0].variant].image,
            "digest": digest,
            **_version(group),
            **_size(images.get(digest)),
            "line": line,
            "only": sorted(device.host for device in group),
            "first": sorted(d.host for d in group if d.state is DeviceState.INCONSISTENT or d.armed),
        }
        for (line, digest), group in sorted(groups.items())
    ]
    return load_spec({**spec.document, "variants": variants}, "the rollout spec")


def _size(target: Target | None) -> dict[str, int]:
    return {} if target is None or target.size is None else {"size": target.size}


def _version(devices: Iterable[Device]) -> dict[str, str]:
    """What the devices called it, if they agree."""
    versions = {device.previous_version for device in devices}
    version = versions.pop()
    return {} if versions or version is None else {"version": version}


def revert_spec(rollout: Rollout, directory: Path) -> str:
    """A spec, as YAML with comments, that takes the rollout back in waves, after somebody approved it.

    ``directory`` is where the files that the spec of the rollout names are looked for.
    """
    document = rollout.plan.spec.document
    sections = {key: document[key] for key in _KEPT if key in document}
    if "auth_file" in sections.get("registry", {}):
        auth_file = str(directory / Path(sections["registry"]["auth_file"]).expanduser())
        sections["registry"] = {**sections["registry"], "auth_file": auth_file}
    kept = "".join(f"{key}: {json.dumps(value)}\n" for key, value in sections.items())
    return f"""\
# Takes the devices that {rollout.plan.spec.id} updated back to what each of them ran before.
# Nothing happens before somebody approved it. Change the waves as you like before it is planned.
schema: 1
id: {json.dumps(successor_of(rollout.plan.spec.id))}
reverts: {json.dumps(rollout.plan.spec.id)}
waves:
  - {{name: canary, count: 1, approve: before}}
  - {{name: half, percent: 50}}
wave_defaults: {{soak: 10m}}
{kept}"""
