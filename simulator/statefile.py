# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The state of a device as plain data, as its file and ``show`` have it, and back."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, Dict

from simulator.reference import ImageRef
from simulator.state import Boot, Deployment, FaultSetting, Image, Layer, Overlay, Pulled, Record, State

SCHEMA = 3
Json = Dict[str, Any]


def image_to_json(image: Image) -> Json:
    """An image as plain data."""
    return {
        "image": image.ref.image,
        "transport": image.ref.transport,
        "signature": image.ref.signature,
        "digest": image.digest,
        "config_digest": image.config_digest,
        "architecture": image.architecture,
        "created": image.created,
        "labels": dict(image.labels),
        "annotations": dict(image.annotations),
        "diff_ids": list(image.diff_ids),
        "layers": [[layer.digest, layer.size, layer.media_type] for layer in image.layers],
    }


def image_from_json(data: Json) -> Image:
    """The inverse of image_to_json."""
    return Image(
        ref=ImageRef(data["image"], data["transport"], data["signature"]),
        digest=data["digest"],
        config_digest=data["config_digest"],
        architecture=data["architecture"],
        created=data["created"],
        labels=data["labels"],
        annotations=data["annotations"],
        diff_ids=tuple(data["diff_ids"]),
        layers=tuple(Layer(*entry) for entry in data["layers"]),
    )


def deployment_to_json(entry: Deployment) -> Json:
    """A deployment as plain data."""
    return {
        "id": entry.id,
        "checksum": entry.checksum,
        "serial": entry.serial,
        "pinned": entry.pinned,
        "stateroot": entry.stateroot,
        "layered": entry.layered,
        "plain": entry.plain,
        "imginfo": entry.imginfo,
        "image": image_to_json(entry.image),
    }


def deployment_from_json(data: Json) -> Deployment:
    """The inverse of deployment_to_json."""
    return Deployment(
        image=image_from_json(data["image"]),
        checksum=data["checksum"],
        serial=data["serial"],
        pinned=data["pinned"],
        stateroot=data["stateroot"],
        layered=data["layered"],
        plain=data["plain"],
        imginfo=data["imginfo"],
    )


def to_json(state: State) -> Json:
    """A device as plain data, without what is derived from it."""
    boot, pulled, overlay = state.boot, state.last_pull, state.usr_overlay
    return {
        "schema": SCHEMA,
        "backend": state.backend,
        "bootc_version": state.bootc_version,
        "architecture": state.architecture,
        "boot_seconds": state.boot_seconds,
        "has_bootc": state.has_bootc,
        "in_place": state.in_place,
        "boot_type": state.boot_type,
        "boot": {
            "id": boot.id,
            "started": boot.started,
            "up_at": boot.up_at,
            "count": boot.count,
            "silent": boot.silent,
            "settled": boot.settled,
            "failed_units": list(boot.failed_units),
            "kernel_id": boot.kernel_id,
            "soft": boot.soft,
            "entry": boot.entry,
        },
        "deployments": [deployment_to_json(entry) for entry in state.deployments],
        "booted": state.booted_id,
        "staged": None if state.staged is None else deployment_to_json(state.staged),
        "staged_locked": state.staged_locked,
        "stored": {spec: image_to_json(image) for spec, image in state.stored.items()},
        "contents": list(state.contents),
        "cached_updates": {digest: image_to_json(image) for digest, image in state.cached_updates.items()},
        "layers": dict(state.layers),
        "leftovers": dict(state.leftovers),
        "boot_leftovers": dict(state.boot_leftovers),
        "disk_bytes": state.disk_bytes,
        "esp_bytes": state.esp_bytes,
        "retained": list(state.retained),
        "read_only": state.read_only,
        "faults": {name: {"value": fault.value, "since": fault.since} for name, fault in state.faults.items()},
        "last_pull": None if pulled is None else asdict(pulled),
        "usr_overlay": None if overlay is None else asdict(overlay),
        "soft_reboot_target": state.soft_reboot_target,
        "reboot_required": state.reboot_required,
        "finalize_stamp": state.finalize_stamp,
        "journal": [asdict(record) for record in state.journal],
    }


def from_json(data: Json) -> State:
    """The inverse of to_json; raises ValueError for a device of another simulator version."""
    if data.get("schema") != SCHEMA:
        raise ValueError(
            f"the device was made by another version of the simulator (schema {data.get('schema')}, "
            f"this one writes {SCHEMA}); create it again with --force"
        )
    boot: Json = data["boot"]
    failed: list[str] = boot["failed_units"]
    return State(
        backend=data["backend"],
        bootc_version=data["bootc_version"],
        architecture=data["architecture"],
        boot_seconds=data["boot_seconds"],
        has_bootc=data["has_bootc"],
        in_place=data["in_place"],
        boot_type=data["boot_type"],
        boot=Boot(
            id=boot["id"],
            started=boot["started"],
            up_at=boot["up_at"],
            count=boot["count"],
            silent=boot["silent"],
            settled=boot["settled"],
            failed_units=tuple(failed),
            kernel_id=boot["kernel_id"],
            soft=boot["soft"],
            entry=boot["entry"],
        ),
        deployments=tuple(deployment_from_json(entry) for entry in data["deployments"]),
        booted_id=data["booted"],
        staged=None if data["staged"] is None else deployment_from_json(data["staged"]),
        staged_locked=data["staged_locked"],
        stored={spec: image_from_json(image) for spec, image in data["stored"].items()},
        contents=tuple(data["contents"]),
        cached_updates={digest: image_from_json(image) for digest, image in data["cached_updates"].items()},
        layers=data["layers"],
        leftovers=data["leftovers"],
        boot_leftovers=data["boot_leftovers"],
        disk_bytes=data["disk_bytes"],
        esp_bytes=data["esp_bytes"],
        retained=tuple(data["retained"]),
        read_only=data["read_only"],
        faults={name: FaultSetting(fault["value"], fault["since"]) for name, fault in data["faults"].items()},
        last_pull=None if data["last_pull"] is None else Pulled(**data["last_pull"]),
        usr_overlay=None if data["usr_overlay"] is None else Overlay(**data["usr_overlay"]),
        soft_reboot_target=data["soft_reboot_target"],
        reboot_required=data["reboot_required"],
        finalize_stamp=data["finalize_stamp"],
        journal=tuple(Record(**record) for record in data["journal"]),
    )
