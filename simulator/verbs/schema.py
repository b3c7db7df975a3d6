# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``bootc internals print-json-schema``: names and types of the fields a version has. Pure.

Types are written short: a trailing ``?`` allows null, ``!`` makes a field required, ``[]`` an array of it.
"""

from __future__ import annotations

import json
from typing import Any, Dict, Mapping

from simulator.versions import has

Json = Dict[str, Any]
Fields = Mapping[str, str]

HOST: Fields = {
    "apiVersion": "string!",
    "kind": "string!",
    "metadata": "ObjectMeta",
    "spec": "HostSpec",
    "status": "HostStatus",
}
OBJECTS: dict[str, Fields] = {
    "ObjectMeta": {"annotations": "object?", "labels": "object?", "name": "string?", "namespace": "string?"},
    "HostSpec": {"bootOrder": "BootOrder", "image": "ImageReference?"},
    "HostStatus": {
        "booted": "BootEntry?",
        "otherDeployments": "BootEntry[]",
        "readOnly": "boolean",
        "rollback": "BootEntry?",
        "rollbackQueued": "boolean",
        "staged": "BootEntry?",
        "type": "HostType?",
        "usrOverlay": "FilesystemOverlay?",
    },
    "BootEntry": {
        "cachedUpdate": "ImageStatus?",
        "composefs": "BootEntryComposefs?",
        "downloadOnly": "boolean",
        "image": "ImageStatus?",
        "incompatible": "boolean!",
        "ostree": "BootEntryOstree?",
        "pinned": "boolean!",
        "softRebootCapable": "boolean",
        "store": "Store?",
    },
    "BootEntryComposefs": {
        "bootDigest": "string?",
        "bootType": "BootType!",
        "bootloader": "Bootloader!",
        "missingVerityAllowed": "boolean!",
        "verity": "string!",
    },
    "BootEntryOstree": {"checksum": "string!", "deploySerial": "integer!", "stateroot": "string!"},
    "FilesystemOverlay": {
        "accessMode": "FilesystemOverlayAccessMode!",
        "persistence": "FilesystemOverlayPersistence!",
    },
    "ImageReference": {"image": "string!", "signature": "ImageSignature?", "transport": "string!"},
    "ImageStatus": {
        "architecture": "string!",
        "image": "ImageReference!",
        "imageDigest": "string!",
        "timestamp": "string?",
        "version": "string?",
    },
}
ENUMS: dict[str, tuple[str, ...]] = {
    "BootOrder": ("default", "rollback"),
    "BootType": ("Bls", "Uki"),
    "FilesystemOverlayAccessMode": ("readOnly", "readWrite"),
    "FilesystemOverlayPersistence": ("transient", "persistent"),
    "HostType": ("bootcHost",),
    "Store": ("ostreeContainer",),
}
# Fields and types that came later, by the feature that has them.
SINCE = {
    "HostStatus.otherDeployments": "otherDeployments",
    "HostStatus.readOnly": "readOnly",
    "HostStatus.usrOverlay": "usrOverlay",
    "BootEntry.composefs": "composefs",
    "BootEntry.downloadOnly": "downloadOnly",
    "BootEntry.softRebootCapable": "softRebootCapable",
    "BootEntryComposefs": "composefs",
    "BootEntryComposefs.bootDigest": "bootDigest",
    "BootEntryComposefs.missingVerityAllowed": "missingVerityAllowed",
    "BootEntryOstree.stateroot": "stateroot",
    "BootType": "composefs",
    "FilesystemOverlay": "usrOverlay",
    "FilesystemOverlayAccessMode": "usrOverlay",
    "FilesystemOverlayPersistence": "usrOverlay",
    "ImageStatus.architecture": "architecture",
}
SUBTASK = {"subtask": "string!", "description": "string!", "id": "string!"}
BYTES = {"bytesCached": "integer!", "bytes": "integer!", "bytesTotal": "integer!"}
STEPS = {"stepsCached": "integer!", "steps": "integer!", "stepsTotal": "integer!"}
TASK = {"task": "string!", "description": "string!", "id": "string!"}


def text(what: str, version: str) -> str:
    """The schema of ``host`` or ``progress``, indented, without a newline at the end."""
    return json.dumps(_host(version) if what == "host" else _progress(version), indent=2)


def _host(version: str) -> Json:
    definitions: Json = {name: _object(name, fields, version) for name, fields in OBJECTS.items()}
    definitions.update({name: {"type": "string", "enum": list(values)} for name, values in ENUMS.items()})
    definitions["Bootloader"] = {"type": "string", "enum": _loaders(version)}
    definitions["ImageSignature"] = {
        "oneOf": [
            {"type": "object", "properties": {"ostreeRemote": {"type": "string"}}, "required": ["ostreeRemote"]},
            {"type": "string", "enum": ["containerPolicy", "insecure"]},
        ]
    }
    known = {name: value for name, value in definitions.items() if _there(name, version)}
    if not has(version, "composefs"):
        del known["Bootloader"]
    return {**_head("Host", version), **_object("Host", HOST, version), _place(version): dict(sorted(known.items()))}


def _loaders(version: str) -> list[str]:
    if not has(version, "lower-case bootloader"):
        return ["Grub", "Systemd"]
    return ["grub", *(["grub-cc"] if has(version, "switch --apply when staged") else []), "systemd", "none"]


def _progress(version: str) -> Json:
    subtasks = {
        "SubTaskBytes": {**SUBTASK, **BYTES},
        "SubTaskStep": {**SUBTASK, "completed": "boolean!"},
    }
    events: dict[str, Fields] = {
        "Start": {"version": "string!"},
        "ProgressBytes": {**TASK, **BYTES, **STEPS, "subtasks": "SubTaskBytes[]!"},
        "ProgressSteps": {**TASK, **STEPS, "subtasks": "SubTaskStep[]!"},
    }
    kinds = []
    for name, fields in events.items():
        shape = _object(name, fields, version)
        shape["properties"] = {"type": {"type": "string", "const": name}, **shape["properties"]}
        shape["required"] = ["type", *shape["required"]]
        kinds.append(shape)
    defined = {name: _object(name, fields, version) for name, fields in subtasks.items()}
    return {**_head("Event", version), "oneOf": kinds, _place(version): defined}


def _head(title: str, version: str) -> Json:
    new = "https://json-schema.org/draft/2020-12/schema"
    old = "http://json-schema.org/draft-07/schema#"
    return {"$schema": new if has(version, "json schema 2020-12") else old, "title": title}


def _place(version: str) -> str:
    return "$defs" if has(version, "json schema 2020-12") else "definitions"


def _there(name: str, version: str) -> bool:
    return name not in SINCE or has(version, SINCE[name])


def _object(owner: str, fields: Fields, version: str) -> Json:
    known = {name: kind for name, kind in fields.items() if _there(f"{owner}.{name}", version)}
    shape: Json = {"type": "object", "properties": {name: _type(kind, version) for name, kind in known.items()}}
    required = [name for name, kind in known.items() if kind.endswith("!")]
    return {**shape, "required": required} if required else shape


def _type(kind: str, version: str) -> Json:
    name = kind.rstrip("!?[]")
    plain: Json = {"type": name} if name.islower() else {"$ref": f"#/{_place(version)}/{name}"}
    if "[]" in kind:
        return {"type": "array", "items": plain}
    if not kind.endswith("?"):
        return plain
    return {"type": [name, "null"]} if name.islower() else {"anyOf": [plain, {"type": "null"}]}
