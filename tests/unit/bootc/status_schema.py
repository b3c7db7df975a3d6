# Copyright (c) 2026, the skorionos.bootc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the collection relies on in the status document of bootc, as a JSON schema.

Not the schema of the document: a field that is not here may be anything, and one that is here may be missing unless it
is required. Held against the examples by test_status_schema.py, which also proves that each field here matters.
"""

from __future__ import annotations

from typing import Any


def _or_null(rule: dict[str, Any]) -> dict[str, Any]:
    return {"anyOf": [rule, {"type": "null"}]}


_TEXT = {"type": "string", "minLength": 1}
_TEXT_OR_NULL = {"type": ["string", "null"]}

REFERENCE = {
    "type": "object",
    "required": ["image", "transport"],
    "properties": {
        "image": _TEXT,
        "transport": _TEXT,
        "signature": {
            "anyOf": [
                {"enum": ["containerPolicy", "insecure", None]},
                {"type": "object", "required": ["ostreeRemote"], "properties": {"ostreeRemote": _TEXT}},
            ]
        },
    },
}

IMAGE = {
    "type": "object",
    "required": ["image", "imageDigest"],
    "properties": {
        "image": REFERENCE,
        # Hexadecimal digits alone on composefs hosts with deployments of early releases, and nothing at all where
        # 1.11.0 did not reach the registry.
        "imageDigest": {"type": "string", "pattern": "^((sha256:)?[0-9a-f]{64}|sha512:[0-9a-f]{128}|)$"},
        "version": _TEXT_OR_NULL,
        "timestamp": _TEXT_OR_NULL,
        "architecture": {"type": "string"},
    },
}

_VERITY = {"verity": {"type": "string", "pattern": "^[0-9a-f]{128}$"}}
# Only of the booted one it is of interest how it is booted. The first letter was a capital up to 1.12, and still is in
# one of the two.
_BOOTED = {
    **_VERITY,
    "bootType": {"type": "string", "pattern": "^([Bb]ls|[Uu]ki)$"},
    "bootloader": {"type": "string", "pattern": "^([Gg]rub|grub-cc|[Ss]ystemd|none)$"},
}


def _entry(composefs: dict[str, Any]) -> dict[str, Any]:
    """A deployment; on composefs hosts with these fields."""
    return {
        "type": "object",
        "required": ["image"],
        "properties": {
            "image": _or_null(IMAGE),
            "incompatible": {"type": "boolean"},
            "pinned": {"type": "boolean"},
            "softRebootCapable": {"type": "boolean"},
            "downloadOnly": {"type": "boolean"},
            "ostree": _or_null(
                {
                    "type": "object",
                    "required": ["checksum", "deploySerial"],
                    "properties": {
                        "checksum": {"type": "string", "pattern": "^[0-9a-f]{64}$"},
                        "deploySerial": {"type": "integer", "minimum": 0},
                    },
                }
            ),
            "composefs": _or_null({"type": "object", "required": sorted(composefs), "properties": composefs}),
        },
        # Which of the two is there tells the backend.
        "oneOf": [
            {"required": ["ostree"], "properties": {"ostree": {"type": "object"}}},
            {"required": ["composefs"], "properties": {"composefs": {"type": "object"}}},
        ],
    }


ENTRY = _entry(_VERITY)

STATUS_DOCUMENT = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "required": ["kind", "spec", "status"],
    "properties": {
        "kind": {"const": "BootcHost"},
        "spec": {"type": "object", "required": ["image"], "properties": {"image": _or_null(REFERENCE)}},
        "status": {
            "type": "object",
            "required": ["booted", "staged", "rollback", "rollbackQueued"],
            "properties": {
                "booted": _or_null(_entry(_BOOTED)),
                "staged": _or_null(ENTRY),
                "rollback": _or_null(ENTRY),
                "otherDeployments": {"type": "array", "items": ENTRY},
                "rollbackQueued": {"type": "boolean"},
                "readOnly": {"type": "boolean"},
                "usrOverlay": _or_null(
                    {
                        "type": "object",
                        "required": ["accessMode", "persistence"],
                        "properties": {
                            "accessMode": {"enum": ["readOnly", "readWrite"]},
                            "persistence": {"enum": ["transient", "persistent"]},
                        },
                    }
                ),
            },
        },
    },
}
